/* codegen/llvm/ops.c - scalar functions on LLVM values of any width.  No
 * fast-math flag, no trap: see docs/ir.md for what is defined. */
#include <math.h>

#include "expand.h"
#include "llvm_emit.h"

type emit_wide(type t, int lanes)
{
    return lanes > 1 ? LLVMVectorType(t, (unsigned)lanes) : t;
}

/* bf16, and f16 where the target cannot convert it, are integers in memory; a bool
 * is a byte. */
type emit_memory_type(value_cx *e, ir_dtype d)
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

type emit_type(value_cx *e, ir_dtype d)
{
    if (d == DT_F16 || d == DT_BF16)
        return LLVMFloatTypeInContext(e->cx);
    return d == DT_BOOL ? LLVMInt1TypeInContext(e->cx) : emit_memory_type(e, d);
}

/* Operands of a scalar function: a[..] in registers, `lanes` wide. */
typedef struct operands {
    const value *a;
    ir_dtype from, to;          /* of the operands; of the result, where it differs */
    int lanes;
} operands;

/* ---- integers ------------------------------------------------------------------------------ */

/* Quotient and remainder without traps: by 0 both are 0, MIN / -1 wraps. */
static value divide(value_cx *e, value a, value b, bool sign, bool rem)
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

static bool is_signed(const operands *x) { return dt_is_signed(x->from); }

static value int_div(value_cx *e, const operands *x)
{
    return divide(e, x->a[0], x->a[1], is_signed(x), false);
}

static value int_rem(value_cx *e, const operands *x)
{
    return divide(e, x->a[0], x->a[1], is_signed(x), true);
}

static value int_mod(value_cx *e, const operands *x)
{
    return is_signed(x) ? v_floor(e->b, x->a[0], x->a[1]).rest : int_rem(e, x);
}

static value int_neg(value_cx *e, const operands *x) { return LLVMBuildNeg(e->b, x->a[0], ""); }
static value int_not(value_cx *e, const operands *x) { return LLVMBuildNot(e->b, x->a[0], ""); }

static value int_abs(value_cx *e, const operands *x)
{
    if (!is_signed(x))
        return x->a[0];
    value below = v_icmp(e, LLVMIntSLT, x->a[0], v_int(x->a[0], 0));
    return v_sel(e, below, int_neg(e, x), x->a[0]);
}

static value int_sign(value_cx *e, const operands *x)
{
    value v = x->a[0], zero = v_int(v, 0), one = v_int(v, 1);
    value up = v_sel(e, v_icmp(e, is_signed(x) ? LLVMIntSGT : LLVMIntUGT, v, zero), one, zero);

    return is_signed(x) ? v_sel(e, v_icmp(e, LLVMIntSLT, v, zero), v_int(v, -1), up) : up;
}

static value int_min(value_cx *e, const operands *x)
{
    LLVMIntPredicate less = is_signed(x) ? LLVMIntSLT : LLVMIntULT;

    return v_sel(e, v_icmp(e, less, x->a[0], x->a[1]), x->a[0], x->a[1]);
}

static value int_max(value_cx *e, const operands *x)
{
    LLVMIntPredicate more = is_signed(x) ? LLVMIntSGT : LLVMIntUGT;

    return v_sel(e, v_icmp(e, more, x->a[0], x->a[1]), x->a[0], x->a[1]);
}

typedef LLVMValueRef binary(LLVMBuilderRef b, value x, value y, const char *name);

/* Counts of the width or more give 0. */
static value shifted(value_cx *e, const operands *x, binary *how)
{
    value a = x->a[0], b = x->a[1];
    value width = v_int(b, (int64_t)LLVMGetIntTypeWidth(v_element(LLVMTypeOf(b))));
    value ok = v_icmp(e, LLVMIntULT, b, width), zero = v_int(a, 0);
    value v = how(e->b, a, v_sel(e, ok, b, v_int(b, 0)), "");

    return v_sel(e, ok, v, zero);
}

static value int_shl(value_cx *e, const operands *x) { return shifted(e, x, LLVMBuildShl); }

