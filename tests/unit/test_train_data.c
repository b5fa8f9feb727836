/* tests/unit/test_train_data.c - rows of a training program: every format that is read,
 * and what is said of files that are wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "choice.h"
#include "probe.h"
#include "train_rows.h"

/* ---- IDX -------------------------------------------------------------------------- */

static const uint8_t idx[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3,
                              1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 9, 3};
static const uint8_t shorts[] = {0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 1, 1, 0, 0xff, 0xff};

static void idx_is_read(void **state)
{
    array a;

    (void)state;
    reads(write_file("x.idx", idx, sizeof idx), COLUMNS(&pictures), &a, 1);
    assert_true(a.rows == 2 && a.stride == 6 && ((const uint8_t *)a.data)[11] == 12);
    array_free(&a);
    reads(write_gz("x.idx.gz", idx, sizeof idx), COLUMNS(&flat), &a, 1);
    assert_true(a.rows == 2 && a.rank == 1 && a.dims[0] == 6 && ((const uint8_t *)a.data)[6] == 7);
    array_free(&a);
    reads(write_file("l.idx", labels, sizeof labels), COLUMNS(&label), &a, 1);
    assert_true(a.rows == 3 && ((const int64_t *)a.data)[1] == 9);
    array_free(&a);
    struct ingot_train_column wide = features;
    wide.dtype = TENSOR_I16;
    reads(write_file("s.idx", shorts, sizeof shorts), COLUMNS(&wide), &a, 1);
    assert_memory_equal(a.data, ((int16_t[]){1, 256, -1}), 6);
    array_free(&a);
}

static void wrong_idx_is_told(void **state)
{
    struct ingot_train_column few = label;
    uint8_t none[] = {0, 0, 8, 1, 0, 0, 0, 0};

    (void)state;
    refuses(write_file("x.idx", idx, sizeof idx - 5), COLUMNS(&pictures), 1,
            "x.idx: cut off, 28 bytes expected, 23 found");
    refuses(write_file("x.idx", idx, 6), COLUMNS(&pictures), 1, "cut off");
    refuses(write_file("x.idx", idx, sizeof idx), COLUMNS(&features), 1,
            "x.idx: u8[2, 2, 3], the program has f32[.., 3] for 'x'");
    few.bound = 9;
    refuses(write_file("l.idx", labels, sizeof labels), COLUMNS(&few), 1,
            "l.idx: row 2: 9, must be below 9");
    refuses(write_file("none.idx", none, sizeof none), COLUMNS(&label), 1, "has no rows");
    refuses(write_file("empty", "", 0), COLUMNS(&label), 1, "empty: is empty");
    refuses(write_text("note.txt", "hello"), COLUMNS(&label), 1, "is of no known format");
    static const uint8_t vast[] = {0,   0, 8, 4, 0,   0, 0, 0, 127, 0,
                                   0,   0, 127, 0, 0, 0, 127, 0, 0, 0};
    refuses(write_file("vast.idx", vast, sizeof vast), COLUMNS(&label), 1, "overflow");
    refuses("/no/such/file.idx", COLUMNS(&label), 1, "No such file");
    const char *gz = write_gz("x.idx.gz", idx, sizeof idx);
    assert_int_equal(truncate(gz, 30), 0);
    refuses(gz, COLUMNS(&pictures), 1, "x.idx.gz: cut off");
}

/* ---- NumPy ------------------------------------------------------------------------ */

/* A .npy file of f64[2,3], with these numbers. */
static size_t npy(uint8_t *to, const double *v)
{
    static const char header[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }   \n";
    const uint8_t lead[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof header - 1, 0};

    memcpy(to, lead, sizeof lead);
    memcpy(to + sizeof lead, header, sizeof header - 1);
    memcpy(to + sizeof lead + sizeof header - 1, v, 6 * sizeof *v);
    return sizeof lead + sizeof header - 1 + 6 * sizeof *v;
}

static void put(uint8_t **at, uint64_t v, int size)
{
    for (int i = 0; i < size; i++)
        *(*at)++ = (uint8_t)(i < 8 ? v >> 8 * i : 0);
}

