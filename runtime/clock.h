/* runtime/clock.h - the time of runs. */
#ifndef INGOT_CLOCK_H
#define INGOT_CLOCK_H

#include <stddef.h>

/* Seconds since some moment; never goes back. */
double clock_now(void);
/* Sorts n times; the one in the middle, of an even number the later. */
double clock_median(double *seconds, size_t n);
/* Digits behind the point to write a time with: a short one needs more to say anything. */
int clock_digits(double ms);

#endif
