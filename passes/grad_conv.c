/* passes/grad_conv.c - gradients of convolutions, which are convolutions.
 *   y[b, g, o, s] = sum over f, k of x[b, g, f, d] * w[g, o, f, k]
 *   where d * ldil = s * stride + k * rdil - low
 * x: the gradient of y, through w with outputs and features exchanged and its taps reversed:
 *   dx[b, g, f, d] = sum over o, k of gy[b, g, o, s] * w[g, o, f, k]
 *   where s * stride = d * ldil + low - k * rdil.  With tap k' = K - 1 - k:
 *   d * stride' + k' * rdil' - low' with stride' = ldil, ldil' = stride, rdil' = rdil and
 *   low' = (K - 1) * rdil - low, which may be negative.
 * w: x through gy as weights, whose taps are the positions s:
 *   dw[g, o, f, k] = sum over b, s of x[b, g, f, d] * gy[b, g, o, s]
 *   with stride' = rdil, rdil' = stride, ldil' = ldil and low' = low.
 * The other border follows from the extent that the result must have. */
#include "grad.h"

typedef struct ir_attr_CONV conv;

/* Numbers of one spatial axis. */
typedef struct axis {
    ir_dim stride, low, ldil, rdil;
    ir_dim image, taps, out;    /* extents of x, w and y */
} axis;

/* A convolution in the making, with its dims in lists of their own. */
typedef struct made {
    conv a;
    ir_dim stride[IR_MAX_RANK], low[IR_MAX_RANK], high[IR_MAX_RANK];
    ir_dim ldil[IR_MAX_RANK], rdil[IR_MAX_RANK];
} made;

static ir_dim or_else(ir_dims list, int i, int64_t otherwise)
{
    return list.n ? list.at[i] : (ir_dim){otherwise};
}

static axis axis_of(grad_cx *cx, ir_node n, int i)
{
    const conv *a = &n.attr->CONV;

    return (axis){or_else(a->stride, i, 1), or_else(a->low, i, 0), or_else(a->ldil, i, 1),
                  or_else(a->rdil, i, 1), grad_type(cx, grad_arg(cx, n, 0))->dim[a->xs.at[i]],
                  grad_type(cx, grad_arg(cx, n, 1))->dim[a->ws.at[i]],
                  grad_type(cx, n.first)->dim[a->ys.at[i]]};
}

/* (extent - 1) * step: from the first to the last. */
static ir_dim reach(dim_table *t, ir_dim extent, ir_dim step)
{
    return dim_mul(t, dim_sub(t, extent, (ir_dim){1}), step);
}

/* Axis i of the convolution in the making; `high` so that its result has the extent `out`. */
static void set_axis(dim_table *t, made *m, int i, axis v)
{
    ir_dim window = dim_add(t, reach(t, v.out, v.stride), reach(t, v.taps, v.rdil));

    m->stride[i] = v.stride;
    m->low[i] = v.low;
    m->ldil[i] = v.ldil;
    m->rdil[i] = v.rdil;
    m->high[i] = dim_sub(t, dim_sub(t, window, v.low), reach(t, v.image, v.ldil));
}

/* The lists must live in m, whose address is known only now. */
static ir_ref finish(grad_cx *cx, made *m, ir_ref x, ir_ref w)
{
    int n = m->a.xs.n;
    ir_attr a = {.CONV = m->a};

    a.CONV.stride = (ir_dims){n, m->stride};
    a.CONV.low = (ir_dims){n, m->low};
    a.CONV.high = (ir_dims){n, m->high};
    a.CONV.ldil = (ir_dims){n, m->ldil};
    a.CONV.rdil = (ir_dims){n, m->rdil};
    a.CONV.acc = DT_NONE;
    return ir_make(cx->b, OP_CONV, (ir_ref[]){x, w}, 2, &a);
}

/* w from its last tap to its first, along all spatial axes. */
static ir_ref reversed(grad_cx *cx, ir_ref w, ir_ints ws)
{
    dim_table *t = &cx->b->m->dims;

    for (int i = 0; i < ws.n; i++) {
        ir_dim extent = grad_type(cx, w)->dim[ws.at[i]];
        if (!dim_is(t, extent, 1))
            w = ir_slice_axis(cx->b, w, ws.at[i], dim_sub(t, extent, (ir_dim){1}),
                              dim_int(t, -1), extent);
    }
    return w;
}

/* w with outputs and features exchanged, so that it looks like weights of an importer;
 * false if they are not one axis each. */
static bool exchange(grad_cx *cx, ir_ref *w, const conv *c)
{
    int rank = grad_type(cx, *w)->rank;
    int32_t perm[IR_MAX_RANK];

    if (c->wo.n != 1 || c->wf.n != 1)
        return false;
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[c->wo.at[0]] = c->wf.at[0];
    perm[c->wf.at[0]] = c->wo.at[0];
    *w = ir_transpose(cx->b, *w, perm);
    return true;
}

/* The roles of x and y, and of features and outputs, are exchanged; strides become
 * gaps. */
static ir_ref of_image(grad_cx *cx, ir_node n, ir_ref g, ir_ref w)
{
    const conv *c = &n.attr->CONV;
    dim_table *t = &cx->b->m->dims;
    made m = {.a = {.xb = c->yb, .xg = c->yg, .xf = c->yo, .xs = c->ys,
                    .wg = c->wg, .wo = c->wf, .wf = c->wo, .ws = c->ws,
                    .yb = c->xb, .yg = c->xg, .yo = c->xf, .ys = c->xs}};

    if (exchange(cx, &w, c))
        m.a.wo = c->wo, m.a.wf = c->wf;
    for (int i = 0; i < c->xs.n; i++) {
        axis v = axis_of(cx, n, i);
        ir_dim low = dim_sub(t, reach(t, v.taps, v.rdil), v.low);
        set_axis(t, &m, i, (axis){v.ldil, low, v.stride, v.rdil, v.out, v.taps, v.image});
    }
    return finish(cx, &m, g, reversed(cx, w, c->ws));
}

/* Features of x take the batch's place and the batch is what is summed; gy stands
 * for the weights, so its positions are the taps. */
static ir_ref of_weights(grad_cx *cx, ir_node n, ir_ref x, ir_ref g)
{
    const conv *c = &n.attr->CONV;
    made m = {.a = {.xb = c->xf, .xg = c->xg, .xf = c->xb, .xs = c->xs,
                    .wg = c->yg, .wo = c->yo, .wf = c->yb, .ws = c->ys,
                    .yb = c->wf, .yg = c->wg, .yo = c->wo, .ys = c->ws}};

    for (int i = 0; i < c->xs.n; i++) {
        axis v = axis_of(cx, n, i);
        set_axis(&cx->b->m->dims, &m, i,
                 (axis){v.rdil, v.low, v.ldil, v.stride, v.image, v.out, v.taps});
    }
    return finish(cx, &m, x, g);
}

bool grad_conv(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_dtype wide = grad_type(cx, gy[0])->dtype;
    ir_ref x = grad_arg(cx, n, 0), w = grad_arg(cx, n, 1);

    grad_add(cx, x, of_image(cx, n, gy[0], ir_cast(cx->b, w, wide)));
    grad_add(cx, w, of_weights(cx, n, ir_cast(cx->b, x, wide), gy[0]));
    return true;
}
