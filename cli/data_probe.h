/* cli/data_probe.h - what only data know, for programs that are compiled for them. */
#ifndef INGOT_DATA_PROBE_H
#define INGOT_DATA_PROBE_H

#include "dsl/dsl.h"
#include "rows.h"

/* What a command line has in the place of sources of the program. */
typedef struct data_given {
    const rows_given *list;
    int32_t n;
} data_given;

/* The frontend's question (dsl_probe), answered by the readers of the runtime: opens the source,
 * or what is given for all of its columns in its place (context, a data_given or null), and fills
 * in extents, bounds and names of its columns.  Names are in mem.  False with a message. */
bool data_probe(const void *context, const char *source, struct ingot_train_column *column,
                int32_t n, arena *mem, const char **error);
/* The rows of a `data` item (dsl_reader). */
const void *data_read(const char *source, const struct ingot_train_column *column, int64_t rows,
                      arena *mem, const char **error);

#endif
