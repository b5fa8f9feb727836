/* runtime/check_cpu.c - features.def against this processor.  A binary is told
 * apart by the words of its name, level and features: x86-64-v4+avx512vnni needs
 * every PART of levels 1 to 4 and the one EXTRA. The rows say where the processor
 * tells of each; cpu_<arch>.h reads it there. */
#include "check_cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
#define ARCH(name, ...) CPU_##name,
#include "targets.def"
    CPU_OTHER
};

#if defined(__x86_64__)
#include "cpu_x86_64.h"
enum { HERE = CPU_X86_64 };
#elif defined(__aarch64__)
#include "cpu_aarch64.h"
enum { HERE = CPU_AARCH64 };
#else
enum { HERE = CPU_OTHER };
/* On an architecture without rows there is nothing to ask, and no code that could
 * ask for it. */
struct cpu_said {
    int asked;
};
static int cpu_has(struct cpu_said *c, const uint32_t *at) { return at[0] && c->asked; }
#endif

enum { PART, EXTRA };

/* A row of features.def; `at` is what cpu_has reads: on x86-64 leaf, subleaf,
 * register, bit of CPUID and the bits of XCR0 that the system must have set. */
static const struct feature {
    int arch;
    const char *name;
    int level, kind;
    uint32_t at[5];
} features[] = {
#define FEATURE(arch, name, level, kind, can, needs, ...) \
    {CPU_##arch, name, level, kind, {__VA_ARGS__}},
#include "features.def"
};
enum { FEATURES = sizeof features / sizeof *features };

static const struct level {
    int arch;
    const char *name;
    int level;
} levels[] = {
#define TARGET(arch, name, level, ...) {CPU_##arch, name, level},
#include "targets.def"
};
enum { LEVELS = sizeof levels / sizeof *levels };

static void add(char *list, size_t size, const char *name, size_t len)
{
    size_t at = strlen(list);

    if (at < size)
        snprintf(list + at, size - at, "%s%.*s", at ? ", " : "", (int)len, name);
}

static bool is_word(const char *name, const char *word, size_t len)
{
    return strlen(name) == len && !memcmp(name, word, len);
}

static bool has_feature(struct cpu_said *c, const char *word, size_t len)
{
    for (int i = 0; i < FEATURES; i++)
        if (features[i].arch == HERE && is_word(features[i].name, word, len))
            return cpu_has(c, features[i].at);
    return false;
}

/* Adds what a level has and this processor lacks: the level itself, where it is not of
 * this architecture. */
static void check_level(struct cpu_said *c, const char *word, size_t len, char *missing,
                        size_t size)
{
    const struct level *l = levels;

    while (l < levels + LEVELS && !(l->arch == HERE && is_word(l->name, word, len)))
        l++;
    if (l == levels + LEVELS) {
        add(missing, size, word, len);
        return;
    }
    for (int i = 0; i < FEATURES; i++) {
        const struct feature *f = &features[i];
        if (f->arch == HERE && f->kind == PART && f->level > 1 && f->level <= l->level &&
            !cpu_has(c, f->at))
            add(missing, size, f->name, strlen(f->name));
    }
}

/* *missing gets the names of what is lacking, for the message. */
bool check_cpu(const char *cpu, char *missing, size_t size)
{
    struct cpu_said c = {0};

    *missing = 0;
    if (!cpu)
        return true;
    size_t len = strcspn(cpu, "+");
    check_level(&c, cpu, len, missing, size);
    for (cpu += len; *cpu == '+'; cpu += len) {
        len = strcspn(++cpu, "+");
        if (!has_feature(&c, cpu, len))
            add(missing, size, cpu, len);
    }
    return !*missing;
}
