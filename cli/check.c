/* cli/check.c - `ingot check`: messages about programs, and nothing else.  Each
 * file is checked by itself, as when it is built; editors call this after every
 * change, so that it runs no pass and makes no code. */
#include "dsl/ast.h"
#include "dsl/dsl.h"

#include "command.h"
#include "each_file.h"
#include "file.h"
#include "file_kind.h"

/* Files are each checked on their own: the worst status is the command's. */
typedef struct check_options {
    model_options model;
    file_list files;
} check_options;

static const cli_option rows[] = {
    FILES_ROW("a program (.ingot) or model", offsetof(check_options, files)),
    {.more = program_option_rows, .at = offsetof(check_options, model)},
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
    const char *source = file_read_told(path, &d);
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
    const dsl_options given = {.import = &o->model.o.import, .set = o->model.o.program.set,
                               .sets = o->model.o.program.sets,
                               .real = o->model.o.program.f64 ? DT_F64 : DT_F32};
    const struct ingot_trainer *t;

    ir_module_free(dsl_import_training(path, &given, &t, d));
}

/* Reads and checks one file; what is wrong goes to stderr. */
static int check_file(const void *cx, const char *path)
{
    const check_options *o = cx;
    diag d;

    diag_init(&d);
    ir_module *m = ingot_load(path, &o->model.o, &d);
    if (m && has_suffix(path, ".ingot") && is_trained(path))
        check_training(o, path, &d);
    ir_module_free(m);
    int status = model_status(!diag_failed(&d), &d);
    diag_print(&d, stderr);
    diag_free(&d);
    return status;
}

int command_check(int argc, char **argv)
{
    check_options o = {0};
    int status = cli_parse(argc, argv, "ingot check [OPTIONS] FILE...",
                           "Says what is wrong with programs, and nothing where nothing is.", rows,
                           &o);

    status = each_file(&o.files, status, check_file, &o);
    model_options_free(&o.model);
    return status;
}
