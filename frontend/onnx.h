/* frontend/onnx.h - ONNX files to tensor IR. */
#ifndef INGOT_ONNX_H
#define INGOT_ONNX_H

#include "ir.h"

/* --shape NAME=2x3: extents of an input, accepted on a fixed one when equal. */
typedef struct onnx_input_shape {
    const char *input;
    int32_t rank;
    int64_t dims[IR_MAX_RANK];
} onnx_input_shape;

#define ONNX_MAX_WEIGHTS ((uint64_t)8 << 30)

typedef struct onnx_options {
    const char *const *dim_name;    /* --dim NAME=VALUE */
    const int64_t *dim_value;
    int dims;
    const onnx_input_shape *shape;
    int shapes;
    uint64_t max_weights;           /* bytes; 0: ONNX_MAX_WEIGHTS */
} onnx_options;

/* The model as a module with the entry `main`.  Null after errors; what is
 * unsupported was recorded for the whole model at once.  The file stays mapped
 * as long as the process runs: constants refer to it. */
ir_module *onnx_import(const char *path, const onnx_options *o, diag *d);
/* From memory that outlives the module; external data is refused. */
ir_module *onnx_import_memory(const uint8_t *data, size_t size, const char *name,
                              const onnx_options *o, diag *d);

/* The operators of the table, for `ingot ops`: domain, name, first version. */
void onnx_each_operator(void (*see)(void *cx, const char *domain, const char *op,
                                    int since), void *cx);

#endif
