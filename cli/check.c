/* cli/check.c - `ingot check`: messages about programs, and nothing else. */
#include "command.h"

typedef struct check_options {
    model_options model;
    VEC(const char *) files;
} check_options;

static bool add_file(void *to, const cli_option *option, const char *value)
{
    check_options *o = to;

    (void)option;
    vec_push(&o->files, value);
    return true;
}

static const cli_option rows[] = {
    {.name = "FILE", .help = "a program (.ingot) or model", .set = add_file},
    {.more = model_rows, .at = offsetof(check_options, model)},
    {0},
};

/* Reads and checks one file; what is wrong goes to stderr. */
static bool check_file(const check_options *o, const char *path)
{
    diag d;

    diag_init(&d);
    ir_module *m = ingot_load(path, &o->model.o, &d);
    diag_print(&d, stderr);
    ir_module_free(m);
    diag_free(&d);
    return m;
}

int command_check(int argc, char **argv)
{
    check_options o = {0};
    int status = cli_parse(argc, argv, "ingot check [OPTIONS] FILE...",
                           "Says what is wrong with programs, and nothing where nothing is.", rows,
                           &o);

    if (status == CLI_OK && !o.files.len) {
        cli_wrong("no FILE is given (see --help)");
        status = CLI_USAGE;
    }
    for (uint32_t i = 0; status != CLI_USAGE && status != CLI_HELP && i < o.files.len; i++)
        if (!check_file(&o, o.files.at[i]))
            status = CLI_FAILED;
    vec_free(&o.files);
    model_options_free(&o.model);
    return status;
}
