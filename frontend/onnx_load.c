/* frontend/onnx_load.c - the file: mapping, messages, types, inputs and outputs.
 * In this order: the file is mapped; onnx_scan bounds it and leaves out the
 * payloads of tensors; protobuf-c unpacks what is left; inputs become parameters
 * and initializers constants that point into the mapped file; then the graph is
 * built (onnx_entry.c). All gaps of the model are reported at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_kind.h"
#include "onnx_model.h"
#include "onnx_scan.h"

/* ---- mapping -------------------------------------------------------------------- */

/* Null, and why.  O_NONBLOCK: a pipe of that name must not hold us up before it is
 * refused. */
const uint8_t *onnx_map(const char *path, size_t *size, const char **why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    void *p = MAP_FAILED;

    *why = NULL;
    if (fd < 0 || fstat(fd, &st)) {
        *why = strerror(errno);
    } else if (!S_ISREG(st.st_mode)) {
        *why = "is not a regular file";
    } else if (st.st_size == 0) {
        *why = "is empty";
    } else {
        *size = (size_t)st.st_size;
        p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            *why = strerror(errno);
    }
    if (fd >= 0)
        close(fd);
    return *why ? NULL : p;
}

/* ---- messages -------------------------------------------------------------------- */

/* False, with an error, if the file begins as one of another kind does. */
static bool is_model(const onnx_model *x)
{
    const char *kind = file_looks_like(x->data, x->size);

    return !kind || diag_error(x->d, (ir_loc){0}, D_IO, x->name,
                               arena_printf(&x->d->mem, "looks like %s; an ONNX model is expected, "
                                            "or a text whose name ends in .ingot or .ir", kind));
}

/* Unpacks what the scan leaves of the file, without the payloads of large tensors. */
static Onnx__ModelProto *unpack(onnx_model *x)
{
    text reduced = {0};
    Onnx__ModelProto *p = NULL;

    if (is_model(x) && onnx_scan(x->data, x->size, x->name, &reduced, x->d)) {
        p = onnx_unpack(reduced.at ? reduced.at : "", reduced.len);
        if (!p)
            diag_error(x->d, (ir_loc){0}, D_IO, x->name, "is not an ONNX model, or is cut off");
    }
    text_free(&reduced);
    return p;
}

/* ---- types ---------------------------------------------------------------------- */

/* Is there a --dim for this name?  One that no input uses is told in the end. */
static bool dim_option(onnx_model *x, const char *name, int64_t *v)
{
    for (int i = 0; x->options && i < x->options->dims; i++)
        if (!strcmp(x->options->dim_name[i], name)) {
            *v = x->options->dim_value[i];
            x->dim_used[i] = true;
            return true;
        }
    return false;
}

/* The extent that --shape gives to an axis of this name. */
static bool bound_by_shape(const onnx_model *x, const char *raw, int64_t *v)
{
    const Onnx__GraphProto *g = x->proto->graph;

    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TypeProto *t = g->input[i]->type;
        const char *name = g->input[i]->name;
        const import_shape *s = name ? import_shape_of(x->options, name) : NULL;
        const Onnx__TensorShapeProto *shape =
            s && t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && t->tensor_type
                ? t->tensor_type->shape : NULL;
        for (size_t k = 0; shape && k < shape->n_dim && k < (size_t)s->rank; k++)
            if (shape->dim[k]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                shape->dim[k]->dim_param && !strcmp(shape->dim[k]->dim_param, raw)) {
                *v = s->dims[k];
                return true;
            }
    }
    return false;
}

/* An extent without a number: a symbol, or what the options bind it to. */
static ir_dim symbol(onnx_model *x, const char *name)
{
    int64_t v;
    bool found;

    if (dim_option(x, name, &v) || bound_by_shape(x, name, &v))
        return dim_int(&x->m->dims, v);
    ir_dim d = dim_symbol_named(&x->m->dims, name, &found);
    return found ? d : dim_symbol_new(&x->m->dims, name, 0, INT64_MAX);
}

/* Is it the extent of rows, which a caller may want to be any? */
static bool is_any_rows(const onnx_model *x, int axis)
{
    return x->options && x->options->any_rows && !axis;
}

/* An extent of an input: a number, the dim of its name, or one called after input and axis,
 * as `x_0`, where the file has no name, `?` or -1. */
static bool load_extent(onnx_model *x, const Onnx__TensorShapeProto__Dimension *p,
                        const char *input, int axis, ir_loc loc, ir_dim *out)
{
    bool given = p->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    bool named = p->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                 p->dim_param && *p->dim_param && strcmp(p->dim_param, "?");
    char unnamed[300];

    snprintf(unnamed, sizeof unnamed, "%.256s_%d", input, axis);
    if (given && p->dim_value >= 0 && is_any_rows(x, axis)) {
        x->any_rows = *out = symbol(x, "rows");
        x->rows = p->dim_value;
        x->frees_rows = true;
    } else if (given && p->dim_value >= 0)
        *out = dim_int(&x->m->dims, p->dim_value);
    else if (given && p->dim_value != -1)
        return diag_error(x->d, loc, D_NEGATIVE, input, axis, (long long)p->dim_value);
    else
        *out = symbol(x, named ? p->dim_param : unnamed);
    return true;
}

