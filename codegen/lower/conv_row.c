/* codegen/lower/conv_row.c - a row of output positions, in register tiles.
 *
 * Most tiles never meet a position outside the image; the first and the last tile of
 * a row do, at places that are known when the kernel is made.  A width that is known
 * only at run time takes tiles of two sizes, which overlap and compute some positions
 * twice: tiles of all sizes would be far more code.
 *
 * An image dilated by D (a transposed convolution) has D phases: the positions
 * equal modulo D read the same taps, and tiles run over the positions of one
 * phase.  Tiles are guarded where this does not fit: pads wider than a tile, many
 * taps. */
#include "conv_tile.h"

enum { MAX_EDGE_TAPS = 16 };    /* written out; more are read in loops */

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

/* `count` tiles of p positions, from position `first` on. */
static void compute_tiles(conv_tile *x, int p, int64_t first, lp_expr count)
{
    lp_kernel *k = x->t.b->k;
    int loops = 0;
    lp_expr i = conv_loop(k, "wt", count, 1, &loops), begin = lp_int(k, first);

    conv_tile_compute(x, p, lp_add(k, begin, lp_mul(k, i, lp_int(k, p))));
    if (loops)
        lp_end(k);
}

static void compute_end(conv_tile *x, int p, lp_expr w0, bool low, bool high)
{
    x->low = low, x->high = high;
    conv_tile_compute(x, p, w0);
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
    conv_tile_compute(x, half, lp_min(k, lp_add(k, start, lp_mul(k, i, size)), most));
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
    conv_tile_compute(x, 1, w0);
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

/* The longest row that has a tile of its own where rows of `least` and more have whole
 * ones: of sequences, whose weights are all that is read, and read once then.  Images are
 * rarely that narrow, and each tile takes time to compile. */
static int longest_short(const conv_tile *x, int64_t least)
{
    enum { MOST_SHORT = 6 };

    return x->c->spatial > 1 ? 0 : (int)min_i64(least - 1, MOST_SHORT);
}

/* A run-time width: whole tiles from that on where halves of them do no worse than
 * quarters, then quarters, then what is shorter. */
static void symbolic_row(conv_tile *x, lp_expr width)
{
    lp_kernel *k = x->t.b->k;
    int p = x->c->s.rows, half = (p + 1) / 2, quarter = (half + 1) / 2, open = 1;

    x->guarded = x->guarded || first_of(x) > half || last_of(x) > half;
    bool quarters = quarter > 1 && first_of(x) <= quarter && last_of(x) <= quarter;
    int64_t least = max_i64(least_width(x, half), p - 1);
    int most = longest_short(x, least);
    lp_if(k, lp_le(k, lp_int(k, least), width));
    halved_row(x, width, p, half);
    lp_else(k);
    if (quarters && most < least - 1) {
        least = max_i64(least_width(x, quarter), most + 1);
        lp_if(k, lp_le(k, lp_int(k, least), width));
        halved_row(x, width, quarter, quarter);
        lp_else(k);
        open++;
    }
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

/* One phase after the other: phases of a dilated image have rims of their own. */
void conv_row(const conv *c, body *b, lp_buf weights, const conv_place *at)
{
    conv_tile x = {.t = {.j = c->j, .b = b, .s = &c->s, .sums = c->acc, .panel = at->o,
                         .columns = conv_extent(c, conv_channels(c), c->ty),
                         .by_vectors = !c->together, .whole = c->whole, .part = c->block,
                         .together = c->together},
                   .c = c, .weights = weights, .at = at};
    ir_dim width = c->ty->dim[c->at->ys.at[c->spatial - 1]];
    dim_table *t = &c->j->l->m->dims;
    rim e;

    if (c->s.next)
        x.image = body_source(b, c->x);
    if (c->together)
        x.bytes = conv_bytes(c, b);
    x.edge = &e;
    if (!conv_has_rim(c, c->spatial - 1) || !last_rim(c, &e)) {
        x.edge = NULL;
        x.guarded = conv_has_rim(c, c->spatial - 1);
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
