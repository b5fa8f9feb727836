/* runtime/clock.c - the time of runs, in seconds of a clock that nobody sets. */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

double clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void clock_sort(double *seconds, size_t n)
{
    qsort(seconds, n, sizeof *seconds, by_size);
}

/* Of sorted times: for 200 runs the 99th is the one with two above or at it. */
double clock_percentile(const double *seconds, size_t n, int percent)
{
    size_t at = n * (size_t)percent / 100;

    return seconds[at < n ? at : n - 1];
}

/* So that short times show something: 0.012345 ms, but 12.346 ms. */
int clock_digits(double ms)
{
    return ms < 0.1 ? 6 : 3;
}
