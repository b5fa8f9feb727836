/* cli/train_load.h - the training of a file, whatever tells it. */
#ifndef INGOT_TRAIN_LOAD_H
#define INGOT_TRAIN_LOAD_H

#include "ingot.h"
#include "tune.h"

/* The entries that train, with their record: of a program its train blocks, of an ONNX model what
 * `tune` says, or else the training_info of its file.  Null after errors. */
ir_module *train_load(const char *path, const ingot_options *o, const tune_options *tune,
                      const struct ingot_trainer **t, diag *d);

#endif
