/* runtime/train/floating.h - subnormal numbers count as zero in a training: moments of
 * units that are dead would stay near 1e-45 for ever, at a hundred cycles an operation. */
#ifndef INGOT_TRAIN_FLOATING_H
#define INGOT_TRAIN_FLOATING_H

#if defined __x86_64__
#include <immintrin.h>
#endif

/* For the calling thread, and those that it starts from now on. */
static inline void floating_flush(void)
{
#if defined __x86_64__
    _mm_setcsr(_mm_getcsr() | 0x8040);      /* flush to zero, denormals are zeros */
#elif defined __aarch64__
    unsigned long long control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control | 1ull << 24));
#endif
}

#endif
