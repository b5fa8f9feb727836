/* codegen/expand/log.c - logarithms and what is made of them.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2).  With s = f / (2 + f):
 * ln(1 + f) = 2 atanh s = f - f^2/2 + s (f^2/2 + s^2 P(s^2)), which keeps the
 * leading bits of f. */
#include <math.h>

#include "expand.h"

/* (2 atanh s - 2 s) / s^3 over s^2 <= 0.0295 */
static const poly log_poly = {
    .full = COEFS(0.6666666666666735, 0.39999999999407243, 0.28571428744214067,
                  0.2222219836954559, 0.1818357569552918, 0.15313740697821882,
                  0.14799230497921867),
    .brief = COEFS(0.6666666667589642, 0.39999995585119136, 0.28572113452023334,
                   0.22175993924989693, 0.1958716013855836),
    .single = COEFS(0.666667759, 0.399774432, 0.298745692),
};

/* x positive, finite, not subnormal. */
static scaled split(value_cx *e, value x)
{
    bool f32 = v_is_f32(x);
    value i = v_bits(e, x), by = v_int(i, f32 ? 23 : 52);
    int64_t one = f32 ? 0x3f800000 : 0x3ff0000000000000;
    int64_t root = f32 ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;       /* sqrt 1/2 */
    int64_t magic = f32 ? 0x4b400000 : 0x4338000000000000;      /* 1.5 2^23, 2^52 */
    value n = LLVMBuildAdd(e->b, i, v_int(i, one - root), "");  /* exponent of x / root */

    n = LLVMBuildLShr(e->b, n, by, "");
    value off = v_flt(x, f32 ? 0x1.8p23 + 127 : 0x1.8p52 + 1023);
    value k = v_sub(e, v_float(e, v_or(e, n, v_int(i, magic))), off);
    value m = LLVMBuildSub(e->b, i, LLVMBuildShl(e->b, n, by, ""), "");
    return (scaled){k, v_float(e, LLVMBuildAdd(e->b, m, v_int(i, one), ""))};
}

/* The same for subnormal x too; there is no such f64 that was an f32. */
scaled expand_split(value_cx *e, value x)
{
    bool f32 = v_is_f32(x);

    if (e->brief)
        return split(e, x);
    value tiny = v_below(e, x, f32 ? 0x1p-126 : 0x1p-1022);
    scaled v = split(e, v_sel(e, tiny, v_mul(e, x, v_flt(x, f32 ? 0x1p24 : 0x1p53)), x));

    v.k = v_sel(e, tiny, v_sub(e, v.k, v_flt(x, f32 ? 24 : 53)), v.k);
    return v;
}

/* k ln 2 + ln(1 + f) + c */
static value log_of(value_cx *e, value k, value f, value c)
{
    bool f32 = v_is_f32(f);
    value s = v_div(e, f, v_add(e, f, v_flt(f, 2))), z = v_mul(e, s, s);
    value h = v_mul(e, v_mul(e, f, f), v_flt(f, 0.5));
    value t = v_mul(e, s, v_fma(e, z, expand_poly(e, z, &log_poly), h));
    value lo = v_fma(e, k, v_flt(f, f32 ? 0x1.0bfbe8p-15 : 0x1.ef35793c7673p-45), t);

    if (c)
        lo = v_add(e, lo, c);
    value hi = v_mul(e, k, v_flt(f, f32 ? 0x1.62ep-1 : 0x1.62e42fefa38p-1));
    return v_sub(e, hi, v_sub(e, v_sub(e, h, lo), f));
}

/* Below `pole` the logarithm v of x is undefined, at it minus infinity. */
static value ends(value_cx *e, value x, value v, double pole)
{
    value at = v_flt(x, pole);

    v = v_sel(e, v_fcmp(e, LLVMRealOEQ, x, at), v_flt(x, -INFINITY), v);
    v = v_sel(e, v_fcmp(e, LLVMRealULT, x, at), v_flt(x, NAN), v);
    return v_sel(e, v_fcmp(e, LLVMRealOEQ, x, v_flt(x, INFINITY)), x, v);
}

static value log_(value_cx *e, value x)
{
    scaled v = expand_split(e, x);

    return ends(e, x, log_of(e, v.k, v_sub(e, v.m, v_flt(x, 1)), NULL), 0);
}

/* ln u + c/u with u + c = 1 + x; f is x itself where u is near 1. */
static value log1p_(value_cx *e, value x)
{
    value one = v_flt(x, 1);
    pair u = pair_sum(e, one, x);
    scaled v = split(e, u.hi);
    value near = v_fcmp(e, LLVMRealOEQ, v.k, v_flt(x, 0));
    value f = v_sel(e, near, x, v_sub(e, v.m, one));
    value c = v_sel(e, near, v_flt(x, 0), v_div(e, u.lo, u.hi));
    value r = ends(e, x, log_of(e, v.k, f, c), -1);

    return v_sel(e, v_fcmp(e, LLVMRealOEQ, x, v_flt(x, 0)), x, r);
}

/* ---- inverse hyperbolic ------------------------------------------------------------------- */

/* From 2^60 on asinh x and acosh x are ln 2x, and x^2 could overflow. */
static value log1p_or_log2x(value_cx *e, value x, value t)
{
    value big = v_above(e, x, 0x1p60), v = log1p_(e, v_sel(e, big, x, t));

    return v_add(e, v, v_sel(e, big, v_flt(x, 0x1.62e42fefa39efp-1), v_flt(x, 0)));
}

/* log1p(x + x^2 / (1 + sqrt(1 + x^2))) */
static value asinh_(value_cx *e, value x)
{
    value a = v_abs(e, x), z = v_mul(e, a, a), one = v_flt(x, 1);
    value root = v_sqrt(e, v_add(e, z, one));
    value t = v_add(e, a, v_div(e, z, v_add(e, root, one)));

    return v_copysign(e, log1p_or_log2x(e, a, t), x);
}

/* log1p(t + sqrt(t (t + 2))), t = x - 1 */
static value acosh_(value_cx *e, value x)
{
    value t = v_sub(e, x, v_flt(x, 1));
    value root = v_sqrt(e, v_mul(e, t, v_add(e, t, v_flt(x, 2))));

    value r = log1p_or_log2x(e, x, v_add(e, t, root));
    return v_sel(e, v_below(e, x, 1), v_flt(x, NAN), r);
}

/* log1p(2x / (1 - x)) / 2 */
static value atanh_(value_cx *e, value x)
{
    value a = v_abs(e, x), t = v_add(e, a, a);

    t = v_div(e, t, v_sub(e, v_flt(x, 1), a));

    return v_copysign(e, v_mul(e, log1p_(e, t), v_flt(x, 0.5)), x);
}

value expand_log(value_cx *e, const value *a) { return log_(e, a[0]); }
value expand_log1p(value_cx *e, const value *a) { return log1p_(e, a[0]); }
value expand_asinh(value_cx *e, const value *a) { return asinh_(e, a[0]); }
value expand_acosh(value_cx *e, const value *a) { return acosh_(e, a[0]); }
value expand_atanh(value_cx *e, const value *a) { return atanh_(e, a[0]); }
