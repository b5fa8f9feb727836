/* runtime/artifact_bench.c - how long runs take: after one to warm up, each is
 * timed alone; the minimum and the median count. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "artifact.h"
#include "invoke.h"
#include "options.h"
#include "report.h"

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool time_runs(invoke *v, double *ms, long long n)
{
    char error[TENSOR_ERROR_SIZE];

    for (long long i = -1; i < n; i++) {
        double start = now_ms();
        if (!invoke_run(v, error))
            return cli_wrong("%s", error);
        if (i >= 0)
            ms[i] = now_ms() - start;
    }
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    return true;
}

static void print_json(FILE *f, const artifact *a, const invoke *v, double min, double median)
{
    fprintf(f,
            "{\"model\":\"%s\",\"cpu\":\"%s\",\"workspace_bytes\":%zu,"
            "\"weights_bytes\":%llu,\"flops\":%llu,\n \"runs\":[{\"engine\":\"compiled\","
            "\"threads\":%d,\"runs\":%lld,\"min_ms\":%.6f,\"median_ms\":%.6f}]}\n",
            a->model->name, a->model->cpu ? a->model->cpu : "", v->workspace_size,
            (unsigned long long)a->model->weights_size,
            (unsigned long long)a->entry->flops(v->dims), a->threads, a->o.bench, min, median);
}

/* Short times have more digits. */
static int digits(double ms)
{
    return ms < 0.1 ? 6 : 3;
}

static void print_line(const artifact *a, const invoke *v, double min, double median)
{
    uint64_t flops = a->entry->flops(v->dims);

    printf("%lld runs, %d threads: min %.*f ms, median %.*f ms", a->o.bench, a->threads,
           digits(min), min, digits(median), median);
    if (flops)
        printf(", %.1f GFLOP/s", (double)flops / min / 1e6);
    printf("\n");
}

static bool bench_to(artifact *a, invoke *v, double *ms)
{
    partial json;

    if (!report_open(&json, a->o.json))
        return false;
    bool ok = time_runs(v, ms, a->o.bench);
    double min = ms[0], median = ms[a->o.bench / 2];
    if (ok)
        print_line(a, v, min, median);
    if (ok && a->o.json)
        print_json(json.file, a, v, min, median);
    return report_close(&json, a->o.json, ok);
}

bool artifact_bench(artifact *a, invoke *v)
{
    double *ms = calloc((size_t)a->o.bench, sizeof *ms);
    bool ok = ms ? bench_to(a, v, ms) : cli_wrong("no memory for %lld times", a->o.bench);

    free(ms);
    return ok;
}
