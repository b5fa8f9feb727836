/* cli/run.c - `ingot run`: a model on inputs from files. */
#include <stdlib.h>

#include "cleanup.h"
#include "command.h"
#include "outputs.h"
#include "progress.h"

typedef struct given_input {
    char *name;                 /* null until the model is known: none stands before the file */
    const char *path;
} given_input;

typedef struct run_options {
    model_options model;
    const char *file, *folder, *format;
    ingot_engine_kind engine;
    bool random;
    long long seed, threads;
    VEC(given_input) inputs;
} run_options;

/* Of the file of an input; null: none is given. */
static const char *path_of(const run_options *o, const char *name)
{
    for (uint32_t i = 0; i < o->inputs.len; i++)
        if (o->inputs.at[i].name && !strcmp(o->inputs.at[i].name, name))
            return o->inputs.at[i].path;
    return NULL;
}

static bool add_input(void *to, const cli_option *o, const char *value)
{
    run_options *r = to;
    const char *at = strchr(value, '=');
    char *name = at ? strndup(value, (size_t)(at - value)) : NULL;

    (void)o;
    vec_push(&r->inputs, (given_input){name, at ? at + 1 : value});
    return true;
}

static bool set_random(void *to, const cli_option *o, const char *value)
{
    run_options *r = to;

    r->random = true;
    return !value || cli_number(o->name, value, 0, INT32_MAX, &r->seed);
}

static const char *const formats[] = {"npy", "pb", NULL};

#define AT(field) offsetof(run_options, field)

static const cli_option options[] = {
    {"MODEL", NULL, "an .onnx or .ir file", .set = model_set_file, .at = AT(file)},
    {"--input", "NAME=FILE", "an input, from a .npy or .pb file; FILE if there is only one",
     .set = add_input},
    {"--output-dir", "DIR", "write every output there (default: print a summary)",
     .set = cli_set_text, .at = AT(folder)},
    {"--output-format", "FORMAT", "npy (default) or pb", .set = cli_set_word, .at = AT(format),
     .words = formats},
    {"--engine", "NAME", "compiled (default) or interpreter", .set = model_set_engine,
     .at = AT(engine)},
    {"--random-inputs", "[=SEED]", "inputs that are not given are random", .set = set_random},
    {"--threads", "N", "threads (default: the CPUs)", .set = cli_set_number, .at = AT(threads),
     .least = 1, .most = 1024},
    {.more = model_rows, .at = AT(model)},
    {0}};

/* ---- inputs --------------------------------------------------------------------- */

/* The file alone is enough where there is one input; false for wrong usage. */
static bool name_inputs(run_options *o, const ir_fn *fn)
{
    for (uint32_t i = 0; i < o->inputs.len; i++) {
        given_input *g = &o->inputs.at[i];
        if (!g->name && fn->param.len != 1)
            return cli_wrong("--input takes NAME=FILE, not '%s': the model has %u inputs", g->path,
                             fn->param.len);
        if (!g->name)
            g->name = strdup(fn->param_name.at[0]);
        if (path_of(o, g->name) != g->path)
            return cli_wrong("--input %s is given twice", g->name);
    }
    return true;
}

/* As executables say it. */
static bool unknown_extent(const ir_fn *fn, uint32_t i, int axis, ir_dim dim)
{
    const char *input = fn->param_name.at[i];
    uint32_t symbol = dim_symbol_id(&fn->module->dims, dim);

    if (symbol == NAMES_NONE)
        return cli_wrong("input '%s', axis %d: extent is not known; give --shape %s=..", input,
                         axis, input);
    const char *name = fn->module->dims.symbol.at[symbol].name;
    return cli_wrong("input '%s', axis %d: extent '%s' is not known; give --dim %s=N or --shape "
                     "%s=..", input, axis, name, name, input);
}

bool command_random_input(const ir_fn *fn, uint32_t i, uint64_t seed, tensor_value *v)
{
    const ir_type *t = ir_type_of(fn, fn->param.at[i]);
    int64_t dims[IR_MAX_RANK];
    char error[TENSOR_ERROR_SIZE];

    if (t->kind != TY_TENSOR)
        return cli_wrong("input '%s' is no tensor: --random-inputs cannot make it",
                         fn->param_name.at[i]);
    for (int a = 0; a < t->rank; a++)
        if (!dim_const(&fn->module->dims, t->dim[a], &dims[a]))
            return unknown_extent(fn, i, a, t->dim[a]);
    if (!tensor_init(&v->t, dt_of(t->dtype)->onnx, t->rank, dims))
        return tensor_init_failed(&v->t, "input", fn->param_name.at[i], error) ||
               cli_wrong("%s", error);
    outputs_random(&v->t, seed + i);
    return true;
}

