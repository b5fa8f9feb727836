/* frontend/dsl/misfit.c - warnings of arguments that are what a function makes of them itself.
 *
 * Shapes do not tell logits from probabilities, and a net that ends in softmax in front of
 * cross_entropy trains, slowly and badly.  What an argument is shows in the nodes that made it,
 * whoever wrote them: exp(x) / sum(exp(x)), also as a product with 1 / sum(exp(x)); a sigmoid. */
#include "check.h"

typedef enum misfit_kind { MISFIT_SOFTMAX, MISFIT_SIGMOID } misfit_kind;

static const struct {
    const char *function;
    misfit_kind what;
    const char *advice;
} misfits[] = {
#define MISFIT(function, what, advice) {#function, MISFIT_##what, advice},
#include "misfit.def"
};

/* What x is a copy of, its elements in another order or repeated. */
static const ir_node *source_of(const ir_fn *f, ir_ref x)
{
    const ir_node *n = ir_node_of(f, x);

    while (n->op == OP_RESHAPE || n->op == OP_TRANSPOSE || n->op == OP_BROADCAST)
        n = ir_node_of(f, ir_arg(f, n, 0));
    return n;
}

/* Is n the exponentials e by their sum, divided by it or times its inverse? */
static bool is_softmax(const ir_fn *f, const ir_node *n)
{
    if (n->op != OP_DIV && n->op != OP_MUL)
        return false;
    const ir_node *e = source_of(f, ir_arg(f, n, 0)), *by = source_of(f, ir_arg(f, n, 1));

    if (n->op == OP_MUL && by->op != OP_DIV)
        return false;
    const ir_node *sum = n->op == OP_DIV ? by : source_of(f, ir_arg(f, by, 1));
    return e->op == OP_EXP && sum->op == OP_REDUCE && sum->attr->REDUCE.op == RED_SUM &&
           source_of(f, ir_arg(f, sum, 0)) == e;
}

void dsl_warn_misfit(dsl *cx, const dsl_template *t, const dsl_value *x, ir_loc at)
{
    if (!t->file->prelude || !x || !dsl_is_tensor(x))
        return;
    const ir_fn *f = x->tensor.home->b->fn;
    const ir_node *n = source_of(f, x->tensor.ref);
    for (size_t i = 0; i < COUNT(misfits); i++) {
        bool is = misfits[i].what == MISFIT_SOFTMAX ? is_softmax(f, n) : n->op == OP_SIGMOID;
        if (is && !strcmp(misfits[i].function, t->name))
            dsl_warn(cx, at, "%s", misfits[i].advice);
    }
}
