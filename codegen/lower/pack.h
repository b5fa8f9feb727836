/* codegen/lower/pack.h - a constant rearranged at compile time: each call adds a link
 * to its chain (see ir/const.h) and makes that the constant at hand. */
#ifndef INGOT_PACK_H
#define INGOT_PACK_H

#include "ir.h"

typedef struct pack {
    ir_module *m;
    uint32_t id;                /* of the constant; its extents are constant */
} pack;

/* The axes in the order `perm`, `rank` of them. */
void pack_transpose(pack *p, const int32_t *perm, int rank);
void pack_reshape(pack *p, const int64_t *extent, int rank);
/* Zeros behind the last element along `axis`, up to a multiple of `step`; the
 * extent it has then. */
int64_t pack_pad(pack *p, int axis, int64_t step);
/* The first position alone along these axes. */
void pack_first(pack *p, ir_ints axes);

#endif
