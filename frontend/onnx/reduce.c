/* frontend/onnx/reduce.c - reductions, softmax and its kin, arg reductions. */
#include "../onnx_build.h"

/* Axes of a Reduce operator: attribute, or from opset 13/18 on an operand;
 * none means all, or nothing with noop_with_empty_axes. */
static bool axes_of(onnx_op *n, int32_t *axes, int *count)
{
    int64_t list[IR_MAX_RANK];
    int rank = onnx_rank(n, onnx_in(n, 0)), axis;

    if (!onnx_int_list(n, "axes", 1, list, IR_MAX_RANK, count))
        return false;
    if (*count <= 0) {
        *count = onnx_int(n, "noop_with_empty_axes", 0) ? 0 : rank;
        for (int i = 0; i < *count; i++)
            axes[i] = i;
        return true;
    }
    bool on[IR_MAX_RANK] = {false};
    for (int i = 0; i < *count; i++) {
        if (!onnx_axis(n, list[i], rank, &axis))
            return false;
        on[axis] = true;
    }
    *count = 0;
    for (int i = 0; i < rank; i++)
        if (on[i])
            axes[(*count)++] = i;
    return true;
}

static ir_ref reduced(onnx_op *n, ir_ref x, ir_redop op, const int32_t *axes, int count)
{
    return onnx_int(n, "keepdims", 1) ? ir_reduce_keep(n->b, x, op, axes, count)
                                      : ir_reduce(n->b, x, op, axes, count);
}

/* Number of elements that one result stands for, as a value of x's type. */
static ir_ref extent(onnx_op *n, ir_ref x, ir_ref like, const int32_t *axes, int count)
{
    ir_dim d = {1};

    for (int i = 0; i < count; i++)
        d = dim_mul(onnx_dims(n), d, onnx_dim(n, x, axes[i]));
    ir_ref c = ir_cast(n->b, ir_dim_ref(n->b, d), onnx_dtype(n, x));
    const ir_type *t = onnx_type(n, like);
    return ir_broadcast(n->b, c, t->dim, t->rank, NULL);
}

typedef enum before { PLAIN, ABSOLUTE, SQUARE } before;

static bool reduction(onnx_op *n, ir_redop op, before how)
{
    ir_ref x = onnx_in(n, 0);
    int32_t axes[IR_MAX_RANK];
    int count;

    if (x == IR_NONE || !axes_of(n, axes, &count))
        return x == IR_NONE ? onnx_fail(n, "takes an operand") : false;
    if (how == ABSOLUTE)
        x = ir_1(n->b, OP_ABS, x);
    if (how == SQUARE)
        x = ir_2(n->b, OP_MUL, x, x);
    return onnx_out(n, 0, reduced(n, x, op, axes, count));
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

static bool root(onnx_op *n)
{
    return onnx_out(n, 0, ir_1(n->b, OP_SQRT, n->out[0]));
}

bool onnx_reduce_l2(onnx_op *n)
{
    return reduction(n, RED_SUM, SQUARE) && root(n);
}

bool onnx_reduce_log_sum(onnx_op *n)
{
    return reduction(n, RED_SUM, PLAIN) && onnx_out(n, 0, ir_1(n->b, OP_LOG, n->out[0]));
}

bool onnx_reduce_mean(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int32_t axes[IR_MAX_RANK];
    int count;

    if (x == IR_NONE || !axes_of(n, axes, &count))
        return false;
    ir_ref y = reduced(n, x, RED_SUM, axes, count);
    if (y == IR_NONE)
        return false;
    return onnx_out(n, 0, ir_2(n->b, OP_DIV, y, extent(n, x, y, axes, count)));
}

/* x minus its maximum along the axes, and that maximum without the axes; an
 * infinite maximum is taken as 0 so that inf - inf does not arise. */
static ir_ref shifted(onnx_op *n, ir_ref x, const int32_t *axes, int count, ir_ref *top)
{
    *top = ir_reduce_keep(n->b, x, RED_MAX, axes, count);
    if (*top == IR_NONE)
        return IR_NONE;
    ir_ref zero = onnx_splat_like(n, *top, 0);
    *top = ir_select(n->b, ir_1(n->b, OP_ISINF, *top), zero, *top);
    return ir_b2(n->b, OP_SUB, x, *top);
}

bool onnx_reduce_log_sum_exp(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), top;
    int32_t axes[IR_MAX_RANK];
    int count;

    if (x == IR_NONE || !axes_of(n, axes, &count))
        return false;
    ir_ref e = ir_1(n->b, OP_EXP, shifted(n, x, axes, count, &top));
    ir_ref y = ir_1(n->b, OP_LOG, ir_reduce_keep(n->b, e, RED_SUM, axes, count));
    y = ir_2(n->b, OP_ADD, y, top);
    if (y != IR_NONE && !onnx_int(n, "keepdims", 1))
        for (int i = count - 1; i >= 0; i--)
            y = ir_squeeze(n->b, y, axes[i]);
    return onnx_out(n, 0, y);
}

/* ---- softmax ---------------------------------------------------------------------- */

ir_ref onnx_softmax_of(onnx_op *n, ir_ref x, int axis, bool log)
{
    int32_t axes[1] = {axis};
    ir_ref top = ir_reduce_keep(n->b, x, RED_MAX, axes, 1);
    ir_ref e = ir_b2(n->b, OP_SUB, x, top);
    ir_ref sum = ir_reduce_keep(n->b, ir_1(n->b, OP_EXP, e), RED_SUM, axes, 1);

    return log ? ir_b2(n->b, OP_SUB, e, ir_1(n->b, OP_LOG, sum))
               : ir_b2(n->b, OP_DIV, ir_1(n->b, OP_EXP, e), sum);
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
    ir_dim shape[2] = {dim_product(onnx_dims(n), t->dim, axis),
                       dim_product(onnx_dims(n), t->dim + axis, t->rank - axis)};

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

static ir_ref arg_reduce(onnx_op *n, ir_ref x, int axis, ir_redop op, bool last)
{
    ir_attr a = {.ARGREDUCE = {.axis = axis, .op = op, .last = last}};

    if (x != IR_NONE)
        ir_check_dims(n->b, dim_le(onnx_dims(n), (ir_dim){1}, onnx_dim(n, x, axis)),
                      "the largest or smallest of an empty axis is asked for");
    return ir_make(n->b, OP_ARGREDUCE, &x, 1, &a);
}

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

/* Running sums or products along a constant axis. */
static bool cumulate(onnx_op *n, ir_redop op)
{
    ir_ref x = onnx_in(n, 0);
    int64_t list[1];
    int len, axis;

    if (x == IR_NONE || !onnx_int_list(n, NULL, 1, list, 1, &len))
        return false;
    if (len != 1)
        return onnx_fail(n, "takes one axis");
    if (!onnx_axis(n, list[0], onnx_rank(n, x), &axis))
        return false;
    ir_attr a = {.CUMUL = {.axis = axis, .op = op, .exclusive = onnx_int(n, "exclusive", 0),
                           .reverse = onnx_int(n, "reverse", 0)}};
    return onnx_out(n, 0, ir_make(n->b, OP_CUMUL, &x, 1, &a));
}

bool onnx_cumsum(onnx_op *n) { return cumulate(n, RED_SUM); }
bool onnx_cumprod(onnx_op *n) { return cumulate(n, RED_PROD); }
