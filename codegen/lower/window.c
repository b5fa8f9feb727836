/* codegen/lower/window.c - reductions over sliding boxes, and positions in them.
 *
 * A box is worked off in two steps. The last axis along which boxes slide is the row.
 * For the outputs of a row, what the taps of all other axes read is combined place by
 * place, into a buffer of the thread; places outside the image get what changes
 * nothing. Then each output combines the places that its taps reach:
 *
 *   3 rows of the image --max--> [ -inf | 5 2 7 4 .. | -inf ] --max--> 7 7 ..
 *
 * No loop asks for each element where the image ends, extents may be known at run
 * time only, and a box of 9 by 9 takes 18 operations instead of 81. Vectors run along
 * the last axis: the row, or what lies beside it (a block of channels). */
#include "best.h"
#include "nest.h"

/* The attributes of both ops, with or without positions. */
typedef struct win {
    ir_dims size, stride, dil, low, high;
    ir_redop op;
} win;

/* The kernel while it is made. A part of a row is worked off at once: outputs
 * out[axis] to out[axis] + count - 1, which read `length` places of the image from
 * `place` on; of these [begin, end) exist. Example: 3 taps, stride 2, low 1, 56
 * outputs of 112 places: place -1, length 113, begin 1, end 113. */
typedef struct window {
    job *j;
    body *b;
    win w;
    ir_ref x;
    const ir_type *t, *yt;      /* of the operand, of the result */
    bool arg;                   /* positions are asked for, not values */
    int axis, last, lanes;
    schedule s;
    bool beside;                /* lanes are not along the row */
    best best;                  /* of the place or output at hand; without positions
                                 * the value of any reduction */
    lp_buf row, rows_where;     /* by place, and by lane beside the row */
    lp_expr out[IR_MAX_RANK];   /* the output at hand */
    lp_expr at[2];              /* the place at hand, and the lane beside the row */
    lp_expr place, count, length, begin, end, across;
} window;

static win win_of(const ir_node *n)
{
    const struct ir_attr_WINDOW *w = &n->attr->WINDOW;
    const struct ir_attr_WINDOWARG *a = &n->attr->WINDOWARG;

    return n->op == OP_WINDOW ? (win){w->size, w->stride, w->dil, w->low, w->high, w->op}
                              : (win){a->size, a->stride, a->dil, a->low, a->high, a->op};
}

/* Is each output of the axis made of its own element? */
static bool stays(const window *x, int i)
{
    const dim_table *d = &x->b->l->m->dims;

    return dim_is(d, x->w.size.at[i], 1) && dim_is(d, x->w.stride.at[i], 1) &&
           dim_is(d, x->w.low.at[i], 0) && dim_is(d, x->w.high.at[i], 0);
}

/* ---- the best so far --------------------------------------------------------------- */

static void begin_best(window *x)
{
    lp_kernel *k = x->b->k;

    if (x->arg)
        best_begin(k, &x->best, 0);
    else
        x->best.value = lp_local(k, "best", x->best.dtype, 0, NULL, LP_REG,
                                 best_worst(k, &x->best));
}

/* Takes the element v, which is at position p. */
static void take(window *x, lp_expr v, lp_expr p)
{
    if (x->arg)
        best_take(x->b->k, &x->best, NULL, v, p);
    else
        lp_update(x->b->k, redop_scalar(x->best.op, x->best.dtype), x->best.value, NULL, v);
}

/* ---- places ------------------------------------------------------------------------- */

/* Opens the loops over places or outputs of the row; returns how many. */
static int open_row(window *x, const char *name, lp_expr lo, lp_expr hi)
{
    lp_kernel *k = x->b->k;

    if (!x->beside) {
        x->at[0] = lp_vec(k, name, lo, hi, x->lanes, LP_MASKED);
        return 1;
    }
    x->at[0] = lp_loop(k, LP_FOR, name, lo, hi, 1);
    x->at[1] = lp_vec(k, "v", lp_int(k, 0), x->across, x->lanes, LP_MASKED);
    return 2;
}

/* Nothing is at these places. */
static void fill_rim(window *x, lp_expr lo, lp_expr hi)
{
    lp_kernel *k = x->b->k;

    if (lo == hi)
        return;
    int open = open_row(x, "rim", lo, hi);
    lp_store(k, x->row, x->at, best_worst(k, &x->best));
    if (x->arg)
        lp_store(k, x->rows_where, x->at, best_nowhere(k, &x->best));
    nest_close(k, open);
}

/* Opens the loop over the taps of an axis that stay inside the image, for the output
 * at hand; gives the index that they read. */
