/* frontend/onnx/loss.c - losses of classes: x [N, C, D..], target [N, D..].
 *
 *    loss[n, d..] = -w[target[n, d..]] * x[n, target[n, d..], d..]
 *
 * Weights w[C] may be missing.  The mean divides by the sum of the weights, not by
 * the number of targets.  A target that is to be ignored becomes -1, which reads 0
 * from x and from w. */
#include "../onnx_build.h"

/* x at the target's class: [N, D..], 0 where there is no such class. */
static ir_ref at_target(onnx_op *n, ir_ref x, ir_ref target)
{
    const ir_type *t = onnx_type(n, target);
    ir_ref index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int rank = onnx_rank(n, x);

    for (int i = 0; i < rank; i++) {
        axes[i] = i;
        index[i] = i == 1 ? target : ir_iota(n->b, DT_I64, t->dim, t->rank, i ? i - 1 : 0);
    }
    return ir_gather(n->b, x, index, axes, rank, true);
}

/* The targets as i64 in the shape of x without its classes; -1, which is no class,
 * where they are to be ignored. */
static ir_ref load_target(onnx_op *n, ir_ref x)
{
    const ir_type *t = onnx_type(n, x);
    ir_ref target = ir_cast(n->b, onnx_in(n, 1), DT_I64);
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < t->rank - 1; i++)
        shape[i] = t->dim[i ? i + 1 : 0];
    target = onnx_shaped(n, "target", target, shape, t->rank - 1);
    if (target == IR_NONE || !onnx_attr(n, "ignore_index"))
        return target;
    ir_ref ignored = onnx_splat_like(n, target, (double)onnx_int(n, "ignore_index", 0));
    ir_ref ignore = ir_2(n->b, OP_EQ, target, ignored);
    return ir_select(n->b, ignore, onnx_splat_like(n, target, -1), target);
}

/* What each target counts, to *w: the weight of its class of x, 0 for no class; none
 * if all count 1. */
static bool target_weights(onnx_op *n, ir_ref x, ir_ref target, ir_ref *w)
{
    ir_dtype dt = onnx_dtype(n, x);

    *w = IR_NONE;
    if (onnx_has(n, 2)) {
        ir_ref each = onnx_shaped(n, "weights", onnx_in(n, 2), &onnx_type(n, x)->dim[1], 1);
        *w = ir_gather(n->b, ir_cast(n->b, each, dt), &target, (int32_t[]){0}, 1, true);
        return *w != IR_NONE;
    }
    if (!onnx_attr(n, "ignore_index"))
        return true;
    *w = ir_cast(n->b, ir_2(n->b, OP_LE, onnx_splat_like(n, target, 0), target), dt);
    return *w != IR_NONE;
}

/* A scalar. */
static ir_ref sum_all(onnx_op *n, ir_ref x)
{
    int32_t axes[IR_MAX_RANK];

    for (int i = 0; i < onnx_rank(n, x); i++)
        axes[i] = i;
    return ir_reduce(n->b, x, RED_SUM, axes, onnx_rank(n, x));
}

/* Losses [N, D..], their sum, or their mean by weight. */
static ir_ref reduced(onnx_op *n, ir_ref loss, ir_ref w)
{
    const ir_type *t = onnx_type(n, loss);
    const char *how = onnx_choice(n, "reduction", "mean none sum");

    if (!strcmp(how, "none") || loss == IR_NONE)
        return loss;
    if (!strcmp(how, "sum"))
        return sum_all(n, loss);
    ir_ref count = w != IR_NONE
                       ? sum_all(n, w)
                       : ir_cast(n->b, ir_dim_ref(n->b, dim_product(onnx_dims(n), t->dim, t->rank)),
                                 t->dtype);
    return ir_2(n->b, OP_DIV, sum_all(n, loss), count);
}

/* -x[target] weighted, in x's type: x holds logarithms of probabilities. */
static ir_ref likelihood_loss(onnx_op *n, ir_ref x)
{
    ir_dtype dt = onnx_dtype(n, x);
    ir_ref target, w;

    x = onnx_widened(n, x);
    target = load_target(n, x);
    if (target == IR_NONE || !target_weights(n, x, target, &w))
        return IR_NONE;
    ir_ref loss = ir_1(n->b, OP_NEG, at_target(n, x, target));
    if (w != IR_NONE)
        loss = ir_2(n->b, OP_MUL, loss, w);
    return ir_cast(n->b, reduced(n, loss, w), dt);
}

/* x of at least rank 2, target of one less. */
static bool has_operands(onnx_op *n)
{
    if (!onnx_has(n, 0) || !onnx_has(n, 1))
        return onnx_fail(n, "takes scores and targets");
    int rank = onnx_rank(n, onnx_in(n, 0)), targets = onnx_rank(n, onnx_in(n, 1));
    if (rank < 2 || targets != rank - 1)
        return onnx_fail(n, "scores of rank %d and targets of rank %d", rank, targets);
    return true;
}

bool onnx_nll_loss(onnx_op *n)
{
    return has_operands(n) && onnx_out(n, 0, likelihood_loss(n, onnx_in(n, 0)));
}

/* x are scores here: their logarithmic softmax along the classes comes first, and
 * is the second result. */
bool onnx_softmax_loss(onnx_op *n)
{
    if (!has_operands(n))
        return false;
    ir_ref x = onnx_softmax_of(n, onnx_in(n, 0), 1, true);
    onnx_out(n, 1, x);
    return x != IR_NONE && onnx_out(n, 0, likelihood_loss(n, x));
}
