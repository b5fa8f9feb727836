/* codegen/llvm_ops.c - scalar functions on LLVM values of any width.  No
 * fast-math flag, no trap: see docs/ir.md for what is defined. */
#include "llvm_emit.h"

#include <math.h>
#include <stdlib.h>

type emit_wide(type t, int lanes)
{
    return lanes > 1 ? LLVMVectorType(t, (unsigned)lanes) : t;
}

type emit_memory_type(emit *e, ir_dtype d)
{
    switch (d) {
    case DT_F32: return LLVMFloatTypeInContext(e->cx);
    case DT_F64: return LLVMDoubleTypeInContext(e->cx);
    case DT_F16: return LLVMHalfTypeInContext(e->cx);
    default: return LLVMIntTypeInContext(e->cx, (unsigned)dt_size(d) * 8);
    }
}

type emit_type(emit *e, ir_dtype d)
{
    if (d == DT_F16 || d == DT_BF16)
        return LLVMFloatTypeInContext(e->cx);
    return d == DT_BOOL ? LLVMInt1TypeInContext(e->cx) : emit_memory_type(e, d);
}

/* ---- constants of a type, splat if it is a vector ----------------------------------- */

static value splat_const(type t, value scalar)
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

static type element(type t)
{
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

static value int_like(value v, int64_t c)
{
    type t = LLVMTypeOf(v);

    return splat_const(t, LLVMConstInt(element(t), (unsigned long long)c, true));
}

static value flt_like(value v, double c)
{
    type t = LLVMTypeOf(v);

    return splat_const(t, LLVMConstReal(element(t), c));
}

/* ---- calls ----------------------------------------------------------------------------- */

value emit_intrinsic(emit *e, const char *name, value *a, int n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    type t = LLVMTypeOf(a[0]);
    value f = LLVMGetIntrinsicDeclaration(e->m, id, &t, 1);

    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, &t, 1), f, a, (unsigned)n, "");
}

static value one(emit *e, const char *name, value a)
{
    return emit_intrinsic(e, name, &a, 1);
}

static value two(emit *e, const char *name, value a, value b)
{
    return emit_intrinsic(e, name, (value[]){a, b}, 2);
}

/* A function of the C library on every lane; the f32 form has an f. */
static value libm(emit *e, const char *name, const value *a, int n, int lanes)
{
    type t = element(LLVMTypeOf(a[0])), arg[2] = {t, t};
    char full[32];

    snprintf(full, sizeof full, "%s%s", name, LLVMGetTypeKind(t) == LLVMFloatTypeKind ? "f" : "");
    type ft = LLVMFunctionType(t, arg, (unsigned)n, false);
    value f = LLVMGetNamedFunction(e->m, full);
    if (!f)
        f = LLVMAddFunction(e->m, full, ft);
    if (lanes == 1)
        return LLVMBuildCall2(e->b, ft, f, (value *)a, (unsigned)n, "");
    value out = LLVMGetUndef(LLVMTypeOf(a[0]));
    for (int i = 0; i < lanes; i++) {
        value in[2], at = emit_i64(e, i);
        for (int k = 0; k < n; k++)
            in[k] = LLVMBuildExtractElement(e->b, a[k], at, "");
        value r = LLVMBuildCall2(e->b, ft, f, in, (unsigned)n, "");
        out = LLVMBuildInsertElement(e->b, out, r, at, "");
    }
    return out;
}

/* ---- integers ------------------------------------------------------------------------------ */

static value sel(emit *e, value c, value a, value b)
{
    return LLVMBuildSelect(e->b, c, a, b, "");
}

static value icmp(emit *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildICmp(e->b, p, a, b, "");
}

/* Quotient and remainder without traps: by 0 both are 0, MIN / -1 wraps. */
static value divide(emit *e, value a, value b, bool sign, bool rem)
{
    value zero = int_like(a, 0), one_ = int_like(a, 1), by0 = icmp(e, LLVMIntEQ, b, zero), bad = by0;

    if (sign)
        bad = LLVMBuildOr(e->b, bad, icmp(e, LLVMIntEQ, b, int_like(b, -1)), "");
    value safe = sel(e, bad, one_, b);
    value q = sign ? (rem ? LLVMBuildSRem(e->b, a, safe, "") : LLVMBuildSDiv(e->b, a, safe, ""))
                   : (rem ? LLVMBuildURem(e->b, a, safe, "") : LLVMBuildUDiv(e->b, a, safe, ""));
    if (sign && !rem)           /* -1: negate */
        q = sel(e, icmp(e, LLVMIntEQ, b, int_like(b, -1)), LLVMBuildNeg(e->b, a, ""), q);
    return sel(e, by0, zero, q);
}

