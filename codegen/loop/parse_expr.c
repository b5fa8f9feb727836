/* codegen/loop/parse_expr.c - words and expressions of kernels.
 *
 * Expressions are made node by node as they are written, without the builder's
 * simplifications, so that a printed kernel reads back as it is. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "loop_parse.h"
#include "num.h"

enum {
    MAX_DEPTH = 500,            /* of brackets, and of trees that chains of operators make */
    MAX_NUMBER = 64,            /* characters */
};

/* ---- words ------------------------------------------------------------------- */

ir_loc parse_here(parser *p)
{
    return lex_place(&p->s, &p->line, &p->loc);
}

bool parse_expected(parser *p, const char *what)
{
    ir_loc at = parse_here(p);

    return lex_expected(p->s, at, what, p->d);
}

bool want_char(parser *p, char c)
{
    return lex_char(&p->s, c) || parse_expected(p, (char[]){'\'', c, '\'', 0});
}

/* A dot ends a word, unlike elsewhere, for there may be another: a..b. */
size_t word_length(parser *p)
{
    lex_space(&p->s);
    return isdigit((unsigned char)*p->s) ? 0 : strspn(p->s, LP_NAME_CHARS);
}

bool take_word(parser *p, const char *word)
{
    size_t n = word_length(p);

    if (n != strlen(word) || memcmp(p->s, word, n))
        return false;
    p->s += n;
    return true;
}

char *take_name(parser *p)
{
    size_t n = word_length(p);

    p->s += n;
    return n ? arena_strndup(&p->k->mem, p->s - n, n) : NULL;
}

void parse_define(parser *p, const char *name, bool buffer, uint32_t id)
{
    names_add(&p->names, name);
    vec_push(&p->symbol, (symbol){buffer, id});
}

uint32_t parse_find(const parser *p, const char *name, bool buffer)
{
    uint32_t at = names_find(&p->names, name);

    return at != NAMES_NONE && p->symbol.at[at].buffer == buffer ? p->symbol.at[at].id : 0;
}

/* An element type that kernels compute with. */
static ir_dtype take_dtype(parser *p)
{
    size_t n = word_length(p);
    ir_dtype d = dt_find(p->s, n);

    if (!lp_computes(d))
        return DT_NONE;
    p->s += n;
    return d;
}

bool want_dtype(parser *p, ir_dtype *d)
{
    *d = take_dtype(p);
    return *d || parse_expected(p, "an element type");
}

/* ---- expressions ------------------------------------------------------------- */

/* Adds the node, unless chains of operators have made its tree too high. */
static bool add_node(parser *p, lp_node n, const lp_expr *args, lp_expr *e)
{
    uint16_t height = 0;

    for (uint32_t i = 0; i < n.narg; i++)
        if (args[i] < p->height.len && p->height.at[args[i]] > height)
            height = p->height.at[args[i]];
    if (height >= MAX_DEPTH)
        return diag_error(p->d, parse_here(p), D_BUDGET, "expression", "its depth",
                          (long long)MAX_DEPTH);
    *e = lp_node_add(p->k, n, args);
    if (p->height.len <= *e)
        vec_resize(&p->height, *e + 1);
    p->height.at[*e] = height + 1;
    return true;
}

static bool add_two(parser *p, lp_node_kind kind, sc_op op, lp_expr a, lp_expr b, lp_expr *e)
{
    return add_node(p, (lp_node){.kind = kind, .op = op, .dtype = DT_I64, .narg = 2}, LP(a, b), e);
}

/* The length of ['-'] (DIGITS ['.' DIGITS] ['e' ['+' | '-'] DIGITS] | '0x' HEX | 'inf').
 * Two dots are those of a range and end the number. */
static size_t number_length(const char *s)
{
    size_t n = *s == '-';

    if (!strncmp(s + n, "inf", 3))
        return n + 3;
    if (!strncmp(s + n, "0x", 2))
        return n + 2 + strspn(s + n + 2, "0123456789abcdef");
    n += strspn(s + n, "0123456789");
    if (s[n] == '.' && s[n + 1] != '.')
        n += 1 + strspn(s + n + 1, "0123456789");
    if (s[n] == 'e') {
        size_t sign = s[n + 1] == '-' || s[n + 1] == '+';
        n += 1 + sign + strspn(s + n + 1 + sign, "0123456789");
    }
    return n;
}

