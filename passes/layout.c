/* passes/layout.c - blocked channels around convolutions.
 *
 * A convolution is fastest when a block of its output channels is one vector.
 * A blocked tensor is a tensor of higher rank: [N,C,S..] becomes
 * [N,C/B,S..,B] by reshape and transpose, and conv's roles list both parts of
 * an axis; there is no layout type.  B is the vector where it divides C, else 8:
 * each value has its own, and values that meet in a concat or a sum are given
 * the same.  The pass keeps beside each value that a
 * convolution made its blocked twin; ops that do not care for the order of
 * elements are built on twins where one operand has one; the plain value is
 * the twin unpacked, and vanishes where nobody reads it.  No union-find and no
 * search: a pack costs only where a plain value meets a twin, and the template
 * that reads it inlines the movement.
 *
 * Channels that are no multiple of 8 stay plain: padding lanes would hold
 * garbage, and 0 * NaN is NaN. */
#include "axes.h"
#include "layout.h"
#include "pointwise.h"
#include "schedule.h"
#include "sink.h"

/* ---- reshapes ------------------------------------------------------------- */

/* [N,C,S..] with other spatial axes. */
static ir_ref reshape_spatial(layout_cx *cx, ir_build *b, ir_ref x)
{
    const ir_type *from = ir_type_of(b->fn, x), *to = cx->plain;
    int block = layout_twin_block(cx, b, &x, 1);
    ir_dim shape[IR_MAX_RANK];

    if (!block || to->rank < 3 || to->rank >= IR_MAX_RANK || !dim_same(from->dim[0], to->dim[0]) ||
        !dim_same(from->dim[1], to->dim[1]))
        return IR_NONE;
    int rank = layout_blocked_shape(b, to, block, shape);
    return layout_unpack(cx, b, ir_reshape(b, layout_want(cx, b, x, block), shape, rank), to);
}

/* [N,G,1,S..] of a depthwise convolution back to [N,G,S..]: same twin. */
static ir_ref reshape_back(const layout_cx *cx, const ir_build *b, ir_ref y)
{
    const ir_node *in = rule_is(b, y, OP_RESHAPE);

    if (!in)
        return IR_NONE;
    ir_ref x = ir_arg(b->fn, in, 0);
    const ir_type *t = ir_type_of(b->fn, x), *to = cx->plain;
    if (t->rank != to->rank)
        return IR_NONE;
    for (int i = 0; i < to->rank; i++)
        if (!dim_same(t->dim[i], to->dim[i]))
            return IR_NONE;
    return x;
}

static ir_ref reshape(layout_cx *cx, ir_build *b, ir_ref x)
{
    ir_ref y = reshape_back(cx, b, x);

    return y != IR_NONE ? y : reshape_spatial(cx, b, x);
}

/* x in other extents: from its twin, if it has one. */
static ir_ref reshape_to(layout_cx *cx, ir_build *b, ir_ref x, const ir_type *to)
{
    const ir_type *plain = cx->plain;

    cx->plain = to;
    ir_ref y = reshape(cx, b, x);
    cx->plain = plain;
    return y != IR_NONE ? y : ir_reshape(b, x, to->dim, to->rank);
}

/* ---- convolutions --------------------------------------------------------- */

static bool list_is(ir_ints l, int first, int n)
{
    for (int i = 0; i < l.n; i++)
        if (l.at[i] != first + i)
            return false;
    return l.n == n;
}

/* [N,C,S..] * [K,C,R..] without groups, as importers write it. */
static bool is_dense(const struct ir_attr_CONV *a)
{
    int s = a->xs.n;

    return list_is(a->xb, 0, 1) && !a->xg.n && list_is(a->xf, 1, 1) &&
           list_is(a->xs, 2, s) && !a->wg.n && list_is(a->wo, 0, 1) &&
           list_is(a->wf, 1, 1) && list_is(a->ws, 2, s) &&
           list_is(a->yb, 0, 1) && !a->yg.n && list_is(a->yo, 1, 1) &&
           list_is(a->ys, 2, s);
}

