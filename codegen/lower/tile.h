/* codegen/lower/tile.h - the register tile: a block of sums of products that stay in
 * registers while the inner loops run.
 *
 * A template makes a tile, opens the loops over its operands, adds products and
 * stores what the group makes of the sums.  With rows=2 vectors=2 lanes=16:
 *   local acc: f32[2, 2, 16] reg = 0:f32         tile_make
 *   for k in 0..K {
 *     prefetch b[panel, k + 8, 0]                tile_fetch, at tile_ahead of k
 *     unroll r in 0..2 {                         tile_open
 *       unroll q in 0..2 {
 *         vec v in 0..16 step 16 exact {
 *           acc[r, q, v] = fma(..)               tile_products
 * and after the loop over k, tile_results and tile_store. */
#ifndef INGOT_TILE_H
#define INGOT_TILE_H

#include "schedule.h"
#include "templates.h"

/* What is the same for all sums of a tile, and the tile at hand: the last one of a row may have
 * fewer rows than the schedule says, the last panel fewer columns. */
typedef struct tile {
    job *j;
    body *b;
    const schedule *s;
    ir_dtype sums;              /* element type of the sums */
    int together;               /* products of bytes that are summed at once (bytes.h); 0: of
                                   single numbers */
    ir_dim columns;             /* of the result; its last panel may have fewer than a tile */
    bool by_vectors;            /* rows of one vector lie together in the result */
    bool whole;                 /* sums are in one part, whatever the rows of a tile */
    bool rolled;                /* results are stored row by row in a loop, from memory */
    int part;                   /* lanes that are stored at once; 0: all of a vector */
    lp_expr panel;              /* number of the panel of columns */
    int rows, parts;            /* of the tile at hand: at most the schedule's rows */
    lp_buf acc;                 /* [parts * rows, vectors, lanes] */
} tile;

/* A vector of sums, and the element of it at hand. */
typedef struct tile_place {
    lp_expr row, vector, lane;
    lp_expr column;             /* in the panel for products, in the result for stores */
    lp_expr first, offset;      /* column = first + offset: of what is stored at once */
    int open;                   /* blocks that are open around it */
} tile_place;

/* Begins a tile of so many rows: all sums are 0. */
void tile_make(tile *t, int rows);

/* Opens the loops over the sums of rows [lo, hi). */
tile_place tile_open(const tile *t, int lo, int hi);
/* Closes the loops that are open at this place, where nothing below does. */
void tile_close(const tile *t, const tile_place *at);
/* Adds a * b to the sums' part `part`, and closes the loops. */
void tile_products(const tile *t, const tile_place *at, lp_expr part, lp_expr a, lp_expr b);
/* The row of a panel that a tile which fetches ahead reads schedule.ahead bytes after
 * `row`. */
lp_expr tile_ahead(const tile *t, lp_buf panels, lp_expr row);
/* Fetches the row of a panel that begins at idx. */
void tile_fetch(const tile *t, lp_buf panels, const lp_expr *idx);

/* Of `end` products for each sum, those that all parts take a share of. */
lp_expr tile_whole(const tile *t, lp_expr end);

/* Do the columns fill all panels? */
bool tile_is_exact(const tile *t);
/* Opens the loops over the results: columns behind the last are left out. */
tile_place tile_results(const tile *t);
/* The sum of all parts. */
lp_expr tile_sum(const tile *t, const tile_place *at);
/* Stores what the group makes of `sum` at idx of its result, and closes the loops. */
void tile_store(const tile *t, const tile_place *at, const lp_expr *idx, lp_expr sum);

#endif
