/* passes/simplify.c - algebraic identities that hold for every value, NaN,
 * infinities and signed zeros included.
 *   x * 1, x / 1, x - 0 -> x        x + (-0) -> x, and x + 0 for integers
 *   x / c -> x * (1 / c) for a power of two, which rounds the same exact number
 *   pow(x, 1) -> x                  pow(x, 2) -> x * x
 *   select(c, x, x) -> x            select(true, x, y) -> x
 *   max(x, x), min(x, x) -> x       and, or with true or false
 *   not(not x), neg(neg x) -> x     detach(x) -> x (gradients are gone)
 *   cast(min(max(x, lo), hi)) -> cast(x) from floats to integers that end there or earlier
 *   reduce of axes of extent 1 -> reshape, of x + 0 for a sum of floats: -0 becomes 0
 *   f(broadcast x, broadcast y) -> broadcast f(x, y) where both go to the same
 *   axes, or all but one are scalars: computed once an element, not once a copy
 * Not x * 0, not x - x: both are NaN where x is.  Never grows the function. */
#include <math.h>

#include "axes.h"
#include "rule.h"

static bool splat_is(const ir_build *b, ir_ref x, double want)
{
    double v;

    return rule_splat(b, x, &v) && v == want && signbit(v) == signbit(want);
}

static ir_ref add(ir_build *b, ir_ref x, ir_ref y)
{
    double zero = dt_is_float(ir_type_of(b->fn, x)->dtype) ? -0.0 : 0.0;

    if (splat_is(b, y, zero))
        return x;
    return splat_is(b, x, zero) ? y : IR_NONE;
}

static ir_ref mul(ir_build *b, ir_ref x, ir_ref y)
{
    if (splat_is(b, y, 1))
        return x;
    return splat_is(b, x, 1) ? y : IR_NONE;
}

/* Both the constant and its inverse must be normal numbers. */
static ir_ref quotient(ir_build *b, ir_ref x, ir_ref y)
{
    const ir_type *t = ir_type_of(b->fn, x);
    int most = t->dtype == DT_F64 ? 1021 : 125, exponent;
    double v;

    if (splat_is(b, y, 1))
        return x;
    if ((t->dtype != DT_F32 && t->dtype != DT_F64) || !rule_splat(b, y, &v) ||
        fabs(frexp(v, &exponent)) != 0.5 || exponent < -most || exponent > most)
        return IR_NONE;
    return ir_2(b, OP_MUL, x, ir_splat(b, t, 1 / v));
}

static ir_ref power(ir_build *b, ir_ref x, ir_ref y)
{
    if (splat_is(b, y, 1))
        return x;
    return splat_is(b, y, 2) ? ir_2(b, OP_MUL, x, x) : IR_NONE;
}

/* and, or on booleans: `neutral` vanishes, the other value absorbs. */
static ir_ref logic(ir_build *b, ir_ref x, ir_ref y, bool neutral)
{
    double v;

    if (x == y || ir_type_of(b->fn, x)->dtype != DT_BOOL)
        return x == y ? x : IR_NONE;
    if (rule_splat(b, y, &v))
        return (v != 0) == neutral ? x : y;
    if (rule_splat(b, x, &v))
        return (v != 0) == neutral ? y : x;
    return IR_NONE;
}

static ir_ref choose(ir_build *b, ir_ref c, ir_ref x, ir_ref y)
{
    double v;

    if (x == y)
        return x;
    if (rule_splat(b, c, &v))
        return v ? x : y;
    return IR_NONE;
}

/* op(op(x)) -> x */
static ir_ref twice(ir_build *b, unsigned op, ir_ref x)
{
    const ir_node *n = rule_is(b, x, op);

    return n ? ir_arg(b->fn, n, 0) : IR_NONE;
}

/* x without bounds that the integers of a cast, which saturates, have anyway: of a
 * quantization to u8 those are 0 and 255.  NaN, which bounds keep, becomes 0 in any case. */
static ir_ref unbounded(ir_build *b, ir_dtype to, ir_ref x)
{
    double top = ldexp(1, dt_bits(to) - dt_is_signed(to));
    double lo = dt_is_signed(to) ? -top : 0, hi = top - 1;

    for (;;) {
        const ir_node *n = rule_node(b, x);
        double v;
        if ((n->op != OP_MIN && n->op != OP_MAX) || !rule_splat(b, ir_arg(b->fn, n, 1), &v) ||
            (n->op == OP_MIN ? !(v >= hi) : !(v <= lo)))
            return x;
        x = ir_arg(b->fn, n, 0);
    }
}

/* A cast, whose operand may be simpler than it is. */
static ir_ref cast(ir_build *b, const ir_node *n, ir_ref x)
{
    ir_dtype to = n->attr->CAST.to;

    if (!dt_is_float(ir_type_of(b->fn, x)->dtype) || !dt_is_int(to))
        return IR_NONE;
    ir_ref free = unbounded(b, to, x);
    return free == x ? IR_NONE : ir_make(b, OP_CAST, &free, 1, n->attr);
}

