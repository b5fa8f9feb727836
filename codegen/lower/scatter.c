/* codegen/lower/scatter.c - updates at computed indices.  Updates of one place are
 * applied in the order of the updates' elements, since the sum of floats depends on
 * it and results must not depend on threads. */
#include "axes.h"
#include "nest.h"

/* A kernel that copies the base to the result, with all threads. */
static bool copy_base(job *j, ir_ref base)
{
    const ir_type *t = ir_type_of(j->in->fn, base);
    const problem p = {.kind = PROBLEM_NEST, .sums = t->dtype};
    lp_expr idx[IR_MAX_RANK];
    body b;
    int open = 0, last = t->rank - 1;

    job_kernel(j, &b, "copy");
    b.k->schedule = nest_schedule(j, "copy", &p, t, NULL, 0);
    open = last > 0 ? body_loops(&b, t->dim, last, idx) : 0;
    if (last >= 0) {
        lp_expr zero = lp_int(b.k, 0), end = body_dim(&b, t->dim[last]);
        idx[last] = lp_vec(b.k, "v", zero, end, b.k->schedule.lanes, LP_MASKED);
        open++;
    }
    lp_expr v = body_at(&b, base, idx);
    lp_store(b.k, body_output(&b, j->out), idx, v);
    nest_close(b.k, open);
    return job_end(j, &b);
}

/* Copies the base, then applies the updates in increasing order: one thread, as later
 * updates of a place must follow earlier ones. */
bool template_scatter(job *j)
{
    const struct ir_attr_SCATTER *at = &j->root->attr->SCATTER;
    const ir_fn *fn = j->in->fn;
    int n = at->axes.n;
    ir_ref base = ir_arg(fn, j->root, 0), u = ir_arg(fn, j->root, (uint32_t)n + 1);
    const ir_type *t = ir_type_of(fn, base), *ut = ir_type_of(fn, u);
    int ri = n ? ir_type_of(fn, ir_arg(fn, j->root, 1))->rank : 0, rest = ri;
    lp_expr idx[IR_MAX_RANK], to[IR_MAX_RANK], inside = 0;
    body b;

    if (!copy_base(j, base))
        return false;
    job_kernel(j, &b, "scatter");
    lp_kernel *k = b.k;
    nest_open(&b, ut->dim, ut->rank, idx);
    for (int i = 0; i < t->rank; i++) {
        int a = ir_find_axis(at->axes, i);
        if (a < 0) {
            to[i] = idx[rest++];
            continue;
        }
        lp_expr v = lp_cast(k, DT_I64, body_at(&b, ir_arg(fn, j->root, (uint32_t)a + 1), idx));
        to[i] = lp_let(k, "at", v);
        lp_expr in = lp_le(k, lp_int(k, 0), to[i]);
        in = lp_and(k, in, lp_lt(k, to[i], body_dim(&b, t->dim[i])));
        inside = inside ? lp_and(k, inside, in) : in;
    }
    if (inside)
        lp_if(k, inside);
    lp_expr v = body_at(&b, u, idx);
    lp_buf y = body_output(&b, j->out);
    if (at->op == RED_SET)
        lp_store(k, y, to, v);
    else
        lp_update(k, redop_scalar(at->op, t->dtype), y, to, v);
    if (inside)
        lp_end(k);
    nest_close(k, ut->rank);
    return job_end(j, &b);
}