/* Remainder with the sign of b. */
static value floor_mod(emit *e, value a, value b, bool sign)
{
    value r = divide(e, a, b, sign, true), zero = int_like(a, 0);

    if (!sign)
        return r;
    value off = LLVMBuildXor(e->b, icmp(e, LLVMIntSLT, r, zero), icmp(e, LLVMIntSLT, b, zero), "");
    off = LLVMBuildAnd(e->b, off, icmp(e, LLVMIntNE, r, zero), "");
    return sel(e, off, LLVMBuildAdd(e->b, r, b, ""), r);
}

static value shift(emit *e, sc_op op, value a, value b, bool sign)
{
    value width = int_like(b, (int64_t)LLVMGetIntTypeWidth(element(LLVMTypeOf(a))));
    value ok = icmp(e, LLVMIntULT, b, width), zero = int_like(a, 0), by = sel(e, ok, b, int_like(b, 0));

    value v = op == SC_SHL ? LLVMBuildShl(e->b, a, by, "")
              : sign       ? LLVMBuildAShr(e->b, a, by, "")
                           : LLVMBuildLShr(e->b, a, by, "");
    return sel(e, ok, v, zero);
}

/* a to the power b by repeated squaring, b taken modulo 64; negative: 0 or 1. */
static value int_power(emit *e, value a, value b, bool sign)
{
    value r = int_like(a, 1), base = a, zero = int_like(b, 0);

    for (int i = 0; i < 6; i++) {
        value bit = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, b, int_like(b, i), ""), int_like(b, 1), "");
        r = sel(e, icmp(e, LLVMIntNE, bit, zero), LLVMBuildMul(e->b, r, base, ""), r);
        base = LLVMBuildMul(e->b, base, base, "");
    }
    if (!sign)
        return r;
    value unit = sel(e, icmp(e, LLVMIntEQ, a, int_like(a, 1)), a, int_like(a, 0));
    value odd = icmp(e, LLVMIntNE, LLVMBuildAnd(e->b, b, int_like(b, 1), ""), zero);
    value minus = sel(e, odd, int_like(a, -1), int_like(a, 1));
    unit = sel(e, icmp(e, LLVMIntEQ, a, int_like(a, -1)), minus, unit);
    return sel(e, icmp(e, LLVMIntSLT, b, zero), unit, r);
}

static value int_op(emit *e, sc_op op, ir_dtype d, const value *a)
{
    bool sign = dt_is_signed(d);

    switch (op) {
    case SC_ADD: return LLVMBuildAdd(e->b, a[0], a[1], "");
    case SC_SUB: return LLVMBuildSub(e->b, a[0], a[1], "");
    case SC_MUL: return LLVMBuildMul(e->b, a[0], a[1], "");
    case SC_DIV: return divide(e, a[0], a[1], sign, false);
    case SC_REM: return divide(e, a[0], a[1], sign, true);
    case SC_MOD: return floor_mod(e, a[0], a[1], sign);
    case SC_NEG: return LLVMBuildNeg(e->b, a[0], "");
    case SC_ABS: return sign ? sel(e, icmp(e, LLVMIntSLT, a[0], int_like(a[0], 0)), LLVMBuildNeg(e->b, a[0], ""), a[0]) : a[0];
    case SC_SIGN: {
        value z = int_like(a[0], 0), o = int_like(a[0], 1);
        value up = sel(e, icmp(e, sign ? LLVMIntSGT : LLVMIntUGT, a[0], z), o, z);
        return sign ? sel(e, icmp(e, LLVMIntSLT, a[0], z), int_like(a[0], -1), up) : up;
    }
    case SC_MIN: return sel(e, icmp(e, sign ? LLVMIntSLT : LLVMIntULT, a[0], a[1]), a[0], a[1]);
    case SC_MAX: return sel(e, icmp(e, sign ? LLVMIntSGT : LLVMIntUGT, a[0], a[1]), a[0], a[1]);
    case SC_POW: return int_power(e, a[0], a[1], sign);
    case SC_AND: return LLVMBuildAnd(e->b, a[0], a[1], "");
    case SC_OR: return LLVMBuildOr(e->b, a[0], a[1], "");
    case SC_XOR: return LLVMBuildXor(e->b, a[0], a[1], "");
    case SC_NOT: return LLVMBuildNot(e->b, a[0], "");
    case SC_SHL:
    case SC_SHR: return shift(e, op, a[0], a[1], sign);
    case SC_EQ: return icmp(e, LLVMIntEQ, a[0], a[1]);
    case SC_NE: return icmp(e, LLVMIntNE, a[0], a[1]);
    case SC_LT: return icmp(e, sign ? LLVMIntSLT : LLVMIntULT, a[0], a[1]);
    case SC_LE: return icmp(e, sign ? LLVMIntSLE : LLVMIntULE, a[0], a[1]);
    default: ice(__FILE__, __LINE__, __func__, "%s on integers", sc_text(op));
    }
}

