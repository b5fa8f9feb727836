/* ir/abi.h - the binary interface of a compiled model: what codegen/ emits,
 * runtime/ links with, and cli/ loads in process.  Plain C, no dependency.
 *
 * A model is one constant `struct ingot_model` named `<name>_model`; in an
 * executable it is named `ingot_artifact_model`, which the runtime's main()
 * refers to.  Nothing here allocates or does I/O; a call touches only what it
 * is handed.  All functions are re-entrant: one workspace per call in flight.
 * Nobody but the caller checks the CPU: runtime/check_cpu.h does. */
#ifndef INGOT_ABI_H
#define INGOT_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { INGOT_ABI_VERSION = 5 };

enum ingot_status {
    INGOT_OK = 0,
    INGOT_CHECK = 1,     /* a check of the model failed: see the message   */
    INGOT_SHAPE = 2,     /* the dims do not fit, or the pool is too large  */
    INGOT_MEMORY = 3,    /* the allocator gave nothing, or there was none  */
    INGOT_CPU = 4,       /* this CPU lacks what the code was compiled for  */
    INGOT_POINTER = 5    /* a pointer is NULL, or not aligned as it must be;
                          * compiled code does not look, libraries do      */
};

/* How an input or output is passed.  Compiled code takes elements, dense and
 * row-major; the interpreter, which has sequences and optionals too, takes and
 * gives a struct tensor_value of runtime/tensor_io.h. */
enum ingot_form {
    INGOT_DENSE = 0,
    INGOT_TENSOR = 1,    /* a tensor_value that is a tensor                 */
    INGOT_SEQUENCE = 2,  /* .. a sequence: no dtype, rank and dims here     */
    INGOT_OPTIONAL = 3,  /* .. an optional                                  */
};

/* One input or output of an entry, or one state of the model. */
struct ingot_value_info {
    const char *name;
    int32_t dtype;               /* ONNX number (ir/dtype.def)              */
    int32_t rank;
    const int64_t *dims;         /* >= 0: the extent; -1-s: symbol s of the
                                  * entry; INT64_MIN: known only after run  */
    const char *const *dim_names; /* per axis: text of the dim              */
    int32_t late;                /* output comes from the caller's allocator */
    int32_t form;                /* enum ingot_form                         */
    uint64_t offset;             /* a state's place in the state block, bytes */
    int32_t optional;            /* an input whose data may be null: then it is
                                  * a value that the model has              */
    int32_t loose;               /* an output's axes, a bit each, that do not
                                  * count where their extent is 1           */
    const char *preset;          /* an optional input's value, if it is one
                                  * number; else null                       */
    int64_t name_count;          /* what elements 0, 1, .. stand for: the    */
    const char *const *names;    /* characters of a text, categories        */
};

/* A string element (dtype 8).  Its bytes belong to whoever made it and live
 * as long as the call's inputs, weights and outputs do. */
struct ingot_string {
    const char *at;
    uint64_t len;
};

/* Where the data of one output is, and after the call its extents. */
struct ingot_buffer {
    void *data;      /* given by the caller; written by the call if `late`:
                      * memory of the allocator, which the caller takes back,
                      * after a failed call too (then null if none was made) */
    int64_t *dims;   /* rank elements, written by the call                  */
};

/* Memory for values whose size depends on data.  May be null in a call of an
 * entry that has none.  give(size) returns 64-byte aligned memory or null. */
struct ingot_allocator {
    void *context;
    void *(*give)(void *context, size_t size);
    void (*take)(void *context, void *memory);
};

/* Runs body over [0,n): any split into ranges, each range on one thread
 * 0 <= thread < threads, one range at a time on each.  Returns when all is
 * done.  Results of compiled code do not depend on the split.  A body does
 * not call run.  The type is the same for all models and in all headers. */
#ifndef INGOT_POOL_TYPE
#define INGOT_POOL_TYPE
typedef void ingot_body(void *arg, int64_t begin, int64_t end, int32_t thread);
struct ingot_pool {
    void *context;
    int32_t threads;
    void (*run)(void *context, ingot_body *body, void *arg, int64_t n);
};
#endif

