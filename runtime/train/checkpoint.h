/* runtime/train/checkpoint.h - a training as a file: every state under its path, and in
 * the notes where the training stands.
 *
 * A file appears whole or not at all, and the one before it is kept; while a training
 * runs, nobody else trains into its file. */
#ifndef INGOT_TRAIN_CHECKPOINT_H
#define INGOT_TRAIN_CHECKPOINT_H

#include "session.h"
#include "train_abi.h"

/* Where a training stands, between two steps. */
typedef struct checkpoint_place {
    int64_t block, step, epoch, seed, batch, rows;
    int64_t position;               /* rows of the epoch that were used */
    int64_t waited;                 /* epochs without a better metric */
    double best;                    /* of the metric that is waited for */
    int64_t log_size;               /* bytes of the log up to here */
    double seconds;                 /* of training so far */
    bool finished;                  /* all blocks are */
} checkpoint_place;

/* A file that a training writes to. */
typedef struct checkpoint {
    const char *path;
    const struct ingot_trainer *trainer;
    int64_t keep;                   /* files of earlier places: PATH.1, PATH.2, .. */
    int lock;                       /* descriptor of PATH.lock; -1 */
} checkpoint;

/* Locks the file for this process.  False with a message if it cannot be, or cannot be
 * written. */
bool checkpoint_open(checkpoint *c, const char *path, const struct ingot_trainer *t, int64_t keep,
                     char error[TENSOR_ERROR_SIZE]);
void checkpoint_close(checkpoint *c);
/* Is there a file to go on from? */
bool checkpoint_exists(const checkpoint *c);
/* Writes states and place.  `start` holds the states as the epoch began, for places in
 * mid-epoch, or is null. */
bool checkpoint_write(checkpoint *c, const session *s, const void *start,
                      const checkpoint_place *p, char error[TENSOR_ERROR_SIZE]);
/* Reads them back; from the file before, with a warning on stderr, where this one is
 * damaged.  False with a message: no file is whole, or it is of another program. */
bool checkpoint_read(const checkpoint *c, session *s, void *start, checkpoint_place *p,
                     char error[TENSOR_ERROR_SIZE]);

/* Takes parameters and states of nets from any safetensors file that has their names; the
 * number of states taken, `fitted` of which `fit` would fill; -1 with a message. */
int32_t checkpoint_take_weights(const struct ingot_trainer *t, session *s, const char *path,
                                int32_t *fitted, char error[TENSOR_ERROR_SIZE]);

#endif
