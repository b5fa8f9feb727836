/* codegen/lower/winograd.c - 3x3 convolutions in squares: the image's numbers, their
 * products with those of the weights, and the results of these.
 *
 * Two kernels: one turns the image, for each block of features and square, into numbers
 * in a temp; the other works off a part of the squares against a panel of weights.
 * For each number of a square that is a product of matrices, in register tiles whose
 * rows are squares; the sums are in memory of the thread until they are turned back
 * into results, on which the rest of the group is computed. */
#include "winograd.h"

#include "const.h"

enum { TAPS = 3, MOST_REACH = 6, MOST_SQUARE = 4 };

/* ---- numbers ------------------------------------------------------------------------ */

/* Along one axis; rows and columns beyond reach and square are zeros. */
typedef struct form {
    int square, reach;
    double taps[MOST_REACH][TAPS], image[MOST_REACH][MOST_REACH], back[MOST_SQUARE][MOST_REACH];
} form;

/* A product is a polynomial's value at a point.  The points 0, 1, -1 and infinity are
 * exact.  For 4 results there are 0, +-a, +-b and infinity with a = 1 / sqrt(2) and
 * b = sqrt(2): the rounding errors are a third of those with 1 and 2. */
#define A 0.70710678118654752440
#define B 1.41421356237309504880
static const form forms[] = {
    {2, 4,
     {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}},
     {{1, 0, -1}, {0, 1, 1}, {0, -1, 1}, {0, -1, 0, 1}},
     {{1, 1, 1}, {0, 1, -1, 1}}},
    {4, 6,
     {{1, 0, 0},
      {-2. / 3, -2. / 3 * A, -1. / 3},
      {-2. / 3, 2. / 3 * A, -1. / 3},
      {1. / 6, B / 6, 1. / 3},
      {1. / 6, -B / 6, 1. / 3},
      {0, 0, 1}},
     {{1, 0, -2.5, 0, 1},
      {0, -B, -2, A, 1},
      {0, B, -2, -A, 1},
      {0, -A, -.5, B, 1},
      {0, A, -.5, -B, 1},
      {0, 1, 0, -2.5, 0, 1}},
     {{1, 1, 1, 1, 1},
      {0, A, -A, B, -B},
      {0, .5, .5, 2, 2},
      {0, .5 * A, -.5 * A, 2 * B, -2 * B, 1}}},
};
#undef A
#undef B

static const form *form_of(int square)
{
    return square == forms[0].square ? &forms[0] : &forms[1];
}

/* The weights' transform in two dimensions as one matrix [reach^2, 9]: row (i, j)
 * is the outer product of rows i and j of `taps`. It is a link of the weights'
 * chain. */
uint32_t winograd_matrix(ir_module *m, int square)
{
    const form *f = form_of(square);
    float e[MOST_REACH * MOST_REACH * TAPS * TAPS], *to = e;
    int n = f->reach * f->reach;

    for (int p = 0; p < n; p++)
        for (int t = 0; t < TAPS * TAPS; t++)
            *to++ = (float)(f->taps[p / f->reach][t / TAPS] * f->taps[p % f->reach][t % TAPS]);
    const ir_dim shape[2] = {dim_int(&m->dims, n), dim_int(&m->dims, TAPS * TAPS)};
    return const_copy_val(m, type_tensor(&m->types, DT_F32, 2, shape), e);
}

/* The sum of row[i] * x[i], of what takes no multiplication first. */
static lp_expr weighted(lp_kernel *k, const double *row, const lp_expr *x, int n)
{
    lp_expr sum = 0;

    for (int i = 0; i < n; i++)
        if (row[i] == 1)
            sum = sum ? lp_add(k, sum, x[i]) : x[i];
    for (int i = 0; i < n; i++) {
        lp_expr times = lp_const_flt(k, DT_F32, row[i]);
        if (row[i] && row[i] != 1)
            sum = sum ? lp_fma(k, times, x[i], sum) : lp_mul(k, times, x[i]);
    }
    return sum;
}

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

/* 3x3 taps without strides, dilation and groups, in blocks, of f32 constants. */
bool winograd_takes(const conv *c, int lanes)
{
    const struct ir_attr_CONV *a = c->at;
    const dim_table *t = &c->j->l->m->dims;
    bool floats = c->tx->dtype == DT_F32 && c->tw->dtype == DT_F32 && c->acc == DT_F32;

    return floats && c->spatial == 2 && c->packed && !c->depthwise &&
           dim_is(t, c->tw->dim[a->ws.at[0]], TAPS) && dim_is(t, c->tw->dim[a->ws.at[1]], TAPS) &&
           are_all(c, a->stride, 1) && are_all(c, a->ldil, 1) && are_all(c, a->rdil, 1) &&
           dim_is(t, conv_extent(c, a->wg, c->tw), 1) && block_of_image(c) && c->block &&
           c->block % lanes == 0;
}

