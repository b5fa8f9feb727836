/* ir/num.c - one element of any dtype.
 *
 * The floating formats below f32 are rows of one table; encoding rounds the
 * double once, so no value is rounded twice. */
#include "num.h"

#include <math.h>

#include "scalar.h"

/* What the codes beside numbers mean. */
typedef enum special {
    IEEE,                   /* inf and NaN in the top exponent */
    FN,                     /* no inf; NaN: all bits but the sign */
    FNUZ,                   /* no inf, no -0; NaN: the sign bit alone */
    FINITE                  /* neither */
} special;

/* A floating format of at most 16 bits: sign, ebits of exponent, mbits of mantissa.
 * f16 is {5, 10, 15}: 1.0 is 0x3c00, exponent 15 with mantissa 0. max: the greatest
 * finite value. */
typedef struct format {
    int ebits, mbits, bias;
    special special;
    double max;
} format;

/* Source: IEEE 754 for f16, the OCP 8-bit and MX specifications and ONNX's types
 * for the rest. */
static const format formats[DT_COUNT] = {
    [DT_F16] = {5, 10, 15, IEEE, 65504},
    [DT_BF16] = {8, 7, 127, IEEE, 0x1.fep127},
    [DT_F8E4M3FN] = {4, 3, 7, FN, 448},
    [DT_F8E4M3FNUZ] = {4, 3, 8, FNUZ, 240},
    [DT_F8E5M2] = {5, 2, 15, IEEE, 57344},
    [DT_F8E5M2FNUZ] = {5, 2, 16, FNUZ, 57344},
    [DT_F4E2M1] = {2, 1, 1, FINITE, 6},
};

enum { E8M0_BIAS = 127, E8M0_NAN = 255, E8M0_MAX = 254 };

static unsigned sign_bit(const format *f)
{
    return 1u << (f->ebits + f->mbits);
}

static unsigned code_nan(const format *f)
{
    switch (f->special) {
    case IEEE: return ((1u << (f->ebits + 1)) - 1) << (f->mbits - 1);
    case FN: return sign_bit(f) - 1;
    default: return sign_bit(f);
    }
}

static unsigned code_finite(const format *f, double a)
{
    int e, low = 1 - f->bias;

    frexp(a, &e);
    e = a == 0 || e - 1 < low ? low : e - 1;
    return ((unsigned)(e - low) << f->mbits) +
           (unsigned)nearbyint(ldexp(a, f->mbits - e));
}

/* The code of v.  What is too large becomes the greatest finite value if `saturate`, or if
 * the format has nothing else, else infinity or NaN. */
static unsigned encode(const format *f, double v, bool saturate)
{
    unsigned sign = signbit(v) ? sign_bit(f) : 0;
    unsigned top = code_finite(f, f->max);
    unsigned code = isinf(v) ? top + 1 : isnan(v) ? 0 : code_finite(f, fabs(v));

    if (isnan(v))
        return code_nan(f);
    if (code > top && (saturate || f->special == FINITE))
        code = top;
    if (code > top)
        return f->special == FNUZ ? code_nan(f) : sign | (top + 1);
    return code || f->special != FNUZ ? sign | code : 0;
}

/* The value of a code, which a double always holds. */
static double decode(const format *f, unsigned code)
{
    unsigned bits = code & (sign_bit(f) - 1);
    int e = (int)(bits >> f->mbits);
    double m = bits & ((1u << f->mbits) - 1);
    bool top = e == (1 << f->ebits) - 1;

    if (f->special == FNUZ && code == sign_bit(f))
        return NAN;
    if (f->special == FN && bits == sign_bit(f) - 1)
        return NAN;
    if (f->special == IEEE && top && m != 0)
        return NAN;
    double a = f->special == IEEE && top ? INFINITY
               : e ? ldexp(m + (1 << f->mbits), e - f->bias - f->mbits)
                   : ldexp(m, 1 - f->bias - f->mbits);
    return code & sign_bit(f) ? -a : a;
}

/* f8e8m0: powers of two from 2^-127 to 2^127, no zero, no sign. */
static unsigned encode_e8m0(double v, num_mode mode)
{
    int e;

    if (isnan(v) || v < 0 || (isinf(v) && !mode.saturate))
        return E8M0_NAN;
    if (isinf(v))
        return E8M0_MAX;
    double m = frexp(v, &e);        /* v = m * 2^e, 0.5 <= m < 1 */
    if (v == 0)
        return 0;
    e += E8M0_BIAS - 1;
    if (e >= 0)
        e += mode.rounding == NUM_UP ? m > 0.5 : mode.rounding == NUM_NEAREST && m >= 0.75;
    if (e > E8M0_MAX)
        return mode.saturate ? E8M0_MAX : E8M0_NAN;
    return e < 0 ? 0 : (unsigned)e;
}

/* Normal numbers by moving the fields to those of an f32 (bias 127 - 15 = 112
 * more), since f16 weights are read by the million; the rest as any format. */