/* ---- floats ----------------------------------------------------------------------------------- */

static value fcmp(emit *e, LLVMRealPredicate p, value a, value b)
{
    return LLVMBuildFCmp(e->b, p, a, b, "");
}

static value f_add(emit *e, value a, value b) { return LLVMBuildFAdd(e->b, a, b, ""); }
static value f_sub(emit *e, value a, value b) { return LLVMBuildFSub(e->b, a, b, ""); }
static value f_mul(emit *e, value a, value b) { return LLVMBuildFMul(e->b, a, b, ""); }
static value f_div(emit *e, value a, value b) { return LLVMBuildFDiv(e->b, a, b, ""); }

static value fma_(emit *e, value a, value b, value c)
{
    if (!e->t->has_fma)
        return f_add(e, f_mul(e, a, b), c);
    return emit_intrinsic(e, "llvm.fma", (value[]){a, b, c}, 3);
}

/* c[0] + x (c[1] + x (..)) */
static value horner(emit *e, value x, const double *c, int n)
{
    value r = flt_like(x, c[n - 1]);

    for (int i = n - 2; i >= 0; i--)
        r = fma_(e, r, x, flt_like(x, c[i]));
    return r;
}

static bool is_f32(value v)
{
    return LLVMGetTypeKind(element(LLVMTypeOf(v))) == LLVMFloatTypeKind;
}

/* f32 bits as i32 and back. */
static value as_int(emit *e, value v)
{
    type t = LLVMTypeOf(v), i = LLVMInt32TypeInContext(e->cx);

    if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
        i = LLVMVectorType(i, LLVMGetVectorSize(t));
    return LLVMBuildBitCast(e->b, v, i, "");
}

static value as_flt(emit *e, value v)
{
    type t = LLVMTypeOf(v), f = LLVMFloatTypeInContext(e->cx);

    if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
        f = LLVMVectorType(f, LLVMGetVectorSize(t));
    return LLVMBuildBitCast(e->b, v, f, "");
}

/* 2^n for an integral float n in [-252, 254], in two factors: denormals come
 * out right. */
static value scale2(emit *e, value v, value n)
{
    type it = LLVMTypeOf(as_int(e, n));
    value i = LLVMBuildFPToSI(e->b, n, it, "");
    value h = LLVMBuildAShr(e->b, i, int_like(i, 1), ""), r = LLVMBuildSub(e->b, i, h, "");
    value bias = int_like(i, 127), s = int_like(i, 23);

    h = as_flt(e, LLVMBuildShl(e->b, LLVMBuildAdd(e->b, h, bias, ""), s, ""));
    r = as_flt(e, LLVMBuildShl(e->b, LLVMBuildAdd(e->b, r, bias, ""), s, ""));
    return f_mul(e, f_mul(e, v, h), r);
}

/* e^x, f32: x = n ln2 + r, |r| <= ln2/2, a polynomial of degree 6 for e^r.
 * Within 1 ULP (tests/unit/test_expand.c). */
