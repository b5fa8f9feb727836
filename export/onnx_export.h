/* export/onnx_export.h - a module of the tensor IR as an ONNX model. */
#ifndef INGOT_ONNX_EXPORT_H
#define INGOT_ONNX_EXPORT_H

#include "ir.h"

/* Writes m's entry `main`, or its first, as a model of opset 21 to `path`.  Calls and
 * gradient requests must be gone.  What ONNX has no operators for is recorded as
 * unsupported, all of it: random numbers, states, bitcasts, running products, and a few
 * kinds of others.  Checks are left out: ONNX cannot stop a run.  False after errors. */
bool onnx_export(const ir_module *m, const char *path, diag *d);

#endif
