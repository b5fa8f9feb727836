/* codegen/lower/panel.c - kernels that copy an operand into panels. */
#include "panel.h"

ir_dim panels_count(const panels *p)
{
    dim_table *t = &p->j->l->m->dims;

    return dim_ceildiv(t, p->columns, dim_int(t, schedule_panel(p->s)));
}

static lp_expr place_of(const panels *p, body *b, lp_expr row)
{
    return p->place ? p->place(p->cx, b, row) : row;
}

/* Columns of a panel behind the last one of the operand repeat it, so that nothing
 * outside is read; what they give is never stored. */
static lp_expr last_column(const panels *p, body *b)
{
    return lp_sub(b->k, body_dim(b, p->columns), lp_int(b->k, 1));
}

/* A panel and where it goes: to its place among all of them, or to memory of its own. */
typedef struct panel_at {
    lp_expr outer, panel;       /* of the operand */
    lp_buf to;
    lp_expr into[2];            /* the first two indices in `to` */
} panel_at;

/* ---- as columns lie -------------------------------------------------------------- */

/* One row of a panel that has all its columns, or fewer. */
static void copy_row(const panels *p, body *b, const panel_at *at, lp_expr row)
{
    lp_kernel *k = b->k;
    int nr = schedule_panel(p->s), w = p->s->lanes;
    lp_expr first = lp_mul(k, at->panel, lp_int(k, nr)), zero = lp_int(k, 0), lanes = lp_int(k, w);
    lp_expr place = place_of(p, b, row);

    lp_if(k, lp_le(k, lp_add(k, first, lp_int(k, nr)), body_dim(b, p->columns)));
    lp_expr u = lp_unroll(k, "u", p->s->vectors);
    lp_expr c = lp_vec(k, "c", zero, lanes, w, LP_EXACT);
    c = lp_add(k, lp_mul(k, u, lanes), c);
    lp_store(k, at->to, LP(at->into[0], at->into[1], place, c),
             p->element(p->cx, b, at->outer, row, lp_add(k, first, c)));
    lp_end(k);
    lp_end(k);
    lp_else(k);
    c = lp_for(k, "c", zero, lp_int(k, nr));
    lp_expr column = lp_min(k, lp_add(k, first, c), last_column(p, b));
    lp_store(k, at->to, LP(at->into[0], at->into[1], place, c),
             p->element(p->cx, b, at->outer, row, column));
    lp_end(k);
    lp_end(k);
}

/* Row by row, as neighbours lie; else panel by panel, which stays in the cache.  Rows
 * that change places are not shared out: that they stay apart would not show. */
static int copy_rows(const panels *p, body *b, lp_buf to, bool near)
{
    lp_expr v[2];
    bool by_rows = near && !p->place;
    ir_dim count = panels_count(p);
    int open = body_loops(b, (ir_dim[]){p->outer, by_rows ? p->rows : count}, 2, v);
    lp_expr all = body_dim(b, by_rows ? count : p->rows);
    lp_expr inner = lp_for(b->k, by_rows ? "p" : "r", lp_int(b->k, 0), all);
    lp_expr panel = by_rows ? inner : v[1];

    copy_row(p, b, &(panel_at){v[0], panel, to, {v[0], panel}}, by_rows ? v[1] : inner);
    return open + 1;
}

/* ---- turned ------------------------------------------------------------------------ */

/* Turns `count` rows from `first` on of the vector of columns that begins at `side` in
 * its panel. */
static void turn_rows(const panels *p, body *b, const panel_at *at, lp_expr side, lp_expr first,
                      lp_expr count)
{
    lp_kernel *k = b->k;
    int w = p->s->lanes;
    lp_expr zero = lp_int(k, 0), width = lp_int(k, w), nr = lp_int(k, schedule_panel(p->s));
    lp_buf read = lp_local(k, "read", p->dtype, 2, LP(width, width), LP_ROW, 0);
    lp_buf turned = lp_local(k, "turned", p->dtype, 2, LP(width, width), LP_ROW, 0);
    lp_expr c = lp_for(k, "c", zero, width);
    lp_expr r = lp_vec(k, "r", zero, count, w, LP_MASKED);
    lp_expr column = lp_add(k, lp_add(k, lp_mul(k, at->panel, nr), side), c);

    column = lp_min(k, column, last_column(p, b));
    lp_store(k, read, LP(c, r), p->element(p->cx, b, at->outer, lp_add(k, first, r), column));
    lp_end(k);
    lp_end(k);
    lp_transpose(k, turned, LP(zero, zero), read, LP(zero, zero), w);
    r = lp_for(k, "r", zero, count);
    c = lp_vec(k, "c", zero, width, w, LP_EXACT);
    lp_store(k, at->to, LP(at->into[0], at->into[1], place_of(p, b, lp_add(k, first, r)),
                           lp_add(k, side, c)), lp_load(k, turned, LP(r, c)));
    lp_end(k);
    lp_end(k);
}

