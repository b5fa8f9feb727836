/* ir/group.h - fusion groups: what is computed together, and the kernels that
 * do it.  passes/fuse.c makes groups, codegen/lower/lower.c turns a group into
 * kernel calls, passes/plan_build.c puts the calls in order and on memory. */
#ifndef INGOT_GROUP_H
#define INGOT_GROUP_H

#include "ir.h"

enum { GROUP_MAX_NODES = 64 };  /* of a region */

/* A group is one root computation with everything inlined that is not stored,
 * or a region of several that its template does at once; nodes that no kernel
 * computes are groups of their own.  Example, a softmax over the last axis:
 * template ROWS, root the max, nodes max broadcast sub exp sum broadcast div,
 * private the exp, out the div. */
typedef struct ir_group {
    ir_template template;   /* NONE: for the plan alone */
    uint32_t root;          /* index of its first node */
    uint32_t nnode;
    const uint32_t *node;   /* its nodes in order, without what is inlined from
                             * sources and shared cheap maps */
    uint32_t nout;
    const ir_ref *out;      /* the values that it stores */
    uint32_t nprivate;
    const ir_ref *private;  /* values that the kernel keeps in memory of its own
                             * while it works: of rows, for the row at hand */
    const char *why;        /* why its result is stored, for the dump */
    ir_ref *over;           /* by result: the state that it overwrites in place, which is
                             * right because element i of all results reads only element
                             * i of the state; or IR_NONE */
} ir_group;

/* The groups of one function, in an order in which they can run: that of
 * their last nodes, or in an entry earlier (passes/fuse_order.c).  Regions have their own. */
typedef struct ir_groups {
    const ir_fn *fn;
    arena mem;
    VEC(ir_group) group;
    bool *stored;           /* by ref: has memory of its own.  Sources (input,
                             * state, const) are; of a reshape of a stored value
                             * the plan makes an alias */
} ir_groups;

typedef enum group_arg_kind {
    ARG_VALUE,              /* a stored value or source of the function: its ref */
    ARG_CONST,              /* constant of the module, perhaps a new, packed one */
    ARG_TEMP                /* buffer that lives as long as the group's calls */
} group_arg_kind;

typedef struct group_arg {
    group_arg_kind kind;
    uint32_t id;
    bool written;
} group_arg;

/* One kernel as it is called for a group.  Example: of a product whose second operand lies
 * apart the first call copies that to temp 0, the second has args x, temp 0 and y. */
typedef struct group_call {
    uint32_t kernel;        /* id given by lowering; equal kernels are one */
    uint32_t narg, ndim;
    const group_arg *arg;   /* its buffers in order */
    const ir_dim *dim;      /* its i64 parameters in order */
    ir_dim trip;            /* iterations of its parallel loop; 1 without one */
    ir_dim scratch;         /* bytes per thread */
} group_call;

typedef struct group_code {
    uint32_t ncall, ntemp;
    const group_call *call;
    const ir_dim *temp;     /* bytes of each temp */
    const ir_dim *flops;    /* of its contraction, where the code has another way to the
                             * same sums; null: as its node says */
} group_code;

/* How the plan asks for code: false after an error or a recorded gap. */
typedef bool group_lower(void *cx, const ir_groups *in, const ir_group *g, group_code *out);

#endif
