/* runtime/program_bench.c - how long runs take: each is timed alone, after some to
 * warm up. */
#include <stdio.h>

#include "clock.h"
#include "program_parts.h"
#include "report.h"

/* One object with the runs of one engine, in the form that `ingot bench` has for
 * several. */
static void print_json(FILE *f, const program *p, const invoke_times *t)
{
    const struct ingot_model *m = p->model;

    fprintf(f,
            "{\"model\":\"%s\",\"cpu\":\"%s\",\"workspace_bytes\":%zu,"
            "\"weights_bytes\":%llu,\"flops\":%llu,\n \"runs\":[{\"engine\":\"%s\","
            "\"threads\":%d,\"runs\":%zu,\"min_ms\":%.6f,\"median_ms\":%.6f,"
            "\"mean_ms\":%.6f,\"p90_ms\":%.6f,\"p99_ms\":%.6f,\"throughput\":%.6g}]}\n",
            m->name, m->cpu ? m->cpu : "", t->workspace_size, (unsigned long long)m->weights_size,
            (unsigned long long)t->flops, p->o->engine ? p->o->engine : "compiled", p->threads,
            t->runs, 1e3 * t->min, 1e3 * t->median, 1e3 * t->mean, 1e3 * t->p90, 1e3 * t->p99,
            1 / t->mean);
}

static void print_time(const char *what, double seconds, const char *behind)
{
    printf("%s %.*f ms%s", what, clock_digits(1e3 * seconds), 1e3 * seconds, behind);
}

static void print_lines(const program *p, const invoke_times *t)
{
    printf("%zu runs, %d threads: ", t->runs, p->threads);
    print_time("min", t->min, ", ");
    print_time("median", t->median, "");
    if (t->flops)
        printf(", %.1f GFLOP/s", (double)t->flops / t->min / 1e9);
    print_time("\nlatency: p50", t->median, ", ");
    print_time("p90", t->p90, ", ");
    print_time("p99", t->p99, ", ");
    print_time("mean", t->mean, "");
    printf("\nthroughput: %.6g runs/s\n", 1 / t->mean);
}

/* What is left open: with a number of runs one to warm up is enough. */
static invoke_timing timing_of(const program_options *o)
{
    invoke_timing t = o->timing;

    if (!t.seconds)
        t.seconds = 1;
    if (!t.warm_up && !t.runs)
        t.warm_up = 0.2;
    return t;
}

/* The file is opened before the runs: a minute of them is not lost on a wrong path. */
bool program_bench(const program *p, invoke *v)
{
    char error[TENSOR_ERROR_SIZE];
    const invoke_timing timing = timing_of(p->o);
    invoke_times t;
    partial json;

    if (!report_open(&json, p->o->json))
        return false;
    bool ok = invoke_time(v, &timing, &t, error) || cli_wrong("%s", error);
    if (ok)
        print_lines(p, &t);
    if (ok && p->o->json)
        print_json(json.file, p, &t);
    return report_close(&json, p->o->json, ok);
}
