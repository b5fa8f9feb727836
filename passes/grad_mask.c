/* passes/grad_mask.c - masked adjoints, select(c, v, 0), stay masked.
 *
 * Of `if x > 0 then sqrt(x) else 0` the adjoint of the root at x = 0 is select(false, g, 0),
 * and its share for x would be 0 / 0.  So the rule is applied to g, and what it gives is
 * masked again: select(c, g / (2 * y), 0) is 0 where the root was not taken. */
#include "grad.h"
#include "rule.h"

static bool is_zero(const ir_build *b, ir_ref x)
{
    double v;

    return rule_splat(b, x, &v) && v == 0;
}

/* Ops that give each element, or none of them, the place of another. */
static bool moves(unsigned op)
{
    return op == OP_RESHAPE || op == OP_TRANSPOSE || op == OP_BROADCAST || op == OP_SLICE;
}

/* What the mask lets through, and the mask, IR_NONE if g has none.  Movement and
 * casts between the mask and g are looked through, and done again on both. */
ir_ref grad_unmask(ir_build *b, ir_ref g, ir_ref *mask)
{
    const ir_node n = *rule_node(b, g);     /* a copy: building moves nodes */

    *mask = IR_NONE;
    if (n.op == OP_SELECT) {
        ir_ref c = ir_arg(b->fn, &n, 0), yes = ir_arg(b->fn, &n, 1), no = ir_arg(b->fn, &n, 2);
        if (is_zero(b, no))
            return *mask = c, yes;
        if (is_zero(b, yes))
            return *mask = ir_1(b, OP_NOT, c), no;
    }
    if (!moves(n.op) && n.op != OP_CAST)
        return g;
    ir_ref v = grad_unmask(b, ir_arg(b->fn, &n, 0), mask);
    if (*mask == IR_NONE)
        return g;
    if (moves(n.op))
        *mask = ir_make(b, n.op, mask, 1, n.attr);
    return ir_make(b, n.op, &v, 1, n.attr);
}

/* One mask of both, if v has one of its own. */
ir_ref grad_mask(ir_build *b, ir_ref mask, ir_ref v)
{
    ir_ref inner;

    if (mask == IR_NONE)
        return v;
    v = grad_unmask(b, v, &inner);
    if (inner != IR_NONE && inner != mask)
        mask = ir_2(b, OP_AND, mask, inner);
    return ir_select(b, mask, v, ir_splat(b, ir_type_of(b->fn, v), 0));
}

/* Two shares under one mask are added under it: select(c, v, 0) + select(c, w, 0)
 * is select(c, v + w, 0), which stays recognizable as masked. */
ir_ref grad_sum(ir_build *b, ir_ref g, ir_ref h)
{
    const ir_node *x = rule_is(b, g, OP_SELECT), *y = rule_is(b, h, OP_SELECT);

    if (x && y && ir_arg(b->fn, x, 0) == ir_arg(b->fn, y, 0)) {
        ir_ref mask, same;
        ir_ref v = grad_unmask(b, g, &mask), w = grad_unmask(b, h, &same);
        if (mask != IR_NONE && mask == same)
            return grad_mask(b, mask, ir_2(b, OP_ADD, v, w));
    }
    return ir_2(b, OP_ADD, g, h);
}
