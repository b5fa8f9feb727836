/* runtime/tensor_pb.c - reading TensorProto, SequenceProto and OptionalProto, by their
 * wire format.  Field numbers are those of onnx 1.22.0's onnx.proto. */
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"
#include "tensor_types.h"

/* A message being read: [at, end) of the file that begins at `start`. Nested
 * messages are wires of their own over a part of the same bytes, so nothing is
 * copied. */
typedef struct wire {
    const char *name;
    const uint8_t *start, *at, *end;
    char *error;
} wire;

/* One field of a message: its number, and its value or the bytes that it holds. */
typedef struct field {
    uint32_t number, type;      /* wire type: 0 varint, 1 64-bit, 2 bytes, 5 32-bit */
    uint64_t value;             /* varint or fixed */
    const uint8_t *at;          /* bytes */
    size_t len;
} field;

static bool bad(wire *w, const char *what)
{
    return tensor_fail(w->error, "%s: is no .npy file, and no TensorProto either: offset %zu: %s",
                       w->name, (size_t)(w->at - w->start), what);
}

/* Seven bits a byte, the lowest first; the highest bit says that another follows. */
static bool varint(wire *w, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (w->at == w->end)
            return bad(w, "the file ends within a number");
        uint8_t b = *w->at++;
        *out |= (uint64_t)(b & 127) << shift;
        if (!(b & 128))
            return true;
    }
    return bad(w, "a number is longer than 10 bytes");
}

/* Little-endian, as this machine is. */
static bool fixed(wire *w, size_t n, uint64_t *out)
{
    if ((size_t)(w->end - w->at) < n)
        return bad(w, "the file ends within a number");
    *out = 0;
    memcpy(out, w->at, n);
    w->at += n;
    return true;
}

/* The next field; false if the message is malformed.  The caller has seen that
 * w->at is before w->end. */
static bool next(wire *w, field *f)
{
    uint64_t key;

    *f = (field){.at = w->at};
    if (!varint(w, &key))
        return false;
    if (key < 8 || key > UINT32_MAX)
        return bad(w, "a field number is out of range");
    f->number = (uint32_t)(key >> 3);
    f->type = key & 7;
    switch (f->type) {
    case 0: return varint(w, &f->value);
    case 1: return fixed(w, 8, &f->value);
    case 5: return fixed(w, 4, &f->value);
    case 2:
        if (!varint(w, &f->value))
            return false;
        if (f->value > (uint64_t)(w->end - w->at))
            return bad(w, "a field is longer than the file");
        f->at = w->at;
        f->len = (size_t)f->value;
        w->at += f->len;
        return true;
    default: return bad(w, "unknown wire type");
    }
}

/* Where the elements of one tensor stand: in raw_data, in a typed field, or in
 * neither, if there are none. */
typedef struct parts {
    int32_t dtype, rank;
    int64_t dims[TENSOR_MAX_RANK];
    bool external;
    const uint8_t *raw;
    size_t raw_len;
} parts;

static bool add_dim(wire *w, parts *p, uint64_t v)
{
    if (p->rank == TENSOR_MAX_RANK || v > INT64_MAX)
        return bad(w, "a tensor has too many or negative dims");
    p->dims[p->rank++] = (int64_t)v;
    return true;
}

/* Packed, as one field of many numbers, or one number a field: writers differ. */
static bool read_dims(wire *w, const field *f, parts *p)
{
    wire in = {w->name, w->start, f->at, f->at + f->len, w->error};
    uint64_t v;

    if (f->type == 0)
        return add_dim(w, p, f->value);
    while (in.at < in.end)
        if (!varint(&in, &v) || !add_dim(&in, p, v))
            return false;
    return true;
}

/* The first walk over the message finds everything but the typed elements, for which
 * the type must be known. */
static bool read_head(wire w, parts *p)
{
    field f;

    while (w.at < w.end) {
        if (!next(&w, &f))
            return false;
        if (f.number == 1 && !read_dims(&w, &f, p))
            return false;
        if (f.number == 2)
            p->dtype = f.value < TENSOR_TYPES ? (int32_t)f.value : 0;
        if (f.number == 3)
            return bad(&w, "segmented tensors are not supported");
        if (f.number == 9 && f.type == 2) {
            p->raw = f.at;
            p->raw_len = f.len;
        }
        if (f.number == 14)
            p->external = f.value == 1;
    }
    if (!p->dtype)
        return bad(&w, "unknown element type");
    return p->external ? bad(&w, "external data is not supported here") : true;
}

/* Spreads elements of less than a byte, which are packed with the low bits first, to
 * a byte each; signed ones are extended. */
