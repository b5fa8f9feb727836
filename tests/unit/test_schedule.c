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
    assert_true(schedules_parse(&l, "dot schedule{}\nconv schedule{}\nconv b schedule{}",
                                diag_place(&d, "s"), &d));
    schedules_find(&l, "dot")->used = true;
    assert_false(schedules_used(&l, &d));
    assert_int_equal(d.errors, 1);
    assert_string_equal(d.message.at[0].text,
                        "error: --schedule: the model has 1 of the list's 3 problems; the first "
                        "that it has not is in line 2: conv");
    schedules_find(&l, "conv")->used = true;
    assert_false(schedules_used(&l, &d));
    assert_int_equal(d.errors, 2);
    assert_non_null(strstr(d.message.at[1].text, "s:3:1: error: schedule of 'conv b'"));
    schedules_free(&l);
    diag_free(&d);
}

/* One of many problems, by a number that tells its facts: products whose second operand
 * lies in each place, and convolutions, depthwise or not, that read near or far. */
static problem problem_of(const target *t, ir_dtype sums, int64_t rows, int64_t columns, int kind)
{
    problem p = {.rows = rows, .columns = columns, .row_bytes = columns, .sums = sums,
                 .second = kind % 3, .near = kind / 3 % 2, .whole = kind / 6 % 2,
                 .again = kind / 12 % 2, .turned = kind / 24 % 2,
                 .far_ahead = kind / 12 % 2};

    if (p.near) {
        p.kind = PROBLEM_IMAGE;
        p.lanes = target_lanes(t, sums) / (kind % 2 + 1);
        p.by_lanes = kind / 12 % 2;
        p.far_ahead = kind / 24 % 2;
        p.height = kind % 4 ? kind % 4 : -1;
        p.row_bytes = -1;
        p.columns = p.by_lanes ? p.lanes : columns;
    }
    return p;
}

static void expect_fits(const target *t, const problem *p)
{
    schedule s = schedule_choose(t, p);

    assert_null(schedule_fault(t, p, &s));
}

/* What is chosen can be followed, whatever the target, the type, the extents and the
 * operands. */
