/* cli/bench.c - `ingot bench`: generated code beside the interpreter, on the
 * same inputs. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "command.h"
#include "outputs.h"

enum { MAX_RUNS = 1000000 };

typedef struct bench_options {
    model_options model;
    const char *file, *data, *json;
    bool compiled, interpreter;
    long long seed, threads, runs;
} bench_options;

static bool see_engine(bench_options *o, const char *value)
{
    o->compiled = strcmp(value, "interpreter") != 0;
    o->interpreter = strcmp(value, "compiled") != 0;
    return (o->compiled != o->interpreter) || !strcmp(value, "both") ||
           cli_wrong("--engine is compiled, interpreter or both, not '%s'", value);
}

static bool see(void *cx, int index, const char *value)
{
    bench_options *o = cx;

    switch (index) {
    case 0: return see_engine(o, value);
    case 1: return cli_number("--threads", value, 1, 1024, &o->threads);
    case 2: return cli_number("--runs", value, 1, MAX_RUNS, &o->runs);
    case 3: o->data = value; return true;
    case 4: o->json = value; return true;
    case 5: return cli_number("--random-inputs", value, 0, INT32_MAX, &o->seed);
    case 6: return model_option_dim(&o->model, value);
    case 7: return model_option_shape(&o->model, value);
    default:
        if (o->file)
            return cli_wrong("one model at a time: '%s' and '%s'", o->file, value);
        o->file = value;
        return true;
    }
}

static bool make_inputs(const bench_options *o, const ir_fn *fn, tensor_value *in)
{
    char path[4096], error[TENSOR_ERROR_SIZE];

    for (uint32_t i = 0; i < fn->param.len; i++) {
        if (!o->data) {
            if (!command_random_input(fn, i, (uint64_t)o->seed, &in[i]))
                return false;
            continue;
        }
        snprintf(path, sizeof path, "%s/input_%" PRIu32 ".pb", o->data, i);
        if (!tensor_read(path, ingot_kind_of(ir_type_of(fn, fn->param.at[i])), &in[i], error))
            return cli_wrong("%s", error);
    }
    return true;
}

/* One line of the table and one object of the JSON. */
static void report(FILE *json, bool *any, const char *engine, int threads, double min,
                   double median)
{
    printf("%-12s %7d %12.3f %12.3f\n", engine, threads, 1e3 * min, 1e3 * median);
    fflush(stdout);
    if (json)
        fprintf(json, "%s{\"engine\":\"%s\",\"threads\":%d,\"min_ms\":%.6f,\"median_ms\":%.6f}",
                *any ? ",\n  " : "", engine, threads, 1e3 * min, 1e3 * median);
    *any = true;
}

static bool time_engine(const bench_options *o, ingot_engine_kind kind, int threads, FILE *json,
                        bool *any)
{
    char error[TENSOR_ERROR_SIZE];
    double min, median;
    diag d;

    diag_init(&d);
    ir_module *m = ingot_load(o->file, &o->model.o, &d);
    ingot_engine *e = m ? ingot_engine_open(kind, m, &o->model.o, threads, &d) : NULL;
    diag_print(&d, stderr);
    if (!e)
        return false;
    const ir_fn *fn = ingot_engine_entry(e);
    uint32_t n = fn->param.len;
    tensor_value *in = mem_alloc((n + 1) * sizeof *in);
    bool ok = make_inputs(o, fn, in);
    /* The interpreter is so much slower that three runs say enough. */
    int runs = kind == ENGINE_COMPILED || o->runs < 3 ? (int)o->runs : 3;
    if (ok && kind == ENGINE_COMPILED)
        ok = ingot_engine_time(e, in, 1, &min, &median, error) || cli_wrong("%s", error);
    if (ok)
        ok = ingot_engine_time(e, in, runs, &min, &median, error) || cli_wrong("%s", error);
    if (ok)
        report(json, any, kind == ENGINE_COMPILED ? "compiled" : "interpreter", threads, min, median);
    for (uint32_t i = 0; i < n; i++)
        tensor_value_free(&in[i]);
    mem_free(in);
    ingot_engine_close(e);
    return ok;
}

static bool time_all(const bench_options *o, FILE *json)
{
    bool ok = true, any = false;

    if (json)
        fputs("{\"runs\":[", json);
    printf("%-12s %7s %12s %12s\n", "engine", "threads", "min ms", "median ms");
    for (int t = 1; o->compiled && ok && t <= o->threads; t++)
        ok = time_engine(o, ENGINE_COMPILED, t, json, &any);
    if (o->interpreter && ok)
        ok = time_engine(o, ENGINE_INTERPRETER, 1, json, &any);
    if (json)
        fputs("]}\n", json);
    return ok;
}

int command_bench(int argc, char **argv)
{
    static const cli_option options[] = {
        {"--engine", "NAME", "compiled, interpreter, or both (default)"},
        {"--threads", "N", "report 1 to N threads (default 1)"},
        {"--runs", "N", "runs to take minimum and median of (default 20)"},
        {"--test-data", "DIR", "inputs from DIR/input_*.pb (default: random)"},
        {"--json", "FILE", "write the results there too"},
        {"--random-inputs", "SEED", "seed of the random inputs"},
        {"--dim", "NAME=N", "bind a run-time dim"},
        {"--shape", "INPUT=1x3x8", "bind an input's extents"},
        {NULL, NULL, NULL}};
    bench_options o = {.compiled = true, .interpreter = true, .threads = 1, .runs = 20};
    FILE *json = NULL;

    int status = cli_parse(argc, argv, "ingot bench [OPTIONS] MODEL", "Times a model.", options, see,
                           &o);
    if (status)
        return status == CLI_HELP ? CLI_OK : status;
    if (!o.file) {
        cli_wrong("no model given (see ingot bench --help)");
        return CLI_USAGE;
    }
    if (o.json && !(json = fopen(o.json, "w"))) {
        cli_wrong("%s: cannot be written: %s", o.json, strerror(errno));
        return CLI_FAILED;
    }
    bool ok = time_all(&o, json);
    if (json && (ferror(json) | fclose(json)))
        ok = cli_wrong("%s: cannot be written", o.json);
    return ok ? CLI_OK : CLI_FAILED;
}
