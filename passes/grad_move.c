/* passes/grad_move.c - gradients of movement.
 *
 * Where an element went, its gradient comes back from; where it went several times,
 * the shares are summed; and what the result has from elsewhere (padding) gets its
 * own.  So a transpose goes back by the inverse transpose, a slice by a pad, a
 * concat by slices, a broadcast by a sum. */
#include "grad.h"

static ir_ref zero_like(grad_cx *cx, ir_ref like)
{
    return ir_float(cx->b, grad_type(cx, like)->dtype, 0);
}

bool grad_keep(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    grad_add(cx, grad_arg(cx, n, 0), gy[0]);
    return true;
}

bool grad_zero(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    (void)cx, (void)n, (void)gy;
    return true;
}

bool grad_reshape(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const ir_type *t = grad_type(cx, x);

    grad_add(cx, x, ir_reshape(cx->b, gy[0], t->dim, t->rank));
    return true;
}

bool grad_transpose(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ints perm = n.attr->TRANSPOSE.perm;
    int32_t inverse[IR_MAX_RANK];

    for (int i = 0; i < perm.n; i++)
        inverse[perm.at[i]] = i;
    grad_add(cx, grad_arg(cx, n, 0), ir_transpose(cx->b, gy[0], inverse));
    return true;
}

/* A reshape that is known to keep the number of elements, though its dims do not show it. */
static ir_ref reshape(ir_build *b, ir_ref x, const ir_dim *shape, int rank)
{
    ir_attr a = {.RESHAPE = {.shape = {rank, shape}}};

    return ir_make(b, OP_RESHAPE, &x, 1, &a);
}

/* The sum over every axis that the broadcast made or stretched.  An extent d that may be 1
 * or the result's n is split into [d, n / d], of which one part is 1. */
bool grad_broadcast(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const ir_type *t = grad_type(cx, x), *to = grad_type(cx, n.first);
    ir_ints axes = n.attr->BROADCAST.axes;
    dim_table *d = &cx->b->m->dims;
    ir_dim shape[2 * IR_MAX_RANK];
    int32_t sum[IR_MAX_RANK];
    int sums = 0, rank = 0;

    for (int i = 0, j = 0; i < to->rank; i++) {
        bool from_x = j < axes.n && axes.at[j] == i;
        ir_dim e = from_x ? t->dim[j++] : (ir_dim){1};
        bool kept = from_x && dim_same(e, to->dim[i]), stretched = dim_is(d, e, 1);
        if (!kept && !stretched)
            shape[rank++] = e;
        if (!kept)
            sum[sums++] = rank;
        shape[rank++] = kept || stretched ? to->dim[i] : dim_div(d, to->dim[i], e);
    }
    if (rank > IR_MAX_RANK)
        return false;
    ir_ref g = rank == to->rank ? gy[0] : reshape(cx->b, gy[0], shape, rank);
    g = ir_reduce(cx->b, g, RED_SUM, sum, sums);
    grad_add(cx, x, reshape(cx->b, g, t->dim, t->rank));
    return true;
}

/* d elements with `inner` more between each two. */
static ir_dim widened(dim_table *t, ir_dim d, ir_dim inner)
{
    ir_dim gaps = dim_sub(t, d, (ir_dim){1});

    if (dim_is(t, inner, 0))
        return d;
    gaps = dim_lo(t, d) >= 1 ? gaps : dim_max(t, gaps, (ir_dim){0});
    return dim_add(t, d, dim_mul(t, gaps, inner));
}

/* A slice's axis while its gradient is made: g's elements go to start + i * step. */
typedef struct span {
    ir_dim start, step;
    bool scattered;             /* the sign of step is not known */
} span;

/* Brings an axis of g into the order of the operand: a step backward becomes one forward,
 * and what was read again and again is summed. */
static ir_ref forward(grad_cx *cx, ir_ref g, int axis, ir_dim extent, span *s)
{
    dim_table *d = &cx->b->m->dims;
    ir_dim one = {1}, last = dim_sub(d, extent, one);

    if (dim_is(d, s->step, 0)) {
        s->step = one;
        return ir_reduce_keep(cx->b, g, RED_SUM, &axis, 1);
    }
    if (dim_hi(d, s->step) < 0) {
        s->start = dim_add(d, s->start, dim_mul(d, last, s->step));
        s->step = dim_neg(d, s->step);
        return ir_slice_axis(cx->b, g, axis, last, dim_int(d, -1), extent);
    }
    s->scattered = dim_lo(d, s->step) < 1;
    return g;
}

/* g spread by zeros along all axes of the spans but those that are scattered. */
static ir_ref spread_out(grad_cx *cx, ir_ref g, const ir_type *t, const span *s)
{
    dim_table *d = &cx->b->m->dims;
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK], inner[IR_MAX_RANK], none = {0};
    const ir_type *from = grad_type(cx, g);

    for (int i = 0; i < t->rank; i++) {
        inner[i] = s[i].scattered ? none : dim_sub(d, s[i].step, (ir_dim){1});
        low[i] = s[i].scattered ? none : s[i].start;
        ir_dim end = dim_add(d, low[i], widened(d, from->dim[i], inner[i]));
        high[i] = s[i].scattered ? none : dim_sub(d, t->dim[i], end);
    }
    return ir_pad(cx->b, g, zero_like(cx, g), low, high, inner);
}

