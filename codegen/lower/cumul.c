/* codegen/lower/cumul.c - running reductions: one row at a time, in order, since
 * each result needs the one before.  Threads share the rows, and lanes those that lie beside
 * each other.  `exclusive` stores the sum before the element is added, `reverse` begins at the
 * end. */
#include "nest.h"

/* The template's kernel while it is made. */
typedef struct cumul {
    job *j;
    body b;
    ir_ref x;
    const ir_type *t;
    int axis;
    lp_expr idx[IR_MAX_RANK];
} cumul;

/* The last axis is kept, in strips of some vectors: rows beside each other have a lane each. */
static lp_expr open_strip(cumul *c, lp_expr strip, int width)
{
    lp_kernel *k = c->b.k;
    lp_expr first = lp_mul(k, strip, lp_int(k, width));
    lp_expr end = body_dim(&c->b, c->t->dim[c->t->rank - 1]);

    end = lp_min(k, lp_add(k, first, lp_int(k, width)), end);
    return lp_vec(k, "v", first, end, k->schedule.lanes, LP_MASKED);
}

/* Opens the loops over all axes but that of the rows; returns how many. */
static int open_rows(cumul *c)
{
    dim_table *d = &c->b.l->m->dims;
    const schedule *s = &c->b.k->schedule;
    int n = 0, last = c->t->rank - 1, width = s->vectors * s->lanes;
    ir_dim outer[IR_MAX_RANK];
    lp_expr at[IR_MAX_RANK];

    for (int i = 0; i <= last; i++)
        if (i != c->axis)
            outer[n++] = c->t->dim[i];
    if (width)
        outer[n - 1] = dim_ceildiv(d, outer[n - 1], dim_int(d, width));
    int open = n ? body_loops(&c->b, outer, n, at) : 0;
    for (int i = 0, o = 0; i <= last; i++)
        if (i != c->axis)
            c->idx[i] = at[o++];
    if (!width)
        return open;
    c->idx[last] = open_strip(c, c->idx[last], width);
    return open + 1;
}

/* acc = start; for r { before = acc; acc = before op x[r]; out[r] = .. } */
static void make_row(cumul *c)
{
    const struct ir_attr_CUMUL *at = &c->j->root->attr->CUMUL;
    lp_kernel *k = c->b.k;
    ir_dtype acc = acc_dtype(c->t->dtype);
    lp_buf a = lp_local(k, "acc", acc, 0, NULL, LP_REG, redop_start(k, at->op, acc));
    lp_expr e = body_dim(&c->b, c->t->dim[c->axis]);
    lp_expr r = lp_for(k, "r", lp_int(k, 0), e);

    c->idx[c->axis] = at->reverse ? lp_sub(k, lp_sub(k, e, lp_int(k, 1)), r) : r;
    lp_expr v = lp_let(k, "x", lp_cast(k, acc, body_at(&c->b, c->x, c->idx)));
    lp_expr before = lp_let(k, "before", lp_load(k, a, NULL));
    lp_expr after = lp_let(k, "after", lp_2(k, redop_scalar(at->op, acc), before, v));
    lp_store(k, a, NULL, after);
    after = lp_cast(k, c->t->dtype, at->exclusive ? before : after);
    lp_store(k, body_output(&c->b, c->j->out), c->idx, after);
    lp_end(k);
}

/* Along the last axis a row is walked element by element, and there is nothing to choose; so it
 * is with one row, where masks of lanes would take twice as long. */
bool template_cumul(job *j)
{
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    cumul c = {.j = j, .x = x, .t = ir_type_of(j->in->fn, x),
               .axis = (int)j->root->attr->CUMUL.axis};
    const problem p = {.kind = PROBLEM_COLUMNS, .sums = acc_dtype(c.t->dtype)};
    int last = c.t->rank - 1;

    job_kernel(j, &c.b, "cumul");
    if (c.axis < last && !dim_is(&j->l->m->dims, c.t->dim[last], 1))
        c.b.k->schedule = nest_schedule(j, "running", &p, c.t, &c.t->dim[c.axis], 1);
    int open = open_rows(&c);
    make_row(&c);
    nest_close(c.b.k, open);
    return job_end(j, &c.b);
}
