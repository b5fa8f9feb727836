/* runtime/train/rows.c - columns from their sources. */
#include "rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "file_kind.h"
#include "tensor_file.h"
#include "tensor_types.h"

/* ---- one column ------------------------------------------------------------------- */

static bool is_class(int32_t dtype, const char *classes)
{
    return strchr(classes, tensor_types[dtype].cls) != NULL;
}

/* Elements of files are kept; what the program calls real or int takes any width. */
static bool converts(int32_t from, int32_t to)
{
    if (from == to)
        return true;
    if (to == TENSOR_F32 || to == TENSOR_F64)
        return is_class(from, "f");
    return to == TENSOR_I64 && is_class(from, "iu") && from != TENSOR_U64;
}

/* The rank without the axes of one element that stand last. */
static int32_t plain_rank(int32_t rank, const int64_t *dims)
{
    while (rank && dims[rank - 1] == 1)
        rank--;
    return rank;
}

/* The column of a row's shape, whether numbers have an axis of their own or not; or, if the
 * program takes a vector, of as many elements. */
static bool same_row(const array *a, const struct ingot_train_column *c)
{
    int32_t rank = plain_rank(a->rank, a->dims);

    if (c->rank == 1 && a->rank > 1)
        return array_row(a) == c->dims[0];
    return rank == plain_rank(c->rank, c->dims) &&
           (!rank || !memcmp(a->dims, c->dims, (size_t)rank * sizeof *a->dims));
}

/* "u8[.., 28, 28]" */
static const char *column_text(const struct ingot_train_column *c, char out[ARRAY_TEXT_SIZE])
{
    int n = snprintf(out, ARRAY_TEXT_SIZE, "%s[..", tensor_type_name(c->dtype));

    for (int32_t i = 0; i < c->rank; i++)
        n += snprintf(out + n, ARRAY_TEXT_SIZE - (size_t)n, ", %lld", (long long)c->dims[i]);
    snprintf(out + n, ARRAY_TEXT_SIZE - (size_t)n, "]");
    return out;
}

static bool fits(const char *path, const array *a, const struct ingot_train_column *c, char *error)
{
    char has[ARRAY_TEXT_SIZE], wanted[ARRAY_TEXT_SIZE];
    const char *why = same_row(a, c) && is_class(c->dtype, "f")
                          ? "; declare what the file has, and write real(..)" : "";

    if (!same_row(a, c) || !converts(a->dtype, c->dtype))
        return tensor_fail(error, "%s: %.150s, the program has %.150s for '%s'%s", path,
                           array_text(a, has), column_text(c, wanted), c->name, why);
    return a->rows || tensor_fail(error, "%s: has no rows", path);
}

/* Elements from the first row to the end of the last. */
static int64_t extent(const array *a)
{
    return (a->rows - 1) * a->stride + array_row(a);
}

/* Loops over elements of one type each: data of a hundred megabytes are looked at before the
 * first step. */
#define CONVERT(name, from, to)                                            \
    static void convert_##name(const from *x, to *y, int64_t n)            \
    {                                                                      \
        for (int64_t i = 0; i < n; i++)                                    \
            y[i] = (to)x[i];                                               \
    }
CONVERT(i8, int8_t, int64_t)
CONVERT(u8, uint8_t, int64_t)
CONVERT(i16, int16_t, int64_t)
CONVERT(u16, uint16_t, int64_t)
CONVERT(i32, int32_t, int64_t)
CONVERT(u32, uint32_t, int64_t)
CONVERT(f32, float, double)
CONVERT(f64, double, float)

/* False for types that have no loop here. */
static bool convert_all(const tensor *from, int32_t dtype, void *to)
{
    int64_t n = from->count;

    if (dtype == TENSOR_F64 && from->dtype == TENSOR_F32)
        return convert_f32(from->data, to, n), true;
    if (dtype == TENSOR_F32 && from->dtype == TENSOR_F64)
        return convert_f64(from->data, to, n), true;
    if (dtype != TENSOR_I64)
        return false;
    switch (from->dtype) {
    case TENSOR_I8: return convert_i8(from->data, to, n), true;
    case TENSOR_U8: return convert_u8(from->data, to, n), true;
    case TENSOR_I16: return convert_i16(from->data, to, n), true;
    case TENSOR_U16: return convert_u16(from->data, to, n), true;
    case TENSOR_I32: return convert_i32(from->data, to, n), true;
    case TENSOR_U32: return convert_u32(from->data, to, n), true;
    default: return false;
    }
}

