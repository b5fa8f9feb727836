/* cli/main.c - the `ingot` command: a table of commands, each of which reads its
 * own options.  A new command is a row here and a file of its own. */
#include "command.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "program.h"

/* Its name, a line of help, and what runs it on the arguments behind its name. */
typedef struct command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"build", "compile a model to an executable or library", command_build},
    {"train", "compile a program that trains a network", command_train},
    {"data", "make a folder of pictures arrays to train on", command_data},
    {"run", "run a model on inputs from files", command_run},
    {"grad", "add a loss and its gradients to a model", command_grad},
    {"bench", "time generated code beside the interpreter", command_bench},
    {"test", "run folders of the ONNX backend-test form", command_test},
    {"init", "draw the first weights of a program", command_init},
    {"inspect", "show a model as text, graph or table", command_inspect},
    {"ops", "the operators that are supported", command_ops},
    {"check", "say what is wrong with programs", command_check},
    {"fmt", "set the blanks of programs in the language right", command_format},
    {"opt", "run passes over a model and print it (for developers)", command_opt},
};

static void help(FILE *out)
{
    fputs("usage: ingot COMMAND [ARGUMENTS]\n\ncommands:\n", out);
    for (size_t i = 0; i < COUNT(commands); i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
    fputs("\n`ingot COMMAND --help` tells the options of each, `ingot --version` the version.\n",
          out);
}

/* The page of man: the commands, each with its options. */
static void print_manual(void)
{
    puts(".TH INGOT 1 \"\" \"ingot " INGOT_VERSION "\"\n.SH NAME\n"
         "ingot \\- casts a neural network into one block of native code\n"
         ".SH SYNOPSIS\n\\fBingot\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n.SH COMMANDS");
    for (size_t i = 0; i < COUNT(commands); i++)
        printf(".TP\n\\fB%s\\fR\n%s\n", commands[i].name, commands[i].help);
    for (size_t i = 0; i < COUNT(commands); i++) {
        printf(".SH %s\n", commands[i].name);
        commands[i].run(1, (char *[]){"--help=section", NULL});
    }
    puts(".SH EXIT STATUS\n"
         "0: done.  1: a failure or bad data.  2: wrong usage.  130: interrupted.\n"
         ".SH SEE ALSO\nmodel(1)");
}

static void print_names(void)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        puts(commands[i].name);
}

/* What is asked for without a command; false if `arg` is no such question. */
static bool answer(const char *arg)
{
    if (!strcmp(arg, "--help") || !strcmp(arg, "-h") || !strcmp(arg, "help"))
        help(stdout);
    else if (!strcmp(arg, "--help=man"))
        print_manual();
    else if (!strcmp(arg, "--help=model"))
        program_print_manual();
    else if (!strcmp(arg, "--help=words"))
        print_names();
    else if (!strcmp(arg, "--version"))
        puts("ingot " INGOT_VERSION);
    else
        return false;
    return true;
}

/* An unknown command is answered with the nearest known one.  Whatever a command was
 * writing is removed when it is interrupted; a training takes the signals over. */
int main(int argc, char **argv)
{
    const char *names[COUNT(commands)], *near;

    if (argc < 2) {
        help(stderr);
        return CLI_USAGE;
    }
    if (answer(argv[1]))
        return cli_finish(CLI_OK);
    cleanup_catch_interrupt();
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (!strcmp(argv[1], commands[i].name))
            return cli_finish(commands[i].run(argc - 2, argv + 2));
        names[i] = commands[i].name;
    }
    near = cli_nearest(argv[1], names, COUNT(commands));
    cli_wrong(near ? "unknown command '%s'; did you mean '%s'?"
                   : "unknown command '%s' (see --help)%s",
              argv[1], near ? near : "");
    return CLI_USAGE;
}