/* ---- kernels in the making -------------------------------------------------------------- */

/* A kernel in the making, and where it is: in which image, at which square. */
typedef struct maker {
    conv *c;
    const form *f;
    body *b;
    int block;                  /* features side by side */
    ir_dim batch, blocks;       /* of features */
    ir_dim high, wide, squares; /* squares along the axes, and in an image */
    ir_dim parts, most;         /* of the squares, and how many one has at most */
    ir_dim room;                /* squares that the temp has room for: with a tile behind the
                                   last one, since a part may be smaller than that */
    int rows;                   /* of a tile */
    uint32_t temp;
    lp_expr n, at[2];           /* image; the square's first result along the axes */
} maker;

/* The numbers of the image: [images, reach * reach, blocks, squares, block]. */
static lp_buf numbers(maker *x, bool write)
{
    body *b = x->b;
    const lp_expr dims[5] = {body_dim(b, x->batch), lp_int(b->k, x->f->reach * x->f->reach),
                             body_dim(b, x->blocks), body_dim(b, x->room),
                             lp_int(b->k, x->block)};

    return body_temp(b, x->temp, DT_F32, 5, dims, write);
}

static void place_square(maker *x, lp_expr row, lp_expr column)
{
    lp_kernel *k = x->b->k;
    lp_expr square = lp_int(k, x->f->square);

    x->at[0] = lp_mul(k, row, square);
    x->at[1] = lp_mul(k, column, square);
}

static lp_buf square_local(maker *x, const char *name, int rows, int columns, int lanes)
{
    lp_kernel *k = x->b->k;

    return lp_local(k, name, DT_F32, 3, LP(lp_int(k, rows), lp_int(k, columns), lp_int(k, lanes)),
                    LP_ROW, 0);
}

/* Opens the loop over `extent` elements, whole vectors or less than one. */
static lp_expr open_vectors(maker *x, int extent)
{
    int lanes = (int)min_i64(extent, lanes_of(x->c->j->l, DT_F32));

    return lp_vec(x->b->k, "v", lp_int(x->b->k, 0), lp_int(x->b->k, extent), lanes, LP_EXACT);
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
    lp_expr d[MOST_REACH];
    lp_expr j = lp_for(k, "j", lp_int(k, 0), lp_int(k, reach));
    lp_expr v = open_vectors(x, x->block);

    for (int i = 0; i < reach; i++)
        d[i] = lp_let(k, "d", element(x, block, LP(lp_int(k, i), j), v, guarded));
    for (int i = 0; i < reach; i++)
        lp_store(k, to, LP(lp_int(k, i), j, v), weighted(k, x->f->image[i], d, reach));
    lp_end(k);
    lp_end(k);
}

/* Turns the rows of these: the numbers of square t. */
static void turn_rows(maker *x, lp_buf from, lp_buf to, lp_expr block, lp_expr t)
{
    lp_kernel *k = x->b->k;
    int reach = x->f->reach;
    lp_expr d[MOST_REACH];
    lp_expr i = lp_for(k, "i", lp_int(k, 0), lp_int(k, reach));
    lp_expr v = open_vectors(x, x->block), first = lp_mul(k, i, lp_int(k, reach));

    for (int j = 0; j < reach; j++)
        d[j] = lp_let(k, "d", lp_load(k, from, LP(i, lp_int(k, j), v)));
    for (int j = 0; j < reach; j++)
        lp_store(k, to, LP(x->n, lp_add(k, first, lp_int(k, j)), block, t, v),
                 weighted(k, x->f->image[j], d, reach));
    lp_end(k);
    lp_end(k);
}

