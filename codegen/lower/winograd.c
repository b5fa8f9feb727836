/* codegen/lower/winograd.c - 3x3 convolutions in squares: the image's numbers, their
 * products with those of the weights, and the results of these.
 *
 * Two kernels: one turns the image, for each block of features and square, into numbers
 * in a temp; the other works off a part of the squares against a panel of weights.
 * For each number of a square that is a product of matrices, in register tiles whose
 * rows are squares; the sums are in memory of the thread until they are turned back
 * into results, on which the rest of the group is computed.  Of several images a thread
 * has parts of its own: one kernel turns a part in memory of the thread, and multiplies it
 * with all panels.  Weights that only the run knows are turned in front, by a kernel of
 * their own. */
#include "winograd.h"

#include "winograd_taps.h"

/* ---- what is made in squares ---------------------------------------------------------- */

static bool are_all(const conv *c, ir_dims facts, int64_t value)
{
    for (int i = 0; i < facts.n; i++)
        if (!dim_is(&c->j->l->m->dims, facts.at[i], value))
            return false;
    return true;
}

/* Features that lie side by side; 0: none. */
static int block_of_image(const conv *c)
{
    const ir_ints features = c->at->xf;
    int64_t n;

    return features.n == 2 && dim_const(&c->j->l->m->dims, c->tx->dim[features.at[1]], &n) &&
                   schedule_block(c->j->l->target, n) == n
               ? (int)n
               : 0;
}

/* 3x3 taps without strides, dilation and groups, in blocks, of f32, whose extents are
 * known. */
bool winograd_takes(const conv *c, int lanes)
{
    const struct ir_attr_CONV *a = c->at;
    const dim_table *t = &c->j->l->m->dims;
    bool floats = c->tx->dtype == DT_F32 && c->tw->dtype == DT_F32 && c->acc == DT_F32;
    int64_t n;

    return floats && c->spatial == 2 && !c->depthwise &&
           dim_const(t, conv_extent(c, a->wf, c->tw), &n) &&
           dim_const(t, conv_extent(c, a->wo, c->tw), &n) &&
           dim_is(t, c->tw->dim[a->ws.at[0]], WINOGRAD_TAPS) &&
           dim_is(t, c->tw->dim[a->ws.at[1]], WINOGRAD_TAPS) &&
           are_all(c, a->stride, 1) && are_all(c, a->ldil, 1) && are_all(c, a->rdil, 1) &&
           dim_is(t, conv_extent(c, a->wg, c->tw), 1) && block_of_image(c) && c->block &&
           c->block % lanes == 0;
}

/* ---- kernels in the making -------------------------------------------------------------- */

/* A kernel in the making, and where it is: in which image, at which square. */
typedef struct maker {
    conv *c;
    const winograd_form *f;
    body *b;
    int block;                  /* features side by side */
    ir_dim batch, blocks;       /* of features */
    ir_dim high, wide, squares; /* squares along the axes, and in an image */
    ir_dim parts, most;         /* of the squares, and how many one has at most */
    ir_dim room;                /* squares that numbers have room for: with a tile behind the
                                   last one, since a part may be smaller than that */
    int rows;                   /* of a tile */
    bool own;                   /* a thread turns the part that it multiplies */
    uint32_t temp;              /* of the numbers of all images, else */
    lp_expr n, at[2];           /* image; the square's first result along the axes */
} maker;

/* The numbers of the image: [images, reach * reach, blocks, squares, block]; of a part in
 * memory of the thread. */
static lp_buf numbers(maker *x, bool write)
{
    body *b = x->b;
    const lp_expr dims[5] = {x->own ? lp_int(b->k, 1) : body_dim(b, x->batch),
                             lp_int(b->k, x->f->reach * x->f->reach), body_dim(b, x->blocks),
                             body_dim(b, x->room), lp_int(b->k, x->block)};

    return x->own ? lp_local(b->k, "numbers", DT_F32, 5, dims, LP_ROW, 0)
                  : body_temp(b, x->temp, DT_F32, 5, dims, write);
}

