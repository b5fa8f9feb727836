/* codegen/lower/dot_tile.c - matrix products: register tiles.
 *
 * A tile of MR rows by NR columns runs over all of k.  Where there is one row
 * the accumulators are too few to hide the latency of a multiply-add, and each
 * is split over k.  The last tile of a run-time number of rows overlaps the
 * one before.
 *
 * In a deep product the tiles of a group take turns for each part of k, and their sums
 * stay in scratch meanwhile: for one group and panel
 *   local sums: f32[group, MR, vectors, lanes] row
 *   for k0 in 0..K step deep {
 *     for m in 0..group {      acc = sums[m], from the second part on
 *       for k in k0..k0 + deep { .. }
 *       sums[m] = acc
 *   for m in 0..group {        the results of sums[m] */
#include "cost.h"
#include "dot.h"

/* A tile of the product while it is made. */
typedef struct dot_tile {
    tile t;
    const dot *d;
    lp_buf abuf, bbuf, scale;
    lp_expr batch, m0;          /* the tile's first row */
    lp_expr nth;                /* number of its block of rows in the group of blocks that
                                 * reuse a panel while the cache holds it, or among all that
                                 * read a panel of the thread's own; no expression: there is
                                 * one group */
    int64_t blocks;             /* with a panel of the thread's own: how many read it */
    lp_buf sums;                /* of tiles, [tiles, MR, vectors, lanes]: of a deep product's
                                 * group, or of the one at hand; else 0 */
    lp_expr slot;               /* the tile's among them */
    lp_expr begin, end;         /* of a deep product: its part of k at hand */
} dot_tile;

/* A's element where it is read. */
static lp_expr a_element(const dot_tile *x, lp_expr batch, lp_expr row, lp_expr k)
{
    return x->abuf ? lp_load(x->t.b->k, x->abuf, LP(batch, row, k))
                   : dot_a(x->d, x->t.b, batch, row, k);
}

static lp_expr a_value(const dot_tile *x, lp_expr r, lp_expr k)
{
    lp_kernel *p = x->t.b->k;

    return lp_cast(p, x->t.sums, a_element(x, x->batch, lp_add(p, x->m0, r), k));
}

/* An element of B as products take it. */
static lp_expr b_cast(const dot_tile *x, lp_expr v)
{
    return x->d->together ? v : lp_cast(x->t.b->k, x->d->acc, v);
}

/* B's element in column c of the panel. */
static lp_expr b_value(const dot_tile *x, lp_expr k, lp_expr c)
{
    const dot *d = x->d;
    body *b = x->t.b;
    lp_kernel *p = b->k;
    lp_expr idx[IR_MAX_RANK];

    if (d->source == DOT_PACKED)
        return b_cast(x, lp_load(p, x->bbuf, LP(x->t.panel, k, c)));
    if (d->source == DOT_OWN)
        return b_cast(x, lp_load(p, x->bbuf, LP(lp_int(p, 0), lp_int(p, 0), k, c)));
    if (d->source == DOT_TEMP)
        return b_cast(x, lp_load(p, x->bbuf, LP(x->batch, x->t.panel, k, c)));
    lp_expr column = lp_add(p, lp_mul(p, x->t.panel, lp_int(p, schedule_panel(&d->s))), c);
    body_split(b, x->batch, d->tb, d->at->batch_b.at, d->at->batch_b.n, idx);
    body_split(b, k, d->tb, d->at->sum_b.at, d->at->sum_b.n, idx);
    idx[d->fb.at[0]] = column;
    return lp_cast(p, d->acc, tile_is_exact(&x->t) ? lp_load(p, x->bbuf, idx)
                       : lp_load_if(p, x->bbuf, idx, lp_lt(p, column, body_dim(b, d->n))));
}

/* Adds the products at k to part s. */
static void add_products(const dot_tile *x, lp_expr k, lp_expr s)
{
    tile_place at = tile_open(&x->t, 0, x->t.rows);
    lp_expr a = a_value(x, at.row, k), b = b_value(x, k, at.column);

    tile_products(&x->t, &at, s, a, b);
}

/* Fetches row k of a panel of B. */
static void fetch_row(const dot_tile *x, lp_expr panel, lp_expr k)
{
    lp_expr zero = lp_int(x->t.b->k, 0);

    tile_fetch(&x->t, x->bbuf, x->d->source == DOT_PACKED ? LP(panel, k, zero)
                                                          : LP(x->batch, panel, k, zero));
}