/* An archive with one member, stored or deflated. */
static size_t npz(uint8_t *to, const uint8_t *data, size_t size, bool deflated)
{
    static const char name[] = "images.npy";
    uint8_t packed[1000], *at = to;
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = packed,
                  .avail_out = sizeof packed};

    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    size_t n = deflated ? z.total_out : size;
    uint32_t hash = (uint32_t)crc32(0, data, (uInt)size);
    deflateEnd(&z);
    put(&at, 0x04034b50, 4), put(&at, 0, 4), put(&at, deflated ? 8 : 0, 2), put(&at, 0, 4);
    put(&at, hash, 4), put(&at, n, 4), put(&at, size, 4), put(&at, sizeof name - 1, 2);
    put(&at, 0, 2);
    memcpy(at, name, sizeof name - 1), at += sizeof name - 1;
    memcpy(at, deflated ? packed : data, n), at += n;
    size_t directory = (size_t)(at - to);
    put(&at, 0x02014b50, 4), put(&at, 0, 6), put(&at, deflated ? 8 : 0, 2), put(&at, 0, 4);
    put(&at, hash, 4), put(&at, n, 4), put(&at, size, 4), put(&at, sizeof name - 1, 2);
    put(&at, 0, 12);
    put(&at, 0, 4), memcpy(at, name, sizeof name - 1), at += sizeof name - 1;
    size_t end = (size_t)(at - to);
    put(&at, 0x06054b50, 4), put(&at, 0, 4), put(&at, 1, 2), put(&at, 1, 2);
    put(&at, end - directory, 4), put(&at, directory, 4), put(&at, 0, 2);
    return (size_t)(at - to);
}

static const double six_numbers[] = {1, 2, 3, 4, 5, -6.5};

static void numpy_is_read(void **state)
{
    uint8_t file[400], archive[1400];
    size_t n = npy(file, six_numbers);
    array a;

    (void)state;
    reads(write_file("x.npy", file, n), COLUMNS(&features), &a, 1);
    assert_true(a.rows == 2 && ((const float *)a.data)[5] == -6.5F);
    array_free(&a);
    for (int deflated = 0; deflated < 2; deflated++) {
        size_t size = npz(archive, file, n, deflated);
        const char *path = write_file("x.npz", archive, size);
        reads(quoted("", path, "[\"images\"]"), COLUMNS(&features), &a, 1);
        assert_true(a.rows == 2 && ((const float *)a.data)[5] == -6.5F);
        array_free(&a);
        reads(path, COLUMNS(&features), &a, 1);
        array_free(&a);
        refuses(quoted("", path, "[\"labels\"]"), COLUMNS(&features), 1, "holds no array 'labels'");
        for (size_t cut = 1; cut < size; cut++) {
            path = write_file("cut.npz", archive, cut);
            assert_false(rows_read_source(path, COLUMNS(&features), &a, 1, error));
        }
        archive[size / 2 - 60] ^= 1;
        refuses(write_file("flip.npz", archive, size), COLUMNS(&features), 1,
                deflated ? "flip.npz: " : "the check sum of 'images.npy' differs");
    }
    double odd[] = {1, 2, 3, 4, NAN, 6};
    struct ingot_train_column exact = features, wide_gaps = gaps;
    exact.dtype = wide_gaps.dtype = TENSOR_F64;
    for (int minus = 0; minus < 2; minus++) {
        odd[4] = minus ? -NAN : NAN;
        npy(file, odd);
        refuses(write_file("x.npy", file, n), COLUMNS(&features), 1, "row 2: NaN");
        refuses(path_of("x.npy"), COLUMNS(&exact), 1, "row 2: NaN");
        reads(path_of("x.npy"), COLUMNS(&gaps), &a, 1);
        array_free(&a);
    }
    for (int large = 0; large < 2; large++) {
        odd[5] = large ? -1e39 : INFINITY;
        npy(file, odd);
        refuses(write_file("x.npy", file, n), COLUMNS(&gaps), 1,
                "row 2: infinite, or too large for f32, and 'x' takes finite numbers");
    }
    reads(path_of("x.npy"), COLUMNS(&wide_gaps), &a, 1);
    array_free(&a);
}

