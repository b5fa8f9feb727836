/* codegen/lower/argreduce.c - positions of the least or greatest elements. */
#include "nest.h"

/* One element at a time along the axis: NaN wins, ties by `last`. */
bool template_argreduce(job *j)
{
    const struct ir_attr_ARGREDUCE *at = &j->root->attr->ARGREDUCE;
    const int32_t axis[1] = {(int32_t)at->axis};
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x), *yt = ir_type_of(j->in->fn, j->root->first);
    lp_expr out[IR_MAX_RANK], red[1], idx[IR_MAX_RANK];
    body b;

    job_kernel(j, &b, "argreduce");
    lp_kernel *k = b.k;
    int open = yt->rank ? body_loops(&b, yt->dim, yt->rank, out) : 0;
    lp_expr zero = lp_int(k, 0);
    nest_merge(t->rank, (ir_ints){1, axis}, out, &zero, idx);
    lp_buf best = lp_local(k, "best", t->dtype, 0, NULL, LP_REG, body_at(&b, x, idx));
    lp_buf where = lp_local(k, "where", DT_I64, 0, NULL, LP_REG, zero);
    lp_expr one = lp_int(k, 1);
    red[0] = lp_for(k, "r", one, body_dim(&b, t->dim[axis[0]]));
    nest_merge(t->rank, (ir_ints){1, axis}, out, red, idx);
    lp_expr v = lp_let(k, "v", body_at(&b, x, idx)), o = lp_let(k, "o", lp_load(k, best, NULL));
    lp_expr p = at->op == RED_MAX ? o : v, q = at->op == RED_MAX ? v : o;
    lp_expr better = at->last ? lp_le(k, p, q) : lp_lt(k, p, q);
    if (dt_is_float(t->dtype)) {
        lp_expr vn = lp_1(k, SC_ISNAN, v), on = lp_1(k, SC_ISNAN, o);
        lp_expr fresh = at->last ? vn : lp_and(k, vn, lp_1(k, SC_NOT, on));
        better = lp_2(k, SC_OR, fresh, lp_and(k, better, lp_1(k, SC_NOT, on)));
    }
    better = lp_let(k, "better", better);
    lp_store(k, best, NULL, lp_select(k, better, v, o));
    lp_store(k, where, NULL, lp_select(k, better, red[0], lp_load(k, where, NULL)));
    lp_end(k);
    job_store(j, &b, out, lp_load(k, where, NULL));
    nest_close(k, open);
    return job_end(j, &b);
}
