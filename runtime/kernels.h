/* runtime/kernels.h - the kernels called out of line, as ir/kernels.def has
 * them.  They use neither libm nor the heap: a library links them too. */
#ifndef INGOT_KERNELS_H
#define INGOT_KERNELS_H

#include "abi.h"

/* Models in one program share a copy. */
#define KERNEL(name, results, operands, nums, syms, purpose) \
    __attribute__((weak)) int32_t ingot_kernel_##name(struct ingot_extern *x);
#include "kernels.def"

#endif
