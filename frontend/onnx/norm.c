/* frontend/onnx/norm.c - normalizations.
 *
 *    y = scale * (x - mean) / sqrt(variance + epsilon) + bias
 *
 * They differ in which axes mean and variance go over: batch and image
 * (BatchNormalization), the image (Instance), the last axes (Layer, RMS without
 * mean), groups of channels and the image (Group).  Halves are computed in f32, as
 * sums of many of them lose their digits.  There is no node of their own:
 * reductions and scalars fuse, and gradients follow from them. */
#include "../onnx_build.h"

static ir_ref sub(onnx_op *n, ir_ref x, ir_ref y) { return ir_b2(n->b, OP_SUB, x, y); }
static ir_ref mul(onnx_op *n, ir_ref x, ir_ref y) { return ir_b2(n->b, OP_MUL, x, y); }
static ir_ref div(onnx_op *n, ir_ref x, ir_ref y) { return ir_b2(n->b, OP_DIV, x, y); }

static ir_ref plus(onnx_op *n, ir_ref x, double c)
{
    return x == IR_NONE ? x : ir_2(n->b, OP_ADD, x, onnx_splat_like(n, x, c));
}

/* A vector along axis 1 as a value of x's shape. */
static ir_ref along(onnx_op *n, ir_ref v, ir_ref x)
{
    const ir_type *t = onnx_type(n, x);

    return ir_broadcast_axis(n->b, ir_cast(n->b, v, t->dtype), t->dim, t->rank, 1);
}

/* The sum over the axes, which stay as 1, over the number of elements. */
static ir_ref mean(onnx_op *n, ir_ref x, const int32_t *axes, int count)
{
    ir_dim d = {1};

    if (x == IR_NONE)
        return x;
    for (int i = 0; i < count; i++)
        d = dim_mul(onnx_dims(n), d, onnx_dim(n, x, axes[i]));
    ir_ref c = ir_cast(n->b, ir_dim_ref(n->b, d), onnx_dtype(n, x));
    return div(n, ir_reduce_keep(n->b, x, RED_SUM, axes, count), c);
}

/* scale * (x - m) / sqrt(v + epsilon) + bias as x * a + b, vectors first; in v's type. */
static ir_ref normalized(onnx_op *n, ir_ref x, ir_ref m, ir_ref v)
{
    ir_dtype dt = onnx_dtype(n, v);
    ir_ref dev = ir_1(n->b, OP_SQRT, plus(n, v, onnx_float(n, "epsilon", 1e-5)));
    ir_ref a = ir_2(n->b, OP_DIV, ir_cast(n->b, onnx_in(n, 1), dt), dev);
    ir_ref bias = ir_cast(n->b, onnx_in(n, 2), dt);
    ir_ref c = ir_2(n->b, OP_SUB, bias, ir_2(n->b, OP_MUL, ir_cast(n->b, m, dt), a));

    if (c == IR_NONE)
        return c;
    ir_ref y = ir_2(n->b, OP_MUL, x, along(n, a, x));
    return ir_2(n->b, OP_ADD, y, along(n, c, x));
}

/* momentum * before + (1 - momentum) * now, as result i. */
static bool running(onnx_op *n, int i, ir_ref before, ir_ref now)
{
    double momentum = onnx_float(n, "momentum", 0.9);

    if (before == IR_NONE || now == IR_NONE)
        return false;
    now = ir_cast(n->b, now, onnx_dtype(n, before));
    ir_ref old = ir_2(n->b, OP_MUL, before, onnx_splat_like(n, before, momentum));
    ir_ref part = ir_2(n->b, OP_MUL, now, onnx_splat_like(n, now, 1 - momentum));
    return onnx_out(n, i, ir_2(n->b, OP_ADD, old, part));
}

/* Over all axes but 1. */
static ir_ref mean_of_channels(onnx_op *n, ir_ref x)
{
    int32_t axes[IR_MAX_RANK];
    int count = 0;

    for (int i = 0; i < onnx_rank(n, x); i++)
        if (i != 1)
            axes[count++] = i;
    return ir_reshape(n->b, mean(n, x, axes, count), (ir_dim[]){onnx_dim(n, x, 1)}, 1);
}

/* By mean and variance of the batch itself, which move the running ones. */
static bool batch_norm_training(onnx_op *n, ir_ref x)
{
    ir_ref wide = onnx_widened(n, x), m = mean_of_channels(n, wide);

    if (m == IR_NONE)
        return false;
    ir_ref d = ir_2(n->b, OP_SUB, wide, along(n, m, wide));
    ir_ref v = mean_of_channels(n, ir_2(n->b, OP_MUL, d, d));
    return running(n, 1, onnx_in(n, 3), m) && running(n, 2, onnx_in(n, 4), v) &&
           onnx_out_as(n, 0, normalized(n, wide, m, v), onnx_dtype(n, x));
}

