/* runtime/train/block.h - one train block at work: its rows, and its entries prepared for
 * them. */
#ifndef INGOT_TRAIN_BLOCK_H
#define INGOT_TRAIN_BLOCK_H

#include "choice.h"
#include "hash.h"
#include "shard.h"
#include "use.h"

/* A call, prepared for each number of rows that it is given at once: those of a batch, and of
 * the short one at the end of an epoch, or of pieces of these. */
typedef struct block_call {
    use *of;
    int32_t count;
} block_call;

/* `part[p]` are the rows that serve part p, out of what was read: a test may have files of
 * its own. */
typedef struct block {
    const struct ingot_train_block *b;
    session *s;
    rows read, read_valid, read_test;
    choice part[3];
    int64_t batch;                  /* rows of a step; of several batches, of each */
    shards shards;
    block_call step, eval;
    block_call *gather;             /* of each objective, where a step has several pieces */
    use *apply, metrics;
    const use *last;                /* the calls that have the numbers of the last step: one, or
                                     * that of each objective */
    int32_t lasts;
    const choice *held;             /* whose rows the buffers of `step` hold: all of them, in
                                     * place for every epoch; else null */
} block;

/* What the command line says of a block, in place of the program. */
typedef struct block_options {
    const int32_t *roles;           /* of the states */
    team *team;
    const rows_given *data, *test;
    int32_t datas, tests;
    int64_t batch, seed;            /* batch 0: the block's own */
    double valid;                   /* below 0: the block's own */
} block_options;

/* Reads the rows and says which serve what.  False with a message; block_close in any
 * case. */
bool block_open(block *k, const struct ingot_train_block *b, session *s, const block_options *o,
                char error[TENSOR_ERROR_SIZE]);
/* A hash of the rows as they were read, of so many of them, spread evenly, as have about a
 * megabyte: it takes less than a millisecond, and tells another file from this one, though
 * not one changed number. */
int64_t block_fingerprint(const block *k, hash_fn *more);
/* Prepares the calls. */
bool block_prepare(block *k, char error[TENSOR_ERROR_SIZE]);
void block_close(block *k);

/* Steps of an epoch, at least one. */
int64_t block_steps(const block *k);
/* Rows of a step, all its batches together. */
int64_t block_step_rows(const block *k);
/* One step on the rows of the epoch's order from `begin` on.  False with a message, here and
 * in block_eval an empty one where another process has it. */
bool block_step(block *k, const order *o, int64_t begin, const use_feeds *f,
                char error[TENSOR_ERROR_SIZE]);
/* Looks at all rows of a part, in their order. */
bool block_eval(block *k, enum ingot_part part, const use_feeds *f, char error[TENSOR_ERROR_SIZE]);
/* Checks rows that have not been used, too.  False with a message. */
bool block_check_data(const block *k, char error[TENSOR_ERROR_SIZE]);
/* The calls of a step use all threads, or the calling one. */
void block_set_threads(block *k, bool all);
/* The `fit` blocks, one after the other, on the training rows. */
bool block_fit(block *k, const use_feeds *f, char error[TENSOR_ERROR_SIZE]);

#endif
