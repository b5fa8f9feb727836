/* frontend/onnx/elementwise.c - arithmetic, comparisons, logic, activations.
 *
 * Most operators are one op of the IR and need a line in a table below.
 * Activations are put together of several, since fusion makes one loop of them
 * anyway and gradients then need no rule of their own. */
#include <math.h>

#include "../onnx_build.h"

/* ---- one scalar function ------------------------------------------------------- */

/* y[i] = op(x[i]) */
#define UNARY(name, op)                                                        \
    bool onnx_##name(onnx_op *n) { return onnx_out(n, 0, ir_1(n->b, op, onnx_in(n, 0))); }

UNARY(abs, OP_ABS)
UNARY(neg, OP_NEG)
UNARY(sign, OP_SIGN)
UNARY(sqrt, OP_SQRT)
UNARY(exp, OP_EXP)
UNARY(log, OP_LOG)
UNARY(sin, OP_SIN)
UNARY(cos, OP_COS)
UNARY(tan, OP_TAN)
UNARY(asin, OP_ASIN)
UNARY(acos, OP_ACOS)
UNARY(atan, OP_ATAN)
UNARY(sinh, OP_SINH)
UNARY(cosh, OP_COSH)
UNARY(tanh, OP_TANH)
UNARY(asinh, OP_ASINH)
UNARY(acosh, OP_ACOSH)
UNARY(atanh, OP_ATANH)
UNARY(erf, OP_ERF)
UNARY(sigmoid, OP_SIGMOID)
UNARY(floor, OP_FLOOR)
UNARY(ceil, OP_CEIL)
UNARY(round, OP_ROUND)
UNARY(isnan, OP_ISNAN)
UNARY(bitwise_not, OP_NOT)

bool onnx_not(onnx_op *n)
{
    return onnx_out(n, 0, ir_1(n->b, OP_NOT, onnx_in(n, 0)));
}

bool onnx_identity(onnx_op *n)
{
    return onnx_out(n, 0, onnx_in(n, 0));
}

bool onnx_reciprocal(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    return onnx_out(n, 0, ir_2(n->b, OP_DIV, onnx_splat_like(n, x, 1), x));
}

/* Attributes may leave out one of the infinities. */
bool onnx_isinf(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), zero = onnx_splat_like(n, x, 0), y = ir_1(n->b, OP_ISINF, x);
    bool up = onnx_int(n, "detect_positive", 1), down = onnx_int(n, "detect_negative", 1);

    if (!up)
        y = ir_2(n->b, OP_AND, y, ir_2(n->b, OP_LT, x, zero));
    if (!down)
        y = ir_2(n->b, OP_AND, y, ir_2(n->b, OP_LT, zero, x));
    return onnx_out(n, 0, y);
}

/* ---- two operands, broadcast ---------------------------------------------------- */

/* Before opset 7: `broadcast` = 1 lines y up with x's axes from `axis` on. */
static bool legacy_pair(onnx_op *n, ir_ref *y)
{
    ir_ref x = onnx_in(n, 0);
    int rank = onnx_rank(n, x), own = onnx_rank(n, *y), axis;
    int32_t axes[IR_MAX_RANK];

    if (n->since >= 7 || !onnx_int(n, "broadcast", 0))
        return true;
    int64_t at = onnx_int(n, "axis", rank - own);
    if (!onnx_axis(n, at, rank + (own == 0), &axis) || axis + own > rank)
        return onnx_fail(n, "broadcast axis %lld does not fit", (long long)at);
    for (int i = 0; i < own; i++)
        axes[i] = axis + i;
    *y = ir_broadcast(n->b, *y, onnx_type(n, x)->dim, rank, axes);
    return *y != IR_NONE;
}

/* Operands are broadcast against each other, from the last axis on. */
static bool binary(onnx_op *n, unsigned op)
{
    ir_ref x = onnx_in(n, 0), y = onnx_in(n, 1);

    if (x == IR_NONE || y == IR_NONE)
        return onnx_fail(n, "takes two operands");
    return legacy_pair(n, &y) && onnx_out(n, 0, ir_b2(n->b, op, x, y));
}

/* A constant, whatever shape it was given on the way here. */
static bool is_const(onnx_op *n, ir_ref x)
{
    return ir_node_of(n->b->fn, onnx_plain(n, x))->op == OP_CONST;
}

