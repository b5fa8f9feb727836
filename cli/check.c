/* cli/check.c - `ingot check`: messages about programs, and nothing else.  Each
 * file is checked by itself, as when it is built; editors call this after every
 * change, so that it runs no pass and makes no code.  With --grad the gradients of their
 * train blocks are checked as well. */
#include "dsl/ast.h"
#include "dsl/dsl.h"

#include "check_grad.h"
#include "command.h"
#include "each_file.h"
#include "file.h"
#include "file_kind.h"

/* Files are each checked on their own: the worst status is the command's. */
typedef struct check_options {
    model_options model;
    file_list files;
    check_grad_options grad;
} check_options;

#define AT(field) offsetof(check_options, field)

static const cli_option rows[] = {
    FILES_ROW("a program (.ingot) or model", AT(files)),
    {"--grad", NULL, "check gradients of train blocks against differences, in 64 bits",
     .set = cli_set_flag, .at = AT(grad.wanted)},
    {"--seed", "N", "of --grad's weights, rows, directions and draws (default: 0)",
     .set = cli_set_number, .at = AT(grad.seed), .least = 0, .most = INT64_MAX},
    {"--rows", "N", "that --grad makes up (default: 4)", .set = cli_set_number, .at = AT(grad.rows),
     .least = 1, .most = 1 << 20},
    {"--engine", "NAME", "of --grad: interpreter (default) or compiled, for large nets",
     .set = model_set_engine, .at = AT(grad.engine)},
    {.more = program_option_rows, .at = AT(model)},
    {.more = model_rows, .at = AT(model)},
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

/* The train blocks, which make a module of their own; data are not looked at.  They are read where
 * entries have faults, too: whoever mends a program wants to know all of them. */
static void check_training(const check_options *o, const char *path, diag *d)
{
    const dsl_options given = {.import = &o->model.o.import, .set = o->model.o.program.set,
                               .sets = o->model.o.program.sets,
                               .real = o->model.o.program.f64 ? DT_F64 : DT_F32};
    const struct ingot_trainer *t;
    diag found;

    diag_init(&found);
    ir_module_free(dsl_import_training(path, &given, &t, &found));
    diag_add(d, &found);
    diag_free(&found);
}

/* What is asked for beside the messages; false also where a gradient is off. */
static bool check_program(const check_options *o, const char *path, diag *d)
{
    if (o->grad.wanted && !has_suffix(path, ".ingot"))
        return cli_wrong("%s: --grad is for programs, which are .ingot files", path);
    if (o->grad.wanted)
        return check_gradients(path, &o->model.o, &o->grad, d);
    if (has_suffix(path, ".ingot") && is_trained(path))
        check_training(o, path, d);
    return !diag_failed(d);
}

/* Reads and checks one file; what is wrong goes to stderr. */
static int check_file(const void *cx, const char *path)
{
    const check_options *o = cx;
    diag d;

    diag_init(&d);
    ingot_options looking = o->model.o;
    looking.program.blind = true;
    ir_module *m = ingot_load(path, &looking, &d);
    bool ok = (m || !o->grad.wanted) && check_program(o, path, &d);
    ir_module_free(m);
    int status = model_status(ok && !diag_failed(&d), &d);
    diag_print(&d, stderr);
    diag_free(&d);
    return status;
}

int command_check(int argc, char **argv)
{
    check_options o = {.grad = {.rows = 4, .engine = ENGINE_INTERPRETER}};
    int status = cli_parse(argc, argv, "ingot check [OPTIONS] FILE...",
                           "Says what is wrong with programs, and nothing where nothing is.", rows,
                           &o);

    status = each_file(&o.files, status, check_file, &o);
    model_options_free(&o.model);
    return status;
}
