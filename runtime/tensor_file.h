/* runtime/tensor_file.h - the file formats behind tensor_io.h. */
#ifndef INGOT_TENSOR_FILE_H
#define INGOT_TENSOR_FILE_H

#include "tensor_io.h"

/* Writes the message; returns false. */
bool tensor_fail(char *error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes each bool 0 or 1, which compiled code relies on: a file may hold any byte. */
void tensor_settle_bools(tensor *t);

/* What is in a file of .npy or IDX: `size` bytes of elements from byte `begin` on. */
typedef struct tensor_layout {
    int32_t dtype, rank;
    int64_t dims[TENSOR_MAX_RANK];
    size_t begin, size;
    bool columns_first;
} tensor_layout;

/* Does a .npy file begin so? */
bool npy_begins(const uint8_t *data, size_t size);
/* Reads the header alone; `name` is for messages. */
bool npy_look(const char *name, const uint8_t *data, size_t size, tensor_layout *out, char *error);
bool npy_read(const char *name, const uint8_t *data, size_t size, tensor *out, char *error);
/* Does an IDX file begin so?  The other functions of IDX are for bytes that do. */
bool idx_begins(const uint8_t *data, size_t size);
bool idx_look(const char *name, const uint8_t *data, size_t size, tensor_layout *out, char *error);
bool idx_read(const char *name, const uint8_t *data, size_t size, tensor *out, char *error);
/* So many bytes of elements, of `size` bytes each, in this machine's order. */
void idx_elements(void *to, const uint8_t *from, size_t bytes, size_t size);
bool npy_write(FILE *f, const tensor *t);
bool pb_read(const char *name, const uint8_t *data, size_t size, tensor_kind kind,
             tensor_value *out, char *error);
/* How many bytes `count` elements take in the field raw_data of a TensorProto. */
int64_t pb_packed_size(int32_t dtype, int64_t count);
bool pb_write(FILE *f, const char *name, const tensor_value *v);

#endif
