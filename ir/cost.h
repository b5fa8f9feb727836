/* ir/cost.h - what work costs: the one estimate that is asked whether a value is stored
 * or computed again, which tile a product takes, and whether a kernel is worth threads.
 *
 * An operation is an addition, of one element or of a vector of them: what is compared
 * is counted alike.  Example: a tile of 6 rows by 4 vectors takes 24 multiply-adds for
 * each k, and 10 loads, which run beside them. */
#ifndef INGOT_COST_H
#define INGOT_COST_H

#include "ir.h"

typedef struct cost {
    int64_t ops;                /* operations; a function takes as many as scalar.def says */
    int64_t moves;              /* loads and stores */
    int64_t far;                /* of these, such as may have to wait */
    int64_t bytes;              /* that come from memory and are used once */
} cost;

enum {
    COST_STORED = 3,            /* operations that a value is worth being stored for, to be
                                   read again soon */
    COST_KEPT = 4,              /* and kept for, until a gradient reads it */
};

/* Adds what `times` times the work of c costs; what exceeds INT64_MAX is that. */
void cost_add(cost *sum, const cost *c, int64_t times);

/* Time, in halves of an operation's. */
int64_t cost_time(const cost *c);

/* Operations for an element of the node's result, of itself alone: none where it moves
 * elements or is a source. */
int64_t cost_of_node(const ir_node *n);

/* Steps of the sum of one element of the node's result, a DOT or CONV.  Padding counts as if it
 * were data, as is usual; the zeros between the elements of a dilated image do not. */
ir_dim cost_sum_steps(dim_table *dt, const ir_fn *fn, const ir_node *n);

/* Is a value that takes so many operations an element stored for several readers, and
 * not computed again for each? */
static inline bool cost_is_stored(int64_t ops)
{
    return ops > COST_STORED;
}

#endif
