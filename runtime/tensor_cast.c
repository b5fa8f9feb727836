/* runtime/tensor_cast.c - numbers as elements of a type, tensors of another type. */
#include <math.h>
#include <string.h>

#include "tensor_file.h"
#include "tensor_types.h"

/* The nearest number of a sign, e bits of exponent with this bias and m bits of
 * mantissa, ties to even; what is too large is infinite. */
static uint16_t small_bits(double v, int e, int m, int bias)
{
    uint32_t sign = signbit(v) ? 1u << (e + m) : 0, infinite = ((1u << e) - 1) << m, bits;
    int exponent;

    if (isnan(v))
        return (uint16_t)(infinite | 1u << (m - 1));
    double a = fabs(v), fraction = frexp(a, &exponent);
    if (fraction == 0 || isinf(a))
        return (uint16_t)(sign | (fraction == 0 ? 0 : infinite));
    exponent = exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
    bits = exponent > bias ? infinite : (uint32_t)nearbyint(ldexp(a, m - exponent));
    if (exponent <= bias)               /* the leading 1 of the mantissa is in the exponent */
        bits += (uint32_t)(exponent + bias - 1) << m;
    return (uint16_t)(sign | (bits < infinite ? bits : infinite));
}

static bool is_integer(int32_t dtype)
{
    const tensor_type *k = &tensor_types[dtype];

    return dtype == TENSOR_BOOL || ((k->cls == 'i' || k->cls == 'u') && k->bits >= 8);
}

/* f16 and bf16 are rounded once from the double. */
static void put_float(int32_t dtype, double v, void *to)
{
    float f = (float)v;
    uint16_t small = dtype == TENSOR_BF16 ? small_bits(v, 8, 7, 127) : small_bits(v, 5, 10, 15);

    if (dtype == TENSOR_F64)
        memcpy(to, &v, 8);
    else if (dtype == TENSOR_F32)
        memcpy(to, &f, 4);
    else
        memcpy(to, &small, 2);
}

/* Stores a number in an integer type, rounded toward 0; false if it has no room. */
static bool put_integer(int32_t dtype, double v, void *to)
{
    const tensor_type *k = &tensor_types[dtype];
    double most = ldexp(1, k->bits - (k->cls == 'i')), least = k->cls == 'i' ? -most : 0;

    if (dtype == TENSOR_BOOL)
        v = v != 0;
    v = trunc(v);
    if (!(v >= least && v < most))
        return false;
    uint64_t bits = v < 0 ? (uint64_t)(int64_t)v : (uint64_t)v;
    memcpy(to, &bits, k->size);
    return true;
}

/* Integers of both types go over as they are: a double holds 53 bits. */
static bool copy_integer(const tensor *t, int64_t i, int32_t dtype, void *to)
{
    const char *at = (const char *)t->data + (size_t)i * tensor_types[t->dtype].size;
    int64_t v = tensor_integer(t->dtype, at);

    if (tensor_types[dtype].bits < 64 || dtype == TENSOR_BOOL)
        return put_integer(dtype, tensor_element(t, i), to);
    memcpy(to, &v, 8);
    return tensor_types[t->dtype].cls == tensor_types[dtype].cls || v >= 0;
}

static bool cast_element(const tensor *t, int64_t i, int32_t dtype, void *to)
{
    if (tensor_is_float(dtype)) {
        put_float(dtype, tensor_element(t, i), to);
        return true;
    }
    return is_integer(t->dtype) ? copy_integer(t, i, dtype, to)
                                : put_integer(dtype, tensor_element(t, i), to);
}

bool tensor_put_number(int32_t dtype, void *data, int64_t i, double v)
{
    char *to = (char *)data + (size_t)i * tensor_elem_size(dtype);

    if (tensor_is_float(dtype))
        return put_float(dtype, v, to), true;
    if (!is_integer(dtype) || v != trunc(v) || (dtype == TENSOR_BOOL && v != 0 && v != 1))
        return false;
    return put_integer(dtype, v, to);
}

/* Exact or not at all: 300 has no place in a u8, and is an error rather than 44.
 * Fractions are cut. */
bool tensor_cast(tensor *t, int32_t dtype, char error[TENSOR_ERROR_SIZE])
{
    bool known = (tensor_is_float(t->dtype) || is_integer(t->dtype)) &&
                 (tensor_is_float(dtype) || is_integer(dtype));
    tensor to = {0};

    if (!known)
        return tensor_fail(error, "%s cannot be converted to %s", tensor_type_name(t->dtype),
                           tensor_type_name(dtype));
    if (!tensor_init(&to, dtype, t->rank, t->dims))
        return tensor_fail(error, "no memory to convert to %s", tensor_type_name(dtype));
    for (int64_t i = 0; i < t->count; i++)
        if (!cast_element(t, i, dtype, (char *)to.data + (size_t)i * tensor_types[dtype].size)) {
            tensor_fail(error, "element %lld, which is %.6g, does not fit into %s", (long long)i,
                        tensor_element(t, i), tensor_type_name(dtype));
            tensor_free(&to);
            return false;
        }
    tensor_free(t);
    *t = to;
    return true;
}
