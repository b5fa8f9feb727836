/* passes/grad_slope.c - scalar nodes that meet again are differentiated as one function.
 *
 *   h = x * (1 + erf(x / sqrt(2))) / 2        dx = g * s(x),  s(x) = h'(x)
 *
 * Node by node x has two shares of g, each with its factors.  With 1 handed in instead of g the
 * rules give the slope s, which depends on nothing of the way back: it is made where h is, and
 * the way back reads it instead of x and erf. */
#include "grad.h"
#include "rule.h"
#include "small_set.h"

enum { MAX_SLOPE = 16 };        /* values between y and x */

/* False: there are too many. */
static bool add_value(small_set *s, ir_ref r)
{
    return small_set_add(s, r) && s->n <= MAX_SLOPE;
}

/* Adds what n reads and a gradient flows to. */
static bool add_operands(const grad_cx *cx, const ir_node *n, small_set *f)
{
    bool ok = true;

    for (uint32_t i = 0; i < n->narg && ok; i++) {
        ir_ref r = ir_arg(cx->b->fn, n, i);
        if (cx->on[r] && grad_flows(grad_type(cx, r)))
            ok = add_value(f, r);
    }
    return ok;
}

/* Of its readers this is the last one that is seen: no share from elsewhere waits. */
static bool is_inner(const grad_cx *cx, ir_ref r, uint32_t seen)
{
    return ir_op_scalar(ir_node_of(cx->b->fn, r)->op) && cx->adjoint[r] == IR_NONE &&
           cx->uses[r] == seen;
}

static uint32_t reads(const grad_cx *cx, const ir_node *n, ir_ref r)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n->narg; i++)
        count += ir_arg(cx->b->fn, n, i) == r;
    return count;
}

/* How often y and the inner values read r. */
static uint32_t reads_inside(const grad_cx *cx, const ir_node *y, const small_set *inner, ir_ref r)
{
    uint32_t count = reads(cx, y, r);

    for (uint32_t i = 0; i < inner->n; i++)
        count += reads(cx, ir_node_of(cx->b->fn, inner->at[i]), r);
    return count;
}

/* The value of n's dtype that all ways of a gradient from n lead to, over the inner ones;
 * IR_NONE: none, or there is but one way. */
static ir_ref find_source(const grad_cx *cx, const ir_node *n, small_set *inner)
{
    small_set open = {0};
    bool ok = ir_op_scalar(n->op) && add_operands(cx, n, &open) && open.n > 1;

    while (ok && open.n > 1) {
        ir_ref r = open.at[--open.n];
        ok = is_inner(cx, r, reads_inside(cx, n, inner, r)) && add_value(inner, r) &&
             add_operands(cx, ir_node_of(cx->b->fn, r), &open);
    }
    ok = ok && open.n && grad_type(cx, open.at[0])->dtype == grad_type(cx, n->first)->dtype;
    return ok ? open.at[0] : IR_NONE;
}

/* Is g a sum of shares that all have masks, and not one?  An adjoint that is no number gives
 * nothing where each mask shuts it out, but is none times a slope that is 0 there, too. */
static bool is_in_parts(ir_build *b, ir_ref g)
{
    const ir_node *n = rule_is(b, g, OP_ADD);
    ir_ref share[2] = {IR_NONE, IR_NONE}, mask;
    bool parts = n != NULL;

    for (uint32_t i = 0; parts && i < 2; i++)
        share[i] = ir_arg(b->fn, n, i);         /* first: to look at masks may move n */
    for (uint32_t i = 0; parts && i < 2; i++) {
        grad_unmask(b, share[i], &mask);
        parts = mask != IR_NONE || is_in_parts(b, share[i]);
    }
    return parts;
}

/* Hands the adjoint of r on to its operands; false: no slope is made of that. */
static bool hand_on(grad_cx *cx, ir_ref r)
{
    const ir_node n = *ir_node_of(cx->b->fn, r);    /* a copy: rules add nodes */

    return cx->adjoint[r] == IR_NONE ||
           (!is_in_parts(cx->b, cx->adjoint[r]) && grad_scalar(cx, n, cx->adjoint + r));
}

/* The slope of y by x, from the rules of y and the inner values; IR_NONE: there is none. */
static ir_ref slope(grad_cx *cx, ir_ref y, const small_set *inner, ir_ref x)
{
    ir_ref others = cx->adjoint[x], g = cx->adjoint[y];

    cx->adjoint[x] = IR_NONE;
    cx->adjoint[y] = ir_splat(cx->b, grad_type(cx, y), 1);
    bool ok = hand_on(cx, y);
    for (uint32_t i = inner->n; i-- > 0;) {
        ok = ok && hand_on(cx, inner->at[i]);
        cx->adjoint[inner->at[i]] = IR_NONE;
    }
    ir_ref s = cx->adjoint[x];
    cx->adjoint[x] = others, cx->adjoint[y] = g;
    return ok && s != IR_NONE && !is_in_parts(cx->b, s) ? s : IR_NONE;
}

static ir_ref times(ir_build *b, ir_ref g, ir_ref s)
{
    double v;

    return rule_splat(b, g, &v) && v == 1 ? s : ir_2(b, OP_MUL, g, s);
}

/* The adjoint's mask is the slope's, too: a loop that keeps the slope for its way back would
 * else lose the mask of what the gradient's gradient gives it (tape.c). */
bool grad_by_slope(grad_cx *cx, ir_node n)
{
    ir_build *b = cx->b;
    small_set inner = {0};
    ir_ref x = find_source(cx, &n, &inner), mask;

    ir_ref s = x == IR_NONE ? IR_NONE : slope(cx, n.first, &inner, x);
    if (s == IR_NONE)
        return false;
    ir_ref g = grad_unmask(b, cx->adjoint[n.first], &mask);
    s = grad_mask(b, mask, s);
    grad_unmask(b, s, &mask);           /* of both */
    grad_add(cx, x, grad_mask(b, mask, times(b, g, s)));
    return true;
}
