/* codegen/lower/conv_taps.c - convolutions with more taps than results, as gradients of
 * weights are: the gradient of 3x3 filters has 9 positions, and as many taps as the
 * image has pixels.
 *   y[b, o, k] = sum over f, s of x[b, f, k * stride + s * rdil - low] * w[o, f, s]
 * For each position k that is a product of matrices, of w with rows o and of x with columns
 * b, summed over features and taps.  So vectors lie along b, and w is read as it lies.
 * Where x has too few b for a vector, as a grey picture has one, it is the other way: rows
 * of a tile are b, and positions of the last axis, columns are o.  Taps that read outside of
 * the image are left out of the loops: no guard is needed.
 *
 * The operand with the columns is read where it lies if vectors of them are neighbours in
 * memory, as in blocks of channels; else it is copied into panels [groups, columns / NR,
 * features, places, NR].
 *
 * Features, the images of a batch there, are gone through once: of one feature the tiles
 * of all positions are summed up while the cache holds what they read of x and w.  Between
 * features their sums lie in scratch, [positions, rows, NR], some kilobytes. */
#include "conv.h"
#include "panel.h"

typedef struct ir_attr_CONV conv_attr;

/* The axes of x or w: of groups, of columns or rows, of features, and of pixels or taps. */
typedef struct operand {
    ir_ref ref;
    const ir_type *t;
    ir_ints group, side, feature, place;
} operand;

/* What the kernels are made from. */
typedef struct taps {
    conv *c;
    bool turned;                /* columns are those of w */
    bool near;                  /* columns are read where they lie */
    bool by_position;           /* turned: rows are b and positions of the last axis */
    operand column, row;
} taps;

/* A tile of rows by columns, at one position. */
typedef struct taps_tile {
    tile t;
    const taps *x;
    const conv *c;
    lp_buf panels;              /* of the columns; not used where these are near */
    lp_buf sums;                /* of all positions, between features */
    lp_expr group, first;       /* and the tile's first row */
    lp_expr feature;
    lp_expr pos[CONV_MAX_SPATIAL], tap[CONV_MAX_SPATIAL];
} taps_tile;

static int64_t extent_or_unknown(const conv *c, ir_dim d)
{
    int64_t n;

    return dim_const(&c->j->l->m->dims, d, &n) ? n : -1;
}

static operand image_of(const conv *c)
{
    const conv_attr *a = c->at;

    return (operand){c->x, c->tx, a->xg, a->xb, a->xf, a->xs};
}

static operand weights_of(const conv *c)
{
    const conv_attr *a = c->at;

    return (operand){c->w, c->tw, a->wg, a->wo, a->wf, a->ws};
}

/* ---- the operand with the columns ------------------------------------------------------ */

/* Its element; rows are places of features, in the order of its axes. */
static lp_expr column_element(const void *cx, body *b, lp_expr group, lp_expr row, lp_expr column)
{
    const operand *o = &((const taps *)cx)->column;
    int32_t order[2 * IR_MAX_RANK];
    lp_expr idx[IR_MAX_RANK];
    int n = 0;

    for (int i = 0; i < o->feature.n; i++)
        order[n++] = o->feature.at[i];
    for (int i = 0; i < o->place.n; i++)
        order[n++] = o->place.at[i];
    body_split(b, group, o->t, o->group.at, o->group.n, idx);
    body_split(b, row, o->t, order, n, idx);
    body_split(b, column, o->t, o->side.at, o->side.n, idx);
    return body_at(b, o->ref, idx);
}

/* Rows of its panels. */
static ir_dim places_of(const taps *x)
{
    const conv *c = x->c;

    return dim_mul(&c->j->l->m->dims, conv_extent(c, x->column.feature, x->column.t),
                   conv_extent(c, x->column.place, x->column.t));
}

/* Are the columns of each vector neighbours in memory?  Told by the text of a trial
 * kernel. */
