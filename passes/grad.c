/* passes/grad.c - expand gradient requests.
 *   dx1, dx2, .. = grad(y, x1, x2, ..)     y a scalar
 * Walks from y back to the xs over the nodes that lie between, adds up
 * adjoints, and leaves ordinary ops: there are no gradient ops.  Rules of
 * structural ops stand by family in grad_*.c, those of scalar functions in the
 * grad column of scalar.def.  All missing rules are reported
 * at once. */
#include "grad.h"


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

/* g with the dims of r's type, where they are equal in every run but not known to be. */
static ir_ref shaped_as(ir_build *b, ir_ref g, ir_ref r)
{
    const ir_type *t = ir_type_of(b->fn, r), *own = ir_type_of(b->fn, g);
    ir_attr a = {.RESHAPE = {.shape = {t->rank, t->dim}}};
    bool same = own->rank == t->rank;

    for (int i = 0; same && i < t->rank; i++)
        same = dim_same(own->dim[i], t->dim[i]);
    return same ? g : ir_make(b, OP_RESHAPE, &g, 1, &a);
}

void grad_add(grad_cx *cx, ir_ref r, ir_ref g)
{
    if (r >= cx->refs || g == IR_NONE || !dt_is_float(ir_type_of(cx->b->fn, r)->dtype))
        return;
    g = shaped_as(cx->b, ir_cast(cx->b, g, ir_type_of(cx->b->fn, r)->dtype), r);
    ir_ref old = cx->adjoint[r];
    cx->adjoint[r] = old == IR_NONE ? g : grad_sum(cx->b, old, g);
}

/* `on` marks values to begin with, and afterwards all that depends on them. */
void grad_reach(const ir_fn *fn, bool *on)
{
    for (uint32_t i = 0; i < fn->node.len; i++) {
        const ir_node *node = &fn->node.at[i];
        bool any = false;
        for (uint32_t j = 0; j < node->narg; j++)
            any |= on[ir_arg(fn, node, j)];
        for (uint32_t j = 0; any && j < node->nres; j++)
            on[node->first + j] = true;
    }
}

grad_cx grad_open(pass_ctx *pass, tapes *t, ir_build *b)
{
    uint32_t n = b->fn->value.len;
    grad_cx cx = {pass, t, b, n, arena_array(&pass->scratch, ir_ref, n + 1),
                  arena_array(&pass->scratch, bool, n + 1),
                  ir_use_counts(b->fn, &pass->scratch)};

    memset(cx.adjoint, 0xff, n * sizeof *cx.adjoint);
    return cx;
}

ir_ref grad_or_zero(const grad_cx *cx, ir_ref r)
{
    ir_ref g = cx->adjoint[r];

    return g == IR_NONE ? ir_splat(cx->b, ir_type_of(cx->b->fn, r), 0) : g;
}

/* y must be a floating scalar. */
static bool start(grad_cx *cx, const ir_node *request, ir_ref y)
{
    const ir_type *t = ir_type_of(cx->b->fn, y);

    if (!grad_flows(t) || t->rank)
        return diag_error(cx->pass->d, request->loc, D_GENERAL,
                          "grad: the value differentiated must be a floating scalar");
    cx->adjoint[y] = ir_float(cx->b, t->dtype, 1);
    return true;
}

bool grad_flows(const ir_type *t)
{
    return t->kind == TY_TENSOR && dt_is_float(t->dtype);
}

/* Does a gradient flow to any of n's results? */
static bool has_adjoint(const grad_cx *cx, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nres; i++)
        if (cx->adjoint[n->first + i] != IR_NONE &&
            grad_flows(ir_type_of(cx->b->fn, n->first + i)))
            return true;
    return false;
}

/* Behind a missing rule the walk goes on, to find all that are missing. */
static void go_on(grad_cx *cx, const ir_node *n)
{
    for (uint32_t i = 0; i < n->narg; i++) {
        const ir_type *t = ir_type_of(cx->b->fn, grad_arg(cx, *n, i));
        if (grad_flows(t))
            grad_add(cx, grad_arg(cx, *n, i), ir_splat(cx->b, t, 0));
    }
}

bool grad_lacks(const grad_cx *cx, const ir_node *n, const char *reason)
{
    diag *d = cx->pass->d;
    const char *place = n->loc.file < d->place.len ? d->place.at[n->loc.file] : "";

    return diag_unsupported(d, ir_op_get(n->op)->text, "", place, reason);
}

/* Applies the node's rule; one that fails may have told why. */
static bool apply(grad_cx *cx, ir_node n)
{
    diag *d = cx->pass->d;
    uint32_t gaps = d->gap.len, errors = d->errors;
    grad_rule *rule = rule_of(n.op);

    cx->b->loc = n.loc;
    if (grad_by_slope(cx, n) || (rule && rule(cx, n, cx->adjoint + n.first)))
        return true;
    if (d->gap.len == gaps && d->errors == errors)
        grad_lacks(cx, &n, "its gradient has no rule yet");
    go_on(cx, &n);
    return false;
}

bool grad_walk(grad_cx *cx)
{
    ir_fn *fn = cx->b->fn;
    bool ok = true;

    grad_reach(fn, cx->on);
    for (uint32_t i = cx->refs ? fn->value.at[cx->refs - 1].node + 1 : 0; i-- > 0;) {
        ir_node n = fn->node.at[i];     /* a copy: rules add nodes */
        if (n.narg && has_adjoint(cx, &n) && cx->on[n.first])
            ok &= apply(cx, n);
    }
    return ok;
}

/* A round of the pass: requests are expanded until one has made loops anew. */
typedef struct round {
    pass_ctx *pass;
    tapes tapes;
} round;

/* The results of a grad node are the adjoints of its operands behind the first; what that
 * does not depend on has a gradient of 0. */
static bool expand(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *args, ir_ref *out)
{
    round *r = vcx;

    (void)old;
    if (n->op != OP_GRAD || r->tapes.pair.len)
        return false;
    grad_cx cx = grad_open(r->pass, &r->tapes, b);
    for (uint32_t i = 1; i < n->narg; i++)
        cx.on[args[i]] = true;
    if (!start(&cx, n, args[0]) || !grad_walk(&cx))
        return false;
    for (uint32_t i = 1; i < n->narg; i++)
        out[i - 1] = grad_or_zero(&cx, args[i]);
    return true;
}

/* A gradient of a gradient has a request in what the first one made: rounds go on
 * until none is left.  Behind each round the loops that now stack more take the
 * places of the old ones. */
bool pass_grad(pass_ctx *cx, ir_fn *fn)
{
    bool changed = false;

    while (pass_has(fn, OP_GRAD) && !diag_failed(cx->d)) {
        round r = {.pass = cx};
        changed |= ir_expand(cx->m, fn, cx->d, expand, &r);
        tapes_merge(&r.tapes, cx, fn);
        vec_free(&r.tapes.pair);
    }
    return changed;
}
