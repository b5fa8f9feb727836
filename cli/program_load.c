/* cli/program_load.c - programs in the language as modules, with weights from a file. */
#include "ingot.h"
#include "program_load.h"
#include "tensor_safetensors.h"

/* The tensors of a weights file, in memory that lasts as long as the diag. */
static bool read_tensor(safetensors *s, const safetensors_entry *e, dsl_weight *w, diag *d)
{
    char error[TENSOR_ERROR_SIZE];
    void *data = arena_alloc(&d->mem, e->size + 1);

    *w = (dsl_weight){.name = arena_strdup(&d->mem, e->name), .dtype = dt_from_onnx(e->dtype),
                      .rank = e->rank, .data = data, .size = e->size};
    w->dims = arena_copy(&d->mem, e->dims, sizeof e->dims);
    return safetensors_read(s, e, data, error) || diag_error(d, (ir_loc){0}, D_GENERAL, error);
}

bool program_read_weights(const char *path, const import_array **out, int *n, diag *d)
{
    char error[TENSOR_ERROR_SIZE];
    safetensors s = {0};
    bool ok = safetensors_open(&s, path, error) || diag_error(d, (ir_loc){0}, D_GENERAL, error);
    import_array *w = arena_array(&d->mem, import_array, s.tensor_count + 1);

    for (int32_t i = 0; ok && i < s.tensor_count; i++)
        ok = read_tensor(&s, &s.tensor[i], &w[i], d);
    *out = w;
    *n = s.tensor_count;
    safetensors_close(&s);
    return ok;
}

static bool read_weights(const char *path, dsl_options *o, diag *d)
{
    o->weights_file = path;
    return program_read_weights(path, &o->weight, &o->weights, d);
}

ir_module *program_load(const char *path, const ingot_options *o, diag *d)
{
    dsl_options given = {0};

    if (o) {
        given.import = &o->import;
        given.set = o->program.set;
        given.sets = o->program.sets;
        given.real = o->program.f64 ? DT_F64 : DT_F32;
        if (o->program.weights && !read_weights(o->program.weights, &given, d))
            return NULL;
    }
    return dsl_import(path, &given, d);
}

const char *program_unset(const ir_module *m)
{
    for (uint32_t i = 0; i < m->state.len; i++)
        if (m->state.at[i].trainable && m->state.at[i].init == IR_NONE)
            return m->state.at[i].name;
    return NULL;
}
