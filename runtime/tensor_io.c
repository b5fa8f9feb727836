/* runtime/tensor_io.c - tensors in memory: types and values.  Elements of less than
 * a byte take a byte each here; they are packed in files only. */
#include "tensor_io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "tensor_file.h"
#include "tensor_types.h"

/* Row: our name, numpy's, bytes in memory, bits in a file, class (float, signed,
 * unsigned, bool, complex, string), safetensors' name; null where a format has no
 * such type.  By ONNX's number. */
const tensor_type tensor_types[TENSOR_TYPES] = {
    [TENSOR_F32] = {"f32", "<f4", 4, 32, 'f', "F32"},
    [TENSOR_U8] = {"u8", "|u1", 1, 8, 'u', "U8"},
    [TENSOR_I8] = {"i8", "|i1", 1, 8, 'i', "I8"},
    [TENSOR_U16] = {"u16", "<u2", 2, 16, 'u', "U16"},
    [TENSOR_I16] = {"i16", "<i2", 2, 16, 'i', "I16"},
    [TENSOR_I32] = {"i32", "<i4", 4, 32, 'i', "I32"},
    [TENSOR_I64] = {"i64", "<i8", 8, 64, 'i', "I64"},
    [TENSOR_STRING] = {"str", NULL, 16, 128, 's', NULL},
    [TENSOR_BOOL] = {"bool", "|b1", 1, 8, 'b', "BOOL"},
    [TENSOR_F16] = {"f16", "<f2", 2, 16, 'f', "F16"},
    [TENSOR_F64] = {"f64", "<f8", 8, 64, 'f', "F64"},
    [TENSOR_U32] = {"u32", "<u4", 4, 32, 'u', "U32"},
    [TENSOR_U64] = {"u64", "<u8", 8, 64, 'u', "U64"},
    [TENSOR_C64] = {"c64", "<c8", 8, 64, 'c', "C64"},
    [TENSOR_C128] = {"c128", "<c16", 16, 128, 'c', NULL},
    [TENSOR_BF16] = {"bf16", NULL, 2, 16, 'f', "BF16"},
    [TENSOR_F8E4M3FN] = {"f8e4m3fn", NULL, 1, 8, 'f', "F8_E4M3"},
    [TENSOR_F8E4M3FNUZ] = {"f8e4m3fnuz", NULL, 1, 8, 'f', NULL},
    [TENSOR_F8E5M2] = {"f8e5m2", NULL, 1, 8, 'f', "F8_E5M2"},
    [TENSOR_F8E5M2FNUZ] = {"f8e5m2fnuz", NULL, 1, 8, 'f', NULL},
    [TENSOR_U4] = {"u4", NULL, 1, 4, 'u', NULL},
    [TENSOR_I4] = {"i4", NULL, 1, 4, 'i', NULL},
    [TENSOR_F4E2M1] = {"f4e2m1", NULL, 1, 4, 'f', NULL},
    [TENSOR_F8E8M0] = {"f8e8m0", NULL, 1, 8, 'f', "F8_E8M0"},
    [TENSOR_U2] = {"u2", NULL, 1, 2, 'u', NULL},
    [TENSOR_I2] = {"i2", NULL, 1, 2, 'i', NULL},
};

static bool known(int32_t dtype)
{
    return dtype > 0 && dtype < TENSOR_TYPES;
}

const char *tensor_type_name(int32_t dtype)
{
    return known(dtype) ? tensor_types[dtype].name : "?";
}

size_t tensor_elem_size(int32_t dtype)
{
    return known(dtype) ? tensor_types[dtype].size : 0;
}

bool tensor_is_float(int32_t dtype)
{
    return dtype == TENSOR_F32 || dtype == TENSOR_F64 || dtype == TENSOR_F16 ||
           dtype == TENSOR_BF16;
}

/* Zeroed, at a multiple of 64 bytes.  False if the shape is none or memory lacks;
 * t->data is null then, and count tells which (tensor_init_failed words it). */
bool tensor_init(tensor *t, int32_t dtype, int32_t rank, const int64_t *dims)
{
    size_t size = tensor_elem_size(dtype), bytes;
    int64_t count = 1;

    *t = (tensor){.dtype = dtype, .rank = rank};
    if (!size || rank < 0 || rank > TENSOR_MAX_RANK)
        return false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0 || __builtin_mul_overflow(count, dims[i], &count))
            return false;
        t->dims[i] = dims[i];
    }
    if (__builtin_mul_overflow((size_t)count, size, &bytes) || bytes > SIZE_MAX / 4)
        return false;
    t->count = count;
    t->data = memory_get(bytes);
    if (t->data)
        memset(t->data, 0, bytes);
    return t->data != NULL;
}

