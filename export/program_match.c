/* export/program_match.c - functions and layers of the library, found by their formulas.
 *
 * A pattern is a formula as it stands in the IR: (op operand ..), where an operand is
 *   x       a value; the same letter again is the same value
 *   d:(..)  a formula that has a name from here on
 *   A       a number, any or one that had this letter before; 0.5: this one
 *   S       of R to T: a constant along the last axis, a weight
 *   K       the extent of the last axis
 * Ops are the IR's, and sumlast, maxlast: a reduction of the last axis.  Repetitions along
 * other axes are skipped: what a formula needs is repeated in the language, too.  Inside of
 * a formula nothing may be used from outside, or it would be computed twice. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "program_writer.h"

/* A row of the library: `layer` if it works along the last axis, else on elements;
 * which of R and S are its weights, for paths in the file. */
typedef struct pattern {
    bool layer;
    const char *formula;
    const char *text;           /* A and so on stand for their numbers */
    const char *kind, *first, *second;  /* of a layer with weights: those that R and S are */
} pattern;

#define MEAN(x) "(div (sumlast " x ") K)"
#define NORM(d) "(sqrt (add " MEAN("(mul " d " " d ")") " A))"
static const pattern patterns[] = {
    {false, "(select (le x 0) 0 x)", "relu", 0, 0, 0},
    {false, "(select (le x 0) (mul x A) x)", "leaky_relu(A)", 0, 0, 0},
    {false, "(select (le x 0) (expm1 x) x)", "elu()", 0, 0, 0},
    {false, "(select (le x 0) (mul (expm1 x) A) x)", "elu(A)", 0, 0, 0},
    {false, "(mul (mul x 0.5) (add (erf (mul x 0.70710678)) 1))", "gelu", 0, 0, 0},
    {false, "(mul (mul x 0.5) (add (erf (div x 1.41421356)) 1))", "gelu", 0, 0, 0},
    {false, "(mul (mul x (add (erf (div x 1.41421356)) 1)) 0.5)", "gelu", 0, 0, 0},
    {false, "(mul x (tanh (add (max x 0) (log1p (exp (neg (abs x)))))))", "mish", 0, 0, 0},
    {false, "(add (max x 0) (log1p (exp (neg (abs x)))))", "softplus", 0, 0, 0},
    {false, "(div x (add (abs x) 1))", "softsign", 0, 0, 0},
    {false, "(mul x (sigmoid x))", "silu", 0, 0, 0},
    {true, "(mul e:(exp (sub x (maxlast x))) (div 1 (sumlast e)))", "softmax", 0, 0, 0},
    {true, "(sub d:(sub x (maxlast x)) (log (sumlast (exp d))))", "log_softmax", 0, 0, 0},
    {true, "(add (mul (mul d:(sub x " MEAN("x") ") (div 1 " NORM("d") ")) R) S)",
     "layer_norm(A)", "layer_norm", "scale", "shift"},
    {true, "(add (mul (div d:(sub x " MEAN("x") ") " NORM("d") ") R) S)",
     "layer_norm(A)", "layer_norm", "scale", "shift"},
    {true, "(mul (div x " NORM("x") ") R)", "rms_norm(A)", "rms_norm", "scale", 0},
};

enum { LETTERS = 128, INSIDE = 32 };

/* One try of a pattern at a value: what each of its letters stands for so far. */
typedef struct matching {
    px *g;
    ir_ref root, bound[LETTERS];        /* by letter: a value; IR_NONE: none yet */
    double number[LETTERS];             /* by letter: NaN: none yet */
    uint32_t constant[LETTERS];
    ir_ref inside[INSIDE];              /* values of the formula .. */
    uint32_t uses[INSIDE];              /* .. and how often it uses them */
    int count;
} matching;

static const char *match(matching *m, const char *p, ir_ref r);

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " ");
}

/* Behind the operand at p. */
static const char *behind(const char *p)
{
    int depth = 0;

    p = skip_blanks(p);
    do {
        depth += *p == '(';
        depth -= *p == ')';
        p++;
    } while (depth > 0 || (*p && *p != ' ' && *p != ')'));
    return p;
}

