/* runtime/train/knobs.h - --set of a trainer. */
#ifndef INGOT_TRAIN_KNOBS_H
#define INGOT_TRAIN_KNOBS_H

#include "train_abi.h"
#include "trainer.h"

/* Configs get the values that the options say.  False with a message. */
bool knobs_set(const trainer_options *o, const struct ingot_trainer *t, session *s,
               char error[TENSOR_ERROR_SIZE]);

#endif
