/* passes/grad_contract.c - gradients of contractions.
 *   y[batch, fa, fb] = sum_s a[batch, fa, s] * b[batch, fb, s]
 *   da[batch, fa, s] = sum_fb gy * b        db[batch, fb, s] = sum_fa gy * a */
#include "axes.h"
#include "grad.h"

/* An operand's axes: of the batch, summed, free. */
typedef struct side {
    ir_ints batch, sum;
    ir_axes free;
} side;

static ir_ints list(const ir_axes *a)
{
    return (ir_ints){a->n, a->at};
}

/* Where each axis of x lies in g, whose axes are the batch, then x's free ones, which begin
 * at `free`, and its summed ones from `sum` on, in the order of the other operand's. */
static void places(const side *x, const side *other, int free, int sum, int32_t *perm)
{
    for (int i = 0; i < x->batch.n; i++)
        perm[x->batch.at[i]] = i;
    for (int i = 0; i < x->free.n; i++)
        perm[x->free.at[i]] = free + i;
    for (int i = 0; i < x->sum.n; i++) {
        int smaller = 0;
        for (int j = 0; j < x->sum.n; j++)
            smaller += other->sum.at[j] < other->sum.at[i];
        perm[x->sum.at[i]] = sum + smaller;
    }
}

/* Is x's first axis behind the batch a summed one? */
static bool sums_first(const side *x)
{
    int axis = 0;

    while (ir_has_axis(x->batch, axis))
        axis++;
    return ir_has_axis(x->sum, axis);
}

/* Gradient of operand x, whose free axes stand at `own` in y: gy contracted with `other` over
 * other's free axes, at `over` in y, and laid out as x is.  The operand whose axes come first
 * in x comes first, so that mostly nothing is transposed: of y = x w it is gy wT and xT gy. */
static ir_ref half(grad_cx *cx, ir_ref gy, ir_ref other, const side *x, const side *o,
                   ir_axes own, ir_axes over)
{
    int32_t lead[IR_MAX_RANK], perm[IR_MAX_RANK];
    int batch = x->batch.n;
    const ir_ints in_y = {batch, lead};
    ir_ref g;

    for (int i = 0; i < batch; i++)
        lead[i] = i;
    ICE_IF(batch + own.n + x->sum.n > IR_MAX_RANK, "rank %d", batch + own.n + x->sum.n);
    if (sums_first(x)) {
        g = ir_dot(cx->b, other, gy, o->batch, in_y, list(&o->free), list(&over));
        places(x, o, batch + x->sum.n, batch, perm);
    } else {
        g = ir_dot(cx->b, gy, other, in_y, o->batch, list(&over), list(&o->free));
        places(x, o, batch, batch + own.n, perm);
    }
    return ir_transpose(cx->b, g, perm);
}

/* Operands narrower than the sums (8-bit, say) are widened first: the gradient has
 * the dtype of the result. */
bool grad_dot(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    const struct ir_attr_DOT *d = &n.attr->DOT;
    ir_ref a = grad_arg(cx, n, 0), b = grad_arg(cx, n, 1);
    ir_axes fa = ir_free_axes(grad_type(cx, a)->rank, d->batch_a, d->sum_a);
    ir_axes fb = ir_free_axes(grad_type(cx, b)->rank, d->batch_b, d->sum_b);
    const side sa = {d->batch_a, d->sum_a, fa}, sb = {d->batch_b, d->sum_b, fb};
    ir_axes ya = {.n = fa.n}, yb = {.n = fb.n};
    ir_dtype wide = grad_type(cx, gy[0])->dtype;
    ir_ref wa = ir_cast(cx->b, a, wide), wb = ir_cast(cx->b, b, wide);

    for (int i = 0; i < fa.n; i++)
        ya.at[i] = d->batch_a.n + i;
    for (int i = 0; i < fb.n; i++)
        yb.at[i] = d->batch_a.n + fa.n + i;
    grad_add(cx, a, half(cx, gy[0], wb, &sa, &sb, ya, yb));
    grad_add(cx, b, half(cx, gy[0], wa, &sb, &sa, yb, ya));
    return true;
}