/* r without repetitions and axes of extent 1. */
static ir_ref bare(px *g, ir_ref r)
{
    for (;;) {
        const ir_node *n = px_node(g, r);
        if (n->op != OP_BROADCAST && !(n->op == OP_RESHAPE && px_is_element(g, r)))
            return r;
        if (n->op == OP_RESHAPE && px_type(g, r)->rank < px_type(g, px_arg(g, r, 0))->rank)
            return r;
        r = ir_arg(g->fn, n, 0);
    }
}

/* False: the formula has more values than there is room for, which none of the
 * patterns has. */
static bool note_use(matching *m, ir_ref r)
{
    for (int i = 0; i < m->count; i++)
        if (m->inside[i] == r) {
            m->uses[i]++;
            return true;
        }
    if (m->count == INSIDE)
        return false;
    m->inside[m->count] = r;
    m->uses[m->count++] = 1;
    return true;
}

/* A value: the same for the same letter. */
static bool match_value(matching *m, char letter, ir_ref r)
{
    ir_ref *b = &m->bound[(int)letter];

    if (*b == IR_NONE)
        *b = r;
    else if (*b != r)
        return false;
    return letter == 'x' || note_use(m, r);
}

/* The extent of the root's last axis, as a number. */
static bool is_extent(matching *m, ir_ref r, double v, bool known)
{
    const ir_type *t = px_type(m->g, m->root);
    const ir_node *n;
    int64_t extent;

    if (!t->rank)
        return false;
    if (known)
        return dim_const(&m->g->file->m->dims, t->dim[t->rank - 1], &extent) &&
               v == (double)extent;
    r = bare(m->g, r);
    n = px_node(m->g, r);
    if (n->op == OP_CAST)
        n = px_node(m->g, px_arg(m->g, r, 0));
    return n->op == OP_DIMVAL && dim_same(n->attr->DIMVAL.dim, t->dim[t->rank - 1]);
}

/* A constant along the root's last axis. */
static bool match_weight(matching *m, char letter, ir_ref r)
{
    const ir_type *t = px_type(m->g, m->root);
    uint32_t *c = &m->constant[(int)letter];
    ir_ref x = bare(m->g, r);
    const ir_type *of = px_type(m->g, x);

    return t->rank && of->rank == 1 && dim_same(of->dim[0], t->dim[t->rank - 1]) &&
           px_is_constant(m->g, x, c);
}

/* A weight, an extent, or a number. */
static bool match_letter(matching *m, char letter, ir_ref r)
{
    double v, *number = &m->number[(int)letter];
    int64_t whole;

    if (letter >= 'R' && letter <= 'T')
        return match_weight(m, letter, r);
    bool known = px_is_splat(m->g, r, &v, &whole);
    if (letter == 'K')
        return is_extent(m, r, v, known);
    if (!known || (!isnan(*number) && *number != v))
        return false;
    *number = v;
    return true;
}

static bool match_number(matching *m, const char *p, ir_ref r)
{
    double v, want = strtod(p, NULL);
    int64_t whole;

    return px_is_splat(m->g, r, &v, &whole) && fabs(v - want) <= 1e-7 * fabs(want);
}

/* Does r reduce its operand's last axis in this way? */
static bool reduces_last(px *g, ir_ref r, ir_redop op)
{
    const ir_node *n = px_node(g, r);

    return n->op == OP_REDUCE && n->attr->REDUCE.op == op && n->attr->REDUCE.axes.n == 1 &&
           n->attr->REDUCE.axes.at[0] == px_type(g, px_arg(g, r, 0))->rank - 1;
}

/* In order, or from the last to the first. */
static bool match_operands(matching *m, const char *p, ir_ref r, bool turned)
{
    const ir_node *n = px_node(m->g, r);

    for (uint32_t i = 0; i < n->narg; i++) {
        p = match(m, p, px_arg(m->g, r, turned ? n->narg - 1 - i : i));
        if (!p)
            return false;
    }
    return *skip_blanks(p) == ')';
}

/* Are the n characters at `at` this word? */
static bool is_word(const char *at, size_t n, const char *word)
{
    return strlen(word) == n && !strncmp(at, word, n);
}

