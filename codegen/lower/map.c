/* codegen/lower/map.c - elementwise ops and movement: one loop nest over the results,
 * with the last axis in vectors.  A chain without any movement runs over all elements
 * as one axis; turn.c has the template for one that transposes. */
#include "const.h"
#include "cost.h"
#include "nest.h"

/* Does everything between r and stored values keep the index as it is?  Then
 * the kernel may treat all of it as one axis.  Adds to the operations of an element. */
static bool is_flat(const job *j, ir_ref r, const ir_type *shape, int depth, int64_t *ops)
{
    const ir_fn *fn = j->in->fn;
    const ir_node *n = ir_node_of(fn, r);
    const ir_type *t = ir_type_of(fn, r);
    uint8_t element[16];

    if (depth > 64)
        return false;
    if (n->op == OP_CONST && const_is_splat(j->l->m, n->attr->CONST.id, element))
        return true;
    if (t->rank != shape->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (!dim_same(t->dim[i], shape->dim[i]))
            return false;
    if (depth && lower_is_stored(j->in, r))
        return true;
    if (n->op == OP_BROADCAST) {    /* of a number */
        const ir_node *x = ir_node_of(fn, ir_arg(fn, n, 0));
        return !ir_type_of(fn, x->first)->rank ||
               (x->op == OP_CONST && const_is_splat(j->l->m, x->attr->CONST.id, element));
    }
    if (!ir_op_scalar(n->op))
        return false;
    *ops += cost_of_node(n);
    for (uint32_t i = 0; i < n->narg; i++)
        if (!is_flat(j, ir_arg(fn, n, i), shape, depth + 1, ops))
            return false;
    return true;
}

/* One loop over all elements, in chunks that threads share.  Element i has the index
 * (0, .., 0, i), for the last axis reaches over those before it. */
static bool flat(job *j, int64_t ops)
{
    body b;
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    const problem p = {.kind = PROBLEM_MAP, .sums = t->dtype};
    lp_expr idx[IR_MAX_RANK], par[1];

    job_kernel(j, &b, "map");
    lp_kernel *k = b.k;
    const schedule s = k->schedule = nest_schedule(j, "map", &p, t, NULL, 0);
    lp_expr count = nest_count(&b, t, ops);
    body_line(&b, count);
    lp_expr chunks = lp_ceildiv(k, count, s.run);
    lp_par(k, 1, (const char *[]){"c"}, LP(lp_int(k, 0)), LP(chunks), NULL, par);
    lp_expr lo = lp_mul(k, par[0], lp_int(k, s.run));
    lp_expr hi = lp_min(k, lp_add(k, lo, lp_int(k, s.run)), count);
    for (int i = 0; i < t->rank; i++)
        idx[i] = lp_int(k, 0);
    lp_expr v = idx[t->rank - 1] = lp_vec(k, "i", lo, hi, s.lanes, LP_MASKED);
    job_write(j, &b, idx, &v);
    lp_end(k);
    lp_end(k);
    return job_end(j, &b);
}

/* The kernel that writes operand x to its part of the result, from `start` on. */
static bool concat_part(job *j, ir_ref x, ir_dim start, int axis)
{
    const ir_type *t = ir_type_of(j->in->fn, x);
    const problem p = {.kind = PROBLEM_NEST, .sums = t->dtype};
    int last = t->rank - 1;
    lp_expr idx[IR_MAX_RANK], to[IR_MAX_RANK];
    body b;

    job_kernel(j, &b, "concat");
    b.k->schedule = nest_schedule(j, "concat", &p, t, NULL, 0);
    int open = last > 0 ? body_loops(&b, t->dim, last, idx) : 0;
    lp_expr hi = body_dim(&b, t->dim[last]);
    idx[last] = lp_vec(b.k, "v", lp_int(b.k, 0), hi, b.k->schedule.lanes, LP_MASKED);
    memcpy(to, idx, sizeof to);
    to[axis] = lp_add(b.k, idx[axis], body_dim(&b, start));
    lp_expr v = body_at(&b, x, idx);
    (job_streams(j) ? lp_stream : lp_store)(b.k, body_output(&b, j->out), to, v);
    for (open++; open--;)
        lp_end(b.k);
    return job_end(j, &b);
}

/* A kernel for each operand: no selection is left in any of them. */
static bool concat(job *j)
{
    int axis = (int)j->root->attr->CONCAT.axis;
    ir_dim start = {0};

    for (uint32_t i = 0; i < j->root->narg; i++) {
        ir_ref x = ir_arg(j->in->fn, j->root, i);
        if (!concat_part(j, x, start, axis))
            return false;
        start = dim_add(&j->l->m->dims, start, ir_type_of(j->in->fn, x)->dim[axis]);
    }
    return true;
}

/* Found by a trial kernel. */
static bool is_apart(job *j, int axis)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    lp_expr idx[IR_MAX_RANK];
    body b;

    job_kernel(j, &b, "trial");
    nest_open(&b, t->dim, t->rank, idx);
    lp_expr e = body_at(&b, j->out, idx);
    bool apart = !b.failed && turn_is_apart(b.k, e, idx[axis]);
    nest_close(b.k, t->rank);
    body_free(&b);
    return apart;
}

