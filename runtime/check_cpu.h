/* runtime/check_cpu.h - can this CPU run code compiled for `cpu`? */
#ifndef INGOT_CHECK_CPU_H
#define INGOT_CHECK_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row of cpu.def. */
typedef struct cpu_feature {
    const char *name;
    int level;
    uint32_t leaf, sub;
    int reg, bit;
    uint32_t state;
} cpu_feature;

enum {
    CPU_FEATURES = 0
#define FEATURE(name, ...) + 1
#include "cpu.def"
};
extern const cpu_feature cpu_features[CPU_FEATURES];

/* cpu: a level of the x86-64 psABI, "x86-64" to "x86-64-v4", then perhaps
 * features, as in "x86-64-v4+avx512vnni"; null: any CPU.  False: `missing` has
 * the names of what is not there, or of what is not known.  The state that the
 * operating system must save counts as part of a feature. */
bool check_cpu(const char *cpu, char *missing, size_t size);

#endif
