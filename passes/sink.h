/* passes/sink.h - operands of an elementwise op in another shape. */
#ifndef INGOT_SINK_H
#define INGOT_SINK_H

#include "rule.h"

/* A reshape, and the axes that it leaves as they are at both ends. */
typedef struct sink_frame {
    const ir_type *in, *out;
    int before, behind;
} sink_frame;

sink_frame sink_frame_of(const ir_type *in, const ir_type *out);
/* x of f's outer shape in the inner one.  Where x is such a reshape it is its
 * operand; a broadcast is made anew. */
ir_ref sink_operand(ir_build *b, ir_ref x, const sink_frame *f);

#endif