/* Scales and shifts behind a normalization of halves are part of it, as they are in the
 * operator itself: it rounds once, behind them. */
static bool arithmetic(onnx_op *n, unsigned op)
{
    ir_ref x = onnx_in(n, 0), y = onnx_in(n, 1), wide;

    if (x == IR_NONE || y == IR_NONE || n->since < 7 || is_const(n, x) == is_const(n, y))
        return binary(n, op);
    ir_dtype dt = onnx_dtype(n, x);
    wide = onnx_before_rounding(n, is_const(n, x) ? y : x);
    if (wide == IR_NONE)
        return binary(n, op);
    x = is_const(n, x) ? ir_cast(n->b, x, DT_F32) : wide;
    y = is_const(n, y) ? ir_cast(n->b, y, DT_F32) : wide;
    return onnx_out_as(n, 0, ir_b2(n->b, op, x, y), dt);
}

#define BINARY(name, op) bool onnx_##name(onnx_op *n) { return binary(n, op); }
#define ARITHMETIC(name, op) bool onnx_##name(onnx_op *n) { return arithmetic(n, op); }

ARITHMETIC(add, OP_ADD)
ARITHMETIC(sub, OP_SUB)
ARITHMETIC(mul, OP_MUL)
ARITHMETIC(div, OP_DIV)
BINARY(and, OP_AND)
BINARY(or, OP_OR)
BINARY(xor, OP_XOR)
BINARY(equal, OP_EQ)
BINARY(less, OP_LT)
BINARY(less_or_equal, OP_LE)
BINARY(bitwise_and, OP_AND)
BINARY(bitwise_or, OP_OR)
BINARY(bitwise_xor, OP_XOR)

/* x > y is y < x: the IR has no op for it. */
static bool swapped(onnx_op *n, unsigned op)
{
    ir_ref y = onnx_in(n, 1);

    if (onnx_in(n, 0) == IR_NONE || y == IR_NONE)
        return onnx_fail(n, "takes two operands");
    return legacy_pair(n, &y) && onnx_out(n, 0, ir_b2(n->b, op, y, onnx_in(n, 0)));
}

bool onnx_greater(onnx_op *n) { return swapped(n, OP_LT); }
bool onnx_greater_or_equal(onnx_op *n) { return swapped(n, OP_LE); }

/* The exponent may have a type of its own; the result has the base's. */
bool onnx_pow(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), y = onnx_in(n, 1);
    ir_dtype dt = x == IR_NONE ? DT_NONE : onnx_dtype(n, x);

    if (x == IR_NONE || y == IR_NONE)
        return onnx_fail(n, "takes two operands");
    if (!legacy_pair(n, &y))
        return false;
    if (!dt_is_float(dt) && dt_is_float(onnx_dtype(n, y)))
        x = ir_cast(n->b, x, onnx_dtype(n, y));
    else
        y = ir_cast(n->b, y, dt);
    return onnx_out(n, 0, ir_cast(n->b, ir_b2(n->b, OP_POW, x, y), dt));
}

/* fmod = 0 takes the sign of the divisor, as Python's %; fmod = 1 that of the
 * dividend, as C's. */
bool onnx_mod(onnx_op *n)
{
    ir_dtype dt = onnx_dtype(n, onnx_in(n, 0));

    if (!onnx_int(n, "fmod", 0) && dt_is_float(dt))
        return onnx_fail(n, "fmod must be 1 for floating types");
    return binary(n, onnx_int(n, "fmod", 0) ? OP_REM : OP_MOD);
}

/* Of unsigned integers, to the left or to the right. */
bool onnx_bitshift(onnx_op *n)
{
    const char *way = onnx_choice(n, "direction", "LEFT RIGHT");

    return binary(n, *way == 'L' ? OP_SHL : OP_SHR);
}

/* x where it is positive, else slope * x.  A slope of rank 1 is one for each
 * channel in old files. */
bool onnx_prelu(onnx_op *n)
{
    ir_ref x[2] = {onnx_in(n, 0), onnx_in(n, 1)};

    if (n->since < 7 && onnx_rank(n, x[1]) == 1 && onnx_rank(n, x[0]) > 1)
        x[1] = ir_broadcast_axis(n->b, x[1], onnx_type(n, x[0])->dim, onnx_rank(n, x[0]), 1);
    if (!ir_broadcast_all(n->b, x, 2))
        return false;
    ir_ref low = ir_2(n->b, OP_MUL, x[0], x[1]);
    return onnx_out(n, 0, onnx_if_positive(n->b, x[0], x[0], low));
}

