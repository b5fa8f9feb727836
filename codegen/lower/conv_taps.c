/* codegen/lower/conv_taps.c - convolutions with more taps than results, as gradients of
 * weights are: the gradient of 3x3 filters has 9 positions, and as many taps as the
 * image has pixels.
 *   y[b, o, k] = sum over f, s of x[b, f, k * stride + s * rdil - low] * w[o, f, s]
 * For each position k that is a product of matrices, of w with rows o and of x with columns
 * b, summed over features and taps.  So vectors lie along b, for which x is copied into
 * panels [groups, b / NR, features, pixels, NR], and w is read as it lies.  Taps that read
 * outside of the image are left out of the loops: no guard is needed.
 *
 * Features, the images of a batch there, are gone through once: of one feature the tiles
 * of all positions are summed up while the cache holds what they read of x and w.  Between
 * features their sums lie in scratch, [positions, rows, NR], some kilobytes. */
#include "conv.h"
#include "panel.h"

typedef struct ir_attr_CONV conv_attr;

/* A tile of outputs by batch elements, at one position. */
typedef struct taps_tile {
    tile t;
    const conv *c;
    lp_buf image;               /* the panels of x */
    lp_buf sums;                /* of all positions, between features */
    lp_expr group, first;       /* and the tile's first output */
    lp_expr feature;
    lp_expr pos[CONV_MAX_SPATIAL], tap[CONV_MAX_SPATIAL];
} taps_tile;

static int64_t extent_or_unknown(const conv *c, ir_dim d)
{
    int64_t n;

    return dim_const(&c->j->l->m->dims, d, &n) ? n : -1;
}

bool conv_has_many_taps(const conv *c)
{
    enum {
        MANY = 4,               /* taps a position */
        MOST = 128,             /* positions: the sums of one take up to 2 kB */
    };
    const conv_attr *a = c->at;
    int64_t taps = extent_or_unknown(c, conv_extent(c, a->ws, c->tw));
    int64_t positions = extent_or_unknown(c, conv_extent(c, a->ys, c->ty));
    bool dense = true;

    for (int i = 0; i < c->spatial; i++)
        dense &= dim_is(&c->j->l->m->dims, a->ldil.at[i], 1);
    return dense && dt_is_float(c->acc) && positions > 0 && positions <= MOST &&
           taps >= MANY * positions &&
           extent_or_unknown(c, conv_extent(c, a->xb, c->tx)) >= lanes_of(c->j->l, c->acc) &&
           extent_or_unknown(c, conv_extent(c, a->wo, c->tw)) > 0;
}

/* ---- the image in panels ------------------------------------------------------------- */

/* Rows are pixels of features, in the order of x's axes. */
static lp_expr image_element(const void *cx, body *b, lp_expr group, lp_expr row, lp_expr column)
{
    const conv *c = cx;
    const conv_attr *a = c->at;
    int32_t order[2 * IR_MAX_RANK];
    lp_expr idx[IR_MAX_RANK];
    int n = 0;

    for (int i = 0; i < a->xf.n; i++)
        order[n++] = a->xf.at[i];
    for (int i = 0; i < a->xs.n; i++)
        order[n++] = a->xs.at[i];
    body_split(b, group, c->tx, a->xg.at, a->xg.n, idx);
    body_split(b, row, c->tx, order, n, idx);
    body_split(b, column, c->tx, a->xb.at, a->xb.n, idx);
    return body_at(b, c->x, idx);
}

/* The image is copied so that batch elements are neighbours; it is read by each
 * position and each output. */
static bool copy_image(conv *c)
{
    const conv_attr *a = c->at;
    ir_dim rows = dim_mul(&c->j->l->m->dims, conv_extent(c, a->xf, c->tx),
                          conv_extent(c, a->xs, c->tx));
    const panels p = {.j = c->j, .s = &c->s, .dtype = c->tx->dtype,
                      .outer = conv_extent(c, a->xg, c->tx),
                      .columns = conv_extent(c, a->xb, c->tx), .rows = rows, .cx = c,
                      .element = image_element};

    return panels_pack(&p, &c->weights);
}

