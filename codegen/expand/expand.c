/* codegen/expand/expand.c - what all expansions of scalar functions share.
 *
 * One text serves f64, f32 and f32 computed in f64 lanes: each function is written
 * on `value`s of any width, and its polynomials have up to three lists of
 * coefficients (full, brief, single), of which expand_poly takes the one for the
 * lanes at hand.  Bounds of the errors stand in docs/ir.md and are measured by a
 * test. */
#include "expand.h"

/* ---- polynomials, powers of two ------------------------------------------------------ */

/* Horner's scheme, with fused multiply-adds where the target has them. */
value expand_poly(value_cx *e, value x, const poly *p)
{
    const coefs *k = v_is_f32(x) ? &p->single : e->brief && p->brief.n ? &p->brief : &p->full;
    value r = v_flt(x, k->c[k->n - 1]);

    ICE_IF(!k->n, "polynomial without coefficients");
    for (int i = k->n - 2; i >= 0; i--)
        r = v_fma(e, r, x, v_flt(x, k->c[i]));
    return r;
}

/* Adding a large number rounds to an integer, whose bits stand at the end of the
 * mantissa then: no conversion is needed to shift them into an exponent. */
rounded expand_round(value_cx *e, value x, double k, int plus)
{
    value magic = v_flt(x, (v_is_f32(x) ? 0x1.8p23 : 0x1.8p52) + plus);
    value sum = v_fma(e, x, v_flt(x, k), magic), flt = v_sub(e, sum, magic);

    return (rounded){flt, v_bits(e, sum)};
}

int expand_one(value x)
{
    return v_is_f32(x) ? 127 : 1023;
}

value expand_scale(value_cx *e, value v, value low)
{
    value power = LLVMBuildShl(e->b, low, v_int(low, v_is_f32(v) ? 23 : 52), "");

    return v_mul(e, v, v_float(e, power));
}

value expand_scale_far(value_cx *e, value v, value low)
{
    value half = LLVMBuildLShr(e->b, low, v_int(low, 1), "");

    v = expand_scale(e, v, half);
    return expand_scale(e, v, LLVMBuildSub(e->b, low, half, ""));
}

/* ---- registers of 512 bits --------------------------------------------------------------- */

bool expand_has512(value_cx *e, value x)
{
    enum { LANES = 16 };
    type t = LLVMTypeOf(x);

    return target_can(e->t, CAN_MATH512) && v_is_f32(x) &&
           LLVMGetTypeKind(t) == LLVMVectorTypeKind && LLVMGetVectorSize(t) == LANES;
}

value expand_call512(value_cx *e, const char *name, value *args, unsigned n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    value f = LLVMGetIntrinsicDeclaration(e->m, id, NULL, 0);

    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, NULL, 0), f, args, n, "");
}

/* ---- pairs ------------------------------------------------------------------------------ */

/* The sum and what rounding it lost, whichever operand is larger.  (Knuth's
 * two-sum; the ordered one is Dekker's and needs |a| >= |b|.) */
pair pair_sum(value_cx *e, value a, value b)
{
    value s = v_add(e, a, b), t = v_sub(e, s, a);
    value lost = v_sub(e, a, v_sub(e, s, t));

    return (pair){s, v_add(e, lost, v_sub(e, b, t))};
}

pair pair_sum_ordered(value_cx *e, value a, value b)
{
    value s = v_add(e, a, b);

    return (pair){s, v_sub(e, b, v_sub(e, s, a))};
}

/* The leading 26 bits of an f64. */
static value leading(value_cx *e, value a)
{
    value bits = v_bits(e, a);

    return v_float(e, v_and(e, bits, v_int(bits, ~0x7ffffffll)));
}

/* Without a fused multiply-add the operands are split into halves whose products
 * are exact (Dekker). */
pair pair_product(value_cx *e, value a, value b)
{
    value p = v_mul(e, a, b);

    if (target_can(e->t, CAN_FMA))
        return (pair){p, v_fma(e, a, b, v_neg(e, p))};
    value ah = leading(e, a), al = v_sub(e, a, ah), bh = leading(e, b), bl = v_sub(e, b, bh);
    value r = v_sub(e, v_mul(e, ah, bh), p);
    r = v_add(e, r, v_mul(e, ah, bl));
    r = v_add(e, r, v_mul(e, al, bh));
    return (pair){p, v_add(e, r, v_mul(e, al, bl))};
}

pair pair_mul(value_cx *e, pair a, pair b)
{
    pair p = pair_product(e, a.hi, b.hi);

    p.lo = v_fma(e, a.hi, b.lo, v_fma(e, a.lo, b.hi, p.lo));
    return pair_sum_ordered(e, p.hi, p.lo);
}

pair pair_add(value_cx *e, pair a, pair b)
{
    pair s = pair_sum_ordered(e, a.hi, b.hi);

    return pair_sum_ordered(e, s.hi, v_add(e, s.lo, v_add(e, a.lo, b.lo)));
}

/* ---- f32 in f64 lanes ------------------------------------------------------------------------ */

/* f32 functions whose intermediate results would lose too much are computed as f64
 * and rounded at the end.  `brief` has the polynomials be as short as an f32 result
 * needs. */
value expand_wide(value_cx *e, expand_fn *f, int n, const value *a)
{
    value wide[2];
    type f64 = v_type(a[0], LLVMDoubleTypeInContext(e->cx));

    if (!v_is_f32(a[0]))
        return f(e, a);
    for (int i = 0; i < n; i++)
        wide[i] = LLVMBuildFPExt(e->b, a[i], f64, "");
    e->brief = true;
    value v = f(e, wide);
    e->brief = false;
    return LLVMBuildFPTrunc(e->b, v, LLVMTypeOf(a[0]), "");
}
