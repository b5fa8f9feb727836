/* frontend/dsl/window.c - windows become WINDOW and CONV nodes.
 *
 *    max[k, l] x[c, 2 * p + k, 2 * q + l]                   WINDOW, max, stride 2
 *    sum[c, k] x[c, p + k] * w[o, c, k]                     CONV
 *    y[p * 2 + k] += x[p] * w[k]                            CONV of a dilated image
 *
 * The two kinds of index are told apart by what is done with them: the tap (k) is
 * reduced over, the place (p) stays.  Zeros (of a maximum: least values) that were
 * laid around the image become the pads of the node, so that `border` and
 * `max_pool` make what ONNX's operators make.  Whatever does not fit the pattern
 * returns null, and the caller falls back on gathers: nothing here is an error. */
#include <math.h>

#include "check.h"
#include "num.h"

/* Batch, channel, and the rest of IR_MAX_RANK. */
enum { MAX_SPATIAL = 6 };

/* An axis read at stride * p + dil * k, as in x[2 * p + 3 * k]: p is `out`, k is `tap`,
 * stride 2, dil 3.  low and high are the pads that were taken off x. */
typedef struct window {
    int at;                     /* in memory */
    dsl_axis *out, *tap;
    ir_dim stride, dil, low, high;
} window;

typedef struct windows {
    int n;
    window w[MAX_SPATIAL];
} windows;

/* ---- pads ------------------------------------------------------------------- */

static bool is_splat(const ir_build *b, ir_ref x, double want)
{
    const ir_node *n = ir_node_of(b->fn, x);
    uint8_t element[16];

    if (n->op != OP_CONST || !const_is_splat(b->m, n->attr->CONST.id, element))
        return false;
    ir_dtype dt = ir_type_of(b->fn, x)->dtype;
    return dt_is_float(dt) ? num_load_flt(dt, element) == want
                           : want == 0 && num_load_int(dt, element) == 0;
}

static bool window_at(const windows *w, int axis)
{
    for (int i = 0; i < w->n; i++)
        if (w->w[i].at == axis)
            return true;
    return false;
}

/* Is x a pad of this value, along windows only? */
static bool pads_windows(dsl *cx, const windows *w, ir_ref x, double value)
{
    const ir_build *b = dsl_b(cx);
    const ir_node *n = ir_node_of(b->fn, x);

    if (n->op != OP_PAD || n->attr->PAD.inner.n || !is_splat(b, ir_arg(b->fn, n, 1), value))
        return false;
    for (int i = 0; i < n->attr->PAD.low.n; i++) {
        bool none = dim_is(cx->dims, n->attr->PAD.low.at[i], 0) &&
                    dim_is(cx->dims, n->attr->PAD.high.at[i], 0);
        if (!none && !window_at(w, i))
            return false;
    }
    return true;
}

/* Takes pads of this value off x and adds them to the windows' own. */
static ir_ref strip_pads(dsl *cx, windows *w, ir_ref x, double value)
{
    dim_table *t = cx->dims;
    ir_build *b = dsl_b(cx);

    while (pads_windows(cx, w, x, value)) {
        const ir_node *n = ir_node_of(b->fn, x);
        for (int i = 0; i < w->n; i++) {
            window *s = &w->w[i];
            s->low = dim_add(t, s->low, n->attr->PAD.low.at[s->at]);
            s->high = dim_add(t, s->high, n->attr->PAD.high.at[s->at]);
        }
        x = ir_arg(b->fn, n, 0);
    }
    return x;
}

/* Elements from a window's first to its last: (taps - 1) * dil + 1. */
static ir_dim reach(dim_table *t, const window *w)
{
    ir_dim one = dim_int(t, 1);

    return dim_add(t, dim_mul(t, dim_sub(t, w->tap->extent, one), w->dil), one);
}

/* The high pad by which the window has exactly as many positions as its index; what it is
 * already, if that gives as many. */
static void fit_high(dsl *cx, window *w, ir_dim extent)
{
    dim_table *t = cx->dims;
    ir_dim one = dim_int(t, 1), room;

    room = dim_sub(t, dim_add(t, extent, dim_add(t, w->low, w->high)), reach(t, w));
    if (dsl_same(dim_add(t, dim_div(t, room, w->stride), one), w->out->extent))
        return;
    ir_dim last = dim_mul(t, dim_sub(t, w->out->extent, one), w->stride);
    w->high = dim_sub(t, dim_sub(t, dim_add(t, last, reach(t, w)), extent), w->low);
}

