/* ir/target.c - rows of target.def, and which of them this machine can run. */
#include "target.h"

#define TARGET(name, ...) +1
enum { TARGETS = 0
#include "target.def"
};

static const target table[TARGETS] = {
#define TARGET(name, vector, regs, fma, f16c, round, masked, l1, l2, l3, features) \
    {name, features, vector, regs, fma, f16c, round, masked, l1, l2, l3},
#include "target.def"
};

#if defined(__x86_64__)
#define HAS(feature) (__builtin_cpu_supports(feature) != 0)
static int host_level(void)
{
    __builtin_cpu_init();
    if (!HAS("sse4.2") || !HAS("popcnt"))
        return 1;
    if (!HAS("avx2") || !HAS("fma") || !HAS("bmi") || !HAS("bmi2"))
        return 2;
    return HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd")
                && HAS("avx512dq") && HAS("avx512vl") ? 4 : 3;
}
#else
static int host_level(void)
{
    return 1;
}
#endif

const target *target_host(void)
{
    return &table[host_level() - 1];
}

const target *target_find(const char *name)
{
    if (!strcmp(name, "native"))
        return target_host();
    if (!strcmp(name, "x86-64-v1"))
        return &table[0];
    for (int i = 0; i < TARGETS; i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}
