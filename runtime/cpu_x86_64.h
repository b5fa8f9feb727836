/* runtime/cpu_x86_64.h - asks an x86-64 processor.  The runtime includes this text, and
 * ingot writes it into the libraries that it makes. */
#include <cpuid.h>
#include <stdint.h>

/* Registers that the system saves when threads change: XCR0; 0 without XGETBV. */
static uint32_t cpu_saved(void)
{
    uint32_t r[4], low, high;

    if (!__get_cpuid(1, &r[0], &r[1], &r[2], &r[3]) || !(r[2] >> 27 & 1))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Is a feature there?  at: leaf, subleaf, register, bit, and what must be saved. */
static int cpu_has(const uint32_t *at)
{
    uint32_t r[4];

    return __get_cpuid_count(at[0], at[1], &r[0], &r[1], &r[2], &r[3]) &&
           (r[at[2]] >> at[3] & 1) && (!at[4] || !(at[4] & ~cpu_saved()));
}