/* ---- which positions are windows? ------------------------------------------- */

/* The window of a form of two terms, whose tap is summed and whose other index is not. */
static bool window_of(dsl *cx, const dsl_affine *f, int at, const dsl_axes *over, window *w)
{
    if (f->n != 2)
        return false;
    bool first = dsl_has_axis(over, f->term[0].axis), second = dsl_has_axis(over, f->term[1].axis);
    if (first == second)
        return false;
    int tap = first ? 0 : 1;
    if (dim_lo(cx->dims, f->term[0].coef) <= 0 || dim_lo(cx->dims, f->term[1].coef) <= 0)
        return false;
    *w = (window){.at = at, .tap = f->term[tap].axis, .out = f->term[1 - tap].axis,
                  .dil = f->term[tap].coef, .stride = f->term[1 - tap].coef,
                  .low = dim_neg(cx->dims, f->constant), .high = dim_int(cx->dims, 0)};
    return true;
}

/* Does the axis occur once only, in the window? */
static bool once(const dsl_view *x, const dsl_axis *a)
{
    int n = 0;

    for (int i = 0; i < x->v->tensor.rank; i++) {
        n += x->v->tensor.axis[i] == a;
        for (int k = 0; k < x->form[i].n; k++)
            n += x->form[i].term[k].axis == a;
    }
    return n == 1;
}

static bool find_windows(dsl *cx, const dsl_view *x, const dsl_axes *over, windows *w)
{
    w->n = 0;
    for (int i = 0; i < x->v->tensor.rank; i++) {
        if (!x->form[i].n)
            continue;
        window *s = &w->w[w->n];
        if (w->n == MAX_SPATIAL || !window_of(cx, &x->form[i], i, over, s) ||
            !once(x, s->tap) || !once(x, s->out))
            return false;
        w->n++;
    }
    return w->n > 0;
}

/* ---- WINDOW ----------------------------------------------------------------- */

static double neutral(ir_redop op)
{
    return op == RED_MAX ? -INFINITY : op == RED_MIN ? INFINITY : 0;
}

/* Axes without a window have one of size 1. */
static ir_ref window_node(dsl *cx, ir_ref x, const windows *w, int rank, ir_redop op)
{
    ir_dim size[IR_MAX_RANK], stride[IR_MAX_RANK], dil[IR_MAX_RANK], low[IR_MAX_RANK],
        high[IR_MAX_RANK];
    ir_dim one = dim_int(cx->dims, 1), zero = dim_int(cx->dims, 0);

    for (int i = 0; i < rank; i++) {
        size[i] = stride[i] = dil[i] = one;
        low[i] = high[i] = zero;
    }
    for (int i = 0; i < w->n; i++) {
        const window *s = &w->w[i];
        size[s->at] = s->tap->extent;
        stride[s->at] = s->stride;
        dil[s->at] = s->dil;
        low[s->at] = s->low;
        high[s->at] = s->high;
    }
    ir_attr a = {.WINDOW = {.size = {rank, size}, .stride = {rank, stride}, .dil = {rank, dil},
                            .low = {rank, low}, .high = {rank, high}, .op = op}};
    return ir_make(dsl_b(cx), OP_WINDOW, &x, 1, &a);
}

/* Null if `over` is not just the taps of windows.  The result has the places where
 * the windows were. */
const dsl_value *dsl_reduce_window(dsl *cx, const dsl_view *view, ir_redop op,
                                   const dsl_axes *over)
{
    windows w;
    dsl_axis *axis[IR_MAX_RANK];
    const dsl_value *v = view->v;

    if (!find_windows(cx, view, over, &w))
        return NULL;
    ir_ref x = strip_pads(cx, &w, dsl_ref(cx, v), neutral(op));
    const ir_type *t = ir_type_of(dsl_b(cx)->fn, x);
    for (int i = 0; i < v->tensor.rank; i++)
        axis[i] = v->tensor.axis[i];
    for (int i = 0; i < w.n; i++) {
        axis[w.w[i].at] = w.w[i].out;
        fit_high(cx, &w.w[i], t->dim[w.w[i].at]);
    }
    ir_ref y = window_node(cx, x, &w, v->tensor.rank, op);
    const dsl_value *r = dsl_array_like(cx, v, y, v->tensor.rank, axis);
    return dsl_bad(r) ? r : dsl_reduce(cx, r, op, over);
}

