/* codegen/llvm/ops.c - scalar functions on LLVM values of any width.  No
 * fast-math flag, no trap: see docs/ir.md for what is defined. */
#include <math.h>

#include "expand.h"

type emit_wide(type t, int lanes)
{
    return lanes > 1 ? LLVMVectorType(t, (unsigned)lanes) : t;
}

type emit_memory_type(emit *e, ir_dtype d)
{
    switch (d) {
    case DT_F32: return LLVMFloatTypeInContext(e->cx);
    case DT_F64: return LLVMDoubleTypeInContext(e->cx);
    case DT_F16:
        return target_can(e->t, CAN_HALF) ? LLVMHalfTypeInContext(e->cx)
                                          : LLVMInt16TypeInContext(e->cx);
    default: return LLVMIntTypeInContext(e->cx, (unsigned)dt_size(d) * 8);
    }
}

type emit_type(emit *e, ir_dtype d)
{
    if (d == DT_F16 || d == DT_BF16)
        return LLVMFloatTypeInContext(e->cx);
    return d == DT_BOOL ? LLVMInt1TypeInContext(e->cx) : emit_memory_type(e, d);
}

/* ---- calls ----------------------------------------------------------------------------- */

value emit_intrinsic(emit *e, const char *name, value *a, int n)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    type t = LLVMTypeOf(a[0]);
    value f = LLVMGetIntrinsicDeclaration(e->m, id, &t, 1);

    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, &t, 1), f, a, (unsigned)n, "");
}

static value two(emit *e, const char *name, value a, value b)
{
    return emit_intrinsic(e, name, (value[]){a, b}, 2);
}

/* ---- integers ------------------------------------------------------------------------------ */

/* Quotient and remainder without traps: by 0 both are 0, MIN / -1 wraps. */
static value divide(emit *e, value a, value b, bool sign, bool rem)
{
    value zero = v_int(a, 0), unit = v_int(a, 1), by0 = v_icmp(e, LLVMIntEQ, b, zero), bad = by0;

    if (sign)
        bad = LLVMBuildOr(e->b, bad, v_icmp(e, LLVMIntEQ, b, v_int(b, -1)), "");
    value safe = v_sel(e, bad, unit, b);
    value q = sign ? (rem ? LLVMBuildSRem(e->b, a, safe, "") : LLVMBuildSDiv(e->b, a, safe, ""))
                   : (rem ? LLVMBuildURem(e->b, a, safe, "") : LLVMBuildUDiv(e->b, a, safe, ""));
    if (sign && !rem) {         /* -1: negate */
        value minus1 = v_icmp(e, LLVMIntEQ, b, v_int(b, -1));
        q = v_sel(e, minus1, LLVMBuildNeg(e->b, a, ""), q);
    }
    return v_sel(e, by0, zero, q);
}

/* Remainder with the sign of b. */
static value floor_mod(emit *e, value a, value b, bool sign)
{
    value r = divide(e, a, b, sign, true), zero = v_int(a, 0);

    if (!sign)
        return r;
    value off = v_icmp(e, LLVMIntSLT, r, zero);
    off = LLVMBuildXor(e->b, off, v_icmp(e, LLVMIntSLT, b, zero), "");
    off = LLVMBuildAnd(e->b, off, v_icmp(e, LLVMIntNE, r, zero), "");
    return v_sel(e, off, LLVMBuildAdd(e->b, r, b, ""), r);
}

static value shift(emit *e, sc_op op, value a, value b, bool sign)
{
    value width = v_int(b, (int64_t)LLVMGetIntTypeWidth(v_element(LLVMTypeOf(a))));
    value ok = v_icmp(e, LLVMIntULT, b, width), zero = v_int(a, 0),
          by = v_sel(e, ok, b, v_int(b, 0));

    value v = op == SC_SHL ? LLVMBuildShl(e->b, a, by, "")
              : sign       ? LLVMBuildAShr(e->b, a, by, "")
                           : LLVMBuildLShr(e->b, a, by, "");
    return v_sel(e, ok, v, zero);
}

