/* ir/op/order.c - sort and topk: stable orders along an axis; unique, nonzero.
 *
 * NaN comes last in every direction; equal keys keep their order, so ties of
 * topk go to the lower index. */
#include "eval_op.h"

#include <math.h>

/* -1, 0, 1: place of a before, with or behind b. */
static int order_flt(double a, double b, bool desc)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return a == b ? 0 : (a < b) != desc ? -1 : 1;
}

static int order_str(const void *a, const void *b)
{
    num_str x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    size_t n = x.n < y.n ? x.n : y.n;
    int r = n ? memcmp(x.at, y.at, n) : 0;
    return r ? (r > 0) - (r < 0) : (x.n > y.n) - (x.n < y.n);
}

static int order_of(ir_dtype d, const void *a, const void *b, bool desc)
{
    if (dt_is_float(d))
        return order_flt(num_load_flt(d, a), num_load_flt(d, b), desc);
    if (dt_class(d) == DC_S)
        return desc ? order_str(b, a) : order_str(a, b);
    int64_t x = num_load_int(d, a), y = num_load_int(d, b);
    return x == y ? 0 : (sc_eval_int(SC_LT, d, x, y, 0) != 0) != desc ? -1 : 1;
}

/* Rows of `width` elements, compared in lexicographic order. */
typedef struct rows {
    ir_dtype dtype;
    const uint8_t *data;
    int64_t width, step;        /* bytes between elements; rows are width apart */
    bool desc;
} rows;

static int order_rows(const rows *r, int64_t a, int64_t b)
{
    const uint8_t *x = r->data + a * r->width * r->step, *y = r->data + b * r->width * r->step;
    int o = 0;

    for (int64_t i = 0; i < r->width && !o; i++)
        o = order_of(r->dtype, x + i * r->step, y + i * r->step, r->desc);
    return o;
}

/* Stable merge sort of the row numbers at[0..n); room is as long. */
static void sort_rows(const rows *r, int64_t *at, int64_t n, int64_t *room)
{
    int64_t half = n / 2;

    if (n < 2)
        return;
    sort_rows(r, at, half, room);
    sort_rows(r, at + half, n - half, room);
    memcpy(room, at, (size_t)half * sizeof *at);
    for (int64_t i = 0, j = half, k = 0; i < half; k++)
        at[k] = j < n && order_rows(r, at[j], room[i]) < 0 ? at[j++] : room[i++];
}

static bool in_sortable(const ir_infer *in, uint32_t i)
{
    ir_dtype d = in_type(in, i)->dtype;

    return in_tensor(in, i) && (dt_class(d) != DC_C || in_expect(in, i, "elements with an order"));
}

/* ---- sort ------------------------------------------------------------------------------- */

/* The first operand is the key, all others are moved along with it. */
bool ir_infer_sort(ir_infer *in)
{
    const struct ir_attr_SORT *a = &in->attr->SORT;

    if (!in->narg || in->narg > COUNT(in->few))
        return diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in), 1, (int)in->narg);
    if (!in_tensors(in) || !in_sortable(in, 0) || !in_axis(in, a->axis, in_type(in, 0)->rank))
        return false;
    for (uint32_t i = 0; i < in->narg; i++) {
        const ir_type *x = in_type(in, i);
        if (!in_rank(in, i, in_type(in, 0)->rank))
            return false;
        for (int k = 0; k < x->rank; k++)
            if (!in_agree(in, k, in_type(in, 0)->dim[k], x->dim[k]))
                return false;
        in_type_result(in, x);
    }
    return true;
}

/* The lines of x along an axis: `count` of them, extent d, elements `inner` apart. */
typedef struct lines {
    int64_t count, d, inner;
} lines;

static lines lines_of(const ir_val *x, int axis)
{
    lines l = {1, x->dim[axis], 1};

    for (int i = 0; i < x->rank; i++) {
        l.count *= i == axis ? 1 : x->dim[i];
        l.inner *= i > axis ? x->dim[i] : 1;
    }
    return l;
}

static int64_t line_start(const lines *l, int64_t i, int64_t d)
{
    return i / l->inner * d * l->inner + i % l->inner;
}

