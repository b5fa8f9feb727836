/* cli/command.h - the subcommands: each takes the arguments behind its name
 * and returns an exit code. */
#ifndef INGOT_COMMAND_H
#define INGOT_COMMAND_H

#include "ingot.h"
#include "options.h"
#include "outputs.h"

int command_bench(int argc, char **argv);
int command_test(int argc, char **argv);
int command_build(int argc, char **argv);
int command_run(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_ops(int argc, char **argv);
int command_opt(int argc, char **argv);

/* What is given about a model, whatever is done with it. */
enum { MODEL_MAX_GIVEN = 256 };
typedef struct model_options {
    ingot_options o;                /* target: null unless --cpu was given */
    bool verbose;
    arena names;
    const char *dim_name[MODEL_MAX_GIVEN];
    int64_t dim_value[MODEL_MAX_GIVEN];
    import_shape shape[MODEL_MAX_GIVEN];
} model_options;

/* The last rows of a command's options, and the end of the table. */
#define MODEL_OPTIONS                                                                 \
    {"--cpu", "NAME", "native (default), x86-64 or x86-64-v1, x86-64-v2, -v3, -v4"},  \
    {"--dim", "NAME=N", "bind a run-time dim"},                                       \
    {"--shape", "INPUT=1x3x8", "bind an input's extents"},                            \
    {"--max-weights", "SIZE", "refuse a model with larger weights (default: 8G)"},    \
    {"--time-passes", NULL, "show the time of each pass"},                            \
    {"--dump", "PASS", "print the model after this pass, or all, to stderr"},         \
    {"--stop-after", "PASS", "the last pass to run"},                                 \
    {"-v", NULL, "say what is done"},                                                 \
    {NULL, NULL, NULL}
/* `index` counts from the first of these rows; false after a message. */
bool model_option(model_options *m, int index, const char *value);
void model_options_free(model_options *m);
/* What to compile for. */
const target *model_target(const model_options *m);
/* The operand that names the model; false after a message, when there are two. */
bool model_option_file(const char **file, const char *value);
bool model_option_engine(const char *value, ingot_engine_kind *out);

/* Is `value` of option `what` one of n known words?  False after a message with all of them. */
bool command_one_of(const char *what, const char *value, const char *const *known, size_t n);
/* Fills v with random elements of parameter i; false after a message, when an
 * extent is known at run time only. */
bool command_random_input(const ir_fn *fn, uint32_t i, uint64_t seed, tensor_value *v);

#endif
