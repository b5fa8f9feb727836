/* cli/peak.h - what this machine's multipliers and memory reach: the bounds that
 * bench compares with. */
#ifndef INGOT_PEAK_H
#define INGOT_PEAK_H

/* f32 multiplications and additions in a second, in units of 1e9, on so many
 * threads at once: the best of some short measurements. */
double peak_gflops(int threads);

/* Bytes that one thread reads and writes in a second where they lie near, in units of
 * 1e9: the best of some copies of a few hundred kilobytes. */
double peak_gbytes(void);

#endif