/* Row numbers of line i of x in order; at and room hold l->d each. */
static void sort_line(const ir_val *x, const lines *l, int64_t i, bool desc, int64_t *at,
                      int64_t *room)
{
    /* Rows of one element, which lie `inner` elements apart. */
    rows r = {x->dtype, val_at(x, line_start(l, i, l->d)), 1, l->inner * dt_size(x->dtype), desc};

    for (int64_t k = 0; k < l->d; k++)
        at[k] = k;
    sort_rows(&r, at, l->d, room);
}

static bool sort_charge(ir_eval *e, const lines *l)
{
    int64_t n;

    return mul_ok(l->count, l->d, &n) && mul_ok(n, 32, &n) && eval_charge(e, n);
}

bool ir_eval_sort(ir_call *c)
{
    const struct ir_attr_SORT *a = &c->attr->SORT;
    lines l = lines_of(c->in[0], (int)a->axis);

    for (uint32_t i = 0; i < c->nin; i++) {
        for (int k = 0; k < c->in[0]->rank; k++)
            if (c->in[i]->dim[k] != c->in[0]->dim[k])
                return eval_fail(c->e, "sort: operand extents differ");
        if (!(c->out[i] = eval_like(c->e, c->in[i], c->in[i]->dtype)))
            return false;
    }
    int64_t *at = sort_charge(c->e, &l) ? eval_scratch(c->e, 2 * l.d, sizeof *at) : NULL;
    if (!at)
        return false;
    for (int64_t i = 0; i < l.count && l.d; i++) {
        int64_t base = line_start(&l, i, l.d);
        sort_line(c->in[0], &l, i, a->desc, at, at + l.d);
        for (uint32_t p = 0; p < c->nin; p++)
            for (int64_t k = 0; k < l.d; k++)
                memcpy(val_at(c->out[p], base + k * l.inner),
                       val_at(c->in[p], base + at[k] * l.inner), (size_t)dt_size(c->in[p]->dtype));
    }
    mem_free(at);
    return true;
}

/* ---- topk ---------------------------------------------------------------------------------- */

/* Values and their places; k is a dim, so that it may be known to the run alone. */
bool ir_infer_topk(ir_infer *in)
{
    const struct ir_attr_TOPK *a = &in->attr->TOPK;
    ir_dim dim[IR_MAX_RANK];
    int64_t k, d;

    if (!in_sortable(in, 0) || !in_axis(in, a->axis, in_type(in, 0)->rank))
        return false;
    const ir_type *x = in_type(in, 0);
    for (int i = 0; i < x->rank; i++)
        dim[i] = i == a->axis ? a->k : x->dim[i];
    if (dim_const(in_table(in), a->k, &k) && dim_const(in_table(in), x->dim[a->axis], &d) && k > d)
        return in_fail(in, "k", "is greater than the extent");
    return in_result(in, x->dtype, x->rank, dim) && in_result(in, DT_I64, x->rank, dim);
}

bool ir_eval_topk(ir_call *c)
{
    const struct ir_attr_TOPK *a = &c->attr->TOPK;
    const ir_val *x = c->in[0];
    int64_t dim[IR_MAX_RANK], k;
    lines l = lines_of(x, (int)a->axis);

    if (!eval_dim(c->e, a->k, &k))
        return false;
    if (k < 0 || k > l.d)
        return eval_fail(c->e, "topk: k is out of range");
    memcpy(dim, x->dim, (size_t)x->rank * sizeof *dim);
    dim[a->axis] = k;
    if (!(c->out[0] = eval_new(c->e, x->dtype, x->rank, dim)) ||
        !(c->out[1] = eval_new(c->e, DT_I64, x->rank, dim)))
        return false;
    int64_t *at = sort_charge(c->e, &l) ? eval_scratch(c->e, 2 * l.d, sizeof *at) : NULL;
    if (!at)
        return false;
    for (int64_t i = 0; i < l.count && k; i++) {
        int64_t from = line_start(&l, i, l.d), to = line_start(&l, i, k);
        sort_line(x, &l, i, a->largest, at, at + l.d);
        for (int64_t j = 0; j < k; j++) {
            memcpy(val_at(c->out[0], to + j * l.inner), val_at(x, from + at[j] * l.inner),
                   (size_t)dt_size(x->dtype));
            num_store_int(DT_I64, val_at(c->out[1], to + j * l.inner), at[j]);
        }
    }
    mem_free(at);
    return true;
}

