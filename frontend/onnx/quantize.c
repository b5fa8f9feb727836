/* frontend/onnx/quantize.c - integers that stand for real numbers: a value q is
 * (q - zero point) * scale.  Sums of products are exact, in i32. */
#include "../onnx_build.h"
#include "const.h"
#include "num.h"

static const ir_dim one = {1};

/* ---- scales and zero points along an axis ---------------------------------------- */

/* One element, of rank 0 or 1? */
static bool is_single(onnx_op *n, ir_ref x)
{
    return onnx_rank(n, x) == 0 ||
           (onnx_rank(n, x) == 1 && dim_is(onnx_dims(n), onnx_dim(n, x, 0), 1));
}

/* Every element of s along `axis` stands for `block` elements of x. */
static ir_ref repeat_blocks(onnx_op *n, ir_ref s, ir_ref x, int axis, int64_t block)
{
    dim_table *t = onnx_dims(n);
    const ir_type *xt = onnx_type(n, x);
    ir_dim shape[IR_MAX_RANK], wide[IR_MAX_RANK], size = dim_int(t, block);
    ir_dim blocks = dim_ceildiv(t, xt->dim[axis], size);
    int32_t axes[IR_MAX_RANK];
    int rank = xt->rank;

    if (rank == IR_MAX_RANK)
        return onnx_gap(n, "blocks in an operand with the most axes"), IR_NONE;
    for (int i = 0; i < rank; i++) {
        shape[i] = i == axis ? blocks : xt->dim[i];
        axes[i] = i <= axis ? i : i + 1;
    }
    for (int i = 0; i <= rank; i++)
        wide[i] = i <= axis ? shape[i] : i == axis + 1 ? size : shape[i - 1];
    s = onnx_shaped(n, "blocks of scales", s, shape, rank);
    s = ir_broadcast(n->b, s, wide, rank + 1, axes);
    shape[axis] = dim_mul(t, blocks, size);
    s = ir_reshape(n->b, s, shape, rank);
    return ir_slice_axis(n->b, s, axis, (ir_dim){0}, one, xt->dim[axis]);
}

/* s in the shape of x: blocks, one element, or one for each index of the axis. */
static ir_ref along(onnx_op *n, ir_ref s, ir_ref x)
{
    const ir_type *t = onnx_type(n, x);
    int64_t block = onnx_int(n, "block_size", 0);
    bool blocks = block > 0 && t->rank > 0 && onnx_rank(n, s) == t->rank;
    int axis;

    if (!blocks && is_single(n, s))
        return ir_broadcast(n->b, ir_reshape(n->b, s, NULL, 0), t->dim, t->rank, NULL);
    if (!onnx_axis(n, onnx_int(n, "axis", 1), t->rank, &axis))
        return IR_NONE;
    if (blocks)
        return repeat_blocks(n, s, x, axis, block);
    if (onnx_rank(n, s) == 1)
        return ir_broadcast_axis(n->b, s, t->dim, t->rank, axis);
    return onnx_fail(n, "a scale of rank %d", onnx_rank(n, s)), IR_NONE;
}

/* ---- to integers and back ---------------------------------------------------------- */

/* round(x) + zero within what the type holds; x and zero are f32. */
static ir_ref saturate(onnx_op *n, ir_ref x, ir_ref zero, ir_dtype to)
{
    int bits = dt_bits(to) - dt_is_signed(to);
    double hi = (double)((INT64_C(1) << bits) - 1), lo = dt_is_signed(to) ? -hi - 1 : 0;

    x = ir_1(n->b, OP_ROUND, x);
    if (zero != IR_NONE)
        x = ir_2(n->b, OP_ADD, x, zero);
    x = ir_2(n->b, OP_MAX, x, onnx_splat_like(n, x, lo));
    x = ir_2(n->b, OP_MIN, x, onnx_splat_like(n, x, hi));
    return ir_cast(n->b, x, to);
}

/* What a quantized tensor consists of: integers of up to 16 bits. */
static bool is_quantized(ir_dtype d)
{
    return dt_is_int(d) && dt_bits(d) <= 16;
}

/* The element type that an attribute names; DT_NONE if it is absent or 0. */
static bool type_attr(onnx_op *n, const char *name, ir_dtype *d)
{
    int64_t number = onnx_int(n, name, 0);

    *d = number ? dt_from_onnx(number) : DT_NONE;
    if (number && *d == DT_NONE)
        return onnx_fail(n, "%s %lld is no element type", name, (long long)number);
    return true;
}

