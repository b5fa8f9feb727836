/* codegen/lower/conv_lanes.c - convolutions whose lanes are neighbouring positions of a row.
 *
 * Where a group has few outputs, as a depthwise convolution in plain order has one, vectors
 * of outputs would be idle for the most part.  Image and result lie along the last axis: a
 * vector of results takes a vector of the image for each tap, at whatever place, and one
 * number of the weights, which is read where it lies.  Nothing is packed or turned.
 *
 * A tile is some vectors of a row, for all outputs of a group.  For a row of 112 and 3 taps,
 * low = 1, of 8 lanes, there are two of 7 vectors, written out:
 *
 *   acc[u, v] = fma(x[row + t0 - 1, 8 u + v + t - 1], w[t0, t], acc[u, v])
 *
 * Only the first vector at the first tap and the last one at the last tap leave the image,
 * and read it under guards. */
#include "conv.h"
#include "nest.h"

/* A row in the making: the last axis in numbers, and the indices of what is at hand. */
typedef struct lanes_row {
    const conv *c;
    body *b;
    lp_buf stored;              /* the image, in the shape that c has; 0: computed on the way */
    schedule s;
    int lanes;
    int64_t outputs;            /* of a group */
    int64_t width, image, taps, dilation, low;
    lp_expr x[IR_MAX_RANK], w[IR_MAX_RANK], y[IR_MAX_RANK];
    lp_expr pos[CONV_MAX_SPATIAL];
} lanes_row;

/* Image, weights and result are split alike, and rows lie in memory as they are. */
static bool is_plain(const conv *c)
{
    const struct ir_attr_CONV *a = c->at;
    int last = c->spatial - 1;
    bool plain = a->xs.at[last] == c->tx->rank - 1 && a->ys.at[last] == c->ty->rank - 1 &&
                 a->xb.n == a->yb.n && a->xg.n == a->yg.n && a->xg.n == a->wg.n &&
                 a->xf.n == a->wf.n;

    for (int i = 0; i < c->spatial; i++)
        plain &= dim_is(&c->j->l->m->dims, a->ldil.at[i], 1);
    for (int i = 0; plain && i < a->xf.n; i++)
        plain = dim_same(c->tx->dim[a->xf.at[i]], c->tw->dim[a->wf.at[i]]);
    return plain;
}

/* Sets the numbers; false where one that is needed is no constant, or lanes that are
 * channels do better. */
static bool find_numbers(const conv *c, lanes_row *r)
{
    const struct ir_attr_CONV *a = c->at;
    const dim_table *t = &c->j->l->m->dims;
    int last = c->spatial - 1;
    int64_t stride;

    *r = (lanes_row){.c = c};
    return is_plain(c) && dim_const(t, c->ty->dim[a->ys.at[last]], &r->width) &&
           dim_const(t, c->tx->dim[a->xs.at[last]], &r->image) &&
           dim_const(t, c->tw->dim[a->ws.at[last]], &r->taps) &&
           dim_const(t, a->rdil.at[last], &r->dilation) && dim_const(t, a->low.at[last], &r->low) &&
           dim_const(t, a->stride.at[last], &stride) &&
           dim_const(t, conv_extent(c, a->wo, c->tw), &r->outputs) &&
           schedule_by_positions(c->j->l->target, c->acc, r->width, stride, r->taps, r->outputs);
}

bool conv_has_lanes(const conv *c)
{
    lanes_row r;

    return find_numbers(c, &r);
}

/* ---- one tile -------------------------------------------------------------------------- */

static void bind(lp_expr *idx, ir_ints axes, const lp_expr *v)
{
    for (int i = 0; i < axes.n; i++)
        idx[axes.at[i]] = v[i];
}

/* Opens the loops over features, and over the taps of all axes but the last, with what is
 * outside of the image left out. */
static int open_sums(lanes_row *r)
{
    const struct ir_attr_CONV *a = r->c->at;
    lp_kernel *k = r->b->k;
    int open = 0;

    for (int i = 0; i < a->xf.n; i++) {
        lp_expr extent = body_dim(r->b, r->c->tw->dim[a->wf.at[i]]);
        r->x[a->xf.at[i]] = r->w[a->wf.at[i]] = conv_loop(k, "f", extent, 1, &open);
    }
    for (int i = 0; i < r->c->spatial - 1; i++) {
        lp_expr taps = body_dim(r->b, r->c->tw->dim[a->ws.at[i]]), inside = 0;
        lp_expr tap = r->w[a->ws.at[i]] = conv_loop(k, "t", taps, 1, &open);
        bool rim = conv_has_rim(r->c, i);
        r->x[a->xs.at[i]] = rim ? conv_image_if(r->c, r->b, i, r->pos[i], tap, &inside)
                                : conv_image_at(r->c, r->b, i, r->pos[i], tap);
        if (rim) {
            lp_if(k, inside);
            open++;
        }
    }
    return open;
}

