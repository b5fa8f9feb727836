/* cli/bench.c - `ingot bench`: generated code beside the interpreter, on the same
 * inputs.  Each engine is opened, timed and closed in turn, so that neither sees
 * the memory or threads of the other; what is reported is collected as rows and
 * printed at the end, as table, JSON or page. */
#include "bench.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "bind.h"
#include "made_up.h"
#include "peak.h"
#include "profile.h"
#include "program.h"
#include "progress.h"
#include "report.h"

/* Stores which engines are to be timed. */
static bool set_engine(void *to, const cli_option *o, const char *value)
{
    static const char *const known[] = {"compiled", "interpreter", "both", NULL};
    bench *b = to;

    b->compiled = strcmp(value, "interpreter") != 0;
    b->interpreter = strcmp(value, "compiled") != 0;
    return cli_one_of(o->name, value, known);
}

/* Stores a seed; without a value the inputs are random all the same. */
static bool set_seed(void *to, const cli_option *o, const char *value)
{
    return !value || cli_number(o->name, value, 0, INT32_MAX, to);
}

#define AT(field) offsetof(bench, field)

static const cli_option options[] = {
    {"MODEL", NULL, "an .onnx, .ingot or .ir file", .set = model_set_file, .at = AT(file)},
    {"ENTRY", NULL, "what to run (default: main, or the first entry)", .set = cli_set_once,
     .at = AT(entry)},
    {"--engine", "NAME", "compiled, interpreter, or both (default)", .set = set_engine},
    {"--threads", "N", "report 1 to N threads (default 1)", .set = cli_set_number,
     .at = AT(threads), .least = 1, .most = 1024},
    {"--runs", "N", "runs to time (default 20 after one to warm up; interpreter: at most 3)",
     .set = cli_set_number, .at = AT(runs), .least = 1, .most = 1000000},
    {.more = program_timing_rows, .at = AT(timing)},
    {"--test-data", "DIR", "inputs from DIR/input_*.pb (default: random)", .set = cli_set_text,
     .at = AT(data)},
    {"--json", "FILE", "write the results there too", .set = cli_set_output, .at = AT(json)},
    {"--profile", NULL, "tell what each kernel takes, and how much of the machine it uses",
     .set = cli_set_flag, .at = AT(wants_profile)},
    {"--trace", "FILE", "with --profile: write a run for trace viewers (Perfetto)",
     .set = cli_set_output, .at = AT(trace)},
    {"--html", "FILE", "write a page with the results", .set = cli_set_output, .at = AT(html)},
    {"--random-inputs", "[=SEED]", "random inputs (the default), and their seed", .set = set_seed,
     .at = AT(seed)},
    {.more = perf_rows, .at = AT(model)},
    {.more = program_weights_rows, .at = AT(model)},
    {.more = code_rows, .at = AT(model)},
    {0}};

/* ---- measuring ----------------------------------------------------------------------- */

/* input_0.pb and so on, as the ONNX backend tests have them; they bind the dims. */
static bool read_input(const bench *o, const struct ingot_entry *e, int32_t i, int64_t *dims,
                       tensor_value *in)
{
    char *path, error[TENSOR_ERROR_SIZE];

    if (asprintf(&path, "%s/input_%" PRId32 ".pb", o->data, i) < 0)
        return cli_wrong("no memory");
    bool read = tensor_read(path, bind_kind(&e->inputs[i]), in, error);
    bool fits = read && (in->kind != TENSOR_PLAIN || bind_tensor(e, i, &in->t, dims, error));
    if (!fits)
        cli_wrong("%s%s%s", read ? path : "", read ? ": " : "", error);
    free(path);
    return fits;
}

