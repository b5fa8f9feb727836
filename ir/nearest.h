/* ir/nearest.h - the nearest of some names to a mistyped one.  The runtime's options and
 * the compiler's messages share it, so it stands on nothing of either. */
#ifndef INGOT_NEAREST_H
#define INGOT_NEAREST_H

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* The edit distance of two words, in which a swap of two neighbours is one edit as is
 * a letter that is wrong, missing or too many: 1 from tahn to tanh.  Words of 64 letters
 * and more are far from all others. */
static inline int nearest_distance(const char *a, const char *b)
{
    int row[65], last[65] = {0}, n = (int)strnlen(b, 64);   /* `last`: the row before the last */

    if (strnlen(a, 64) > 63 || n > 63)
        return 99;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int corner = row[0], beyond = 0;    /* beyond: of the row before, two to the left */
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int up = row[j], side = (up < row[j - 1] ? up : row[j - 1]) + 1;
            int same = corner + (a[i - 1] != b[j - 1]);
            bool swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            row[j] = side < same ? side : same;
            if (swap && beyond + 1 < row[j])
                row[j] = beyond + 1;
            beyond = last[j - 1];
            last[j - 1] = corner;
            corner = up;
        }
        last[n] = corner;
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
    int most;               /* what comes next may be as far, by nearest_rank */
} nearest;

/* Of two names equally near, that with as many letters is nearer: who swaps two or takes a
 * wrong one keeps their number.  tahn is nearer to tanh than to tan.  The same letters, capital
 * or not, are the nearest, also where there is only one. */
static inline int nearest_rank(const char *name, const char *candidate)
{
    if (strcmp(name, candidate) && !strcasecmp(name, candidate))
        return 1;
    return 2 * nearest_distance(name, candidate) + (strlen(name) != strlen(candidate));
}

static inline nearest nearest_to(const char *name)
{
    return (nearest){name, NULL, 2 * nearest_most(name) + 1};
}

static inline void nearest_try(nearest *s, const char *candidate)
{
    int rank = nearest_rank(s->name, candidate);

    if (rank > s->most)
        return;
    s->most = rank - 1;
    s->best = candidate;
}

#endif
