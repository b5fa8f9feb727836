/* frontend/onnx/index.c - gather, scatter, one-hot.
 *
 *    Gather          y[a, i.., b] = x[a, index[i..], b]
 *    GatherElements  y[a, i, b]   = x[a, index[a, i, b], b]
 *    GatherND        y[i.., b]    = x[index[i.., 0], index[i.., 1], .., b]
 *    ReverseSequence y[t, b, i]   = x[t < len[b] ? len[b] - 1 - t : t, b, i]
 *
 * and the scatters are their inverses.  The IR has one GATHER and one SCATTER with
 * an index operand for each axis that is read by data; ONNX's three ways to write
 * indices are turned into that. */
#include "../onnx_build.h"

static const ir_dim zero = {0}, one = {1};

/* ---- indexing ---------------------------------------------------------------------------- */

/* Negative indices count from the end of the axis. */
static ir_ref wrap_index(onnx_op *n, ir_ref i, ir_dim extent)
{
    const ir_dim *elem;
    int64_t count, v;
    bool plain = true;

    i = ir_cast(n->b, i, DT_I64);
    if (i == IR_NONE)
        return i;
    if (ir_known(n->b, i, &elem, &count)) {
        for (int64_t k = 0; k < count; k++)
            plain = plain && dim_const(onnx_dims(n), elem[k], &v) && v >= 0;
        if (plain)
            return i;
    }
    const ir_type *t = onnx_type(n, i);
    ir_ref d = ir_broadcast(n->b, ir_dim_ref(n->b, extent), t->dim, t->rank, NULL);
    ir_ref below = ir_2(n->b, OP_LT, i, onnx_splat_like(n, i, 0));
    return ir_select(n->b, below, ir_2(n->b, OP_ADD, i, d), i);
}

/* The index axes stand where the axis was. */
bool onnx_gather(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1);
    int axis;
    int32_t axes[1], perm[IR_MAX_RANK];

    if (x == IR_NONE || i == IR_NONE)
        return onnx_fail(n, "takes two operands");
    if (!onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    int ri = onnx_rank(n, i);
    axes[0] = axis;
    i = wrap_index(n, i, onnx_dim(n, x, axis));
    ir_ref y = ir_gather(n->b, x, &i, axes, 1, false);
    if (y == IR_NONE)
        return false;
    int rank = onnx_rank(n, y);
    for (int k = 0; k < rank; k++)
        perm[k] = k < axis ? ri + k : k < axis + ri ? k - axis : k;
    return onnx_out(n, 0, ir_transpose(n->b, y, perm));
}

/* One index per axis of x: `i` along the attribute's axis, along any other the
 * element's own place. */
static bool element_index(onnx_op *n, ir_ref x, ir_ref i, ir_ref *index, int32_t *axes)
{
    int axis, rank = onnx_rank(n, x);

    if (!onnx_axis(n, onnx_int(n, "axis", 0), rank, &axis))
        return false;
    const ir_type *t = onnx_type(n, i);
    for (int k = 0; k < rank; k++) {
        axes[k] = k;
        index[k] = k == axis ? wrap_index(n, i, onnx_dim(n, x, axis))
                             : ir_iota(n->b, DT_I64, t->dim, t->rank, k);
    }
    return true;
}

/* y[..i..] = x with axis replaced by index[..i..] */
bool onnx_gather_elements(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];

    if (x == IR_NONE || i == IR_NONE)
        return onnx_fail(n, "takes two operands");
    return element_index(n, x, i, index, axes) &&
           onnx_out(n, 0, ir_gather(n->b, x, index, axes, onnx_rank(n, x), false));
}

/* The last axis of `index` split into one tensor per leading axis of x. */
static bool split_index(onnx_op *n, ir_ref x, ir_ref i, int batch, ir_ref *index, int32_t *axes,
                        int *count)
{
    const ir_type *t = onnx_type(n, i);
    int64_t depth;

    if (t->rank < 1 || !dim_const(onnx_dims(n), t->dim[t->rank - 1], &depth) || depth < 1 ||
        depth > onnx_rank(n, x) - batch)
        return onnx_fail(n, "the indices' last extent does not fit");
    for (int k = 0; k < batch; k++) {
        index[k] = ir_iota(n->b, DT_I64, t->dim, t->rank - 1, k);
        axes[k] = k;
    }
    for (int k = 0; k < depth; k++) {
        ir_ref part = ir_slice_axis(n->b, i, t->rank - 1, (ir_dim){k}, one, one);
        part = ir_squeeze(n->b, part, t->rank - 1);
        index[batch + k] = wrap_index(n, part, onnx_dim(n, x, batch + k));
        axes[batch + k] = batch + k;
    }
    *count = batch + (int)depth;
    return true;
}