/* y = saturate(round(x / scale) + zero), ties to even.  The type is the zero
 * point's, or output_dtype's, or u8. */
bool onnx_quantize_linear(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), scale = onnx_in(n, 1), zero = onnx_in(n, 2);
    ir_dtype to, exact;

    if (!type_attr(n, "output_dtype", &to) || !type_attr(n, "precision", &exact))
        return false;
    if (x == IR_NONE || scale == IR_NONE)
        return onnx_fail(n, "takes a tensor and its scale");
    if (zero != IR_NONE && to != DT_NONE && to != onnx_dtype(n, zero))
        return onnx_fail(n, "output_dtype is not the zero point's");
    to = zero != IR_NONE ? onnx_dtype(n, zero) : to != DT_NONE ? to : DT_U8;
    if (!is_quantized(to))
        return onnx_gap(n, "quantization to other than integers");
    if (exact == DT_NONE)
        exact = onnx_dtype(n, scale);
    if (!dt_is_float(exact))
        return onnx_fail(n, "divides in a type that is no float");
    ir_ref dividend = ir_cast(n->b, x, exact);
    x = ir_2(n->b, OP_DIV, dividend, along(n, ir_cast(n->b, scale, exact), x));
    if (x == IR_NONE)
        return false;
    if (zero != IR_NONE)
        zero = along(n, ir_cast(n->b, zero, DT_F32), x);
    return onnx_out(n, 0, saturate(n, ir_cast(n->b, x, DT_F32), zero, to));
}

/* y = (x - zero) * scale; the difference in i32, which it fits. */
bool onnx_dequantize_linear(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), scale = onnx_in(n, 1), zero = onnx_in(n, 2);
    ir_dtype to;

    if (!type_attr(n, "output_dtype", &to))
        return false;
    if (x == IR_NONE || scale == IR_NONE)
        return onnx_fail(n, "takes a tensor and its scale");
    if (zero != IR_NONE && onnx_dtype(n, zero) != onnx_dtype(n, x))
        return onnx_fail(n, "the zero point is of another type than the tensor");
    if (to == DT_NONE)
        to = onnx_dtype(n, scale);
    if (dt_is_int(onnx_dtype(n, x)) && zero != IR_NONE) {
        ir_ref wide = ir_cast(n->b, x, DT_I32);
        x = ir_2(n->b, OP_SUB, wide, along(n, ir_cast(n->b, zero, DT_I32), x));
    }
    if (x == IR_NONE)
        return false;
    scale = along(n, ir_cast(n->b, scale, DT_F32), x);
    return onnx_out(n, 0, ir_cast(n->b, ir_2(n->b, OP_MUL, ir_cast(n->b, x, DT_F32), scale), to));
}

/* The extremes of all elements and 0. */
static ir_ref extreme(onnx_op *n, ir_ref x, ir_redop red, unsigned op)
{
    int32_t axes[IR_MAX_RANK];

    for (int i = 0; i < onnx_rank(n, x); i++)
        axes[i] = i;
    x = ir_reduce(n->b, x, red, axes, onnx_rank(n, x));
    return ir_2(n->b, op, x, onnx_like(n, x, 0));
}

/* u8 over the range of x and 0; where that is empty, of the range 1. */
bool onnx_dynamic_quantize_linear(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    if (x == IR_NONE)
        return onnx_fail(n, "takes a tensor");
    const ir_type *t = onnx_type(n, x);
    ir_ref lo = extreme(n, x, RED_MIN, OP_MIN), hi = extreme(n, x, RED_MAX, OP_MAX);
    ir_ref range = ir_2(n->b, OP_SUB, hi, lo), none = onnx_like(n, lo, 0);
    ir_ref empty = ir_2(n->b, OP_EQ, hi, lo);
    range = ir_select(n->b, empty, onnx_like(n, lo, 1), range);
    ir_ref scale = ir_2(n->b, OP_DIV, range, onnx_like(n, lo, 255));
    ir_ref zero = saturate(n, ir_2(n->b, OP_DIV, ir_1(n->b, OP_NEG, lo), scale), none, DT_U8);
    ir_ref all = ir_broadcast(n->b, scale, t->dim, t->rank, NULL);
    ir_ref zeros = ir_broadcast(n->b, ir_cast(n->b, zero, DT_F32), t->dim, t->rank, NULL);
    ir_ref y = saturate(n, ir_2(n->b, OP_DIV, x, all), zeros, DT_U8);

    return onnx_out(n, 0, y) && onnx_out(n, 1, scale) && onnx_out(n, 2, zero);
}