/* The image at hand, of those that `numbers` has. */
static lp_expr image_of(const maker *x)
{
    return x->own ? lp_int(x->b->k, 0) : x->n;
}

static void place_square(maker *x, lp_expr row, lp_expr column)
{
    lp_kernel *k = x->b->k;
    lp_expr square = lp_int(k, x->f->square);

    x->at[0] = lp_mul(k, row, square);
    x->at[1] = lp_mul(k, column, square);
}

/* ---- from the image to numbers ------------------------------------------------------------ */

/* Place in the image along axis i of what is `by` behind the first that the square reads. */
static lp_expr place_at(const maker *x, int i, lp_expr by)
{
    lp_kernel *k = x->b->k;

    return lp_sub(k, lp_add(k, x->at[i], by), body_dim(x->b, x->c->at->low.at[i]));
}

static lp_expr is_inside(const maker *x, int i, lp_expr first, lp_expr last)
{
    lp_kernel *k = x->b->k;
    lp_expr extent = body_dim(x->b, x->c->tx->dim[x->c->at->xs.at[i]]);

    return lp_and(k, lp_le(k, lp_int(k, 0), first), lp_lt(k, last, extent));
}

/* Does the square read nothing outside the image? */
static lp_expr is_inner(const maker *x)
{
    lp_kernel *k = x->b->k;
    lp_expr zero = lp_int(k, 0), far = lp_int(k, x->f->reach - 1);
    lp_expr in[2];

    for (int i = 0; i < 2; i++)
        in[i] = is_inside(x, i, place_at(x, i, zero), place_at(x, i, far));
    return lp_and(k, in[0], in[1]);
}

/* Element [row, column] of what the square reads, 0 outside the image. */
static lp_expr element(const maker *x, lp_expr block, const lp_expr by[2], lp_expr v, bool guarded)
{
    const struct ir_attr_CONV *a = x->c->at;
    lp_kernel *k = x->b->k;
    lp_expr idx[IR_MAX_RANK], inside = lp_bool(k, true);

    body_split(x->b, x->n, x->c->tx, a->xb.at, a->xb.n, idx);
    body_split(x->b, lp_int(k, 0), x->c->tx, a->xg.at, a->xg.n, idx);
    idx[a->xf.at[0]] = block;
    idx[a->xf.at[1]] = v;
    for (int i = 0; i < 2; i++) {
        lp_expr p = idx[a->xs.at[i]] = place_at(x, i, by[i]);
        inside = lp_and(k, inside, is_inside(x, i, p, p));
    }
    lp_expr zero = lp_const_flt(k, DT_F32, 0);
    return guarded ? body_at_if(x->b, x->c->x, idx, inside, zero) : body_at(x->b, x->c->x, idx);
}

/* Turns the columns of what the square reads. */
static void turn_columns(maker *x, lp_expr block, lp_buf to, bool guarded)
{
    lp_kernel *k = x->b->k;
    int reach = x->f->reach;
    lp_expr d[WINOGRAD_REACH];
    lp_expr j = lp_for(k, "j", lp_int(k, 0), lp_int(k, reach));
    lp_expr v = winograd_vectors(x->c, k, x->block);

    for (int i = 0; i < reach; i++)
        d[i] = lp_let(k, "d", element(x, block, LP(lp_int(k, i), j), v, guarded));
    for (int i = 0; i < reach; i++)
        lp_store(k, to, LP(lp_int(k, i), j, v), winograd_weighted(k, x->f->image[i], d, reach));
    lp_end(k);
    lp_end(k);
}

/* Turns the rows of these: the numbers of square t. */
static void turn_rows(maker *x, lp_buf from, lp_buf to, lp_expr block, lp_expr t)
{
    lp_kernel *k = x->b->k;
    int reach = x->f->reach;
    lp_expr d[WINOGRAD_REACH];
    lp_expr i = lp_for(k, "i", lp_int(k, 0), lp_int(k, reach));
    lp_expr v = winograd_vectors(x->c, k, x->block), first = lp_mul(k, i, lp_int(k, reach));

    for (int j = 0; j < reach; j++)
        d[j] = lp_let(k, "d", lp_load(k, from, LP(i, lp_int(k, j), v)));
    for (int j = 0; j < reach; j++)
        lp_store(k, to, LP(image_of(x), lp_add(k, first, lp_int(k, j)), block, t, v),
                 winograd_weighted(k, x->f->image[j], d, reach));
    lp_end(k);
    lp_end(k);
}