/* The loop over the last axis, in vectors.  What is moved from places that only the run
 * knows is taken element by element, so that an axis which has one, as a batch may, costs
 * one, not the tests of all lanes. */
static lp_expr last_loop(job *j, body *b)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    lp_kernel *k = b->k;
    int last = t->rank - 1;
    lp_expr zero = lp_int(k, 0), hi = body_dim(b, t->dim[last]);
    int64_t n;

    if (!dim_const(&j->l->m->dims, t->dim[last], &n) && is_apart(j, last))
        return lp_for(k, "v", zero, hi);
    return lp_vec(k, "v", zero, hi, k->schedule.lanes, LP_MASKED);
}

/* The elements along the last axis. */
static void make_row(job *j, body *b, lp_expr *idx)
{
    idx[ir_type_of(b->fn, j->out)->rank - 1] = last_loop(j, b);
    job_write(j, b, idx, idx);
    lp_end(b->k);
}

/* The same.  Where the run alone knows that an operand's extent is not 1, and that its
 * elements are neighbours therefore, a row of its own reads them as such. */
static void make_rows(job *j, body *b, lp_expr *idx)
{
    lp_kernel *k = b->k;

    idx[ir_type_of(b->fn, j->out)->rank - 1] = lp_int(k, 0);
    body_spread(b);
    body_at(b, j->out, idx);    /* finds out */
    lp_expr repeats = b->repeats;
    if (repeats) {
        body_unbind(b);
        lp_if(k, repeats);
        make_row(j, b, idx);
        lp_else(k);
        body_spread(b);
    }
    make_row(j, b, idx);
    body_unbind(b);
    if (repeats)
        lp_end(k);
}

/* In this order: joined operands; one axis where nothing moves; tiles where a
 * transposition takes neighbours apart; a loop nest. */
bool template_map(job *j)
{
    body b;
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    lp_expr idx[IR_MAX_RANK];
    int last = t->rank - 1;
    int64_t ops = 0;

    if (j->root->op == OP_CONCAT && j->root->first == j->out)
        return concat(j);
    bool straight = t->rank > 0;
    for (uint32_t i = 0; straight && i < j->g->nout; i++)
        straight = is_flat(j, j->g->out[i], t, 0, &ops);
    if (straight)
        return flat(j, ops);
    int axis = j->g->nout == 1 ? turned_axis(j) : -1;
    if (axis >= 0)
        return template_turn(j, axis);
    job_kernel(j, &b, "map");
    const problem p = {.kind = PROBLEM_NEST, .sums = t->dtype};
    b.k->schedule = nest_schedule(j, "nest", &p, t, NULL, 0);
    int open = last > 0 ? body_loops(&b, t->dim, last, idx) : 0;
    if (last >= 0)
        make_rows(j, &b, idx);
    else
        job_write(j, &b, idx, idx);
    while (open--)
        lp_end(b.k);
    return job_end(j, &b);
}
