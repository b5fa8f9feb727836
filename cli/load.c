/* cli/load.c - a module from a file. */
#include <errno.h>
#include <stdlib.h>

#include "ingot.h"
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

/* ---- --dim and --shape on IR text ------------------------------------------------- */

typedef struct binding {
    ir_module *m;
    const char *path;
    diag *d;
    ir_dim *to;                     /* by symbol */
    bool *given;
} binding;

static bool wrong(binding *b, const char *format, const char *name)
{
    char *what = arena_printf(&b->m->mem, format, name);

    return diag_error(b->d, (ir_loc){0}, D_IO, b->path, what);
}

static bool bind_dim(binding *b, const char *name, int64_t value)
{
    bool found;
    ir_dim d = dim_symbol_named(&b->m->dims, name, &found);

    if (!found)
        return wrong(b, "no input has a run-time dim '%s' (--dim)", name);
    uint32_t id = dim_symbol_id(&b->m->dims, d);
    b->to[id] = dim_int(&b->m->dims, value);
    b->given[id] = true;
    return true;
}

static bool bind_shape(binding *b, const onnx_input_shape *s, const ir_type *t)
{
    const dim_table *dims = &b->m->dims;
    int64_t v;

    if (t->kind != TY_TENSOR || t->rank != s->rank)
        return wrong(b, "input '%s' has another rank (--shape)", s->input);
    for (int i = 0; i < s->rank; i++) {
        uint32_t id = dim_symbol_id(dims, t->dim[i]);
        if (dim_const(dims, t->dim[i], &v) ? v != s->dims[i] : id == NAMES_NONE)
            return wrong(b, "an extent of input '%s' is fixed or computed (--shape)", s->input);
        if (id != NAMES_NONE && !bind_dim(b, dims->symbol.at[id].name, s->dims[i]))
            return false;
    }
    return true;
}

static bool bind_input(binding *b, const onnx_input_shape *s)
{
    for (uint32_t f = 0; f < b->m->fn.len; f++) {
        const ir_fn *fn = b->m->fn.at[f];
        for (uint32_t i = 0; fn->entry && i < fn->param.len; i++)
            if (!strcmp(fn->param_name.at[i], s->input))
                return bind_shape(b, s, ir_type_of(fn, fn->param.at[i]));
    }
    return wrong(b, "has no input '%s' (--shape)", s->input);
}

static bool bind_all(ir_module *m, const char *path, const onnx_options *o, diag *d)
{
    uint32_t n = m->dims.symbol.len;
    binding b = {m, path, d, arena_array(&m->mem, ir_dim, n + 1),
                 arena_array(&m->mem, bool, n + 1)};
    const dim_subst s = {b.to, b.given, n};

    for (int i = 0; i < o->dims; i++)
        if (!bind_dim(&b, o->dim_name[i], o->dim_value[i]))
            return false;
    for (int i = 0; i < o->shapes; i++)
        if (!bind_input(&b, &o->shape[i]))
            return false;
    for (uint32_t f = 0; f < m->fn.len && !diag_failed(d); f++)
        ir_rewrite_dims(m, m->fn.at[f], d, &s);
    return !diag_failed(d);
}

static ir_module *load_text(const char *path, const onnx_options *o, diag *d)
{
    char *source = ingot_read_text(path, d);

    d->source = source;
    ir_module *m = source ? ir_parse(source, path, d) : NULL;
    if (!m || !o || (!o->dims && !o->shapes) || bind_all(m, path, o, d))
        return m;
    ir_module_free(m);
    return NULL;
}

ir_module *ingot_load(const char *path, const ingot_options *o, diag *d)
{
    progress_step("reading %s", path);
    d->file = path;
    return ingot_has_suffix(path, ".ir") ? load_text(path, o ? &o->onnx : NULL, d)
                                         : onnx_import(path, o ? &o->onnx : NULL, d);
}