/* --shape on this input: replaces run-time extents, must equal fixed ones. */
static bool apply_shape(onnx_model *x, const char *input, ir_dim *dim, int rank, ir_loc loc)
{
    const import_shape *s = import_shape_of(x->options, input);
    int64_t v;

    if (!s)
        return true;
    if (s->rank != rank)
        return diag_error(x->d, loc, D_RANK, input, 0, s->rank, rank);
    for (int i = 0; i < rank; i++) {
        if (dim_const(&x->m->dims, dim[i], &v) && v != s->dims[i])
            return diag_error(x->d, loc, D_GENERAL,
                              arena_printf(&x->m->mem, "--shape %s: axis %d is fixed to %lld",
                                           input, i, (long long)v));
        dim[i] = dim_int(&x->m->dims, s->dims[i]);
    }
    return true;
}

/* A file can name extents whose product does not fit 64 bits. */
static const ir_type *checked_type(onnx_model *x, ir_dtype dtype, int rank, const ir_dim *dim,
                                   const char *input, ir_loc loc)
{
    const ir_type *t = type_tensor(&x->m->types, dtype, rank, dim);

    if (!type_static(&x->m->types, t) || type_count_const(&x->m->types, t) >= 0)
        return t;
    diag_error(x->d, loc, D_SIZE, input, "its number of elements");
    return NULL;
}

/* The type of an input, with --shape applied; null after an error.  A file may leave out
 * the rank, and then --shape must say it. */
static const ir_type *load_tensor_type(onnx_model *x, const Onnx__TypeProto__Tensor *t,
                                       const char *input, ir_loc loc)
{
    ir_dtype dtype = dt_from_onnx(t->elem_type);
    ir_dim dim[IR_MAX_RANK];

    if (dtype == DT_NONE) {
        diag_error(x->d, loc, D_GENERAL,
                   arena_printf(&x->m->mem, "%s: has no known element type", input));
        return NULL;
    }
    size_t rank = t->shape ? t->shape->n_dim : 0;
    const import_shape *given = import_shape_of(x->options, input);
    if (!t->shape && given) {
        for (int i = 0; i < given->rank; i++)
            dim[i] = dim_int(&x->m->dims, given->dims[i]);
        return checked_type(x, dtype, given->rank, dim, input, loc);
    }
    if (!t->shape) {
        diag_unsupported(x->d, "input", "", input, "the file does not say its rank: give --shape");
        return NULL;
    }
    if (rank > IR_MAX_RANK) {
        diag_error(x->d, loc, D_RANK, input, 0, (int)rank, IR_MAX_RANK);
        return NULL;
    }
    for (size_t i = 0; i < rank; i++)
        if (!load_extent(x, t->shape->dim[i], input, (int)i, loc, &dim[i]))
            return NULL;
    if (!apply_shape(x, input, dim, (int)rank, loc))
        return NULL;
    return checked_type(x, dtype, (int)rank, dim, input, loc);
}

/* Null after an error.  Only tensors can have --shape. */
const ir_type *onnx_load_type(onnx_model *x, const Onnx__TypeProto *t, const char *input,
                              ir_loc loc)
{
    const ir_type *elem;

    if (t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && t->tensor_type)
        return load_tensor_type(x, t->tensor_type, input, loc);
    if (t && t->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE && t->sequence_type) {
        elem = onnx_load_type(x, t->sequence_type->elem_type, input, loc);
        return elem ? type_seq(&x->m->types, elem) : NULL;
    }
    if (t && t->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE && t->optional_type) {
        elem = onnx_load_type(x, t->optional_type->elem_type, input, loc);
        return elem ? type_opt(&x->m->types, elem) : NULL;
    }
    diag_unsupported(x->d, "type", "", input, "maps, sparse tensors and opaque types");
    return NULL;
}

/* ---- the model -------------------------------------------------------------------- */

/* Versions are looked up for every node. */
static bool few_versions(onnx_model *x)
{
    enum { MOST = 1000 };
    size_t n = x->proto->n_opset_import;

    for (size_t i = 0; i < x->proto->n_functions; i++)
        if (x->proto->functions[i]->n_opset_import > n)
            n = x->proto->functions[i]->n_opset_import;
    return n <= MOST || diag_error(x->d, (ir_loc){0}, D_BUDGET, x->name,
                                   "the number of operator sets", (long long)MOST);
}

/* Refuses what cannot be read right as a whole, then builds the graph. */
static bool build_model(onnx_model *x)
{
    enum { NEWEST_IR = 13 };    /* of onnx 1.22.0 */

    if (!x->proto->graph)
        return diag_error(x->d, (ir_loc){0}, D_IO, x->name, "holds no graph");
    if (x->proto->ir_version > NEWEST_IR)
        return diag_error(x->d, (ir_loc){0}, D_IO, x->name,
                          arena_printf(&x->m->mem, "has IR version %lld, the newest known is %d",
                                       (long long)x->proto->ir_version, NEWEST_IR));
    if (x->proto->graph->n_sparse_initializer)
        return diag_unsupported(x->d, "sparse initializer", "", "", "sparse tensors");
    if (!few_versions(x))
        return false;
    onnx_list_functions(x);
    return x->trains ? onnx_build_step(x) : onnx_build_main(x, x->proto->graph);
}