/* ---- products ------------------------------------------------------------------------ */

/* A scale or zero point in the shape of x: one element, one for each index of the
 * axis (counted from the end if negative), or what broadcasts to x. */
static ir_ref spread(onnx_op *n, ir_ref s, ir_ref x, int axis)
{
    const ir_type *t = onnx_type(n, x);

    axis = axis < 0 ? t->rank + axis : axis;
    if (is_single(n, s))
        return ir_broadcast(n->b, ir_reshape(n->b, s, NULL, 0), t->dim, t->rank, NULL);
    if (onnx_rank(n, s) == 1 && axis >= 0)
        return ir_broadcast_axis(n->b, s, t->dim, t->rank, axis);
    return ir_broadcast_to(n->b, s, t->dim, t->rank);
}

/* (x - zero) in i32 */
static ir_ref centred(onnx_op *n, ir_ref x, ir_ref zero, int axis)
{
    x = ir_cast(n->b, x, DT_I32);
    if (zero == IR_NONE || x == IR_NONE)
        return x;
    return ir_2(n->b, OP_SUB, x, spread(n, ir_cast(n->b, zero, DT_I32), x, axis));
}

/* An operand of a product and its zero point in i32. */
typedef struct quantized {
    ir_ref x, zero;
} quantized;

/* The operand as bytes of this type, unsigned or signed: the other kind moves by 128
 * with its zero point. */
static quantized as_bytes(onnx_op *n, ir_ref x, ir_ref zero, ir_dtype to)
{
    quantized q = {x, zero == IR_NONE ? IR_NONE : ir_cast(n->b, zero, DT_I32)};

    if (onnx_dtype(n, x) == to)
        return q;
    ir_ref half = ir_cast(n->b, x, DT_U8);
    half = ir_2(n->b, OP_ADD, half, onnx_splat_like(n, half, 128));
    q.x = ir_cast(n->b, half, to);
    if (q.zero == IR_NONE)
        q.zero = onnx_like(n, ir_cast(n->b, x, DT_I32), 0);
    q.zero = ir_2(n->b, OP_ADD, q.zero, onnx_splat_like(n, q.zero, to == DT_U8 ? 128 : -128));
    return q;
}

/* Are all elements of a constant of integers 0?  Zero points of channels are few. */
static bool has_zeros(const ir_module *m, uint32_t c)
{
    enum { CHUNK = 64 };
    const ir_type *t = m->consts.at[c].type;
    int64_t n = type_count_const(&m->types, t), value = 0;
    uint8_t data[CHUNK * sizeof(int64_t)];

    for (int64_t i = 0; !value && i < n; i += CHUNK) {
        int64_t part = min_i64(CHUNK, n - i);
        const_read(m, c, i, part, data);
        for (int64_t k = 0; k < part; k++)
            value |= num_load_int(t->dtype, data + k * dt_size(t->dtype));
    }
    return !value;
}

/* Is there no zero point, or known to be 0? */
static bool is_zero(onnx_op *n, ir_ref zero)
{
    if (zero == IR_NONE)
        return true;
    const ir_node *c = ir_node_of(n->b->fn, zero);
    return c->op == OP_CONST && has_zeros(n->b->m, c->attr->CONST.id);
}

/* The product less zero * sums, which broadcast to its shape; nothing is subtracted where
 * there is no zero point. */
static ir_ref without(onnx_op *n, ir_ref product, ir_ref zero, int zero_axis, ir_ref sums)
{
    if (is_zero(n, zero) || product == IR_NONE)
        return product;
    const ir_type *t = onnx_type(n, product);
    sums = ir_broadcast_to(n->b, sums, t->dim, t->rank);
    zero = spread(n, zero, product, zero_axis);
    return ir_2(n->b, OP_SUB, product, ir_2(n->b, OP_MUL, sums, zero));
}

static bool is_bytes(onnx_op *n, ir_ref x)
{
    return onnx_rank(n, x) >= 2 && dt_is_int(onnx_dtype(n, x)) && dt_bits(onnx_dtype(n, x)) == 8;
}

/* b - its zero point, in i32. */
static ir_ref centred_bytes(onnx_op *n, quantized b, int axis)
{
    return centred(n, b.x, is_zero(n, b.zero) ? IR_NONE : b.zero, axis);
}