/* ---- what is read later ---------------------------------------------------------------- */

/* Rows of B's panel that each tile of the group fetches, so that together they fetch all. */
static int64_t share_of_part(const dot_tile *x)
{
    const schedule *s = x->t.s;

    return (s->deep - 1) / s->group + 1;
}

/* Fetches the lines of n elements from e on, if that is one in memory; far: lp_prefetch_row. */
static void fetch(const dot_tile *x, lp_expr e, int n, bool far)
{
    lp_expr idx[LP_MAX_RANK];
    lp_buf buf;

    if (lp_load_of(x->t.b->k, e, &buf, idx))
        lp_prefetch_row(x->t.b->k, buf, idx, n, far);
}

/* Fetches B's row number `nth` of this tile's share. */
static void fetch_share(const dot_tile *x, lp_expr nth)
{
    lp_kernel *p = x->t.b->k;
    lp_expr first = lp_mul(p, x->nth, lp_int(p, share_of_part(x)));
    lp_expr k = lp_add(p, lp_add(p, x->begin, lp_int(p, x->t.s->deep)), lp_add(p, first, nth));

    fetch(x, b_value(x, k, lp_int(p, 0)), schedule_panel(x->t.s), true);
}

/* Fetches what the tile will read of a turned A. */
static void fetch_turned(const dot_tile *x, lp_expr k)
{
    lp_kernel *p = x->t.b->k;
    lp_expr later = lp_add(p, k, lp_int(p, x->t.s->deep));

    fetch(x, a_element(x, x->batch, x->m0, later), 1, true);
}

/* Opens the loops over the part's k, in front of some of which B's next part is fetched. */
static int part_loops(const dot_tile *x, lp_expr *k)
{
    lp_kernel *p = x->t.b->k;
    int64_t share = share_of_part(x), step = (x->t.s->deep - 1) / share + 1;
    lp_expr nth = lp_for(p, "share", lp_int(p, 0), lp_int(p, share));
    lp_expr begin = lp_add(p, x->begin, lp_mul(p, nth, lp_int(p, step)));
    lp_expr end = lp_min(p, lp_add(p, begin, lp_int(p, step)), x->end);

    fetch_share(x, nth);
    *k = lp_for(p, "k", begin, end);
    if (x->t.s->next)
        fetch_turned(x, *k);
    return 2;
}

/* This tile's share of n columns or k of the next panel. */
static lp_expr share_of_next(const dot_tile *x, int n)
{
    lp_kernel *p = x->t.b->k;
    int64_t share = (n - 1) / x->blocks + 1;
    lp_expr first = lp_mul(p, x->nth, lp_int(p, share));

    return lp_add(p, lp_min(p, first, lp_int(p, n - share)), lp_unroll(p, "ahead", share));
}

/* Fetches what this tile will read of A for that panel, at `depth` of k from k on. */
static void fetch_next_rows(const dot_tile *x, lp_expr batch, lp_expr k, int depth)
{
    lp_kernel *p = x->t.b->k;
    bool along = turn_is_near(p, a_element(x, batch, x->m0, k), k);
    lp_expr i = lp_unroll(p, "ahead", along ? x->t.rows : depth);

    if (along)
        fetch(x, a_element(x, batch, lp_add(p, x->m0, i), k), depth, true);
    else
        fetch(x, a_element(x, batch, x->m0, lp_add(p, k, i)), x->t.rows, true);
    lp_end(p);
}

/* And a share of what the panel will be filled with. */
static void fetch_next_panel(const dot_tile *x, lp_expr batch, lp_expr column, lp_expr k, int depth)
{
    body *b = x->t.b;
    lp_kernel *p = b->k;
    int nr = schedule_panel(x->t.s);
    bool along = turn_is_near(p, dot_b(x->d, b, batch, k, column), k);
    lp_expr i = share_of_next(x, along ? nr : depth);

    if (along)
        fetch(x, dot_b(x->d, b, batch, k, lp_add(p, column, i)), depth, true);
    else
        fetch(x, dot_b(x->d, b, batch, lp_add(p, k, i), column), nr, true);
    lp_end(p);
}

