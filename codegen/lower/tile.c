/* codegen/lower/tile.c - the register tile of products, which dot, conv, its
 * variants and Winograd's products share.
 *
 * A tile has `rows` rows by `vectors` vectors of `lanes` columns of sums, in
 * registers, in one or more parts: part p sums every parts-th product, so that a
 * tile of few rows still has enough chains of additions to keep the units busy.  A
 * template opens tile_open's loops at each step of its sum, gives one element of
 * either operand to tile_products, and behind the sum opens tile_results and
 * stores. */
#include "tile.h"

static lp_expr zero_of(lp_kernel *k, ir_dtype d)
{
    return dt_is_float(d) ? lp_const_flt(k, d, 0) : lp_const_int(k, d, 0);
}

/* The sums, as zeros. */
void tile_make(tile *t, int rows)
{
    const schedule *s = t->s;
    lp_kernel *k = t->b->k;
    lp_expr dims[3];

    t->rows = rows;
    t->parts = t->whole          ? 1
               : rows == s->rows ? s->parts
                                 : schedule_parts(t->j->l->target, t->sums, s, rows);
    dims[0] = lp_int(k, t->parts * rows);
    dims[1] = lp_int(k, s->vectors);
    dims[2] = lp_int(k, s->lanes);
    t->acc = lp_local(k, "acc", t->sums, 3, dims, LP_REG, zero_of(k, t->sums));
}

void tile_close(const tile *t, const tile_place *at)
{
    for (int i = 0; i < at->open; i++)
        lp_end(t->b->k);
}

/* Rows outside, columns inside: one broadcast is live at a time. */
tile_place tile_open(const tile *t, int lo, int hi)
{
    lp_kernel *k = t->b->k;
    tile_place at;

    at.row = lp_loop(k, LP_UNROLL, "r", lp_int(k, lo), lp_int(k, hi), 1);
    at.vector = lp_unroll(k, "q", t->s->vectors);
    at.lane = lp_vec(k, "v", lp_int(k, 0), lp_int(k, t->s->lanes), t->s->lanes, LP_EXACT);
    at.first = lp_mul(k, at.vector, lp_int(k, t->s->lanes));
    at.offset = at.lane;
    at.column = lp_add(k, at.first, at.offset);
    at.open = 3;
    return at;
}

lp_expr tile_whole(const tile *t, lp_expr end)
{
    lp_kernel *k = t->b->k;
    lp_expr parts = lp_int(k, t->parts);

    return lp_mul(k, lp_div(k, end, parts), parts);
}

/* sum[row, vector, lane] += a * b, at the place that tile_open opened and this
 * closes. */
void tile_products(const tile *t, const tile_place *at, lp_expr part, lp_expr a, lp_expr b)
{
    lp_kernel *k = t->b->k;
    lp_expr row = lp_add(k, lp_mul(k, part, lp_int(k, t->rows)), at->row);
    const lp_expr idx[3] = {row, at->vector, at->lane};
    lp_expr old = lp_load(k, t->acc, idx);

    lp_store(k, t->acc, idx, t->together == 4       ? lp_dot4(k, old, a, b)
                             : t->together == 2     ? lp_dot2(k, old, a, b)
                             : dt_is_float(t->sums) ? lp_fma(k, a, b, old)
                                                    : lp_add(k, old, lp_mul(k, a, b)));
    tile_close(t, at);
}

lp_expr tile_ahead(const tile *t, lp_buf panels, lp_expr row)
{
    lp_kernel *k = t->b->k;
    int bytes = schedule_panel(t->s) * dt_size(k->buf.at[panels].dtype);

    return lp_add(k, row, lp_int(k, (t->s->ahead + bytes - 1) / bytes));
}

void tile_fetch(const tile *t, lp_buf panels, const lp_expr *idx)
{
    lp_prefetch_row(t->b->k, panels, idx, schedule_panel(t->s), false);
}

bool tile_is_exact(const tile *t)
{
    int64_t n;

    return dim_const(&t->j->l->m->dims, t->columns, &n) && n % schedule_panel(t->s) == 0;
}

