/* runtime/train/choice.h - which of the rows that were read serve what: training,
 * validation or test; and batches of them. */
#ifndef INGOT_TRAIN_CHOICE_H
#define INGOT_TRAIN_CHOICE_H

#include <stdbool.h>

#include "order.h"
#include "rows.h"

/* `count` rows: those at the places first, first + 1, .. of the order `split` of all rows
 * or, where nothing is kept apart, of the rows as they were read. */
typedef struct choice {
    const rows *from;
    int64_t first, count;
    bool apart, checked;            /* checked: all of them have been gathered once */
    order split;
} choice;

/* How many of n rows `kept` is: a share below 1, or a number. */
int64_t choice_kept(double kept, int64_t n);
/* The row as it was read, counted from 0, at place i of an epoch's order; null: of the
 * choice as it stands. */
int64_t choice_row(const choice *c, const order *o, int64_t i);
/* Copies the rows at places begin .. begin + n to to[k], for column k; a null is left out.  Each
 * thread of the pool, which may be null, copies the rows that its part of a kernel over rows
 * reads.  False with a message where an element is none that a column takes. */
bool choice_gather(const choice *c, const order *o, int64_t begin, int64_t n, void *const *to,
                   const struct ingot_pool *pool, char error[TENSOR_ERROR_SIZE]);

#endif
