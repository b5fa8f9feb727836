/* runtime/train/probe.c - dims and bounds that data decide, asked by `ingot train`
 * while it compiles a program: `x: u8[.., H, W]` with sizes left open, or a class
 * column without a number of classes.  The compiler reads the data once to find
 * them, and the trainer checks later that they still hold. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "tensor_file.h"

/* An extent or a bound that is to be found. */
enum { OPEN = -1 };

static const double EXACT = 0x1p53; /* up to here each integer is a double */

/* ---- bounds ----------------------------------------------------------------------- */

/* Of a size whose successor is one, too: a bound is one more than the largest. */
static bool is_integer(const char *text)
{
    char *end;
    long long v = strtoll(text, &end, 10);

    return end != text && !*end && v < INT64_MAX;
}

/* Are the categories of a table all numbers?  Then they stand for themselves. */
static bool are_integers(const words *w)
{
    for (int64_t i = 0; i < w->n; i++)
        if (!is_integer(w->text[i]))
            return false;
    return w->n > 0;
}

static int64_t most_of(const words *w)
{
    int64_t most = 0;

    for (int64_t i = 0; i < w->n; i++) {
        int64_t v = strtoll(w->text[i], NULL, 10);
        most = v > most ? v : most;
    }
    return most;
}

/* One more than the largest element. */
static int64_t bound_of(const array *a)
{
    tensor t = {.dtype = a->dtype, .data = (void *)(uintptr_t)a->data};
    int64_t n = a->rows ? (a->rows - 1) * a->stride + array_row(a) : 0;
    double most = 0;

    for (int64_t i = 0; i < n; i++) {
        double v = tensor_element(&t, i);
        most = v > most ? v : most;
    }
    return (int64_t)(most < EXACT ? most : EXACT) + 1;
}

/* Classes that are all whole numbers stand for themselves, so they keep no names. */
static void find_bound(struct ingot_train_column *c, array *a)
{
    if (c->bound != OPEN)
        return;
    if (!are_integers(&a->names)) {
        c->bound = a->names.n ? a->names.n : bound_of(a);
        return;
    }
    c->bound = most_of(&a->names) + 1;
    words_free(&a->names);
}

/* ---- extents ---------------------------------------------------------------------- */

/* Open ones become those of the data; others are checked when rows are read.  Numbers may have an
 * axis of one element. */
static bool find_extents(const char *text, struct ingot_train_column *c, const array *a,
                         char *error)
{
    int64_t *dims = (int64_t *)(uintptr_t)c->dims;
    int32_t rank = a->rank;

    while (rank > c->rank && a->dims[rank - 1] == 1)
        rank--;
    bool number = !rank && c->rank == 1;
    if (rank != c->rank && !number)
        return tensor_fail(error, "%.200s: has rows of %d axes, '%s' has %d", text, a->rank,
                           c->name, c->rank);
    for (int32_t i = 0; i < c->rank; i++)
        if (dims[i] == OPEN)
            dims[i] = number ? 1 : a->dims[i];
    return true;
}

static bool all_known(const char *text, const struct ingot_train_column *c, char *error)
{
    for (int32_t i = 0; i < c->rank; i++)
        if (c->dims[i] == OPEN)
            return tensor_fail(error, "%.200s: a table does not say how many columns '%s' takes",
                               text, c->name);
    return true;
}

/* ---- sources ---------------------------------------------------------------------- */

/* A column of a table has no open extents: a line does not say what shape its
 * fields have. */
static bool probe_table(const source *s, const char *text, struct ingot_train_column *column,
                        array *a, int32_t n, char *error)
{
    const struct ingot_train_column **list = calloc((size_t)n + 1, sizeof *list);
    bool ok = list || tensor_fail(error, "no memory");

    for (int32_t k = 0; ok && k < n; k++) {
        list[k] = &column[k];
        ok = all_known(text, &column[k], error);
    }
    ok = ok && csv_read(s, list, a, n, error);
    for (int32_t k = 0; ok && k < n; k++)
        find_bound(&column[k], &a[k]);
    free(list);
    return ok;
}

static bool probe_array(const source *s, const char *text, struct ingot_train_column *c, array *a,
                        char *error)
{
    bool ok = s->kind == SOURCE_FILE ? array_read_file(s, a, error) : array_read_text(s, a, error);

    if (!ok || !find_extents(text, c, a, error))
        return false;
    find_bound(c, a);
    return true;
}

/* Fills bounds, extents and names of the columns, and the arrays that were read for
 * it. */
bool probe_source(const char *text, const char *like, struct ingot_train_column *column, array *a,
                  int32_t n, char error[TENSOR_ERROR_SIZE])
{
    source s;
    bool ok = source_parse_like(&s, text, like, error);

    memset(a, 0, (size_t)n * sizeof *a);
    if (ok && s.kind == SOURCE_CSV)
        ok = probe_table(&s, text, column, a, n, error);
    else if (ok && (s.kind == SOURCE_TABLE || n != 1))
        ok = tensor_fail(error, "%.200s: extents and bounds are found out from files, one for each "
                         "column, or from a .csv file", text);
    else if (ok)
        ok = probe_array(&s, text, column, a, error);
    source_free(&s);
    return ok;
}
