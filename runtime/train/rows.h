/* runtime/train/rows.h - the rows of one part of a block: every column as entries take
 * it, read once, checked against what the program says of it. */
#ifndef INGOT_TRAIN_ROWS_H
#define INGOT_TRAIN_ROWS_H

#include "array.h"
#include "train_abi.h"

/* `--data x=FILE`: another source for columns.  `columns` is "x" or "x,y". */
typedef struct rows_given {
    const char *columns, *text;
} rows_given;

/* As many arrays as the block has columns, of the columns' types; all have `count` rows.
 * Zero are no rows. */
typedef struct rows {
    const struct ingot_train_block *block;
    array *column;
    int64_t count;
    const struct rows *training;    /* those of the training, beside which these are read */
} rows;

/* Reads the columns of a part.  A block may have no columns: then there are no rows.  A
 * part other than the training may have no sources: then there are none either.  What numbers
 * stand for is said by the program, else by the training rows, if not null.  False with a
 * message that names file, row and column. */
bool rows_read(rows *r, const struct ingot_train_block *b, enum ingot_part part,
               const rows *training, const rows_given *given, int32_t n,
               char error[TENSOR_ERROR_SIZE]);
void rows_free(rows *r);
/* Elements of large files are not looked at before they are used: rows_take of a row, or of
 * several, says whether they may be, and rows_check looks at all and says what is wrong. */
bool rows_take(const array *a, const void *row, int64_t elements);
bool rows_check(const rows *r, char error[TENSOR_ERROR_SIZE]);

/* The columns of "x,y", of which there are at most as many as the block has; their number, or -1
 * with a message. */
int32_t rows_columns(const struct ingot_train_block *b, const char *names, int32_t *index,
                     char error[TENSOR_ERROR_SIZE]);
/* Is the name, of so many characters, among those of "x,y"? */
bool rows_has_column(const char *names, const char *name, size_t size);
/* Reads one source for n columns into a[0 .. n), which are zero but for `fields` that a table is
 * to have. */
bool rows_read_source(const char *text, const struct ingot_train_column *const *column, array *a,
                      int32_t n, char error[TENSOR_ERROR_SIZE]);

#endif