/* The numbers of a block of the square in this row and column, which are those of square `to`
 * in the buffer.  Squares that lie inside of the image read without guards. */
static void turn_square(maker *x, lp_expr block, lp_expr row, lp_expr column, lp_buf numbers,
                        lp_expr to)
{
    lp_kernel *k = x->b->k;

    place_square(x, row, column);
    lp_buf columns = winograd_local(k, "columns", x->f->reach, x->f->reach, x->block);
    lp_if(k, is_inner(x));
    turn_columns(x, block, columns, false);
    lp_else(k);
    turn_columns(x, block, columns, true);
    lp_end(k);
    turn_rows(x, columns, numbers, block, to);
}

static bool turn_images(maker *x)
{
    body b;
    lp_expr v[3];

    job_kernel(x->c->j, &b, "squares");
    x->b = &b;
    lp_buf to = numbers(x, true);
    int open = body_loops(&b, (ir_dim[]){x->batch, x->blocks, x->high}, 3, v) + 1;
    lp_expr wide = body_dim(&b, x->wide), column = lp_for(b.k, "s", lp_int(b.k, 0), wide);
    x->n = v[0];
    turn_square(x, v[1], v[2], column, to, lp_add(b.k, lp_mul(b.k, v[2], wide), column));
    while (open--)
        lp_end(b.k);
    return job_end(x->c->j, &b);
}

/* Turns the squares from `first` up to `end` in memory of the thread. */
static lp_buf turn_own(maker *x, lp_expr first, lp_expr end)
{
    lp_kernel *k = x->b->k;
    lp_buf to = numbers(x, true);
    int open = 1;
    lp_expr s = lp_for(k, "s", first, end), wide = body_dim(x->b, x->wide);
    lp_expr block = conv_loop(k, "f0", body_dim(x->b, x->blocks), 1, &open);

    turn_square(x, block, lp_div(k, s, wide), lp_mod(k, s, wide), to, lp_sub(k, s, first));
    while (open--)
        lp_end(k);
    return to;
}

/* ---- products ------------------------------------------------------------------------------ */

/* Adds, to the sums of the tile's squares from t on, the products of all features for
 * number p. */
static void add_products(const maker *x, const tile *t, const lp_buf in[2], lp_expr p, lp_expr from)
{
    lp_kernel *k = x->b->k;
    lp_expr zero = lp_int(k, 0), size = lp_int(k, x->block);
    int loops = 0;
    lp_expr block = conv_loop(k, "f0", body_dim(x->b, x->blocks), 1, &loops);
    lp_expr f = conv_loop(k, "f", size, 1, &loops), row = lp_add(k, lp_mul(k, block, size), f);

    if (schedule_fetches(t->s, t->rows))
        tile_fetch(t, in[1], LP(zero, t->panel, p, tile_ahead(t, in[1], row), zero));
    tile_place at = tile_open(t, 0, t->rows);
    lp_expr a = lp_load(k, in[0], LP(image_of(x), p, block, lp_add(k, from, at.row), f));
    lp_expr b = lp_load(k, in[1], LP(zero, t->panel, p, row, at.column));
    tile_products(t, &at, zero, a, b);
    while (loops--)
        lp_end(k);
}

/* The products of all squares from `first` up to `end`, in tiles: the last may compute
 * some a second time, or some that are none. */
