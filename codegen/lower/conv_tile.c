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

/* A tile of a row while it is made: its first position is w0.  Of the axes, `tap` and
 * `pos` have the tap at hand and the place in the image that it is read at. */
typedef struct conv_tile {
    tile t;
    const conv *c;
    const conv_place *at;
    lp_buf weights;
    lp_buf image;               /* to be fetched ahead of the tiles; 0: not needed */
    bool low, high;             /* begins, ends with its row */
    bool guarded;               /* any position may lie outside */
    const rim *edge;            /* of the row; null: it has no rim, or none in numbers */
    lp_expr w0;
    lp_expr tap[CONV_MAX_SPATIAL], pos[CONV_MAX_SPATIAL];
} conv_tile;

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
    int i = c->spatial - 1;
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
static lp_expr output_at(const conv_tile *x, lp_expr r)
{
    lp_kernel *k = x->t.b->k;
    lp_expr i = lp_add(k, x->w0, r);

    if (!x->edge || x->edge->step == 1)
        return i;
    lp_expr phase = lp_int(k, x->edge->phase);
    return lp_add(k, phase, lp_mul(k, lp_int(k, x->edge->step), i));
}

/* Place in the (dilated) image of output position pos and a tap along axis i. */
static lp_expr image_at(const conv_tile *x, int i, lp_expr pos, lp_expr tap)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->t.b->k;
    lp_expr p = lp_mul(k, pos, body_dim(x->t.b, a->stride.at[i]));

    p = lp_add(k, p, lp_mul(k, tap, body_dim(x->t.b, a->rdil.at[i])));
    return lp_sub(k, p, body_dim(x->t.b, a->low.at[i]));
}

/* The same, and whether an element of the (dilated) image is there. */
static lp_expr image_if(const conv_tile *x, int i, lp_expr pos, lp_expr tap, lp_expr *inside)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->t.b->k;
    lp_expr p = image_at(x, i, pos, tap), zero = lp_int(k, 0), ok = lp_le(k, zero, p);

    if (!dim_is(&x->c->j->l->m->dims, a->ldil.at[i], 1)) {
        lp_expr ldil = body_dim(x->t.b, a->ldil.at[i]);
        ok = lp_and(k, ok, lp_eq(k, lp_mod(k, p, ldil), zero));
        p = lp_div(k, p, ldil);
    }
    ok = lp_and(k, ok, lp_lt(k, p, body_dim(x->t.b, x->c->tx->dim[a->xs.at[i]])));
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
    int loops;                  /* that are open */
} features;

/* The image where the next tile of the row will read it, for the block of
 * features at hand. */
static void prefetch_next(const conv_tile *x, const features *f)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->t.b->k;
    int last = x->c->spatial - 1;
    const dim_table *t = &x->c->j->l->m->dims;
    int64_t block = 1, each = 1;
    lp_expr idx[IR_MAX_RANK];

    body_split(x->t.b, x->at->n, x->c->tx, a->xb.at, a->xb.n, idx);
    body_split(x->t.b, x->at->g, x->c->tx, a->xg.at, a->xg.n, idx);
    if (dim_is(t, a->stride.at[last], 1) && dim_const(t, x->c->tx->dim[a->xf.at[1]], &block))
        each = max_i64(LP_LINE / (block * dt_size(x->c->tx->dtype)), 1);
    idx[a->xf.at[0]] = f->axis[0];
    idx[a->xf.at[1]] = lp_int(k, 0);
    for (int i = 0; i < last; i++)
        idx[a->xs.at[i]] = x->pos[i];
    for (int64_t r = 0; r < x->t.rows; r += each) {
        lp_expr at = lp_add(k, x->w0, lp_int(k, x->t.rows + r));
        idx[a->xs.at[last]] = image_at(x, last, at, x->tap[last]);
        lp_prefetch(k, x->image, idx);
    }
}

/* Opens a loop over [0, extent) by `step` and counts it; one of a single trip is none. */
static lp_expr open_loop(lp_kernel *k, const char *name, lp_expr extent, int step, int *open)
{
    int64_t n;

    if (lp_is_int(k, extent, &n) && n == step)
        return lp_int(k, 0);
    ++*open;
    return lp_loop(k, LP_FOR, name, lp_int(k, 0), extent, step);
}

