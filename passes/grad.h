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
    const uint32_t *uses;           /* readers that it had then */
} grad_cx;

/* For the values that b's function has by now: no adjoints, and nothing is `on`. */
grad_cx grad_open(pass_ctx *pass, tapes *t, ir_build *b);
/* Adds g to the adjoint of r, if that is a floating value; shapes agree. */
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

/* The column grad of ops.def; scalar functions have one for all, made of their own column. */
grad_rule grad_scalar;
#define OP(NAME, text, nin, nres, infer, eval, grad, ...) grad_rule grad_##grad;
#include "ops.def"

/* Differentiates the scalar nodes between n and the one value that its gradient flows to over
 * several ways as one function, by their slope (grad_slope.c).  False: they are no such, and
 * nothing is changed. */
bool grad_by_slope(grad_cx *cx, ir_node n);

/* Reports that node n has no gradient; false. */
bool grad_lacks(const grad_cx *cx, const ir_node *n, const char *reason);

static inline ir_ref grad_arg(const grad_cx *cx, ir_node n, uint32_t i)
{
    return ir_arg(cx->b->fn, &n, i);
}

static inline const ir_type *grad_type(const grad_cx *cx, ir_ref r)
{
    return ir_type_of(cx->b->fn, r);
}

/* Of g = select(mask, v, 0): v.  Of any other g: itself, and mask is IR_NONE. */
ir_ref grad_unmask(ir_build *b, ir_ref g, ir_ref *mask);
/* select(mask, v, 0), one select where v is one; v where mask is IR_NONE. */
ir_ref grad_mask(ir_build *b, ir_ref mask, ir_ref v);
/* g + h, masked where both are masked alike. */
ir_ref grad_sum(ir_build *b, ir_ref g, ir_ref h);

/* Zeros of type t with the elements of g added at positions at[..], i64 of g's shape, of
 * the axis; at those of g elsewhere.  Positions outside are dropped. */
ir_ref grad_scatter_along(grad_cx *cx, const ir_type *t, int axis, ir_ref at, ir_ref g);
/* The same with whole slices: slice i of g along the axis is added at position at[i]. */
ir_ref grad_scatter_slices(grad_cx *cx, const ir_type *t, int axis, ir_ref at, ir_ref g);

/* What elements of a product take from all of them, in the product's shape; or these
 * values by element, in the elements' shape. */
typedef struct grad_factors {
    ir_ref rest;                    /* the product, to be divided by an element that is not 0 */
    ir_ref one, two;                /* the product of those that are not 0, if one is, if two are */
    ir_ref sum;                     /* of the elements that are 0 */
} grad_factors;
/* From the product of the elements that are not 0, the number of those that are, and their
 * sum: it is 0, and has a gradient of its own. */
grad_factors grad_factors_of(ir_build *b, ir_ref product, ir_ref zeros, ir_ref sum);
/* The product of all elements but x, for each x; exact up to its second derivative. */
ir_ref grad_without(ir_build *b, ir_ref x, const grad_factors *f);
/* By element, for the three operands of grad_factors_of. */
ir_ref grad_not_zero(ir_build *b, ir_ref x), grad_is_zero(ir_build *b, ir_ref x),
    grad_zeros(ir_build *b, ir_ref x);
/* The gradient of the product of x over these axes, g being that of the result: g times the
 * product of the others. */
ir_ref grad_of_product(ir_build *b, ir_ref x, ir_ints axes, ir_ref g);
/* r along the axes that a reduction of values of type t dropped. */
ir_ref grad_spread(ir_build *b, const ir_type *t, ir_ints axes, ir_ref r);

#endif
