/* codegen/lower/best.h - the least or greatest element so far, and its position: NaN is
 * better than any number, and of equal elements the first (or last) position counts.
 * Elements may come in any order, so that lanes and rows find their own and are
 * compared at the end. */
#ifndef INGOT_BEST_H
#define INGOT_BEST_H

#include "templates.h"

typedef struct best {
    ir_redop op;                /* min or max */
    bool last;                  /* of equals the last one counts */
    ir_dtype dtype;             /* of the elements */
    ir_dtype place;             /* of positions: i64, or i32 where they fit, as many lanes do */
    lp_buf value, where;        /* registers */
} best;

/* The element and the position that any other is better than. */
lp_expr best_worst(lp_kernel *k, const best *x);
lp_expr best_nowhere(lp_kernel *k, const best *x);
/* Makes the registers: one of each, or a vector of them for each of `lanes` lanes. */
void best_begin(lp_kernel *k, best *x, int lanes);
/* Takes the element v at position p where it is better; *lane is the index in a vector
 * of registers, else null. */
void best_take(lp_kernel *k, const best *x, const lp_expr *lane, lp_expr v, lp_expr p);
/* Combines the lanes into single registers, which x has from then on. */
void best_fold(lp_kernel *k, best *x, int lanes);
/* The position found; 0 if there was no element. */
lp_expr best_position(lp_kernel *k, const best *x);

#endif