/* a to the power b by repeated squaring; b negative: 0, 1 or -1. */
static value int_power(emit *e, value a, value b, bool sign)
{
    value r = v_int(a, 1), base = a, zero = v_int(b, 0);
    int bits = (int)LLVMGetIntTypeWidth(v_element(LLVMTypeOf(b))) - (sign ? 1 : 0);

    for (int i = 0; i < bits; i++) {
        value bit = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, b, v_int(b, i), ""), v_int(b, 1), "");
        value set = v_icmp(e, LLVMIntNE, bit, zero);
        r = v_sel(e, set, LLVMBuildMul(e->b, r, base, ""), r);
        base = LLVMBuildMul(e->b, base, base, "");
    }
    if (!sign)
        return r;
    value unit = v_sel(e, v_icmp(e, LLVMIntEQ, a, v_int(a, 1)), a, v_int(a, 0));
    value odd = v_icmp(e, LLVMIntNE, LLVMBuildAnd(e->b, b, v_int(b, 1), ""), zero);
    value minus = v_sel(e, odd, v_int(a, -1), v_int(a, 1));
    unit = v_sel(e, v_icmp(e, LLVMIntEQ, a, v_int(a, -1)), minus, unit);
    return v_sel(e, v_icmp(e, LLVMIntSLT, b, zero), unit, r);
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
    case SC_ABS: {
        if (!sign)
            return a[0];
        value below = v_icmp(e, LLVMIntSLT, a[0], v_int(a[0], 0));
        return v_sel(e, below, LLVMBuildNeg(e->b, a[0], ""), a[0]);
    }
    case SC_SIGN: {
        value z = v_int(a[0], 0), o = v_int(a[0], 1);
        value up = v_sel(e, v_icmp(e, sign ? LLVMIntSGT : LLVMIntUGT, a[0], z), o, z);
        return sign ? v_sel(e, v_icmp(e, LLVMIntSLT, a[0], z), v_int(a[0], -1), up) : up;
    }
    case SC_MIN: return v_sel(e, v_icmp(e, sign ? LLVMIntSLT : LLVMIntULT, a[0], a[1]), a[0], a[1]);
    case SC_MAX: return v_sel(e, v_icmp(e, sign ? LLVMIntSGT : LLVMIntUGT, a[0], a[1]), a[0], a[1]);
    case SC_POW: return int_power(e, a[0], a[1], sign);
    case SC_AND: return LLVMBuildAnd(e->b, a[0], a[1], "");
    case SC_OR: return LLVMBuildOr(e->b, a[0], a[1], "");
    case SC_XOR: return LLVMBuildXor(e->b, a[0], a[1], "");
    case SC_NOT: return LLVMBuildNot(e->b, a[0], "");
    case SC_SHL:
    case SC_SHR: return shift(e, op, a[0], a[1], sign);
    case SC_EQ: return v_icmp(e, LLVMIntEQ, a[0], a[1]);
    case SC_NE: return v_icmp(e, LLVMIntNE, a[0], a[1]);
    case SC_LT: return v_icmp(e, sign ? LLVMIntSLT : LLVMIntULT, a[0], a[1]);
    case SC_LE: return v_icmp(e, sign ? LLVMIntSLE : LLVMIntULE, a[0], a[1]);
    default: ice(__FILE__, __LINE__, __func__, "%s on integers", sc_text(op));
    }
}

/* ---- floats ------------------------------------------------------------------------- */