static value int_shr(value_cx *e, const operands *x)
{
    return shifted(e, x, is_signed(x) ? LLVMBuildAShr : LLVMBuildLShr);
}

/* a to the power b by repeated squaring; b negative: 0, 1 or -1. */
static value int_pow(value_cx *e, const operands *x)
{
    value a = x->a[0], b = x->a[1], r = v_int(a, 1), base = a, zero = v_int(b, 0);
    int bits = (int)LLVMGetIntTypeWidth(v_element(LLVMTypeOf(b))) - (is_signed(x) ? 1 : 0);

    for (int i = 0; i < bits; i++) {
        value bit = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, b, v_int(b, i), ""), v_int(b, 1), "");
        value set = v_icmp(e, LLVMIntNE, bit, zero);
        r = v_sel(e, set, LLVMBuildMul(e->b, r, base, ""), r);
        base = LLVMBuildMul(e->b, base, base, "");
    }
    if (!is_signed(x))
        return r;
    value unit = v_sel(e, v_icmp(e, LLVMIntEQ, a, v_int(a, 1)), a, v_int(a, 0));
    value odd = v_icmp(e, LLVMIntNE, LLVMBuildAnd(e->b, b, v_int(b, 1), ""), zero);
    value minus = v_sel(e, odd, v_int(a, -1), v_int(a, 1));
    unit = v_sel(e, v_icmp(e, LLVMIntEQ, a, v_int(a, -1)), minus, unit);
    return v_sel(e, v_icmp(e, LLVMIntSLT, b, zero), unit, r);
}

/* ---- floats ------------------------------------------------------------------------- */

static value flt_neg(value_cx *e, const operands *x) { return v_neg(e, x->a[0]); }
static value flt_fma(value_cx *e, const operands *x) { return v_fma(e, x->a[0], x->a[1], x->a[2]); }
static value flt_floor(value_cx *e, const operands *x) { return v_round(e, SC_FLOOR, x->a[0]); }
static value flt_ceil(value_cx *e, const operands *x) { return v_round(e, SC_CEIL, x->a[0]); }
static value flt_trunc(value_cx *e, const operands *x) { return v_round(e, SC_TRUNC, x->a[0]); }
static value flt_round(value_cx *e, const operands *x) { return v_round(e, SC_ROUND, x->a[0]); }

static value flt_sign(value_cx *e, const operands *x)
{
    value a = x->a[0], zero = v_flt(a, 0);
    value v = v_sel(e, v_fcmp(e, LLVMRealOGT, a, zero), v_flt(a, 1), a);

    return v_sel(e, v_fcmp(e, LLVMRealOLT, a, zero), v_flt(a, -1), v);
}

static value flt_min(value_cx *e, const operands *x)
{
    return v_extreme(e, x->from, (value[]){x->a[0], x->a[1]}, false);
}

static value flt_max(value_cx *e, const operands *x)
{
    return v_extreme(e, x->from, (value[]){x->a[0], x->a[1]}, true);
}

static value flt_sqrt(value_cx *e, const operands *x) { return expand_root(e, x->a[0]); }

static value flt_isnan(value_cx *e, const operands *x)
{
    return v_fcmp(e, LLVMRealUNO, x->a[0], x->a[0]);
}

static value flt_isinf(value_cx *e, const operands *x)
{
    return v_fcmp(e, LLVMRealOEQ, v_abs(e, x->a[0]), v_flt(x->a[0], INFINITY));
}

/* ---- rounding to the narrow types, casts -------------------------------------------- */

/* bf16 of a float, as i16: nearest even; NaN stays a NaN. */
static value to_bf16(value_cx *e, value v)
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

value emit_to_memory(value_cx *e, ir_dtype d, value v, int lanes)
{
    if (d == DT_BOOL)
        return LLVMBuildZExt(e->b, v, emit_wide(LLVMInt8TypeInContext(e->cx), lanes), "");
    type half = emit_wide(LLVMHalfTypeInContext(e->cx), lanes);
    if (d == DT_F16)
        return target_can(e->t, CAN_HALF) ? LLVMBuildFPTrunc(e->b, v, half, "") : v_half(e, v);
    return d == DT_BF16 ? to_bf16(e, v) : v;
}