static void unpack(const uint8_t *from, tensor *t)
{
    const tensor_type *k = &tensor_types[t->dtype];
    int per = 8 / k->bits;
    uint8_t *out = t->data;

    for (int64_t i = 0; i < t->count; i++) {
        uint8_t v = (uint8_t)(from[i / per] >> (i % per * k->bits)) & (uint8_t)((1 << k->bits) - 1);
        if (k->cls == 'i' && v >> (k->bits - 1))
            v |= (uint8_t)(0xff << k->bits);
        out[i] = v;
    }
}

/* raw_data holds the elements as they lie in memory, little-endian. */
static bool read_raw(wire *w, const parts *p, tensor *t)
{
    size_t size = tensor_elem_size(p->dtype);
    bool sub = tensor_types[p->dtype].bits < 8;
    int64_t want = sub ? pb_packed_size(p->dtype, t->count) : t->count * (int64_t)size;

    if (p->dtype == TENSOR_STRING || (int64_t)p->raw_len != want)
        return bad(w, "raw data has the wrong length");
    if (sub)
        unpack(p->raw, t);
    else if (want)
        memcpy(t->data, p->raw, (size_t)want);
    tensor_settle_bools(t);
    return true;
}

/* Writes number i of a typed field.  For types of less than a byte a number holds 8
 * bits, which are several elements. */
static bool put(wire *w, tensor *t, int64_t i, uint64_t v)
{
    const tensor_type *k = &tensor_types[t->dtype];

    if (k->bits < 8) {
        int per = 8 / k->bits;
        for (int j = 0; j < per && i * per + j < t->count; j++) {
            uint8_t e = (uint8_t)(v >> (j * k->bits)) & (uint8_t)((1 << k->bits) - 1);
            if (k->cls == 'i' && e >> (k->bits - 1))
                e |= (uint8_t)(0xff << k->bits);
            ((uint8_t *)t->data)[i * per + j] = e;
        }
        return i * per < t->count || bad(w, "more elements than the dims say");
    }
    if (k->cls == 'c') {        /* a complex element is two numbers */
        size_t half = k->size / 2u;
        if (i >= 2 * t->count)
            return bad(w, "more elements than the dims say");
        memcpy((uint8_t *)t->data + (size_t)i * half, &v, half);
        return true;
    }
    if (i >= t->count)
        return bad(w, "more elements than the dims say");
    memcpy((uint8_t *)t->data + (size_t)i * k->size, &v, k->size);
    return true;
}

/* The file's bytes are freed later, so the text is copied, with a zero behind it. */
static bool put_string(wire *w, tensor *t, int64_t i, const field *f)
{
    if (t->dtype != TENSOR_STRING || i >= t->count)
        return bad(w, "more strings than the dims say");
    char *s = malloc(f->len + 1);
    if (!s)
        return bad(w, "no memory");
    memcpy(s, f->at, f->len);
    s[f->len] = 0;
    ((tensor_string *)t->data)[i] = (tensor_string){s, f->len};
    return true;
}

/* The typed field that holds this type: float_data 4, int32_data 5,
 * string_data 6, int64_data 7, double_data 10, uint64_data 11; and the wire type
 * of its numbers. */
static uint32_t typed_field(int32_t dtype, uint32_t *type)
{
    *type = 0;
    switch (dtype) {
    case TENSOR_F32:
    case TENSOR_C64: *type = 5; return 4;
    case TENSOR_F64:
    case TENSOR_C128: *type = 1; return 10;
    case TENSOR_STRING: *type = 2; return 6;
    case TENSOR_I64: return 7;
    case TENSOR_U32:
    case TENSOR_U64: return 11;
    default: return 5;
    }
}

static bool read_number(wire *w, uint32_t type, uint64_t *v)
{
    return type ? fixed(w, type == 5 ? 4 : 8, v) : varint(w, v);
}

/* Reads the numbers of a packed field, which stand one after the other. */
static bool read_run(const wire *w, const field *f, uint32_t type, tensor *t, int64_t *i)
{
    wire in = {w->name, w->start, f->at, f->at + f->len, w->error};
    uint64_t v;

    while (in.at < in.end)
        if (!read_number(&in, type, &v) || !put(&in, t, (*i)++, v))
            return false;
    return true;
}

/* How many numbers or strings the typed field of a tensor has. */
static int64_t typed_count(const tensor *t)
{
    const tensor_type *k = &tensor_types[t->dtype];

    return k->bits < 8     ? pb_packed_size(t->dtype, t->count)
           : k->cls == 'c' ? 2 * t->count
                           : t->count;
}

