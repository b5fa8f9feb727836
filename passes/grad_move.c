/* passes/grad_move.c - gradients of movement, indexing and reductions. */
#include "grad.h"

static const ir_type *type_of(grad_cx *cx, ir_ref r)
{
    return ir_type_of(cx->b->fn, r);
}

static ir_ref zero_like(grad_cx *cx, ir_ref like)
{
    return ir_float(cx->b, type_of(cx, like)->dtype, 0);
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
    const ir_type *t = type_of(cx, x);

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

/* The sum over every axis that the broadcast made or stretched.  An extent not
 * known to be 1 or the result's own has no rule yet: it needs the split of the
 * axis in a stretched and a kept part. */
bool grad_broadcast(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const ir_type *t = type_of(cx, x), *to = type_of(cx, n.first);
    ir_ints axes = n.attr->BROADCAST.axes;
    int32_t sum[IR_MAX_RANK];
    int sums = 0;

    for (int i = 0, j = 0; i < to->rank; i++) {
        bool from_x = j < axes.n && axes.at[j] == i;
        ir_dim e = from_x ? t->dim[j++] : (ir_dim){1};
        if (from_x && dim_same(e, to->dim[i]))
            continue;
        if (!dim_is(&cx->b->m->dims, e, 1))
            return false;
        sum[sums++] = i;
    }
    ir_ref g = sums ? ir_reduce(cx->b, gy[0], RED_SUM, sum, sums) : gy[0];
    grad_add(cx, x, ir_reshape(cx->b, g, t->dim, t->rank));
    return true;
}

/* Steps are positive constants: the gradient is spread by zeros. */
bool grad_slice(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const ir_type *t = type_of(cx, x);
    const struct ir_attr_SLICE *a = &n.attr->SLICE;
    dim_table *d = &cx->b->m->dims;
    ir_dim high[IR_MAX_RANK], inner[IR_MAX_RANK], one = {1};

    for (int i = 0; i < t->rank; i++) {
        if (dim_lo(d, a->step.at[i]) < 1 || dim_lo(d, a->extent.at[i]) < 1)
            return false;
        inner[i] = dim_sub(d, a->step.at[i], one);
        ir_dim span = dim_mul(d, dim_sub(d, a->extent.at[i], one), a->step.at[i]);
        ir_dim behind = dim_sub(d, t->dim[i], a->start.at[i]);
        high[i] = dim_sub(d, behind, dim_add(d, span, one));
    }
    grad_add(cx, x, ir_pad(cx->b, gy[0], zero_like(cx, x), a->start.at, high, inner));
    return true;
}

bool grad_pad(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0), value = grad_arg(cx, n, 1);
    const ir_type *t = type_of(cx, x);
    const struct ir_attr_PAD *a = &n.attr->PAD;
    dim_table *d = &cx->b->m->dims;
    ir_dim step[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++) {
        step[i] = a->inner.n ? dim_add(d, a->inner.at[i], (ir_dim){1}) : (ir_dim){1};
        if (dim_lo(d, a->low.at[i]) < 0 || dim_lo(d, a->high.at[i]) < 0)
            return false;
    }
    ir_ref g = ir_slice(cx->b, gy[0], a->low.at, step, t->dim);
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

bool grad_concat(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    int axis = (int)n.attr->CONCAT.axis;
    ir_dim start = {0};

    for (uint32_t i = 0; i < n.narg; i++) {
        ir_ref x = grad_arg(cx, n, i);
        ir_dim extent = type_of(cx, x)->dim[axis];
        grad_add(cx, x, ir_slice_axis(cx->b, gy[0], axis, start, (ir_dim){1}, extent));
        start = dim_add(&cx->b->m->dims, start, extent);
    }
    return true;
}

/* As gather reads: an index outside is the nearest one inside.  The extent may
 * be beyond the index's own type. */
static ir_ref clamped(grad_cx *cx, ir_ref index, ir_dim extent)
{
    ir_ref x = ir_cast(cx->b, index, DT_I64);
    const ir_type *t = type_of(cx, x);
    ir_ref last = ir_dim_ref(cx->b, dim_sub(&cx->b->m->dims, extent, (ir_dim){1}));

    last = ir_broadcast(cx->b, last, t->dim, t->rank, NULL);
    return ir_2(cx->b, OP_MIN, ir_2(cx->b, OP_MAX, x, ir_splat(cx->b, t, 0)), last);
}

/* scatter add into zeros, in increasing order of the updates */
bool grad_gather(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    ir_ref args[IR_MAX_RANK + 2] = {ir_splat(cx->b, type_of(cx, x), 0)};
    union ir_attr a = {.SCATTER = {.axes = n.attr->GATHER.axes, .op = RED_SUM}};
    uint32_t k = 1;

    for (uint32_t i = 1; i < n.narg; i++) {
        ir_dim extent = type_of(cx, x)->dim[n.attr->GATHER.axes.at[i - 1]];
        ir_ref index = grad_arg(cx, n, i);
        args[k++] = n.attr->GATHER.zero ? index : clamped(cx, index, extent);
    }
    args[k++] = gy[0];
    grad_add(cx, x, ir_make(cx->b, OP_SCATTER, args, k, &a));
    return true;
}

/* y's value along the axes that the reduction dropped */
static ir_ref spread(grad_cx *cx, ir_node n, ir_ref x, ir_ref r)
{
    const ir_type *t = type_of(cx, x);
    ir_ints axes = n.attr->REDUCE.axes;
    int32_t kept[IR_MAX_RANK];
    int k = 0;

    for (int i = 0; i < t->rank; i++) {
        bool dropped = false;
        for (int j = 0; j < axes.n; j++)
            dropped |= axes.at[j] == i;
        if (!dropped)
            kept[k++] = i;
    }
    return ir_broadcast(cx->b, r, t->dim, t->rank, kept);
}

/* max and min: shared evenly among the elements that reach them. */
bool grad_reduce(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const struct ir_attr_REDUCE *a = &n.attr->REDUCE;
    ir_build *b = cx->b;

    if (a->op == RED_SUM) {
        grad_add(cx, x, spread(cx, n, x, gy[0]));
        return true;
    }
    if (a->op != RED_MAX && a->op != RED_MIN)
        return false;
    ir_ref g = ir_cast(b, gy[0], type_of(cx, x)->dtype);
    ir_ref hit = ir_2(b, OP_EQ, x, ir_cast(b, spread(cx, n, x, n.first), type_of(cx, x)->dtype));
    ir_ref one = ir_cast(b, hit, type_of(cx, x)->dtype);
    ir_ref count = ir_reduce(b, one, RED_SUM, a->axes.at, a->axes.n);
    ir_ref share = spread(cx, n, x, ir_2(b, OP_DIV, g, count));
    grad_add(cx, x, ir_2(b, OP_MUL, one, share));
    return true;
}
