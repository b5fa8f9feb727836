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
/* Makes all symbols free. */
void bind_start(const struct ingot_entry *e, int64_t *dims);
/* The index of the input, or of the symbol, that has this name; -1 if none has. */
int32_t bind_find_input(const struct ingot_entry *e, const char *name);
int32_t bind_find_dim(const struct ingot_entry *e, const char *name);
/* Takes the extents of input `index`: symbols that are free get their values, all
 * others must agree.  For x: f32[n,3] the extents 2x3 make n 2.  False with a
 * message. */
bool bind_shape(const struct ingot_entry *e, int32_t index, int32_t rank, const int64_t *extents,
                int64_t *dims, char error[TENSOR_ERROR_SIZE]);
/* The same for a tensor, whose element type must fit too. */
bool bind_tensor(const struct ingot_entry *e, int32_t index, const tensor *t, int64_t *dims,
                 char error[TENSOR_ERROR_SIZE]);
/* A symbol among the extents of input `index` that is free; -1 if none is. */
int32_t bind_free_dim(const struct ingot_entry *e, int32_t index, const int64_t *dims);
/* Writes the extents of input `index`, as many as it has axes.  False with a message
 * if one is not known. */
bool bind_extents(const struct ingot_entry *e, int32_t index, const int64_t *dims,
                  int64_t *extents, char error[TENSOR_ERROR_SIZE]);

#endif
