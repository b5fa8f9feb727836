/* runtime/train/judge.h - what an entry of the program says of rows, beside what they are.
 *
 * An entry serves that takes columns of the block, and gives each row what a column that is
 * left over has: `entry classify(x: u8[.., 28, 28]) -> int<10>[..]` for the columns x and
 * label; no net, whose results may be of another scale.  A class may also come as a score for
 * each, of which the largest counts, or of two classes as one probability or logit.  Without
 * such an entry the two sides of the block's objective serve, where it has them. */
#ifndef INGOT_TRAIN_JUDGE_H
#define INGOT_TRAIN_JUDGE_H

#include "block.h"

/* What the entry said of each row, and what the column has: for classes their numbers. */
typedef struct judge {
    const struct ingot_train_block *b;
    const choice *rows;             /* in the order in which they stand */
    struct ingot_train_call call;   /* its name is null: no entry serves */
    int32_t *feeds;
    int32_t target;                 /* the column that is left over, or of which the objective
                                     * makes what is; -1: it is none of them */
    bool compares;                  /* it is the objective's: its second result is what is */
    int64_t classes;                /* 0: numbers */
    double *said, *is;              /* an element for each row */
} judge;

/* Finds the entry and runs it on the rows of a part; states are afterwards as they were.
 * False with a message; judge_close in any case. */
bool judge_open(judge *j, const struct ingot_trainer *t, const block *k, enum ingot_part part,
                char error[TENSOR_ERROR_SIZE]);
void judge_close(judge *j);

#endif
