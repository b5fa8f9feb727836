/* passes/planner.h - what the files of the planner share.
 *
 * plan_build.c walks over the groups of a function and emits steps; it asks the
 * others: plan_control.c for branches and loops, plan_history.c where what they
 * carry is stacked, plan_early.c for what may stand in front of a loop,
 * plan_extern.c for kernels of the runtime, plan_state.c where a state's new value
 * may be made, plan_size.c how large something can become, plan_flops.c and
 * plan_reads.c what people want to know of the work.  When
 * all steps of an entry are there, plan_slots.c finds out how long values live and
 * gives them bytes, and plan_budget.c repeats work (plan_units.c, plan_repeat.c) if
 * these are too many. */
#ifndef INGOT_PLANNER_H
#define INGOT_PLANNER_H

#include "fuse.h"
#include "plan_build.h"

/* The calls of a group in the entry itself, and the value that it stores; PLAN_NONE: several. */
typedef struct plan_calls {
    uint32_t from, to, result;  /* steps [from, to) */
} plan_calls;

/* A loop of the plan, for liveness; number 0 is the entry itself. */
typedef struct plan_nest {
    uint32_t parent, start, end;
} plan_nest;

/* The contraction `node` of fn is computed in fewer operations than it says. */
typedef struct plan_fewer {
    const ir_fn *fn;
    uint32_t node;
    const ir_dim *flops;
} plan_fewer;

/* The plan in the making, and the entry whose turn it is.  Values are numbered as
 * in e->value; `home` has the loop that each belongs to, since what belongs to an
 * outer loop must live through all iterations of an inner one.  Example: in an
 * entry with one loop, nest has two items, {parent 0} for the entry and {parent 0,
 * start 3, end 9} for the loop over steps 3 to 9, and a value that an iteration
 * makes for itself has home 1. */
typedef struct planner {
    plan *p;
    plan_entry *e;
    ir_module *m;
    const plan_options *o;
    diag *d;
    arena *mem;                 /* the plan's */
    arena scratch;
    VEC(uint32_t) home;         /* by value: the loop that it lives in */
    VEC(plan_nest) nest;
    VEC(plan_calls) group;      /* in order */
    VEC(plan_fewer) fewer;
    uint32_t loop;              /* number of the loop being planned */
    VEC(ir_dim) bound;          /* by symbol: upper bound over input symbols */
    VEC(bool) bounded;
    uint32_t *const_value, *state_value; /* plan value by constant, state */
    uint32_t consts;            /* length of const_value */
    uint32_t depth;             /* of regions */
} planner;

/* One function or region being planned: which memory its values have, by ref.
 * `value` is filled as steps are emitted; `want` says beforehand where a result
 * shall be computed, as the output of the entry, so that no copy is needed at the
 * end. */
typedef struct scope {
    planner *pl;
    const ir_fn *fn;
    plan_block *block;
    plan_block *before;         /* of the body of a loop: where the loop will stand; else null */
    uint32_t outside, captures; /* the number of the loop around that, and how many of the last
                                 * parameters are the same in every iteration */
    ir_groups groups;
    uint32_t *value;            /* by ref: plan value or PLAN_NONE */
    uint32_t *want;             /* by ref: value whose place it should take */
    uint32_t *maker;            /* by ref: group that stores it */
    uint32_t *uses;             /* by ref */
} scope;

/* ---- plan_build.c: values and steps ---- */

plan_step *plan_emit(scope *s, plan_op op);
uint32_t plan_value_add(planner *pl, const char *name, const ir_type *t,
                        plan_place place, uint32_t of, ir_dim offset);
/* Memory for a value of this type, in the place of `want` or (PLAN_NONE) of
 * its own; where that is late, an ALLOC step. */
uint32_t plan_place_new(scope *s, const char *name, const ir_type *t, uint32_t want);
/* The value of a ref: made on demand for constants, states, aliases and
 * values with known elements. */
uint32_t plan_value_of(scope *s, ir_ref r);
uint32_t plan_state_value(planner *pl, uint32_t state);
/* The operand whose bytes node n's result has, or IR_NONE. */
ir_ref plan_same_bytes(const ir_fn *fn, const ir_node *n);
/* The ref that a step will store and that r is a whole alias of. */
ir_ref plan_stored_under(const scope *s, ir_ref r);
/* to = from, unless they are the same bytes. */
void plan_copy(scope *s, uint32_t to, uint32_t from);
/* Lets the maker of r write to `target`, if there is a step that makes it. */
void plan_want(scope *s, ir_ref r, uint32_t target);
/* After the block: the bytes of r are in target. */
void plan_settle(scope *s, ir_ref r, uint32_t target);
void plan_let(scope *s, const uint32_t *sym, const ir_dim *dim, uint32_t n);
plan_cond plan_cond_of(scope *s, ir_ref r);
/* Is v late memory from its beginning?  A row of a stack lies inside of it, and
 * the stack grows by steps of its own. */
