/* export/onnx_contract.c - writes products, convolutions and windows as ONNX. */
#include <math.h>

#include "axes.h"
#include "onnx_writer.h"

/* ---- products ---------------------------------------------------------------------- */

/* Letters of an operand's axes: shared ones for batch and sums, its own for the rest. */
static void label(text *t, int rank, ir_ints batch, ir_ints sum, char *next)
{
    for (int i = 0; i < rank; i++) {
        int b = ir_find_axis(batch, i), s = ir_find_axis(sum, i);
        text_add(t, "%c", b >= 0 ? 'a' + b : s >= 0 ? 'a' + batch.n + s : (*next)++);
    }
}

/* "ab,bc->ac": batch axes, then the free ones of a and of b. */
static const char *equation(ox *g, const ir_node *n)
{
    const struct ir_attr_DOT *d = &n->attr->DOT;
    char first = (char)('a' + d->batch_a.n + d->sum_a.n), next = first;
    text t = {0};

    label(&t, ox_type(g, n, 0)->rank, d->batch_a, d->sum_a, &next);
    text_add(&t, ",");
    label(&t, ox_type(g, n, 1)->rank, d->batch_b, d->sum_b, &next);
    text_add(&t, "->");
    for (int i = 0; i < d->batch_a.n; i++)
        text_add(&t, "%c", 'a' + i);
    for (char c = first; c < next; c++)
        text_add(&t, "%c", c);
    const char *s = arena_strdup(&g->file->mem, t.at);
    text_free(&t);
    return s;
}

/* Is it what MatMul does: leading batch axes, sums over the last axis of a and the one
 * before the last of b? */
static bool is_matmul(const ox *g, const ir_node *n)
{
    const struct ir_attr_DOT *d = &n->attr->DOT;
    int ra = ox_type(g, n, 0)->rank, rb = ox_type(g, n, 1)->rank;

    for (int i = 0; i < d->batch_a.n; i++)
        if (d->batch_a.at[i] != i || d->batch_b.at[i] != i)
            return false;
    return d->sum_a.n == 1 && d->sum_a.at[0] == ra - 1 && ra == d->batch_a.n + 2 &&
           rb == d->batch_a.n + 2 && d->sum_b.at[0] == rb - 2;
}

/* Integers are summed in the type of the result, halves in f32. */
static ir_dtype product_type(ir_dtype to)
{
    return to == DT_F16 || to == DT_BF16 ? DT_F32 : to;
}

/* MatMul where it is one, else Einsum, which says any axes. */
bool ox_dot(ox *g, const ir_node *n, const char **out)
{
    ir_dtype to = ir_type_of(g->fn, n->first)->dtype, by = product_type(to);
    const char *x[2];

    for (uint32_t i = 0; i < 2; i++)
        x[i] = ox_type(g, n, i)->dtype == by ? ox_arg(g, n, i)
                                             : ox_cast(g, ox_arg(g, n, i), by);
    if (is_matmul(g, n)) {
        out[0] = ox_2(g, "MatMul", x[0], x[1]);
    } else {
        Onnx__NodeProto *p = ox_add(g, "Einsum", x, 2, 1);
        ox_text(g, p, "equation", equation(g, n));
        out[0] = ox_result(p);
    }
    out[0] = by == to ? out[0] : ox_cast(g, out[0], to);
    return true;
}

/* ---- convolutions --------------------------------------------------------------------- */

/* Extents of these axes, multiplied. */
static ir_dim product_of(ox *g, const ir_type *t, ir_ints axes)
{
    dim_table *d = (dim_table *)&g->file->m->dims;
    ir_dim n = {1};

    for (int i = 0; i < axes.n; i++)
        n = dim_mul(d, n, t->dim[axes.at[i]]);
    return n;
}

static int add_axes(int32_t *perm, int at, ir_ints axes)
{
    for (int i = 0; i < axes.n; i++)
        perm[at++] = axes.at[i];
    return at;
}

