/* frontend/dsl/points.c - products along the channels of pictures.
 *
 * sum[c] x[c, p, q] * k[o, c] is a product of matrices, and is made a convolution of windows of
 * one pixel: the kernels of convolutions read and write the channels where they lie, in front of
 * the pixels, where a product of matrices would have them turned. */
#include "check.h"

/* x[n, group?, c, p, q] and k[group?, o, c, 1, 1], without strides and borders. */
static ir_ref convolution(dsl *cx, ir_ref x, ir_ref k, bool grouped)
{
    static const int32_t axis[5] = {0, 1, 2, 3, 4};
    int g = grouped;
    ir_ints none = {0}, first = {1, axis}, channel = {1, axis + 1 + g}, group = {1, axis + 1};
    ir_dim one[2] = {dim_int(cx->dims, 1), dim_int(cx->dims, 1)}, zero[2] = {{0}, {0}};
    ir_attr a = {0};

    a.CONV.xb = a.CONV.yb = first;
    a.CONV.xg = a.CONV.yg = g ? group : none;
    a.CONV.xf = a.CONV.yo = a.CONV.wf = channel;
    a.CONV.wg = g ? first : none;
    a.CONV.wo = g ? group : first;
    a.CONV.xs = a.CONV.ws = a.CONV.ys = (ir_ints){2, axis + 2 + g};
    a.CONV.stride = a.CONV.rdil = a.CONV.ldil = (ir_dims){2, one};
    a.CONV.low = a.CONV.high = (ir_dims){2, zero};
    return ir_make(dsl_b(cx), OP_CONV, (ir_ref[]){x, k}, 2, &a);
}

/* The product of x with the weights w, in that form; `out` is the axis of what x's channels
 * become.  An axis before all others is made where x has none. */
static const dsl_value *multiply(dsl *cx, const dsl_value *x, int channels, ir_ref w, dsl_axis *out,
                                 ir_dim extent, bool grouped)
{
    int rank = x->tensor.rank, alone = channels == grouped;
    dsl_axis *axis[5];
    ir_dim shape[6] = {dim_int(cx->dims, 1)}, *own = shape + 1;
    ir_ref y = dsl_ref(cx, x);

    for (int i = 0; i < rank; i++) {
        axis[i] = i == channels ? out : x->tensor.axis[i];
        own[i] = dsl_extent(x, i);
    }
    if (alone)
        y = ir_reshape(dsl_b(cx), y, shape, rank + 1);
    y = convolution(cx, y, w, grouped);
    own[channels] = extent;
    return dsl_array_like(cx, x, alone ? ir_reshape(dsl_b(cx), y, own, rank) : y, rank, axis);
}

/* Has x channels, two axes of pixels behind them, and before them that of groups, if there is
 * one, and at most one axis more? */
static bool is_picture(const dsl_value *x, int channels, bool grouped)
{
    return x->tensor.elem == DSL_REAL && channels == x->tensor.rank - 3 &&
           (channels == grouped || channels == grouped + 1);
}

const dsl_value *dsl_convolve_points(dsl *cx, const dsl_value *x, int channels,
                                     const dsl_value *k, int summed)
{
    ir_dim one = dim_int(cx->dims, 1);

    if (!is_picture(x, channels, false) || k->tensor.rank != 2)
        return NULL;
    ir_ref w = dsl_ref(cx, k);
    if (!summed)
        w = ir_transpose(dsl_b(cx), w, (int32_t[]){1, 0});
    ir_dim extent = dsl_extent(k, !summed);
    w = ir_reshape(dsl_b(cx), w, (ir_dim[]){extent, dsl_extent(k, summed), one, one}, 4);
    return multiply(cx, x, channels, w, k->tensor.axis[!summed], extent, false);
}

/* sum[c] x[g, c, p, q] * k[g, o, c] */
const dsl_value *dsl_convolve_groups(dsl *cx, const dsl_value *x, int channels,
                                     const dsl_value *k, int summed, int group)
{
    int free = 3 - summed - group;
    ir_dim one = dim_int(cx->dims, 1);

    if (!is_picture(x, channels, true) || k->tensor.rank != 3 ||
        x->tensor.axis[channels - 1] != k->tensor.axis[group])
        return NULL;
    ir_ref w = ir_transpose(dsl_b(cx), dsl_ref(cx, k), (int32_t[]){group, free, summed});
    w = ir_reshape(dsl_b(cx), w, (ir_dim[]){dsl_extent(k, group), dsl_extent(k, free),
                                            dsl_extent(k, summed), one, one}, 5);
    return multiply(cx, x, channels, w, k->tensor.axis[free], dsl_extent(k, free), true);
}
