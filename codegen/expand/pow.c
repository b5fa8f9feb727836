/* codegen/expand/pow.c - x^y = 2^(y log2 x).
 *
 * An error of log2 x grows with y log2 x, up to 2^10 in f64: there log2 x is a
 * pair of floats.  For f32 one f64 has bits to spare. */
#include <math.h>

#include "expand.h"

/* (2 atanh s - 2 s) / s^3 = 2/3 + z P(z), z = s^2 <= 0.0295 */
static const poly tail_poly = {
    .full = COEFS(0.40000000000000274, 0.28571428571272106, 0.22222222256132546,
                  0.18181814495019083, 0.15384834268877018, 0.13326349250409494,
                  0.11864647574184384, 0.10500150161577619),
    .brief = COEFS(0.4000000002071868, 0.2857142146616129, 0.2222310241418065, 0.18131396938933395,
                   0.16735557850606875),
};

/* ln(1 + f) as a pair: s = f / (2 + f) and its rest, then 2s + s z (2/3 + z P). */
static pair log_pair(value_cx *e, value m)
{
    value one = v_flt(m, 1), f = v_sub(e, m, one);
    pair d = pair_sum(e, m, one);
    pair s = {v_div(e, f, d.hi), NULL}, q = pair_product(e, s.hi, d.hi);
    value rest = v_sub(e, v_sub(e, f, q.hi), q.lo);

    rest = v_sub(e, rest, v_mul(e, s.hi, d.lo));
    s.lo = v_div(e, rest, d.hi);
    pair z = pair_mul(e, s, s);
    value two_thirds = v_flt(m, 0x1.5555555555555p-1), low = v_flt(m, 0x1.5555555555555p-55);
    pair c = pair_sum_ordered(e, two_thirds, v_fma(e, z.hi, expand_poly(e, z.hi, &tail_poly), low));
    c = pair_add(e, (pair){v_flt(m, 2), v_flt(m, 0)}, pair_mul(e, z, c));
    return pair_mul(e, s, c);
}

/* log2 of x = 2^k m */
static pair log2_of(value_cx *e, scaled x)
{
    value zero = v_flt(x.m, 0), one = v_flt(x.m, 1);
    pair scale = {v_flt(x.m, 0x1.71547652b82fep+0), v_flt(x.m, 0x1.777d0ffda0d24p-56)};

    if (!e->brief)
        return pair_add(e, (pair){x.k, zero}, pair_mul(e, log_pair(e, x.m), scale));
    value s = v_sub(e, x.m, one);
    s = v_div(e, s, v_add(e, x.m, one));
    value z = v_mul(e, s, s);
    value c = v_fma(e, z, expand_poly(e, z, &tail_poly), v_flt(z, 0x1.5555555555555p-1));
    value log = v_mul(e, s, v_fma(e, z, c, v_flt(z, 2)));
    return (pair){v_fma(e, log, scale.hi, x.k), zero};
}

/* 2^t; beyond 2^+-1100 there is nothing but infinity and 0, in f32 sooner. */
static value exp2_of(value_cx *e, pair t)
{
    value most = v_flt(t.hi, e->brief ? 1000 : 1100);
    value out = v_fcmp(e, LLVMRealOGT, v_abs(e, t.hi), most);
    value hi = v_sel(e, out, v_copysign(e, most, t.hi), t.hi);
    value lo = v_sel(e, out, v_flt(t.hi, 0), t.lo);
    rounded n = expand_round(e, hi, 1, (e->brief ? 1 : 2) * expand_one(hi));
    value r = v_add(e, v_sub(e, hi, n.flt), lo);

    r = v_mul(e, r, v_flt(r, 0x1.62e42fefa39efp-1));
    value v = v_add(e, expand_exp_small(e, r), v_flt(r, 1));
    return e->brief ? expand_scale(e, v, n.low) : expand_scale_far(e, v, n.low);
}

static value is_integer(value_cx *e, value y)
{
    return v_fcmp(e, LLVMRealOEQ, v_round(e, SC_TRUNC, y), y);
}