/* What lies in memory as what is computed with: f16 and bf16 are floats in
 * registers, bools i1. */
value emit_from_memory(value_cx *e, ir_dtype d, value v, int lanes)
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

static value round_narrow(value_cx *e, ir_dtype d, value v, int lanes)
{
    if (d != DT_F16 && d != DT_BF16)
        return v;
    return emit_from_memory(e, d, emit_to_memory(e, d, v, lanes), lanes);
}

/* f64 to float, rounded to odd: an inexact result has its last bit set, so that
 * rounding it again to 16 bits gives what rounding once would. */
static value odd_float(value_cx *e, value v, int lanes)
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
static value narrowable(value_cx *e, value v, bool sign, int lanes)
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

/* The float v, without its fraction, as an integer of a type of at most 16 bits: the nearest
 * that there is, and 0 for NaN.  LLVM 19 does such vectors element by element. */
static value narrow_int(value_cx *e, value v, bool sign, int bits, type to)
{
    type i32 = LLVMInt32TypeInContext(e->cx);
    value least = v_flt(v, sign ? -(double)(1 << (bits - 1)) : 0);
    value most = v_flt(v, (double)((1 << (bits - sign)) - 1));
    value low = v_sel(e, v_fcmp(e, LLVMRealOGT, v, least), v, least);
    value inside = v_sel(e, v_fcmp(e, LLVMRealOLT, low, most), low, most);

    if (LLVMGetTypeKind(to) == LLVMVectorTypeKind)
        i32 = LLVMVectorType(i32, LLVMGetVectorSize(to));
    value n = LLVMBuildFPToSI(e->b, inside, i32, "");
    if (sign)
        n = v_sel(e, v_fcmp(e, LLVMRealUNO, v, v), v_int(n, 0), n);
    return LLVMBuildTrunc(e->b, n, to, "");
}

/* Each pair of classes is one case.  To 16-bit floats from wider than f32 the value
 * goes over a float rounded to odd, since rounding twice would not always be
 * rounding once. */
static value cast(value_cx *e, ir_dtype from, ir_dtype to, value v, int lanes)
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
    if (dt_is_float(from) && dt_bits(to) <= 16)
        return narrow_int(e, v, dt_is_signed(to), dt_bits(to), t);
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

/* ---- any element ---------------------------------------------------------------------- */

static value any_select(value_cx *e, const operands *x)
{
    return v_sel(e, x->a[0], x->a[1], x->a[2]);
}

static value any_cast(value_cx *e, const operands *x)
{
    return cast(e, x->from, x->to, x->a[0], x->lanes);
}

static value any_bitcast(value_cx *e, const operands *x)
{
    value v = emit_to_memory(e, x->from, x->a[0], x->lanes);

    v = LLVMBuildBitCast(e->b, v, emit_wide(emit_memory_type(e, x->to), x->lanes), "");
    return emit_from_memory(e, x->to, v, x->lanes);
}

/* ---- the columns of scalar.def ---------------------------------------------------------- */

typedef enum form_kind {
    FORM_NONE, FORM_OP, FORM_ICMP, FORM_FCMP, FORM_CALL, FORM_FN, FORM_EXPAND, FORM_WIDE
} form_kind;

/* How a scalar function is written for one kind of elements. */
typedef struct form {
    form_kind kind;
    int code, code_unsigned;    /* OP: LLVMOpcode; ICMP, FCMP: predicate */
    const char *name;           /* CALL: of the intrinsic */
    value (*fn)(value_cx *e, const operands *x);
    expand_fn *expand;          /* EXPAND, WIDE */
} form;

