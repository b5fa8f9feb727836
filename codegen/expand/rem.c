/* codegen/expand/rem.c - remainders of floats, exact. */
#include <math.h>

#include "expand.h"

/* In f64 lanes of an f32 function a quotient below 2^28 is exact when cut, and
 * so is its product with y: 28 and 24 bits. */
static value remainder_of(value_cx *e, value x, value y)
{
    value a = v_abs(e, x), b = v_abs(e, y), less = v_fcmp(e, LLVMRealOLT, a, b), far, r = a;

    if (e->brief) {
        value q = v_div(e, a, b);
        far = v_fcmp(e, LLVMRealOGE, q, v_flt(q, 0x1p28));
        r = v_sel(e, less, a, v_sub(e, a, v_mul(e, v_round(e, SC_TRUNC, q), b)));
    } else {
        far = v_fcmp(e, LLVMRealOGE, a, b);
    }
    r = v_copysign(e, expand_rem_far(e, far, a, b, r), x);
    value finite = v_fcmp(e, LLVMRealOLT, a, v_flt(a, INFINITY));
    value defined = v_and(e, finite, v_fcmp(e, LLVMRealOGT, b, v_flt(b, 0)));
    return v_sel(e, defined, r, v_flt(x, NAN));
}

value expand_rem(value_cx *e, const value *a) { return remainder_of(e, a[0], a[1]); }

/* The remainder with the sign of y. */
value expand_mod(value_cx *e, const value *a)
{
    value x = a[0], y = a[1], r = remainder_of(e, x, y), zero = v_flt(x, 0);
    value minus = v_fcmp(e, LLVMRealOLT, y, zero);
    value off = LLVMBuildXor(e->b, v_fcmp(e, LLVMRealOLT, r, zero), minus, "");

    off = v_and(e, off, v_fcmp(e, LLVMRealONE, r, zero));
    return v_sel(e, off, v_add(e, r, y), r);
}