static lp_expr open_taps(const window *x, int i)
{
    lp_kernel *k = x->b->k;
    lp_expr zero = lp_int(k, 0), dil = body_dim(x->b, x->w.dil.at[i]);
    lp_expr first = lp_mul(k, x->out[i], body_dim(x->b, x->w.stride.at[i]));
    first = lp_sub(k, first, body_dim(x->b, x->w.low.at[i]));
    lp_expr up = lp_sub(k, dil, lp_int(k, 1));
    lp_expr left = lp_sub(k, body_dim(x->b, x->t->dim[i]), first);
    lp_expr lo = lp_div(k, lp_sub(k, up, first), dil), hi = lp_div(k, lp_add(k, left, up), dil);

    lo = lp_max(k, lo, zero);
    hi = lp_min(k, hi, body_dim(x->b, x->w.size.at[i]));
    lp_expr tap = lp_loop(k, LP_FOR, "tap", lo, hi, 1);
    return lp_add(k, first, lp_mul(k, tap, dil));
}

/* Position of an element in the whole operand. */
static lp_expr linear(const window *x, const lp_expr *idx)
{
    lp_kernel *k = x->b->k;
    lp_expr p = idx[0];

    for (int i = 1; i < x->t->rank; i++)
        p = lp_add(k, lp_mul(k, p, body_dim(x->b, x->t->dim[i])), idx[i]);
    return p;
}

/* Combines what the taps of the other axes read, for each place of the image. */
static void combine_places(window *x)
{
    lp_kernel *k = x->b->k;
    lp_expr idx[IR_MAX_RANK];
    int taps = 0, open = open_row(x, "place", x->begin, x->end);

    begin_best(x);
    memcpy(idx, x->out, sizeof idx);
    for (int i = 0; i < x->axis; i++)
        if (!stays(x, i)) {
            idx[i] = open_taps(x, i);
            taps++;
        }
    idx[x->axis] = lp_add(k, x->place, x->at[0]);
    if (x->beside)
        idx[x->last] = lp_add(k, x->out[x->last], x->at[1]);
    take(x, lp_cast(k, x->best.dtype, body_at(x->b, x->x, idx)), x->arg ? linear(x, idx) : 0);
    nest_close(k, taps);
    lp_store(k, x->row, x->at, lp_load(k, x->best.value, NULL));
    if (x->arg)
        lp_store(k, x->rows_where, x->at, lp_load(k, x->best.where, NULL));
    nest_close(k, open);
}

/* ---- outputs ------------------------------------------------------------------------- */

/* Combines the places that the taps of each output reach. */
static void combine_outputs(window *x)
{
    lp_kernel *k = x->b->k;
    lp_expr idx[IR_MAX_RANK], zero = lp_int(k, 0);
    int open = open_row(x, "o", zero, x->count);
    lp_expr o = x->at[0], first = lp_mul(k, o, body_dim(x->b, x->w.stride.at[x->axis]));

    begin_best(x);
    lp_expr tap = lp_for(k, "tap", zero, body_dim(x->b, x->w.size.at[x->axis]));
    x->at[0] = lp_add(k, first, lp_mul(k, tap, body_dim(x->b, x->w.dil.at[x->axis])));
    take(x, lp_load(k, x->row, x->at), x->arg ? lp_load(k, x->rows_where, x->at) : 0);
    lp_end(k);
    memcpy(idx, x->out, sizeof idx);
    idx[x->axis] = lp_add(k, x->out[x->axis], o);
    if (x->beside)
        idx[x->last] = lp_add(k, x->out[x->last], x->at[1]);
    job_store(x->j, x->b, idx,
              x->arg ? best_position(k, &x->best) : lp_load(k, x->best.value, NULL));
    nest_close(k, open);
}

/* ---- rows ------------------------------------------------------------------------------ */

/* Parts of `most` at most, even where the extent is known; returns their size. */
static int64_t part_of(const window *x, ir_dim extent, int64_t most)
{
    int64_t n;

    if (!dim_const(&x->b->l->m->dims, extent, &n) || n < 1)
        return most;
    int64_t parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}

/* Elements beside the row that are worked off at once: some vectors. */
static int64_t chunk_of(const window *x)
{
    return x->beside ? part_of(x, x->yt->dim[x->last], (int64_t)x->s.vectors * x->lanes) : 1;
}

/* By what lies beside the row - an extent, -1 if only the run knows it, 0 if nothing does -
 * and by how many places each result moves on. */
static schedule choose_schedule(const window *x)
{
    const dim_table *d = &x->b->l->m->dims;
    problem p = {.kind = PROBLEM_WINDOW, .sums = x->best.dtype, .columns = x->beside ? -1 : 0,
                 .stride = max_i64(dim_hint(d, x->w.stride.at[x->axis]), 1)};
    int64_t n;

    if (x->beside && dim_const(d, x->yt->dim[x->last], &n) && n > 0)
        p.columns = n;
    return nest_schedule(x->j, x->arg ? "windowarg" : "window", &p, x->yt, x->w.size.at,
                         x->w.size.n);
}

