/* ir/target.h - facts about a processor that schedules and the emitter ask. */
#ifndef INGOT_TARGET_H
#define INGOT_TARGET_H

#include "dtype.h"

typedef struct target {
    const char *name;            /* "x86-64" to "x86-64-v4": LLVM's names of the CPUs */
    const char *features;        /* complete, in LLVM's spelling */
    int32_t vector_bytes, vector_regs;
    bool has_fma, has_f16c, has_round;
    int32_t masked_bits;         /* narrowest element with good masks; 0: none */
    int64_t l1_bytes, l2_bytes, l3_bytes;
} target;

/* By name (`x86-64`, also `x86-64-v1`, to `x86-64-v4`, `native`); null if unknown.
 * `native` is the highest row that this machine can run. */
const target *target_find(const char *name);
const target *target_host(void);

static inline int target_lanes(const target *t, ir_dtype d)
{
    return t->vector_bytes / dt_size(d);
}

#endif
