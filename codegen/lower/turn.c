/* codegen/lower/turn.c - movement that takes neighbours apart.
 *
 * Where neighbours in memory are read along one axis and written along another, a
 * vector along either would touch an element in each of W lines.  Tiles of W by W
 * elements are computed along the axis that is read, turned in registers, and stored
 * along the other: y[i, j] = x[j, i] with 8 lanes reads rows of 8 of x, and writes
 * rows of 8 of y.
 *
 * Tiles are worked off in strips: STRIP of them along the axis read, so that whole
 * lines are read of each row, then the next strip along the axis written.  Whole
 * tiles take no masks.  A channel axis in blocks is read along its block. */
#include "templates.h"

enum { MAX_TILE = 16, STRIP = 16 };  /* rows of a tile that registers hold; tiles of a strip */

/* How far the loads of an expression move when a variable grows by one. */
typedef struct reach {
    bool near;                  /* some load stays where it is, or moves by one element */
    bool far;                   /* some load moves further */
} reach;

/* Marks e and all that it is made of: operands have smaller numbers than what they are
 * operands of. */
static void mark_parts(const lp_kernel *k, lp_expr e, bool *part)
{
    part[e] = true;
    for (lp_expr i = e; i > 0; i--)
        for (uint32_t a = 0; part[i] && a < lp_at(k, i)->narg; a++)
            part[k->arg.at[lp_at(k, i)->arg + a]] = true;
}

/* Of all loads in e, at the offset in memory: strides of 0 and 1 are near. */
static reach reach_of(lp_kernel *k, lp_expr e, lp_var v)
{
    bool *part = mem_alloc((e + 1) * sizeof *part);
    reach r = {false, false};
    lp_expr idx[LP_MAX_RANK], stride;
    int64_t step;

    mark_parts(k, e, part);
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
    mem_free(part);
    return r;
}

bool turn_is_near(lp_kernel *k, lp_expr e, lp_expr var)
{
    return !reach_of(k, e, lp_var_of(k, var)).far;
}

/* A stride that only the run knows. */
bool turn_is_apart(lp_kernel *k, lp_expr e, lp_expr var)
{
    const lp_node n = *lp_at(k, e);
    lp_expr idx[LP_MAX_RANK], stride;
    int64_t step;

    if (n.kind != LX_LOAD)
        return false;
    memcpy(idx, k->arg.at + n.arg, (size_t)k->buf.at[n.ref].rank * sizeof *idx);
    return lp_linear_in(k, lp_offset(k, n.ref, idx), lp_var_of(k, var), &stride) &&
           !lp_is_int(k, stride, &step);
}

/* The width of a tile of elements of this type. */
static int tile_width(const job *j, ir_dtype dt)
{
    return (int)min_i64(lanes_of(j->l, dt), MAX_TILE);
}

/* Are all loads near along this axis, taken in parts of a tile?  A part of an axis
 * in blocks of 16 is one vector: x[(a * 16 + b) / 16, .., (a * 16 + b) % 16]. */
static bool is_near(job *j, body *b, const ir_type *t, int axis, const lp_expr *at)
{
    int w = tile_width(j, t->dtype);
    lp_kernel *k = b->k;
    lp_expr idx[IR_MAX_RANK], zero = lp_int(k, 0), width = lp_int(k, w);

    memcpy(idx, at, (size_t)t->rank * sizeof *idx);
    lp_expr part = lp_for(k, "part", zero, lp_ceildiv(k, body_dim(b, t->dim[axis]), w));
    lp_expr rest = lp_for(k, "rest", zero, width);
    idx[axis] = lp_add(k, lp_mul(k, part, width), rest);
    reach r = reach_of(k, body_at(b, j->out, idx), lp_var_of(k, rest));
    lp_end(k);
    lp_end(k);
    return r.near && !r.far;
}

static bool is_short(const job *j, ir_dim d, int least)
{
    int64_t n;

    return dim_const(&j->l->m->dims, d, &n) && n < least;
}

/* Found by the indices of a trial kernel. */
int turned_axis(job *j)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    lp_expr idx[IR_MAX_RANK];
    body b;
    int axis = -1, last = t->rank - 1;

    if (t->rank < 2 || is_short(j, t->dim[last], 2))
        return -1;
    job_kernel(j, &b, "trial");
    lp_expr zero = lp_int(b.k, 0);
    for (int i = 0; i < t->rank; i++)
        idx[i] = lp_for(b.k, "i", zero, body_dim(&b, t->dim[i]));
    lp_expr e = body_at(&b, j->out, idx);
    if (!b.failed && reach_of(b.k, e, lp_var_of(b.k, idx[last])).far)
        for (int i = last - 1; i >= 0 && axis < 0; i--)
            if (!is_short(j, t->dim[i], 4) && is_near(j, &b, t, i, idx))
                axis = i;
    for (int i = 0; i < t->rank; i++)
        lp_end(b.k);
    body_free(&b);
    return axis;
}

