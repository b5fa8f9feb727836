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

/* A kernel of updates in the making: update idx goes to element `to` of the result. */
typedef struct updates {
    job *j;
    body b;
    const struct ir_attr_SCATTER *at;
    const ir_type *t, *ut;      /* of the result, and of the updates */
    int indexed;                /* so many first axes of the updates are those of the index */
    lp_expr idx[IR_MAX_RANK], to[IR_MAX_RANK];
    int open;                   /* blocks to close */
} updates;

/* Reads the indices, which have loops by now; opens a block for the updates that are inside. */
static void find_place(updates *u)
{
    lp_kernel *k = u->b.k;
    lp_expr inside = 0;

    for (int i = 0; i < u->t->rank; i++) {
        int a = ir_find_axis(u->at->axes, i);
        if (a < 0)
            continue;
        ir_ref index = ir_arg(u->b.fn, u->j->root, (uint32_t)a + 1);
        u->to[i] = lp_let(k, "at", lp_cast(k, DT_I64, body_at(&u->b, index, u->idx)));
        lp_expr in = lp_le(k, lp_int(k, 0), u->to[i]);
        in = lp_and(k, in, lp_lt(k, u->to[i], body_dim(&u->b, u->t->dim[i])));
        inside = inside ? lp_and(k, inside, in) : in;
    }
    if (!inside)
        return;
    lp_if(k, inside);
    u->open++;
}

static void apply(updates *u)
{
    lp_kernel *k = u->b.k;

    for (int i = 0, rest = u->indexed; i < u->t->rank; i++)
        if (!ir_has_axis(u->at->axes, i))
            u->to[i] = u->idx[rest++];
    lp_expr v = body_at(&u->b, ir_arg(u->b.fn, u->j->root, (uint32_t)u->at->axes.n + 1), u->idx);
    lp_buf y = body_output(&u->b, u->j->out);
    if (u->at->op == RED_SET)
        lp_store(k, y, u->to, v);
    else
        lp_update(k, redop_scalar(u->at->op, u->t->dtype), y, u->to, v);
}

/* Strips of columns, which threads share: each goes through all updates. */
static void apply_strips(updates *u)
{
    const problem p = {.kind = PROBLEM_COLUMNS, .sums = u->t->dtype};
    dim_table *t = &u->j->l->m->dims;
    lp_kernel *k = u->b.k;
    int last = u->ut->rank - 1, first = u->indexed;
    ir_dim outer[IR_MAX_RANK];

    k->schedule = nest_schedule(u->j, "scatter", &p, u->ut, NULL, 0);
    int width = k->schedule.vectors * k->schedule.lanes;
    memcpy(outer, u->ut->dim, (size_t)last * sizeof *outer);
    outer[last] = dim_ceildiv(t, u->ut->dim[last], dim_int(t, width));
    u->open += body_loops(&u->b, outer + first, last + 1 - first, u->idx + first);
    nest_open(&u->b, u->ut->dim, first, u->idx);
    u->open += first;
    find_place(u);
    lp_expr from = lp_mul(k, u->idx[last], lp_int(k, width));
    lp_expr end = lp_min(k, lp_add(k, from, lp_int(k, width)), body_dim(&u->b, u->ut->dim[last]));
    u->idx[last] = lp_vec(k, "v", from, end, k->schedule.lanes, LP_MASKED);
    u->open++;
}

/* Copies the base, then applies the updates in increasing order, as later updates of a place
 * must follow earlier ones.  Where no index is along the last axis, columns have no place in
 * common; else it is one thread. */
bool template_scatter(job *j)
{
    const struct ir_attr_SCATTER *at = &j->root->attr->SCATTER;
    const ir_fn *fn = j->in->fn;
    ir_ref base = ir_arg(fn, j->root, 0), update = ir_arg(fn, j->root, (uint32_t)at->axes.n + 1);
    updates u = {.j = j, .at = at, .t = ir_type_of(fn, base), .ut = ir_type_of(fn, update)};

    if (!copy_base(j, base))
        return false;
    job_kernel(j, &u.b, "scatter");
    u.indexed = at->axes.n ? ir_type_of(fn, ir_arg(fn, j->root, 1))->rank : 0;
    if (u.ut->rank > u.indexed && !ir_has_axis(at->axes, u.t->rank - 1)) {
        apply_strips(&u);
    } else {
        nest_open(&u.b, u.ut->dim, u.ut->rank, u.idx);
        u.open = u.ut->rank;
        find_place(&u);
    }
    apply(&u);
    nest_close(u.b.k, u.open);
    return job_end(j, &u.b);
}
