/* codegen/expand/trig.c - sine and its relatives, and their inverses.
 *
 * x = n pi/2 + r with |r| <= pi/4: sine and cosine of r are polynomials, and n
 * modulo 4 says which of them the result is, and its sign.  Up to 2^20 the
 * reduction is three products; lanes beyond go through rare.c, so that no angle is
 * too large to be right. */
#include <math.h>

#include "expand.h"

/* sin r = r + r^3 S(r^2), cos r = 1 - r^2/2 + r^4 C(r^2), |r| <= pi/4 */
static const poly sin_poly = {
    .full = COEFS(-0.16666666666666666, 0.0083333333333333, -0.00019841269841231073,
                  2.7557319202314084e-06, -2.5052101952521422e-08, 1.6058005191905413e-10,
                  -7.561483048260526e-13),
    .brief = COEFS(-0.16666666641426803, 0.008333329362304727, -0.00019839327142606012,
                   2.718237322931029e-06),
};
static const poly cos_poly = {
    .full = COEFS(0.04166666666666651, -0.0013888888888859135, 2.4801587280211158e-05,
                  -2.7557311707060994e-07, 2.087536878854386e-09, -1.1341575547012828e-11),
    .brief = COEFS(0.04166666662247849, -0.0013888883722724373, 2.4799511786336205e-05,
                   -2.7209549366124936e-07),
};

/* asin x = x + x^3 P(x^2), |x| <= 1/2 */
static const poly asin_poly = {
    .full = COEFS(0.16666666666666763, 0.074999999999701, 0.04464285717528598,
                  0.030381942675261536, 0.02237221590674407, 0.017351595482286812,
                  0.013981018758224176, 0.011397291257852637, 0.010789330717015417,
                  0.003672151245080633, 0.0217907233208377, -0.021116818006517758,
                  0.032702217968292716),
    .brief = COEFS(0.16666666626580176, 0.07500005058475036, 0.044640681499951367,
                   0.03042695306607352, 0.021861959327290542, 0.020664448368494997,
                   0.001934065085921067, 0.032957192879573154),
};

/* atan x = x + x^3 P(x^2), |x| <= tan(pi/8) */
static const poly atan_poly = {
    .full = COEFS(-0.333333333333332, 0.1999999999995378, -0.14285714280216202,
                  0.11111110784443663, -0.09090897785727277, 0.07692060702799623,
                  -0.0666310943125214, 0.05847926997513667, -0.0503946709863717,
                  0.03806848590199872, -0.017911281764524292),
    .brief = COEFS(-0.33333333296289147, 0.19999994387465858, -0.14285425831557885,
                   0.11104040548327693, -0.08997147372272146, 0.06992480816066154,
                   -0.03794457905817912),
};

static const double half_pi = 0x1.921fb54442d18p+0, half_pi_lo = 0x1.1a62633145c07p-54;

/* x + x^3 P(x^2), with the square given */
static value odd(value_cx *e, value x, value square, const poly *p)
{
    value cube = v_mul(e, x, square);

    return v_fma(e, cube, expand_poly(e, square, p), x);
}

/* ---- sin, cos, tan ------------------------------------------------------------------------ */

/* pi/2 in parts of 33 bits: their products with n < 2^20 are exact. */
static angle reduce_near(value_cx *e, value x)
{
    rounded n = expand_round(e, x, 0x1.45f306dc9c883p-1, 0);
    value t = v_sub(e, x, v_mul(e, n.flt, v_flt(x, 0x1.921fb544p+0)));

    if (e->brief) {
        t = v_sub(e, t, v_mul(e, n.flt, v_flt(x, 0x1.0b4611a626331p-34)));
        return (angle){{t, v_flt(x, 0)}, n.low};
    }
    pair a = pair_sum(e, t, v_mul(e, n.flt, v_flt(x, -0x1.0b4611a6p-34)));
    pair b = pair_sum(e, a.hi, v_mul(e, n.flt, v_flt(x, -0x1.3198a2ep-69)));
    value rest = v_mul(e, n.flt, v_flt(x, -0x1.b839a252049c1p-104));
    rest = v_add(e, v_add(e, a.lo, b.lo), rest);
    return (angle){pair_sum_ordered(e, b.hi, rest), n.low};
}

/* The low part of r counts too: near a multiple of pi/2 it is all that is left of
 * x. */
static value sin_of(value_cx *e, pair r, value z)
{
    value small = v_mul(e, r.lo, v_fma(e, z, v_flt(z, -0.5), v_flt(z, 1)));

    value cube = v_mul(e, r.hi, z);

    return v_add(e, r.hi, v_fma(e, cube, expand_poly(e, z, &sin_poly), small));
}

