/* runtime/invoke.h - one call of an entry: the caller's side of ir/abi.h, with
 * memory from the system.  It is prepared once, for inputs of certain extents,
 * and run any number of times on the states of its session. */
#ifndef INGOT_INVOKE_H
#define INGOT_INVOKE_H

#include "session.h"

/* A call that is prepared.  The members belong to invoke.c, but for `dims` and
 * `outputs`, which may be read.  For an entry f(x: f32[n,3]) -> y: f32[n], called
 * with two rows, dims is {2}, inputs points to the elements of x, held has the
 * tensor y and outputs points to its elements and to its extents. */
typedef struct invoke {
    session *s;
    const struct ingot_entry *entry;
    int64_t *dims;                  /* the value of each symbol of the entry */
    const void **inputs;
    struct ingot_buffer *outputs;
    tensor_value *held;             /* memory of the outputs */
    int64_t *extents;               /* of all outputs, one after the other */
    void *workspace;
    size_t workspace_size;
    struct ingot_allocator allocator;
    struct ingot_call call;
} invoke;

/* How runs are timed.  {.warm_up = 0.2, .seconds = 1} runs for a fifth of a second,
 * then times runs for one; {.warm_up = 0, .runs = 20} runs once, then times 20. */
typedef struct invoke_timing {
    double warm_up;                 /* seconds of runs before, at least one; below 0: none */
    double seconds;                 /* time runs for so long, INVOKE_LEAST_RUNS at least .. */
    size_t runs;                    /* .. unless this says how many */
} invoke_timing;
enum { INVOKE_LEAST_RUNS = 10 };

/* What runs take, in seconds, and what they need. */
typedef struct invoke_times {
    double min, median, mean, p90, p99;     /* p90: nine of ten runs take no longer */
    size_t runs;
    uint64_t flops;                 /* of contractions in one run, as computed; 0: not known */
    size_t workspace_size;          /* bytes */
} invoke_times;

/* Binds dims, gets a workspace and memory for outputs.  `in` has a value per
 * input, an empty one for an optional input that is left out; it and the session
 * must outlive `v`.  On failure `v` is empty.
 * invoke_free in any case is allowed. */
bool invoke_prepare(invoke *v, session *s, const struct ingot_entry *e, const tensor_value *in,
                    char error[TENSOR_ERROR_SIZE]);
/* Runs the entry once.  False with a message; the states are then as they were. */
bool invoke_run(invoke *v, char error[TENSOR_ERROR_SIZE]);
/* Times runs, each alone.  The states are afterwards as they were before. */
bool invoke_time(invoke *v, const invoke_timing *how, invoke_times *t,
                 char error[TENSOR_ERROR_SIZE]);
/* Moves the outputs of the last run to `out`, which has a value for each; then
 * `v` can only be freed. */
bool invoke_take(invoke *v, tensor_value *out, char error[TENSOR_ERROR_SIZE]);
void invoke_free(invoke *v);

#endif