/* Reads the inputs, or makes them up, and tells how the first time. */
static bool make_inputs(const bench *o, ingot_engine *engine, tensor_value *in)
{
    const struct ingot_entry *e = ingot_engine_entry(engine);
    int64_t *dims = mem_alloc(((size_t)e->dim_count + 1) * sizeof *dims);
    bool ok = true;

    bind_start(e, dims);
    for (int32_t i = 0; ok && o->data && i < e->input_count; i++)
        ok = read_input(o, e, i, dims, &in[i]);
    if (!o->data)
        ok = made_up_inputs(ingot_engine_session(engine), e, dims, (uint64_t)o->seed, !o->row.len,
                            in);
    mem_free(dims);
    return ok;
}

/* What the threads can reach: measured before the runs and behind them, since neighbours take
 * time away at times, and no less than the runs reached. */
static void raise_peak(bench_row *r)
{
    r->peak = fmax(r->peak, peak_gflops(r->threads));
    r->peak = fmax(r->peak, bench_gflops(r));
}

/* One row of the report: an engine with so many threads. */
static bool time_threads(bench *o, ingot_engine *e, const tensor_value *in,
                         const invoke_timing *how, bench_row r)
{
    char error[TENSOR_ERROR_SIZE];

    r.peak = peak_gflops(r.threads);
    progress_step("timing %s, threads: %d", r.engine, r.threads);
    if (!ingot_engine_time(e, in, how, &r.t, error))
        return cli_wrong("%s", error);
    /* The interpreter does not count operations: what compiled code counted is used. */
    r.t.flops = r.t.flops || !o->row.len ? r.t.flops : o->row.at[0].t.flops;
    raise_peak(&r);
    vec_push(&o->row, r);
    return true;
}

/* The interpreter knows one thread, and is so much slower that three runs say enough,
 * and none is spent on warming up. */
static bool time_interpreter(bench *o, ingot_engine *e, const tensor_value *in)
{
    const invoke_timing how = {.warm_up = -1, .runs = o->runs && o->runs < 3 ? (size_t)o->runs : 3};

    return time_threads(o, e, in, &how, (bench_row){.engine = "interpreter", .threads = 1});
}

/* A row for each number of threads from 1 up: the code is the same, so it is
 * compiled once. */
static bool time_compiled(bench *o, ingot_engine *e, const tensor_value *in)
{
    enum { RUNS = 20 };
    invoke_timing how = o->timing;
    bench_row r = {.engine = "compiled", .threads = 1};
    bool ok = true;

    how.runs = o->runs ? (size_t)o->runs : how.seconds > 0 ? 0 : RUNS;
    ingot_engine_sizes(e, &o->code_size, &o->weights_size);
    for (; ok && r.threads <= o->threads; r.threads++) {
        session_set_threads(ingot_engine_session(e), r.threads);
        ok = time_threads(o, e, in, &how, r);
    }
    return ok;
}

/* Makes the engine's entry the one that is asked for. */
static bool choose_entry(bench *o, ingot_engine *e)
{
    const struct ingot_model *m = ingot_engine_session(e)->model;
    const char **names = mem_alloc(((size_t)m->entry_count + 1) * sizeof *names);

    for (int32_t i = 0; i < m->entry_count; i++)
        names[i] = m->entries[i].name;
    bool ok = !o->entry || (cli_one_of("entry", o->entry, names) &&
                            ingot_engine_choose(e, o->entry));
    mem_free(names);
    o->status = ok ? o->status : CLI_USAGE;
    return ok;
}

typedef bool act_on(bench *o, ingot_engine *e, const tensor_value *in);

/* Does something with an engine while its inputs exist: files that were given, or
 * random values. */
static bool with_inputs(bench *o, ingot_engine *e, act_on *act)
{
    const struct ingot_entry *entry = ingot_engine_entry(e);
    int32_t n = entry->input_count;
    tensor_value *in = mem_alloc(((size_t)n + 1) * sizeof *in);
    bool ok = make_inputs(o, e, in) && act(o, e, in);

    for (int32_t i = 0; i < n; i++)
        tensor_value_free(&in[i]);
    mem_free(in);
    return ok;
}

