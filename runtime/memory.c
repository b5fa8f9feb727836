/* runtime/memory.c - memory that compiled code works on. */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Bytes. */
enum { LINE = 64, HUGE_PAGE = 2 << 20 };

/* At a multiple of a cache line.  Large blocks ask for huge pages: with small ones
 * each new page of weights or images costs a miss in the table of addresses. */
void *memory_get(size_t size)
{
    if (size < HUGE_PAGE)
        return aligned_alloc(LINE, (size + LINE) & ~(size_t)(LINE - 1));
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t whole = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    void *p = aligned_alloc(HUGE_PAGE, whole);
#ifdef MADV_HUGEPAGE
    if (p)
        madvise(p, whole, MADV_HUGEPAGE);
#endif
    return p;
}