static value flt_op(emit *e, sc_op op, const value *a)
{
    value x = a[0];

    switch (op) {
    case SC_ADD: return v_add(e, x, a[1]);
    case SC_SUB: return v_sub(e, x, a[1]);
    case SC_MUL: return v_mul(e, x, a[1]);
    case SC_DIV: return v_div(e, x, a[1]);
    case SC_NEG: return LLVMBuildFNeg(e->b, x, "");
    case SC_ABS: return v_abs(e, x);
    case SC_SIGN: {
        value z = v_flt(x, 0);
        value v = v_sel(e, v_fcmp(e, LLVMRealOGT, x, z), v_flt(x, 1), x);
        return v_sel(e, v_fcmp(e, LLVMRealOLT, x, z), v_flt(x, -1), v);
    }
    case SC_MIN: return two(e, "llvm.minimum", x, a[1]);
    case SC_MAX: return two(e, "llvm.maximum", x, a[1]);
    case SC_FMA: return v_fma(e, x, a[1], a[2]);
    case SC_SQRT: return v_sqrt(e, x);
    case SC_FLOOR:
    case SC_CEIL:
    case SC_TRUNC:
    case SC_ROUND: return v_round(e, op, x);
    case SC_EQ: return v_fcmp(e, LLVMRealOEQ, x, a[1]);
    case SC_NE: return v_fcmp(e, LLVMRealUNE, x, a[1]);
    case SC_LT: return v_fcmp(e, LLVMRealOLT, x, a[1]);
    case SC_LE: return v_fcmp(e, LLVMRealOLE, x, a[1]);
    case SC_ISNAN: return v_fcmp(e, LLVMRealUNO, x, x);
    case SC_ISINF: return v_fcmp(e, LLVMRealOEQ, v_abs(e, x), v_flt(x, INFINITY));
    default: break;
    }
    value v = expand_op(e, op, a);
    ICE_IF(!v, "%s on floats", sc_text(op));
    return v;
}

/* ---- rounding to the narrow types, casts -------------------------------------------- */

/* bf16 of a float, as i16: nearest even; NaN stays a NaN. */
static value to_bf16(emit *e, value v)
{
    value i = v_bits(e, v),
          lsb = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, i, v_int(i, 16), ""), v_int(i, 1), "");
    value r = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, i, lsb, ""), v_int(i, 0x7fff), "");

    r = LLVMBuildLShr(e->b, r, v_int(i, 16), "");
    value quiet = LLVMBuildOr(e->b, LLVMBuildLShr(e->b, i, v_int(i, 16), ""), v_int(i, 0x40), "");
    r = v_sel(e, v_fcmp(e, LLVMRealUNO, v, v), quiet, r);
    type t = LLVMInt16TypeInContext(e->cx);
    if (LLVMGetTypeKind(LLVMTypeOf(r)) == LLVMVectorTypeKind)
        t = LLVMVectorType(t, LLVMGetVectorSize(LLVMTypeOf(r)));
    return LLVMBuildTrunc(e->b, r, t, "");
}

value emit_to_memory(emit *e, ir_dtype d, value v, int lanes)
{
    if (d == DT_BOOL)
        return LLVMBuildZExt(e->b, v, emit_wide(LLVMInt8TypeInContext(e->cx), lanes), "");
    type half = emit_wide(LLVMHalfTypeInContext(e->cx), lanes);
    if (d == DT_F16)
        return target_can(e->t, CAN_HALF) ? LLVMBuildFPTrunc(e->b, v, half, "") : v_half(e, v);
    return d == DT_BF16 ? to_bf16(e, v) : v;
}

value emit_from_memory(emit *e, ir_dtype d, value v, int lanes)
{
    if (d == DT_BOOL)
        return v_icmp(e, LLVMIntNE, v, v_int(v, 0));
    if (d == DT_F16 && target_can(e->t, CAN_HALF))
        return LLVMBuildFPExt(e->b, v, emit_wide(LLVMFloatTypeInContext(e->cx), lanes), "");
    if (d == DT_F16)
        return v_from_half(e, v);
    if (d != DT_BF16)
        return v;
    value i = LLVMBuildZExt(e->b, v, emit_wide(LLVMInt32TypeInContext(e->cx), lanes), "");
    return v_float(e, LLVMBuildShl(e->b, i, v_int(i, 16), ""));
}

