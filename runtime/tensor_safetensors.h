/* runtime/tensor_safetensors.h - named tensors in one file, the format in which
 * frameworks hand weights on: 8 bytes with the length of a JSON text, the text,
 * which gives type, shape and place of each tensor, and the data.
 * Source: huggingface.co/docs/safetensors. */
#ifndef INGOT_TENSOR_SAFETENSORS_H
#define INGOT_TENSOR_SAFETENSORS_H

#include "tensor_io.h"

/* What the header says of one tensor. */
typedef struct safetensors_entry {
    const char *name;
    int32_t dtype, rank;            /* dtype 0: a type that tensors here do not have */
    int64_t dims[TENSOR_MAX_RANK];
    const char *type;               /* "f32", or the file's word for an unknown type */
    uint64_t at, size;              /* bytes: from the beginning of the data */
} safetensors_entry;

/* "__metadata__": what a writer notes beside the tensors. */
typedef struct safetensors_note {
    const char *key, *value;
} safetensors_note;

/* A file that is open: its header is checked, and each tensor lies within the data and
 * has the bytes of its shape; no two have one name.  Zero is an empty one. */
typedef struct safetensors {
    const char *path;
    safetensors_entry *tensor;
    safetensors_note *note;
    int32_t tensor_count, note_count;
    char *text;                     /* what the strings are parts of */
    uint64_t data, size;            /* where the data begin in the file, bytes of them */
    FILE *file;
} safetensors;

/* Reads the header.  `path` must live until the file is closed, which is allowed in any
 * case.  False with a message; nothing of the file is trusted. */
bool safetensors_open(safetensors *s, const char *path, char error[TENSOR_ERROR_SIZE]);
/* The same of bytes in memory, which must live as long. */
bool safetensors_open_memory(safetensors *s, const char *path, const void *data, size_t size,
                             char error[TENSOR_ERROR_SIZE]);
void safetensors_close(safetensors *s);
/* Null if there is none of this name. */
const safetensors_entry *safetensors_find(const safetensors *s, const char *name);
const char *safetensors_note_of(const safetensors *s, const char *key);
/* Reads the elements, e->size bytes, to `to`; bools become 0 or 1.  False with a message. */
bool safetensors_read(safetensors *s, const safetensors_entry *e, void *to,
                      char error[TENSOR_ERROR_SIZE]);
/* "f32[3,5]", for messages; at most 150 characters of a longer one are of use there. */
enum { SAFETENSORS_SHAPE_SIZE = 400 };
const char *safetensors_shape(const char *type, int32_t rank, const int64_t *dims,
                              char out[SAFETENSORS_SHAPE_SIZE]);

/* A tensor to be written. */
typedef struct safetensors_item {
    const char *name;
    int32_t dtype, rank;
    const int64_t *dims;
    const void *data;
} safetensors_item;

/* Can the format hold elements of this type? */
bool safetensors_holds(int32_t dtype);
/* Writes n tensors and the notes beside them, in the order given.  False without memory;
 * errors of `f` are left to its owner. */
bool safetensors_write(FILE *f, const safetensors_item *item, int32_t n,
                       const safetensors_note *note, int32_t notes);

#endif