/* While a panel of the thread's own is multiplied, fetches what is read for the next one:
 * neither side lies so that the processor would see it coming. */
static void fetch_next(const dot_tile *x, lp_expr k, int depth)
{
    lp_kernel *p = x->t.b->k;
    dim_table *t = &x->d->j->l->m->dims;
    ir_dim nr = dim_int(t, schedule_panel(x->t.s));
    lp_expr panels = body_dim(x->t.b, dim_ceildiv(t, x->d->n, nr));
    lp_expr at = lp_add(p, lp_mul(p, x->batch, panels), x->t.panel);
    lp_expr next = lp_add(p, at, lp_int(p, 1)), batch = lp_div(p, next, panels);

    fetch_next_rows(x, batch, k, depth);
    fetch_next_panel(x, batch, lp_mul(p, lp_mod(p, next, panels), body_dim(x->t.b, nr)), k, depth);
}

/* Fetches what the tile reads of a far A a few k later, or of few k in all the next tile.  Of the
 * lines that it reads only that of its last row may be one that the tile before has not read. */
static void fetch_later(const dot_tile *x, lp_expr k)
{
    enum { LATER = 16, FEW = 8 * LATER };
    lp_kernel *p = x->t.b->k;
    int64_t all;
    bool next = dim_const(&x->d->j->l->m->dims, x->d->steps, &all) && all <= FEW;
    lp_expr last = lp_add(p, x->m0, lp_int(p, (next ? 2 : 1) * x->t.rows - 1));

    fetch(x, a_element(x, x->batch, last, lp_add(p, k, lp_int(p, next ? 0 : LATER))), 1, false);
}

/* Opens the loops over k by `step` up to `end`; returns how many.  Where blocks of
 * rows share the panel, they bring the next one to the cache, a part of it for every
 * BLOCK of this one. */
static int k_loops(const dot_tile *x, lp_expr end, int step, lp_expr *k)
{
    enum { BLOCK = 16 };
    lp_kernel *p = x->t.b->k;
    lp_expr begin = lp_int(p, 0);
    int64_t all;
    int open = 1;
    bool ahead = schedule_fetches(x->t.s, x->t.rows), own = x->d->source == DOT_OWN;

    if (ahead && x->nth && step == 1 && lp_is_int(p, end, &all) && all % BLOCK == 0) {
        begin = lp_loop(p, LP_FOR, "block", begin, end, BLOCK);
        end = lp_add(p, begin, lp_int(p, BLOCK));
        open++;
    }
    if (open == 2 && own) {
        fetch_next(x, begin, BLOCK);
    } else if (open == 2) {
        lp_expr done = lp_mul(p, x->nth, lp_int(p, all / BLOCK));
        lp_expr next = lp_add(p, x->t.panel, lp_int(p, 1));
        fetch_row(x, next, lp_add(p, done, lp_div(p, begin, lp_int(p, BLOCK))));
    }
    *k = lp_loop(p, LP_FOR, "k", begin, end, step);
    if (ahead && !own)
        fetch_row(x, x->t.panel, tile_ahead(&x->t, x->bbuf, *k));
    if (x->t.s->next && !own && !x->abuf && step == 1)
        fetch_later(x, *k);
    return open;
}

/* Adds the products of all k: as many at a time as there are parts, then the rest. */
static void add_all(const dot_tile *x)
{
    lp_kernel *p = x->t.b->k;
    lp_expr end = body_dim(x->t.b, x->d->steps), whole = tile_whole(&x->t, end), k;
    int open = k_loops(x, whole, x->t.parts, &k);
    lp_expr s = lp_unroll(p, "s", x->t.parts);

    add_products(x, lp_add(p, k, s), s);
    lp_end(p);
    while (open--)
        lp_end(p);
    if (whole == end)
        return;
    k = lp_for(p, "k", whole, end);
    add_products(x, k, lp_int(p, 0));
    lp_end(p);
}

/* Batch, row and column as the result's axes: batch, free axes of a, free axes of
 * b. */
