/* frontend/onnx/conv.c - convolution and pooling.
 *
 *    Conv          y[n, k, p] = sum[c, r] x[n, c, p * stride + r * dilation - pad] * w[k, c, r]
 *    ConvTranspose the same of an image with stride - 1 zeros between its elements
 *    MaxPool ..    a WINDOW node with batch and channel axes of size 1
 *
 * ONNX's pads come as one list, all low ones, then all high ones, or as auto_pad,
 * which chooses them by the extents; ceil_mode is one more way to make a result
 * larger.  All of that is settled here: nodes of the IR have explicit pads, which
 * are dims and so may depend on symbols. */
#include "conv.h"

static const ir_dim zero = {0}, one = {1};

/* A list of positive numbers, one a spatial axis, which are all `otherwise` if it is absent. */
static bool int_attr(onnx_op *n, const char *name, int count, int64_t otherwise, ir_dim *out)
{
    int len;
    const int64_t *v = onnx_ints(n, name, &len);

    if (len >= 0 && len != count)
        return onnx_fail(n, "%s has %d elements for %d spatial axes", name, len, count);
    for (int i = 0; i < count; i++) {
        if (len >= 0 && v[i] < 1)
            return onnx_fail(n, "%s must be positive", name);
        out[i] = dim_int(onnx_dims(n), len >= 0 ? v[i] : otherwise);
    }
    return true;
}

/* Reach of a window: (size - 1) * dilation + 1. */
static ir_dim reach(dim_table *t, const windows *w, int i)
{
    return dim_add(t, dim_mul(t, dim_sub(t, w->size[i], one), w->dil[i]), one);
}

/* Pads so that ceil(d / stride) windows fit; the odd one goes to the end, or to the beginning
 * if `lower`. */
static void pad_same(onnx_op *n, windows *w, ir_ref x, bool lower)
{
    dim_table *t = onnx_dims(n);

    for (int i = 0; i < w->n; i++) {
        ir_dim d = onnx_dim(n, x, i + 2), out = dim_ceildiv(t, d, w->stride[i]);
        ir_dim last = dim_mul(t, dim_sub(t, out, one), w->stride[i]);
        ir_dim span = dim_add(t, last, reach(t, w, i));
        ir_dim all = dim_max(t, dim_sub(t, span, d), zero);
        ir_dim half = dim_div(t, all, dim_int(t, 2)), rest = dim_sub(t, all, half);
        w->low[i] = lower ? rest : half;
        w->high[i] = lower ? half : rest;
    }
}

static const char auto_pads[] = "NOTSET SAME_UPPER SAME_LOWER VALID";

/* Strides, dilations and pads; size must be set. */
static bool load_windows(onnx_op *n, windows *w, ir_ref x)
{
    const char *mode = onnx_choice(n, "auto_pad", auto_pads);
    int len;
    const int64_t *pads = onnx_ints(n, "pads", &len);

    if (!int_attr(n, "strides", w->n, 1, w->stride) || !int_attr(n, "dilations", w->n, 1, w->dil))
        return false;
    if (len >= 0 && len != 2 * w->n)
        return onnx_fail(n, "%d pads for %d spatial axes", len, w->n);
    for (int i = 0; i < w->n; i++) {
        w->low[i] = len < 0 ? zero : dim_int(onnx_dims(n), pads[i]);
        w->high[i] = len < 0 ? zero : dim_int(onnx_dims(n), pads[i + w->n]);
    }
    if (!strncmp(mode, "SAME_", 5))
        pad_same(n, w, x, !strcmp(mode, "SAME_LOWER"));
    else if (!strcmp(mode, "VALID"))
        for (int i = 0; i < w->n; i++)
            w->low[i] = w->high[i] = zero;
    return true;
}

/* ---- convolution ---------------------------------------------------------------- */

