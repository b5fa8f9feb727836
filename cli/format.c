/* cli/format.c - `ingot fmt`: programs in the language as they should look. */
#include <stdlib.h>

#include "dsl/format.h"

#include "command.h"
#include "visible.h"

typedef struct format_options {
    bool check;
    VEC(const char *) files;
} format_options;

static bool add_file(void *to, const cli_option *option, const char *value)
{
    format_options *o = to;

    (void)option;
    vec_push(&o->files, value);
    return true;
}

static const cli_option rows[] = {
    {.name = "--check",
     .help = "change nothing; fail where a file would change",
     .set = cli_set_flag,
     .at = offsetof(format_options, check)},
    {.name = "FILE",
     .help = "a program (.ingot); `-`: from standard input to standard output",
     .set = add_file},
    {0},
};

static bool write_text(const char *path, const text *t, diag *d)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(t->at, 1, t->len, f) == t->len;

    ok = f && !fclose(f) && ok;
    return ok || diag_error(d, (ir_loc){0}, D_IO, path, "cannot be written");
}

/* Formats one file in its place, standard input to standard output; with --check says what
 * would change.  False where that is a failure. */
static bool format_file(const format_options *o, const char *path)
{
    bool piped = !strcmp(path, "-"), ok, same;
    text out = {0};
    diag d;

    diag_init(&d);
    char *source = ingot_read_text(piped ? "/dev/stdin" : path, &d);
    ok = source && dsl_format(source, piped ? "standard input" : path, &d, &out);
    same = ok && !strcmp(source, out.at);
    if (ok && o->check && !same) {
        visible_put(path, stdout);
        puts(" would change");
    } else if (ok && !o->check && piped) {
        fputs(out.at, stdout);
    } else if (ok && !o->check && !same) {
        ok = write_text(path, &out, &d);
    }
    diag_print(&d, stderr);
    text_free(&out);
    diag_free(&d);
    return ok && (same || !o->check);
}

int command_format(int argc, char **argv)
{
    format_options o = {0};
    int status =
        cli_parse(argc, argv, "ingot fmt [--check] FILE...",
                  "Sets the blanks of programs in the language right, in their files.", rows, &o);

    if (status == CLI_OK && !o.files.len) {
        cli_wrong("no FILE is given (see --help)");
        status = CLI_USAGE;
    }
    for (uint32_t i = 0; status != CLI_USAGE && status != CLI_HELP && i < o.files.len; i++)
        if (!format_file(&o, o.files.at[i]))
            status = CLI_FAILED;
    vec_free(&o.files);
    return status;
}
