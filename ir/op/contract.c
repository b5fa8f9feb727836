/* ir/op/contract.c - dot and conv: types, and their axes as one contraction.
 *
 * `acc`, if given, is the dtype of the sums and of the result; integer operands
 * may differ in dtype then. */
#include "op/contract_eval.h"
#include "op/reduce.h"

/* Sums of 8-bit integers would not fit their dtype: ONNX's integer products give
 * i32. */
static bool check_dtypes(const ir_infer *in, ir_dtype acc)
{
    ir_dtype x = in_type(in, 0)->dtype, y = in_type(in, 1)->dtype;

    if (!in_number(in, 0) || !in_number(in, 1))
        return false;
    if (acc != DT_NONE && (dt_is_float(acc) != dt_is_float(x) || !dt_size(acc) ||
                           (!dt_is_float(acc) && !dt_is_int(acc))))
        return in_fail(in, "acc", "is of another kind than the operands");
    return (acc != DT_NONE && dt_is_int(x) && dt_is_int(y)) || in_same_dtype(in, 0, 1);
}

/* Axes of a type of `rank` that neither list names. */
static int free_axes(int rank, ir_ints a, ir_ints b, int *out)
{
    unsigned used = 0;
    int n = 0;

    for (int i = 0; i < a.n; i++)
        used |= 1u << a.at[i];
    for (int i = 0; i < b.n; i++)
        used |= 1u << b.at[i];
    for (int i = 0; i < rank; i++)
        if (!(used >> i & 1))
            out[n++] = i;
    return n;
}

/* ---- dot: out = batch ++ free axes of a ++ free axes of b ------------------------- */

static bool disjoint(const ir_infer *in, const char *attr, ir_ints a, ir_ints b)
{
    for (int i = 0; i < a.n; i++)
        for (int j = 0; j < b.n; j++)
            if (a.at[i] == b.at[j])
                return in_fail(in, attr, "names a batch axis");
    return true;
}

/* An axis of either operand is one of a batch, summed, or free; the lists of a and
 * b pair up by position. */
static bool check_dot(const ir_infer *in, const struct ir_attr_DOT *a)
{
    int rx = in_type(in, 0)->rank, ry = in_type(in, 1)->rank;

    return in_axes(in, "batch_a", a->batch_a, rx, -1) &&
           in_axes(in, "batch_b", a->batch_b, ry, a->batch_a.n) &&
           in_axes(in, "sum_a", a->sum_a, rx, -1) &&
           in_axes(in, "sum_b", a->sum_b, ry, a->sum_a.n) &&
           disjoint(in, "sum_a", a->sum_a, a->batch_a) &&
           disjoint(in, "sum_b", a->sum_b, a->batch_b);
}

/* a f32[B,M,K] with batch_a=[0], sum_a=[2], and b f32[B,K,N] with batch_b=[0],
 * sum_b=[1] give f32[B,M,N]. */
bool ir_infer_dot(ir_infer *in)
{
    const struct ir_attr_DOT *a = &in->attr->DOT;
    ir_dim dim[3 * IR_MAX_RANK];
    int axis[IR_MAX_RANK], n = 0;

    if (!in_tensors(in) || !check_dtypes(in, a->acc) || !check_dot(in, a))
        return false;
    const ir_type *x = in_type(in, 0), *y = in_type(in, 1);
    for (int i = 0; i < a->sum_a.n; i++)
        if (!in_inner(in, x->dim[a->sum_a.at[i]], y->dim[a->sum_b.at[i]]))
            return false;
    for (int i = 0; i < a->batch_a.n; i++) {
        ir_dim p = x->dim[a->batch_a.at[i]], q = y->dim[a->batch_b.at[i]];
        if (!in_agree(in, i, p, q))
            return false;
        dim[n++] = in_known_of(in, p, q);
    }
    for (int i = 0, k = free_axes(x->rank, a->batch_a, a->sum_a, axis); i < k; i++)
        dim[n++] = x->dim[axis[i]];
    for (int i = 0, k = free_axes(y->rank, a->batch_b, a->sum_b, axis); i < k; i++)
        dim[n++] = y->dim[axis[i]];
    return in_result(in, red_result(x->dtype, a->acc), n, dim);
}

