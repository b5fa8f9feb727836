/* export/host.c - what the machine is: the runtime's check is asked for each level and
 * feature, so that what is compiled for `native` is never refused when it starts. */
#include "host.h"

#include <unistd.h>

#include "check_cpu.h"

static bool runs(const char *cpu)
{
    char missing[64];

    return check_cpu(cpu, missing, sizeof missing);
}

/* Bytes of a cache as the system tells, else `usual`. */
static int64_t cache(int which, int64_t usual)
{
    long bytes = sysconf(which);

    return bytes > 0 ? bytes : usual;
}

/* Of processors with registers of 64 bytes, Zen 4 has multipliers of 32. */
static bool multiplies_halves(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_is("amdfam19h");
#else
    return false;
#endif
}

/* Every extension that the machine has, one after the other: a name is built as a
 * user would write it, and kept if code of it runs here. */
static void add_features(target *t)
{
    for (int i = 0; i < TARGET_FEATURES; i++) {
        char name[sizeof t->name + 32];
        target more;
        snprintf(name, sizeof name, "%s+%s", t->name, target_features[i].name);
        if (target_find(name, &more) && more.extra != t->extra && runs(more.name))
            *t = more;
    }
}

/* The highest level that the processor has, every feature beside it, and its
 * caches. */
void host_target(target *out)
{
    target t = {0};

    for (int i = 0; target_names[i]; i++)       /* levels rise */
        if (runs(target_names[i]))
            target_find(target_names[i], &t);
    ICE_IF(!t.cpu, "no target is this machine's");
    add_features(&t);
    t.half_as_fast = t.vector_bytes == 64 && multiplies_halves();
    t.l2_bytes = cache(_SC_LEVEL2_CACHE_SIZE, t.l2_bytes);
    *out = t;
}

/* Can this machine run code of that architecture at all? */
bool host_runs(target_arch a)
{
    target t;

    for (int i = 0; target_names[i]; i++)
        if (target_find(target_names[i], &t) && t.arch == a && runs(t.name))
            return true;
    return false;
}

/* `native` is this machine; anything else a name of targets.def. */
bool host_find(const char *name, target *out)
{
    if (strcmp(name, "native"))
        return target_find(name, out);
    host_target(out);
    return true;
}
