/* codegen/lower/conv.h - what the files of the convolution template share. */
#ifndef INGOT_CONV_H
#define INGOT_CONV_H

#include "tile.h"

enum { CONV_MAX_SPATIAL = 6 };

/* A convolution as the template makes it.  Example: 3x3 of f32[1,4,56,56,16], blocks of 16
 * channels, to as many: spatial 2, block 16, weights packed as panels of 16 or 32 columns; a
 * tile is 14 positions of a row by 2 vectors of channels. */
typedef struct conv {
    job *j;
    const struct ir_attr_CONV *at;
    ir_ref x, w;
    const ir_type *tx, *tw, *ty;
    int spatial;                /* axes */
    ir_dtype acc;
    schedule s;                 /* rows: positions of the last axis; columns: channels */
    int block;                  /* channels of the result that lie side by side, a part or
                                   a multiple of the lanes; 0: plain order */
    bool depthwise;             /* no features, no outputs: groups are the channels */
    bool whole;                 /* sums are in one part */
    int together;               /* features, bytes, that are multiplied at once (bytes.h), which
                                   is a step of the innermost axis of image and panels; 0: one */
    bool packed;                /* weights: panels of a constant, else of a temp */
    uint32_t weights;
    bool copied;                /* the image is read from temp `image` */
    uint32_t image;
} conv;

/* Where a row of output positions lies. */
typedef struct conv_place {
    lp_expr n, g, o;            /* batch, group, panel of channels */
    lp_expr pos[CONV_MAX_SPATIAL];  /* outer positions */
} conv_place;

/* The product of the extents of t's axes in l. */
ir_dim conv_extent(const conv *c, ir_ints l, const ir_type *t);

/* The axes of the result that are channels of a panel. */
ir_ints conv_channels(const conv *c);

/* Steps of a sum for each tap: as many as features, or as hold them together. */
ir_dim conv_steps(const conv *c);

/* Weight of a group and channel; `row` counts features and, within each, taps, as they
 * mostly lie in memory. */
lp_expr conv_weight(const conv *c, body *b, lp_expr group, lp_expr row, lp_expr channel);

/* Features that are multiplied at once (conv.together); and the image as such steps read
 * it, of which conv_copy_image makes a copy where they need other elements. */
int conv_together(const conv *c);
bool conv_copy_image(conv *c);
lp_buf conv_bytes(const conv *c, body *b);

/* Opens a loop over [0, extent) by `step` and counts it; one of a single trip is none,
 * and its variable is 0. */
lp_expr conv_loop(lp_kernel *k, const char *name, lp_expr extent, int step, int *open);

/* Computes the output positions of one row, in tiles; `weights` has the panels. */
void conv_row(const conv *c, body *b, lp_buf weights, const conv_place *at);

/* May a tap along spatial axis i lie outside the image, or between its elements? */
bool conv_has_rim(const conv *c, int i);
/* Place in the (dilated) image of output position pos and a tap along axis i. */
lp_expr conv_image_at(const conv *c, body *b, int i, lp_expr pos, lp_expr tap);
/* The same, and whether an element of the (dilated) image is there, too: *inside becomes
 * that, and what it was, if not 0. */
lp_expr conv_image_if(const conv *c, body *b, int i, lp_expr pos, lp_expr tap, lp_expr *inside);

/* Are the lanes positions of a row, since a group has few outputs?  conv_lanes makes the
 * kernel of such a convolution. */
bool conv_has_lanes(const conv *c);
bool conv_lanes(const conv *c);

/* Are there so many more taps than positions that each of these is a product of matrices?
 * conv_taps makes the kernels of such a convolution. */
bool conv_has_many_taps(conv *c);
bool conv_taps(conv *c);

#endif
