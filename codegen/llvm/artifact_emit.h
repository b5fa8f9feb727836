/* codegen/llvm/artifact_emit.h - a plan as one LLVM module with the interface of
 * ir/abi.h, and the weights beside it. */
#ifndef INGOT_ARTIFACT_EMIT_H
#define INGOT_ARTIFACT_EMIT_H

#include "llvm_module.h"
#include "lower.h"
#include "plan.h"

typedef struct artifact {
    ir_module *m;
    plan *p;
    lower *l;
    const char *name;               /* C identifier: prefix of all symbols */
    const target *target;
    int32_t threads;                /* default of an executable; 0: all CPUs */
    bool executable;                /* the table is called ingot_artifact_model */
    uint64_t max_weights;           /* bytes that the weights may take */
    bool library;                   /* for C: ingot.NAME.size.N, .extents.N and .run.N of
                                     * each entry, ingot.NAME.weights, ingot.NAME.init */
    uint64_t *offset;               /* by constant: place in the weights */
    uint32_t offsets;
    VEC(uint32_t) order;            /* constants as they lie in the weights */
    uint64_t weights_size;
    bool weights_apart;             /* in a file: neither in the table nor in NAME.weights */
    uint64_t weights_hash;          /* of a file, see ir/abi.h */
    uint64_t *state_offset, state_size;
} artifact;

/* Decides where constants and states lie; must come before artifact_emit.  False
 * with an error when they take more than max_weights. */
bool artifact_place(artifact *a, diag *d);
void artifact_free(artifact *a);    /* what artifact_place made */
/* Gives the weights to `put`, in pieces of whole cache lines; false if that is. */
typedef bool artifact_put(void *cx, const void *data, size_t size);
bool artifact_write_weights(const artifact *a, artifact_put *put, void *cx);
/* Kernels, the entries' functions and the model's table. */
bool artifact_emit(artifact *a, LLVMModuleRef m, diag *d);

#endif
