/* ir/build_parts.h - what ir_make in build.c and the folding of constants in build_fold.c
 * need of each other. */
#ifndef INGOT_BUILD_PARTS_H
#define INGOT_BUILD_PARTS_H

#include "build.h"

/* Adds a node with the results that inference found, whatever there is already; returns
 * the first result. */
ir_ref build_append(ir_build *b, unsigned op, const ir_ref *args, uint32_t n,
                    const ir_attr *attr, const ir_infer *in);
/* Takes the node that was added last away again, with its results. */
void build_drop_last(ir_fn *f);
/* The node as a constant: evaluated where the result is small, else one more link on a
 * constant operand; IR_NONE if neither is right. */
ir_ref build_fold(ir_build *b, const ir_infer *in);

#endif