static bool has_op(matching *m, const char *word, size_t n, ir_ref r)
{
    if (is_word(word, n, "sumlast"))
        return reduces_last(m->g, r, RED_SUM);
    if (is_word(word, n, "maxlast"))
        return reduces_last(m->g, r, RED_MAX);
    return is_word(word, n, ir_op_get(px_node(m->g, r)->op)->text);
}

/* (op ..): sums and products either way round. */
static bool match_formula(matching *m, const char *p, ir_ref r)
{
    size_t n = strcspn(p + 1, " )");
    unsigned op = px_node(m->g, r)->op;
    matching before = *m;

    if (!has_op(m, p + 1, n, r))
        return false;
    if (match_operands(m, p + 1 + n, r, false))
        return true;
    if (op != OP_ADD && op != OP_MUL && op != OP_MAX)
        return false;
    *m = before;
    return match_operands(m, p + 1 + n, r, true);
}

/* Behind the operand at p, if r is like it; else null. */
static const char *match(matching *m, const char *p, ir_ref r)
{
    p = skip_blanks(p);
    bool ok, named = p[1] == ':';
    const char *formula = named ? p + 2 : p;

    if (isdigit((unsigned char)*p))
        ok = match_number(m, p, r);
    else if (isupper((unsigned char)*p))
        ok = match_letter(m, *p, r);
    else if (*formula == '(')
        ok = note_use(m, bare(m->g, r)) && match_formula(m, formula, bare(m->g, r));
    else
        ok = match_value(m, *p, bare(m->g, r));
    if (ok && named)
        m->bound[(int)*p] = bare(m->g, r);
    return ok ? behind(p) : NULL;
}

/* Is nothing inside of the formula used outside?  What only moves is counted once. */
static bool is_closed(const matching *m)
{
    for (int i = 0; i < m->count; i++)
        if (m->inside[i] != m->root && m->g->uses[m->inside[i]] > m->uses[i])
            return false;
    return true;
}

/* The text with numbers for its letters; one that is the library's default is left out, but
 * not a function's parentheses: leaky_relu(x) has x for the number. */
static const char *with_numbers(px *g, const pattern *p, const matching *m)
{
    const char *at = strstr(p->text, "(A)");
    float v = (float)m->number['A'];

    if (!at)
        return p->text;
    int name = (int)(at - p->text);
    if (!strncmp(p->text, "leaky_relu", 10) && v == 0.01f)
        return "leaky_relu()";
    if ((!strncmp(p->text, "layer_norm", 10) && v == 1e-5f) ||
        (!strncmp(p->text, "rms_norm", 8) && v == 1e-6f))
        return arena_printf(&g->file->mem, "%.*s", name, p->text);
    return arena_printf(&g->file->mem, "%.*s(%s)", name, p->text, px_number(g, DT_F32, v, 0).at);
}

/* x must have the type of the whole: a formula that broadcasts is no function of
 * elements. */
static bool try_pattern(px *g, const pattern *p, ir_ref r, px_said *s)
{
    matching m = {.g = g, .root = r};

    memset(m.bound, 0xff, sizeof m.bound);
    for (int i = 0; i < LETTERS; i++)
        m.number[i] = NAN;
    if (!match_formula(&m, p->formula, r) || !is_closed(&m) ||
        px_type(g, m.bound['x']) != px_type(g, r))
        return false;
    *s = (px_said){.how = p->layer ? PX_LAYER : PX_FUNCTION, .text = with_numbers(g, p, &m),
                   .kind = p->kind, .in = m.bound['x']};
    if (p->first)
        s->weight[s->weights++] = (px_weight){p->first, m.constant['R']};
    if (p->second)
        s->weight[s->weights++] = (px_weight){p->second, m.constant['S']};
    return true;
}

/* The first pattern that fits; longer ones stand before those that they contain. */
void px_match(px *g, ir_ref r)
{
    px_said *s = &g->said[r];

    if (px_type(g, r)->kind != TY_TENSOR || px_type(g, r)->dtype != DT_F32)
        return;
    for (size_t i = 0; i < COUNT(patterns); i++)
        if (!(g->inside && patterns[i].kind) && try_pattern(g, &patterns[i], r, s))
            return;
    if (px_match_layer(g, r, s))
        s->how = PX_LAYER;
}