/* Replaces the elements by the same numbers of the column's type. */
static bool convert(const char *path, array *a, int32_t dtype, char *error)
{
    int64_t n = extent(a);
    tensor from = {.dtype = a->dtype, .count = n, .data = (void *)(uintptr_t)a->data};
    void *to = malloc((size_t)n * tensor_elem_size(dtype) + 1);

    if (!to)
        return tensor_fail(error, "%s: no memory", path);
    if (!convert_all(&from, dtype, to))
        for (int64_t i = 0; i < n; i++)
            tensor_put_number(dtype, to, i, tensor_element(&from, i));
    bytes_free(&a->held);
    a->data = a->held.owned = to;
    a->dtype = dtype;
    return true;
}

/* Is there a NaN, or an infinite number?  Their bits, without the sign, are above those of the
 * largest number: the sign of a difference tells. */
static bool has_none_finite(const array *a, const void *data, int64_t n)
{
    const float *f = data;
    const double *d = data;
    int32_t bits, signs = 0;
    int64_t wide_bits, wide_signs = 0;

    for (int64_t i = 0; a->dtype == TENSOR_F32 && i < n; i++) {
        memcpy(&bits, &f[i], sizeof bits);
        signs |= INT32_C(0x7f7fffff) - (bits & INT32_MAX);
    }
    for (int64_t i = 0; a->dtype == TENSOR_F64 && i < n; i++) {
        memcpy(&wide_bits, &d[i], sizeof wide_bits);
        wide_signs |= INT64_C(0x7fefffffffffffff) - (wide_bits & INT64_MAX);
    }
    return signs < 0 || wide_signs < 0;
}

/* Is an index negative, or not below the bound? */
static bool has_stray(const array *a, int64_t n, int64_t bound)
{
    const uint64_t *x = a->data;
    uint64_t signs = 0;

    for (int64_t i = 0; i < n; i++)
        signs |= x[i] | ((uint64_t)bound - 1 - x[i]);
    return signs >> 63;
}

/* Is there perhaps an element that a column does not take?  Most data have none, which is
 * found out fast. */
static bool is_doubtful(const array *a, int64_t n, int64_t bound)
{
    switch (a->dtype) {
    case TENSOR_F32:
    case TENSOR_F64: return has_none_finite(a, a->data, n);
    case TENSOR_I64: return has_stray(a, n, bound);
    default: return true;
    }
}

/* What a real column does not take: infinities, and, where NaN means nothing to the program,
 * that. */
static bool check_real(const char *path, long long row, double v,
                       const struct ingot_train_column *c, char *error)
{
    if (isinf(v))
        return tensor_fail(error, "%s: row %lld: infinite, or too large for %s, and '%s' takes "
                           "finite numbers", path, row, tensor_type_name(c->dtype), c->name);
    return !isnan(v) || c->missing ||
           tensor_fail(error, "%s: row %lld: NaN, and '%s' makes no use of missing values", path,
                       row, c->name);
}

/* Are all elements below the bound, or numbers? */
static bool check_elements(const char *path, const array *a, const struct ingot_train_column *c,
                           char *error)
{
    tensor t = {.dtype = a->dtype, .data = (void *)(uintptr_t)a->data};
    bool real = is_class(a->dtype, "f"), bounded = !real && c->bound > 0;

    int64_t n = extent(a);

    if ((!bounded && !real) || !is_doubtful(a, n, c->bound))
        return true;
    for (int64_t i = 0; i < n; i++) {
        double v = tensor_element(&t, i);
        long long row = (long long)(i / a->stride < a->rows ? i / a->stride : a->rows - 1) + 1;
        if (bounded && (v < 0 || v >= (double)c->bound))
            return tensor_fail(error, "%s: row %lld: %.0f, must be below %lld and not negative",
                               path, row, v, (long long)c->bound);
        if (real && !check_real(path, row, v, c, error))
            return false;
    }
    return true;
}