/* Extents and strides of some axes of v, appended at n; the new n. */
static int take(const ir_val *v, int count, const int *axes, int64_t *dim, int64_t *stride, int n)
{
    int64_t own[IR_MAX_RANK];

    strides_of(v->rank, v->dim, own);
    for (int i = 0; i < count; i++, n++) {
        dim[n] = v->dim[axes[i]];
        stride[n] = own[axes[i]];
    }
    return n;
}

static int64_t *axes_table(ir_eval *e, const ir_val *v, int n, const int *axes, int64_t *count)
{
    int64_t dim[IR_MAX_RANK], stride[IR_MAX_RANK];

    take(v, n, axes, dim, stride, 0);
    return offset_table(e, n, dim, stride, count);
}

static bool same_extents(ir_eval *e, const ir_val *a, ir_ints p, const ir_val *b, ir_ints q)
{
    for (int i = 0; i < p.n; i++)
        if (a->dim[p.at[i]] != b->dim[q.at[i]])
            return eval_fail(e, "contraction: extents %lld and %lld differ",
                             (long long)a->dim[p.at[i]], (long long)b->dim[q.at[i]]);
    return true;
}

/* Tables of n extents laid out row-major behind `scale` elements each. */
static int64_t *dense_table(ir_eval *e, int64_t n, int64_t scale)
{
    int64_t count;

    return offset_table(e, 1, &n, &scale, &count);
}

/* Tables of the offsets of groups, rows, columns and sums in a, b and the result, and the
 * result's extents: batch, free axes of a, free axes of b. */
static bool dot_tables(ir_call *c, contraction *t, int64_t *dim, int *rank)
{
    const struct ir_attr_DOT *a = &c->attr->DOT;
    const ir_val *x = c->in[0], *y = c->in[1];
    int fx[IR_MAX_RANK], fy[IR_MAX_RANK];
    int64_t skip[3 * IR_MAX_RANK], again;
    int nx = free_axes(x->rank, a->batch_a, a->sum_a, fx);
    int ny = free_axes(y->rank, a->batch_b, a->sum_b, fy);
    ir_eval *e = c->e;

    *rank = take(x, a->batch_a.n, a->batch_a.at, dim, skip, 0);
    *rank = take(x, nx, fx, dim, skip, *rank);
    *rank = take(y, ny, fy, dim, skip, *rank);
    return same_extents(e, x, a->batch_a, y, a->batch_b) &&
           same_extents(e, x, a->sum_a, y, a->sum_b) &&
           (t->ab = axes_table(e, x, a->batch_a.n, a->batch_a.at, &t->groups)) &&
           (t->bb = axes_table(e, y, a->batch_b.n, a->batch_b.at, &again)) &&
           (t->am = axes_table(e, x, nx, fx, &t->rows)) &&
           (t->bn = axes_table(e, y, ny, fy, &t->cols)) &&
           (t->ak = axes_table(e, x, a->sum_a.n, a->sum_a.at, &t->sums)) &&
           (t->bk = axes_table(e, y, a->sum_b.n, a->sum_b.at, &again)) &&
           (t->yb = dense_table(e, t->groups, t->rows * t->cols)) &&
           (t->ym = dense_table(e, t->rows, t->cols)) && (t->yn = dense_table(e, t->cols, 1));
}

bool ir_eval_dot(ir_call *c)
{
    contraction t = {0};
    int64_t dim[3 * IR_MAX_RANK];
    int rank = 0;
    bool ok = dot_tables(c, &t, dim, &rank);

    if (ok)
        c->out[0] = eval_new(c->e, red_result(c->in[0]->dtype, c->attr->DOT.acc), rank, dim);
    ok = ok && c->out[0] && contract(c->e, &t, c->in[0], c->in[1], c->out[0]);
    contraction_free(&t);
    return ok;
}

