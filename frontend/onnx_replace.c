/* frontend/onnx_replace.c - a model's file with other weights: everything in it
 * stays as it is but for the elements of tensors whose name is that of an array.
 * This is how a trained model goes back to the file that it came from.  In another folder the
 * elements that lie in files beside the model would not be found: they become part of it. */
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

/* The array of this name, or that of it in a net, m.NAME; of what an algorithm of the file keeps
 * beside its graph, learn/NAME. */
static const import_array *array_of(const replacing *r, const char *name, bool own)
{
    const char *in = own ? "learn/" : "m.";

    for (int i = 0; name && i < r->n; i++) {
        const char *a = r->array[i].name;
        if ((!own && !strcmp(a, name)) ||
            (!strncmp(a, in, strlen(in)) && !strcmp(a + strlen(in), name)))
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
static bool set_elements(Onnx__TensorProto *t, const void *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);

    if (!copy)
        return false;
    memcpy(copy, data, size);
    free(t->raw_data.data);
    t->raw_data = (ProtobufCBinaryData){size, copy};
    t->has_raw_data = true;
    t->n_float_data = t->n_int32_data = t->n_int64_data = 0;
    t->n_double_data = t->n_uint64_data = 0;
    free_external(t);
    return true;
}

static bool no_memory(diag *d)
{
    return diag_error(d, (ir_loc){0}, D_GENERAL, "no memory");
}

/* Puts the array of this name, if there is one, into the tensor. */
static bool replace(replacing *r, const char *name, bool own, Onnx__TensorProto *t)
{
    const import_array *a = array_of(r, name, own);

    if (!a)
        return true;
    r->used++;
    if (!same_type(t, a))
        return diag_error(r->d, (ir_loc){0}, D_IO, r->path,
                          arena_printf(&r->d->mem, "'%s' has another type than the array of its "
                                       "name", name));
    return set_elements(t, a->data, a->size) || no_memory(r->d);
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

static bool replace_initializers(replacing *r, bool own, const Onnx__GraphProto *g)
{
    bool ok = true;

    for (size_t i = 0; ok && g && i < g->n_initializer; i++)
        ok = replace(r, g->initializer[i]->name, own, g->initializer[i]);
    return ok;
}

/* Initializers, and constants that are nodes; of the training's algorithms what they keep. */
static bool replace_all(replacing *r, const Onnx__ModelProto *p)
{
    const Onnx__GraphProto *g = p->graph;
    bool ok = replace_initializers(r, false, g);

    for (size_t i = 0; ok && i < g->n_node; i++) {
        Onnx__TensorProto *t = constant_of(g->node[i]);
        ok = !t || replace(r, g->node[i]->output[0], false, t);
    }
    for (size_t i = 0; ok && i < p->n_training_info; i++)
        ok = replace_initializers(r, true, p->training_info[i]->algorithm);
    return ok;
}

static bool some_used(const replacing *r)
{
    return r->used || diag_error(r->d, (ir_loc){0}, D_IO, r->path,
                                 "none of its weights has the name of an array");
}

/* ---- data of other files ------------------------------------------------------------ */

static bool take_in_graph(onnx_model *x, const Onnx__GraphProto *g);

static bool take_in(onnx_model *x, Onnx__TensorProto *t)
{
    const uint8_t *data;
    size_t size;

    if (!t || !onnx_is_external(t))
        return true;
    return onnx_external_data(x, t, &data, &size) &&
           (set_elements(t, data, size) || no_memory(x->d));
}

static bool take_in_attribute(onnx_model *x, const Onnx__AttributeProto *a)
{
    bool ok = take_in(x, a->t) && take_in_graph(x, a->g);

    for (size_t i = 0; ok && i < a->n_tensors; i++)
        ok = take_in(x, a->tensors[i]);
    for (size_t i = 0; ok && i < a->n_graphs; i++)
        ok = take_in_graph(x, a->graphs[i]);
    return ok;
}

static bool take_in_nodes(onnx_model *x, Onnx__NodeProto *const *node, size_t n)
{
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++)
        for (size_t k = 0; ok && k < node[i]->n_attribute; k++)
            ok = take_in_attribute(x, node[i]->attribute[k]);
    return ok;
}

/* g may be null. */
static bool take_in_graph(onnx_model *x, const Onnx__GraphProto *g)
{
    bool ok = !g || take_in_nodes(x, g->node, g->n_node);

    for (size_t i = 0; ok && g && i < g->n_initializer; i++)
        ok = take_in(x, g->initializer[i]);
    for (size_t i = 0; ok && g && i < g->n_sparse_initializer; i++)
        ok = take_in(x, g->sparse_initializer[i]->values) &&
             take_in(x, g->sparse_initializer[i]->indices);
    return ok;
}

/* All elements of external data become part of the model, which then depends on no file. */
static bool take_in_all(const char *path, const Onnx__ModelProto *p, diag *d)
{
    ir_module *m = ir_module_new(d);
    onnx_model x = {.name = path, .folder = onnx_folder_of(path, d), .m = m, .d = d};
    bool ok = take_in_graph(&x, p->graph);

    for (size_t i = 0; ok && i < p->n_functions; i++)
        ok = take_in_nodes(&x, p->functions[i]->node, p->functions[i]->n_node);
    for (size_t i = 0; ok && i < p->n_training_info; i++)
        ok = take_in_graph(&x, p->training_info[i]->initialization) &&
             take_in_graph(&x, p->training_info[i]->algorithm);
    names_free(&x.files);
    vec_free(&x.file);
    ir_module_free(m);
    return ok;
}

/* ---- the file ------------------------------------------------------------------------ */

static void pack(const Onnx__ModelProto *p, text *out)
{
    size_t size = onnx__model_proto__get_packed_size(p);
    uint8_t *packed = mem_alloc(size + 1);

    onnx__model_proto__pack(p, packed);
    text_addn(out, (const char *)packed, size);
    mem_free(packed);
}

/* out gets the whole file.  False after an error. */
static bool replace_file(const char *path, const import_array *w, int n, bool whole,
                         const onnx_head *head, bool *can, text *out, diag *d)
{
    replacing r = {.path = path, .array = w, .n = n, .d = d};
    const char *why;
    size_t size;
    const uint8_t *data = onnx_map(path, &size, &why);

    if (!data)
        return diag_error(d, (ir_loc){0}, D_IO, path, why);
    Onnx__ModelProto *p = onnx_unpack(data, size);
    bool ok = p && p->graph ? replace_all(&r, p)
                            : diag_error(d, (ir_loc){0}, D_IO, path, "is not an ONNX model");
    ok = ok && (head || some_used(&r)) && (!whole || take_in_all(path, p, d));
    if (ok) {
        Onnx__ModelProto changed = *p;
        *can = !head || onnx_end_with(&changed, head, &d->mem);
        if (*can)
            pack(&changed, out);
    }
    onnx_free(p);
    munmap((void *)(uintptr_t)data, size);
    return ok;
}

bool onnx_replace(const char *path, const import_array *w, int n, bool whole, text *out, diag *d)
{
    bool can;

    return replace_file(path, w, n, whole, NULL, &can, out, d);
}

bool onnx_replace_end(const char *path, const import_array *w, int n, bool whole,
                      const onnx_head *head, bool *can, text *out, diag *d)
{
    return replace_file(path, w, n, whole, head, can, out, d);
}
