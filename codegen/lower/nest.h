/* codegen/lower/nest.h - loop nests that templates of reductions share. */
#ifndef INGOT_NEST_H
#define INGOT_NEST_H

#include "templates.h"

/* Index of an operand of this rank: kept axes from `out` in order, those in
 * `axes` from `red`.  Example: axes {1}, out (i, j), red (r) give (i, r, j). */
void nest_merge(int rank, ir_ints axes, const lp_expr *out, const lp_expr *red, lp_expr *idx);
/* Partial results that a reduction keeps along an axis of this extent: some vectors, which
 * do not wait for each other, more of them where the axis fills them several times. */
int nest_partial_results(const body *b, int lanes, ir_dim extent);
/* The extents of t's axes in `axes`, in order; returns how many. */
int nest_reduced(const ir_type *t, ir_ints axes, ir_dim *out);
/* Opens n serial loops over these extents; idx gets their variables. */
void nest_open(body *b, const ir_dim *dims, int n, lp_expr *idx);
void nest_close(lp_kernel *k, int n);

#endif
