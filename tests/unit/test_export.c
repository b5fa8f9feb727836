/* What leaves the compiler: texts with gaps, and the binary interface in the
 * names of a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "library_parts.h"

static void expect_text(text *got, const char *want)
{
    assert_string_equal(got->at ? got->at : "", want);
    text_free(got);
}

static void test_gaps(void **state)
{
    static const char file[] = "About it.\n//// a\n@X@ and @Y@@X@\n//// ab\nnothing\n";
    template_words words = {0};
    text t = {0};
    (void)state;

    vec_push(&words, (template_word){"X", "1"});
    vec_push(&words, (template_word){"XY", "3"});
    vec_push(&words, (template_word){"Y", ""});
    template_add(file, "a", &words, &t);
    expect_text(&t, "1 and 1\n");
    template_add(file, "ab", &words, &t);
    expect_text(&t, "nothing\n");
    vec_free(&words);
}

static void test_prefixes(void **state)
{
    static const char s[] = "ingot_x INGOT_Y my_ingot_z (ingot_w)";
    text t = {0};
    (void)state;

    template_add_renamed(s, strlen(s), "net", "NET", &t);
    expect_text(&t, "net_x NET_Y my_ingot_z (net_w)");
}

static void test_declarations(void **state)
{
    text t = {0};
    (void)state;

    template_add_declaration(abi_text, "struct ingot_string {", "net", "NET", &t);
    expect_text(&t, "struct net_string {\n    const char *at;\n    uint64_t len;\n};");
    template_add_declaration(abi_text, "typedef void ingot_body", "net", "NET", &t);
    expect_text(&t, "typedef void net_body(void *arg, int64_t begin, int64_t end, "
                    "int32_t thread);");
}

static void test_keywords(void **state)
{
    (void)state;
    assert_true(library_keyword("class") && library_keyword("while"));
    assert_false(library_keyword("net"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps), cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_declarations), cmocka_unit_test(test_keywords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
