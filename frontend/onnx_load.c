/* frontend/onnx_load.c - the file: mapping, messages, types, tensors.
 * Weights are never copied: constants point into the mapped file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "onnx_model.h"
#include "onnx_scan.h"

/* ---- mapping -------------------------------------------------------------------- */

static const uint8_t *map_file(const char *path, size_t *size, const char **why)
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

static Onnx__ModelProto *unpack(onnx_model *x)
{
    enum { PER_BYTE = 12 };
    text reduced = {0};
    Onnx__ModelProto *p = NULL;

    if (onnx_scan(x->data, x->size, x->name, &reduced, x->d)) {
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

static const onnx_input_shape *shape_option(const onnx_model *x, const char *input)
{
    for (int i = 0; x->options && i < x->options->shapes; i++)
        if (!strcmp(x->options->shape[i].input, input))
            return &x->options->shape[i];
    return NULL;
}

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
        const onnx_input_shape *s = g->input[i]->name ? shape_option(x, g->input[i]->name) : NULL;
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
        return diag_error(x->d, loc, D_SIZE, input, "an extent is negative");
    else
        *out = symbol(x, named ? p->dim_param : unnamed);
    return true;
}

/* --shape on this input: replaces run-time extents, must equal fixed ones. */
static bool apply_shape(onnx_model *x, const char *input, ir_dim *dim, int rank, ir_loc loc)
{
    const onnx_input_shape *s = shape_option(x, input);
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
    const onnx_input_shape *given = shape_option(x, input);
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

/* ---- tensors --------------------------------------------------------------------- */

typedef struct payload {
    uint32_t field;         /* of TensorProto; 9: raw */
    const uint8_t *at;
    size_t len;
} payload;

static bool tensor_error(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc, const char *what)
{
    return diag_error(x->d, loc, D_GENERAL,
                      arena_printf(&x->m->mem, "tensor '%s': %s", t->name ? t->name : "", what));
}

/* Where the scan says that the left-out payload stands. */
static bool left_out(onnx_model *x, const Onnx__TensorProto *t, payload *p)
{
    size_t offset;

    if (!t->doc_string || sscanf(t->doc_string, "%u %zu %zu", &p->field, &offset, &p->len) != 3)
        return false;
    ICE_IF(offset > x->size || p->len > x->size - offset, "payload out of the file");
    p->at = x->data + offset;
    return true;
}

static const char *entry(const Onnx__TensorProto *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && !strcmp(t->external_data[i]->key, key))
            return t->external_data[i]->value;
    return NULL;
}

static bool inside(const char *folder, const char *path)
{
    char real[PATH_MAX], base[PATH_MAX];

    if (!realpath(path, real) || !realpath(*folder ? folder : ".", base))
        return false;
    size_t n = strlen(base);
    return !strncmp(real, base, n) && (real[n] == '/' || !strcmp(base, "/"));
}

/* A file of the model's folder, mapped once for all tensors in it; null after an
 * error. */
static const onnx_file *external_file(onnx_model *x, const Onnx__TensorProto *t,
                                      const char *location, ir_loc loc)
{
    uint32_t id = names_find(&x->files, location);
    onnx_file f;
    const char *why;

    if (id != NAMES_NONE)
        return &x->file.at[id];
    const char *path =
        arena_printf(&x->m->mem, "%s%s%s", x->folder, *x->folder ? "/" : "", location);
    if (*location == '/' || strstr(location, "..") || !inside(x->folder, path)) {
        bool missing =
            access(path, F_OK) && errno == ENOENT && *location != '/' && !strstr(location, "..");
        tensor_error(x, t, loc,
                     arena_printf(&x->m->mem,
                                  missing ? "external data '%s': no such file"
                                          : "external data '%s' is not in the model's folder",
                                  location));
        return NULL;
    }
    f.data = map_file(path, &f.size, &why);
    if (!f.data) {
        tensor_error(x, t, loc, arena_printf(&x->m->mem, "external data '%s': %s", location, why));
        return NULL;
    }
    names_add(&x->files, arena_strdup(&x->m->mem, location));
    vec_push(&x->file, f);
    return &x->file.at[x->file.len - 1];
}

/* Digits alone; the greatest number for what is greater. */
static bool read_size(const char *s, unsigned long long *out)
{
    char *end;

    *out = strtoull(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end;
}

static bool external(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc, payload *p)
{
    const char *location = entry(t, "location"), *offset = entry(t, "offset"),
               *length = entry(t, "length");
    unsigned long long from = 0, len = 0;

    if (!x->folder || !location || !*location)
        return tensor_error(x, t, loc, "external data has no location that can be read");
    if ((offset && !read_size(offset, &from)) || (length && !read_size(length, &len)))
        return tensor_error(x, t, loc, "external data has an offset or length that is no number");
    const onnx_file *f = external_file(x, t, location, loc);
    if (!f)
        return false;
    if (!length)
        len = f->size - (from < f->size ? from : f->size);
    if (from > f->size || len > f->size - from)
        return tensor_error(x, t, loc, "external data ends before the tensor does");
    *p = (payload){9, f->data + from, (size_t)len};
    return true;
}

static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t b = *(*at)++;
        *out |= (uint64_t)(b & 127) << shift;
        if (!(b & 128))
            return true;
    }
    return false;
}

