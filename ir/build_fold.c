/* ir/build_fold.c - nodes whose operands are constants.
 *
 * A small result is computed now, by the evaluator, on a node that is added for that and
 * taken away again.  A big one stays a chain (ir/const.h): the op becomes one more link
 * on its operand, which costs nothing until the weight is read once, at the end of the
 * compilation.  What is neither stays a node of the run. */
#include "build_parts.h"
#include "eval.h"

enum {
    FOLD_BYTES = 64 * 1024,     /* larger results stay chains */
    MAX_FOLDED = 16             /* operands of a node that is evaluated */
};

/* ---- constants ----------------------------------------------------------------- */

static bool const_id(const ir_build *b, ir_ref x, uint32_t *id)
{
    const ir_node *n = ir_node_of(b->fn, x);

    if (n->op == OP_CONST)
        *id = n->attr->CONST.id;
    return n->op == OP_CONST;
}

/* A constant, or a broadcast of one as a constant of its own. */
static bool spread_const(const ir_build *b, ir_ref x, uint32_t *id)
{
    const ir_node *n = ir_node_of(b->fn, x);

    if (n->op != OP_BROADCAST)
        return const_id(b, x, id);
    if (!const_id(b, ir_arg(b->fn, n, 0), id))
        return false;
    *id = const_linked(b->m, *id, (ir_link){.op = OP_BROADCAST, .attr = n->attr,
                                            .type = ir_type_of(b->fn, x)});
    return true;
}

static ir_ref linked(ir_build *b, uint32_t id, ir_link link)
{
    return const_can_link(b->m, id, link) ? ir_const_ref(b, const_linked(b->m, id, link)) : IR_NONE;
}

/* The big constant's chain made longer; IR_NONE if this op is no link, or one
 * too many. */
static ir_ref fold_link(ir_build *b, const ir_infer *in)
{
    uint32_t id, other = 0;
    const ir_ref *a = in->args;

    if (!ir_op_links(in->op) || in->narg < 1)
        return IR_NONE;
    if (in->narg == 1)
        return const_id(b, a[0], &id)
                   ? linked(b, id, (ir_link){in->op, in->attr, 0, in->out[0]})
                   : IR_NONE;
    bool swap = (in->op == OP_ADD || in->op == OP_MUL) && !const_id(b, a[0], &id);
    if (!const_id(b, a[swap], &id) || !spread_const(b, a[!swap], &other))
        return IR_NONE;
    return linked(b, id, (ir_link){in->op, in->attr, other, in->out[0]});
}

/* Big constants joined: the sum of all, each padded to the whole with what
 * leaves every number as it is when added (-0 for floats, since 0 + -0 is 0). */
static ir_ref fold_concat(ir_build *b, const ir_infer *in)
{
    const ir_type *t = in->out[0];
    dim_table *dt = &b->m->dims;
    int axis = in->attr->CONCAT.axis;
    uint32_t id, whole = 0;
    ir_dim none[IR_MAX_RANK], low[IR_MAX_RANK], high[IR_MAX_RANK], at = {0};

    if (!dt_is_float(t->dtype) && (!dt_is_int(t->dtype) || t->dtype == DT_BOOL))
        return IR_NONE;
    const ir_type *one = type_scalar(&b->m->types, t->dtype);
    uint32_t neutral =
        dt_is_float(t->dtype) ? const_float(b->m, one, -0.0) : const_int(b->m, one, 0);
    for (int i = 0; i < t->rank; i++)
        none[i] = low[i] = high[i] = dim_int(dt, 0);
    for (uint32_t i = 0; i < in->narg; i++) {
        if (!spread_const(b, in->args[i], &id))
            return IR_NONE;
        ir_dim end = dim_add(dt, at, ir_type_of(b->fn, in->args[i])->dim[axis]);
        low[axis] = at;
        high[axis] = dim_sub(dt, t->dim[axis], end);
        ir_attr a = {.PAD = {{t->rank, low}, {t->rank, high}, {t->rank, none}}};
        ir_link pad = {OP_PAD, ir_attr_intern(b->m, OP_PAD, &a), neutral, t};
        if (!const_can_link(b->m, id, pad))
            return IR_NONE;
        id = const_linked(b->m, id, pad);
        ir_link add = {OP_ADD, NULL, id, t};
        if (i && !const_can_link(b->m, whole, add))
            return IR_NONE;
        whole = i ? const_linked(b->m, whole, add) : id;
        at = end;
    }
    return ir_const_ref(b, whole);
}

