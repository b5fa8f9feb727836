/* codegen/expand/rare.c - lanes that take long: sin of large angles and
 * remainders of numbers that are far apart.
 *
 * Where any lane is such, a block beside the straight path calls a function of
 * the module for each lane; it works on integers, exactly, and ends for
 * whatever bits it is given. */
#include <math.h>

#include "expand.h"

/* ---- functions of the module ------------------------------------------------------------ */

static type i64_of(value_cx *e) { return LLVMInt64TypeInContext(e->cx); }
static type f64_of(value_cx *e) { return LLVMDoubleTypeInContext(e->cx); }

/* A function of floats. */
static value helper(value_cx *e, const char *name, type result, int args, bool *fresh)
{
    type f64[2] = {f64_of(e), f64_of(e)};

    return v_function(e, name, result, f64, args, fresh);
}

static value and_(value_cx *e, value a, uint64_t mask)
{
    return v_and(e, a, v_int(a, (int64_t)mask));
}

static value plus(value_cx *e, value a, int64_t c)
{
    return LLVMBuildAdd(e->b, a, v_int(a, c), "");
}

static value shift_right(value_cx *e, value a, int64_t by)
{
    return LLVMBuildLShr(e->b, a, v_int(a, by), "");
}

/* a, at least lo and at most hi, unsigned */
static value between(value_cx *e, value a, int64_t lo, int64_t hi)
{
    a = v_sel(e, v_icmp(e, LLVMIntSLT, a, v_int(a, lo)), v_int(a, lo), a);
    return v_sel(e, v_icmp(e, LLVMIntSGT, a, v_int(a, hi)), v_int(a, hi), a);
}

/* 2^n for n in [-1022, 1023] */
static value two_to(value_cx *e, value n)
{
    value i = LLVMBuildShl(e->b, plus(e, n, 1023), v_int(n, 52), "");

    return v_float(e, i);
}

/* x = mantissa 2^(exponent - 1075), exponent 1 or more. */
typedef struct split { value mantissa, exponent; } split;

static split split_of(value_cx *e, value x)
{
    value i = v_bits(e, x), n = and_(e, shift_right(e, i, 52), 0x7ff);
    value m = and_(e, i, 0xfffffffffffff);
    value normal = v_icmp(e, LLVMIntNE, n, v_int(n, 0));

    m = v_sel(e, normal, v_or(e, m, v_int(m, 1ll << 52)), m);
    return (split){m, v_sel(e, normal, n, v_int(n, 1))};
}

/* ---- x mod pi/2 ------------------------------------------------------------------------------ */

/* 2/pi in words from the lowest; the last two stand before the binary point. */
static const uint64_t two_over_pi[] = {
    0xf0cfbc209af4361d, 0x56033046fc7b6bab, 0x6bfb5fb11f8d5d08, 0x3d0739f78a5292ea,
    0x7527bac7ebe5f17b, 0x4f463f669e5fea2d, 0x6d367ecf27cb09b7, 0xef2f118b5a0a6d1f,
    0x1ff897ffde05980f, 0x9c845f8bbdf9283b, 0x3991d639835339f4, 0xe99c7026b45f7e41,
    0xe88235f52ebb4484, 0xfe1deb1cb129a73e, 0x06492eea09d1921c, 0xb7246e3a424dd2e0,
    0xfe5163abdebbc561, 0xdb6295993c439041, 0xfc2757d1f534ddc0, 0xa2f9836e4e441529,
    0x0000000000000000, 0x0000000000000000,
};
enum { PI_WORDS = COUNT(two_over_pi), WINDOW = 192 };

/* The table is a constant of the module, written once for all kernels in it. */
static value table(value_cx *e)
{
    value word[PI_WORDS];

    for (int i = 0; i < PI_WORDS; i++)
        word[i] = LLVMConstInt(i64_of(e), two_over_pi[i], false);
    value t = LLVMConstArray2(i64_of(e), word, PI_WORDS);
    value g = LLVMAddGlobal(e->m, LLVMTypeOf(t), "ingot.two_over_pi");
    LLVMSetInitializer(g, t);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMInternalLinkage);
    return g;
}

/* 192 bits of 2/pi: for a mantissa in units of 2^(n - 1075) the bits before
 * them make whole turns. */
static value window(value_cx *e, value n)
{
    enum { BITS = 64 * PI_WORDS };
    type wide = LLVMIntTypeInContext(e->cx, 256);
    value skip = between(e, plus(e, n, -1075 + 128 - 2), 64, BITS - WINDOW);
    value at = LLVMBuildSub(e->b, v_int(n, BITS - WINDOW), skip, "");
    value byte = shift_right(e, at, 3);
    value p = LLVMBuildGEP2(e->b, LLVMInt8TypeInContext(e->cx), table(e), &byte, 1, "");
    value v = LLVMBuildLoad2(e->b, wide, p, "");

    LLVMSetAlignment(v, 1);
    v = LLVMBuildLShr(e->b, v, LLVMBuildZExt(e->b, and_(e, at, 7), wide, ""), "");
    return LLVMBuildTrunc(e->b, v, LLVMIntTypeInContext(e->cx, WINDOW), "");
}