/* Operands x, scale, bias, mean, variance.  For inference those of the training are
 * constants, so that all becomes x * a + b with constants for each channel. */
bool onnx_batch_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    bool training = onnx_int(n, "training_mode", 0);

    for (int i = 0; i < 5; i++)
        if (!onnx_has(n, i))
            return onnx_fail(n, "takes five operands");
    if (n->version < 14 && onnx_wants(n, 1))
        return onnx_gap(n, "training mode before version 14");
    if (n->since < 9 && !onnx_int(n, "spatial", 1))
        return onnx_gap(n, "spatial=0");
    if (onnx_rank(n, x) < 2)
        return onnx_fail(n, "takes rank 2 or more");
    if (training)
        return batch_norm_training(n, x);
    return onnx_out(n, 0, normalized(n, x, onnx_in(n, 3), onnx_in(n, 4)));
}

/* Over the axes: (x - mean) / sqrt(mean((x - mean)^2) + epsilon); the mean and
 * the inverse deviation, too. */
static ir_ref normalize(onnx_op *n, ir_ref x, const int32_t *axes, int count, double epsilon,
                        ir_ref *mu, ir_ref *inv)
{
    *mu = mean(n, x, axes, count);
    ir_ref d = sub(n, x, *mu);
    if (d == IR_NONE)
        return d;
    ir_ref dev =
        ir_1(n->b, OP_SQRT, plus(n, mean(n, ir_2(n->b, OP_MUL, d, d), axes, count), epsilon));
    if (dev == IR_NONE)
        return dev;
    *inv = ir_2(n->b, OP_DIV, onnx_splat_like(n, dev, 1), dev);
    return mul(n, d, *inv);
}

/* The type of means and deviations: that of the attribute where it is wider than x's own. */
static ir_dtype stash_dtype(onnx_op *n, ir_ref x)
{
    ir_dtype dt = dt_from_onnx((int32_t)onnx_int(n, "stash_type", 1)), own = onnx_dtype(n, x);

    return dt_is_float(dt) && dt_bits(dt) > dt_bits(own) ? dt : own;
}

/* x in the type that they are computed in: f32 at least, as sums of halves leave their range. */
static ir_ref stashed(onnx_op *n, ir_ref x)
{
    ir_dtype dt = stash_dtype(n, x);

    return ir_cast(n->b, x, dt_bits(dt) < dt_bits(DT_F32) ? DT_F32 : dt);
}

/* The axes of x from the attribute `axis` on, the last one without it: how many; 0 after a
 * fault, as x and the scale s must be there. */
static int axes_behind(onnx_op *n, ir_ref x, ir_ref s, int32_t *axes)
{
    int axis;

    if (x == IR_NONE || s == IR_NONE)
        return s == IR_NONE ? onnx_fail(n, "takes two operands") : 0;
    if (!onnx_axis(n, onnx_int(n, "axis", -1), onnx_rank(n, x), &axis))
        return 0;
    for (int i = axis; i < onnx_rank(n, x); i++)
        axes[i - axis] = i;
    return onnx_rank(n, x) - axis;
}

/* Over the axes from `axis` on; results 1 and 2 are the mean and 1 / deviation. */
bool onnx_layer_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), s = onnx_in(n, 1), b = onnx_in(n, 2);
    ir_ref mu = IR_NONE, inv = IR_NONE;
    int32_t axes[IR_MAX_RANK];
    int count = axes_behind(n, x, s, axes);

    if (!count)
        return false;
    ir_dtype dt = onnx_dtype(n, x);
    ir_ref y = normalize(n, stashed(n, x), axes, count, onnx_float(n, "epsilon", 1e-5), &mu, &inv);
    y = mul(n, ir_cast(n->b, y, dt), s);
    if (b != IR_NONE)
        y = ir_b2(n->b, OP_ADD, y, b);
    onnx_out(n, 1, ir_cast(n->b, mu, stash_dtype(n, x)));
    onnx_out(n, 2, ir_cast(n->b, inv, stash_dtype(n, x)));
    return onnx_out(n, 0, y);
}

