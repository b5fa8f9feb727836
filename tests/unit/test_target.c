/* tests/unit/test_target.c - levels, features added to them, and this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check_cpu.h"
#include "host.h"

static void names_are_canonical(void **state)
{
    static const char *const pairs[][2] = {
        {"x86-64-v1", "x86-64"},
        {"x86-64-v4+avx512vnni", "x86-64-v4+avx512vnni"},
        {"x86-64-v4+avx512vbmi+avx512vnni+fma", "x86-64-v4+avx512vnni+avx512vbmi"},
        {"x86-64-v2+fma+avx", "x86-64-v2+avx+fma"},
        {"x86-64-v3+avx512bw", "x86-64-v3+avx512f+avx512bw+evex512"},
        {"x86-64+avx", "x86-64+sse3+ssse3+sse4.1+sse4.2+avx"},
        {"aarch64+i8mm", "aarch64+i8mm"}};
    target t;

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        assert_true(target_find(pairs[i][0], &t));
        assert_string_equal(t.name, pairs[i][1]);
    }
}

static void wrong_names_are_refused(void **state)
{
    static const char *const wrong[] = {
        "", "native", "x86-64-v", "x86-64-v5", "x86-64+", "x86-64-v4+", "x86-64-v4++fma",
        "x86-64-v3+avx512vnni", "x86-64-v4+dotprod", "aarch64+fma", "+fma"};
    target t = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(target_find(wrong[i], &t));
    assert_null(t.cpu);
}

static void features_give_abilities(void **state)
{
    target t;
    text features = {0};

    (void)state;
    assert_true(target_find("x86-64", &t));
    assert_int_equal(t.can, 0);
    assert_true(target_find("x86-64-v2+fma", &t));
    assert_true(target_can(&t, CAN_FMA | CAN_ROUND));
    assert_false(target_can(&t, CAN_HALF));
    assert_true(target_find("x86-64-v4", &t));
    assert_false(target_can(&t, CAN_DOT4));
    assert_true(target_find("x86-64-v4+avx512vnni", &t));
    assert_true(target_can(&t, CAN_DOT4 | CAN_HALF));
    target_llvm_features(&t, &features);
    assert_non_null(strstr(features.at, "+sse2,"));
    assert_non_null(strstr(features.at, ",+avx512vnni"));
    text_free(&features);
}

/* The row of a word that ends at a blank; null if there is none. */
static const target_feature *row_of(target_arch arch, const char *word)
{
    size_t len = strcspn(word, " ");

    for (int i = 0; i < TARGET_FEATURES; i++)
        if (target_features[i].arch == arch && strlen(target_features[i].name) == len &&
            !memcmp(target_features[i].name, word, len))
            return &target_features[i];
    return NULL;
}

/* What a feature needs is a feature, and the system saves its registers, too: those of
 * AVX are three bits of XCR0 fewer than those of AVX-512. */
static void needs_are_features(void **state)
{
    enum { XCR0 = 4 };

    (void)state;
    for (int i = 0; i < TARGET_FEATURES; i++) {
        const target_feature *f = &target_features[i], *g;
        for (const char *s = f->needs; *s; s += strcspn(s, " "), s += strspn(s, " ")) {
            g = row_of(f->arch, s);
            if (!g || (f->arch == ARCH_X86_64 && (g->where[XCR0] & ~f->where[XCR0])))
                fail_msg("%s needs '%s'", f->name, s);
        }
        bool wide = !strncmp(f->name, "avx512", 6), avx = !strncmp(f->name, "avx", 3);
        uint32_t saved = wide ? 0xe6 : avx ? 6 : 0;
        if (f->arch == ARCH_X86_64 && (saved & ~f->where[XCR0]))
            fail_msg("%s: the registers that the system saves are not asked for", f->name);
        if (saved > 6 && strcmp(f->name, "avx512f") && !strstr(f->needs, "avx512"))
            fail_msg("%s needs avx512f at least", f->name);
    }
}

static void vectors_have_registers(void **state)
{
    target sse, avx512;

    (void)state;
    assert_true(target_find("x86-64", &sse) && target_find("x86-64-v4", &avx512));
    assert_int_equal(target_lanes(&sse, DT_F64), 4);
    assert_int_equal(target_regs(&sse, DT_F64, 4), 2);
    assert_int_equal(target_lanes(&avx512, DT_I16), 16);
    assert_int_equal(target_regs(&avx512, DT_I16, 16), 1);
}

static void the_host_runs_its_code(void **state)
{
    char missing[256];
    target t;

    (void)state;
    host_target(&t);
    assert_true(check_cpu(t.name, missing, sizeof missing));
    assert_true(host_runs(t.arch));
    for (int i = 0; i < TARGET_FEATURES; i++) {
        target more;
        char name[sizeof t.name + 32];
        snprintf(name, sizeof name, "%s+%s", t.name, target_features[i].name);
        if (target_find(name, &more) && more.extra != t.extra)
            assert_false(check_cpu(more.name, missing, sizeof missing));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_canonical),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(features_give_abilities),
        cmocka_unit_test(needs_are_features),
        cmocka_unit_test(vectors_have_registers),
        cmocka_unit_test(the_host_runs_its_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
