/* codegen/expand/exp.c - exp and what is made of it.
 *
 * e^x = 2^n e^r with n = round(x / ln 2), r = x - n ln 2 in two steps, the
 * first of them exact, and e^r = 1 + r + r^2 Q(r), |r| <= ln2/2. */
#include "expand.h"

static const poly exp_poly = {
    .full = COEFS(0.5, 0.16666666666666677, 0.041666666666666706, 0.008333333333320654,
                  0.0013888888888865013, 0.0001984126988889365, 2.480158736417983e-05,
                  2.7557241163387627e-06, 2.7557239658615176e-07, 2.511017910740067e-08,
                  2.0925400829294964e-09),
    .brief = COEFS(0.4999999999978433, 0.16666666666593719, 0.04166666690328024,
                   0.008333333380088648, 0.0013888819149316294, 0.00019841171804039042,
                   2.4877580318262566e-05, 2.7640873964844223e-06),
    .single = COEFS(0.5, 0.166666672, 0.0416663438, 0.00833327044, 0.00139420456, 0.000199156217),
};

/* The same where 1 is added to what it gives, which leaves fewer of its bits. */
static const poly exp_one_poly = {
    .single = COEFS(0.5, 0.166665375, 0.0416662656, 0.00836724695, 0.00139475975),
};

/* sinh x = x + x^3 P(x^2) for |x| <= 1 */
static const poly sinh_poly = {
    .full = COEFS(0.16666666666666669, 0.008333333333333139, 0.00019841269841437678,
                  2.755731915533791e-06, 2.505212339840687e-08, 1.6057240351679742e-10,
                  7.759311916695766e-13),
    .brief = COEFS(0.1666666666706909, 0.00833333327634231, 0.00019841296045196318,
                   2.7552064092077774e-06, 2.5529818702805798e-08),
};

/* tanh x = x + x^3 P(x^2) for |x| <= 0.55, in f32 0.625 */
static const poly tanh_poly = {
    .full = COEFS(-0.333333333333333, 0.13333333333326813, -0.05396825396386673,
                  0.021869488388749556, -0.008863232646783301, 0.0035920924698393986,
                  -0.0014555455674871945, 0.0005884552830581446, -0.0002334081044948569,
                  8.335325701413525e-05, -1.9516709494403957e-05),
    .single = COEFS(-0.333332837, 0.133314848, -0.0537429377, 0.0206486564, -0.00571478251),
};

/* erf x = x + x P(x^2) for |x| <= 1, in f32 1.05 */
static const poly erf_poly = {
    .full = COEFS(0.1283791670955126, -0.3761263890318375, 0.11283791670954885,
                  -0.02686617064507787, 0.00522397762482839, -0.000854832698142363,
                  0.00012055331132900507, -1.4925595771154102e-05, 1.6461008465584942e-06,
                  -1.6350396133054441e-07, 1.4660328354721722e-08, -1.1374955121983563e-09,
                  5.960685514044609e-11),
    .single = COEFS(0.128379166, -0.37612617, 0.112834662, -0.0268485155, 0.00517772231,
                    -0.000791291939, 7.52099077e-05),
};

/* f64: e^(x^2) (1 - erf x) for 1 <= x <= 6, over (x - k) / (x + k), k = sqrt 6;
 * f32: 1 - erf x for 1.05 <= x <= 3.93, over x - 2.49. */
static const poly erfc_poly = {
    .full = COEFS(0.21462633906982076, -0.37687425386566964, 0.25166683742191637,
                  -0.12145140284107099, 0.03630813149876221, -0.0022689267158375404,
                  -0.002857462190280715, 0.0006855376315342662, 0.00029497394961743386,
                  -0.00010324640569752929, -4.667240099433758e-05, 1.3394550794968707e-05,
                  9.405364771151038e-06, -1.024642143173462e-06, -1.578130270262726e-06),
    .single = COEFS(0.000429288251, -0.00228968053, 0.00570142642, -0.00870222598, 0.00893267058,
                    -0.00628066203, 0.00283487397, -0.000534227467, -0.000281843415, 0.000274865975,
                    -8.01761344e-05, -1.81354062e-05, 1.6170703e-05, -6.07160928e-07,
                    -9.43893667e-07),
};

/* ---- e^x -------------------------------------------------------------------------------- */

/* At most that much; NaN passes. */
static value at_most(value_cx *e, value x, double hi)
{
    return v_sel(e, v_above(e, x, hi), v_flt(x, hi), x);
}

