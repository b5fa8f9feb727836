/* cli/ingot.h - the library behind the command: load a model, run its passes,
 * execute it by the interpreter or compiled. */
#ifndef INGOT_H
#define INGOT_H

#include "dsl/dsl.h"
#include "import.h"
#include "interpreter.h"
#include "invoke.h"
#include "ir.h"
#include "pass.h"
#include "target.h"
#include "tensor_io.h"

/* What is shown of the passes, on stderr. */
typedef struct ingot_watch {
    bool times;                     /* what each took */
    const char *dump;               /* the model after this pass, or after `all` */
    const char *stop_after;         /* last pass to run; null: all */
} ingot_watch;

/* What is given to a program in the language. */
typedef struct ingot_program {
    const char *weights;            /* --weights: a .safetensors file; null: none */
    const dsl_setting *set;         /* --set NAME=VALUE */
    int sets;
    bool real, f64;                 /* --real is given; it is f64 */
    bool silent;                    /* `show` prints nothing */
    bool blind;                     /* data are not looked at: items `data` are zeros */
    const char *source;             /* instead of what its file holds; null: that */
} ingot_program;

/* All that loading and opening a model can be told; zeros are the usual answers, so
 * that null may stand for all of it. */
typedef struct ingot_options {
    import_options import;          /* --dim, --shape, --max-weights */
    const target *target;
    uint64_t memory_budget;         /* bytes of an entry's workspace; 0: any */
    const char *schedules;          /* file of schedules to follow; null: none */
    ingot_watch watch;
    bool perf_map;                  /* name compiled code for Linux's perf */
    const char *perf_dump;          /* file for the loop IR to which line tables refer that perf
                                     * reads; null: none */
    const struct image_watch *kernels;  /* told of compiled kernels that begin; may be null */
    const char *entry;              /* --entry: the only one to keep; null: all */
    ingot_program program;
} ingot_options;

/* An .ir file is parsed, an .ingot file checked, anything else read as ONNX.  Null after errors. */
ir_module *ingot_load(const char *path, const ingot_options *o, diag *d);

/* ---- engines: a loaded model that runs ------------------------------------- */

typedef enum ingot_engine_kind { ENGINE_COMPILED, ENGINE_INTERPRETER } ingot_engine_kind;
typedef struct ingot_engine ingot_engine;

/* Takes the module over.  `o` may be null; `threads` 0: all CPUs.  Null after errors. */
ingot_engine *ingot_engine_open(ingot_engine_kind kind, ir_module *m, const ingot_options *o,
                                int threads, diag *d);
void ingot_engine_close(ingot_engine *e);
/* The model at work: all its entries, its states, its threads. */
session *ingot_engine_session(ingot_engine *e);
/* The entry that the functions below run: `main`, else the first, unless another is
 * chosen.  False if the model has none of that name. */
const struct ingot_entry *ingot_engine_entry(const ingot_engine *e);
bool ingot_engine_choose(ingot_engine *e, const char *name);
/* A value for each of the entry's inputs; outputs are the caller's to
 * free.  False with a message. */
bool ingot_engine_run(ingot_engine *e, const tensor_value *in, tensor_value *out,
                      char error[TENSOR_ERROR_SIZE]);
/* Times runs of it. */
bool ingot_engine_time(ingot_engine *e, const tensor_value *in, const invoke_timing *how,
                       invoke_times *t, char error[TENSOR_ERROR_SIZE]);
/* What compiled code does, in order; null for the interpreter. */
const struct plan *ingot_engine_plan(const ingot_engine *e);
const char *ingot_engine_kernel(const ingot_engine *e, uint32_t id);    /* of that: its name */
/* Bytes of machine code and of weights; 0 for the interpreter. */
void ingot_engine_sizes(const ingot_engine *e, uint64_t *code, uint64_t *weights);

#endif
