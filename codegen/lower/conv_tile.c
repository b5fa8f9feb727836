/* codegen/lower/conv_tile.c - a row of output positions, in register tiles.
 *
 * Positions outside the image add nothing.  Most tiles never meet one; the
 * first and the last tile of a row do, at places that are known when the
 * kernel is made: their taps are written out one by one, each over the
 * positions that it reaches.  A width that is known only at run time takes tiles of
 * two sizes, which overlap and compute some positions twice: tiles of all sizes
 * would be far more code.
 *
 * An image dilated by D (a transposed convolution) has D phases: the positions
 * equal modulo D read the same taps, and tiles run over the positions of one
 * phase.  Where this does not fit (pads wider than a tile, many taps) a tile reads
 * those taps under guards that not all its positions have inside. */
#include "conv.h"
#include "rim.h"

enum { MAX_EDGE_TAPS = 16 };    /* written out; more are read in loops */

/* One tile while it is made. */
typedef struct tile {
    const conv *c;
    body *b;
    lp_buf weights, acc;
    lp_buf image;               /* to be fetched ahead of the tiles; 0: not needed */
    const conv_place *at;
    int p, q;
    bool low, high;             /* begins, ends with its row */
    bool guarded;               /* any position may lie outside */
    const rim *edge;            /* of the row; null: it has no rim, or none in numbers */
    lp_expr w0;                 /* its first position */
    lp_expr tap[CONV_MAX_SPATIAL], pos[CONV_MAX_SPATIAL];
} tile;

static bool has_rim(const conv *c, int i)
{
    const dim_table *t = &c->j->l->m->dims;

    return !dim_is(t, c->at->low.at[i], 0) || !dim_is(t, c->at->high.at[i], 0) ||
           !dim_is(t, c->at->ldil.at[i], 1);
}

/* The rim of the last axis in numbers; false if one that is needed is no constant,
 * or there are too many taps to write them out. */
static bool last_rim(const conv *c, rim *out)
{
    const struct ir_attr_CONV *a = c->at;
    int i = c->s - 1;
    const rim_axis axis = {.width = c->ty->dim[a->ys.at[i]],
                           .image = c->tx->dim[a->xs.at[i]],
                           .taps = c->tw->dim[a->ws.at[i]],
                           .stride = a->stride.at[i],
                           .dilation = a->rdil.at[i],
                           .step = a->ldil.at[i],
                           .low = a->low.at[i],
                           .high = a->high.at[i]};

    return rim_of(&c->j->l->m->dims, &axis, out) && out->taps <= MAX_EDGE_TAPS;
}

/* ---- reading image and weights ----------------------------------------------------- */

/* Output position of the tile's position r. */
static lp_expr output_at(const tile *x, lp_expr r)
{
    lp_kernel *k = x->b->k;
    lp_expr i = lp_add(k, x->w0, r);

    if (!x->edge || x->edge->step == 1)
        return i;
    lp_expr phase = lp_int(k, x->edge->phase);
    return lp_add(k, phase, lp_mul(k, lp_int(k, x->edge->step), i));
}

/* Place in the (dilated) image of output position pos and a tap along axis i. */
static lp_expr image_at(const tile *x, int i, lp_expr pos, lp_expr tap)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->b->k;
    lp_expr p = lp_mul(k, pos, body_dim(x->b, a->stride.at[i]));

    p = lp_add(k, p, lp_mul(k, tap, body_dim(x->b, a->rdil.at[i])));
    return lp_sub(k, p, body_dim(x->b, a->low.at[i]));
}

/* The same, and whether an element of the (dilated) image is there. */
static lp_expr image_if(const tile *x, int i, lp_expr pos, lp_expr tap, lp_expr *inside)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->b->k;
    lp_expr p = image_at(x, i, pos, tap), zero = lp_int(k, 0), ok = lp_le(k, zero, p);

    if (!dim_is(&x->c->j->l->m->dims, a->ldil.at[i], 1)) {
        lp_expr ldil = body_dim(x->b, a->ldil.at[i]);
        ok = lp_and(k, ok, lp_eq(k, lp_mod(k, p, ldil), zero));
        p = lp_div(k, p, ldil);
    }
    ok = lp_and(k, ok, lp_lt(k, p, body_dim(x->b, x->c->tx->dim[a->xs.at[i]])));
    *inside = *inside ? lp_and(k, *inside, ok) : ok;
    return p;
}