static void test_choices_fit(void **state)
{
    static const char *const cpu[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"};
    static const ir_dtype sums[] = {DT_F32, DT_F64, DT_I8, DT_I16, DT_I32, DT_I64};
    static const int64_t extents[] = {-1, 0, 1, 2, 3, 5, 7, 16, 17, 80, 96, 1000, INT64_MAX};
    enum { KINDS = 48 };

    (void)state;
    for (size_t c = 0; c < COUNT(cpu); c++)
        for (size_t d = 0; d < COUNT(sums); d++)
            for (size_t m = 0; m < COUNT(extents); m++)
                for (size_t n = 0; n < COUNT(extents) * KINDS; n++) {
                    target t;
                    assert_true(target_find(cpu[c], &t));
                    problem p = problem_of(&t, sums[d], extents[m], extents[n / KINDS],
                                           (int)(n % KINDS));
                    expect_fits(&t, &p);
                    t.half_as_fast = true;
                    expect_fits(&t, &p);
                }
}

/* The same of maps and reductions, whose choice depends on less. */
static void test_loops_fit(void **state)
{
    static const char *const cpu[] = {"x86-64", "x86-64-v3", "x86-64-v4", "aarch64"};
    static const ir_dtype sums[] = {DT_F32, DT_F64, DT_F16, DT_BOOL, DT_I8, DT_I32, DT_I64};
    static const int64_t columns[] = {-1, 0, 1, 3, 64, 1000, INT64_MAX};

    (void)state;
    for (size_t c = 0; c < COUNT(cpu); c++)
        for (int kind = PROBLEM_MAP; kind < PROBLEM_KINDS; kind++)
            for (size_t d = 0; d < COUNT(sums); d++)
                for (size_t n = 0; n < COUNT(columns); n++) {
                    const problem p = {.kind = kind, .sums = sums[d], .columns = columns[n],
                                       .many = n % 2, .stride = (int64_t)n, .near = n % 3 == 0};
                    target t;
                    assert_true(target_find(cpu[c], &t));
                    expect_fits(&t, &p);
                }
}

/* And of convolutions by positions, which have few outputs. */
static void test_positions_fit(void **state)
{
    static const char *const cpu[] = {"x86-64", "x86-64-v3", "x86-64-v4", "aarch64"};
    static const ir_dtype sums[] = {DT_F32, DT_F64, DT_I32, DT_I64};

    (void)state;
    for (size_t c = 0; c < COUNT(cpu); c++)
        for (size_t d = 0; d < COUNT(sums); d++) {
            target t;
            assert_true(target_find(cpu[c], &t));
            for (int64_t n = 1; schedule_by_positions(&t, sums[d], 1000, 1, 3, n); n++) {
                const problem p = {.kind = PROBLEM_POSITIONS, .sums = sums[d], .columns = n};
                expect_fits(&t, &p);
            }
        }
}

/* Lanes for so many columns, where half registers are as fast or not. */
static void expect_lanes(int64_t columns, bool half_as_fast, int want)
{
    const problem p = {.rows = 56, .columns = columns, .sums = DT_F32, .second = OPERAND_CONST,
                       .near = true};
    target t;

    assert_true(target_find("x86-64-v4", &t));
    t.half_as_fast = half_as_fast;
    assert_int_equal(schedule_choose(&t, &p).lanes, want);
}

/* Lanes are halved where fewer of them are idle then. */
static void test_lanes(void **state)
{
    (void)state;
    expect_lanes(36, true, 8);
    expect_lanes(20, true, 8);
    expect_lanes(36, false, 16);
    expect_lanes(32, true, 16);
    expect_lanes(1000, true, 16);
    expect_lanes(-1, true, 16);
}

/* Text of a schedule, and why x86-64-v3 cannot solve the problem so; null if it can. */
static void expect_fault(const problem *p, const char *source, const char *want)
{
    const char *s = source, *expected;
    schedule given;
    target t;

    assert_true(target_find("x86-64-v3", &t));
    assert_true(schedule_parse(&s, &given, &expected));
    const char *fault = schedule_fault(&t, p, &given);
    assert_string_equal(fault ? fault : "none", want);
}

static void test_faults(void **state)
{
    static const char least[] = "rows, vectors, lanes and parts are at least 1";
    static const char tile[] = "the tile takes more registers than there are";
    const problem p = {.rows = 64, .columns = 64, .sums = DT_F32, .second = OPERAND_CONST};
    const problem stored = {.rows = -1, .columns = 64, .sums = DT_F32, .second = OPERAND_STORED};

    (void)state;
    expect_fault(&p, "schedule{rows=6 vectors=2 lanes=8 parts=1 pack=1 group=2}", "none");
    expect_fault(&p, "schedule{rows=7 vectors=2 lanes=8 parts=1 pack=1}", tile);
    expect_fault(&p, "schedule{rows=6 vectors=2 lanes=16 parts=1 pack=1}", tile);
    expect_fault(&p, "schedule{rows=6 vectors=2 lanes=6 parts=1 pack=1}",
                 "lanes and parts are powers of two");
    expect_fault(&p, "schedule{rows=6 vectors=2 lanes=8 pack=1}", least);
    expect_fault(&p, "schedule{rows=6 vectors=2 lanes=8 parts=1}",
                 "an operand that is not stored row by row is read in panels (pack=1)");
    expect_fault(&stored, "schedule{rows=6 vectors=2 lanes=8 parts=1}", "none");
    expect_fault(&stored, "schedule{rows=6 vectors=2 lanes=8 parts=1 ahead=256}",
                 "only panels are fetched ahead");
    expect_fault(&stored, "schedule{rows=6 vectors=2 lanes=8 parts=1 group=2}",
                 "rows that only the run knows are in no groups");
    expect_fault(&stored, "schedule{rows=6 vectors=2 lanes=8 parts=1 deep=64}",
                 "sums of a part of k are those of a group, in one part");
}

/* A field that the problem's template does not read is refused. */
static void test_idle_fields(void **state)
{
    const problem dot = {.rows = 64, .columns = 64, .sums = DT_F32, .second = OPERAND_CONST};
    const problem conv = {.kind = PROBLEM_IMAGE, .rows = 56, .columns = 64, .sums = DT_F32,
                          .lanes = 8, .height = 4, .second = OPERAND_CONST, .near = true,
                          .whole = true};
    const problem depthwise = {.kind = PROBLEM_IMAGE, .rows = 56, .columns = 8, .sums = DT_F32,
                               .lanes = 8, .height = -1, .second = OPERAND_CONST, .near = true,
                               .by_lanes = true};

    (void)state;
    expect_fault(&dot, "schedule{rows=4 vectors=2 lanes=8 parts=1 pack=1 chunks=2}",
                 "products do not read chunks");
    expect_fault(&dot, "schedule{rows=4 vectors=2 lanes=8 parts=1 pack=1 next=1}",
                 "what is read next of the first operand is near");
    expect_fault(&conv, "schedule{rows=4 vectors=2 lanes=8 parts=1 pack=1 chunks=4}", "none");
    expect_fault(&conv, "schedule{rows=4 vectors=2 lanes=8 parts=1 pack=1 chunks=5}",
                 "there are more chunks than rows of the image");
    expect_fault(&conv, "schedule{rows=4 vectors=2 lanes=8 parts=1 pack=1 group=2}",
                 "convolutions do not read group");
    expect_fault(&conv, "schedule{rows=2 vectors=2 lanes=16 parts=1 pack=1}",
                 "the lanes are those of a block of channels");
    expect_fault(&conv, "schedule{rows=2 vectors=2 lanes=8 parts=2 pack=1}",
                 "sums of so few products are in one part");
    expect_fault(&depthwise, "schedule{rows=4 vectors=1 lanes=8 parts=1 pack=1 chunks=9}", "none");
    expect_fault(&depthwise, "schedule{rows=4 vectors=2 lanes=8 parts=1 pack=1}",
                 "its tile is one vector wide");
}

/* Loops that make no products: x86-64-v3 has 16 registers of 8 lanes. */
static void test_faults_of_loops(void **state)
{
    static const char powers[] = "lanes and parts are powers of two";
    static const char least[] = "vectors and run are at least 1";
    const problem map = {.kind = PROBLEM_MAP, .sums = DT_F32};
    const problem nest = {.kind = PROBLEM_NEST, .sums = DT_F32};
    const problem columns = {.kind = PROBLEM_COLUMNS, .sums = DT_F32};
    const problem rows = {.kind = PROBLEM_ROWS, .sums = DT_F32};
    const problem window = {.kind = PROBLEM_WINDOW, .sums = DT_F32, .columns = 8, .stride = 2};
    const problem positions = {.kind = PROBLEM_POSITIONS, .sums = DT_F32, .columns = 3};
    const problem turn = {.kind = PROBLEM_TURN, .sums = DT_F32, .near = true};
    const problem row = {.kind = PROBLEM_BEST, .sums = DT_F32, .many = true};
    const problem beside = {.kind = PROBLEM_BEST, .sums = DT_F32, .columns = -1};
    const problem plain = {.kind = PROBLEM_WINDOW, .sums = DT_F32, .stride = 2};

    (void)state;
    expect_fault(&map, "schedule{lanes=4 run=100}", "none");
    expect_fault(&map, "schedule{lanes=4}", least);
    expect_fault(&map, "schedule{lanes=6 run=64}", powers);
    expect_fault(&map, "schedule{lanes=4 run=64 vectors=2}", "maps do not read vectors");
    expect_fault(&nest, "schedule{lanes=4 run=64}", "nests do not read run");
    expect_fault(&columns, "schedule{vectors=16 lanes=8}", "none");
    expect_fault(&columns, "schedule{vectors=16 lanes=16}",
                 "the tile takes more registers than there are");
    expect_fault(&columns, "schedule{lanes=8}", least);
    expect_fault(&rows, "schedule{lanes=8 parts=8}", "none");
    expect_fault(&rows, "schedule{lanes=8 parts=3}", powers);
    expect_fault(&rows, "schedule{lanes=8 parts=2 rows=2}",
                 "reductions of rows do not read rows");
    expect_fault(&window, "schedule{vectors=1 lanes=8 run=7}", "none");
    expect_fault(&window, "schedule{vectors=1 lanes=8}", least);
    expect_fault(&positions, "schedule{vectors=5 lanes=8}", "none");
    expect_fault(&positions, "schedule{vectors=6 lanes=8}",
                 "the tile takes more registers than there are");
    expect_fault(&positions, "schedule{lanes=8}", least);
    expect_fault(&turn, "schedule{vectors=3 lanes=16 chunks=2}", "none");
    expect_fault(&turn, "schedule{vectors=3 lanes=32}", "a square tile has 2 to 16 rows");
    expect_fault(&turn, "schedule{lanes=8}", least);
    expect_fault(&turn, "schedule{vectors=3 lanes=8 run=2}", "transpositions do not read run");
    expect_fault(&row, "schedule{lanes=1}", "none");
    expect_fault(&row, "schedule{lanes=8 vectors=2}", "nothing lies beside the row");
    expect_fault(&beside, "schedule{lanes=8}", least);
    expect_fault(&plain, "schedule{lanes=8 run=7}", "none");
    expect_fault(&plain, "schedule{vectors=1 lanes=8 run=7}",
                 "nothing lies beside the row");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_unused),      cmocka_unit_test(test_choices_fit),
        cmocka_unit_test(test_positions_fit), cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_faults),      cmocka_unit_test(test_idle_fields),
        cmocka_unit_test(test_loops_fit),   cmocka_unit_test(test_faults_of_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
