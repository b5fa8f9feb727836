/* cli/save_onnx.c - models as ONNX files: a module is written anew
 * (export/onnx_export.c), a model that was imported and trained keeps its file but
 * for the weights. */
#include "save_onnx.h"

#include <errno.h>

#include "cleanup.h"
#include "code.h"
#include "onnx.h"
#include "onnx_export.h"

/* Calls and requests for gradients have no form in ONNX and are expanded first. */
bool save_onnx_module(ir_module *m, const char *path, diag *d)
{
    return code_expand(m, d) && onnx_export(m, path, d);
}

bool save_onnx_weights(const char *from, const import_array *w, int n, const char *path, diag *d)
{
    text out = {0};

    if (!onnx_replace(from, w, n, &out, d))
        return false;
    bool ok = partial_write(path, out.at, out.len) ||
              diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
    text_free(&out);
    return ok;
}
