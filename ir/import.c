/* ir/import.c - binding the run-time dims of a module that was read. */
#include "import.h"

#include <string.h>

#include "build.h"

const import_shape *import_shape_of(const import_options *o, const char *input)
{
    for (int i = 0; o && i < o->shapes; i++)
        if (!strcmp(o->shape[i].input, input))
            return &o->shape[i];
    return NULL;
}

uint64_t import_max_weights(const import_options *o)
{
    return o && o->max_weights ? o->max_weights : IMPORT_MAX_WEIGHTS;
}

/* A module whose symbols get values: symbol s becomes to[s] if given[s]. */
typedef struct binding {
    ir_module *m;
    const char *path;               /* of the model, for messages */
    diag *d;
    ir_dim *to;
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

static bool bind_shape(binding *b, const import_shape *s, const ir_type *t)
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

static bool bind_input(binding *b, const import_shape *s)
{
    for (uint32_t f = 0; f < b->m->fn.len; f++) {
        const ir_fn *fn = b->m->fn.at[f];
        for (uint32_t i = 0; fn->entry && i < fn->param.len; i++)
            if (!strcmp(fn->param_name.at[i], s->input))
                return bind_shape(b, s, ir_type_of(fn, fn->param.at[i]));
    }
    return wrong(b, "has no input '%s' (--shape)", s->input);
}

bool import_bind(ir_module *m, const char *path, const import_options *o, diag *d)
{
    uint32_t n = m->dims.symbol.len;
    binding b = {m, path, d, arena_array(&m->mem, ir_dim, n + 1),
                 arena_array(&m->mem, bool, n + 1)};
    const dim_subst s = {b.to, b.given, n};

    if (!o || (!o->dims && !o->shapes))
        return true;
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
