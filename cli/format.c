/* cli/format.c - `ingot fmt`: programs in the language as they should look.  The
 * rules are those of frontend/dsl/format.c; here are files: each is rewritten if it
 * looks otherwise, or with --check only named.  A file with errors is left as it
 * is. */
#include <errno.h>
#include <stdlib.h>

#include "dsl/format.h"

#include "cleanup.h"
#include "command.h"
#include "each_file.h"
#include "file.h"
#include "file_kind.h"
#include "visible.h"

/* With --check nothing is written: a repository asks whether its programs are
 * formatted. */
typedef struct format_options {
    bool check;
    file_list files;
} format_options;

static const cli_option rows[] = {
    {"--check", NULL, "change nothing; fail where a file would change", .set = cli_set_flag,
     .at = offsetof(format_options, check)},
    FILES_ROW("a program (.ingot); `-`: from standard input to standard output",
              offsetof(format_options, files)),
    {0},
};

/* A model or picture begins with bytes that no text has: it is one message, not one for each. */
static bool is_text(const char *source, const char *path, diag *d)
{
    size_t n = strnlen(source, 8);

    return !n || file_is_text((const uint8_t *)source, n) ||
           diag_error(d, (ir_loc){0}, D_IO, path, "is no program, which is text");
}

/* Formats one file in its place, standard input to standard output; with --check says what
 * would change, which is a failure. */
static int format_file(const void *cx, const char *path)
{
    const format_options *o = cx;
    bool piped = !strcmp(path, "-"), ok, same;
    text out = {0};
    diag d;

    diag_init(&d);
    char *source = file_read_told(piped ? "/dev/stdin" : path, &d);
    const char *name = piped ? "standard input" : path;
    ok = source && is_text(source, name, &d) && dsl_format(source, name, &d, &out);
    same = ok && !strcmp(source, out.at);
    if (ok && o->check && !same) {
        visible_put(path, stdout);
        puts(" would change");
    } else if (ok && !o->check && piped) {
        fputs(out.at, stdout);
    } else if (ok && !o->check && !same) {
        ok = partial_write(path, out.at, out.len) ||
             diag_error(&d, (ir_loc){0}, D_IO, path, strerror(errno));
    }
    diag_print(&d, stderr);
    text_free(&out);
    diag_free(&d);
    return ok && (same || !o->check) ? CLI_OK : CLI_FAILED;
}

int command_format(int argc, char **argv)
{
    format_options o = {0};
    int status =
        cli_parse(argc, argv, "ingot fmt [--check] FILE...",
                  "Sets the blanks of programs in the language right, in their files.", rows, &o);

    return each_file(&o.files, status, format_file, &o);
}
