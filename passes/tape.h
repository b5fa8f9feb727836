/* passes/tape.h - what the backward part of a loop reads of its forward part.
 *
 * The body of a loop and its backward part are first made as one function, the joint body:
 * it takes the body's parameters and the adjoints of its results, and gives the body's
 * results and the adjoints of its parameters.  The tape cuts it in two: values of the
 * forward part that the backward part needs are kept, as stacks of the forward loop, or
 * computed again, where cheap maps lead to them from what is there anyway. */
#ifndef INGOT_TAPE_H
#define INGOT_TAPE_H

#include "pass.h"

/* The joint body and how it is cut.  Example, h' = tanh(h U + z): h and h', which the gradient
 * reads, are kept, or stacked anyway; the sum is in the forward part alone. */
typedef struct tape {
    const ir_fn *joint;
    uint32_t params, carries;   /* the body's: iteration, carries, slices, captures */
    uint32_t results;           /* the body's; those behind are of the backward part */
    bool *stacked;              /* by value: the loop stacks it anyway, along axis 0 */
    bool *kept;                 /* by value: the forward loop stacks it */
    bool *forward, *back;       /* by node: which part has it; both, or none, may */
} tape;

/* Fills kept, forward and back; they are of mem. */
void tape_cut(tape *t, arena *mem);

/* A loop, and the one that stacks more of the same iterations. */
typedef struct tape_pair {
    const ir_fn *body, *taped;  /* their bodies */
    const ir_attr *attr;        /* of the node that stacks more */
    uint32_t narg;
    const uint32_t *arg;        /* its operand i is operand arg[i] of the loop */
    bool there;
    ir_ref made;                /* where it stands in the function in the making */
} tape_pair;

/* The loops that a round of the gradient pass has made anew. */
typedef struct tapes {
    VEC(tape_pair) pair;
} tapes;

/* Puts the loop that stacks more in the place of the other, in f and its regions: nothing
 * is computed twice. */
void tapes_merge(tapes *t, pass_ctx *cx, ir_fn *f);

#endif