/* ---- CONV ------------------------------------------------------------------- */

/* Axes by the role they play, as in sum[c, k] x[n, g, c, p + k] * w[g, o, c, k]: n
 * is batch, g group, c in, o out.  Several axes of one role become one axis of the
 * node, and are taken apart behind it. */
typedef struct roles {
    dsl_axes batch, group, in, out;
    windows w;
} roles;

/* Channels of the kernel that are positions g * m + o are taken apart. */
static bool split_kernel(dsl *cx, dsl_view *k)
{
    for (int i = 0; i < k->v->tensor.rank; i++)
        if (k->form[i].n && !dsl_view_split(cx, k, i))
            return false;
    return true;
}

/* Is it a position g * n + c of the image, with a group that the kernel has, too? */
static bool has_group(const dsl_affine *f, const dsl_view *k, const dsl_axes *over)
{
    for (int t = 0; t < f->n; t++)
        if (!dsl_has_axis(over, f->term[t].axis) && dsl_find(k->v, f->term[t].axis) >= 0)
            return true;
    return false;
}

/* An image whose channels are written g * C + c is reshaped to [.., g, c, ..], so
 * that the group is an axis. */
static bool split_channels(dsl *cx, dsl_view *x, const dsl_view *k, const dsl_axes *over)
{
    for (int i = 0; i < x->v->tensor.rank; i++)
        if (x->form[i].n && has_group(&x->form[i], k, over) && !dsl_view_split(cx, x, i))
            return false;
    return true;
}

/* Sorts the plain axes of image x and kernel k; false if one fits no role. */
static bool sort_axes(const dsl_view *x, const dsl_value *k, const dsl_axes *over, roles *r)
{
    for (int i = 0; i < x->v->tensor.rank; i++) {
        dsl_axis *a = x->v->tensor.axis[i];
        if (!a)
            continue;
        bool summed = dsl_has_axis(over, a), both = dsl_find(k, a) >= 0;
        if (summed && !both)
            return false;
        dsl_add_axis(summed ? &r->in : both ? &r->group : &r->batch, a);
    }
    for (int i = 0; i < k->tensor.rank; i++) {
        dsl_axis *a = k->tensor.axis[i];
        bool tap = false;
        for (int w = 0; w < r->w.n; w++)
            tap |= a == r->w.w[w].tap;
        if (!a || dsl_find(x->v, a) >= 0 || tap)
            continue;
        if (dsl_has_axis(over, a))
            return false;
        dsl_add_axis(&r->out, a);
    }
    for (int w = 0; w < r->w.n; w++)
        if (dsl_find(k, r->w.w[w].tap) < 0 || dsl_find(k, r->w.w[w].out) >= 0)
            return false;
    return true;
}

/* Appends the axes' product as one extent, and the axes to the order of a transpose. */
static void flatten_role(dsl *cx, const dsl_axes *l, const dsl_value *v, int32_t *perm, int *n,
                         ir_dim *shape, int *rank)
{
    ir_dim d = dim_int(cx->dims, 1);

    for (int i = 0; i < l->n; i++) {
        perm[(*n)++] = dsl_find(v, l->at[i]);
        d = dim_mul(cx->dims, d, l->at[i]->extent);
    }
    shape[(*rank)++] = d;
}

/* No node where the order and the extents are what they are already. */
static ir_ref move_and_shape(dsl *cx, ir_ref x, const int32_t *perm, int n, const ir_dim *shape,
                             int rank)
{
    bool same = true;

    for (int i = 0; i < n; i++)
        same &= perm[i] == i;
    x = same ? x : ir_transpose(dsl_b(cx), x, perm);
    const ir_type *t = x == IR_NONE ? NULL : ir_type_of(dsl_b(cx)->fn, x);
    same = t && t->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = dsl_same(t->dim[i], shape[i]);
    return same ? x : ir_reshape(dsl_b(cx), x, shape, rank);
}

