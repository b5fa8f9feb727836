/* codegen/lower/conv_tile.c - one register tile of output positions: the sums over taps
 * and features, then the rest of the group on them.
 *
 * Positions outside the image add nothing.  A tile at an end of its row has taps that
 * not all its positions reach: they are written out one by one, each over the
 * positions that it reaches.  Where this does not fit, a tile reads those taps under
 * guards that not all its positions have inside. */
#include "conv_tile.h"

bool conv_has_rim(const conv *c, int i)
{
    const dim_table *t = &c->j->l->m->dims;

    return !dim_is(t, c->at->low.at[i], 0) || !dim_is(t, c->at->high.at[i], 0) ||
           !dim_is(t, c->at->ldil.at[i], 1);
}

lp_expr conv_loop(lp_kernel *k, const char *name, lp_expr extent, int step, int *open)
{
    int64_t n;

    if (lp_is_int(k, extent, &n) && n == step)
        return lp_int(k, 0);
    ++*open;
    return lp_loop(k, LP_FOR, name, lp_int(k, 0), extent, step);
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

lp_expr conv_image_at(const conv *c, body *b, int i, lp_expr pos, lp_expr tap)
{
    const struct ir_attr_CONV *a = c->at;
    lp_kernel *k = b->k;
    lp_expr p = lp_mul(k, pos, body_dim(b, a->stride.at[i]));

    p = lp_add(k, p, lp_mul(k, tap, body_dim(b, a->rdil.at[i])));
    return lp_sub(k, p, body_dim(b, a->low.at[i]));
}

lp_expr conv_image_if(const conv *c, body *b, int i, lp_expr pos, lp_expr tap, lp_expr *inside)
{
    const struct ir_attr_CONV *a = c->at;
    lp_kernel *k = b->k;
    lp_expr p = conv_image_at(c, b, i, pos, tap), zero = lp_int(k, 0), ok = lp_le(k, zero, p);

    if (!dim_is(&c->j->l->m->dims, a->ldil.at[i], 1)) {
        lp_expr ldil = body_dim(b, a->ldil.at[i]);
        ok = lp_and(k, ok, lp_eq(k, lp_mod(k, p, ldil), zero));
        p = lp_div(k, p, ldil);
    }
    ok = lp_and(k, ok, lp_lt(k, p, body_dim(b, c->tx->dim[a->xs.at[i]])));
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
        idx[a->xs.at[last]] = conv_image_at(x->c, x->t.b, last, at, x->tap[last]);
        lp_prefetch(k, x->image, idx);
    }
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
        f.axis[i] = conv_loop(k, name[i & 3], e, 1, &f.loops);
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

    if (!f->alike || x->bytes)
        return conv_steps(x->c);
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

/* The image at the tap at hand, 0 where `inside` says so.  Depthwise, lane v is a
 * group; else the same number serves all lanes. */
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
    if (x->bytes)
        return inside ? lp_load_if(k, x->bytes, idx, inside) : lp_load(k, x->bytes, idx);
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

    if (schedule_fetches(x->t.s, x->t.rows))
        tile_fetch(&x->t, x->weights, LP(x->at->g, x->t.panel, linear_tap(x),
                                         tile_ahead(&x->t, x->weights, f->linear), zero));
}

static lp_expr weight_value(const conv_tile *x, const features *f, lp_expr column)
{
    lp_kernel *k = x->t.b->k;

    lp_expr w = lp_load(k, x->weights, LP(x->at->g, x->t.panel, linear_tap(x), f->linear, column));

    return x->bytes ? w : lp_cast(k, x->c->acc, w);
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
        x->pos[last] = conv_image_if(x->c, x->t.b, last, at, x->tap[last], &inside);
    } else {
        lp_expr pos = conv_image_at(x->c, x->t.b, last, at, x->tap[last]);
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
    lp_expr i = conv_loop(k, "f", whole, x->t.parts, &loops);
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
        body *b = x->t.b;
        lp_expr taps = body_dim(b, x->c->tw->dim[x->c->at->ws.at[i]]), pos = x->at->pos[i];
        x->tap[i] = conv_loop(k, name[i], taps, 1, &open);
        x->pos[i] = conv_has_rim(x->c, i) ? conv_image_if(x->c, b, i, pos, x->tap[i], &inside)
                                          : conv_image_at(x->c, b, i, pos, x->tap[i]);
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
    lp_expr i = conv_loop(k, "t", lp_sub(k, to, from), 1, &loops);

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
    lp_expr before = lp_sub(k, zero, conv_image_at(x->c, x->t.b, last, output_at(x, zero), zero));
    lp_expr behind = lp_sub(k, extent, conv_image_at(x->c, x->t.b, last, output_at(x, far), zero));
    lp_expr from = ceil_within(k, before, dilation, zero, taps);
    lp_expr to = ceil_within(k, behind, dilation, from, taps);

    if (x->t.rows > 1)
        add_taps(x, zero, from, true);
    add_taps(x, from, to, false);
    if (x->t.rows > 1)
        add_taps(x, to, taps, true);
}

/* Which way the taps of the last axis are gone through: in a rim one by one, under
 * guards, or all in a loop. */
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

/* What the rest of the group computes of the sums is stored at once, while they are
 * in registers. */
static void store_results(const conv_tile *x)
{
    lp_expr idx[IR_MAX_RANK];
    tile_place in = tile_results(&x->t);

    output_index(x, &in, idx);
    tile_store(&x->t, &in, idx, tile_sum(&x->t, &in));
}

void conv_tile_compute(conv_tile *x, int p, lp_expr w0)
{
    x->w0 = w0;
    tile_make(&x->t, p);
    add_all(x);
    store_results(x);
}