/* Opens the loops over the axes of features but the last. */
static features outer_features(const conv_tile *x)
{
    static const char *const name[] = {"f0", "f1", "f2", "f3"};
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->t.b->k;
    features f = {.alike = a->xf.n == a->wf.n, .linear = lp_int(k, 0)};

    for (int i = 0; f.alike && i < a->xf.n; i++)
        f.alike = dim_same(x->c->tx->dim[a->xf.at[i]], x->c->tw->dim[a->wf.at[i]]);
    for (int i = 0; f.alike && i < a->xf.n - 1; i++) {
        lp_expr e = body_dim(x->t.b, x->c->tw->dim[a->wf.at[i]]);
        f.axis[i] = open_loop(k, name[i & 3], e, 1, &f.loops);
        f.linear = i ? lp_add(k, lp_mul(k, f.linear, e), f.axis[i]) : f.axis[0];
        if (x->image && !i)
            prefetch_next(x, &f);
    }
    return f;
}

/* Features that the innermost loop runs over. */
static ir_dim inner_features(const conv_tile *x, const features *f)
{
    ir_ints wf = x->c->at->wf;

    if (!f->alike)
        return conv_extent(x->c, wf, x->c->tw);
    return wf.n ? x->c->tw->dim[wf.at[wf.n - 1]] : (ir_dim){1};
}

/* The features with the innermost one at i. */
static features feature_at(const conv_tile *x, features f, lp_expr i)
{
    lp_kernel *k = x->t.b->k;
    lp_expr e = body_dim(x->t.b, inner_features(x, &f));

    if (f.alike && x->c->at->wf.n)
        f.axis[x->c->at->wf.n - 1] = i;
    f.linear = lp_add(k, lp_mul(k, f.linear, e), i);
    return f;
}

static lp_expr image_value(const conv_tile *x, const features *f, lp_expr v, lp_expr inside)
{
    const struct ir_attr_CONV *a = x->c->at;
    const ir_type *t = x->c->tx;
    lp_kernel *k = x->t.b->k;
    lp_expr idx[IR_MAX_RANK];

    body_split(x->t.b, x->at->n, t, a->xb.at, a->xb.n, idx);
    if (!x->c->depthwise) {
        body_split(x->t.b, x->at->g, t, a->xg.at, a->xg.n, idx);
    } else {                    /* blocked: the block is one vector */
        idx[a->xg.at[0]] = x->t.panel;
        idx[a->xg.at[1]] = v;
    }
    for (int i = 0; i < a->xf.n; i++)
        idx[a->xf.at[i]] = x->c->depthwise ? lp_int(k, 0) : f->axis[i];
    if (!x->c->depthwise && !f->alike)
        body_split(x->t.b, f->linear, t, a->xf.at, a->xf.n, idx);
    for (int i = 0; i < x->c->spatial; i++)
        idx[a->xs.at[i]] = x->pos[i];
    return lp_cast(k, x->c->acc, load_if(x->t.b, x->c->x, idx, inside));
}

/* Number of the tap at hand. */
static lp_expr linear_tap(const conv_tile *x)
{
    lp_kernel *k = x->t.b->k;
    lp_expr linear = x->tap[0];

    for (int i = 1; i < x->c->spatial; i++) {
        lp_expr e = body_dim(x->t.b, x->c->tw->dim[x->c->at->ws.at[i]]);
        linear = lp_add(k, lp_mul(k, linear, e), x->tap[i]);
    }
    return linear;
}

/* The panels are [groups, panels, taps, features, channels of a panel]. */
static void fetch_weights(const conv_tile *x, const features *f)
{
    lp_expr zero = lp_int(x->t.b->k, 0);

    if (tile_fetches(&x->t))
        tile_fetch(&x->t, x->weights, LP(x->at->g, x->t.panel, linear_tap(x),
                                         tile_ahead(&x->t, x->weights, f->linear), zero));
}

static lp_expr weight_value(const conv_tile *x, const features *f, lp_expr column)
{
    lp_kernel *k = x->t.b->k;

    return lp_cast(k, x->c->acc, lp_load(k, x->weights, LP(x->at->g, x->t.panel, linear_tap(x),
                                                           f->linear, column)));
}

/* ---- sums --------------------------------------------------------------------------- */

/* Adds the products of one feature at the tap at hand to part `part` of positions
 * [lo, hi). */
static void add_feature(conv_tile *x, const features *f, lp_expr part, int lo, int hi,
                        bool guarded)
{
    lp_kernel *k = x->t.b->k;
    int last = x->c->spatial - 1;
    lp_expr inside = 0;
    tile_place in = tile_open(&x->t, lo, hi);
    lp_expr at = output_at(x, in.row);

    if (guarded) {
        x->pos[last] = image_if(x, last, at, x->tap[last], &inside);
    } else {
        lp_expr pos = image_at(x, last, at, x->tap[last]);
        x->pos[last] = lp_div(k, pos, body_dim(x->t.b, x->c->at->ldil.at[last]));
    }
    lp_expr image = image_value(x, f, in.lane, inside), weight = weight_value(x, f, in.column);
    tile_products(&x->t, &in, part, image, weight);
}

