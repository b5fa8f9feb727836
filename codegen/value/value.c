/* codegen/value/value.c - constants and operators of any width.  v_int(like, 3) is 3
 * in the type of `like`, scalar or vector, so one text of a function serves all
 * widths. */
#include "value.h"

type v_element(type t)
{
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

type v_type(value like, type element)
{
    type t = LLVMTypeOf(like);

    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMVectorType(element, LLVMGetVectorSize(t))
                                                    : element;
}

/* A constant in all lanes. */
static value splat(type t, value scalar)
{
    if (LLVMGetTypeKind(t) != LLVMVectorTypeKind)
        return scalar;
    unsigned n = LLVMGetVectorSize(t);
    value *all = mem_alloc(n * sizeof *all);
    for (unsigned i = 0; i < n; i++)
        all[i] = scalar;
    value v = LLVMConstVector(all, n);
    mem_free(all);
    return v;
}

value v_int(value like, int64_t c)
{
    type t = LLVMTypeOf(like);

    return splat(t, LLVMConstInt(v_element(t), (unsigned long long)c, true));
}

value v_flt(value like, double c)
{
    type t = LLVMTypeOf(like);

    return splat(t, LLVMConstReal(v_element(t), c));
}

value v_i64(value_cx *e, int64_t c)
{
    return LLVMConstInt(LLVMInt64TypeInContext(e->cx), (unsigned long long)c, true);
}

bool v_is_f32(value v)
{
    return LLVMGetTypeKind(v_element(LLVMTypeOf(v))) == LLVMFloatTypeKind;
}

value v_bits(value_cx *e, value v)
{
    type t = v_is_f32(v) ? LLVMInt32TypeInContext(e->cx) : LLVMInt64TypeInContext(e->cx);

    return LLVMBuildBitCast(e->b, v, v_type(v, t), "");
}

value v_float(value_cx *e, value bits)
{
    bool narrow = LLVMGetIntTypeWidth(v_element(LLVMTypeOf(bits))) == 32;
    type t = narrow ? LLVMFloatTypeInContext(e->cx) : LLVMDoubleTypeInContext(e->cx);

    return LLVMBuildBitCast(e->b, bits, v_type(bits, t), "");
}

value v_function(value_cx *e, const char *name, type result, type *in, int n, bool *fresh)
{
    value f = LLVMGetNamedFunction(e->m, name);

    *fresh = !f;
    if (f)
        return f;
    f = LLVMAddFunction(e->m, name, LLVMFunctionType(result, in, (unsigned)n, false));
    LLVMSetLinkage(f, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->cx, f, ""));
    return f;
}

value v_intrinsic(value_cx *e, const char *name, value *a, int n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    type t = LLVMTypeOf(a[0]);
    value f = LLVMGetIntrinsicDeclaration(e->m, id, &t, 1);

    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, &t, 1), f, a, (unsigned)n, "");
}

value v_icmp(value_cx *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildICmp(e->b, p, a, b, "");
}

value v_fcmp(value_cx *e, LLVMRealPredicate p, value a, value b)
{
    return LLVMBuildFCmp(e->b, p, a, b, "");
}

value v_sel(value_cx *e, value cond, value a, value b)
{
    return LLVMBuildSelect(e->b, cond, a, b, "");
}

value v_and(value_cx *e, value a, value b) { return LLVMBuildAnd(e->b, a, b, ""); }
value v_or(value_cx *e, value a, value b) { return LLVMBuildOr(e->b, a, b, ""); }
value v_add(value_cx *e, value a, value b) { return LLVMBuildFAdd(e->b, a, b, ""); }
value v_sub(value_cx *e, value a, value b) { return LLVMBuildFSub(e->b, a, b, ""); }
value v_mul(value_cx *e, value a, value b) { return LLVMBuildFMul(e->b, a, b, ""); }
value v_div(value_cx *e, value a, value b) { return LLVMBuildFDiv(e->b, a, b, ""); }
value v_neg(value_cx *e, value a) { return LLVMBuildFNeg(e->b, a, ""); }
value v_abs(value_cx *e, value a) { return v_intrinsic(e, "llvm.fabs", &a, 1); }
value v_sqrt(value_cx *e, value a) { return v_intrinsic(e, "llvm.sqrt", &a, 1); }

value v_copysign(value_cx *e, value size, value sign)
{
    return v_intrinsic(e, "llvm.copysign", (value[]){size, sign}, 2);
}

value v_fma(value_cx *e, value a, value b, value c)
{
    if (!target_can(e->t, CAN_FMA))
        return v_add(e, v_mul(e, a, b), c);
    return v_intrinsic(e, "llvm.fma", (value[]){a, b, c}, 3);
}

value v_below(value_cx *e, value a, double c) { return v_fcmp(e, LLVMRealOLT, a, v_flt(a, c)); }
value v_above(value_cx *e, value a, double c) { return v_fcmp(e, LLVMRealOGT, a, v_flt(a, c)); }

/* ---- integers ----------------------------------------------------------------------- */

/* The remainder has the sign of y: where they differ, the quotient that was rounded
 * towards 0 is one too large. */
