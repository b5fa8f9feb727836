/* runtime/tensor_types.h - facts of the element types, for tensor_io's files. */
#ifndef INGOT_TENSOR_TYPES_H
#define INGOT_TENSOR_TYPES_H

#include "tensor_io.h"

typedef struct tensor_type {
    const char *name, *npy;     /* npy: NumPy's descr; null: .npy cannot hold it */
    uint8_t size, bits;         /* bytes in memory, bits in a file */
    char cls;                   /* f i u b s c */
    const char *safetensors;    /* that format's name; null: it cannot hold it */
} tensor_type;
/* The element at p of an integer type, extended. */
int64_t tensor_integer(int32_t dtype, const void *p);

extern const tensor_type tensor_types[TENSOR_TYPES];

#endif