/* |x|^y is v; zeros, infinities and signs by the rules of IEEE 754. */
static value ends(value_cx *e, value x, value y, value v)
{
    value zero = v_flt(x, 0), one = v_flt(x, 1), inf = v_flt(x, INFINITY), a = v_abs(e, x);
    value falls = v_fcmp(e, LLVMRealOLT, y, zero);

    value none = v_fcmp(e, LLVMRealOEQ, x, zero);
    v = v_sel(e, none, v_sel(e, falls, inf, zero), v);
    value endless = v_fcmp(e, LLVMRealOEQ, a, inf);
    v = v_sel(e, endless, v_sel(e, falls, zero, inf), v);
    value whole = is_integer(e, y), half = is_integer(e, v_mul(e, y, v_flt(y, 0.5)));
    value odd = v_and(e, whole, LLVMBuildNot(e->b, half, ""));
    v = v_sel(e, odd, v_copysign(e, v, x), v);
    value bad = v_fcmp(e, LLVMRealOLT, x, zero);
    bad = v_and(e, bad, v_fcmp(e, LLVMRealONE, a, inf));
    bad = v_and(e, bad, LLVMBuildNot(e->b, whole, ""));
    v = v_sel(e, v_or(e, bad, v_fcmp(e, LLVMRealUNO, x, y)), v_flt(x, NAN), v);
    value sure = v_fcmp(e, LLVMRealOEQ, y, zero);
    sure = v_or(e, sure, v_fcmp(e, LLVMRealOEQ, x, one));
    return v_sel(e, sure, one, v);
}

/* |x|^y in f64; y is cut where the result is infinite, 0 or 1 anyway. */
static value power(value_cx *e, value x, value y)
{
    value a = v_abs(e, x), big = v_above(e, v_abs(e, y), 0x1p66);
    value by = v_sel(e, big, v_copysign(e, v_flt(y, 0x1p66), y), y);
    pair l = log2_of(e, expand_split(e, a)), t;

    if (e->brief) {
        t = (pair){v_mul(e, by, l.hi), l.lo};
    } else {
        t = pair_product(e, by, l.hi);
        t.lo = v_fma(e, by, l.lo, t.lo);
    }
    return exp2_of(e, t);
}

/* ---- literal exponents ----------------------------------------------------------------------- */

/* Is y one number, the same in all lanes? */
static bool literal(value y, double *c)
{
    bool vector = LLVMGetTypeKind(LLVMTypeOf(y)) == LLVMVectorTypeKind;
    LLVMBool loses;

    if (!LLVMIsConstant(y))
        return false;
    unsigned n = vector ? LLVMGetVectorSize(LLVMTypeOf(y)) : 1;
    value first = vector ? LLVMGetAggregateElement(y, 0) : y;
    for (unsigned i = 1; i < n; i++)
        if (LLVMGetAggregateElement(y, i) != first)
            return false;
    if (!first || !LLVMIsAConstantFP(first))
        return false;
    *c = LLVMConstRealGetDouble(first, &loses);
    return true;
}

/* sqrt, but for -0 and minus infinity */
static value root(value_cx *e, value x)
{
    value low = v_fcmp(e, LLVMRealOEQ, x, v_flt(x, -INFINITY));

    return v_sel(e, low, v_flt(x, INFINITY), v_sqrt(e, v_add(e, x, v_flt(x, 0))));
}

/* x^y by products and square roots where y is a literal 2, 3, 4, -1, -2, 0.25, 0.75 or
 * the like; else null. */
static value small_power(value_cx *e, value x, value y)
{
    double c;

    if (!literal(y, &c) || !(c >= -2 && c <= 4) || c * 4 != (int)(c * 4))
        return NULL;
    value square = v_mul(e, x, x), inverse = v_div(e, v_flt(x, 1), x);
    value half = root(e, x), quarter = v_sqrt(e, half);
    switch ((int)(c * 4)) {
    case -8: return v_mul(e, inverse, inverse);
    case -4: return inverse;
    case -2: return v_div(e, v_flt(x, 1), half);
    case 0: return v_flt(x, 1);
    case 1: return quarter;
    case 2: return half;
    case 3: return v_mul(e, half, quarter);
    case 4: return x;
    case 8: return square;
    case 12: return v_mul(e, square, x);
    case 16: return v_mul(e, square, square);
    default: return NULL;
    }
}

/* ---- pow -------------------------------------------------------------------------------- */

/* In f32 only the power itself goes over f64. */
value expand_pow(value_cx *e, const value *a)
{
    value x = a[0], y = a[1], v = small_power(e, x, y);
    type f64 = v_type(x, LLVMDoubleTypeInContext(e->cx));

    if (v)
        return v;
    if (!v_is_f32(x))
        return ends(e, x, y, power(e, x, y));
    e->brief = true;
    value wide = LLVMBuildFPExt(e->b, x, f64, "");
    v = power(e, wide, LLVMBuildFPExt(e->b, y, f64, ""));
    e->brief = false;
    return ends(e, x, y, LLVMBuildFPTrunc(e->b, v, LLVMTypeOf(x), ""));
}
