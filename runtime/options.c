/* runtime/options.c - command lines, read by tables of rows (options.h): a row has
 * the option's name, what it takes, its help and a function that sets it.
 * Executables, ingot's commands and trainers share rows by `more`, so that one
 * option is written once.  Forms: --name VALUE, --name=VALUE, --name[=N], operands
 * anywhere, -- before operands that begin with a dash. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "options_rows.h"
#include "visible.h"

int cli_finish(int status)
{
    if (status == CLI_HELP)
        status = CLI_OK;
    if ((fflush(stdout) || ferror(stdout)) && status == CLI_OK) {
        cli_wrong("standard output cannot be written: %s", strerror(errno));
        status = CLI_FAILED;
    }
    return status;
}

/* Options of one table that are looked at for a near one. */
enum { MAX_NAMES = 64 };

/* "PROGRAM: MESSAGE" on standard error; false.  The message may hold names from
 * files, so nothing in it reaches a terminal raw. */
bool cli_wrong(const char *fmt, ...)
{
    va_list ap;
    char *message;

    va_start(ap, fmt);
    int n = vasprintf(&message, fmt, ap);
    va_end(ap);
    visible_put(program_invocation_short_name, stderr);
    fputs(": ", stderr);
    visible_put(n < 0 ? "no memory" : message, stderr);
    fputc('\n', stderr);
    if (n >= 0)
        free(message);
    return false;
}

const char *cli_nearest(const char *name, const char *const *names, int n)
{
    nearest s = nearest_to(name);

    for (int i = 0; i < n; i++)
        nearest_try(&s, names[i]);
    return s.best;
}

/* Writes "a, b or c". */
static void list_words(FILE *f, const char *const *word, int n)
{
    for (int i = 0; i < n; i++)
        fprintf(f, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", word[i]);
}

/* "--emit 'ex' is unknown: give exe, lib or obj; did you mean 'exe'?" */
static bool unknown_word(const char *what, const char *value, const char *const *words, int n)
{
    const char *near = cli_nearest(value, words, n);
    char *choices = NULL;
    size_t size;
    FILE *f = open_memstream(&choices, &size);

    if (!f)
        return cli_wrong("%s '%s' is unknown", what, value);
    list_words(f, words, n);
    if (near)
        fprintf(f, "; did you mean '%s'?", near);
    fclose(f);
    cli_wrong("%s '%s' is unknown: give %s", what, value, choices);
    free(choices);
    return false;
}

bool cli_one_of(const char *what, const char *value, const char *const *words)
{
    int n = 0;

    for (; words[n]; n++)
        if (!strcmp(value, words[n]))
            return true;
    return unknown_word(what, value, words, n);
}

bool cli_number(const char *what, const char *value, long long lo, long long hi, long long *out)
{
    char *end;

    errno = 0;
    *out = strtoll(value, &end, 10);
    if (!errno && *value && !*end && *out >= lo && *out <= hi)
        return true;
    return hi == LLONG_MAX
               ? cli_wrong("%s takes a whole number, at least %lld, not '%s'", what, lo, value)
               : cli_wrong("%s takes a whole number from %lld to %lld, not '%s'", what, lo, hi,
                           value);
}

/* ---- setters ------------------------------------------------------------------------ */

bool cli_set_flag(void *to, const cli_option *o, const char *value)
{
    (void)o, (void)value;
    *(bool *)to = true;
    return true;
}

bool cli_set_text(void *to, const cli_option *o, const char *value)
{
    (void)o;
    *(const char **)to = value;
    return true;
}

bool cli_set_once(void *to, const cli_option *o, const char *value)
{
    const char **text = to;

    if (*text)
        return cli_wrong("%s is given twice: '%s' and '%s'", o->name, *text, value);
    *text = value;
    return true;
}

/* A file whose name is - would surprise whoever meant standard output, and be in the way of
 * whoever removes it. */
bool cli_set_output(void *to, const cli_option *o, const char *value)
{
    if (!strcmp(value, "-"))
        return cli_wrong("%s takes a name, not standard output; ./- is what has the name -",
                         o->name);
    return cli_set_once(to, o, value);
}

bool cli_set_word(void *to, const cli_option *o, const char *value)
{
    *(const char **)to = value;
    return cli_one_of(o->name, value, o->words);
}

bool cli_set_number(void *to, const cli_option *o, const char *value)
{
    return cli_number(o->name, value, o->least, o->most, to);
}

/* ---- parsing ------------------------------------------------------------------------ */

/* A row that is looked for: the option whose name is the first n characters of
 * `name`; or, where `name` is null, the row of the operand behind n others, the
 * last row of operands if there are fewer. */
typedef struct search {
    const char *name;
    size_t n;
    const cli_option *row;
    size_t place;
} search;

/* With a name, the row of that name; without, the n-th argument that is no option. */
static bool is_row(void *cx, const cli_option *o, size_t place)
{
    search *s = cx;
    bool same = s->name ? strlen(o->name) == s->n && !memcmp(o->name, s->name, s->n)
                        : *o->name != '-';

    if (same)
        s->row = o, s->place = place;
    return same && (s->name || s->n-- == 0);
}

static search find(const cli_option *o, const char *name, size_t n)
{
    search s = {.name = name, .n = n};

    cli_each_row(o, 0, is_row, &s);
    return s;
}

const char *cli_given(int argc, char **argv, const cli_option *rows, const cli_option *except)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++) {
        size_t n = strcspn(argv[i], "=");
        const cli_option *row = *argv[i] == '-' ? find(rows, argv[i], n).row : NULL;
        if (row && !(except && find(except, argv[i], n).row))
            return row->name;
    }
    return NULL;
}

