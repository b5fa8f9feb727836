/* ir/axes.h - lists of axes. */
#ifndef INGOT_AXES_H
#define INGOT_AXES_H

#include "ir.h"

typedef struct ir_axes {
    int32_t n, at[IR_MAX_RANK];
} ir_axes;

/* Where the axis stands in the list; -1: nowhere. */
static inline int ir_find_axis(ir_ints list, int32_t axis)
{
    for (int i = 0; i < list.n; i++)
        if (list.at[i] == axis)
            return i;
    return -1;
}

static inline bool ir_has_axis(ir_ints list, int32_t axis)
{
    return ir_find_axis(list, axis) >= 0;
}

/* Axes of an operand of this rank that are in neither list: of a product, those
 * that go to the result. */
static inline ir_axes ir_free_axes(int rank, ir_ints batch, ir_ints sum)
{
    ir_axes f = {0};

    for (int32_t i = 0; i < rank; i++)
        if (!ir_has_axis(batch, i) && !ir_has_axis(sum, i))
            f.at[f.n++] = i;
    return f;
}

#endif