/* conv of x[N,C,S..] by w[K,C/g,R..]; groups by an axis of their own. */
static ir_ref convolve(onnx_op *n, ir_ref x, ir_ref w, int64_t groups, const windows *win,
                       const ir_dim *ldil)
{
    dim_table *t = onnx_dims(n);
    const ir_type *xt = onnx_type(n, x), *wt = onnx_type(n, w);
    int s = win->n, g = groups > 1;
    int32_t spatial[MAX_SPATIAL], axis[3] = {0, 1, 2};
    ir_dim xs[IR_MAX_RANK], ws[IR_MAX_RANK], ones[MAX_SPATIAL];
    ir_attr a = {0};

    iota(spatial, 2 + g, s);
    for (int i = 0; i < s; i++)
        ones[i] = one;
    ir_ints none = {0}, first = {1, axis}, second = {1, axis + 1}, third = {1, axis + 2};
    ir_ints sp = {s, spatial};
    a.CONV.xb = a.CONV.yb = first;
    a.CONV.xg = a.CONV.yg = g ? second : none;
    a.CONV.xf = a.CONV.yo = g ? third : second;
    a.CONV.wg = g ? first : none;
    a.CONV.wo = g ? second : first;
    a.CONV.wf = g ? third : second;
    a.CONV.xs = a.CONV.ws = a.CONV.ys = sp;
    a.CONV.stride = (ir_dims){s, win->stride};
    a.CONV.low = (ir_dims){s, win->low};
    a.CONV.high = (ir_dims){s, win->high};
    a.CONV.ldil = (ir_dims){s, ldil ? ldil : ones};
    a.CONV.rdil = (ir_dims){s, win->dil};
    if (g) {
        ir_dim gd = dim_int(t, groups);
        xs[0] = xt->dim[0], xs[1] = gd, xs[2] = dim_div(t, xt->dim[1], gd);
        ws[0] = gd, ws[1] = dim_div(t, wt->dim[0], gd), ws[2] = wt->dim[1];
        for (int i = 0; i < s; i++)
            xs[i + 3] = xt->dim[i + 2], ws[i + 3] = wt->dim[i + 2];
        x = ir_reshape(n->b, x, xs, s + 3);
        w = ir_reshape(n->b, w, ws, s + 3);
    }
    ir_ref y = ir_make(n->b, OP_CONV, (ir_ref[]){x, w}, 2, &a);
    if (!g || y == IR_NONE)
        return y;
    const ir_type *yt = onnx_type(n, y);
    ir_dim ys[IR_MAX_RANK] = {yt->dim[0], dim_mul(t, yt->dim[1], yt->dim[2])};
    for (int i = 0; i < s; i++)
        ys[i + 2] = yt->dim[i + 3];
    return ir_reshape(n->b, y, ys, s + 2);
}

/* bias[K] along axis 1; nothing if it is absent. */
static ir_ref add_bias(onnx_op *n, ir_ref y, ir_ref bias)
{
    if (bias == IR_NONE || y == IR_NONE)
        return y;
    const ir_type *t = onnx_type(n, y);
    return ir_2(n->b, OP_ADD, y, ir_broadcast_axis(n->b, bias, t->dim, t->rank, 1));
}

/* Reads group, ranks, kernel extents and windows; channels are not looked at yet. */
static bool conv_operands(onnx_op *n, ir_ref x, ir_ref w, windows *win, int64_t *groups)
{
    *groups = onnx_int(n, "group", 1);
    if (x == IR_NONE || w == IR_NONE)
        return onnx_fail(n, "takes an image and weights");
    win->n = onnx_rank(n, x) - 2;
    if (win->n < 1 || win->n > MAX_SPATIAL || onnx_rank(n, w) != win->n + 2)
        return onnx_fail(n, "image of rank %d and weights of rank %d", onnx_rank(n, x),
                         onnx_rank(n, w));
    if (*groups < 1)
        return onnx_fail(n, "group is %lld", (long long)*groups);
    for (int i = 0; i < win->n; i++)
        win->size[i] = onnx_dim(n, w, i + 2);
    return load_windows(n, win, x);
}