/* [N,G,1,S..] * [G,1,1,R..] -> [N,G,1,S..]: depthwise. */
static bool is_depthwise(ir_build *b, const struct ir_attr_CONV *a, ir_ref x,
                         ir_ref w)
{
    int s = a->xs.n;
    const ir_type *xt = ir_type_of(b->fn, x), *wt = ir_type_of(b->fn, w);

    return list_is(a->xb, 0, 1) && list_is(a->xg, 1, 1) &&
           list_is(a->xf, 2, 1) && list_is(a->xs, 3, s) &&
           list_is(a->wg, 0, 1) && list_is(a->wo, 1, 1) &&
           list_is(a->wf, 2, 1) && list_is(a->ws, 3, s) &&
           list_is(a->yb, 0, 1) && list_is(a->yg, 1, 1) &&
           list_is(a->yo, 2, 1) && list_is(a->ys, 3, s) &&
           dim_is(&b->m->dims, xt->dim[2], 1) && dim_is(&b->m->dims, wt->dim[1], 1);
}

/* A convolution without groups whose output channels, and input channels if the operand has
 * a block, are two axes each.  For B = 8, S one axis, 64 channels to 32:
 * x [N,8,S,8], w [4,8,8,8,K], y [N,4,S,8], where w is a reshape of [32,64,K]. */
static ir_ref conv_dense(layout_cx *cx, ir_build *b, const ir_node *n,
                         const ir_ref *a)
{
    union ir_attr at = *n->attr;
    const ir_type *wt = ir_type_of(b->fn, a[1]), *yt = cx->plain;
    int s = at.CONV.xs.n, rank = s + 2;
    int in = layout_block_at_hand(cx, b, a[0]), out = layout_block_for(cx, b, yt);
    ir_dim shape[IR_MAX_RANK], split = dim_int(&b->m->dims, in);
    ir_dim block = dim_int(&b->m->dims, out);
    int32_t ws[IR_MAX_RANK], last[2] = {1, rank};
    int32_t wo[2] = {0, 1}, wf[2];
    int k = 0;

    if (!out)
        return IR_NONE;
    shape[k++] = dim_div(&b->m->dims, wt->dim[0], block);
    shape[k++] = block;
    wf[0] = k;
    shape[k++] = in ? dim_div(&b->m->dims, wt->dim[1], split) : wt->dim[1];
    if (in) {
        wf[1] = k;
        shape[k++] = split;
    }
    for (int i = 0; i < s; i++) {
        ws[i] = k;
        shape[k++] = wt->dim[i + 2];
    }
    at.CONV.yo = (ir_ints){2, last};
    at.CONV.wo = (ir_ints){2, wo};
    at.CONV.wf = (ir_ints){in ? 2 : 1, wf};
    at.CONV.ws = (ir_ints){s, ws};
    if (in)
        at.CONV.xf = (ir_ints){2, last};
    ir_ref args[2] = {in ? layout_want(cx, b, a[0], in) : a[0]};
    args[1] = ir_reshape(b, a[1], shape, k);
    return layout_unpack(cx, b, ir_make(b, OP_CONV, args, 2, &at), yt);
}

/* Is the operand of a depthwise convolution in plain order, and best left there?  That is an
 * input of the function: what others make will be in blocks, and to turn it costs more than
 * lanes of positions save. */
static bool stays_plain(const layout_cx *cx, const ir_build *b, ir_ref x, const ir_type *wt,
                        const struct ir_attr_CONV *a)
{
    const dim_table *d = &b->m->dims;
    const ir_type *t = cx->plain;
    int64_t width, stride, taps;

    for (int i = 0; i < a->ldil.n; i++)
        if (!dim_is(d, a->ldil.at[i], 1))
            return false;
    return cx->target && ir_node_of(b->fn, x)->op == OP_INPUT &&
           !layout_twin_block(cx, b, &x, 1) &&
           dim_const(d, t->dim[t->rank - 1], &width) &&
           dim_const(d, a->stride.at[a->stride.n - 1], &stride) &&
           dim_const(d, wt->dim[wt->rank - 1], &taps) &&
           schedule_by_positions(cx->target, t->dtype, width, stride, taps, 1);
}

