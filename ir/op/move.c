/* ir/op/move.c - movement: reshape, transpose, broadcast, slice, pad, concat.
 * Elements are moved as bytes; the dtype never matters. */
#include "eval_op.h"

/* ---- reshape: the same elements in row-major order -------------------------------- */

/* Counts too large to compare are left to the evaluator and the plan. */
static bool same_count(const ir_infer *in, const ir_type *x, ir_dims s)
{
    dim_table *t = in_table(in);
    bool before = t->overflow;
    ir_dim from = type_count(&in->b->m->types, x), to = dim_product(t, s.at, s.n);
    bool fits = t->overflow == before;

    t->overflow = before;
    return !fits || in_agree(in, 0, from, to);
}

bool ir_infer_reshape(ir_infer *in)
{
    ir_dims s = in->attr->RESHAPE.shape;

    if (!in_tensor(in, 0) || s.n > IR_MAX_RANK)
        return s.n > IR_MAX_RANK ? in_fail(in, "shape", "has more than 16 axes") : false;
    return same_count(in, in_type(in, 0), s) &&
           in_result(in, in_type(in, 0)->dtype, s.n, s.at);
}

/* The same memory under other extents: no element is copied. */
bool ir_eval_reshape(ir_call *c)
{
    int64_t dim[IR_MAX_RANK], n = 1;
    ir_dims s = c->attr->RESHAPE.shape;

    if (!eval_dims(c->e, s, dim))
        return false;
    for (int i = 0; i < s.n; i++)
        if (dim[i] < 0 || !mul_ok(n, dim[i], &n))
            return eval_fail(c->e, "reshape: an extent is negative or too large");
    if (n != val_count(c->in[0]))
        return eval_fail(c->e, "reshape: %lld elements do not fit %lld",
                         (long long)val_count(c->in[0]), (long long)n);
    return (c->out[0] = eval_view(c->e, c->in[0], s.n, dim)) != NULL;
}

/* ---- transpose: out axis i is in axis perm[i] -------------------------------------- */

bool ir_infer_transpose(ir_infer *in)
{
    ir_ints perm = in->attr->TRANSPOSE.perm;
    ir_dim dim[IR_MAX_RANK];

    if (!in_tensor(in, 0) || !in_axes(in, "perm", perm, in_type(in, 0)->rank, in_type(in, 0)->rank))
        return false;
    for (int i = 0; i < perm.n; i++)
        dim[i] = in_type(in, 0)->dim[perm.at[i]];
    return in_result(in, in_type(in, 0)->dtype, perm.n, dim);
}

/* Fills a new value from x by strides, starting at element `base`. */
static bool from_strides(ir_call *c, int rank, const int64_t *dim, int64_t base,
                         const int64_t *stride)
{
    ir_val *x = c->in[0], *r = c->out[0] = eval_new(c->e, x->dtype, rank, dim);
    int64_t own[IR_MAX_RANK];

    if (!r)
        return false;
    if (strides_of(rank, dim, own))
        copy_strided(rank, dim, dt_size(x->dtype), r->data, own, val_at(x, base), stride);
    return true;
}

bool ir_eval_transpose(ir_call *c)
{
    ir_ints perm = c->attr->TRANSPOSE.perm;
    int64_t dim[IR_MAX_RANK], from[IR_MAX_RANK], stride[IR_MAX_RANK];

    strides_of(c->in[0]->rank, c->in[0]->dim, from);
    for (int i = 0; i < perm.n; i++) {
        dim[i] = c->in[0]->dim[perm.at[i]];
        stride[i] = from[perm.at[i]];
    }
    return from_strides(c, perm.n, dim, 0, stride);
}

/* ---- broadcast: in axis i becomes out axis axes[i], repeated if its extent is 1 ---- */

/* Axis i of x becomes axis axes[i] of the result; extents agree or are 1. */
bool ir_infer_broadcast(ir_infer *in)
{
    const struct ir_attr_BROADCAST *a = &in->attr->BROADCAST;

    if (!in_tensor(in, 0))
        return false;
    const ir_type *x = in_type(in, 0);
    if (a->shape.n > IR_MAX_RANK || !in_axes(in, "axes", a->axes, a->shape.n, x->rank))
        return a->shape.n > IR_MAX_RANK ? in_fail(in, "shape", "has more than 16 axes") : false;
    for (int i = 0; i < x->rank; i++) {
        if (!in_agree_or_1(in, i, x->dim[i], a->shape.at[a->axes.at[i]]))
            return false;
    }
    return in_result(in, x->dtype, a->shape.n, a->shape.at);
}

bool ir_eval_broadcast(ir_call *c)
{
    const struct ir_attr_BROADCAST *a = &c->attr->BROADCAST;
    const ir_val *x = c->in[0];
    int64_t dim[IR_MAX_RANK], from[IR_MAX_RANK], stride[IR_MAX_RANK] = {0};

    if (!eval_dims(c->e, a->shape, dim))
        return false;
    strides_of(x->rank, x->dim, from);
    for (int i = 0; i < x->rank; i++) {
        int k = a->axes.at[i];
        if (x->dim[i] != 1 && x->dim[i] != dim[k])
            return eval_fail(c->e, "broadcast: extent %lld does not fit %lld",
                             (long long)x->dim[i], (long long)dim[k]);
        stride[k] = x->dim[i] == 1 ? 0 : from[i];
    }
    return from_strides(c, a->shape.n, dim, 0, stride);
}

