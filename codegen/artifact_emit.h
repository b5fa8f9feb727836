/* codegen/artifact_emit.h - a fused and lowered entry as one LLVM module with
 * the interface of ir/abi.h. */
#ifndef INGOT_ARTIFACT_EMIT_H
#define INGOT_ARTIFACT_EMIT_H

#include "llvm_module.h"
#include "lower.h"

typedef struct artifact {
    ir_module *m;
    const ir_groups *groups;        /* of the entry */
    const group_code *code;         /* by group */
    lower *l;
    const char *name;               /* C identifier: prefix of all symbols */
    const target *target;
    int32_t threads;                /* default of an executable; 0: all CPUs */
    bool executable;                /* adds the symbol ingot_artifact_model */
    bool library;                   /* NAME_entry_size, _run and _weights for C */
    uint64_t *offset;               /* by constant: place in the weights */
    uint64_t weights_size;
} artifact;

/* Decides where constants lie; must come before artifact_emit. */
void artifact_place(artifact *a);
/* Writes the weights to f; false on a write error. */
bool artifact_write_weights(const artifact *a, FILE *f);
/* Kernels, the entry's functions and the model's table.  False after errors
 * or recorded gaps. */
bool artifact_emit(artifact *a, LLVMModuleRef m, diag *d);

#endif
