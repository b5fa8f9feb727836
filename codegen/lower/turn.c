/* codegen/lower/turn.c - movement that takes neighbours apart.
 *
 * Where neighbours in memory are read along one axis and written along another, a
 * vector along either would touch an element in each of W lines.  Tiles of W by W
 * elements are computed along the axis that is read, turned in registers, and stored
 * along the other: y[i, j] = x[j, i] with 8 lanes reads rows of 8 of x, and writes
 * rows of 8 of y.
 *
 * Tiles are worked off in strips: some of them along the axis read, so that whole
 * lines are read of each row, then the next strip along the axis written.  A channel
 * axis in blocks is read along its block, and a strip of it is one tile: those of other
 * blocks lie elsewhere, and are left for later.  Whole tiles take no masks. */
#include "nest.h"

/* How far the loads of an expression move when a variable grows by one. */
typedef struct reach {
    bool near;                  /* some load stays where it is, or moves by one step */
    bool far;                   /* some load moves elsewhere */
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

/* Of all loads in e, at the offset in memory: strides of 0 and `most` are near. */
static reach reach_of(lp_kernel *k, lp_expr e, lp_var v, int64_t most)
{
    bool *part = mem_alloc((e + 1) * sizeof *part);
    reach r = {false, false};
    lp_expr idx[LP_MAX_RANK], stride;
    lp_buf buf;
    int64_t step;

    mark_parts(k, e, part);
    for (lp_expr i = 1; i <= e; i++) {
        if (!part[i] || !lp_load_of(k, i, &buf, idx))
            continue;
        bool near = lp_linear_in(k, lp_offset(k, buf, idx), v, &stride) &&
                    lp_is_int(k, stride, &step) && (step == 0 || step == most);
        r.near |= near;
        r.far |= !near;
    }
    mem_free(part);
    return r;
}

bool turn_is_near(lp_kernel *k, lp_expr e, lp_expr var)
{
    return !reach_of(k, e, lp_var_of(k, var), 1).far;
}

/* A stride that only the run knows. */
bool turn_is_apart(lp_kernel *k, lp_expr e, lp_expr var)
{
    lp_expr idx[LP_MAX_RANK], stride;
    lp_buf buf;
    int64_t step;

    return lp_load_of(k, e, &buf, idx) &&
           lp_linear_in(k, lp_offset(k, buf, idx), lp_var_of(k, var), &stride) &&
           !lp_is_int(k, stride, &step);
}

/* Sides of the tiles that the processor likes best, by which axes are looked at before there
 * is a schedule. */
static int usual_width(const job *j)
{
    const problem p = {.kind = PROBLEM_TURN, .sums = ir_type_of(j->in->fn, j->out)->dtype};

    return schedule_choose(j->l->target, &p).lanes;
}

/* How far loads move along this axis, which is taken in parts of a tile: within a part,
 * or from one part to the next.  A part of an axis in blocks of 16 is one vector:
 * x[(a * 16 + b) / 16, .., (a * 16 + b) % 16]. */
static reach reach_along(job *j, body *b, int axis, const lp_expr *at, bool within)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    int w = usual_width(j);
    lp_kernel *k = b->k;
    lp_expr idx[IR_MAX_RANK], zero = lp_int(k, 0), width = lp_int(k, w);

    memcpy(idx, at, (size_t)t->rank * sizeof *idx);
    lp_expr part = lp_for(k, "part", zero, lp_ceildiv(k, body_dim(b, t->dim[axis]), w));
    lp_expr rest = lp_for(k, "rest", zero, width);
    idx[axis] = lp_add(k, lp_mul(k, part, width), rest);
    lp_expr e = body_at(b, j->out, idx);
    reach r = reach_of(k, e, lp_var_of(k, within ? rest : part), within ? 1 : w);
    lp_end(k);
    lp_end(k);
    return r;
}

static bool is_short(const job *j, ir_dim d, int least)
{
    int64_t n;

    return dim_const(&j->l->m->dims, d, &n) && n < least;
}

/* A kernel for indices to be looked at, in loops over the result; end_trial closes it. */
static void begin_trial(job *j, body *b, lp_expr *idx)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);

    job_kernel(j, b, "trial");
    for (int i = 0; i < t->rank; i++)
        idx[i] = lp_for(b->k, "i", lp_int(b->k, 0), body_dim(b, t->dim[i]));
}

