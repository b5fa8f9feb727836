/* ir/eval.h - the evaluator: slow and obviously right.  Folds constants, is
 * the oracle of every test and the engine of `ingot run --engine interpreter`. */
#ifndef INGOT_EVAL_H
#define INGOT_EVAL_H

#include "ir.h"

/* A run-time value.  Tensor: data of count elements, one memory element each. */
typedef struct ir_val {
    ir_kind kind;
    ir_dtype dtype;
    int32_t rank;
    int64_t *dim;
    uint8_t *data;
    uint32_t n;             /* SEQ: items; OPT: 0 or 1 */
    struct ir_val **item;
    uint32_t refs;          /* of intermediate values; 0: lives in an arena */
    struct ir_val *owner;   /* whose data this value shows, or null */
} ir_val;

/* An evaluator at work on one entry, with what the run knows of symbols so far.  Tests and
 * the folding of constants bound its steps; `watch` sees each node's values. */
typedef struct ir_eval {
    const ir_module *m;
    arena *mem;             /* results and states live here */
    ir_val **state;         /* by state index, null: its initial value;
                             * updated after the entry ends */
    int64_t *symbol;        /* value per dim symbol of the module */
    bool *symbol_known;
    int64_t steps;          /* budget: scalar steps left; < 0: unlimited */
    const char *error;      /* text of a failed check or exhausted budget */
    /* called after each node, so that a test sees all values; may be null */
    void (*watch)(void *cx, const ir_fn *fn, const ir_node *n, ir_val *const *results);
    void *watch_cx;
    /* private */
    uint32_t symbols, depth;
    VEC(uint32_t) trail;    /* symbols in the order they became known */
} ir_eval;

void ir_eval_init(ir_eval *e, const ir_module *m, arena *mem); /* steps unlimited */
void ir_eval_free(ir_eval *e);

/* Runs an entry.  in: one value per parameter; out: one per result.  Input
 * dims are checked and bound to symbols.  False with e->error set when a
 * check fails. */
bool ir_eval_run(ir_eval *e, const ir_fn *fn, ir_val *const *in, ir_val **out);
/* One node on given operands, for folding.  False if it cannot be evaluated. */
bool ir_eval_node(ir_eval *e, const ir_fn *fn, const ir_node *n, ir_val *const *args, ir_val **out);

/* A new zeroed tensor in the arena. */
ir_val *val_tensor(arena *mem, ir_dtype dtype, int rank, const int64_t *dim); /* null on overflow */
int64_t val_count(const ir_val *v);

#endif
