/* cli/data_probe.c - what only data know, for programs that are compiled for them. */
#include "data_probe.h"

#include <stdlib.h>

#include "probe.h"

/* Of the data, which are closed before the record is used. */
static void copy_names(struct ingot_train_column *c, const words *w, arena *mem)
{
    const char **names = arena_array(mem, const char *, (size_t)w->n + 1);

    for (int64_t i = 0; i < w->n; i++)
        names[i] = arena_strdup(mem, w->text[i]);
    c->name_count = w->n;
    c->names = names;
}

bool data_probe(const char *source, struct ingot_train_column *column, int32_t n, arena *mem,
                const char **error)
{
    char text[TENSOR_ERROR_SIZE];
    array *a = calloc((size_t)n + 1, sizeof *a);
    bool ok = a && probe_source(source, column, a, n, text);

    *error = ok ? NULL : arena_strdup(mem, a ? text : "no memory");
    for (int32_t k = 0; a && k < n; k++) {
        if (ok && a[k].names.n)
            copy_names(&column[k], &a[k].names, mem);
        array_free(&a[k]);
    }
    free(a);
    return ok;
}
