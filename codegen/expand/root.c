/* codegen/expand/root.c - square roots in full registers, and divisions within an expansion.
 *
 * One unit of the processor divides and takes roots, at 10 and 12 cycles for 16 lanes; what has
 * a root mostly has a division as well (m / sqrt v), and a loop over both waits for that unit
 * alone.  So roots go to the multipliers, where lanes are as wide as a register and there is a
 * guess of 1/sqrt x to begin with: Goldschmidt's step doubles its bits, and what then is left
 * of x - g^2, which is exact, corrects the last one.  That rounds every f32 correctly, for any
 * guess within 2^-14: tried with all mantissas and guesses over all of that range.  Divisions
 * would take two tests of their operands, and gain nothing, but where an expansion knows that
 * its divisor is neither small nor large: sigmoid and tanh. */
#include "expand.h"

/* What the intrinsic gives for x: 1 / x or 1 / sqrt x within 2^-14. */
static value guess(value_cx *e, const char *name, value x)
{
    value all = LLVMConstAllOnes(LLVMInt16TypeInContext(e->cx));

    return expand_call512(e, name, (value[]){x, v_flt(x, 0), all}, 3);
}

/* Of x in [2^-60, 2^60), where nothing underflows. */
static value refined(value_cx *e, value x)
{
    value y = guess(e, "llvm.x86.avx512.rsqrt14.ps.512", x), half = v_flt(x, 0.5);
    value g = v_mul(e, x, y), h = v_mul(e, y, half);
    value r = v_fma(e, v_neg(e, g), h, half);

    g = v_fma(e, g, r, g);
    h = v_fma(e, h, r, h);
    return v_fma(e, v_fma(e, v_neg(e, g), g, x), h, g);
}

/* Is some lane not in that range?  Neither are 0, negative numbers and NaN. */
static value is_far(value_cx *e, value x)
{
    enum { LEAST = 127 - 60, MOST = 127 + 60 };
    value bits = v_bits(e, x), low = v_int(bits, LEAST << 23);
    value above = LLVMBuildSub(e->b, bits, low, "");
    value far = v_icmp(e, LLVMIntUGE, above, v_int(bits, (MOST - LEAST) << 23));
    value all = LLVMBuildBitCast(e->b, far, LLVMInt16TypeInContext(e->cx), "");

    return v_icmp(e, LLVMIntNE, all, v_int(all, 0));
}

value expand_root(value_cx *e, value x)
{
    if (!expand_has512(e, x))
        return v_sqrt(e, x);
    LLVMBasicBlockRef near = LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
    LLVMBasicBlockRef far = LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
    value root[2];

    LLVMBuildCondBr(e->b, is_far(e, x), far, near);
    LLVMPositionBuilderAtEnd(e->b, near);
    root[0] = refined(e, x);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, far);
    root[1] = v_sqrt(e, x);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
    value phi = LLVMBuildPhi(e->b, LLVMTypeOf(x), "");
    LLVMAddIncoming(phi, root, (LLVMBasicBlockRef[]){near, far}, 2);
    return phi;
}

value expand_over(value_cx *e, value a, value b)
{
    if (!expand_has512(e, b))
        return v_div(e, a, b);
    value y = guess(e, "llvm.x86.avx512.rcp14.ps.512", b), minus = v_neg(e, b);

    y = v_fma(e, v_fma(e, minus, y, v_flt(b, 1)), y, y);
    value q = v_mul(e, a, y);
    return v_fma(e, v_fma(e, minus, q, a), y, q);
}
