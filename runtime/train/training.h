/* runtime/train/training.h - the blocks of a program, trained one after the other. */
#ifndef INGOT_TRAINING_H
#define INGOT_TRAINING_H

#include "trainer.h"

/* The index of the block of this name; -1. */
int32_t training_block(const struct ingot_trainer *t, const char *name);
/* Trains as the options say, from the place of a checkpoint or from the beginning; the
 * exit code.  Ctrl-C ends it behind the step at hand. */
int training_run(const trainer_options *o, session *s, const struct ingot_trainer *t);
/* Reads the data of the blocks and says how many rows serve what; the exit code. */
int training_check_data(const trainer_options *o, session *s, const struct ingot_trainer *t);

#endif
