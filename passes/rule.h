/* passes/rule.h - reading the rebuilt operands inside a rewrite rule. */
#ifndef INGOT_RULE_H
#define INGOT_RULE_H

#include "pass.h"

/* The node that makes x, in the function being built. */
static inline const ir_node *rule_node(const ir_build *b, ir_ref x)
{
    return ir_node_of(b->fn, x);
}

/* x's node if it is an `op`, else null. */
static inline const ir_node *rule_is(const ir_build *b, ir_ref x, unsigned op)
{
    const ir_node *n = rule_node(b, x);

    return n->op == op ? n : NULL;
}

/* True if x is a constant, through broadcasts and reshapes, whose elements
 * are all equal; its value, as a double, in *value. */
bool rule_splat(const ir_build *b, ir_ref x, double *value);

#endif