/* ---- conv ---------------------------------------------------------------------------- */

/* The four lists together name every axis of a rank once. */
static bool partition(const ir_infer *in, const char *attr, const ir_ints *list, int n, int rank)
{
    int32_t all[IR_MAX_RANK];
    ir_ints joined = {0, all};

    for (int i = 0; i < n; i++)
        for (int k = 0; k < list[i].n; k++) {
            if (joined.n == IR_MAX_RANK)
                return in_fail(in, attr, "name too many axes");
            all[joined.n++] = list[i].at[k];
        }
    return in_axes(in, attr, joined, rank, rank);
}

/* Axes of x: batch, group, feature, space; of w: group, output, feature, space; of
 * y: batch, group, output, space.  Any order of axes in memory is a choice of these
 * lists, so NCHW, NHWC and blocked layouts are one op. */
static bool conv_lists(const ir_infer *in, const struct ir_attr_CONV *a)
{
    const ir_ints x[] = {a->xb, a->xg, a->xf, a->xs}, w[] = {a->wg, a->wo, a->wf, a->ws};
    const ir_ints y[] = {a->yb, a->yg, a->yo, a->ys};
    const ir_dims spatial[] = {a->stride, a->low, a->high, a->ldil, a->rdil};

    if (a->xb.n != a->yb.n || a->xg.n != a->wg.n || a->xg.n != a->yg.n || a->wo.n != a->yo.n ||
        a->xf.n != a->wf.n || a->xs.n != a->ws.n || a->xs.n != a->ys.n)
        return in_fail(in, "xb", "and the other lists of axes differ in length");
    for (size_t i = 0; i < COUNT(spatial); i++)
        if (spatial[i].n && spatial[i].n != a->xs.n)
            return in_fail(in, "stride", "or padding has the wrong length");
    return partition(in, "x axes", x, 4, in_type(in, 0)->rank) &&
           partition(in, "w axes", w, 4, in_type(in, 1)->rank) &&
           partition(in, "y axes", y, 4, a->yb.n + a->yg.n + a->yo.n + a->ys.n);
}

static ir_dim spatial_of(ir_dims d, int i, int64_t otherwise)
{
    return d.n ? d.at[i] : (ir_dim){otherwise};
}

/* floor(((d - 1) * ldil + 1 + low + high - ((k - 1) * rdil + 1)) / stride) + 1 */
static ir_dim conv_extent(dim_table *t, const struct ir_attr_CONV *a, int i, ir_dim d, ir_dim k)
{
    ir_dim one = dim_int(t, 1);
    ir_dim wide = dim_mul(t, dim_sub(t, d, one), spatial_of(a->ldil, i, 1));
    ir_dim reach = dim_mul(t, dim_sub(t, k, one), spatial_of(a->rdil, i, 1));
    ir_dim pads = dim_add(t, spatial_of(a->low, i, 0), spatial_of(a->high, i, 0));
    ir_dim room = dim_sub(t, dim_add(t, wide, pads), reach);

    return dim_add(t, dim_div(t, room, spatial_of(a->stride, i, 1)), one);
}

static bool at_least_1(const ir_infer *in, const char *attr, ir_dims d)
{
    int64_t v;

    for (int i = 0; i < d.n; i++)
        if (dim_const(in_table(in), d.at[i], &v) && v < 1)
            return in_fail(in, attr, "is less than 1");
    return true;
}

static void set_dims(ir_dim *y, ir_ints to, const ir_type *t, ir_ints from)
{
    for (int i = 0; i < to.n; i++)
        y[to.at[i]] = t->dim[from.at[i]];
}