static void make_sums(const maker *x, tile *t, const lp_buf in[2], lp_buf sums, lp_expr first,
                      lp_expr end)
{
    lp_kernel *k = x->b->k;
    lp_expr count = lp_sub(k, end, first), rows = lp_int(k, x->rows), zero = lp_int(k, 0);
    lp_expr p = lp_for(k, "p", zero, lp_int(k, x->f->reach * x->f->reach));
    int loops = 1;
    lp_expr i = conv_loop(k, "st", lp_ceildiv(k, count, x->rows), 1, &loops);
    lp_expr most = lp_max(k, lp_sub(k, count, rows), zero);
    lp_expr from = lp_min(k, lp_mul(k, i, rows), most);

    tile_make(t, x->rows);
    add_products(x, t, in, p, x->own ? from : lp_add(k, first, from));
    tile_place at = tile_open(t, 0, t->rows);
    lp_store(k, sums, LP(p, lp_add(k, from, at.row), at.column), tile_sum(t, &at));
    for (loops += at.open; loops--;)
        lp_end(k);
}

/* ---- from sums to results ------------------------------------------------------------------- */

/* Turns sums of number [.., j], one row of them after the other: columns of a square. */
static void turn_sums(maker *x, lp_buf sums, lp_expr s, lp_expr column, lp_buf to, int lanes)
{
    lp_kernel *k = x->b->k;
    int reach = x->f->reach;
    lp_expr d[WINOGRAD_REACH];
    lp_expr j = lp_for(k, "j", lp_int(k, 0), lp_int(k, reach));
    lp_expr v = winograd_vectors(x->c, k, lanes);

    for (int i = 0; i < reach; i++)
        d[i] = lp_let(k, "d", lp_load(k, sums, LP(lp_add(k, lp_int(k, i * reach), j), s,
                                                  lp_add(k, column, v))));
    for (int i = 0; i < x->f->square; i++)
        lp_store(k, to, LP(lp_int(k, i), j, v), winograd_weighted(k, x->f->back[i], d, reach));
    lp_end(k);
    lp_end(k);
}

/* The rows of a square, behind turn_sums, which has turned its columns. */
static void turn_back(maker *x, lp_buf from, lp_buf to, int lanes)
{
    lp_kernel *k = x->b->k;
    lp_expr d[WINOGRAD_REACH];
    lp_expr i = lp_for(k, "i", lp_int(k, 0), lp_int(k, x->f->square));
    lp_expr v = winograd_vectors(x->c, k, lanes);

    for (int j = 0; j < x->f->reach; j++)
        d[j] = lp_let(k, "d", lp_load(k, from, LP(i, lp_int(k, j), v)));
    for (int j = 0; j < x->f->square; j++)
        lp_store(k, to, LP(i, lp_int(k, j), v),
                 winograd_weighted(k, x->f->back[j], d, x->f->reach));
    lp_end(k);
    lp_end(k);
}

/* Stores what the group makes of the results that the image has, of the vector of channels
 * that begins at `first`. */
static void store_square(maker *x, lp_buf from, lp_expr first, int lanes)
{
    const conv *c = x->c;
    const struct ir_attr_CONV *a = c->at;
    lp_kernel *k = x->b->k;
    lp_expr idx[IR_MAX_RANK], by[2];

    body_split(x->b, x->n, c->ty, a->yb.at, a->yb.n, idx);
    body_split(x->b, lp_int(k, 0), c->ty, a->yg.at, a->yg.n, idx);
    for (int i = 0; i < 2; i++) {
        lp_expr left = lp_sub(k, body_dim(x->b, c->ty->dim[a->ys.at[i]]), x->at[i]);
        by[i] = lp_for(k, "y", lp_int(k, 0), lp_min(k, left, lp_int(k, x->f->square)));
        idx[a->ys.at[i]] = lp_add(k, x->at[i], by[i]);
    }
    lp_expr block = lp_int(k, c->block), v = winograd_vectors(x->c, k, lanes);
    idx[a->yo.at[0]] = lp_div(k, first, block);
    idx[a->yo.at[1]] = lp_add(k, lp_mod(k, first, block), v);
    job_store(c->j, x->b, idx, lp_load(k, from, LP(by[0], by[1], v)));
    for (int i = 0; i < 3; i++)
        lp_end(k);
}