/* The constant's elements as a value of the evaluator; null if it is too large to
 * be one. */
static ir_val *const_val(ir_build *b, uint32_t id, arena *mem)
{
    const ir_type *t = b->m->consts.at[id].type;
    int64_t dim[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++)
        dim_const(&b->m->dims, t->dim[i], &dim[i]);
    ir_val *v = val_tensor(mem, t->dtype, t->rank, dim);
    if (v)
        const_read(b->m, id, 0, val_count(v), v->data);
    return v;
}

static bool small(const ir_build *b, const ir_type *t)
{
    int64_t n = t->kind == TY_TENSOR ? type_count_const(&b->m->types, t) : -1;

    return n >= 0 && n <= FOLD_BYTES && n * dt_size(t->dtype) <= FOLD_BYTES &&
           t->dtype != DT_STR;
}

/* May the operand be made whole to be evaluated?  A big one of whose elements a
 * reduction leaves few, too, while that takes a small part of the budget: the sums of
 * the columns of weights, say. */
static bool may_read(const ir_build *b, const ir_infer *in, const ir_type *t)
{
    enum { PART = 8 };
    int64_t n = type_count_const(&b->m->types, t);

    return small(b, t) ||
           (in->op == OP_REDUCE && n >= 0 && n <= b->m->fold_budget / PART);
}

/* The operands as values, if all are constants small enough to be evaluated; else
 * false, and the node is computed when the model runs. */
static bool operand_vals(ir_build *b, const ir_infer *in, arena *mem, ir_val **v)
{
    for (uint32_t i = 0; i < in->narg; i++) {
        uint32_t id;
        if (!spread_const(b, in->args[i], &id) || !may_read(b, in, b->m->consts.at[id].type))
            return false;
        v[i] = const_val(b, id, mem);
        if (!v[i])
            return false;
    }
    return true;
}

/* Evaluates the node just appended, on constants. */
static bool evaluate(ir_build *b, ir_val *const *args, arena *mem, ir_val **out)
{
    ir_eval e;

    ir_eval_init(&e, b->m, mem);
    e.steps = b->m->fold_budget;
    bool ok = ir_eval_node(&e, b->fn, &b->fn->node.at[b->fn->node.len - 1], args, out);
    b->m->fold_budget = max_i64(e.steps, 0);
    ir_eval_free(&e);
    return ok;
}

/* May the node be evaluated now?  All operands are constants or repeated constants, not all
 * of them the latter: what is a broadcast only stays one, which takes no memory. */
static bool foldable(const ir_build *b, const ir_infer *in)
{
    if (b->no_fold || b->m->fold_budget <= 0 || !in->narg || in->nres != 1 ||
        in->narg > MAX_FOLDED || ir_op_get(in->op)->fold != FOLD_VALUE)
        return false;
    bool real = false;
    uint32_t id;
    for (uint32_t i = 0; i < in->narg; i++) {
        const ir_node *n = ir_node_of(b->fn, in->args[i]);
        real |= n->op == OP_CONST;
        if (!const_id(b, in->args[i], &id) && n->op != OP_BROADCAST)
            return false;
    }
    return real && type_static(&b->m->types, in->out[0]);
}

/* A node that the evaluator can only look at where it stands is appended, and dropped
 * again whatever came of it. */
ir_ref build_fold(ir_build *b, const ir_infer *in)
{
    ir_val *args[MAX_FOLDED], *out[1] = {NULL};
    arena mem = {0};
    ir_ref r = IR_NONE;

    if (!foldable(b, in))
        return IR_NONE;
    if (!small(b, in->out[0]))
        return in->op == OP_CONCAT ? fold_concat(b, in) : fold_link(b, in);
    if (operand_vals(b, in, &mem, args)) {
        build_append(b, in->op, in->args, in->narg, in->attr, in);
        bool ok = evaluate(b, args, &mem, out);
        build_drop_last(b->fn);
        if (ok && out[0]->kind == TY_TENSOR)
            r = ir_const_ref(b, const_copy_val(b->m, in->out[0], out[0]->data));
    } else {
        r = fold_link(b, in);
    }
    arena_reset(&mem);
    return r;
}
