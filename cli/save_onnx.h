/* cli/save_onnx.h - models as ONNX files. */
#ifndef INGOT_SAVE_ONNX_H
#define INGOT_SAVE_ONNX_H

#include "import.h"

/* The module's entry, as it is before any rewriting for speed.  False after errors. */
bool save_onnx_module(ir_module *m, const char *path, diag *d);
/* The ONNX file `from` with other weights (onnx_replace); whole where it goes to another folder. */
bool save_onnx_weights(const char *from, const import_array *w, int n, const char *path, diag *d);

#endif