/* ---- nonzero: indices of the elements that are not zero, one column each -------------------- */

bool ir_infer_nonzero(ir_infer *in)
{
    uint32_t sym = in->attr->NONZERO.sym;

    if (!in_tensor(in, 0) || (in_type(in, 0)->dtype != DT_BOOL && !in_number(in, 0)))
        return false;
    if (sym >= in_table(in)->symbol.len)
        return in_fail(in, "sym", "names no dim");
    ir_dim dim[2] = {dim_int(in_table(in), in_type(in, 0)->rank),
                     in_table(in)->symbol.at[sym].self};
    return in_result(in, DT_I64, 2, dim);
}

static bool is_set(const ir_val *x, int64_t i)
{
    return dt_is_float(x->dtype) ? num_load_flt(x->dtype, val_at(x, i)) != 0 : val_int(x, i) != 0;
}

bool ir_eval_nonzero(ir_call *c)
{
    const ir_val *x = c->in[0];
    int64_t n = 0, col = 0, total = val_count(x);
    walk w;

    for (int64_t i = 0; i < total; i++)
        n += is_set(x, i);
    ir_val *r = c->out[0] = eval_new(c->e, DT_I64, 2, (int64_t[]){x->rank, n});
    if (!r || !eval_charge(c->e, total))
        return false;
    walk_init(&w, x->rank, x->dim);
    for (int64_t i = 0; i < total; i++, walk_next(&w))
        if (is_set(x, i)) {
            for (int k = 0; k < x->rank; k++)
                num_store_int(DT_I64, val_at(r, k * n + col), w.at[k]);
            col++;
        }
    return true;
}

/* ---- unique(x) -> values, first index, inverse, counts ---------------------------------------
 * Of elements (`flat`) or of slices along an axis; sorted, or in order of first
 * appearance if `unsorted`. */

/* Elements, where each is first, which of them each element of x is, and how often
 * each occurs. */
bool ir_infer_unique(ir_infer *in)
{
    const struct ir_attr_UNIQUE *a = &in->attr->UNIQUE;
    ir_dim dim[IR_MAX_RANK], rows;

    if (!in_sortable(in, 0))
        return false;
    if (a->sym >= in_table(in)->symbol.len)
        return in_fail(in, "sym", "names no dim");
    const ir_type *x = in_type(in, 0);
    ir_dim n = in_table(in)->symbol.at[a->sym].self;
    if (!a->flat && !in_axis(in, a->axis, x->rank))
        return false;
    for (int i = 0; i < x->rank; i++)
        dim[i] = i == a->axis ? n : x->dim[i];
    rows = a->flat ? type_count(&in->b->m->types, x) : x->dim[a->axis];
    return in_result(in, x->dtype, a->flat ? 1 : x->rank, a->flat ? &n : dim) &&
           in_result(in, DT_I64, 1, &n) && in_result(in, DT_I64, 1, &rows) &&
           in_result(in, DT_I64, 1, &n);
}

/* The distinct rows of a call of unique. */
typedef struct groups {
    int64_t count, n;           /* rows, groups */
    int64_t *order;             /* rows in order */
    int64_t *group;             /* by row */
    int64_t *first, *size;      /* by group */
} groups;

static void find_groups(const rows *r, groups *g)
{
    for (int64_t i = 0; i < g->count; i++) {
        bool same = i && !order_rows(r, g->order[i - 1], g->order[i]);
        if (!same) {
            g->first[g->n] = g->order[i];
            g->size[g->n++] = 0;
        }
        g->group[g->order[i]] = g->n - 1;
        g->size[g->n - 1]++;
    }
}

/* Numbers the groups by first appearance; `room` is as long as rows. */
static void renumber(groups *g, int64_t *room)
{
    int64_t n = 0, *number = g->order;  /* no longer needed */

    for (int64_t i = 0; i < g->count; i++)
        if (g->first[g->group[i]] == i) {
            room[n] = i;
            number[n] = g->group[i];
            n++;
        }
    for (int64_t k = 0; k < n; k++)
        g->first[number[k]] = k;        /* new number of an old group */
    for (int64_t i = 0; i < g->count; i++)
        g->group[i] = g->first[g->group[i]];
    memcpy(g->first, room, (size_t)n * sizeof *room);
    memset(g->size, 0, (size_t)n * sizeof *g->size);
    for (int64_t i = 0; i < g->count; i++)
        g->size[g->group[i]]++;
}