/* The panels as a buffer with the image's spatial axes apart, so that a tap is an
 * index. */
static lp_buf image_buffer(const conv *c, body *b, ir_dim panels)
{
    const conv_attr *a = c->at;
    lp_expr dims[4 + CONV_MAX_SPATIAL];
    int n = 0;

    dims[n++] = body_dim(b, conv_extent(c, a->xg, c->tx));
    dims[n++] = body_dim(b, panels);
    dims[n++] = body_dim(b, conv_extent(c, a->xf, c->tx));
    for (int i = 0; i < c->spatial; i++)
        dims[n++] = body_dim(b, c->tx->dim[a->xs.at[i]]);
    dims[n++] = lp_int(b->k, schedule_panel(&c->s));
    return body_temp(b, c->weights, c->tx->dtype, n, dims, false);
}

/* ---- sums ---------------------------------------------------------------------------- */

/* Pixel pos * stride + tap * rdil - low of each axis; tap_loop has left out those
 * outside. */
static lp_expr image_value(const taps_tile *x, lp_expr column)
{
    const conv_attr *a = x->c->at;
    lp_kernel *k = x->t.b->k;
    lp_expr idx[4 + CONV_MAX_SPATIAL] = {x->group, x->t.panel, x->feature};
    int n = 3;

    for (int i = 0; i < x->c->spatial; i++) {
        lp_expr p = lp_mul(k, x->pos[i], body_dim(x->t.b, a->stride.at[i]));
        p = lp_add(k, p, lp_mul(k, x->tap[i], body_dim(x->t.b, a->rdil.at[i])));
        idx[n++] = lp_sub(k, p, body_dim(x->t.b, a->low.at[i]));
    }
    idx[n] = column;
    return lp_cast(k, x->c->acc, lp_load(k, x->image, idx));
}

static lp_expr weight_value(const taps_tile *x, lp_expr row)
{
    const conv_attr *a = x->c->at;
    body *b = x->t.b;
    lp_expr idx[IR_MAX_RANK];

    body_split(b, x->group, x->c->tw, a->wg.at, a->wg.n, idx);
    body_split(b, lp_add(b->k, x->first, row), x->c->tw, a->wo.at, a->wo.n, idx);
    body_split(b, x->feature, x->c->tw, a->wf.at, a->wf.n, idx);
    for (int i = 0; i < x->c->spatial; i++)
        idx[a->ws.at[i]] = x->tap[i];
    return lp_cast(b->k, x->c->acc, body_at(b, x->c->w, idx));
}

/* Opens the loop over the taps of axis i that read inside of the image: those with
 * 0 <= pos * stride + tap * rdil - low < extent. */
static lp_expr tap_loop(const taps_tile *x, int i)
{
    static const char *const name[CONV_MAX_SPATIAL] = {"t0", "t1", "t2", "t3", "t4", "t5"};
    const conv_attr *a = x->c->at;
    const dim_table *t = &x->c->j->l->m->dims;
    body *b = x->t.b;
    lp_kernel *k = b->k;
    lp_expr step = body_dim(b, a->rdil.at[i]), zero = lp_int(k, 0), from = zero;
    lp_expr start = lp_sub(k, lp_mul(k, x->pos[i], body_dim(b, a->stride.at[i])),
                           body_dim(b, a->low.at[i]));
    lp_expr to = body_dim(b, x->c->tw->dim[a->ws.at[i]]);

    if (dim_hi(t, a->low.at[i]) > 0)        /* -start / step, rounded up */
        from = lp_max(k, zero, lp_sub(k, zero, lp_div(k, start, step)));
    if (dim_hi(t, a->high.at[i]) > 0) {
        lp_expr room = lp_sub(k, body_dim(b, x->c->tx->dim[a->xs.at[i]]), start);
        to = lp_min(k, to, lp_div(k, lp_add(k, room, lp_sub(k, step, lp_int(k, 1))), step));
    }
    return lp_for(k, name[i], from, to);
}