/* ---- any number of operands ------------------------------------------------------ */

/* op over all operands, from the left, broadcast to one shape; divided by their number if
 * `mean`, before halves are rounded again. */
static bool fold_all(onnx_op *n, unsigned op, bool mean)
{
    ir_ref *x = arena_array(&n->b->m->mem, ir_ref, (size_t)n->nin + 1);

    if (n->nin < 1)
        return onnx_fail(n, "takes operands");
    for (int i = 0; i < n->nin; i++)
        x[i] = onnx_in(n, i);
    if (!ir_broadcast_all(n->b, x, n->nin))
        return false;
    ir_dtype dt = onnx_dtype(n, x[0]);
    ir_ref y = mean ? onnx_widened(n, x[0]) : x[0];
    for (int i = 1; i < n->nin; i++)
        y = ir_2(n->b, op, y, mean ? onnx_widened(n, x[i]) : x[i]);
    if (mean && y != IR_NONE)
        y = ir_2(n->b, OP_DIV, y, onnx_splat_like(n, y, n->nin));
    return onnx_out_as(n, 0, y, dt);
}

bool onnx_sum(onnx_op *n) { return fold_all(n, OP_ADD, false); }
bool onnx_mean(onnx_op *n) { return fold_all(n, OP_ADD, true); }
bool onnx_max(onnx_op *n) { return fold_all(n, OP_MAX, false); }
bool onnx_min(onnx_op *n) { return fold_all(n, OP_MIN, false); }

/* All three are broadcast together, the condition, too. */
bool onnx_where(onnx_op *n)
{
    ir_ref x[3] = {onnx_in(n, 0), onnx_in(n, 1), onnx_in(n, 2)};

    return ir_broadcast_all(n->b, x, 3) && onnx_out(n, 0, ir_select(n->b, x[0], x[1], x[2]));
}

/* ---- activations ------------------------------------------------------------------- */

static ir_ref times(onnx_op *n, ir_ref x, double c)
{
    return ir_2(n->b, OP_MUL, x, onnx_splat_like(n, x, c));
}

static ir_ref plus(onnx_op *n, ir_ref x, double c)
{
    return ir_2(n->b, OP_ADD, x, onnx_splat_like(n, x, c));
}

/* select(x < c, y, z) */
static ir_ref if_below(onnx_op *n, ir_ref x, double c, ir_ref y, ir_ref z)
{
    return ir_select(n->b, ir_2(n->b, OP_LT, x, onnx_splat_like(n, x, c)), y, z);
}

/* min(max(x, lo), hi) */
static ir_ref clip(onnx_op *n, ir_ref x, double lo, double hi)
{
    x = ir_2(n->b, OP_MAX, x, onnx_splat_like(n, x, lo));
    return ir_2(n->b, OP_MIN, x, onnx_splat_like(n, x, hi));
}

/* select(0 < x, y, low): activations that have one formula above 0 and another
 * below. */
ir_ref onnx_if_positive(ir_build *b, ir_ref x, ir_ref y, ir_ref low)
{
    return ir_select(b, ir_2(b, OP_LE, x, ir_splat(b, onnx_type_in(b, x), 0)), low, y);
}

ir_ref onnx_relu_of(ir_build *b, ir_ref x)
{
    return onnx_if_positive(b, x, x, ir_splat(b, onnx_type_in(b, x), 0));
}

bool onnx_relu(onnx_op *n)
{
    return onnx_out(n, 0, onnx_relu_of(n->b, onnx_in(n, 0)));
}

bool onnx_leaky_relu(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    return onnx_out(n, 0, onnx_if_positive(n->b, x, x, times(n, x, onnx_float(n, "alpha", 0.01))));
}

/* x where x > alpha, else 0 */
bool onnx_thresholded_relu(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), zero = onnx_splat_like(n, x, 0);
    ir_ref over = ir_2(n->b, OP_LT, onnx_splat_like(n, x, onnx_float(n, "alpha", 1)), x);

    return onnx_out(n, 0, ir_select(n->b, over, x, zero));
}

