/* passes/pool.c - relu moves behind a max over boxes, where gradients are asked for.
 *   window {op=max}(relu(x)) -> relu(window {op=max}(x)),  relu(x) = select(x <= c, c, x)
 * relu keeps the order of elements, so the values are the same, and so is the gradient: the
 * best element of a box gets it, if that is above c.  But the way back asks then only for
 * x <= c of the boxes' results, and which element of a box was the best: of the large value
 * itself nothing is kept.  Forward alone it is of no use: relu costs nothing where x is made. */
#include "rule.h"

/* Uses of the values of the function at hand, to tell who reads relu(x) beside the boxes. */
typedef struct pool_cx {
    pass_ctx *pass;
    const ir_fn *fn;
    uint32_t *uses;
} pool_cx;

/* Has each box an element of the operand, of type t?  One that lies beside it has the value
 * -inf, which relu would change. */
static bool are_all_inside(const ir_build *b, const ir_node *n, const ir_type *t)
{
    const struct ir_attr_WINDOW *a = &n->attr->WINDOW;
    const dim_table *d = &b->m->dims;
    bool all = true;

    for (int i = 0; i < a->size.n; i++) {
        int64_t size, low, high;
        all &= dim_is(d, a->dil.at[i], 1) && dim_const(d, a->size.at[i], &size) &&
               dim_const(d, a->low.at[i], &low) && dim_const(d, a->high.at[i], &high) &&
               low < size && high < size &&
               ((low <= 0 && high <= 0) || dim_lo(d, t->dim[i]) > 0);
    }
    return all;
}

/* Is r the relu of something, whose constant is *c?  Returns that, else IR_NONE. */
static ir_ref under_relu(const ir_build *b, ir_ref r, double *c)
{
    const ir_node *n = rule_is(b, r, OP_SELECT);
    double same;

    if (!n)
        return IR_NONE;
    const ir_node *le = rule_is(b, ir_arg(b->fn, n, 0), OP_LE);
    ir_ref x = ir_arg(b->fn, n, 2);
    bool is = le && ir_arg(b->fn, le, 0) == x && rule_splat(b, ir_arg(b->fn, le, 1), c) &&
              rule_splat(b, ir_arg(b->fn, n, 1), &same) && same == *c;
    return is ? x : IR_NONE;
}

static bool has_one_reader(pool_cx *cx, const ir_fn *old, ir_ref r)
{
    if (cx->fn != old) {
        cx->fn = old;
        cx->uses = ir_use_counts(old, &cx->pass->scratch);
    }
    return cx->uses[r] == 1;
}

static ir_ref rule(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *a)
{
    double c;

    if (n->op != OP_WINDOW || n->attr->WINDOW.op != RED_MAX)
        return IR_NONE;
    ir_ref x = under_relu(b, a[0], &c);
    if (x == IR_NONE || !are_all_inside(b, n, ir_type_of(b->fn, x)) ||
        !has_one_reader(vcx, old, ir_arg(old, n, 0)))
        return IR_NONE;
    ir_ref y = ir_make(b, OP_WINDOW, &x, 1, n->attr);
    ir_ref limit = ir_splat(b, ir_type_of(b->fn, y), c);
    return ir_select(b, ir_2(b, OP_LE, y, limit), limit, y);
}

bool pass_pool(pass_ctx *cx, ir_fn *fn)
{
    pool_cx pool = {.pass = cx};

    return pass_has(fn, OP_GRAD) && ir_rewrite(cx->m, fn, cx->d, rule, &pool);
}
