/* runtime/program.h - a model as a program: what its command line says, and the
 * way from there to results.  The main() of an executable is this program on the
 * model that is linked in; `ingot run` is it on a model in memory, compiled or
 * interpreted. */
#ifndef INGOT_PROGRAM_H
#define INGOT_PROGRAM_H

#include "invoke.h"
#include "options.h"

/* Reads the value in a file; false with a message in error. */
typedef bool program_reader(const char *path, tensor_kind kind, tensor_value *v, char *error);

/* NAME=VALUE of the command line, the name a copy. */
typedef struct program_given {
    char *name;                     /* null for `--input FILE` without NAME=, which
                                     * means the model's only input */
    const char *path;               /* of --input and --image; the text of --NAME */
    bool image;                     /* it is a picture */
    bool value;                     /* of --NAME VALUE: maybe no file */
    const char *near;               /* what may have been meant by it; or null */
    int32_t rank;                   /* of --shape; one extent for --dim */
    int64_t extents[TENSOR_MAX_RANK];
} program_given;

typedef struct program_list {
    program_given *at;
    int n;
} program_list;

/* The command line.  `./model step --input x=x.npy --steps 100 --states s.st`
 * runs the entry `step` a hundred times on one input, from the states of the
 * file and back to it; zero members are options that were not given. */
typedef struct program_options {
    const char *entry;
    program_list inputs, shapes, dims;
    const char *folder, *format, *json, *weights, *states, *labels;
    bool random, info, version, cast;
    bool bench;
    invoke_timing timing;           /* of --bench */
    long long seed, threads, steps;
    /* Reads a picture into a value for an input; null where pictures are not read.  False
     * after a message. */
    bool (*read_image)(const void *how, const struct ingot_value_info *input, const char *path,
                       tensor_value *v);
    const void *how;                /* its first argument */
    /* Reads a file of a value; null: tensor_read does. */
    program_reader *read_file;
    const char *engine;             /* what runs, in reports; null: compiled code */
    void (*ended)(void);            /* called when the model has run, before anything is
                                     * said of it; may be null */
} program_options;

/* The options that executables and `ingot run` have in common; those that say how runs
 * are timed, which store in an invoke_timing. */
extern const cli_option program_rows[], program_timing_rows[];
cli_set program_add_input;          /* program_list: NAME=FILE */

/* Is the command line one that can be obeyed with this model?  Only what the
 * model says of itself is read, so that it need not be compiled yet.  CLI_OK, or
 * CLI_USAGE or CLI_FAILED after a message. */
int program_check(const program_options *o, const struct ingot_model *m);
/* What --info asks for; the exit code. */
int program_describe(const program_options *o, const struct ingot_model *m, int threads);
/* False, after a message, if an input was given by what looks like a mistyped option. */
bool program_are_meant(const program_options *o);
/* Runs an entry as the options say; the exit code. */
int program_run(const program_options *o, session *s);
void program_options_free(program_options *o);

/* The whole program for one model.  The exit code: 0 done, 1 bad data or file, 2
 * wrong usage; Ctrl-C ends it with 130. */
int program_main(const struct ingot_model *m, int argc, char **argv);
/* Prints the page of man on such programs. */
void program_print_manual(void);

#endif
