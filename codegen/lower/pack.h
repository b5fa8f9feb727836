/* codegen/lower/pack.h - a constant rearranged at compile time.  Each call adds a link
 * to the chain of the constant at hand (see ir/const.h) and makes that the one at
 * hand: w[k, n] as panels of 8 columns, w'[n / 8, k, 8], is
 *
 *   pack p = {m, id};
 *   int64_t wide = pack_pad(&p, 1, 8);
 *   pack_reshape(&p, (int64_t[]){k, wide / 8, 8}, 3);
 *   pack_transpose(&p, (int32_t[]){1, 0, 2}, 3); */
#ifndef INGOT_PACK_H
#define INGOT_PACK_H

#include "ir.h"

typedef struct pack {
    ir_module *m;
    uint32_t id;                /* of the constant; its extents are constant */
} pack;

/* Axis i of the new one is axis perm[i]; `rank` of them. */
void pack_transpose(pack *p, const int32_t *perm, int rank);
/* The same elements in these `rank` extents. */
void pack_reshape(pack *p, const int64_t *extent, int rank);
/* Adds zeros behind the last element along `axis`, up to a multiple of `step`, and
 * gives the extent that the axis has then. */
int64_t pack_pad(pack *p, int axis, int64_t step);
/* Element [.., i] is the sum over j of matrix[i, j] times what was [.., j]: all are f32. */
void pack_dot(pack *p, uint32_t matrix);
/* Keeps the first position alone along these axes. */
void pack_first(pack *p, ir_ints axes);

#endif
