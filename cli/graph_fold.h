/* cli/graph_fold.h - stretches of a graph that repeat: a stack of equal layers is drawn
 * once, with how many there are. */
#ifndef INGOT_GRAPH_FOLD_H
#define INGOT_GRAPH_FOLD_H

#include "ir.h"

/* The nodes of a function that are shown, by their place among them.  Of
 *   embed  norm dense gelu  norm dense gelu  head
 * place 1 begins a stretch of 3 nodes, twice: at places 4 to 6 `first` is 1 and
 * `period` 3, and `as`, who is drawn instead, 1 to 3. */
typedef struct graph_fold {
    uint32_t *node, n;              /* by place: number of the node */
    uint32_t *place;                /* by node; NAMES_NONE: it is not shown */
    uint32_t *as;                   /* by place */
    uint32_t *first, *period;       /* by place: the stretch around it; period 0: none */
    uint32_t *times;                /* by place: of a stretch that begins there; else 0 */
} graph_fold;

/* Which nodes are not shown is the caller's to say.  Where few are, nothing is folded. */
graph_fold graph_fold_make(const ir_fn *fn, bool (*hidden)(const ir_fn *fn, const ir_node *n));
void graph_fold_free(graph_fold *f);
/* The repetition that a place is in: 0 for the one that is drawn, and outside of all. */
uint32_t graph_fold_round(const graph_fold *f, uint32_t place);

#endif
