/* runtime/train/use.h - an entry of the program, prepared for a number of rows and run
 * over and over: its columns are buffers, its scalars counters of the loop. */
#ifndef INGOT_TRAIN_USE_H
#define INGOT_TRAIN_USE_H

#include "invoke.h"
#include "train_abi.h"

/* Values of enum ingot_feed; feed -1 is value[0], and so on. */
enum { USE_FEEDS = 7 };
typedef struct use_feeds {
    double value[USE_FEEDS];
} use_feeds;

/* A call of the program with the buffers that it reads rows from. */
typedef struct use {
    const struct ingot_train_call *call;
    const struct ingot_entry *entry;
    tensor_value *in;
    void **column;                  /* buffers by column; null: the entry does not take it */
    invoke v;
    int64_t rows;
} use;

/* Is there such a call? */
static inline bool use_exists(const struct ingot_train_call *c) { return c->entry != NULL; }
/* Prepares the call for batches of `rows` rows of the block's columns.  False with a
 * message; use_free in any case. */
bool use_prepare(use *u, session *s, const struct ingot_train_call *c,
                 const struct ingot_train_block *b, int64_t rows, char error[TENSOR_ERROR_SIZE]);
/* Runs it on what the buffers hold.  False with a message. */
bool use_run(use *u, const use_feeds *f, char error[TENSOR_ERROR_SIZE]);
/* With all threads of the session, or on the calling one: results are the same. */
void use_set_threads(use *u, bool all);
int32_t use_results(const use *u);
const char *use_result_name(const use *u, int32_t i);
double use_result(const use *u, int32_t i);
void use_free(use *u);

/* All states get their first values: those of the program, what is drawn by this seed. */
bool use_init(session *s, const struct ingot_trainer *t, int64_t seed,
              char error[TENSOR_ERROR_SIZE]);
/* Is an input of the call fed by this? */
bool use_wants(const session *s, const struct ingot_train_call *c, int32_t feed);

#endif
