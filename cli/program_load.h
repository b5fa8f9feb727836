/* cli/program_load.h - programs in the language as modules. */
#ifndef INGOT_PROGRAM_LOAD_H
#define INGOT_PROGRAM_LOAD_H

#include "dsl/dsl.h"
#include "ingot.h"
#include "train_abi.h"

/* What a .safetensors file has for a program, in memory of the diag. */
typedef struct program_weights {
    const import_array *array;
    int arrays;
    const import_options *import;   /* those that were given, and dims that the file notes */
    const dsl_note *note;           /* what numbers below dims stand for */
    int notes;
} program_weights;

/* False after an error. */
bool program_read_weights(const char *path, const import_options *given, program_weights *w,
                          diag *d);
/* As ingot_load, of an .ingot file. */
ir_module *program_load(const char *path, const ingot_options *o, diag *d);
/* Its train blocks and their record, as dsl_import_training; looks at the data where only they
 * know an extent. */
ir_module *program_load_training(const char *path, const ingot_options *o,
                                 const struct ingot_trainer **t, diag *d);
/* The first parameter that nothing has given a value; null: there is none. */
const char *program_unset(const ir_module *m);
/* The weights that lie beside a program under its name, as a training without other wishes
 * leaves them: net.safetensors of net.ingot, in memory of the diag; "FILE" if there are none. */
const char *program_weights_beside(const char *program, diag *d);

#endif
