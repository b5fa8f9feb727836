/* runtime/tensor_idx.c - IDX, the format of MNIST's files: 0, 0, type, rank, an extent of
 * 32 bits for each axis, elements, all big-endian.
 * Source: the description beside the MNIST files. */
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"

/* The third byte is the type. */
static const int32_t idx_types[16] = {[8] = TENSOR_U8, [9] = TENSOR_I8, [11] = TENSOR_I16,
                                      [12] = TENSOR_I32, [13] = TENSOR_F32, [14] = TENSOR_F64};

bool idx_begins(const uint8_t *data, size_t size)
{
    return size >= 4 && !data[0] && !data[1] && data[2] < 16 && idx_types[data[2]] && data[3] &&
           data[3] < TENSOR_MAX_RANK;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The bytes of the elements of these extents; false: more than a number holds. */
static bool measure(const uint8_t *p, tensor_layout *l)
{
    l->size = tensor_elem_size(l->dtype);
    for (int i = 0; i < l->rank; i++) {
        l->dims[i] = big_endian(p + 4 + 4 * i);
        if (__builtin_mul_overflow(l->size, (size_t)l->dims[i], &l->size))
            return false;
    }
    return l->size <= SIZE_MAX - l->begin;
}

bool idx_look(const char *name, const uint8_t *data, size_t size, tensor_layout *l, char *error)
{
    *l = (tensor_layout){.dtype = idx_types[data[2]], .rank = data[3],
                         .begin = 4 + 4 * (size_t)data[3]};
    if (size >= l->begin && !measure(data, l))
        return tensor_fail(error, "%s: its extents are too large", name);
    size_t whole = l->begin + l->size;
    return size == whole ||
           tensor_fail(error, "%s: %s, %zu bytes expected, %zu found", name,
                       size < whole ? "cut off" : "too long", whole, size);
}

void idx_elements(void *to, const uint8_t *from, size_t bytes, size_t size)
{
    uint8_t *at = to;

    for (size_t i = 0; i < bytes; i += size)
        for (size_t k = 0; k < size; k++)
            at[i + k] = from[i + size - 1 - k];
}

bool idx_read(const char *name, const uint8_t *data, size_t size, tensor *out, char *error)
{
    tensor_layout l;

    if (!idx_look(name, data, size, &l, error))
        return false;
    if (!tensor_init(out, l.dtype, l.rank, l.dims))
        return tensor_init_failed(out, "file", name, error);
    idx_elements(out->data, data + l.begin, l.size, tensor_elem_size(l.dtype));
    return true;
}