static value clamp(value_cx *e, value x, double lo, double hi)
{
    return at_most(e, v_sel(e, v_below(e, x, lo), v_flt(x, lo), x), hi);
}

value expand_exp_small(value_cx *e, value r)
{
    value square = v_mul(e, r, r);

    return v_fma(e, square, expand_poly(e, r, &exp_poly), r);
}

/* e^x = 2^n e^r; n + `plus` in low bits */
typedef struct power { rounded n; value r; } power;

/* How many times ln 2 goes into x. */
static rounded by_ln2(value_cx *e, value x, int plus)
{
    return expand_round(e, x, 0x1.71547652b82fep+0, plus);
}

/* The reduction, before the polynomial: expm1 must not round 1 + p. */
static power parts(value_cx *e, value x, int plus)
{
    bool f32 = v_is_f32(x);
    rounded n = by_ln2(e, x, plus);
    value hi = v_flt(x, f32 ? -0x1.62ep-1 : -0x1.62e42fefa38p-1);
    value lo = v_flt(x, f32 ? -0x1.0bfbe8p-15 : -0x1.ef35793c7673p-45);

    return (power){n, v_fma(e, n.flt, lo, v_fma(e, n.flt, hi, x))};
}

/* The same in one step for f32, if products are not rounded: where e^x need not be better
 * than n times the error of ln 2 as it is rounded, 2e-9.  Rounded to f64 ln 2 is off by a
 * larger part of the last place. */
static power parts_near(value_cx *e, value x, int plus)
{
    if (!target_can(e->t, CAN_FMA) || !v_is_f32(x))
        return parts(e, x, plus);
    rounded n = by_ln2(e, x, plus);

    return (power){n, v_fma(e, n.flt, v_flt(x, -0x1.62e43p-1), x)};
}

/* e^r.  1 + r (1 + r Q) takes one operation less than 1 + (r + r^2 Q), and is as good if
 * the products are not rounded. */
static value exp_near(value_cx *e, value r)
{
    value one = v_flt(r, 1);

    if (!target_can(e->t, CAN_FMA))
        return v_add(e, expand_exp_small(e, r), one);
    value q = expand_poly(e, r, v_is_f32(r) ? &exp_one_poly : &exp_poly);
    return v_fma(e, r, v_fma(e, r, q, one), one);
}

/* e^x 2^by by one instruction that scales by any n, rounding as it should.  Lanes of `none`
 * are 0, and not computed. */
static value exp_scaled_512(value_cx *e, value x, value none, int by)
{
    type i16 = LLVMInt16TypeInContext(e->cx);
    value some = LLVMBuildBitCast(e->b, LLVMBuildNot(e->b, none, ""), i16, "");
    power w = parts(e, at_most(e, x, 89.5), 0);
    value n = by ? v_add(e, w.n.flt, v_flt(x, by)) : w.n.flt;
    value current = LLVMConstInt(LLVMInt32TypeInContext(e->cx), 4, false);

    return expand_call512(e, "llvm.x86.avx512.mask.scalef.ps.512",
                          (value[]){exp_near(e, w.r), n, v_flt(x, 0), some, current}, 5);
}

/* e^x 2^by; no NaN, no error at the ends of the range.  Where e^x is 0 it is so without a
 * product that rounds to it, for which some processors stop a hundred cycles: masks of
 * softmax are full of them. */
static value exp_scaled(value_cx *e, value x, int by)
{
    bool f32 = v_is_f32(x);
    value none = v_below(e, x, f32 || e->brief ? -105 : -746), zero = v_flt(x, 0);

    if (expand_has512(e, x))
        return exp_scaled_512(e, x, none, by);
    value in = v_sel(e, none, zero, at_most(e, x, f32 ? 89.5 : e->brief ? 200 : 711));
    power w = parts(e, in, by + (e->brief ? 1 : 2) * expand_one(x));
    value v = exp_near(e, w.r);

    v = e->brief ? expand_scale(e, v, w.n.low) : expand_scale_far(e, v, w.n.low);
    return v_sel(e, none, zero, v);
}

/* 2^n p + (2^n - 1), by halves so that 2^n does not overflow. */
static value expm1_(value_cx *e, value x)
{
    bool f32 = v_is_f32(x);
    power w = parts(e, clamp(e, x, f32 ? -20 : -40, f32 ? 89 : 710), expand_one(x) - 1);
    value p = expand_exp_small(e, w.r), half = expand_scale(e, v_flt(x, 1), w.n.low);
    value v = v_fma(e, half, p, v_sub(e, half, v_flt(x, 0.5)));

    value none = v_fcmp(e, LLVMRealOEQ, w.n.flt, v_flt(x, 0));
    v = v_sel(e, none, p, v_add(e, v, v));
    return v_sel(e, v_fcmp(e, LLVMRealOEQ, x, v_flt(x, 0)), x, v);
}