/* Packed varints of the file as elements of `size` bytes each. */
static uint8_t *decode(onnx_model *x, const payload *p, size_t count, size_t size)
{
    const uint8_t *at = p->at, *end = p->at + p->len;
    uint64_t v;

    if (count > p->len)
        return NULL;
    uint8_t *out = arena_alloc(&x->m->mem, count * size);
    for (size_t i = 0; i < count; i++) {
        if (!varint(&at, end, &v))
            return NULL;
        memcpy(out + i * size, &v, size);
    }
    return at == end ? out : NULL;
}

/* `n` numbers of the message, `width` bytes each, narrowed to `size`. */
static uint8_t *narrow(onnx_model *x, const void *from, size_t n, size_t width, size_t count,
                       size_t size)
{
    if (n != count)
        return NULL;
    uint8_t *out = arena_alloc(&x->m->mem, count * size);
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * size, (const char *)from + i * width, size);
    return out;
}

static uint32_t fail(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc, const char *what)
{
    tensor_error(x, t, loc, what);
    return IR_NONE;
}

static uint32_t load_strings(onnx_model *x, const Onnx__TensorProto *t, const ir_type *type,
                             size_t count, ir_loc loc)
{
    struct ingot_string *s;

    if (t->n_string_data != count)
        return fail(x, t, loc, "has the wrong number of strings");
    s = arena_alloc(&x->m->mem, count * sizeof *s);
    for (size_t i = 0; i < count; i++) {
        s[i].at =
            arena_strndup(&x->m->mem, (const char *)t->string_data[i].data, t->string_data[i].len);
        s[i].len = t->string_data[i].len;
    }
    return const_bytes(x->m, type, s, count * sizeof *s);
}

static bool tensor_type(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc, const ir_type **out)
{
    ir_dtype dtype = dt_from_onnx(t->data_type);
    ir_dim dim[IR_MAX_RANK];

    if (dtype == DT_NONE)
        return tensor_error(x, t, loc, "has no known element type");
    if (t->n_dims > IR_MAX_RANK)
        return tensor_error(x, t, loc, "has too many axes");
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0)
            return tensor_error(x, t, loc, "has a negative extent");
        dim[i] = dim_int(&x->m->dims, t->dims[i]);
    }
    *out = type_tensor(&x->m->types, dtype, (int)t->n_dims, dim);
    return true;
}

