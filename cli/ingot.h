/* cli/ingot.h - the library behind the command: load a model, run its passes,
 * execute it by the interpreter or compiled. */
#ifndef INGOT_H
#define INGOT_H

#include "ir.h"
#include "onnx.h"
#include "pass.h"
#include "target.h"
#include "tensor_io.h"

/* What is shown of the passes, on stderr. */
typedef struct ingot_watch {
    bool times;                     /* what each took */
    const char *dump;               /* the model after this pass, or after `all` */
    const char *stop_after;         /* last pass to run; null: all */
} ingot_watch;

typedef struct ingot_options {
    import_options import;          /* --dim, --shape, --max-weights */
    const target *target;
    const char *schedules;          /* file of schedules to follow; null: none */
    ingot_watch watch;
} ingot_options;

/* An .ir file is parsed, anything else read as ONNX.  Null after errors. */
ir_module *ingot_load(const char *path, const ingot_options *o, diag *d);

/* A file's text, the diag's; null after an error. */
char *ingot_read_text(const char *path, diag *d);
bool ingot_has_suffix(const char *path, const char *suffix);

/* ---- engines: a loaded model that runs ------------------------------------- */

typedef enum ingot_engine_kind { ENGINE_COMPILED, ENGINE_INTERPRETER } ingot_engine_kind;
typedef struct ingot_engine ingot_engine;

/* Takes the module over.  `o` may be null; `threads` 0: all CPUs.  Null after errors. */
ingot_engine *ingot_engine_open(ingot_engine_kind kind, ir_module *m, const ingot_options *o,
                                int threads, diag *d);
void ingot_engine_close(ingot_engine *e);
const ir_fn *ingot_engine_entry(const ingot_engine *e);
/* Inputs in the order of the entry's parameters; outputs are the caller's to
 * free.  False with a message. */
bool ingot_engine_run(ingot_engine *e, const tensor_value *in, tensor_value *out,
                      char error[TENSOR_ERROR_SIZE]);
/* What runs take, in seconds, and where they work. */
typedef struct ingot_times {
    double min, median;
    uint64_t flops;                 /* of contractions in one run; 0: interpreter */
    size_t workspace_size;          /* bytes; 0 for the interpreter */
} ingot_times;
/* After one run to warm compiled code up; `runs` at least 1. */
bool ingot_engine_time(ingot_engine *e, const tensor_value *in, int runs, ingot_times *t,
                       char error[TENSOR_ERROR_SIZE]);
/* From the next run on; 0: all CPUs. */
void ingot_engine_set_threads(ingot_engine *e, int threads);
/* Bytes of machine code and of weights; 0 for the interpreter. */
void ingot_engine_sizes(const ingot_engine *e, uint64_t *code, uint64_t *weights);

/* Is the type's value read from a .pb as tensor, sequence or optional? */
tensor_kind ingot_kind_of(const ir_type *t);
/* Shape and type of `v` against parameter i: message with name and axis. */
bool ingot_check_input(const ir_fn *fn, int i, const tensor_value *v,
                       char error[TENSOR_ERROR_SIZE]);

#endif
