/* codegen/lower/dot_tile.c - matrix products: register tiles.
 *
 * A tile of MR rows by NR columns runs over all of k.  Where there is one row
 * the accumulators are too few to hide the latency of a multiply-add, and each
 * is split over k.  The last tile of a run-time number of rows overlaps the
 * one before. */
#include "dot.h"

enum {
    MIN_CHAINS = 8,             /* independent sums that keep the units busy */
    MIN_BLOCKS = 4,             /* row blocks that share a panel of B */
};

typedef struct tile {
    const dot *d;
    body *b;
    lp_buf abuf, bbuf, scale, acc;
    lp_expr batch, m0, panel;
    lp_expr nth;                /* of the blocks that share the panel in the cache; 0: all do */
    int rows, parts;            /* parts: sums of an element, over k mod parts */
} tile;

static lp_expr a_value(const tile *x, lp_expr r, lp_expr k)
{
    lp_expr row = lp_add(x->b->k, x->m0, r);

    lp_expr v = x->abuf ? lp_load(x->b->k, x->abuf, LP(x->batch, row, k))
                        : dot_a(x->d, x->b, x->batch, row, k);
    return lp_cast(x->b->k, x->d->acc, v);
}

static bool whole_panels(const dot *d)
{
    int64_t n;

    return dim_const(&d->j->l->m->dims, d->n, &n) && n % (d->nv * d->lanes) == 0;
}

/* B's element in column c of the panel. */
static lp_expr b_value(const tile *x, lp_expr k, lp_expr c)
{
    const dot *d = x->d;
    lp_kernel *p = x->b->k;
    lp_expr idx[IR_MAX_RANK];

    if (d->source == DOT_PACKED)
        return lp_cast(p, d->acc, lp_load(p, x->bbuf, LP(x->panel, k, c)));
    if (d->source == DOT_TEMP)
        return lp_cast(p, d->acc, lp_load(p, x->bbuf, LP(x->batch, x->panel, k, c)));
    lp_expr column = lp_add(p, lp_mul(p, x->panel, lp_int(p, d->nv * d->lanes)), c);
    body_split(x->b, x->batch, d->tb, d->at->batch_b.at, d->at->batch_b.n, idx);
    body_split(x->b, k, d->tb, d->at->sum_b.at, d->at->sum_b.n, idx);
    idx[d->fb.at[0]] = column;
    return lp_cast(p, d->acc, whole_panels(d) ? lp_load(p, x->bbuf, idx)
                       : lp_load_if(p, x->bbuf, idx, lp_lt(p, column, body_dim(x->b, d->n))));
}

/* Adds the products at k to part s.  Rows outside, columns inside: one
 * broadcast is live at a time. */
static void add_products(const tile *x, lp_expr k, lp_expr s)
{
    const dot *d = x->d;
    lp_kernel *p = x->b->k;
    lp_expr zero = lp_int(p, 0), lanes = lp_int(p, d->lanes);
    lp_expr r = lp_unroll(p, "r", x->rows);
    lp_expr q = lp_unroll(p, "q", d->nv);
    lp_expr v = lp_vec(p, "v", zero, lanes, d->lanes, LP_EXACT);
    lp_expr av = a_value(x, r, k);
    lp_expr bv = b_value(x, k, lp_add(p, lp_mul(p, q, lanes), v));
    const lp_expr at[3] = {lp_add(p, lp_mul(p, s, lp_int(p, x->rows)), r), q, v};
    lp_expr old = lp_load(p, x->acc, at);

    lp_store(p, x->acc, at, dt_is_float(d->acc) ? lp_fma(p, av, bv, old)
                                                : lp_add(p, old, lp_mul(p, av, bv)));
    for (int i = 0; i < 3; i++)
        lp_end(p);
}

