/* ir/scalar_value.h - the functions that the value columns of scalar.def use,
 * for the files that expand those columns. */
#ifndef INGOT_SCALAR_VALUE_H
#define INGOT_SCALAR_VALUE_H

#include <math.h>

#include "base.h"

/* Floating-point values. */

static inline double num_fmod_floor(double a, double b)
{
    double r = fmod(a, b);

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static inline double num_sign(double a)
{
    return a > 0 ? 1 : a < 0 ? -1 : a;
}

static inline double num_fmin(double a, double b)
{
    return isnan(a) || a < b || (a == b && signbit(a)) ? a : b;
}

static inline double num_fmax(double a, double b)
{
    return isnan(a) || a > b || (a == b && !signbit(a)) ? a : b;
}

/* Integer values: signed forms; the unsigned forms that differ come first. */

static inline int64_t num_wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t num_wrap_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t num_wrap_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static inline int64_t num_div(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? num_wrap_sub(0, a) : a / b;
}

static inline int64_t num_rem(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

static inline int64_t num_mod(int64_t a, int64_t b)
{
    int64_t r = num_rem(a, b);

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static inline int64_t num_abs(int64_t a)
{
    return a < 0 ? num_wrap_sub(0, a) : a;
}

/* A negative exponent: 1/a truncated, so 0 unless a is 1 or -1. */
static inline int64_t num_ipow(int64_t a, int64_t b)
{
    int64_t r = 1;

    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    for (; b; b >>= 1, a = num_wrap_mul(a, a))
        if (b & 1)
            r = num_wrap_mul(r, a);
    return r;
}

static inline int64_t num_shl(int64_t a, int64_t b)
{
    return b < 0 || b > 63 ? 0 : (int64_t)((uint64_t)a << b);
}

static inline int64_t num_shr(int64_t a, int64_t b)
{
    return b < 0 || b > 63 ? 0 : a >> b;
}

static inline int64_t no_value(void)
{
    ICE_IF(true, "a scalar function without a value of this kind");
    return 0;
}
#define NONE no_value()

#endif