/* alpha * (exp(x) - 1) below 0, by expm1, which is exact for small x. */
bool onnx_elu(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), low = times(n, ir_1(n->b, OP_EXPM1, x), onnx_float(n, "alpha", 1));

    return onnx_out(n, 0, onnx_if_positive(n->b, x, x, low));
}

/* gamma * elu(x), with the constants of Klambauer et al.  2017, to more digits
 * since opset 6. */
bool onnx_selu(onnx_op *n)
{
    double alpha = onnx_float(n, "alpha", n->since < 6 ? 1.6732 : 1.67326319217681884765625);
    double gamma = onnx_float(n, "gamma", n->since < 6 ? 1.0507 : 1.05070102214813232421875);
    ir_ref x = onnx_in(n, 0), low = times(n, ir_1(n->b, OP_EXPM1, x), alpha);

    return onnx_out(n, 0, times(n, onnx_if_positive(n->b, x, x, low), gamma));
}

/* max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) */
bool onnx_celu(onnx_op *n)
{
    double alpha = onnx_float(n, "alpha", 1);
    ir_ref x = onnx_in(n, 0);
    ir_ref low = times(n, ir_1(n->b, OP_EXPM1, times(n, x, 1 / alpha)), alpha);

    return onnx_out(n, 0, onnx_if_positive(n->b, x, x, low));
}

/* gelu(x) = x / 2 * (1 + erf(x / sqrt(2))), that is x times the part of a normal
 * distribution that is below it, or by tanh: x / 2 * (1 + tanh(sqrt(2 / pi) * (x +
 * 0.044715 x^3))) (Hendrycks and Gimpel 2016). */
static bool gelu_of(onnx_op *n, ir_ref x, bool by_tanh)
{
    ir_ref inner;

    if (x == IR_NONE)
        return false;
    if (by_tanh) {
        ir_ref cube = ir_2(n->b, OP_MUL, ir_2(n->b, OP_MUL, x, x), x);
        inner = ir_2(n->b, OP_ADD, x, times(n, cube, 0.044715));
        inner = ir_1(n->b, OP_TANH, times(n, inner, 0.79788456080286535588));
    } else {
        inner = ir_1(n->b, OP_ERF, times(n, x, 0.70710678118654752440));
    }
    ir_ref half = times(n, x, 0.5);
    return onnx_out(n, 0, ir_2(n->b, OP_MUL, half, plus(n, inner, 1)));
}

bool onnx_gelu(onnx_op *n)
{
    const char *how = onnx_choice(n, "approximate", "none tanh");

    return gelu_of(n, onnx_in(n, 0), !strcmp(how, "tanh"));
}

/* Of x + bias; the bias of the fast one may be missing. */
static bool biased_gelu(onnx_op *n, bool by_tanh)
{
    ir_ref x = onnx_in(n, 0), bias = onnx_in(n, 1);

    if (x == IR_NONE)
        return onnx_fail(n, "takes a tensor");
    return gelu_of(n, bias == IR_NONE ? x : ir_b2(n->b, OP_ADD, x, bias), by_tanh);
}

bool onnx_bias_gelu(onnx_op *n) { return biased_gelu(n, false); }
bool onnx_fast_gelu(onnx_op *n) { return biased_gelu(n, true); }

/* max(0, min(1, alpha * x + beta)) */
bool onnx_hard_sigmoid(onnx_op *n)
{
    ir_ref x = times(n, onnx_in(n, 0), onnx_float(n, "alpha", 0.2));

    return onnx_out(n, 0, clip(n, plus(n, x, onnx_float(n, "beta", 0.5)), 0, 1));
}

/* x * max(0, min(1, x / 6 + 1 / 2)) */
bool onnx_hard_swish(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), gate = clip(n, plus(n, times(n, x, 1.0 / 6), 0.5), 0, 1);

    return onnx_out(n, 0, ir_2(n->b, OP_MUL, x, gate));
}

/* log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|)): exp never overflows, and small
 * results keep their digits. */
ir_ref onnx_log1p_exp(ir_build *b, ir_ref x)
{
    ir_ref tail = ir_1(b, OP_NEG, ir_1(b, OP_ABS, x));
    ir_ref top = ir_2(b, OP_MAX, x, ir_splat(b, onnx_type_in(b, x), 0));

    return ir_2(b, OP_ADD, top, ir_1(b, OP_LOG1P, ir_1(b, OP_EXP, tail)));
}

