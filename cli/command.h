/* cli/command.h - the subcommands: each takes the arguments behind its name
 * and returns an exit code. */
#ifndef INGOT_COMMAND_H
#define INGOT_COMMAND_H

#include "ingot.h"
#include "options.h"

int command_bench(int argc, char **argv);
int command_test(int argc, char **argv);
int command_build(int argc, char **argv);
int command_run(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_ops(int argc, char **argv);
int command_opt(int argc, char **argv);

/* --dim NAME=4 and --shape NAME=1x3x8 into o (storage is kept); false after a
 * message. */
typedef struct model_options {
    ingot_options o;
    const char *dim_name[32];
    int64_t dim_value[32];
    onnx_input_shape shape[32];
} model_options;
bool model_option_dim(model_options *m, const char *value);
bool model_option_shape(model_options *m, const char *value);

/* Fills v with random elements of parameter i; false after a message, when an
 * extent is known at run time only. */
bool command_random_input(const ir_fn *fn, uint32_t i, uint64_t seed, tensor_value *v);

#endif