/* ---- hyperbolic ------------------------------------------------------------------------- */

/* x + x^3 P(x^2) */
static value odd(value_cx *e, value x, const poly *p)
{
    value z = v_mul(e, x, x), cube = v_mul(e, x, z);

    return v_fma(e, cube, expand_poly(e, z, p), x);
}

/* With h = e^|x| / 2: h - 1/4h, h + 1/4h. */
static value sinh_cosh(value_cx *e, sc_op op, value x)
{
    value a = v_abs(e, x), h = exp_scaled(e, a, -1), r = v_div(e, v_flt(x, 0.25), h);

    if (op == SC_COSH)
        return v_add(e, h, r);
    value small = v_below(e, a, 1), near = odd(e, a, &sinh_poly);
    value v = v_sel(e, small, near, v_sub(e, h, r));
    return v_copysign(e, v, x);
}

/* 1 - 2 / (e^2|x| + 1) where that keeps its bits.  Before e^2|x| is large it is 1, so 2^n
 * is one factor, and joins in the sum; and the larger n is, the less of e^2|x| is seen. */
static value tanh_(value_cx *e, value x)
{
    bool f32 = v_is_f32(x);
    value a = v_abs(e, x), one = v_flt(x, 1), twice = v_add(e, a, a);
    power w = parts_near(e, at_most(e, twice, f32 ? 20 : 40), expand_one(x));
    value sum = v_fma(e, exp_near(e, w.r), expand_scale(e, one, w.n.low), one);
    value big = v_sub(e, one, expand_over(e, v_flt(x, 2), sum));
    value small = v_below(e, a, f32 ? 0.625 : 0.55);

    return v_copysign(e, v_sel(e, small, odd(e, a, &tanh_poly), big), x);
}

/* 1 / (1 + e^-x); below 0 e^x / (1 + e^x), where e^-x could overflow. */
static value sigmoid(value_cx *e, value x)
{
    value one = v_flt(x, 1), w = exp_scaled(e, v_neg(e, v_abs(e, x)), 0);

    value top = v_sel(e, v_below(e, x, 0), w, one);
    return expand_over(e, top, v_add(e, w, one));
}

/* ---- erf ---------------------------------------------------------------------------------- */

/* 1 - erf x between where x + x P(x^2) holds and where it vanishes */
static value erfc_f32(value_cx *e, value x)
{
    return expand_poly(e, v_sub(e, x, v_flt(x, 2.49)), &erfc_poly);
}

static value erfc_f64(value_cx *e, value x, value square)
{
    value k = v_flt(x, 2.449489742783178), t = v_sub(e, x, k);

    t = v_div(e, t, v_add(e, x, k));
    value scale = exp_scaled(e, v_neg(e, square), 0);
    return v_mul(e, scale, expand_poly(e, t, &erfc_poly));
}

/* Two ranges, joined by a selection, as all lanes compute both. */
static value erf_(value_cx *e, value x)
{
    bool f32 = v_is_f32(x);
    value a = v_abs(e, x), end = v_flt(x, f32 ? 3.93 : 6);

    a = v_sel(e, v_fcmp(e, LLVMRealOGT, a, end), end, a);
    value z = v_mul(e, a, a), small = v_fma(e, a, expand_poly(e, z, &erf_poly), a);
    value rest = f32 ? erfc_f32(e, a) : erfc_f64(e, a, z);
    value near = v_below(e, a, f32 ? 1.05 : 1);
    value v = v_sel(e, near, small, v_sub(e, v_flt(x, 1), rest));
    return v_copysign(e, v, x);
}

value expand_exp(value_cx *e, const value *a) { return exp_scaled(e, a[0], 0); }
value expand_expm1(value_cx *e, const value *a) { return expm1_(e, a[0]); }
value expand_sinh(value_cx *e, const value *a) { return sinh_cosh(e, SC_SINH, a[0]); }
value expand_cosh(value_cx *e, const value *a) { return sinh_cosh(e, SC_COSH, a[0]); }
value expand_tanh(value_cx *e, const value *a) { return tanh_(e, a[0]); }
value expand_sigmoid(value_cx *e, const value *a) { return sigmoid(e, a[0]); }
value expand_erf(value_cx *e, const value *a) { return erf_(e, a[0]); }