static bool add_weights(onnx_model *x, const Onnx__TensorProto *t, uint64_t bytes, ir_loc loc)
{
    uint64_t max =
        x->options && x->options->max_weights ? x->options->max_weights : ONNX_MAX_WEIGHTS;

    x->weights += bytes;
    return x->weights <= max || tensor_error(x, t, loc, "the weights exceed --max-weights");
}

/* The typed elements, wherever they stand, in memory form or as in raw_data. */
static uint32_t load_typed(onnx_model *x, const Onnx__TensorProto *t, const ir_type *type,
                           const payload *p, size_t count, ir_loc loc)
{
    ir_dtype dt = type->dtype;
    size_t size = (size_t)dt_size(dt), packed = (count * (size_t)dt_bits(dt) + 7) / 8;
    bool sub = dt_bits(dt) < 8;
    size_t units = sub ? packed : dt_class(dt) == 'C' ? 2 * count : count;
    size_t unit = sub ? 1 : dt_class(dt) == 'C' ? size / 2 : size;
    const uint8_t *data = NULL;

    if (p->field == 4 || p->field == 10)
        data = p->len == units * unit ? p->at : NULL;
    else if (p->field)
        data = decode(x, p, units, unit);
    else if (dt == DT_F32 || dt == DT_C64)
        data = narrow(x, t->float_data, t->n_float_data, 4, units, unit);
    else if (dt == DT_F64 || dt == DT_C128)
        data = narrow(x, t->double_data, t->n_double_data, 8, units, unit);
    else if (dt == DT_I64)
        data = narrow(x, t->int64_data, t->n_int64_data, 8, units, unit);
    else if (dt == DT_U64 || dt == DT_U32)
        data = narrow(x, t->uint64_data, t->n_uint64_data, 8, units, unit);
    else
        data = narrow(x, t->int32_data, t->n_int32_data, 4, units, unit);
    return data ? const_bytes(x->m, type, data, units * unit)
                : fail(x, t, loc, "has the wrong number of elements");
}

uint32_t onnx_load_tensor(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc)
{
    const ir_type *type = NULL;
    payload p = {0};

    if (!tensor_type(x, t, loc, &type))
        return IR_NONE;
    int64_t count = type_count_const(&x->m->types, type);
    if (count < 0 || count > INT64_MAX / 256)     /* so that its bits have a number */
        return fail(x, t, loc, "is too large");
    if (type->dtype == DT_STR)
        return load_strings(x, t, type, (size_t)count, loc);
    size_t want = ((size_t)count * (size_t)dt_bits(type->dtype) + 7) / 8;
    if (!add_weights(x, t, want, loc))
        return IR_NONE;
    if (t->has_data_location && t->data_location == 1) {
        if (!external(x, t, loc, &p))
            return IR_NONE;
    } else if (!left_out(x, t, &p) && t->has_raw_data) {
        p = (payload){9, arena_copy(&x->m->mem, t->raw_data.data, t->raw_data.len),
                      t->raw_data.len};
    }
    if (p.field != 9)
        return load_typed(x, t, type, &p, (size_t)count, loc);
    if (p.len != want)
        return fail(x, t, loc, "its data has the wrong length");
    return const_bytes(x->m, type, p.at, p.len);
}

/* ---- the model -------------------------------------------------------------------- */

static bool is_initializer(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name && !strcmp(g->initializer[i]->name, name))
            return true;
    return false;
}

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
                              const onnx_options *o, diag *d)
{
    onnx_model x = {.name = name, .data = data, .size = size, .options = o, .d = d};

    return import(&x);
}

ir_module *onnx_import(const char *path, const onnx_options *o, diag *d)
{
    const char *why, *slash = strrchr(path, '/');
    onnx_model x = {.name = path, .options = o, .d = d};

    x.data = map_file(path, &x.size, &why);
    if (!x.data) {
        diag_error(d, (ir_loc){0}, D_IO, path, why);
        return NULL;
    }
    x.folder = slash ? arena_strndup(&d->mem, path, (size_t)(slash - path)) : ".";
    return import(&x);
}
