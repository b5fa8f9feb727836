/* cli/load.c - a module from a file. */
#include "file.h"
#include "file_kind.h"
#include "ingot.h"
#include "onnx.h"
#include "program_load.h"
#include "progress.h"

static ir_module *load_text(const char *path, const import_options *o, diag *d)
{
    char *source = file_read_told(path, d);
    ir_module *m = source ? ir_parse(source, path, d) : NULL;
    if (!m || import_bind(m, path, o, d))
        return m;
    ir_module_free(m);
    return NULL;
}

ir_module *ingot_load(const char *path, const ingot_options *o, diag *d)
{
    progress_step("reading %s", path);
    d->file = path;
    if (has_suffix(path, ".ingot"))
        return program_load(path, o, d);
    return has_suffix(path, ".ir") ? load_text(path, o ? &o->import : NULL, d)
                                         : onnx_import(path, o ? &o->import : NULL, d);
}
