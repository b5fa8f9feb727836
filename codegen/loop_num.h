/* codegen/loop_num.h - elements as bits: literals and the loop evaluator. */
#ifndef INGOT_LOOP_NUM_H
#define INGOT_LOOP_NUM_H

#include "scalar.h"

/* The element of floating dtype d nearest to v (ties to even), as in memory. */
uint64_t lp_num_encode(ir_dtype d, double v);
/* Value of the bits of a floating dtype. */
double lp_num_decode(ir_dtype d, uint64_t bits);

#endif