static bool columns_are_near(const taps *x, int lanes)
{
    const conv *c = x->c;
    int64_t columns = extent_or_unknown(c, conv_extent(c, x->column.side, x->column.t));
    body b;

    if (columns <= 0 || columns % lanes)
        return false;
    job_kernel(c->j, &b, "trial");
    lp_kernel *k = b.k;
    lp_expr zero = lp_int(k, 0), width = lp_int(k, lanes);
    lp_expr group = lp_for(k, "g", zero, body_dim(&b, conv_extent(c, x->column.group,
                                                                  x->column.t)));
    lp_expr row = lp_for(k, "r", zero, body_dim(&b, places_of(x)));
    lp_expr u = lp_for(k, "u", zero, lp_int(k, columns / lanes));
    lp_expr v = lp_for(k, "v", zero, width);
    lp_expr e = column_element(x, &b, group, row, lp_add(k, lp_mul(k, u, width), v));
    bool near = e && lp_depends(k, e, lp_var_of(k, v)) && turn_is_near(k, e, v);
    for (int i = 0; i < 4; i++)
        lp_end(k);
    body_free(&b);
    return near;
}

/* Copied so that columns are neighbours; each element is read for each position and row. */
static bool copy_columns(taps *x)
{
    conv *c = x->c;
    const panels p = {.j = c->j, .s = &c->s, .dtype = x->column.t->dtype,
                      .outer = conv_extent(c, x->column.group, x->column.t),
                      .columns = conv_extent(c, x->column.side, x->column.t),
                      .rows = places_of(x), .cx = x, .element = column_element};

    return panels_pack(&p, &c->weights);
}

/* The panels as a buffer with the places' axes apart, so that one is an index. */
static lp_buf panel_buffer(const taps *x, body *b, ir_dim count)
{
    const conv *c = x->c;
    const operand *o = &x->column;
    lp_expr dims[4 + CONV_MAX_SPATIAL];
    int n = 0;

    dims[n++] = body_dim(b, conv_extent(c, o->group, o->t));
    dims[n++] = body_dim(b, count);
    dims[n++] = body_dim(b, conv_extent(c, o->feature, o->t));
    for (int i = 0; i < c->spatial; i++)
        dims[n++] = body_dim(b, o->t->dim[o->place.at[i]]);
    dims[n++] = lp_int(b->k, schedule_panel(&c->s));
    return body_temp(b, c->weights, o->t->dtype, n, dims, false);
}

/* ---- what is made of taps -------------------------------------------------------------- */

/* Can rows be positions of the last axis?  Not where they reach different taps. */
static bool are_all_inside(const conv *c)
{
    const dim_table *t = &c->j->l->m->dims;
    int last = c->spatial - 1;

    return dim_hi(t, c->at->low.at[last]) <= 0 && dim_hi(t, c->at->high.at[last]) <= 0;
}

/* Sets the roles; false if the convolution has none of these. */
static bool choose_roles(conv *c, taps *x)
{
    int lanes = lanes_of(c->j->l, c->acc);
    int64_t batch = extent_or_unknown(c, conv_extent(c, c->at->xb, c->tx));
    int64_t outputs = extent_or_unknown(c, conv_extent(c, c->at->wo, c->tw));

    *x = (taps){.c = c, .turned = batch < lanes};
    x->column = x->turned ? weights_of(c) : image_of(c);
    x->row = x->turned ? image_of(c) : weights_of(c);
    x->by_position = x->turned && are_all_inside(c);
    if (batch <= 0 || outputs <= 0)
        return false;
    x->near = columns_are_near(x, lanes);
    return !x->turned || x->near;
}

bool conv_has_many_taps(conv *c)
{
    enum {
        MANY = 4,               /* taps a position */
        MOST = 128,             /* positions: the sums of one take up to 2 kB */
    };
    const conv_attr *a = c->at;
    int64_t taps_of = extent_or_unknown(c, conv_extent(c, a->ws, c->tw));
    int64_t positions = extent_or_unknown(c, conv_extent(c, a->ys, c->ty));
    bool dense = true;
    taps x;

    for (int i = 0; i < c->spatial; i++)
        dense &= dim_is(&c->j->l->m->dims, a->ldil.at[i], 1);
    return dense && dt_is_float(c->acc) && positions > 0 && positions <= MOST &&
           taps_of >= MANY * positions && choose_roles(c, &x);
}

