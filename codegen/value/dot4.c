/* codegen/value/dot4.c - sums of four products of bytes, or of two.
 *
 * Exact on every target: where no instruction sums four, products of 16 bits are added in
 * pairs.  Instructions that saturate sums of 16 bits (vpmaddubsw) are of no use. */
#include "value.h"

/* What adds the products of 4 * lanes bytes; null if the target has none for so many. */
static const char *instruction(const target *t, int lanes)
{
    if (!target_sums_four(t, lanes))
        return NULL;
    if (t->arch == ARCH_AARCH64)
        return "llvm.aarch64.neon.usdot";
    return lanes == 4    ? "llvm.x86.avx512.vpdpbusd.128"
           : lanes == 8  ? "llvm.x86.avx512.vpdpbusd.256"
                         : "llvm.x86.avx512.vpdpbusd.512";
}

/* usdot takes bytes where vpdpbusd takes words. */
static value call(value_cx *e, const char *name, const value *a)
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
static value every_other(value_cx *e, value v, int lanes, int odd)
{
    type i32 = LLVMInt32TypeInContext(e->cx);
    value at[64];

    ICE_IF(lanes > (int)COUNT(at), "a vector of %d lanes", lanes);
    for (int i = 0; i < lanes; i++)
        at[i] = LLVMConstInt(i32, (unsigned)(2 * i + odd), false);
    return LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(at, (unsigned)lanes), "");
}

static type halves(value_cx *e, int lanes)
{
    return LLVMVectorType(LLVMInt16TypeInContext(e->cx), 2 * (unsigned)lanes);
}

/* Products of i16, two for each lane, added in pairs.  In this form LLVM knows pmaddwd. */
static value add_pairs(value_cx *e, value a, value b, int lanes)
{
    type wide = LLVMVectorType(LLVMInt32TypeInContext(e->cx), 2 * (unsigned)lanes);

    a = LLVMBuildSExt(e->b, a, wide, "");
    b = LLVMBuildSExt(e->b, b, wide, "");
    value m = LLVMBuildMul(e->b, a, b, "");
    value even = every_other(e, m, lanes, 0), odd = every_other(e, m, lanes, 1);
    return LLVMBuildAdd(e->b, even, odd, "");
}

/* The same of the low (or high) bytes of each 16 bits, u's unsigned, s's signed. */
static value pairs(value_cx *e, value u, value s, int lanes, bool high)
{
    u = LLVMBuildBitCast(e->b, u, halves(e, lanes), "");
    s = LLVMBuildBitCast(e->b, s, halves(e, lanes), "");
    u = high ? LLVMBuildLShr(e->b, u, v_int(u, 8), "") : v_and(e, u, v_int(u, 255));
    s = LLVMBuildAShr(e->b, high ? s : LLVMBuildShl(e->b, s, v_int(s, 8), ""), v_int(s, 8), "");
    return add_pairs(e, u, s, lanes);
}

/* v as a vector of one, where it is none. */
static value as_vector(value_cx *e, value v, int lanes)
{
    return lanes == 1 ? LLVMBuildBitCast(e->b, v, LLVMVectorType(LLVMTypeOf(v), 1), "") : v;
}

static value as_number(value_cx *e, value v, int lanes)
{
    return lanes == 1 ? LLVMBuildBitCast(e->b, v, LLVMInt32TypeInContext(e->cx), "") : v;
}

/* a[0] + the sums of four products each of a[1] and a[2].  One instruction where
 * the processor has it for so many lanes, else products of 16 bits, the low and the
 * high pair of each four. */
value v_dot4(value_cx *e, const value *a, int lanes)
{
    const char *name = instruction(e->t, lanes);
    value arg[3];

    if (name)
        return call(e, name, a);
    for (int i = 0; i < 3; i++)
        arg[i] = as_vector(e, a[i], lanes);
    value low = pairs(e, arg[1], arg[2], lanes, false);
    value high = pairs(e, arg[1], arg[2], lanes, true);
    value sum = LLVMBuildAdd(e->b, arg[0], LLVMBuildAdd(e->b, low, high, ""), "");
    return as_number(e, sum, lanes);
}

/* A load of bytes that are widened is one instruction, and serves all rows of a tile. */
value v_dot2(value_cx *e, const value *a, int lanes)
{
    type i8 = LLVMInt8TypeInContext(e->cx);
    value x = LLVMBuildBitCast(e->b, a[1], halves(e, lanes), "");
    value w = LLVMBuildBitCast(e->b, a[2], LLVMVectorType(i8, 2 * (unsigned)lanes), "");

    w = LLVMBuildSExt(e->b, w, halves(e, lanes), "");
    value sum = as_vector(e, a[0], lanes);
    return as_number(e, LLVMBuildAdd(e->b, sum, add_pairs(e, x, w, lanes), ""), lanes);
}
