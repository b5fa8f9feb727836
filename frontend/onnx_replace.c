/* frontend/onnx_replace.c - a model's file with other weights: everything in it
 * stays as it is but for the elements of tensors whose name is that of an array.
 * This is how a trained model goes back to the file that it came from. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "onnx_model.h"

/* What is looked for, and how many were found: none is an error. */
typedef struct replacing {
    const char *path;
    const import_array *array;
    int n, used;
    diag *d;
} replacing;

/* The array of this name, or that of it in a net, m.NAME. */
static const import_array *array_of(const replacing *r, const char *name)
{
    for (int i = 0; name && i < r->n; i++) {
        const char *a = r->array[i].name;
        if (!strcmp(a, name) || (!strncmp(a, "m.", 2) && !strcmp(a + 2, name)))
            return &r->array[i];
    }
    return NULL;
}

static bool same_type(const Onnx__TensorProto *t, const import_array *a)
{
    bool same = dt_from_onnx(t->data_type) == a->dtype && t->n_dims == (size_t)a->rank;

    for (size_t i = 0; same && i < t->n_dims; i++)
        same = t->dims[i] == a->dims[i];
    return same;
}

/* The elements are in the tensor itself from now on. */
static void free_external(Onnx__TensorProto *t)
{
    for (size_t i = 0; i < t->n_external_data; i++)
        onnx__string_string_entry_proto__free_unpacked(t->external_data[i], NULL);
    free(t->external_data);
    t->external_data = NULL;
    t->n_external_data = 0;
    t->has_data_location = false;
}

/* The elements become raw bytes, whatever they were. */
static bool set_elements(Onnx__TensorProto *t, const import_array *a)
{
    uint8_t *copy = malloc(a->size + 1);

    if (!copy)
        return false;
    memcpy(copy, a->data, a->size);
    free(t->raw_data.data);
    t->raw_data = (ProtobufCBinaryData){a->size, copy};
    t->has_raw_data = true;
    t->n_float_data = t->n_int32_data = t->n_int64_data = 0;
    t->n_double_data = t->n_uint64_data = 0;
    free_external(t);
    return true;
}

/* Puts the array of this name, if there is one, into the tensor. */
static bool replace(replacing *r, const char *name, Onnx__TensorProto *t)
{
    const import_array *a = array_of(r, name);

    if (!a)
        return true;
    r->used++;
    if (!same_type(t, a))
        return diag_error(r->d, (ir_loc){0}, D_IO, r->path,
                          arena_printf(&r->d->mem, "'%s' has another type than the array of its "
                                       "name", name));
    return set_elements(t, a) || diag_error(r->d, (ir_loc){0}, D_GENERAL, "no memory");
}

/* The tensor of a Constant node; null. */
static Onnx__TensorProto *constant_of(const Onnx__NodeProto *p)
{
    bool constant = p->op_type && !strcmp(p->op_type, "Constant") && p->n_output == 1;

    for (size_t i = 0; constant && i < p->n_attribute; i++)
        if (p->attribute[i]->t)
            return p->attribute[i]->t;
    return NULL;
}

/* Initializers, and constants that are nodes. */
static bool replace_all(replacing *r, const Onnx__GraphProto *g)
{
    bool ok = true;

    for (size_t i = 0; ok && i < g->n_initializer; i++)
        ok = replace(r, g->initializer[i]->name, g->initializer[i]);
    for (size_t i = 0; ok && i < g->n_node; i++) {
        Onnx__TensorProto *t = constant_of(g->node[i]);
        ok = !t || replace(r, g->node[i]->output[0], t);
    }
    return ok && (r->used || diag_error(r->d, (ir_loc){0}, D_IO, r->path,
                                        "none of its weights has the name of an array"));
}

static void pack(const Onnx__ModelProto *p, text *out)
{
    size_t size = onnx__model_proto__get_packed_size(p);
    uint8_t *packed = mem_alloc(size + 1);

    onnx__model_proto__pack(p, packed);
    text_addn(out, (const char *)packed, size);
    mem_free(packed);
}

/* out gets the whole file.  False after an error. */
bool onnx_replace(const char *path, const import_array *w, int n, text *out, diag *d)
{
    replacing r = {.path = path, .array = w, .n = n, .d = d};
    const char *why;
    size_t size;
    const uint8_t *data = onnx_map(path, &size, &why);

    if (!data)
        return diag_error(d, (ir_loc){0}, D_IO, path, why);
    Onnx__ModelProto *p = onnx_unpack(data, size);
    bool ok = p && p->graph ? replace_all(&r, p->graph)
                            : diag_error(d, (ir_loc){0}, D_IO, path, "is not an ONNX model");
    if (ok)
        pack(p, out);
    onnx_free(p);
    munmap((void *)(uintptr_t)data, size);
    return ok;
}
