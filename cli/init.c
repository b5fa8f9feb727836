/* cli/init.c - `ingot init`: the first weights of a program, as a file for
 * --weights.  A program's entry `init` draws all states from a seed; it is compiled
 * and run as any other entry, so that the file has the very numbers that a trainer
 * with this seed begins with. */
#include "command.h"
#include "invoke.h"
#include "progress.h"
#include "report.h"
#include "states.h"

/* `ingot init net.ingot -o net.safetensors --seed 7` */
typedef struct init_options {
    model_options model;
    const char *file, *out;
    long long seed;
} init_options;

#define AT(field) offsetof(init_options, field)

static const cli_option options[] = {
    {"PROGRAM", NULL, "an .ingot file", .set = model_set_file, .at = AT(file)},
    {"-o", "FILE", "the weights: a .safetensors file", .set = cli_set_output, .at = AT(out)},
    {"--seed", "N", "of the draws (default: 0)", .set = cli_set_number, .at = AT(seed),
     .least = 0, .most = INT64_MAX},
    {.more = program_option_rows, .at = AT(model)},
    {.more = model_rows, .at = AT(model)},
    {0}};

/* Runs the entry `init` on the session's states. */
static bool draw(session *s, int64_t seed, char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_entry *e = session_entry(s->model, "init");
    invoke call = {0};
    tensor_value in = {0};
    int32_t i64 = dt_of(DT_I64)->onnx;

    if (!e)
        return snprintf(error, TENSOR_ERROR_SIZE, "the program has no parameters") < 0;
    bool ok = tensor_init(&in.t, i64, 0, NULL);
    if (ok)
        *(int64_t *)in.t.data = seed;
    ok = ok && invoke_prepare(&call, s, e, &in, error) && invoke_run(&call, error);
    invoke_free(&call);
    tensor_value_free(&in);
    return ok;
}

/* As safetensors, by the paths of the program's parameters. */
static bool write_states(const session *s, const char *path)
{
    partial p;

    if (!report_open(&p, path))
        return false;
    bool ok = states_write(s, p.file) || cli_wrong("no memory for the weights' file");
    return report_close(&p, path, ok);
}

static int run_engine(const init_options *o, session *s)
{
    char error[TENSOR_ERROR_SIZE];

    if (!draw(s, o->seed, error) || !states_storable(s->model, error))
        return cli_wrong("%s: %s", o->file, error), CLI_FAILED;
    return write_states(s, o->out) ? CLI_OK : CLI_FAILED;
}

/* Draws by running the entry `init` of the compiled program: the numbers are those
 * that a trainer begins with. */
static int run(const init_options *o)
{
    diag d;
    int status;

    progress_start(o->model.verbose);
    diag_init(&d);
    ir_module *m = ingot_load(o->file, &o->model.o, &d);
    ingot_engine *e = m ? ingot_engine_open(ENGINE_COMPILED, m, &o->model.o, 0, &d) : NULL;
    progress_stop();
    diag_print(&d, stderr);
    status = e ? run_engine(o, ingot_engine_session(e)) : model_status(false, &d);
    ingot_engine_close(e);
    diag_free(&d);
    return status;
}

int command_init(int argc, char **argv)
{
    init_options o = {0};
    int status = cli_parse(argc, argv, "ingot init [OPTIONS] -o FILE PROGRAM",
                           "Draws the first weights of a program.", options, &o);

    if (status == CLI_OK && (!o.file || !o.out)) {
        cli_wrong("%s is missing (see ingot init --help)", o.file ? "-o" : "the program");
        status = CLI_USAGE;
    }
    if (status == CLI_OK)
        status = run(&o);
    model_options_free(&o.model);
    return status;
}