static void output_index(const dot_tile *x, lp_expr row, lp_expr column, lp_expr *out)
{
    const dot *d = x->d;
    lp_expr by[IR_MAX_RANK], ay[IR_MAX_RANK], ny[IR_MAX_RANK];
    int o = 0;

    body_split(x->t.b, x->batch, d->ta, d->at->batch_a.at, d->at->batch_a.n, by);
    body_split(x->t.b, row, d->ta, d->fa.at, d->fa.n, ay);
    body_split(x->t.b, column, d->tb, d->fb.at, d->fb.n, ny);
    for (int i = 0; i < d->at->batch_a.n; i++)
        out[o++] = by[d->at->batch_a.at[i]];
    for (int i = 0; i < d->fa.n; i++)
        out[o++] = ay[d->fa.at[i]];
    for (int i = 0; i < d->fb.n; i++)
        out[o++] = ny[d->fb.at[i]];
}

/* The sums, times B's scale, and what the group makes of them. */
static void store_results(const dot_tile *x)
{
    lp_kernel *p = x->t.b->k;
    lp_expr out[IR_MAX_RANK];
    tile_place at = tile_results(&x->t);
    lp_expr sum = x->t.rolled ? lp_load(p, x->sums, LP(x->slot, at.row, at.vector, at.lane))
                              : tile_sum(&x->t, &at);

    if (x->scale) {
        lp_expr in_panel = lp_add(p, lp_mul(p, at.vector, lp_int(p, x->d->s.lanes)), at.lane);
        lp_expr factor = lp_load(p, x->scale, LP(x->t.panel, lp_int(p, 0), in_panel));
        sum = lp_mul(p, sum, lp_cast(p, x->t.sums, factor));
    }
    output_index(x, lp_add(p, x->m0, at.row), at.column, out);
    tile_store(&x->t, &at, out, sum);
}

/* Memory for the sums of so many tiles. */
static lp_buf make_sums(const dot_tile *x, int64_t tiles)
{
    const schedule *s = &x->d->s;
    lp_kernel *p = x->t.b->k;

    return lp_local(p, "sums", x->t.sums, 4, LP(lp_int(p, tiles), lp_int(p, s->rows),
                                                lp_int(p, s->vectors), lp_int(p, s->lanes)),
                    LP_ROW, 0);
}

/* The tile's sums from where they stay between parts of k, or to there. */
static void move_sums(const dot_tile *x, bool back)
{
    lp_kernel *p = x->t.b->k;
    tile_place at = tile_open(&x->t, 0, x->t.rows);
    const lp_expr in_group[4] = {x->slot, at.row, at.vector, at.lane}, *in_tile = in_group + 1;

    if (back)
        lp_store(p, x->t.acc, in_tile, lp_load(p, x->sums, in_group));
    else
        lp_store(p, x->sums, in_group, tile_sum(&x->t, &at));
    tile_close(&x->t, &at);
}

/* Adds a part of k to the sums of a deep product's tile. */
static void compute_part(const dot_tile *x)
{
    lp_kernel *p = x->t.b->k;
    lp_expr k;

    lp_if(p, lp_lt(p, lp_int(p, 0), x->begin));
    move_sums(x, true);
    lp_end(p);
    int open = part_loops(x, &k);
    add_products(x, k, lp_int(p, 0));
    while (open--)
        lp_end(p);
    move_sums(x, false);
}

/* Fetches what the results are made of besides the sums: it comes while these are made. */
static void fetch_operands(const dot_tile *x)
{
    lp_kernel *p = x->t.b->k;
    int nr = schedule_panel(&x->d->s);
    lp_expr out[IR_MAX_RANK], column = lp_mul(p, x->t.panel, lp_int(p, nr));

    output_index(x, x->m0, column, out);
    if (!job_fetch(x->d->j, x->t.b, out, 0))
        return;
    lp_expr r = lp_for(p, "r", lp_int(p, 0), lp_int(p, x->t.rows));
    output_index(x, lp_add(p, x->m0, r), column, out);
    job_fetch(x->d->j, x->t.b, out, nr);
    lp_end(p);
}

static void compute_tile(dot_tile *x, lp_expr m0, int rows)
{
    x->m0 = m0;
    if (x->t.rolled && x->d->s.deep) {
        x->t.rows = rows;
        store_results(x);
        return;
    }
    tile_make(&x->t, rows);
    if (x->d->s.deep) {
        compute_part(x);
        return;
    }
    fetch_operands(x);
    add_all(x);
    if (x->t.rolled)
        move_sums(x, false);
    store_results(x);
}

