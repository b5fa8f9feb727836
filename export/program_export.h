/* export/program_export.h - a module of the tensor IR as a program in the language. */
#ifndef INGOT_PROGRAM_EXPORT_H
#define INGOT_PROGRAM_EXPORT_H

#include "cleanup.h"
#include "ir.h"

typedef struct program_export_options {
    const char *title;              /* the model's name, for the first comment */
    bool (*is_word)(const char *);  /* words of the language and its library: they name no value */
    const char *weights;            /* the file of weights to write; null: none is written */
    partial *file;                  /* that file: begun if there are weights, for the caller to
                                     * end when the program is where it belongs */
} program_export_options;

/* Adds m's entry `main`, or its first, as a net to `out`.  Parameters are named by their
 * paths in the program, and written to the file of weights in the order of their use; with
 * the program that file gives the results of the module.  Calls and gradient requests must
 * be gone.  What the language cannot say is recorded as unsupported, all of it: elements
 * that it does not compute with, sequences, extents that only the run knows.  False after
 * errors. */
bool program_export(ir_module *m, const program_export_options *o, text *out, diag *d);

#endif