/* A large file is read by its rows' first use alone, if all of it is in memory.  From a disk it
 * is read faster in its order, and by the way checked. */
static bool is_checked_later(const array *a, const struct ingot_train_column *c)
{
    enum { LARGE = 1 << 22 };

    return is_class(a->dtype, "f") && !c->missing && a->held.mapped_size >= LARGE &&
           (a->dtype == TENSOR_F32 || a->dtype == TENSOR_F64) && bytes_are_in_memory(&a->held);
}

/* A column of the program out of an array of a file. */
static bool settle(const char *path, array *a, const struct ingot_train_column *c, char *error)
{
    if (!fits(path, a, c, error))
        return false;
    if (a->dtype != c->dtype && !convert(path, a, c->dtype, error))
        return false;
    a->rank = c->rank;
    for (int32_t i = 0; i < c->rank; i++)
        a->dims[i] = c->dims[i];
    a->unchecked = is_checked_later(a, c) ? strdup(path) : NULL;
    return a->unchecked || check_elements(path, a, c, error);
}

bool rows_take(const array *a, const void *row, int64_t elements)
{
    return !a->unchecked || !has_none_finite(a, row, elements);
}

/* ---- one source ------------------------------------------------------------------- */

/* Deals the numbers of a table out, from the left. */
static bool read_table(const source *s, const struct ingot_train_column *const *column, array *a,
                       int32_t n, char *error)
{
    int64_t at = 0, wanted = 0;

    for (int32_t k = 0; k < n; k++) {
        a[k] = (array){.dtype = column[k]->dtype, .rank = column[k]->rank, .rows = s->rows,
                       .fields = a[k].fields};
        for (int32_t i = 0; i < column[k]->rank; i++)
            a[k].dims[i] = column[k]->dims[i];
        a[k].stride = array_row(&a[k]);
        wanted += a[k].stride;
    }
    if (wanted != s->width)
        return tensor_fail(error, "the table has rows of %lld numbers, the columns take %lld",
                           (long long)s->width, (long long)wanted);
    for (int32_t k = 0; k < n; at += a[k++].stride) {
        int64_t row = a[k].stride;
        size_t size = (size_t)(s->rows * row) * tensor_elem_size(a[k].dtype);
        a[k].data = a[k].held.owned = malloc(size + 1);
        if (!a[k].data)
            return tensor_fail(error, "no memory for a table");
        for (int64_t i = 0; i < s->rows * row; i++) {
            double v = s->cell[i / row * s->width + at + i % row];
            if (!tensor_put_number(a[k].dtype, a[k].held.owned, i, v))
                return tensor_fail(error, "the table, row %lld: %g is no %s",
                                   (long long)(i / row + 1), v, tensor_type_name(a[k].dtype));
        }
    }
    return true;
}

/* What gives one column only. */
static bool read_single(const source *s, const struct ingot_train_column *c, array *a, int32_t n,
                        char *error)
{
    if (n != 1)
        return tensor_fail(error, "%s: is one array, and cannot be dealt out to %d columns",
                           s->path, n);
    if (c->name_count && !words_fix(&a->names, c->names, c->name_count))
        return tensor_fail(error, "%s: no memory", s->path);
    return s->kind == SOURCE_FILE ? array_read_file(s, a, error) : array_read_text(s, a, error);
}

static bool read_parsed(const source *s, const struct ingot_train_column *const *column, array *a,
                        int32_t n, char *error)
{
    bool ok = s->kind == SOURCE_TABLE ? read_table(s, column, a, n, error)
              : s->kind == SOURCE_CSV ? csv_read(s, column, a, n, error)
                                      : read_single(s, column[0], a, n, error);

    for (int32_t k = 0; k < n && ok; k++) {
        a[k].listed = s->window || (s->kind != SOURCE_FILE && s->kind != SOURCE_TABLE);
        ok = settle(s->path ? s->path : "the table", &a[k], column[k], error);
    }
    return ok;
}