/* Fetches row k of a panel of B. */
static void fetch_row(const tile *x, lp_expr panel, lp_expr k)
{
    const dot *d = x->d;
    lp_kernel *p = x->b->k;
    lp_expr zero = lp_int(p, 0);

    lp_prefetch_row(p, x->bbuf,
                    d->source == DOT_PACKED ? LP(panel, k, zero) : LP(x->batch, panel, k, zero),
                    d->nv * d->lanes);
}

/* Panels are streams that tiles of long vectors read faster than the processor
 * foresees. */
static bool fetches_ahead(const tile *x)
{
    enum { LONG = 64, FEWEST_ROWS = 4 };

    return x->d->source != DOT_PLACE && x->rows >= FEWEST_ROWS &&
           x->d->j->l->target->vector_bytes >= LONG;
}

/* Opens the loops over k by `step` up to `end`; returns how many.  Where a group of
 * row blocks shares the panel, they bring the next one to the cache, a row of it
 * for every BLOCK of this one. */
static int k_loops(const tile *x, lp_expr end, int step, lp_expr *k)
{
    enum { BLOCK = 16, DISTANCE = 1024 };
    lp_kernel *p = x->b->k;
    lp_expr begin = lp_int(p, 0);
    int64_t all;
    int open = 1, row = x->d->nv * x->d->lanes * dt_size(p->buf.at[x->bbuf].dtype);
    bool ahead = fetches_ahead(x);

    if (ahead && x->nth && step == 1 && lp_is_int(p, end, &all) && all % BLOCK == 0) {
        begin = lp_loop(p, LP_FOR, "block", begin, end, BLOCK);
        end = lp_add(p, begin, lp_int(p, BLOCK));
        lp_expr done = lp_mul(p, x->nth, lp_int(p, all / BLOCK));
        lp_expr next = lp_add(p, x->panel, lp_int(p, 1));
        fetch_row(x, next, lp_add(p, done, lp_div(p, begin, lp_int(p, BLOCK))));
        open++;
    }
    *k = lp_loop(p, LP_FOR, "k", begin, end, step);
    if (ahead)
        fetch_row(x, x->panel, lp_add(p, *k, lp_int(p, (DISTANCE + row - 1) / row)));
    return open;
}

