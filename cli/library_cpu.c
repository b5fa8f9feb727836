/* cli/library_cpu.c - how a library finds out whether its processor will do.
 *
 * Each function of the library asks first; the answer is kept, since CPUID can
 * take microseconds on a virtual machine. */
#include "check_cpu.h"
#include "library_parts.h"

/* 1 to 4, by the name of the target: x86-64, x86-64-v2 and so on. */
static int level_of(const target *t)
{
    const char *v = strstr(t->name, "-v");

    return v ? v[2] - '0' : 1;
}

static void table(const target *t, text *out)
{
    text_add(out, "static const struct feature {\n"
                  "    const char *why;\n    uint32_t leaf, sub, reg, bit, state;\n"
                  "} features[] = {\n");
    for (int i = 0; i < CPU_FEATURES; i++) {
        const cpu_feature *f = &cpu_features[i];
        if (f->level <= level_of(t))
            text_add(out,
                     "    {\"this CPU lacks %s, which the code is compiled for (%s)\", "
                     "%uu, %uu, %d, %d, %uu},\n",
                     f->name, t->name, f->leaf, f->sub, f->reg, f->bit, f->state);
    }
    text_add(out, "};\n\n");
}

void library_cpu(const target *t, text *out)
{
    if (level_of(t) == 1) {
        text_add(out, "static const char *cpu_lacks(void)\n{\n    return 0;\n}\n\n");
        return;
    }
    text_add(out, "#include <cpuid.h>\n\n");
    table(t, out);
    text_add(out,
        "static const char *look_at_cpu(void)\n{\n"
        "    uint32_t r[4], state = 0, high;\n\n"
        "    if (__get_cpuid(1, &r[0], &r[1], &r[2], &r[3]) && (r[2] >> 27 & 1))\n"
        "        __asm__ volatile(\"xgetbv\" : \"=a\"(state), \"=d\"(high) : \"c\"(0));\n"
        "    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {\n"
        "        const struct feature *f = &features[i];\n"
        "        if (!__get_cpuid_count(f->leaf, f->sub, &r[0], &r[1], &r[2], &r[3]) ||\n"
        "            !(r[f->reg] >> f->bit & 1) || (f->state & ~state))\n"
        "            return f->why;\n    }\n    return 0;\n}\n\n");
    text_add(out,
        "static const char *cpu_lacks(void)\n{\n"
        "    static const char unknown[1], *found = unknown;\n"
        "    const char *why = __atomic_load_n(&found, __ATOMIC_RELAXED);\n\n"
        "    if (why == unknown) {\n        why = look_at_cpu();\n"
        "        __atomic_store_n(&found, why, __ATOMIC_RELAXED);\n    }\n"
        "    return why;\n}\n\n");
}