/* Opens loops over the positions of the result. */
static void each_position(taps_tile *x)
{
    static const char *const name[CONV_MAX_SPATIAL] = {"p0", "p1", "p2", "p3", "p4", "p5"};
    body *b = x->t.b;

    for (int i = 0; i < x->c->spatial; i++)
        x->pos[i] = lp_for(b->k, name[i], lp_int(b->k, 0),
                           body_dim(b, x->c->ty->dim[x->c->at->ys.at[i]]));
}

static void close_positions(const taps_tile *x)
{
    for (int i = 0; i < x->c->spatial; i++)
        lp_end(x->t.b->k);
}

/* The place of a sum in the scratch. */
static void sum_index(const taps_tile *x, lp_expr row, lp_expr column, lp_expr *idx)
{
    memcpy(idx, x->pos, (size_t)x->c->spatial * sizeof *idx);
    idx[x->c->spatial] = row;
    idx[x->c->spatial + 1] = column;
}

/* acc = the position's sums, or the other way. */
static void move_sums(taps_tile *x, bool load)
{
    lp_kernel *k = x->t.b->k;
    lp_expr idx[CONV_MAX_SPATIAL + 2];
    tile_place at = tile_open(&x->t, 0, x->t.rows);
    const lp_expr own[3] = {at.row, at.vector, at.lane};

    sum_index(x, at.row, at.column, idx);
    if (load)
        lp_store(k, x->t.acc, own, lp_load(k, x->sums, idx));
    else
        lp_store(k, x->sums, idx, lp_load(k, x->t.acc, own));
    tile_close(&x->t, &at);
}

/* Adds the products of one feature at one position.  Innermost is that of one weight by one
 * vector of the image, once for each row of the tile. */
static void add_feature(taps_tile *x, int rows)
{
    body *b = x->t.b;

    tile_make(&x->t, rows);
    move_sums(x, true);
    for (int i = 0; i < x->c->spatial; i++)
        x->tap[i] = tap_loop(x, i);
    tile_place at = tile_open(&x->t, 0, x->t.rows);
    lp_expr w = weight_value(x, at.row), v = image_value(x, at.column);
    tile_products(&x->t, &at, lp_int(b->k, 0), w, v);
    for (int i = 0; i < x->c->spatial; i++)
        lp_end(b->k);
    move_sums(x, false);
}

static void make_sums(taps_tile *x, int rows)
{
    lp_kernel *k = x->t.b->k;
    lp_expr dims[CONV_MAX_SPATIAL + 2], idx[CONV_MAX_SPATIAL + 2];

    for (int i = 0; i < x->c->spatial; i++)
        dims[i] = body_dim(x->t.b, x->c->ty->dim[x->c->at->ys.at[i]]);
    dims[x->c->spatial] = lp_int(k, rows);
    dims[x->c->spatial + 1] = lp_int(k, schedule_panel(&x->c->s));
    x->sums = lp_local(k, "sums", x->c->acc, x->c->spatial + 2, dims, LP_ROW, 0);
    each_position(x);
    tile_make(&x->t, rows);
    tile_place at = tile_open(&x->t, 0, rows);
    sum_index(x, at.row, at.column, idx);
    lp_store(k, x->sums, idx, lp_load(k, x->t.acc, LP(at.row, at.vector, at.lane)));
    tile_close(&x->t, &at);
    close_positions(x);
}

/* What the group makes of the sums at one position. */
static void store_position(taps_tile *x)
{
    const conv_attr *a = x->c->at;
    const ir_type *ty = x->c->ty;
    body *b = x->t.b;
    lp_expr idx[IR_MAX_RANK];

    tile_make(&x->t, x->t.rows);
    move_sums(x, true);
    tile_place in = tile_results(&x->t);
    body_split(b, x->group, ty, a->yg.at, a->yg.n, idx);
    body_split(b, in.column, ty, a->yb.at, a->yb.n, idx);
    body_split(b, lp_add(b->k, x->first, in.row), ty, a->yo.at, a->yo.n, idx);
    for (int i = 0; i < x->c->spatial; i++)
        idx[a->ys.at[i]] = x->pos[i];
    tile_store(&x->t, &in, idx, tile_sum(&x->t, &in));
}