/* ---- safetensors ------------------------------------------------------------------ */

static void safetensors_are_read(void **state)
{
    char file[200];
    const float numbers[] = {1, 2, 3, 4, 5, -6.5F};
    size_t n = (size_t)sprintf(file + 8, "{\"x\":{\"dtype\":\"F32\",\"shape\":[2,3],"
                               "\"data_offsets\":[0,24]}}");
    array a;

    (void)state;
    memset(file, 0, 8), file[0] = (char)n;
    memcpy(file + 8 + n, numbers, sizeof numbers);
    n += 8 + sizeof numbers;
    write_file("x.safetensors", file, n);
    const char *packed = write_gz("y.safetensors.gz", file, n);
    const char *paths[] = {path_of("x.safetensors"), packed, path_of("y.safetensors")};
    for (int i = 0; i < 3; i++) {
        reads(quoted("", paths[i], "[\"x\"]"), COLUMNS(&features), &a, 1);
        assert_memory_equal(a.data, numbers, sizeof numbers);
        array_free(&a);
    }
    refuses(write_gz("cut.safetensors.gz", file, n - 1), COLUMNS(&features), 1,
            "cut.safetensors.gz: is no safetensors file, or is damaged");
    refuses(quoted("", packed, "[\"z\"]"), COLUMNS(&features), 1, "holds no array 'z'");
}

/* ---- texts ------------------------------------------------------------------------ */

static void texts_are_numbers(void **state)
{
    struct ingot_train_column known = text;
    array a, b;

    (void)state;
    reads(quoted("windows(chars(", write_text("t.txt", "abcabcab\xc3\xa4"), "), 4, step = 3)"),
          COLUMNS(&text), &a, 1);
    assert_true(a.rows == 2 && a.stride == 3 && a.names.n == 4);
    assert_memory_equal(a.data, ((int64_t[]){0, 1, 2, 0, 1, 2, 0}), 56);
    assert_string_equal(a.names.text[3], "\xc3\xa4");
    known.name_count = a.names.n;
    known.names = (const char *const *)a.names.text;
    reads(quoted("windows(chars(", write_text("u.txt", "bbcca"), "), 4)"), COLUMNS(&known), &b, 1);
    assert_memory_equal(b.data, ((int64_t[]){1, 1, 2, 2, 0}), 40);
    array_free(&b);
    refuses(quoted("windows(chars(", write_text("u.txt", "ab\nx"), "), 4)"), COLUMNS(&known), 1,
            "is not in the alphabet");
    array_free(&a);
    reads(quoted("chars(", write_text("l.txt", "ba\n\na\n"), ", pad = true)"), COLUMNS(&text), &a,
          1);
    assert_true(a.rows == 3 && a.names.n == 5);
    assert_memory_equal(a.data, ((int64_t[]){1, 4, 3, 2, 1, 2, 0, 0, 1, 3, 2, 0}), 96);
    array_free(&a);
    reads(quoted("windows(chars(", write_text("m.txt", "\xef\xbb\xbf" "abcd"), "), 4)"),
          COLUMNS(&text), &a, 1);
    assert_true(a.rows == 1 && a.names.n == 4);
    array_free(&a);
    reads(quoted("windows(words(", write_text("w.txt", "to be or not to be be"), ", 3), 4)"),
          COLUMNS(&text), &a, 1);
    assert_int_equal(a.names.n, 3);
    assert_memory_equal(a.data, ((int64_t[]){2, 1, 0, 0, 2, 1, 1}), 56);
    array_free(&a);
    refuses(quoted("windows(chars(", write_text("t.txt", "ab\n\xff"), "), 4)"), COLUMNS(&text), 1,
            "t.txt:2: byte ff is no UTF-8");
    refuses(quoted("windows(bytes(", path_of("t.txt"), "), 5)"), COLUMNS(&text), 1, "fewer than");
    refuses(quoted("windows(chars(", write_file("t.txt", "\xff\xfe" "a\0b\0", 6), "), 4)"),
            COLUMNS(&text), 1, "t.txt:1: byte ff is no UTF-8");
    refuses(quoted("windows(words(", write_file("t.txt", "a b\nc\0d", 7), "), 4)"), COLUMNS(&text),
            1, "t.txt:2: byte 00 is no UTF-8");
    refuses(quoted("windows(chars(", write_text("t.txt", ""), "), 4)"), COLUMNS(&text), 1,
            "t.txt: is empty");
    refuses(quoted("chars(", write_text("t.txt", "\xef\xbb\xbf"), ")"), COLUMNS(&text), 1,
            "is empty");
}

