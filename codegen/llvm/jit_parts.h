/* codegen/llvm/jit_parts.h - what the files jit*.c share. */
#ifndef INGOT_JIT_PARTS_H
#define INGOT_JIT_PARTS_H

#include <llvm-c/LLJIT.h>

#include "jit.h"

struct jit {
    LLVMOrcLLJITRef orc;
    const struct ingot_model *model;
};

#endif