/* An element of r, 0 unless `inside`. */
static lp_expr load_if(body *b, ir_ref r, const lp_expr *idx, lp_expr inside)
{
    return body_at_if(b, r, idx, inside, lp_const_bits(b->k, ir_type_of(b->fn, r)->dtype, 0));
}

/* The features of one output: `linear` counts them, axis[] are their indices
 * where image and weights split them alike: then no division is needed. */
typedef struct features {
    bool alike;
    lp_expr linear, axis[IR_MAX_RANK];
    int loops;
} features;

/* The image where the next tile of the row will read it, for the block of
 * features at hand. */
static void prefetch_next(const tile *x, const features *f)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->b->k;
    int last = x->c->s - 1;
    int each = dim_is(&x->c->j->l->m->dims, a->stride.at[last], 1) ? x->c->ahead : 1;
    lp_expr idx[IR_MAX_RANK];

    body_split(x->b, x->at->n, x->c->tx, a->xb.at, a->xb.n, idx);
    body_split(x->b, x->at->g, x->c->tx, a->xg.at, a->xg.n, idx);
    idx[a->xf.at[0]] = f->axis[0];
    idx[a->xf.at[1]] = lp_int(k, 0);
    for (int i = 0; i < last; i++)
        idx[a->xs.at[i]] = x->pos[i];
    for (int r = 0; r < x->p; r += each) {
        lp_expr at = lp_add(k, x->w0, lp_int(k, x->p + r));
        idx[a->xs.at[last]] = image_at(x, last, at, x->tap[last]);
        lp_prefetch(k, x->image, idx);
    }
}

/* Opens a loop over [0, extent) and counts it; one of a single trip is none. */
static lp_expr open_loop(lp_kernel *k, const char *name, lp_expr extent, int *open)
{
    int64_t n;

    if (lp_is_int(k, extent, &n) && n == 1)
        return lp_int(k, 0);
    ++*open;
    return lp_for(k, name, lp_int(k, 0), extent);
}

static features feature_loops(const tile *x)
{
    static const char *const name[] = {"f0", "f1", "f2", "f3"};
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->b->k;
    features f = {.alike = a->xf.n == a->wf.n, .linear = lp_int(k, 0)};

    for (int i = 0; f.alike && i < a->xf.n; i++)
        f.alike = dim_same(x->c->tx->dim[a->xf.at[i]], x->c->tw->dim[a->wf.at[i]]);
    if (x->c->depthwise)
        return f;
    if (!f.alike) {
        lp_expr e = body_dim(x->b, conv_extent(x->c, a->wf, x->c->tw));
        f.linear = open_loop(k, "f", e, &f.loops);
        return f;
    }
    for (int i = 0; i < a->xf.n; i++) {
        lp_expr e = body_dim(x->b, x->c->tw->dim[a->wf.at[i]]);
        f.axis[i] = open_loop(k, name[i & 3], e, &f.loops);
        f.linear = i ? lp_add(k, lp_mul(k, f.linear, e), f.axis[i]) : f.axis[0];
        if (x->image && !i)
            prefetch_next(x, &f);
    }
    return f;
}

static lp_expr image_value(const tile *x, const features *f, lp_expr v, lp_expr inside)
{
    const struct ir_attr_CONV *a = x->c->at;
    const ir_type *t = x->c->tx;
    lp_kernel *k = x->b->k;
    lp_expr idx[IR_MAX_RANK];

    body_split(x->b, x->at->n, t, a->xb.at, a->xb.n, idx);
    if (!x->c->depthwise) {
        body_split(x->b, x->at->g, t, a->xg.at, a->xg.n, idx);
    } else {                    /* blocked: the block is one vector */
        idx[a->xg.at[0]] = x->at->o;
        idx[a->xg.at[1]] = v;
    }
    for (int i = 0; i < a->xf.n; i++)
        idx[a->xf.at[i]] = x->c->depthwise ? lp_int(k, 0) : f->axis[i];
    if (!x->c->depthwise && !f->alike)
        body_split(x->b, f->linear, t, a->xf.at, a->xf.n, idx);
    for (int i = 0; i < x->c->s; i++)
        idx[a->xs.at[i]] = x->pos[i];
    return lp_cast(k, x->c->acc, load_if(x->b, x->c->x, idx, inside));
}