static value exp_f32(emit *e, value x)
{
    static const double c[] = {1, 1, 0.49999994, 0.16666657, 0.041668236, 0.0083345175, 0.0013815939};
    value lo = flt_like(x, -104), hi = flt_like(x, 89);
    value in = sel(e, fcmp(e, LLVMRealOLT, x, lo), lo, x);
    in = sel(e, fcmp(e, LLVMRealOGT, in, hi), hi, in);
    value nan = fcmp(e, LLVMRealUNO, x, x);
    in = sel(e, nan, flt_like(x, 0), in);
    value n = one(e, "llvm.roundeven", f_mul(e, in, flt_like(x, 1.44269504088896341)));
    value r = fma_(e, n, flt_like(x, -0.693145751953125), in);
    r = fma_(e, n, flt_like(x, -1.42860682030941723e-6), r);
    value p = scale2(e, horner(e, r, c, 7), n);
    return sel(e, nan, x, p);
}

/* ln x, f32: x = 2^k m with m in [sqrt(1/2), sqrt 2), s = (m-1)/(m+1),
 * 2 atanh s. */
static value log_f32(emit *e, value x)
{
    static const double c[] = {2, 0.66666667, 0.4000000, 0.28571430, 0.22222198, 0.18183573, 0.15313837};
    value tiny = fcmp(e, LLVMRealOLT, x, flt_like(x, 1.17549435e-38));
    value big = sel(e, tiny, f_mul(e, x, flt_like(x, 8388608.0)), x);
    value i = as_int(e, big);
    value k = LLVMBuildSub(e->b, i, int_like(i, 0x3f3504f3), "");
    k = LLVMBuildAShr(e->b, k, int_like(i, 23), "");
    value m = as_flt(e, LLVMBuildSub(e->b, i, LLVMBuildShl(e->b, k, int_like(i, 23), ""), ""));
    value kf = LLVMBuildSIToFP(e->b, k, LLVMTypeOf(x), "");
    kf = sel(e, tiny, f_sub(e, kf, flt_like(x, 23)), kf);
    value f = f_sub(e, m, flt_like(x, 1)), s = f_div(e, f, f_add(e, m, flt_like(x, 1))), s2 = f_mul(e, s, s);
    /* log m = f - s (f - s2 R) keeps the leading bits of f */
    value rr = horner(e, s2, c + 1, 6);
    value lg = f_sub(e, f, f_mul(e, s, f_sub(e, f, f_mul(e, s2, rr))));
    value r = fma_(e, kf, flt_like(x, 1.42860682030941723e-6), lg);
    r = fma_(e, kf, flt_like(x, 0.693145751953125), r);
    value zero = flt_like(x, 0), inf = flt_like(x, INFINITY);
    r = sel(e, fcmp(e, LLVMRealOEQ, x, zero), flt_like(x, -INFINITY), r);
    r = sel(e, fcmp(e, LLVMRealULT, x, zero), flt_like(x, NAN), r);
    return sel(e, fcmp(e, LLVMRealOEQ, x, inf), x, r);
}

/* 1 / (1 + e^-x) */
static value sigmoid_f32(emit *e, value x)
{
    value o = flt_like(x, 1);

    return f_div(e, o, f_add(e, o, exp_f32(e, LLVMBuildFNeg(e->b, x, ""))));
}

/* tanh: odd polynomial below 0.625, else 1 - 2 / (e^2|x| + 1) with x's sign. */
static value tanh_f32(emit *e, value x)
{
    static const double c[] = {-0.333332819422, 0.133314422036, -0.0537397155531, 0.0206390887954, -0.00570498872745};
    value ax = one(e, "llvm.fabs", x), x2 = f_mul(e, x, x), o = flt_like(x, 1);
    value small = fma_(e, f_mul(e, x2, horner(e, x2, c, 5)), x, x);
    value ex = exp_f32(e, f_add(e, ax, ax));
    value big = f_sub(e, o, f_div(e, flt_like(x, 2), f_add(e, ex, o)));
    big = two(e, "llvm.copysign", big, x);
    value r = sel(e, fcmp(e, LLVMRealOLT, ax, flt_like(x, 0.625)), small, big);
    return sel(e, fcmp(e, LLVMRealUNO, x, x), x, r);
}

static value unary_libm(emit *e, const char *name, value a, int lanes)
{
    return libm(e, name, &a, 1, lanes);
}

/* a - b trunc(a / b), in double for f32: exact while the quotient is below 2^53. */
static value float_rem(emit *e, const value *a, int lanes)
{
    return libm(e, "fmod", a, 2, lanes);
}