/* An operand in ONNX's form: two joined axes, then the spatial ones, of which there is at
 * least one. */
static const char *in_form(ox *g, const char *x, const ir_type *t, const ir_ints role[4],
                           int split)
{
    int32_t perm[IR_MAX_RANK];
    ir_dim shape[IR_MAX_RANK + 2] = {{1}, {1}, {1}};
    dim_table *d = (dim_table *)&g->file->m->dims;
    int at = 0, rank = 2;

    for (int k = 0; k < 3; k++) {
        at = add_axes(perm, at, role[k]);
        shape[k >= split] = dim_mul(d, shape[k >= split], product_of(g, t, role[k]));
    }
    add_axes(perm, at, role[3]);
    for (int i = 0; i < role[3].n; i++)
        shape[rank++] = t->dim[role[3].at[i]];
    x = ox_transpose(g, x, perm, t->rank);
    bool same = t->rank == rank && rank > 2;
    for (int i = 0; same && i < rank; i++)
        same = dim_same(t->dim[perm[i]], shape[i]);
    return same ? x : ox_reshape(g, x, shape, rank > 2 ? rank : 3);
}

/* The result of Conv as the node's: its axes apart, and in their order. */
static const char *from_form(ox *g, const char *y, const ir_node *n)
{
    const struct ir_attr_CONV *a = &n->attr->CONV;
    const ir_type *t = ir_type_of(g->fn, n->first);
    const ir_ints role[4] = {a->yb, a->yg, a->yo, a->ys};
    int32_t perm[IR_MAX_RANK], back[IR_MAX_RANK];
    ir_dim shape[IR_MAX_RANK];
    int at = 0;

    for (int k = 0; k < 4; k++)
        at = add_axes(perm, at, role[k]);
    for (int i = 0; i < t->rank; i++) {
        shape[i] = t->dim[perm[i]];
        back[perm[i]] = i;
    }
    if (a->yb.n != 1 || a->yg.n || a->yo.n != 1 || !a->ys.n)
        y = ox_reshape(g, y, shape, t->rank);
    return ox_transpose(g, y, back, t->rank);
}

/* A list of spatial numbers as attribute, `usual` where the list is left out. */
static bool set_list(ox *g, Onnx__NodeProto *p, const char *name, ir_dims list, int n,
                     int64_t usual)
{
    int64_t v[IR_MAX_RANK];

    for (int i = 0; i < n || i == 0; i++)
        v[i] = usual;
    if (!ox_known(g, list, v))
        return false;
    ox_ints(g, p, name, v, (size_t)(n ? n : 1));
    return true;
}

/* Are the zeros around the image an attribute of Conv: known, and none cut?  v gets them. */
static bool known_pads(const ox *g, const struct ir_attr_CONV *a, int64_t *v)
{
    int n = a->xs.n;
    bool known = ox_known(g, a->low, v) && ox_known(g, a->high, v + n);

    for (int i = 0; known && i < 2 * n; i++)
        known = v[i] >= 0;
    return known;
}

/* x: [batch, features, spatial..] with values between neighbours and around it. */
static const char *padded(ox *g, const char *x, const ir_node *n)
{
    const struct ir_attr_CONV *a = &n->attr->CONV;
    const ir_type *t = ox_type(g, n, 0);
    const char *zero = ox_number(g, product_type(t->dtype), 0);
    ir_dim pads[2 * (IR_MAX_RANK + 2)] = {0};
    int rank = a->xs.n + 2;

    if (!a->low.n && !a->high.n)
        return x;
    for (int i = 0; i < a->xs.n; i++) {
        pads[2 + i] = a->low.n ? a->low.at[i] : (ir_dim){0};
        pads[rank + 2 + i] = a->high.n ? a->high.at[i] : (ir_dim){0};
    }
    return ox_pad(g, x, ox_dims(g, pads, 2 * rank), zero);
}

