/* cli/load.c - a module from a file: .ir text, a program (.ingot), else ONNX, and
 * then run-time dims bound as --dim and --shape say.  A file that is none of them
 * is reported as what it looks like. */
#include "file.h"
#include "file_kind.h"
#include "ingot.h"
#include "onnx.h"
#include "program_load.h"
#include "progress.h"

/* An .ir file may have symbols as extents, which --dim binds afterwards. */
static ir_module *load_text(const char *path, const import_options *o, diag *d)
{
    char *source = file_read_told(path, d);
    ir_module *m = source ? ir_parse(source, path, d) : NULL;
    if (!m || import_bind(m, path, o, d))
        return m;
    ir_module_free(m);
    return NULL;
}

/* An ONNX model, with other weights if a file of them is given. */
static ir_module *load_onnx(const char *path, const ingot_options *o, diag *d)
{
    program_weights w;
    text file = {0};

    if (!o || !o->program.weights)
        return onnx_import(path, o ? &o->import : NULL, d);
    if (!program_read_weights(o->program.weights, &o->import, &w, d) ||
        !onnx_replace(path, w.array, w.arrays, false, &file, d))
        return NULL;
    const void *copy = arena_copy(&d->mem, file.at, file.len);
    size_t size = file.len;
    text_free(&file);
    return onnx_import_changed(copy, size, path, &o->import, d);
}

/* Options that would do nothing for the file are refused. */
static bool options_fit(const char *path, const ingot_options *o, diag *d)
{
    const char *why = !o                                  ? NULL
                      : o->program.sets || o->program.real
                          ? "is no program (.ingot), which --set and --real are for"
                      : o->program.weights && has_suffix(path, ".ir")
                          ? "has its weights in it: --weights is for programs and ONNX models"
                          : NULL;

    if (!why)
        return true;
    d->usage = true;
    return diag_error(d, (ir_loc){0}, D_IO, path, why);
}

static ir_module *load(const char *path, const ingot_options *o, diag *d)
{
    if (has_suffix(path, ".ingot"))
        return program_load(path, o, d);
    if (!options_fit(path, o, d))
        return NULL;
    return has_suffix(path, ".ir") ? load_text(path, o ? &o->import : NULL, d)
                                   : load_onnx(path, o, d);
}

ir_module *ingot_load(const char *path, const ingot_options *o, diag *d)
{
    progress_step("reading %s", path);
    d->file = path;
    ir_module *m = load(path, o, d);
    if (!m || !o || !o->entry || import_keep(m, path, o->entry, d))
        return m;
    ir_module_free(m);
    return NULL;
}
