/* codegen/lower/dot_strips.c - matrix products: A copied into strips of a tile's rows.
 *
 * The gradient of weights sums over the rows of a batch, out[m, n] = sum over k of
 * x[k, m] * dy[k, n]: rows of a tile are neighbours in memory, and each k lies a whole row
 * of x further.  Where x is larger than the cache, a tile that reads a few elements of
 * every line has lost the lines before the next tile reads what else is in them, the more
 * so where lines a power of two apart take each other's place.  Strips [batch, M / MR, K,
 * MR] are read in one stream; they are filled from a few rows of x at a time.  Where x is
 * read too few times for that to pay, tiles fetch their elements of it some k ahead. */
#include "dot.h"

enum { CHUNK = 8, BLOCK = 32 };     /* of k, and strips, at a time */

/* Told by the text of a trial kernel: of the first two rows, for an axis of them may be
 * several in memory. */
static bool rows_are_near(const dot *d)
{
    body b;

    job_kernel(d->j, &b, "trial");
    lp_expr zero = lp_int(b.k, 0);
    lp_expr row = lp_for(b.k, "m", zero, lp_int(b.k, 2));
    lp_expr k = lp_for(b.k, "k", zero, body_dim(&b, d->k));
    lp_expr x = dot_a(d, &b, zero, row, k);
    bool near = turn_is_near(b.k, x, row) && !turn_is_near(b.k, x, k);
    lp_end(b.k);
    lp_end(b.k);
    body_free(&b);
    return near;
}

/* Has a tile lost the lines of which it reads a few elements before the next one reads
 * what else is in them? */
static bool loses_lines(const dot *d)
{
    lower *l = d->j->l;
    dim_table *t = &l->m->dims;
    int64_t rows, bytes = dim_hint(t, dim_mul(t, d->m, d->k)) * dt_size(d->ta->dtype);

    return !d->together && dim_const(t, d->m, &rows) && bytes > schedule_cache(l->target) &&
           rows_are_near(d);
}

dot_far dot_far_rows(const dot *d)
{
    enum { PANELS = 3 };        /* of B, for each of which A is read */
    dim_table *t = &d->j->l->m->dims;

    if (!loses_lines(d))
        return DOT_NEAR;
    return dim_hint(t, d->n) > (PANELS - 1) * schedule_panel(&d->s) ? DOT_STRIPS : DOT_FETCHED;
}

static ir_dim strips(const dot *d)
{
    dim_table *t = &d->j->l->m->dims;

    return dim_ceildiv(t, d->m, dim_int(t, d->s.rows));
}

lp_buf dot_strips(const dot *d, body *b, bool written)
{
    lp_expr dims[4];

    dims[0] = body_dim(b, d->batch);
    dims[1] = body_dim(b, strips(d));
    dims[2] = body_dim(b, d->k);
    dims[3] = lp_int(b->k, d->s.rows);
    return body_temp(b, d->a_temp, d->ta->dtype, 4, dims, written);
}

/* The kernel at work on some strips, whose rows lie in the scratch `row`, [CHUNK, BLOCK *
 * MR], for the k of a chunk. */
typedef struct strip_copy {
    const dot *d;
    body b;
    lp_buf to, row;
    int64_t rows;                   /* of all strips */
    lp_expr batch, chunk, count;    /* k of the chunk: CHUNK, or fewer in the last */
    lp_expr block;                  /* number of the strips at hand */
} strip_copy;

/* Opens the loops over the block's rows, up to `end`: by whole vectors where all of them
 * are, for it shows then that no vector crosses from one axis of rows to the next. */
static lp_expr each_row(strip_copy *x, lp_expr end, int *open)
{
    lp_kernel *p = x->b.k;
    int lanes = x->d->s.lanes;
    lp_expr zero = lp_int(p, 0), width = lp_int(p, lanes);

    *open = 1 + (x->rows % lanes == 0);
    if (*open == 1)
        return lp_vec(p, "j", zero, end, lanes, LP_MASKED);
    lp_expr u = lp_for(p, "u", zero, lp_div(p, end, width));
    lp_expr v = lp_vec(p, "v", zero, width, lanes, LP_EXACT);
    return lp_add(p, lp_mul(p, u, width), v);
}