/* The operand is the reshape of [N,G,S..]; the twin of that is used. */
static ir_ref conv_depthwise(layout_cx *cx, ir_build *b, const ir_node *n,
                             const ir_ref *a)
{
    union ir_attr at = *n->attr;
    const ir_type *xt = ir_type_of(b->fn, a[0]), *wt = ir_type_of(b->fn, a[1]);
    int s = at.CONV.xs.n, rank = s + 2;
    ir_dim flat[IR_MAX_RANK], shape[IR_MAX_RANK];
    int32_t xs[IR_MAX_RANK], last[2] = {1, rank}, first[2] = {0, 1};

    flat[0] = xt->dim[0], flat[1] = xt->dim[1];
    for (int i = 0; i < s; i++) {
        flat[i + 2] = xt->dim[i + 3];
        shape[i + 2] = wt->dim[i + 3];
        xs[i] = i + 2;
    }
    ir_ref x = reshape_to(cx, b, a[0], ir_ty(b, xt->dtype, flat, rank));
    int block = layout_block_at_hand(cx, b, x);
    if (!block || stays_plain(cx, b, x, wt, &at.CONV))
        return IR_NONE;
    shape[1] = dim_int(&b->m->dims, block);
    shape[0] = dim_div(&b->m->dims, wt->dim[0], shape[1]);
    const ir_ints none = {0}, spatial = {s, xs};
    at.CONV.xg = at.CONV.yg = (ir_ints){2, last};
    at.CONV.wg = (ir_ints){2, first};
    at.CONV.xf = at.CONV.wf = at.CONV.wo = at.CONV.yo = none;
    at.CONV.xs = at.CONV.ws = at.CONV.ys = spatial;
    ir_ref args[2] = {layout_want(cx, b, x, block)};
    args[1] = ir_reshape(b, a[1], shape, rank);
    ir_ref y = ir_make(b, OP_CONV, args, 2, &at);
    const ir_type *plain = cx->plain;
    ir_dim ys[IR_MAX_RANK] = {plain->dim[0], plain->dim[1]};
    for (int i = 0; i < s; i++)
        ys[i + 2] = plain->dim[i + 3];
    ir_ref r = layout_unpack(cx, b, y, ir_ty(b, plain->dtype, ys, rank));
    return ir_reshape(b, r, plain->dim, plain->rank);
}

/* [N,G,F,S..] * [G,O,F,R..] -> [N,G,O,S..] */
static bool is_grouped(const struct ir_attr_CONV *a)
{
    int s = a->xs.n;

    return list_is(a->xb, 0, 1) && list_is(a->xg, 1, 1) && list_is(a->xf, 2, 1) &&
           list_is(a->xs, 3, s) && list_is(a->wg, 0, 1) && list_is(a->wo, 1, 1) &&
           list_is(a->wf, 2, 1) && list_is(a->ws, 3, s) && list_is(a->yb, 0, 1) &&
           list_is(a->yg, 1, 1) && list_is(a->yo, 2, 1) && list_is(a->ys, 3, s);
}

/* Convolutions of f32 in one of four forms; others stay plain.  A dense one whose channels
 * fill no block may be a product along its positions, if its image is in plain order, too. */
static ir_ref conv(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    const struct ir_attr_CONV at = n->attr->CONV;

    if (ir_type_of(b->fn, a[0])->dtype != DT_F32 || !at.xs.n)
        return IR_NONE;
    if (is_depthwise(b, &at, a[0], a[1]))
        return conv_depthwise(cx, b, n, a);
    if (is_grouped(&at))
        return pointwise(b, &at, a, cx->plain);
    if (!is_dense(&at))
        return IR_NONE;
    ir_ref y = conv_dense(cx, b, n, a);
    return y == IR_NONE && !layout_twin_block(cx, b, a, 1) ? pointwise(b, &at, a, cx->plain) : y;
}

/* ---- ops that do not care for the order ----------------------------------- */