static value round_narrow(emit *e, ir_dtype d, value v, int lanes)
{
    if (d != DT_F16 && d != DT_BF16)
        return v;
    return emit_from_memory(e, d, emit_to_memory(e, d, v, lanes), lanes);
}

/* LLVM 19 makes f16 operations of minimum and maximum between conversions, and
 * these lose NaN on F16C. */
value emit_op(emit *e, sc_op op, ir_dtype d, const value *a, int lanes)
{
    if (op == SC_SELECT)
        return v_sel(e, a[0], a[1], a[2]);
    if (!dt_is_float(d))
        return int_op(e, op, d, a);
    value v = flt_op(e, op, a);
    if (d == DT_F16 && (op == SC_MIN || op == SC_MAX)) {
        value nan = v_fcmp(e, LLVMRealUNO, a[0], a[1]);
        v = v_sel(e, nan, v_add(e, a[0], a[1]), v);
    }
    return sc_of(op)->result == SC_BOOL ? v : round_narrow(e, d, v, lanes);
}

/* f64 to float, rounded to odd: an inexact result has its last bit set, so that
 * rounding it again to 16 bits gives what rounding once would. */
static value odd_float(emit *e, value v, int lanes)
{
    value near = LLVMBuildFPTrunc(e->b, v, emit_wide(LLVMFloatTypeInContext(e->cx), lanes), "");
    value back = LLVMBuildFPExt(e->b, near, LLVMTypeOf(v), ""), bits = v_bits(e, near);
    value size = v_abs(e, back), away = v_fcmp(e, LLVMRealOGT, size, v_abs(e, v));
    value odd = v_sel(e, away, LLVMBuildSub(e->b, bits, v_int(bits, 1), ""), bits);

    odd = LLVMBuildOr(e->b, odd, v_int(bits, 1), "");
    value inexact = v_fcmp(e, LLVMRealONE, back, v);
    return v_sel(e, inexact, v_float(e, odd), near);
}

/* An integer of 32 or 64 bits as f64.  Of large ones the bits that 16-bit floats
 * cannot tell apart become one. */
static value narrowable(emit *e, value v, bool sign, int lanes)
{
    enum { EXACT = 40, LOW = 0xfff, STICKY = 0x800 };
    type f64 = emit_wide(LLVMDoubleTypeInContext(e->cx), lanes);

    if (LLVMGetIntTypeWidth(v_element(LLVMTypeOf(v))) == 64) {
        value low = LLVMBuildAnd(e->b, v, v_int(v, LOW), ""), none = v_int(v, 0);
        value sticky = v_sel(e, v_icmp(e, LLVMIntNE, low, none), v_int(v, STICKY), none);
        value high = LLVMBuildOr(e->b, LLVMBuildSub(e->b, v, low, ""), sticky, "");
        value middle = LLVMBuildAdd(e->b, v, v_int(v, sign ? (int64_t)1 << EXACT : 0), "");
        value large = v_icmp(e, LLVMIntUGT, middle, v_int(v, (int64_t)2 << EXACT));
        v = v_sel(e, large, high, v);
    }
    return sign ? LLVMBuildSIToFP(e->b, v, f64, "") : LLVMBuildUIToFP(e->b, v, f64, "");
}

value emit_cast(emit *e, ir_dtype from, ir_dtype to, value v, int lanes)
{
    type t = emit_wide(emit_type(e, to), lanes);
    bool sign = dt_is_signed(from);

    if (from == to)
        return v;
    if (to == DT_BOOL)
        return dt_is_float(from) ? v_fcmp(e, LLVMRealUNE, v, v_flt(v, 0))
                                 : v_icmp(e, LLVMIntNE, v, v_int(v, 0));
    if ((to == DT_F16 || to == DT_BF16) && dt_bits(from) >= 32 && from != DT_F32) {
        v = from == DT_F64 ? v : narrowable(e, v, sign, lanes);
        return round_narrow(e, to, odd_float(e, v, lanes), lanes);
    }
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
