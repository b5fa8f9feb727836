/* frontend/dsl/dsl.h - programs in the language to tensor IR. */
#ifndef INGOT_DSL_H
#define INGOT_DSL_H

#include "import.h"
#include "train_abi.h"

/* --set NAME=VALUE: a config's value, as text of the language. */
typedef struct dsl_setting {
    const char *name, *value;
} dsl_setting;

/* A note of a file of weights: what numbers below a dim stand for, `"a", "b"`. */
typedef struct dsl_note {
    const char *dim, *text;
} dsl_note;

/* An array that stands for a parameter or state; its data outlive the module. */
typedef import_array dsl_weight;

/* Finds out what only data know: reads a source (ir/train_abi.h) for n columns, sets extents
 * that are -1 and bounds that are -1, with the names that numbers stand for, in `mem`.
 * False with a message. */
typedef bool dsl_probe(const void *context, const char *source, struct ingot_train_column *column,
                       int32_t n, arena *mem, const char **error);

/* Reads all rows of a source for one column, elements in a row, in `mem`; null with a message. */
typedef const void *dsl_reader(const char *source, const struct ingot_train_column *column,
                               int64_t rows, arena *mem, const char **error);

/* What the caller wants of a program, beside its text; zeros are the defaults. */
typedef struct dsl_options {
    const import_options *import;       /* --dim; may be null */
    const dsl_setting *set;
    int sets;
    bool silent;                        /* `show` is left out */
    ir_dtype real;                      /* f32, or f64; none: f32 */
    const dsl_weight *weight;           /* null: parameters are states */
    int weights;
    const char *weights_file;           /* for messages */
    const dsl_note *note;               /* of that file */
    int notes;
    dsl_probe *probe;                   /* null: data are not looked at */
    const void *probing;                /* its context */
    dsl_reader *read;                   /* of `data` items; null: they are zeros */
    const char *source;                 /* the program, instead of what its file holds */
    int64_t shards;                     /* of a step's rows (ir/train_abi.h); 0: one */
    bool judge;                         /* what objectives compare gets an entry, for a page */
    bool gather;                        /* gradients of an objective get an entry of their own,
                                         * as where a step has several pieces */
} dsl_options;

/* The program of a file as a module: an entry for each net and entry, and `init`, which
 * draws the first values of parameters and states.  Null after errors.  `o` may be null. */
ir_module *dsl_import(const char *path, const dsl_options *o, diag *d);
/* The train blocks of a program as a module, with the record of what to call when, which
 * lives as long as the module.  Null after errors. */
ir_module *dsl_import_training(const char *path, const dsl_options *o,
                               const struct ingot_trainer **trainer, diag *d);
/* Has the word a meaning of its own: a reserved one, or one of the library? */
bool dsl_is_word(const char *s);
/* Adds the names, in `mem`, that lines of a file of the library define which begin with `head`:
 * "losses", "fn ". */
void dsl_library_names(const char *file, const char *head, arena *mem, names *out);

#endif
