/* codegen/lower/reduce.c - reductions.  Where the last axis of the result is also
 * the operand's last, the result is vectorized along it and the reduced axes are
 * loops; where the last axis is reduced, W partial results run along it and are
 * folded at the end.  Axes of one element behind it do not count. */
#include "axes.h"
#include "nest.h"

/* A reduction along columns: the last axis that counts is kept. */
typedef struct columns {
    job *j;
    body *b;
    ir_ref x;
    ir_ints axes;
    ir_redop op;
    ir_dtype acc;
    schedule s;
    int w;                      /* its lanes */
    int last;                   /* the result's axis that they lie along; -1: it has none */
    lp_expr out[IR_MAX_RANK];
} columns;

/* Adds up what lies under the result's elements out[..., column], for `n`
 * vectors of them in unrolled loops or, for 0, one with a mask. */
static void sum_columns(columns *c, lp_expr first, int n)
{
    const ir_type *t = ir_type_of(c->b->fn, c->x);
    lp_kernel *k = c->b->k;
    lp_expr red[IR_MAX_RANK], idx[IR_MAX_RANK], zero = lp_int(k, 0), w = lp_int(k, c->w);
    ir_dim dims[IR_MAX_RANK];
    int count = nest_reduced(t, c->axes, dims), last = c->last;

    const lp_expr extents[2] = {n ? lp_int(k, n) : 0, w};
    lp_buf a = lp_local(k, "acc", c->acc, n ? 2 : 0, extents, LP_REG,
                        redop_start(k, c->op, c->acc));
    nest_open(c->b, dims, count, red);
    lp_expr at[2] = {0};
    if (n) {
        at[0] = lp_unroll(k, "u", n);
        at[1] = lp_vec(k, "v", zero, w, c->w, LP_EXACT);
        c->out[last] = lp_add(k, first, lp_add(k, lp_mul(k, at[0], w), at[1]));
    }
    nest_merge(t->rank, c->axes, c->out, red, idx);
    lp_update(k, redop_scalar(c->op, c->acc), a, at, lp_cast(k, c->acc, body_at(c->b, c->x, idx)));
    nest_close(k, count + (n ? 2 : 0));
    if (n) {
        at[0] = lp_unroll(k, "u", n);
        at[1] = lp_vec(k, "v", zero, w, c->w, LP_EXACT);
        c->out[last] = lp_add(k, first, lp_add(k, lp_mul(k, at[0], w), at[1]));
    }
    job_store(c->j, c->b, c->out, lp_load(k, a, at));
    nest_close(k, n ? 2 : 0);
}

/* Strips of several vectors: a row's part is then whole cache lines, and its
 * sums do not wait for each other.  The rest goes by single vectors. */
static void sum_all_columns(columns *c)
{
    const ir_type *yt = ir_type_of(c->b->fn, c->j->root->first);
    dim_table *t = &c->j->l->m->dims;
    lp_kernel *k = c->b->k;
    int last = c->last, width = c->s.vectors * c->w, open = 0;
    ir_dim outer[IR_MAX_RANK];
    lp_expr columns = last >= 0 ? body_dim(c->b, yt->dim[last]) : 0, zero = lp_int(k, 0);
    int64_t n;

    for (int i = last + 1; i < yt->rank; i++)
        c->out[i] = zero;
    if (last < 0) {
        sum_columns(c, 0, 0);
        return;
    }
    bool narrow = dim_const(t, yt->dim[last], &n) && n < width;
    if (!narrow) {
        memcpy(outer, yt->dim, (size_t)last * sizeof *outer);
        outer[last] = dim_ceildiv(t, yt->dim[last], dim_int(t, width));
    }
    open =
        last + !narrow > 0 ? body_loops(c->b, narrow ? yt->dim : outer, last + !narrow, c->out) : 0;
    lp_expr first = narrow ? zero : lp_mul(k, c->out[last], lp_int(k, width));
    lp_expr end = lp_add(k, first, lp_int(k, width));
    if (!narrow) {
        lp_if(k, lp_le(k, end, columns));
        sum_columns(c, first, c->s.vectors);
        lp_else(k);
    }
    c->out[last] =
        lp_vec(k, "v", first, narrow ? columns : lp_min(k, end, columns), c->w, LP_MASKED);
    sum_columns(c, first, 0);
    nest_close(k, open + 1 + !narrow);
}