/* Do the channels of x and w fit? */
static bool conv_channels(onnx_op *n, ir_ref x, ir_ref w, int64_t groups)
{
    dim_table *t = onnx_dims(n);
    ir_dim c = dim_mul(t, onnx_dim(n, w, 1), dim_int(t, groups));
    if (dim_differ(t, c, onnx_dim(n, x, 1))) {
        text has = {0}, want = {0};
        dim_print(t, onnx_dim(n, x, 1), &has);
        dim_print(t, c, &want);
        onnx_fail(n, "input has %s channels, the weights expect %s", has.at, want.at);
        text_free(&has);
        text_free(&want);
        return false;
    }
    int64_t k;
    if (dim_const(t, onnx_dim(n, w, 0), &k) && k % groups)
        return onnx_fail(n, "%lld output channels in %lld groups", (long long)k, (long long)groups);
    return true;
}

bool conv_load(onnx_op *n, ir_ref x, ir_ref w, windows *win, int64_t *groups)
{
    return conv_operands(n, x, w, win, groups) && conv_channels(n, x, w, *groups);
}

ir_ref onnx_convolution(onnx_op *n, ir_ref x, ir_ref w, ir_ref bias)
{
    windows win;
    int64_t groups;

    if (!conv_load(n, x, w, &win, &groups))
        return IR_NONE;
    return add_bias(n, convolve(n, x, w, groups, &win, NULL), bias);
}

bool onnx_conv(onnx_op *n)
{
    return onnx_out(n, 0, onnx_convolution(n, onnx_in(n, 0), onnx_in(n, 1), onnx_in(n, 2)));
}

/* w[C,K/g,R..] -> [K,C/g,R..] with its taps turned around */
static ir_ref transposed_weights(onnx_op *n, ir_ref w, int64_t groups)
{
    dim_table *t = onnx_dims(n);
    const ir_type *wt = onnx_type(n, w);
    int s = wt->rank - 2;
    ir_dim g = dim_int(t, groups), split[IR_MAX_RANK], shape[IR_MAX_RANK];
    ir_dim start[IR_MAX_RANK], step[IR_MAX_RANK];
    int32_t perm[IR_MAX_RANK] = {0, 2, 1};

    split[0] = g, split[1] = dim_div(t, wt->dim[0], g), split[2] = wt->dim[1];
    shape[0] = dim_mul(t, wt->dim[1], g), shape[1] = split[1];
    for (int i = 0; i < s; i++) {
        split[i + 3] = shape[i + 2] = wt->dim[i + 2];
        perm[i + 3] = i + 3;
    }
    w = ir_transpose(n->b, ir_reshape(n->b, w, split, s + 3), perm);
    w = ir_reshape(n->b, w, shape, s + 2);
    for (int i = 0; i < s + 2; i++) {
        start[i] = i < 2 ? zero : dim_sub(t, shape[i], one);
        step[i] = i < 2 ? one : dim_int(t, -1);
    }
    return ir_slice(n->b, w, start, step, shape);
}

/* Pads so that the result has output_shape, or as auto_pad says. */
static bool transposed_pads(onnx_op *n, windows *win, const ir_dim *grow, ir_ref x)
{
    dim_table *t = onnx_dims(n);
    const char *mode = onnx_choice(n, "auto_pad", auto_pads);
    int len;
    const int64_t *out = onnx_ints(n, "output_shape", &len);
    bool same = !strncmp(mode, "SAME_", 5);

    if (len >= 0 && len != win->n && len != win->n + 2)
        return onnx_fail(n, "output_shape has %d elements", len);
    for (int i = 0; i < win->n && (same || len >= 0); i++) {
        ir_dim d = onnx_dim(n, x, i + 2);
        ir_dim want = len >= 0 ? dim_int(t, out[len - win->n + i]) : dim_mul(t, d, win->stride[i]);
        ir_dim last = dim_mul(t, dim_sub(t, d, one), win->stride[i]);
        ir_dim full = dim_add(t, last, dim_add(t, reach(t, win, i), grow[i]));
        ir_dim surplus = dim_sub(t, full, want), all = dim_max(t, surplus, zero);
        ir_dim half = dim_div(t, all, dim_int(t, 2)), rest = dim_sub(t, all, half);
        ir_dim lack = dim_min(t, surplus, zero);    /* zeros behind the end */
        bool upper = !strcmp(mode, "SAME_UPPER");
        win->low[i] = upper ? half : rest;
        win->high[i] = dim_add(t, upper ? rest : half, lack);
    }
    return true;
}