/* Computed on twins where an operand has one; operands without are packed. */
static ir_ref elementwise(layout_cx *cx, ir_build *b, const ir_node *n,
                          const ir_ref *a)
{
    int block = layout_twin_block(cx, b, a, n->narg);
    ir_ref args[3];

    if (!block)
        return IR_NONE;
    const ir_type *t = cx->plain;
    for (uint32_t i = 0; i < n->narg; i++)
        args[i] = layout_want(cx, b, a[i], block);
    return layout_unpack(cx, b, ir_make(b, n->op, args, n->narg, n->attr), t);
}

/* The same where operands are [N,C,1,S..], as depthwise convolutions make
 * them, of [N,C,S..] with a twin. */
static ir_ref elementwise_squeezed(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    const ir_type *plain = cx->plain;
    ir_ref args[3];

    for (uint32_t i = 0; i < n->narg; i++) {
        const ir_node *in = rule_is(b, a[i], OP_RESHAPE);
        ir_ref x = in ? ir_arg(b->fn, in, 0) : IR_NONE;
        if (!in || layout_twin_of(cx, b, x) == IR_NONE)
            continue;
        sink_frame f = sink_frame_of(ir_type_of(b->fn, x), ir_type_of(b->fn, a[i]));
        if (f.before != 2 || f.before + f.behind != f.in->rank || f.in->rank + 1 != f.out->rank)
            continue;
        for (uint32_t k = 0; k < n->narg; k++)
            args[k] = sink_operand(b, a[k], &f);
        cx->plain = ir_ty(b, plain->dtype, f.in->dim, f.in->rank);
        ir_ref y = elementwise(cx, b, n, args);
        return y == IR_NONE ? y : ir_reshape(b, y, plain->dim, plain->rank);
    }
    return IR_NONE;
}

static ir_ref any_elementwise(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    ir_ref y = elementwise(cx, b, n, a);

    return y != IR_NONE ? y : elementwise_squeezed(cx, b, n, a);
}

static bool trivial(const ir_build *b, ir_dims l, int64_t value)
{
    return l.n < 2 || (dim_is(&b->m->dims, l.at[0], value) &&
                       dim_is(&b->m->dims, l.at[1], value));
}

/* [n, c, s..] -> [n, c, s.., end] */
static ir_dims with_end(ir_build *b, ir_dims l, int64_t end)
{
    if (!l.n)
        return l;
    ir_dim *out = arena_array(&b->m->mem, ir_dim, l.n + 1);
    memcpy(out, l.at, (size_t)l.n * sizeof *out);
    out[l.n] = dim_int(&b->m->dims, end);
    return (ir_dims){l.n + 1, out};
}

/* A window over spatial axes alone, of size 1 along the axis that a twin has behind them. */
static ir_ref window(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    union ir_attr at = *n->attr;
    struct ir_attr_WINDOW *w = &at.WINDOW;
    int block = layout_twin_block(cx, b, a, 1);

    if (!block || !trivial(b, w->size, 1) ||
        !trivial(b, w->stride, 1) || !trivial(b, w->low, 0) ||
        !trivial(b, w->high, 0))
        return IR_NONE;
    w->size = with_end(b, w->size, 1);
    w->stride = with_end(b, w->stride, 1);
    w->dil = with_end(b, w->dil, 1);
    w->low = with_end(b, w->low, 0);
    w->high = with_end(b, w->high, 0);
    ir_ref x = layout_want(cx, b, a[0], block);
    return layout_unpack(cx, b, ir_make(b, n->op, &x, 1, &at), cx->plain);
}

/* Joins twins, all with the smallest block that an operand has; one that has none keeps
 * the node plain. */
static ir_ref concat(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    ir_ref args[64];
    int block = layout_block_at_hand(cx, b, a[0]);

    if (n->narg > COUNT(args) || !layout_twin_block(cx, b, a, n->narg))
        return IR_NONE;
    for (uint32_t i = 1; i < n->narg; i++)
        block = (int)min_i64(block, layout_block_at_hand(cx, b, a[i]));
    if (!block)
        return IR_NONE;
    for (uint32_t i = 0; i < n->narg; i++)
        args[i] = layout_want(cx, b, a[i], block);
    return layout_unpack(cx, b, ir_make(b, OP_CONCAT, args, n->narg, n->attr),
                  cx->plain);
}