static bool spreads(const ox *g, const struct ir_attr_CONV *a)
{
    for (int i = 0; i < a->ldil.n; i++)
        if (!dim_is(&g->file->m->dims, a->ldil.at[i], 1))
            return true;
    return false;
}

/* The operand of x with ldil - 1 zeros between neighbours. */
static const char *spread_out(ox *g, const char *x, const ir_node *n)
{
    const struct ir_attr_CONV *a = &n->attr->CONV;
    dim_table *d = (dim_table *)&g->file->m->dims;
    const ir_type *t = ox_type(g, n, 0);
    const char *zero = ox_number(g, product_type(t->dtype), 0);
    ir_dim shape[IR_MAX_RANK];

    memcpy(shape, t->dim, (size_t)t->rank * sizeof *shape);
    for (int i = 0; i < a->xs.n; i++)
        if (!dim_is(d, a->ldil.at[i], 1))
            x = ox_spread(g, x, shape, t->rank, a->xs.at[i],
                          dim_sub(d, a->ldil.at[i], (ir_dim){1}), zero);
    return x;
}

/* The type of x once it is spread. */
static ir_type spread_type(ox *g, const ir_node *n, ir_dim *shape)
{
    const struct ir_attr_CONV *a = &n->attr->CONV;
    dim_table *d = (dim_table *)&g->file->m->dims;
    ir_type t = *ox_type(g, n, 0);
    const ir_dim one = {1};

    memcpy(shape, t.dim, (size_t)t.rank * sizeof *shape);
    for (int i = 0; i < a->ldil.n; i++) {
        ir_dim *e = &shape[a->xs.at[i]];
        *e = dim_add(d, dim_mul(d, dim_sub(d, *e, one), a->ldil.at[i]), one);
    }
    t.dim = shape;
    return t;
}

static bool is_byte(ir_dtype dt)
{
    return dt == DT_U8 || dt == DT_I8;
}

/* Conv wants [batch, channels, space..]: joined before, taken apart behind.  A
 * dilated image is spread by zeros, which is what it means.  ConvInteger is one of bytes. */
bool ox_conv(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_CONV *a = &n->attr->CONV;
    ir_dtype to = ir_type_of(g->fn, n->first)->dtype, by = product_type(to);
    const char *x[2];
    ir_dim shape[IR_MAX_RANK];
    int64_t groups, pads[2 * IR_MAX_RANK] = {0};

    bool bytes = to == DT_I32 && is_byte(ox_type(g, n, 0)->dtype) &&
                 is_byte(ox_type(g, n, 1)->dtype);

    if (!dt_is_float(by) && !bytes)
        return ox_gap(g, n, "ONNX has convolutions of floats and of bytes only");
    if (!dim_const(&g->file->m->dims, product_of(g, ox_type(g, n, 0), a->xg), &groups))
        return ox_gap(g, n, "of a number of groups that only the run knows");
    for (uint32_t i = 0; i < 2; i++)
        x[i] = bytes || ox_type(g, n, i)->dtype == by ? ox_arg(g, n, i)
                                                      : ox_cast(g, ox_arg(g, n, i), by);
    if (spreads(g, a))
        x[0] = spread_out(g, x[0], n);
    const ir_type t = spread_type(g, n, shape);
    x[0] = in_form(g, x[0], &t, (const ir_ints[]){a->xb, a->xg, a->xf, a->xs}, 1);
    x[1] = in_form(g, x[1], ox_type(g, n, 1), (const ir_ints[]){a->wg, a->wo, a->wf, a->ws}, 2);
    bool attribute = known_pads(g, a, pads);
    if (!attribute)
        x[0] = padded(g, x[0], n);
    Onnx__NodeProto *p = ox_add(g, bytes ? "ConvInteger" : "Conv", x, 2, 1);
    if (attribute && (a->low.n || a->high.n))
        ox_ints(g, p, "pads", pads, (size_t)(2 * a->xs.n));
    ox_int(g, p, "group", groups);
    if (!set_list(g, p, "strides", a->stride, a->xs.n, 1) ||
        !set_list(g, p, "dilations", a->rdil, a->xs.n, 1))
        return ox_gap(g, n, "of strides that only the run knows");
    out[0] = from_form(g, ox_result(p), n);
    out[0] = by == to ? out[0] : ox_cast(g, out[0], to);
    return true;
}

