/* runtime/artifact.h - an executable made from a model: what the files
 * artifact_*.c and main.c share. */
#ifndef INGOT_ARTIFACT_H
#define INGOT_ARTIFACT_H

#include "abi.h"
#include "tensor_io.h"
#include "thread.h"

/* NAME=VALUE of the command line, the name a copy. */
typedef struct artifact_given {
    char *name;                     /* null: none stands before the file */
    const char *path;               /* of --input */
    int32_t rank;                   /* of --shape; one extent for --dim */
    int64_t extents[TENSOR_MAX_RANK];
} artifact_given;

typedef struct artifact_list {
    artifact_given *at;
    int n;
} artifact_list;

/* The command line. */
typedef struct artifact_options {
    artifact_list inputs, shapes, dims;
    const char *folder, *format, *json, *weights;
    bool random, info;
    long long seed, threads, bench;
} artifact_options;

typedef struct artifact {
    const struct ingot_model *model;
    const struct ingot_entry *entry;
    artifact_options o;
    int64_t *dims;                  /* symbols, as far as the command line says */
    const uint8_t *weights;
    int threads;
    tensor_value *in, *out;
} artifact;

/* All return false after a message on stderr. */

/* artifact_inputs.c */
bool artifact_check_inputs(const artifact *a);  /* is --input used as it must be? */
bool artifact_bind(artifact *a);            /* --dim and --shape */
bool artifact_load_inputs(artifact *a);     /* files, then random ones */
/* artifact_info.c */
bool artifact_info(const artifact *a);
/* artifact_bench.c: runs `a->o.bench` times, prints, writes the JSON file */
struct invoke;
bool artifact_bench(artifact *a, struct invoke *v);
/* artifact.c: the whole program for one model.  The exit code: 0 done, 1 bad
 * data or file, 2 wrong usage; Ctrl-C ends it with 130. */
int artifact_main(const struct ingot_model *m, int argc, char **argv);

#endif
