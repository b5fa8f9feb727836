/* codegen/loop/parse.c - reads the text form of a kernel back.
 *
 * The parser checks the form, the names, and the numbers of operands; lp_verify
 * checks types and what may stand where.  The first error ends the parse.  The
 * production that a function reads stands above it; `sum` is an expression. */
#include <ctype.h>

#include "loop_parse.h"

enum { MAX_BLOCKS = 64 };

/* ---- words ------------------------------------------------------------------- */

static bool want_word(parser *p, const char *word)
{
    return take_word(p, word) || parse_expected(p, word);
}

/* One of `n` words: its position; -1 after an error. */
static int want_one_of(parser *p, const char *const *words, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        if (take_word(p, words[i]))
            return i;
    parse_expected(p, what);
    return -1;
}

static bool want_int(parser *p, int64_t lo, int64_t hi, const char *what, int64_t *v)
{
    ir_loc at = parse_here(p);

    if (!lex_int(&p->s, v))
        return parse_expected(p, what);
    if (*v >= lo && *v <= hi)
        return true;
    return diag_error(p->d, at, D_PARSE, "number out of range", what);
}

/* A name that nothing of the kernel has yet. */
static bool want_new(parser *p, const char **name)
{
    ir_loc at = parse_here(p);

    *name = take_name(p);
    if (!*name)
        return parse_expected(p, "a name");
    if (names_find(&p->k->names, *name) == NAMES_NONE)
        return true;
    return diag_error(p->d, at, D_PARSE, *name, "a name that is not taken");
}

static bool want_buffer_name(parser *p, lp_buf *b)
{
    ir_loc at = parse_here(p);
    const char *name = take_name(p);

    if (!name)
        return parse_expected(p, "a buffer");
    *b = parse_find(p, name, true);
    return *b || diag_error(p->d, at, D_PARSE, name, "a buffer declared before");
}

/* ---- buffers, statements ------------------------------------------------------ */

/* index := '[' list ']' with as many as b's rank, copied to the kernel. */
static bool want_index(parser *p, lp_buf b, const lp_expr **idx)
{
    list l;
    ir_loc at = parse_here(p);

    if (!want_char(p, '[') || !want_list(p, ']', &l) || !want_rank(p, at, b, l.n))
        return false;
    *idx = arena_copy(&p->k->mem, l.at, (size_t)l.n * sizeof *l.at);
    return true;
}

/* access := NAME index */
static bool want_access(parser *p, lp_buf *b, const lp_expr **idx)
{
    return want_buffer_name(p, b) && want_index(p, *b, idx);
}

/* buffer := NAME ':' DTYPE '[' list ']' SPACE ['alias' NAME] */
static bool buffer(parser *p, lp_buf *b)
{
    lp_buffer buf = {0};
    const char *name;
    list l;

    if (!want_new(p, &name) || !want_char(p, ':') || !want_dtype(p, &buf.dtype) ||
        !want_char(p, '[') || !want_list(p, ']', &l))
        return false;
    int in = want_one_of(p, lp_space_text, LP_SPACES, "in, out, const, row or reg");
    if (in < 0)
        return false;
    buf.space = (lp_space)in;
    buf.rank = l.n;
    buf.dims = l.at;
    *b = lp_buffer_add(p->k, name, buf);
    parse_define(p, name, true, *b);
    return !take_word(p, "alias") || want_buffer_name(p, &p->k->buf.at[*b].alias);
}

static lp_stmt *statement(parser *p, lp_op op, ir_loc at)
{
    lp_stmt *s = arena_new(&p->k->mem, lp_stmt);

    s->op = op;
    s->loc = at;
    return s;
}

static bool block(parser *p, lp_stmt **first);

/* The variables and ranges of a loop: `i, j in 0..n, 0..m step 2`. */
typedef struct heads {
    const char *name[LP_MAX_RANK];
    lp_expr lo[LP_MAX_RANK], hi[LP_MAX_RANK];
    int64_t step[LP_MAX_RANK];
    lp_var var[LP_MAX_RANK];
    int n;
} heads;

/* NAME {',' NAME} 'in' */
static bool loop_names(parser *p, heads *h)
{
    h->n = 0;
    do {
        if (h->n == LP_MAX_RANK)
            return diag_error(p->d, parse_here(p), D_BUDGET, "loop", "its number of variables",
                              (long long)LP_MAX_RANK);
        if (!want_new(p, &h->name[h->n]))
            return false;
        for (int i = 0; i < h->n; i++)
            if (!strcmp(h->name[i], h->name[h->n]))
                return diag_error(p->d, parse_here(p), D_PARSE, h->name[i],
                                  "a name that is not taken");
        h->n++;
    } while (lex_char(&p->s, ','));
    return want_word(p, "in");
}

/* range := sum '..' sum ['step' INT] */
static bool loop_range(parser *p, heads *h, int i)
{
    h->step[i] = 1;
    if (!want_expr(p, &h->lo[i]) || !want_char(p, '.') || !want_char(p, '.') ||
        !want_expr(p, &h->hi[i]))
        return false;
    return !take_word(p, "step") || want_int(p, 1, INT32_MAX, "a step", &h->step[i]);
}

