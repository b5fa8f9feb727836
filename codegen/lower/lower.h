/* codegen/lower/lower.h - from a fusion group to kernels, by templates. */
#ifndef INGOT_LOWER_H
#define INGOT_LOWER_H

#include "group.h"
#include "loop.h"
#include "plan.h"
#include "schedules.h"

/* All kernels of a compilation.  Kernels with equal text are one: the ten layers of a
 * network that have the same shapes call the same kernel. */
typedef struct lower {
    ir_module *m;
    const target *target;
    diag *d;
    arena mem;
    const char *prefix;         /* of kernel names: the model's name */
    VEC(lp_kernel *) kernel;    /* by id; owned */
    map by_text;                /* from hashes of texts to ids */
    schedules *given;           /* to follow in place of what is chosen; null: none */
    schedules chosen;           /* of all kernels that have one */
} lower;

void lower_init(lower *l, ir_module *m, const target *t, const char *prefix, diag *d);
void lower_free(lower *l);

/* A group_lower, for which cx is a lower.  A group that no template fits is recorded
 * by diag_unsupported with its node's place. */
bool lower_group(void *cx, const ir_groups *in, const ir_group *g, group_code *out);

/* Adds extents to the name of a problem: " y=56x56", with `?` for what only the run knows. */
void lower_name_extents(const lower *l, const char *what, const ir_dim *e, int n, text *out);
/* The schedule for a problem: the given one if there is one that the target can follow,
 * else schedule_choose's.  `name` has the template, all extents and the elements' type;
 * the rest of what the choice depends on is added, so that problems of one name are one. */
schedule lower_schedule(lower *l, text *name, const problem *p);

/* Does a kernel find the value in memory? */
bool lower_is_stored(const ir_groups *in, ir_ref value);
/* Gives the finished kernel k to the table: its id, or that of an equal kernel, and
 * then k is freed.  A new kernel is renamed to PREFIX_kID_NAME. */
uint32_t lower_add(lower *l, lp_kernel *k);
/* Does the entry nothing but run kernels of little work, in little memory?  LOWER_WHOLE operations
 * at most: LLVM takes a fraction of a second for these. */
enum { LOWER_WHOLE = 16384 };
bool lower_is_whole(const lower *l, const plan_entry *x);
/* Kernels of the plan that differ in counts alone become one, which its calls tell the counts:
 * outermost extents, and how often loops run.  No kernel is added afterwards. */
void lower_alike(lower *l, plan *p);
/* The expression e over k's dims as a dim, where k->dim[i] is dim[i]. */
ir_dim lower_dim(lower *l, const lp_kernel *k, lp_expr e, const ir_dim *dim);

#endif