/* 1 - z/2 is rounded; what it lost is put back. */
static value cos_of(value_cx *e, pair r, value z)
{
    value one = v_flt(z, 1), h = v_mul(e, z, v_flt(z, 0.5)), w = v_sub(e, one, h);
    value lost = v_sub(e, v_sub(e, one, w), h);
    value t = v_mul(e, z, z);

    t = v_mul(e, t, expand_poly(e, z, &cos_poly));

    return v_add(e, w, v_add(e, lost, v_sub(e, t, v_mul(e, r.hi, r.lo))));
}

static value bit(value_cx *e, value n, int64_t mask)
{
    return v_icmp(e, LLVMIntNE, v_and(e, n, v_int(n, mask)), v_int(n, 0));
}

/* cos x is sin (x + pi/2), so n + 1 quarter turns.  tan is their quotient.  Where x
 * is 0 the result is x itself: the sign of -0 would be lost on the way. */
static value circular(value_cx *e, sc_op op, value x)
{
    angle a = reduce_near(e, x);
    value far = v_above(e, v_abs(e, x), 0x1p20);

    expand_reduce_far(e, far, x, &a);
    value z = v_mul(e, a.r.hi, a.r.hi), s = sin_of(e, a.r, z), c = cos_of(e, a.r, z), v;
    if (op == SC_COS)
        a.n = LLVMBuildAdd(e->b, a.n, v_int(a.n, 1), "");
    value odd = bit(e, a.n, 1);
    if (op == SC_TAN) {
        v = v_sel(e, odd, v_neg(e, c), s);
        v = v_div(e, v, v_sel(e, odd, s, c));
    } else {
        v = v_sel(e, odd, c, s);
        value minus = bit(e, a.n, 2);
        v = v_sel(e, minus, v_neg(e, v), v);
    }
    return op == SC_COS ? v : v_sel(e, v_fcmp(e, LLVMRealOEQ, x, v_flt(x, 0)), x, v);
}

/* ---- inverses ------------------------------------------------------------------------------- */

/* Above 1/2 by asin x = pi/2 - 2 asin sqrt((1 - x) / 2). */
static value arc(value_cx *e, sc_op op, value x)
{
    value a = v_abs(e, x), big = v_above(e, a, 0.5), zero = v_flt(x, 0);
    value half = v_mul(e, v_sub(e, v_flt(x, 1), a), v_flt(x, 0.5));
    value z = v_sel(e, big, half, v_mul(e, a, a));
    value p = odd(e, v_sel(e, big, v_sqrt(e, half), a), z, &asin_poly), twice = v_add(e, p, p);

    if (op == SC_ASIN) {
        value rest = v_sub(e, v_flt(x, half_pi), v_sub(e, twice, v_flt(x, half_pi_lo)));
        return v_copysign(e, v_sel(e, big, rest, p), x);
    }
    value signed_p = v_copysign(e, p, x);
    value near = v_sub(e, v_flt(x, half_pi), v_sub(e, signed_p, v_flt(x, half_pi_lo)));
    value left = v_sub(e, v_flt(x, 2 * half_pi), v_sub(e, twice, v_flt(x, 2 * half_pi_lo)));
    value far = v_sel(e, v_fcmp(e, LLVMRealOLT, x, zero), left, twice);
    return v_sel(e, big, far, near);
}

/* Above tan(3 pi/8) pi/2 - atan 1/x, above tan(pi/8) pi/4 + atan (x-1)/(x+1). */
static value atan_(value_cx *e, value x)
{
    value a = v_abs(e, x), one = v_flt(x, 1), zero = v_flt(x, 0);
    value mid = v_above(e, a, 0.41421356237309503), far = v_above(e, a, 2.414213562373095);
    value over = v_sel(e, far, v_flt(x, -1), v_sel(e, mid, v_sub(e, a, one), a));
    value under = v_sel(e, far, a, v_sel(e, mid, v_add(e, a, one), one));
    value t = v_div(e, over, under), z = v_mul(e, t, t);
    value base = v_sel(e, far, v_flt(x, half_pi), v_sel(e, mid, v_flt(x, half_pi / 2), zero));
    value lost = v_sel(e, far, v_flt(x, half_pi_lo), v_sel(e, mid, v_flt(x, half_pi_lo / 2), zero));
    value cube = v_mul(e, t, z), p = v_fma(e, cube, expand_poly(e, z, &atan_poly), lost);

    return v_copysign(e, v_add(e, base, v_add(e, t, p)), x);
}

value expand_sin(value_cx *e, const value *a) { return circular(e, SC_SIN, a[0]); }
value expand_cos(value_cx *e, const value *a) { return circular(e, SC_COS, a[0]); }
value expand_tan(value_cx *e, const value *a) { return circular(e, SC_TAN, a[0]); }
value expand_asin(value_cx *e, const value *a) { return arc(e, SC_ASIN, a[0]); }
value expand_acos(value_cx *e, const value *a) { return arc(e, SC_ACOS, a[0]); }
value expand_atan(value_cx *e, const value *a) { return atan_(e, a[0]); }
