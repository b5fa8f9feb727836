/* runtime/options.h - command lines, of the ingot command and of the executables
 * that it makes: options and operands in any order, `--o v` and `--o=v`, `--`
 * ends the options, a typo gets a suggestion. */
#ifndef INGOT_OPTIONS_H
#define INGOT_OPTIONS_H

#include <stdbool.h>

typedef struct cli_option {
    const char *name;       /* "--threads", "-o" */
    const char *value;      /* what it takes, for the help; null: nothing;
                             * in brackets: optional, only as --o=v */
    const char *help;
} cli_option;

/* What an option or operand (index -1) means; false: refused, said why. */
typedef bool cli_see(void *cx, int index, const char *value);

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_HELP = -1 };

/* CLI_OK, CLI_USAGE after a message on stderr, or CLI_HELP after --help. */
int cli_parse(int argc, char **argv, const char *usage, const char *about,
              const cli_option *options, cli_see *see, void *cx);
/* Says on stderr what is wrong, after the program's name; always false. */
bool cli_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The nearest of n names to a mistyped one; null if none is near. */
const char *cli_nearest(const char *name, const char *const *names, int n);
/* A whole number within bounds; false after a message that names `what`. */
bool cli_number(const char *what, const char *value, long long lo, long long hi, long long *out);

#endif