bool onnx_softplus(onnx_op *n)
{
    return onnx_out(n, 0, onnx_log1p_exp(n->b, onnx_in(n, 0)));
}

/* x * tanh(softplus(x)) */
bool onnx_mish(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    return onnx_out(n, 0, ir_2(n->b, OP_MUL, x, ir_1(n->b, OP_TANH, onnx_log1p_exp(n->b, x))));
}

/* x / (1 + |x|) */
bool onnx_softsign(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    return onnx_out(n, 0, ir_2(n->b, OP_DIV, x, plus(n, ir_1(n->b, OP_ABS, x), 1)));
}

/* x * sigmoid(alpha * x) */
bool onnx_swish(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), gate = ir_1(n->b, OP_SIGMOID, times(n, x, onnx_float(n, "alpha", 1)));

    return onnx_out(n, 0, ir_2(n->b, OP_MUL, x, gate));
}

/* x + bias below -lambda, x - bias above lambda, 0 between.  Integers are computed
 * as f64, since bias need not be whole. */
bool onnx_shrink(onnx_op *n)
{
    double lambda = onnx_float(n, "lambd", 0.5), bias = onnx_float(n, "bias", 0);
    ir_ref x = onnx_in(n, 0), f = x;

    if (!dt_is_float(onnx_dtype(n, x)))
        f = ir_cast(n->b, x, DT_F64);
    ir_ref over = ir_2(n->b, OP_LT, onnx_splat_like(n, f, lambda), f);
    ir_ref nearer = plus(n, f, -bias);
    ir_ref y = ir_select(n->b, over, nearer, onnx_splat_like(n, f, 0));
    y = if_below(n, f, -lambda, plus(n, f, bias), y);
    return onnx_out(n, 0, ir_cast(n->b, y, onnx_dtype(n, x)));
}

/* Limits: attributes before opset 11, then optional scalar operands. */
bool onnx_clip(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), lo = onnx_in(n, 1), hi = onnx_in(n, 2);

    if (x == IR_NONE)
        return onnx_fail(n, "takes an operand");
    if (n->since < 11) {
        if (onnx_attr(n, "min"))
            lo = onnx_like(n, x, onnx_float(n, "min", 0));
        if (onnx_attr(n, "max"))
            hi = onnx_like(n, x, onnx_float(n, "max", 0));
    }
    if (lo != IR_NONE)
        x = ir_b2(n->b, OP_MAX, x, lo);
    if (hi != IR_NONE)
        x = ir_b2(n->b, OP_MIN, x, hi);
    return onnx_out(n, 0, x);
}

/* ---- types -------------------------------------------------------------------------- */

/* Casts operand 0; between equal types it is the operand. */
static bool cast_to(onnx_op *n, ir_dtype to)
{
    ir_ref x = onnx_in(n, 0);
    ir_attr a = {.CAST = {.to = to, .saturate = onnx_int(n, "saturate", 1) != 0}};

    if (x == IR_NONE || to == DT_NONE)
        return onnx_fail(n, "casts to an unknown type");
    if (*onnx_choice(n, "round_mode", "up down nearest") != 'u' && to == DT_F8E8M0)
        return onnx_gap(n, "this round_mode");
    if (to == DT_STR || onnx_dtype(n, x) == DT_STR)
        return onnx_dtype(n, x) == to ? onnx_out(n, 0, x)
                                      : onnx_gap(n, "casts from and to strings");
    if (onnx_dtype(n, x) == to)
        return onnx_out(n, 0, x);
    if (dt_bits(to) < 8 && dt_is_int(to) && dt_is_float(onnx_dtype(n, x)))
        x = ir_cast(n->b, x, DT_I32);   /* there it wraps, a cast of ours saturates */
    return onnx_out(n, 0, ir_make(n->b, OP_CAST, &x, 1, &a));
}

/* The first version named types by strings. */
bool onnx_cast_1(onnx_op *n)
{
    return onnx_gap(n, "types as names");
}

bool onnx_cast(onnx_op *n)
{
    return cast_to(n, dt_from_onnx(onnx_int(n, "to", 0)));
}

bool onnx_cast_like(onnx_op *n)
{
    return cast_to(n, onnx_dtype(n, onnx_in(n, 1)));
}
