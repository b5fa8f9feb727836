/* runtime/kernel_nonzero.c - where a tensor is not zero. */
#include <string.h>

#include "kernels.h"

enum { MAX_RANK = 16 };

/* Bytes of an element, and its bits that tell zero from the rest: not the sign
 * of a floating-point number, unless -0 means NaN.  Numbers are ONNX's. */
typedef struct bits {
    int32_t size;
    uint64_t mask;
} bits;

/* size 0: no type of numbers.  ONNX's numbers of types: 1 is f32, 10 f16, 16 bf16,
 * 11 f64 and so on. */
static bits bits_of(int32_t dtype)
{
    switch (dtype) {
    case 1: return (bits){4, 0x7fffffff};
    case 10:
    case 16: return (bits){2, 0x7fff};
    case 11: return (bits){8, INT64_MAX};
    case 4:
    case 5: return (bits){2, UINT64_MAX};
    case 6:
    case 12: return (bits){4, UINT64_MAX};
    case 7:
    case 13: return (bits){8, UINT64_MAX};
    case 17:
    case 19: return (bits){1, 0x7f};
    case 23: return (bits){1, 0x07};
    case 8:
    case 14:
    case 15: return (bits){0, 0};       /* not numbers of one part */
    default: return (bits){1, UINT64_MAX};
    }
}

static int is_set(const uint8_t *p, bits b)
{
    uint64_t v = 0;

    memcpy(&v, p, (size_t)b.size);
    return (v & b.mask) != 0;
}

static void put_place(int64_t *out, const struct ingot_tensor *x, int64_t n, int64_t at)
{
    for (int32_t a = x->rank - 1; a >= 0; a--) {
        out[a * n] = at % x->dims[a];
        at /= x->dims[a];
    }
}

/* Two walks: the result is [rank, n], so n must be known before the first place is
 * stored. */
KERNEL_SHARED int32_t ingot_kernel_nonzero(struct ingot_extern *call)
{
    const struct ingot_tensor *x = &call->arg[1];
    const uint8_t *data = x->data;
    int64_t *out = call->arg[0].data, count = 1, n = 0;
    bits b = bits_of(x->dtype);

    for (int32_t a = 0; a < x->rank; a++)
        count *= x->dims[a];
    if (!b.size) {
        call->message = "nonzero: of this element type it is not supported";
        return INGOT_CHECK;
    }
    for (int64_t i = 0; i < count; i++)
        n += is_set(data + i * b.size, b);
    for (int64_t i = 0, k = 0; k < n; i++)
        if (is_set(data + i * b.size, b))
            put_place(out + k++, x, n, i);
    call->sym[0] = n;
    return INGOT_OK;
}
