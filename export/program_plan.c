/* export/program_plan.c - decides what gets a statement of its own.
 *
 * A first walk, from the results to the inputs, finds what the text asks for: the operands
 * of what is said, layers and functions counting as one.  A second walk, from the inputs on,
 * names what is asked for twice, what has grown long, and what cannot stand inside of what
 * uses it; all else goes into the expression of its one user. */
#include "program_writer.h"

enum {
    LONG = 9,           /* operators in one statement */
    MAJOR = 5           /* what a layer with a matrix counts as */
};

/* The second walk. */
typedef struct planning {
    px *g;
    int *cost;          /* by value: operators that its expression adds to its user's */
} planning;

/* ---- what is asked for ---------------------------------------------------------------- */

static void ask(px *g, ir_ref r)
{
    g->demand[r]++;
}

static bool is_asked(const px *g, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nres; i++)
        if (g->demand[n->first + i])
            return true;
    return n->op == OP_CHECK;
}

/* Of a layer or function only what it is applied to is asked for: the values of its
 * formula are said by its name. */
static void ask_operands(px *g, const ir_node *n)
{
    if (n->nres == 1)
        px_match(g, n->first);
    if (n->nres == 1 && g->said[n->first].how != PX_OP) {
        ask(g, g->said[n->first].in);
        return;
    }
    for (uint32_t i = 0; i < n->narg; i++)
        ask(g, ir_arg(g->fn, n, i));
}

/* Extents that a value has are named behind it, whoever else reads it. */
static bool is_named_extent(const px *g, const ir_node *n)
{
    ir_fn *region[2];

    return !ir_regions(n, region) && ir_symbol_of(g->file->m, n, 0) != NAMES_NONE;
}

/* From the results on, so that a value's users have been seen before it. */
static void walk_up(px *g)
{
    for (uint32_t i = 0; i < g->fn->result.len; i++)
        ask(g, g->fn->result.at[i]);
    for (uint32_t i = g->fn->node.len; i-- > 0;) {
        const ir_node *n = &g->fn->node.at[i];
        if (is_named_extent(g, n))
            ask(g, n->first);
        if (is_asked(g, n))
            ask_operands(g, n);
    }
}

/* ---- what gets a name ----------------------------------------------------------------- */

static bool is_literal(const px *g, ir_ref r)
{
    double flt;
    int64_t whole;

    return px_is_splat(g, r, &flt, &whole) || px_node(g, r)->op == OP_DIMVAL;
}

static bool fits_whole(const px *g, ir_ref r) { return g->named[r] || g->whole[r]; }
static bool fits_element(const px *g, ir_ref r) { return g->named[r] || g->element[r]; }

static int cost_of(const planning *p, ir_ref r)
{
    return p->g->named[r] ? 0 : p->cost[r];
}

/* Names an operand that cannot be said by element. */
static void need_element(px *g, ir_ref r)
{
    if (!fits_element(g, r))
        g->named[r] = true;
}

static void need_whole(px *g, ir_ref r)
{
    if (!fits_whole(g, r))
        g->named[r] = true;
}

/* Whole arrays of one shape, and numbers. */
static bool is_whole_scalar(const px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    const ir_type *t = px_type(g, r);
    bool arrays = !t->rank;

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref x = ir_arg(g->fn, n, i);
        const ir_type *of = px_type(g, x);
        if (is_literal(g, x))
            continue;
        arrays = true;
        if (!fits_whole(g, x) || of->rank != t->rank)
            return false;
        for (int k = 0; k < t->rank; k++)
            if (!dim_same(of->dim[k], t->dim[k]))
                return false;
    }
    return arrays;
}

/* Adds what the operands cost; where that is too much, the longest gets a name. */
static void add_costs(planning *p, ir_ref r)
{
    px *g = p->g;
    const ir_node *n = px_node(g, r);

    for (;;) {
        ir_ref most = IR_NONE;
        int sum = 1;
        for (uint32_t i = 0; i < n->narg; i++) {
            ir_ref x = ir_arg(g->fn, n, i);
            sum += cost_of(p, x);
            if (most == IR_NONE || cost_of(p, x) > cost_of(p, most))
                most = x;
        }
        p->cost[r] = sum;
        if (sum <= LONG || cost_of(p, most) < 2)
            return;
        g->named[most] = true;
    }
}

/* Does the text say the operands more than once?  So does a quotient rounded towards 0. */
static bool repeats(const px *g, ir_ref r)
{
    unsigned op = px_node(g, r)->op;

    return op == OP_REM || (op == OP_DIV && !dt_is_float(px_type(g, r)->dtype));
}

/* As a whole, if all operands can be, since relu(a + b) reads better than its
 * elements; else by element. */
static void plan_scalar(planning *p, ir_ref r)
{
    px *g = p->g;
    const ir_node *n = px_node(g, r);

    for (uint32_t i = 0; i < n->narg && repeats(g, r); i++)
        g->named[ir_arg(g->fn, n, i)] |= cost_of(p, ir_arg(g->fn, n, i)) > 0;
    add_costs(p, r);
    g->whole[r] = is_whole_scalar(g, r);
    g->element[r] = true;
    for (uint32_t i = 0; i < n->narg; i++)
        if (g->whole[r])
            g->element[r] &= fits_element(g, ir_arg(g->fn, n, i));
        else
            need_element(g, ir_arg(g->fn, n, i));
}

