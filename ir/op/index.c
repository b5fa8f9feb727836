/* ir/op/index.c - gather and scatter.
 *
 * gather(x, index per axis..): out = index extents ++ the other axes of x.
 * scatter(base, index per axis.., updates): updates of that same shape are
 * combined into base in increasing linear order; those out of bounds are
 * dropped.  Indices count from 0; gather clamps them or gives zero. */
#include "axes.h"
#include "op/reduce.h"

/* Operand `first` is indexed along `axes` by operands first+1.. */
static bool check_indices(const ir_infer *in, ir_ints axes, uint32_t narg)
{
    if (in->narg != narg)
        return diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in), (int)narg, (int)in->narg);
    if (!in_tensors(in) || !in_axes(in, "axes", axes, in_type(in, 0)->rank, -1))
        return false;
    if (!axes.n)
        return in_fail(in, "axes", "is empty");
    for (int i = 0; i < axes.n; i++) {
        const ir_type *x = in_type(in, 1), *y = in_type(in, (uint32_t)i + 1);
        if (!in_integer(in, (uint32_t)i + 1) || !in_rank(in, (uint32_t)i + 1, x->rank))
            return false;
        for (int k = 0; k < x->rank; k++)
            if (!in_agree(in, k, x->dim[k], y->dim[k]))
                return false;
    }
    return true;
}

/* Extents of index ++ remaining axes; -1 if there are too many. */
static int gathered(const ir_infer *in, ir_ints axes, ir_dim *dim)
{
    const ir_type *x = in_type(in, 0), *index = in_type(in, 1);
    int n = index->rank;

    if (n + x->rank - axes.n > IR_MAX_RANK)
        return -1;
    for (int i = 0; i < n; i++)
        dim[i] = index->dim[i];
    for (int i = 0; i < x->rank; i++)
        if (!ir_has_axis(axes, i))
            dim[n++] = x->dim[i];
    return n;
}

bool ir_infer_gather(ir_infer *in)
{
    ir_ints axes = in->attr->GATHER.axes;
    ir_dim dim[IR_MAX_RANK];

    if (!check_indices(in, axes, (uint32_t)axes.n + 1))
        return false;
    int n = gathered(in, axes, dim);
    return n < 0 ? in_fail(in, "axes", "give more than 16 axes")
                 : in_result(in, in_type(in, 0)->dtype, n, dim);
}

/* in: x, an index for each of `axes`, the updates: extents of the indices, then the
 * axes of x that have no index. */
bool ir_infer_scatter(ir_infer *in)
{
    const struct ir_attr_SCATTER *a = &in->attr->SCATTER;
    ir_dim dim[IR_MAX_RANK];
    uint32_t last = (uint32_t)a->axes.n + 1;

    if (!check_indices(in, a->axes, last + 1))
        return false;
    int n = gathered(in, a->axes, dim);
    if (n < 0)
        return in_fail(in, "axes", "give more than 16 axes");
    if (!in_same_dtype(in, 0, last) || !in_rank(in, last, n))
        return false;
    for (int k = 0; k < n; k++)
        if (!in_agree(in, k, dim[k], in_type(in, last)->dim[k]))
            return false;
    if (a->op != RED_SET && !red_accepts(in, a->op))
        return false;
    return in_type_result(in, in_type(in, 0));
}

/* The rest axes of x: their extents and strides in x. */
static int rest_of(const ir_val *x, ir_ints axes, int64_t *dim, int64_t *stride)
{
    int64_t own[IR_MAX_RANK];
    int n = 0;

    strides_of(x->rank, x->dim, own);
    for (int i = 0; i < x->rank; i++)
        if (!ir_has_axis(axes, i)) {
            dim[n] = x->dim[i];
            stride[n++] = own[i];
        }
    return n;
}

/* Element of x that index position i names; -1: out of bounds (unless clamped). */
static int64_t place_of(const ir_val *x, ir_ints axes, ir_val *const *index, int64_t i, bool clamp)
{
    int64_t own[IR_MAX_RANK], at = 0;

    strides_of(x->rank, x->dim, own);
    for (int k = 0; k < axes.n; k++) {
        int64_t d = x->dim[axes.at[k]], v = val_int(index[k], i);
        if (index[k]->dtype == DT_U64 && v < 0)
            v = INT64_MAX;
        if (v < 0 || v >= d) {
            if (!clamp || d == 0)
                return -1;
            v = v < 0 ? 0 : d - 1;
        }
        at += v * own[axes.at[k]];
    }
    return at;
}