/* ---- tables and sources ----------------------------------------------------------- */

static void tables_are_dealt_out(void **state)
{
    array a[2];

    (void)state;
    reads("[[0, 0, 1, 5], [1, 2, 3, -1]]", COLUMNS(&features, &target), a, 2);
    assert_memory_equal(a[0].data, ((float[]){0, 0, 1, 1, 2, 3}), 24);
    assert_memory_equal(a[1].data, ((float[]){5, -1}), 8);
    array_free(&a[0]);
    array_free(&a[1]);
    reads("[4, 5]", COLUMNS(&target), a, 1);
    assert_true(a[0].rows == 2);
    array_free(a);
    refuses("[[1, 2], [3]]", COLUMNS(&features), 1, "row 2 of the table has 1 numbers");
    refuses("[[1, 2], [3, 4]]", COLUMNS(&features), 1, "rows of 2 numbers, the columns take 3");
    refuses("[1.5]", COLUMNS(&label), 1, "row 1: 1.5 is no i64");
    refuses("[10]", COLUMNS(&label), 1, "row 1: 10, must be below 10");
}

/* Windows are cut from arrays, too. */
static void arrays_have_windows(void **state)
{
    static const int64_t two_by_six[] = {2, 6};
    struct ingot_train_column pairs = {.name = "x", .dtype = TENSOR_U8, .rank = 2,
                                       .dims = two_by_six};
    const uint8_t rows[] = {0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 6, 1,  2,  3,
                            4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
    uint8_t file[400], archive[1400];
    array a;

    (void)state;
    reads(quoted("windows(", write_file("w.idx", rows, sizeof rows), ", 2)"), COLUMNS(&pairs), &a,
          1);
    assert_true(a.rows == 2 && a.stride == 6 && ((const uint8_t *)a.data)[17] == 18);
    array_free(&a);
    size_t n = npz(archive, file, npy(file, six_numbers), false);
    struct ingot_train_column both = features;
    both.rank = 2;
    both.dims = (const int64_t[]){2, 3};
    reads(quoted("windows(", write_file("w.npz", archive, n), "[\"images\"], 2, step = 3)"),
          COLUMNS(&both), &a, 1);
    assert_true(a.rows == 1 && ((const float *)a.data)[5] == -6.5F);
    array_free(&a);
    refuses(quoted("windows(", path_of("w.idx"), ", 4)"), COLUMNS(&pairs), 1,
            "3 elements are fewer than the 4 of a window");
}

static void wrong_sources_are_told(void **state)
{
    static const char *const bad[] = {
        "\"a", "[", "[[1,2]", "csv(\"a\"", "csv(\"a\", skop = 1)", "windows(\"a\")",
        "windows(chars(\"a\"), 1e125)",
        "pictures(\"a\")",
        "windows(\"a\", 0)", "\"a\"[\"b\"", "\"a\" b", "[]", "chars(\"a\", pad = 3)",
        "\"a\"[\"b\",\"c\"]",
        "csv(\"a\", skip = 1.5)",
        "chars(\"a\"[\"b\"])",
        "bytes(\"a\")[\"b\"]",
        "windows(csv(\"a\"), 3)",
        "windows([1, 2], 1)",
        "windows(windows(chars(\"a\"), 3), 2)",
    };
    source s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool ok = source_parse(&s, bad[i], error);
        source_free(&s);
        if (ok)
            fail_msg("%s is taken", bad[i]);
    }
}