/* `like`: what the program has in its place; null: nothing. */
static bool read_like(const char *text, const char *like,
                      const struct ingot_train_column *const *column, array *a, int32_t n,
                      char *error)
{
    source s;
    bool ok = source_parse_like(&s, text, like, error) && read_parsed(&s, column, a, n, error);

    source_free(&s);
    for (int32_t k = 0; k < n && !ok; k++)
        array_free(&a[k]);
    return ok;
}

bool rows_read_source(const char *text, const struct ingot_train_column *const *column, array *a,
                      int32_t n, char error[TENSOR_ERROR_SIZE])
{
    return read_like(text, NULL, column, a, n, error);
}

/* ---- all of a part ---------------------------------------------------------------- */

/* A column, with the names that its numbers have in the training rows, where the program does
 * not say them. */
static struct ingot_train_column known_column(const rows *r, int32_t i)
{
    struct ingot_train_column c = r->block->columns[i];
    const words *names = r->training ? &r->training->column[i].names : NULL;

    if (!c.name_count && names && names->n) {
        c.name_count = names->n;
        c.names = (const char *const *)names->text;
    }
    return c;
}

/* Are the names of training rows alone, none of which could be meant as a number?  Then a table
 * may have numbers instead. */
static bool takes_numbers(const rows *r, int32_t i)
{
    const words *names = r->training ? &r->training->column[i].names : NULL;
    bool taken = names && !r->block->columns[i].name_count;

    for (int64_t k = 0; taken && k < names->n; k++)
        taken = !strchr("+-.0123456789", *names->text[k]);
    return taken;
}

/* The header of the training rows is what other tables are to have.  False without memory. */
static bool expect_fields(const rows *r, int32_t i, array *a)
{
    const words *fields = r->training ? &r->training->column[i].fields : NULL;

    return !fields || !fields->n ||
           words_fix(&a->fields, (const char *const *)fields->text, fields->n);
}

/* One source's columns, read into an array of their own, then moved to their places. */
static bool read_columns(rows *r, const int32_t *index, int32_t n, const char *text,
                         const char *like, char *error)
{
    struct ingot_train_column *known = calloc((size_t)n, sizeof *known);
    const struct ingot_train_column **column = calloc((size_t)n, sizeof *column);
    array *a = calloc((size_t)n, sizeof *a);
    bool ok = known && column && a;

    for (int32_t k = 0; ok && k < n; k++) {
        known[k] = known_column(r, index[k]);
        column[k] = &known[k];
        a[k].numbered = takes_numbers(r, index[k]);
        ok = expect_fields(r, index[k], &a[k]);
    }
    ok = ok ? read_like(text, like, column, a, n, error) : tensor_fail(error, "no memory");
    for (int32_t k = 0; ok && k < n; k++) {
        array_free(&r->column[index[k]]);
        r->column[index[k]] = a[k];
    }
    free(known);
    free(column);
    free(a);
    return ok;
}

static int32_t column_named(const struct ingot_train_block *b, const char *name, size_t size)
{
    for (int32_t i = 0; i < b->column_count; i++)
        if (!strncmp(b->columns[i].name, name, size) && !b->columns[i].name[size])
            return i;
    return -1;
}

/* Says which columns there are instead of the name; -1. */
static int32_t no_column(const struct ingot_train_block *b, const char *name, size_t size,
                         char *error)
{
    char list[TENSOR_ERROR_SIZE / 2] = "";
    size_t len = 0;

    for (int32_t i = 0; i < b->column_count && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "",
                                b->columns[i].name);
    tensor_fail(error, "--data: block '%s' has no column '%.*s'; it has %s", b->name, (int)size,
                name, list);
    return -1;
}

int32_t rows_columns(const struct ingot_train_block *b, const char *names, int32_t *index,
                     char error[TENSOR_ERROR_SIZE])
{
    int32_t n = 0;

    for (const char *at = names;; at++) {
        size_t size = strcspn(at, ",");
        int32_t i = column_named(b, at, size);
        if (i < 0)
            return no_column(b, at, size, error);
        if (n == b->column_count) {
            tensor_fail(error, "--data: '%s' is more columns than block '%s' has", names, b->name);
            return -1;
        }
        index[n++] = i;
        at += size;
        if (!*at)
            return n;
    }
}

