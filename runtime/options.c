/* runtime/options.c - command lines. */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 64 };

bool cli_wrong(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return false;
}

static int least(int a, int b, int c)
{
    int m = a < b ? a : b;

    return m < c ? m : c;
}

/* Edit distance (Levenshtein) of words shorter than 64. */
static int distance(const char *a, const char *b)
{
    int row[65], n = (int)strlen(b);

    if (strlen(a) > 63 || n > 63)
        return 99;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int up = row[j];
            row[j] = least(up + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = up;
        }
    }
    return row[n];
}

/* So many letters may be wrong: at least one must be right. */
static int most_wrong(const char *name)
{
    int letters = (int)strlen(name + strspn(name, "-")), most = 1 + letters / 4;

    return most < letters ? most : letters - 1;
}

const char *cli_nearest(const char *name, const char *const *names, int n)
{
    const char *best = NULL;
    int least_distance = most_wrong(name);

    for (int i = 0; i < n; i++) {
        int d = distance(name, names[i]);
        if (d <= least_distance) {
            least_distance = d - 1;
            best = names[i];
        }
    }
    return best;
}

bool cli_number(const char *what, const char *value, long long lo, long long hi, long long *out)
{
    char *end;

    errno = 0;
    *out = strtoll(value, &end, 10);
    if (errno || !*value || *end || *out < lo || *out > hi)
        return cli_wrong("%s takes a number from %lld to %lld, not '%s'", what, lo, hi, value);
    return true;
}

static void help(const char *usage, const char *about, const cli_option *o)
{
    printf("usage: %s\n\n%s\n\noptions:\n", usage, about);
    for (; o->name; o++) {
        char left[64];
        bool opt = o->value && *o->value == '[';
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value && !opt ? " " : "",
                 o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "--help", "this text");
}

static int find(const cli_option *o, const char *arg, size_t n)
{
    for (int i = 0; o[i].name; i++)
        if (strlen(o[i].name) == n && !memcmp(o[i].name, arg, n))
            return i;
    return -1;
}

static int unknown(const cli_option *o, const char *arg, size_t n)
{
    const char *names[MAX_NAMES], *near;
    char word[64];
    int count = 0;

    snprintf(word, sizeof word, "%.*s", (int)n, arg);
    for (; o[count].name && count < MAX_NAMES; count++)
        names[count] = o[count].name;
    near = cli_nearest(word, names, count);
    cli_wrong(near ? "unknown option '%s'; did you mean '%s'?"
                   : "unknown option '%s' (see --help)%s",
              word, near ? near : "");
    return CLI_USAGE;
}

int cli_parse(int argc, char **argv, const char *usage, const char *about,
              const cli_option *o, cli_see *see, void *cx)
{
    bool plain = false;

    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (plain || arg[0] != '-' || !arg[1]) {
            if (!see(cx, -1, arg))
                return CLI_USAGE;
            continue;
        }
        if (!strcmp(arg, "--")) {
            plain = true;
            continue;
        }
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            help(usage, about, o);
            return CLI_HELP;
        }
        size_t n = strcspn(arg, "=");
        int k = find(o, arg, n);
        if (k < 0)
            return unknown(o, arg, n);
        bool optional = o[k].value && *o[k].value == '[';
        const char *value = arg[n] == '=' ? arg + n + 1 : NULL;
        if (value && !o[k].value) {
            cli_wrong("%s takes no value", o[k].name);
            return CLI_USAGE;
        }
        if (!value && o[k].value && !optional) {
            if (i + 1 == argc) {
                cli_wrong("%s takes a value: %s", o[k].name, o[k].value);
                return CLI_USAGE;
            }
            value = argv[++i];
        }
        if (!see(cx, k, value))
            return CLI_USAGE;
    }
    return CLI_OK;
}