/* Position of lane v of vector u, counted from vector `first`. */
static lp_expr position(const lanes_row *r, lp_expr first, lp_expr u, lp_expr v)
{
    lp_kernel *k = r->b->k;

    return lp_add(k, lp_mul(k, lp_add(k, first, u), lp_int(k, r->lanes)), v);
}

/* The memory of an image that a reshape gives its groups. */
static lp_buf find_image(const conv *c, body *b)
{
    const ir_fn *fn = c->j->in->fn;
    lp_expr dims[IR_MAX_RANK];
    ir_ref x = c->x;

    while (!lower_is_stored(c->j->in, x) && ir_node_of(fn, x)->op == OP_RESHAPE)
        x = ir_arg(fn, ir_node_of(fn, x), 0);
    if (!lower_is_stored(c->j->in, x))
        return 0;
    for (int i = 0; i < c->tx->rank; i++)
        dims[i] = body_dim(b, c->tx->dim[i]);
    return body_source_as(b, x, c->tx->dtype, c->tx->rank, dims);
}

/* The element of the image at r->x, 0 unless `inside`, if that is given. */
static lp_expr image_element(const lanes_row *r, lp_expr inside)
{
    lp_kernel *k = r->b->k;

    if (r->stored)
        return inside ? lp_load_if(k, r->stored, r->x, inside) : lp_load(k, r->stored, r->x);
    return body_at_if(r->b, r->c->x, r->x, inside, lp_const_bits(k, r->c->tx->dtype, 0));
}

/* The image for the tap at hand, where lanes may be outside of it if `guarded`. */
static lp_expr image_value(lanes_row *r, lp_expr place, bool guarded)
{
    lp_kernel *k = r->b->k;
    lp_expr inside = lp_and(k, lp_le(k, lp_int(k, 0), place),
                            lp_lt(k, place, lp_int(k, r->image)));

    r->x[r->c->at->xs.at[r->c->spatial - 1]] = place;
    return lp_let(k, "x", lp_cast(k, r->c->acc, image_element(r, guarded ? inside : 0)));
}

/* Adds the products of a tap of the last axis to vectors [from, to) of a tile. */
static void add_tap(lanes_row *r, lp_buf acc, lp_expr first, int64_t tap, int from, int to,
                    bool guarded)
{
    const struct ir_attr_CONV *a = r->c->at;
    lp_kernel *k = r->b->k;
    lp_expr offset = lp_int(k, tap * r->dilation - r->low);
    lp_expr u = lp_loop(k, LP_UNROLL, "u", lp_int(k, from), lp_int(k, to), 1);
    lp_expr v = lp_vec(k, "v", lp_int(k, 0), lp_int(k, r->lanes), r->lanes, LP_EXACT);

    lp_expr x = image_value(r, lp_add(k, position(r, first, u, v), offset), guarded);
    r->w[a->ws.at[r->c->spatial - 1]] = lp_int(k, tap);
    for (int64_t o = 0; o < r->outputs; o++) {
        const lp_expr at[3] = {lp_int(k, o), u, v};
        body_split(r->b, at[0], r->c->tw, a->wo.at, a->wo.n, r->w);
        lp_expr w = lp_cast(k, r->c->acc, body_at(r->b, r->c->w, r->w));
        lp_expr old = lp_load(k, acc, at);
        lp_store(k, acc, at, dt_is_float(r->c->acc) ? lp_fma(k, x, w, old)
                                                    : lp_add(k, old, lp_mul(k, x, w)));
    }
    lp_end(k);
    lp_end(k);
}

/* What the tap reads of the image for vector u of the row. */
typedef enum reach { OUTSIDE, PARTLY, INSIDE } reach;

static reach reach_of(const lanes_row *r, int64_t u, int64_t tap)
{
    int64_t from = u * r->lanes + tap * r->dilation - r->low, to = from + r->lanes;

    if (to <= 0 || from >= r->image)
        return OUTSIDE;
    return from >= 0 && to <= r->image ? INSIDE : PARTLY;
}

/* The same for a tile that reads what one from vector `at` of the row on does: guards where
 * it leaves the image alone. */
static void add_tap_at(lanes_row *r, lp_buf acc, lp_expr first, int64_t at, int64_t tap, int count)
{
    for (int u = 0, to; u < count; u = to) {
        reach how = reach_of(r, at + u, tap);
        for (to = u + 1; to < count && reach_of(r, at + to, tap) == how;)
            to++;
        if (how != OUTSIDE)
            add_tap(r, acc, first, tap, u, to, how == PARTLY);
    }
}

