/* codegen/loop_num.c - bits of floating elements.  f16 and bf16 are encoded by
 * scaling to an integer significand, which rounds exactly once. */
#include "loop_num.h"

#include <math.h>

static uint64_t encode_small(double v, int ebits, int mbits)
{
    int bias = (1 << (ebits - 1)) - 1, e;
    uint64_t sign = (uint64_t)signbit(v) << (ebits + mbits);
    uint64_t inf = ((1ull << ebits) - 1) << mbits;

    if (isnan(v))
        return sign | inf | 1ull << (mbits - 1);
    if (isinf(v))
        return sign | inf;
    v = fabs(v);
    frexp(v, &e);                               /* v = 0.f * 2^e */
    e = e - 1 < 1 - bias ? 1 - bias : e - 1;    /* exponent of the unit bit */
    double q = nearbyint(ldexp(v, mbits - e));
    uint64_t bits = (uint64_t)(e + bias - 1) << mbits;

    bits += (uint64_t)q;     /* the unit bit of q raises the exponent by one */
    return sign | (bits > inf ? inf : bits);
}

static double decode_small(uint64_t bits, int ebits, int mbits)
{
    int bias = (1 << (ebits - 1)) - 1;
    int e = (int)(bits >> mbits) & ((1 << ebits) - 1);
    double m = (double)(bits & ((1ull << mbits) - 1));
    double v;

    if (e == (1 << ebits) - 1)
        v = m != 0 ? NAN : INFINITY;
    else if (e == 0)
        v = ldexp(m, 1 - bias - mbits);
    else
        v = ldexp(m + ldexp(1, mbits), e - bias - mbits);
    return bits >> (ebits + mbits) & 1 ? -v : v;
}

uint64_t lp_num_encode(ir_dtype d, double v)
{
    float f = (float)v;
    uint32_t u;
    uint64_t w;

    switch (d) {
    case DT_F64: memcpy(&w, &v, 8); return w;
    case DT_F32: memcpy(&u, &f, 4); return u;
    case DT_F16: return encode_small(v, 5, 10);
    case DT_BF16: return encode_small(v, 8, 7);
    default: ICE_IF(true, "encode %s", dt_text(d)); return 0;
    }
}

double lp_num_decode(ir_dtype d, uint64_t bits)
{
    float f;
    uint32_t u = (uint32_t)bits;
    double v;

    switch (d) {
    case DT_F64: memcpy(&v, &bits, 8); return v;
    case DT_F32: memcpy(&f, &u, 4); return f;
    case DT_F16: return decode_small(bits, 5, 10);
    case DT_BF16: return decode_small(bits, 8, 7);
    default: ICE_IF(true, "decode %s", dt_text(d)); return 0;
    }
}