/* ---- slice: out[i] = x[start + i*step] ----------------------------------------------- */

/* Only what is known can be refused here; the evaluator and generated code look at
 * the rest.  A step may be negative: start is then the last element that is read. */
bool ir_infer_slice(ir_infer *in)
{
    const struct ir_attr_SLICE *a = &in->attr->SLICE;

    if (!in_tensor(in, 0))
        return false;
    const ir_type *x = in_type(in, 0);
    dim_table *t = in_table(in);
    if (!in_dims(in, "start", a->start, x->rank) || !in_dims(in, "step", a->step, x->rank) ||
        !in_dims(in, "extent", a->extent, x->rank))
        return false;
    for (int i = 0; i < x->rank; i++) {
        int64_t s, p, n, d, last;
        if (!dim_const(t, a->start.at[i], &s) || !dim_const(t, a->step.at[i], &p) ||
            !dim_const(t, a->extent.at[i], &n) || !dim_const(t, x->dim[i], &d) || n <= 0)
            continue;
        if (!mul_ok(n - 1, p, &last) || !add_ok(last, s, &last) || s < 0 || s >= d ||
            last < 0 || last >= d)
            return in_fail(in, "extent", "reaches out of the operand");
    }
    return in_result(in, x->dtype, x->rank, a->extent.at);
}

/* An empty slice may begin anywhere: it reads nothing. */
bool ir_eval_slice(ir_call *c)
{
    const struct ir_attr_SLICE *a = &c->attr->SLICE;
    const ir_val *x = c->in[0];
    int64_t start[IR_MAX_RANK], step[IR_MAX_RANK], dim[IR_MAX_RANK], from[IR_MAX_RANK];
    int64_t base = 0, count = 1;

    if (!eval_dims(c->e, a->start, start) || !eval_dims(c->e, a->step, step) ||
        !eval_dims(c->e, a->extent, dim))
        return false;
    strides_of(x->rank, x->dim, from);
    for (int i = 0; i < x->rank; i++)
        count = dim[i] > 0 ? count : 0;
    for (int i = 0; count && i < x->rank; i++) {
        int64_t last;
        if (!mul_ok(dim[i] - 1, step[i], &last) || !add_ok(last, start[i], &last) ||
            start[i] < 0 || start[i] >= x->dim[i] || last < 0 || last >= x->dim[i])
            return eval_fail(c->e, "slice: axis %d reaches out of the operand", i);
        base += start[i] * from[i];
        from[i] = dim[i] > 1 ? from[i] * step[i] : 0;
    }
    return from_strides(c, x->rank, dim, base, from);
}

/* ---- pad: `low` and `high` elements around, `inner` between each two ----------------- */

static ir_dim padded(dim_table *t, ir_dim d, ir_dim low, ir_dim high, ir_dim inner)
{
    ir_dim one = dim_int(t, 1), gaps = dim_sub(t, d, one);

    if (!dim_is(t, inner, 0)) {
        gaps = dim_lo(t, d) >= 1 ? gaps : dim_max(t, gaps, dim_int(t, 0));
        d = dim_add(t, d, dim_mul(t, gaps, inner));
    }
    return dim_add(t, d, dim_add(t, low, high));
}

/* Negative borders crop. */
bool ir_infer_pad(ir_infer *in)
{
    const struct ir_attr_PAD *a = &in->attr->PAD;
    ir_dim dim[IR_MAX_RANK];

    if (!in_tensor(in, 0) || !in_rank(in, 1, 0) || !in_same_dtype(in, 0, 1))
        return false;
    const ir_type *x = in_type(in, 0);
    if (!in_dims(in, "low", a->low, x->rank) || !in_dims(in, "high", a->high, x->rank) ||
        (a->inner.n && !in_dims(in, "inner", a->inner, x->rank)))
        return false;
    for (int i = 0; i < x->rank; i++) {
        ir_dim inner = a->inner.n ? a->inner.at[i] : (ir_dim){0};
        int64_t v;
        if (dim_const(in_table(in), inner, &v) && v < 0)
            return in_fail(in, "inner", "is negative");
        dim[i] = padded(in_table(in), x->dim[i], a->low.at[i], a->high.at[i], inner);
    }
    return in_result(in, x->dtype, x->rank, dim);
}

static void fill(ir_val *r, const uint8_t *element)
{
    size_t size = (size_t)dt_size(r->dtype);

    for (int64_t i = 0, n = val_count(r); i < n; i++)
        memcpy(val_at(r, i), element, size);
}

