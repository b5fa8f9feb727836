/* frontend/onnx_scan.c - bounds of the wire format, before protobuf-c sees a file:
 * it would recurse as deep as messages are nested, and allocate for each field.
 * The scan walks the bytes with the table of which field holds which message,
 * checks lengths, depth and number of fields, and writes a copy in which payloads
 * of tensors are left out, with a note where they stand in the file.  Gigabytes of
 * weights are never copied. */
#include "onnx_scan.h"

/* Depth of messages; bytes from which on elements are left out; fields in all. */
enum { MAX_NESTING = 64, PAYLOAD_MIN = 1024, MAX_FIELDS = 20 * 1000 * 1000 };

/* What a length-delimited field holds. */
typedef enum message {
    NONE,               /* text, bytes, packed numbers: copied */
    MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, VALUE_INFO, TYPE, TYPE_TENSOR,
    TYPE_WRAP, TYPE_MAP, SHAPE, PLAIN, FUNCTION, TRAINING,
    PAYLOAD,            /* elements of a tensor */
    DROP
} message;

typedef struct child {
    message in;
    uint32_t field;
    message is;
} child;

/* Field numbers of onnx 1.22.0.  PLAIN: a message without nested ones. */
static const child children[] = {
    {MODEL, 7, GRAPH}, {MODEL, 8, PLAIN}, {MODEL, 14, PLAIN}, {MODEL, 20, TRAINING},
    {MODEL, 25, FUNCTION}, {MODEL, 26, PLAIN},
    {GRAPH, 1, NODE}, {GRAPH, 5, TENSOR}, {GRAPH, 15, SPARSE}, {GRAPH, 11, VALUE_INFO},
    {GRAPH, 12, VALUE_INFO}, {GRAPH, 13, VALUE_INFO}, {GRAPH, 14, DROP}, {GRAPH, 16, PLAIN},
    {NODE, 5, ATTRIBUTE}, {NODE, 9, PLAIN}, {NODE, 10, DROP},
    {ATTRIBUTE, 5, TENSOR}, {ATTRIBUTE, 6, GRAPH}, {ATTRIBUTE, 10, TENSOR},
    {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 14, TYPE}, {ATTRIBUTE, 15, TYPE},
    {ATTRIBUTE, 22, SPARSE}, {ATTRIBUTE, 23, SPARSE},
    {TENSOR, 3, PLAIN}, {TENSOR, 4, PAYLOAD}, {TENSOR, 5, PAYLOAD}, {TENSOR, 7, PAYLOAD},
    {TENSOR, 9, PAYLOAD}, {TENSOR, 10, PAYLOAD}, {TENSOR, 11, PAYLOAD}, {TENSOR, 12, DROP},
    {TENSOR, 13, PLAIN}, {TENSOR, 16, PLAIN},
    {SPARSE, 1, TENSOR}, {SPARSE, 2, TENSOR},
    {VALUE_INFO, 2, TYPE}, {VALUE_INFO, 4, PLAIN},
    {TYPE, 1, TYPE_TENSOR}, {TYPE, 4, TYPE_WRAP}, {TYPE, 5, TYPE_MAP}, {TYPE, 7, PLAIN},
    {TYPE, 8, TYPE_TENSOR}, {TYPE, 9, TYPE_WRAP},
    {TYPE_TENSOR, 2, SHAPE}, {TYPE_WRAP, 1, TYPE}, {TYPE_MAP, 2, TYPE},
    {SHAPE, 1, PLAIN},
    {FUNCTION, 7, NODE}, {FUNCTION, 9, PLAIN}, {FUNCTION, 11, ATTRIBUTE},
    {FUNCTION, 12, VALUE_INFO}, {FUNCTION, 14, PLAIN},
    {TRAINING, 1, GRAPH}, {TRAINING, 2, GRAPH}, {TRAINING, 3, PLAIN}, {TRAINING, 4, PLAIN},
};

/* The file, and the fields that were counted so far. */
typedef struct scan {
    const uint8_t *data;
    const char *name;
    diag *d;
    uint32_t fields;
} scan;

static message child_of(message in, uint32_t field)
{
    for (size_t i = 0; i < COUNT(children); i++)
        if (children[i].in == in && children[i].field == field)
            return children[i].is;
    return NONE;
}