/* heads := NAME {',' NAME} 'in' range {',' range}.  A variable is defined behind all
 * ranges, which do not see it. */
static bool loop_heads(parser *p, lp_stmt *s)
{
    heads h;

    if (!loop_names(p, &h))
        return false;
    for (int i = 0; i < h.n; i++)
        if ((i && !want_char(p, ',')) || !loop_range(p, &h, i))
            return false;
    for (int i = 0; i < h.n; i++) {
        h.var[i] = lp_loop_var_add(p->k, s->kind, h.name[i], h.lo[i], h.hi[i], h.step[i]);
        parse_define(p, h.name[i], false, h.var[i]);
    }
    s->nvar = (uint32_t)h.n;
    s->var = arena_copy(&p->k->mem, h.var, s->nvar * sizeof *h.var);
    s->lo = arena_copy(&p->k->mem, h.lo, s->nvar * sizeof *h.lo);
    s->hi = arena_copy(&p->k->mem, h.hi, s->nvar * sizeof *h.hi);
    s->step = arena_copy(&p->k->mem, h.step, s->nvar * sizeof *h.step);
    return true;
}

/* loop := ('for' | 'par' | 'unroll' | 'vec' TAIL) heads block of which the first word
 * is taken. */
static bool loop(parser *p, lp_loop_kind kind, ir_loc at, lp_stmt **out)
{
    lp_stmt *s = *out = statement(p, LP_LOOP, at);

    s->kind = kind;
    if (kind == LP_VEC) {
        int t = want_one_of(p, lp_tail_text, LP_TAILS, "masked or exact");
        if (t < 0)
            return false;
        s->tail = (lp_tail)t;
    }
    return loop_heads(p, s) && block(p, &s->body);
}

/* branch := 'if' sum block ['else' block] of which 'if' is taken. */
static bool branch(parser *p, lp_stmt *s)
{
    return want_expr(p, &s->value) && block(p, &s->body) &&
           (!take_word(p, "else") || block(p, &s->other));
}

/* local := 'local' buffer ['=' sum] of which 'local' is taken. */
static bool local(parser *p, lp_stmt *s)
{
    return buffer(p, &s->buf) && (!lex_char(&p->s, '=') || want_expr(p, &s->value));
}

/* transpose := 'transpose' access access INT of which 'transpose' is taken. */
static bool transpose(parser *p, lp_stmt *s)
{
    int64_t size;

    if (!want_access(p, &s->buf, &s->idx) || !want_access(p, &s->from, &s->from_idx) ||
        !want_int(p, 1, LP_MAX_LANES, "a tile's size", &size))
        return false;
    s->size = (int32_t)size;
    return true;
}

/* assignment := '=' | '+=' | '*=' | 'min=' | 'max=' | 'and=' | 'or=' */
static bool assignment(parser *p, sc_op *op)
{
    char c = lex_peek(&p->s);

    *op = take_word(p, "min")   ? SC_MIN
          : take_word(p, "max") ? SC_MAX
          : take_word(p, "and") ? SC_AND
          : take_word(p, "or")  ? SC_OR
          : c == '+'            ? SC_ADD
          : c == '*'            ? SC_MUL
                                : SC_NONE;
    p->s += *op == SC_ADD || *op == SC_MUL;
    return want_char(p, '=');
}

/* store := access assignment sum */
static bool store(parser *p, lp_stmt *s)
{
    return want_access(p, &s->buf, &s->idx) && assignment(p, &s->accum) &&
           want_expr(p, &s->value);
}

/* let := NAME '=' (sum | 'fold' FUNCTION NAME) */
static bool let(parser *p, lp_stmt *s)
{
    const char *name;
    ir_dtype d;

    if (!want_new(p, &name) || !want_char(p, '='))
        return false;
    if (take_word(p, "fold")) {
        size_t n = word_length(p);
        s->op = LP_FOLD;
        s->accum = sc_find(p->s, n);
        if (!s->accum)
            return parse_expected(p, "a function");
        p->s += n;
        if (!want_buffer_name(p, &s->from))
            return false;
        d = p->k->buf.at[s->from].dtype;
    } else {
        if (!want_expr(p, &s->value))
            return false;
        d = lp_dtype(p->k, s->value);
    }
    lp_var v = lp_let_var_add(p->k, name, d, s->value);
    parse_define(p, name, false, v);
    s->var = arena_copy(&p->k->mem, &v, sizeof v);
    s->nvar = 1;
    return true;
}

/* Both begin with a name, behind which a let goes on with '='. */
static bool let_or_store(parser *p, ir_loc at, lp_stmt **out)
{
    const char *s = p->s + word_length(p);
    bool is_let = lex_peek(&s) == '=';

    *out = statement(p, is_let ? LP_LET : LP_STORE, at);
    return is_let ? let(p, *out) : store(p, *out);
}

/* statement := loop | branch | local | let | transpose | 'prefetch' ['far'] access
 *              | ['stream'] store */
