/* runtime/train/shard.h - what the shards of some rows give, each alone, added up in a tree
 * that depends on their number only: in one process, or in those of a team. */
#ifndef INGOT_TRAIN_SHARD_H
#define INGOT_TRAIN_SHARD_H

#include "session.h"
#include "team.h"
#include "train_abi.h"

/* Memory for that. */
enum { SHARD_LEVELS = 32 };
/* Memory for adding up what shards give.  Of eight of them level[1] holds the first while the
 * second runs, level[2] the sum of both while the next two do, level[3] that of four. */
typedef struct shards {
    session *s;
    const int32_t *roles;           /* of states */
    team *team;
    int64_t count;                  /* of a step; fewer rows are as many shards */
    size_t size;                    /* bytes of the states that a call changes, at most */
    char *before;                   /* as a call began */
    char *level[SHARD_LEVELS];      /* sums of 1, 2, 4, .. shards that wait for their right half */
} shards;

/* `shards` of `rows`, i from 0 to that number: where shard i begins, or all end. */
int64_t shard_begin(int64_t rows, int64_t shards, int64_t i);
/* May so many shards be dealt out to the processes of a team?  Each has as many, and more
 * than one process a power of two of them, so that those of a process are a part of the tree. */
bool shards_fit(const team *t, int64_t count);

/* Room for the states that a call changes.  False without memory; shards_free in any case. */
bool shards_room(shards *x, const struct ingot_train_call *c, char error[TENSOR_ERROR_SIZE]);
void shards_free(shards *x);

/* Runs the call on one shard. */
typedef bool shard_run(void *cx, int64_t shard, char error[TENSOR_ERROR_SIZE]);
/* Runs the call, which shards_room was told of, on shards 0 .. n, n being at most x->count.
 * Gradients and sums become what they were as it began, and what the shards add to them; other
 * real states the mean of what shards make of them; all others must be the same in each.
 * False with a message, which is empty where another process has one. */
bool shard_sum(shards *x, const struct ingot_train_call *c, int64_t n, shard_run *run, void *cx,
               char error[TENSOR_ERROR_SIZE]);

#endif
