/* runtime/train/trainer.h - a training program as a program: what its command line says,
 * and the way from data to weights.  The main() of a trainer is this program on the model
 * that is linked in; `ingot train --run` is it on a model in memory. */
#ifndef INGOT_TRAINER_H
#define INGOT_TRAINER_H

#include "options.h"
#include "rows.h"
#include "session.h"

enum { TRAINER_GIVEN = 64 };

/* NAME=VALUE of --set. */
typedef struct trainer_setting {
    const char *name;
    double value;
} trainer_setting;

/* --NAME VALUE of an input of an entry, as NAME=VALUE; and the option that NAME is near to, which
 * may have been meant. */
typedef struct trainer_input {
    char *text;
    const char *near;
} trainer_input;

/* The command line; zero members are options that were not given, but for those that
 * trainer_defaults sets. */
typedef struct trainer_options {
    const char *block[TRAINER_GIVEN];
    rows_given data[TRAINER_GIVEN], test[TRAINER_GIVEN];
    trainer_setting set[TRAINER_GIVEN];
    trainer_input input[TRAINER_GIVEN];
    int32_t blocks, datas, tests, sets, inputs;
    long long epochs, steps, batch, threads, keep;
    long long seed;                 /* -1: not given */
    double time, every;             /* seconds */
    long long every_steps;
    double valid;                   /* below 0: not given */
    const char *save, *init, *log, *plot, *report, *out;
    const char *program, *save_onnx; /* of `ingot train --run`: what it reads, and writes, too */
    bool resume, fresh, check_data, info, quiet;
} trainer_options;

/* The options that trainers and `ingot train --run` have in common. */
extern const cli_option trainer_rows[];
extern const cli_option trainer_loop_rows[];    /* of them: of a training, not of an entry */
extern const cli_option trainer_clause_rows[];  /* of these: what a block of a program says, too */
/* Those that mean something else to `ingot train`. */
extern const cli_option trainer_own_rows[];
extern const trainer_options trainer_defaults;
/* What --seed says, or 0. */
long long trainer_seed(const trainer_options *o);

/* Where the weights go unless --save says: NAME.safetensors in the current folder. */
char *trainer_save(const struct ingot_trainer *t);
/* The name of a block, or of an entry; of a trainer_options. */
cli_set trainer_add_block;
/* Frees what the rows' setters made. */
void trainer_options_free(trainer_options *o);

/* The exit code of a training that a signal ended, less the number of that. */
enum { TRAINER_INTERRUPTED = 128 };

/* Can the command line, with the default of --save, be obeyed?  CLI_OK, or CLI_USAGE after a
 * message. */
int trainer_check(const trainer_options *o, const struct ingot_trainer *t);
/* Trains, or runs the entry that is named first, as the options say; the exit code.  The
 * session's states are those of a new model, and afterwards the trained ones. */
int trainer_run(const trainer_options *o, session *s, const struct ingot_trainer *t);
/* The whole program; the exit code. */
int trainer_main(const struct ingot_model *m, const struct ingot_trainer *t, int argc,
                 char **argv);

#endif