static bool want_statement(parser *p, lp_stmt **out)
{
    ir_loc at = parse_here(p);

    for (int i = 0; i < LP_LOOP_KINDS; i++)
        if (take_word(p, lp_loop_text[i]))
            return loop(p, (lp_loop_kind)i, at, out);
    if (take_word(p, "if"))
        return branch(p, *out = statement(p, LP_IF, at));
    if (take_word(p, "local"))
        return local(p, *out = statement(p, LP_LOCAL, at));
    if (take_word(p, "transpose"))
        return transpose(p, *out = statement(p, LP_TRANSPOSE, at));
    if (take_word(p, "prefetch")) {
        *out = statement(p, LP_PREFETCH, at);
        (*out)->far = take_word(p, "far");
        return want_access(p, &(*out)->buf, &(*out)->idx);
    }
    if (take_word(p, "stream")) {
        *out = statement(p, LP_STORE, at);
        (*out)->stream = true;
        return store(p, *out);
    }
    return word_length(p) ? let_or_store(p, at, out) : parse_expected(p, "a statement");
}

/* block := '{' {statement} '}', linked from *next on. */
static bool block(parser *p, lp_stmt **next)
{
    if (p->blocks == MAX_BLOCKS)
        return diag_error(p->d, parse_here(p), D_BUDGET, "block", "its depth",
                          (long long)MAX_BLOCKS);
    p->blocks++;
    if (!want_char(p, '{'))
        return false;
    while (!lex_char(&p->s, '}')) {
        if (!want_statement(p, next))
            return false;
        next = &(*next)->next;
    }
    p->blocks--;
    return true;
}

/* ---- kernels -------------------------------------------------------------------- */

/* dim := NAME ['in' INT '..' [INT] ['%' INT]] */
static bool dim(parser *p)
{
    int64_t lo = 0, hi = INT64_MAX, divisor = 1;
    const char *name;

    if (!want_new(p, &name))
        return false;
    if (take_word(p, "in")) {
        if (!want_int(p, INT64_MIN, INT64_MAX, "a number", &lo) || !want_char(p, '.') ||
            !want_char(p, '.'))
            return false;
        char c = lex_peek(&p->s);
        if ((isdigit((unsigned char)c) || c == '-') &&
            !want_int(p, lo, INT64_MAX, "a number that is no less", &hi))
            return false;
        if (lex_char(&p->s, '%') && !want_int(p, 1, INT64_MAX, "a divisor", &divisor))
            return false;
    }
    parse_define(p, name, false, lp_dim_add(p->k, name, lo, hi, divisor));
    return true;
}

/* dims := ['dims' dim {',' dim}] */
static bool dims(parser *p)
{
    if (!take_word(p, "dims"))
        return true;
    do {
        if (!dim(p))
            return false;
    } while (lex_char(&p->s, ','));
    return true;
}

/* Skips to behind the parenthesis that closes the parameters.  Those in comments do
 * not count: lex_peek passes over comments. */
static bool skip_parameters(parser *p)
{
    for (int open = 1; open; p->s++) {
        char c = lex_peek(&p->s);
        if (!c)
            return parse_expected(p, "')'");
        open += (c == '(') - (c == ')');
    }
    return true;
}

/* parameters := [buffer {',' buffer}] ')' */
static bool parameters(parser *p)
{
    lp_buf b;

    if (lex_char(&p->s, ')'))
        return true;
    do {
        if (!buffer(p, &b))
            return false;
        vec_push(&p->k->param, b);
    } while (lex_char(&p->s, ','));
    return want_char(p, ')');
}

/* [schedule{..}] */
static bool head_schedule(parser *p)
{
    const char *want;

    if (lex_peek(&p->s) == '(')
        return true;
    return schedule_parse(&p->s, &p->k->schedule, &want) || parse_expected(p, want);
}

/* kernel := 'kernel' NAME [schedule] '(' parameters dims block.  The parameters'
 * extents are expressions over the dims, which stand behind them: these are read
 * first. */
static bool kernel(parser *p)
{
    if (!want_word(p, "kernel"))
        return false;
    p->k->name = take_name(p);
    if (!p->k->name)
        return parse_expected(p, "a name");
    if (!head_schedule(p) || !want_char(p, '('))
        return false;
    const char *s = p->s, *line = p->line;
    uint32_t number = p->loc.line;
    if (!skip_parameters(p) || !dims(p))
        return false;
    const char *behind = p->s;
    p->s = s, p->line = line, p->loc.line = number;
    if (!parameters(p))
        return false;
    p->s = behind;
    return block(p, &p->k->body);
}

lp_kernel *lp_parse(const char **s, ir_loc *loc, diag *d)
{
    parser p = {.k = lp_kernel_new(""), .d = d, .s = *s, .loc = *loc};

    p.line = *s - (loc->col ? loc->col - 1 : 0);
    bool ok = kernel(&p);
    *loc = parse_here(&p);
    *s = p.s;
    names_free(&p.names);
    vec_free(&p.symbol);
    vec_free(&p.height);
    if (ok)
        return p.k;
    lp_kernel_free(p.k);
    return NULL;
}
