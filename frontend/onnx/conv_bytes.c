/* frontend/onnx/conv_bytes.c - convolutions of bytes.
 *
 * Channels go last, which is how kernels of bytes read them: several side by side are one
 * multiplication with an i32 sum.  The image is padded as it is turned, so that kernels
 * meet no rim. */
#include "conv.h"

static const ir_dim zero = {0}, one = {1};

/* Channels that x lacks to be a multiple of four: so many bytes are multiplied at once. */
static ir_dim missing_channels(onnx_op *n, ir_dim channels)
{
    dim_table *t = onnx_dims(n);
    ir_dim four = dim_int(t, 4);

    return dim_sub(t, dim_mul(t, dim_ceildiv(t, channels, four), four), channels);
}

/* x with that axis cut into groups, as [N,C,D..] into [N,G,F,D..]; one group is no axis. */
static ir_ref grouped(onnx_op *n, ir_ref x, int axis, int64_t groups)
{
    dim_table *t = onnx_dims(n);
    ir_dim shape[IR_MAX_RANK], g = dim_int(t, groups);
    int rank = onnx_rank(n, x), r = 0;

    if (groups == 1)
        return x;
    for (int i = 0; i < rank; i++) {
        if (i == axis)
            shape[r++] = g;
        shape[r++] = i == axis ? dim_div(t, onnx_dim(n, x, i), g) : onnx_dim(n, x, i);
    }
    return ir_reshape(n->b, x, shape, r);
}

/* x[N,G,F,D..] as [N,D..,G,F] with `outside` around it, and in the channels that are
 * missing; it may have no axis of groups. */
static ir_ref surrounded(onnx_op *n, ir_ref x, const windows *win, ir_ref outside)
{
    int32_t perm[IR_MAX_RANK] = {0};
    ir_dim low[IR_MAX_RANK] = {zero}, high[IR_MAX_RANK] = {zero};
    int last = onnx_rank(n, x) - 1, g = last - 1 - win->n;

    for (int i = 0; i < win->n; i++) {
        perm[i + 1] = i + 2 + g;
        low[i + 1] = win->low[i], high[i + 1] = win->high[i];
    }
    for (int i = win->n + 1; i <= last; i++) {
        perm[i] = i - win->n;
        low[i] = high[i] = zero;
    }
    high[last] = missing_channels(n, onnx_dim(n, x, 1 + g));
    return ir_pad(n->b, ir_transpose(n->b, x, perm), outside, low, high, NULL);
}

/* w[G,K,F,R..] with 0 in the channels, along that axis, that are missing. */
static ir_ref widened(onnx_op *n, ir_ref w, int axis)
{
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK];

    for (int i = 0; i < onnx_rank(n, w); i++)
        low[i] = high[i] = zero;
    high[axis] = missing_channels(n, onnx_dim(n, w, axis));
    return ir_pad(n->b, w, onnx_like(n, w, 0), low, high, NULL);
}

/* Have groups so few channels or outputs that most of what bytes are multiplied with
 * would be padding? */
static bool are_groups_small(onnx_op *n, ir_ref w, int64_t groups)
{
    enum { LEAST = 4 };
    const dim_table *t = onnx_dims(n);
    int64_t features, outputs;

    return groups > 1 && (!dim_const(t, onnx_dim(n, w, 1), &features) || features < LEAST ||
                          !dim_const(t, onnx_dim(n, w, 0), &outputs) || outputs / groups < LEAST);
}

/* [N,O..,G,K] as [N,O..,G*K]; nothing is done where there is one group, which is no axis. */
static ir_ref ungrouped(onnx_op *n, ir_ref y, int64_t groups)
{
    ir_dim shape[IR_MAX_RANK];
    int rank = onnx_rank(n, y);

    if (groups == 1)
        return y;
    for (int i = 0; i < rank - 1; i++)
        shape[i] = onnx_dim(n, y, i);
    shape[rank - 2] = dim_mul(onnx_dims(n), shape[rank - 2], onnx_dim(n, y, rank - 1));
    return ir_reshape(n->b, y, shape, rank - 1);
}

/* Channels last, which is how integer kernels read them: four bytes side by side
 * are one multiplication with an i32 sum.  *sum is IR_NONE where groups make that
 * wasteful; false is an error. */
bool onnx_convolution_of_bytes(onnx_op *n, ir_ref x, ir_ref w, ir_ref outside, ir_ref *sum)
{
    windows win;
    int64_t groups;
    int32_t axis[3] = {0, 1, 2}, xs[MAX_SPATIAL], ws[MAX_SPATIAL];
    ir_dim ones[MAX_SPATIAL], none[MAX_SPATIAL];
    ir_attr a = {0};

    *sum = IR_NONE;
    if (!conv_load(n, x, w, &win, &groups))
        return false;
    if (are_groups_small(n, w, groups) || (groups > 1 && win.n + 3 > IR_MAX_RANK))
        return true;
    int g = groups > 1;
    int32_t group = win.n + 1, last = win.n + 1 + g;
    iota(xs, 1, win.n);
    iota(ws, 2 + g, win.n);
    for (int i = 0; i < win.n; i++)
        ones[i] = one, none[i] = zero;
    a.CONV.xb = a.CONV.yb = (ir_ints){1, axis};
    a.CONV.wg = (ir_ints){g, axis};
    a.CONV.wo = (ir_ints){1, axis + g};
    a.CONV.wf = (ir_ints){1, axis + 1 + g};
    a.CONV.xg = a.CONV.yg = (ir_ints){g, &group};
    a.CONV.xf = a.CONV.yo = (ir_ints){1, &last};
    a.CONV.xs = a.CONV.ys = (ir_ints){win.n, xs};
    a.CONV.ws = (ir_ints){win.n, ws};
    a.CONV.stride = (ir_dims){win.n, win.stride};
    a.CONV.rdil = (ir_dims){win.n, win.dil};
    a.CONV.ldil = (ir_dims){win.n, ones};
    a.CONV.low = a.CONV.high = (ir_dims){win.n, none};
    a.CONV.acc = DT_I32;
    const ir_ref operand[2] = {surrounded(n, grouped(n, x, 1, groups), &win, outside),
                               widened(n, grouped(n, w, 0, groups), 1 + g)};
    ir_ref y = ir_make(n->b, OP_CONV, operand, 2, &a);
    *sum = y == IR_NONE ? y : ungrouped(n, y, groups);
    return *sum != IR_NONE;
}
