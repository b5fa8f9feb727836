/* passes/grad.c - expand gradient requests.
 *   dx1, dx2, .. = grad(y, x1, x2, ..)     y a scalar
 * Walks from y back to the xs over the nodes that lie between, adds up
 * adjoints, and leaves ordinary ops: there are no gradient ops.  Rules of
 * structural ops stand in grad_move.c and grad_contract.c, those of scalar
 * functions in the grad column of scalar.def.  All missing rules are reported
 * at once. */
#include "grad.h"

#include "rule.h"

/* The grad column of ops.def. */
static grad_rule *rule_of(unsigned op)
{
    static grad_rule *const rule[] = {
#define grad_none NULL
#define OP(NAME, text, nin, nres, infer, eval, grad, ...) [OP_##NAME] = grad_##grad,
#include "ops.def"
#undef grad_none
    };

    return ir_op_scalar(op) ? grad_scalar : op < COUNT(rule) ? rule[op] : NULL;
}

void grad_add(grad_cx *cx, ir_ref r, ir_ref g)
{
    if (r >= cx->refs || g == IR_NONE)
        return;
    g = ir_cast(cx->b, g, ir_type_of(cx->b->fn, r)->dtype);
    ir_ref old = cx->adjoint[r];
    cx->adjoint[r] = old == IR_NONE ? g : ir_2(cx->b, OP_ADD, old, g);
}

/* Marks the values that depend on one of the xs. */
static bool *reach(const ir_fn *fn, const ir_ref *xs, uint32_t n, arena *mem)
{
    bool *on = arena_array(mem, bool, fn->value.len);

    for (uint32_t i = 0; i < n; i++)
        on[xs[i]] = true;
    for (uint32_t i = 0; i < fn->node.len; i++) {
        const ir_node *node = &fn->node.at[i];
        bool any = false;
        for (uint32_t j = 0; j < node->narg; j++)
            any |= on[ir_arg(fn, node, j)];
        for (uint32_t j = 0; any && j < node->nres; j++)
            on[node->first + j] = true;
    }
    return on;
}

/* y must be a floating scalar. */
static bool start(pass_ctx *pc, grad_cx *cx, const ir_node *request, ir_ref y)
{
    const ir_type *t = ir_type_of(cx->b->fn, y);

    if (t->kind != TY_TENSOR || t->rank || !dt_is_float(t->dtype))
        return diag_error(pc->d, request->loc, D_GENERAL,
                          "grad: the value differentiated must be a floating scalar");
    cx->adjoint[y] = ir_float(cx->b, t->dtype, 1);
    return true;
}

static bool differentiable(const ir_type *t)
{
    return t->kind == TY_TENSOR && dt_is_float(t->dtype);
}

/* Does a gradient flow to any of n's results? */
static bool has_adjoint(const grad_cx *cx, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nres; i++)
        if (cx->adjoint[n->first + i] != IR_NONE &&
            differentiable(ir_type_of(cx->b->fn, n->first + i)))
            return true;
    return false;
}

/* Behind a missing rule the walk goes on, to find all that are missing. */
static void go_on(grad_cx *cx, const ir_node *n)
{
    for (uint32_t i = 0; i < n->narg; i++) {
        const ir_type *t = ir_type_of(cx->b->fn, grad_arg(cx, *n, i));
        if (differentiable(t))
            grad_add(cx, grad_arg(cx, *n, i), ir_splat(cx->b, t, 0));
    }
}

static bool missing(diag *d, const ir_node *n)
{
    const char *place = n->loc.file < d->place.len ? d->place.at[n->loc.file] : "";

    return diag_unsupported(d, ir_op_get(n->op)->text, "", place, "its gradient has no rule yet");
}

/* Nodes from y back to the first; each hands its results' adjoints to its operands. */
static bool walk(pass_ctx *pc, grad_cx *cx, ir_ref y, const bool *on)
{
    ir_fn *fn = cx->b->fn;
    bool ok = true;

    for (uint32_t i = fn->value.at[y].node + 1; i-- > 0;) {
        ir_node n = fn->node.at[i];     /* a copy: rules add nodes */
        if (!n.narg || !on[n.first] || !has_adjoint(cx, &n))
            continue;
        grad_rule *rule = rule_of(n.op);
        cx->b->loc = n.loc;
        if (rule && rule(cx, n, cx->adjoint + n.first))
            continue;
        ok = missing(pc->d, &n);
        go_on(cx, &n);
    }
    return ok;
}

/* The results of a grad node are the adjoints of its operands behind the first; what that
 * does not depend on has a gradient of 0. */
static bool expand(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *args, ir_ref *out)
{
    pass_ctx *pc = vcx;
    grad_cx cx = {.b = b, .refs = b->fn->value.len};

    (void)old;
    if (n->op != OP_GRAD)
        return false;
    cx.adjoint = arena_array(&pc->scratch, ir_ref, cx.refs);
    memset(cx.adjoint, 0xff, cx.refs * sizeof *cx.adjoint);
    bool *on = reach(b->fn, args + 1, n->narg - 1u, &pc->scratch);
    if (!start(pc, &cx, n, args[0]) || !walk(pc, &cx, args[0], on))
        return false;
    for (uint32_t i = 1; i < n->narg; i++) {
        ir_ref dx = cx.adjoint[args[i]];
        out[i - 1] = dx == IR_NONE ? ir_splat(b, ir_type_of(b->fn, args[i]), 0) : dx;
    }
    return true;
}

bool pass_grad(pass_ctx *cx, ir_fn *fn)
{
    return pass_has(fn, OP_GRAD) && ir_expand(cx->m, fn, cx->d, expand, cx);
}
