/* codegen/llvm/lines.h - line tables: which line of the kernels' printed text an
 * instruction comes from, for debuggers and profilers.  Private to this folder. */
#ifndef INGOT_LINES_H
#define INGOT_LINES_H

#include <llvm-c/DebugInfo.h>
#include <llvm-c/Types.h>

#include "loop.h"

/* The tables of one module.  All null: it has none, and nothing below does anything. */
typedef struct lines {
    LLVMContextRef cx;
    LLVMDIBuilderRef b;
    LLVMMetadataRef file, type;     /* the text; what all functions have as their type */
} lines;

/* Begins the tables of a module whose kernels are printed to `file`; null: there are none.
 * `made_by` may be null. */
lines lines_open(LLVMModuleRef m, const char *file, const char *made_by);
/* Ends them, when all is emitted. */
void lines_close(lines *l);
/* Makes f the function `name` that begins on a line; what places in it refer to, or null. */
LLVMMetadataRef lines_function(const lines *l, LLVMValueRef f, const char *name, uint32_t line);
/* What `b` builds from now on comes from this line of the function. */
void lines_at(const lines *l, LLVMBuilderRef b, LLVMMetadataRef function, uint32_t line);

#endif
