/* cli/graph_columns.h - a long graph in columns, so that it fits a screen. */
#ifndef INGOT_GRAPH_COLUMNS_H
#define INGOT_GRAPH_COLUMNS_H

#include "graph_fold.h"

/* A chain of 200 nodes has columns 0 to 4.  What repeats stands in one column. */
typedef struct graph_columns {
    uint32_t *of;                   /* by place: its column */
    uint32_t n;
} graph_columns;

graph_columns graph_columns_make(const ir_fn *fn, const graph_fold *f);
void graph_columns_free(graph_columns *c);

#endif