/* ---- windows --------------------------------------------------------------------------- */

/* One window of the node's as numbers. */
typedef struct window {
    int64_t size[IR_MAX_RANK], stride[IR_MAX_RANK], dil[IR_MAX_RANK];
    int64_t low[IR_MAX_RANK], high[IR_MAX_RANK];
    int rank, first;            /* the first axis that it moves along; two before it, at least */
} window;

/* False where a number is not known.  first: where the moving axes begin. */
static bool known_window(const ox *g, const struct ir_attr_WINDOW *a, int rank, window *w)
{
    w->rank = rank;
    if (!ox_known(g, a->size, w->size) || !ox_known(g, a->stride, w->stride) ||
        !ox_known(g, a->dil, w->dil) || !ox_known(g, a->low, w->low) ||
        !ox_known(g, a->high, w->high))
        return false;
    for (w->first = 0; w->first < rank; w->first++)
        if (w->size[w->first] != 1 || w->stride[w->first] != 1 || w->low[w->first] ||
            w->high[w->first])
            break;
    return true;
}

/* Extents with exactly two axes before the first that the window moves along. */
static int pooled_shape(ox *g, const window *w, const ir_dim *d, ir_dim *shape)
{
    int n = 2;

    shape[0] = (ir_dim){1};
    shape[1] = (ir_dim){1};
    for (int i = 0; i < w->first; i++)
        shape[1] = dim_mul((dim_table *)&g->file->m->dims, shape[1], d[i]);
    for (int i = w->first; i < w->rank; i++)
        shape[n++] = d[i];
    if (n == 2)
        shape[n++] = (ir_dim){1};
    return n;
}

/* Numbers of the moving axes; 1, or 0, if there is none. */
static void set_numbers(ox *g, Onnx__NodeProto *p, const char *name, const window *w,
                        const int64_t *v)
{
    const int64_t one = 1;
    int n = w->rank - w->first;

    ox_ints(g, p, name, n ? v + w->first : &one, (size_t)(n ? n : 1));
}

/* `pads` only where the operator itself pads. */
static void set_window(ox *g, Onnx__NodeProto *p, const window *w, bool pads)
{
    int64_t v[2 * IR_MAX_RANK] = {0};
    int n = w->rank - w->first;

    set_numbers(g, p, "kernel_shape", w, w->size);
    set_numbers(g, p, "strides", w, w->stride);
    set_numbers(g, p, "dilations", w, w->dil);
    for (int i = 0; pads && i < n; i++) {
        v[i] = w->low[w->first + i];
        v[n + i] = w->high[w->first + i];
    }
    if (pads && n)
        ox_ints(g, p, "pads", v, (size_t)(2 * n));
}

/* x with `value` around it. */
static const char *window_pad(ox *g, const char *x, const window *w, int rank,
                              const char *value)
{
    int64_t v[2 * (IR_MAX_RANK + 2)] = {0};

    for (int i = w->first; i < w->rank; i++) {
        v[2 + i - w->first] = w->low[i];
        v[rank + 2 + i - w->first] = w->high[i];
    }
    return ox_pad(g, x, ox_i64s(g, v, (size_t)(2 * rank)), value);
}

