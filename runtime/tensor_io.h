/* runtime/tensor_io.h - tensors in files: NumPy's .npy, IDX, and the TensorProto,
 * SequenceProto and OptionalProto files of the ONNX backend tests.
 *
 * Readers trust nothing: every length is checked against the file, sizes
 * against overflow, and memory stays within 16 times the file's size.  Errors
 * are texts with file and offset.  No dependency but libc. */
#ifndef INGOT_TENSOR_IO_H
#define INGOT_TENSOR_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TENSOR_MAX_RANK = 16, TENSOR_ERROR_SIZE = 512 };

/* ONNX element types (TensorProto.DataType, onnx 1.22.0). */
enum {
    TENSOR_F32 = 1, TENSOR_U8, TENSOR_I8, TENSOR_U16, TENSOR_I16, TENSOR_I32,
    TENSOR_I64, TENSOR_STRING, TENSOR_BOOL, TENSOR_F16, TENSOR_F64, TENSOR_U32,
    TENSOR_U64, TENSOR_C64, TENSOR_C128, TENSOR_BF16, TENSOR_F8E4M3FN,
    TENSOR_F8E4M3FNUZ, TENSOR_F8E5M2, TENSOR_F8E5M2FNUZ, TENSOR_U4, TENSOR_I4,
    TENSOR_F4E2M1, TENSOR_F8E8M0, TENSOR_U2, TENSOR_I2, TENSOR_TYPES
};

typedef struct tensor_string {
    const char *at;
    uint64_t len;
} tensor_string;

/* A dense tensor.  `data` has `count` elements in row-major order, is 64-byte aligned
 * and is freed with the tensor.  An element of less than a byte takes a byte; one of
 * a tensor of strings is a tensor_string. */
typedef struct tensor {
    int32_t dtype, rank;
    int64_t dims[TENSOR_MAX_RANK];
    int64_t count;
    void *data;
} tensor;

typedef enum tensor_kind { TENSOR_PLAIN, TENSOR_SEQUENCE, TENSOR_OPTIONAL } tensor_kind;

/* A tensor `t`, a sequence of n items, or an optional, which has no item or one. */
typedef struct tensor_value {
    tensor_kind kind;
    tensor t;
    uint32_t n;
    struct tensor_value *item;
} tensor_value;

const char *tensor_type_name(int32_t dtype);       /* "f32", .. or "?" */
size_t tensor_elem_size(int32_t dtype);            /* in memory; 0: unknown */
bool tensor_is_float(int32_t dtype);               /* f16 and bf16 are, too */
/* Sets dtype, rank, dims, count and allocates zeroed data; false: too large or,
 * if the count is set, without memory. */
bool tensor_init(tensor *t, int32_t dtype, int32_t rank, const int64_t *dims);
/* The message of a tensor_init that failed, of "input" or the like; false. */
bool tensor_init_failed(const tensor *t, const char *what, const char *name,
                        char error[TENSOR_ERROR_SIZE]);
void tensor_free(tensor *t);
/* Replaces the strings by copies that `t` owns; false without memory: it is
 * empty then. */
bool tensor_own_strings(tensor *t);
void tensor_value_free(tensor_value *v);

/* All of a file, to be freed; `-` is standard input, and what is no regular file is read
 * to its end, up to 1 GiB.  Null with a message. */
uint8_t *tensor_file_bytes(const char *path, size_t *size, char error[TENSOR_ERROR_SIZE]);
/* What such a path is called in messages. */
const char *tensor_file_name(const char *path);
/* Reads .npy or IDX (known by their first bytes) or .pb; `kind` says what a .pb holds. */
bool tensor_read(const char *path, tensor_kind kind, tensor_value *out,
                 char error[TENSOR_ERROR_SIZE]);
/* The same from memory; `name` stands in messages. */
bool tensor_read_memory(const char *name, const uint8_t *data, size_t size,
                        tensor_kind kind, tensor_value *out,
                        char error[TENSOR_ERROR_SIZE]);

/* Can a .npy file hold it?  Sequences, strings and some types it cannot. */
bool tensor_npy_holds(const tensor_value *v);
/* Writes a value as .npy, or as .pb with `name` in it.  The file is written under
 * another name and renamed, so that no partial file is seen. */
bool tensor_write(const char *path, bool npy, const char *name,
                  const tensor_value *v, char error[TENSOR_ERROR_SIZE]);

/* Stores a number as element i of `data`, the nearest there is of a floating-point type.
 * False if the type, an integer one, has no such number: 2.5 or 300 for u8. */
bool tensor_put_number(int32_t dtype, void *data, int64_t i, double v);
/* Converts the elements to another type of numbers, the nearest there is; integers from
 * others are rounded toward 0.  False with a message, and `t` is as it was: a number
 * does not fit, or a type is none of f16, bf16, f32, f64, bool and integers of bytes. */
bool tensor_cast(tensor *t, int32_t dtype, char error[TENSOR_ERROR_SIZE]);

/* Largest differences of got from want. */
typedef struct tensor_diff {
    bool equal;                 /* within |got - want| <= atol + rtol * |want| */
    int64_t first;              /* first element that is not; -1 */
    double max_abs, max_rel;
    char text[256];             /* what differs, for people */
} tensor_diff;
tensor_diff tensor_compare(const tensor_value *got, const tensor_value *want,
                           double rtol, double atol);

/* Element i as a double, of any type but strings. */
double tensor_element(const tensor *t, int64_t i);

#endif