static bool bad(scan *s, const uint8_t *at, const char *what)
{
    char place[128];

    snprintf(place, sizeof place, "is no ONNX model, or is damaged: offset %zu: %s",
             (size_t)(at - s->data), what);
    return diag_error(s->d, (ir_loc){0}, D_IO, s->name, place);
}

/* Ten bytes hold 64 bits; the bits beyond are dropped, as protobuf does. */
static bool varint(scan *s, const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    const uint8_t *start = *at;

    *out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (*at == end)
            return bad(s, start, "the file ends within a number");
        uint8_t b = *(*at)++;
        if (shift < 64)
            *out |= (uint64_t)(b & 127) << shift;
        if (!(b & 128))
            return true;
    }
    return bad(s, start, "a number is longer than 10 bytes");
}

/* Seven bits a byte, low ones first; all bytes but the last have the top bit set. */
static void put_varint(text *out, uint64_t v)
{
    char byte[10];
    size_t n = 0;

    for (; v >= 128; v >>= 7)
        byte[n++] = (char)(v | 128);
    byte[n++] = (char)v;
    text_addn(out, byte, n);
}

static void put_bytes(text *out, uint32_t field, const void *p, size_t n)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, n);
    text_addn(out, p, n);
}

static bool walk(scan *s, message kind, const uint8_t *at, const uint8_t *end,
                 int depth, text *out);

static void put_payload(scan *s, uint32_t field, const uint8_t *at, size_t n, text *out)
{
    char where[80];
    int len = snprintf(where, sizeof where, "%u %zu %zu", field, (size_t)(at - s->data), n);

    put_bytes(out, ONNX_PAYLOAD_FIELD, where, (size_t)len);
}

/* A length-delimited field of `n` bytes at `at`. */
static bool bytes(scan *s, message in, uint32_t field, const uint8_t *at, size_t n,
                  int depth, text *out)
{
    message is = child_of(in, field);
    text inner = {0};

    if (is == DROP)
        return true;
    if (is == PAYLOAD && n >= PAYLOAD_MIN) {
        put_payload(s, field, at, n, out);
        return true;
    }
    if (is == NONE || is == PAYLOAD) {
        put_bytes(out, field, at, n);
        return true;
    }
    bool ok = walk(s, is, at, at + n, depth + 1, &inner);
    if (ok)
        put_bytes(out, field, inner.at ? inner.at : "", inner.len);
    text_free(&inner);
    return ok;
}

/* Copies the message in [at, end) to out, without what is left out. */
static bool walk(scan *s, message kind, const uint8_t *at, const uint8_t *end,
                 int depth, text *out)
{
    uint64_t key, v;

    if (depth > MAX_NESTING)
        return bad(s, at, "messages are nested too deeply");
    while (at < end) {
        const uint8_t *start = at;
        if (++s->fields > MAX_FIELDS)
            return bad(s, at, "too many fields");
        if (!varint(s, &at, end, &key))
            return false;
        size_t rest = (size_t)(end - at);
        if (key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
            return bad(s, start, "a field has no valid number");
        switch (key & 7) {
        case 0:
            if (!varint(s, &at, end, &v))
                return false;
            break;
        case 1:
        case 5: {
            size_t n = (key & 7) == 1 ? 8 : 4;
            if (rest < n)
                return bad(s, start, "the file ends within a field");
            at += n;
            break;
        }
        case 2:
            if (!varint(s, &at, end, &v))
                return false;
            if (v > (uint64_t)(end - at))
                return bad(s, start, depth ? "a field is longer than what holds it"
                                           : "the file ends within a field: is it cut off?");
            at += v;
            if (!bytes(s, kind, (uint32_t)(key >> 3), at - v, (size_t)v, depth, out))
                return false;
            continue;
        default:
            return bad(s, start, "unknown wire type");
        }
        text_addn(out, (const char *)start, (size_t)(at - start));
    }
    return true;
}

bool onnx_scan(const uint8_t *data, size_t size, const char *name, text *out, diag *d)
{
    scan s = {data, name, d, 0};

    return walk(&s, MODEL, data, data + size, 0, out);
}
