/* frontend/onnx/reduce.c - reductions, softmax and its kin, arg reductions.
 *
 * Axes to be reduced come as an attribute, as a constant, or as data that only the
 * run knows.  The last is rare, but exporters make it: then each axis is split into
 * a part that is kept and one that is reduced, of which one has extent 1 (see
 * late_axes), so that one compiled program serves for all choices. */
#include "../onnx_build.h"

enum { MAX_LATE_RANK = 4 };     /* sizes are products of two dims an axis */

/* What a Reduce operator works on: an operand and its axes to be reduced. */
typedef struct span {
    ir_ref x;
    int32_t axes[IR_MAX_RANK];
    int count;
    /* Of axes that only the run knows: the result's extents with those axes as 1,
     * and without them. */
    bool late;
    ir_dim kept[IR_MAX_RANK], rest[IR_MAX_RANK];
    int rank, rest_rank;
} span;

/* The usual list: every axis of the operand. */
static void all_axes(span *s, int count)
{
    s->count = count;
    for (int i = 0; i < count; i++)
        s->axes[i] = i;
}

/* Axes in a list of constants, in increasing order and each once. */
static bool known_axes(onnx_op *n, span *s, const int64_t *list, int len)
{
    bool on[IR_MAX_RANK] = {false};
    int axis;

    for (int i = 0; i < len; i++) {
        if (!onnx_axis(n, list[i], s->rank, &axis))
            return false;
        on[axis] = true;
    }
    for (int i = 0; i < s->rank; i++)
        if (on[i])
            s->axes[s->count++] = i;
    return true;
}

/* 1 if axis i is in the list, else 0. */
static ir_dim is_listed(onnx_op *n, int i, const ir_dim *list, int len)
{
    dim_table *t = onnx_dims(n);
    ir_dim yes = {0};

    for (int k = 0; k < len; k++)
        yes = dim_max(t, yes, dim_eq(t, list[k], dim_int(t, i)));
    return yes;
}

/* An axis counted from the first.  The run checks that it is one. */
static ir_dim late_axis(onnx_op *n, ir_dim axis, int rank)
{
    dim_table *t = onnx_dims(n);
    ir_dim low = dim_le(t, dim_int(t, -rank), axis), high = dim_lt(t, axis, dim_int(t, rank));

    ir_check_dims(n->b, dim_mul(t, low, high), "an axis is out of range");
    return dim_add(t, axis, dim_mul(t, dim_lt(t, axis, (ir_dim){0}), dim_int(t, rank)));
}

/* Adds to a list of axes unless that is known to have it; the new length. */
static int add_axis(ir_dim *list, int len, ir_dim axis)
{
    for (int k = 0; k < len; k++)
        if (dim_same(list[k], axis))
            return len;
    list[len] = axis;
    return len + 1;
}

/* Every axis is parted in two, what is kept and what is reduced; one of them is 1.
 * The k-th axis of the rest is the one with k others in front that stay. */
static bool late_axes(onnx_op *n, span *s, const ir_dim *given, int len)
{
    dim_table *t = onnx_dims(n);
    const ir_type *ty = onnx_type(n, s->x);
    const ir_dim one = {1}, zero = {0};
    ir_dim parts[IR_MAX_RANK], list[MAX_LATE_RANK], before = zero;
    int listed = 0;

    if (s->rank > MAX_LATE_RANK || len > s->rank)
        return onnx_gap(n, "axes computed at run time, of an operand with many");
    s->late = true;
    for (int k = 0; k < len; k++)
        listed = add_axis(list, listed, late_axis(n, given[k], s->rank));
    s->rest_rank = s->rank - listed;
    for (int i = 0; i < s->rank; i++) {
        ir_dim on = is_listed(n, i, list, listed), d = ty->dim[i];
        s->kept[i] = parts[2 * i] = dim_select(t, on, one, d);
        parts[2 * i + 1] = dim_select(t, on, d, one);
        s->axes[s->count++] = 2 * i + 1;
        for (int k = 0; k < s->rest_rank; k++) {
            ir_dim last = dim_eq(t, before, dim_int(t, k));
            ir_dim here = dim_mul(t, last, dim_sub(t, one, on));
            s->rest[k] = dim_select(t, here, d, s->rest[k]);
        }
        before = dim_add(t, before, dim_sub(t, one, on));
    }
    if (!onnx_int(n, "keepdims", 1))        /* the rank is that of distinct axes */
        ir_check_dims(n->b, dim_eq(t, before, dim_int(t, s->rest_rank)),
                      "an axis is listed twice");
    s->x = ir_reshape(n->b, s->x, parts, 2 * s->rank);
    return s->x != IR_NONE;
}

