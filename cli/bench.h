/* cli/bench.h - what `ingot bench` measured, and its reports. */
#ifndef INGOT_BENCH_H
#define INGOT_BENCH_H

#include "command.h"

typedef struct bench_row {
    const char *engine;
    int threads, runs;
    invoke_times t;
    double peak;                    /* GFLOP/s that the threads could reach */
} bench_row;

typedef struct bench {
    model_options model;
    const char *file, *data, *json, *html;
    bool compiled, interpreter;
    long long seed, threads, runs;
    VEC(bench_row) row;
    uint64_t code_size, weights_size;
} bench;

void bench_print_table(const bench *o);
void bench_print_json(const bench *o, FILE *f);
/* A page with a bar for each row: no scripts, nothing to load. */
void bench_print_html(const bench *o, FILE *f);

#endif