/* Sums of an axis in i32, which stays as 1. */
static ir_ref sums_along(onnx_op *n, ir_ref x, int axis)
{
    return ir_reduce_keep(n->b, x, RED_SUM, (int32_t[]){axis}, 1);
}

/* The products of the bytes as they are; what the zero points add to them are sums of
 * rows and columns:
 *   sum (a - p)(b - q) = sum a b - q sum a - p sum (b - q) */
static ir_ref bytes_matmul(onnx_op *n, ir_ref x, ir_ref x_zero, ir_ref y, ir_ref y_zero)
{
    quantized a = as_bytes(n, x, x_zero, DT_U8), b = as_bytes(n, y, y_zero, DT_I8);
    ir_ref sum = ir_matmul_in(n->b, a.x, b.x, DT_I32);

    if (sum == IR_NONE)
        return sum;
    ir_ref wide = ir_cast(n->b, a.x, DT_I32), rest = centred_bytes(n, b, -1);
    sum = without(n, sum, b.zero, -1, sums_along(n, wide, onnx_rank(n, wide) - 1));
    return without(n, sum, a.zero, -2, sums_along(n, rest, onnx_rank(n, rest) - 2));
}

/* Sums of products of operands with their zero points, at these places. */
static ir_ref integer_matmul(onnx_op *n, int x, int x_zero, int y, int y_zero)
{
    if (!onnx_has(n, x) || !onnx_has(n, y))
        return onnx_fail(n, "takes two operands"), IR_NONE;
    ir_ref a = onnx_in(n, x), a_zero = onnx_in(n, x_zero);
    ir_ref b = onnx_in(n, y), b_zero = onnx_in(n, y_zero);
    if (a != IR_NONE && b != IR_NONE && is_bytes(n, a) && is_bytes(n, b))
        return bytes_matmul(n, a, a_zero, b, b_zero);
    a = centred(n, a, a_zero, -2);
    b = centred(n, b, b_zero, -1);
    return ir_matmul(n->b, a, b);
}

/* x[N,O..,K] as [N,K,O..] */
static ir_ref channels_first(onnx_op *n, ir_ref x)
{
    int32_t perm[IR_MAX_RANK] = {0, onnx_rank(n, x) - 1};

    for (int i = 2; i < onnx_rank(n, x); i++)
        perm[i] = i - 1;
    return ir_transpose(n->b, x, perm);
}

/* What a convolution of integers makes before its bias is added: [N,K,O..], or, of bytes,
 * [N,O..,K]. */
typedef struct integer_sums {
    ir_ref sum;
    int channel;                /* axis of K */
} integer_sums;

/* Have products to be corrected by the sums of windows, of which each group has its own? */
static bool needs_groups_windows(onnx_op *n, quantized b)
{
    return onnx_int(n, "group", 1) > 1 && !is_zero(n, b.zero);
}

/* Subtracts q * the sum of each window, found by weights that are all 1. */
static bool without_windows(onnx_op *n, quantized a, quantized b, ir_ref outside, ir_ref *sum)
{
    ir_dim shape[IR_MAX_RANK] = {one};
    ir_ref windows;

    if (is_zero(n, b.zero))
        return true;
    for (int i = 1; i < onnx_rank(n, b.x); i++)
        shape[i] = onnx_dim(n, b.x, i);
    ir_ref ones = ir_broadcast(n->b, onnx_like(n, b.x, 1), shape, onnx_rank(n, b.x), NULL);
    if (!onnx_convolution_of_bytes(n, a.x, ones, outside, &windows))
        return false;
    *sum = without(n, *sum, b.zero, -1, windows);
    return *sum != IR_NONE;
}

/* The convolution of bytes, as their product is made; IR_NONE in `sum` where it is none.
 * False after an error. */
static bool bytes_conv(onnx_op *n, ir_ref x, ir_ref x_zero, ir_ref w, ir_ref w_zero, ir_ref *sum)
{
    int32_t axes[IR_MAX_RANK];

    *sum = IR_NONE;
    if (!is_bytes(n, x) || !is_bytes(n, w) || (x_zero != IR_NONE && !is_single(n, x_zero)))
        return true;
    quantized a = as_bytes(n, x, x_zero, DT_U8), b = as_bytes(n, w, w_zero, DT_I8);
    if (needs_groups_windows(n, b))
        return true;
    ir_ref outside = a.zero == IR_NONE
                         ? onnx_like(n, a.x, 0)
                         : ir_cast(n->b, ir_reshape(n->b, a.zero, NULL, 0), DT_U8);
    if (!onnx_convolution_of_bytes(n, a.x, b.x, outside, sum))
        return false;
    if (*sum == IR_NONE)
        return true;
    if (!without_windows(n, a, b, outside, sum))
        return false;
    ir_ref rest = centred_bytes(n, b, 0);
    for (int i = 1; i < onnx_rank(n, rest); i++)
        axes[i - 1] = i;
    rest = ir_reduce(n->b, rest, RED_SUM, axes, onnx_rank(n, rest) - 1);
    *sum = without(n, *sum, a.zero, -1, rest);
    return *sum != IR_NONE;
}

