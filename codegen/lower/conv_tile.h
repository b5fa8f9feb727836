/* codegen/lower/conv_tile.h - a register tile of the convolution template. */
#ifndef INGOT_CONV_TILE_H
#define INGOT_CONV_TILE_H

#include "conv.h"
#include "rim.h"

/* A tile of a row while it is made: its first position is w0.  Of the axes, `tap` and
 * `pos` have the tap at hand and the place in the image that it is read at. */
typedef struct conv_tile {
    tile t;
    const conv *c;
    const conv_place *at;
    lp_buf weights;
    lp_buf image;               /* to be fetched ahead of the tiles; 0: not needed */
    lp_buf bytes;               /* the image where features are read together; else 0 */
    bool low, high;             /* begins, ends with its row */
    bool guarded;               /* any position may lie outside */
    const rim *edge;            /* of the row; null: it has no rim, or none in numbers */
    lp_expr w0;
    lp_expr tap[CONV_MAX_SPATIAL], pos[CONV_MAX_SPATIAL];
} conv_tile;

/* Computes and stores the tile of p positions from w0 on, which meets the ends of its
 * row as low, high and guarded say. */
void conv_tile_compute(conv_tile *x, int p, lp_expr w0);

#endif
