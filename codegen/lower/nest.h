/* codegen/lower/nest.h - loop nests that templates of reductions share. */
#ifndef INGOT_NEST_H
#define INGOT_NEST_H

#include "templates.h"

/* Index of an operand of this rank: kept axes from `out` in order, those in
 * `axes` from `red`.  Example: axes {1}, out (i, j), red (r) give (i, r, j). */
void nest_merge(int rank, ir_ints axes, const lp_expr *out, const lp_expr *red, lp_expr *idx);
/* The schedule of a problem that makes no products: `what` and the extents of y, and of what
 * each of its elements is computed over, if that is something, name it. */
schedule nest_schedule(const job *j, const char *what, const problem *p, const ir_type *y,
                       const ir_dim *over, int n);
/* That of a reduction along its lanes, the last of the n axes in `over`: it keeps `parts`
 * vectors of partial results, which do not wait for each other. */
schedule nest_of_rows(const job *j, const char *what, ir_dtype sums, const ir_type *y,
                      const ir_dim *over, int n);
/* How many elements t has, in a kernel that takes so many operations for one. */
lp_expr nest_count(body *b, const ir_type *t, int64_t ops);
/* The extents of t's axes in `axes`, in order; returns how many. */
int nest_reduced(const ir_type *t, ir_ints axes, ir_dim *out);
/* Opens n serial loops over these extents; idx gets their variables. */
void nest_open(body *b, const ir_dim *dims, int n, lp_expr *idx);
void nest_close(lp_kernel *k, int n);

#endif
