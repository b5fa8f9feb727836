/* tests/unit/test_train_csv.c - tables as rows of a training program, and what is said of those
 * that are wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train_rows.h"

static const char house[] = "a,b,c,price,\"near, or not\"\r\n1,2,3.5,10,INLAND\r\n"
                            "\"4\", 5 ,-6e2,20,\"NEAR \"\"BAY\"\"\"\r\n\r\n7,8,9,30,INLAND";

static void csv_is_dealt_out(void **state)
{
    array a[3];

    (void)state;
    reads(write_text("h.csv", house), COLUMNS(&features, &target, &category), a, 3);
    assert_true(a[0].rows == 3 && a[1].rows == 3 && a[2].rows == 3);
    assert_memory_equal(a[0].data, ((float[]){1, 2, 3.5F, 4, 5, -600, 7, 8, 9}), 36);
    assert_memory_equal(a[1].data, ((float[]){10, 20, 30}), 12);
    assert_memory_equal(a[2].data, ((int64_t[]){0, 1, 0}), 24);
    assert_int_equal(a[2].names.n, 2);
    assert_string_equal(a[2].names.text[1], "NEAR \"BAY\"");
    for (int i = 0; i < 3; i++)
        array_free(&a[i]);
    reads(quoted("", path_of("h.csv"), "[\"a\":\"c\"]"), COLUMNS(&features), a, 1);
    array_free(a);
    reads(quoted("", path_of("h.csv"), "[\"price\"]"), COLUMNS(&target), a, 1);
    assert_true(((const float *)a[0].data)[2] == 30);
    array_free(a);
    reads(write_text("t.tsv", "1\t2\t3\n4\t5\t6\n"), COLUMNS(&features), a, 1);
    assert_true(a[0].rows == 2 && ((const float *)a[0].data)[5] == 6);
    array_free(a);
    reads(quoted("csv(", write_text("s.csv", "2,3\n1;2;3\n"), ", skip = 1)"), COLUMNS(&features), a,
          1);
    assert_true(a[0].rows == 1);
    array_free(a);
}

static void wrong_csv_is_told(void **state)
{
    static const char *const known[] = {"INLAND", "ISLAND"};
    struct ingot_train_column place = category;
    array a[3];

    (void)state;
    refuses(write_text("h.csv", "a,b,c\n1,2,3\n1,2\n"), COLUMNS(&features), 1,
            "h.csv:3: 2 fields, the header has 3");
    refuses(write_text("h.csv", "a,b,c\n1,2,3\n1,2,3,4\n"), COLUMNS(&features), 1, "h.csv:3: 4 fi");
    refuses(write_text("h.csv", "a,b,c\n1,2,3\n1,,3\n"), COLUMNS(&features), 1,
            "h.csv:3: b: empty, and 'x' makes no use of missing values (NaN)");
    reads(path_of("h.csv"), COLUMNS(&gaps), a, 1);
    assert_true(isnan(((const float *)a[0].data)[4]));
    array_free(a);
    refuses(write_text("h.csv", "1,2,3\n1,x,3\n"), COLUMNS(&features), 1,
            "h.csv:2: column 2: 'x' is no number");
    refuses(write_text("h.csv", "5.1,3.5,1O.4\n1,2,3\n"), COLUMNS(&features), 1,
            "h.csv:1: column 3: '1O.4' is no number, and column 1 has one, '5.1'; csv(\"");
    refuses(write_text("h.csv", "1,1_000,3\n1,2,3\n"), COLUMNS(&features), 1, "column 2: '1_000'");
    refuses(write_text("h.csv", "\nx,2,3\n1,2,3\n"), COLUMNS(&features), 1,
            "h.csv:2: column 1: 'x'");
    reads(write_text("h.csv", ",NA,3\n1,2,3\n"), COLUMNS(&gaps), a, 1);
    assert_int_equal(a[0].rows, 2);
    array_free(a);
    static const char *const large[] = {"inf", "1e400", "1e39", "-1e39"};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        char lines[40], words[60];
        snprintf(lines, sizeof lines, "a,b,c\n1,%s,3\n", large[i]);
        snprintf(words, sizeof words, "h.csv:2: b: '%s' is no finite f32", large[i]);
        refuses(write_text("h.csv", lines), COLUMNS(&features), 1, words);
    }
    refuses(write_text("h.csv", "a,b\n1,2\n"), COLUMNS(&features), 1,
            "h.csv: 2 columns, the program takes 3");
    refuses(write_text("h.csv", "a,b,c\n"), COLUMNS(&features), 1, "h.csv: has no rows");
    refuses(write_text("h.csv", ""), COLUMNS(&features), 1, "h.csv: is empty");
    refuses(write_text("h.csv", "\n\n"), COLUMNS(&features), 1, "h.csv: has no rows");
    refuses(write_text("h.csv", "a,b,c\n1,2,nan\n"), COLUMNS(&features), 1,
            "h.csv:2: c: no number, and 'x' makes no use of missing values (NaN)");
    refuses(write_text("l.csv", "7\n-1\n"), COLUMNS(&label), 1,
            "l.csv:2: column 1: -1, must be below 10 and not negative");
    refuses(write_text("h.csv", "a,b,c\n1,\"2,3\n"), COLUMNS(&features), 1,
            "h.csv:2: a quote is not closed");
    refuses(write_file("h.csv", "\xff\xfe" "1\0", 4), COLUMNS(&features), 1, "is UTF-16");
    refuses(write_text("h.csv", "a,b\n1,x\n2,M\xfcnchen\n"), COLUMNS(&target, &category), 2,
            "h.csv:3: b: is no UTF-8; save the file as UTF-8");
    refuses(write_text("h.csv", "a,b\n1,x\n2,\n"), COLUMNS(&target, &category), 2,
            "h.csv:3: b: empty, where a category is wanted");
    refuses(quoted("", write_text("h.csv", house), "[\"d\"]"), COLUMNS(&target), 1,
            "h.csv: has no column 'd'");
    place.bound = place.name_count = 2;
    place.names = known;
    refuses(path_of("h.csv"), COLUMNS(&features, &target, &place), 3,
            "h.csv:3: near, or not: 'NEAR \"BAY\"' is none of the 2 categories");
    refuses(write_text("l.csv", "7\n12\n"), COLUMNS(&label), 1,
            "l.csv:2: column 1: 12, must be below");
    refuses(write_text("l.csv", "7\n1.5\n"), COLUMNS(&label), 1, "l.csv:2: column 1: '1.5' is no");
}

/* Columns of other parts are those of the training's header; a header with a name twice is none
 * to choose by. */
