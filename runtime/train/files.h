/* runtime/train/files.h - which files a command line writes and reads. */
#ifndef INGOT_TRAIN_FILES_H
#define INGOT_TRAIN_FILES_H

#include "trainer.h"

/* Is each file that is written one of its own, and none that is read?  False after a
 * message.  o->save is complete. */
bool files_apart(const trainer_options *o, const struct ingot_trainer *t);

#endif