/* Batch and group come from x, outputs from w, space by the formula of conv_extent. */
bool ir_infer_conv(ir_infer *in)
{
    const struct ir_attr_CONV *a = &in->attr->CONV;
    ir_dim y[IR_MAX_RANK];

    if (!in_tensors(in) || !check_dtypes(in, a->acc) || !conv_lists(in, a) ||
        !at_least_1(in, "stride", a->stride) || !at_least_1(in, "ldil", a->ldil) ||
        !at_least_1(in, "rdil", a->rdil))
        return false;
    const ir_type *x = in_type(in, 0), *w = in_type(in, 1);
    for (int i = 0; i < a->xg.n; i++)
        if (!in_agree(in, a->xg.at[i], x->dim[a->xg.at[i]], w->dim[a->wg.at[i]]))
            return false;
    for (int i = 0; i < a->xf.n; i++)
        if (!in_inner(in, x->dim[a->xf.at[i]], w->dim[a->wf.at[i]]))
            return false;
    set_dims(y, a->yb, x, a->xb);
    set_dims(y, a->yg, x, a->xg);
    set_dims(y, a->yo, w, a->wo);
    for (int i = 0; i < a->xs.n; i++)
        y[a->ys.at[i]] = conv_extent(in_table(in), a, i, x->dim[a->xs.at[i]], w->dim[a->ws.at[i]]);
    return in_result(in, red_result(x->dtype, a->acc), a->yb.n + a->yg.n + a->yo.n + a->ys.n, y);
}

/* The convolution's numbers in this run, for each spatial axis. */
typedef struct spatial {
    int64_t stride[IR_MAX_RANK], low[IR_MAX_RANK], high[IR_MAX_RANK];
    int64_t ldil[IR_MAX_RANK], rdil[IR_MAX_RANK];
} spatial;

/* The numbers of this run; lists that are left out are 1 or 0. */
static bool spatial_values(ir_eval *e, const struct ir_attr_CONV *a, spatial *s)
{
    for (int i = 0; i < a->xs.n; i++) {
        if (!eval_dim(e, spatial_of(a->stride, i, 1), &s->stride[i]) ||
            !eval_dim(e, spatial_of(a->low, i, 0), &s->low[i]) ||
            !eval_dim(e, spatial_of(a->high, i, 0), &s->high[i]) ||
            !eval_dim(e, spatial_of(a->ldil, i, 1), &s->ldil[i]) ||
            !eval_dim(e, spatial_of(a->rdil, i, 1), &s->rdil[i]))
            return false;
        if (s->stride[i] < 1 || s->ldil[i] < 1 || s->rdil[i] < 1)
            return eval_fail(e, "conv: a stride or dilation is less than 1");
    }
    return true;
}

/* x with its padding and gaps materialized: then every index is affine. */
static ir_val *padded(ir_call *c, const struct ir_attr_CONV *a, const spatial *s)
{
    int64_t low[IR_MAX_RANK] = {0}, high[IR_MAX_RANK] = {0}, inner[IR_MAX_RANK] = {0};
    const uint8_t zero[16] = {0};
    bool any = false;

    for (int i = 0; i < a->xs.n; i++) {
        low[a->xs.at[i]] = s->low[i];
        high[a->xs.at[i]] = s->high[i];
        inner[a->xs.at[i]] = s->ldil[i] - 1;
        any |= s->low[i] || s->high[i] || s->ldil[i] != 1;
    }
    return any ? pad_value(c->e, c->in[0], zero, low, high, inner) : eval_keep(c->in[0]);
}

/* The extents of the result; x is padded and spread already, so that windows lie within it. */
static bool conv_dims(ir_call *c, const ir_val *x, const spatial *s, int64_t *y)
{
    const struct ir_attr_CONV *a = &c->attr->CONV;
    const ir_val *w = c->in[1];

    for (int i = 0; i < a->yb.n; i++)
        y[a->yb.at[i]] = x->dim[a->xb.at[i]];
    for (int i = 0; i < a->yg.n; i++)
        y[a->yg.at[i]] = x->dim[a->xg.at[i]];
    for (int i = 0; i < a->yo.n; i++)
        y[a->yo.at[i]] = w->dim[a->wo.at[i]];
    for (int i = 0; i < a->ys.n; i++) {
        int64_t reach, room, d = x->dim[a->xs.at[i]], k = w->dim[a->ws.at[i]];
        if (k < 1 || !mul_ok(k - 1, s->rdil[i], &reach))
            return eval_fail(c->e, "conv: a kernel extent is out of bounds");
        room = d - 1 - reach;
        y[a->ys.at[i]] = room < 0 ? 0 : room / s->stride[i] + 1;
    }
    return true;
}

