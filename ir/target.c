/* ir/target.c - rows of target.def, and which of them this machine can run. */
#include "target.h"

#define TARGET(name, ...) +1
enum { TARGETS = 0
#include "target.def"
};

static const target table[TARGETS] = {
#define TARGET(name, vector, regs, fma, f16c, masked, l1, l2, l3, features)    \
    {name, features, vector, regs, fma, f16c, masked, l1, l2, l3},
#include "target.def"
};

static int host_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4"))
        return 4;
    if (__builtin_cpu_supports("x86-64-v3"))
        return 3;
    if (__builtin_cpu_supports("x86-64-v2"))
        return 2;
#endif
    return 1;
}

const target *target_host(void)
{
    return &table[host_level() - 1];
}

const target *target_find(const char *name)
{
    if (!strcmp(name, "native"))
        return target_host();
    if (!strcmp(name, "x86-64"))
        return &table[0];
    for (int i = 0; i < TARGETS; i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}
