/* runtime/tensor_pb_write.c - writing TensorProto, SequenceProto and
 * OptionalProto: sizes first, since a message stands behind its length. */
#include <string.h>

#include "tensor_file.h"
#include "tensor_types.h"

int64_t pb_packed_size(int32_t dtype, int64_t count)
{
    return (count * tensor_types[dtype].bits + 7) / 8;
}

static size_t varint_size(uint64_t v)
{
    size_t n = 1;

    while (v >>= 7)
        n++;
    return n;
}

static bool put_varint(FILE *f, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        if (putc((int)(v & 127) | 128, f) == EOF)
            return false;
    return putc((int)v, f) != EOF;
}

static bool put_bytes(FILE *f, uint32_t number, const void *p, size_t n)
{
    return put_varint(f, number << 3 | 2) && put_varint(f, n) &&
           (!n || fwrite(p, 1, n, f) == n);
}

static size_t bytes_size(size_t n)
{
    return 1 + varint_size(n) + n;
}

static size_t raw_size(const tensor *t)
{
    return tensor_types[t->dtype].bits < 8
               ? (size_t)pb_packed_size(t->dtype, t->count)
               : (size_t)t->count * tensor_types[t->dtype].size;
}

/* Must agree with write_tensor byte for byte: it is written in front. */
static size_t tensor_size(const tensor *t, const char *name)
{
    size_t n = 1 + varint_size((uint64_t)t->dtype) + bytes_size(strlen(name));
    const tensor_string *s = t->data;

    for (int i = 0; i < t->rank; i++)
        n += 1 + varint_size((uint64_t)t->dims[i]);
    if (t->dtype != TENSOR_STRING)
        return n + bytes_size(raw_size(t));
    for (int64_t i = 0; i < t->count; i++)
        n += bytes_size(s[i].len);
    return n;
}

/* Elements of less than a byte, the first in the low bits. */
static bool write_packed(FILE *f, const tensor *t)
{
    const tensor_type *k = &tensor_types[t->dtype];
    int per = 8 / k->bits;
    const uint8_t *in = t->data;

    for (int64_t i = 0; i < t->count; i += per) {
        unsigned byte = 0;
        for (int j = 0; j < per && i + j < t->count; j++)
            byte |= (in[i + j] & ((1u << k->bits) - 1)) << (j * k->bits);
        if (putc((int)byte, f) == EOF)
            return false;
    }
    return true;
}

/* Fields: 1 dims, 2 data_type, 6 string_data, 8 name, 9 raw_data. */
static bool write_tensor(FILE *f, const char *name, const tensor *t)
{
    const tensor_string *s = t->data;

    for (int i = 0; i < t->rank; i++)
        if (!put_varint(f, 1 << 3) || !put_varint(f, (uint64_t)t->dims[i]))
            return false;
    if (!put_varint(f, 2 << 3) || !put_varint(f, (uint64_t)t->dtype))
        return false;
    if (t->dtype == TENSOR_STRING) {
        for (int64_t i = 0; i < t->count; i++)
            if (!put_bytes(f, 6, s[i].at, s[i].len))
                return false;
        return put_bytes(f, 8, name, strlen(name));
    }
    if (!put_bytes(f, 8, name, strlen(name)))
        return false;
    if (tensor_types[t->dtype].bits >= 8)
        return put_bytes(f, 9, t->data, raw_size(t));
    return put_varint(f, 9 << 3 | 2) && put_varint(f, raw_size(t)) && write_packed(f, t);
}

/* The number of the field that holds an item of this kind, and the value of elem_type
 * that announces it. */
static uint32_t item_field(tensor_kind k)
{
    return k == TENSOR_PLAIN ? 3 : k == TENSOR_SEQUENCE ? 5 : 7;
}

static uint32_t item_type(tensor_kind k)
{
    return k == TENSOR_PLAIN ? 1 : k == TENSOR_SEQUENCE ? 3 : 5;
}

/* A message's length stands before it, so that sizes are known before a byte is
 * written. */
static size_t value_size(const tensor_value *v, const char *name)
{
    size_t n = bytes_size(strlen(name)) + 2;

    if (v->kind == TENSOR_PLAIN)
        return tensor_size(&v->t, name);
    for (uint32_t i = 0; i < v->n; i++)
        n += bytes_size(value_size(&v->item[i], ""));
    return n;
}

/* A tensor, or a sequence or optional of items that are written likewise. */
bool pb_write(FILE *f, const char *name, const tensor_value *v)
{
    tensor_kind kind = v->n ? v->item[0].kind : TENSOR_PLAIN;

    if (v->kind == TENSOR_PLAIN)
        return write_tensor(f, name, &v->t);
    if (!put_bytes(f, 1, name, strlen(name)) || !put_varint(f, 2 << 3) ||
        !put_varint(f, item_type(kind)))
        return false;
    for (uint32_t i = 0; i < v->n; i++) {
        const tensor_value *item = &v->item[i];
        if (!put_varint(f, item_field(item->kind) << 3 | 2) ||
            !put_varint(f, value_size(item, "")) || !pb_write(f, "", item))
            return false;
    }
    return true;
}
