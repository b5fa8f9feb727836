/* passes/chunk.h - what the files of the pass `chunk` share. */
#ifndef INGOT_CHUNK_H
#define INGOT_CHUNK_H

#include "build.h"
#include "target.h"

/* How a node is computed for some rows of a batch, which are along the first axis.  Example:
 * of conv {xb=[0], yb=[0]} the image is taken by rows and the filter whole; of its filter's
 * gradient both operands are taken by rows, and the results for all chunks are summed. */
typedef struct chunk_way {
    bool rows[64];              /* by operand: its rows, else all of it */
    bool sums;                  /* the result is a sum over the rows, else has the same rows */
} chunk_way;

/* Extent of the first axis; 0: it has none, or only the run knows. */
int64_t chunk_rows(const ir_fn *fn, ir_ref r);
/* False if the node is not computed row by row. */
bool chunk_find_way(const ir_fn *fn, const ir_node *n, chunk_way *w);
/* A node that is computed row by row, for so many rows. */
ir_ref chunk_make(ir_build *b, const ir_node *n, const ir_ref *args, ir_dim rows);

/* A set of nodes of a function that run for some rows after the others. */
typedef struct chunk_region {
    uint32_t n, *node;          /* in order */
    bool *copied;               /* by node: made outside of the region, too */
    int64_t rows, chunks;       /* of all, and into how many these are cut */
} chunk_region;

/* The regions of fn that are worth it, in memory of `mem`; no node is in two of them. */
uint32_t chunk_find(ir_module *m, const ir_fn *fn, const target *t, arena *mem,
                    chunk_region **out);

#endif
