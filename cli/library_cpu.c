/* cli/library_cpu.c - how a library finds out whether its processor will do.
 *
 * Each function of the library asks first; the answer is kept, since asking can take
 * microseconds on a virtual machine. */
#include "library_parts.h"

/* The text of runtime/cpu_ARCH.h: cpu_has(where), by architecture. */
static const char *const asking[] = {
#include "cpu_texts.inc"
};

/* What is part of the first level is there: no processor lacks it. */
static bool is_asked(const target *t, const target_feature *f)
{
    return target_has(t, f) && (f->extra || f->level > 1);
}

static int count_asked(const target *t)
{
    int n = 0;

    for (int i = 0; i < TARGET_FEATURES; i++)
        n += is_asked(t, &target_features[i]);
    return n;
}

static void table(const target *t, text *out)
{
    text_add(out, "static const struct feature {\n    const char *why;\n"
                  "    uint32_t where[%d];\n} features[] = {\n", TARGET_FEATURE_WHERE);
    for (int i = 0; i < TARGET_FEATURES; i++) {
        const target_feature *f = &target_features[i];
        if (!is_asked(t, f))
            continue;
        text_add(out, "    {\"this CPU lacks %s, which the code is compiled for (%s)\", {",
                 f->name, t->name);
        for (int k = 0; k < TARGET_FEATURE_WHERE; k++)
            text_add(out, "%s%uu", k ? ", " : "", f->where[k]);
        text_add(out, "}},\n");
    }
    text_add(out, "};\n\n");
}

void library_cpu(const target *t, text *out)
{
    if (!count_asked(t)) {
        text_add(out, "static const char *cpu_lacks(void)\n{\n    return 0;\n}\n\n");
        return;
    }
    text_add(out, "%s\n", asking[t->arch]);
    table(t, out);
    text_add(out,
        "static const char *look_at_cpu(void)\n{\n"
        "    for (size_t i = 0; i < sizeof features / sizeof *features; i++)\n"
        "        if (!cpu_has(features[i].where))\n"
        "            return features[i].why;\n    return 0;\n}\n\n");
    text_add(out,
        "static const char *cpu_lacks(void)\n{\n"
        "    static const char unknown[1], *found = unknown;\n"
        "    const char *why = __atomic_load_n(&found, __ATOMIC_RELAXED);\n\n"
        "    if (why == unknown) {\n        why = look_at_cpu();\n"
        "        __atomic_store_n(&found, why, __ATOMIC_RELAXED);\n    }\n"
        "    return why;\n}\n\n");
}
