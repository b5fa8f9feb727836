/* ir/const_view.h - which element of a level of a constant's chain each position of what
 * is read is, and the same of the level below. */
#ifndef INGOT_CONST_VIEW_H
#define INGOT_CONST_VIEW_H

#include "const.h"
#include "ir.h"

enum { VIEW_DIMS = 40, GUARDS = 16 };

typedef struct guard {          /* lo <= base + sum step[i] * index[i] < hi */
    int64_t base, lo, hi, step[VIEW_DIMS];
} guard;

/* Dims of the result, each moving by a step along one axis of the level; what a guard keeps
 * out is not there. */
typedef struct view {
    int n, rank, guards;
    int64_t dim[VIEW_DIMS], step[VIEW_DIMS];
    int axis[VIEW_DIMS];
    int64_t base[IR_MAX_RANK];
    guard guard[GUARDS];
} view;

/* The extents of a constant's type. */
void view_extents(const ir_module *m, const ir_type *t, int64_t *out);
/* For each axis the elements that lie behind it: of [2,3,4] they are 12, 4, 1. */
void view_products(int rank, const int64_t *dim, int64_t *out);
/* All elements of the type, in order. */
void view_whole(const ir_module *m, const ir_type *t, view *v);
/* The view of what is transposed. */
void view_below_transpose(view *v, ir_ints perm);
/* The view of what is repeated: along axes that it lacks, or has at extent 1, no step
 * moves. */
void view_below_broadcast(const ir_module *m, view *v, ir_ints axes, const ir_type *x);
/* The view of what is sliced: position i is start + step * i there. */
void view_below_slice(const ir_module *m, view *v, const struct ir_attr_SLICE *a);
/* Adds a guard per padded axis; false if `inner` padding or no room. */
bool view_below_pad(const ir_module *m, view *v, const struct ir_attr_PAD *a, const ir_type *x);
/* False if the view has no form below: v is spoilt then. */
bool view_below_reshape(const ir_module *m, view *v, const ir_type *upper, const ir_type *lower);

#endif
