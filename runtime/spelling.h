/* runtime/spelling.h - what numbers below a bound stand for: the characters or words of a text,
 * categories. */
#ifndef INGOT_SPELLING_H
#define INGOT_SPELLING_H

#include <stdio.h>

#include "tensor_io.h"

/* Numbers with a meaning of their own in texts whose rows are lines. */
enum { TEXT_PAD = 0, TEXT_START = 1, TEXT_END = 2, TEXT_MARKS = 3 };
extern const char *const text_marks[TEXT_MARKS];
/* Number 0 of the words of a text: those that are not among the most frequent. */
extern const char text_unknown[];

/* names[i] is what i stands for; n 0: nothing. */
typedef struct spelling {
    const char *const *names;
    int64_t n;
} spelling;

/* Do the names begin with the marks? */
bool spelling_is_marked(spelling s);
/* The numbers of a text, int64[n], between marks if the names have such; of rank 0 the number of
 * one name.  `input` is named in messages, of TENSOR_ERROR_SIZE bytes.  *t is made. */
bool spelling_read(spelling s, const char *input, int32_t rank, const char *text, tensor *t,
                   char *error);
/* Prints what the elements stand for, and an end of line; marks are left out, and what stands
 * behind the one that ends. */
void spelling_print(spelling s, const tensor *t, FILE *f);

#endif
