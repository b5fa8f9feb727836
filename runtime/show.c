/* runtime/show.c - `show x` of a program: a kernel of executables, not of libraries, which
 * print nothing. */
#include "kernels.h"
#include "shown.h"
#include "tensor_io.h"

KERNEL_SHARED int32_t ingot_kernel_show(struct ingot_extern *call)
{
    const struct ingot_tensor *x = call->arg;
    tensor t = {.dtype = x->dtype, .rank = x->rank, .data = x->data, .count = 1};
    shown s = {0};

    for (int32_t a = 0; a < x->rank; a++)
        t.count *= t.dims[a] = x->dims[a];
    for (int64_t i = 0; i < t.count; i++)
        shown_add(&s, tensor_element(&t, i));
    shown_print(&s, call->message, tensor_type_name(x->dtype), x->rank, x->dims);
    return INGOT_OK;
}