/* The 53 bits of `a` from bit `from` on, times 2^-by. */
static value piece(value_cx *e, value a, int from, value by)
{
    value i = LLVMBuildTrunc(e->b, shift_right(e, a, from), i64_of(e), "");
    value v = LLVMBuildSIToFP(e->b, and_(e, i, 0x1fffffffffffff), f64_of(e), "");

    return v_mul(e, v, two_to(e, LLVMBuildNeg(e->b, by, "")));
}

/* f 2^-192 pi/2 for a signed f; hi of NaN if x was no finite number. */
static pair to_angle(value_cx *e, value f, value finite)
{
    value minus = v_icmp(e, LLVMIntSLT, f, v_int(f, 0));
    value a = v_sel(e, minus, LLVMBuildNeg(e->b, f, ""), f);
    value never = LLVMConstInt(LLVMInt1TypeInContext(e->cx), 0, false);
    value zeros = v_intrinsic(e, "llvm.ctlz", (value[]){a, never}, 2);
    value by = between(e, LLVMBuildTrunc(e->b, zeros, i64_of(e), ""), 0, WINDOW - 1);

    a = LLVMBuildShl(e->b, a, LLVMBuildZExt(e->b, by, LLVMTypeOf(a), ""), "");
    pair part;
    part.hi = piece(e, a, WINDOW - 53, plus(e, by, 53));
    part.lo = piece(e, a, WINDOW - 106, plus(e, by, 106));
    pair quarter = {v_flt(part.hi, 0x1.921fb54442d18p+0), v_flt(part.hi, 0x1.1a62633145c07p-54)};
    pair r = pair_mul(e, part, quarter);
    r.hi = v_sel(e, minus, v_neg(e, r.hi), r.hi);
    r.lo = v_sel(e, minus, v_neg(e, r.lo), r.lo);
    r.hi = v_sel(e, finite, r.hi, v_flt(r.hi, NAN));
    return r;
}

/* {hi, lo, n} of x: x 2/pi / 4 as a fraction of 192 bits, of which the first
 * two are n. */
static value reduce_helper(value_cx *e)
{
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    type out[3] = {f64_of(e), f64_of(e), i64_of(e)};
    type t = LLVMStructTypeInContext(e->cx, out, 3, false);
    bool fresh;
    value fn = helper(e, "ingot.reduce", t, 1, &fresh);

    if (!fresh)
        return fn;
    value x = LLVMGetParam(fn, 0), sign = v_fcmp(e, LLVMRealOLT, x, v_flt(x, 0));
    split s = split_of(e, v_abs(e, x));
    value b = window(e, s.exponent);
    value turn = LLVMBuildMul(e->b, LLVMBuildZExt(e->b, s.mantissa, LLVMTypeOf(b), ""), b, "");
    value f = LLVMBuildShl(e->b, turn, v_int(turn, 2), "");
    value n = LLVMBuildTrunc(e->b, shift_right(e, turn, WINDOW - 2), i64_of(e), "");
    value up = LLVMBuildTrunc(e->b, shift_right(e, f, WINDOW - 1), i64_of(e), "");
    n = LLVMBuildAdd(e->b, n, up, "");
    pair r = to_angle(e, f, v_icmp(e, LLVMIntSLT, s.exponent, v_int(s.exponent, 0x7ff)));
    value all[3];
    all[0] = v_sel(e, sign, v_neg(e, r.hi), r.hi);
    all[1] = v_sel(e, sign, v_neg(e, r.lo), r.lo);
    all[2] = v_sel(e, sign, LLVMBuildNeg(e->b, n, ""), n);
    LLVMBuildAggregateRet(e->b, all, 3);
    LLVMPositionBuilderAtEnd(e->b, from);
    return fn;
}

/* ---- remainders ------------------------------------------------------------------------ */

