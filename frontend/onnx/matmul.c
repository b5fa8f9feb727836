/* frontend/onnx/matmul.c - matrix products.
 *
 * They become DOT nodes with explicit batch, contracted and free axes; turning an
 * operand only names other axes, it moves nothing. */
#include "../onnx_build.h"

/* As numpy's matmul: axes before the last two are broadcast, and a vector is a row
 * on the left, a column on the right, and gone from the result. */
bool onnx_matmul(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), y = onnx_in(n, 1);

    if (x == IR_NONE || y == IR_NONE)
        return onnx_fail(n, "takes two operands");
    return onnx_out(n, 0, ir_matmul(n->b, x, y));
}

/* The matrices of x turned, where the attribute says so. */
static ir_ref turned(onnx_op *n, ir_ref x, const char *attribute)
{
    int32_t perm[IR_MAX_RANK];
    int rank = onnx_rank(n, x);

    if (!onnx_int(n, attribute, 0) || rank < 2)
        return x;
    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return ir_transpose(n->b, x, perm);
}

/* alpha * op(A) op(B), of matrices in batches */
bool onnx_fused_matmul(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), y = onnx_in(n, 1);
    double alpha = onnx_float(n, "alpha", 1);

    if (x == IR_NONE || y == IR_NONE)
        return onnx_fail(n, "takes two operands");
    if (onnx_int(n, "transBatchA", 0) || onnx_int(n, "transBatchB", 0))
        return onnx_gap(n, "batches that are turned");
    ir_ref p = ir_matmul(n->b, turned(n, x, "transA"), turned(n, y, "transB"));
    if (alpha != 1 && p != IR_NONE)
        p = ir_2(n->b, OP_MUL, p, onnx_splat_like(n, p, alpha));
    return onnx_out(n, 0, p);
}

/* alpha * op(A) op(B) + beta * C */
bool onnx_gemm(onnx_op *n)
{
    ir_ref a = onnx_in(n, 0), b = onnx_in(n, 1), c = onnx_in(n, 2);
    int32_t sum_a[1] = {onnx_int(n, "transA", 0) ? 0 : 1};
    int32_t sum_b[1] = {onnx_int(n, "transB", 0) ? 1 : 0};
    double alpha = onnx_float(n, "alpha", 1), beta = onnx_float(n, "beta", 1);

    if (a == IR_NONE || b == IR_NONE || onnx_rank(n, a) != 2 || onnx_rank(n, b) != 2)
        return onnx_fail(n, "takes two matrices");
    ir_ref y =
        ir_dot(n->b, a, b, (ir_ints){0}, (ir_ints){0}, (ir_ints){1, sum_a}, (ir_ints){1, sum_b});
    if (y == IR_NONE)
        return false;
    if (alpha != 1)
        y = ir_2(n->b, OP_MUL, y, onnx_splat_like(n, y, alpha));
    if (c == IR_NONE || beta == 0)
        return onnx_out(n, 0, y);
    const ir_type *t = onnx_type(n, y);
    c = ir_broadcast_to(n->b, c, t->dim, t->rank);
    if (c != IR_NONE && beta != 1)
        c = ir_2(n->b, OP_MUL, c, onnx_splat_like(n, c, beta));
    return onnx_out(n, 0, ir_2(n->b, OP_ADD, y, c));
}