/* Are they all axes but that of the channels, as a bias' gradient sums them? */
static bool all_but_channels(ir_ints axes, int rank)
{
    return axes.n == rank - 1 && !ir_has_axis(axes, 1);
}

/* Over spatial axes, or all but the channels: the same ones of the twin. */
static ir_ref reduce(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    ir_ints axes = n->attr->REDUCE.axes;
    int block = layout_twin_block(cx, b, a, 1);
    const ir_type *t = cx->plain;

    if (!block)
        return IR_NONE;
    bool channels = all_but_channels(axes, ir_type_of(b->fn, a[0])->rank);
    for (int i = 0; i < axes.n; i++)
        if (axes.at[i] < 2 && !channels)
            return IR_NONE;
    ir_ref x = layout_want(cx, b, a[0], block);
    ir_ref y = ir_make(b, OP_REDUCE, &x, 1, n->attr);
    return t->rank < 3 ? ir_reshape(b, y, t->dim, t->rank) : layout_unpack(cx, b, y, t);
}

/* A pad of spatial axes alone: other channels than whole blocks have no place in a twin. */
static ir_ref pad(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    union ir_attr at = *n->attr;
    int block = layout_twin_block(cx, b, a, 1);

    if (!block || !trivial(b, at.PAD.low, 0) ||
        !trivial(b, at.PAD.high, 0) || !trivial(b, at.PAD.inner, 0))
        return IR_NONE;
    at.PAD.low = with_end(b, at.PAD.low, 0);
    at.PAD.high = with_end(b, at.PAD.high, 0);
    at.PAD.inner = with_end(b, at.PAD.inner, 0);
    ir_ref args[2] = {layout_want(cx, b, a[0], block), a[1]};
    return layout_unpack(cx, b, ir_make(b, OP_PAD, args, 2, &at), cx->plain);
}

/* Spatial ranges, and whole blocks of channels. */
static ir_ref slice(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    union ir_attr at = *n->attr;
    dim_table *d = &b->m->dims;
    int64_t start, extent;
    ir_dim lists[3][IR_MAX_RANK];
    int rank = at.SLICE.start.n, block = layout_twin_block(cx, b, a, 1);

    if (!block || !dim_is(d, at.SLICE.step.at[1], 1) ||
        !dim_const(d, at.SLICE.start.at[1], &start) ||
        !dim_const(d, at.SLICE.extent.at[1], &extent) ||
        start % SCHEDULE_LEAST_BLOCK || extent % SCHEDULE_LEAST_BLOCK || extent <= 0)
        return IR_NONE;
    if (start % block || extent % block)
        block = SCHEDULE_LEAST_BLOCK;
    ir_ref x = layout_want(cx, b, a[0], block);
    for (int i = 0; i < rank; i++) {
        lists[0][i] = at.SLICE.start.at[i];
        lists[1][i] = at.SLICE.step.at[i];
        lists[2][i] = at.SLICE.extent.at[i];
    }
    lists[0][1] = dim_int(d, start / block);
    lists[2][1] = dim_int(d, extent / block);
    lists[0][rank] = dim_int(d, 0);
    lists[1][rank] = dim_int(d, 1);
    lists[2][rank] = dim_int(d, block);
    return layout_unpack(cx, b, ir_slice(b, x, lists[0], lists[1], lists[2]),
                  cx->plain);
}

/* [N,C,S..] as [N,C,T..], whose spatial axes are those of x and new ones. */
static ir_ref repeat(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    const ir_type *from = ir_type_of(b->fn, a[0]), *to = cx->plain;
    ir_ints axes = n->attr->BROADCAST.axes;
    int block = layout_twin_block(cx, b, a, 1);
    ir_dim shape[IR_MAX_RANK];
    int32_t at[IR_MAX_RANK];

    if (!block || to->rank >= IR_MAX_RANK || axes.n < 3 || axes.at[0] != 0 || axes.at[1] != 1 ||
        !dim_same(from->dim[1], to->dim[1]))
        return IR_NONE;
    memcpy(at, axes.at, (size_t)axes.n * sizeof *at);
    int rank = layout_blocked_shape(b, to, block, shape);
    at[axes.n] = rank - 1;
    ir_ref x = layout_want(cx, b, a[0], block);
    return layout_unpack(cx, b, ir_broadcast(b, x, shape, rank, at), to);
}