bool tensor_init_failed(const tensor *t, const char *what, const char *name,
                        char error[TENSOR_ERROR_SIZE])
{
    if (!t->count)
        return tensor_fail(error, "%s '%.200s' is too large", what, name);
    return tensor_fail(error, "no memory for the %zu bytes of %s '%.200s'",
                       (size_t)t->count * tensor_elem_size(t->dtype), what, name);
}

void tensor_free(tensor *t)
{
    if (t->dtype == TENSOR_STRING && t->data)
        for (int64_t i = 0; i < t->count; i++)
            free((char *)((tensor_string *)t->data)[i].at);
    free(t->data);
    *t = (tensor){0};
}

/* Texts that belong to somebody else are copied.  On failure t is freed. */
bool tensor_own_strings(tensor *t)
{
    tensor_string *s = t->data;
    int64_t count = t->count;

    for (t->count = 0; t->count < count; t->count++, s++) {
        char *copy = malloc(s->len + 1);
        if (!copy) {
            tensor_free(t);
            return false;
        }
        if (s->len)
            memcpy(copy, s->at, s->len);
        copy[s->len] = 0;
        s->at = copy;
    }
    return true;
}

void tensor_value_free(tensor_value *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        tensor_value_free(&v->item[i]);
    free(v->item);
    tensor_free(&v->t);
    *v = (tensor_value){0};
}

/* ---- elements as numbers --------------------------------------------------- */

/* The value of a floating-point number of a sign, e bits of exponent with this bias,
 * and m bits of mantissa.  `finite`: there are no infinities, and only the pattern
 * of all ones is NaN.  `uz`: NaN is what else would be the negative zero. */
static double small_float(uint32_t bits, int e, int m, int bias, bool finite, bool uz)
{
    uint32_t exp = bits >> m & ((1u << e) - 1), man = bits & ((1u << m) - 1);
    double sign = bits >> (e + m) & 1 ? -1 : 1;

    if (uz && bits == 1u << (e + m))
        return NAN;
    if (!uz && exp == (1u << e) - 1) {
        if (!finite)
            return man ? NAN : sign * INFINITY;
        if (man == (1u << m) - 1)
            return NAN;
    }
    if (exp == 0)
        return sign * ldexp(man, 1 - bias - m);
    return sign * ldexp(man + (1u << m), (int)exp - bias - m);
}

/* Formats as in ir/num.c; the runtime includes nothing of the compiler's. */
static double float_element(int32_t dtype, const void *p)
{
    uint16_t h;
    uint32_t w;
    float f;
    uint8_t b = *(const uint8_t *)p;

    switch (dtype) {
    case TENSOR_F32: memcpy(&f, p, 4); return f;
    case TENSOR_F16: memcpy(&h, p, 2); return small_float(h, 5, 10, 15, false, false);
    case TENSOR_BF16:
        memcpy(&h, p, 2);
        w = (uint32_t)h << 16;
        memcpy(&f, &w, 4);
        return f;
    case TENSOR_F8E4M3FN: return small_float(b, 4, 3, 7, true, false);
    case TENSOR_F8E4M3FNUZ: return small_float(b, 4, 3, 8, true, true);
    case TENSOR_F8E5M2: return small_float(b, 5, 2, 15, false, false);
    case TENSOR_F8E5M2FNUZ: return small_float(b, 5, 2, 16, true, true);
    case TENSOR_F8E8M0: return b == 255 ? NAN : ldexp(1, b - 127);
    case TENSOR_F4E2M1: {
        static const double value[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
        return b & 8 ? -value[b & 7] : value[b & 7];
    }
    default: {
        double d;
        memcpy(&d, p, 8);
        return d;
    }
    }
}

/* An element of an integer type, its sign extended; u64 as its bits. */
int64_t tensor_integer(int32_t dtype, const void *p)
{
    int64_t v = 0;
    size_t size = tensor_types[dtype].size;

    memcpy(&v, p, size);
    if (tensor_types[dtype].cls == 'i' && size < 8) {
        int shift = 64 - 8 * (int)size;
        v = (int64_t)((uint64_t)v << shift) >> shift;
    }
    return v;
}

/* Of a complex number the real part. */
double tensor_element(const tensor *t, int64_t i)
{
    const tensor_type *k = &tensor_types[t->dtype];
    const char *p = (const char *)t->data + (size_t)i * k->size;

    if (k->cls == 'f')
        return float_element(t->dtype, p);
    if (k->cls == 'c') {
        float f;
        double d;
        memcpy(&f, p, 4);
        memcpy(&d, p, k->size == 16 ? 8 : 0);
        return k->size == 16 ? d : f;
    }
    int64_t v = tensor_integer(t->dtype, p);
    return t->dtype == TENSOR_U64 ? (double)(uint64_t)v : (double)v;
}
