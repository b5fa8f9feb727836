/* runtime/bind.h - the run-time dims of an entry, found from the extents of
 * its inputs.  `dims` has an element per symbol; BIND_FREE: not known yet.
 * Errors name input, axis, and what was expected. */
#ifndef INGOT_BIND_H
#define INGOT_BIND_H

#include "abi.h"
#include "tensor_io.h"

#define BIND_FREE INT64_MIN

/* What a value is outside of a call, and the word for it in messages. */
tensor_kind bind_kind(const struct ingot_value_info *v);
const char *bind_kind_name(const struct ingot_value_info *v);
/* All symbols free. */
void bind_start(const struct ingot_entry *e, int64_t *dims);
/* Index of the input, or symbol, of this name; -1. */
int32_t bind_find_input(const struct ingot_entry *e, const char *name);
int32_t bind_find_dim(const struct ingot_entry *e, const char *name);
/* These are the extents of input `index`: checks them, finds symbols. */
bool bind_shape(const struct ingot_entry *e, int32_t index, int32_t rank, const int64_t *extents,
                int64_t *dims, char error[TENSOR_ERROR_SIZE]);
/* The same for a tensor, and its element type. */
bool bind_tensor(const struct ingot_entry *e, int32_t index, const tensor *t, int64_t *dims,
                 char error[TENSOR_ERROR_SIZE]);
/* Extents of input `index` (rank of them); false if a symbol is free. */
bool bind_extents(const struct ingot_entry *e, int32_t index, const int64_t *dims,
                  int64_t *extents, char error[TENSOR_ERROR_SIZE]);

#endif