/* x as [batch, group?, in, spatial..]. */
static ir_ref image(dsl *cx, const dsl_view *x, const roles *r, ir_ref ref)
{
    int32_t perm[IR_MAX_RANK];
    ir_dim shape[IR_MAX_RANK];
    int n = 0, rank = 0;
    const ir_type *t = ir_type_of(dsl_b(cx)->fn, ref);

    flatten_role(cx, &r->batch, x->v, perm, &n, shape, &rank);
    if (r->group.n)
        flatten_role(cx, &r->group, x->v, perm, &n, shape, &rank);
    flatten_role(cx, &r->in, x->v, perm, &n, shape, &rank);
    for (int i = 0; i < r->w.n; i++) {
        perm[n++] = r->w.w[i].at;
        shape[rank++] = t->dim[r->w.w[i].at];
    }
    return move_and_shape(cx, ref, perm, n, shape, rank);
}

/* k as [group?, out, in, taps..]. */
static ir_ref kernel(dsl *cx, const dsl_value *k, const roles *r)
{
    int32_t perm[IR_MAX_RANK];
    ir_dim shape[IR_MAX_RANK];
    int n = 0, rank = 0;

    if (r->group.n)
        flatten_role(cx, &r->group, k, perm, &n, shape, &rank);
    flatten_role(cx, &r->out, k, perm, &n, shape, &rank);
    flatten_role(cx, &r->in, k, perm, &n, shape, &rank);
    for (int i = 0; i < r->w.n; i++) {
        perm[n++] = dsl_find(k, r->w.w[i].tap);
        shape[rank++] = r->w.w[i].tap->extent;
    }
    return move_and_shape(cx, dsl_ref(cx, k), perm, n, shape, rank);
}

/* x and k are in the node's order by now.  ldil: the image's elements lie this far
 * apart, zeros in between; null: side by side. */
static ir_ref conv_node(dsl *cx, ir_ref x, ir_ref k, const roles *r, const ir_dim *ldil)
{
    int s = r->w.n, g = r->group.n > 0;
    int32_t spatial[MAX_SPATIAL], axis[3] = {0, 1, 2};
    ir_dim stride[MAX_SPATIAL], low[MAX_SPATIAL], high[MAX_SPATIAL], dil[MAX_SPATIAL],
        ones[MAX_SPATIAL];
    ir_ints none = {0}, first = {1, axis}, second = {1, axis + 1}, third = {1, axis + 2};
    ir_attr a = {0};

    for (int i = 0; i < s; i++) {
        const window *w = &r->w.w[i];
        spatial[i] = 2 + g + i;
        stride[i] = w->stride, dil[i] = w->dil, low[i] = w->low, high[i] = w->high;
        ones[i] = dim_int(cx->dims, 1);
    }
    a.CONV.xb = a.CONV.yb = first;
    a.CONV.xg = a.CONV.yg = g ? second : none;
    a.CONV.xf = a.CONV.yo = g ? third : second;
    a.CONV.wg = g ? first : none;
    a.CONV.wo = g ? second : first;
    a.CONV.wf = g ? third : second;
    a.CONV.xs = a.CONV.ws = a.CONV.ys = (ir_ints){s, spatial};
    a.CONV.stride = (ir_dims){s, stride};
    a.CONV.low = (ir_dims){s, low};
    a.CONV.high = (ir_dims){s, high};
    a.CONV.rdil = (ir_dims){s, dil};
    a.CONV.ldil = (ir_dims){s, ldil ? ldil : ones};
    return ir_make(dsl_b(cx), OP_CONV, (ir_ref[]){x, k}, 2, &a);
}

