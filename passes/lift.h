/* passes/lift.h - a node of a loop's body for all iterations at once. */
#ifndef INGOT_LIFT_H
#define INGOT_LIFT_H

#include "build.h"

/* An operand: its value in the function around the loop. */
typedef struct lifted {
    ir_ref x;
    bool varies;                /* x has an axis of iterations, the first; else x is the same
                                 * in all of them */
} lifted;

/* Can nodes like n be made for all iterations at once? */
bool lift_can(const ir_node *n);
/* The operand with an axis of `trip` iterations in front, repeated if it does not vary. */
ir_ref lift_varying(ir_build *b, lifted arg, ir_dim trip);
/* The value of n, with an axis of `trip` iterations in front, in b.  At least one of its
 * operands varies. */
ir_ref lift_node(ir_build *b, const ir_node *n, const lifted *arg, ir_dim trip);
/* The sum of the node's values over all iterations, of a product or a reduction by sum; the
 * axis of iterations is one more that is summed over.  Example: for y = dot %a, %b of
 * f32[n,i] and f32[n,o], summed over n, the operands are f32[t,n,i] and f32[t,n,o]. */
ir_ref lift_sum(ir_build *b, const ir_node *n, const lifted *arg);

#endif
