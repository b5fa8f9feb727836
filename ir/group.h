/* ir/group.h - fusion groups: what is computed together, and the kernels that
 * do it.  passes/fuse.c makes groups, codegen/lower/lower.c turns a group into
 * kernel calls, passes/plan_build.c puts the calls in order and on memory. */
#ifndef INGOT_GROUP_H
#define INGOT_GROUP_H

#include "ir.h"

enum { GROUP_MAX_ROWS = 64 };   /* nodes of a group that does rows */

/* A group is one root computation with everything inlined that is not
 * stored.  Control, extern, bind and check nodes are groups of one node. */
typedef struct ir_group {
    char kind;              /* of its root: M R C S, or X: for the plan alone */
    uint32_t root;          /* index of the node that gives it its template */
    uint32_t nnode;
    const uint32_t *node;   /* its nodes in order, without what is inlined from
                             * sources and shared cheap maps */
    uint32_t nout;
    const ir_ref *out;      /* the values that it stores */
    uint32_t nrow;
    const ir_ref *row;      /* of several reductions over rows: values that are
                             * held for the row at hand */
    const char *why;        /* why its result is stored, for the dump */
    ir_ref over;            /* source whose memory the result takes over, element by
                             * element; or IR_NONE */
} ir_group;

/* The groups of one function, in an order in which they can run: that of
 * their last nodes.  Regions have their own. */
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
} group_arg;

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
} group_code;

/* How the plan asks for code: false after an error or a recorded gap. */
typedef bool group_lower(void *cx, const ir_groups *in, const ir_group *g, group_code *out);

#endif