/* r 2^n mod m, 11 bits at a time, at the end of the function's block. */
static value shifted_rem(value_cx *e, value fn, value r0, value n0, value m)
{
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    LLVMBasicBlockRef head = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(e->cx, fn, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(e->cx, fn, "");

    LLVMBuildBr(e->b, head);
    LLVMPositionBuilderAtEnd(e->b, head);
    value r = LLVMBuildPhi(e->b, i64_of(e), ""), n = LLVMBuildPhi(e->b, i64_of(e), "");
    LLVMBuildCondBr(e->b, v_icmp(e, LLVMIntSGT, n, v_int(n, 0)), body, done);
    LLVMPositionBuilderAtEnd(e->b, body);
    value by = between(e, n, 0, 11);
    value next = LLVMBuildURem(e->b, LLVMBuildShl(e->b, r, by, ""), m, "");
    value left = LLVMBuildSub(e->b, n, by, "");
    LLVMBuildBr(e->b, head);
    LLVMAddIncoming(r, (value[]){r0, next}, (LLVMBasicBlockRef[]){from, body}, 2);
    LLVMAddIncoming(n, (value[]){n0, left}, (LLVMBasicBlockRef[]){from, body}, 2);
    LLVMPositionBuilderAtEnd(e->b, done);
    return r;
}

/* Remainder of x by y, x >= y > 0 finite. */
static value rem_helper(value_cx *e)
{
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    bool fresh;
    value fn = helper(e, "ingot.rem", f64_of(e), 2, &fresh);

    if (!fresh)
        return fn;
    split x = split_of(e, LLVMGetParam(fn, 0)), y = split_of(e, LLVMGetParam(fn, 1));
    value m = v_sel(e, v_icmp(e, LLVMIntEQ, y.mantissa, v_int(y.mantissa, 0)),
                    v_int(y.mantissa, 1), y.mantissa);
    value n = LLVMBuildSub(e->b, x.exponent, y.exponent, "");
    value r = shifted_rem(e, fn, LLVMBuildURem(e->b, x.mantissa, m, ""), n, m);
    value by = plus(e, y.exponent, -1075), half = LLVMBuildAShr(e->b, by, v_int(by, 1), "");
    value v = LLVMBuildSIToFP(e->b, r, f64_of(e), "");
    v = v_mul(e, v, two_to(e, half));
    v = v_mul(e, v, two_to(e, LLVMBuildSub(e->b, by, half, "")));
    LLVMBuildRet(e->b, v);
    LLVMPositionBuilderAtEnd(e->b, from);
    return fn;
}

/* ---- the block beside ------------------------------------------------------------------ */

static value any_lane(value_cx *e, value cond)
{
    type t = LLVMTypeOf(cond);

    if (LLVMGetTypeKind(t) != LLVMVectorTypeKind)
        return cond;
    type bits = LLVMIntTypeInContext(e->cx, LLVMGetVectorSize(t));
    value all = LLVMBuildBitCast(e->b, cond, bits, "");
    return v_icmp(e, LLVMIntNE, all, v_int(all, 0));
}

/* Lane i of v becomes x. */
static value put_lane(value_cx *e, value v, int i, value x)
{
    bool vector = LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind;

    return vector ? LLVMBuildInsertElement(e->b, v, x, v_i64(e, i), "") : x;
}

static value take_lane(value_cx *e, value v, int i)
{
    bool vector = LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind;

    return vector ? LLVMBuildExtractElement(e->b, v, v_i64(e, i), "") : v;
}

/* The results of f, lane by lane, in `slow`. */
static void call_lanes(value_cx *e, value f, const value *in, int nin, value *slow, int nout)
{
    type t = LLVMTypeOf(in[0]);
    int lanes = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;

    for (int i = 0; i < lanes; i++) {
        value arg[2];
        for (int k = 0; k < nin; k++)
            arg[k] = take_lane(e, in[k], i);
        value r = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, arg, (unsigned)nin, "");
        for (int k = 0; k < nout; k++) {
            value v = nout > 1 ? LLVMBuildExtractValue(e->b, r, (unsigned)k, "") : r;
            slow[k] = put_lane(e, slow[k], i, v);
        }
    }
}

/* Lanes of out[..] where `cond` holds become the results of f. */
static void beside(value_cx *e, value cond, value f, const value *in, int nin, value *out, int nout)
{
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b);
    LLVMBasicBlockRef rare = LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
    value slow[3], phi;

    LLVMBuildCondBr(e->b, any_lane(e, cond), rare, done);
    LLVMPositionBuilderAtEnd(e->b, rare);
    for (int k = 0; k < nout; k++)
        slow[k] = LLVMGetPoison(LLVMTypeOf(out[k]));
    call_lanes(e, f, in, nin, slow, nout);
    for (int k = 0; k < nout; k++)
        slow[k] = v_sel(e, cond, slow[k], out[k]);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
    for (int k = 0; k < nout; k++) {
        phi = LLVMBuildPhi(e->b, LLVMTypeOf(out[k]), "");
        LLVMAddIncoming(phi, (value[]){out[k], slow[k]}, (LLVMBasicBlockRef[]){from, rare}, 2);
        out[k] = phi;
    }
}

void expand_reduce_far(value_cx *e, value far, value x, angle *a)
{
    value out[3] = {a->r.hi, a->r.lo, a->n};

    beside(e, far, reduce_helper(e), &x, 1, out, 3);
    *a = (angle){{out[0], out[1]}, out[2]};
}

value expand_rem_far(value_cx *e, value far, value x, value y, value otherwise)
{
    beside(e, far, rem_helper(e), (value[]){x, y}, 2, &otherwise, 1);
    return otherwise;
}
