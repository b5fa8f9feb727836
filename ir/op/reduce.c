/* ir/op/reduce.c - reduce, argreduce, cumul.
 *
 * Floats accumulate in double and are rounded once; integers wrap.  `acc`, if
 * given, is the dtype of accumulator and result. */
#include "op/reduce.h"

#include <math.h>

double red_start_flt(ir_redop op)
{
    return op == RED_SUM ? 0 : op == RED_PROD ? 1 : op == RED_MIN ? INFINITY : -INFINITY;
}

double red_flt(ir_redop op, double a, double b)
{
    switch (op) {
    case RED_SUM: return a + b;
    case RED_PROD: return a * b;
    case RED_MIN: return isnan(b) || b < a ? b : a;
    case RED_MAX: return isnan(b) || b > a ? b : a;
    case RED_AND:
    case RED_OR:
    case RED_SET: break;
    }
    return b;
}

static int64_t lowest(ir_dtype d)
{
    return dt_is_signed(d) ? sc_wrap(d, (int64_t)(1ull << (dt_bits(d) - 1))) : 0;
}

int64_t red_start_int(ir_redop op, ir_dtype d)
{
    switch (op) {
    case RED_PROD: return 1;
    case RED_MIN: return d == DT_BOOL ? 1 : sc_wrap(d, ~lowest(d));
    case RED_MAX: return lowest(d);
    case RED_AND: return sc_wrap(d, -1);
    default: return 0;
    }
}

int64_t red_int(ir_redop op, ir_dtype d, int64_t a, int64_t b)
{
    static const sc_op scalar[] = {
        [RED_SUM] = SC_ADD, [RED_PROD] = SC_MUL, [RED_MIN] = SC_MIN, [RED_MAX] = SC_MAX,
        [RED_AND] = SC_AND, [RED_OR] = SC_OR, [RED_SET] = SC_NONE,
    };

    return op == RED_SET ? b : sc_eval_int(scalar[op], d, a, b, 0);
}

bool red_accepts(const ir_infer *in, ir_redop op)
{
    ir_dtype d = in_type(in, 0)->dtype;

    if (op == RED_SET)
        return in_fail(in, "op", "is no reduction");
    if (op == RED_AND || op == RED_OR)
        return d == DT_BOOL || dt_is_int(d) || in_expect(in, 0, "bool or integers");
    return (d == DT_BOOL && (op == RED_MIN || op == RED_MAX)) || in_number(in, 0);
}

bool red_accepts_number(const ir_infer *in, ir_redop op)
{
    return op == RED_AND || op == RED_OR || op == RED_SET ? in_fail(in, "op", "is not of numbers")
                                                          : in_number(in, 0);
}

ir_dtype red_result(ir_dtype x, ir_dtype acc)
{
    return acc == DT_NONE ? x : acc;
}

/* ---- reduce ---------------------------------------------------------------------- */

bool ir_infer_reduce(ir_infer *in)
{
    const struct ir_attr_REDUCE *a = &in->attr->REDUCE;
    ir_dim dim[IR_MAX_RANK];
    unsigned gone = 0;
    int n = 0;

    if (!in_tensor(in, 0) || !red_accepts(in, a->op) ||
        !in_axes(in, "axes", a->axes, in_type(in, 0)->rank, -1))
        return false;
    const ir_type *x = in_type(in, 0);
    if (a->acc != DT_NONE && dt_is_float(a->acc) != dt_is_float(x->dtype))
        return in_fail(in, "acc", "is of another kind than the operand");
    for (int i = 0; i < a->axes.n; i++)
        gone |= 1u << a->axes.at[i];
    for (int i = 0; i < x->rank; i++)
        if (!(gone >> i & 1))
            dim[n++] = x->dim[i];
    return in_result(in, red_result(x->dtype, a->acc), n, dim);
}

/* Kept axes first, reduced ones behind, each with its stride in x. */
static int split_axes(const ir_val *x, ir_ints axes, int64_t *dim, int64_t *stride)
{
    int64_t own[IR_MAX_RANK];
    unsigned gone = 0;
    int n = 0, kept = 0;

    strides_of(x->rank, x->dim, own);
    for (int i = 0; i < axes.n; i++)
        gone |= 1u << axes.at[i];
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < x->rank; i++)
            if ((gone >> i & 1) == (unsigned)pass) {
                dim[n] = x->dim[i];
                stride[n++] = own[i];
            }
        if (!pass)
            kept = n;
    }
    return kept;
}

static void reduce_one(ir_redop op, const ir_val *x, int64_t from, walk w, ir_val *r, int64_t to)
{
    if (dt_is_float(x->dtype)) {
        double acc = red_start_flt(op);
        for (; w.left > 0; walk_next(&w))
            acc = red_flt(op, acc, num_load_flt(x->dtype, val_at(x, from + w.off[0])));
        num_store_flt(r->dtype, val_at(r, to), acc);
    } else {
        int64_t acc = red_start_int(op, r->dtype);
        for (; w.left > 0; walk_next(&w))
            acc = red_int(op, r->dtype, acc, val_int(x, from + w.off[0]));
        num_store_int(r->dtype, val_at(r, to), acc);
    }
}

bool ir_eval_reduce(ir_call *c)
{
    const struct ir_attr_REDUCE *a = &c->attr->REDUCE;
    const ir_val *x = c->in[0];
    int64_t dim[IR_MAX_RANK], stride[IR_MAX_RANK];
    int kept = split_axes(x, a->axes, dim, stride);
    walk out, in;

    ir_val *r = c->out[0] = eval_new(c->e, red_result(x->dtype, a->acc), kept, dim);
    if (!r || !eval_charge(c->e, val_count(x)))
        return false;
    walk_init(&out, kept, dim);
    memcpy(out.stride[0], stride, (size_t)kept * sizeof *stride);
    walk_init(&in, x->rank - kept, dim + kept);
    memcpy(in.stride[0], stride + kept, (size_t)(x->rank - kept) * sizeof *stride);
    for (int64_t i = 0; out.left > 0; walk_next(&out), i++)
        reduce_one(a->op, x, out.off[0], in, r, i);
    return true;
}