/* The part of an axis that a tile covers. */
typedef struct side {
    lp_expr first, count;
} side;

static side side_of(body *b, lp_expr first, ir_dim extent, int w)
{
    lp_kernel *k = b->k;
    int64_t n;

    if (dim_const(&b->l->m->dims, extent, &n) && n % w == 0)
        return (side){first, lp_int(k, w)};
    return (side){first, lp_min(k, lp_int(k, w), lp_sub(k, body_dim(b, extent), first))};
}

/* The kernel while it is made: tiles read along `axis` and written along `last`. */
typedef struct turn {
    job *j;
    body b;
    const ir_type *t;
    int axis, last, w;
    bool streams;               /* a tile's row is a whole line, stored past the caches */
    lp_buf read, turned;        /* a tile as it is read, and as it is written */
    lp_expr idx[IR_MAX_RANK];
    side along, across;         /* of the tile at hand, on axis and last */
} turn;

/* Opens the loops over the other axes and over tiles, strip by strip; returns how
 * many. */
static int tile_loops(turn *x)
{
    dim_table *d = &x->b.l->m->dims;
    lp_kernel *k = x->b.k;
    ir_dim outer[IR_MAX_RANK], length = x->t->dim[x->axis];
    lp_expr v[IR_MAX_RANK], width = lp_int(k, x->w);
    int n = 0, strip = x->w * STRIP;

    for (int i = 0; i < x->last; i++)
        if (i != x->axis)
            outer[n++] = x->t->dim[i];
    outer[n++] = dim_ceildiv(d, length, dim_int(d, strip));
    outer[n++] = dim_ceildiv(d, x->t->dim[x->last], dim_int(d, x->w));
    int open = body_loops(&x->b, outer, n, v);
    for (int i = 0, at = 0; i < x->last; i++)
        if (i != x->axis)
            x->idx[i] = v[at++];
    side whole = side_of(&x->b, lp_mul(k, v[n - 2], lp_int(k, strip)), length, strip);
    lp_expr s = lp_for(k, "s", lp_int(k, 0), lp_ceildiv(k, whole.count, x->w));
    x->along = side_of(&x->b, lp_add(k, whole.first, lp_mul(k, s, width)), length, x->w);
    x->across = side_of(&x->b, lp_mul(k, v[n - 1], width), x->t->dim[x->last], x->w);
    return open + 1;
}

/* A tile of `rows` by `columns` of the result, the latter one vector. */
static void make_tile(turn *x, lp_expr rows, lp_expr columns, lp_tail tail)
{
    lp_kernel *k = x->b.k;
    lp_expr zero = lp_int(k, 0), corner[2] = {zero, zero};

    lp_expr r = lp_for(k, "r", zero, columns), v = lp_vec(k, "v", zero, rows, x->w, tail);
    x->idx[x->axis] = lp_add(k, x->along.first, v);
    x->idx[x->last] = lp_add(k, x->across.first, r);
    lp_store(k, x->read, LP(r, v), body_at(&x->b, x->j->out, x->idx));
    lp_end(k);
    lp_end(k);
    lp_transpose(k, x->turned, corner, x->read, corner, x->w);
    r = lp_for(k, "r", zero, rows);
    v = lp_vec(k, "v", zero, columns, x->w, tail);
    x->idx[x->axis] = lp_add(k, x->along.first, r);
    x->idx[x->last] = lp_add(k, x->across.first, v);
    (x->streams ? lp_stream : lp_store)(k, body_output(&x->b, x->j->out), x->idx,
                                        lp_load(k, x->turned, LP(r, v)));
    lp_end(k);
    lp_end(k);
}

/* Whole tiles and those at the ends have texts of their own, so that the former
 * need no masks. */
bool template_turn(job *j, int axis)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    turn x = {.j = j, .t = t, .axis = axis, .last = t->rank - 1, .w = tile_width(j, t->dtype)};

    x.streams = job_streams(j) && x.w * dt_size(t->dtype) >= LP_LINE;
    job_kernel(j, &x.b, "turn");
    lp_kernel *k = x.b.k;
    int open = tile_loops(&x);
    lp_expr width = lp_int(k, x.w), square[2] = {width, width};
    x.read = lp_local(k, "read", t->dtype, 2, square, LP_ROW, 0);
    x.turned = lp_local(k, "turned", t->dtype, 2, square, LP_ROW, 0);
    lp_if(k, lp_and(k, lp_eq(k, x.along.count, width), lp_eq(k, x.across.count, width)));
    make_tile(&x, width, width, LP_EXACT);
    lp_else(k);
    make_tile(&x, x.along.count, x.across.count, LP_MASKED);
    lp_end(k);
    while (open--)
        lp_end(k);
    return job_end(j, &x.b);
}