/* x, of extents that are those of the result or that only the run knows to differ, as in a
 * sum of values whose equal extents are not proved.  What is known to repeat is read by
 * broadcast in any order. */
static ir_ref stretch(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    const ir_type *from = ir_type_of(b->fn, a[0]), *to = cx->plain;
    int block = layout_twin_block(cx, b, a, 1);
    ir_dim shape[IR_MAX_RANK];

    if (from->rank < to->rank)
        return repeat(cx, b, n, a);
    if (!block || !list_is(n->attr->BROADCAST.axes, 0, to->rank) ||
        !dim_same(from->dim[1], to->dim[1]))
        return IR_NONE;
    for (int i = 0; i < to->rank; i++)
        if (dim_is(&b->m->dims, from->dim[i], 1) && !dim_is(&b->m->dims, to->dim[i], 1))
            return IR_NONE;
    int rank = layout_blocked_shape(b, to, block, shape);
    ir_ref x = layout_want(cx, b, a[0], block);
    return layout_unpack(cx, b, ir_broadcast_to(b, x, shape, rank), to);
}

/* The order that brings the first of `rank` axes to place `at`. */
static void order_back(int at, int rank, int32_t *perm)
{
    for (int i = 0; i < rank; i++)
        perm[i] = i == at ? 0 : i < at ? i + 1 : i;
}

/* Positions of one spatial axis, taken by a list and back in their place, as resizing
 * does. */
static ir_ref take(layout_cx *cx, ir_build *b, const ir_node *n, const ir_ref *a)
{
    const ir_node *in = rule_is(b, a[0], OP_GATHER);
    int32_t perm[IR_MAX_RANK];
    ir_ints order = n->attr->TRANSPOSE.perm;

    if (!in || in->narg != 2)
        return IR_NONE;
    ir_ref args[2] = {ir_arg(b->fn, in, 0), ir_arg(b->fn, in, 1)};
    int at = in->attr->GATHER.axes.at[0], block = layout_twin_block(cx, b, args, 1);
    order_back(at, order.n, perm);
    if (!block || at < 2 || ir_type_of(b->fn, args[1])->rank != 1 ||
        memcmp(order.at, perm, (size_t)order.n * sizeof *perm))
        return IR_NONE;
    const ir_attr *attr = in->attr;
    args[0] = layout_want(cx, b, args[0], block);
    order_back(at, order.n + 1, perm);
    ir_ref y = ir_transpose(b, ir_make(b, OP_GATHER, args, 2, attr), perm);
    return layout_unpack(cx, b, y, cx->plain);
}

static ir_ref rule(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *a)
{
    layout_cx *cx = vcx;

    if (n->nres != 1)
        return IR_NONE;
    cx->plain = ir_type_of(old, n->first);
    switch (n->op) {
    case OP_CONV: return conv(cx, b, n, a);
    case OP_WINDOW: return window(cx, b, n, a);
    case OP_CONCAT: return concat(cx, b, n, a);
    case OP_REDUCE: return reduce(cx, b, n, a);
    case OP_PAD: return pad(cx, b, n, a);
    case OP_SLICE: return slice(cx, b, n, a);
    case OP_RESHAPE: return reshape(cx, b, a[0]);
    case OP_BROADCAST: return stretch(cx, b, n, a);
    case OP_TRANSPOSE: return take(cx, b, n, a);
    default:
        return ir_op_scalar(n->op) ? any_elementwise(cx, b, n, a) : IR_NONE;
    }
}

bool pass_layout(pass_ctx *cx, ir_fn *fn)
{
    layout_cx l = {.target = cx->target};
    bool changed = ir_rewrite(cx->m, fn, cx->d, rule, &l);

    map_free(&l.by_value);
    vec_free(&l.twins);
    return changed;
}