/* Number of the channel vector u of the tile. */
static lp_expr channel_vector(const tile *x, lp_expr u)
{
    lp_kernel *k = x->b->k;

    return x->c->depthwise ? x->at->o : lp_add(k, lp_mul(k, x->at->o, lp_int(k, x->q)), u);
}

/* Number of the tap at hand. */
static lp_expr linear_tap(const tile *x)
{
    lp_kernel *k = x->b->k;
    lp_expr linear = x->tap[0];

    for (int i = 1; i < x->c->s; i++) {
        lp_expr e = body_dim(x->b, x->c->tw->dim[x->c->at->ws.at[i]]);
        linear = lp_add(k, lp_mul(k, linear, e), x->tap[i]);
    }
    return linear;
}

/* A panel of weights is a stream that a tile of long vectors reads faster than
 * the processor foresees. */
static void fetch_weights(const tile *x, const features *f)
{
    enum { LONG = 64, DISTANCE = 2048 };
    const conv *c = x->c;
    lp_kernel *k = x->b->k;
    int n = c->q * c->lanes, row = n * dt_size(c->tw->dtype);

    if (!c->packed || c->depthwise || c->j->l->target->vector_bytes < LONG)
        return;
    lp_expr tap = linear_tap(x);
    lp_expr ahead = lp_add(k, f->linear, lp_int(k, (DISTANCE + row - 1) / row));
    lp_prefetch_row(k, x->weights, LP(x->at->g, x->at->o, tap, ahead, lp_int(k, 0)), n);
}

static lp_expr weight_value(const tile *x, const features *f, lp_expr u, lp_expr v)
{
    const struct ir_attr_CONV *a = x->c->at;
    const ir_type *t = x->c->tw;
    lp_kernel *k = x->b->k;
    lp_expr idx[IR_MAX_RANK], lanes = lp_int(k, x->c->lanes);

    if (x->c->packed) {
        lp_expr group = x->c->depthwise ? lp_int(k, 0) : x->at->g;
        lp_expr at = x->q > 1 ? lp_add(k, lp_mul(k, u, lanes), v) : v;
        return lp_cast(k, x->c->acc,
                       lp_load(k, x->weights, LP(group, x->at->o, linear_tap(x), f->linear, at)));
    }
    lp_expr channel = lp_add(k, lp_mul(k, channel_vector(x, u), lanes), v);
    body_split(x->b, x->at->g, t, a->wg.at, a->wg.n, idx);
    body_split(x->b, channel, t, a->wo.at, a->wo.n, idx);
    body_split(x->b, f->linear, t, a->wf.at, a->wf.n, idx);
    for (int i = 0; i < x->c->s; i++)
        idx[a->ws.at[i]] = x->tap[i];
    lp_expr in = lp_lt(k, channel, body_dim(x->b, conv_extent(x->c, a->wo, t)));
    return lp_cast(k, x->c->acc, load_if(x->b, x->c->w, idx, in));
}

/* ---- sums --------------------------------------------------------------------------- */

/* Adds the products of all features at the tap at hand to positions [lo, hi).
 * Positions outside, channels inside: one broadcast is live at a time. */
static void add_products(tile *x, int lo, int hi, bool guarded)
{
    lp_kernel *k = x->b->k;
    int last = x->c->s - 1;
    lp_expr inside = 0;

    if (lo >= hi)
        return;
    features f = feature_loops(x);
    fetch_weights(x, &f);
    lp_expr low = lp_int(k, lo), zero = lp_int(k, 0), lanes = lp_int(k, x->c->lanes);
    lp_expr r = lp_loop(k, LP_UNROLL, "r", low, lp_int(k, hi), 1);
    lp_expr u = lp_unroll(k, "u", x->q);
    lp_expr v = lp_vec(k, "v", zero, lanes, x->c->lanes, LP_EXACT);
    lp_expr at = output_at(x, r);
    if (guarded) {
        x->pos[last] = image_if(x, last, at, x->tap[last], &inside);
    } else {
        lp_expr pos = image_at(x, last, at, x->tap[last]);
        x->pos[last] = lp_div(k, pos, body_dim(x->b, x->c->at->ldil.at[last]));
    }
    lp_expr xv = image_value(x, &f, v, inside), wv = weight_value(x, &f, u, v);
    lp_expr old = lp_load(k, x->acc, LP(r, u, v));
    lp_store(k, x->acc, LP(r, u, v), dt_is_float(x->c->acc) ? lp_fma(k, xv, wv, old)
                                                            : lp_add(k, old, lp_mul(k, xv, wv)));
    for (int i = 0; i < f.loops + 3; i++)
        lp_end(k);
}

