/* tests/unit/wire.h - ONNX messages written by hand, valid or not. */
#ifndef INGOT_WIRE_H
#define INGOT_WIRE_H

#include "base.h"

/* A message under construction is a text; a finished one is added to its
 * parent and freed by wire_message. */
static inline void wire_varint(text *t, uint64_t v)
{
    char byte[10];
    size_t n = 0;

    for (; v >= 128; v >>= 7)
        byte[n++] = (char)(v | 128);
    byte[n++] = (char)v;
    text_addn(t, byte, n);
}

static inline void wire_int(text *t, uint32_t field, int64_t v)
{
    wire_varint(t, (uint64_t)field << 3);
    wire_varint(t, (uint64_t)v);
}

static inline void wire_bytes(text *t, uint32_t field, const void *p, size_t n)
{
    wire_varint(t, (uint64_t)field << 3 | 2);
    wire_varint(t, n);
    text_addn(t, p, n);
}

static inline void wire_text(text *t, uint32_t field, const char *s)
{
    wire_bytes(t, field, s, strlen(s));
}

static inline void wire_message(text *t, uint32_t field, text *inner)
{
    wire_bytes(t, field, inner->at ? inner->at : "", inner->len);
    text_free(inner);
}

/* Names separated by blanks; `-` is an absent one. */
static inline void wire_words(text *t, uint32_t field, const char *words)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        wire_bytes(t, field, words, n == 1 && *words == '-' ? 0 : n);
        words += n + (words[n] == ' ');
    }
}

/* NodeProto into a graph: operands and results as words; `attr` (a finished
 * AttributeProto, freed) may be null. */
static inline void wire_node(text *graph, const char *op, const char *in, const char *out,
                             text *attr)
{
    text node = {0};

    wire_words(&node, 1, in);
    wire_words(&node, 2, out);
    wire_text(&node, 3, out);
    wire_text(&node, 4, op);
    if (attr)
        wire_message(&node, 5, attr);
    wire_message(graph, 1, &node);
}

/* ValueInfoProto: f32 with this TensorShapeProto, which is used up. */
static inline void wire_value_of(text *graph, uint32_t field, const char *name, text *shape)
{
    text tensor = {0}, type = {0}, value = {0};

    wire_int(&tensor, 1, 1);
    wire_message(&tensor, 2, shape);
    wire_message(&type, 1, &tensor);
    wire_text(&value, 1, name);
    wire_message(&value, 2, &type);
    wire_message(graph, field, &value);
}

/* ValueInfoProto: f32 with these extents; those under -9 are left out, which
 * is a run-time extent without a name. */
enum { WIRE_UNNAMED = -10 };
static inline void wire_value(text *graph, uint32_t field, const char *name, int rank,
                              const int64_t *dims)
{
    text shape = {0};

    for (int i = 0; i < rank; i++) {
        text dim = {0};
        if (dims[i] > WIRE_UNNAMED)
            wire_int(&dim, 1, dims[i]);
        wire_message(&shape, 1, &dim);
    }
    wire_value_of(graph, field, name, &shape);
}

/* TensorProto of f32 with `bytes` bytes of raw data. */
static inline text wire_tensor(const char *name, int rank, const int64_t *dims, const void *raw,
                               size_t bytes)
{
    text t = {0};

    for (int i = 0; i < rank; i++)
        wire_int(&t, 1, dims[i]);
    wire_int(&t, 2, 1);
    wire_text(&t, 8, name);
    wire_bytes(&t, 9, raw, bytes);
    return t;
}

/* ModelProto of IR 8 and the opset around a graph, which is freed. */
static inline text wire_model_of(text *graph, int opset, int ir_version)
{
    text model = {0}, set = {0};

    wire_int(&model, 1, ir_version);
    wire_int(&set, 2, opset);
    wire_message(&model, 8, &set);
    wire_message(&model, 7, graph);
    return model;
}

static inline text wire_model(text *graph, int opset)
{
    return wire_model_of(graph, opset, 8);
}

#endif
