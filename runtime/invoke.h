/* runtime/invoke.h - calling an entry of a compiled model with tensors: the
 * caller's side of abi.h, with memory from the system.  Used by the main() of
 * an executable and by the ingot command in process. */
#ifndef INGOT_INVOKE_H
#define INGOT_INVOKE_H

#include "abi.h"
#include "tensor_io.h"

/* All members are of invoke.c; prepared once, run any number of times. */
typedef struct invoke {
    const struct ingot_entry *entry;
    int64_t *dims;                  /* value per symbol, BIND_FREE: not used */
    const void **inputs;
    struct ingot_buffer *outputs;
    tensor *held;                   /* memory of the outputs */
    int64_t *extents;               /* of all outputs, one after the other */
    void *states, *workspace;
    size_t workspace_size;
    struct ingot_allocator allocator;
    struct ingot_call call;
} invoke;

/* The entry called `main`, else the first. */
const struct ingot_entry *invoke_entry(const struct ingot_model *m);

/* Binds dims, gets workspace, states and memory for outputs.  `in` has a
 * tensor per input and must outlive `v`; `pool` may be null.  On failure `v` is
 * empty.  invoke_free in any case is allowed. */
bool invoke_prepare(invoke *v, const struct ingot_model *m, const struct ingot_entry *e,
                    const uint8_t *weights, const struct ingot_pool *pool, const tensor_value *in,
                    char error[TENSOR_ERROR_SIZE]);
bool invoke_run(invoke *v, char error[TENSOR_ERROR_SIZE]);
/* Moves the outputs of the last run to `out`, which has a value for each; then
 * `v` can only be freed. */
bool invoke_take(invoke *v, tensor_value *out, char error[TENSOR_ERROR_SIZE]);
void invoke_free(invoke *v);

#endif
