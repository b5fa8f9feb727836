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

/* What the processor said last, all 0 at first: in a virtual machine each question takes
 * tens of microseconds, since the host answers it. */
struct cpu_said {
    int asked, asked_saved;
    uint32_t leaf, subleaf, r[4], saved;
};

/* Is a feature there?  at: leaf, subleaf, register, bit, and what must be saved. */
static int cpu_has(struct cpu_said *c, const uint32_t *at)
{
    if (!c->asked || c->leaf != at[0] || c->subleaf != at[1]) {
        c->asked = 1, c->leaf = at[0], c->subleaf = at[1];
        if (!__get_cpuid_count(at[0], at[1], &c->r[0], &c->r[1], &c->r[2], &c->r[3]))
            c->r[0] = c->r[1] = c->r[2] = c->r[3] = 0;
    }
    if (!(c->r[at[2]] >> at[3] & 1) || !at[4])
        return c->r[at[2]] >> at[3] & 1;
    if (!c->asked_saved)
        c->asked_saved = 1, c->saved = cpu_saved();
    return !(at[4] & ~c->saved);
}
