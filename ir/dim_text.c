/* ir/dim_text.c - dims as text. */
#include "dim.h"

#include <ctype.h>

enum { MAX_DEPTH = 200 };

static const char *const function[] = {
    [DIM_MIN] = "min", [DIM_MAX] = "max", [DIM_SELECT] = "select",
    [DIM_EQ] = "eq", [DIM_LT] = "lt", [DIM_LE] = "le",
};

static bool is_sum(const dim_table *t, ir_dim d)
{
    const dim_expr *e = dim_get(t, d);

    return e && (e->op == DIM_POLY || e->op == DIM_DIV || e->op == DIM_MOD ||
                 e->op == DIM_CONST);
}

static void print_factor(const dim_table *t, ir_dim d, text *out)
{
    bool paren = is_sum(t, d);

    text_add(out, paren ? "(" : "");
    dim_print(t, d, out);
    text_add(out, paren ? ")" : "");
}

static void print_poly(const dim_table *t, const dim_expr *e, text *out)
{
    for (uint32_t i = 0; i < e->n; i++) {
        const dim_term *m = &e->term[(i + 1) % e->n];   /* the constant last */
        if (e->term[0].n)
            m = &e->term[i];
        bool number = m->n == 0 || (m->coef != 1 && m->coef != -1);
        if (i || m->coef < 0)
            text_add(out, m->coef < 0 ? "-" : "+");
        if (number)
            text_add(out, "%llu", m->coef < 0 ? 0ull - (unsigned long long)m->coef
                                              : (unsigned long long)m->coef);
        for (uint32_t j = 0; j < m->n; j++) {
            text_add(out, j || number ? "*" : "");
            print_factor(t, m->atom[j], out);
        }
    }
}

void dim_print(const dim_table *t, ir_dim d, text *out)
{
    const dim_expr *e = dim_get(t, d);

    if (!e || e->op == DIM_CONST) {
        text_add(out, "%lld", (long long)(e ? e->value : d.v));
    } else if (e->op == DIM_SYM) {
        text_add(out, "%s", t->symbol.at[e->value].name);
    } else if (e->op == DIM_POLY) {
        print_poly(t, e, out);
    } else if (e->op == DIM_DIV || e->op == DIM_MOD) {
        print_factor(t, e->arg[0], out);
        text_add(out, e->op == DIM_DIV ? "/" : "%%");
        print_factor(t, e->arg[1], out);
    } else {
        text_add(out, "%s(", function[e->op]);
        for (int i = 0; i < (e->op == DIM_SELECT ? 3 : 2); i++) {
            text_add(out, i ? "," : "");
            dim_print(t, e->arg[i], out);
        }
        text_add(out, ")");
    }
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

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
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

static bool read_name(reader *r, ir_dim *out)
{
    const char *start = r->s;
    bool found;

    while (name_char(*r->s))
        r->s++;
    size_t n = (size_t)(r->s - start);
    if (*r->s == '(') {
        for (size_t op = 0; op < COUNT(function); op++)
            if (function[op] && strlen(function[op]) == n &&
                !memcmp(function[op], start, n))
                return r->s++, read_call(r, (dim_op)op, out);
        return false;
    }
    const char *name = arena_strndup(r->t->mem, start, n);
    *out = dim_symbol_named(r->t, name, &found);
    if (!found)
        *out = dim_symbol_new(r->t, name, 0, INT64_MAX);
    return true;
}

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
        else
            ok = name_char(*r->s) && read_name(r, out);
    }
    r->depth--;
    return ok;
}

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