/* The results of all squares from `first` up to `end`, for the tile's panel. */
static void make_results(maker *x, const tile *t, lp_buf sums, lp_expr first, lp_expr end)
{
    lp_kernel *k = x->b->k;
    int lanes = t->s->lanes, loops = 1, reach = x->f->reach, square = x->f->square;
    lp_expr s = lp_for(k, "s", first, end), width = lp_int(k, lanes);
    lp_expr q = conv_loop(k, "q", lp_int(k, t->s->vectors), 1, &loops);
    lp_expr column = lp_mul(k, q, width);
    lp_expr channel = lp_add(k, lp_mul(k, t->panel, lp_int(k, schedule_panel(t->s))), column);

    lp_expr wide = body_dim(x->b, x->wide);
    place_square(x, lp_div(k, s, wide), lp_mod(k, s, wide));
    if (!tile_is_exact(t)) {
        lp_if(k, lp_lt(k, channel, body_dim(x->b, t->columns)));
        loops++;
    }
    lp_buf columns = winograd_local(k, "columns", square, reach, lanes);
    lp_buf results = winograd_local(k, "results", square, square, lanes);
    turn_sums(x, sums, lp_sub(k, s, first), column, columns, lanes);
    turn_back(x, columns, results, lanes);
    store_square(x, results, channel, lanes);
    while (loops--)
        lp_end(k);
}

/* The squares from `first` up to `end` against a panel of weights.  Sums of all their numbers
 * must be there before results can be turned back, hence the buffer. */
static void multiply(maker *x, const lp_buf in[2], lp_expr first, lp_expr end, lp_expr panel)
{
    conv *c = x->c;
    body *b = x->b;
    tile t = {.j = c->j, .b = b, .s = &c->s, .sums = c->acc, .whole = true, .panel = panel,
              .columns = conv_extent(c, conv_channels(c), c->ty)};
    lp_expr most = lp_max(b->k, body_dim(b, x->most), lp_int(b->k, x->rows));
    lp_buf sums = lp_local(b->k, "sums", DT_F32, 3,
                           LP(lp_int(b->k, x->f->reach * x->f->reach), most,
                              lp_int(b->k, schedule_panel(&c->s))), LP_ROW, 0);

    make_sums(x, &t, in, sums, first, end);
    make_results(x, &t, sums, first, end);
}

/* Part v[1] of the squares against panel v[2], or against one after the other. */
static bool make_products(maker *x)
{
    body b;
    lp_expr v[3];
    conv *c = x->c;
    const ir_dim panels = winograd_panels(c);

    job_kernel(c->j, &b, "winograd");
    b.k->schedule = c->s;
    x->b = &b;
    lp_buf in[2] = {x->own ? (lp_buf){0} : numbers(x, false), winograd_weights(c, &b, false)};
    int open = body_loops(&b, (ir_dim[]){x->batch, x->parts, panels}, x->own ? 2 : 3, v);
    lp_expr all = body_dim(&b, x->squares), parts = body_dim(&b, x->parts);
    lp_expr first = lp_mul(b.k, v[1], all), end = lp_add(b.k, first, all);
    bool whole = dim_is(&c->j->l->m->dims, x->parts, 1);

    x->n = v[0];
    first = whole ? lp_int(b.k, 0) : lp_div(b.k, first, parts);
    end = whole ? all : lp_div(b.k, end, parts);
    if (x->own) {
        in[0] = turn_own(x, first, end);
        v[2] = conv_loop(b.k, "panel", body_dim(&b, panels), 1, &open);
    }
    multiply(x, in, first, end, v[2]);
    while (open--)
        lp_end(b.k);
    return job_end(c->j, &b);
}

/* ---- parts ---------------------------------------------------------------------------------- */

/* Parts of the squares that are worked off one after the other, or at once: so many that
 * the numbers of one fit the second cache, unless it would have too few to repay reading
 * the weights again; more where parallel iterations would be missing.  `others` there are
 * without. */
