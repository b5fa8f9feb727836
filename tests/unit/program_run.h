/* tests/unit/program_run.h - a model written by hand as a program: run in a child,
 * in a folder of its own.  Include <cmocka.h> first. */
#ifndef INGOT_PROGRAM_RUN_H
#define INGOT_PROGRAM_RUN_H

#include "folder.h"
#include "program.h"

struct program_call {
    const struct ingot_model *m;
    int argc;
    char **argv;
};

static int call_program(void *cx)
{
    struct program_call *c = cx;

    return program_main(c->m, c->argc, c->argv);
}

/* The exit code of the executable with these arguments; its words in `said`. */
static int run_args(const struct ingot_model *m, int argc, char **argv)
{
    return run_child(call_program, &(struct program_call){m, argc, argv});
}

#define RUN_OF(m, ...)                                             \
    run_args(m, (int)(sizeof(char *[]){"fake", __VA_ARGS__} / sizeof(char *)), \
             (char *[]){"fake", __VA_ARGS__, NULL})

#endif