/* ---- argreduce: index of the least or greatest element along an axis ---------------- */

bool ir_infer_argreduce(ir_infer *in)
{
    const struct ir_attr_ARGREDUCE *a = &in->attr->ARGREDUCE;
    ir_dim dim[IR_MAX_RANK];
    int n = 0;

    if (!in_tensor(in, 0) || !in_axis(in, a->axis, in_type(in, 0)->rank))
        return false;
    if (a->op != RED_MIN && a->op != RED_MAX)
        return in_fail(in, "op", "is neither min nor max");
    if (!red_accepts_number(in, a->op))
        return false;
    for (int i = 0; i < in_type(in, 0)->rank; i++)
        if (i != a->axis)
            dim[n++] = in_type(in, 0)->dim[i];
    return in_result(in, DT_I64, n, dim);
}

/* Is x to be taken in place of best, which stands before it?  NaN is better than
 * any number; of equal ones `last` takes the later. */
bool red_better(ir_redop op, bool last, ir_dtype d, const void *x, const void *best)
{
    bool less, equal;

    if (dt_is_float(d)) {
        double a = num_load_flt(d, x), b = num_load_flt(d, best);
        if (isnan(a) || isnan(b))
            return isnan(a) && (!isnan(b) || last);
        less = a < b;
        equal = a == b;
    } else {
        int64_t a = num_load_int(d, x), b = num_load_int(d, best);
        less = sc_eval_int(SC_LT, d, a, b, 0);
        equal = a == b;
    }
    return equal ? last : less == (op == RED_MIN);
}

/* The operand as [outer, axis, inner]. */
static void fold_axis(const ir_val *x, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int i = 0; i < x->rank; i++)
        if (i < axis)
            *outer *= x->dim[i];
        else if (i > axis)
            *inner *= x->dim[i];
}

bool ir_eval_argreduce(ir_call *c)
{
    const struct ir_attr_ARGREDUCE *a = &c->attr->ARGREDUCE;
    const ir_val *x = c->in[0];
    int64_t dim[IR_MAX_RANK], outer, inner, d = x->dim[a->axis];
    int n = 0;

    fold_axis(x, (int)a->axis, &outer, &inner);
    for (int i = 0; i < x->rank; i++)
        if (i != a->axis)
            dim[n++] = x->dim[i];
    ir_val *r = c->out[0] = eval_new(c->e, DT_I64, n, dim);
    if (!r || !eval_charge(c->e, val_count(x)))
        return false;
    for (int64_t i = 0; i < outer * inner; i++) {
        const uint8_t *row = val_at(x, i / inner * d * inner + i % inner);
        int64_t best = 0, step = inner * dt_size(x->dtype);
        for (int64_t k = 1; k < d; k++)
            if (red_better(a->op, a->last, x->dtype, row + k * step, row + best * step))
                best = k;
        num_store_int(DT_I64, val_at(r, i), best);
    }
    return true;
}

/* ---- cumul: running reduction along an axis ------------------------------------------ */

bool ir_infer_cumul(ir_infer *in)
{
    const struct ir_attr_CUMUL *a = &in->attr->CUMUL;

    return in_tensor(in, 0) && in_axis(in, a->axis, in_type(in, 0)->rank) &&
           red_accepts_number(in, a->op) && in_type_result(in, in_type(in, 0));
}

typedef struct line {
    const uint8_t *x;
    uint8_t *r;
    int64_t n, step;            /* bytes; negative when running backwards */
} line;

static void cumul_flt(const struct ir_attr_CUMUL *a, ir_dtype d, line l)
{
    double acc = red_start_flt(a->op);

    for (int64_t k = 0; k < l.n; k++, l.x += l.step, l.r += l.step) {
        double next = red_flt(a->op, acc, num_load_flt(d, l.x));
        num_store_flt(d, l.r, a->exclusive ? acc : next);
        acc = next;
    }
}

static void cumul_int(const struct ir_attr_CUMUL *a, ir_dtype d, line l)
{
    int64_t acc = red_start_int(a->op, d);

    for (int64_t k = 0; k < l.n; k++, l.x += l.step, l.r += l.step) {
        int64_t next = red_int(a->op, d, acc, num_load_int(d, l.x));
        num_store_int(d, l.r, a->exclusive ? acc : next);
        acc = next;
    }
}

/* Lines along the axis, one after the other; reverse walks them from their ends. */
bool ir_eval_cumul(ir_call *c)
{
    const struct ir_attr_CUMUL *a = &c->attr->CUMUL;
    const ir_val *x = c->in[0];
    int64_t outer, inner, d = x->dim[a->axis];
    ir_val *r = c->out[0] = eval_like(c->e, x, x->dtype);

    if (!r)
        return false;
    fold_axis(x, (int)a->axis, &outer, &inner);
    for (int64_t i = 0; i < outer * inner && d; i++) {
        int64_t at = i / inner * d * inner + i % inner, step = inner * dt_size(x->dtype);
        if (a->reverse)
            at += (d - 1) * inner;
        line l = {val_at(x, at), val_at(r, at), d, a->reverse ? -step : step};
        if (dt_is_float(x->dtype))
            cumul_flt(a, x->dtype, l);
        else
            cumul_int(a, x->dtype, l);
    }
    return true;
}