/* Axes as attribute, or from opset 13/18 on an operand; none means all, or nothing
 * with noop_with_empty_axes. */
static bool load_span(onnx_op *n, span *s)
{
    int len;
    const int64_t *attr = onnx_ints(n, "axes", &len);
    int64_t list[IR_MAX_RANK];
    ir_dim dims[IR_MAX_RANK];
    bool known = true;

    *s = (span){.x = onnx_in(n, 0)};
    if (s->x == IR_NONE)
        return onnx_fail(n, "takes an operand");
    s->rank = onnx_rank(n, s->x);
    if (len > IR_MAX_RANK)
        return onnx_fail(n, "attribute 'axes' has %d elements", len);
    if (len < 0 && !onnx_dim_list(n, 1, dims, IR_MAX_RANK, &len))
        return false;
    for (int i = 0; i < len; i++)
        if (attr)
            list[i] = attr[i];
        else
            known &= dim_const(onnx_dims(n), dims[i], &list[i]);
    if (len <= 0) {
        all_axes(s, onnx_int(n, "noop_with_empty_axes", 0) ? 0 : s->rank);
        return true;
    }
    return known ? known_axes(n, s, list, len) : late_axes(n, s, dims, len);
}

/* The result in its shape; its reduced axes are there, as 1. */
static ir_ref without_axes(onnx_op *n, const span *s, ir_ref y)
{
    bool keep = onnx_int(n, "keepdims", 1);

    if (s->late)
        return ir_reshape(n->b, y, keep ? s->kept : s->rest, keep ? s->rank : s->rest_rank);
    for (int i = s->count - 1; i >= 0 && !keep && y != IR_NONE; i--)
        y = ir_squeeze(n->b, y, s->axes[i]);
    return y;
}

/* Axes stay as 1, or go, by keepdims. */
static ir_ref reduced(onnx_op *n, const span *s, ir_ref x, ir_redop op)
{
    if (s->late || onnx_int(n, "keepdims", 1))
        return without_axes(n, s, ir_reduce_keep(n->b, x, op, s->axes, s->count));
    return ir_reduce(n->b, x, op, s->axes, s->count);
}

/* Number of elements that one result stands for, as a value of x's type. */
static ir_ref extent(onnx_op *n, const span *s, ir_ref like)
{
    ir_dim d = {1};

    for (int i = 0; i < s->count; i++)
        d = dim_mul(onnx_dims(n), d, onnx_dim(n, s->x, s->axes[i]));
    ir_ref c = ir_cast(n->b, ir_dim_ref(n->b, d), onnx_dtype(n, s->x));
    const ir_type *t = onnx_type(n, like);
    return ir_broadcast(n->b, c, t->dim, t->rank, NULL);
}

typedef enum before { PLAIN, ABSOLUTE, SQUARE } before;

/* Reduces x, |x| or x * x.  Squares are computed in a wider type: they overflow early. */
static bool reduction(onnx_op *n, ir_redop op, before how)
{
    span s;

    if (!load_span(n, &s))
        return false;
    ir_ref x = s.x;
    if (how == ABSOLUTE)
        x = ir_1(n->b, OP_ABS, x);
    if (how == SQUARE) {
        x = onnx_widened(n, x);
        x = ir_2(n->b, OP_MUL, x, x);
    }
    return onnx_out_as(n, 0, reduced(n, &s, x, op), onnx_dtype(n, s.x));
}

bool onnx_reduce_sum(onnx_op *n) { return reduction(n, RED_SUM, PLAIN); }
bool onnx_reduce_prod(onnx_op *n) { return reduction(n, RED_PROD, PLAIN); }
bool onnx_reduce_l1(onnx_op *n) { return reduction(n, RED_SUM, ABSOLUTE); }
bool onnx_reduce_sum_square(onnx_op *n) { return reduction(n, RED_SUM, SQUARE); }

/* From opset 20 on booleans, too: false < true. */
static bool extremum(onnx_op *n, ir_redop op)
{
    ir_ref x = onnx_in(n, 0);

    if (x != IR_NONE && onnx_dtype(n, x) == DT_BOOL)
        op = op == RED_MAX ? RED_OR : RED_AND;
    return reduction(n, op, PLAIN);
}