static double f16_value(uint16_t code)
{
    uint32_t e = code >> 10 & 31, bits;
    float f;

    if (e == 0 || e == 31)
        return decode(&formats[DT_F16], code);
    bits = (uint32_t)(code & 0x8000) << 16 | (e + 112) << 23 | (code & 0x3ffu) << 13;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* An element of any dtype of numbers as a double; integers of 64 bits are rounded. */
double num_load_flt(ir_dtype d, const void *p)
{
    float f;
    double v;
    uint16_t h;

    switch (d) {
    case DT_F32: memcpy(&f, p, sizeof f); return f;
    case DT_F64: memcpy(&v, p, sizeof v); return v;
    case DT_F16: memcpy(&h, p, sizeof h); return f16_value(h);
    case DT_BF16: {
        memcpy(&h, p, sizeof h);
        uint32_t bits = (uint32_t)h << 16;
        memcpy(&f, &bits, sizeof f);
        return f;
    }
    case DT_F8E8M0: {
        uint8_t e = *(const uint8_t *)p;
        return e == E8M0_NAN ? NAN : ldexp(1, e - E8M0_BIAS);
    }
    case DT_U64: return (double)(uint64_t)num_load_int(d, p);
    default:
        if (dt_is_float(d))
            return decode(&formats[d], *(const uint8_t *)p &
                                           (2 * sign_bit(&formats[d]) - 1));
        return (double)num_load_int(d, p);
    }
}

int64_t num_load_int(ir_dtype d, const void *p)
{
    uint64_t v = 0;

    if (d == DT_BOOL)
        return *(const uint8_t *)p != 0;
    ICE_IF((size_t)dt_size(d) > sizeof v, "%s is no integer", dt_text(d));
    memcpy(&v, p, (size_t)dt_size(d));      /* little-endian on every host */
    return sc_wrap(d, (int64_t)v);
}

static void store_code(ir_dtype d, void *p, unsigned code)
{
    uint16_t h = (uint16_t)code;
    uint8_t b = (uint8_t)code;

    memcpy(p, dt_size(d) == 2 ? (void *)&h : (void *)&b, (size_t)dt_size(d));
}

static void store_mode(ir_dtype d, void *p, double v, num_mode mode)
{
    float f = (float)v;

    if (d == DT_F32)
        memcpy(p, &f, sizeof f);
    else if (d == DT_F64)
        memcpy(p, &v, sizeof v);
    else if (d == DT_F8E8M0)
        *(uint8_t *)p = (uint8_t)encode_e8m0(v, mode);
    else
        store_code(d, p, encode(&formats[d], v, mode.saturate));
}

void num_store_flt(ir_dtype d, void *p, double v)
{
    store_mode(d, p, v, (num_mode){false, NUM_NEAREST});
}

void num_store_int(ir_dtype d, void *p, int64_t v)
{
    v = d == DT_BOOL ? v != 0 : sc_wrap(d, v);
    memcpy(p, &v, (size_t)dt_size(d));
}

/* v as the dtype would hold it. */
double num_round(ir_dtype d, double v)
{
    uint64_t room;

    if (d == DT_F64)
        return v;
    if (d == DT_F32)
        return (float)v;
    num_store_flt(d, &room, v);
    return num_load_flt(d, &room);
}

/* ONNX's Cast.  Floats to integers cut the fraction, and saturate
 * (sc_int_from_flt); `saturate` of the mode concerns 8-bit floats only, as in ONNX. */
void num_cast(ir_dtype from, const void *src, ir_dtype to, void *dst, num_mode mode)
{
    bool wide = dt_is_float(from);

    if (from == to)
        memcpy(dst, src, (size_t)dt_size(to));
    else if (dt_is_float(to))
        store_mode(to, dst, num_load_flt(from, src),
                   (num_mode){mode.saturate && dt_size(to) == 1, mode.rounding});
    else if (wide && to == DT_BOOL)
        num_store_int(to, dst, num_load_flt(from, src) != 0);
    else
        num_store_int(to, dst, wide ? sc_int_from_flt(to, num_load_flt(from, src))
                                    : num_load_int(from, src));
}

/* By value and not by bits: -0 equals 0, and a NaN nothing. */
bool num_equal(ir_dtype d, const void *a, const void *b)
{
    switch (dt_class(d)) {
    case DC_F:
        return num_load_flt(d, a) == num_load_flt(d, b);
    case DC_S: {
        num_str x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return x.n == y.n && (!x.n || !memcmp(x.at, y.at, x.n));
    }
    case DC_C: {
        ir_dtype part = d == DT_C64 ? DT_F32 : DT_F64;
        size_t half = (size_t)dt_size(part);
        return num_equal(part, a, b) &&
               num_equal(part, (const char *)a + half, (const char *)b + half);
    }
    default:
        return num_load_int(d, a) == num_load_int(d, b);
    }
}

/* Element i of packed data; below a byte the first element is in the low bits, as
 * ONNX has it. */
void num_unpack(ir_dtype d, const uint8_t *packed, int64_t i, void *element)
{
    int bits = dt_bits(d), per = bits < 8 ? 8 / bits : 1;

    if (per == 1) {
        memcpy(element, packed + i * dt_size(d), (size_t)dt_size(d));
        return;
    }
    int64_t v = packed[i / per] >> (int)(i % per) * bits & ((1 << bits) - 1);
    *(uint8_t *)element = (uint8_t)(dt_is_signed(d) ? sc_wrap(d, v) : v);
}

void num_pack(ir_dtype d, uint8_t *packed, int64_t i, const void *element)
{
    int bits = dt_bits(d), per = bits < 8 ? 8 / bits : 1;

    if (per == 1)
        memcpy(packed + i * dt_size(d), element, (size_t)dt_size(d));
    else
        packed[i / per] |= (uint8_t)((*(const uint8_t *)element & ((1 << bits) - 1))
                                     << (int)(i % per) * bits);
}

int64_t num_packed_size(ir_dtype d, int64_t n)
{
    int64_t bits;

    return n < 0 || !mul_ok(n, (int64_t)dt_bits(d), &bits) || bits > INT64_MAX - 7
               ? -1 : (bits + 7) / 8;
}
