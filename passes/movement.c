/* passes/movement.c - cancel and merge movement ops.
 *   transpose(transpose(x, p), q) -> transpose(x, p[q])
 *   reshape(reshape(x)) -> reshape(x)
 *   transpose that only moves extents of 1 -> reshape
 *   broadcast(broadcast(x)) -> broadcast(x)
 *   broadcast(reshape(x)) that only inserts or drops extents of 1 -> broadcast(x)
 *   slice(slice(x)), pad(pad(x)) by the same value without dilation -> one
 *   concat(x, concat(y, z)) along one axis -> concat(x, y, z)
 *   transpose of a dot whose operands can be swapped stays: the gemm template
 *   writes any order.
 * Inputs come first in the order, so a chain collapses in one run. */
#include "rule.h"

/* Transposes two at once, or none where all axes longer than 1 stay in order:
 * [n,1,m] by {0,2,1} is the reshape to [n,m,1]. */
static ir_ref transpose(ir_build *b, const ir_node *n, ir_ref x)
{
    const ir_node *in = rule_is(b, x, OP_TRANSPOSE);
    ir_ints outer = n->attr->TRANSPOSE.perm;
    int32_t perm[IR_MAX_RANK];

    if (in) {
        for (int i = 0; i < outer.n; i++)
            perm[i] = in->attr->TRANSPOSE.perm.at[outer.at[i]];
        return ir_transpose(b, ir_arg(b->fn, in, 0), perm);
    }
    /* the order of the axes that are longer than 1 */
    const ir_type *t = ir_type_of(b->fn, x);
    ir_dim shape[IR_MAX_RANK];
    int last = -1;
    for (int i = 0; i < outer.n; i++) {
        shape[i] = t->dim[outer.at[i]];
        if (dim_is(&b->m->dims, shape[i], 1))
            continue;
        if (outer.at[i] < last)
            return IR_NONE;
        last = outer.at[i];
    }
    return ir_reshape(b, x, shape, outer.n);
}

static ir_ref reshape(ir_build *b, const ir_node *n, ir_ref x)
{
    const ir_node *in = rule_is(b, x, OP_RESHAPE);

    if (!in)
        return IR_NONE;
    ir_dims shape = n->attr->RESHAPE.shape;
    return ir_reshape(b, ir_arg(b->fn, in, 0), shape.at, shape.n);
}

/* Axes of `from` matched to those of `to` when they are equal but for extents
 * of 1: out[i] is the axis of `to` for axis i of `from`, -1 for a dropped 1. */
static bool match_ones(const dim_table *t, const ir_type *from,
                       const ir_type *to, int32_t *out)
{
    int j = 0;

    for (int i = 0; i < from->rank; i++) {
        if (dim_is(t, from->dim[i], 1)) {
            out[i] = -1;
            continue;
        }
        while (j < to->rank && dim_is(t, to->dim[j], 1))
            j++;
        if (j == to->rank || !dim_same(from->dim[i], to->dim[j]))
            return false;
        out[i] = j++;
    }
    while (j < to->rank && dim_is(t, to->dim[j], 1))
        j++;
    return j == to->rank;
}

/* broadcast(reshape(x)): x with its extents of 1 dropped, straight. */
static ir_ref broadcast_reshape(ir_build *b, const ir_node *n, const ir_node *in)
{
    ir_ref x = ir_arg(b->fn, in, 0);
    const ir_type *from = ir_type_of(b->fn, x);
    const ir_type *mid = ir_type_of(b->fn, in->first);
    int32_t where[IR_MAX_RANK], axes[IR_MAX_RANK];
    ir_dim kept[IR_MAX_RANK];
    int rank = 0;

    if (!match_ones(&b->m->dims, from, mid, where))
        return IR_NONE;
    for (int i = 0; i < from->rank; i++) {
        if (where[i] < 0)
            continue;
        kept[rank] = from->dim[i];
        axes[rank++] = n->attr->BROADCAST.axes.at[where[i]];
    }
    if (rank != from->rank)
        x = ir_reshape(b, x, kept, rank);
    ir_dims shape = n->attr->BROADCAST.shape;
    return ir_broadcast(b, x, shape.at, shape.n, axes);
}

/* broadcast(broadcast x) is one; broadcast(reshape x) is one, if the reshape only
 * puts ones in, or takes ones out. */
