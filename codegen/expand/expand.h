/* codegen/expand/expand.h - scalar functions as vector code of our own: no call
 * leaves the object.
 *
 * Each function is written once, over values of any width and of f32 or f64.
 * f32 is computed in one of two ways, which scalar.def tells.  Directly, with
 * coefficients for f32: those that are hot.  Or in f64 lanes with short
 * polynomials ("brief"), rounded at the end, which costs twice the lanes but
 * needs no care: all others.  There are no branches but two: lanes that are
 * rare and long to compute (sin of 1e9) go through a scalar function beside
 * the straight path (rare.c), and roots of what is very small or large (root.c).
 *
 * Coefficients: minimax polynomials by Remez exchange in 200-bit arithmetic
 * (scripts/remez.py), each then rounded to its type.  Bounds in ULP: docs/ir.md;
 * they are measured by tests/unit/test_expand.c. */
#ifndef INGOT_EXPAND_H
#define INGOT_EXPAND_H

#include "value.h"

/* A function of floats a[..]; each row of scalar.def whose form is expand or wide names one. */
typedef value expand_fn(value_cx *e, const value *a);
#define none
#define op(x)
#define fcmp(x)
#define call(x)
#define fn(x)
#define expand(x) expand_fn expand_##x;
#define wide(x) expand_fn expand_##x;
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, ...) flt_llvm
#include "scalar.def"
#undef none
#undef op
#undef fcmp
#undef call
#undef fn
#undef expand
#undef wide
/* f of n floats; f32 goes through f64 lanes, with short polynomials. */
value expand_wide(value_cx *e, expand_fn *f, int n, const value *a);

/* ---- polynomials: shared by expand_*.c ------------------------------------- */

typedef struct coefs { const double *c; int n; } coefs;
#define COEFS(...)                                                             \
    {(const double[]){__VA_ARGS__}, COUNT(((const double[]){__VA_ARGS__}))}

/* One function to three precisions: f64, f64 that becomes f32, f32. */
typedef struct poly { coefs full, brief, single; } poly;

/* c0 + x (c1 + x (..)), of the precision that is asked for. */
value expand_poly(value_cx *e, value x, const poly *p);

/* x times k rounded to the nearest integer n, |n| < 2^22 (f32) or 2^51: as a float, and
 * n + plus in the low bits of an integer (9 and 12 of them: an exponent). */
typedef struct rounded { value flt, low; } rounded;
rounded expand_round(value_cx *e, value x, double k, int plus);
/* The exponent of 1, as it is in the bits of floats of x's type. */
int expand_one(value x);
/* v * 2^n.  In one factor: 2^n is normal, low has n + expand_one.  In two: |n| up to twice
 * that, low has n + 2 expand_one. */
value expand_scale(value_cx *e, value v, value low);
value expand_scale_far(value_cx *e, value v, value low);

/* Is x all that a register of 512 bits holds of f32, with the target's own instructions for it? */
bool expand_has512(value_cx *e, value x);
/* One of those, by the name of its intrinsic. */
value expand_call512(value_cx *e, const char *name, value *args, unsigned n);

/* e^r - 1 for |r| <= 0.35. */
value expand_exp_small(value_cx *e, value r);

/* x = 2^k m with m in [sqrt 1/2, sqrt 2); x positive and finite. */
typedef struct scaled { value k, m; } scaled;
scaled expand_split(value_cx *e, value x);

/* A sum of two floats, the second below the first's last bit. */
typedef struct pair { value hi, lo; } pair;
pair pair_sum(value_cx *e, value a, value b);           /* a + b, exactly */
pair pair_sum_ordered(value_cx *e, value a, value b);   /* the same; |a| >= |b| or a = 0 */
pair pair_product(value_cx *e, value a, value b);       /* a * b, exactly */
pair pair_mul(value_cx *e, pair a, pair b);
pair pair_add(value_cx *e, pair a, pair b);             /* |a| >= |b| */

/* sqrt x, rounded correctly: one instruction, or what takes less of the processor. */
value expand_root(value_cx *e, value x);
/* a / b for b from 1 to 2^60 and a no larger, by one instruction or in the same way: then within
 * 0.51 ULP of a normal quotient. */
value expand_over(value_cx *e, value a, value b);

/* ---- lanes that are rare ----------------------------------------------------------- */

/* x = n pi/2 + r for |x| < 2^20 pi/2 in a straight line, else by a function
 * that multiplies by as many bits of 2/pi as it needs. */
typedef struct angle { pair r; value n; } angle;        /* n: i64, modulo 4 counts */
void expand_reduce_far(value_cx *e, value far, value x, angle *a);
/* Remainder of x by y, both finite and >= 0, where the bool `far` holds. */
value expand_rem_far(value_cx *e, value far, value x, value y, value otherwise);

#endif
