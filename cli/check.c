/* cli/check.c - `ingot check`: messages about programs, and nothing else. */
#include "dsl/ast.h"
#include "dsl/dsl.h"

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

/* Has the program, which parses, a train block? */
static bool is_trained(const char *path)
{
    ast_pool pool = {0};
    bool found = false;
    diag d;

    diag_init(&d);
    const char *source = ingot_read_text(path, &d);
    const ast_program *p = source ? ast_parse(&pool, source, 0, &d) : NULL;
    for (uint32_t i = 0; p && i < p->items.len; i++)
        found |= p->items.at[i]->kind == AST_ITEM_TRAIN;
    ast_pool_free(&pool);
    diag_free(&d);
    return found;
}

/* The train blocks, which make a module of their own; data are not looked at. */
static void check_training(const check_options *o, const char *path, diag *d)
{
    const dsl_options given = {.import = &o->model.o.import};
    const struct ingot_trainer *t;

    ir_module_free(dsl_import_training(path, &given, &t, d));
}

/* Reads and checks one file; what is wrong goes to stderr. */
static bool check_file(const check_options *o, const char *path)
{
    diag d;

    diag_init(&d);
    ir_module *m = ingot_load(path, &o->model.o, &d);
    if (m && ingot_has_suffix(path, ".ingot") && is_trained(path))
        check_training(o, path, &d);
    ir_module_free(m);
    bool ok = !diag_failed(&d);
    diag_print(&d, stderr);
    diag_free(&d);
    return ok;
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