/* Tile number `tile` of the panel: as many rows as a vector has lanes. */
static void turn_tile(const panels *p, body *b, const panel_at *at, lp_expr tile)
{
    lp_kernel *k = b->k;
    lp_expr width = lp_int(k, p->s->lanes), first = lp_mul(k, tile, width);
    lp_expr left = lp_min(k, width, lp_sub(k, body_dim(b, p->rows), first));
    lp_expr u = lp_for(k, "u", lp_int(k, 0), lp_int(k, p->s->vectors));

    turn_rows(p, b, at, lp_mul(k, u, width), first, left);
    lp_end(k);
}

static ir_dim tiles_of(const panels *p)
{
    dim_table *t = &p->j->l->m->dims;

    return dim_ceildiv(t, p->rows, dim_int(t, p->s->lanes));
}

/* Tile by tile. */
static int turn_tiles(const panels *p, body *b, lp_buf to)
{
    lp_kernel *k = b->k;
    ir_dim tiles = tiles_of(p);
    lp_expr v[3];
    int open = body_loops(b, (ir_dim[]){p->outer, panels_count(p), tiles}, p->place ? 2 : 3, v);

    if (p->place)               /* not shared out, as in copy_rows */
        v[2] = lp_for(k, "tile", lp_int(k, 0), body_dim(b, tiles));
    turn_tile(p, b, &(panel_at){v[0], v[1], to, {v[0], v[1]}}, v[2]);
    return open + (p->place != NULL);
}

/* Which elements of the operand are neighbours in memory? */
typedef struct order {
    bool columns, rows;
} order;

/* Told by the text of a trial kernel. */
static order order_of(const panels *p)
{
    body b;

    job_kernel(p->j, &b, "trial");
    lp_expr zero = lp_int(b.k, 0);
    lp_expr outer = lp_for(b.k, "o", zero, body_dim(&b, p->outer));
    lp_expr row = lp_for(b.k, "r", zero, body_dim(&b, p->rows));
    lp_expr column = lp_for(b.k, "c", zero, body_dim(&b, p->columns));
    lp_expr e = p->element(p->cx, &b, outer, row, column);
    order o = {turn_is_near(b.k, e, column), turn_is_near(b.k, e, row)};
    for (int i = 0; i < 3; i++)
        lp_end(b.k);
    body_free(&b);
    return o;
}

/* ---- the kernel ---------------------------------------------------------------------- */

/* Bytes of all panels. */
static ir_dim bytes_of(const panels *p)
{
    dim_table *t = &p->j->l->m->dims;
    ir_dim row = dim_int(t, (int64_t)schedule_panel(p->s) * dt_size(p->dtype));
    ir_dim panel = dim_mul(t, row, p->rows);

    return dim_mul(t, dim_mul(t, panel, panels_count(p)), p->outer);
}

/* The temp is [outer, panels, rows, NR]. If the operand's neighbours are rows,
 * tiles are turned in registers on the way, so that both sides move whole vectors. */
bool panels_pack(const panels *p, uint32_t *temp)
{
    body b;
    lp_expr dims[4];
    order o = order_of(p);

    *temp = job_temp(p->j, bytes_of(p));
    job_kernel(p->j, &b, "pack");
    dims[0] = body_dim(&b, p->outer);
    dims[1] = body_dim(&b, panels_count(p));
    dims[2] = body_dim(&b, p->rows);
    dims[3] = lp_int(b.k, schedule_panel(p->s));
    lp_buf to = body_temp(&b, *temp, p->dtype, 4, dims, true);
    int open = o.rows && !o.columns ? turn_tiles(p, &b, to) : copy_rows(p, &b, to, o.columns);
    while (open--)
        lp_end(b.k);
    return job_end(p->j, &b);
}

/* Rows one after the other, or tiles of them. */
lp_buf panels_fill(const panels *p, body *b, lp_expr outer, lp_expr panel)
{
    lp_kernel *k = b->k;
    order o = order_of(p);
    lp_expr zero = lp_int(k, 0), one = lp_int(k, 1), rows = body_dim(b, p->rows);
    lp_buf to = lp_local(k, "panel", p->dtype, 4,
                         LP(one, one, rows, lp_int(k, schedule_panel(p->s))), LP_ROW, 0);
    const panel_at at = {outer, panel, to, {zero, zero}};

    if (o.rows && !o.columns)
        turn_tile(p, b, &at, lp_for(k, "tile", zero, body_dim(b, tiles_of(p))));
    else
        copy_row(p, b, &at, lp_for(k, "r", zero, rows));
    lp_end(k);
    return to;
}