static value float_mod(emit *e, const value *a, int lanes)
{
    value r = float_rem(e, a, lanes), zero = flt_like(a[0], 0);
    value off = LLVMBuildXor(e->b, fcmp(e, LLVMRealOLT, r, zero), fcmp(e, LLVMRealOLT, a[1], zero), "");

    off = LLVMBuildAnd(e->b, off, fcmp(e, LLVMRealONE, r, zero), "");
    return sel(e, off, f_add(e, r, a[1]), r);
}

static value flt_op(emit *e, sc_op op, const value *a, int lanes)
{
    value x = a[0];
    bool f32 = is_f32(x);

    switch (op) {
    case SC_ADD: return f_add(e, x, a[1]);
    case SC_SUB: return f_sub(e, x, a[1]);
    case SC_MUL: return f_mul(e, x, a[1]);
    case SC_DIV: return f_div(e, x, a[1]);
    case SC_REM: return float_rem(e, a, lanes);
    case SC_MOD: return float_mod(e, a, lanes);
    case SC_NEG: return LLVMBuildFNeg(e->b, x, "");
    case SC_ABS: return one(e, "llvm.fabs", x);
    case SC_SIGN: {
        value z = flt_like(x, 0);
        value v = sel(e, fcmp(e, LLVMRealOGT, x, z), flt_like(x, 1), x);
        return sel(e, fcmp(e, LLVMRealOLT, x, z), flt_like(x, -1), v);
    }
    case SC_MIN: return two(e, "llvm.minimum", x, a[1]);
    case SC_MAX: return two(e, "llvm.maximum", x, a[1]);
    case SC_POW: return libm(e, "pow", a, 2, lanes);
    case SC_FMA: return fma_(e, x, a[1], a[2]);
    case SC_SQRT: return one(e, "llvm.sqrt", x);
    case SC_FLOOR: return one(e, "llvm.floor", x);
    case SC_CEIL: return one(e, "llvm.ceil", x);
    case SC_TRUNC: return one(e, "llvm.trunc", x);
    case SC_ROUND: return one(e, "llvm.roundeven", x);
    case SC_EXP: return f32 ? exp_f32(e, x) : unary_libm(e, "exp", x, lanes);
    case SC_LOG: return f32 ? log_f32(e, x) : unary_libm(e, "log", x, lanes);
    case SC_SIGMOID:
        if (f32)
            return sigmoid_f32(e, x);
        return f_div(e, flt_like(x, 1), f_add(e, flt_like(x, 1), unary_libm(e, "exp", LLVMBuildFNeg(e->b, x, ""), lanes)));
    case SC_TANH: return f32 ? tanh_f32(e, x) : unary_libm(e, "tanh", x, lanes);
    case SC_EXPM1: return unary_libm(e, "expm1", x, lanes);
    case SC_LOG1P: return unary_libm(e, "log1p", x, lanes);
    case SC_SIN: return unary_libm(e, "sin", x, lanes);
    case SC_COS: return unary_libm(e, "cos", x, lanes);
    case SC_TAN: return unary_libm(e, "tan", x, lanes);
    case SC_ASIN: return unary_libm(e, "asin", x, lanes);
    case SC_ACOS: return unary_libm(e, "acos", x, lanes);
    case SC_ATAN: return unary_libm(e, "atan", x, lanes);
    case SC_SINH: return unary_libm(e, "sinh", x, lanes);
    case SC_COSH: return unary_libm(e, "cosh", x, lanes);
    case SC_ASINH: return unary_libm(e, "asinh", x, lanes);
    case SC_ACOSH: return unary_libm(e, "acosh", x, lanes);
    case SC_ATANH: return unary_libm(e, "atanh", x, lanes);
    case SC_ERF: return unary_libm(e, "erf", x, lanes);
    case SC_EQ: return fcmp(e, LLVMRealOEQ, x, a[1]);
    case SC_NE: return fcmp(e, LLVMRealUNE, x, a[1]);
    case SC_LT: return fcmp(e, LLVMRealOLT, x, a[1]);
    case SC_LE: return fcmp(e, LLVMRealOLE, x, a[1]);
    case SC_ISNAN: return fcmp(e, LLVMRealUNO, x, x);
    case SC_ISINF: return fcmp(e, LLVMRealOEQ, one(e, "llvm.fabs", x), flt_like(x, INFINITY));
    default: ice(__FILE__, __LINE__, __func__, "%s on floats", sc_text(op));
    }
}

/* ---- rounding to the narrow types, casts ----------------------------------------------------------- */