/* One axis of a pad: x[from ..] goes to out[to], out[to + step], .. */
static bool pad_axis(int64_t d, int64_t low, int64_t high, int64_t inner, int64_t *out,
                     int64_t *from, int64_t *to, int64_t *count)
{
    int64_t step = inner + 1, wide, first;

    if (inner < 0 || !mul_ok(max_i64(d - 1, 0), inner, &wide) || !add_ok(wide, d, &wide) ||
        !add_ok(wide, low, out) || !add_ok(*out, high, out) || *out < 0 || step <= 0)
        return false;
    first = low >= 0 ? 0 : (-(low + 1)) / step + 1;
    *from = first;
    *to = low + first * step;
    *count = *to >= *out ? 0 : max_i64(min_i64(d - first, (*out - 1 - *to) / step + 1), 0);
    return true;
}

/* Null with the error set.  `value` is one element of x's dtype. */
ir_val *pad_value(ir_eval *e, const ir_val *x, const uint8_t *value, const int64_t *low,
                  const int64_t *high, const int64_t *inner)
{
    int64_t from[IR_MAX_RANK], to[IR_MAX_RANK], count[IR_MAX_RANK], dim[IR_MAX_RANK];
    int64_t xs[IR_MAX_RANK], rs[IR_MAX_RANK], src = 0, dst = 0;

    for (int i = 0; i < x->rank; i++)
        if (!pad_axis(x->dim[i], low[i], high[i], inner[i], &dim[i], &from[i], &to[i], &count[i])) {
            eval_fail(e, "pad: an extent is negative or too large");
            return NULL;
        }
    ir_val *r = eval_new(e, x->dtype, x->rank, dim);
    if (!r)
        return NULL;
    fill(r, value);
    strides_of(x->rank, x->dim, xs);
    strides_of(x->rank, dim, rs);
    for (int i = 0; i < x->rank; i++) {
        if (!count[i])
            return r;
        src += from[i] * xs[i];
        dst += to[i] * rs[i];
        rs[i] = count[i] > 1 ? rs[i] * (inner[i] + 1) : 0;
    }
    copy_strided(x->rank, count, dt_size(x->dtype), val_at(r, dst), rs, val_at(x, src), xs);
    return r;
}

bool ir_eval_pad(ir_call *c)
{
    const struct ir_attr_PAD *a = &c->attr->PAD;
    int64_t low[IR_MAX_RANK], high[IR_MAX_RANK], inner[IR_MAX_RANK] = {0};

    if (!eval_dims(c->e, a->low, low) || !eval_dims(c->e, a->high, high) ||
        !eval_dims(c->e, a->inner, inner))
        return false;
    c->out[0] = pad_value(c->e, c->in[0], c->in[1]->data, low, high, inner);
    return c->out[0] != NULL;
}

/* ---- concat ----------------------------------------------------------------------------- */

/* All other axes agree; the first extent that is known is the result's. */
bool ir_infer_concat(ir_infer *in)
{
    int64_t axis = in->attr->CONCAT.axis;
    ir_dim dim[IR_MAX_RANK];

    if (!in->narg)
        return diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in), 1, 0);
    if (!in_tensors(in) || !in_axis(in, axis, in_type(in, 0)->rank))
        return false;
    const ir_type *x = in_type(in, 0);
    for (int k = 0; k < x->rank; k++)
        dim[k] = x->dim[k];
    for (uint32_t i = 1; i < in->narg; i++) {
        const ir_type *y = in_type(in, i);
        if (!in_rank(in, i, x->rank) || !in_same_dtype(in, 0, i))
            return false;
        for (int k = 0; k < x->rank; k++)
            if (k == axis)
                dim[k] = dim_add(in_table(in), dim[k], y->dim[k]);
            else if (in_agree(in, k, dim[k], y->dim[k]))
                dim[k] = in_known_of(in, dim[k], y->dim[k]);
            else
                return false;
    }
    return in_result(in, x->dtype, x->rank, dim);
}

static bool concat_dims(ir_call *c, int axis, int64_t *dim)
{
    memcpy(dim, c->in[0]->dim, (size_t)c->in[0]->rank * sizeof *dim);
    for (uint32_t i = 1; i < c->nin; i++)
        for (int k = 0; k < c->in[0]->rank; k++)
            if (k == axis)
                dim[k] += c->in[i]->dim[k];
            else if (dim[k] != c->in[i]->dim[k])
                return eval_fail(c->e, "concat: extents of axis %d differ", k);
    return true;
}

/* `at` is where the operand begins along the axis. */
bool ir_eval_concat(ir_call *c)
{
    int axis = (int)c->attr->CONCAT.axis, rank = c->in[0]->rank;
    int64_t dim[IR_MAX_RANK], stride[IR_MAX_RANK], own[IR_MAX_RANK], at = 0;

    if (!concat_dims(c, axis, dim))
        return false;
    ir_val *r = c->out[0] = eval_new(c->e, c->in[0]->dtype, rank, dim);
    if (!r)
        return false;
    strides_of(rank, dim, stride);
    for (uint32_t i = 0; i < c->nin; at += c->in[i++]->dim[axis])
        if (strides_of(rank, c->in[i]->dim, own))
            copy_strided(rank, c->in[i]->dim, dt_size(r->dtype), val_at(r, at * stride[axis]),
                         stride, c->in[i]->data, own);
    return true;
}
