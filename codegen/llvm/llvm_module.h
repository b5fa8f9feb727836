/* codegen/llvm/llvm_module.h - kernels as LLVM functions, modules as object code. */
#ifndef INGOT_LLVM_MODULE_H
#define INGOT_LLVM_MODULE_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "lines.h"
#include "loop.h"
#include "target.h"

/* Defines `void <k->name>(ptr arg, i64 begin, i64 end, i32 thread)` in m, hidden; the
 * kernel is verified text.  See loop.h for the argument.  With line tables its statements
 * have lines of their text (lp_number_lines), the kernel that before its first. */
void llvm_emit_kernel(LLVMModuleRef m, lp_kernel *k, const target *t, bool whole, const lines *l);

/* Prepares LLVM for this process, in one thread before all others.  False with an
 * error when it has no code generator for the architecture. */
bool llvm_start(target_arch a, diag *d);
/* Code generator for the target, after llvm_start of its architecture. */
LLVMTargetMachineRef llvm_machine(const target *t);
/* Marks a function whose code is single elements, of which llvm_optimize makes vectors. */
void llvm_mark_scalars(LLVMValueRef f);
/* Runs our own short list of passes.  False with an error, for LLVMDisposeMessage. */
bool llvm_optimize(LLVMModuleRef m, LLVMTargetMachineRef tm, char **error);
/* An object file, or assembly, in memory, the caller's to mem_free.  False with an
 * error, for LLVMDisposeMessage. */
bool llvm_generate(LLVMModuleRef m, LLVMTargetMachineRef tm, bool assembly, uint8_t **data,
                   size_t *size, char **error);
/* LLVM IR as text, the caller's to mem_free. */
void llvm_print(LLVMModuleRef m, uint8_t **data, size_t *size);

#endif