/* bf16 of a float, as i16: nearest even; NaN stays a NaN. */
static value to_bf16(emit *e, value v)
{
    value i = as_int(e, v), lsb = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, i, int_like(i, 16), ""), int_like(i, 1), "");
    value r = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, i, lsb, ""), int_like(i, 0x7fff), "");

    r = LLVMBuildLShr(e->b, r, int_like(i, 16), "");
    value quiet = LLVMBuildOr(e->b, LLVMBuildLShr(e->b, i, int_like(i, 16), ""), int_like(i, 0x40), "");
    r = sel(e, fcmp(e, LLVMRealUNO, v, v), quiet, r);
    type t = LLVMInt16TypeInContext(e->cx);
    if (LLVMGetTypeKind(LLVMTypeOf(r)) == LLVMVectorTypeKind)
        t = LLVMVectorType(t, LLVMGetVectorSize(LLVMTypeOf(r)));
    return LLVMBuildTrunc(e->b, r, t, "");
}

value emit_to_memory(emit *e, ir_dtype d, value v, int lanes)
{
    if (d == DT_BOOL)
        return LLVMBuildZExt(e->b, v, emit_wide(LLVMInt8TypeInContext(e->cx), lanes), "");
    if (d == DT_F16)
        return LLVMBuildFPTrunc(e->b, v, emit_wide(LLVMHalfTypeInContext(e->cx), lanes), "");
    return d == DT_BF16 ? to_bf16(e, v) : v;
}

value emit_from_memory(emit *e, ir_dtype d, value v, int lanes)
{
    if (d == DT_BOOL)
        return icmp(e, LLVMIntNE, v, int_like(v, 0));
    if (d == DT_F16)
        return LLVMBuildFPExt(e->b, v, emit_wide(LLVMFloatTypeInContext(e->cx), lanes), "");
    if (d != DT_BF16)
        return v;
    value i = LLVMBuildZExt(e->b, v, emit_wide(LLVMInt32TypeInContext(e->cx), lanes), "");
    return as_flt(e, LLVMBuildShl(e->b, i, int_like(i, 16), ""));
}

static value round_narrow(emit *e, ir_dtype d, value v, int lanes)
{
    if (d != DT_F16 && d != DT_BF16)
        return v;
    return emit_from_memory(e, d, emit_to_memory(e, d, v, lanes), lanes);
}

value emit_op(emit *e, sc_op op, ir_dtype d, const value *a, int lanes)
{
    if (op == SC_SELECT)
        return sel(e, a[0], a[1], a[2]);
    if (!dt_is_float(d))
        return int_op(e, op, d, a);
    value v = flt_op(e, op, a, lanes);
    return sc_of(op)->result == SC_BOOL ? v : round_narrow(e, d, v, lanes);
}

value emit_cast(emit *e, ir_dtype from, ir_dtype to, value v, int lanes)
{
    type t = emit_wide(emit_type(e, to), lanes);
    bool sign = dt_is_signed(from);

    if (from == to)
        return v;
    if (to == DT_BOOL)
        return dt_is_float(from) ? fcmp(e, LLVMRealUNE, v, flt_like(v, 0)) : icmp(e, LLVMIntNE, v, int_like(v, 0));
    if (dt_is_float(to) && dt_is_float(from)) {
        if (to == DT_F64 && LLVMTypeOf(v) != t)
            v = LLVMBuildFPExt(e->b, v, t, "");
        else if (from == DT_F64)
            v = LLVMBuildFPTrunc(e->b, v, t, "");
        return round_narrow(e, to, v, lanes);
    }
    if (dt_is_float(to)) {
        v = sign ? LLVMBuildSIToFP(e->b, v, t, "") : LLVMBuildUIToFP(e->b, v, t, "");
        return round_narrow(e, to, v, lanes);
    }
    if (dt_is_float(from)) {
        const char *name = dt_is_signed(to) ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
        type both[2] = {t, LLVMTypeOf(v)};
        unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
        value f = LLVMGetIntrinsicDeclaration(e->m, id, both, 2);
        return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, both, 2), f, &v, 1, "");
    }
    int a = from == DT_BOOL ? 1 : dt_bits(from), b = dt_bits(to);
    if (a > b)
        return LLVMBuildTrunc(e->b, v, t, "");
    return a == b ? v : sign ? LLVMBuildSExt(e->b, v, t, "") : LLVMBuildZExt(e->b, v, t, "");
}
