/* runtime/train/checkpoint.h - a training as a file: every state under its path, and in
 * the notes where the training stands.
 *
 * A file appears whole or not at all, and the one before it is kept; while a training
 * runs, nobody else trains into its file. */
#ifndef INGOT_TRAIN_CHECKPOINT_H
#define INGOT_TRAIN_CHECKPOINT_H

#include "place.h"
#include "session.h"
#include "train_abi.h"

/* States of an earlier moment that a training keeps beside those of now: parameters and
 * states of nets, as the epoch began or as a metric was best.  In the file they stand under
 * NAME/PATH. */
typedef struct checkpoint_past {
    const char *name;
    void *states;                   /* a state block; null: there are none */
} checkpoint_past;

/* A file that a training writes to. */
typedef struct checkpoint {
    const char *path;
    const struct ingot_trainer *trainer;
    int64_t keep;                   /* files of earlier places: PATH.1, PATH.2, .. */
    int lock;                       /* descriptor of PATH.lock; -1 */
    char *lock_path;
    int slot;                       /* of cleanup.h, for it */
} checkpoint;

/* Locks the file for this process.  False with a message if it cannot be, or cannot be
 * written. */
bool checkpoint_open(checkpoint *c, const char *path, const struct ingot_trainer *t, int64_t keep,
                     char error[TENSOR_ERROR_SIZE]);
void checkpoint_close(checkpoint *c);
/* Is there a file to go on from?  0: the one of the name, n: PATH.n; -1: none. */
int64_t checkpoint_newest(const checkpoint *c);
/* Writes states, place and those of the n past states that there are. */
bool checkpoint_write(checkpoint *c, const session *s, const checkpoint_past *past, int32_t n,
                      const place *p, char error[TENSOR_ERROR_SIZE]);
/* Reads them back, of the past what the file has and the caller has room for; from the file
 * before, with a warning on stderr, where this one is damaged.  False with a message: no
 * file is whole, or it is of another program. */
bool checkpoint_read(const checkpoint *c, session *s, const checkpoint_past *past, int32_t n,
                     place *p, char error[TENSOR_ERROR_SIZE]);

/* Is the file the checkpoint of another program?  Then with a message.  Plain weights are of
 * nobody. */
bool checkpoint_of_other(const struct ingot_trainer *t, const char *path,
                         char error[TENSOR_ERROR_SIZE]);

#endif