struct ingot_call {
    const void *const *inputs;          /* data of every input, or null     */
    struct ingot_buffer *outputs;       /* one per output                   */
    const int64_t *dims;                /* value of every symbol of the entry */
    void *states;                       /* state block, null if no states   */
    const uint8_t *weights;             /* the blob: model->weights, or mapped */
    void *workspace;                    /* workspace_size bytes, 64-aligned */
    const struct ingot_pool *pool;      /* null: the calling thread only    */
    const struct ingot_allocator *allocator;
    const char *message;                /* set unless the status is OK; lives as
                                         * long as the model                */
    const struct ingot_entry *entry;    /* whose run it is: compiled code, which
                                         * knows, does not read it          */
};

/* An operand or result of a kernel called out of line (ir/kernels.def). */
struct ingot_tensor {
    void *data;
    const int64_t *dims;                /* rank extents; dense, row-major   */
    int32_t dtype, rank;
};

/* The results come first, then the operands.  A result whose size the kernel
 * finds out has room for the upper bound of its row in kernels.def; the extents
 * found go to sym.  A result may be there as scratch memory only.  Kernels
 * neither allocate nor trust their operands' values. */
struct ingot_extern {
    const struct ingot_tensor *arg;
    int32_t arg_count, result_count;
    const int64_t *num;                 /* attributes and run-time integers */
    int64_t *sym;                       /* run-time dims that it defines    */
    const char *message;                /* set unless the status is OK; before
                                         * the call the name of what is shown */
    const struct ingot_pool *pool;      /* null: the calling thread only    */
};
/* Symbol: ingot_kernel_<name>, weak, so that models share one copy. */
typedef int32_t ingot_kernel(struct ingot_extern *call);

/* One entry function of the model, `main` if there is only one. */
struct ingot_entry {
    const char *name;
    int32_t input_count, output_count, dim_count;
    const struct ingot_value_info *inputs, *outputs;
    const char *const *dim_names;       /* the symbols: dim_count names     */
    /* Bytes of workspace for these dims; SIZE_MAX when they overflow.      */
    size_t (*workspace_size)(const int64_t *dims, int32_t threads);
    /* Elements of every axis of every output that is known before the run,
     * laid one output after the other; INT64_MIN where it is not.          */
    void (*output_dims)(const int64_t *dims, int64_t *extents);
    int32_t (*run)(struct ingot_call *call);
    /* Arithmetic of the contractions of a run, a multiply-add counting 2.  */
    uint64_t (*flops)(const int64_t *dims);
};

/* The hash of weights, to be started with INGOT_HASH_START: FNV-1a over 64-bit
 * words.  `size` is a multiple of 8; pieces may follow one another. */
#define INGOT_HASH_START 0xcbf29ce484222325u
static inline uint64_t ingot_hash_weights(uint64_t hash, const void *weights, uint64_t size)
{
    const uint64_t *word = (const uint64_t *)weights;

    for (uint64_t i = 0; i < size / 8; i++)
        hash = (hash ^ word[i]) * 0x100000001b3u;
    return hash;
}

struct ingot_model {
    uint32_t abi;                       /* INGOT_ABI_VERSION                */
    const char *name;
    int32_t entry_count, state_count;
    const struct ingot_entry *entries;
    const struct ingot_value_info *states;
    uint64_t state_size;                /* bytes of the state block         */
    void (*init_states)(void *states, const uint8_t *weights);
    const uint8_t *weights;             /* null when shipped as a file      */
    uint64_t weights_size;              /* a multiple of 64                 */
    uint64_t weights_hash;              /* of weights in a file; else 0     */
    const char *cpu;                    /* e.g. "x86-64-v3"; null: any      */
    int32_t default_threads;            /* 0: the CPUs of the affinity mask */
    const char *made_by;                /* "ingot 0.1.0"                    */
    const char *source;                 /* SHA-256 of the file that it was made
                                         * of, in hexadecimal; null: unknown */
};

#endif
