/* runtime/train/probe.h - what only data know, for a program that is compiled for them. */
#ifndef INGOT_TRAIN_PROBE_H
#define INGOT_TRAIN_PROBE_H

#include "array.h"
#include "train_abi.h"

/* Reads a source for n columns, in the place of `like` if that is not null (source.h).  Extents of
 * a column that are -1 become those of the data, a bound that is -1 the number of categories, of
 * characters or words, or else what all elements are below; a[k].names are what column k's
 * numbers stand for, or empty.  False with a message; array_free(&a[k]) in any case. */
bool probe_source(const char *text, const char *like, struct ingot_train_column *column, array *a,
                  int32_t n, char error[TENSOR_ERROR_SIZE]);

#endif
