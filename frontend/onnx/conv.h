/* frontend/onnx/conv.h - the operands of a convolution, of floats and of bytes. */
#ifndef INGOT_ONNX_CONV_H
#define INGOT_ONNX_CONV_H

#include "../onnx_build.h"

/* Batch, channel, and the rest of IR_MAX_RANK. */
enum { MAX_SPATIAL = 6 };

/* Windows over the spatial axes, as attributes say. */
typedef struct windows {
    int n;                              /* spatial axes */
    ir_dim size[MAX_SPATIAL], stride[MAX_SPATIAL], dil[MAX_SPATIAL];
    ir_dim low[MAX_SPATIAL], high[MAX_SPATIAL];
} windows;

/* Reads group and windows of a convolution of x[N,C,D..] by w[K,C/g,R..]; false after an
 * error where ranks, extents or channels do not fit. */
bool conv_load(onnx_op *n, ir_ref x, ir_ref w, windows *win, int64_t *groups);

/* out[i] = from + i */
static inline void iota(int32_t *out, int from, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = from + i;
}

#endif
