/* cli/program_load.c - programs in the language as modules, with weights from a
 * file of safetensors.  Dims that were found when the weights were trained
 * (classes, columns) are noted in that file, so that they need not be given again;
 * --dim wins. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "data_probe.h"
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

static bool read_arrays(safetensors *s, import_array *w, diag *d)
{
    bool ok = true;

    for (int32_t i = 0; ok && i < s->tensor_count; i++)
        ok = read_tensor(s, &s->tensor[i], &w[i], d);
    return ok;
}

/* A note's extent; false if it is none: words, a sign or too many digits. */
static bool read_extent(const char *text, int64_t *out)
{
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return *text && !text[strspn(text, "0123456789")] && !errno;
}

/* Dims that the training noted with its weights, unless others are given: dim.V is 65. */
static bool noted_dims(const safetensors *s, const import_options *given,
                       const import_options **out, diag *d)
{
    size_t most = (size_t)(given->dims + s->note_count) + 1;
    const char **name = arena_array(&d->mem, const char *, most);
    int64_t *value = arena_array(&d->mem, int64_t, most);
    import_options *o = arena_copy(&d->mem, given, sizeof *given);

    for (int i = 0; i < given->dims; i++) {
        name[i] = given->dim_name[i];
        value[i] = given->dim_value[i];
    }
    for (int32_t i = 0; i < s->note_count; i++)
        if (!strncmp(s->note[i].key, "dim.", 4)) {
            name[o->dims] = arena_strdup(&d->mem, s->note[i].key + 4);
            if (!read_extent(s->note[i].value, &value[o->dims++]))
                return diag_error(d, (ir_loc){0}, D_GENERAL,
                                  arena_printf(&d->mem, "%s: the note %s is '%s', no extent",
                                               s->path, s->note[i].key, s->note[i].value));
        }
    o->dim_name = name;
    o->dim_value = value;
    *out = o;
    return true;
}

/* The notes of texts: names.V is `"a", "b"`. */
static void noted_names(const safetensors *s, program_weights *w, diag *d)
{
    dsl_note *note = arena_array(&d->mem, dsl_note, (size_t)s->note_count + 1);

    for (int32_t i = 0; i < s->note_count; i++)
        if (!strncmp(s->note[i].key, "names.", 6))
            note[w->notes++] = (dsl_note){arena_strdup(&d->mem, s->note[i].key + 6),
                                          arena_strdup(&d->mem, s->note[i].value)};
    w->note = note;
}

bool program_read_weights(const char *path, const import_options *given, program_weights *w,
                          diag *d)
{
    char error[TENSOR_ERROR_SIZE];
    safetensors s = {0};
    bool ok = safetensors_open(&s, path, error) || diag_error(d, (ir_loc){0}, D_GENERAL, error);
    import_array *array = arena_array(&d->mem, import_array, s.tensor_count + 1);

    *w = (program_weights){.array = array, .arrays = s.tensor_count, .import = given};
    noted_names(&s, w, d);
    ok = ok && read_arrays(&s, array, d) && noted_dims(&s, given, &w->import, d);
    safetensors_close(&s);
    return ok;
}

/* The arrays are copies in d's memory. */
static bool take_weights(const char *path, dsl_options *o, diag *d)
{
    program_weights w;
    bool ok = program_read_weights(path, o->import, &w, d);

    o->weights_file = path;
    o->weight = w.array;
    o->weights = w.arrays;
    o->import = w.import;
    o->note = w.note;
    o->notes = w.notes;
    return ok;
}

static dsl_options given_by(const ingot_options *o)
{
    if (!o)
        return (dsl_options){.read = data_read};
    return (dsl_options){.read = o->program.blind ? NULL : data_read, .import = &o->import,
                         .set = o->program.set, .sets = o->program.sets,
                         .silent = o->program.silent, .source = o->program.source,
                         .real = o->program.f64 ? DT_F64 : DT_F32};
}

/* Null after errors.  A file of weights says which dims it was trained for. */
ir_module *program_load(const char *path, const ingot_options *o, diag *d)
{
    dsl_options given = given_by(o);

    if (o && o->program.weights && !take_weights(o->program.weights, &given, d))
        return NULL;
    return dsl_import(path, &given, d);
}

ir_module *program_load_training(const char *path, const ingot_options *o,
                                 const struct ingot_trainer **t, diag *d)
{
    dsl_options given = given_by(o);

    given.probe = data_probe;
    return dsl_import_training(path, &given, t, d);
}

const char *program_unset(const ir_module *m)
{
    for (uint32_t i = 0; i < m->state.len; i++)
        if (m->state.at[i].trainable && m->state.at[i].init == IR_NONE)
            return m->state.at[i].name;
    return NULL;
}

const char *program_weights_beside(const char *program, diag *d)
{
    int stem = (int)(strlen(program) - strlen(".ingot"));
    const char *beside = arena_printf(&d->mem, "%.*s.safetensors", stem, program);

    return access(beside, R_OK) ? "FILE" : beside;
}