/* Axes `some` (stepping by 1) and then the spatial ones of x (by `step`, over
 * the extents of v's spatial axes) as one table. */
static int64_t *window_table(ir_eval *e, const ir_val *x, ir_ints some, ir_ints xs,
                             const ir_val *v, ir_ints vs, const int64_t *step, int64_t *count)
{
    int64_t dim[2 * IR_MAX_RANK], stride[2 * IR_MAX_RANK];
    int n = take(x, some.n, some.at, dim, stride, 0);

    take(x, xs.n, xs.at, dim, stride, n);
    for (int i = 0; i < xs.n; i++) {
        dim[n + i] = v->dim[vs.at[i]];
        stride[n + i] = dim[n + i] > 1 ? stride[n + i] * step[i] : 0;
    }
    return offset_table(e, n + xs.n, dim, stride, count);
}

static int64_t *joined_table(ir_eval *e, const ir_val *v, ir_ints a, ir_ints b, int64_t *count)
{
    int64_t dim[2 * IR_MAX_RANK], stride[2 * IR_MAX_RANK];
    int n = take(v, a.n, a.at, dim, stride, 0);

    n = take(v, b.n, b.at, dim, stride, n);
    return offset_table(e, n, dim, stride, count);
}

/* A convolution as the contraction of weights (rows: outputs) and image (columns: batch and
 * positions), summed over features and taps. */
static bool conv_tables(ir_call *c, const ir_val *x, const ir_val *y, const spatial *s,
                        contraction *t)
{
    const struct ir_attr_CONV *a = &c->attr->CONV;
    const ir_val *w = c->in[1];
    ir_eval *e = c->e;
    int64_t n;

    return same_extents(e, x, a->xg, w, a->wg) && same_extents(e, x, a->xf, w, a->wf) &&
           (t->ab = axes_table(e, w, a->wg.n, a->wg.at, &t->groups)) &&
           (t->am = axes_table(e, w, a->wo.n, a->wo.at, &t->rows)) &&
           (t->ak = joined_table(e, w, a->wf, a->ws, &t->sums)) &&
           (t->bb = axes_table(e, x, a->xg.n, a->xg.at, &n)) &&
           (t->bn = window_table(e, x, a->xb, a->xs, y, a->ys, s->stride, &t->cols)) &&
           (t->bk = window_table(e, x, a->xf, a->xs, w, a->ws, s->rdil, &n)) &&
           (t->yb = axes_table(e, y, a->yg.n, a->yg.at, &n)) &&
           (t->ym = axes_table(e, y, a->yo.n, a->yo.at, &n)) &&
           (t->yn = joined_table(e, y, a->yb, a->ys, &n));
}

/* The image is padded first, then all indices are sums of two table entries
 * (contract_eval.c). */
bool ir_eval_conv(ir_call *c)
{
    const struct ir_attr_CONV *a = &c->attr->CONV;
    int rank = a->yb.n + a->yg.n + a->yo.n + a->ys.n;
    contraction t = {0};
    int64_t dim[IR_MAX_RANK];
    spatial s;

    if (!spatial_values(c->e, a, &s))
        return false;
    ir_val *x = padded(c, a, &s);
    bool ok = x && conv_dims(c, x, &s, dim);
    if (ok)
        c->out[0] = eval_new(c->e, red_result(c->in[0]->dtype, a->acc), rank, dim);
    ok = ok && c->out[0] && conv_tables(c, x, c->out[0], &s, &t) &&
         contract(c->e, &t, c->in[1], x, c->out[0]);
    contraction_free(&t);
    eval_drop(x);
    return ok;
}
