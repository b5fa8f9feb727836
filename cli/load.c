/* cli/load.c - a module from a file. */
#include <errno.h>
#include <stdlib.h>

#include "ingot.h"
#include "onnx.h"
#include "program_load.h"
#include "progress.h"

bool ingot_has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n > m && !strcmp(s + n - m, suffix);
}

char *ingot_read_text(const char *path, diag *d)
{
    FILE *f = fopen(path, "rb");
    text t = {0};
    char buffer[4096];
    size_t n;

    if (!f) {
        diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
        return NULL;
    }
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0)
        text_addn(&t, buffer, n);
    if (ferror(f))
        diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
    fclose(f);
    char *copy = diag_failed(d) ? NULL : arena_strndup(&d->mem, t.at ? t.at : "", t.len);
    text_free(&t);
    return copy;
}

static ir_module *load_text(const char *path, const import_options *o, diag *d)
{
    char *source = ingot_read_text(path, d);
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
    if (ingot_has_suffix(path, ".ingot"))
        return program_load(path, o, d);
    return ingot_has_suffix(path, ".ir") ? load_text(path, o ? &o->import : NULL, d)
                                         : onnx_import(path, o ? &o->import : NULL, d);
}
