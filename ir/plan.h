/* ir/plan.h - the plan: which kernels run, in which order, on which bytes.
 *
 * One plan entry per entry function.  A value is a materialized tensor (or
 * what a kernel needs between its calls); the values of regions stand in the
 * same table, and a capture is the outer value itself.  Sizes and offsets are
 * dims: over the symbols of the entry's inputs where they are needed before
 * the run, else over symbols that a BIND, LET or LOOP step has defined. */
#ifndef INGOT_PLAN_H
#define INGOT_PLAN_H

#include "ir.h"

#define PLAN_NONE UINT32_MAX

/* Where a value's bytes are; `of` says which one. */
typedef enum plan_place {
    PLACE_INPUT,            /* of the entry */
    PLACE_OUTPUT,
    PLACE_STATE,            /* of the module */
    PLACE_CONST,            /* of the module */
    PLACE_SLOT,             /* of the workspace */
    PLACE_LATE,             /* memory from the caller's allocator */
    PLACE_ALIAS,            /* inside value `of`, `offset` bytes behind its start */
    PLACE_NONE,             /* never computed */
} plan_place;

/* A value of the plan and where its bytes are.  Example: of y = reshape(dot(x, w)) the dot is
 * a SLOT from the step that makes it to the last that reads it, and y an ALIAS of it, at 0. */
typedef struct plan_value {
    const char *name;       /* for people */
    const ir_type *type;
    plan_place place;
    uint32_t of;
    ir_dim offset;          /* ALIAS */
    uint32_t first, last;   /* steps between which a slot holds it */
} plan_value;

/* Constant sizes lie at a fixed offset of the workspace, found at compile
 * time; others behind them in the order of the table. */
typedef struct plan_slot {
    ir_dims size;           /* bytes; the slot is as large as the largest */
    bool fixed;
    int64_t offset;         /* if fixed */
} plan_slot;

typedef enum plan_op {
    STEP_RUN, STEP_EXTERN, STEP_STORE, STEP_BIND, STEP_LET, STEP_CHECK,
    STEP_COPY, STEP_ALLOC, STEP_FREE, STEP_MOVE, STEP_GROW, STEP_GIVE,
    STEP_IF, STEP_LOOP
} plan_op;

/* A bool of the run: a bool[] value, or a dim that is not 0. */
typedef struct plan_cond {
    uint32_t value;         /* PLAN_NONE: `dim` */
    ir_dim dim;
} plan_cond;

struct plan_block;

/* One thing that a run does; `u` has the member that its op names.  Example: STEP_RUN of
 * kernel 3 with args x, w and y, trip 56: kernel3(x, w, y) on rows 0 to 55, which threads
 * share. */
typedef struct plan_step {
    plan_op op;
    const char *note;       /* RUN: of the group, CHECK: message, EXTERN: kernel */
    union {
        /* kernel(args, dims) over [0, trip) */
        struct {
            uint32_t kernel, narg, ndim;
            const uint32_t *arg;
            const ir_dim *dim;
            ir_dim trip, scratch;   /* scratch: bytes per thread */
            uint32_t late;          /* memory that is made for it; PLAN_NONE: in the workspace */
            const ir_dim *flops;    /* of the contractions of its group as they are computed, for
                                     * people; null: none, or not known.  No part of the text */
            const ir_dim *bytes;    /* by arg: what is read of it or written, for people.  No part
                                     * of the text, and null where the plan was one */
            int64_t cost;           /* of an iteration, where the kernel's text does not tell it;
                                     * else 0.  No part of the text */
        } run;
        /* note(args); its first `nres` args are results; may define symbols */
        struct {
            uint32_t narg, nres, nsym, nnum;
            const uint32_t *arg, *sym;
            const int64_t *num;
            const char *title;      /* of what is shown; else null */
        } ext;
        /* to = these integers */
        struct { uint32_t to; const ir_dim *dim; uint32_t n; } store;
        struct { uint32_t sym, value; } bind;
        /* all at once: no dim sees a symbol of this step's */
        struct { uint32_t n; const uint32_t *sym; const ir_dim *dim; } let;
        struct { plan_cond cond; } check;
        /* rows pieces of `bytes` bytes; strides and offsets are in bytes */
        struct {
            uint32_t to, from;
            ir_dim rows, bytes, to_offset, to_stride, from_offset, from_stride;
        } copy;
        /* ALLOC, GROW (keeps the contents): at least `bytes`; FREE; MOVE: what
         * `late` holds is freed, then it takes over `from`; GIVE: becomes the
         * data of output `from` */
        struct { uint32_t late, from; ir_dim bytes; } late;
        struct { plan_cond cond; struct plan_block *yes, *no; } branch;
        /* while index < trip (or infinite) and cond: body.  `cond` holds before
         * the first iteration, `again` is tested after each */
        struct {
            uint32_t index;         /* symbol: number of the iteration */
            uint32_t trips;         /* symbol: iterations run; or PLAN_NONE */
            bool infinite;
            ir_dim trip;
            plan_cond cond, again;
            struct plan_block *body;
        } loop;
    } u;
} plan_step;

