/* cli/command.h - the subcommands: each takes the arguments behind its name
 * and returns an exit code. */
#ifndef INGOT_COMMAND_H
#define INGOT_COMMAND_H

#include "ingot.h"
#include "options.h"

int command_bench(int argc, char **argv);
int command_test(int argc, char **argv);
int command_build(int argc, char **argv);
int command_data(int argc, char **argv);
int command_grad(int argc, char **argv);
int command_run(int argc, char **argv);
int command_init(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_ops(int argc, char **argv);
int command_check(int argc, char **argv);
int command_format(int argc, char **argv);
int command_opt(int argc, char **argv);
int command_train(int argc, char **argv);

/* The name in symbols of what is built: the one that is given, or that of `out` without
 * `lib` and suffix, made a C identifier.  "out/libface-net.a" gives face_net.  And where
 * its header goes: that name and .h, in the output's folder.  Null without memory. */
char *artifact_name(const char *given, const char *out);
char *artifact_header(const char *out, const char *name);
/* False, after a message, for a name that tells of the other kind of library: linkers trust it. */
bool artifact_kind_fits(const char *emit, const char *out);
cli_set artifact_set_name;      /* const char *: --name, refused where it is no such identifier */

/* What is given about a model, whatever is done with it.  `--dim n=4 --shape x=1x3`
 * leaves dim_name[0] "n", dim_value[0] 4 and shape[0] for x, with o.import pointing
 * to them. */
enum { MODEL_MAX_GIVEN = 256 };
/* What model_rows fill.  `o` is what the library (ingot.h) takes; the lists behind
 * it are the memory that its import options point to, as in --dim batch=8. */
typedef struct model_options {
    ingot_options o;                /* target: null unless --cpu was given */
    bool verbose;
    arena names;
    names given;                    /* "--dim batch": each once */
    const char *dim_name[MODEL_MAX_GIVEN];
    int64_t dim_value[MODEL_MAX_GIVEN];
    import_shape shape[MODEL_MAX_GIVEN];
    dsl_setting setting[MODEL_MAX_GIVEN];
} model_options;

/* The options of that struct, as rows which the table of each such command takes in. */
extern const cli_option model_rows[];
extern const cli_option code_rows[];        /* these, and what code is made of it takes */
/* Those of programs in the language, of a model_options as well. */
extern const cli_option program_option_rows[];
extern const cli_option entry_rows[];
extern const cli_option program_weights_rows[];     /* with --weights */
extern const cli_option perf_rows[];        /* what Linux's perf names and shows of kernels */
void model_options_free(model_options *m);
/* What code is made for: --cpu, else this machine. */
target model_target(const model_options *m);
/* The exit code of a command whose messages are in d: what the command line asks of the
 * model and the model does not have is wrong usage. */
int model_status(bool ok, const diag *d);
/* Is it a name of a pass, or else "all" where that is one more?  False after a message with the
 * nearest one, about `option`. */
bool model_is_pass(const char *option, const char *name, bool or_all);
/* Setters.  They store at `to`: */
cli_set model_set_file;         /* const char *: the model; a second one is refused */
cli_set model_add_setting;      /* model_options: --set NAME=VALUE of a program's config */
cli_set model_set_engine;       /* ingot_engine_kind: compiled or interpreter */

#endif