static void end_trial(const job *j, body *b)
{
    for (int i = 0; i < ir_type_of(j->in->fn, j->out)->rank; i++)
        lp_end(b->k);
    body_free(b);
}

int turned_axis(job *j)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    lp_expr idx[IR_MAX_RANK];
    body b;
    int axis = -1, last = t->rank - 1;

    if (t->rank < 2 || is_short(j, t->dim[last], 2))
        return -1;
    begin_trial(j, &b, idx);
    lp_expr e = body_at(&b, j->out, idx);
    if (!b.failed && reach_of(b.k, e, lp_var_of(b.k, idx[last]), 1).far)
        for (int i = last - 1; i >= 0 && axis < 0; i--) {
            reach r = {false, true};
            if (!is_short(j, t->dim[i], 4))
                r = reach_along(j, &b, i, idx, true);
            if (r.near && !r.far)
                axis = i;
        }
    end_trial(j, &b);
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
    int strip;                  /* tiles along the axis that are worked off in turn */
    int chunks;                 /* of another axis, which threads share; 0: it is not cut */
    bool moves;                 /* elements are read as they are: a tile's loads are written out */
    bool streams;               /* a tile's row is a whole line, stored past the caches */
    lp_expr idx[IR_MAX_RANK];
    side along, across;         /* of the tile at hand, on axis and last */
} turn;

/* The axis whose chunks are worked off one after the other: the first that is no side of the
 * tiles, or -1 if there is none, or none is cut.  Sets the positions of a chunk. */
static int axis_cut(const turn *x, int *part)
{
    int64_t n;

    for (int i = 0; x->chunks && i < x->last; i++)
        if (i != x->axis && dim_const(&x->b.l->m->dims, x->t->dim[i], &n) && n > 1) {
            *part = (int)((n + x->chunks - 1) / x->chunks);
            return i;
        }
    return -1;
}

/* Tiles or strips of them along an axis; its extent, if tiles have no side there. */
static ir_dim tiles_along(const turn *x, int i)
{
    dim_table *d = &x->b.l->m->dims;
    int side = i == x->axis ? x->w * x->strip : i == x->last ? x->w : 1;

    return dim_ceildiv(d, x->t->dim[i], dim_int(d, side));
}

/* Opens the loops over the other axes and over tiles, strip by strip, in the order of the
 * result: few of its rows are written at once, each from its begin to its end.  In front are
 * the parts of the axis that is cut, if one is.  Sets an index for each axis, which counts
 * tiles on their sides; returns how many loops. */
static int tile_loops(turn *x)
{
    dim_table *d = &x->b.l->m->dims;
    lp_kernel *k = x->b.k;
    ir_dim outer[IR_MAX_RANK];
    lp_expr v[IR_MAX_RANK], zero = lp_int(k, 0);
    int n = 0, part, cut = axis_cut(x, &part), end = cut < 0 ? x->t->rank : x->last;

    if (cut >= 0)
        outer[n++] = dim_ceildiv(d, x->t->dim[cut], dim_int(d, part));
    for (int i = 0; i < end; i++)
        if (i != cut)
            outer[n++] = tiles_along(x, i);
    int open = body_loops(&x->b, outer, n, v);
    for (int i = end; i-- > 0;)
        if (i != cut)
            x->idx[i] = v[--n];
    if (cut < 0)
        return open;
    side rows = side_of(&x->b, lp_mul(k, v[0], lp_int(k, part)), x->t->dim[cut], part);
    x->idx[cut] = part > 1 ? lp_add(k, rows.first, lp_for(k, "i", zero, rows.count)) : v[0];
    x->idx[x->last] = lp_for(k, "t", zero, body_dim(&x->b, tiles_along(x, x->last)));
    return open + 1 + (part > 1);
}