/* The last axis that counts is kept; `behind`: axes of one element. */
static void reduce_columns(job *j, body *b, ir_ref x, int behind)
{
    const struct ir_attr_REDUCE *at = &j->root->attr->REDUCE;
    const ir_type *t = ir_type_of(b->fn, x), *yt = ir_type_of(b->fn, j->root->first);
    const problem p = {.kind = PROBLEM_COLUMNS, .sums = acc_dtype(t->dtype)};
    ir_dim over[IR_MAX_RANK];
    int n = nest_reduced(t, at->axes, over);
    schedule s = nest_schedule(j, "columns", &p, yt, over, n);

    b->k->schedule = s;
    sum_all_columns(&(columns){.j = j, .b = b, .x = x, .axes = at->axes, .op = at->op,
                               .acc = p.sums, .s = s, .w = s.lanes, .last = yt->rank - 1 - behind});
}

/* The last axis that counts is reduced. */
static void reduce_rows(job *j, body *b, ir_ref x, ir_ints axes, ir_redop op, ir_dtype acc)
{
    const ir_type *t = ir_type_of(b->fn, x), *yt = ir_type_of(b->fn, j->root->first);
    lp_kernel *k = b->k;
    lp_expr out[IR_MAX_RANK], red[IR_MAX_RANK], idx[IR_MAX_RANK], zero = lp_int(k, 0);
    ir_dim dims[IR_MAX_RANK];
    int n = nest_reduced(t, axes, dims);
    const schedule s = k->schedule = nest_of_rows(j, "reduce", acc, yt, dims, n);
    int w = s.lanes * s.parts;
    int open = yt->rank ? body_loops(b, yt->dim, yt->rank, out) : 0;

    lp_expr lanes = lp_int(k, w), start = redop_start(k, op, acc);
    lp_buf a = lp_local(k, "acc", acc, 1, &lanes, LP_REG, start);
    nest_open(b, dims, n - 1, red);
    red[n - 1] = lp_vec(k, "v", zero, body_dim(b, dims[n - 1]), w, LP_MASKED);
    nest_merge(t->rank, axes, out, red, idx);
    lp_expr lane = lp_mod(k, red[n - 1], lanes);
    lp_update(k, redop_scalar(op, acc), a, &lane, lp_cast(k, acc, body_at(b, x, idx)));
    nest_close(k, n);
    job_store(j, b, out, lp_fold(k, "sum", redop_scalar(op, acc), a));
    nest_close(k, open);
}

/* Is an axis known to have no elements?  Then the result is where reductions start. */
static bool is_empty(const job *j, const ir_type *t, ir_ints axes)
{
    for (int i = 0; i < axes.n; i++)
        if (dim_is(&j->l->m->dims, t->dim[axes.at[i]], 0))
            return true;
    return false;
}

static void reduce_nothing(job *j, body *b, ir_redop op, ir_dtype acc)
{
    const ir_type *yt = ir_type_of(b->fn, j->root->first);
    lp_expr out[IR_MAX_RANK];
    int open = yt->rank ? body_loops(b, yt->dim, yt->rank, out) : 0;

    job_store(j, b, out, redop_start(b->k, op, acc));
    nest_close(b->k, open);
}

/* The last axis that has more than one element, or is reduced. */
static int axis_of_lanes(const job *j, const ir_type *t, ir_ints axes)
{
    int axis = t->rank - 1;

    while (axis > 0 && !ir_has_axis(axes, axis) && dim_is(&j->l->m->dims, t->dim[axis], 1))
        axis--;
    return axis;
}

/* Along the last axis the elements of a sum lie side by side and lanes share a sum;
 * else lanes are sums beside each other. */
bool template_reduce(job *j)
{
    const struct ir_attr_REDUCE *at = &j->root->attr->REDUCE;
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x);
    int axis = axis_of_lanes(j, t, at->axes);
    body b;

    job_kernel(j, &b, "reduce");
    if (is_empty(j, t, at->axes))
        reduce_nothing(j, &b, at->op, acc_dtype(t->dtype));
    else if (ir_has_axis(at->axes, axis))
        reduce_rows(j, &b, x, at->axes, at->op, acc_dtype(t->dtype));
    else
        reduce_columns(j, &b, x, t->rank - 1 - axis);
    return job_end(j, &b);
}