/* Loads the model into an engine and acts on it; kernels tell `watch`, if any. */
static bool with_engine(bench *o, ingot_engine_kind kind, const image_watch *watch, act_on *act)
{
    ingot_options options = o->model.o;
    diag d;

    diag_init(&d);
    options.kernels = watch;
    ir_module *m = ingot_load(o->file, &options, &d);
    ingot_engine *e = m ? ingot_engine_open(kind, m, &options, 1, &d) : NULL;
    if (!e) {
        progress_stop();
        diag_print(&d, stderr);
        o->status = model_status(false, &d);
    }
    bool ok = e && choose_entry(o, e) && with_inputs(o, e, act);
    ingot_engine_close(e);
    diag_free(&d);
    return ok;
}

/* ---- reports ------------------------------------------------------------------------- */

static void print_trace(const bench *o, FILE *f)
{
    profile_print_trace(o->profile, f);
}

/* The table always, JSON and page where they were asked for. */
static void print_reports(const bench *o)
{
    progress_stop();
    bench_print_table(o);
    if (o->profile)
        profile_print_table(o->profile);
    for (bench_report *r = o->report; r->print; r++)
        if (r->path)
            r->print(o, r->file.file);
}

/* Runs code that tells of its kernels, which makes it a little slower, and reports all,
 * since what is told refers to the engine. */
static bool profile_and_report(bench *o, ingot_engine *e, const tensor_value *in)
{
    enum { RUNS = 20 };

    progress_step("timing kernels");
    if (!profile_runs(o->profile, e, in, o->runs ? (size_t)o->runs : RUNS, (int)o->threads))
        return false;
    print_reports(o);
    return true;
}

/* Times first, the profile in a run of its own: kernels that report themselves are
 * slower. */
static bool measure(bench *o)
{
    const image_watch watch = {profile_begins, o->profile};

    if ((o->compiled && !with_engine(o, ENGINE_COMPILED, NULL, time_compiled)) ||
        (o->interpreter && !with_engine(o, ENGINE_INTERPRETER, NULL, time_interpreter)))
        return false;
    if (o->profile)
        return with_engine(o, ENGINE_COMPILED, &watch, profile_and_report);
    print_reports(o);
    return true;
}

/* All files are opened first: what cannot be written is known before minutes of
 * measuring. */
static bool measure_and_report(bench *o)
{
    bench_report report[] = {{.path = o->json, .print = bench_print_json},
                             {.path = o->html, .print = bench_print_html},
                             {.path = o->trace, .print = print_trace},
                             {.print = NULL}};
    bool ok = true;

    o->report = report;
    for (bench_report *r = report; r->print; r++)
        if (!report_open(&r->file, r->path)) {
            ok = false;
            r->path = NULL;
        }
    progress_start(o->model.verbose);
    ok = ok && measure(o);
    progress_stop();
    for (bench_report *r = report; r->print; r++)
        ok = report_close(&r->file, r->path, ok);
    return ok;
}

/* Options that would do nothing are refused. */
static bool check(const bench *o)
{
    if (!o->file)
        return cli_wrong("no model given (see ingot bench --help)");
    if (o->trace && !o->wants_profile)
        return cli_wrong("--trace goes with --profile");
    return !o->wants_profile || o->compiled ||
           cli_wrong("--profile is of compiled code: it does not go with --engine interpreter");
}

int command_bench(int argc, char **argv)
{
    profile kernels = {0};
    bench o = {.compiled = true, .interpreter = true, .threads = 1, .status = CLI_FAILED};
    int status = cli_parse(argc, argv, "ingot bench [OPTIONS] MODEL [ENTRY]",
                           "Times generated code beside the interpreter.", options, &o);

    if (status)
        return status;
    if (!check(&o))
        return CLI_USAGE;
    o.profile = o.wants_profile ? &kernels : NULL;
    bool ok = measure_and_report(&o);
    profile_free(&kernels);
    vec_free(&o.row);
    model_options_free(&o.model);
    return ok ? CLI_OK : o.status;
}