bool onnx_reduce_max(onnx_op *n) { return extremum(n, RED_MAX); }
bool onnx_reduce_min(onnx_op *n) { return extremum(n, RED_MIN); }

/* Roots and logarithms of integers are taken of real numbers, and cut off. */
static ir_ref as_real(onnx_op *n, ir_ref x)
{
    return dt_is_float(onnx_dtype(n, x)) ? onnx_widened(n, x) : ir_cast(n->b, x, DT_F64);
}

/* The result in the operand's type, whatever it was computed in. */
static bool out_in_type(onnx_op *n, ir_ref y)
{
    return onnx_out_as(n, 0, y, onnx_dtype(n, onnx_in(n, 0)));
}

/* The scalar function of a sum. */
static bool of_sum(onnx_op *n, unsigned op, bool square)
{
    span s;

    if (!load_span(n, &s))
        return false;
    ir_ref x = as_real(n, s.x);
    if (square)
        x = ir_2(n->b, OP_MUL, x, x);
    return out_in_type(n, ir_1(n->b, op, reduced(n, &s, x, RED_SUM)));
}

bool onnx_reduce_l2(onnx_op *n) { return of_sum(n, OP_SQRT, true); }
bool onnx_reduce_log_sum(onnx_op *n) { return of_sum(n, OP_LOG, false); }

/* x / d, which is cut off, and the rest in *rest, which has the sign of x. */
static ir_ref divided(onnx_op *n, ir_ref x, ir_ref d, ir_ref *rest)
{
    ir_ref q = ir_2(n->b, OP_DIV, x, d);

    *rest = ir_2(n->b, OP_SUB, x, ir_2(n->b, OP_MUL, q, d));
    return q;
}

/* One less where x > 0 and rest < 0, one more where it is the other way around: the number
 * x + rest / d, with a rest below d, cut off. */
static ir_ref cut_off(onnx_op *n, ir_ref x, ir_ref rest)
{
    ir_ref zero = onnx_splat_like(n, x, 0), one = onnx_splat_like(n, x, 1);
    ir_ref below = ir_2(n->b, OP_AND, ir_2(n->b, OP_LT, zero, x), ir_2(n->b, OP_LT, rest, zero));
    ir_ref above = ir_2(n->b, OP_AND, ir_2(n->b, OP_LT, x, zero), ir_2(n->b, OP_LT, zero, rest));
    ir_ref less = ir_2(n->b, OP_SUB, x, one), more = ir_2(n->b, OP_ADD, x, one);

    return ir_select(n->b, below, less, ir_select(n->b, above, more, x));
}

/* The mean of integers whose sum may be too large for 64 bits: the sum of the quotients by
 * their number is no larger than they are, and that of the rests is added to it.  For 7, 6
 * that is (3 + 3) + (1 + 0) / 2. */
static ir_ref mean_of_wide(onnx_op *n, const span *s)
{
    ir_ref rest, last;
    ir_ref q = divided(n, s->x, extent(n, s, s->x), &rest);
    ir_ref sum = reduced(n, s, q, RED_SUM), rests = reduced(n, s, rest, RED_SUM);

    if (sum == IR_NONE || rests == IR_NONE)
        return IR_NONE;
    ir_ref y = ir_2(n->b, OP_ADD, sum, divided(n, rests, extent(n, s, rests), &last));
    return cut_off(n, y, last);
}

/* Sums of integers are 64 bits wide before they are divided, those of 64 bits are not
 * summed as they are. */
bool onnx_reduce_mean(onnx_op *n)
{
    span s;

    if (!load_span(n, &s))
        return false;
    ir_dtype d = onnx_dtype(n, s.x);
    if (d == DT_I64 || d == DT_U64)
        return out_in_type(n, mean_of_wide(n, &s));
    s.x = dt_is_int(d) ? ir_cast(n->b, s.x, DT_I64) : onnx_widened(n, s.x);
    ir_ref y = reduced(n, &s, s.x, RED_SUM);
    if (y == IR_NONE)
        return false;
    return out_in_type(n, ir_2(n->b, OP_DIV, y, extent(n, &s, y)));
}

/* x minus its maximum along the axes, and that maximum without the axes; an
 * infinite maximum is taken as 0 so that inf - inf does not arise. */
