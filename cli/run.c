/* cli/run.c - `ingot run`: the program of an executable (runtime/program.h) on a
 * model in memory. */
#include "command.h"
#include "file_kind.h"
#include "packed.h"
#include "picture.h"
#include "program.h"
#include "program_load.h"
#include "progress.h"

/* The command line: the options of an executable, and those of the compiler. */
typedef struct run_options {
    model_options model;
    program_options program;
    picture_options picture;
    const char *file;
    ingot_engine_kind engine;
} run_options;

static bool add_image(void *to, const cli_option *o, const char *value)
{
    program_list *l = to;

    return program_add_input(to, o, value) && (l->at[l->n - 1].image = true);
}

#define AT(field) offsetof(run_options, field)

static const cli_option options[] = {
    {"MODEL", NULL, "an .onnx, .ingot or .ir file", .set = model_set_file, .at = AT(file)},
    {.more = program_rows, .at = AT(program)},
    {"--image", "NAME=FILE", "an input from a picture, PNG or JPEG; FILE if there is only one",
     .set = add_image, .at = AT(program.inputs)},
    {.more = picture_rows, .at = AT(picture)},
    {"--engine", "NAME", "compiled (default) or interpreter", .set = model_set_engine,
     .at = AT(engine)},
    {.more = perf_rows, .at = AT(model)},
    {.more = program_weights_rows, .at = AT(model)},
    {.more = code_rows, .at = AT(model)},
    {0}};

/* What the command line gets wrong about the model is told before it is compiled. */
static int check(const run_options *o, const ir_module *m)
{
    interpreter *x = interpreter_open(m);
    int status = program_check(&o->program, interpreter_model(x));

    interpreter_close(x);
    return status;
}

/* --info describes, everything else runs: the very code of an executable that was
 * built. */
static int run_engine(const run_options *o, ingot_engine *e)
{
    session *s = ingot_engine_session(e);

    if (o->program.info)
        return program_describe(&o->program, s->model, session_threads(s));
    progress_step("running");
    return program_run(&o->program, s);
}

/* Parameters that nothing has given values are zeros, which no one wants to see.  An entry that
 * there is not is told first, by the program itself. */
static bool has_weights(const run_options *o, const ir_module *m, diag *d)
{
    const char *entry = o->program.entry;

    if (o->program.states || o->program.info || o->program.bench ||
        (entry && (!strcmp(entry, "init") || !ir_module_find(m, entry))) ||
        !has_suffix(o->file, ".ingot"))
        return true;
    const char *unset = program_unset(m);
    return !unset || cli_wrong("%s has no weights (%s, ..): give --weights %s, as ingot init and "
                               "training write it", o->file, unset,
                               program_weights_beside(o->file, d));
}

/* m is taken over. */
static int run_loaded(const run_options *o, ir_module *m, diag *d)
{
    int status = has_weights(o, m, d) ? check(o, m) : CLI_FAILED;

    if (status != CLI_OK) {
        ir_module_free(m);
        return status;
    }
    ingot_engine *e =
        ingot_engine_open(o->engine, m, &o->model.o, (int)o->program.threads, d);
    if (!e || o->program.info || o->program.bench)
        progress_stop();
    diag_print(d, stderr);
    status = e ? run_engine(o, e) : CLI_FAILED;
    ingot_engine_close(e);
    return status;
}

/* The line of progress must be gone before anything is printed;
 * program_options.ended sees to it. */
static int run(run_options *o)
{
    diag d;

    progress_start(o->model.verbose);
    o->program.ended = progress_stop;
    o->program.read_image = picture_input;
    o->program.how = &o->picture;
    o->program.read_file = packed_read;
    o->program.engine = o->engine == ENGINE_INTERPRETER ? "interpreter" : NULL;
    diag_init(&d);
    ir_module *m = ingot_load(o->file, &o->model.o, &d);
    if (!m) {
        progress_stop();
        diag_print(&d, stderr);
    }
    int status = m ? run_loaded(o, m, &d) : model_status(false, &d);
    progress_stop();
    diag_free(&d);
    return status;
}

int command_run(int argc, char **argv)
{
    run_options o = {.engine = ENGINE_COMPILED};
    int status = cli_parse(argc, argv, "ingot run [OPTIONS] MODEL [ENTRY]", "Runs a model.",
                           options, &o);

    if (status == CLI_OK && !o.file) {
        if (program_are_meant(&o.program))
            cli_wrong("no model given (see ingot run --help)");
        status = CLI_USAGE;
    }
    if (status == CLI_OK)
        status = run(&o);
    program_options_free(&o.program);
    model_options_free(&o.model);
    return status;
}
