/* codegen/lower/winograd_taps.c - Winograd's algorithm along one axis, and the numbers that
 * taps become: as a link of constant weights' chain, or by a kernel where only the run knows
 * the weights. */
#include "winograd_taps.h"

#include "const.h"

enum { TAPS = WINOGRAD_TAPS };

/* A product is a polynomial's value at a point.  The points 0, 1, -1 and infinity are
 * exact.  For 4 results there are 0, +-a, +-b and infinity with a = 1 / sqrt(2) and
 * b = sqrt(2): the rounding errors are a third of those with 1 and 2. */
#define A 0.70710678118654752440
#define B 1.41421356237309504880
static const winograd_form forms[] = {
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

const winograd_form *winograd_form_of(int square)
{
    return square == forms[0].square ? &forms[0] : &forms[1];
}

/* The weights' transform in two dimensions as one matrix [reach^2, 9]: row (i, j)
 * is the outer product of rows i and j of `taps`. It is a link of the weights'
 * chain. */
uint32_t winograd_matrix(ir_module *m, int square)
{
    const winograd_form *f = winograd_form_of(square);
    float e[WINOGRAD_REACH * WINOGRAD_REACH * TAPS * TAPS], *to = e;
    int n = f->reach * f->reach;

    for (int p = 0; p < n; p++)
        for (int t = 0; t < TAPS * TAPS; t++)
            *to++ = (float)(f->taps[p / f->reach][t / TAPS] * f->taps[p % f->reach][t % TAPS]);
    const ir_dim shape[2] = {dim_int(&m->dims, n), dim_int(&m->dims, TAPS * TAPS)};
    return const_copy_val(m, type_tensor(&m->types, DT_F32, 2, shape), e);
}

lp_expr winograd_weighted(lp_kernel *k, const double *row, const lp_expr *x, int n)
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

lp_buf winograd_local(lp_kernel *k, const char *name, int rows, int columns, int lanes)
{
    return lp_local(k, name, DT_F32, 3, LP(lp_int(k, rows), lp_int(k, columns), lp_int(k, lanes)),
                    LP_ROW, 0);
}

lp_expr winograd_vectors(const conv *c, lp_kernel *k, int extent)
{
    int lanes = (int)min_i64(extent, lanes_of(c->j->l, DT_F32));

    return lp_vec(k, "v", lp_int(k, 0), lp_int(k, extent), lanes, LP_EXACT);
}

/* ---- weights that only the run knows -------------------------------------------------- */

ir_dim winograd_panels(const conv *c)
{
    dim_table *t = &c->j->l->m->dims;

    return dim_ceildiv(t, conv_extent(c, conv_channels(c), c->ty),
                       dim_int(t, schedule_panel(&c->s)));
}

lp_buf winograd_weights(const conv *c, body *b, bool write)
{
    int reach = winograd_form_of(c->s.square)->reach;
    const lp_expr dims[5] = {lp_int(b->k, 1), body_dim(b, winograd_panels(c)),
                             lp_int(b->k, reach * reach),
                             body_dim(b, conv_extent(c, c->at->wf, c->tw)),
                             lp_int(b->k, schedule_panel(&c->s))};

    return c->packed ? body_const(b, c->weights)
                     : body_temp(b, c->weights, DT_F32, 5, dims, write);
}

/* Copies the taps of a feature, of all channels of a panel; those behind the last repeat it. */
static void copy_taps(const conv *c, body *b, lp_expr panel, lp_expr feature, lp_buf to)
{
    lp_kernel *k = b->k;
    int wide = schedule_panel(&c->s);
    ir_dim channels = conv_extent(c, conv_channels(c), c->ty);
    lp_expr zero = lp_int(k, 0), i = lp_for(k, "c", zero, lp_int(k, wide));
    lp_expr channel = lp_add(k, lp_mul(k, panel, lp_int(k, wide)), i);
    lp_expr first = lp_mul(k, feature, lp_int(k, TAPS * TAPS));

    channel = lp_min(k, channel, lp_sub(k, body_dim(b, channels), lp_int(k, 1)));
    for (int t = 0; t < TAPS * TAPS; t++)
        lp_store(k, to, LP(lp_int(k, t / TAPS), lp_int(k, t % TAPS), i),
                 conv_weight(c, b, zero, lp_add(k, first, lp_int(k, t)), channel));
    lp_end(k);
}

/* Turns columns of taps [3, 3, channels] to [reach, 3, channels], or rows of these to
 * numbers of a panel. */
static void turn_taps(const conv *c, lp_kernel *k, lp_buf from, lp_buf to, lp_expr panel,
                      lp_expr feature)
{
    const winograd_form *f = winograd_form_of(c->s.square);
    lp_expr zero = lp_int(k, 0), d[TAPS];
    lp_expr i = lp_for(k, "i", zero, lp_int(k, panel ? f->reach : TAPS));
    lp_expr wide = lp_int(k, schedule_panel(&c->s));
    lp_expr v = lp_vec(k, "v", zero, wide, c->s.lanes, LP_EXACT);
    lp_expr first = lp_mul(k, i, lp_int(k, f->reach));

    for (int t = 0; t < TAPS; t++) {
        lp_expr at = lp_int(k, t);
        d[t] = lp_let(k, "d", lp_load(k, from, panel ? LP(i, at, v) : LP(at, i, v)));
    }
    for (int r = 0; r < f->reach; r++) {
        lp_expr y = winograd_weighted(k, f->taps[r], d, TAPS), at = lp_int(k, r);
        if (panel)
            lp_store(k, to, LP(zero, panel, lp_add(k, first, at), feature, v), y);
        else
            lp_store(k, to, LP(at, i, v), y);
    }
    lp_end(k);
    lp_end(k);
}

bool winograd_turn_weights(conv *c)
{
    body b;
    lp_expr v[2];
    dim_table *t = &c->j->l->m->dims;
    int reach = winograd_form_of(c->s.square)->reach, wide = schedule_panel(&c->s);
    ir_dim panels = winograd_panels(c), features = conv_extent(c, c->at->wf, c->tw);
    int64_t bytes = (int64_t)reach * reach * wide * dt_size(DT_F32);

    c->weights = job_temp(c->j, dim_mul(t, dim_mul(t, panels, features), dim_int(t, bytes)));
    job_kernel(c->j, &b, "taps");
    lp_buf to = winograd_weights(c, &b, true);
    int open = body_loops(&b, (ir_dim[]){panels, features}, 2, v);
    lp_buf taps = winograd_local(b.k, "taps", TAPS, TAPS, wide);
    lp_buf columns = winograd_local(b.k, "columns", reach, TAPS, wide);
    copy_taps(c, &b, v[0], v[1], taps);
    turn_taps(c, b.k, taps, columns, 0, 0);
    turn_taps(c, b.k, columns, to, v[0], v[1]);
    while (open--)
        lp_end(b.k);
    return job_end(c->j, &b);
}
