/* codegen/lower/rim.h - windows that slide along an axis of an image and leave it at
 * both ends.
 *
 * Output position i reads tap t at place stride * i + dilation * t - low of the image;
 * what lies outside adds nothing.  In an image that is spread by `step` (elements with
 * step - 1 holes between them, as transposed convolutions have it) the outputs fall
 * into `step` phases.  Those of one phase, phase + step * i, read the same taps of
 * the image without its holes: at places stride * i + rim_offset(t).
 *
 * Example: 3 taps, stride 1, low = high = 1, 20 outputs: the first position and the
 * last one read 2 taps inside, the others all 3: first = last = 1. */
#ifndef INGOT_RIM_H
#define INGOT_RIM_H

#include "dim.h"

/* The axis as dims, as attributes and types give it. */
typedef struct rim_axis {
    ir_dim width, image;        /* extents of output and image, in elements */
    ir_dim taps, stride, dilation, step;
    ir_dim low, high;           /* places before and behind the image that are read */
} rim_axis;

/* The axis in numbers. */
typedef struct rim {
    int64_t stride, dilation, taps, low, high, step, phase;
    int64_t width, image;       /* -1: one of them is known at run time only */
    int64_t first, last;        /* positions at either end that leave the image */
} rim;

/* Which positions of a tile read the image at a tap: [lo, sure) do, [sure, most) may
 * or may not, as run-time extents decide; the others do not. */
typedef struct rim_reach {
    int lo, sure, most;
} rim_reach;

/* The numbers of an axis, phase 0, without its ends; false where one that is needed
 * is no constant, or both stride and step are above 1. */
bool rim_of(const dim_table *t, const rim_axis *axis, rim *out);

/* Sets first and last, for the phase at hand. */
void rim_find_ends(rim *r);

/* Does this phase read the tap? */
bool rim_has_tap(const rim *r, int64_t tap);

/* Place in the image that position 0 of this phase reads at a tap that it has. */
int64_t rim_offset(const rim *r, int64_t tap);

/* Reach of a tap in a tile of p positions that begins the row, ends it, both, or
 * neither; there all positions are inside. */
rim_reach rim_reach_of(const rim *r, int64_t tap, int p, bool begins, bool ends);

#endif