/* One tap of the last axis, over the positions of the tile that it reaches. */
static void add_tap(tile *x, int64_t tap)
{
    bool begins = x->low && !x->guarded, ends = x->high && !x->guarded;
    rim_reach in = rim_reach_of(x->edge, tap, x->p, begins, ends);

    x->tap[x->c->s - 1] = lp_int(x->b->k, tap);
    add_products(x, in.lo, in.sure, x->guarded);
    add_products(x, in.lo > in.sure ? in.lo : in.sure, in.most, true);
}

/* Opens the loops over the taps of all axes but the last; returns their count.
 * Rows of the image that do not exist are left out. */
static int outer_taps(tile *x)
{
    static const char *const name[] = {"t0", "t1", "t2", "t3", "t4"};
    lp_kernel *k = x->b->k;
    lp_expr inside = 0;
    int open = 0;

    for (int i = 0; i < x->c->s - 1; i++) {
        lp_expr taps = body_dim(x->b, x->c->tw->dim[x->c->at->ws.at[i]]);
        x->tap[i] = open_loop(k, name[i], taps, &open);
        x->pos[i] = has_rim(x->c, i) ? image_if(x, i, x->at->pos[i], x->tap[i], &inside)
                                     : image_at(x, i, x->at->pos[i], x->tap[i]);
    }
    if (inside) {
        lp_if(k, inside);
        open++;
    }
    return open;
}

/* One tap after the other, over all positions. */
static void add_taps(tile *x, lp_expr from, lp_expr to, bool guarded)
{
    lp_kernel *k = x->b->k;
    int loops = 0;
    lp_expr i = open_loop(k, "t", lp_sub(k, to, from), &loops);

    x->tap[x->c->s - 1] = lp_add(k, from, i);
    add_products(x, 0, x->p, guarded);
    if (loops)
        lp_end(k);
}

/* How many taps from this one on are read by all positions of the tile. */
static int64_t full_taps(const tile *x, int64_t tap)
{
    const rim *e = x->edge;
    int64_t n = 0;

    for (; !x->guarded && e->step == 1 && tap + n < e->taps; n++) {
        rim_reach in = rim_reach_of(e, tap + n, x->p, x->low, x->high);
        if (in.lo > 0 || in.sure < x->p)
            break;
    }
    return n;
}

/* The taps of a tile in the rim, or of one phase: each over the positions that it
 * reaches, those that reach all of them in a loop. */
static void add_rim(tile *x)
{
    lp_kernel *k = x->b->k;

    for (int64_t i = 0, n; i < x->edge->taps; i += n) {
        n = max_i64(full_taps(x, i), 1);
        if (n > 1)
            add_taps(x, lp_int(k, i), lp_int(k, i + n), false);
        else if (rim_has_tap(x->edge, i))
            add_tap(x, i);
    }
}

/* x / d, rounded up, but at least `least` and at most `most`. */
static lp_expr ceil_within(lp_kernel *k, lp_expr x, lp_expr d, lp_expr least, lp_expr most)
{
    lp_expr q = lp_div(k, lp_add(k, x, lp_sub(k, d, lp_int(k, 1))), d);

    return lp_min(k, lp_max(k, q, least), most);
}

/* A tile that may leave the image anywhere: the taps that all positions read inside
 * are without guards, most of them in most tiles of wide kernels.  One position
 * reads no others. */
static void add_guarded(tile *x, lp_expr taps)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->b->k;
    int last = x->c->s - 1;
    lp_expr zero = lp_int(k, 0), far = lp_int(k, x->p - 1);
    lp_expr dilation = body_dim(x->b, a->rdil.at[last]);
    lp_expr extent = body_dim(x->b, x->c->tx->dim[a->xs.at[last]]);
    lp_expr before = lp_sub(k, zero, image_at(x, last, output_at(x, zero), zero));
    lp_expr behind = lp_sub(k, extent, image_at(x, last, output_at(x, far), zero));
    lp_expr from = ceil_within(k, before, dilation, zero, taps);
    lp_expr to = ceil_within(k, behind, dilation, from, taps);

    if (x->p > 1)
        add_taps(x, zero, from, true);
    add_taps(x, from, to, false);
    if (x->p > 1)
        add_taps(x, to, taps, true);
}

