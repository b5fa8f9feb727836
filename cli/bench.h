/* cli/bench.h - what `ingot bench` measured, and its reports. */
#ifndef INGOT_BENCH_H
#define INGOT_BENCH_H

#include "cleanup.h"
#include "command.h"

/* A line of the report: an engine with a number of threads. */
typedef struct bench_row {
    const char *engine;
    int threads;
    invoke_times t;
    double peak;                    /* GFLOP/s that the threads could reach */
} bench_row;

struct bench;

/* A file that is written beside the table on stdout. */
typedef struct bench_report {
    const char *path;               /* null: not asked for */
    void (*print)(const struct bench *o, FILE *f);
    partial file;
} bench_report;

/* The command line, and what was measured.  `ingot bench net.onnx --threads 2` ends
 * with three rows: compiled code with one thread and with two, the interpreter. */
typedef struct bench {
    model_options model;
    const char *file, *entry, *data, *json, *html, *trace;
    bool compiled, interpreter, wants_profile;
    struct profile *profile;        /* what --profile finds; else null */
    struct bench_report *report;    /* files beside the table, up to one of no printer */
    invoke_timing timing;           /* of compiled code */
    long long seed, threads, runs;
    int status;                     /* the exit code of a failure */
    VEC(bench_row) row;
    uint64_t code_size, weights_size;
} bench;

/* GFLOP/s of the fastest run; 0: nothing is known. */
double bench_gflops(const bench_row *r);
void bench_print_table(const bench *o);
void bench_print_json(const bench *o, FILE *f);
/* Writes a page with a bar for each row; it has no scripts and loads nothing. */
void bench_print_html(const bench *o, FILE *f);

#endif