/* The node's result in its axes again. */
static const dsl_value *unflatten(dsl *cx, const dsl_value *like, ir_ref y, const roles *r)
{
    dsl_axis *axis[IR_MAX_RANK];
    ir_dim shape[IR_MAX_RANK];
    const dsl_axes *role[3] = {&r->batch, &r->group, &r->out};
    int rank = 0;

    for (int k = 0; k < 3; k++)
        for (int i = 0; i < role[k]->n; i++)
            axis[rank++] = role[k]->at[i];
    for (int i = 0; i < r->w.n; i++)
        axis[rank++] = r->w.w[i].out;
    for (int i = 0; i < rank; i++)
        shape[i] = axis[i]->extent;
    const ir_type *t = y == IR_NONE ? NULL : ir_type_of(dsl_b(cx)->fn, y);
    bool same = t && t->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = dsl_same(t->dim[i], shape[i]);
    return dsl_array_like(cx, like, same ? y : ir_reshape(dsl_b(cx), y, shape, rank), rank, axis);
}

/* Before channels are taken apart: pads of zeros come off x; where its windows began and
 * ended with them. */
static bool strip_image(dsl *cx, dsl_view *x, const dsl_view *k, const dsl_axes *over, windows *w)
{
    w->n = 0;
    for (int i = 0; i < x->v->tensor.rank; i++) {
        const dsl_affine *f = &x->form[i];
        if (!f->n || has_group(f, k, over))
            continue;
        if (w->n == MAX_SPATIAL || !window_of(cx, f, i, over, &w->w[w->n]))
            return false;
        w->n++;
    }
    if (!w->n)
        return false;
    ir_ref ref = strip_pads(cx, w, dsl_ref(cx, x->v), 0);
    x->v = dsl_array_like(cx, x->v, ref, x->v->tensor.rank, x->v->tensor.axis);
    return true;
}

/* The windows of x with the pads that were stripped. */
static bool padded_windows(dsl *cx, const dsl_view *x, const dsl_axes *over,
                           const windows *stripped, windows *w)
{
    if (!find_windows(cx, x, over, w) || w->n != stripped->n)
        return false;
    for (int i = 0; i < w->n; i++) {
        w->w[i].low = stripped->w[i].low;
        w->w[i].high = stripped->w[i].high;
        fit_high(cx, &w->w[i], dsl_extent(x->v, w->w[i].at));
    }
    return true;
}

/* Summed axes of extent 1 that only the kernel has are dropped. */
static const dsl_value *drop_own_ones(dsl *cx, const dsl_value *k, const dsl_view *x,
                                      const windows *w, const dsl_axes *over)
{
    dsl_axes ones = {0};

    for (int i = 0; i < k->tensor.rank; i++) {
        dsl_axis *a = k->tensor.axis[i];
        bool tap = false;
        for (int j = 0; j < w->n; j++)
            tap |= a == w->w[j].tap;
        if (a && !tap && dsl_has_axis(over, a) && dsl_find(x->v, a) < 0 &&
            dim_is(cx->dims, a->extent, 1))
            dsl_add_axis(&ones, a);
    }
    return dsl_squeeze(cx, k, &ones);
}

/* Null if it is no convolution.  Pads come off before channels are taken apart and
 * are handed to the windows afterwards, since a pad node between two reshapes would
 * hide them. */
const dsl_value *dsl_convolve(dsl *cx, const dsl_view *image_view, const dsl_view *kernel_view,
                              const dsl_axes *over)
{
    dsl_view x = *image_view, k = *kernel_view;
    windows stripped;
    roles r = {0};

    if (x.v->tensor.elem != DSL_REAL || !split_kernel(cx, &k) ||
        !strip_image(cx, &x, &k, over, &stripped) || !split_channels(cx, &x, &k, over) ||
        !padded_windows(cx, &x, over, &stripped, &r.w))
        return NULL;
    k.v = drop_own_ones(cx, k.v, &x, &r.w, over);
    if (!sort_axes(&x, k.v, over, &r))
        return NULL;
    ir_ref w = kernel(cx, k.v, &r);
    ir_ref y = conv_node(cx, image(cx, &x, &r, dsl_ref(cx, x.v)), w, &r, NULL);
    return unflatten(cx, x.v, y, &r);
}

/* ---- transposed convolutions ------------------------------------------------- */

/* The window that a place p * stride + i of the result makes of image x and kernel k: p is
 * an axis of x alone, i of k alone. */