static ir_ref shifted(onnx_op *n, const span *s, ir_ref *top)
{
    *top = ir_reduce_keep(n->b, s->x, RED_MAX, s->axes, s->count);
    if (*top == IR_NONE)
        return IR_NONE;
    ir_ref zero = onnx_splat_like(n, *top, 0);
    *top = ir_select(n->b, ir_1(n->b, OP_ISINF, *top), zero, *top);
    return ir_b2(n->b, OP_SUB, s->x, *top);
}

/* log(sum(exp(x))) = m + log(sum(exp(x - m))) with the maximum m, so that nothing
 * overflows. */
bool onnx_reduce_log_sum_exp(onnx_op *n)
{
    ir_ref top;
    span s;

    if (!load_span(n, &s))
        return false;
    s.x = as_real(n, s.x);
    ir_ref e = ir_1(n->b, OP_EXP, shifted(n, &s, &top));
    ir_ref y = ir_1(n->b, OP_LOG, ir_reduce_keep(n->b, e, RED_SUM, s.axes, s.count));
    return out_in_type(n, without_axes(n, &s, ir_2(n->b, OP_ADD, y, top)));
}

/* ---- softmax ---------------------------------------------------------------------- */

/* x / y where y repeats along a row: one division a row.  The sum of a softmax is at
 * least 1, so its reciprocal is a number. */
static ir_ref scaled_down(onnx_op *n, ir_ref x, ir_ref y)
{
    ir_ref one = ir_splat(n->b, onnx_type_in(n->b, y), 1);

    return ir_b2(n->b, OP_MUL, x, ir_2(n->b, OP_DIV, one, y));
}

ir_ref onnx_softmax_of(onnx_op *n, ir_ref x, int axis, bool log)
{
    int32_t axes[1] = {axis};
    ir_dtype dt = onnx_dtype(n, x);
    ir_ref wide = onnx_widened(n, x), top = ir_reduce_keep(n->b, wide, RED_MAX, axes, 1);
    ir_ref e = ir_b2(n->b, OP_SUB, wide, top);
    ir_ref sum = ir_reduce_keep(n->b, ir_1(n->b, OP_EXP, e), RED_SUM, axes, 1);
    ir_ref y = log ? ir_b2(n->b, OP_SUB, e, ir_1(n->b, OP_LOG, sum))
                   : scaled_down(n, ir_1(n->b, OP_EXP, e), sum);

    return ir_cast(n->b, y, dt);
}

static bool softmax_axis(onnx_op *n, bool log)
{
    ir_ref x = onnx_in(n, 0);
    int axis;

    return x != IR_NONE && onnx_axis(n, onnx_int(n, "axis", -1), onnx_rank(n, x), &axis) &&
           onnx_out(n, 0, onnx_softmax_of(n, x, axis, log));
}

/* [product of axes before, product of axes from `axis` on] */
static ir_ref flat(onnx_op *n, ir_ref x, int axis)
{
    const ir_type *t = onnx_type(n, x);
    ir_dim shape[2];

    shape[0] = dim_product(onnx_dims(n), t->dim, axis);
    shape[1] = dim_product(onnx_dims(n), t->dim + axis, t->rank - axis);
    return ir_reshape(n->b, x, shape, 2);
}

/* Before opset 13: over all axes from `axis` on, together. */
static bool softmax_flat(onnx_op *n, bool log)
{
    ir_ref x = onnx_in(n, 0);
    int axis;

    if (x == IR_NONE || !onnx_axis(n, onnx_int(n, "axis", 1), onnx_rank(n, x), &axis))
        return false;
    const ir_type *t = onnx_type(n, x);
    if (axis == t->rank - 1)
        return onnx_out(n, 0, onnx_softmax_of(n, x, axis, log));
    ir_ref y = onnx_softmax_of(n, flat(n, x, axis), 1, log);
    return onnx_out(n, 0, ir_reshape(n->b, y, t->dim, t->rank));
}

bool onnx_softmax_axis(onnx_op *n) { return softmax_axis(n, false); }
bool onnx_softmax_flat(onnx_op *n) { return softmax_flat(n, false); }
bool onnx_log_softmax_axis(onnx_op *n) { return softmax_axis(n, true); }
bool onnx_log_softmax_flat(onnx_op *n) { return softmax_flat(n, true); }

/* ---- arg reductions ---------------------------------------------------------------- */

