/* runtime/check_cpu.h - can this CPU run code compiled for `cpu`? */
#ifndef INGOT_CHECK_CPU_H
#define INGOT_CHECK_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* cpu: a level of targets.def and perhaps features, as in "x86-64-v4+avx512vnni"; null:
 * any CPU.  False: `missing` has the names of what is not there, or of what is not
 * known.  The state that the operating system must save counts as part of a feature. */
bool check_cpu(const char *cpu, char *missing, size_t size);

#endif
