/* frontend/dsl/train_flow.c - does a gradient get from an objective to a parameter?  An
 * objective may depend on parameters only through what has no gradient, such as argmax:
 * then nothing would be learned, without a word. */
#include "train.h"

/* How each op hands gradients on, as its row has it. */
static const char *const rule[OP_COUNT] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int, flt_llvm, int_llvm, grad,  \
               ...)                                                                                \
    [OP_##NAME] = #grad,
#include "scalar.def"
#define OP(NAME, text, nin, nres, infer, eval, grad, ...) [OP_##NAME] = #grad,
#include "ops.def"
};

/* Does a gradient get through the node?  Not where its row's rule is `zero`, as of
 * comparisons, and not where it makes no real numbers, as argmax. */
static bool hands_on(const ir_fn *f, const ir_node *n)
{
    bool any = false;

    for (uint32_t i = 0; i < n->nres; i++) {
        const ir_type *t = ir_type_of(f, n->first + i);
        any |= t->kind == TY_TENSOR && dt_is_float(t->dtype);
    }
    return any && strcmp(rule[n->op], "zero");
}

/* Nodes that a gradient of `of` gets to; what they read of other kinds stops it. */
static bool *reached(dsl *cx, const ir_fn *f, ir_ref of)
{
    bool *marks = arena_array(cx->mem, bool, f->node.len);

    marks[f->value.at[of].node] = true;
    for (uint32_t i = f->value.at[of].node + 1; i-- > 0;) {
        const ir_node *n = &f->node.at[i];
        for (uint32_t k = 0; marks[i] && hands_on(f, n) && k < n->narg; k++)
            marks[f->value.at[ir_arg(f, n, k)].node] = true;
    }
    return marks;
}

/* Does the node depend on one of the parameters? */
static bool depends(dsl *cx, const ir_fn *f, uint32_t node, const ir_ref *param, uint32_t n)
{
    if (!f->node.at[node].nres)
        return false;
    const bool *marks = train_ancestors(cx, f, f->node.at[node].first);
    for (uint32_t i = 0; i < n; i++)
        if (marks[f->value.at[param[i]].node])
            return true;
    return false;
}

static const char *name_of(const ir_node *n)
{
    if (n->op == OP_ARGREDUCE)
        return n->attr->ARGREDUCE.op == RED_MIN ? "argmin" : "argmax";
    if (n->op == OP_LT || n->op == OP_LE || n->op == OP_EQ || n->op == OP_NE)
        return "a comparison";
    return n->op == OP_SELECT ? "if" : ir_op_get(n->op)->text;
}

/* Null if a gradient gets to some parameter.  Else which node is to blame, with its
 * line: the last one that a gradient gets to, that depends on a parameter and hands
 * nothing on.  Casts are passed over: they were mostly not written by anyone. */
const char *train_stopped(dsl *cx, ir_ref loss, const ir_ref *param, uint32_t n)
{
    const ir_fn *f = dsl_b(cx)->fn;
    const bool *marks = reached(cx, f, loss);

    for (uint32_t i = 0; i < n; i++)
        if (marks[f->value.at[param[i]].node])
            return NULL;
    for (uint32_t i = f->node.len; i-- > 0;) {
        const ir_node *x = &f->node.at[i];
        if (marks[i] && !hands_on(f, x) && x->op != OP_CAST && depends(cx, f, i, param, n))
            return arena_printf(cx->mem, "%s (line %u)", name_of(x), x->loc.line);
    }
    return "what has none";
}
