/* codegen/lower/rows.c - several reductions over the same rows, and what is
 * elementwise between and behind them: one row at a time.
 *
 * Each reduction is a pass over the row; one more pass stores the result.  A value
 * that later passes read again and that is costly to compute is held in a buffer of
 * the thread, or where the result will be; what is cheap, and what lies in memory, is
 * found again.  A softmax is
 *
 *   for each row i
 *     m = max over j of x[i, j]
 *     y[i, j] = exp(x[i, j] - m), s = sum over j of y[i, j]     exp is held
 *     y[i, j] = y[i, j] / s                                                    */
#include "nest.h"

/* The kernel in the making.  Of the operands, f32[n, h, w] say, `kept` axes come before
 * those that are reduced: with 1, a row has h * w elements, at idx[1] and idx[2]. */
typedef struct rows {
    job *j;
    body b;
    const ir_type *full;        /* of the operands of all reductions */
    int kept;
    ir_dtype sums;              /* type of the first reduction's sums, whose lanes are chosen */
    schedule s;
    bool used;                  /* the result's memory holds a value meanwhile */
    lp_expr idx[IR_MAX_RANK];   /* the element at hand */
} rows;

/* The values that a pass computes and puts into buffers; `skip` is how many axes before
 * the row's a buffer has not. */
typedef struct held {
    ir_ref ref[GROUP_MAX_NODES];
    lp_buf row[GROUP_MAX_NODES];
    int skip[GROUP_MAX_NODES];
    int n;
} held;

static const ir_node *member(const rows *r, uint32_t i)
{
    return &r->b.fn->node.at[r->j->g->node[i]];
}

/* Lanes of elements of this type. */
static int lanes_for(const rows *r, ir_dtype dt)
{
    return dt == r->sums ? r->s.lanes : lanes_of(r->j->l, dt);
}

/* Opens the loops over a row: the last axis in vectors. */
static void open_row(rows *r, int lanes)
{
    const ir_dim *dim = r->full->dim;
    int last = r->full->rank - 1;
    lp_kernel *k = r->b.k;

    nest_open(&r->b, dim + r->kept, last - r->kept, r->idx + r->kept);
    r->idx[last] = lp_vec(k, "v", lp_int(k, 0), body_dim(&r->b, dim[last]), lanes, LP_MASKED);
}

static void close_row(rows *r)
{
    nest_close(r->b.k, r->full->rank - r->kept);
}

/* Marks, by member, what the pass of member `phase` computes anew: what it reads, but
 * for sums and rows that earlier passes left. */
static void mark_needed(const rows *r, uint32_t phase, bool *needed)
{
    for (uint32_t i = 0; i <= phase; i++)
        needed[i] = i == phase;
    for (uint32_t i = phase + 1; i-- > 0;) {
        const ir_node *n = member(r, i);
        if (!needed[i] || body_knows(&r->b, n->first))
            continue;
        for (uint32_t a = 0; a < n->narg; a++)
            for (uint32_t k = 0; k < i; k++)
                needed[k] |= member(r, k)->first == ir_arg(r->b.fn, n, a);
    }
}

/* Is the value as long as a row of the operands? */
static bool is_full(const rows *r, const ir_type *t)
{
    bool full = t->rank == r->full->rank;

    for (int i = r->kept; full && i < t->rank; i++)
        full = dim_same(t->dim[i], r->full->dim[i]);
    return full;
}

/* Can the value be held where the result will be stored, element for element?  Then the
 * result's lines come to the cache while it is computed, not all at once behind it. */
static bool fits_result(const rows *r, ir_ref ref)
{
    const ir_type *out = ir_type_of(r->b.fn, r->j->out);

    return !r->used && is_full(r, out) && ir_type_of(r->b.fn, ref)->dtype == out->dtype &&
           r->j->g->over[0] == IR_NONE;
}

static void make_buffer(rows *r, ir_ref ref, held *h)
{
    lp_expr dims[IR_MAX_RANK];
    bool in_result = fits_result(r, ref);

    for (int i = r->kept; i < r->full->rank; i++)
        dims[i - r->kept] = body_dim(&r->b, r->full->dim[i]);
    r->used |= in_result;
    h->ref[h->n] = ref;
    h->skip[h->n] = in_result ? 0 : r->kept;
    h->row[h->n++] = in_result ? body_output(&r->b, r->j->out)
                               : lp_local(r->b.k, "row", ir_type_of(r->b.fn, ref)->dtype,
                                          r->full->rank - r->kept, dims, LP_ROW, 0);
}