/* start + i * step for each i below the extent of g's axis, by elements. */
static ir_ref positions(grad_cx *cx, const span *s, ir_dim extent)
{
    ir_build *b = cx->b;
    ir_ref i = ir_iota(b, DT_I64, &extent, 1, 0);
    ir_ref step = ir_broadcast(b, ir_dim_ref(b, s->step), &extent, 1, NULL);
    ir_ref start = ir_broadcast(b, ir_dim_ref(b, s->start), &extent, 1, NULL);

    return ir_2(b, OP_ADD, start, ir_2(b, OP_MUL, i, step));
}

/* out[i] = x[start + i * step] goes back as a pad with step - 1 zeros between
 * elements; where the sign of the step is not known, each element is added at its
 * position. */
bool grad_slice(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0), g = gy[0];
    const ir_type *t = grad_type(cx, x);
    const struct ir_attr_SLICE *a = &n.attr->SLICE;
    span s[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++) {
        s[i] = (span){a->start.at[i], a->step.at[i], false};
        g = forward(cx, g, i, a->extent.at[i], &s[i]);
    }
    g = spread_out(cx, g, t, s);
    for (int i = 0; i < t->rank; i++) {
        ir_dim shape[IR_MAX_RANK];
        if (!s[i].scattered)
            continue;
        const ir_type *from = grad_type(cx, g);
        memcpy(shape, from->dim, (size_t)t->rank * sizeof *shape);
        shape[i] = t->dim[i];
        const ir_type *wide = ir_ty(cx->b, from->dtype, shape, t->rank);
        g = grad_scatter_slices(cx, wide, i, positions(cx, &s[i], from->dim[i]), g);
    }
    grad_add(cx, x, g);
    return true;
}

/* What pad put around its operand is cut off, and what it cut off is put there as zeros. */
static ir_ref without_rim(grad_cx *cx, ir_ref g, const struct ir_attr_PAD *a, int rank)
{
    dim_table *d = &cx->b->m->dims;
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK];

    for (int i = 0; i < rank; i++) {
        low[i] = dim_neg(d, a->low.at[i]);
        high[i] = dim_neg(d, a->high.at[i]);
    }
    return ir_pad(cx->b, g, zero_like(cx, g), low, high, NULL);
}

/* The operand's elements of g. */
static ir_ref unpadded(grad_cx *cx, ir_ref g, const struct ir_attr_PAD *a, const ir_type *t)
{
    dim_table *d = &cx->b->m->dims;
    ir_dim start[IR_MAX_RANK], step[IR_MAX_RANK];
    bool cuts = false, gaps = false;

    for (int i = 0; i < t->rank; i++) {
        ir_dim inner = a->inner.n ? a->inner.at[i] : (ir_dim){0};
        step[i] = dim_add(d, inner, (ir_dim){1});
        gaps |= !dim_is(d, inner, 0);
        cuts |= dim_lo(d, a->low.at[i]) < 0 || dim_lo(d, a->high.at[i]) < 0;
    }
    for (int i = 0; i < t->rank; i++)
        start[i] = cuts ? (ir_dim){0} : a->low.at[i];
    if (cuts)
        g = without_rim(cx, g, a, t->rank);
    return cuts && !gaps ? g : ir_slice(cx->b, g, start, step, t->dim);
}

/* The value around gets what the operand does not. */
bool grad_pad(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0), value = grad_arg(cx, n, 1);
    const ir_type *t = grad_type(cx, x);
    ir_ref g = unpadded(cx, gy[0], &n.attr->PAD, t);
    int32_t all[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++)
        all[i] = i;
    grad_add(cx, x, g);
    if (value < cx->refs && ir_node_of(cx->b->fn, value)->op != OP_CONST) {
        ir_ref sum = ir_reduce(cx->b, gy[0], RED_SUM, all, t->rank);
        ir_ref inside = ir_reduce(cx->b, g, RED_SUM, all, t->rank);
        grad_add(cx, value, ir_2(cx->b, OP_SUB, sum, inside));
    }
    return true;
}

/* Each operand gets its part, in order. */
bool grad_concat(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    int axis = (int)n.attr->CONCAT.axis;
    ir_dim start = {0};

    for (uint32_t i = 0; i < n.narg; i++) {
        ir_ref x = grad_arg(cx, n, i);
        ir_dim extent = grad_type(cx, x)->dim[axis];
        grad_add(cx, x, ir_slice_axis(cx->b, gy[0], axis, start, (ir_dim){1}, extent));
        start = dim_add(&cx->b->m->dims, start, extent);
    }
    return true;
}