static bool names_exist(const run_options *o, const ir_fn *fn)
{
    for (uint32_t i = 0; i < o->inputs.len; i++) {
        const char *name = o->inputs.at[i].name;
        bool found = false;
        for (uint32_t k = 0; k < fn->param.len; k++)
            found |= !strcmp(fn->param_name.at[k], name);
        if (found)
            continue;
        const char *near = cli_nearest(name, fn->param_name.at, (int)fn->param.len);
        return near ? cli_wrong("the model has no input '%s'; did you mean '%s'?", name, near)
                    : cli_wrong("the model has no input '%s'", name);
    }
    return true;
}

static bool load_inputs(const run_options *o, const ir_fn *fn, tensor_value *in)
{
    char error[TENSOR_ERROR_SIZE];

    if (!names_exist(o, fn))
        return false;
    for (uint32_t i = 0; i < fn->param.len; i++) {
        const char *path = path_of(o, fn->param_name.at[i]);
        if (!path && !o->random)
            return cli_wrong("input '%s' is missing: give --input %s=FILE or --random-inputs",
                             fn->param_name.at[i], fn->param_name.at[i]);
        if (!path && !command_random_input(fn, i, (uint64_t)o->seed, &in[i]))
            return false;
        if (path &&
            !tensor_read(path, ingot_kind_of(ir_type_of(fn, fn->param.at[i])), &in[i], error))
            return cli_wrong("%s", error);
        if (path && !ingot_check_input(fn, (int)i, &in[i], error))
            return cli_wrong("%s: %s", path, error);
    }
    return true;
}

/* ---- outputs -------------------------------------------------------------------------- */

static bool give_outputs(const run_options *o, const ir_fn *fn, const tensor_value *out)
{
    char error[TENSOR_ERROR_SIZE];
    int n = (int)fn->result.len;

    bool pb = o->format && !strcmp(o->format, "pb");

    if (o->folder)
        return outputs_write(o->folder, pb, fn->result_name.at, out, n, error) ||
               cli_wrong("%s", error);
    for (int i = 0; i < n; i++)
        outputs_show(fn->result_name.at[i], &out[i]);
    return true;
}

static bool run_engine(const run_options *o, ingot_engine *e)
{
    const ir_fn *fn = ingot_engine_entry(e);
    uint32_t nin = fn->param.len, nout = fn->result.len;
    tensor_value *in = mem_alloc((nin + 1) * sizeof *in),
                 *out = mem_alloc((nout + 1) * sizeof *out);
    char error[TENSOR_ERROR_SIZE];
    bool ok = load_inputs(o, fn, in);

    progress_step("running");
    if (ok && !ingot_engine_run(e, in, out, error))
        ok = cli_wrong("%s", error);
    progress_stop();
    ok = ok && give_outputs(o, fn, out);
    for (uint32_t i = 0; i < nin; i++)
        tensor_value_free(&in[i]);
    for (uint32_t i = 0; i < nout; i++)
        tensor_value_free(&out[i]);
    mem_free(in);
    mem_free(out);
    return ok;
}

static int run(run_options *o, diag *d)
{
    ir_module *m = ingot_load(o->file, &o->model.o, d);
    bool usable = !m || name_inputs(o, m->fn.at[0]);
    ingot_engine *e = NULL;

    if (m && usable)
        e = ingot_engine_open(o->engine, m, &o->model.o, (int)o->threads, d);
    else
        ir_module_free(m);
    if (!e)
        progress_stop();
    diag_print(d, stderr);
    bool ok = e && run_engine(o, e);
    ingot_engine_close(e);
    return !usable ? CLI_USAGE : ok ? CLI_OK : CLI_FAILED;
}

int command_run(int argc, char **argv)
{
    run_options o = {.engine = ENGINE_COMPILED};
    diag d;
    int status =
        cli_parse(argc, argv, "ingot run [OPTIONS] MODEL", "Runs a model.", options, &o);

    if (status)
        return status;
    if (!o.file || (o.format && !o.folder)) {
        cli_wrong(o.file ? "--output-format goes with --output-dir"
                         : "no model given (see ingot run --help)");
        return CLI_USAGE;
    }
    cleanup_catch_interrupt();
    progress_start(o.model.verbose);
    diag_init(&d);
    status = run(&o, &d);
    diag_free(&d);
    for (uint32_t i = 0; i < o.inputs.len; i++)
        free(o.inputs.at[i].name);
    vec_free(&o.inputs);
    model_options_free(&o.model);
    return status;
}