/* Makes a buffer for each value to be held that the pass is the first to compute. */
static void make_buffers(rows *r, uint32_t phase, held *h)
{
    const ir_group *g = r->j->g;
    bool needed[GROUP_MAX_NODES];

    mark_needed(r, phase, needed);
    h->n = 0;
    for (uint32_t i = 0; i < phase; i++) {
        ir_ref ref = member(r, i)->first;
        bool is_row = false;
        for (uint32_t k = 0; k < g->nprivate; k++)
            is_row |= g->private[k] == ref;
        if (is_row && needed[i] && !body_knows(&r->b, ref))
            make_buffer(r, ref, h);
    }
}

/* Inside the pass: computes the element at hand of each, for its buffer and for the
 * rest of the pass. */
static void fill_buffers(rows *r, const held *h)
{
    lp_kernel *k = r->b.k;

    for (int i = 0; i < h->n; i++) {
        lp_expr v = lp_let(k, "x", body_at(&r->b, h->ref[i], r->idx));
        lp_store(k, h->row[i], r->idx + h->skip[i], v);
        body_bind(&r->b, (body_binding){.ref = h->ref[i], .how = BODY_IS, .expr = v});
    }
}

/* Behind the pass: its values are read from the buffers. */
static void use_buffers(rows *r, const held *h)
{
    for (int i = 0; i < h->n; i++)
        body_unbind(&r->b);
    for (int i = 0; i < h->n; i++)
        body_bind(&r->b, (body_binding){.ref = h->ref[i], .how = BODY_ROW, .row = h->row[i],
                                        .skip = h->skip[i]});
}

/* The pass of one reduction: a partial result for each lane, folded behind it. */
static void reduce_row(rows *r, uint32_t phase)
{
    const ir_node *n = member(r, phase);
    ir_redop op = n->attr->REDUCE.op;
    ir_dtype to = ir_type_of(r->b.fn, n->first)->dtype, acc = acc_dtype(to);
    lp_kernel *k = r->b.k;
    int last = r->full->rank - 1;
    int w = lanes_for(r, acc) * r->s.parts;
    held h;

    make_buffers(r, phase, &h);
    lp_expr lanes = lp_int(k, w), start = redop_start(k, op, acc);
    lp_buf a = lp_local(k, "acc", acc, 1, &lanes, LP_REG, start);
    open_row(r, w);
    fill_buffers(r, &h);
    lp_expr v = body_at(&r->b, ir_arg(r->b.fn, n, 0), r->idx);
    lp_expr lane = lp_mod(k, r->idx[last], lanes);
    lp_update(k, redop_scalar(op, acc), a, &lane, lp_cast(k, acc, v));
    close_row(r);
    use_buffers(r, &h);
    lp_expr sum = lp_cast(k, to, lp_fold(k, "sum", redop_scalar(op, acc), a));
    body_bind(&r->b, (body_binding){.ref = n->first, .how = BODY_IS, .expr = sum});
}

/* The last pass; where the result has one element a row there is nothing to pass over. */
static void finish_row(rows *r)
{
    const ir_type *t = ir_type_of(r->b.fn, r->j->out);
    bool whole = is_full(r, t);

    if (whole)
        open_row(r, lanes_for(r, t->dtype));
    for (int i = r->kept; !whole && i < t->rank; i++)
        r->idx[i] = lp_int(r->b.k, 0);
    lp_expr v = body_at(&r->b, r->j->out, r->idx);
    if (r->used)                /* its lines are in the cache */
        lp_store(r->b.k, body_output(&r->b, r->j->out), r->idx, v);
    else
        job_write(r->j, &r->b, r->idx, v);
    if (whole)
        close_row(r);
}

/*    par row { a sum over the row; another that reads the first; ..; what is stored }
 *
 * One kernel for softmax and normalizations: the row stays in the cache between the
 * walks over it. */
bool template_rows(job *j)
{
    const ir_type *t = ir_type_of(j->in->fn, ir_arg(j->in->fn, j->root, 0));
    rows r = {.j = j, .full = t, .kept = t->rank - j->root->attr->REDUCE.axes.n};

    r.sums = acc_dtype(ir_type_of(j->in->fn, j->root->first)->dtype);
    job_kernel(j, &r.b, "rows");
    r.s = r.b.k->schedule = nest_of_rows(j, "rows", r.sums, ir_type_of(j->in->fn, j->root->first),
                                         t->dim + r.kept, t->rank - r.kept);
    int open = r.kept ? body_loops(&r.b, t->dim, r.kept, r.idx) : 0;
    for (uint32_t i = 0; i < j->g->nnode; i++)
        if (member(&r, i)->op == OP_REDUCE)
            reduce_row(&r, i);
    finish_row(&r);
    while (open--)
        lp_end(r.b.k);
    return job_end(j, &r.b);
}
