/* codegen/lower/cumul.c - running reductions: one row at a time, in order, since
 * each result needs the one before.  Threads share the rows.  `exclusive` stores
 * the sum before the element is added, `reverse` begins at the end. */
#include "nest.h"

/*    par kept.. { acc = start; for r { before = acc; acc = before op x[r]; out[r] = .. } }
 *
 * The axis is walked in order, since each sum needs the one before; only other axes
 * are parallel. */
bool template_cumul(job *j)
{
    const struct ir_attr_CUMUL *at = &j->root->attr->CUMUL;
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x);
    ir_dtype acc = acc_dtype(t->dtype);
    ir_dim outer[IR_MAX_RANK];
    lp_expr kept[IR_MAX_RANK], idx[IR_MAX_RANK];
    int n = 0, axis = (int)at->axis;
    body b;

    job_kernel(j, &b, "cumul");
    lp_kernel *k = b.k;
    for (int i = 0; i < t->rank; i++)
        if (i != axis)
            outer[n++] = t->dim[i];
    int open = n ? body_loops(&b, outer, n, kept) : 0;
    lp_buf a = lp_local(k, "acc", acc, 0, NULL, LP_REG, redop_start(k, at->op, acc));
    lp_expr e = body_dim(&b, t->dim[axis]);
    lp_expr r = lp_for(k, "r", lp_int(k, 0), e);
    lp_expr p = at->reverse ? lp_sub(k, lp_sub(k, e, lp_int(k, 1)), r) : r;
    for (int i = 0, o = 0; i < t->rank; i++)
        idx[i] = i == axis ? p : kept[o++];
    lp_expr v = lp_let(k, "x", lp_cast(k, acc, body_at(&b, x, idx)));
    lp_expr before = lp_let(k, "before", lp_load(k, a, NULL));
    lp_expr after = lp_let(k, "after", lp_2(k, redop_scalar(at->op, acc), before, v));
    lp_store(k, a, NULL, after);
    after = lp_cast(k, t->dtype, at->exclusive ? before : after);
    lp_store(k, body_output(&b, j->out), idx, after);
    lp_end(k);
    nest_close(k, open);
    return job_end(j, &b);
}