static void add_all(tile *x)
{
    lp_kernel *k = x->b->k;
    int open = outer_taps(x), last = x->c->s - 1;
    lp_expr taps = body_dim(x->b, x->c->tw->dim[x->c->at->ws.at[last]]);
    bool spread = !dim_is(&x->c->j->l->m->dims, x->c->at->ldil.at[last], 1);

    if (x->low || x->high || (x->edge && x->edge->step > 1)) {
        add_rim(x);
    } else if (x->guarded && !spread) {
        add_guarded(x, taps);
    } else {
        add_taps(x, lp_int(k, 0), taps, x->guarded);
    }
    while (open--)
        lp_end(k);
}

/* ---- the rest of the group, on sums ---------------------------------------------------- */

/* The axes of the result that a tile's vectors hold. */
static ir_ints result_channels(const conv *c)
{
    return c->depthwise ? c->at->yg : c->at->yo;
}

/* Index of the result at position r and channel first + v.  Where channels lie in
 * blocks, those from `first` on are in one. */
static void output_index(const tile *x, lp_expr first, lp_expr r, lp_expr v, lp_expr *idx)
{
    const struct ir_attr_CONV *a = x->c->at;
    const ir_type *t = x->c->ty;
    ir_ints channels = result_channels(x->c);
    lp_kernel *k = x->b->k;

    body_split(x->b, x->at->n, t, a->yb.at, a->yb.n, idx);
    if (x->c->block) {
        lp_expr block = lp_int(k, x->c->block);
        idx[channels.at[0]] = lp_div(k, first, block);
        idx[channels.at[1]] = lp_add(k, lp_mod(k, first, block), v);
    } else {
        body_split(x->b, lp_add(k, first, v), t, channels.at, channels.n, idx);
    }
    for (int i = 0; x->c->depthwise && i < a->yo.n; i++)
        idx[a->yo.at[i]] = lp_int(k, 0);
    if (!x->c->depthwise)
        body_split(x->b, x->at->g, t, a->yg.at, a->yg.n, idx);
    for (int i = 0; i < x->c->s - 1; i++)
        idx[a->ys.at[i]] = x->at->pos[i];
    idx[a->ys.at[x->c->s - 1]] = output_at(x, r);
}

/* Channels that are stored at once: a vector, or the block that is a part of it. */
static int stored_lanes(const conv *c)
{
    return c->block && c->block < c->lanes ? c->block : c->lanes;
}

/* Stores channels first + v of position r, which are elements `lane` + v of the
 * register row (r, u). */
static void store_channels(tile *x, lp_expr r, lp_expr u, lp_expr lane, lp_expr first, bool exact)
{
    lp_kernel *k = x->b->k;
    int n = stored_lanes(x->c);
    lp_expr idx[IR_MAX_RANK], zero = lp_int(k, 0), lanes = lp_int(k, n);
    ir_dim channels = conv_extent(x->c, result_channels(x->c), x->c->ty);
    lp_expr left = lp_min(k, lp_sub(k, body_dim(x->b, channels), first), lanes);
    lp_expr v = lp_vec(k, "v", zero, exact ? lanes : lp_max(k, left, zero), n,
                       exact ? LP_EXACT : LP_MASKED);

    output_index(x, first, r, v, idx);
    job_store(x->c->j, x->b, idx, lp_load(k, x->acc, LP(r, u, lp_add(k, lane, v))));
    lp_end(k);
}

/* Stores all channels of position r: vectors go block by block where they hold
 * several; the last may have fewer of them. */
static void store_vector(tile *x, lp_expr r, lp_expr u)
{
    lp_kernel *k = x->b->k;
    ir_dim channels = conv_extent(x->c, result_channels(x->c), x->c->ty);
    int part = stored_lanes(x->c), parts = x->c->lanes / part;
    int64_t n;
    bool exact = dim_const(&x->c->j->l->m->dims, channels, &n) && n % (x->q * x->c->lanes) == 0;
    lp_expr first = lp_mul(k, channel_vector(x, u), lp_int(k, x->c->lanes));

    if (parts == 1) {
        store_channels(x, r, u, lp_int(k, 0), first, exact);
        return;
    }
    lp_expr h = lp_unroll(k, "h", parts), lane = lp_mul(k, h, lp_int(k, part));
    first = lp_add(k, first, lane);
    if (!exact)
        lp_if(k, lp_lt(k, first, body_dim(x->b, channels)));
    store_channels(x, r, u, lane, first, true);
    for (int i = exact; i < 2; i++)
        lp_end(k);
}

