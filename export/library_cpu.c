/* export/library_cpu.c - how a library finds out whether its processor will do.
 *
 * Each function of the library asks first; the answer is kept, since asking can take
 * microseconds on a virtual machine. */
#include "library_parts.h"

/* The text of runtime/cpu_ARCH.h, which defines cpu_has(said, where), by architecture. */
static const char *const asking[] = {[ARCH_X86_64] = cpu_x86_64_text,
                                     [ARCH_AARCH64] = cpu_aarch64_text};

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

/* {"why", {where}}, a line for each feature that is asked for. */
static void add_features(library *l, const target *t)
{
    text s = {0};

    for (int i = 0; i < TARGET_FEATURES; i++) {
        const target_feature *f = &target_features[i];
        if (!is_asked(t, f))
            continue;
        text_add(&s, "    {\"this CPU lacks %s, which the code is compiled for (%s)\", {",
                 f->name, t->name);
        for (int k = 0; k < TARGET_FEATURE_WHERE; k++)
            text_add(&s, "%s%uu", k ? ", " : "", f->where[k]);
        text_add(&s, "}},\n");
    }
    library_word_of(l, &l->words, "FEATURES", &s);
}

/* The check that a library does when it opens.  Code for the least processor of its
 * architecture needs none. */
void library_cpu(library *l, text *out)
{
    const target *t = l->im->target;
    bool any = !count_asked(t);

    if (!any) {
        add_features(l, t);
        library_word(l, &l->words, "WHERE", "%d", TARGET_FEATURE_WHERE);
        library_word(l, &l->words, "CPU_HAS", "%s", asking[t->arch]);
    }
    template_add(library_c_text, any ? "cpu_any" : "cpu", &l->words, out);
}
