/* passes/pass.h - the passes over the tensor IR and their driver. */
#ifndef INGOT_PASS_H
#define INGOT_PASS_H

#include "build.h"
#include "ir.h"

struct target;

typedef struct pass_ctx {
    ir_module *m;
    diag *d;
    const struct target *target;    /* facts for layout decisions; may be null */
    arena scratch;                  /* reset after every pass and function */
} pass_ctx;

/* A pass changes one function (and the regions inside it); true if it did. */
typedef bool pass_run(pass_ctx *cx, ir_fn *fn);

/* Nodes that early passes take away for good. */
enum { CALLS = 1, GRADS = 2 };

typedef struct pass_info {
    const char *name;
    unsigned needs, gives;          /* kinds of nodes that are gone before, and behind it */
    const char *purpose;
    pass_run *run;
} pass_info;

#define PASS(name, needs, gives, purpose) pass_run pass_##name;
#include "passes.def"

enum {
#define PASS(name, needs, gives, purpose) PASS_ID_##name,
#include "passes.def"
    PASS_COUNT
};
extern const pass_info pass_table[PASS_COUNT];
const pass_info *pass_find(const char *name);

/* What the driver reports after each pass; any member may be null. */
typedef struct pass_watch {
    void *cx;
    /* Called after each pass.  `step` counts from 1; `changed` is false if no function
     * changed. */
    void (*after)(void *cx, int step, const pass_info *p, const ir_module *m, bool changed);
    const char *stop_after;         /* name of the last pass to run; null: all */
} pass_watch;

/* Has fn, or a region in it, a node of this op? */
bool pass_has(const ir_fn *fn, unsigned op);
/* Runs one pass over every function, then verifies.  False after errors: one is that the
 * pass needs another before it. */
bool pass_one(pass_ctx *cx, const pass_info *p, bool *changed);
/* The pipeline: the passes in the order that passes.def says. */
bool pass_pipeline(ir_module *m, const struct target *t, const pass_watch *w);

#endif