/* ---- sums ---------------------------------------------------------------------------- */

/* The place along each of the axes: of w the tap; of x pixel pos * stride + tap * rdil - low,
 * where tap_loop has left out those outside. */
static void place_index(const taps_tile *x, bool image, const lp_expr *pos, ir_ints axes,
                        lp_expr *idx)
{
    const conv_attr *a = x->c->at;
    lp_kernel *k = x->t.b->k;

    for (int i = 0; i < x->c->spatial; i++) {
        lp_expr at = x->tap[i];
        if (image) {
            at = lp_mul(k, at, body_dim(x->t.b, a->rdil.at[i]));
            at = lp_add(k, lp_mul(k, pos[i], body_dim(x->t.b, a->stride.at[i])), at);
            at = lp_sub(k, at, body_dim(x->t.b, a->low.at[i]));
        }
        idx[axes.at[i]] = at;
    }
}

/* The element of x or w at hand, `side` of its columns or rows. */
static lp_expr element(const taps_tile *x, const operand *o, bool image, const lp_expr *pos,
                       lp_expr side)
{
    body *b = x->t.b;
    lp_expr idx[IR_MAX_RANK];

    body_split(b, x->group, o->t, o->group.at, o->group.n, idx);
    body_split(b, side, o->t, o->side.at, o->side.n, idx);
    body_split(b, x->feature, o->t, o->feature.at, o->feature.n, idx);
    place_index(x, image, pos, o->place, idx);
    return lp_cast(b->k, x->c->acc, body_at(b, o->ref, idx));
}

static lp_expr column_value(const taps_tile *x, lp_expr column)
{
    lp_kernel *k = x->t.b->k;
    lp_expr idx[4 + CONV_MAX_SPATIAL] = {x->group, x->t.panel, x->feature};
    static const int32_t behind[CONV_MAX_SPATIAL] = {3, 4, 5, 6, 7, 8};

    if (x->x->near) {
        lp_expr first = lp_mul(k, x->t.panel, lp_int(k, schedule_panel(&x->c->s)));
        return element(x, &x->x->column, !x->x->turned, x->pos, lp_add(k, first, column));
    }
    place_index(x, !x->x->turned, x->pos, (ir_ints){x->c->spatial, behind}, idx);
    idx[3 + x->c->spatial] = column;
    return lp_cast(k, x->c->acc, lp_load(k, x->panels, idx));
}

/* Splits a row into b, or o, and the position of the last axis. */
static lp_expr split_row(const taps_tile *x, lp_expr row, lp_expr *pos)
{
    lp_kernel *k = x->t.b->k;
    int last = x->c->spatial - 1;

    memcpy(pos, x->pos, (size_t)x->c->spatial * sizeof *pos);
    row = lp_add(k, x->first, row);
    if (!x->x->by_position)
        return row;
    lp_expr width = body_dim(x->t.b, x->c->ty->dim[x->c->at->ys.at[last]]);
    pos[last] = lp_mod(k, row, width);
    return lp_div(k, row, width);
}