static ir_dim parts_of(const maker *x, ir_dim others)
{
    enum { ENOUGH = 8, LEAST = 48, LEAST_PARALLEL = 12 };
    dim_table *t = &x->c->j->l->m->dims;
    const ir_dim one = {1};
    int64_t bytes = (int64_t)x->f->reach * x->f->reach * x->block * dt_size(DT_F32);
    ir_dim size = dim_mul(t, dim_mul(t, x->blocks, x->squares), dim_int(t, bytes));
    ir_dim far = dim_ceildiv(t, size, dim_int(t, schedule_cache(x->c->j->l->target)));
    ir_dim missing = dim_ceildiv(t, dim_int(t, ENOUGH), others);

    far = dim_min(t, far, dim_div(t, x->squares, dim_int(t, LEAST)));
    missing = dim_min(t, missing, dim_div(t, x->squares, dim_int(t, LEAST_PARALLEL)));
    return dim_max(t, one, dim_max(t, far, missing));
}

/* Are there images enough to share out? */
static bool has_own(const maker *x)
{
    enum { ENOUGH = 4 };
    int64_t images;

    return dim_const(&x->c->j->l->m->dims, x->batch, &images) && images >= ENOUGH;
}

/* All tiles of a part of n squares have about as many. */
static int even_rows(int64_t n, int most)
{
    int64_t tiles = (n - 1) / most + 1;

    return (int)((n - 1) / tiles + 1);
}

/* Numbers of squares, parts and rows of a tile, all as dims where the run decides. */
static void measure(maker *x)
{
    const conv *c = x->c;
    const struct ir_attr_CONV *a = c->at;
    dim_table *t = &c->j->l->m->dims;
    const ir_dim square = dim_int(t, x->f->square), panel = dim_int(t, schedule_panel(&c->s));
    ir_dim columns = conv_extent(c, conv_channels(c), c->ty);
    int64_t most;

    x->batch = conv_extent(c, a->yb, c->ty);
    x->blocks = c->tx->dim[a->xf.at[0]];
    x->high = dim_ceildiv(t, c->ty->dim[a->ys.at[0]], square);
    x->wide = dim_ceildiv(t, c->ty->dim[a->ys.at[1]], square);
    x->squares = dim_mul(t, x->high, x->wide);
    x->parts = c->s.chunks ? dim_int(t, c->s.chunks)
                           : parts_of(x, dim_mul(t, x->batch, dim_ceildiv(t, columns, panel)));
    x->most = dim_ceildiv(t, x->squares, x->parts);
    x->rows = dim_const(t, x->most, &most) ? even_rows(max_i64(most, 1), c->s.rows) : c->s.rows;
    x->own = has_own(x);
    x->room = dim_add(t, x->own ? x->most : x->squares, dim_int(t, x->rows));
}

/* Bytes of the numbers of all images. */
static ir_dim bytes_of(const maker *x)
{
    dim_table *t = &x->c->j->l->m->dims;
    int64_t bytes = (int64_t)x->f->reach * x->f->reach * x->block * dt_size(DT_F32);

    return dim_mul(t, dim_mul(t, x->batch, x->blocks), dim_mul(t, x->room, dim_int(t, bytes)));
}

/* For each number of a square, of each channel of the image and of the result, a multiply-add. */
static const ir_dim *flops_of(const maker *x)
{
    lower *l = x->c->j->l;
    dim_table *t = &l->m->dims;
    ir_dim *flops = arena_array(&l->mem, ir_dim, 1);
    ir_dim channels = dim_mul(t, x->blocks, dim_int(t, x->block));
    ir_dim results = conv_extent(x->c, conv_channels(x->c), x->c->ty);

    *flops = dim_mul(t, x->batch, dim_int(t, 2 * x->f->reach * x->f->reach));
    *flops = dim_mul(t, dim_mul(t, *flops, x->squares), dim_mul(t, channels, results));
    return flops;
}

bool winograd_kernels(conv *c)
{
    maker x = {.c = c, .f = winograd_form_of(c->s.square), .block = block_of_image(c)};

    measure(&x);
    if (!x.own)
        x.temp = job_temp(c->j, bytes_of(&x));
    c->j->flops = flops_of(&x);
    return (c->packed || winograd_turn_weights(c)) && (x.own || turn_images(&x)) &&
           make_products(&x);
}