/* Squares that lie inside of the image read without guards. */
static bool turn_image(maker *x)
{
    body b;
    lp_expr v[3];

    job_kernel(x->c->j, &b, "squares");
    x->b = &b;
    lp_buf to = numbers(x, true);
    int open = body_loops(&b, (ir_dim[]){x->batch, x->blocks, x->high}, 3, v) + 1;
    lp_expr wide = body_dim(&b, x->wide), column = lp_for(b.k, "s", lp_int(b.k, 0), wide);
    x->n = v[0];
    place_square(x, v[2], column);
    lp_buf columns = square_local(x, "columns", x->f->reach, x->f->reach, x->block);
    lp_if(b.k, is_inner(x));
    turn_columns(x, v[1], columns, false);
    lp_else(b.k);
    turn_columns(x, v[1], columns, true);
    lp_end(b.k);
    turn_rows(x, columns, to, v[1], lp_add(b.k, lp_mul(b.k, v[2], wide), column));
    while (open--)
        lp_end(b.k);
    return job_end(x->c->j, &b);
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
    lp_expr a = lp_load(k, in[0], LP(x->n, p, block, lp_add(k, from, at.row), f));
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
    add_products(x, t, in, p, lp_add(k, first, from));
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
    lp_expr d[MOST_REACH];
    lp_expr j = lp_for(k, "j", lp_int(k, 0), lp_int(k, reach));
    lp_expr v = open_vectors(x, lanes);

    for (int i = 0; i < reach; i++)
        d[i] = lp_let(k, "d", lp_load(k, sums, LP(lp_add(k, lp_int(k, i * reach), j), s,
                                                  lp_add(k, column, v))));
    for (int i = 0; i < x->f->square; i++)
        lp_store(k, to, LP(lp_int(k, i), j, v), weighted(k, x->f->back[i], d, reach));
    lp_end(k);
    lp_end(k);
}

/* The rows of a square, behind turn_sums, which has turned its columns. */
static void turn_back(maker *x, lp_buf from, lp_buf to, int lanes)
{
    lp_kernel *k = x->b->k;
    lp_expr d[MOST_REACH];
    lp_expr i = lp_for(k, "i", lp_int(k, 0), lp_int(k, x->f->square));
    lp_expr v = open_vectors(x, lanes);

    for (int j = 0; j < x->f->reach; j++)
        d[j] = lp_let(k, "d", lp_load(k, from, LP(i, lp_int(k, j), v)));
    for (int j = 0; j < x->f->square; j++)
        lp_store(k, to, LP(i, lp_int(k, j), v), weighted(k, x->f->back[j], d, x->f->reach));
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
    lp_expr block = lp_int(k, c->block), v = open_vectors(x, lanes);
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
    lp_buf columns = square_local(x, "columns", square, reach, lanes);
    lp_buf results = square_local(x, "results", square, square, lanes);
    turn_sums(x, sums, lp_sub(k, s, first), column, columns, lanes);
    turn_back(x, columns, results, lanes);
    store_square(x, results, channel, lanes);
    while (loops--)
        lp_end(k);
}

/* Part v[1] of the squares against panel v[2]. Sums of all numbers of the part must
 * be there before results can be turned back, hence the buffer. */
static bool make_products(maker *x)
{
    body b;
    lp_expr v[3];
    conv *c = x->c;
    const schedule *s = &c->s;
    dim_table *d = &c->j->l->m->dims;
    ir_dim columns = conv_extent(c, conv_channels(c), c->ty);
    ir_dim panels = dim_ceildiv(d, columns, dim_int(d, schedule_panel(s)));

    job_kernel(c->j, &b, "winograd");
    b.k->schedule = *s;
    x->b = &b;
    const lp_buf in[2] = {numbers(x, false), body_const(&b, c->weights)};
    int open = body_loops(&b, (ir_dim[]){x->batch, x->parts, panels}, 3, v);
    lp_expr all = body_dim(&b, x->squares), parts = body_dim(&b, x->parts);
    lp_expr first = lp_mul(b.k, v[1], all), end = lp_add(b.k, first, all);
    bool whole = dim_is(d, x->parts, 1);
    tile t = {.j = c->j, .b = &b, .s = s, .sums = c->acc, .columns = columns, .whole = true,
              .panel = v[2]};

    x->n = v[0];
    first = whole ? lp_int(b.k, 0) : lp_div(b.k, first, parts);
    end = whole ? all : lp_div(b.k, end, parts);
    lp_expr most = lp_max(b.k, body_dim(&b, x->most), lp_int(b.k, x->rows));
    lp_buf sums = lp_local(b.k, "sums", DT_F32, 3,
                           LP(lp_int(b.k, x->f->reach * x->f->reach), most,
                              lp_int(b.k, schedule_panel(s))), LP_ROW, 0);
    make_sums(x, &t, in, sums, first, end);
    make_results(x, &t, sums, first, end);
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
    x->room = dim_add(t, x->squares, dim_int(t, x->rows));
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
    maker x = {.c = c, .f = form_of(c->s.square), .block = block_of_image(c)};
    dim_table *t = &c->j->l->m->dims;

    measure(&x);
    int64_t bytes = (int64_t)x.f->reach * x.f->reach * x.block * dt_size(DT_F32);
    ir_dim size = dim_mul(t, dim_mul(t, x.batch, x.blocks), dim_mul(t, x.room, dim_int(t, bytes)));
    x.temp = job_temp(c->j, size);
    c->j->flops = flops_of(&x);
    return turn_image(&x) && make_products(&x);
}
