/* codegen/llvm/jit.h - a compiled image, loaded into this process. */
#ifndef INGOT_JIT_H
#define INGOT_JIT_H

#include "compile.h"

struct ingot_model;
typedef struct jit jit;

/* What the image's code may call: a null name ends a list. */
typedef struct jit_symbol {
    const char *name;
    void (*function)(void);
} jit_symbol;

/* Links the image's objects; its table refers to these weights, which stay the
 * caller's, as its code does to these symbols.  If it is `dumped`, LLVM writes code and line
 * tables for `perf inject --jit` (below $JITDUMPDIR, else ~).  Null after an error. */
jit *jit_load(const image *im, const objects *o, const uint8_t *weights, const jit_symbol *symbols,
              bool dumped, diag *d);
void jit_close(jit *j);
/* The image's table, see ir/abi.h. */
const struct ingot_model *jit_model(const jit *j);
/* Writes /tmp/perf-PID.map, by which Linux's perf knows the functions of these objects,
 * which were loaded.  False, with the reason in errno, if it cannot be written. */
bool jit_write_map(const jit *j, const objects *o);

/* Bytes of machine code in object files. */
uint64_t objects_code_size(const objects *o);

#endif