/* A bound is one more than the largest number, which must be one, too. */
static void bounds_are_found(void **state)
{
    static const struct {
        const char *name, *text;
        int64_t bound;
    } tables[] = {
        {"few.csv", "3\n0\n7\n", 8},
        {"names.csv", "cat\n7\n", 2},
        {"most.csv", "9223372036854775807\n7\n", 2},
        {"more.csv", "99999999999999999999\n7\n8\n", 3},
    };
    static const double huge[] = {1, 1e300, 2, 3, 4, 5};
    struct ingot_train_column c = label, both = label;
    uint8_t file[1000];
    array a;

    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        c.bound = CSV_FIND_OUT;
        const char *source = quoted("", write_text(tables[i].name, tables[i].text), "");
        if (!probe_source(source, NULL, &c, &a, 1, error))
            fail_msg("%s: %s", tables[i].name, error);
        assert_int_equal(c.bound, tables[i].bound);
        array_free(&a);
    }
    c.bound = CSV_FIND_OUT;
    both.rank = 1;
    both.dims = three;
    both.bound = CSV_FIND_OUT;
    size_t n = npy(file, huge);
    if (probe_source(quoted("", write_file("huge.npy", file, n), ""), NULL, &both, &a, 1, error))
        assert_int_equal(both.bound, (INT64_C(1) << 53) + 1);
    else
        fail_msg("%s", error);
    array_free(&a);
}

static void parts_are_complete(void **state)
{
    static const int32_t first[] = {0}, second[] = {1};
    static const struct ingot_train_column columns[] = {
        {.name = "x", .dtype = TENSOR_F32}, {.name = "t", .dtype = TENSOR_F32}};
    static const struct ingot_train_source sources[] = {
        {.column_count = 1, .columns = first, .text = "[1, 2, 3]"},
        {.column_count = 1, .columns = second, .text = "[1, 2]"}};
    static const struct ingot_train_block b = {.name = "fit", .column_count = 2, .columns = columns,
                                               .source_count = 2, .sources = sources};
    const rows_given given = {"t", "[7, 8, 9]"}, wrong = {"u", "[1]"};
    rows r;

    (void)state;
    assert_false(rows_read(&r, &b, INGOT_PART_TRAIN, NULL, NULL, 0, error));
    assert_string_equal(error, "block 'fit': 'x' has 3 rows, 't' has 2");
    rows_free(&r);
    assert_true(rows_read(&r, &b, INGOT_PART_TRAIN, NULL, &given, 1, error));
    assert_true(r.count == 3 && ((const float *)r.column[1].data)[2] == 9);
    rows_free(&r);
    assert_false(rows_read(&r, &b, INGOT_PART_TRAIN, NULL, &wrong, 1, error));
    assert_string_equal(error, "--data: block 'fit' has no column 'u'; it has x, t");
    rows_free(&r);
    assert_true(rows_read(&r, &b, INGOT_PART_TEST, NULL, NULL, 0, error));
    assert_int_equal(r.count, 0);
    rows_free(&r);
}

/* A text that is given by its name alone is read as the program reads its own. */
static void texts_take_the_place_of_texts(void **state)
{
    static const int32_t columns[] = {0};
    const struct ingot_train_source s = {.column_count = 1, .columns = columns,
                                         .text = "windows(chars(\"own.txt\"), 4, step = 2)"};
    const struct ingot_train_block b = {.name = "fit", .column_count = 1, .columns = &text,
                                        .source_count = 1, .sources = &s};
    const rows_given txt = {"text", write_text("t.txt", "abcdef")};
    const rows_given npy = {"text", write_text("t.npy", "abcdef")};
    rows r;

    (void)state;
    for (int part = 0; part < 3; part += 2) {
        assert_true(rows_read(&r, &b, part, NULL, &txt, 1, error));
        assert_true(r.count == 2 && r.column[0].names.n == 6);
        rows_free(&r);
    }
    assert_false(rows_read(&r, &b, INGOT_PART_TRAIN, NULL, &npy, 1, error));
    assert_non_null(strstr(error, "is of no known format"));
    rows_free(&r);
}

