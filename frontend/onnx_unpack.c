/* frontend/onnx_unpack.c - a model's bytes as a protobuf-c message, with a bound on
 * memory.
 *
 * A few bytes of a hostile file can ask for a large allocation each (an empty
 * submessage has two bytes in the file and some hundred in memory), so that the
 * unpacker gets an allocator that stops at a multiple of the file's size. */
#include <stdlib.h>

#include "onnx_model.h"

typedef struct budget { size_t left; } budget;

/* Null beyond the budget, which protobuf-c answers by giving up.  Never null for
 * nothing: malloc(0) may be. */
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

Onnx__ModelProto *onnx_unpack(const void *packed, size_t size)
{
    enum { PER_BYTE = 12 };
    budget b = {.left = (size_t)128 << 20};
    ProtobufCAllocator a = {take, give, &b};

    if (size < SIZE_MAX / 32)
        b.left += size * PER_BYTE;
    return onnx__model_proto__unpack(&a, size, packed);
}

void onnx_free(Onnx__ModelProto *p)
{
    ProtobufCAllocator a = {take, give, NULL};

    if (p)
        onnx__model_proto__free_unpacked(p, &a);
}