bool plan_begins_late(const planner *pl, uint32_t v);
bool plan_gap(scope *s, const ir_node *n, const char *reason);

void plan_scope_init(scope *s, planner *pl, const ir_fn *fn, plan_block *b);
void plan_scope_run(scope *s);
void plan_scope_free(scope *s);

/* ---- plan_entry.c ---- */

/* The plan of an entry function, added to pl->p; errors into pl->d. */
void plan_one_entry(planner *pl, const ir_fn *fn);

/* ---- plan_control.c ---- */

void plan_if(scope *s, const ir_node *n);
void plan_loop(scope *s, const ir_node *n);

/* ---- plan_history.c: what a loop carries and stacks ---- */

/* Memory for the history of each carry of loop n that has one; else PLAN_NONE.  Of a loop
 * that something else than its trip ends, none has. */
void plan_histories(scope *s, const ir_node *n, uint32_t *history);
/* Row `row` of a history, of type t. */
uint32_t plan_history_row(planner *pl, uint32_t history, ir_dim row, const ir_type *t);
/* The k-th stacked result as rows of one of the histories; PLAN_NONE: it is not in any. */
uint32_t plan_history_stack(scope *s, const ir_node *n, uint32_t k, const uint32_t *history);

/* ---- plan_early.c ---- */

/* Marks the calls of a group in the body of a loop that prepare what is the same in every
 * iteration, as packing a matrix from outside does, and the temps that they fill: they may run
 * once, in front of the loop.  `call` and `temp` have an element each, false so far. */
void plan_find_early(const scope *s, const group_code *code, bool *call, bool *temp);
/* From here on steps and values are of the block in front of the loop, until plan_come_in. */
void plan_go_out(scope *s);
void plan_come_in(scope *s, plan_block *body, uint32_t loop);

/* ---- plan_extern.c ---- */

/* A step that calls a kernel of the runtime (ir/kernels.def). */
void plan_extern(scope *s, const ir_node *n);

/* ---- plan_state.c: updates ---- */

void plan_place_updates(scope *s);     /* before the steps */
/* The same for what a loop carries, its parameter in the body and its value for the next
 * iteration: that is made in `target`, where the parameter lies, if that is right. */
void plan_place_carry(scope *s, ir_ref param, ir_ref value, uint32_t target);
void plan_settle_updates(scope *s);    /* behind them */

/* ---- plan_size.c: sizes before the run ---- */

void plan_bound_set(planner *pl, uint32_t symbol, ir_dim bound);
/* At least d for all values of the symbols, over input symbols alone. */
bool plan_upper(planner *pl, ir_dim d, ir_dim *out);
/* Bytes to reserve; false: only the run knows. */
bool plan_reserve(planner *pl, const ir_type *t, ir_dim *out);

/* ---- plan_flops.c ---- */

void plan_flops(planner *pl, const ir_fn *fn);
/* The same of one group, whose code says another number if `own` is not null; null if it has
 * no contraction.  It is remembered for plan_flops. */
const ir_dim *plan_group_flops(planner *pl, const ir_fn *fn, const ir_group *g,
                               const ir_dim *own);

/* ---- plan_reads.c ---- */

/* Bytes that a group reads of a value of the function, or of a constant. */
typedef struct plan_read {
    group_arg_kind kind;
    uint32_t id;
    ir_dim bytes;
} plan_read;

typedef VEC(plan_read) plan_reads;

void plan_group_reads(scope *s, const ir_group *g, plan_reads *out);
/* Those of `a`, which has `whole` bytes: all of it where nothing else is known. */
ir_dim plan_read_of(const plan_reads *reads, const group_arg *a, ir_dim whole);

/* ---- plan_slots.c ---- */

void plan_liveness(planner *pl);
/* Anew, if it was done before: values were added or steps put in another order. */
void plan_slots(planner *pl);
/* Bytes of the slot that value v is given, of all slots; of those whose size only the run
 * knows, by hints. */
int64_t plan_slot_bytes(planner *pl, uint32_t v);
int64_t plan_slots_taken(planner *pl);

/* ---- plan_budget.c ---- */

/* Lives and slots of the entry's values, within the budget of pl->o. */
void plan_fit(planner *pl);

#endif
