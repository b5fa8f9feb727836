/* runtime/train/array.h - rows of data, in the element type of their file. */
#ifndef INGOT_TRAIN_ARRAY_H
#define INGOT_TRAIN_ARRAY_H

#include "bytes.h"
#include "source.h"
#include "words.h"

/* `rows` rows of `dims` elements each.  Row i begins at element i * stride: windows of a
 * text overlap.  What `data` points into belongs to `held`.  Zero is an empty one. */
typedef struct array {
    int32_t dtype, rank;
    int64_t dims[TENSOR_MAX_RANK];
    int64_t rows, stride;
    const void *data;
    bytes held;
    words names;                    /* what elements stand for; empty: just numbers */
    bool listed;                    /* of a text, of windows or of a CSV file: no pictures */
    bool numbered;                  /* csv_read takes numbers beside names that are not the
                                     * program's */
    words fields;                   /* of a table with a header: the column of each element of a
                                     * row; csv_read looks for those that it finds here */
    char *unchecked;                /* the path, where rows are checked as they are used */
} array;

void array_free(array *a);
/* Elements of a row. */
int64_t array_row(const array *a);
size_t array_row_bytes(const array *a);
/* "u8[60000, 28, 28]", for messages. */
enum { ARRAY_TEXT_SIZE = 420 };
const char *array_text(const array *a, char out[ARRAY_TEXT_SIZE]);

/* Readers.  `a` is theirs to fill in, and is empty after a failure; false with a message
 * that names file and place. */

/* A file that holds one array, or named ones: IDX, .npy, .npz, .safetensors; known by its
 * first bytes. */
bool array_read_file(const source *s, array *a, char error[TENSOR_ERROR_SIZE]);
/* A text as numbers: bytes, characters or words.  Where a->names is fixed, it is the
 * alphabet, and another character is refused; another word is number 0. */
bool array_read_text(const source *s, array *a, char error[TENSOR_ERROR_SIZE]);
/* Where the source has windows(.., n, step), a row becomes n rows, those `step` rows further
 * on the next: of 10 rows [D], windows of 4, step 3, are 3 rows [4, D].  No element is
 * copied. */
bool array_cut_windows(const source *s, array *a, char error[TENSOR_ERROR_SIZE]);

#endif