static void headers_are_matched(void **state)
{
    static const int32_t both[] = {0, 1};
    const struct ingot_train_column columns[] = {features, target};
    struct ingot_train_source sources[] = {
        {.column_count = 2, .columns = both,
         .text = quoted("", write_text("a.csv", "a,b,c,y\n1,2,3,4\n"), "")},
        {.column_count = 2, .columns = both, .part = INGOT_PART_TEST}};
    const struct ingot_train_block b = {.name = "fit", .column_count = 2, .columns = columns,
                                        .source_count = 2, .sources = sources};
    rows r, test;

    (void)state;
    assert_true(rows_read(&r, &b, INGOT_PART_TRAIN, NULL, NULL, 0, error));
    sources[1].text = write_text("b.csv", "b,a,y,c\n5,6,7,8\n");
    assert_true(rows_read(&test, &b, INGOT_PART_TEST, &r, NULL, 0, error));
    assert_memory_equal(test.column[0].data, ((float[]){6, 5, 8}), 12);
    assert_memory_equal(test.column[1].data, ((float[]){7}), 4);
    rows_free(&test);
    sources[1].text = write_text("b.csv", "5,6,7,8\n");
    assert_true(rows_read(&test, &b, INGOT_PART_TEST, &r, NULL, 0, error));
    rows_free(&test);
    sources[1].text = write_text("b.csv", "b,a,y,d\n5,6,7,8\n");
    assert_false(rows_read(&test, &b, INGOT_PART_TEST, &r, NULL, 0, error));
    assert_non_null(strstr(error, "b.csv: has no column 'c', as the training data have"));
    rows_free(&test);
    sources[1].text = quoted("", path_of("b.csv"), "[\"b\":\"y\", \"d\"]");
    assert_true(rows_read(&test, &b, INGOT_PART_TEST, &r, NULL, 0, error));
    rows_free(&test);
    rows_free(&r);
    refuses(write_text("h.csv", "a,b,a\n1,2,3\n"), COLUMNS(&features), 1,
            "h.csv:1: the header has 'a' twice");
    refuses(quoted("", path_of("h.csv"), "[\"a\"]"), COLUMNS(&target), 1, "has 'a' twice");
    array a = {0};
    reads(quoted("", path_of("h.csv"), "[\"b\"]"), COLUMNS(&target), &a, 1);
    array_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_dealt_out),
        cmocka_unit_test(wrong_csv_is_told),
        cmocka_unit_test(headers_are_matched),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_all);
}