/* Is each vector of the panels whole or, as of the last panel some are, wholly outside? */
static bool vectors_are_whole(const tile *t)
{
    dim_table *d = &t->j->l->m->dims;

    return dim_is(d, dim_mod(d, t->columns, dim_int(d, t->s->lanes)), 0);
}

/* Opens the block of what begins inside, unless all do. */
static void open_inside(const tile *t, tile_place *at)
{
    lp_kernel *k = t->b->k;

    if (!tile_is_exact(t)) {
        lp_if(k, lp_lt(k, at->first, body_dim(t->b, t->columns)));
        at->open++;
    }
}

/* Opens the loop over the lanes of a vector: those whose column, from at->first on,
 * the result has. */
static void open_lanes(const tile *t, tile_place *at)
{
    lp_kernel *k = t->b->k;
    lp_expr zero = lp_int(k, 0), lanes = lp_int(k, t->s->lanes);
    lp_expr left = lp_min(k, lp_sub(k, body_dim(t->b, t->columns), at->first), lanes);
    bool exact = tile_is_exact(t) || vectors_are_whole(t);

    at->offset = lp_vec(k, "v", zero, exact ? lanes : lp_max(k, left, zero), t->s->lanes,
                        exact ? LP_EXACT : LP_MASKED);
    at->lane = at->offset;
    at->open++;
}

/* The same in parts of a vector; the last vector may have fewer of them. */
static void open_parts(const tile *t, tile_place *at)
{
    lp_kernel *k = t->b->k;
    lp_expr size = lp_int(k, t->part);
    lp_expr lane = lp_mul(k, lp_unroll(k, "h", t->s->lanes / t->part), size);

    at->first = lp_add(k, at->first, lane);
    if (!vectors_are_whole(t))
        open_inside(t, at);
    at->offset = lp_vec(k, "v", lp_int(k, 0), size, t->part, LP_EXACT);
    at->lane = lp_add(k, lane, at->offset);
    at->open += 2;
}

static void open_vector(const tile *t, tile_place *at)
{
    lp_kernel *k = t->b->k;
    lp_expr panel = lp_mul(k, t->panel, lp_int(k, schedule_panel(t->s)));

    at->vector = lp_unroll(k, "q", t->s->vectors);
    at->first = lp_add(k, panel, lp_mul(k, at->vector, lp_int(k, t->s->lanes)));
    at->open++;
    if (vectors_are_whole(t))
        open_inside(t, at);
}

/* Rows outside, unless results of one vector lie side by side for all rows
 * (by_vectors). */
tile_place tile_results(const tile *t)
{
    lp_kernel *k = t->b->k;
    tile_place at = {.open = 1};

    if (t->by_vectors)
        open_vector(t, &at);
    at.row = lp_loop(k, t->rolled ? LP_FOR : LP_UNROLL, "r", lp_int(k, 0), lp_int(k, t->rows), 1);
    if (!t->by_vectors)
        open_vector(t, &at);
    if (t->part && t->part < t->s->lanes)
        open_parts(t, &at);
    else
        open_lanes(t, &at);
    at.column = lp_add(k, at.first, at.offset);
    return at;
}

/* In pairs. */
lp_expr tile_sum(const tile *t, const tile_place *at)
{
    lp_kernel *k = t->b->k;
    lp_expr part[SCHEDULE_MAX_PARTS];

    for (int s = 0; s < t->parts; s++) {
        lp_expr row = lp_add(k, at->row, lp_int(k, s * t->rows));
        part[s] = lp_load(k, t->acc, LP(row, at->vector, at->lane));
    }
    for (int n = t->parts; n > 1; n /= 2)
        for (int s = 0; s < n / 2; s++)
            part[s] = lp_add(k, part[2 * s], part[2 * s + 1]);
    return part[0];
}

void tile_store(const tile *t, const tile_place *at, const lp_expr *idx, lp_expr sum)
{
    job_store(t->j, t->b, idx, sum);
    tile_close(t, at);
}
