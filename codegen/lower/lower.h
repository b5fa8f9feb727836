/* codegen/lower/lower.h - from a fusion group to kernels, by templates. */
#ifndef INGOT_LOWER_H
#define INGOT_LOWER_H

#include "group.h"
#include "loop.h"
#include "target.h"

/* All kernels of a compilation; equal texts are one kernel. */
typedef struct lower {
    ir_module *m;
    const target *target;
    diag *d;
    arena mem;
    const char *prefix;         /* of kernel names: the model's name */
    VEC(lp_kernel *) kernel;    /* by id; owned */
    map by_text;
} lower;

void lower_init(lower *l, ir_module *m, const target *t, const char *prefix, diag *d);
void lower_free(lower *l);

/* A group_lower; cx is a lower.  A group without a template is recorded by
 * diag_unsupported with its node's place. */
bool lower_group(void *cx, const ir_groups *in, const ir_group *g, group_code *out);

/* Does a kernel find the value in memory? */
bool lower_is_stored(const ir_groups *in, ir_ref value);
/* Gives the finished kernel k to the table: its id, perhaps that of an equal
 * one (then k is freed).  Takes its text name from `prefix` and the id. */
uint32_t lower_add(lower *l, lp_kernel *k);
/* An expression over k's dims as a dim, with `dim` for the dims in order. */
ir_dim lower_dim(lower *l, const lp_kernel *k, lp_expr e, const ir_dim *dim);

#endif