static void add_all(const tile *x)
{
    lp_kernel *p = x->b->k;
    lp_expr end = body_dim(x->b, x->d->k), parts = lp_int(p, x->parts), k;
    lp_expr whole = lp_mul(p, lp_div(p, end, parts), parts);
    int open = k_loops(x, whole, x->parts, &k);
    lp_expr s = lp_unroll(p, "s", x->parts);

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

/* The sum of all parts, in pairs, times B's scale. */
static lp_expr total(const tile *x, lp_expr r, lp_expr q, lp_expr v)
{
    lp_kernel *p = x->b->k;
    lp_expr part[MIN_CHAINS];

    for (int s = 0; s < x->parts; s++)
        part[s] = lp_load(p, x->acc, LP(lp_add(p, r, lp_int(p, s * x->rows)), q, v));
    for (int n = x->parts; n > 1; n /= 2)
        for (int s = 0; s < n / 2; s++)
            part[s] = lp_add(p, part[2 * s], part[2 * s + 1]);
    if (!x->scale)
        return part[0];
    lp_expr column = lp_add(p, lp_mul(p, q, lp_int(p, x->d->lanes)), v);
    lp_expr factor = lp_load(p, x->scale, LP(x->panel, lp_int(p, 0), column));
    return lp_mul(p, part[0], lp_cast(p, x->d->acc, factor));
}

static void output_index(const tile *x, lp_expr row, lp_expr column, lp_expr *out)
{
    const dot *d = x->d;
    lp_expr by[IR_MAX_RANK], ay[IR_MAX_RANK], ny[IR_MAX_RANK];
    int o = 0;

    body_split(x->b, x->batch, d->ta, d->at->batch_a.at, d->at->batch_a.n, by);
    body_split(x->b, row, d->ta, d->fa.at, d->fa.n, ay);
    body_split(x->b, column, d->tb, d->fb.at, d->fb.n, ny);
    for (int i = 0; i < d->at->batch_a.n; i++)
        out[o++] = by[d->at->batch_a.at[i]];
    for (int i = 0; i < d->fa.n; i++)
        out[o++] = ay[d->fa.at[i]];
    for (int i = 0; i < d->fb.n; i++)
        out[o++] = ny[d->fb.at[i]];
}

static void store_results(const tile *x)
{
    const dot *d = x->d;
    lp_kernel *p = x->b->k;
    lp_expr out[IR_MAX_RANK], lanes = lp_int(p, d->lanes), zero = lp_int(p, 0);
    lp_expr col0 = lp_mul(p, x->panel, lp_int(p, d->nv * d->lanes));
    bool exact = whole_panels(d);

    lp_expr r = lp_unroll(p, "r", x->rows);
    lp_expr q = lp_unroll(p, "q", d->nv);
    lp_expr first = lp_add(p, col0, lp_mul(p, q, lanes));
    lp_expr left = lp_min(p, lp_sub(p, body_dim(x->b, d->n), first), lanes);
    lp_expr v = lp_vec(p, "v", zero, exact ? lanes : lp_max(p, left, zero), d->lanes,
                       exact ? LP_EXACT : LP_MASKED);
    lp_expr row = lp_add(p, x->m0, r);
    output_index(x, row, lp_add(p, first, v), out);
    job_store(d->j, x->b, out, total(x, r, q, v));
    for (int i = 0; i < 3; i++)
        lp_end(p);
}

static void make_tile(tile *x, lp_expr m0, int rows)
{
    const dot *d = x->d;
    lp_kernel *p = x->b->k;
    lp_expr zero = dt_is_float(d->acc) ? lp_const_flt(p, d->acc, 0) : lp_const_int(p, d->acc, 0);
    lp_expr dims[3];

    x->m0 = m0;
    x->rows = rows;
    for (x->parts = 1; x->parts * rows * d->nv < MIN_CHAINS; x->parts *= 2)
        ;
    dims[0] = lp_int(p, x->parts * rows);
    dims[1] = lp_int(p, d->nv);
    dims[2] = lp_int(p, d->lanes);
    x->acc = lp_local(p, "acc", d->acc, 3, dims, LP_REG, zero);
    add_all(x);
    store_results(x);
}

/* Rows of block i where their count is a constant: whole tiles and a rest. */
static void const_rows(tile *x, int64_t m, lp_expr i)
{
    lp_kernel *p = x->b->k;
    int mr = x->d->mr, rest = (int)(m % mr);
    lp_expr m0 = lp_mul(p, i, lp_int(p, mr));

    if (!rest) {
        make_tile(x, m0, mr);
        return;
    }
    lp_if(p, lp_lt(p, i, lp_int(p, m / mr)));
    make_tile(x, m0, mr);
    lp_else(p);
    make_tile(x, m0, rest);
    lp_end(p);
}

/* The same for a run-time count: the last block ends with a tile that repeats
 * some of its rows; fewer rows than a tile go one by one. */
static void symbolic_rows(tile *x, lp_expr m, lp_expr i)
{
    lp_kernel *p = x->b->k;
    lp_expr mr = lp_int(p, x->d->mr), m0 = lp_mul(p, i, mr);
    lp_expr next = lp_add(p, m0, mr);

    lp_if(p, lp_le(p, mr, m));
    make_tile(x, m0, x->d->mr);
    lp_expr more = lp_lt(p, next, m);
    lp_if(p, lp_and(p, more, lp_lt(p, m, lp_add(p, next, mr))));
    make_tile(x, lp_sub(p, m, mr), x->d->mr);
    lp_end(p);
    lp_else(p);
    lp_expr row = lp_loop(p, LP_FOR, "row", lp_int(p, 0), m, 1);
    make_tile(x, row, 1);
    lp_end(p);
    lp_end(p);
}

static lp_buf b_buffer(const dot *d, body *b, ir_dim panels)
{
    if (d->source == DOT_PACKED)
        return body_const(b, d->packed);
    if (d->source == DOT_TEMP)
        return dot_panels(d, b, panels, false);
    return body_source(b, d->b);
}

/* Blocks of rows that all panels meet before the next: so many that A's rows
 * stay in half of the L2 cache beside a panel of B; 0 is all of them.
 * Without it a long A comes from further away once for each panel.  Groups are
 * even, for threads share them out. */
static int rows_at_a_time(const dot *d)
{
    const dim_table *t = &d->j->l->m->dims;
    int64_t m, k, share = d->j->l->target->l2_bytes / 2;

    if (!dim_const(t, d->m, &m) || !dim_const(t, d->k, &k) || m < 1 || k < 1)
        return 0;
    int64_t row = min_i64(k, share) * dt_size(d->ta->dtype);
    int64_t most = max_i64(share / row / d->mr, MIN_BLOCKS);
    int64_t blocks = (m + d->mr - 1) / d->mr, groups = (blocks + most - 1) / most;
    return groups <= 2 ? 0 : (int)((blocks + groups - 1) / groups);
}

/* The block of rows to compute: loops over batch, panels of B and all blocks, or
 * a group of blocks at a time.  Opens as many loops as it returns. */
static int tile_loops(tile *x, ir_dim panels, ir_dim blocks, lp_expr *block)
{
    lp_kernel *p = x->b->k;
    dim_table *t = &x->d->j->l->m->dims;
    int64_t group = rows_at_a_time(x->d);
    lp_expr zero = lp_int(p, 0), batch = body_dim(x->b, x->d->batch);
    lp_expr wide = body_dim(x->b, panels), all = body_dim(x->b, blocks), v[4];

    if (!group) {
        lp_par(p, 3, (const char *[]){"b", "p", "m"}, LP(zero, zero, zero), LP(batch, wide, all),
               NULL, v);
        x->batch = v[0], x->panel = v[1], *block = v[2];
        return 1;
    }
    lp_expr many = lp_int(p, group);
    lp_expr groups = body_dim(x->b, dim_ceildiv(t, blocks, dim_int(t, group)));
    lp_par(p, 4, (const char *[]){"b", "g", "p", "m"}, LP(zero, zero, zero, zero),
           LP(batch, groups, wide, many), NULL, v);
    x->batch = v[0], x->panel = v[2], x->nth = v[3];
    *block = lp_add(p, lp_mul(p, v[1], many), v[3]);
    lp_if(p, lp_lt(p, *block, all));
    return 2;
}

bool dot_kernel(dot *d)
{
    body b;
    dim_table *t = &d->j->l->m->dims;
    ir_dim panels = dim_ceildiv(t, d->n, dim_int(t, d->nv * d->lanes));
    ir_dim mr = dim_int(t, d->mr), blocks = dim_ceildiv(t, d->m, mr);
    tile x = {.d = d, .b = &b};
    int64_t rows;
    lp_expr block;

    if (!dim_const(t, d->m, &rows)) {
        ir_dim whole = dim_div(t, d->m, mr);
        blocks = dim_max(t, whole, dim_min(t, d->m, dim_int(t, 1)));
    }
    job_kernel(d->j, &b, "dot");
    if (d->copied)
        x.abuf = dot_a_buffer(d, &b, false);
    x.bbuf = b_buffer(d, &b, panels);
    x.scale = d->scaled ? body_const(&b, d->scale) : 0;
    int open = tile_loops(&x, panels, blocks, &block);
    if (dim_const(t, d->m, &rows))
        const_rows(&x, rows, block);
    else
        symbolic_rows(&x, body_dim(&b, d->m), block);
    while (open--)
        lp_end(b.k);
    return job_end(d->j, &b);
}