floored v_floor(LLVMBuilderRef b, value x, value y)
{
    value zero = v_int(x, 0), by0 = LLVMBuildICmp(b, LLVMIntEQ, y, zero, "");
    value minus1 = LLVMBuildICmp(b, LLVMIntEQ, y, v_int(y, -1), "");
    value safe = LLVMBuildSelect(b, LLVMBuildOr(b, by0, minus1, ""), v_int(x, 1), y, "");
    value q = LLVMBuildSDiv(b, x, safe, ""), r = LLVMBuildSRem(b, x, safe, "");

    q = LLVMBuildSelect(b, minus1, LLVMBuildNeg(b, x, ""), q, "");
    value off = LLVMBuildXor(b, LLVMBuildICmp(b, LLVMIntSLT, r, zero, ""),
                             LLVMBuildICmp(b, LLVMIntSLT, y, zero, ""), "");
    off = LLVMBuildAnd(b, off, LLVMBuildICmp(b, LLVMIntNE, r, zero, ""), "");
    q = LLVMBuildAdd(b, q, LLVMBuildSExt(b, off, LLVMTypeOf(q), ""), "");
    r = LLVMBuildSelect(b, off, LLVMBuildAdd(b, r, y, ""), r, "");
    return (floored){LLVMBuildSelect(b, by0, zero, q, ""), LLVMBuildSelect(b, by0, zero, r, "")};
}

/* ---- without instructions for it -------------------------------------------------------- */

/* Adding 2^23 or 2^52 leaves no bits behind the point. */
static value nearest(value_cx *e, value x)
{
    value a = v_abs(e, x), big = v_flt(x, v_is_f32(x) ? 0x1p23 : 0x1p52);
    value r = v_sub(e, v_add(e, a, big), big);

    return v_copysign(e, v_sel(e, v_fcmp(e, LLVMRealOLT, a, big), r, a), x);
}

static value floor_of(value_cx *e, value x)
{
    value r = nearest(e, x), above = v_fcmp(e, LLVMRealOGT, r, x);

    return v_copysign(e, v_sel(e, above, v_sub(e, r, v_flt(x, 1)), r), x);
}

/* Below SSE4.1 there is no instruction for it: sums with 2^23 or 2^52, and
 * corrections. */
value v_round(value_cx *e, sc_op op, value a)
{
    const char *name = op == SC_FLOOR   ? "llvm.floor"
                       : op == SC_CEIL  ? "llvm.ceil"
                       : op == SC_TRUNC ? "llvm.trunc"
                                        : "llvm.roundeven";

    if (target_can(e->t, CAN_ROUND))
        return v_intrinsic(e, name, &a, 1);
    switch (op) {
    case SC_FLOOR: return floor_of(e, a);
    case SC_CEIL: return v_neg(e, floor_of(e, v_neg(e, a)));
    case SC_TRUNC: return v_copysign(e, floor_of(e, v_abs(e, a)), a);
    default: return nearest(e, a);
    }
}

static value shift(value_cx *e, value v, int left)
{
    return left > 0 ? LLVMBuildShl(e->b, v, v_int(v, left), "")
                    : LLVMBuildLShr(e->b, v, v_int(v, -left), "");
}

/* Three ranges: too large, normal, and below 2^-14, where adding 1/2 leaves
 * the bits of an f16 at the end. */
value v_half(value_cx *e, value v)
{
    value i = v_bits(e, v), u = v_and(e, i, v_int(i, 0x7fffffff));
    value sign = shift(e, LLVMBuildXor(e->b, i, u, ""), -16);
    value even = LLVMBuildAdd(e->b, u, v_and(e, shift(e, u, -13), v_int(u, 1)), "");
    value normal = LLVMBuildAdd(e->b, even, v_int(u, 0xfff - (112 << 23)), "");
    value half = v_flt(v, 0.5), sum = v_bits(e, v_add(e, v_abs(e, v), half));
    value tiny = LLVMBuildSub(e->b, sum, v_bits(e, half), "");
    value nan = v_or(e, v_and(e, shift(e, u, -13), v_int(u, 0x3ff)), v_int(u, 0x7e00));
    value huge = v_sel(e, v_icmp(e, LLVMIntUGT, u, v_int(u, 0x7f800000)), nan, v_int(u, 0x7c00));
    value below = v_icmp(e, LLVMIntULT, u, v_int(u, 0x38800000));
    value r = v_sel(e, below, tiny, shift(e, normal, -13));

    r = v_sel(e, v_icmp(e, LLVMIntUGE, u, v_int(u, 0x47800000)), huge, r);
    type i16 = v_type(v, LLVMInt16TypeInContext(e->cx));
    return LLVMBuildTrunc(e->b, v_or(e, r, sign), i16, "");
}

/* The bits as an f32 whose exponent is 112 too small; the product puts it right,
 * and is exact for subnormal ones, too.  Infinity and NaN get the top exponent. */
value v_from_half(value_cx *e, value half)
{
    type i32 = v_type(half, LLVMInt32TypeInContext(e->cx));
    value i = LLVMBuildZExt(e->b, half, i32, ""), u = v_and(e, i, v_int(i, 0x7fff));
    value sign = shift(e, LLVMBuildXor(e->b, i, u, ""), 16), small = v_float(e, shift(e, u, 13));
    value r = v_bits(e, v_mul(e, small, v_flt(small, 0x1p112)));

    value endless = v_icmp(e, LLVMIntUGE, u, v_int(u, 0x7c00));
    r = v_sel(e, endless, v_or(e, r, v_int(r, 0x7f800000)), r);
    return v_float(e, v_or(e, r, sign));
}
