/* codegen/llvm_value.c - constants and operators of any width. */
#include "llvm_value.h"

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

bool v_is_f32(value v)
{
    return LLVMGetTypeKind(v_element(LLVMTypeOf(v))) == LLVMFloatTypeKind;
}

value v_bits(emit *e, value v)
{
    type t = v_is_f32(v) ? LLVMInt32TypeInContext(e->cx) : LLVMInt64TypeInContext(e->cx);

    return LLVMBuildBitCast(e->b, v, v_type(v, t), "");
}

value v_float(emit *e, value bits)
{
    bool narrow = LLVMGetIntTypeWidth(v_element(LLVMTypeOf(bits))) == 32;
    type t = narrow ? LLVMFloatTypeInContext(e->cx) : LLVMDoubleTypeInContext(e->cx);

    return LLVMBuildBitCast(e->b, bits, v_type(bits, t), "");
}

value v_icmp(emit *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildICmp(e->b, p, a, b, "");
}

value v_fcmp(emit *e, LLVMRealPredicate p, value a, value b)
{
    return LLVMBuildFCmp(e->b, p, a, b, "");
}

value v_sel(emit *e, value cond, value a, value b)
{
    return LLVMBuildSelect(e->b, cond, a, b, "");
}

value v_and(emit *e, value a, value b) { return LLVMBuildAnd(e->b, a, b, ""); }
value v_or(emit *e, value a, value b) { return LLVMBuildOr(e->b, a, b, ""); }
value v_add(emit *e, value a, value b) { return LLVMBuildFAdd(e->b, a, b, ""); }
value v_sub(emit *e, value a, value b) { return LLVMBuildFSub(e->b, a, b, ""); }
value v_mul(emit *e, value a, value b) { return LLVMBuildFMul(e->b, a, b, ""); }
value v_div(emit *e, value a, value b) { return LLVMBuildFDiv(e->b, a, b, ""); }
value v_neg(emit *e, value a) { return LLVMBuildFNeg(e->b, a, ""); }
value v_abs(emit *e, value a) { return emit_intrinsic(e, "llvm.fabs", &a, 1); }
value v_sqrt(emit *e, value a) { return emit_intrinsic(e, "llvm.sqrt", &a, 1); }
value v_trunc(emit *e, value a) { return emit_intrinsic(e, "llvm.trunc", &a, 1); }

value v_copysign(emit *e, value size, value sign)
{
    return emit_intrinsic(e, "llvm.copysign", (value[]){size, sign}, 2);
}

value v_fma(emit *e, value a, value b, value c)
{
    if (!e->t->has_fma)
        return v_add(e, v_mul(e, a, b), c);
    return emit_intrinsic(e, "llvm.fma", (value[]){a, b, c}, 3);
}

value v_below(emit *e, value a, double c) { return v_fcmp(e, LLVMRealOLT, a, v_flt(a, c)); }
value v_above(emit *e, value a, double c) { return v_fcmp(e, LLVMRealOGT, a, v_flt(a, c)); }