/* x with the axis first, so that slices are rows. */
static ir_val *slices_of(ir_call *c, const struct ir_attr_UNIQUE *a, rows *r, int64_t *count)
{
    const ir_val *x = c->in[0];
    int64_t from[IR_MAX_RANK], own[IR_MAX_RANK], dim[IR_MAX_RANK], stride[IR_MAX_RANK];
    int n = 1;

    *count = a->flat ? val_count(x) : x->dim[a->axis];
    *r = (rows){x->dtype, x->data, 1, dt_size(x->dtype), false};
    if (a->flat)
        return eval_keep(c->in[0]);
    strides_of(x->rank, x->dim, from);
    dim[0] = x->dim[a->axis];
    stride[0] = from[a->axis];
    for (int i = 0; i < x->rank; i++)
        if (i != a->axis) {
            dim[n] = x->dim[i];
            r->width *= dim[n];
            stride[n++] = from[i];
        }
    ir_val *v = eval_new(c->e, x->dtype, x->rank, dim);
    if (v && strides_of(n, dim, own))
        copy_strided(n, dim, dt_size(x->dtype), v->data, own, x->data, stride);
    r->data = v ? v->data : NULL;
    return v;
}

static ir_val *list_of(ir_eval *e, const int64_t *v, int64_t n)
{
    ir_val *r = eval_new(e, DT_I64, 1, &n);

    if (r && n)
        memcpy(r->data, v, (size_t)n * sizeof *v);
    return r;
}

/* The first row of each group, put back along the axis. */
static ir_val *values_of(ir_call *c, const struct ir_attr_UNIQUE *a, const groups *g)
{
    const ir_val *x = c->in[0];
    int64_t dim[IR_MAX_RANK], size = dt_size(x->dtype), inner = 1, outer = 1;
    int64_t d = a->flat ? g->count : x->dim[a->axis];

    for (int i = 0; i < x->rank && !a->flat; i++) {
        dim[i] = i == a->axis ? g->n : x->dim[i];
        outer *= i < a->axis ? x->dim[i] : 1;
        inner *= i > a->axis ? x->dim[i] : 1;
    }
    dim[0] = a->flat ? g->n : dim[0];
    ir_val *r = eval_new(c->e, x->dtype, a->flat ? 1 : x->rank, dim);
    for (int64_t o = 0; r && o < outer; o++)
        for (int64_t k = 0; k < g->n; k++)
            memcpy(val_at(r, (o * g->n + k) * inner), val_at(x, (o * d + g->first[k]) * inner),
                   (size_t)(inner * size));
    return r;
}

/* Sorts the rows, groups equal neighbours, and numbers the groups by first appearance where
 * the result is not to be sorted. */
static bool unique(ir_call *c, const struct ir_attr_UNIQUE *a, const rows *r, int64_t count)
{
    int64_t n = max_i64(count, 1), *room = eval_scratch(c->e, 5 * n, sizeof *room);

    if (!room)
        return false;
    groups g = {count, 0, room + n, room + 2 * n, room + 3 * n, room + 4 * n};
    for (int64_t i = 0; i < count; i++)
        g.order[i] = i;
    sort_rows(r, g.order, count, room);
    find_groups(r, &g);
    if (a->unsorted)
        renumber(&g, room);
    bool ok = (c->out[0] = values_of(c, a, &g)) && (c->out[1] = list_of(c->e, g.first, g.n)) &&
              (c->out[2] = list_of(c->e, g.group, count)) &&
              (c->out[3] = list_of(c->e, g.size, g.n));
    mem_free(room);
    return ok;
}

bool ir_eval_unique(ir_call *c)
{
    const struct ir_attr_UNIQUE *a = &c->attr->UNIQUE;
    int64_t count;
    rows r;
    ir_val *v = slices_of(c, a, &r, &count);
    bool ok = v && unique(c, a, &r, count);

    eval_drop(v);
    return ok;
}
