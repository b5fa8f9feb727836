/* frontend/onnx_load.c - the file: mapping, messages, types, inputs and outputs. */
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

/* ---- protobuf-c, with a budget ------------------------------------------------- */

typedef struct budget { size_t left; } budget;

static void *take(void *data, size_t size)
{
    budget *b = data;

    if (size > b->left)
        return NULL;
    b->left -= size;
    return malloc(size ? size : 1);
}

static void give(void *data, void *p)
{
    (void)data;
    free(p);
}

/* False, with an error, if the file begins as one of another kind does. */
static bool is_model(const onnx_model *x)
{
    const char *kind = file_looks_like(x->data, x->size);

    return !kind || diag_error(x->d, (ir_loc){0}, D_IO, x->name,
                               arena_printf(&x->d->mem, "looks like %s; an ONNX model is expected, "
                                            "or a text whose name ends in .ir", kind));
}

/* Unpacks what the scan leaves of the file, without the payloads of large tensors.  Memory
 * is bounded by the size of that: a few bytes can stand for many messages. */
static Onnx__ModelProto *unpack(onnx_model *x)
{
    enum { PER_BYTE = 12 };
    text reduced = {0};
    Onnx__ModelProto *p = NULL;

    if (is_model(x) && onnx_scan(x->data, x->size, x->name, &reduced, x->d)) {
        budget b = {.left = (size_t)128 << 20};
        if (reduced.len < SIZE_MAX / 32)
            b.left += reduced.len * PER_BYTE;
        ProtobufCAllocator a = {take, give, &b};
        p = onnx__model_proto__unpack(&a, reduced.len, (uint8_t *)(reduced.at ? reduced.at : ""));
        if (!p)
            diag_error(x->d, (ir_loc){0}, D_IO, x->name, "is not an ONNX model, or is cut off");
    }
    text_free(&reduced);
    return p;
}

static void free_proto(Onnx__ModelProto *p)
{
    ProtobufCAllocator a = {take, give, NULL};

    if (p)
        onnx__model_proto__free_unpacked(p, &a);
}

/* ---- types ---------------------------------------------------------------------- */

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
    if (given && p->dim_value >= 0)
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

static bool is_initializer(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name && !strcmp(g->initializer[i]->name, name))
            return true;
    return false;
}

/* Adds the entry's parameters.  Old files list initializers as inputs, too: those are
 * constants. */
static bool load_inputs(onnx_scope *s, const Onnx__GraphProto *g, ir_loc loc)
{
    names consts = {0};
    bool ok = true;

    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name)
            names_add(&consts, g->initializer[i]->name);
    for (size_t i = 0; ok && i < g->n_input; i++) {
        const char *name = g->input[i]->name ? g->input[i]->name : "";
        ir_ref seen;
        if (names_find(&consts, name) != NAMES_NONE)
            continue;
        const ir_type *t = onnx_load_type(s->model, g->input[i]->type, name, loc);
        ok = t && (!scope_find(s, name, &seen) ||
                   diag_error(s->model->d, loc, D_GENERAL,
                              arena_printf(&s->model->m->mem, "two inputs are called '%s'", name)));
        if (ok)
            scope_set(s, name, ir_input(s->b, name, t));
    }
    names_free(&consts);
    return ok;
}

/* Does each --shape name an input of the graph? */
static bool check_options(onnx_model *x, const Onnx__GraphProto *g)
{
    for (int i = 0; x->options && i < x->options->shapes; i++) {
        const char *name = x->options->shape[i].input;
        bool found = false;
        for (size_t j = 0; j < g->n_input; j++)
            found |=
                g->input[j]->name && !strcmp(g->input[j]->name, name) && !is_initializer(g, name);
        if (!found)
            return diag_error(x->d, (ir_loc){0}, D_IO, x->name,
                              arena_printf(&x->m->mem, "has no input '%s' (--shape)", name));
    }
    return true;
}

/* After the inputs are loaded. */
static bool check_dims(onnx_model *x)
{
    for (int i = 0; x->options && i < x->options->dims; i++)
        if (!x->dim_used[i])
            return diag_error(x->d, (ir_loc){0}, D_IO, x->name,
                              arena_printf(&x->m->mem, "no input has a run-time dim '%s' (--dim)",
                                           x->options->dim_name[i]));
    return true;
}