static void store_results(tile *x)
{
    lp_kernel *k = x->b->k;
    lp_expr u = lp_unroll(k, "u", x->q), r = lp_unroll(k, "r", x->p);

    store_vector(x, r, u);
    lp_end(k);
    lp_end(k);
}

/* ---- tiles, rows ------------------------------------------------------------------------ */

/* The tile *x, of p positions from w0 on. */
static void make_tile(tile *x, int p, lp_expr w0)
{
    const conv *c = x->c;
    lp_kernel *k = x->b->k;
    lp_expr zero = dt_is_float(c->acc) ? lp_const_flt(k, c->acc, 0) : lp_const_int(k, c->acc, 0);
    lp_expr dims[3];

    x->p = p;
    x->q = c->depthwise ? 1 : c->q;
    x->w0 = w0;
    dims[0] = lp_int(k, p);
    dims[1] = lp_int(k, x->q);
    dims[2] = lp_int(k, c->lanes);
    x->acc = lp_local(k, "acc", c->acc, 3, dims, LP_REG, zero);
    add_all(x);
    store_results(x);
}

/* `count` tiles of p positions, from position `first` on. */
static void make_tiles(tile *x, int p, int64_t first, lp_expr count)
{
    lp_kernel *k = x->b->k;
    int loops = 0;
    lp_expr i = open_loop(k, "wt", count, &loops), begin = lp_int(k, first);

    make_tile(x, p, lp_add(k, begin, lp_mul(k, i, lp_int(k, p))));
    if (loops)
        lp_end(k);
}

static void make_end(tile *x, int p, lp_expr w0, bool low, bool high)
{
    x->low = low, x->high = high;
    make_tile(x, p, w0);
    x->low = x->high = false;
}

/* Positions at the ends that need tiles of their own. */
static int64_t first_of(const tile *x)
{
    return x->edge && !x->guarded ? x->edge->first : 0;
}

static int64_t last_of(const tile *x)
{
    return x->edge && !x->guarded ? x->edge->last : 0;
}

/* A constant width: tiles of `big` and big - 1 positions fill it evenly. */
static void const_row(tile *x, int64_t width)
{
    lp_kernel *k = x->b->k;
    int64_t tiles = (width + x->c->p - 1) / x->c->p;
    int big = (int)((width + tiles - 1) / tiles);
    int64_t bigs = width - tiles * (big - 1), smalls = tiles - bigs;
    int end = smalls ? big - 1 : big;

    x->guarded = x->guarded || first_of(x) > big || last_of(x) > end;
    bool low = first_of(x) > 0, high = last_of(x) > 0;
    if (tiles == 1 && (low || high)) {
        make_end(x, big, lp_int(k, 0), true, true);
        return;
    }
    if (low)
        make_end(x, big, lp_int(k, 0), true, false);
    bigs -= high && !smalls;
    if (bigs > low)
        make_tiles(x, big, low ? big : 0, lp_int(k, bigs - low));
    if (smalls > high)
        make_tiles(x, big - 1, bigs * big, lp_int(k, smalls - high));
    if (high)
        make_end(x, end, lp_int(k, width - end), false, true);
}

/* A run-time width in tiles of p positions, and of `half` at the ends and for what is
 * left; the last of these overlaps the one before.  For example 40 positions of a 3x3
 * filter, p = 14, half = 7: [0, 7), [7, 21), [21, 28), [26, 33), [33, 40).
 * The width must be at least least_width. */