/* The same of all features: as many at a time as there are parts, then the rest. */
static void add_products(conv_tile *x, int lo, int hi, bool guarded)
{
    lp_kernel *k = x->t.b->k;

    if (lo >= hi)
        return;
    features outer = outer_features(x);
    lp_expr end = body_dim(x->t.b, inner_features(x, &outer)), whole = tile_whole(&x->t, end);
    int loops = 0;
    lp_expr i = open_loop(k, "f", whole, x->t.parts, &loops);
    features f = feature_at(x, outer, i);
    fetch_weights(x, &f);
    lp_expr part = lp_unroll(k, "s", x->t.parts);
    f = feature_at(x, outer, lp_add(k, i, part));
    add_feature(x, &f, part, lo, hi, guarded);
    for (loops++; loops--;)
        lp_end(k);
    if (whole != end) {
        f = feature_at(x, outer, lp_for(k, "f", whole, end));
        add_feature(x, &f, lp_int(k, 0), lo, hi, guarded);
        lp_end(k);
    }
    while (outer.loops--)
        lp_end(k);
}

/* One tap of the last axis, over the positions of the tile that it reaches. */
static void add_tap(conv_tile *x, int64_t tap)
{
    bool begins = x->low && !x->guarded, ends = x->high && !x->guarded;
    rim_reach in = rim_reach_of(x->edge, tap, x->t.rows, begins, ends);

    x->tap[x->c->spatial - 1] = lp_int(x->t.b->k, tap);
    add_products(x, in.lo, in.sure, x->guarded);
    add_products(x, in.lo > in.sure ? in.lo : in.sure, in.most, true);
}

/* Opens the loops over the taps of all axes but the last; returns their count.
 * Rows of the image that do not exist are left out. */
