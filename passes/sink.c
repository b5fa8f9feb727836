/* passes/sink.c - reshapes behind contractions in groups move behind elementwise
 * ops.
 *   f(reshape(y), z, ..) -> reshape(f(y, reshape(z), ..))
 * where y is such a contraction, or elementwise ops on one: they become its
 * epilogue, and scales behind them can reach its weights.  The result of a
 * convolution in groups is reshaped to plain channels, for example.  The other
 * operands are reshaped at no cost where they are stored; a broadcast is made
 * anew in y's shape. */
#include "sink.h"

sink_frame sink_frame_of(const ir_type *in, const ir_type *out)
{
    sink_frame f = {.in = in, .out = out};
    int most = (int)min_i64(in->rank, out->rank);

    while (f.before < most && dim_same(in->dim[f.before], out->dim[f.before]))
        f.before++;
    while (f.behind < most - f.before &&
           dim_same(in->dim[in->rank - 1 - f.behind], out->dim[out->rank - 1 - f.behind]))
        f.behind++;
    return f;
}

/* The broadcast n to f.out made to f.in, or IR_NONE if it varies along axes of
 * f.out that are joined in f.in. */
static ir_ref spread(ir_build *b, const ir_node *n, const sink_frame *f)
{
    ir_ref v = ir_arg(b->fn, n, 0);
    const ir_type *t = ir_type_of(b->fn, v);
    ir_ints to = n->attr->BROADCAST.axes;
    int between = f->out->rank - f->before - f->behind, rank = 0;
    ir_dim shape[2 * IR_MAX_RANK];
    int32_t axes[2 * IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++) {
        int32_t at = to.at[i];
        if (at < f->before || at >= f->out->rank - f->behind) {
            shape[rank] = t->dim[i];
            axes[rank++] = at < f->before ? at : at - f->out->rank + f->in->rank;
            continue;
        }
        if (between != 1 || !dim_same(t->dim[i], f->out->dim[at]))
            return IR_NONE;
        for (int32_t k = f->before; k < f->in->rank - f->behind; k++, rank++)
            shape[rank] = f->in->dim[k], axes[rank] = k;
    }
    if (rank > f->in->rank)
        return IR_NONE;
    v = ir_reshape(b, v, shape, rank);
    return ir_broadcast(b, v, f->in->dim, f->in->rank, axes);
}

ir_ref sink_operand(ir_build *b, ir_ref x, const sink_frame *f)
{
    ir_node n = *rule_node(b, x);
    ir_ref r = IR_NONE;

    if (n.op == OP_RESHAPE && ir_type_of(b->fn, ir_arg(b->fn, &n, 0)) ==
        ir_ty(b, ir_type_of(b->fn, x)->dtype, f->in->dim, f->in->rank))
        return ir_arg(b->fn, &n, 0);
    if (n.op == OP_BROADCAST)
        r = spread(b, &n, f);
    return r != IR_NONE ? r : ir_reshape(b, x, f->in->dim, f->in->rank);
}

enum { LOOKED_AT = 40 };        /* values that is_grouped looks at */

static bool in_groups(const ir_node *n)
{
    return (n->op == OP_CONV && n->attr->CONV.yg.n) || (n->op == OP_DOT && n->attr->DOT.batch_a.n);
}

/* Adds r to the n refs at `to`, if it is not there and has room; returns the new n. */
static uint32_t add_once(ir_ref *to, uint32_t n, ir_ref r)
{
    for (uint32_t i = 0; i < n; i++)
        if (to[i] == r)
            return n;
    if (n < LOOKED_AT)
        to[n++] = r;
    return n;
}

/* Is x a contraction in groups, or elementwise ops on one?  (Others need no
 * reshape, and one behind a state's new value would keep it from its place.) */
static bool is_grouped(const ir_build *b, ir_ref x)
{
    ir_ref seen[LOOKED_AT] = {x};

    for (uint32_t i = 0, count = 1; i < count; i++) {
        const ir_node *n = rule_node(b, seen[i]);
        if (in_groups(n))
            return true;
        for (uint32_t k = 0; ir_op_scalar(n->op) && k < n->narg; k++)
            count = add_once(seen, count, ir_arg(b->fn, n, k));
    }
    return false;
}

/* op(reshape(y), ..) -> reshape(op(y, ..)), with the other operands brought to y's shape. */
static ir_ref rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *a)
{
    ir_ref args[3];

    (void)cx, (void)old;
    for (uint32_t i = 0; ir_op_scalar(n->op) && i < n->narg; i++) {
        const ir_node *r = rule_is(b, a[i], OP_RESHAPE);
        ir_ref y = r ? ir_arg(b->fn, r, 0) : IR_NONE;
        if (!r || !is_grouped(b, y))
            continue;
        sink_frame f = sink_frame_of(ir_type_of(b->fn, y), ir_type_of(b->fn, a[i]));
        for (uint32_t k = 0; k < n->narg; k++)
            args[k] = sink_operand(b, a[k], &f);
        ir_ref z = ir_make(b, n->op, args, n->narg, n->attr);
        return ir_reshape(b, z, f.out->dim, f.out->rank);
    }
    return IR_NONE;
}

bool pass_sink(pass_ctx *cx, ir_fn *fn)
{
    return ir_rewrite(cx->m, fn, cx->d, rule, cx);
}
