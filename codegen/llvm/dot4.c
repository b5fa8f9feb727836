/* codegen/llvm/dot4.c - sums of four products of bytes.
 *
 * Exact on every target: where no instruction does it, products of 16 bits are added in
 * pairs.  Instructions that saturate sums of 16 bits (vpmaddubsw) are of no use. */
#include "llvm_value.h"

/* What adds the products of 4 * lanes bytes; null if the target has none for so many.
 * AVX-VNNI ends at 256 bits, on processors with AVX-512 too. */
static const char *instruction(const target *t, int lanes)
{
    bool fits = lanes * 4 <= t->vector_bytes;

    if (!fits || !target_can(t, lanes == 16 ? CAN_DOT4_512 : CAN_DOT4))
        return NULL;
    if (t->arch == ARCH_AARCH64)
        return lanes == 4 ? "llvm.aarch64.neon.usdot" : NULL;
    return lanes == 4    ? "llvm.x86.avx512.vpdpbusd.128"
           : lanes == 8  ? "llvm.x86.avx512.vpdpbusd.256"
           : lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512"
                         : NULL;
}

/* usdot takes bytes where vpdpbusd takes words. */
static value call(emit *e, const char *name, const value *a)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    bool overloaded = LLVMIntrinsicIsOverloaded(id);
    type i8 = LLVMInt8TypeInContext(e->cx);
    type over[2] = {LLVMTypeOf(a[0]), LLVMVectorType(i8, 16)};
    value arg[3] = {a[0], a[1], a[2]};

    for (int i = 1; overloaded && i < 3; i++)
        arg[i] = LLVMBuildBitCast(e->b, a[i], over[1], "");
    unsigned n = overloaded ? 2 : 0;
    value f = LLVMGetIntrinsicDeclaration(e->m, id, over, n);
    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, over, n), f, arg, 3, "");
}

/* The lanes of v, twice as many, that are even or odd. */
static value every_other(emit *e, value v, int lanes, int odd)
{
    type i32 = LLVMInt32TypeInContext(e->cx);
    value at[64];

    ICE_IF(lanes > (int)COUNT(at), "a vector of %d lanes", lanes);
    for (int i = 0; i < lanes; i++)
        at[i] = LLVMConstInt(i32, (unsigned)(2 * i + odd), false);
    return LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(at, (unsigned)lanes), "");
}

/* Products of the low (or high) bytes of each 16 bits, u's unsigned, s's signed, added in
 * pairs.  In this form LLVM knows pmaddwd. */
static value pairs(emit *e, value u, value s, int lanes, bool high)
{
    type i16 = LLVMInt16TypeInContext(e->cx), i32 = LLVMInt32TypeInContext(e->cx);
    type halves = LLVMVectorType(i16, 2 * (unsigned)lanes);
    type wide = LLVMVectorType(i32, 2 * (unsigned)lanes);

    u = LLVMBuildBitCast(e->b, u, halves, "");
    s = LLVMBuildBitCast(e->b, s, halves, "");
    u = high ? LLVMBuildLShr(e->b, u, v_int(u, 8), "") : v_and(e, u, v_int(u, 255));
    s = LLVMBuildAShr(e->b, high ? s : LLVMBuildShl(e->b, s, v_int(s, 8), ""), v_int(s, 8), "");
    u = LLVMBuildSExt(e->b, u, wide, "");
    s = LLVMBuildSExt(e->b, s, wide, "");
    value m = LLVMBuildMul(e->b, u, s, "");
    value even = every_other(e, m, lanes, 0), odd = every_other(e, m, lanes, 1);
    return LLVMBuildAdd(e->b, even, odd, "");
}

/* a[0] + the sums of four products each of a[1] and a[2].  One instruction where
 * the processor has it for so many lanes, else products of 16 bits, the low and the
 * high pair of each four. */
value emit_dot4(emit *e, const value *a, int lanes)
{
    const char *name = instruction(e->t, lanes);
    type one = LLVMVectorType(LLVMInt32TypeInContext(e->cx), 1);
    value arg[3];

    if (name)
        return call(e, name, a);
    for (int i = 0; i < 3; i++)
        arg[i] = lanes == 1 ? LLVMBuildBitCast(e->b, a[i], one, "") : a[i];
    value low = pairs(e, arg[1], arg[2], lanes, false);
    value high = pairs(e, arg[1], arg[2], lanes, true);
    value sum = LLVMBuildAdd(e->b, arg[0], LLVMBuildAdd(e->b, low, high, ""), "");
    return lanes == 1 ? LLVMBuildBitCast(e->b, sum, LLVMTypeOf(a[0]), "") : sum;
}