/* The operands are at these places. */
static integer_sums integer_conv(onnx_op *n, int x, int x_zero, int w, int w_zero)
{
    integer_sums none = {IR_NONE, 0}, of_bytes = none, plain = {.channel = 1};

    if (!onnx_has(n, x) || !onnx_has(n, w))
        return onnx_fail(n, "takes an image and weights"), none;
    ir_ref image = onnx_in(n, x), image_zero = onnx_in(n, x_zero);
    ir_ref weights = onnx_in(n, w), weights_zero = onnx_in(n, w_zero);
    if (!bytes_conv(n, image, image_zero, weights, weights_zero, &of_bytes.sum))
        return none;
    if (of_bytes.sum != IR_NONE) {
        of_bytes.channel = onnx_rank(n, of_bytes.sum) - 1;
        return of_bytes;
    }
    image = centred(n, image, image_zero, 1);
    weights = centred(n, weights, weights_zero, 0);
    plain.sum = onnx_convolution(n, image, weights, IR_NONE);
    return plain;
}

/* sum (a - p) (b - q) in i32. */
bool onnx_matmul_integer(onnx_op *n)
{
    return onnx_out(n, 0, integer_matmul(n, 0, 2, 1, 3));
}

/* Results are i32 and in ONNX's order: channels back to axis 1. */
bool onnx_conv_integer(onnx_op *n)
{
    integer_sums s = integer_conv(n, 0, 2, 1, 3);

    if (s.sum == IR_NONE)
        return false;
    return onnx_out(n, 0, s.channel == 1 ? s.sum : channels_first(n, s.sum));
}

/* The operands x, scale, zero, w, scale, zero, scale, zero of a product whose
 * result is quantized again; scales of x and w lie along these axes of it. */
static ir_ref requantize(onnx_op *n, ir_ref sum, int x_axis, int w_axis)
{
    const ir_ref scale[3] = {onnx_in(n, 1), onnx_in(n, 4), onnx_in(n, 6)};
    const int axis[3] = {x_axis, w_axis, x_axis};
    ir_ref zero = onnx_in(n, 7), real[3];

    if (sum == IR_NONE || zero == IR_NONE)
        return IR_NONE;
    for (int i = 0; i < 3; i++) {
        if (scale[i] == IR_NONE)
            return onnx_fail(n, "takes three scales"), IR_NONE;
        real[i] = spread(n, ir_cast(n->b, scale[i], DT_F32), sum, axis[i]);
    }
    ir_dtype to = onnx_dtype(n, zero);
    if (!is_quantized(to))
        return onnx_gap(n, "quantization to other than integers"), IR_NONE;
    ir_ref factor = ir_2(n->b, OP_DIV, ir_2(n->b, OP_MUL, real[0], real[1]), real[2]);
    zero = spread(n, ir_cast(n->b, zero, DT_F32), sum, x_axis);
    sum = ir_2(n->b, OP_MUL, ir_cast(n->b, sum, DT_F32), factor);
    return saturate(n, sum, zero, to);
}

/* Scales and zero points of x may be one a row, those of w one a column. */
bool onnx_qlinear_matmul(onnx_op *n)
{
    return onnx_out(n, 0, requantize(n, integer_matmul(n, 0, 2, 3, 5), -2, -1));
}

/* Channels last until the result is quantized: then only bytes are transposed. */
bool onnx_qlinear_conv(onnx_op *n)
{
    integer_sums s = integer_conv(n, 0, 2, 3, 5);
    ir_ref bias = onnx_in(n, 8);

    if (s.sum != IR_NONE && bias != IR_NONE)
        s.sum = ir_2(n->b, OP_ADD, s.sum, spread(n, bias, s.sum, s.channel));
    ir_ref y = requantize(n, s.sum, s.channel, s.channel);
    if (y == IR_NONE)
        return false;
    return onnx_out(n, 0, s.channel == 1 ? y : channels_first(n, y));
}