/* min(size, extent - part * size), and in *first part * size. */
static lp_expr part_count(const window *x, lp_expr part, int64_t size, ir_dim extent,
                          lp_expr *first)
{
    lp_kernel *k = x->b->k;
    lp_expr whole = lp_int(k, size);

    *first = lp_mul(k, part, whole);
    return lp_min(k, whole, lp_sub(k, body_dim(x->b, extent), *first));
}

/* Opens the loops over rows, and parts of a row and of what is beside it; returns how
 * many. */
static int open_parts(window *x, int64_t chunk, int64_t outputs)
{
    dim_table *d = &x->b->l->m->dims;
    ir_dim outer[IR_MAX_RANK];

    memcpy(outer, x->yt->dim, (size_t)x->yt->rank * sizeof *outer);
    outer[x->axis] = dim_ceildiv(d, outer[x->axis], dim_int(d, outputs));
    if (x->beside)
        outer[x->last] = dim_ceildiv(d, outer[x->last], dim_int(d, chunk));
    int open = body_loops(x->b, outer, x->yt->rank, x->out);
    x->count = part_count(x, x->out[x->axis], outputs, x->yt->dim[x->axis], &x->out[x->axis]);
    if (x->beside)
        x->across = part_count(x, x->out[x->last], chunk, x->yt->dim[x->last], &x->out[x->last]);
    return open;
}

/* Places that `count` outputs read, rims included. */
static lp_expr places_of(const window *x, lp_expr count)
{
    lp_kernel *k = x->b->k;
    lp_expr one = lp_int(k, 1), taps = body_dim(x->b, x->w.size.at[x->axis]);
    lp_expr reach = lp_mul(k, lp_sub(k, taps, one), body_dim(x->b, x->w.dil.at[x->axis]));
    lp_expr stride = body_dim(x->b, x->w.stride.at[x->axis]);

    return lp_add(k, lp_add(k, lp_mul(k, lp_sub(k, count, one), stride), reach), one);
}

/* Which places of the part exist. */
static void find_places(window *x)
{
    lp_kernel *k = x->b->k;
    const dim_table *d = &x->b->l->m->dims;
    lp_expr zero = lp_int(k, 0), low = body_dim(x->b, x->w.low.at[x->axis]);

    x->place = lp_mul(k, x->out[x->axis], body_dim(x->b, x->w.stride.at[x->axis]));
    x->place = lp_sub(k, x->place, low);
    x->length = places_of(x, x->count);
    x->begin = zero, x->end = x->length;
    if (!dim_is(d, x->w.low.at[x->axis], 0))
        x->begin = lp_min(k, lp_max(k, lp_sub(k, zero, x->place), zero), x->length);
    if (!dim_is(d, x->w.high.at[x->axis], 0)) {
        lp_expr left = lp_sub(k, body_dim(x->b, x->t->dim[x->axis]), x->place);
        x->end = lp_max(k, x->begin, lp_min(k, x->length, left));
    }
}

/* The rim before the image, the image, the rim behind it: three runs of places
 * without a test in them. */
static void make_row(window *x)
{
    lp_kernel *k = x->b->k;
    int64_t chunk = chunk_of(x), outputs = part_of(x, x->yt->dim[x->axis], x->s.run);
    int open = open_parts(x, chunk, outputs), rank = 1 + x->beside;
    lp_expr extents[2] = {places_of(x, lp_int(k, outputs)), lp_int(k, chunk)};

    find_places(x);
    x->row = lp_local(k, "row", x->best.dtype, rank, extents, LP_ROW, 0);
    if (x->arg)
        x->rows_where = lp_local(k, "places", DT_I64, rank, extents, LP_ROW, 0);
    fill_rim(x, lp_int(k, 0), x->begin);
    combine_places(x);
    fill_rim(x, x->end, x->length);
    combine_outputs(x);
    nest_close(k, open);
}

/* Axes whose boxes are single places are loops of the result.  The row is the last
 * axis along which boxes slide; axes behind that lie beside it, as channels that
 * come last. */
bool template_window(job *j)
{
    const ir_fn *fn = j->in->fn;
    body b;
    window x = {.j = j, .b = &b, .w = win_of(j->root), .x = ir_arg(fn, j->root, 0)};

    x.t = ir_type_of(fn, x.x), x.yt = ir_type_of(fn, j->root->first);
    x.arg = j->root->op == OP_WINDOWARG;
    x.best = (best){.op = x.w.op, .dtype = x.arg ? x.t->dtype : acc_dtype(x.t->dtype),
                    .place = DT_I64};
    x.last = x.axis = x.t->rank - 1;
    if (x.last < 0) {
        j->failed = "a window without axes";
        return false;
    }
    job_kernel(j, &b, "window");
    while (x.axis > 0 && stays(&x, x.axis))
        x.axis--;
    x.beside = x.axis < x.last;
    x.s = b.k->schedule = choose_schedule(&x);
    x.lanes = x.s.lanes;
    make_row(&x);
    return job_end(j, &b);
}