/* A convolution of the dilated input by the turned weights. */
bool onnx_conv_transpose(onnx_op *n)
{
    windows win;
    int64_t groups;
    dim_table *t = onnx_dims(n);
    ir_dim grow[MAX_SPATIAL], ldil[MAX_SPATIAL];
    int len;

    if (!conv_operands(n, onnx_in(n, 0), onnx_in(n, 1), &win, &groups))
        return false;
    ir_ref x = onnx_in(n, 0), w = onnx_in(n, 1);
    const int64_t *extra = onnx_ints(n, "output_padding", &len);
    if (len >= 0 && len != win.n)
        return onnx_fail(n, "output_padding has %d elements", len);
    for (int i = 0; i < win.n; i++)
        grow[i] = dim_int(t, len >= 0 ? extra[i] : 0);
    if (!transposed_pads(n, &win, grow, x))
        return false;
    for (int i = 0; i < win.n; i++) {
        ir_dim edge = dim_sub(t, reach(t, &win, i), one);
        ldil[i] = win.stride[i];
        win.low[i] = dim_sub(t, edge, win.low[i]);
        win.high[i] = dim_add(t, dim_sub(t, edge, win.high[i]), grow[i]);
        win.stride[i] = one;
    }
    ir_ref y = convolve(n, x, transposed_weights(n, w, groups), groups, &win, ldil);
    return onnx_out(n, 0, add_bias(n, y, onnx_in(n, 2)));
}

/* ---- pooling ------------------------------------------------------------------------ */

/* The sizes come as an attribute here, those of a convolution from its weights. */
static bool pool_windows(onnx_op *n, windows *w, ir_ref x)
{
    if (x == IR_NONE || onnx_rank(n, x) < 3 || onnx_rank(n, x) > MAX_SPATIAL + 2)
        return onnx_fail(n, "takes an image");
    w->n = onnx_rank(n, x) - 2;
    return int_attr(n, "kernel_shape", w->n, 1, w->size) && load_windows(n, w, x);
}

/* With ceil_mode the last window may begin inside the image or its padding and
 * hang over the end; one that would begin in the high padding is left out: there
 * is none where a window reaches at least as far as a step and that padding. */
static void ceil_pads(onnx_op *n, windows *w, ir_ref x)
{
    dim_table *t = onnx_dims(n);

    if (!onnx_int(n, "ceil_mode", 0))
        return;
    for (int i = 0; i < w->n; i++) {
        ir_dim d = onnx_dim(n, x, i + 2), in = dim_add(t, d, dim_add(t, w->low[i], w->high[i]));
        ir_dim free = dim_sub(t, in, reach(t, w, i));
        ir_dim out = dim_add(t, dim_ceildiv(t, free, w->stride[i]), one);
        ir_dim last = dim_mul(t, dim_sub(t, out, one), w->stride[i]);
        ir_dim step = dim_add(t, w->high[i], w->stride[i]);
        ir_dim late = dim_is(t, dim_le(t, step, reach(t, w, i)), 1)
                          ? zero : dim_le(t, dim_add(t, d, w->low[i]), last);
        out = dim_sub(t, out, late);
        last = dim_mul(t, dim_sub(t, out, one), w->stride[i]);
        ir_dim need = dim_add(t, last, reach(t, w, i));
        w->high[i] = dim_sub(t, need, dim_add(t, d, w->low[i]));
    }
}

/* Windows over all axes from those over spatial ones: batch and channels have size 1. */
static void window_attr(onnx_op *n, const windows *w, ir_redop op, ir_attr *a,
                        ir_dim lists[5][IR_MAX_RANK])
{
    const ir_dim *from[5] = {w->size, w->stride, w->dil, w->low, w->high};
    int rank = w->n + 2;

    (void)n;
    for (int k = 0; k < 5; k++)
        for (int i = 0; i < rank; i++)
            lists[k][i] = i < 2 ? (k < 3 ? one : zero) : from[k][i - 2];
    *a = (ir_attr){.WINDOW = {.size = {rank, lists[0]}, .stride = {rank, lists[1]},
                              .dil = {rank, lists[2]}, .low = {rank, lists[3]},
                              .high = {rank, lists[4]}, .op = op}};
}