/* Second walk: the elements.  A field of another type's elements is an error,
 * unless it is empty. */
static bool read_typed(wire w, tensor *t)
{
    field f;
    int64_t i = 0;
    uint32_t type, number = typed_field(t->dtype, &type);

    while (w.at < w.end) {
        bool ok = true;
        if (!next(&w, &f))
            return false;
        bool typed = (f.number >= 4 && f.number <= 7) || f.number == 10 || f.number == 11;
        if (typed && (f.number != number || (f.type != type && f.type != 2)))
            ok = f.type == 2 && !f.len ? true : bad(&w, "the data are of another type");
        else if (typed && type == 2)
            ok = put_string(&w, t, i++, &f);
        else if (typed && f.type == 2)
            ok = read_run(&w, &f, type, t, &i);
        else if (typed)
            ok = put(&w, t, i++, f.value);
        if (!ok)
            return false;
    }
    tensor_settle_bools(t);
    return i == typed_count(t) || bad(&w, "fewer elements than the dims say");
}

/* How many elements a file of `size` bytes can hold at most; more are not believed. */
static uint64_t most_elements(int32_t dtype, size_t size)
{
    int bits = tensor_types[dtype].bits;

    return dtype == TENSOR_STRING ? size / 2 : bits < 8 ? size * (8u / (unsigned)bits) : size;
}

/* Extents are checked against the size of the file before memory is taken: a few
 * bytes must not ask for gigabytes. */
static bool read_tensor(wire w, tensor *t)
{
    parts p = {0};
    int64_t count = 1;
    size_t size = (size_t)(w.end - w.at);

    if (!read_head(w, &p))
        return false;
    for (int i = 0; i < p.rank; i++)
        if (__builtin_mul_overflow(count, p.dims[i], &count))
            return bad(&w, "the dims overflow");
    if ((uint64_t)count > most_elements(p.dtype, size))
        return bad(&w, "the dims need more data than the file has");
    if (!tensor_init(t, p.dtype, p.rank, p.dims))
        return bad(&w, "no memory for the tensor");
    return p.raw ? read_raw(&w, &p, t) : read_typed(w, t);
}

static bool read_value(wire w, tensor_kind kind, tensor_value *out, int depth);

/* An item takes some hundred bytes of memory, and two of the file: more than
 * FREE_ITEMS must be paid for by the file's size. */
static bool add_item(wire *w, const field *f, tensor_kind kind, tensor_value *out, int depth)
{
    enum { FREE_ITEMS = 1024, PER_ITEM = sizeof(tensor_value) / 16 };
    wire in = {w->name, w->start, f->at, f->at + f->len, w->error};

    if (out->n >= FREE_ITEMS && out->n > (size_t)(w->at - w->start) / PER_ITEM)
        return bad(w, "too many items for so small a file");
    if (!(out->n & (out->n + 1))) {     /* full at 1, 3, 7, .. */
        size_t room = 2 * (size_t)out->n + 1;
        tensor_value *grown = realloc(out->item, room * sizeof *grown);
        if (!grown)
            return bad(w, "no memory");
        out->item = grown;
    }
    out->item[out->n] = (tensor_value){0};
    return read_value(in, kind, &out->item[out->n++], depth + 1);
}

/* SequenceProto: 1 name, 2 elem_type, 3 tensors, 5 sequences, 7 optionals.
 * OptionalProto: 1 name, 2 elem_type, 3 tensor, 5 sequence, 7 optional. */
static bool read_value(wire w, tensor_kind kind, tensor_value *out, int depth)
{
    enum { MAX_DEPTH = 16 };
    field f;

    out->kind = kind;
    if (depth > MAX_DEPTH)
        return bad(&w, "nested too deeply");
    if (kind == TENSOR_PLAIN)
        return read_tensor(w, &out->t);
    while (w.at < w.end) {
        if (!next(&w, &f))
            return false;
        tensor_kind item = f.number == 3   ? TENSOR_PLAIN
                           : f.number == 5 ? TENSOR_SEQUENCE
                                           : TENSOR_OPTIONAL;
        if ((f.number == 3 || f.number == 5 || f.number == 7) && f.type == 2 &&
            !add_item(&w, &f, item, out, depth))
            return false;
    }
    if (kind == TENSOR_OPTIONAL && out->n > 1)
        return bad(&w, "an optional holds two values");
    return true;
}

bool pb_read(const char *name, const uint8_t *data, size_t size, tensor_kind kind,
             tensor_value *out, char *error)
{
    wire w = {name, data, data, data + size, error};

    return read_value(w, kind, out, 0);
}
