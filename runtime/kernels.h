/* runtime/kernels.h - the kernels called out of line, as ir/kernels.def has
 * them.  They use neither libm nor the heap: a library links them too. */
#ifndef INGOT_KERNELS_H
#define INGOT_KERNELS_H

#include "abi.h"

/* Before a definition: models in one program share a copy.  Not before a
 * declaration, since a weak reference fetches nothing from an archive. */
#define KERNEL_SHARED __attribute__((weak))

#define KERNEL(name, ...) int32_t ingot_kernel_##name(struct ingot_extern *x);
#include "kernels.def"

#endif
