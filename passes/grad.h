/* passes/grad.h - what the gradient rules share. */
#ifndef INGOT_GRAD_H
#define INGOT_GRAD_H

#include "pass.h"

/* One gradient request being expanded: adjoint[r] is the gradient of the
 * requested value with respect to ref r, IR_NONE where it is zero. */
typedef struct grad_cx {
    ir_build *b;
    ir_ref *adjoint;
    uint32_t refs;                  /* values that existed before expansion */
} grad_cx;

/* Adds g to the adjoint of r; shapes agree. */
void grad_add(grad_cx *cx, ir_ref r, ir_ref g);

/* A rule: the node's operands get their shares of gy, the gradients of its results in
 * order: IR_NONE where none flows to one, which is not so for all.  False: there is no rule
 * for this case. */
typedef bool grad_rule(grad_cx *cx, ir_node n, const ir_ref *gy);

grad_rule grad_scalar, grad_reshape, grad_transpose, grad_broadcast, grad_slice, grad_pad,
    grad_concat, grad_gather, grad_reduce, grad_dot, grad_keep, grad_zero;

static inline ir_ref grad_arg(grad_cx *cx, ir_node n, uint32_t i)
{
    return ir_arg(cx->b->fn, &n, i);
}

#endif