bool onnx_gather_nd(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), index[IR_MAX_RANK];
    int64_t batch = onnx_int(n, "batch_dims", 0);
    int32_t axes[IR_MAX_RANK];
    int count = 0;

    if (x == IR_NONE || i == IR_NONE || batch < 0 || batch >= onnx_rank(n, i))
        return onnx_fail(n, "takes two operands that fit");
    return split_index(n, x, i, (int)batch, index, axes, &count) &&
           onnx_out(n, 0, ir_gather(n->b, x, index, axes, count, false));
}

/* What happens where several updates meet: one of them stays, or they are reduced. */
static ir_redop scatter_op(onnx_op *n)
{
    static const ir_redop op[] = {RED_SET, RED_SUM, RED_PROD, RED_MIN, RED_MAX};

    return op[onnx_choice_index(n, "reduction", "none add mul min max")];
}

/* x with the updates written at the places: a copy, as values never change. */
static bool scatter(onnx_op *n, ir_ref x, const ir_ref *index, const int32_t *axes, int count,
                    ir_ref updates)
{
    ir_ref args[IR_MAX_RANK + 2] = {x};
    ir_attr a = {.SCATTER = {.axes = {count, axes}}};

    a.SCATTER.op = scatter_op(n);
    for (int i = 0; i < count; i++)
        args[i + 1] = index[i];
    args[count + 1] = updates;
    return onnx_out(n, 0, ir_make(n->b, OP_SCATTER, args, (uint32_t)count + 2, &a));
}

bool onnx_scatter_nd(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), u = onnx_in(n, 2), index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int count = 0;

    if (x == IR_NONE || i == IR_NONE || u == IR_NONE)
        return onnx_fail(n, "takes three operands");
    return split_index(n, x, i, 0, index, axes, &count) && scatter(n, x, index, axes, count, u);
}

bool onnx_reverse_sequence(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), lens = onnx_in(n, 1), index[2];
    int64_t time = onnx_int(n, "time_axis", 0), batch = onnx_int(n, "batch_axis", 1);
    int32_t along[1] = {(int32_t)batch}, axes[2] = {0, 1};

    if (x == IR_NONE || lens == IR_NONE || onnx_rank(n, x) < 2 || onnx_rank(n, lens) != 1)
        return onnx_fail(n, "takes a tensor of two axes or more, and a list of lengths");
    if ((time != 0 || batch != 1) && (time != 1 || batch != 0))
        return onnx_fail(n, "time_axis and batch_axis are 0 and 1, or 1 and 0");
    const ir_dim *shape = onnx_type(n, x)->dim;
    ir_ref at = ir_iota(n->b, DT_I64, shape, 2, (int)time);
    ir_ref len = ir_broadcast(n->b, ir_cast(n->b, lens, DT_I64), shape, 2, along);
    ir_ref last = ir_2(n->b, OP_SUB, len, onnx_splat_like(n, at, 1));
    ir_ref within = ir_2(n->b, OP_LT, at, len);
    index[time] = ir_select(n->b, within, ir_2(n->b, OP_SUB, last, at), at);
    index[batch] = ir_iota(n->b, DT_I64, shape, 2, (int)batch);
    return onnx_out(n, 0, ir_gather(n->b, x, index, axes, 2, false));
}

/* x[a, index[a, i, b], b] = updates[a, i, b] */
bool onnx_scatter_elements(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), u = onnx_in(n, 2), index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];

    if (x == IR_NONE || i == IR_NONE || u == IR_NONE)
        return onnx_fail(n, "takes three operands");
    return element_index(n, x, i, index, axes) && scatter(n, x, index, axes, onnx_rank(n, x), u);
}

/* [.., depth, ..] with `on` where the index along the new axis fits */
bool onnx_one_hot(onnx_op *n)
{
    ir_build *b = n->b;
    ir_ref i = onnx_in(n, 0), depth = onnx_in(n, 1), values = onnx_in(n, 2);
    ir_dim shape[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int axis, rank = onnx_rank(n, i) + 1;

    if (rank > IR_MAX_RANK || !onnx_axis(n, onnx_int(n, "axis", -1), rank, &axis))
        return false;
    ir_dim d = dim_max(
        onnx_dims(n), ir_bind(b, ir_cast(b, ir_reshape(b, depth, NULL, 0), DT_I64), "depth"), zero);
    i = wrap_index(n, i, d);
    for (int k = 0, j = 0; k < rank; k++) {
        shape[k] = k == axis ? d : onnx_dim(n, i, j);
        if (k != axis)
            axes[j++] = k;
    }
    ir_ref at = ir_iota(b, DT_I64, shape, rank, axis);
    ir_ref hit = ir_2(b, OP_EQ, at, ir_broadcast(b, i, shape, rank, axes));
    ir_ref off = ir_squeeze(b, ir_slice_axis(b, values, 0, zero, one, one), 0);
    ir_ref on = ir_squeeze(b, ir_slice_axis(b, values, 0, one, one, one), 0);
    on = ir_broadcast(b, on, shape, rank, NULL);
    off = ir_broadcast(b, off, shape, rank, NULL);
    return onnx_out(n, 0, ir_select(b, hit, on, off));
}