/* Operands are read at indices, so what is said twice is a name. */
static void plan_element(planning *p, ir_ref r)
{
    px *g = p->g;
    const ir_node *n = px_node(g, r);
    bool moves = ir_op_moves(n->op), base = n->op == OP_GATHER;

    p->cost[r] = moves ? 0 : 1;
    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref x = ir_arg(g->fn, n, i);
        need_element(g, x);
        if ((moves && g->demand[r] > 1 && p->cost[x]) || (base && !i))
            g->named[x] = px_node(g, x)->op != OP_CONST;
        p->cost[r] += cost_of(p, x);
    }
    g->element[r] = true;
    g->whole[r] = n->op == OP_RESHAPE && px_type(g, r)->rank && fits_whole(g, px_arg(g, r, 0));
    g->named[r] |= !moves && g->demand[r] > 1 && !is_literal(g, r);
}

/* A reshape that joins axes is said of the whole array. */
static void plan_reshape(planning *p, ir_ref r)
{
    px *g = p->g;

    need_whole(g, px_arg(g, r, 0));
    g->whole[r] = true;
    p->cost[r] = 1 + cost_of(p, px_arg(g, r, 0));
    g->named[r] = g->demand[r] > 1;
}

/* A layer with a matrix counts as five operators: two of them make a line long
 * enough. */
static void plan_said(planning *p, ir_ref r)
{
    px *g = p->g;
    const px_said *s = &g->said[r];

    int own = s->kind && s->how == PX_LAYER && px_node(g, s->in)->op != OP_CONST &&
                      s->weight[0].name[0] == 'w' ? MAJOR : 1;
    if (s->how == PX_LAYER || !fits_element(g, s->in))
        need_whole(g, s->in);
    if (cost_of(p, s->in) + own > LONG)
        g->named[s->in] = true;
    g->whole[r] = fits_whole(g, s->in);
    g->element[r] = s->how == PX_FUNCTION && fits_element(g, s->in);
    p->cost[r] = own + cost_of(p, s->in);
    g->named[r] = g->demand[r] > 1;
}

static void plan_source(planning *p, ir_ref r)
{
    px *g = p->g;

    g->whole[r] = g->element[r] = true;
    g->named[r] = px_node(g, r)->op == OP_INPUT;
    p->cost[r] = 0;
}

/* A statement of its own kind, of names. */
static void plan_array(px *g, const ir_node *n)
{
    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref x = ir_arg(g->fn, n, i);
        if (px_node(g, x)->op != OP_CONST && !is_literal(g, x))
            g->named[x] = true;
    }
    for (uint32_t i = 0; i < n->nres; i++)
        g->named[n->first + i] = true;
}

/* By kind; `named`, `whole` and `element` of the operands are final here. */
static void plan_value(planning *p, const ir_node *n)
{
    px *g = p->g;
    ir_ref r = n->first;

    if (n->op == OP_CHECK)
        need_whole(g, ir_arg(g->fn, n, 0));
    else if (n->op == OP_CONST || n->op == OP_INPUT || is_literal(g, r))
        plan_source(p, r);
    else if (g->said[r].how != PX_OP)
        plan_said(p, r);
    else if (px_is_foreign(g, n))
        plan_array(g, n);
    else if (ir_op_scalar(n->op) || ir_op_get(n->op)->moves == MOVES_SAME) {
        plan_scalar(p, r);
        g->named[r] = g->demand[r] > 1;
    } else if (px_is_element(g, r))
        plan_element(p, r);
    else if (n->op == OP_RESHAPE)
        plan_reshape(p, r);
    else
        plan_array(g, n);
}

/* The results last: several are named, a single one may be the block's last
 * expression. */
static void walk_down(planning *p)
{
    px *g = p->g;

    for (uint32_t i = 0; i < g->fn->node.len; i++)
        if (is_asked(g, &g->fn->node.at[i]))
            plan_value(p, &g->fn->node.at[i]);
    for (uint32_t i = 0; i < g->fn->result.len; i++) {
        ir_ref r = g->fn->result.at[i];
        bool literal = is_literal(g, r), one = literal && !px_type(g, r)->rank;
        if (!one && (g->fn->result.len > 1 || !g->whole[r] || literal))
            g->named[r] = true;
    }
}

/* Fills what px (program_writer.h) has by value. */
void px_plan(px *g)
{
    arena *mem = &g->file->mem;
    size_t n = g->fn->value.len + 1;
    planning p = {g, arena_array(mem, int, n)};

    g->said = arena_array(mem, px_said, n);
    g->demand = arena_array(mem, uint32_t, n);
    g->named = arena_array(mem, bool, n);
    g->whole = arena_array(mem, bool, n);
    g->element = arena_array(mem, bool, n);
    g->uses = ir_use_counts(g->fn, mem);
    walk_up(g);
    walk_down(&p);
}
