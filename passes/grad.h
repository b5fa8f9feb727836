/* passes/grad.h - what the gradient rules share. */
#ifndef INGOT_GRAD_H
#define INGOT_GRAD_H

#include "tape.h"

/* Adjoints in the making: adjoint[r] is the gradient of the requested value with respect
 * to ref r, IR_NONE where it is zero. */
typedef struct grad_cx {
    pass_ctx *pass;
    tapes *tapes;
    ir_build *b;
    uint32_t refs;                  /* values that existed when it was opened; by value: */
    ir_ref *adjoint;
    bool *on;                       /* does it depend on what the gradient is by? */
} grad_cx;

/* For the values that b's function has by now: no adjoints, and nothing is `on`. */
grad_cx grad_open(pass_ctx *pass, tapes *t, ir_build *b);
/* Adds g to the adjoint of r; shapes agree. */
void grad_add(grad_cx *cx, ir_ref r, ir_ref g);
/* The adjoint of r; zeros where there is none. */
ir_ref grad_or_zero(const grad_cx *cx, ir_ref r);
/* Hands adjoints from results to operands, from the last node there was to the first, along
 * what depends on the values that are `on`.  False after errors. */
bool grad_walk(grad_cx *cx);
/* Marks the values of f that depend on those that are marked. */
void grad_reach(const ir_fn *f, bool *on);
/* Can a value of this type have a gradient? */
bool grad_flows(const ir_type *t);

/* A rule: the node's operands get their shares of gy, the gradients of its results in
 * order: IR_NONE where none flows to one, which is not so for all.  False: there is no rule
 * for this case, or something was reported. */
typedef bool grad_rule(grad_cx *cx, ir_node n, const ir_ref *gy);

grad_rule grad_scalar, grad_reshape, grad_transpose, grad_broadcast, grad_slice, grad_pad,
    grad_concat, grad_gather, grad_reduce, grad_dot, grad_keep, grad_zero, grad_if, grad_loop;

/* Reports that node n has no gradient; false. */
bool grad_lacks(const grad_cx *cx, const ir_node *n, const char *reason);

static inline ir_ref grad_arg(const grad_cx *cx, ir_node n, uint32_t i)
{
    return ir_arg(cx->b->fn, &n, i);
}

#endif
