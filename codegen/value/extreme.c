/* codegen/value/extreme.c - the lesser and the greater of two floats.
 *
 * -0 is less than 0, and NaN is both.  LLVM 19 makes a chain of six instructions of that on
 * AVX-512, which a reduction waits for again and again; vrangeps tells the zeros apart but
 * prefers a number to NaN, which takes a comparison and an addition under its mask. */
#include "value.h"

/* The instruction for vectors of 512 bits, and how many lanes it takes; null if the target
 * has none for `lanes` of this type, or for some of several such vectors. */
static const char *instruction(const target *t, ir_dtype d, int lanes, int *each)
{
    *each = d == DT_F32 ? 16 : 8;
    if (!target_can(t, CAN_RANGE) || (d != DT_F32 && d != DT_F64) || lanes % *each)
        return NULL;
    return d == DT_F32 ? "llvm.x86.avx512.mask.range.ps.512" : "llvm.x86.avx512.mask.range.pd.512";
}

/* Lanes from..from+n-1 of v. */
static value part(value_cx *e, value v, int from, int n)
{
    type i32 = LLVMInt32TypeInContext(e->cx);
    value at[16];

    for (int i = 0; i < n; i++)
        at[i] = LLVMConstInt(i32, (unsigned)(from + i), false);
    return LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(at, (unsigned)n), "");
}

/* The lanes of a, then those of b, which are not more. */
static value joined(value_cx *e, value a, value b)
{
    unsigned n = LLVMGetVectorSize(LLVMTypeOf(a)), m = LLVMGetVectorSize(LLVMTypeOf(b));
    type i32 = LLVMInt32TypeInContext(e->cx);
    value at[64], wide[64];

    ICE_IF(n + m > COUNT(at) || m > n, "vectors of %u and %u lanes", n, m);
    for (unsigned i = 0; i < n; i++)
        wide[i] = LLVMConstInt(i32, i < m ? i : 0, false);
    if (m < n)
        b = LLVMBuildShuffleVector(e->b, b, b, LLVMConstVector(wide, n), "");
    for (unsigned i = 0; i < n + m; i++)
        at[i] = LLVMConstInt(i32, i, false);
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(at, n + m), "");
}

/* One vector of 512 bits: all lanes, no other rounding, the sign that the comparison has. */
static value range(value_cx *e, const char *name, value a, value b, int lanes, bool max)
{
    enum { MIN = 4, MAX = 5, AS_IT_IS = 4 };
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    type i32 = LLVMInt32TypeInContext(e->cx), mask = LLVMIntTypeInContext(e->cx, (unsigned)lanes);
    value arg[6] = {a, b, LLVMConstInt(i32, max ? MAX : MIN, false), LLVMGetUndef(LLVMTypeOf(a)),
                    LLVMConstAllOnes(mask), LLVMConstInt(i32, AS_IT_IS, false)};
    value f = LLVMGetIntrinsicDeclaration(e->m, id, NULL, 0);

    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, NULL, 0), f, arg, 6, "");
}

/* Vectors of several registers go one register at a time. */
static value numbers(value_cx *e, ir_dtype d, value *a, bool max, int lanes)
{
    int each;
    const char *name = instruction(e->t, d, lanes, &each);
    value v = NULL;

    if (!name)
        return v_intrinsic(e, max ? "llvm.maximum" : "llvm.minimum", a, 2);
    for (int i = 0; i < lanes; i += each) {
        value both[2] = {part(e, a[0], i, each), part(e, a[1], i, each)};
        value r = range(e, name, both[0], both[1], each, max);
        v = v ? joined(e, v, r) : r;
    }
    return v;
}

/* f16 is done between conversions, which lose NaN on F16C. */
value v_extreme(value_cx *e, ir_dtype d, value *a, bool max)
{
    type t = LLVMTypeOf(a[0]);
    bool vector = LLVMGetTypeKind(t) == LLVMVectorTypeKind;
    int each, lanes = vector ? (int)LLVMGetVectorSize(t) : 1;
    value v = numbers(e, d, a, max, lanes);

    if (d != DT_F16 && !instruction(e->t, d, lanes, &each))
        return v;
    value nan = v_fcmp(e, LLVMRealUNO, a[0], a[1]);
    return v_sel(e, nan, v_add(e, a[0], a[1]), v);
}