/* Rows of block i where their count is a constant: whole tiles and a rest. */
static void const_rows(dot_tile *x, int64_t m, lp_expr i)
{
    lp_kernel *p = x->t.b->k;
    int mr = x->d->s.rows, rest = (int)(m % mr);
    lp_expr m0 = lp_mul(p, i, lp_int(p, mr));

    if (!rest) {
        compute_tile(x, m0, mr);
        return;
    }
    lp_if(p, lp_lt(p, i, lp_int(p, m / mr)));
    compute_tile(x, m0, mr);
    lp_else(p);
    compute_tile(x, m0, rest);
    lp_end(p);
}

/* The same for a run-time count: the last block ends with a tile that repeats
 * some of its rows; fewer rows than a tile go one by one. */
static void symbolic_rows(dot_tile *x, lp_expr m, lp_expr i)
{
    lp_kernel *p = x->t.b->k;
    lp_expr mr = lp_int(p, x->d->s.rows), m0 = lp_mul(p, i, mr);
    lp_expr next = lp_add(p, m0, mr);

    lp_if(p, lp_le(p, mr, m));
    compute_tile(x, m0, x->d->s.rows);
    lp_expr more = lp_lt(p, next, m);
    lp_if(p, lp_and(p, more, lp_lt(p, m, lp_add(p, next, mr))));
    compute_tile(x, lp_sub(p, m, mr), x->d->s.rows);
    lp_end(p);
    lp_else(p);
    lp_expr row = lp_loop(p, LP_FOR, "row", lp_int(p, 0), m, 1);
    compute_tile(x, row, 1);
    lp_end(p);
    lp_end(p);
}

/* 0 where it is made for the panel at hand. */
static lp_buf b_buffer(const dot *d, body *b, ir_dim panels)
{
    if (d->source == DOT_OWN)
        return 0;
    return d->source == DOT_PLACE ? dot_b_buffer(d, b) : dot_panels(d, b, panels);
}

/* The block of rows to compute: loops over batch, panels of B and all blocks, or
 * a group of blocks at a time.  Opens as many loops as it returns. */
static int block_loops(dot_tile *x, ir_dim panels, ir_dim blocks, lp_expr *block)
{
    lp_kernel *p = x->t.b->k;
    dim_table *t = &x->d->j->l->m->dims;
    int64_t group = x->d->s.group;
    lp_expr zero = lp_int(p, 0), batch = body_dim(x->t.b, x->d->batch);
    lp_expr wide = body_dim(x->t.b, panels), all = body_dim(x->t.b, blocks), v[4];

    if (x->d->source == DOT_OWN) {
        lp_par(p, 2, (const char *[]){"b", "p"}, LP(zero, zero), LP(batch, wide), NULL, v);
        x->batch = v[0], x->t.panel = v[1];
        x->bbuf = dot_own_panel(x->d, x->t.b, v[0], v[1]);
        *block = lp_for(p, "m", zero, all);
        if (dim_const(t, blocks, &x->blocks))
            x->nth = *block;
        return 2;
    }
    if (!group) {
        lp_par(p, 3, (const char *[]){"b", "p", "m"}, LP(zero, zero, zero), LP(batch, wide, all),
               NULL, v);
        x->batch = v[0], x->t.panel = v[1], *block = v[2];
        return 1;
    }
    lp_expr many = lp_int(p, group);
    lp_expr groups = body_dim(x->t.b, dim_ceildiv(t, blocks, dim_int(t, group)));
    lp_par(p, 4, (const char *[]){"b", "g", "p", "m"}, LP(zero, zero, zero, zero),
           LP(batch, groups, wide, many), NULL, v);
    x->batch = v[0], x->t.panel = v[2], x->nth = v[3];
    *block = lp_add(p, lp_mul(p, v[1], many), v[3]);
    lp_if(p, lp_lt(p, *block, all));
    return 2;
}

/* The blocks of a group in turn, for the part of k at hand or for the results. */
static void each_block(dot_tile *x, int64_t rows, lp_expr group, ir_dim blocks)
{
    lp_kernel *p = x->t.b->k;
    lp_expr many = lp_int(p, x->d->s.group);

    x->slot = x->nth = lp_for(p, "m", lp_int(p, 0), many);
    lp_expr block = lp_add(p, lp_mul(p, group, many), x->nth);
    lp_if(p, lp_lt(p, block, body_dim(x->t.b, blocks)));
    const_rows(x, rows, block);
    lp_end(p);
    lp_end(p);
}

