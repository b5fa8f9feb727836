/* runtime/states.c - states in a safetensors file, a tensor each, under their own
 * names: other programs read them as they would read weights.  A file must hold all
 * states of the model and nothing else: one that was made by another model is not
 * half-read. */
#include "states.h"

#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"
#include "tensor_safetensors.h"
#include "tensor_safetensors_text.h"

uint64_t state_bytes(const struct ingot_value_info *v)
{
    return safetensors_bytes(v->dtype, v->rank, v->dims);
}

uint64_t state_elements(const struct ingot_value_info *v)
{
    return state_bytes(v) / tensor_elem_size(v->dtype);
}

/* ---- writing ------------------------------------------------------------------------- */

/* Asked before a run, not when hours of it are to be saved. */
bool states_storable(const struct ingot_model *m, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; i < m->state_count; i++)
        if (!safetensors_holds(m->states[i].dtype))
            return tensor_fail(error, "state '%s' has type %s, which a file of states cannot hold",
                               m->states[i].name, tensor_type_name(m->states[i].dtype));
    return true;
}

/* In the order of the model. */
bool states_write(const session *s, FILE *f)
{
    const struct ingot_model *m = s->model;
    safetensors_item *item = calloc((size_t)m->state_count + 1, sizeof *item);

    for (int32_t i = 0; item && i < m->state_count; i++) {
        const struct ingot_value_info *v = &m->states[i];
        item[i] = (safetensors_item){v->name, v->dtype, v->rank, v->dims,
                                     (const char *)s->states + v->offset};
    }
    bool ok = item && safetensors_write(f, item, m->state_count, NULL, 0);
    free(item);
    return ok;
}

/* ---- reading ------------------------------------------------------------------------- */

static bool same_shape(const safetensors_entry *t, const struct ingot_value_info *v)
{
    return t->dtype == v->dtype && t->rank == v->rank &&
           (!t->rank || !memcmp(t->dims, v->dims, (size_t)t->rank * sizeof *t->dims));
}

/* Shapes and types must agree: nothing is cast on the way. */
bool states_read_one(session *s, safetensors *file, const safetensors_entry *t, int32_t i,
                     char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_value_info *v = &s->model->states[i];
    char has[SAFETENSORS_SHAPE_SIZE], wanted[SAFETENSORS_SHAPE_SIZE];

    if (same_shape(t, v))
        return safetensors_read(file, t, (char *)s->states + v->offset, error);
    return tensor_fail(error, "%s: state '%s' is %.150s there, in the model it is %.150s",
                       file->path, v->name, safetensors_shape(t->type, t->rank, t->dims, has),
                       safetensors_shape(tensor_type_name(v->dtype), v->rank, v->dims, wanted));
}

/* The state of this name; -1 if there is none. */
static int32_t state_named(const struct ingot_model *m, const char *name)
{
    for (int32_t i = 0; i < m->state_count; i++)
        if (!strcmp(m->states[i].name, name))
            return i;
    return -1;
}

/* Each tensor of the file goes to its state. */
static bool read_all(session *s, safetensors *file, char *error)
{
    for (int32_t k = 0; k < file->tensor_count; k++) {
        const safetensors_entry *t = &file->tensor[k];
        int32_t i = state_named(s->model, t->name);
        if (i < 0)
            return tensor_fail(error, "%s: holds '%.200s', which is no state of this model",
                               file->path, t->name);
        if (!states_read_one(s, file, t, i, error))
            return false;
    }
    return true;
}

/* A file with too few states would leave others as they are drawn, without a word. */
static bool holds_all(const session *s, const safetensors *file, char *error)
{
    for (int32_t i = 0; i < s->model->state_count; i++)
        if (!safetensors_find(file, s->model->states[i].name))
            return tensor_fail(error, "%s: holds no state '%s'", file->path,
                               s->model->states[i].name);
    return true;
}

bool states_read(session *s, const char *path, char error[TENSOR_ERROR_SIZE])
{
    safetensors file;
    bool ok = safetensors_open(&file, path, error) && read_all(s, &file, error) &&
              holds_all(s, &file, error);

    safetensors_close(&file);
    return ok;
}
