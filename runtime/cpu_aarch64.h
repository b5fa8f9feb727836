/* runtime/cpu_aarch64.h - asks an aarch64 processor; Linux answers for it.  The runtime
 * includes this text, and ingot writes it into the libraries that it makes. */
#include <stdint.h>

static uint64_t cpu_register(uint32_t number)
{
    uint64_t v;

    if (number == 0)
        __asm__("mrs %0, ID_AA64PFR0_EL1" : "=r"(v));
    else if (number == 1)
        __asm__("mrs %0, ID_AA64ISAR0_EL1" : "=r"(v));
    else
        __asm__("mrs %0, ID_AA64ISAR1_EL1" : "=r"(v));
    return v;
}

/* Registers are read fast enough to remember nothing. */
struct cpu_said {
    int asked;
};

/* Is a feature there?  at: register, and the first of its four bits. */
static int cpu_has(struct cpu_said *c, const uint32_t *at)
{
    (void)c;
    return (cpu_register(at[0]) >> at[1] & 15) != 0;
}
