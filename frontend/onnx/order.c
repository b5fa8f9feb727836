/* frontend/onnx/order.c - TopK, Unique, NonZero, Compress, NonMaxSuppression: results
 * whose order or size depends on the data. */
#include <math.h>

#include "../onnx_build.h"

/* A symbol for an extent that is known only when the node has run. */
static uint32_t new_symbol(onnx_op *n, const char *name)
{
    return dim_symbol_id(onnx_dims(n), dim_symbol_new(onnx_dims(n), name, 0, INT64_MAX));
}

/* Before opset 10 k is an attribute; `largest` came with 11. */
bool onnx_topk(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    ir_dim k[1] = {{0}};
    int axis, count;

    if (!onnx_axis(n, onnx_int(n, "axis", -1), onnx_rank(n, x), &axis))
        return false;
    if (n->since < 10)
        k[0] = dim_int(onnx_dims(n), onnx_int(n, "k", 0));
    else if (!onnx_dim_list(n, 1, k, 1, &count) || count != 1)
        return onnx_fail(n, "K must have one element");
    ir_check_dims(n->b, dim_le(onnx_dims(n), k[0], onnx_dim(n, x, axis)),
                  "K is greater than the extent of the axis");
    ir_attr a = {.TOPK = {.axis = axis, .k = k[0], .largest = onnx_int(n, "largest", 1)}};
    ir_ref r = ir_make(n->b, OP_TOPK, &x, 1, &a);
    return onnx_out(n, 0, r) && onnx_out(n, 1, r + 1);
}

/* Up to four results: the elements, where each occurs first, where each element of
 * x went, and how often each occurs.  Their extent is a symbol of the node. */
bool onnx_unique(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int axis = 0;
    bool flat = !onnx_attr(n, "axis");

    if (!flat && !onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    ir_attr a = {.UNIQUE = {.sym = new_symbol(n, "unique"), .axis = axis, .flat = flat,
                            .unsorted = !onnx_int(n, "sorted", 1)}};
    ir_ref r = ir_make(n->b, OP_UNIQUE, &x, 1, &a);
    for (int i = 0; i < n->nout; i++)
        if (onnx_wants(n, i) && !onnx_out(n, i, r == IR_NONE ? r : r + (ir_ref)i))
            return false;
    return true;
}

/* The indices of what is not zero, [rank, count]. */
static ir_ref places(onnx_op *n, ir_ref x)
{
    return ir_make(n->b, OP_NONZERO, &x, 1,
                   &(ir_attr){.NONZERO = {.sym = new_symbol(n, "nonzero")}});
}

/* A scalar counts as a vector of one element. */
bool onnx_nonzero(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    if (x != IR_NONE && !onnx_rank(n, x))
        x = ir_unsqueeze(n->b, x, 0);
    return onnx_out(n, 0, places(n, x));
}

/* The condition may be shorter than the axis. */
bool onnx_compress(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), on = onnx_in(n, 1);
    bool flat = !onnx_attr(n, "axis");
    int32_t perm[IR_MAX_RANK];
    int axis = 0;

    if (x == IR_NONE || on == IR_NONE || onnx_rank(n, on) != 1)
        return onnx_fail(n, "takes a tensor and a vector of conditions");
    if (flat) {
        ir_dim count = type_count(&n->b->m->types, onnx_type(n, x));
        x = ir_reshape(n->b, x, &count, 1);
    } else if (!onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis)) {
        return false;
    }
    ir_check_dims(n->b, dim_le(onnx_dims(n), onnx_dim(n, on, 0), onnx_dim(n, x, axis)),
                  "there are more conditions than elements along the axis");
    ir_ref index = ir_squeeze(n->b, places(n, on), 0);
    ir_ref y = ir_gather(n->b, x, &index, (int32_t[]){axis}, 1, false);
    for (int i = 0; i < onnx_rank(n, x); i++)
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    return onnx_out(n, 0, ir_transpose(n->b, y, perm));
}

/* Operand i as a scalar, or a constant where it is left out. */
static ir_ref scalar_or(onnx_op *n, int i, ir_dtype dt, double otherwise)
{
    if (onnx_has(n, i))
        return ir_reshape(n->b, onnx_in(n, i), NULL, 0);
    return dt_is_float(dt) ? ir_float(n->b, dt, otherwise) : ir_int(n->b, dt, (int64_t)otherwise);
}

bool onnx_non_max_suppression(onnx_op *n)
{
    ir_ref arg[5] = {onnx_in(n, 0), onnx_in(n, 1), scalar_or(n, 2, DT_I64, 0),
                     scalar_or(n, 3, DT_F32, 0), scalar_or(n, 4, DT_F32, -INFINITY)};
    ir_attr a = {.NMS = {.sym = new_symbol(n, "chosen"),
                         .center = onnx_int(n, "center_point_box", 0)}};

    return onnx_out(n, 0, ir_make(n->b, OP_NMS, arg, 5, &a));
}