/* All of a deep product: groups of blocks and panels are shared out. */
static void deep_rows(dot_tile *x, int64_t rows, ir_dim panels, ir_dim blocks)
{
    lp_kernel *p = x->t.b->k;
    const schedule *s = &x->d->s;
    dim_table *t = &x->d->j->l->m->dims;
    ir_dim groups = dim_ceildiv(t, blocks, dim_int(t, s->group));
    lp_expr zero = lp_int(p, 0), all = body_dim(x->t.b, x->d->steps), v[3];

    lp_par(p, 3, (const char *[]){"b", "g", "p"}, LP(zero, zero, zero),
           LP(body_dim(x->t.b, x->d->batch), body_dim(x->t.b, groups), body_dim(x->t.b, panels)),
           NULL, v);
    x->batch = v[0], x->t.panel = v[2];
    x->sums = make_sums(x, s->group);
    x->begin = lp_loop(p, LP_FOR, "k0", zero, all, s->deep);
    x->end = lp_min(p, lp_add(p, x->begin, lp_int(p, s->deep)), all);
    each_block(x, rows, v[1], blocks);
    lp_end(p);
    x->t.rolled = true;
    each_block(x, rows, v[1], blocks);
    lp_end(p);
}

/* Operations from the product, or from memory, to an element of r; `most`, if they are more. */
static int64_t ops_behind(const job *j, ir_ref r, int64_t most)
{
    const ir_fn *fn = j->in->fn;
    const ir_node *n = ir_node_of(fn, r);
    int64_t ops = cost_of_node(n);

    if (n == j->root || (r != j->out && lower_is_stored(j->in, r)))
        return 0;
    for (uint32_t i = 0; i < n->narg && ops < most; i++)
        ops += ops_behind(j, ir_arg(fn, n, i), most - ops);
    return min_i64(ops, most);
}

/* Does the group make so much of each sum that the code for a whole tile would be long, with
 * calls of functions for which all sums leave their registers? */
static bool is_costly(const dot *d)
{
    enum { FUNCTION = 16, VECTORS = 8 };    /* a function's cost; so many are written in place */

    return d->s.parts == 1 && d->s.rows * d->s.vectors > VECTORS &&
           ops_behind(d->j, d->j->out, FUNCTION) == FUNCTION;
}

/* Of a run-time number of rows, `blocks` leaves out the last one that is not whole:
 * symbolic_rows computes its rows with the block before. */
bool dot_kernel(dot *d)
{
    body b;
    dim_table *t = &d->j->l->m->dims;
    ir_dim panels = dim_ceildiv(t, d->n, dim_int(t, schedule_panel(&d->s)));
    ir_dim mr = dim_int(t, d->s.rows), blocks = dim_ceildiv(t, d->m, mr);
    dot_tile x = {.t = {.j = d->j, .b = &b, .s = &d->s, .sums = d->acc, .together = d->together,
                        .whole = d->s.deep, .columns = d->n},
                  .d = d};
    int64_t rows;
    lp_expr block;

    if (!dim_const(t, d->m, &rows)) {
        ir_dim whole = dim_div(t, d->m, mr);
        blocks = dim_max(t, whole, dim_min(t, d->m, dim_int(t, 1)));
    }
    job_kernel(d->j, &b, "dot");
    b.k->schedule = d->s;
    x.abuf = dot_a_buffer(d, &b);
    x.bbuf = b_buffer(d, &b, panels);
    x.scale = d->scaled ? body_const(&b, d->scale) : 0;
    if (d->s.deep) {
        dim_const(t, d->m, &rows);
        deep_rows(&x, rows, panels, blocks);
        return job_end(d->j, &b);
    }
    int open = block_loops(&x, panels, blocks, &block);
    x.t.rolled = is_costly(d);
    if (x.t.rolled)
        x.slot = lp_int(b.k, 0), x.sums = make_sums(&x, 1);
    if (dim_const(t, d->m, &rows))
        const_rows(&x, rows, block);
    else
        symbolic_rows(&x, body_dim(&b, d->m), block);
    while (open--)
        lp_end(b.k);
    return job_end(d->j, &b);
}