/* A number may have an axis of its own: in the file, or in the program. */
static void axes_of_one_element(void **state)
{
    static const int64_t one[] = {1};
    static const uint8_t columns[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 9};
    static const uint8_t bare[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};
    const struct ingot_train_column own = {.name = "x", .dtype = TENSOR_U8, .rank = 1, .dims = one};
    int64_t found[] = {-1};
    struct ingot_train_column open = label;
    struct ingot_train_column wide = {.name = "x", .dtype = TENSOR_U8, .rank = 1, .dims = found};
    array a;

    (void)state;
    reads(write_file("c.idx", columns, sizeof columns), COLUMNS(&label), &a, 1);
    assert_true(a.rows == 2 && !a.rank && ((const int64_t *)a.data)[1] == 9);
    array_free(&a);
    open.bound = CSV_FIND_OUT;
    assert_true(probe_source(path_of("c.idx"), NULL, &open, &a, 1, error));
    assert_int_equal(open.bound, 10);
    array_free(&a);
    reads(write_file("b.idx", bare, sizeof bare), COLUMNS(&own), &a, 1);
    assert_true(a.rows == 2 && a.rank == 1);
    array_free(&a);
    assert_true(probe_source(path_of("b.idx"), NULL, &wide, &a, 1, error));
    assert_int_equal(found[0], 1);
    array_free(&a);
}

/* Numbers of a large file are checked when their rows are first used, or when all are asked
 * for; then the first that is wrong is told. */
static void large_files_are_checked_later(void **state)
{
    enum { ROWS = 400000, BAD = 300000, NPY = 128 };
    static char file[NPY + ROWS * 12];
    static const int32_t columns[] = {0};
    const struct ingot_train_source s = {.column_count = 1, .columns = columns,
                                         .text = quoted("", path_of("large.npy"), "")};
    const struct ingot_train_block b = {.name = "fit", .column_count = 1, .columns = &features,
                                        .source_count = 1, .sources = &s};
    float to[10 * 3];
    void *const at[] = {to};
    const float nan = NAN;
    rows r;

    (void)state;
    memcpy(file, "\x93NUMPY\1\0\x76", 10);
    memset(file + 10, ' ', NPY - 10);
    int size = snprintf(file + 10, NPY - 10, "{'descr': '<f4', 'fortran_order': False, "
                        "'shape': (%d, 3), }", ROWS);
    file[10 + size] = ' ', file[NPY - 1] = '\n';
    memcpy(file + NPY + BAD * 12 + 4, &nan, sizeof nan);
    write_file("large.npy", file, sizeof file);
    assert_true(rows_read(&r, &b, INGOT_PART_TRAIN, NULL, NULL, 0, error));
    choice all = {.from = &r, .count = ROWS};
    assert_true(choice_gather(&all, NULL, BAD - 10, 10, at, NULL, error));
    assert_false(choice_gather(&all, NULL, BAD - 9, 10, at, NULL, error));
    assert_non_null(strstr(error, "large.npy: row 300001: NaN, and 'x' makes no use of missing"));
    all.checked = true;
    assert_true(choice_gather(&all, NULL, BAD - 9, 10, at, NULL, error));
    assert_false(rows_check(&r, error));
    rows_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_is_read),
        cmocka_unit_test(wrong_idx_is_told),
        cmocka_unit_test(numpy_is_read),
        cmocka_unit_test(safetensors_are_read),
        cmocka_unit_test(texts_are_numbers),
        cmocka_unit_test(tables_are_dealt_out),
        cmocka_unit_test(arrays_have_windows),
        cmocka_unit_test(wrong_sources_are_told),
        cmocka_unit_test(bounds_are_found),
        cmocka_unit_test(parts_are_complete),
        cmocka_unit_test(texts_take_the_place_of_texts),
        cmocka_unit_test(axes_of_one_element),
        cmocka_unit_test(large_files_are_checked_later),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_all);
}
