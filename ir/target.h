/* ir/target.h - facts about a processor that schedules and the emitter ask. */
#ifndef INGOT_TARGET_H
#define INGOT_TARGET_H

#include "dtype.h"

typedef enum target_arch {
#define ARCH(name, ...) ARCH_##name,
#include "targets.def"
} target_arch;

/* What features allow: bits of target.can. */
enum {
    CAN_FMA = 1,                 /* multiply and add with one rounding */
    CAN_HALF = 2,                /* convert f16 to f32 and back */
    CAN_ROUND = 4,               /* round to integral floats */
    CAN_DOT4 = 8,                /* sum four products of unsigned and signed bytes in an i32 */
    CAN_DOT4_512 = 16,           /* the same in registers of 512 bits */
    CAN_RANGE = 32,              /* the lesser or greater of floats, -0 below 0 */
    CAN_MATH512 = 64             /* f32 in registers of 512 bits: x 2^n; 1 / x and 1 / sqrt x
                                  * within 2^-14 */
};

enum { TARGET_FEATURE_WHERE = 5 };

/* A row of features.def. */
typedef struct target_feature {
    target_arch arch;
    const char *name;
    int level;
    bool extra;                  /* part of no level */
    uint32_t can;
    const char *needs;           /* names, with blanks between */
    uint32_t where[TARGET_FEATURE_WHERE];
} target_feature;

enum {
    TARGET_FEATURES = 0
#define FEATURE(...) + 1
#include "features.def"
};
extern const target_feature target_features[TARGET_FEATURES];

/* A level and the features added to it.  For example `x86-64-v4+avx512vnni`: its level
 * is 4, `extra` has the bit of avx512vnni's row, `can` has CAN_DOT4. */
typedef struct target {
    char name[512];              /* as `--cpu` takes it, features in the table's order */
    const char *cpu;             /* LLVM's name of the level */
    target_arch arch;
    int level;
    uint64_t extra;              /* bit i: row i of features.def was added */
    uint32_t can;
    int32_t vector_bytes, vector_regs;
    bool half_as_fast;           /* half registers multiply as many elements in a second */
    int64_t l2_bytes, l3_bytes;
    int32_t fork_ns;             /* until threads have begun and ended a loop */
} target;

/* LEVEL, or LEVEL+FEATURE+.., as in `x86-64-v4+avx512vnni`; what a feature needs is added
 * with it: `x86-64-v2+avx2` is `x86-64-v2+avx+avx2`.  False, with nothing
 * written, if a word is unknown or a feature is none of the level's architecture or
 * needs a higher level. */
bool target_find(const char *name, target *out);

/* Names of the levels and their aliases, in the table's order; null after the last. */
extern const char *const target_names[];

/* Is the feature part of the level, or added to it? */
bool target_has(const target *t, const target_feature *f);

/* All features in LLVM's spelling: "+sse,+sse2,.." */
void target_llvm_features(const target *t, text *out);

const char *target_triple(target_arch a);
/* Has the architecture a section for large data? */
bool target_has_large_data(target_arch a);

/* Elements of d in what templates call a vector: 4 to 16, a register's worth where that
 * lies between. */
static inline int target_lanes(const target *t, ir_dtype d)
{
    return (int)min_i64(max_i64(t->vector_bytes / dt_size(d), 4), 16);
}

/* Registers that a vector of so many takes, as 2 for four f64 on SSE. */
static inline int target_regs(const target *t, ir_dtype d, int lanes)
{
    return (int)max_i64(lanes * dt_size(d) / t->vector_bytes, 1);
}

static inline bool target_can(const target *t, uint32_t what)
{
    return (t->can & what) == what;
}

/* Has it an instruction that sums four products of bytes in each of so many i32?  AVX-VNNI
 * ends at 256 bits, on processors with AVX-512 too. */
static inline bool target_sums_four(const target *t, int lanes)
{
    return lanes >= 4 && lanes * 4 <= t->vector_bytes &&
           (t->arch != ARCH_AARCH64 || lanes == 4) &&
           target_can(t, lanes == 16 ? CAN_DOT4_512 : CAN_DOT4);
}

#endif
