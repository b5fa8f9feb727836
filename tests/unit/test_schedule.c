/* Schedules: their text, lists of them by problem, what a target can follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schedules.h"

/* The list of `source` printed again, or the message why it cannot be read. */
static void expect_list(const char *source, const char *want)
{
    schedules l = {0};
    text out = {0};
    diag d;

    diag_init(&d);
    if (schedules_parse(&l, source, diag_place(&d, "s"), &d))
        schedules_print(&l, &out);
    else
        text_addn(&out, d.message.at[0].text, strcspn(d.message.at[0].text, "\n"));
    assert_string_equal(out.at ? out.at : "", want);
    text_free(&out);
    schedules_free(&l);
    diag_free(&d);
}

static void test_text(void **state)
{
    (void)state;

    expect_list("# none\n", "");
    expect_list("dot m=? n=2 schedule{ rows=6  vectors=4 }  # wide\nconv  a schedule{}",
                "dot m=? n=2 schedule{rows=6 vectors=4}\nconv a schedule{}\n");
}

static void test_bad_text(void **state)
{
    (void)state;

    expect_list("\ndot m=1", "s:2:1: error: schedules: expected a problem and its schedule{..}");
    expect_list("schedule{rows=1}",
                "s:1:1: error: schedules: expected a problem and its schedule{..}");
    expect_list("dot schedule{height=1}",
                "s:1:14: error: schedules: expected a field of a schedule or '}'");
    expect_list("a schedule{}\ndot schedule{rows 1}", "s:2:19: error: schedules: expected '='");
    expect_list("dot schedule{rows=-1}",
                "s:1:19: error: schedules: expected a number that the field takes");
    expect_list("dot schedule{}\ndot schedule{}",
                "s:2:1: error: schedule of 'dot': it has one already");
}

static void test_unused(void **state)
{
    schedules l = {0};
    diag d;

    (void)state;
    diag_init(&d);
    assert_true(schedules_parse(&l, "dot schedule{}\nconv schedule{}", diag_place(&d, "s"), &d));
    schedules_find(&l, "dot")->used = true;
    assert_false(schedules_used(&l, &d));
    assert_int_equal(d.errors, 1);
    assert_non_null(strstr(d.message.at[0].text, "s:2:1: error: schedule of 'conv'"));
    schedules_free(&l);
    diag_free(&d);
}

/* What is chosen can be followed, whatever the target, the type and the extents. */
static void test_choices_fit(void **state)
{
    static const char *const cpu[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
    static const ir_dtype sums[] = {DT_F32, DT_F64, DT_I8, DT_I16, DT_I32, DT_I64};
    static const int64_t extents[] = {-1, 0, 1, 2, 3, 5, 7, 16, 17, 80, 96, 1000, INT64_MAX};

    (void)state;
    for (size_t c = 0; c < COUNT(cpu); c++)
        for (size_t d = 0; d < COUNT(sums); d++)
            for (size_t m = 0; m < COUNT(extents); m++)
                for (size_t n = 0; n < COUNT(extents); n++) {
                    target t;
                    assert_true(target_find(cpu[c], &t));
                    const problem p = {.rows = extents[m], .columns = extents[n],
                                       .row_bytes = extents[n], .sums = sums[d],
                                       .second = OPERAND_STORED, .near = m % 2};
                    schedule s = schedule_product(&t, &p);
                    assert_null(schedule_fault(&t, &p, &s));
                }
}

static void test_faults(void **state)
{
    target t;
    const problem p = {.rows = 64, .columns = 64, .sums = DT_F32, .second = OPERAND_CONST};

    (void)state;
    assert_true(target_find("x86-64-v3", &t));
    assert_null(schedule_fault(&t, &p, &(schedule){6, 2, 8, 1, .pack = 1}));
    assert_non_null(schedule_fault(&t, &p, &(schedule){7, 2, 8, 1, .pack = 1}));
    assert_non_null(schedule_fault(&t, &p, &(schedule){6, 2, 16, 1, .pack = 1}));
    assert_non_null(schedule_fault(&t, &p, &(schedule){6, 2, 6, 1, .pack = 1}));
    assert_non_null(schedule_fault(&t, &p, &(schedule){6, 2, 8, 0, .pack = 1}));
    assert_non_null(schedule_fault(&t, &p, &(schedule){6, 2, 8, 1, .pack = 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_unused),      cmocka_unit_test(test_choices_fit),
        cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