static bool spread_window(dsl *cx, const dsl_affine *f, const dsl_value *x, const dsl_value *k,
                          window *w)
{
    if (f->n != 2 || !dim_is(cx->dims, f->constant, 0))
        return false;
    int p = dsl_find(x, f->term[0].axis) >= 0 ? 0 : 1;
    dsl_axis *out = f->term[p].axis, *tap = f->term[1 - p].axis;
    int at = dsl_find(x, out);
    if (at < 0 || dsl_find(k, out) >= 0 || dsl_find(k, tap) < 0 || dsl_find(x, tap) >= 0 ||
        dim_lo(cx->dims, f->term[0].coef) <= 0 || dim_lo(cx->dims, f->term[1].coef) <= 0)
        return false;
    *w = (window){.at = at, .tap = tap, .dil = f->term[1 - p].coef, .stride = f->term[p].coef};
    w->low = dim_mul(cx->dims, dim_sub(cx->dims, tap->extent, dim_int(cx->dims, 1)), w->dil);
    w->high = w->low;
    return true;
}

/* k with its taps turned around. */
static const dsl_value *turned(dsl *cx, const dsl_value *k, const windows *w)
{
    dim_table *t = cx->dims;
    ir_dim start[IR_MAX_RANK], step[IR_MAX_RANK], extent[IR_MAX_RANK];

    for (int i = 0; i < k->tensor.rank; i++) {
        bool tap = false;
        for (int j = 0; j < w->n; j++)
            tap |= w->w[j].tap == k->tensor.axis[i];
        extent[i] = dsl_extent(k, i);
        start[i] = tap ? dim_sub(t, extent[i], dim_int(t, 1)) : dim_int(t, 0);
        step[i] = dim_int(t, tap ? -1 : 1);
    }
    ir_ref x = ir_slice(dsl_b(cx), dsl_ref(cx, k), start, step, extent);
    return dsl_array_like(cx, k, x, k->tensor.rank, k->tensor.axis);
}

/* The extent of a result of which neighbours lie `stride` apart and taps reach `low`. */
static dsl_axis *spread_axis(dsl *cx, const window *w, ir_dim extent)
{
    dim_table *t = cx->dims;
    ir_dim last = dim_mul(t, dim_sub(t, extent, dim_int(t, 1)), w->stride);

    return dsl_axis_new(cx, ":", dim_add(t, dim_add(t, last, w->low), dim_int(t, 1)));
}

/* y[p * stride + i] += x[p] * k[i], a transposed convolution: an ordinary one of
 * the image with stride - 1 zeros between its elements, by the kernel turned
 * around.  Null if a place is of another form.  *out has the axes of the result. */
const dsl_value *dsl_spread(dsl *cx, const dsl_value *x, const dsl_value *k, const dsl_axes *over,
                            const dsl_affine *place, int n, dsl_axes *out)
{
    dsl_view image_view = {.v = x};
    ir_dim ldil[MAX_SPATIAL];
    roles r = {0};

    *out = (dsl_axes){0};
    for (int i = 0; i < n; i++) {
        window *w = &r.w.w[r.w.n];
        if (place[i].n == 1) {
            dsl_add_axis(out, place[i].term[0].axis);
            continue;
        }
        if (r.w.n == MAX_SPATIAL || !spread_window(cx, &place[i], x, k, w))
            return NULL;
        w->out = spread_axis(cx, w, dsl_extent(x, w->at));
        ldil[r.w.n++] = w->stride;
        w->stride = dim_int(cx->dims, 1);
        dsl_add_axis(out, w->out);
    }
    dsl_axis *axis[IR_MAX_RANK];        /* of x: the image's positions are no channels */
    for (int i = 0; i < x->tensor.rank; i++)
        axis[i] = x->tensor.axis[i];
    for (int i = 0; i < r.w.n; i++)
        axis[r.w.w[i].at] = NULL;
    image_view.v = dsl_array_like(cx, x, dsl_ref(cx, x), x->tensor.rank, axis);
    if (!r.w.n || x->tensor.elem != DSL_REAL || !sort_axes(&image_view, k, over, &r))
        return NULL;
    k = turned(cx, k, &r.w);
    ir_ref w = kernel(cx, k, &r);
    ir_ref y = conv_node(cx, image(cx, &image_view, &r, dsl_ref(cx, x)), w, &r, ldil);
    return unflatten(cx, x, y, &r);
}