/* Stores vectors [from, to) of an output, `lanes` of each. */
static void store_vectors(lanes_row *r, lp_buf acc, lp_expr first, int64_t o, int from, int to,
                          int64_t lanes)
{
    const struct ir_attr_CONV *a = r->c->at;
    lp_kernel *k = r->b->k;

    if (from == to)
        return;
    lp_expr u = lp_loop(k, LP_UNROLL, "u", lp_int(k, from), lp_int(k, to), 1);
    lp_expr v = lp_vec(k, "v", lp_int(k, 0), lp_int(k, lanes), r->lanes,
                       lanes == r->lanes ? LP_EXACT : LP_MASKED);
    const lp_expr at[3] = {lp_int(k, o), u, v};
    body_split(r->b, at[0], r->c->ty, a->yo.at, a->yo.n, r->y);
    r->y[a->ys.at[r->c->spatial - 1]] = position(r, first, u, v);
    job_store(r->c->j, r->b, r->y, lp_load(k, acc, at));
    lp_end(k);
    lp_end(k);
}

/* `count` vectors of the row from vector `first` on, which is `at` or one that is alike. */
static void compute_tile(lanes_row *r, lp_expr first, int64_t at, int count)
{
    lp_kernel *k = r->b->k;
    const lp_expr extents[3] = {lp_int(k, r->outputs), lp_int(k, count), lp_int(k, r->lanes)};
    lp_buf acc = lp_local(k, "acc", r->c->acc, 3, extents, LP_REG,
                          lp_const_bits(k, r->c->acc, 0));
    int64_t rest = r->width % r->lanes;
    int whole = count - (rest && (at + count) * r->lanes > r->width);
    int open = open_sums(r);

    for (int64_t t = 0; t < r->taps; t++)
        add_tap_at(r, acc, first, at, t, count);
    while (open--)
        lp_end(k);
    for (int64_t o = 0; o < r->outputs; o++) {
        store_vectors(r, acc, first, o, 0, whole, r->lanes);
        store_vectors(r, acc, first, o, whole, count, rest);
    }
}

/* ---- rows ------------------------------------------------------------------------------- */

/* Is a tile of so many vectors from `next` on like the one from `at` on before it, inside or
 * outside of the image at the same taps, and not cut short? */
static bool is_alike(const lanes_row *r, int64_t at, int64_t next, int count)
{
    bool alike = (next + count) * r->lanes <= r->width;

    for (int64_t t = 0; alike && t < r->taps; t++)
        for (int u = 0; alike && u < count; u++)
            alike = reach_of(r, at + u, t) == reach_of(r, next + u, t);
    return alike;
}

/* Tiles that fill the row evenly; neighbours that are alike are one loop, those where far
 * taps are outside of the image, too. */
static void compute_row(lanes_row *r)
{
    lp_kernel *k = r->b->k;
    int64_t vectors = (r->width + r->lanes - 1) / r->lanes;
    int64_t most = r->s.vectors, tiles = (vectors + most - 1) / most;
    int64_t small = vectors / tiles, bigs = vectors % tiles, at = 0;

    for (int64_t i = 0, n; i < tiles; i += n) {
        int count = (int)(small + (i < bigs)), open = 0;
        for (n = 1; i + n < (i < bigs ? bigs : tiles) && is_alike(r, at, at + n * count, count);)
            n++;
        lp_expr w = conv_loop(k, "wt", lp_int(k, n), 1, &open);
        compute_tile(r, lp_add(k, lp_int(k, at), lp_mul(k, w, lp_int(k, count))), at, count);
        if (open)
            lp_end(k);
        at += n * count;
    }
}

static schedule choose(const lanes_row *r)
{
    const conv *c = r->c;
    const problem p = {.kind = PROBLEM_POSITIONS, .sums = c->acc, .columns = r->outputs};

    return nest_schedule(c->j, "positions", &p, c->ty, c->tw->dim, c->tw->rank);
}

bool conv_lanes(const conv *c)
{
    const struct ir_attr_CONV *a = c->at;
    lp_expr v[IR_MAX_RANK];
    ir_dim outer[IR_MAX_RANK];
    lanes_row r;
    body b;
    int n = 0;

    find_numbers(c, &r);
    job_kernel(c->j, &b, "conv");
    r.b = &b;
    r.s = b.k->schedule = choose(&r);
    r.lanes = r.s.lanes;
    r.stored = find_image(c, &b);
    for (int i = 0; i < a->yb.n; i++)
        outer[n++] = c->ty->dim[a->yb.at[i]];
    for (int i = 0; i < a->yg.n; i++)
        outer[n++] = c->ty->dim[a->yg.at[i]];
    for (int i = 0; i < c->spatial - 1; i++)
        outer[n++] = c->ty->dim[a->ys.at[i]];
    int open = n ? body_loops(&b, outer, n, v) : 0;
    const lp_expr *group = v + a->yb.n, *pos = group + a->yg.n;
    bind(r.x, a->xb, v), bind(r.y, a->yb, v);
    bind(r.x, a->xg, group), bind(r.w, a->wg, group), bind(r.y, a->yg, group);
    for (int i = 0; i < c->spatial - 1; i++)
        r.pos[i] = r.y[a->ys.at[i]] = pos[i];
    compute_row(&r);
    while (open--)
        lp_end(b.k);
    return job_end(c->j, &b);
}
