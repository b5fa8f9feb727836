/* ir/dim_text.c - dims as text. */
#include "dim.h"

#include <ctype.h>
#include <stdlib.h>

#include "lex.h"

/* Parentheses within parentheses; the reader is recursive, and a file must not
 * overflow its stack. */
enum { MAX_DEPTH = 200 };

static const char *const function[] = {
    [DIM_MIN] = "min", [DIM_MAX] = "max", [DIM_SELECT] = "select",
    [DIM_EQ] = "eq", [DIM_LT] = "lt", [DIM_LE] = "le",
};

/* Terms, factors and operands without an order are sorted by their text: the
 * table's order is that of creation, which a parser would not repeat.  Every
 * part is rendered once, or nesting would cost 2^depth. */
static char *render(const dim_table *t, ir_dim d, arena *mem);

static bool is_sum(const dim_table *t, ir_dim d)
{
    const dim_expr *e = dim_get(t, d);

    return e && (e->op == DIM_POLY || e->op == DIM_DIV || e->op == DIM_MOD ||
                 e->op == DIM_CONST);
}

/* Parentheses stand around what binds more weakly than a product. */
static char *factor(const dim_table *t, ir_dim d, arena *mem)
{
    char *s = render(t, d, mem);

    return is_sum(t, d) ? arena_printf(mem, "(%s)", s) : s;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One term of a sum while it is put in order: 2*N*M has degree 2 and atoms "M*N". */
typedef struct monomial {
    uint32_t degree;
    char *text;                         /* with its sign, if minus */
    char *atoms;
} monomial;

/* Higher degrees first, then by text: N*M+N+1. */
static int by_degree(const void *a, const void *b)
{
    const monomial *x = a, *y = b;

    if (x->degree != y->degree)
        return x->degree < y->degree ? 1 : -1;
    return strcmp(x->atoms, y->atoms);
}

/* Factors are sorted as texts, so that n*m and m*n print alike; the coefficient's
 * size is taken without a sign, as that of the least i64 has no positive
 * counterpart. */
static monomial term(const dim_table *t, const dim_term *m, arena *mem)
{
    char **atom = arena_array(mem, char *, m->n + 1), *atoms = arena_strdup(mem, "");
    unsigned long long size = m->coef < 0 ? 0ull - (unsigned long long)m->coef
                                          : (unsigned long long)m->coef;
    const char *minus = m->coef < 0 ? "-" : "";

    for (uint32_t j = 0; j < m->n; j++)
        atom[j] = factor(t, m->atom[j], mem);
    qsort(atom, m->n, sizeof *atom, by_text);
    for (uint32_t j = 0; j < m->n; j++)
        atoms = arena_printf(mem, "%s%s%s", atoms, j ? "*" : "", atom[j]);
    char *whole = m->n && size == 1
                      ? arena_printf(mem, "%s%s", minus, atoms)
                      : arena_printf(mem, "%s%llu%s%s", minus, size, m->n ? "*" : "", atoms);
    return (monomial){m->n, whole, atoms};
}

/* A term that begins with its minus needs no plus. */
static char *render_poly(const dim_table *t, const dim_expr *e, arena *mem)
{
    monomial *m = arena_array(mem, monomial, e->n);
    text out = {0};

    for (uint32_t i = 0; i < e->n; i++)
        m[i] = term(t, &e->term[i], mem);
    qsort(m, e->n, sizeof *m, by_degree);
    for (uint32_t i = 0; i < e->n; i++)
        text_add(&out, "%s%s", i && *m[i].text != '-' ? "+" : "", m[i].text);
    char *s = arena_strndup(mem, out.at, out.len);
    text_free(&out);
    return s;
}

/* min, max and eq do not care for the order of their operands. */
static char *render_call(const dim_table *t, const dim_expr *e, arena *mem)
{
    char *a[3];
    int n = e->op == DIM_SELECT ? 3 : 2;

    for (int i = 0; i < n; i++)
        a[i] = render(t, e->arg[i], mem);
    if (e->op == DIM_MIN || e->op == DIM_MAX || e->op == DIM_EQ)
        qsort(a, 2, sizeof *a, by_text);
    return n == 3 ? arena_printf(mem, "select(%s,%s,%s)", a[0], a[1], a[2])
                  : arena_printf(mem, "%s(%s,%s)", function[e->op], a[0], a[1]);
}

/* The text of d for a reader, in the arena; the precedence of what is around is the
 * caller's to keep. */
static char *render(const dim_table *t, ir_dim d, arena *mem)
{
    const dim_expr *e = dim_get(t, d);

    if (e && e->op == DIM_POLY)
        return render_poly(t, e, mem);
    if (e && (e->op == DIM_DIV || e->op == DIM_MOD))
        return arena_printf(mem, "%s%s%s", factor(t, e->arg[0], mem),
                            e->op == DIM_DIV ? "/" : "%", factor(t, e->arg[1], mem));
    if (e && e->op != DIM_CONST && e->op != DIM_SYM)
        return render_call(t, e, mem);
    text out = {0};
    dim_print(t, d, &out);
    char *s = arena_strndup(mem, out.at, out.len);
    text_free(&out);
    return s;
}

void dim_print(const dim_table *t, ir_dim d, text *out)
{
    const dim_expr *e = dim_get(t, d);
    arena mem = {0};

    if (!e || e->op == DIM_CONST) {
        text_add(out, "%lld", (long long)(e ? e->value : d.v));
    } else if (e->op == DIM_SYM) {
        text_add_name(out, t->symbol.at[e->value].name);
    } else {
        text_add(out, "%s", render(t, d, &mem));
        arena_reset(&mem);
    }
}

void dim_print_bounds(const dim_symbol *d, text *out)
{
    long long low = (long long)max_i64(d->lo, 0);

    if (d->hi == INT64_MAX)
        text_add(out, "'%.100s' must be at least %lld", d->name, low);
    else
        text_add(out, "'%.100s' must be from %lld to %lld", d->name, low, (long long)d->hi);
}

typedef struct reader {
    dim_table *t;
    const char *s;
    int depth;
} reader;

static bool read_sum(reader *r, ir_dim *out);

static void skip_space(reader *r)
{
    while (*r->s == ' ')
        r->s++;
}

static bool read_char(reader *r, char c)
{
    skip_space(r);
    if (*r->s != c)
        return false;
    r->s++;
    return true;
}

static bool read_number(reader *r, ir_dim *out)
{
    int64_t v = 0;

    for (; isdigit((unsigned char)*r->s); r->s++)
        if (!mul_ok(v, 10, &v) || !add_ok(v, *r->s - '0', &v))
            return false;
    *out = dim_int(r->t, v);
    return true;
}

static bool read_call(reader *r, dim_op op, ir_dim *out)
{
    ir_dim a[3] = {{0}, {0}, {0}};

    for (int i = 0; i < (op == DIM_SELECT ? 3 : 2); i++)
        if ((i && !read_char(r, ',')) || !read_sum(r, &a[i]))
            return false;
    *out = dim_make(r->t, op, a);
    return read_char(r, ')');
}

/* The symbol of this name, made if there is none. */
static ir_dim symbol(dim_table *t, const char *name)
{
    bool found;
    ir_dim d = dim_symbol_named(t, name, &found);

    return found ? d : dim_symbol_new(t, name, 0, INT64_MAX);
}

static bool read_quoted(reader *r, ir_dim *out)
{
    const char *name = lex_name(&r->s, r->t->mem);

    if (name)
        *out = symbol(r->t, name);
    return name;
}

/* NAME | FUNCTION '(' dim {',' dim} ')' */
static bool read_name(reader *r, ir_dim *out)
{
    const char *name = lex_name(&r->s, r->t->mem);

    if (!name || *r->s != '(') {
        *out = name ? symbol(r->t, name) : (ir_dim){0};
        return name;
    }
    for (size_t op = 0; op < COUNT(function); op++)
        if (function[op] && !strcmp(function[op], name))
            return r->s++, read_call(r, (dim_op)op, out);
    return false;
}

/* atom := '-' atom | INT | '(' dim ')' | NAME | FUNCTION '(' dim {',' dim} ')' */
static bool read_atom(reader *r, ir_dim *out)
{
    bool ok = false;

    skip_space(r);
    if (++r->depth < MAX_DEPTH) {
        if (read_char(r, '-'))
            ok = read_atom(r, out), *out = ok ? dim_neg(r->t, *out) : *out;
        else if (isdigit((unsigned char)*r->s))
            ok = read_number(r, out);
        else if (read_char(r, '('))
            ok = read_sum(r, out) && read_char(r, ')');
        else if (*r->s == '"')
            ok = read_quoted(r, out);
        else
            ok = read_name(r, out);
    }
    r->depth--;
    return ok;
}

/* product := atom {('*' | '/' | '%') atom}, from the left */
static bool read_product(reader *r, ir_dim *out)
{
    ir_dim b;

    if (!read_atom(r, out))
        return false;
    for (;;) {
        skip_space(r);
        char c = *r->s;
        if (c != '*' && c != '/' && c != '%')
            return true;
        r->s++;
        if (!read_atom(r, &b))
            return false;
        *out = c == '*' ? dim_mul(r->t, *out, b)
             : c == '/' ? dim_div(r->t, *out, b)
                        : dim_mod(r->t, *out, b);
    }
}

/* dim := product {('+' | '-') product} */
static bool read_sum(reader *r, ir_dim *out)
{
    ir_dim b;

    if (!read_product(r, out))
        return false;
    for (;;) {
        bool minus = read_char(r, '-');
        if (!minus && !read_char(r, '+'))
            return true;
        if (!read_product(r, &b))
            return false;
        *out = minus ? dim_sub(r->t, *out, b) : dim_add(r->t, *out, b);
    }
}

bool dim_parse(dim_table *t, const char **s, ir_dim *out)
{
    reader r = {t, *s, 0};
    bool ok = read_sum(&r, out);

    *s = r.s;
    return ok;
}
