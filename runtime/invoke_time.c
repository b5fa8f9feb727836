/* runtime/invoke_time.c - how long runs take.  Each run is timed alone and sorted
 * afterwards, so that percentiles are exact; states are put back, and timing a step
 * of a training leaves no trace. */
#include <stdlib.h>

#include "clock.h"
#include "invoke.h"
#include "tensor_file.h"

/* The time of each run. */
typedef struct samples {
    double *seconds;
    size_t n, room;
} samples;

static bool add_sample(samples *s, double seconds)
{
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 1024;
        double *more = realloc(s->seconds, room * sizeof *more);
        if (!more)
            return false;
        s->seconds = more;
        s->room = room;
    }
    s->seconds[s->n++] = seconds;
    return true;
}

/* Until the time is over, but once at least; a negative time is no warming up at
 * all. */
static bool warm_up(invoke *v, double seconds, char *error)
{
    double end = clock_now() + seconds;

    if (seconds < 0)
        return true;
    do
        if (!invoke_run(v, error))
            return false;
    while (clock_now() < end);
    return true;
}

/* Are more runs to be timed? */
static bool goes_on(const invoke_timing *how, size_t done, double end)
{
    if (how->runs)
        return done < how->runs;
    return done < INVOKE_LEAST_RUNS || clock_now() < end;
}

static bool time_runs(invoke *v, const invoke_timing *how, samples *s, char *error)
{
    double end = clock_now() + how->seconds;

    while (goes_on(how, s->n, end)) {
        double start = clock_now();
        if (!invoke_run(v, error))
            return false;
        if (!add_sample(s, clock_now() - start))
            return tensor_fail(error, "no memory for the times of runs");
    }
    return true;
}

/* s has one sample at least. */
static invoke_times summary(const invoke *v, samples *s)
{
    double sum = 0;

    clock_sort(s->seconds, s->n);
    for (size_t i = 0; i < s->n; i++)
        sum += s->seconds[i];
    return (invoke_times){.min = s->seconds[0],
                          .median = clock_percentile(s->seconds, s->n, 50),
                          .p90 = clock_percentile(s->seconds, s->n, 90),
                          .p99 = clock_percentile(s->seconds, s->n, 99),
                          .mean = sum / (double)s->n,
                          .runs = s->n,
                          .flops = v->entry->flops(v->dims),
                          .workspace_size = v->workspace_size};
}

/* States are as before afterwards, however often it ran. */
bool invoke_time(invoke *v, const invoke_timing *how, invoke_times *t,
                 char error[TENSOR_ERROR_SIZE])
{
    samples s = {0};
    void *states = NULL;

    if (!session_save(v->s, &states))
        return tensor_fail(error, "no memory for a copy of the states");
    bool ok = warm_up(v, how->warm_up, error) && time_runs(v, how, &s, error);
    if (ok)
        *t = summary(v, &s);
    session_restore(v->s, states);
    free(s.seconds);
    return ok;
}