static lp_expr row_value(const taps_tile *x, lp_expr row)
{
    lp_expr pos[CONV_MAX_SPATIAL], side = split_row(x, row, pos);

    return element(x, &x->x->row, x->x->turned, pos, side);
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

/* Axes of positions that loops run over: all, or those that are not in the rows. */
static int loops_of(const taps_tile *x)
{
    return x->c->spatial - x->x->by_position;
}

/* Opens loops over the positions of the result. */
static void each_position(taps_tile *x)
{
    static const char *const name[CONV_MAX_SPATIAL] = {"p0", "p1", "p2", "p3", "p4", "p5"};
    body *b = x->t.b;

    x->pos[x->c->spatial - 1] = lp_int(b->k, 0);
    for (int i = 0; i < loops_of(x); i++)
        x->pos[i] = lp_for(b->k, name[i], lp_int(b->k, 0),
                           body_dim(b, x->c->ty->dim[x->c->at->ys.at[i]]));
}

static void close_positions(const taps_tile *x)
{
    for (int i = 0; i < loops_of(x); i++)
        lp_end(x->t.b->k);
}

/* The place of a sum in the scratch. */
static void sum_index(const taps_tile *x, lp_expr row, lp_expr column, lp_expr *idx)
{
    int n = loops_of(x);

    memcpy(idx, x->pos, (size_t)n * sizeof *idx);
    idx[n] = row;
    idx[n + 1] = column;
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

/* Adds the products of one feature at one position.  Innermost is that of one row's number by
 * one vector of columns, for each row of the tile. */
static void add_feature(taps_tile *x, int rows)
{
    body *b = x->t.b;

    tile_make(&x->t, rows);
    move_sums(x, true);
    for (int i = 0; i < x->c->spatial; i++)
        x->tap[i] = tap_loop(x, i);
    tile_place at = tile_open(&x->t, 0, x->t.rows);
    lp_expr u = row_value(x, at.row), v = column_value(x, at.column);
    tile_products(&x->t, &at, lp_int(b->k, 0), u, v);
    for (int i = 0; i < x->c->spatial; i++)
        lp_end(b->k);
    move_sums(x, false);
}

static void make_sums(taps_tile *x, int rows)
{
    lp_kernel *k = x->t.b->k;
    lp_expr dims[CONV_MAX_SPATIAL + 2], idx[CONV_MAX_SPATIAL + 2];

    int n = loops_of(x);

    for (int i = 0; i < n; i++)
        dims[i] = body_dim(x->t.b, x->c->ty->dim[x->c->at->ys.at[i]]);
    dims[n] = lp_int(k, rows);
    dims[n + 1] = lp_int(k, schedule_panel(&x->c->s));
    x->sums = lp_local(k, "sums", x->c->acc, n + 2, dims, LP_ROW, 0);
    each_position(x);
    tile_make(&x->t, rows);
    tile_place at = tile_open(&x->t, 0, rows);
    sum_index(x, at.row, at.column, idx);
    lp_store(k, x->sums, idx, lp_load(k, x->t.acc, LP(at.row, at.vector, at.lane)));
    tile_close(&x->t, &at);
    close_positions(x);
}

/* What the group makes of the sums at one position, read from where they lie: the rows of a tile
 * written out, whose elements are far apart in the result, would be most of a kernel's code.
 * Rows that are positions, too, are written out: divisions find the place of each. */
static void store_position(taps_tile *x)
{
    const conv_attr *a = x->c->at;
    const ir_type *ty = x->c->ty;
    body *b = x->t.b;
    lp_kernel *k = b->k;
    lp_expr idx[IR_MAX_RANK], from[CONV_MAX_SPATIAL + 2], pos[CONV_MAX_SPATIAL];

    tile_place in = tile_results(&x->t);
    lp_expr side = split_row(x, in.row, pos);
    body_split(b, x->group, ty, a->yg.at, a->yg.n, idx);
    body_split(b, x->x->turned ? side : in.column, ty, a->yb.at, a->yb.n, idx);
    body_split(b, x->x->turned ? in.column : side, ty, a->yo.at, a->yo.n, idx);
    for (int i = 0; i < x->c->spatial; i++)
        idx[a->ys.at[i]] = pos[i];
    lp_expr first = lp_mul(k, in.vector, lp_int(k, x->c->s.lanes));
    sum_index(x, in.row, lp_add(k, first, in.lane), from);
    tile_store(&x->t, &in, idx, lp_load(k, x->sums, from));
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

/* Block `i` of the rows: a whole tile, or what is left of them. */
static void compute_block(taps_tile *x, int64_t all, lp_expr i)
{
    lp_kernel *k = x->t.b->k;
    int rows = x->c->s.rows, rest = (int)(all % rows);

    x->first = lp_mul(k, i, lp_int(k, rows));
    if (all >= rows) {
        lp_if(k, lp_lt(k, i, lp_int(k, all / rows)));
        compute_tiles(x, rows);
        lp_end(k);
    }
    if (rest) {
        lp_if(k, lp_le(k, lp_int(k, all / rows), i));
        compute_tiles(x, rest);
        lp_end(k);
    }
}

/* ---- the kernel ------------------------------------------------------------------------ */

/* Rows of all tiles. */
static ir_dim rows_of(const taps *x)
{
    const conv *c = x->c;
    dim_table *t = &c->j->l->m->dims;
    ir_dim width = c->ty->dim[c->at->ys.at[c->spatial - 1]];
    ir_dim sides = conv_extent(c, x->row.side, x->row.t);

    return x->by_position ? dim_mul(t, sides, width) : sides;
}

/* taps g=GROUPS o=OUTPUTS b=BATCH t=TAPS DTYPE */
static schedule choose_schedule(const taps *x)
{
    const conv *c = x->c;
    const conv_attr *a = c->at;
    ir_dim groups = conv_extent(c, a->wg, c->tw), outputs = conv_extent(c, a->wo, c->tw);
    ir_dim batch = conv_extent(c, a->xb, c->tx), count = conv_extent(c, a->ws, c->tw);
    ir_dim columns = x->turned ? outputs : batch;
    const problem p = {.rows = extent_or_unknown(c, rows_of(x)),
                       .columns = extent_or_unknown(c, columns), .row_bytes = -1, .sums = c->acc,
                       .second = x->near ? OPERAND_STORED : OPERAND_APART, .whole = true};
    text name = {0};

    text_add(&name, "taps");
    lower_name_extents(c->j->l, "g", &groups, 1, &name);
    lower_name_extents(c->j->l, "o", &outputs, 1, &name);
    lower_name_extents(c->j->l, "b", &batch, 1, &name);
    lower_name_extents(c->j->l, "t", &count, 1, &name);
    text_add(&name, " %s", dt_text(c->tx->dtype));
    schedule s = lower_schedule(c->j->l, &name, &p);
    text_free(&name);
    return s;
}

/* Parallel over groups, panels and blocks of rows. */
static bool taps_kernel(const taps *x)
{
    static const char *const name[] = {"g", "panel", "block"};
    const conv *c = x->c;
    dim_table *t = &c->j->l->m->dims;
    body b;
    taps_tile tile = {.t = {.j = c->j, .b = &b, .s = &c->s, .sums = c->acc, .whole = true,
                            .rolled = !x->by_position,
                            .columns = conv_extent(c, x->column.side, x->column.t)},
                      .x = x, .c = c};
    int64_t rows = extent_or_unknown(c, rows_of(x));
    ir_dim count = dim_ceildiv(t, tile.t.columns, dim_int(t, schedule_panel(&c->s)));
    lp_expr v[3];

    job_kernel(c->j, &b, "taps");
    b.k->schedule = c->s;
    if (!x->near)
        tile.panels = panel_buffer(x, &b, count);
    lp_expr zero = lp_int(b.k, 0);
    lp_expr groups = body_dim(&b, conv_extent(c, x->column.group, x->column.t));
    lp_expr blocks = lp_ceildiv(b.k, lp_int(b.k, rows), c->s.rows);
    lp_par(b.k, 3, name, LP(zero, zero, zero), LP(groups, body_dim(&b, count), blocks), NULL, v);
    tile.group = v[0], tile.t.panel = v[1];
    compute_block(&tile, rows, v[2]);
    lp_end(b.k);
    return job_end(c->j, &b);
}

/* Columns that do not fill their last panel are copied, which repeats the last one there. */
static bool are_in_place(const taps *x)
{
    const conv *c = x->c;

    return x->near && !c->s.pack &&
           extent_or_unknown(c, conv_extent(c, x->column.side, x->column.t)) %
                   schedule_panel(&c->s) == 0;
}

/* One schedule serves both ways: a panel that does not divide the columns has them copied. */
bool conv_taps(conv *c)
{
    taps x;

    choose_roles(c, &x);
    c->s = choose_schedule(&x);
    x.near = are_in_place(&x);
    c->s.pack = !x.near;
    return (x.near || copy_columns(&x)) && taps_kernel(&x);
}
