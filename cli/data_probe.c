/* cli/data_probe.c - what only data know, for programs that are compiled for them. */
#include "data_probe.h"

#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "rows.h"
#include "tensor_file.h"

/* Of the data, which are closed before the record is used. */
static void copy_names(struct ingot_train_column *c, const words *w, arena *mem)
{
    const char **names = arena_array(mem, const char *, (size_t)w->n + 1);

    for (int64_t i = 0; i < w->n; i++)
        names[i] = arena_strdup(mem, w->text[i]);
    c->name_count = w->n;
    c->names = names;
}

/* Is `columns`, as "x,y", the names of these in their order? */
static bool names_all(const char *columns, const struct ingot_train_column *c, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        size_t size = strlen(c[i].name);
        if (strncmp(columns, c[i].name, size) || columns[size] != (i + 1 < n ? ',' : '\0'))
            return false;
        columns += size + 1;
    }
    return true;
}

/* What is given for the columns; null: nothing. */
static const char *given_for(const data_given *given, const struct ingot_train_column *c, int32_t n)
{
    for (int32_t i = 0; given && i < given->n; i++)
        if (names_all(given->list[i].columns, c, n))
            return given->list[i].text;
    return NULL;
}

bool data_probe(const void *context, const char *source, struct ingot_train_column *column,
                int32_t n, arena *mem, const char **error)
{
    char text[TENSOR_ERROR_SIZE];
    array *a = calloc((size_t)n + 1, sizeof *a);
    const char *given = given_for(context, column, n);
    bool ok = a && probe_source(given ? given : source, given && n == 1 ? source : NULL, column, a,
                                n, text);

    *error = ok ? NULL : arena_strdup(mem, a ? text : "no memory");
    for (int32_t k = 0; a && k < n; k++) {
        if (ok && a[k].names.n)
            copy_names(&column[k], &a[k].names, mem);
        array_free(&a[k]);
    }
    free(a);
    return ok;
}

/* Has the array as many rows, all of them as the column wants them? */
static bool fits(const char *source, const struct ingot_train_column *column, array *a,
                 int64_t count, char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_train_block b = {.column_count = 1, .columns = column};
    const rows r = {.block = &b, .column = a, .count = a->rows};

    if (a->rows != count)
        return tensor_fail(error, "%.200s: has %lld rows, '%.100s' has %lld", source,
                           (long long)a->rows, column->name, (long long)count);
    return rows_check(&r, error);
}

const void *data_read(const char *source, const struct ingot_train_column *column, int64_t count,
                      arena *mem, const char **error)
{
    char text[TENSOR_ERROR_SIZE];
    array a = {0};
    bool ok = rows_read_source(source, &column, &a, 1, text) &&
              fits(source, column, &a, count, text);
    size_t row = ok ? array_row_bytes(&a) : 0;
    size_t step = ok && array_row(&a) ? row / (size_t)array_row(&a) * (size_t)a.stride : 0;
    char *to = ok ? arena_alloc(mem, row * (size_t)count + 1) : NULL;

    for (int64_t i = 0; ok && i < count; i++)
        memcpy(to + (size_t)i * row, (const char *)a.data + (size_t)i * step, row);
    *error = ok ? NULL : arena_strdup(mem, text);
    array_free(&a);
    return to;
}
