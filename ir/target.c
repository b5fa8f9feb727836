/* ir/target.c - rows of targets.def and features.def, and their combinations. */
#include "target.h"

/* Kinds of features: PART belongs to its level, EXTRA is added to one by its name. */
enum { PART, EXTRA };

const target_feature target_features[TARGET_FEATURES] = {
#define FEATURE(arch, name, level, kind, can, needs, ...) \
    {ARCH_##arch, name, level, kind, can, needs, {__VA_ARGS__}},
#include "features.def"
};
_Static_assert(TARGET_FEATURES <= 64, "target.extra has a bit for each feature");

const char *const target_names[] = {
#define TARGET(arch, name, ...) name,
#define ALIAS(name, level) name,
#include "targets.def"
    NULL};

static const target levels[] = {
#define TARGET(arch, name, level, cpu, vector, regs, half, l2, l3, fork) \
    {name, cpu, ARCH_##arch, level, 0, 0, vector, regs, half, l2, l3, fork},
#include "targets.def"
};

static const struct { const char *name, *level; } aliases[] = {
#define ALIAS(name, level) {name, level},
#include "targets.def"
};

static const struct { const char *triple; bool large_data; } arches[] = {
#define ARCH(name, llvm, triple, large) {triple, large},
#include "targets.def"
};

static bool is_word(const char *name, const char *word, size_t len)
{
    return strlen(name) == len && !memcmp(name, word, len);
}

static const target *find_level(const char *word, size_t len)
{
    for (size_t i = 0; i < COUNT(aliases); i++)
        if (is_word(aliases[i].name, word, len))
            return find_level(aliases[i].level, strlen(aliases[i].level));
    for (size_t i = 0; i < COUNT(levels); i++)
        if (is_word(levels[i].name, word, len))
            return &levels[i];
    return NULL;
}

bool target_has(const target *t, const target_feature *f)
{
    return f->arch == t->arch && ((!f->extra && f->level <= t->level) ||
                                  (t->extra >> (f - target_features) & 1));
}

static bool add_features(target *t, const char *list, char between);

/* Adds the feature of this name and what it needs; false if the target cannot have it. */
static bool add_feature(target *t, const char *word, size_t len)
{
    for (int i = 0; i < TARGET_FEATURES; i++) {
        const target_feature *f = &target_features[i];
        if (f->arch != t->arch || !is_word(f->name, word, len))
            continue;
        if (f->extra && f->level > t->level)
            return false;
        if (target_has(t, f))
            return true;
        t->extra |= (uint64_t)1 << i;
        return add_features(t, f->needs, ' ');
    }
    return false;
}

/* Adds those of the list; false if one is none. */
static bool add_features(target *t, const char *list, char between)
{
    const char stop[] = {between, 0};
    bool ok = true;

    while (ok && *list) {
        size_t len = strcspn(list, stop);
        ok = add_feature(t, list, len);
        list += len + (list[len] == between);
    }
    return ok;
}

/* What follows from the features: the abilities, and the name in its one spelling. */
static void describe(target *t)
{
    size_t at = strlen(t->name);

    for (int i = 0; i < TARGET_FEATURES; i++) {
        const target_feature *f = &target_features[i];
        t->can |= target_has(t, f) ? f->can : 0;
        if (t->extra >> i & 1)
            at += (size_t)snprintf(t->name + at, sizeof t->name - at, "+%s", f->name);
        ICE_IF(at >= sizeof t->name, "the name of a target is too long");
    }
}

/* NAME := LEVEL {'+' FEATURE}, as x86-64-v4+avx512vnni.  The order of features does
 * not matter: the target's own name has them in that of the table. */
bool target_find(const char *name, target *out)
{
    size_t len = strcspn(name, "+");
    const target *level = find_level(name, len);

    if (!level)
        return false;
    target t = *level;
    for (name += len; *name == '+'; name += len) {
        len = strcspn(++name, "+");
        if (!add_feature(&t, name, len))
            return false;
    }
    describe(&t);
    *out = t;
    return true;
}

void target_llvm_features(const target *t, text *out)
{
    for (int i = 0; i < TARGET_FEATURES; i++)
        if (target_has(t, &target_features[i]))
            text_add(out, "%s+%s", out->len ? "," : "", target_features[i].name);
}

const char *target_triple(target_arch a)
{
    return arches[a].triple;
}

bool target_has_large_data(target_arch a)
{
    return arches[a].large_data;
}
