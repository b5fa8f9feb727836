/* runtime/train/words.h - numbers for texts: categories, characters, words. */
#ifndef INGOT_TRAIN_WORDS_H
#define INGOT_TRAIN_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one.  text[i] is what stands for i. */
typedef struct words {
    char **text;
    int64_t *uses;
    int64_t n;
    int64_t *slot;              /* a hash table of indices, -1: free */
    size_t slots;               /* a power of two, or 0 */
    bool fixed;                 /* nothing is added any more */
} words;

/* Bytes of the UTF-8 character at `at`; 0: there is none. */
size_t words_character(const char *at, const char *end);
/* Is all of it such characters? */
bool words_is_utf8(const char *text, size_t size);

/* The number of a text, added if it is new; counts its use.  -1 if it is not known and
 * the set is fixed, -2 without memory. */
int64_t words_number(words *w, const char *text, size_t size);
/* Makes it a set of just these.  False without memory. */
bool words_fix(words *w, const char *const *text, int64_t n);
/* Orders all from `first` on, by their bytes or, with by_uses, those used most often
 * first; to[i] is the new number of i.  False without memory. */
bool words_sort(words *w, int64_t first, bool by_uses, int64_t *to);
void words_free(words *w);

#endif
