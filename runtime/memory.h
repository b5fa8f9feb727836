/* runtime/memory.h - memory that compiled code works on. */
#ifndef INGOT_MEMORY_H
#define INGOT_MEMORY_H

#include <stddef.h>

/* At least `size` bytes, 64-byte aligned, to be freed by free(); null if there
 * are none.  Large ones stand on huge pages where the system has them: a
 * workspace is walked from end to end in every run. */
void *memory_get(size_t size);

#endif
