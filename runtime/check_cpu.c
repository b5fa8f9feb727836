/* runtime/check_cpu.c - features by CPUID, state by XGETBV.
 * Source: Intel SDM volume 2A, CPUID; x86-64 psABI, section "micro-architecture
 * levels". */
#include "check_cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void add(char *list, size_t size, const char *name, size_t len)
{
    size_t at = strlen(list);

    if (at < size)
        snprintf(list + at, size - at, "%s%.*s", at ? ", " : "", (int)len, name);
}

#if defined(__x86_64__)
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };
enum { YMM = 0x06, ZMM = 0xe6 };        /* bits of XCR0 */

typedef struct feature {
    const char *name;
    int level;                          /* first that has it; 9: none */
    uint32_t leaf, sub;
    int reg, bit;
    uint32_t state;
} feature;

static const feature features[] = {
    {"cx16", 2, 1, 0, ECX, 13, 0},        {"sahf", 2, 0x80000001, 0, ECX, 0, 0},
    {"popcnt", 2, 1, 0, ECX, 23, 0},      {"sse3", 2, 1, 0, ECX, 0, 0},
    {"ssse3", 2, 1, 0, ECX, 9, 0},        {"sse4.1", 2, 1, 0, ECX, 19, 0},
    {"sse4.2", 2, 1, 0, ECX, 20, 0},      {"avx", 3, 1, 0, ECX, 28, YMM},
    {"avx2", 3, 7, 0, EBX, 5, YMM},       {"bmi", 3, 7, 0, EBX, 3, 0},
    {"bmi2", 3, 7, 0, EBX, 8, 0},         {"f16c", 3, 1, 0, ECX, 29, YMM},
    {"fma", 3, 1, 0, ECX, 12, YMM},       {"lzcnt", 3, 0x80000001, 0, ECX, 5, 0},
    {"movbe", 3, 1, 0, ECX, 22, 0},       {"avx512f", 4, 7, 0, EBX, 16, ZMM},
    {"avx512bw", 4, 7, 0, EBX, 30, ZMM},  {"avx512cd", 4, 7, 0, EBX, 28, ZMM},
    {"avx512dq", 4, 7, 0, EBX, 17, ZMM},  {"avx512vl", 4, 7, 0, EBX, 31, ZMM},
    {"avx512vnni", 9, 7, 0, ECX, 11, ZMM}, {"avx512vbmi", 9, 7, 0, ECX, 1, ZMM},
    {"avx512fp16", 9, 7, 0, EDX, 23, ZMM}, {"avxvnni", 9, 7, 1, EAX, 4, YMM},
    {"avx512bf16", 9, 7, 1, EAX, 5, ZMM},
};
enum { FEATURES = sizeof features / sizeof *features };

static uint32_t saved_state(void)
{
    uint32_t r[4], low, high;

    if (!__get_cpuid(1, &r[EAX], &r[EBX], &r[ECX], &r[EDX]) || !(r[ECX] >> 27 & 1))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(const feature *f)
{
    uint32_t r[4] = {0};

    if (!__get_cpuid_count(f->leaf, f->sub, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
        return false;
    return (r[f->reg] >> f->bit & 1) && (f->state & ~saved_state()) == 0;
}

static void check_feature(const char *name, size_t len, char *missing, size_t size)
{
    for (int i = 0; i < FEATURES; i++)
        if (strlen(features[i].name) == len && !memcmp(features[i].name, name, len)) {
            if (!has(&features[i]))
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
    for (int i = 0; i < FEATURES; i++)
        if (features[i].level <= level && !has(&features[i]))
            add(missing, size, features[i].name, strlen(features[i].name));
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
