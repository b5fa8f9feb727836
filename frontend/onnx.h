/* frontend/onnx.h - ONNX files to tensor IR. */
#ifndef INGOT_ONNX_H
#define INGOT_ONNX_H

#include "import.h"

/* The model as a module with the entry `main`.  Null after errors; what is
 * unsupported was recorded for the whole model at once.  The file stays mapped
 * as long as the process runs: constants refer to it. */
ir_module *onnx_import(const char *path, const import_options *o, diag *d);
/* The same as one more function of a module, not an entry.  Null after errors. */
ir_fn *onnx_import_function(ir_module *m, const char *name, const char *path,
                            const import_options *o, diag *d);
/* From memory that outlives the module; external data is refused. */
ir_module *onnx_import_memory(const uint8_t *data, size_t size, const char *name,
                              const import_options *o, diag *d);

/* Is told of an operator's version, in the order of domains, names and versions. */
typedef void onnx_see(void *cx, const char *domain, const char *op, int since);
/* The versions that are supported, where they changed the meaning; and those of the
 * standard, supported or not, where they changed what a node may have. */
void onnx_each_operator(onnx_see *see, void *cx);
void onnx_each_signature(onnx_see *see, void *cx);

/* The newest version of a domain whose operators the tables know; INT64_MAX where that
 * is not bounded. */
int64_t onnx_newest_version(const char *domain);

#endif
