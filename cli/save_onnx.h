/* cli/save_onnx.h - models as ONNX files. */
#ifndef INGOT_SAVE_ONNX_H
#define INGOT_SAVE_ONNX_H

#include "onnx.h"

/* The module's entry, as it is before any rewriting for speed.  False after errors. */
bool save_onnx_module(ir_module *m, const char *path, diag *d);
/* The ONNX file `from` with other weights (onnx_replace); whole where it goes to another folder. */
bool save_onnx_weights(const char *from, const import_array *w, int n, const char *path, diag *d);
/* The same with another end; *can is false, and nothing written, where that cannot be. */
bool save_onnx_head(const char *from, const import_array *w, int n, const onnx_head *head,
                    const char *path, bool *can, diag *d);

#endif
