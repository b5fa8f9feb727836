/* frontend/onnx.h - ONNX files to tensor IR. */
#ifndef INGOT_ONNX_H
#define INGOT_ONNX_H

#include "import.h"

/* The model as a module with the entry `main`.  Null after errors; what is
 * unsupported was recorded for the whole model at once.  The file stays mapped
 * as long as the process runs: constants refer to it. */
ir_module *onnx_import(const char *path, const import_options *o, diag *d);
/* From memory that outlives the module; external data is refused. */
ir_module *onnx_import_memory(const uint8_t *data, size_t size, const char *name,
                              const import_options *o, diag *d);

/* The operators of the table, for `ingot ops`: domain, name, first version. */
void onnx_each_operator(void (*see)(void *cx, const char *domain, const char *op,
                                    int since), void *cx);

#endif
