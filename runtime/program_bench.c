/* runtime/program_bench.c - how long runs take: after one to warm up, each is
 * timed alone; the minimum and the median count. */
#include <stdio.h>

#include "clock.h"
#include "program_parts.h"
#include "report.h"

static void print_json(FILE *f, const program *p, const invoke_times *t)
{
    const struct ingot_model *m = p->model;

    fprintf(f,
            "{\"model\":\"%s\",\"cpu\":\"%s\",\"workspace_bytes\":%zu,"
            "\"weights_bytes\":%llu,\"flops\":%llu,\n \"runs\":[{\"engine\":\"%s\","
            "\"threads\":%d,\"runs\":%lld,\"min_ms\":%.6f,\"median_ms\":%.6f}]}\n",
            m->name, m->cpu ? m->cpu : "", t->workspace_size, (unsigned long long)m->weights_size,
            (unsigned long long)t->flops, p->o->engine ? p->o->engine : "compiled", p->threads,
            p->o->bench, 1e3 * t->min, 1e3 * t->median);
}

static void print_line(const program *p, const invoke_times *t)
{
    double min = 1e3 * t->min, median = 1e3 * t->median;

    printf("%lld runs, %d threads: min %.*f ms, median %.*f ms", p->o->bench, p->threads,
           clock_digits(min), min, clock_digits(median), median);
    if (t->flops)
        printf(", %.1f GFLOP/s", (double)t->flops / t->min / 1e9);
    printf("\n");
}

bool program_bench(const program *p, invoke *v)
{
    char error[TENSOR_ERROR_SIZE];
    invoke_times t;
    partial json;

    if (!report_open(&json, p->o->json))
        return false;
    bool ok = invoke_time(v, true, (size_t)p->o->bench, &t, error) || cli_wrong("%s", error);
    if (ok)
        print_line(p, &t);
    if (ok && p->o->json)
        print_json(json.file, p, &t);
    return report_close(&json, p->o->json, ok);
}
