/* passes/grad_contract.c - gradients of contractions.
 *   y[batch, fa, fb] = sum_s a[batch, fa, s] * b[batch, fb, s]
 *   da[batch, fa, s] = sum_fb gy * b        db[batch, fb, s] = sum_fa gy * a */
#include "axes.h"
#include "grad.h"

/* Gradient of the operand whose free axes stand at `own` in y: gy contracted
 * with `other` over other's free axes (at `over` in y), laid out as x is. */
static ir_ref half(grad_cx *cx, ir_ref gy, ir_ref other, ir_axes own, ir_axes over,
                   ir_ints batch_x, ir_ints sum_x, ir_axes free_x,
                   ir_ints batch_o, ir_ints sum_o, ir_axes free_o)
{
    int32_t lead[IR_MAX_RANK], perm[IR_MAX_RANK], order[IR_MAX_RANK];
    int rank = batch_x.n + own.n + sum_x.n, k = batch_x.n + own.n;

    for (int i = 0; i < batch_x.n; i++)
        lead[i] = i;
    ir_ref g = ir_dot(cx->b, gy, other, (ir_ints){batch_x.n, lead}, batch_o,
                      (ir_ints){over.n, over.at}, (ir_ints){free_o.n, free_o.at});
    /* g: batch ++ free x ++ other's sum axes in their own order */
    for (int i = 0; i < batch_x.n; i++)
        perm[batch_x.at[i]] = i;
    for (int i = 0; i < free_x.n; i++)
        perm[free_x.at[i]] = batch_x.n + i;
    for (int i = 0; i < sum_o.n; i++) {
        int smaller = 0;
        for (int j = 0; j < sum_o.n; j++)
            smaller += sum_o.at[j] < sum_o.at[i];
        order[i] = k + smaller;
    }
    for (int i = 0; i < sum_x.n; i++)
        perm[sum_x.at[i]] = order[i];
    ICE_IF(rank > IR_MAX_RANK, "rank %d", rank);
    return ir_transpose(cx->b, g, perm);
}

bool grad_dot(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    const struct ir_attr_DOT *d = &n.attr->DOT;
    ir_ref a = grad_arg(cx, n, 0), b = grad_arg(cx, n, 1);
    ir_axes fa = ir_free_axes(ir_type_of(cx->b->fn, a)->rank, d->batch_a, d->sum_a);
    ir_axes fb = ir_free_axes(ir_type_of(cx->b->fn, b)->rank, d->batch_b, d->sum_b);
    ir_axes ya = {.n = fa.n}, yb = {.n = fb.n};
    ir_dtype wide = ir_type_of(cx->b->fn, gy[0])->dtype;
    ir_ref wa = ir_cast(cx->b, a, wide), wb = ir_cast(cx->b, b, wide);

    for (int i = 0; i < fa.n; i++)
        ya.at[i] = d->batch_a.n + i;
    for (int i = 0; i < fb.n; i++)
        yb.at[i] = d->batch_a.n + fa.n + i;
    grad_add(cx, a, half(cx, gy[0], wb, ya, yb, d->batch_a, d->sum_a, fa,
                         d->batch_b, d->sum_b, fb));
    grad_add(cx, b, half(cx, gy[0], wa, yb, ya, d->batch_b, d->sum_b, fb,
                         d->batch_a, d->sum_a, fa));
    return true;
}