/* row[i, j] = the block's row j at the chunk's k i. */
static void read_rows(strip_copy *x)
{
    lp_kernel *p = x->b.k;
    int64_t most = (int64_t)BLOCK * x->d->s.rows;
    lp_expr first = lp_mul(p, x->block, lp_int(p, most));
    lp_expr i = lp_for(p, "k", lp_int(p, 0), x->count);
    lp_expr end = lp_min(p, lp_sub(p, lp_int(p, x->rows), first), lp_int(p, most));
    int open;
    lp_expr j = each_row(x, end, &open);
    lp_expr k = lp_add(p, lp_mul(p, x->chunk, lp_int(p, CHUNK)), i);

    lp_store(p, x->row, LP(i, j), dot_a(x->d, &x->b, x->batch, lp_add(p, first, j), k));
    for (open++; open--;)
        lp_end(p);
}

/* The first rows of a strip from the scratch to its place. */
static void write_strip(strip_copy *x, lp_expr strip, int64_t rows)
{
    lp_kernel *p = x->b.k;
    lp_expr nth = lp_sub(p, strip, lp_mul(p, x->block, lp_int(p, BLOCK)));
    lp_expr i = lp_for(p, "k", lp_int(p, 0), x->count), r = lp_unroll(p, "r", (int)rows);
    lp_expr k = lp_add(p, lp_mul(p, x->chunk, lp_int(p, CHUNK)), i);
    lp_expr at = lp_add(p, lp_mul(p, nth, lp_int(p, x->d->s.rows)), r);

    lp_store(p, x->to, LP(x->batch, strip, k, r), lp_load(p, x->row, LP(i, at)));
    lp_end(p);
    lp_end(p);
}

/* The strips of one block; the last one may have fewer rows. */
static void write_strips(strip_copy *x)
{
    lp_kernel *p = x->b.k;
    int mr = x->d->s.rows;
    lp_expr whole = lp_int(p, x->rows / mr), first = lp_mul(p, x->block, lp_int(p, BLOCK));
    lp_expr end = lp_min(p, lp_add(p, first, lp_int(p, BLOCK)), whole);

    write_strip(x, lp_for(p, "s", first, end), mr);
    lp_end(p);
    if (x->rows % mr) {
        lp_if(p, lp_lt(p, whole, lp_add(p, first, lp_int(p, BLOCK))));
        write_strip(x, whole, x->rows % mr);
        lp_end(p);
    }
}

static bool fill_strips(dot *d)
{
    dim_table *t = &d->j->l->m->dims;
    ir_dim chunks = dim_ceildiv(t, d->k, dim_int(t, CHUNK));
    strip_copy x = {.d = d};
    lp_expr v[2];

    dim_const(t, d->m, &x.rows);
    job_kernel(d->j, &x.b, "strips");
    lp_kernel *p = x.b.k;
    x.to = dot_strips(d, &x.b, true);
    int open = body_loops(&x.b, (ir_dim[]){d->batch, chunks}, 2, v);
    x.batch = v[0], x.chunk = v[1];
    lp_expr left = lp_sub(p, body_dim(&x.b, d->k), lp_mul(p, v[1], lp_int(p, CHUNK)));
    x.count = lp_min(p, left, lp_int(p, CHUNK));
    x.row = lp_local(p, "row", d->ta->dtype, 2,
                     LP(lp_int(p, CHUNK), lp_int(p, (int64_t)BLOCK * d->s.rows)), LP_ROW, 0);
    ir_dim blocks = dim_ceildiv(t, strips(d), dim_int(t, BLOCK));
    x.block = lp_for(p, "b", lp_int(p, 0), body_dim(&x.b, blocks));
    read_rows(&x);
    write_strips(&x);
    for (open++; open--;)
        lp_end(p);
    return job_end(d->j, &x.b);
}

bool dot_copy_strips(dot *d)
{
    dim_table *t = &d->j->l->m->dims;
    ir_dim elements = dim_mul(t, dim_mul(t, d->batch, dim_mul(t, strips(d), d->k)),
                              dim_int(t, d->s.rows));

    d->a_temp = job_temp(d->j, dim_mul(t, elements, dim_int(t, dt_size(d->ta->dtype))));
    return fill_strips(d);
}