/* Where the extreme is; the first of several, or the last. */
static ir_ref arg_reduce(onnx_op *n, ir_ref x, int axis, ir_redop op, bool last)
{
    ir_attr a = {.ARGREDUCE = {.axis = axis, .op = op, .last = last}};

    if (x != IR_NONE)
        ir_check_dims(n->b, dim_le(onnx_dims(n), (ir_dim){1}, onnx_dim(n, x, axis)),
                      "the largest or smallest of an empty axis is asked for");
    return ir_make(n->b, OP_ARGREDUCE, &x, 1, &a);
}

/* Along one axis, i64. */
static bool arg(onnx_op *n, ir_redop op)
{
    ir_ref x = onnx_in(n, 0);
    int axis;

    if (x == IR_NONE || !onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    ir_ref y = arg_reduce(n, x, axis, op, onnx_int(n, "select_last_index", 0));
    return onnx_out(n, 0, onnx_int(n, "keepdims", 1) ? ir_unsqueeze(n->b, y, axis) : y);
}

bool onnx_argmax(onnx_op *n) { return arg(n, RED_MAX); }
bool onnx_argmin(onnx_op *n) { return arg(n, RED_MIN); }

/* 1 at the first maximum along the axis, 0 elsewhere */
static ir_ref hardmax(onnx_op *n, ir_ref x, int axis)
{
    const ir_type *t = onnx_type(n, x);
    ir_ref at = ir_iota(n->b, DT_I64, t->dim, t->rank, axis);
    ir_ref top = ir_unsqueeze(n->b, arg_reduce(n, x, axis, RED_MAX, false), axis);

    return ir_cast(n->b, ir_b2(n->b, OP_EQ, at, top), t->dtype);
}

/* Before opset 13 all axes from `axis` on count as one. */
bool onnx_hardmax(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int axis;

    if (x == IR_NONE || !onnx_axis(n, onnx_int(n, "axis", n->since >= 13 ? -1 : 1),
                                   onnx_rank(n, x), &axis))
        return false;
    if (n->since >= 13)
        return onnx_out(n, 0, hardmax(n, x, axis));
    const ir_type *t = onnx_type(n, x);
    return onnx_out(n, 0, ir_reshape(n->b, hardmax(n, flat(n, x, axis), 1), t->dim, t->rank));
}

/* x as [axes before, the axis, axes behind], for an axis that only the run knows. */
static ir_ref around_axis(onnx_op *n, ir_ref x, ir_dim axis)
{
    dim_table *t = onnx_dims(n);
    const ir_type *ty = onnx_type(n, x);
    const ir_dim one = {1}, zero = {0};
    ir_dim part[3] = {one, zero, one};

    axis = late_axis(n, axis, ty->rank);
    for (int i = 0; i < ty->rank; i++) {
        ir_dim here = dim_eq(t, axis, dim_int(t, i));
        part[0] = dim_select(t, here, dim_product(t, ty->dim, i), part[0]);
        part[1] = dim_select(t, here, ty->dim[i], part[1]);
        part[2] = dim_select(t, here, dim_product(t, ty->dim + i + 1, ty->rank - i - 1), part[2]);
    }
    return ir_reshape(n->b, x, part, 3);
}

/* Running sums or products along an axis. */
static bool cumulate(onnx_op *n, ir_redop op)
{
    ir_ref x = onnx_in(n, 0);
    ir_dim at[1];
    int64_t known;
    int len, axis = 1;

    if (x == IR_NONE || !onnx_dim_list(n, 1, at, 1, &len))
        return false;
    if (len != 1)
        return onnx_fail(n, "takes one axis");
    bool late = !dim_const(onnx_dims(n), at[0], &known);
    if (!late && !onnx_axis(n, known, onnx_rank(n, x), &axis))
        return false;
    const ir_type *t = onnx_type(n, x);
    ir_attr a = {.CUMUL = {.axis = axis, .op = op, .exclusive = onnx_int(n, "exclusive", 0),
                           .reverse = onnx_int(n, "reverse", 0)}};
    if (late)
        x = around_axis(n, x, at[0]);
    ir_ref y = ir_make(n->b, OP_CUMUL, &x, 1, &a);
    return onnx_out(n, 0, late ? ir_reshape(n->b, y, t->dim, t->rank) : y);
}

bool onnx_cumsum(onnx_op *n) { return cumulate(n, RED_SUM); }
bool onnx_cumprod(onnx_op *n) { return cumulate(n, RED_PROD); }