/* The words of the columns flt_llvm and int_llvm of scalar.def, as forms. */
#define none {FORM_NONE, .code = 0}
#define op(x) {FORM_OP, .code = LLVM##x}
#define icmp(x, y) {FORM_ICMP, .code = LLVMInt##x, .code_unsigned = LLVMInt##y}
#define fcmp(x) {FORM_FCMP, .code = LLVMReal##x}
#define call(x) {FORM_CALL, .name = "llvm." #x}
#define fn(x) {FORM_FN, .fn = x}
#define expand(x) {FORM_EXPAND, .expand = expand_##x}
#define wide(x) {FORM_WIDE, .expand = expand_##x}
static const form flt_form[SC_COUNT] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, ...) \
    [SC_##NAME] = flt_llvm,
#include "scalar.def"
};
static const form int_form[SC_COUNT] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, int_llvm, ...) \
    [SC_##NAME] = int_llvm,
#include "scalar.def"
};
#undef none
#undef op
#undef icmp
#undef fcmp
#undef call
#undef fn
#undef expand
#undef wide

static value expanded(value_cx *e, const form *f, int args, const value *a)
{
    return f->kind == FORM_EXPAND ? f->expand(e, a) : expand_wide(e, f->expand, args, a);
}

/* The function of the module that computes an expansion of these operands. */
static value expansion_of(value_cx *e, const form *f, const char *op, int args, const value *a)
{
    type t = LLVMTypeOf(a[0]), in[2] = {t, t};
    char name[64];

    snprintf(name, sizeof name, "%s.%s.%u", op, v_is_f32(a[0]) ? "f32" : "f64",
             LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1);
    value_cx inner = *e;
    bool fresh;
    inner.b = LLVMCreateBuilderInContext(e->cx);
    inner.fn = v_function(&inner, name, t, in, args, &fresh);
    if (fresh) {
        const value x[2] = {LLVMGetParam(inner.fn, 0), LLVMGetParam(inner.fn, (unsigned)args - 1)};
        LLVMBuildRet(inner.b, expanded(&inner, f, args, x));
    }
    LLVMDisposeBuilder(inner.b);
    return inner.fn;
}

/* The first ones of a kernel are written where they are wanted.  More than these are of a tile,
 * whose values do not wait for each other: calls of a function, which take a tenth of the code
 * and, as the processor goes ahead, no more time. */
static value expand_here(value_cx *e, const form *f, const char *op, int args, const value *a)
{
    if (e->here) {
        e->here--;
        return expanded(e, f, args, a);
    }
    value fn = expansion_of(e, f, op, args, a);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, (value *)(uintptr_t)a,
                          (unsigned)args, "");
}

/* Null if the row has no form for this kind of elements, which the verifier has
 * excluded. */
static value write_form(value_cx *e, const form *f, const char *name, int args, const operands *x)
{
    value a[3];
    int code = f->kind == FORM_ICMP && !is_signed(x) ? f->code_unsigned : f->code;

    for (int i = 0; i < args; i++)
        a[i] = x->a[i];
    switch (f->kind) {
    case FORM_OP: return LLVMBuildBinOp(e->b, (LLVMOpcode)code, a[0], a[1], "");
    case FORM_ICMP: return v_icmp(e, (LLVMIntPredicate)code, a[0], a[1]);
    case FORM_FCMP: return v_fcmp(e, (LLVMRealPredicate)code, a[0], a[1]);
    case FORM_CALL: return v_intrinsic(e, f->name, a, args);
    case FORM_FN: return f->fn(e, x);
    case FORM_EXPAND:
    case FORM_WIDE: return expand_here(e, f, name, args, a);
    case FORM_NONE: break;
    }
    return NULL;
}

value emit_op(value_cx *e, sc_op op, ir_dtype from, ir_dtype to, const value *a, int lanes)
{
    const sc_info *s = sc_of(op);
    bool flt = dt_is_float(from);
    value v = write_form(e, flt ? &flt_form[op] : &int_form[op], s->text, s->args,
                         &(operands){.a = a, .from = from, .to = to, .lanes = lanes});

    ICE_IF(!v, "%s on %s", s->text, dt_text(from));
    /* f16 and bf16 are computed in f32; what is chosen or cast is rounded already. */
    return flt && s->result == SC_SAME && op != SC_SELECT ? round_narrow(e, from, v, lanes) : v;
}
