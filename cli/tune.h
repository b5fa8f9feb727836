/* cli/tune.h - the training of an ONNX model, as a program in the language. */
#ifndef INGOT_TUNE_H
#define INGOT_TUNE_H

#include "ingot.h"
#include "options.h"
#include "trainer.h"

enum { TUNE_METRICS = 16 };

/* What the command line says of it. */
typedef struct tune_options {
    const char *loss, *optimizer, *freeze, *until;
    const char *metric[TUNE_METRICS];
    int metrics;
    long long classes;              /* 0: as many as the model's last axis has */
} tune_options;

extern const cli_option tune_rows[];

/* Was one of them given?  They make no sense for a program. */
bool tune_is_given(const tune_options *o);
/* The program that trains the model of the file `path`, which it imports from its own folder:
 * a net, an entry that names classes, a train block with data and clauses as the trainer's
 * options say.  In memory of the diag; null after errors. */
const char *tune_program(const char *path, const tune_options *o, const trainer_options *t,
                         diag *d);

#endif