/* A reduction over windows that cover one batch and one channel each. */
static ir_ref window(onnx_op *n, ir_ref x, const windows *w, ir_redop op)
{
    ir_dim lists[5][IR_MAX_RANK];
    ir_attr a;

    window_attr(n, w, op, &a, lists);
    return ir_make(n->b, OP_WINDOW, &x, 1, &a);
}

/* Indices count over the whole input, row-major, or column-major within an
 * image for storage_order 1. */
static ir_ref indices(onnx_op *n, ir_ref x, const windows *w)
{
    ir_dim lists[5][IR_MAX_RANK];
    ir_attr a, b = {0};

    window_attr(n, w, RED_MAX, &a, lists);
    b.WINDOWARG.size = a.WINDOW.size;
    b.WINDOWARG.stride = a.WINDOW.stride;
    b.WINDOWARG.dil = a.WINDOW.dil;
    b.WINDOWARG.low = a.WINDOW.low;
    b.WINDOWARG.high = a.WINDOW.high;
    b.WINDOWARG.op = RED_MAX;
    ir_ref i = ir_make(n->b, OP_WINDOWARG, &x, 1, &b);
    if (!onnx_int(n, "storage_order", 0) || w->n != 2 || i == IR_NONE)
        return i;
    ir_build *bd = n->b;
    const ir_type *t = onnx_type(n, i), *xt = onnx_type(n, x);
    ir_ref h = ir_broadcast(bd, ir_dim_ref(bd, xt->dim[2]), t->dim, t->rank, NULL);
    ir_ref wd = ir_broadcast(bd, ir_dim_ref(bd, xt->dim[3]), t->dim, t->rank, NULL);
    ir_ref col = ir_2(bd, OP_MOD, i, wd), q = ir_2(bd, OP_DIV, i, wd);
    ir_ref row = ir_2(bd, OP_MOD, q, h), image = ir_2(bd, OP_DIV, q, h);
    ir_ref base = ir_2(bd, OP_MUL, ir_2(bd, OP_MUL, image, h), wd);
    return ir_2(bd, OP_ADD, base, ir_2(bd, OP_ADD, ir_2(bd, OP_MUL, col, h), row));
}

/* The second result, which few models ask for, is where each maximum was. */
bool onnx_max_pool(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    windows w;

    if (!pool_windows(n, &w, x))
        return false;
    ceil_pads(n, &w, x);
    if (onnx_wants(n, 1) && !onnx_out(n, 1, indices(n, x, &w)))
        return false;
    return onnx_out(n, 0, window(n, x, &w, RED_MAX));
}

/* How many elements of the image (with its own pads where they count) each
 * window covers: a window sum of ones over the spatial axes. */
static ir_ref coverage(onnx_op *n, ir_ref x, const windows *w, const windows *own)
{
    const ir_type *t = onnx_type(n, x);
    ir_dim shape[IR_MAX_RANK], low[IR_MAX_RANK] = {zero, zero}, high[IR_MAX_RANK] = {zero, zero};
    windows rest = *w;

    shape[0] = shape[1] = one;
    for (int i = 0; i < w->n; i++) {
        shape[i + 2] = t->dim[i + 2];
        low[i + 2] = own->low[i];
        high[i + 2] = own->high[i];
    }
    ir_ref ones = ir_splat(n->b, ir_ty(n->b, t->dtype, shape, t->rank), 1);
    if (onnx_int(n, "count_include_pad", 0)) {
        ones = ir_pad(n->b, ones, onnx_like(n, x, 1), low, high, NULL);
        for (int i = 0; i < w->n; i++) {
            rest.high[i] = dim_sub(onnx_dims(n), w->high[i], own->high[i]);
            rest.low[i] = zero;
        }
    }
    return window(n, ones, &rest, RED_SUM);
}

/* sum / how many: the window's size where no window touches a pad, else a count for
 * each place.  count_include_pad counts pads that were asked for, never those that
 * ceil_mode adds. */