bool rows_has_column(const char *names, const char *name, size_t size)
{
    for (const char *at = names; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strcspn(at, ",") == size && !strncmp(at, name, size))
            return true;
    }
    return false;
}

/* The source that the program has for the column alone, in this part or in the training; null:
 * none. */
static const char *own_source(const struct ingot_train_block *b, enum ingot_part part,
                              int32_t column)
{
    const char *found = NULL;

    for (int32_t i = 0; i < b->source_count; i++) {
        const struct ingot_train_source *s = &b->sources[i];
        if (s->column_count == 1 && s->columns[0] == column &&
            (s->part == (int32_t)part || (s->part == INGOT_PART_TRAIN && !found)))
            found = s->text;
    }
    return found;
}

/* --data and --test. */
static bool read_given(rows *r, enum ingot_part part, const rows_given *given, int32_t n,
                       char *error)
{
    int32_t *index = calloc((size_t)r->block->column_count + 1, sizeof *index);
    bool ok = index != NULL;

    for (int32_t i = 0; ok && i < n; i++) {
        int32_t columns = rows_columns(r->block, given[i].columns, index, error);
        const char *like = columns == 1 ? own_source(r->block, part, index[0]) : NULL;
        ok = columns > 0 && read_columns(r, index, columns, given[i].text, like, error);
    }
    free(index);
    return ok;
}

/* Is this source replaced by what the command line gives? */
static bool replaced(const struct ingot_train_block *b, const struct ingot_train_source *s,
                     const rows_given *given, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < s->column_count; k++) {
            const char *name = b->columns[s->columns[k]].name;
            if (rows_has_column(given[i].columns, name, strlen(name)))
                return true;
        }
    return false;
}

/* Have all columns data, and equally many rows? */
static bool complete(rows *r, enum ingot_part part, char *error)
{
    const struct ingot_train_block *b = r->block;

    for (int32_t i = 0; i < b->column_count; i++) {
        if (!r->column[i].data)
            return tensor_fail(error, "block '%s': there are no %s data for '%s'; give them by "
                               "--%s %s=FILE", b->name,
                               part == INGOT_PART_TRAIN   ? "training"
                               : part == INGOT_PART_VALID ? "validation"
                                                          : "test",
                               b->columns[i].name, part == INGOT_PART_TEST ? "test" : "data",
                               b->columns[i].name);
        if (r->column[i].rows != r->column[0].rows)
            return tensor_fail(error, "block '%s': '%s' has %lld rows, '%s' has %lld", b->name,
                               b->columns[0].name, (long long)r->column[0].rows,
                               b->columns[i].name, (long long)r->column[i].rows);
    }
    r->count = b->column_count ? r->column[0].rows : 0;
    return true;
}

/* A part that has no source and is given none is empty, but for the training's. */
bool rows_read(rows *r, const struct ingot_train_block *b, enum ingot_part part,
               const rows *training, const rows_given *given, int32_t n,
               char error[TENSOR_ERROR_SIZE])
{
    int32_t sources = 0;
    bool ok = true;

    *r = (rows){.block = b, .training = training,
                .column = calloc((size_t)b->column_count + 1, sizeof *r->column)};
    if (!r->column)
        return tensor_fail(error, "no memory");
    for (int32_t i = 0; ok && i < b->source_count; i++) {
        const struct ingot_train_source *s = &b->sources[i];
        if (s->part != (int32_t)part)
            continue;
        sources++;
        ok = replaced(b, s, given, n) ||
             read_columns(r, s->columns, s->column_count, s->text, NULL, error);
    }
    if (part != INGOT_PART_TRAIN && !sources && !n)
        return true;
    return ok && read_given(r, part, given, n, error) && complete(r, part, error);
}

bool rows_check(const rows *r, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; r->column && i < r->block->column_count; i++) {
        const array *a = &r->column[i];
        if (a->unchecked && !check_elements(a->unchecked, a, &r->block->columns[i], error))
            return false;
    }
    return true;
}

void rows_free(rows *r)
{
    for (int32_t i = 0; r->column && i < r->block->column_count; i++)
        array_free(&r->column[i]);
    free(r->column);
    *r = (rows){0};
}
