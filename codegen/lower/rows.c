/* codegen/lower/rows.c - several reductions over the same rows, and what is
 * elementwise between and behind them: one row at a time.
 *
 * Each reduction is a pass over the row; one more pass stores the results that no reduction
 * has needed.  A value that later passes read again and that is costly to compute is held in
 * a buffer of the thread, or where a result will be; a result that a reduction needs is held
 * where it is stored, unless a state's old value is there; what is cheap, and what lies in
 * memory, is found again.  A softmax is
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
    bool early[GROUP_MAX_NODES];    /* by result: a reduction needs this row */
    bool used[GROUP_MAX_NODES]; /* by result: its memory holds another value meanwhile */
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

/* Is the value as long as a row of the operands? */
static bool is_full(const rows *r, const ir_type *t)
{
    bool full = t->rank == r->full->rank;

    for (int i = r->kept; full && i < t->rank; i++)
        full = dim_same(t->dim[i], r->full->dim[i]);
    return full;
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

/* Marks the operands of member i among those before it. */
static void mark_operands(const rows *r, uint32_t i, bool *needed)
{
    const ir_node *n = member(r, i);

    for (uint32_t a = 0; a < n->narg; a++)
        for (uint32_t k = 0; k < i; k++)
            needed[k] |= member(r, k)->first == ir_arg(r->b.fn, n, a);
}

/* Marks the results of which reductions are made, whole rows. */
static void mark_early(rows *r)
{
    const ir_group *g = r->j->g;
    bool needed[GROUP_MAX_NODES] = {false};

    for (uint32_t i = g->nnode; i-- > 0;)
        if (needed[i] || member(r, i)->op == OP_REDUCE)
            mark_operands(r, i, needed);
    for (uint32_t i = 0; i < g->nnode; i++)
        for (uint32_t k = 0; k < g->nout; k++)
            r->early[k] |= needed[i] && member(r, i)->first == g->out[k] &&
                           is_full(r, ir_type_of(r->b.fn, g->out[k]));
}

/* Marks, by member, what the pass of member `phase` computes anew: what it reads, but
 * for sums and rows that earlier passes left. */
static void mark_needed(const rows *r, uint32_t phase, bool *needed)
{
    for (uint32_t i = 0; i <= phase; i++)
        needed[i] = i == phase;
    for (uint32_t i = phase + 1; i-- > 0;)
        if (needed[i] && !body_knows(&r->b, member(r, i)->first))
            mark_operands(r, i, needed);
}

/* Is result k stored by the pass that first computes it?  Later ones may read the old value of
 * the state that it overwrites. */
static bool is_stored_early(const rows *r, uint32_t k)
{
    return r->early[k] && r->j->g->over[k] == IR_NONE;
}

/* Can a value of this type be held where result k will be stored, element for element?  Its
 * lines come to the cache while the value is computed, not all at once behind. */
static bool has_room(const rows *r, uint32_t k, ir_dtype dt)
{
    const ir_type *out = ir_type_of(r->b.fn, r->j->g->out[k]);

    return !r->early[k] && !r->used[k] && is_full(r, out) && out->dtype == dt &&
           r->j->g->over[k] == IR_NONE;
}

/* The result in whose memory the value is held: its own, or the first that has room; nout:
 * none. */
static uint32_t find_room(const rows *r, ir_ref ref)
{
    const ir_group *g = r->j->g;
    uint32_t room = g->nout;

    for (uint32_t k = g->nout; k-- > 0;) {
        if (g->out[k] == ref && is_stored_early(r, k))
            return k;
        if (has_room(r, k, ir_type_of(r->b.fn, ref)->dtype))
            room = k;
    }
    return room;
}

static lp_buf make_local(rows *r, ir_ref ref)
{
    lp_expr dims[IR_MAX_RANK];

    for (int i = r->kept; i < r->full->rank; i++)
        dims[i - r->kept] = body_dim(&r->b, r->full->dim[i]);
    return lp_local(r->b.k, "row", ir_type_of(r->b.fn, ref)->dtype, r->full->rank - r->kept, dims,
                    LP_ROW, 0);
}

static void make_buffer(rows *r, ir_ref ref, held *h)
{
    uint32_t k = find_room(r, ref);
    bool in_result = k < r->j->g->nout;

    if (in_result)
        r->used[k] = true;
    h->ref[h->n] = ref;
    h->skip[h->n] = in_result ? 0 : r->kept;
    h->row[h->n++] = in_result ? body_output(&r->b, r->j->g->out[k]) : make_local(r, ref);
}

/* Is the value held, in a pass of a reduction that is the first to compute it? */
static bool is_held(const rows *r, ir_ref ref)
{
    const ir_group *g = r->j->g;
    bool held = false;

    for (uint32_t k = 0; k < g->nprivate; k++)
        held |= g->private[k] == ref;
    for (uint32_t k = 0; k < g->nout; k++)
        held |= r->early[k] && g->out[k] == ref;
    return held;
}

/* Makes a buffer for each value to be held that the pass is the first to compute. */
static void make_buffers(rows *r, uint32_t phase, held *h)
{
    bool needed[GROUP_MAX_NODES];

    mark_needed(r, phase, needed);
    h->n = 0;
    for (uint32_t i = 0; i < phase; i++) {
        ir_ref ref = member(r, i)->first;
        if (needed[i] && is_held(r, ref) && !body_knows(&r->b, ref))
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

/* The results that are not stored yet, whole rows or one element a row.  False: a result is
 * stored where a value is held, so that its lines are in the cache. */
static bool left_results(const rows *r, bool whole, ir_ref *out, uint32_t *n)
{
    const ir_group *g = r->j->g;
    bool far = true;

    *n = 0;
    for (uint32_t k = 0; k < g->nout; k++)
        if (!is_stored_early(r, k) && is_full(r, ir_type_of(r->b.fn, g->out[k])) == whole) {
            out[(*n)++] = g->out[k];
            far &= !r->used[k];
        }
    return far;
}

/* The last pass, over what is left; where that is one element a row there is nothing to pass
 * over. */
static void finish_row(rows *r)
{
    ir_ref out[GROUP_MAX_NODES];
    uint32_t n;

    bool far = left_results(r, true, out, &n);
    if (n) {
        open_row(r, lanes_for(r, ir_type_of(r->b.fn, out[0])->dtype));
        body_store_all(&r->b, out, n, r->idx, r->idx, far && job_streams(r->j));
        close_row(r);
    }
    for (int i = r->kept; i < r->full->rank; i++)
        r->idx[i] = lp_int(r->b.k, 0);
    left_results(r, false, out, &n);
    body_store_all(&r->b, out, n, r->idx, r->idx, false);
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
    mark_early(&r);
    for (uint32_t i = 0; i < j->g->nnode; i++)
        if (member(&r, i)->op == OP_REDUCE)
            reduce_row(&r, i);
    finish_row(&r);
    while (open--)
        lp_end(r.b.k);
    return job_end(j, &r.b);
}