/* The names of all options of a table, to look for one that is near a typo. */
typedef struct name_list {
    const char *at[MAX_NAMES];
    int n;
} name_list;

static bool add_name(void *cx, const cli_option *o, size_t place)
{
    name_list *l = cx;

    (void)place;
    if (*o->name == '-' && !o->set_any)
        l->at[l->n++] = o->name;
    return l->n == MAX_NAMES;
}

/* The option that is near to the first n letters of arg; null: none is. */
static const char *near_to(const cli_option *o, const char *arg, size_t n)
{
    name_list names = {.n = 0};
    char word[64];

    snprintf(word, sizeof word, "%.*s", (int)n, arg);
    cli_each_row(o, 0, add_name, &names);
    return cli_nearest(word, names.at, names.n);
}

static bool unknown(const cli_option *o, const char *arg, size_t n)
{
    const char *near = near_to(o, arg, n);
    char word[64];

    snprintf(word, sizeof word, "%.*s", (int)n, arg);
    return near ? cli_wrong("unknown option '%s'; did you mean '%s'?", word, near)
                : cli_wrong("unknown option '%s' (see --help)", word);
}

/* Gives an operand, which stands behind n others, to its row. */
static bool take_operand(const cli_option *options, char *to, size_t n, const char *arg)
{
    search s = find(options, NULL, n);

    return s.row ? s.row->set(to + s.place, s.row, arg)
                 : cli_wrong("'%s' is no option (see --help)", arg);
}

/* Is the argument behind an option that takes [N] its number? */
static bool is_number_for(const char *takes, const char *next)
{
    return !strncmp(takes, "[N", 2) && next && *next >= '0' && *next <= '9';
}

static bool takes_any(void *cx, const cli_option *o, size_t place)
{
    search *s = cx;

    s->row = o->set_any ? o : NULL;
    s->place = place;
    return s->row;
}

/* An option that no row names: for the row that takes any, unless what it looks like has no
 * value.  Where its own is missing, another option follows: the row gets null. */
static bool take_any(const cli_option *options, char *to, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    size_t n = strcspn(arg, "=");
    const char *next = *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) ? argv[*i + 1] : NULL;
    const char *value = arg[n] == '=' ? arg + n + 1 : next;
    const char *near = near_to(options, arg, n);
    search s = {0};

    cli_each_row(options, 0, takes_any, &s);
    if (!s.row || n < 3 || strncmp(arg, "--", 2) ||
        (near && !find(options, near, strlen(near)).row->value))
        return unknown(options, arg, n);
    *i += value && value == next;
    return s.row->set_any(to + s.place, arg + 2, n - 2, value, near);
}

/* Gives the value of option argv[*i] to its row.  Where the value is an argument of
 * its own, *i moves on to it. */
static bool take_option(const cli_option *options, char *to, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    size_t n = strcspn(arg, "=");
    const char *value = arg[n] == '=' ? arg + n + 1 : NULL;
    search s = find(options, arg, n);

    if (!s.row || s.row->set_any)
        return take_any(options, to, argc, argv, i);
    const char *takes = s.row->value;
    if (value && !takes)
        return cli_wrong("%s takes no value", s.row->name);
    if (!value && takes && *takes != '[' && *i + 1 == argc)
        return cli_wrong("%s takes a value: %s", s.row->name, takes);
    if (!value && takes && (*takes != '[' || is_number_for(takes, argv[*i + 1])))
        value = argv[++*i];
    return s.row->set(to + s.place, s.row, value);
}

/* CLI_OK, CLI_USAGE after a message, or CLI_HELP if the help was printed.  `to` is
 * the struct whose fields the rows set. */
int cli_parse(int argc, char **argv, const char *usage, const char *about,
              const cli_option *options, void *to)
{
    bool plain = false;
    size_t operands = 0;

    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (!plain && !strcmp(arg, "--")) {
            plain = true;
            continue;
        }
        if (!plain && (!strncmp(arg, "--help", 6) || !strcmp(arg, "-h"))) {
            const char *form = strchr(arg, '=');
            return cli_help(form ? form + 1 : "text", usage, about, options) ? CLI_HELP : CLI_USAGE;
        }
        bool operand = plain || arg[0] != '-' || !arg[1];
        bool taken = operand ? take_operand(options, to, operands++, arg)
                             : take_option(options, to, argc, argv, &i);
        if (!taken)
            return CLI_USAGE;
    }
    return CLI_OK;
}
