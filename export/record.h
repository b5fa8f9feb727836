/* export/record.h - the record of a training program as C, which the system's compiler
 * makes a constant of the executable. */
#ifndef INGOT_RECORD_H
#define INGOT_RECORD_H

#include "base.h"
#include "train_abi.h"

/* Adds a file of C that defines `ingot_artifact_trainer` and needs no other file. */
void record_source(const struct ingot_trainer *t, text *out);

#endif
