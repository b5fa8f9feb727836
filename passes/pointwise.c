/* passes/pointwise.c - convolutions of single positions, as products. */
#include "pointwise.h"

/* Does it read each position of one image once? */
static bool is_pointwise(const ir_build *b, const struct ir_attr_CONV *at, const ir_type *xt,
                         const ir_type *wt)
{
    const dim_table *t = &b->m->dims;
    bool yes = dim_is(t, xt->dim[0], 1);

    for (int i = 0; yes && i < at->xs.n; i++)
        yes = dim_is(t, wt->dim[at->ws.at[i]], 1) && dim_is(t, at->stride.at[i], 1) &&
              dim_is(t, at->low.at[i], 0) && dim_is(t, at->high.at[i], 0) &&
              dim_is(t, at->ldil.at[i], 1);
    return yes;
}

/* x [N,C,H,W] becomes [N,G,C/G,H*W], w [N,G,O/G,C/G], and y is their product w x,
 * in the order that memory has already.  Under MANY positions without groups the
 * blocked convolution is faster. */
ir_ref pointwise(ir_build *b, const struct ir_attr_CONV *at, const ir_ref *a, const ir_type *plain)
{
    enum { MANY = 64 };
    static int32_t batch[2] = {0, 1}, sum_w[1] = {3}, sum_x[1] = {2};
    const ir_type *xt = ir_type_of(b->fn, a[0]), *wt = ir_type_of(b->fn, a[1]);
    dim_table *t = &b->m->dims;
    int s = at->xs.at[0];
    ir_dim groups = at->xg.n ? wt->dim[0] : (ir_dim){1}, features = xt->dim[at->xf.at[0]];
    ir_dim positions = dim_product(t, xt->dim + s, xt->rank - s);
    const ir_dim x[4] = {xt->dim[0], groups, features, positions};
    const ir_dim w[4] = {xt->dim[0], groups, wt->dim[at->wo.at[0]], features};

    if (!is_pointwise(b, at, xt, wt) || (!at->xg.n && dim_hint(t, positions) < MANY))
        return IR_NONE;
    ir_ref image = ir_reshape(b, a[0], x, 4), weights = ir_reshape(b, a[1], w, 4);
    ir_ref y = ir_dot(b, weights, image, (ir_ints){2, batch}, (ir_ints){2, batch},
                      (ir_ints){1, sum_w}, (ir_ints){1, sum_x});
    return ir_reshape(b, y, plain->dim, plain->rank);
}
