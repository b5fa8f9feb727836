/* runtime/clock.h - the time of runs. */
#ifndef INGOT_CLOCK_H
#define INGOT_CLOCK_H

#include <stddef.h>

/* Seconds since some moment; never goes back. */
double clock_now(void);
/* Sorts n times, the shortest first. */
void clock_sort(double *seconds, size_t n);
/* The time, of n sorted ones, that `percent` of them do not exceed; of two middle ones
 * the later. */
double clock_percentile(const double *seconds, size_t n, int percent);
/* Digits behind the point to write a time with: a short one needs more to say anything. */
int clock_digits(double ms);

#endif