static void halved_row(tile *x, lp_expr width, int p, int half)
{
    lp_kernel *k = x->b->k;
    int64_t first = first_of(x), last = last_of(x), begin = first ? half : 0;
    lp_expr size = lp_int(k, half), start = lp_int(k, begin);
    lp_expr end = last ? lp_sub(k, width, size) : width;

    if (first)
        make_end(x, half, lp_int(k, 0), true, false);
    if (p > half) {
        lp_expr inner = lp_max(k, lp_sub(k, end, start), lp_int(k, 0));
        lp_expr whole = lp_div(k, inner, lp_int(k, p));
        make_tiles(x, p, begin, whole);
        start = lp_add(k, start, lp_mul(k, whole, lp_int(k, p)));
    }
    lp_expr left = lp_ceildiv(k, lp_sub(k, end, start), half);
    lp_expr most = lp_sub(k, width, lp_int(k, last + half));
    lp_expr i = lp_for(k, "rest", lp_int(k, 0), left);
    make_tile(x, half, lp_min(k, lp_add(k, start, lp_mul(k, i, size)), most));
    lp_end(k);
    if (last)
        make_end(x, half, lp_sub(k, width, size), false, true);
}

/* One position after the other, where there are no tiles for a width. */
static void single_positions(tile *x, lp_expr width)
{
    lp_kernel *k = x->b->k;
    bool guarded = x->guarded;
    lp_expr w0 = lp_for(k, "ws", lp_int(k, 0), width);

    x->guarded = guarded || first_of(x) || last_of(x);
    make_tile(x, 1, w0);
    x->guarded = guarded;
    lp_end(k);
}

/* Rows of 1 to `most` positions, each as one tile: the weights are read once. */
static void short_rows(tile *x, lp_expr width, int most)
{
    lp_kernel *k = x->b->k;

    for (int p = 1; p <= most; p++) {
        lp_if(k, lp_eq(k, width, lp_int(k, p)));
        make_end(x, p, lp_int(k, 0), first_of(x) > 0 || last_of(x) > 0, last_of(x) > 0);
        lp_end(k);
    }
}

/* The least width that halved_row takes with these ends: a tile at one end must not
 * reach the other's rim. */
static int64_t least_width(const tile *x, int half)
{
    int64_t first = first_of(x), last = last_of(x);

    return half + (first + last <= half + 1 ? max_i64(first, last) : first + last);
}

/* A run-time width: whole tiles from that on where halves of them do no worse than
 * quarters, then quarters, then what is shorter. */
static void symbolic_row(tile *x, lp_expr width)
{
    lp_kernel *k = x->b->k;
    int p = x->c->p, half = p / 2, quarter = (half + 1) / 2, open = 1;

    x->guarded = x->guarded || first_of(x) > half || last_of(x) > half;
    bool quarters = quarter > 1 && first_of(x) <= quarter && last_of(x) <= quarter;
    int64_t least = max_i64(least_width(x, half), p - 1);
    lp_if(k, lp_le(k, lp_int(k, least), width));
    halved_row(x, width, p, half);
    lp_else(k);
    if (quarters) {
        least = least_width(x, quarter);
        lp_if(k, lp_le(k, lp_int(k, least), width));
        halved_row(x, width, quarter, quarter);
        lp_else(k);
        open++;
    }
    int most = (int)min_i64(least - 1, quarter);
    short_rows(x, width, most);
    if (most < least - 1) {
        lp_if(k, lp_lt(k, lp_int(k, most), width));
        single_positions(x, width);
        lp_end(k);
    }
    while (open--)
        lp_end(k);
}

/* All positions of one phase, or of the row. */
static void phase_row(tile *x, ir_dim width)
{
    int64_t w;

    if (!dim_const(&x->c->j->l->m->dims, width, &w))
        symbolic_row(x, body_dim(x->b, width));
    else if (w > 0)
        const_row(x, w);
}

void conv_row(const conv *c, body *b, lp_buf weights, const conv_place *at)
{
    tile x = {.c = c, .b = b, .weights = weights, .at = at};
    ir_dim width = c->ty->dim[c->at->ys.at[c->s - 1]];
    dim_table *t = &c->j->l->m->dims;
    rim e;

    if (c->ahead)
        x.image = body_source(b, c->x);
    x.edge = &e;
    if (!has_rim(c, c->s - 1) || !last_rim(c, &e)) {
        x.edge = NULL;
        x.guarded = has_rim(c, c->s - 1);
        phase_row(&x, width);
        return;
    }
    for (e.phase = 0; e.phase < e.step; e.phase++) {
        rim_find_ends(&e);
        x.guarded = e.first > c->p || e.last > c->p;
        ir_dim left = dim_sub(t, width, dim_int(t, e.phase));
        phase_row(&x, dim_ceildiv(t, left, dim_int(t, e.step)));
    }
}