static bool same_extents(ir_call *c, uint32_t n)
{
    for (uint32_t i = 2; i <= n; i++)
        for (int k = 0; k < c->in[1]->rank; k++)
            if (c->in[i]->dim[k] != c->in[1]->dim[k])
                return eval_fail(c->e, "index extents differ");
    return true;
}

/* y[i.., r..] = x at index_k[i..] along axes[k], r.. along the rest.  With `zero` a
 * place outside reads 0, else it is moved to the nearest that there is. */
bool ir_eval_gather(ir_call *c)
{
    const struct ir_attr_GATHER *a = &c->attr->GATHER;
    const ir_val *x = c->in[0], *index = c->in[1];
    int64_t dim[2 * IR_MAX_RANK], stride[IR_MAX_RANK], own[IR_MAX_RANK];
    int rest = rest_of(x, a->axes, dim + index->rank, stride), size = dt_size(x->dtype);

    memcpy(dim, index->dim, (size_t)index->rank * sizeof *dim);
    ir_val *r = same_extents(c, (uint32_t)a->axes.n)
                    ? eval_new(c->e, x->dtype, index->rank + rest, dim) : NULL;
    c->out[0] = r;
    if (!r)
        return false;
    int64_t each = strides_of(rest, dim + index->rank, own), n = val_count(index);
    for (int64_t i = 0; i < n && each; i++) {
        int64_t from = place_of(x, a->axes, c->in + 1, i, !a->zero);
        if (from < 0)
            memset(r->data + i * each * size, 0, (size_t)(each * size));
        else
            copy_strided(rest, dim + index->rank, size, r->data + i * each * size, own,
                         val_at(x, from), stride);
    }
    return true;
}

static void combine(ir_redop op, ir_dtype d, uint8_t *to, const uint8_t *from)
{
    if (op == RED_SET)
        memcpy(to, from, (size_t)dt_size(d));
    else if (dt_is_float(d))
        num_store_flt(d, to, red_flt(op, num_load_flt(d, to), num_load_flt(d, from)));
    else
        num_store_int(d, to, red_int(op, d, num_load_int(d, to), num_load_int(d, from)));
}

static bool updates_fit(ir_call *c, const ir_val *u, int rest, const int64_t *dim)
{
    const ir_val *index = c->in[1];

    for (int k = 0; k < u->rank; k++)
        if (u->dim[k] != (k < index->rank ? index->dim[k] : dim[k - index->rank]))
            return eval_fail(c->e, "scatter: extents of the updates differ");
    return u->rank == index->rank + rest;
}

/* A copy of x with updates written or combined in their order; those outside are
 * left out. */
bool ir_eval_scatter(ir_call *c)
{
    const struct ir_attr_SCATTER *a = &c->attr->SCATTER;
    const ir_val *x = c->in[0], *u = c->in[c->nin - 1];
    int64_t dim[IR_MAX_RANK], stride[IR_MAX_RANK], n = val_count(c->in[1]), k = 0;
    int rest = rest_of(x, a->axes, dim, stride);
    walk w;

    if (!same_extents(c, (uint32_t)a->axes.n) || !updates_fit(c, u, rest, dim))
        return false;
    ir_val *r = c->out[0] = eval_like(c->e, x, x->dtype);
    if (!r || !eval_charge(c->e, val_count(u)))
        return false;
    memcpy(r->data, x->data, (size_t)(val_count(x) * dt_size(x->dtype)));
    for (int64_t i = 0; i < n; i++) {
        int64_t to = place_of(x, a->axes, c->in + 1, i, false);
        walk_init(&w, rest, dim);
        memcpy(w.stride[0], stride, (size_t)rest * sizeof *stride);
        for (; w.left > 0; walk_next(&w), k++)
            if (to >= 0)
                combine(a->op, r->dtype, val_at(r, to + w.off[0]), val_at(u, k));
    }
    return true;
}
