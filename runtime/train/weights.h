/* runtime/train/weights.h - weights of a safetensors file: what a training begins with, and what
 * an entry is run with. */
#ifndef INGOT_TRAIN_WEIGHTS_H
#define INGOT_TRAIN_WEIGHTS_H

#include "session.h"
#include "train_abi.h"

/* What a file had of the states that it might have: how many, those of them that `fit` would
 * fill, and parameters that it lacks, the first of which has this name. */
typedef struct weights_taken {
    int32_t count, fitted, lacks;
    const char *lacking;
} weights_taken;

/* Takes parameters and states of nets from any safetensors file that has their names.  False
 * with a message: it has none, or one of another shape, or one with a NaN. */
bool weights_take(const struct ingot_trainer *t, session *s, const char *path,
                  weights_taken *taken, char error[TENSOR_ERROR_SIZE]);
/* The same for an entry, which needs some of them, with the configs that were set when they were
 * trained.  False also where one that it needs is not there. */
bool weights_take_needed(const struct ingot_trainer *t, const struct ingot_train_entry *e,
                         session *s, const char *path, char error[TENSOR_ERROR_SIZE]);

#endif