typedef struct plan_block {
    VEC(plan_step) step;
} plan_block;

typedef struct plan_port {  /* an input or output */
    const char *name;
    const ir_type *type;
    bool late;
    uint32_t loose;         /* axes of an output that are left out where their extent is 1 */
    uint32_t preset;        /* the constant that an input is if it is left out; or PLAN_NONE */
} plan_port;

/* All that runs for one entry: `body` says what is done, `slot` how the workspace is divided.
 * Its size is `fixed`, the slots that vary, and as much scratch for each thread. */
typedef struct plan_entry {
    const char *name;
    VEC(uint32_t) symbol;   /* the entry's run-time dims, in the ABI's order */
    VEC(plan_port) input, output;
    VEC(plan_value) value;
    VEC(plan_slot) slot;
    uint32_t lates;
    int64_t fixed;          /* bytes of all fixed slots */
    VEC(ir_dim) scratch;    /* bytes per thread: the largest of these */
    plan_block *body;
    VEC(ir_dim) flops;      /* of contractions, over the symbols: the sum of these */
} plan_entry;

typedef struct plan {
    ir_module *m;
    arena mem;
    VEC(const char *) kernel;       /* names; equal kernels are one */
    VEC(plan_entry *) entry;
    VEC(plan_block *) block;        /* owned */
} plan;

plan *plan_new(ir_module *m);
void plan_free(plan *p);
plan_entry *plan_entry_new(plan *p, const char *name);
plan_block *plan_block_new(plan *p);
/* Bytes of workspace that an entry takes on so many threads, its symbols having these values, by
 * the dim table's number: what NAME_size of its code gives. */
int64_t plan_workspace(const plan *p, const plan_entry *e, const int64_t *symbol, int64_t threads);
/* The value whose bytes `v` lies in: `v` itself, or what it is an alias of. */
uint32_t plan_root(const plan_entry *e, uint32_t v);
/* Bytes of a value of this type, over the type's symbols. */
ir_dim plan_bytes(ir_module *m, const ir_type *t);

/* Visits the values that the step reads or writes itself: not those of the steps inside of
 * it, nor PLAN_NONE.  Of a loop that is the condition before its first iteration. */
typedef void plan_visit(void *cx, uint32_t value);
void plan_each_value(const plan_step *s, plan_visit *visit, void *cx);

/* Has the extern step as many values, numbers and symbols as the kernel that it names
 * takes?  False also where kernels.def has no kernel of that name. */
bool plan_extern_fits(const plan_step *s);
const char *plan_place_text(plan_place place);

/* Text form: print, parse, print is the identity.  The parser makes the dim
 * symbols in the module's table, where they must be new. */
void plan_print(const plan *p, text *out);
plan *plan_parse(ir_module *m, const char *source, const char *place, diag *d);

#endif