static int outer_taps(conv_tile *x)
{
    static const char *const name[] = {"t0", "t1", "t2", "t3", "t4"};
    lp_kernel *k = x->t.b->k;
    lp_expr inside = 0;
    int open = 0;

    for (int i = 0; i < x->c->spatial - 1; i++) {
        lp_expr taps = body_dim(x->t.b, x->c->tw->dim[x->c->at->ws.at[i]]);
        x->tap[i] = open_loop(k, name[i], taps, 1, &open);
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
static void add_taps(conv_tile *x, lp_expr from, lp_expr to, bool guarded)
{
    lp_kernel *k = x->t.b->k;
    int loops = 0;
    lp_expr i = open_loop(k, "t", lp_sub(k, to, from), 1, &loops);

    x->tap[x->c->spatial - 1] = lp_add(k, from, i);
    add_products(x, 0, x->t.rows, guarded);
    if (loops)
        lp_end(k);
}

/* How many taps from this one on are read by all positions of the tile. */
static int64_t full_taps(const conv_tile *x, int64_t tap)
{
    const rim *e = x->edge;
    int64_t n = 0;

    for (; !x->guarded && e->step == 1 && tap + n < e->taps; n++) {
        rim_reach in = rim_reach_of(e, tap + n, x->t.rows, x->low, x->high);
        if (in.lo > 0 || in.sure < x->t.rows)
            break;
    }
    return n;
}

/* The taps of a tile in the rim, or of one phase: each over the positions that it
 * reaches, those that reach all of them in a loop. */
static void add_rim(conv_tile *x)
{
    lp_kernel *k = x->t.b->k;

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
static void add_guarded(conv_tile *x, lp_expr taps)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->t.b->k;
    int last = x->c->spatial - 1;
    lp_expr zero = lp_int(k, 0), far = lp_int(k, x->t.rows - 1);
    lp_expr dilation = body_dim(x->t.b, a->rdil.at[last]);
    lp_expr extent = body_dim(x->t.b, x->c->tx->dim[a->xs.at[last]]);
    lp_expr before = lp_sub(k, zero, image_at(x, last, output_at(x, zero), zero));
    lp_expr behind = lp_sub(k, extent, image_at(x, last, output_at(x, far), zero));
    lp_expr from = ceil_within(k, before, dilation, zero, taps);
    lp_expr to = ceil_within(k, behind, dilation, from, taps);

    if (x->t.rows > 1)
        add_taps(x, zero, from, true);
    add_taps(x, from, to, false);
    if (x->t.rows > 1)
        add_taps(x, to, taps, true);
}

static void add_all(conv_tile *x)
{
    lp_kernel *k = x->t.b->k;
    int open = outer_taps(x), last = x->c->spatial - 1;
    lp_expr taps = body_dim(x->t.b, x->c->tw->dim[x->c->at->ws.at[last]]);
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

/* Index of the result at a place of the tile.  Where channels lie in blocks, those
 * that are stored at once are in one. */
static void output_index(const conv_tile *x, const tile_place *in, lp_expr *idx)
{
    const struct ir_attr_CONV *a = x->c->at;
    const ir_type *t = x->c->ty;
    ir_ints channels = conv_channels(x->c);
    body *b = x->t.b;

    body_split(b, x->at->n, t, a->yb.at, a->yb.n, idx);
    if (x->c->block) {
        lp_expr block = lp_int(b->k, x->c->block);
        idx[channels.at[0]] = lp_div(b->k, in->first, block);
        idx[channels.at[1]] = lp_add(b->k, lp_mod(b->k, in->first, block), in->offset);
    } else {
        body_split(b, in->column, t, channels.at, channels.n, idx);
    }
    for (int i = 0; x->c->depthwise && i < a->yo.n; i++)
        idx[a->yo.at[i]] = lp_int(b->k, 0);
    if (!x->c->depthwise)
        body_split(b, x->at->g, t, a->yg.at, a->yg.n, idx);
    for (int i = 0; i < x->c->spatial - 1; i++)
        idx[a->ys.at[i]] = x->at->pos[i];
    idx[a->ys.at[x->c->spatial - 1]] = output_at(x, in->row);
}

static void store_results(const conv_tile *x)
{
    lp_expr idx[IR_MAX_RANK];
    tile_place in = tile_results(&x->t);

    output_index(x, &in, idx);
    tile_store(&x->t, &in, idx, tile_sum(&x->t, &in));
}

/* ---- tiles, rows ------------------------------------------------------------------------ */

/* The tile of p positions from w0 on. */
static void compute_tile(conv_tile *x, int p, lp_expr w0)
{
    x->w0 = w0;
    tile_make(&x->t, p);
    add_all(x);
    store_results(x);
}

/* `count` tiles of p positions, from position `first` on. */
static void compute_tiles(conv_tile *x, int p, int64_t first, lp_expr count)
{
    lp_kernel *k = x->t.b->k;
    int loops = 0;
    lp_expr i = open_loop(k, "wt", count, 1, &loops), begin = lp_int(k, first);

    compute_tile(x, p, lp_add(k, begin, lp_mul(k, i, lp_int(k, p))));
    if (loops)
        lp_end(k);
}

static void compute_end(conv_tile *x, int p, lp_expr w0, bool low, bool high)
{
    x->low = low, x->high = high;
    compute_tile(x, p, w0);
    x->low = x->high = false;
}

/* Positions at the ends that need tiles of their own. */
static int64_t first_of(const conv_tile *x)
{
    return x->edge && !x->guarded ? x->edge->first : 0;
}

static int64_t last_of(const conv_tile *x)
{
    return x->edge && !x->guarded ? x->edge->last : 0;
}

/* A constant width: tiles of `big` and big - 1 positions fill it evenly. */
static void const_row(conv_tile *x, int64_t width)
{
    lp_kernel *k = x->t.b->k;
    int64_t tiles = (width + x->c->s.rows - 1) / x->c->s.rows;
    int big = (int)((width + tiles - 1) / tiles);
    int64_t bigs = width - tiles * (big - 1), smalls = tiles - bigs;
    int end = smalls ? big - 1 : big;

    x->guarded = x->guarded || first_of(x) > big || last_of(x) > end;
    bool low = first_of(x) > 0, high = last_of(x) > 0;
    if (tiles == 1 && (low || high)) {
        compute_end(x, big, lp_int(k, 0), true, true);
        return;
    }
    if (low)
        compute_end(x, big, lp_int(k, 0), true, false);
    bigs -= high && !smalls;
    if (bigs > low)
        compute_tiles(x, big, low ? big : 0, lp_int(k, bigs - low));
    if (smalls > high)
        compute_tiles(x, big - 1, bigs * big, lp_int(k, smalls - high));
    if (high)
        compute_end(x, end, lp_int(k, width - end), false, true);
}

/* A run-time width in tiles of p positions, and of `half` at the ends and for what is
 * left; the last of these overlaps the one before.  For example 40 positions of a 3x3
 * filter, p = 14, half = 7: [0, 7), [7, 21), [21, 28), [26, 33), [33, 40).
 * The width must be at least least_width. */
static void halved_row(conv_tile *x, lp_expr width, int p, int half)
{
    lp_kernel *k = x->t.b->k;
    int64_t first = first_of(x), last = last_of(x), begin = first ? half : 0;
    lp_expr size = lp_int(k, half), start = lp_int(k, begin);
    lp_expr end = last ? lp_sub(k, width, size) : width;

    if (first)
        compute_end(x, half, lp_int(k, 0), true, false);
    if (p > half) {
        lp_expr inner = lp_max(k, lp_sub(k, end, start), lp_int(k, 0));
        lp_expr whole = lp_div(k, inner, lp_int(k, p));
        compute_tiles(x, p, begin, whole);
        start = lp_add(k, start, lp_mul(k, whole, lp_int(k, p)));
    }
    lp_expr left = lp_ceildiv(k, lp_sub(k, end, start), half);
    lp_expr most = lp_sub(k, width, lp_int(k, last + half));
    lp_expr i = lp_for(k, "rest", lp_int(k, 0), left);
    compute_tile(x, half, lp_min(k, lp_add(k, start, lp_mul(k, i, size)), most));
    lp_end(k);
    if (last)
        compute_end(x, half, lp_sub(k, width, size), false, true);
}

/* One position after the other, where there are no tiles for a width. */
static void single_positions(conv_tile *x, lp_expr width)
{
    lp_kernel *k = x->t.b->k;
    bool guarded = x->guarded;
    lp_expr w0 = lp_for(k, "ws", lp_int(k, 0), width);

    x->guarded = guarded || first_of(x) || last_of(x);
    compute_tile(x, 1, w0);
    x->guarded = guarded;
    lp_end(k);
}

/* Rows of 1 to `most` positions, each as one tile: the weights are read once. */
static void short_rows(conv_tile *x, lp_expr width, int most)
{
    lp_kernel *k = x->t.b->k;

    for (int p = 1; p <= most; p++) {
        lp_if(k, lp_eq(k, width, lp_int(k, p)));
        compute_end(x, p, lp_int(k, 0), first_of(x) > 0 || last_of(x) > 0, last_of(x) > 0);
        lp_end(k);
    }
}

/* The least width that halved_row takes with these ends: a tile at one end must not
 * reach the other's rim. */
static int64_t least_width(const conv_tile *x, int half)
{
    int64_t first = first_of(x), last = last_of(x);

    return half + (first + last <= half + 1 ? max_i64(first, last) : first + last);
}

/* A run-time width: whole tiles from that on where halves of them do no worse than
 * quarters, then quarters, then what is shorter: that has tiles of its own in an image
 * of one row, as sequences are, whose weights are all that is read.  Images are rarely
 * that narrow, and each tile takes time to compile. */
static void symbolic_row(conv_tile *x, lp_expr width)
{
    lp_kernel *k = x->t.b->k;
    int p = x->c->s.rows, half = (p + 1) / 2, quarter = (half + 1) / 2, open = 1;

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
    int most = x->c->spatial > 1 ? 0 : (int)min_i64(least - 1, quarter);
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
static void phase_row(conv_tile *x, ir_dim width)
{
    int64_t w;

    if (!dim_const(&x->c->j->l->m->dims, width, &w))
        symbolic_row(x, body_dim(x->t.b, width));
    else if (w > 0)
        const_row(x, w);
}

void conv_row(const conv *c, body *b, lp_buf weights, const conv_place *at)
{
    conv_tile x = {.t = {.j = c->j, .b = b, .s = &c->s, .sums = c->acc, .panel = at->o,
                         .columns = conv_extent(c, conv_channels(c), c->ty),
                         .by_vectors = true, .whole = c->whole, .part = c->block},
                   .c = c, .weights = weights, .at = at};
    ir_dim width = c->ty->dim[c->at->ys.at[c->spatial - 1]];
    dim_table *t = &c->j->l->m->dims;
    rim e;

    if (c->s.next)
        x.image = body_source(b, c->x);
    x.edge = &e;
    if (!has_rim(c, c->spatial - 1) || !last_rim(c, &e)) {
        x.edge = NULL;
        x.guarded = has_rim(c, c->spatial - 1);
        phase_row(&x, width);
        return;
    }
    for (e.phase = 0; e.phase < e.step; e.phase++) {
        rim_find_ends(&e);
        x.guarded = e.first > c->s.rows || e.last > c->s.rows;
        ir_dim left = dim_sub(t, width, dim_int(t, e.phase));
        phase_row(&x, dim_ceildiv(t, left, dim_int(t, e.step)));
    }
}