/* An output as the graph declares it: its extents are advice, its type is not. */
static bool load_output(onnx_model *x, ir_build *b, const Onnx__ValueInfoProto *p, ir_ref out)
{
    const char *name = p->name ? p->name : "";
    const Onnx__TypeProto *t = p->type;
    bool tensor = t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && t->tensor_type;
    ir_dtype want = tensor ? dt_from_onnx(t->tensor_type->elem_type) : DT_NONE;
    const ir_type *has = out == IR_NONE ? NULL : ir_type_of(b->fn, out);

    if (has && has->kind == TY_TENSOR && want != DT_NONE && want != has->dtype)
        return diag_error(x->d, b->loc, D_GENERAL,
                          arena_printf(&x->m->mem, "output '%s' is declared as %s, but is %s",
                                       name, dt_text(want), dt_text(has->dtype)));
    ir_result(b, name, out);
    return true;
}

/* One more run: the state is a number of 128 bits, in steps of 2^64. */
static void count_run(onnx_model *x, ir_build *b)
{
    const uint64_t one[2] = {0, 1};
    ir_ref runs = ir_state_ref(b, x->runs);

    ir_ref step = ir_const_ref(b, const_copy(x->m, ir_type_of(b->fn, runs), one, sizeof one));
    ir_update_state(b, x->runs, ir_2(b, OP_ADD, runs, step));
}

ir_ref onnx_runs(onnx_op *n)
{
    onnx_model *x = n->scope->model;

    if (x->runs == IR_NONE) {
        x->runs = x->m->state.len;
        vec_push(&x->m->state, ((ir_state){.name = "runs", .init = IR_NONE,
                                           .type = ir_ty(n->b, DT_U64, (ir_dim[]){{2}}, 1)}));
    }
    return ir_state_ref(n->b, x->runs);
}

/* Builds the graph as the entry `main`; false if anything is wrong or missing. */
static bool build_main(onnx_model *x, const Onnx__GraphProto *g)
{
    ir_build b;
    onnx_scope s = {.model = x, .b = &b};
    ir_loc loc = {.file = diag_place(x->d, x->name)};
    ir_ref *out = arena_array(&x->m->mem, ir_ref, g->n_output + 1);

    ir_build_init(&b, x->m, ir_fn_new(x->m, "main", true), x->d);
    b.checks = true;
    b.loc = loc;
    bool ok = check_options(x, g) && load_inputs(&s, g, loc) && check_dims(x) &&
              onnx_run_graph(&s, g, out);
    b.loc = loc;
    for (size_t i = 0; ok && i < g->n_output; i++)
        ok = load_output(x, &b, g->output[i], out[i]);
    if (ok && x->runs != IR_NONE)
        count_run(x, &b);
    scope_free(&s);
    ir_build_free(&b);
    return ok && !diag_failed(x->d);
}

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
    return build_main(x, x->proto->graph);
}

static ir_module *import(onnx_model *x)
{
    x->m = ir_module_new(x->d);
    x->runs = IR_NONE;
    x->dim_used = arena_array(&x->m->mem, bool, x->options ? x->options->dims : 0);
    x->proto = unpack(x);
    bool ok = x->proto && build_model(x);
    names_free(&x->functions);
    vec_free(&x->function);
    names_free(&x->files);
    vec_free(&x->file);
    free_proto(x->proto);
    if (ok)
        return x->m;
    ir_module_free(x->m);
    return NULL;
}

ir_module *onnx_import_memory(const uint8_t *data, size_t size, const char *name,
                              const import_options *o, diag *d)
{
    onnx_model x = {.name = name, .data = data, .size = size, .options = o, .d = d};

    return import(&x);
}

ir_module *onnx_import(const char *path, const import_options *o, diag *d)
{
    const char *why, *slash = strrchr(path, '/');
    onnx_model x = {.name = path, .options = o, .d = d};

    x.data = onnx_map(path, &x.size, &why);
    if (!x.data) {
        diag_error(d, (ir_loc){0}, D_IO, path, why);
        return NULL;
    }
    x.folder = slash ? arena_strndup(&d->mem, path, (size_t)(slash - path)) : ".";
    return import(&x);
}
