/* runtime/check_cpu.c - features by CPUID, state by XGETBV. */
#include "check_cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

const cpu_feature cpu_features[CPU_FEATURES] = {
#define FEATURE(name, level, leaf, sub, reg, bit, state) {name, level, leaf, sub, reg, bit, state},
#include "cpu.def"
};

static void add(char *list, size_t size, const char *name, size_t len)
{
    size_t at = strlen(list);

    if (at < size)
        snprintf(list + at, size - at, "%s%.*s", at ? ", " : "", (int)len, name);
}

#if defined(__x86_64__)
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };

static uint32_t saved_state(void)
{
    uint32_t r[4], low, high;

    if (!__get_cpuid(1, &r[EAX], &r[EBX], &r[ECX], &r[EDX]) || !(r[ECX] >> 27 & 1))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(const cpu_feature *f)
{
    uint32_t r[4] = {0};

    if (!__get_cpuid_count(f->leaf, f->sub, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
        return false;
    return (r[f->reg] >> f->bit & 1) && (f->state & ~saved_state()) == 0;
}

static void check_feature(const char *name, size_t len, char *missing, size_t size)
{
    for (int i = 0; i < CPU_FEATURES; i++)
        if (strlen(cpu_features[i].name) == len && !memcmp(cpu_features[i].name, name, len)) {
            if (!has(&cpu_features[i]))
                add(missing, size, name, len);
            return;
        }
    add(missing, size, name, len);
}

/* 1 to 4; 0: no level of x86-64. */
static int level_of(const char *cpu, size_t len)
{
    if (len < 6 || memcmp(cpu, "x86-64", 6))
        return 0;
    if (len == 6)
        return 1;
    bool ok = len == 9 && !memcmp(cpu + 6, "-v", 2) && cpu[8] >= '1' && cpu[8] <= '4';
    return ok ? cpu[8] - '0' : 0;
}

bool check_cpu(const char *cpu, char *missing, size_t size)
{
    *missing = 0;
    if (!cpu)
        return true;
    size_t len = strcspn(cpu, "+");
    int level = level_of(cpu, len);
    if (!level)
        add(missing, size, cpu, len);
    for (int i = 0; i < CPU_FEATURES; i++)
        if (cpu_features[i].level <= level && !has(&cpu_features[i]))
            add(missing, size, cpu_features[i].name, strlen(cpu_features[i].name));
    for (cpu += len; *cpu == '+'; cpu += len) {
        len = strcspn(++cpu, "+");
        check_feature(cpu, len, missing, size);
    }
    return !*missing;
}

#else

/* Elsewhere an object runs where it links, and asks for nothing more. */
bool check_cpu(const char *cpu, char *missing, size_t size)
{
    *missing = 0;
    if (cpu && !strncmp(cpu, "x86-64", 6))
        add(missing, size, cpu, strlen(cpu));
    return !*missing;
}

#endif
