/* passes/scale.c - fold the scaling of a contraction into its weights.
 *   mul(conv(x, W), broadcast(s)) -> conv(x, W * s)   s along W's outputs
 *   mul(dot(x, W), broadcast(s)) -> dot(x, W * s)
 *   mul(add(conv(x, W), broadcast(t)), broadcast(s))
 *                                 -> add(conv(x, W * s), broadcast(t * s))
 * with W, s and t constant: a batch normalization after a convolution ends as
 * weights and a bias.  W * s becomes links of W's chain, nothing is computed
 * here.  One product is rounded where two were: results move within 1 ULP of
 * each term, which the tolerance of every model admits.  Only where the
 * contraction has no other use. */
#include "axes.h"
#include "rule.h"

typedef struct scale_cx {
    const uint32_t *uses;           /* of the old function's refs */
} scale_cx;

/* Axes of y that are w's output features, and w's axes for them, in order. */
typedef struct outputs {
    int n;
    int32_t y[IR_MAX_RANK], w[IR_MAX_RANK];
} outputs;

static void outputs_conv(const struct ir_attr_CONV *a, outputs *o)
{
    for (int i = 0; i < a->yg.n; i++, o->n++)
        o->y[o->n] = a->yg.at[i], o->w[o->n] = a->wg.at[i];
    for (int i = 0; i < a->yo.n; i++, o->n++)
        o->y[o->n] = a->yo.at[i], o->w[o->n] = a->wo.at[i];
}

/* The free axes of the second operand, which are the last axes of the result. */
static void outputs_dot(const struct ir_attr_DOT *a, int rank_y, int rank_w,
                        outputs *o)
{
    int free_w = rank_w - a->batch_b.n - a->sum_b.n;

    for (int i = 0; i < rank_w; i++) {
        if (ir_has_axis(a->batch_b, i) || ir_has_axis(a->sum_b, i))
            continue;
        o->y[o->n] = rank_y - free_w + o->n;
        o->w[o->n++] = i;
    }
}

static bool is_const(const ir_build *b, ir_ref x)
{
    const ir_node *n = rule_node(b, x);

    while (n->op == OP_BROADCAST || n->op == OP_RESHAPE)
        n = rule_node(b, ir_arg(b->fn, n, 0));
    return n->op == OP_CONST;
}

/* The constant s of broadcast(s) laid along w's output axes: s' of w's shape;
 * IR_NONE if s varies along any other axis of y. */
static ir_ref along_outputs(ir_build *b, ir_ref s, const outputs *o, ir_ref w)
{
    const ir_node *n = rule_node(b, s);
    const ir_type *wt = ir_type_of(b->fn, w);
    int32_t axes[IR_MAX_RANK];

    if (n->op != OP_BROADCAST || !is_const(b, s))
        return IR_NONE;
    ir_ref small = ir_arg(b->fn, n, 0);
    const ir_type *st = ir_type_of(b->fn, small);
    int last = -1;
    for (int i = 0; i < st->rank; i++) {
        int k = 0;
        while (k < o->n && o->y[k] != n->attr->BROADCAST.axes.at[i])
            k++;
        if (k == o->n || o->w[k] <= last)
            return IR_NONE;
        axes[i] = last = o->w[k];
    }
    return ir_broadcast(b, small, wt->dim, wt->rank, axes);
}

/* The axes of the weights that are axes of the result, too; false if the node is no
 * contraction with constant weights. */
static bool find_outputs(ir_build *b, const ir_node *c, outputs *o)
{
    if (c->op == OP_CONV)
        outputs_conv(&c->attr->CONV, o);
    else if (c->op == OP_DOT)
        outputs_dot(&c->attr->DOT, ir_type_of(b->fn, c->first)->rank,
                    ir_type_of(b->fn, ir_arg(b->fn, c, 1))->rank, o);
    else
        return false;
    return is_const(b, ir_arg(b->fn, c, 1));
}

/* contraction y scaled by s, or IR_NONE */
static ir_ref scaled(ir_build *b, ir_ref y, ir_ref s)
{
    ir_node c = *rule_node(b, y);
    outputs o = {0};

    if (!find_outputs(b, &c, &o))
        return IR_NONE;
    ir_ref w = ir_arg(b->fn, &c, 1);
    ir_ref along = along_outputs(b, s, &o, w);
    if (along == IR_NONE)
        return IR_NONE;
    ir_ref args[2] = {ir_arg(b->fn, &c, 0), ir_2(b, OP_MUL, w, along)};
    return ir_make(b, c.op, args, 2, c.attr);
}

/* Is the old operand used once?  Operand numbers of old and new node agree. */
static bool single(const scale_cx *cx, const ir_fn *old, const ir_node *n, int i)
{
    return cx->uses[ir_arg(old, n, (uint32_t)i)] == 1;
}

/* y * s with y operand `side` and s a constant: s moves into the weights of y, or of one
 * side of y if that is a sum with a constant: (conv + t) * s -> conv' + t * s.  The old
 * product must have no other reader, or it would be computed twice. */
static ir_ref try_mul(scale_cx *cx, ir_build *b, const ir_fn *old,
                      const ir_node *n, const ir_ref *a, int side)
{
    ir_ref y = a[side], s = a[1 - side];

    if (!single(cx, old, n, side) || !is_const(b, s))
        return IR_NONE;
    ir_ref out = scaled(b, y, s);
    if (out != IR_NONE)
        return out;
    ir_node add = *rule_node(b, y);     /* a copy: building moves nodes */
    const ir_node *was = ir_node_of(old, ir_arg(old, n, (uint32_t)side));
    if (add.op != OP_ADD || was->op != OP_ADD)
        return IR_NONE;
    for (int i = 0; i < 2; i++) {
        ir_ref c = ir_arg(b->fn, &add, (uint32_t)i);
        ir_ref t = ir_arg(b->fn, &add, (uint32_t)(1 - i));
        if (!single(cx, old, was, i) || !is_const(b, t))
            continue;
        out = scaled(b, c, s);
        if (out != IR_NONE)
            return ir_2(b, OP_ADD, out, ir_2(b, OP_MUL, t, s));
    }
    return IR_NONE;
}

static ir_ref rule(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                   const ir_ref *a)
{
    scale_cx *cx = vcx;

    if (n->op != OP_MUL || !dt_is_float(ir_type_of(b->fn, a[0])->dtype))
        return IR_NONE;
    ir_ref out = try_mul(cx, b, old, n, a, 0);
    return out != IR_NONE ? out : try_mul(cx, b, old, n, a, 1);
}

bool pass_scale(pass_ctx *cx, ir_fn *fn)
{
    scale_cx s = {.uses = ir_use_counts(fn, &cx->scratch)};

    return ir_rewrite(cx->m, fn, cx->d, rule, &s);
}
