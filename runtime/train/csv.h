/* runtime/train/csv.h - tables of text: numbers and categories, separated by commas,
 * semicolons, tabs or bars, quoted as RFC 4180 has it, with a header or without. */
#ifndef INGOT_TRAIN_CSV_H
#define INGOT_TRAIN_CSV_H

#include "array.h"
#include "train_abi.h"

/* A column whose bound is this is one whose categories are to be found out. */
enum { CSV_FIND_OUT = -1 };

/* Deals the chosen columns of the file, from the left, out to n columns of the program,
 * each taking as many as its row has elements; `a` gets elements of the column's type.
 * Where a column has names, fields are categories: numbers are indices among the names;
 * and, if a->numbered is set, whole numbers below the bound are themselves;
 * so where its bound is CSV_FIND_OUT, and then a->names are what was found, in the order
 * of their bytes.  With a header, a->fields are the names in it; where the caller has put names
 * there, those of the training data, columns are dealt out by them if the source chooses none.
 * Else it has zeroed a.  False with a message that names file, line and column. */
bool csv_read(const source *s, const struct ingot_train_column *const *column, array *a, int32_t n,
              char error[TENSOR_ERROR_SIZE]);

#endif
