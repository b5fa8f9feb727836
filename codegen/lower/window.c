/* codegen/lower/window.c - reductions over sliding boxes, and positions in them. */
#include "nest.h"

typedef struct win {
    ir_dims size, stride, dil, low, high;
    ir_redop op;
} win;

static win win_of(const ir_node *n)
{
    const struct ir_attr_WINDOW *w = &n->attr->WINDOW;
    const struct ir_attr_WINDOWARG *a = &n->attr->WINDOWARG;

    return n->op == OP_WINDOW ? (win){w->size, w->stride, w->dil, w->low, w->high, w->op}
                              : (win){a->size, a->stride, a->dil, a->low, a->high, a->op};
}

/* Position i of the operand for output o and tap r; `inside` gets its bounds. */
static lp_expr tap(body *b, const win *w, int axis, lp_expr o, lp_expr r, lp_expr extent,
                   lp_expr *inside)
{
    lp_kernel *k = b->k;
    lp_expr p = lp_mul(k, o, body_dim(b, w->stride.at[axis]));
    lp_expr zero = lp_int(k, 0);

    p = lp_add(k, p, lp_mul(k, r, w->dil.n ? body_dim(b, w->dil.at[axis]) : lp_int(k, 1)));
    p = lp_sub(k, p, body_dim(b, w->low.at[axis]));
    lp_expr in = lp_le(k, zero, p);
    in = lp_and(k, in, lp_lt(k, p, extent));
    *inside = *inside ? lp_and(k, *inside, in) : in;
    return p;
}

static bool trivial_axis(const dim_table *d, const win *w, int i)
{
    return dim_is(d, w->size.at[i], 1) && dim_is(d, w->stride.at[i], 1) &&
           dim_is(d, w->low.at[i], 0) && dim_is(d, w->high.at[i], 0);
}

/* The best element so far and its place in the whole operand; NaN wins, and of
 * equals the first. */
static void take_best(body *b, const ir_type *t, ir_redop op, lp_buf best, lp_buf where,
                      lp_expr v, const lp_expr *idx)
{
    lp_kernel *k = b->k;

    v = lp_let(k, "x", v);
    lp_expr o = lp_let(k, "o", lp_load(k, best, NULL)), linear = idx[0];
    lp_expr old = lp_load(k, where, NULL);
    lp_expr better = op == RED_MAX ? lp_lt(k, o, v) : lp_lt(k, v, o);
    lp_expr fresh = lp_2(k, SC_OR, lp_lt(k, old, lp_int(k, 0)), better);
    if (dt_is_float(t->dtype)) {
        lp_expr nan = lp_1(k, SC_ISNAN, v);
        nan = lp_and(k, nan, lp_1(k, SC_NOT, lp_1(k, SC_ISNAN, o)));
        fresh = lp_2(k, SC_OR, fresh, nan);
    }
    fresh = lp_let(k, "fresh", fresh);
    for (int i = 1; i < t->rank; i++)
        linear = lp_add(k, lp_mul(k, linear, body_dim(b, t->dim[i])), idx[i]);
    lp_store(k, best, NULL, lp_select(k, fresh, v, o));
    lp_store(k, where, NULL, lp_select(k, fresh, linear, lp_load(k, where, NULL)));
}

bool template_window(job *j)
{
    win w = win_of(j->root);
    bool arg = j->root->op == OP_WINDOWARG;
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x), *yt = ir_type_of(j->in->fn, j->root->first);
    lp_expr out[IR_MAX_RANK], idx[IR_MAX_RANK], inside = 0;
    ir_dim taps[IR_MAX_RANK];
    lp_expr red[IR_MAX_RANK];
    int n = 0, last = yt->rank - 1, open = 0;
    const dim_table *d = &j->l->m->dims;
    ir_dtype acc = arg ? t->dtype : acc_dtype(t->dtype);
    body b;

    job_kernel(j, &b, "window");
    lp_kernel *k = b.k;
    bool vec = last >= 0 && !arg && trivial_axis(d, &w, last);
    open = last + !vec > 0 ? body_loops(&b, yt->dim, last + !vec, out) : 0;
    if (vec) {
        lp_expr zero = lp_int(k, 0), end = body_dim(&b, yt->dim[last]);
        out[last] = lp_vec(k, "v", zero, end, lanes_of(j->l, acc), LP_MASKED);
        open++;
    }
    lp_expr first =
        arg && dt_is_float(acc) ? redop_start(k, RED_MAX, acc) : redop_start(k, w.op, acc);
    lp_buf a = lp_local(k, "acc", acc, 0, NULL, LP_REG, first);
    lp_buf where = arg ? lp_local(k, "where", DT_I64, 0, NULL, LP_REG, lp_int(k, -1)) : 0;
    for (int i = 0; i < t->rank; i++)
        if (!trivial_axis(d, &w, i))
            taps[n++] = w.size.at[i];
    nest_open(&b, taps, n, red);
    n = 0;
    for (int i = 0; i < t->rank; i++) {
        lp_expr e = body_dim(&b, t->dim[i]);
        idx[i] = trivial_axis(d, &w, i) ? out[i] : tap(&b, &w, i, out[i], red[n++], e, &inside);
    }
    if (inside)
        lp_if(k, inside);
    lp_expr v = lp_cast(k, acc, body_at(&b, x, idx));
    if (arg)
        take_best(&b, t, w.op, a, where, v, idx);
    else
        lp_update(k, redop_scalar(w.op), a, NULL, v);
    if (inside)
        lp_end(k);
    nest_close(k, n);
    lp_expr result = lp_load(k, arg ? where : a, NULL);
    if (arg)                    /* a window of padding alone: 0 */
        result = lp_max(k, result, lp_int(k, 0));
    job_store(j, &b, out, result);
    nest_close(k, open);
    return job_end(j, &b);
}