static ir_ref broadcast(ir_build *b, const ir_node *n, ir_ref x)
{
    const ir_node *in = rule_node(b, x);
    int32_t axes[IR_MAX_RANK];

    if (in->op == OP_RESHAPE) {
        const ir_type *t = ir_type_of(b->fn, ir_arg(b->fn, in, 0));
        for (int i = 0; i < t->rank; i++)
            if (dim_is(&b->m->dims, t->dim[i], 1))
                return broadcast_reshape(b, n, in);
        /* ones were inserted: leave them out */
        return ir_type_of(b->fn, x)->rank > t->rank ? broadcast_reshape(b, n, in)
                                                    : IR_NONE;
    }
    if (in->op != OP_BROADCAST)
        return IR_NONE;
    ir_ints inner = in->attr->BROADCAST.axes, outer = n->attr->BROADCAST.axes;
    for (int i = 0; i < inner.n; i++)
        axes[i] = outer.at[inner.at[i]];
    ir_dims shape = n->attr->BROADCAST.shape;
    return ir_broadcast(b, ir_arg(b->fn, in, 0), shape.at, shape.n, axes);
}

/* The outer slice's positions are counted in steps of the inner one: of elements 3, 5, 7,
 * 9, every second from 1 on is 5, 9, which is start 3 + 2 * 1 and step 2 * 2. */
static ir_ref slice(ir_build *b, const ir_node *n, ir_ref x)
{
    const ir_node *in = rule_is(b, x, OP_SLICE);
    dim_table *t = &b->m->dims;
    ir_dim start[IR_MAX_RANK], step[IR_MAX_RANK];

    if (!in)
        return IR_NONE;
    for (int i = 0; i < n->attr->SLICE.start.n; i++) {
        ir_dim inner = in->attr->SLICE.step.at[i];
        start[i] = dim_add(t, in->attr->SLICE.start.at[i],
                           dim_mul(t, inner, n->attr->SLICE.start.at[i]));
        step[i] = dim_mul(t, inner, n->attr->SLICE.step.at[i]);
    }
    return ir_slice(b, ir_arg(b->fn, in, 0), start, step,
                    n->attr->SLICE.extent.at);
}

/* Does the pad only add, at the ends?  A sum of pads is no pad where one of them cuts or
 * spreads elements. */
static bool pad_plain(const ir_build *b, const ir_node *n)
{
    for (int i = 0; i < n->attr->PAD.low.n; i++)
        if ((n->attr->PAD.inner.n &&
             !dim_is(&b->m->dims, n->attr->PAD.inner.at[i], 0)) ||
            dim_lo(&b->m->dims, n->attr->PAD.low.at[i]) < 0 ||
            dim_lo(&b->m->dims, n->attr->PAD.high.at[i]) < 0)
            return false;
    return true;
}

/* Two pads by the same value are one, wider on each side; not where one of them
 * cuts or spreads elements, since what was cut off could come back. */
static ir_ref pad(ir_build *b, const ir_node *n, const ir_ref *a)
{
    const ir_node *in = rule_is(b, a[0], OP_PAD);
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK];

    if (!in || ir_arg(b->fn, in, 1) != a[1] || !pad_plain(b, n) ||
        !pad_plain(b, in))
        return IR_NONE;
    for (int i = 0; i < n->attr->PAD.low.n; i++) {
        low[i] = dim_add(&b->m->dims, in->attr->PAD.low.at[i], n->attr->PAD.low.at[i]);
        high[i] = dim_add(&b->m->dims, in->attr->PAD.high.at[i], n->attr->PAD.high.at[i]);
    }
    return ir_pad(b, ir_arg(b->fn, in, 0), a[1], low, high, NULL);
}

/* Operands that join values along the same axis give way to those values. */
static ir_ref concat(ir_build *b, const ir_node *n, const ir_ref *a)
{
    VEC(ir_ref) flat = {0};
    ir_ref out = IR_NONE;

    for (uint32_t i = 0; i < n->narg; i++) {
        const ir_node *in = rule_is(b, a[i], OP_CONCAT);
        if (!in || in->attr->CONCAT.axis != n->attr->CONCAT.axis) {
            vec_push(&flat, a[i]);
            continue;
        }
        for (uint32_t j = 0; j < in->narg; j++)
            vec_push(&flat, ir_arg(b->fn, in, j));
    }
    if (flat.len != n->narg && flat.len <= 256)
        out = ir_concat(b, flat.at, (int)flat.len, (int)n->attr->CONCAT.axis);
    vec_free(&flat);
    return out;
}

static ir_ref rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *a)
{
    (void)cx, (void)old;
    switch (n->op) {
    case OP_TRANSPOSE: return transpose(b, n, a[0]);
    case OP_RESHAPE: return reshape(b, n, a[0]);
    case OP_BROADCAST: return broadcast(b, n, a[0]);
    case OP_SLICE: return slice(b, n, a[0]);
    case OP_PAD: return pad(b, n, a);
    case OP_CONCAT: return concat(b, n, a);
    default: return IR_NONE;
    }
}

bool pass_movement(pass_ctx *cx, ir_fn *fn)
{
    return ir_rewrite(cx->m, fn, cx->d, rule, cx);
}
