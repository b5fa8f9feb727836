/* runtime/clock.c - the time of runs. */
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

double clock_percentile(const double *seconds, size_t n, int percent)
{
    size_t at = n * (size_t)percent / 100;

    return seconds[at < n ? at : n - 1];
}

int clock_digits(double ms)
{
    return ms < 0.1 ? 6 : 3;
}
