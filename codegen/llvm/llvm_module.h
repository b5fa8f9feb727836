/* codegen/llvm/llvm_module.h - kernels as LLVM functions, modules as object code. */
#ifndef INGOT_LLVM_MODULE_H
#define INGOT_LLVM_MODULE_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "loop.h"
#include "target.h"

/* Defines `void <k->name>(ptr arg, i64 begin, i64 end, i32 thread)` in m; the
 * kernel is verified text.  See loop.h for the argument. */
LLVMValueRef llvm_emit_kernel(LLVMModuleRef m, lp_kernel *k, const target *t);

/* Code generator for the target; the host's triple.  Null after an error. */
LLVMTargetMachineRef llvm_machine(const target *t, diag *d);
/* Runs our own short list of passes. */
bool llvm_optimize(LLVMModuleRef m, LLVMTargetMachineRef tm, diag *d);
/* Object code (or assembly) in memory, the caller's to mem_free. */
bool llvm_object(LLVMModuleRef m, LLVMTargetMachineRef tm, bool assembly, uint8_t **data,
                 size_t *size, diag *d);

#endif
