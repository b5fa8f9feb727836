/* cli/tune.h - the training of an ONNX model, as a program in the language. */
#ifndef INGOT_TUNE_H
#define INGOT_TUNE_H

#include "ingot.h"
#include "onnx.h"
#include "options.h"
#include "trainer.h"

enum { TUNE_METRICS = 16 };

/* What the command line says of it. */
typedef struct tune_options {
    const char *loss, *optimizer, *freeze, *until;
    const char *metric[TUNE_METRICS];
    int metrics;
    long long classes;              /* 0: as many as the model's last axis has */
    const char *class_names;        /* "cat,dog", as many; or null */
} tune_options;

extern const cli_option tune_rows[];

/* Was one of them given?  They make no sense for a program. */
bool tune_is_given(const tune_options *o);
/* The program that trains a model. */
typedef struct tuned {
    const char *program;            /* in memory of the diag */
    bool as_is;                     /* its net is the model, which nothing is added to, else: */
    onnx_head head;                 /* what is, but for the weights of */
    const char *layer;              /* "tuned.dense1", or null */
} tuned;

/* The program, whose reals are of the type `real`, for the file `path`, which it imports from
 * its own folder: a net, an entry that names classes, a train block with data and clauses as
 * the trainer's options say, whose columns get the names that they have there.  False after
 * errors. */
bool tune_program(const char *path, const tune_options *o, trainer_options *t,
                  ir_dtype real, tuned *out, diag *d);

#endif
