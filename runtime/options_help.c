/* runtime/options_help.c - a command's options for people, for man, and for shells
 * that complete words: all from the rows that read the command line.
 *
 *   --help            text
 *   --help=man        a page for man
 *   --help=section    the same as a section of the page of a program with commands
 *   --help=words      a line for each option, with the words that it takes, or FILE */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "options_rows.h"

bool cli_each_row(const cli_option *o, size_t start, cli_see_row *see, void *cx)
{
    for (; o->name || o->more; o++)
        if (o->more ? cli_each_row(o->more, start + o->at, see, cx) : see(cx, o, start + o->at))
            return true;
    return false;
}

/* What stands between an option and its value: nothing before [=N]. */
static const char *between(const cli_option *o)
{
    return o->value && strncmp(o->value, "[=", 2) ? " " : "";
}

/* ---- text ----------------------------------------------------------------------------- */

static bool print_row(void *cx, const cli_option *o, size_t place)
{
    char left[64];

    (void)cx, (void)place;
    snprintf(left, sizeof left, "%s%s%s", o->name, between(o), o->value ? o->value : "");
    printf("  %-26s %s\n", left, o->help);
    return false;
}

static void print_text(const char *usage, const char *about, const cli_option *o)
{
    printf("usage: %s\n\n%s\n\noptions:\n", usage, about);
    cli_each_row(o, 0, print_row, NULL);
    printf("  %-26s %s\n", "--help[=man]", "this text, or a page for man");
}

/* ---- man ------------------------------------------------------------------------------ */

/* Text in which nothing is a command of roff: "a-b" gives a\\-b.  Lines that are
 * indented keep their breaks. */
static void put_roff(const char *s)
{
    for (const char *at = s; *at; at++) {
        bool begins = at == s || at[-1] == '\n';
        if (begins && at != s && *at == ' ')
            fputs(".br\n", stdout);
        if (begins && (*at == '.' || *at == '\''))
            fputs("\\&", stdout);
        if (*at == '-' || *at == '\\')
            fputs(*at == '-' ? "\\-" : "\\e", stdout);
        else if (!(begins && *at == '\n'))
            fputc(*at, stdout);
    }
}

static bool print_roff_row(void *cx, const cli_option *o, size_t place)
{
    (void)cx, (void)place;
    fputs(".TP\n\\fB", stdout);
    put_roff(o->name);
    printf("\\fR%s\\fI", between(o));
    put_roff(o->value ? o->value : "");
    fputs("\\fR\n", stdout);
    put_roff(o->help);
    fputc('\n', stdout);
    return false;
}

static void print_roff(const char *usage, const char *about, const cli_option *o)
{
    fputs("\\fB", stdout);
    put_roff(usage);
    fputs("\\fR\n.PP\n", stdout);
    put_roff(about);
    fputc('\n', stdout);
    cli_each_row(o, 0, print_roff_row, NULL);
}

/* The program's name in capitals, as man heads pages. */
static void put_capitals(const char *usage)
{
    for (const char *at = usage; *at && *at != ' '; at++)
        fputc(toupper((unsigned char)*at), stdout);
}

static void print_page(const char *usage, const char *about, const cli_option *o)
{
    fputs(".TH ", stdout);
    put_capitals(usage);
    printf(" 1\n.SH NAME\n%.*s \\- a compiled neural network\n.SH SYNOPSIS AND OPTIONS\n",
           (int)strcspn(usage, " "), usage);
    print_roff(usage, about, o);
    fputs(".SH EXIT STATUS\n0: done.  1: a failure or bad data.  2: wrong usage.  130: "
          "interrupted.\n", stdout);
}

/* ---- words ---------------------------------------------------------------------------- */

/* Values that are named FILE, DIR or MODEL are completed by the names of files. */
static bool takes_file(const cli_option *o)
{
    return o->value && (strstr(o->value, "FILE") || strstr(o->value, "DIR"));
}

/* --emit exe lib obj, or --output FILE, or --name ANY: completion scripts read
 * these lines. */
static bool print_words(void *cx, const cli_option *o, size_t place)
{
    (void)cx, (void)place;
    if (*o->name != '-')
        return false;
    fputs(o->name, stdout);
    for (const char *const *word = o->words; word && *word; word++)
        printf(" %s", *word);
    puts(takes_file(o) ? " FILE" : o->value && *o->value != '[' && !o->words ? " ANY" : "");
    return false;
}

bool cli_help(const char *form, const char *usage, const char *about, const cli_option *o)
{
    static const char *const forms[] = {"text", "man", "section", "words", NULL};

    if (!cli_one_of("--help: form", form, forms))
        return false;
    switch (*form) {
    case 't': print_text(usage, about, o); break;
    case 'm': print_page(usage, about, o); break;
    case 's': print_roff(usage, about, o); break;
    default: cli_each_row(o, 0, print_words, NULL); break;
    }
    return true;
}