/* The module; null if anything is wrong or missing. */
static ir_module *build_module(onnx_model *x, bool offers)
{
    if (!x->function_name)
        x->m = ir_module_new(x->d);
    x->runs = IR_NONE;
    x->frees_rows = false;
    x->dim_used = arena_array(&x->m->mem, bool, x->options ? x->options->dims : 0);
    x->offers = offers;
    x->weights = x->nodes = 0;
    x->depth = x->copies = 0;
    bool ok = build_model(x);
    names_free(&x->functions);
    vec_free(&x->function);
    names_free(&x->loose);
    vec_free(&x->loose_axes);
    if (ok)
        return x->m;
    if (!x->function_name)
        ir_module_free(x->m);
    return NULL;
}

/* Shapes and axes that are inputs with defaults can keep a model from being built, as
 * constants they do not: then they are that. */
static ir_module *build_either(onnx_model *x)
{
    static const Onnx__GraphProto none = ONNX__GRAPH_PROTO__INIT;
    const Onnx__GraphProto *g = x->proto->graph ? x->proto->graph : &none;
    diag *d = x->d;
    uint32_t errors = d->errors, messages = d->message.len, gaps = d->gap.len;

    x->step = x->trains ? onnx_step_graph(x) : NULL;
    g = x->step ? x->step : g;
    onnx_list_initializers(x, g);
    onnx_list_settings(x, g);
    bool offers = !x->trains && onnx_offers_defaults(x, g);
    ir_module *m = build_module(x, offers);

    if (m || !offers)
        return m;
    d->errors = errors;
    d->usage = false;
    d->message.len = messages;
    d->gap.len = gaps;
    return build_module(x, false);
}

/* What points into the mapped file - constants - stays; what was unpacked goes. */
static ir_module *import(onnx_model *x)
{
    x->proto = unpack(x);
    ir_module *m = x->proto ? build_either(x) : NULL;
    names_free(&x->initializers);
    names_free(&x->settings);
    vec_free(&x->initializer);
    names_free(&x->files);
    vec_free(&x->file);
    onnx_free(x->proto);
    return m;
}

ir_module *onnx_import_memory(const uint8_t *data, size_t size, const char *name,
                              const import_options *o, diag *d)
{
    return import(&(onnx_model){.name = name, .data = data, .size = size, .options = o, .d = d});
}

const char *onnx_folder_of(const char *path, diag *d)
{
    const char *slash = strrchr(path, '/');

    return slash ? arena_strndup(&d->mem, path, (size_t)(slash - path)) : ".";
}

ir_module *onnx_import_changed(const uint8_t *data, size_t size, const char *path,
                               const import_options *o, diag *d)
{
    return import(&(onnx_model){.name = path, .folder = onnx_folder_of(path, d), .data = data,
                                .size = size, .options = o, .d = d});
}

static ir_module *import_file(onnx_model *x, const char *path)
{
    const char *why;

    x->data = onnx_map(path, &x->size, &why);
    x->folder = onnx_folder_of(path, x->d);
    if (x->data)
        return import(x);
    diag_error(x->d, (ir_loc){0}, D_IO, path, why);
    return NULL;
}

ir_module *onnx_import(const char *path, const import_options *o, diag *d)
{
    onnx_model x = {.name = path, .options = o, .d = d};

    return import_file(&x, path);
}

/* Of x, whose bytes are there or else in the file of its name. */
static ir_module *import_training(onnx_model *x, const import_options *o,
                                  struct ingot_trainer **trainer, struct ingot_train_block **block)
{
    import_options any = o ? *o : (import_options){0};

    any.any_rows = true;
    x->options = &any;
    x->trains = true;
    ir_module *m = x->data ? import(x) : import_file(x, x->name);
    *trainer = x->trainer;
    *block = x->block;
    return m;
}

ir_module *onnx_import_training(const char *path, const import_options *o,
                                struct ingot_trainer **trainer, struct ingot_train_block **block,
                                diag *d)
{
    return import_training(&(onnx_model){.name = path, .d = d}, o, trainer, block);
}

ir_module *onnx_import_training_memory(const uint8_t *data, size_t size, const char *name,
                                       const import_options *o, struct ingot_trainer **trainer,
                                       struct ingot_train_block **block, diag *d)
{
    return import_training(&(onnx_model){.name = name, .data = data, .size = size, .d = d}, o,
                           trainer, block);
}

ir_fn *onnx_import_function(ir_module *m, const char *name, const char *path,
                            const import_options *o, diag *d)
{
    onnx_model x = {.name = path, .options = o, .d = d, .m = m, .function_name = name};

    return import_file(&x, path) ? ir_module_find(m, name) : NULL;
}