/* The layer normalization of a sum: operand, skip and bias, along the last axis. */
bool onnx_skip_layer_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), skip = onnx_in(n, 1), s = onnx_in(n, 2), b = onnx_in(n, 3), mu, inv;
    ir_ref bias = onnx_in(n, 4);

    if (x == IR_NONE || skip == IR_NONE || s == IR_NONE || onnx_rank(n, x) < 1)
        return onnx_fail(n, "takes a tensor, a skip and a scale");
    x = ir_b2(n->b, OP_ADD, x, skip);
    if (bias != IR_NONE)
        x = ir_b2(n->b, OP_ADD, x, bias);
    if (x == IR_NONE)
        return false;
    const int32_t last[1] = {onnx_rank(n, x) - 1};
    double epsilon = onnx_float(n, "epsilon", 1e-12);
    ir_ref y = normalize(n, onnx_widened(n, x), last, 1, epsilon, &mu, &inv);
    y = mul(n, ir_cast(n->b, y, onnx_dtype(n, x)), s);
    if (b != IR_NONE)
        y = ir_b2(n->b, OP_ADD, y, b);
    onnx_out(n, 1, mu);
    onnx_out(n, 2, inv);
    onnx_out(n, 3, x);
    return onnx_out(n, 0, y);
}

/* scale * x / sqrt(mean(x^2) + epsilon) */
bool onnx_rms_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), s = onnx_in(n, 1);
    int32_t axes[IR_MAX_RANK];
    int count = axes_behind(n, x, s, axes);

    if (!count)
        return false;
    ir_dtype dt = onnx_dtype(n, x);
    ir_ref f = dt == DT_F64 ? x : ir_cast(n->b, x, DT_F32);
    ir_ref dev =
        plus(n, mean(n, ir_2(n->b, OP_MUL, f, f), axes, count), onnx_float(n, "epsilon", 1e-5));
    ir_ref y = div(n, f, ir_1(n->b, OP_SQRT, dev));
    return onnx_out(n, 0, mul(n, ir_cast(n->b, y, dt), s));
}

/* [N,C,S..] as [N,groups,rest] normalized over the rest. */
static ir_ref group_normalize(onnx_op *n, ir_ref x, ir_dim groups, double epsilon)
{
    const ir_type *t = onnx_type(n, x);
    dim_table *d = onnx_dims(n);
    ir_dim members = dim_div(d, t->dim[1], groups);
    ir_dim rest = dim_mul(d, members, dim_product(d, t->dim + 2, t->rank - 2));
    ir_dim shape[3] = {t->dim[0], groups, rest};
    ir_ref mu, inv, y = ir_reshape(n->b, x, shape, 3);

    y = normalize(n, y, (int32_t[]){2}, 1, epsilon, &mu, &inv);
    return ir_reshape(n->b, y, t->dim, t->rank);
}

/* Each channel of each image by itself: groups of one channel. */
bool onnx_instance_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), s = onnx_in(n, 1), b = onnx_in(n, 2);

    if (x == IR_NONE || s == IR_NONE || b == IR_NONE || onnx_rank(n, x) < 3)
        return onnx_fail(n, "takes an image, a scale and a bias");
    ir_ref y = group_normalize(n, onnx_widened(n, x), onnx_dim(n, x, 1),
                               onnx_float(n, "epsilon", 1e-5));
    if (y == IR_NONE)
        return false;
    y = ir_2(n->b, OP_MUL, y, along(n, s, y));
    return onnx_out_as(n, 0, ir_2(n->b, OP_ADD, y, along(n, b, y)), onnx_dtype(n, x));
}

/* Scale and bias are per group in opset 18, per channel from 21 on. */
bool onnx_group_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), s = onnx_in(n, 1), b = onnx_in(n, 2);
    int64_t groups = onnx_int(n, "num_groups", 0);

    if (x == IR_NONE || s == IR_NONE || b == IR_NONE || onnx_rank(n, x) < 3 || groups < 1)
        return onnx_fail(n, "takes an image, a scale, a bias and num_groups");
    dim_table *d = onnx_dims(n);
    ir_dim g = dim_int(d, groups), c = onnx_dim(n, x, 1);
    ir_ref y = group_normalize(n, stashed(n, x), g, onnx_float(n, "epsilon", 1e-5));
    if (n->since < 21) {
        ir_dim wide[2] = {g, dim_div(d, c, g)};
        s = ir_reshape(n->b, ir_broadcast_axis(n->b, s, wide, 2, 0), &c, 1);
        b = ir_reshape(n->b, ir_broadcast_axis(n->b, b, wide, 2, 0), &c, 1);
    }
    y = ir_2(n->b, OP_MUL, ir_cast(n->b, y, onnx_dtype(n, x)), along(n, s, x));
    return onnx_out(n, 0, ir_2(n->b, OP_ADD, y, along(n, b, x)));
}