/* Operand i as it was before its broadcast to `like`'s axes: the small value,
 * a scalar made as big, or IR_NONE. */
static ir_ref unspread(ir_build *b, ir_ref x, const ir_node *like,
                       const ir_type *small)
{
    const ir_node *n = rule_is(b, x, OP_BROADCAST);

    if (!n)
        return IR_NONE;
    ir_ref in = ir_arg(b->fn, n, 0);
    const ir_type *t = ir_type_of(b->fn, in);
    if (t->rank == 0)
        return ir_broadcast(b, in, small->dim, small->rank, NULL);
    bool same = n->attr == like->attr && t->rank == small->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = dim_same(t->dim[i], small->dim[i]);
    return same ? in : IR_NONE;
}

/* A reduction of axes of extent 1, such as the taps of a 1x1 convolution's weights. */
static ir_ref lone(ir_build *b, const ir_node *n, ir_ref x)
{
    const ir_type *t = ir_type_of(b->fn, x);
    struct ir_attr_REDUCE a = n->attr->REDUCE;
    ir_dim left[IR_MAX_RANK];
    int rank = 0;

    for (int i = 0; i < t->rank; i++)
        if (ir_find_axis(a.axes, i) < 0)
            left[rank++] = t->dim[i];
        else if (!dim_is(&b->m->dims, t->dim[i], 1))
            return IR_NONE;
    if (a.acc != DT_NONE && a.acc != t->dtype)
        return IR_NONE;
    if (a.op == RED_SUM && dt_is_float(t->dtype))
        x = ir_2(b, OP_ADD, x, ir_splat(b, t, 0));
    return ir_reshape(b, x, left, rank);
}

/* An elementwise node of values that were all repeated alike is computed before they are
 * repeated: add(broadcast(x), broadcast(y)) -> broadcast(add(x, y)).  Scalars fit any
 * other broadcast. */
static ir_ref compute_small(ir_build *b, const ir_node *n, const ir_ref *a)
{
    const ir_node *like = NULL;
    ir_ref small[3];

    for (uint32_t i = 0; i < n->narg; i++) {
        const ir_node *in = rule_is(b, a[i], OP_BROADCAST);
        if (!in)
            return IR_NONE;
        if (!like || ir_type_of(b->fn, ir_arg(b->fn, in, 0))->rank)
            like = in;
    }
    if (!like)
        return IR_NONE;
    ir_node keep = *like;           /* building moves the nodes */
    const ir_type *t = ir_type_of(b->fn, ir_arg(b->fn, like, 0));
    for (uint32_t i = 0; i < n->narg; i++) {
        small[i] = unspread(b, a[i], &keep, t);
        if (small[i] == IR_NONE)
            return IR_NONE;
    }
    ir_ref y = ir_make(b, n->op, small, n->narg, n->attr);
    ir_dims shape = keep.attr->BROADCAST.shape;
    return ir_broadcast(b, y, shape.at, shape.n, keep.attr->BROADCAST.axes.at);
}

static ir_ref identity(ir_build *b, const ir_node *n, const ir_ref *a);

static ir_ref rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *a)
{
    (void)cx, (void)old;
    ir_ref x = identity(b, n, a);

    if (x == IR_NONE && ir_op_scalar(n->op))
        x = compute_small(b, n, a);
    return x;
}

/* What the node is equal to, as x is to x + 0 and x * 1; IR_NONE if it is nothing simpler. */
static ir_ref identity(ir_build *b, const ir_node *n, const ir_ref *a)
{
    switch (n->op) {
    case OP_ADD: return add(b, a[0], a[1]);
    case OP_SUB: return splat_is(b, a[1], 0) ? a[0] : IR_NONE;
    case OP_MUL: return mul(b, a[0], a[1]);
    case OP_DIV: return quotient(b, a[0], a[1]);
    case OP_POW: return power(b, a[0], a[1]);
    case OP_AND: return logic(b, a[0], a[1], true);
    case OP_OR: return logic(b, a[0], a[1], false);
    case OP_SELECT: return choose(b, a[0], a[1], a[2]);
    case OP_MIN:
    case OP_MAX: return a[0] == a[1] ? a[0] : IR_NONE;
    case OP_NOT:
    case OP_NEG: return twice(b, n->op, a[0]);
    case OP_DETACH: return a[0];
    case OP_CAST: return cast(b, n, a[0]);
    case OP_REDUCE: return lone(b, n, a[0]);
    default: return IR_NONE;
    }
}

bool pass_simplify(pass_ctx *cx, ir_fn *fn)
{
    return ir_rewrite(cx->m, fn, cx->d, rule, cx);
}
