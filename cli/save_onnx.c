/* cli/save_onnx.c - models as ONNX files. */
#include "save_onnx.h"

#include <errno.h>

#include "onnx.h"
#include "onnx_export.h"
#include "pass.h"

bool save_onnx_module(ir_module *m, const char *path, diag *d)
{
    static const int passes[] = {PASS_ID_inline, PASS_ID_grad};
    pass_ctx cx = {.m = m, .d = d};
    bool changed;

    for (size_t i = 0; i < COUNT(passes); i++)
        if (!pass_one(&cx, &pass_table[passes[i]], &changed))
            return false;
    return onnx_export(m, path, d);
}

bool save_onnx_weights(const char *from, const import_array *w, int n, const char *path, diag *d)
{
    text out = {0};
    bool ok = onnx_replace(from, w, n, &out, d);
    FILE *f = ok ? fopen(path, "wb") : NULL;

    if (ok)
        ok = f && fwrite(out.at, 1, out.len, f) == out.len;
    if (f)
        ok = !fclose(f) && ok;
    if (!ok && !diag_failed(d))
        diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
    text_free(&out);
    return ok;
}
