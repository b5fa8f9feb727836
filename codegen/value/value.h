/* codegen/value/value.h - a short vocabulary over LLVM values of any width, scalars and
 * vectors alike.  expand/ and llvm/ stand on it; it knows neither kernels nor plans. */
#ifndef INGOT_VALUE_H
#define INGOT_VALUE_H

#include <llvm-c/Core.h>

#include "scalar.h"
#include "target.h"

typedef LLVMValueRef value;
typedef LLVMTypeRef type;

/* What values are made with, and where: at the end of the builder's block. */
typedef struct value_cx {
    LLVMContextRef cx;
    LLVMModuleRef m;
    LLVMBuilderRef b;
    const target *t;
    value fn;                   /* the function around */
    bool brief;                 /* in an f64 expansion of an f32 function */
    uint32_t here;              /* expansions that are still written where they are wanted */
} value_cx;

/* Constants of the type of `like`, in every lane. */
value v_int(value like, int64_t c);
value v_flt(value like, double c);
value v_i64(value_cx *e, int64_t c);

/* Type of one lane; this element type with the lanes of `like`. */
type v_element(type t);
type v_type(value like, type element);
bool v_is_f32(value v);

/* f32 or f64 and its bits as i32 or i64. */
value v_bits(value_cx *e, value v);
value v_float(value_cx *e, value bits);

value v_icmp(value_cx *e, LLVMIntPredicate p, value a, value b);
value v_fcmp(value_cx *e, LLVMRealPredicate p, value a, value b);
value v_sel(value_cx *e, value cond, value a, value b);
value v_and(value_cx *e, value a, value b);
value v_or(value_cx *e, value a, value b);

/* Signed integers divided, rounded down: by 0 both are 0, and least / -1 wraps.  Takes a
 * builder, for plans have such numbers, too. */
typedef struct floored { value quotient, rest; } floored;
floored v_floor(LLVMBuilderRef b, value x, value y);

/* Floats; no flag that would let LLVM reorder or contract. */
value v_add(value_cx *e, value a, value b);
value v_sub(value_cx *e, value a, value b);
value v_mul(value_cx *e, value a, value b);
value v_div(value_cx *e, value a, value b);
value v_neg(value_cx *e, value a);
value v_abs(value_cx *e, value a);
value v_sqrt(value_cx *e, value a);
value v_copysign(value_cx *e, value size, value sign);
/* To an integral float: SC_FLOOR, SC_CEIL, SC_TRUNC, SC_ROUND (ties to even). */
value v_round(value_cx *e, sc_op op, value a);
/* a * b + c: rounded once where the target has it. */
value v_fma(value_cx *e, value a, value b, value c);
/* Comparison with a constant; false for NaN. */
value v_below(value_cx *e, value a, double c);
value v_above(value_cx *e, value a, double c);

/* The module's own function of this name; *fresh: its body is to be built, at e->b. */
value v_function(value_cx *e, const char *name, type result, type *in, int n, bool *fresh);
/* The intrinsic of this name for the type of a[0]. */
value v_intrinsic(value_cx *e, const char *name, value *a, int n);
/* The lesser or the greater of two floats. */
value v_extreme(value_cx *e, ir_dtype d, value *a, bool max);
/* a[0] + the products of the bytes of a[1], unsigned, and a[2], signed; i32 each. */
value v_dot4(value_cx *e, const value *a, int lanes);
/* a[0] + the products of the halves of a[1], i32, and the bytes of a[2], i16; signed. */
value v_dot2(value_cx *e, const value *a, int lanes);

/* Bits of an f16, an i16 in memory, from a float and back: rounded to even. */
value v_half(value_cx *e, value v);
value v_from_half(value_cx *e, value half);

#endif