static void compute_tiles(taps_tile *x, int rows)
{
    body *b = x->t.b;

    make_sums(x, rows);
    x->feature = lp_for(b->k, "f", lp_int(b->k, 0),
                        body_dim(b, conv_extent(x->c, x->c->at->xf, x->c->tx)));
    each_position(x);
    add_feature(x, rows);
    close_positions(x);
    lp_end(b->k);
    each_position(x);
    store_position(x);
    close_positions(x);
}

/* Block `i` of the outputs: whole tiles, or what is left of them. */
static void compute_block(taps_tile *x, int64_t outputs, lp_expr i)
{
    lp_kernel *k = x->t.b->k;
    int rows = x->c->s.rows, rest = (int)(outputs % rows);

    x->first = lp_mul(k, i, lp_int(k, rows));
    if (outputs >= rows) {
        lp_if(k, lp_lt(k, i, lp_int(k, outputs / rows)));
        compute_tiles(x, rows);
        lp_end(k);
    }
    if (rest) {
        lp_if(k, lp_le(k, lp_int(k, outputs / rows), i));
        compute_tiles(x, rest);
        lp_end(k);
    }
}

/* ---- the kernel ------------------------------------------------------------------------ */

/* taps g=GROUPS o=OUTPUTS b=BATCH t=TAPS DTYPE */
static schedule choose_schedule(const conv *c)
{
    const conv_attr *a = c->at;
    ir_dim groups = conv_extent(c, a->wg, c->tw), outputs = conv_extent(c, a->wo, c->tw);
    ir_dim batch = conv_extent(c, a->xb, c->tx), taps = conv_extent(c, a->ws, c->tw);
    const problem p = {.rows = extent_or_unknown(c, outputs),
                       .columns = extent_or_unknown(c, batch), .row_bytes = -1, .sums = c->acc,
                       .second = OPERAND_APART, .whole = true};
    text name = {0};

    text_add(&name, "taps");
    lower_name_extents(c->j->l, "g", &groups, 1, &name);
    lower_name_extents(c->j->l, "o", &outputs, 1, &name);
    lower_name_extents(c->j->l, "b", &batch, 1, &name);
    lower_name_extents(c->j->l, "t", &taps, 1, &name);
    text_add(&name, " %s", dt_text(c->tx->dtype));
    schedule s = lower_schedule(c->j->l, &name, &p);
    text_free(&name);
    return s;
}

/* Parallel over groups, panels and blocks of outputs. */
static bool taps_kernel(const conv *c)
{
    static const char *const name[] = {"g", "panel", "block"};
    const conv_attr *a = c->at;
    dim_table *t = &c->j->l->m->dims;
    body b;
    taps_tile x = {.t = {.j = c->j, .b = &b, .s = &c->s, .sums = c->acc, .whole = true,
                         .columns = conv_extent(c, a->xb, c->tx)}, .c = c};
    int64_t outputs = extent_or_unknown(c, conv_extent(c, a->wo, c->tw));
    ir_dim panels = dim_ceildiv(t, x.t.columns, dim_int(t, schedule_panel(&c->s)));
    lp_expr v[3];

    job_kernel(c->j, &b, "taps");
    b.k->schedule = c->s;
    x.image = image_buffer(c, &b, panels);
    lp_expr zero = lp_int(b.k, 0), groups = body_dim(&b, conv_extent(c, a->wg, c->tw));
    lp_expr blocks = lp_ceildiv(b.k, lp_int(b.k, outputs), c->s.rows);
    lp_par(b.k, 3, name, LP(zero, zero, zero), LP(groups, body_dim(&b, panels), blocks), NULL, v);
    x.group = v[0], x.t.panel = v[1];
    compute_block(&x, outputs, v[2]);
    lp_end(b.k);
    return job_end(c->j, &b);
}

bool conv_taps(conv *c)
{
    c->s = choose_schedule(c);
    return copy_image(c) && taps_kernel(c);
}
