/* ir/control.h - loops and branches in the making.
 *
 * A region sees nothing of the function around it: what its nodes need is captured, as a
 * trailing operand of the control node and a trailing parameter of each of its regions.
 * These builders keep operands, parameters and results in step, so that a caller only
 * says what is carried, sliced, captured and stacked.  The running sums of the rows of
 * x: f32[T,8], and their total:
 *
 *     ir_loop l;
 *     ir_loop_begin(&l, b, "body");
 *     l.at.trip = T;
 *     ir_ref sum = ir_loop_carry(&l, "sum", zeros, NULL);     f32[8] in the body
 *     ir_ref row = ir_loop_slice(&l, "row", x, 0);            f32[8]
 *     sum = ir_2(&l.body, OP_ADD, sum, row);
 *     ir_loop_next(&l, sum);
 *     ir_loop_stack(&l, sum, 0);
 *     ir_ref y = ir_loop_end(&l);         y: f32[8], the total; y + 1: f32[T,8]
 *
 * Operands that are IR_NONE make the node IR_NONE, silently, as in build.h. */
#ifndef INGOT_CONTROL_H
#define INGOT_CONTROL_H

#include "build.h"

/* What the regions of one node read of the function around it. */
typedef struct ir_captures {
    ir_build *outer;
    ir_build *region[2];
    int regions;
    VEC(ir_ref) ref;            /* of the function around: the node's last operands */
    VEC(ir_ref) inner;          /* of capture i in region k: at i * regions + k */
    map seen;                   /* by ref: index in `ref` */
} ir_captures;

/* x, of the function around, as a value of region k: the same parameter each time; a
 * constant is itself, for regions know constants.  Known elements stay known. */
ir_ref ir_capture(ir_captures *c, int k, const char *name, ir_ref x);

/* How often a loop of this fn with condition `first` runs: `trip` where nothing ends it
 * before, or the symbol that it defines.  False: no dim says. */
bool ir_loop_runs(const ir_fn *fn, const struct ir_attr_LOOP *a, ir_ref first, ir_dim *out);

/* A loop; what its results are stands at ir_regions in ir.h. */
typedef struct ir_loop {
    ir_build body;              /* makes the nodes of the body */
    struct ir_attr_LOOP at;     /* the caller sets trip or infinite, and may set reverse,
                                 * trips and syms */
    ir_ref i;                   /* i64[]: the iteration, in the body */
    ir_ref first;               /* bool[]: does iteration 0 run?  IR_NONE: it does */
    ir_ref again;               /* bool[], in the body: does the next?  IR_NONE: it does */
    ir_captures captured;
    VEC(ir_ref) operand;        /* inits of the carries, then what is sliced */
    VEC(ir_ref) next, stacked;  /* values of the body */
    VEC(int32_t) slice_axes, stack_axes;
    bool failed;                /* an operand was IR_NONE */
} ir_loop;

void ir_loop_begin(ir_loop *l, ir_build *outer, const char *name);
/* The next value carried around the loop, in the body.  Its type there is that of init,
 * or `type` where extents depend on the iteration.  All carries come before what is
 * sliced, and both before the first capture. */
ir_ref ir_loop_carry(ir_loop *l, const char *name, ir_ref init, const ir_type *type);
/* The iteration's part of x, in the body: x without the axis. */
ir_ref ir_loop_slice(ir_loop *l, const char *name, ir_ref x, int axis);
static inline ir_ref ir_loop_capture(ir_loop *l, const char *name, ir_ref x)
{
    return ir_capture(&l->captured, 0, name, x);
}
/* What the carries are in the next iteration, one after the other. */
void ir_loop_next(ir_loop *l, ir_ref x);
/* A result that holds x of each iteration along a new axis. */
void ir_loop_stack(ir_loop *l, ir_ref x, int axis);
/* The node; its first result.  Frees what the making needed, in any case. */
ir_ref ir_loop_end(ir_loop *l);

/* Two branches; results are given to `side` in order by ir_if_yield. */
typedef struct ir_branches {
    ir_build side[2];           /* make the nodes where cond holds, and where not */
    ir_ref cond;                /* bool[] */
    ir_captures captured;
    bool failed;
} ir_branches;

void ir_if_begin(ir_branches *f, ir_build *outer, ir_ref cond);
void ir_if_yield(ir_branches *f, int k, const char *name, ir_ref x);
/* The node; its first result.  The sides must yield equally many values, alike in rank
 * and element type; where extents differ the node's type has new symbols.  Frees what
 * the making needed, in any case. */
ir_ref ir_if_end(ir_branches *f);
/* Gives the node up after an error. */
void ir_if_drop(ir_branches *f);

#endif
