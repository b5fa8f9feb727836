/* passes/pointwise.h - convolutions of single positions, as products. */
#ifndef INGOT_POINTWISE_H
#define INGOT_POINTWISE_H

#include "build.h"

/* The convolution by 1x1 filters of one image x[1,F,S..] * w[O,F,1..], or in groups
 * x[1,G,F,S..] * w[G,O,F,1..], as one matrix product a group, in which vectors lie along the
 * positions: no multiple of a vector is asked of the channels.  `plain` is the type of the
 * result.  IR_NONE where it is another convolution, or has few positions. */
ir_ref pointwise(ir_build *b, const struct ir_attr_CONV *at, const ir_ref *a,
                 const ir_type *plain);

#endif
