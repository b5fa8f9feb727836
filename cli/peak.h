/* cli/peak.h - what this machine's multipliers reach: the bound that bench
 * compares with. */
#ifndef INGOT_PEAK_H
#define INGOT_PEAK_H

/* f32 multiplications and additions in a second, in units of 1e9, on so many
 * threads at once: the best of some short measurements. */
double peak_gflops(int threads);

#endif
