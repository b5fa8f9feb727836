/* cli/train_info.h - the training of an ONNX model by the training_info of its file. */
#ifndef INGOT_TRAIN_INFO_H
#define INGOT_TRAIN_INFO_H

#include "ingot.h"
#include "trainer.h"

/* The module of the file's training, with its record, whose data and clauses are those of the
 * trainer's options.  Null after errors: the file has none, for one. */
ir_module *train_info_import(const char *path, const import_options *o,
                             const trainer_options *given, const struct ingot_trainer **trainer,
                             diag *d);

#endif
