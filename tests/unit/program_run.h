/* tests/unit/program_run.h - a model written by hand as a program: run in a child,
 * in a folder of its own.  Include <cmocka.h> first. */
#ifndef INGOT_PROGRAM_RUN_H
#define INGOT_PROGRAM_RUN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

static char folder[] = "/tmp/ingot_program_XXXXXX";

/* The path of a file in that folder; of the last four calls it stays valid. */
static const char *path_of(const char *name)
{
    static char path[4][300];
    static int next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static char said[8000];

/* The exit code of the executable with these arguments; its words in `said`. */
static int run_args(const struct ingot_model *m, int argc, char **argv)
{
    FILE *f = fopen(path_of("said"), "w+");
    int status;
    pid_t child = fork();

    if (!child) {
        dup2(fileno(f), 1);
        dup2(fileno(f), 2);
        int code = program_main(m, argc, argv);
        fflush(stdout);
        _exit(code);
    }
    waitpid(child, &status, 0);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN_OF(m, ...)                                             \
    run_args(m, (int)(sizeof(char *[]){"fake", __VA_ARGS__} / sizeof(char *)), \
             (char *[]){"fake", __VA_ARGS__, NULL})

static void assert_said(const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' is not in: %s", words, said);
}

/* "--option=" and the path of a file in the folder. */
static char *arg(const char *option, const char *file)
{
    static char text[4][400];
    static int next;
    char *p = text[next++ % 4];

    snprintf(p, sizeof text[0], "%s%s", option, path_of(file));
    return p;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_all(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#endif