/* Bits of an element written as `number`; false if it does not fit. */
static bool element_bits(ir_dtype d, const char *number, uint64_t *bits)
{
    char *end;

    *bits = 0;
    errno = 0;
    if (dt_is_float(d) && number[0] == '0' && number[1] == 'x') {
        *bits = strtoull(number, &end, 16);
        return number[2] && !*end && !errno && (dt_size(d) == 8 || !(*bits >> 8 * dt_size(d)));
    }
    if (dt_is_float(d)) {
        num_store_flt(d, bits, strtod(number, &end));
        return !*end;
    }
    if (d == DT_U64) {
        *bits = strtoull(number, &end, 10);
        return *number != '-' && !*end && !errno;
    }
    long long v = strtoll(number, &end, 10);
    *bits = (uint64_t)v;
    return !*end && !errno && sc_wrap(d, v) == v;
}

/* number := INT | FLOAT ':' DTYPE | HEX ':' DTYPE */
static bool number(parser *p, lp_expr *e)
{
    char digits[MAX_NUMBER];
    ir_dtype d = DT_I64;
    uint64_t bits;
    ir_loc at = parse_here(p);
    size_t n = number_length(p->s);

    snprintf(digits, sizeof digits, "%.*s", (int)min_i64((int64_t)n, MAX_NUMBER), p->s);
    p->s += n;
    if (*p->s == ':') {
        p->s++;
        if (!want_dtype(p, &d))
            return false;
    }
    if (n >= sizeof digits || !element_bits(d, digits, &bits))
        return diag_error(p->d, at, D_PARSE, digits, "a number of its type");
    return add_node(p, (lp_node){.kind = LX_LITERAL, .dtype = d, .bits = bits}, NULL, e);
}

/* list := [sum {',' sum}] */
bool want_list(parser *p, char close, list *l)
{
    for (l->n = 0; lex_peek(&p->s) != close; l->n++) {
        if (l->n == LP_MAX_RANK)
            return diag_error(p->d, parse_here(p), D_BUDGET, "list", "its length",
                              (long long)LP_MAX_RANK);
        if ((l->n && !want_char(p, ',')) || !want_expr(p, &l->at[l->n]))
            return false;
    }
    return want_char(p, close);
}

/* `want` arguments and the ')' of a call. */
static bool call_arguments(parser *p, int want, list *l)
{
    ir_loc at = parse_here(p);

    if (!want_list(p, ')', l))
        return false;
    if (l->n == want)
        return true;
    return diag_error(p->d, at, D_OPERANDS, "call", want, l->n);
}

/* sum ')' of a call that gives a d. */
static bool cast(parser *p, sc_op op, ir_dtype d, lp_expr *e)
{
    list l;

    return call_arguments(p, 1, &l) &&
           add_node(p, (lp_node){.kind = LX_SCALAR, .op = op, .dtype = d, .narg = 1}, l.at, e);
}

/* call := DTYPE '(' sum ')' | 'bitcast' '(' DTYPE ',' sum ')' | FUNCTION '(' list ')'
 * of which the name and '(' are taken. */
static bool call(parser *p, ir_loc at, const char *name, lp_expr *e)
{
    ir_dtype d = dt_find(name, strlen(name));
    sc_op op = sc_find(name, strlen(name));
    lp_node_kind kind = !strcmp(name, "dot4")   ? LX_DOT4
                        : !strcmp(name, "dot2") ? LX_DOT2
                                                : LX_SCALAR;
    bool dot = kind != LX_SCALAR;
    list l;

    if (lp_computes(d))
        return cast(p, SC_CAST, d, e);
    if (op == SC_BITCAST)
        return want_dtype(p, &d) && want_char(p, ',') && cast(p, op, d, e);
    if (op == SC_CAST || (!op && !dot))
        return diag_error(p->d, at, D_PARSE, name, "a function");
    int n = dot ? 3 : sc_of(op)->args;
    if (!call_arguments(p, n, &l))
        return false;
    d = dot ? DT_I32 : sc_of(op)->result == SC_BOOL ? DT_BOOL : lp_dtype(p->k, l.at[n - 1]);
    return add_node(p, (lp_node){.kind = kind, .op = op, .dtype = d, .narg = (uint32_t)n}, l.at,
                    e);
}

bool want_rank(parser *p, ir_loc at, lp_buf b, int rank)
{
    const lp_buffer *buf = &p->k->buf.at[b];

    return rank == buf->rank || diag_error(p->d, at, D_RANK, buf->name, 1, rank, buf->rank);
}

