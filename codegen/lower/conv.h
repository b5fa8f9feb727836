/* codegen/lower/conv.h - what the files of the convolution template share. */
#ifndef INGOT_CONV_H
#define INGOT_CONV_H

#include "templates.h"

enum { CONV_MAX_SPATIAL = 6 };

typedef struct conv {
    job *j;
    const struct ir_attr_CONV *at;
    ir_ref x, w;
    const ir_type *tx, *tw, *ty;
    int s;                      /* spatial axes */
    ir_dtype acc;
    int lanes, p, q;            /* a tile: p positions by q vectors of channels */
    int block;                  /* channels of the result that lie side by side, a part or
                                   a multiple of the lanes; 0: plain order */
    bool depthwise;             /* no features, no outputs: groups in vectors */
    uint32_t weights;           /* packed constant */
    bool packed;
    int ahead;                  /* the image is fetched ahead of the tiles, so many
                                   positions a line; 0: it is not */
} conv;

/* Where a row of output positions lies. */
typedef struct conv_place {
    lp_expr n, g, o;            /* batch, group, first channel vector */
    lp_expr pos[CONV_MAX_SPATIAL];  /* outer positions */
} conv_place;

/* The product of the extents of t's axes in l. */
ir_dim conv_extent(const conv *c, ir_ints l, const ir_type *t);

/* Computes the output positions of one row, in tiles; `weights` is the packed
 * constant's buffer or 0. */
void conv_row(const conv *c, body *b, lp_buf weights, const conv_place *at);

#endif
