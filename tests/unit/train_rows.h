/* tests/unit/train_rows.h - columns of a training program, and files of rows for them.  Include
 * <cmocka.h> first. */
#ifndef INGOT_TRAIN_ROWS_TEST_H
#define INGOT_TRAIN_ROWS_TEST_H

#include <zlib.h>

#include "csv.h"
#include "folder.h"
#include "rows.h"

static char error[TENSOR_ERROR_SIZE];

static inline const char *write_text(const char *name, const char *text)
{
    return write_file(name, text, strlen(text));
}

static inline const char *write_gz(const char *name, const void *data, size_t size)
{
    const char *path = path_of(name);
    gzFile f = gzopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(gzwrite(f, data, (unsigned)size), size);
    gzclose(f);
    return path;
}

/* ---- columns ---------------------------------------------------------------------- */

static const int64_t two_by_three[] = {2, 3}, three[] = {3}, four[] = {4}, six[] = {6};
static const struct ingot_train_column
    pictures = {.name = "x", .dtype = TENSOR_U8, .rank = 2, .dims = two_by_three},
    flat = {.name = "x", .dtype = TENSOR_U8, .rank = 1, .dims = six},
    label = {.name = "label", .dtype = TENSOR_I64, .bound = 10},
    features = {.name = "x", .dtype = TENSOR_F32, .rank = 1, .dims = three},
    gaps = {.name = "x", .dtype = TENSOR_F32, .rank = 1, .dims = three, .missing = 1},
    target = {.name = "y", .dtype = TENSOR_F32},
    category = {.name = "near", .dtype = TENSOR_I64, .bound = CSV_FIND_OUT},
    text = {.name = "text", .dtype = TENSOR_I64, .rank = 1, .dims = four};

#define COLUMNS(...) ((const struct ingot_train_column *const[]){__VA_ARGS__})

/* Reads, or fails the test with the message. */
static inline void reads(const char *source, const struct ingot_train_column *const *column,
                         array *a, int32_t n)
{
    memset(a, 0, (size_t)n * sizeof *a);
    if (!rows_read_source(source, column, a, n, error))
        fail_msg("%s: %s", source, error);
}

static inline void refuses(const char *source, const struct ingot_train_column *const *column,
                           int32_t n, const char *words)
{
    array a[4] = {0};

    if (rows_read_source(source, column, a, n, error))
        fail_msg("%s is taken; expected: %s", source, words);
    if (!strstr(error, words))
        fail_msg("'%s' is not in: %s", words, error);
}

/* The path as a source, with what stands behind it. */
static inline const char *quoted(const char *before, const char *path, const char *behind)
{
    static char text[4][600];
    static int next;
    char *p = text[next++ % 4];

    snprintf(p, sizeof text[0], "%s\"%s\"%s", before, path, behind);
    return p;
}

#endif
