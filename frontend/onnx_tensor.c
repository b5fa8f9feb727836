/* frontend/onnx_tensor.c - tensors of the file as constants of the module.
 * Weights are never copied: constants point into the mapped file, or into one
 * of external data, which must lie in the model's folder. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi.h"
#include "onnx_model.h"
#include "onnx_scan.h"

/* Elements of a tensor: which field they are of, and where. */
typedef struct payload {
    uint32_t field;         /* of TensorProto; 9: raw */
    const uint8_t *at;
    size_t len;
} payload;

static bool tensor_error(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc, const char *what)
{
    return diag_error(x->d, loc, D_GENERAL,
                      arena_printf(&x->m->mem, "tensor '%s': %s", text_or(t->name), what));
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

/* A model must not read files elsewhere: links and `..` are resolved before paths
 * are compared, and /a/bc is not in /a/b. */
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
    f.data = onnx_map(path, &f.size, &why);
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

/* The tensor's bytes in a file beside the model; without a length they go to its end. */
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

bool onnx_external_data(onnx_model *x, const Onnx__TensorProto *t, const uint8_t **data,
                        size_t *size)
{
    payload p;

    if (!external(x, t, (ir_loc){0}, &p))
        return false;
    *data = p.at;
    *size = p.len;
    return true;
}

/* False where the file ends inside the number, or it has more than 64 bits. */
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

/* A constant of strings, which are copied: the file's messages are freed after the import. */
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

/* The type that a tensor of the file has. */
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
    x->weights += bytes;
    return x->weights <= import_max_weights(x->options) ||
           tensor_error(x, t, loc, "the weights exceed --max-weights");
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

/* The constant's number; IR_NONE after an error.  Elements come from raw_data, a
 * typed field or another file, each of which must have exactly as many bytes as the
 * shape says. */
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
    if (onnx_is_external(t)) {
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
