/* cli/save_onnx.c - models as ONNX files: a module is written anew
 * (export/onnx_export.c), a model that was imported and trained keeps its file but
 * for the weights. */
#include "save_onnx.h"

#include <errno.h>

#include "cleanup.h"
#include "code.h"
#include "onnx_export.h"
#include "path.h"

/* Calls and requests for gradients have no form in ONNX and are expanded first. */
bool save_onnx_module(ir_module *m, const char *path, diag *d)
{
    return code_expand(m, d) && onnx_export(m, path, d);
}

static bool write_out(const text *out, const char *path, diag *d)
{
    const char *why = out->len > INT32_MAX ? "would have more than the 2 GB of a file of ONNX; in "
                                             "the model's folder its data stay apart"
                      : partial_write(path, out->at, out->len) ? NULL : strerror(errno);

    return !why || diag_error(d, (ir_loc){0}, D_IO, path, why);
}

/* External data are looked for beside the model: in its own folder they are, elsewhere the model
 * must hold them. */
bool save_onnx_weights(const char *from, const import_array *w, int n, const char *path, diag *d)
{
    text out = {0};
    bool ok = onnx_replace(from, w, n, !path_same_folder(from, path), &out, d) &&
              write_out(&out, path, d);

    text_free(&out);
    return ok;
}

bool save_onnx_head(const char *from, const import_array *w, int n, const onnx_head *head,
                    const char *path, bool *can, diag *d)
{
    text out = {0};
    bool ok = onnx_replace_end(from, w, n, !path_same_folder(from, path), head, can, &out, d) &&
              (!*can || write_out(&out, path, d));

    text_free(&out);
    return ok;
}