/* Opens the loops that lead to a tile, and sets its sides; returns how many. */
static int open_tile(turn *x)
{
    lp_kernel *k = x->b.k;
    ir_dim length = x->t->dim[x->axis];
    lp_expr width = lp_int(k, x->w), zero = lp_int(k, 0);
    int open = tile_loops(x), strip = x->w * x->strip;
    side whole = side_of(&x->b, lp_mul(k, x->idx[x->axis], lp_int(k, strip)), length, strip);
    bool several = x->strip > 1;

    lp_expr s = several ? lp_for(k, "s", zero, lp_ceildiv(k, whole.count, x->w)) : zero;
    x->along = side_of(&x->b, lp_add(k, whole.first, lp_mul(k, s, width)), length, x->w);
    x->across = side_of(&x->b, lp_mul(k, x->idx[x->last], width), x->t->dim[x->last], x->w);
    return open + several;
}

/* A square tile; in registers if its rows are in loops that are written out, and are there
 * what they are in memory. */
static lp_buf square_of(turn *x, const char *name, bool written_out)
{
    lp_kernel *k = x->b.k;
    const lp_expr square[2] = {lp_int(k, x->w), lp_int(k, x->w)};
    bool registers = written_out && lp_keeps_bits(x->t->dtype);

    return lp_local(k, name, x->t->dtype, 2, square, registers ? LP_REG : LP_ROW, 0);
}

/* A tile of `rows` by `columns` of the result, the latter one vector. */
static void make_tile(turn *x, lp_expr rows, lp_expr columns, lp_tail tail)
{
    lp_kernel *k = x->b.k;
    lp_expr zero = lp_int(k, 0), corner[2] = {zero, zero};
    bool whole = tail == LP_EXACT, loads = whole && x->moves;
    lp_buf read = square_of(x, "read", loads), turned = square_of(x, "turned", whole);

    lp_expr r = lp_loop(k, loads ? LP_UNROLL : LP_FOR, "r", zero, columns, 1);
    lp_expr v = lp_vec(k, "v", zero, rows, x->w, tail);
    x->idx[x->axis] = lp_add(k, x->along.first, v);
    x->idx[x->last] = lp_add(k, x->across.first, r);
    lp_store(k, read, LP(r, v), body_at(&x->b, x->j->out, x->idx));
    lp_end(k);
    lp_end(k);
    lp_transpose(k, turned, corner, read, corner, x->w);
    r = lp_loop(k, whole ? LP_UNROLL : LP_FOR, "r", zero, rows, 1);
    v = lp_vec(k, "v", zero, columns, x->w, tail);
    x->idx[x->axis] = lp_add(k, x->along.first, r);
    x->idx[x->last] = lp_add(k, x->across.first, v);
    (x->streams ? lp_stream : lp_store)(k, body_output(&x->b, x->j->out), x->idx,
                                        lp_load(k, turned, LP(r, v)));
    lp_end(k);
    lp_end(k);
}

/* Looks at what a tile reads: is the next one along the axis beside it in memory? */
static bool look_at_reads(turn *x)
{
    lp_expr idx[IR_MAX_RANK];
    body b;

    begin_trial(x->j, &b, idx);
    bool near = reach_along(x->j, &b, x->axis, idx, false).near;
    x->moves = lp_at(b.k, body_at(&b, x->j->out, idx))->kind == LX_LOAD;
    end_trial(x->j, &b);
    return near;
}

/* Whole tiles and those at the ends have texts of their own, so that the former
 * need no masks and stay in registers. */
bool template_turn(job *j, int axis)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    turn x = {.j = j, .t = t, .axis = axis, .last = t->rank - 1};
    const problem p = {.kind = PROBLEM_TURN, .sums = t->dtype, .near = look_at_reads(&x)};
    const schedule s = nest_schedule(j, "turn", &p, t, NULL, 0);

    x.w = s.lanes, x.strip = s.vectors, x.chunks = s.chunks;
    x.streams = job_streams(j) && x.w * dt_size(t->dtype) >= LP_LINE;
    job_kernel(j, &x.b, "turn");
    lp_kernel *k = x.b.k;
    k->schedule = s;
    int open = open_tile(&x);
    lp_expr width = lp_int(k, x.w);
    lp_if(k, lp_and(k, lp_eq(k, x.along.count, width), lp_eq(k, x.across.count, width)));
    make_tile(&x, width, width, LP_EXACT);
    lp_else(k);
    make_tile(&x, x.along.count, x.across.count, LP_MASKED);
    lp_end(k);
    while (open--)
        lp_end(k);
    return job_end(j, &x.b);
}
