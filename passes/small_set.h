/* passes/small_set.h - a few numbers in rising order, each once: nodes or values of a function. */
#ifndef INGOT_SMALL_SET_H
#define INGOT_SMALL_SET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SMALL_SET = 64 };

typedef struct small_set {
    uint32_t n, at[SMALL_SET];
} small_set;

/* False: the set is full. */
static inline bool small_set_add(small_set *s, uint32_t x)
{
    uint32_t i = s->n;

    while (i > 0 && s->at[i - 1] > x)
        i--;
    if (i > 0 && s->at[i - 1] == x)
        return true;
    if (s->n == SMALL_SET)
        return false;
    memmove(&s->at[i + 1], &s->at[i], (s->n++ - i) * sizeof s->at[0]);
    s->at[i] = x;
    return true;
}

#endif
