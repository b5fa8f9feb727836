/* cli/data_probe.h - what only data know, for programs that are compiled for them. */
#ifndef INGOT_DATA_PROBE_H
#define INGOT_DATA_PROBE_H

#include "dsl/dsl.h"

/* The frontend's question (dsl_probe), answered by the readers of the runtime: opens the source
 * and fills in extents, bounds and names of its columns.  Names are in mem.  False with a
 * message. */
bool data_probe(const char *source, struct ingot_train_column *column, int32_t n, arena *mem,
                const char **error);
/* The rows of a `data` item (dsl_reader). */
const void *data_read(const char *source, const struct ingot_train_column *column, int64_t rows,
                      arena *mem, const char **error);

#endif
