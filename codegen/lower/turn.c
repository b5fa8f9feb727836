/* codegen/lower/turn.c - movement that takes neighbours apart: where what is read
 * and what is written run along different axes, W by W tiles are computed along
 * the one, turned in registers, and stored along the other. */
#include "templates.h"

enum { MAX_TILE = 16 };         /* rows of a tile that registers hold */

/* What the loads of an expression are to a variable: at equal, next, or other places. */
typedef struct reach {
    bool near, far;             /* some load is, at 0 or 1 element a step; is not */
} reach;

static void mark_parts(const lp_kernel *k, lp_expr e, bool *part)
{
    part[e] = true;
    for (lp_expr i = e; i > 0; i--)
        for (uint32_t a = 0; part[i] && a < lp_at(k, i)->narg; a++)
            part[k->arg.at[lp_at(k, i)->arg + a]] = true;
}

static reach reach_of(lp_kernel *k, const bool *part, lp_expr e, lp_var v)
{
    reach r = {false, false};
    lp_expr idx[LP_MAX_RANK], stride;
    int64_t step;

    for (lp_expr i = 1; i <= e; i++) {
        const lp_node n = *lp_at(k, i);
        if (!part[i] || n.kind != LX_LOAD)
            continue;
        memcpy(idx, k->arg.at + n.arg, (size_t)k->buf.at[n.ref].rank * sizeof *idx);
        bool near = lp_linear_in(k, lp_offset(k, n.ref, idx), v, &stride) &&
                    lp_is_int(k, stride, &step) && (step == 0 || step == 1);
        r.near |= near;
        r.far |= !near;
    }
    return r;
}

bool turn_is_near(lp_kernel *k, lp_expr e, lp_expr var)
{
    bool *part = mem_alloc((e + 1) * sizeof *part);

    mark_parts(k, e, part);
    bool far = reach_of(k, part, e, lp_var_of(k, var)).far;
    mem_free(part);
    return !far;
}

/* The axis along which all loads are near, where some are not along the last one;
 * -1: none. */
static int find_axis(lp_kernel *k, lp_expr e, const lp_expr *idx, int rank)
{
    bool *part = mem_alloc((e + 1) * sizeof *part);
    int axis = -1;

    mark_parts(k, e, part);
    if (reach_of(k, part, e, lp_var_of(k, idx[rank - 1])).far)
        for (int i = rank - 2; i >= 0 && axis < 0; i--) {
            reach r = reach_of(k, part, e, lp_var_of(k, idx[i]));
            if (r.near && !r.far)
                axis = i;
        }
    mem_free(part);
    return axis;
}

static bool is_short(const job *j, ir_dim d, int least)
{
    int64_t n;

    return dim_const(&j->l->m->dims, d, &n) && n < least;
}

/* Told by the text of a trial kernel. */
int turned_axis(job *j)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    lp_expr idx[IR_MAX_RANK];
    body b;
    int axis = -1;

    if (t->rank < 2 || is_short(j, t->dim[t->rank - 1], 2))
        return -1;
    job_kernel(j, &b, "trial");
    lp_expr zero = lp_int(b.k, 0);
    for (int i = 0; i < t->rank; i++)
        idx[i] = lp_for(b.k, "i", zero, body_dim(&b, t->dim[i]));
    lp_expr e = body_at(&b, j->out, idx);
    if (!b.failed)
        axis = find_axis(b.k, e, idx, t->rank);
    for (int i = 0; i < t->rank; i++)
        lp_end(b.k);
    body_free(&b);
    return axis >= 0 && is_short(j, t->dim[axis], 4) ? -1 : axis;
}

/* The part of an axis that a tile covers. */
typedef struct side {
    lp_expr first, count;
} side;

static side side_of(body *b, lp_expr tile, ir_dim extent, int w)
{
    lp_kernel *k = b->k;
    lp_expr width = lp_int(k, w), first = lp_mul(k, tile, width);

    return (side){first, lp_min(k, width, lp_sub(k, body_dim(b, extent), first))};
}

/* Opens the loops over the other axes and over tiles; returns how many. */
static int tile_loops(body *b, const ir_type *t, int axis, int w, lp_expr *idx, side *along,
                      side *across)
{
    dim_table *d = &b->l->m->dims;
    ir_dim outer[IR_MAX_RANK];
    lp_expr v[IR_MAX_RANK];
    int n = 0, last = t->rank - 1;

    for (int i = 0; i < last; i++)
        if (i != axis)
            outer[n++] = t->dim[i];
    outer[n++] = dim_ceildiv(d, t->dim[axis], dim_int(d, w));
    outer[n++] = dim_ceildiv(d, t->dim[last], dim_int(d, w));
    int open = body_loops(b, outer, n, v);
    for (int i = 0, at = 0; i < last; i++)
        if (i != axis)
            idx[i] = v[at++];
    *along = side_of(b, v[n - 2], t->dim[axis], w);
    *across = side_of(b, v[n - 1], t->dim[last], w);
    return open;
}

bool template_turn(job *j, int axis)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    int w = (int)min_i64(lanes_of(j->l, t->dtype), MAX_TILE), last = t->rank - 1;
    lp_expr idx[IR_MAX_RANK];
    side along, across;
    body b;

    job_kernel(j, &b, "turn");
    lp_kernel *k = b.k;
    int open = tile_loops(&b, t, axis, w, idx, &along, &across);
    lp_expr zero = lp_int(k, 0), width = lp_int(k, w);
    lp_expr square[2] = {width, width}, corner[2] = {zero, zero};
    lp_buf read = lp_local(k, "read", t->dtype, 2, square, LP_ROW, 0);
    lp_buf turned = lp_local(k, "turned", t->dtype, 2, square, LP_ROW, 0);

    lp_expr r = lp_for(k, "r", zero, across.count);
    lp_expr v = lp_vec(k, "v", zero, along.count, w, LP_MASKED);
    idx[axis] = lp_add(k, along.first, v);
    idx[last] = lp_add(k, across.first, r);
    lp_store(k, read, LP(r, v), body_at(&b, j->out, idx));
    lp_end(k);
    lp_end(k);
    lp_transpose(k, turned, corner, read, corner, w);
    r = lp_for(k, "r", zero, along.count);
    v = lp_vec(k, "v", zero, across.count, w, LP_MASKED);
    idx[axis] = lp_add(k, along.first, r);
    idx[last] = lp_add(k, across.first, v);
    lp_store(k, body_output(&b, j->out), idx, lp_load(k, turned, LP(r, v)));
    for (open += 2; open--;)
        lp_end(k);
    return job_end(j, &b);
}