bool onnx_average_pool(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    windows w, own;
    bool inside = true;

    if (!pool_windows(n, &w, x))
        return false;
    own = w;
    ceil_pads(n, &w, x);
    for (int i = 0; i < w.n; i++)
        inside = inside && dim_is(onnx_dims(n), w.low[i], 0) && dim_is(onnx_dims(n), w.high[i], 0);
    ir_dtype dt = onnx_dtype(n, x);
    x = onnx_widened(n, x);
    ir_ref sum = window(n, x, &w, RED_SUM);
    if (inside && sum != IR_NONE) {
        ir_ref c = ir_cast(n->b, ir_dim_ref(n->b, dim_product(onnx_dims(n), w.size, w.n)),
                           onnx_dtype(n, x));
        const ir_type *t = onnx_type(n, sum);
        c = ir_broadcast(n->b, c, t->dim, t->rank, NULL);
        return onnx_out_as(n, 0, ir_2(n->b, OP_DIV, sum, c), dt);
    }
    return onnx_out_as(n, 0, ir_b2(n->b, OP_DIV, sum, coverage(n, x, &w, &own)), dt);
}

/* (sum |x|^p)^(1/p) */
bool onnx_lp_pool(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    double p = (double)onnx_int(n, "p", 2);
    windows w;

    if (!pool_windows(n, &w, x))
        return false;
    ceil_pads(n, &w, x);
    ir_dtype dt = onnx_dtype(n, x);
    x = onnx_widened(n, x);
    ir_ref size = ir_1(n->b, OP_ABS, x);
    ir_ref y = ir_2(n->b, OP_POW, size, onnx_splat_like(n, x, p));
    y = window(n, y, &w, RED_SUM);
    return y != IR_NONE &&
           onnx_out_as(n, 0, ir_2(n->b, OP_POW, y, onnx_splat_like(n, y, 1 / p)), dt);
}

/* ---- over whole images ------------------------------------------------------------------ */

/* One window that is the whole image: its spatial axes keep extent 1. */
static bool global(onnx_op *n, ir_redop op, bool mean)
{
    ir_ref x = onnx_in(n, 0);
    int32_t axes[IR_MAX_RANK];
    int s = x == IR_NONE ? 0 : onnx_rank(n, x) - 2;

    if (s < 1)
        return onnx_fail(n, "takes an image");
    iota(axes, 2, s);
    ir_dtype dt = onnx_dtype(n, x);
    x = mean ? onnx_widened(n, x) : x;
    ir_ref y = ir_reduce_keep(n->b, x, op, axes, s);
    if (!mean || y == IR_NONE)
        return onnx_out(n, 0, y);
    ir_ref c =
        ir_cast(n->b, ir_dim_ref(n->b, dim_product(onnx_dims(n), onnx_type(n, x)->dim + 2, s)),
                onnx_dtype(n, x));
    const ir_type *t = onnx_type(n, y);
    c = ir_broadcast(n->b, c, t->dim, t->rank, NULL);
    return onnx_out_as(n, 0, ir_2(n->b, OP_DIV, y, c), dt);
}

bool onnx_global_average_pool(onnx_op *n) { return global(n, RED_SUM, true); }
bool onnx_global_max_pool(onnx_op *n) { return global(n, RED_MAX, false); }

/* (sum over the image of |x|^p)^(1/p) */
bool onnx_global_lp_pool(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    double p = (double)onnx_int(n, "p", 2);
    int32_t axes[IR_MAX_RANK];
    int s = onnx_rank(n, x) - 2;

    if (s < 1)
        return onnx_fail(n, "takes an image");
    iota(axes, 2, s);
    ir_dtype dt = onnx_dtype(n, x);
    x = onnx_widened(n, x);
    ir_ref size = ir_1(n->b, OP_ABS, x);
    ir_ref y = ir_2(n->b, OP_POW, size, onnx_splat_like(n, x, p));
    y = ir_reduce_keep(n->b, y, RED_SUM, axes, s);
    return y != IR_NONE &&
           onnx_out_as(n, 0, ir_2(n->b, OP_POW, y, onnx_splat_like(n, y, 1 / p)), dt);
}
