/* codegen/lower/argreduce.c - positions of the least or greatest elements.  Lanes lie
 * along the last axis: each has an element of its own where that is kept; where it is
 * reduced each has a part of the row, and the lanes are compared behind it. */
#include "best.h"
#include "nest.h"

/* The template's kernel while it is made. */
typedef struct argreduce {
    job *j;
    body b;
    ir_ref x;
    const ir_type *t, *yt;      /* of the operand, of the result */
    ir_ints axis;               /* the one reduced */
    schedule s;
    best best;
    lp_expr out[IR_MAX_RANK];
} argreduce;

/* Takes the element at position p of the axis. */
static void take(argreduce *a, const lp_expr *lane, lp_expr p)
{
    lp_expr idx[IR_MAX_RANK];

    nest_merge(a->t->rank, a->axis, a->out, &p, idx);
    best_take(a->b.k, &a->best, lane, body_at(&a->b, a->x, idx), p);
}

/* The last axis is kept, or the axis is too short for lanes: element by element. */
static void reduce_each(argreduce *a, lp_expr extent)
{
    lp_kernel *k = a->b.k;

    best_begin(k, &a->best, 0);
    take(a, NULL, lp_for(k, "r", lp_int(k, 0), extent));
    lp_end(k);
}

/* Element v of the row belongs to lane v % lanes, in each of which the best so far
 * is kept; the positions decide between equal ones when the lanes are compared. */
static void reduce_row(argreduce *a, lp_expr extent)
{
    lp_kernel *k = a->b.k;

    best_begin(k, &a->best, a->s.lanes);
    lp_expr v = lp_vec(k, "v", lp_int(k, 0), extent, a->s.lanes, LP_MASKED);
    lp_expr lane = lp_mod(k, v, lp_int(k, a->s.lanes));
    take(a, &lane, v);
    lp_end(k);
    best_fold(k, &a->best, a->s.lanes);
}

/* Opens the loops over the result, the last axis in strips of vectors if `wide`, so
 * that threads share it; returns how many. */
static int open_result(argreduce *a, bool wide)
{
    lp_kernel *k = a->b.k;
    dim_table *d = &a->b.l->m->dims;
    ir_dim outer[IR_MAX_RANK];
    int n = a->yt->rank, last = n - 1, width = a->s.vectors * a->s.lanes;

    memcpy(outer, a->yt->dim, (size_t)n * sizeof *outer);
    if (wide)
        outer[last] = dim_ceildiv(d, outer[last], dim_int(d, width));
    int open = n ? body_loops(&a->b, outer, n, a->out) : 0;
    if (!wide)
        return open;
    lp_expr first = lp_mul(k, a->out[last], lp_int(k, width));
    lp_expr end = lp_min(k, lp_add(k, first, lp_int(k, width)), body_dim(&a->b, a->yt->dim[last]));
    a->out[last] = lp_vec(k, "v", first, end, a->s.lanes, LP_MASKED);
    return open + 1;
}

/* By whether the row that is reduced fills lanes several times, or results lie beside each
 * other. */
static schedule choose(const argreduce *a, bool row)
{
    const dim_table *d = &a->j->l->m->dims;
    ir_dim length = a->t->dim[a->axis.at[0]];
    problem p = {.kind = PROBLEM_BEST, .sums = a->t->dtype, .columns = row ? 0 : -1};

    p.many = row && schedule_fills(p.kind, dim_hint(d, length), lanes_of(a->j->l, p.sums));
    return nest_schedule(a->j, row ? "argrows" : "argcolumns", &p, a->yt, &length, 1);
}

/* A long row is compared by lanes, each with the best of its own and its place, and
 * the lanes at the end; short rows and other axes one element after the other. */
bool template_argreduce(job *j)
{
    const struct ir_attr_ARGREDUCE *at = &j->root->attr->ARGREDUCE;
    const int32_t axis[1] = {(int32_t)at->axis};
    const ir_fn *fn = j->in->fn;
    int64_t n;
    argreduce a = {.j = j, .x = ir_arg(fn, j->root, 0), .axis = {1, axis}};

    a.t = ir_type_of(fn, a.x), a.yt = ir_type_of(fn, j->root->first);
    ir_dim length = a.t->dim[axis[0]];
    bool few = dim_const(&j->l->m->dims, length, &n) && n < INT32_MAX;
    a.best = (best){.op = at->op, .last = at->last, .dtype = a.t->dtype,
                    .place = few ? DT_I32 : DT_I64};
    bool row = axis[0] == a.t->rank - 1;
    job_kernel(j, &a.b, "argreduce");
    a.s = a.b.k->schedule = choose(&a, row);
    int open = open_result(&a, !row);
    (row && a.s.lanes > 1 ? reduce_row : reduce_each)(&a, body_dim(&a.b, length));
    job_store(j, &a.b, a.out, best_position(a.b.k, &a.best));
    nest_close(a.b.k, open);
    return job_end(j, &a.b);
}