/* The mean of a window, everything around counting as 0, times its size. */
static const char *window_sum(ox *g, const char *x, const window *w, int rank, ir_dtype dt)
{
    double size = 1;

    x = window_pad(g, x, w, rank, ox_number(g, dt, 0));
    for (int i = w->first; i < w->rank; i++)
        size *= (double)w->size[i];
    Onnx__NodeProto *p = ox_add(g, "AveragePool", &x, 1, 1);
    set_window(g, p, w, false);
    return ox_2(g, "Mul", ox_result(p), ox_number(g, dt, size));
}

static const char *window_max(ox *g, const char *x, const window *w, int rank, ir_dtype dt)
{
    x = window_pad(g, x, w, rank, ox_number(g, dt, -INFINITY));
    Onnx__NodeProto *p = ox_add(g, "MaxPool", &x, 1, 1);
    set_window(g, p, w, false);
    return ox_result(p);
}

static const char *pooled(ox *g, const char *x, const window *w, int rank, ir_redop op,
                          ir_dtype dt)
{
    switch (op) {
    case RED_SUM: return window_sum(g, x, w, rank, dt);
    case RED_MAX: return window_max(g, x, w, rank, dt);
    default: return ox_1(g, "Neg", window_max(g, ox_1(g, "Neg", x), w, rank, dt));
    }
}

/* Integers whose extremes floats hold are compared as those. */
static ir_dtype window_type(ir_dtype dt, ir_redop op)
{
    if (dt_is_float(dt) || op == RED_SUM || dt_size(dt) > 4)
        return product_type(dt);
    return dt_size(dt) < 4 ? DT_F32 : DT_F64;
}

/* MaxPool and AveragePool take two axes in front of the moving ones: others are
 * joined or added by a reshape. */
bool ox_window(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_WINDOW *a = &n->attr->WINDOW;
    const ir_type *t = ox_type(g, n, 0), *to = ir_type_of(g->fn, n->first);
    ir_dtype by = window_type(t->dtype, a->op);
    ir_dim shape[IR_MAX_RANK + 3];
    window w;

    if (!known_window(g, a, t->rank, &w))
        return ox_gap(g, n, "of windows that only the run knows");
    if (!dt_is_float(by) || (a->op != RED_SUM && a->op != RED_MAX && a->op != RED_MIN))
        return ox_gap(g, n, "ONNX has sums of floats and extremes of up to 32 bits over windows "
                      "only");
    int rank = pooled_shape(g, &w, t->dim, shape);
    const char *x = by == t->dtype ? ox_arg(g, n, 0) : ox_cast(g, ox_arg(g, n, 0), by);
    x = pooled(g, ox_reshape(g, x, shape, rank), &w, rank, a->op, by);
    x = ox_reshape(g, x, to->dim, to->rank);
    out[0] = by == t->dtype ? x : ox_cast(g, x, t->dtype);
    return true;
}

/* The second result of MaxPool; what it adds around x is never the maximum. */
bool ox_windowarg(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_WINDOW a = {
        .size = n->attr->WINDOWARG.size, .stride = n->attr->WINDOWARG.stride,
        .dil = n->attr->WINDOWARG.dil, .low = n->attr->WINDOWARG.low,
        .high = n->attr->WINDOWARG.high};
    const ir_type *t = ox_type(g, n, 0), *to = ir_type_of(g->fn, n->first);
    ir_dim shape[IR_MAX_RANK + 3];
    window w;

    if (!known_window(g, &a, t->rank, &w) || !dt_is_float(t->dtype))
        return ox_gap(g, n, "of windows that only the run knows, or of integers");
    int rank = pooled_shape(g, &w, t->dim, shape);
    const char *x = ox_arg(g, n, 0);
    if (n->attr->WINDOWARG.op == RED_MIN)
        x = ox_1(g, "Neg", x);
    x = ox_reshape(g, x, shape, rank);
    Onnx__NodeProto *p = ox_add(g, "MaxPool", &x, 1, 2);
    set_window(g, p, &w, true);
    out[0] = ox_reshape(g, p->output[1], to->dim, to->rank);
    return true;
}
