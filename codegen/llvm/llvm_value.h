/* codegen/llvm/llvm_value.h - a short vocabulary over LLVM values of any width,
 * scalars and vectors alike; private to llvm_*.c and expand*.c. */
#ifndef INGOT_LLVM_VALUE_H
#define INGOT_LLVM_VALUE_H

#include "llvm_emit.h"

/* Constants of the type of `like`, in every lane. */
value v_int(value like, int64_t c);
value v_flt(value like, double c);

/* Type of one lane; this element type with the lanes of `like`. */
type v_element(type t);
type v_type(value like, type element);
bool v_is_f32(value v);

/* f32 or f64 and its bits as i32 or i64. */
value v_bits(emit *e, value v);
value v_float(emit *e, value bits);

value v_icmp(emit *e, LLVMIntPredicate p, value a, value b);
value v_fcmp(emit *e, LLVMRealPredicate p, value a, value b);
value v_sel(emit *e, value cond, value a, value b);
value v_and(emit *e, value a, value b);
value v_or(emit *e, value a, value b);

/* Signed integers divided, rounded down: by 0 both are 0, and least / -1 wraps.  Takes a
 * builder, for plans have such numbers, too. */
typedef struct floored { value quotient, rest; } floored;
floored v_floor(LLVMBuilderRef b, value x, value y);

/* Floats; no flag that would let LLVM reorder or contract. */
value v_add(emit *e, value a, value b);
value v_sub(emit *e, value a, value b);
value v_mul(emit *e, value a, value b);
value v_div(emit *e, value a, value b);
value v_neg(emit *e, value a);
value v_abs(emit *e, value a);
value v_sqrt(emit *e, value a);
value v_copysign(emit *e, value size, value sign);
/* To an integral float: SC_FLOOR, SC_CEIL, SC_TRUNC, SC_ROUND (ties to even). */
value v_round(emit *e, sc_op op, value a);
/* a * b + c: rounded once where the target has it. */
value v_fma(emit *e, value a, value b, value c);
/* Comparison with a constant; false for NaN. */
value v_below(emit *e, value a, double c);
value v_above(emit *e, value a, double c);

/* Bits of an f16, an i16 in memory, from a float and back: rounded to even. */
value v_half(emit *e, value v);
value v_from_half(emit *e, value half);

#endif
