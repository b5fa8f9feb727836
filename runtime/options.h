/* runtime/options.h - command lines, of the ingot command and of the programs
 * that it makes: options and operands in any order, `--o v` and `--o=v`, `--`
 * ends the options, a typo gets a suggestion.
 *
 * A table of rows is all that a command says of its options: help and parsing
 * both read it, and each row carries the function that takes its value. */
#ifndef INGOT_OPTIONS_H
#define INGOT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_option cli_option;

/* Stores the value of option `o` at `to`.  `value` is null where none is given.
 * False after a message: the command line is refused. */
typedef bool cli_set(void *to, const cli_option *o, const char *value);

/* One option, or the operands, or the rows of another table.  A row of zeros
 * ends a table.  For example, in the options of a command with a field `runs`:
 *   {"--runs", "N", "how often", cli_set_number, offsetof(bench, runs), .least = 1, .most = 9} */
struct cli_option {
    const char *name;       /* "--threads", "-o"; without a dash: takes an operand,
                             * the last such row all that are left */
    const char *value;      /* what it takes, for the help; null: nothing;
                             * in brackets: optional, only as --o=v, but for [N],
                             * a number, which may also be the next argument */
    const char *help;
    cli_set *set;
    /* Instead of `set`: the row takes each --NAME VALUE that is no other row's, its name as n
     * letters without dashes; a value that was forgotten is null.  `near` is an option that may
     * have been meant, or null. */
    bool (*set_any)(void *to, const char *name, size_t n, const char *value, const char *near);
    size_t at;              /* where in the command's options the setter stores, bytes */
    long long least, most;  /* bounds of cli_set_number */
    const char *const *words; /* what cli_set_word knows, ended by null */
    const cli_option *more; /* a table whose rows stand here; its options lie at `at` */
};

/* Setters.  They store at `to`: */
cli_set cli_set_flag;       /* bool: true */
cli_set cli_set_text;       /* const char *: the value */
cli_set cli_set_once;       /* const char *: the value, refused when there is one */
cli_set cli_set_output;     /* the same of a file or folder that is written: no - */
cli_set cli_set_word;       /* const char *: the value, one of o->words */
cli_set cli_set_number;     /* long long: from o->least to o->most */

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_HELP = -1 };

/* Fills in `to`, the struct that the rows' places refer to.  CLI_OK, CLI_USAGE
 * after a message on stderr, or CLI_HELP after --help. */
int cli_parse(int argc, char **argv, const char *usage, const char *about,
              const cli_option *options, void *to);
/* The first of the arguments that is an option of one table and not of the other, which may be
 * null; null: none is.  For options that what else is given leaves without use. */
const char *cli_given(int argc, char **argv, const cli_option *rows, const cli_option *except);
/* Says on stderr what is wrong, after the program's name; always false. */
bool cli_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The nearest of n names to a mistyped one; null if none is near. */
const char *cli_nearest(const char *name, const char *const *names, int n);
/* A whole number within bounds; false after a message that names `what`. */
bool cli_number(const char *what, const char *value, long long lo, long long hi, long long *out);
/* Is `value` of option `what` one of `words`, which null ends?  False after a
 * message with all of them. */
bool cli_one_of(const char *what, const char *value, const char *const *words);
/* The exit code of a program that ends with this status: output that could not be written, to a
 * full disk say, is a failure. */
int cli_finish(int status);

#endif
