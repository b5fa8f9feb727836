/* ir/shown.h - what `show x` prints of an array: one text for the interpreter and for
 * compiled programs, so it stands on nothing of either.
 *   h: f32[2,64]: least -1.2, mean 0.03, most 2.1, 3 NaN */
#ifndef INGOT_SHOWN_H
#define INGOT_SHOWN_H

#include <stdint.h>
#include <stdio.h>

/* Of the elements so far; least, most and sum are of those that are numbers. */
typedef struct shown {
    int64_t numbers, nans;
    double least, most, sum;
} shown;

static inline void shown_add(shown *s, double v)
{
    if (v != v) {
        s->nans++;
        return;
    }
    s->least = !s->numbers || v < s->least ? v : s->least;
    s->most = !s->numbers || v > s->most ? v : s->most;
    s->sum += v;
    s->numbers++;
}

/* A line on stderr, where it is in nobody's way. */
static inline void shown_print(const shown *s, const char *name, const char *type, int32_t rank,
                               const int64_t *dims)
{
    fprintf(stderr, "%s: %s[", name, type);
    for (int32_t i = 0; i < rank; i++)
        fprintf(stderr, i ? ",%lld" : "%lld", (long long)dims[i]);
    fputs("]", stderr);
    if (s->numbers)
        fprintf(stderr, ": least %g, mean %g, most %g", s->least, s->sum / (double)s->numbers,
                s->most);
    if (s->nans)
        fprintf(stderr, "%s %lld NaN", s->numbers ? "," : ":", (long long)s->nans);
    fputs("\n", stderr);
}

#endif
