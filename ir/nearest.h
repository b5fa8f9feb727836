/* ir/nearest.h - the nearest of some names to a mistyped one.  The runtime's options and
 * the compiler's messages share it, so it stands on nothing of either. */
#ifndef INGOT_NEAREST_H
#define INGOT_NEAREST_H

#include <string.h>

/* The edit distance (Levenshtein) of two words; words of 64 letters and more are
 * far from all others. */
static inline int nearest_distance(const char *a, const char *b)
{
    int row[65], n = (int)strnlen(b, 64);

    if (strnlen(a, 64) > 63 || n > 63)
        return 99;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int up = row[j], side = (up < row[j - 1] ? up : row[j - 1]) + 1;
            int same = corner + (a[i - 1] != b[j - 1]);
            row[j] = side < same ? side : same;
            corner = up;
        }
    }
    return row[n];
}

/* How many letters of a name may be wrong: one and a quarter of them, but never
 * all, or a single letter would be near to every other. */
static inline int nearest_most(const char *name)
{
    int letters = (int)strlen(name + strspn(name, "-")), most = 1 + letters / 4;

    return most < letters ? most : letters - 1;
}

/* A search in progress: nearest_to(name), nearest_try(&s, ..) of each candidate, then
 * s.best is the first of the nearest, or null if none is near. */
typedef struct nearest {
    const char *name, *best;
    int most;               /* letters that may be wrong in what comes next */
} nearest;

static inline nearest nearest_to(const char *name)
{
    return (nearest){name, NULL, nearest_most(name)};
}

static inline void nearest_try(nearest *s, const char *candidate)
{
    int d = nearest_distance(s->name, candidate);

    if (d > s->most)
        return;
    s->most = d - 1;
    s->best = candidate;
}

#endif