/* (x - mean) / (sqrt(mean(x^2) - mean^2) + 1e-9), over axes that need not include
 * the batch; the formula is the standard's. */
bool onnx_mean_variance_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), mu = IR_NONE;
    int len, axis;
    const int64_t *list = onnx_ints(n, "axes", &len);
    static const int64_t usual[] = {0, 2, 3};
    int32_t axes[IR_MAX_RANK];

    if (len < 0)
        list = usual, len = 3;
    if (x == IR_NONE || len > onnx_rank(n, x))
        return onnx_fail(n, "%d axes", len);
    for (int i = 0; i < len; i++) {
        if (!onnx_axis(n, list[i], onnx_rank(n, x), &axis))
            return false;
        for (int j = 0; j < i; j++)
            if (axes[j] == axis)
                return onnx_fail(n, "axis %d is named twice", axis);
        axes[i] = axis;
    }
    ir_dtype dt = onnx_dtype(n, x);
    x = onnx_widened(n, x);
    mu = mean(n, x, axes, len);
    ir_ref d = sub(n, x, mu), square = mean(n, ir_2(n->b, OP_MUL, x, x), axes, len);
    ir_ref var = sub(n, square, ir_2(n->b, OP_MUL, mu, mu));
    return onnx_out_as(n, 0, div(n, d, plus(n, ir_1(n->b, OP_SQRT, var), 1e-9)), dt);
}

/* x / (sum |x|^p)^(1/p) along an axis; where that norm is 0 so is the result, not
 * NaN. */
bool onnx_lp_norm(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int axis;
    int64_t p = onnx_int(n, "p", 2);

    if (x == IR_NONE || !onnx_axis(n, onnx_int(n, "axis", -1), onnx_rank(n, x), &axis))
        return false;
    if (p != 1 && p != 2)
        return onnx_fail(n, "p must be 1 or 2");
    ir_dtype dt = onnx_dtype(n, x);
    x = onnx_widened(n, x);
    ir_ref y = p == 1 ? ir_1(n->b, OP_ABS, x) : ir_2(n->b, OP_MUL, x, x);
    y = ir_reduce_keep(n->b, y, RED_SUM, (int32_t[]){axis}, 1);
    if (p == 2)
        y = ir_1(n->b, OP_SQRT, y);
    ir_ref none = ir_2(n->b, OP_EQ, y, onnx_splat_like(n, y, 0));
    y = ir_select(n->b, none, onnx_splat_like(n, y, 1), y);
    return onnx_out_as(n, 0, div(n, x, y), dt);
}

/* x / (bias + alpha/size * sum of squares over `size` channels)^beta */
bool onnx_lrn(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int64_t size = onnx_int(n, "size", 0);
    dim_table *t = onnx_dims(n);
    ir_dim lists[5][IR_MAX_RANK];
    int rank = x == IR_NONE ? 0 : onnx_rank(n, x);

    if (rank < 2 || size < 1)
        return onnx_fail(n, "takes an image and a positive size");
    for (int i = 0; i < rank; i++) {
        lists[0][i] = lists[1][i] = lists[2][i] = (ir_dim){1};
        lists[3][i] = lists[4][i] = (ir_dim){0};
    }
    lists[0][1] = dim_int(t, size);
    lists[3][1] = dim_int(t, (size - 1) / 2);
    lists[4][1] = dim_int(t, size / 2);
    ir_attr a = {.WINDOW = {.size = {rank, lists[0]}, .stride = {rank, lists[1]},
                            .dil = {rank, lists[2]}, .low = {rank, lists[3]},
                            .high = {rank, lists[4]}, .op = RED_SUM}};
    ir_dtype dt = onnx_dtype(n, x);
    x = onnx_widened(n, x);
    ir_ref square = ir_2(n->b, OP_MUL, x, x);
    ir_ref y = ir_make(n->b, OP_WINDOW, &square, 1, &a);
    double alpha = onnx_float(n, "alpha", 0.0001) / (double)size;
    y = ir_2(n->b, OP_MUL, y, onnx_splat_like(n, x, alpha));
    y = plus(n, y, onnx_float(n, "bias", 1));
    y = ir_2(n->b, OP_POW, y, onnx_splat_like(n, x, onnx_float(n, "beta", 0.75)));
    return onnx_out_as(n, 0, ir_2(n->b, OP_DIV, x, y), dt);
}
