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

/* k[o, c] or k[c, o] as [O, C, 1, 1]. */
static ir_ref one_tap(dsl *cx, const dsl_value *k, int summed)
{
    ir_ref x = dsl_ref(cx, k);
    ir_dim one = dim_int(cx->dims, 1);

    if (!summed)
        x = ir_transpose(dsl_b(cx), x, (int32_t[]){1, 0});
    ir_dim shape[4] = {dsl_extent(k, !summed), dsl_extent(k, summed), one, one};
    return ir_reshape(dsl_b(cx), x, shape, 4);
}

/* x has channels, pixels and at most one axis before them. */
const dsl_value *dsl_convolve_points(dsl *cx, const dsl_value *x, int channels,
                                     const dsl_value *k, int summed)
{
    int rank = x->tensor.rank;
    dsl_axis *axis[4];
    ir_dim shape[4];

    if (x->tensor.elem != DSL_REAL || k->tensor.rank != 2 || channels != rank - 3 || channels > 1)
        return NULL;
    for (int i = 0; i < rank; i++) {
        axis[i] = i == channels ? k->tensor.axis[!summed] : x->tensor.axis[i];
        shape[i] = i == channels ? dsl_extent(k, !summed) : dsl_extent(x, i);
    }
    ir_ref y = dsl_ref(cx, x);
    if (!channels)
        y = ir_reshape(dsl_b(cx), y, (ir_dim[]){dim_int(cx->dims, 1), dsl_extent(x, 0),
                                                dsl_extent(x, 1), dsl_extent(x, 2)}, 4);
    y = convolution(cx, y, one_tap(cx, k, summed), false);
    return dsl_array_like(cx, x, channels ? y : ir_reshape(dsl_b(cx), y, shape, 3), rank, axis);
}

/* The same in groups, sum[c] x[g, c, p, q] * k[g, o, c], with groups and channels of x in front
 * of the pixels and at most one axis before them. */
const dsl_value *dsl_convolve_groups(dsl *cx, const dsl_value *x, int channels,
                                     const dsl_value *k, int summed, int group)
{
    int rank = x->tensor.rank, n = rank - 4, free = 3 - summed - group;
    dsl_axis *axis[5];
    ir_dim shape[5], one = dim_int(cx->dims, 1);

    if (x->tensor.elem != DSL_REAL || k->tensor.rank != 3 || n < 0 || n > 1 || channels != n + 1 ||
        x->tensor.axis[n] != k->tensor.axis[group])
        return NULL;
    for (int i = 0; i < rank; i++) {
        axis[i] = i == channels ? k->tensor.axis[free] : x->tensor.axis[i];
        shape[i] = i == channels ? dsl_extent(k, free) : dsl_extent(x, i);
    }
    ir_ref w = ir_transpose(dsl_b(cx), dsl_ref(cx, k), (int32_t[]){group, free, summed});
    w = ir_reshape(dsl_b(cx), w, (ir_dim[]){dsl_extent(k, group), dsl_extent(k, free),
                                            dsl_extent(k, summed), one, one}, 5);
    ir_ref y = dsl_ref(cx, x);
    if (!n)
        y = ir_reshape(dsl_b(cx), y, (ir_dim[]){one, dsl_extent(x, 0), dsl_extent(x, 1),
                                                dsl_extent(x, 2), dsl_extent(x, 3)}, 5);
    y = convolution(cx, y, w, true);
    return dsl_array_like(cx, x, n ? y : ir_reshape(dsl_b(cx), y, shape, 4), rank, axis);
}
