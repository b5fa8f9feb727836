/* ir/op/reduce.h - the reductions' scalar steps, shared by their families. */
#ifndef INGOT_OP_REDUCE_H
#define INGOT_OP_REDUCE_H

#include "eval_op.h"

double red_start_flt(ir_redop op);          /* value of an empty reduction */
int64_t red_start_int(ir_redop op, ir_dtype d);
double red_flt(ir_redop op, double a, double b);    /* min and max propagate NaN */
int64_t red_int(ir_redop op, ir_dtype d, int64_t a, int64_t b);
/* Does the element at x replace the best one?  NaN wins; ties by `last`. */
bool red_better(ir_redop op, bool last, ir_dtype d, const void *x, const void *best);
/* Can operand 0 be reduced by op? */
bool red_accepts(const ir_infer *in, ir_redop op);
/* The same where bools have no order and no bits are combined. */
bool red_accepts_number(const ir_infer *in, ir_redop op);
ir_dtype red_result(ir_dtype x, ir_dtype acc);

#endif
