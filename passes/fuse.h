/* passes/fuse.h - which computations become one kernel. */
#ifndef INGOT_FUSE_H
#define INGOT_FUSE_H

#include "group.h"
#include "target.h"

/* Groups of one function (not of the regions inside it), for the target; `apart`: those of an
 * entry may have to run again, each for its result.  Memory in out->mem until fuse_free. */
void fuse(const ir_fn *fn, const target *t, bool apart, ir_groups *out);
void fuse_free(ir_groups *g);

/* Groups with the reasons of their borders, for people. */
void fuse_print(const ir_module *m, const ir_groups *g, text *out);

#endif