/* load := NAME '[' list ['if' sum] ']' of which the name and '[' are taken. */
static bool load(parser *p, ir_loc at, const char *name, lp_expr *e)
{
    list l = {.n = 0};
    lp_buf b = parse_find(p, name, true);

    if (!b)
        return diag_error(p->d, at, D_PARSE, name, "a buffer declared before");
    while (lex_peek(&p->s) != ']' && !take_word(p, "if")) {
        if (l.n == LP_MAX_RANK)
            return want_rank(p, at, b, l.n + 1);
        if ((l.n && !want_char(p, ',')) || !want_expr(p, &l.at[l.n]))
            return false;
        l.n++;
    }
    bool guarded = lex_peek(&p->s) != ']';
    if (!want_rank(p, at, b, l.n) || (guarded && !want_expr(p, &l.at[l.n])))
        return false;
    return want_char(p, ']') &&
           add_node(p, (lp_node){.kind = LX_LOAD, .dtype = p->k->buf.at[b].dtype, .ref = b,
                                 .guarded = guarded, .narg = (uint32_t)(l.n + guarded)}, l.at, e);
}

/* named := 'true' | 'false' | call | load | NAME */
static bool named(parser *p, lp_expr *e)
{
    ir_loc at = parse_here(p);
    const char *name = take_name(p);

    if (!name)
        return parse_expected(p, "an expression");
    if (!strcmp(name, "true") || !strcmp(name, "false"))
        return add_node(p, (lp_node){.kind = LX_LITERAL, .dtype = DT_BOOL, .bits = *name == 't'},
                        NULL, e);
    if (lex_char(&p->s, '('))
        return call(p, at, name, e);
    if (lex_char(&p->s, '['))
        return load(p, at, name, e);
    lp_var v = parse_find(p, name, false);
    if (!v)
        return diag_error(p->d, at, D_PARSE, name, "a variable defined before");
    *e = p->k->var.at[v].self;
    return true;
}

/* primary := number | '(' sum ')' | named */
static bool primary(parser *p, lp_expr *e)
{
    char c = lex_peek(&p->s);

    if (c == '-' || isdigit((unsigned char)c))
        return number(p, e);
    if (word_length(p) == 3 && !strncmp(p->s, "inf", 3))
        return number(p, e);
    if (lex_char(&p->s, '('))
        return want_expr(p, e) && want_char(p, ')');
    return named(p, e);
}

/* product := primary {('*' | '/' | '%') primary}, but `*=` is an assignment. */
static bool product(parser *p, lp_expr *e)
{
    if (!primary(p, e))
        return false;
    for (;;) {
        char op = lex_peek(&p->s);
        lp_expr b;
        if ((op != '*' && op != '/' && op != '%') || p->s[1] == '=')
            return true;
        p->s++;
        if (!primary(p, &b) ||
            !add_two(p, op == '/' ? LX_FLOORDIV : LX_SCALAR,
                     op == '/' ? SC_NONE : op == '*' ? SC_MUL : SC_MOD, *e, b, e))
            return false;
    }
}

/* a + b or a - b.  The builder has no difference of a literal: a - 5 is a + -5. */
static bool sum_of(parser *p, char op, lp_expr a, lp_expr b, lp_expr *e)
{
    int64_t c;
    bool literal = op == '-' && lp_is_int(p->k, b, &c) && c != INT64_MIN;

    if (literal && !add_node(p, (lp_node){.kind = LX_LITERAL, .dtype = DT_I64,
                                          .bits = (uint64_t)-c}, NULL, &b))
        return false;
    return add_two(p, LX_SCALAR, op == '-' && !literal ? SC_SUB : SC_ADD, a, b, e);
}

/* sum := product {('+' | '-') product}, but `+=` is an assignment. */
static bool sum(parser *p, lp_expr *e)
{
    if (!product(p, e))
        return false;
    for (;;) {
        char op = lex_peek(&p->s);
        lp_expr b;
        if ((op != '+' && op != '-') || p->s[1] == '=')
            return true;
        p->s++;
        if (!product(p, &b) || !sum_of(p, op, *e, b, e))
            return false;
    }
}

bool want_expr(parser *p, lp_expr *e)
{
    if (p->depth >= MAX_DEPTH)
        return diag_error(p->d, parse_here(p), D_BUDGET, "expression", "its depth",
                          (long long)MAX_DEPTH);
    p->depth++;
    bool ok = sum(p, e);
    p->depth--;
    return ok;
}

