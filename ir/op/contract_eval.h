/* ir/op/contract_eval.h - the one contraction that dot and conv are cases of. */
#ifndef INGOT_OP_CONTRACT_EVAL_H
#define INGOT_OP_CONTRACT_EVAL_H

#include "eval_op.h"

/* y[yb[g] + ym[i] + yn[j]] = sum over k of
 *     a[ab[g] + am[i] + ak[k]] * b[bb[g] + bn[j] + bk[k]]
 * Tables are offsets in elements, null until made. */
typedef struct contraction {
    int64_t groups, rows, cols, sums;
    int64_t *ab, *am, *ak, *bb, *bn, *bk, *yb, *ym, *yn;
} contraction;

/* Offsets of all positions of n axes, row-major; null (with e->error) if too
 * many.  *count gets their number. */
int64_t *offset_table(ir_eval *e, int n, const int64_t *dim, const int64_t *stride, int64_t *count);
/* Floats: products and sums in double, rounded once; integers wrap. */
bool contract(ir_eval *e, const contraction *t, const ir_val *a, const ir_val *b, ir_val *y);
void contraction_free(contraction *t);

#endif
