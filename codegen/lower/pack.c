/* codegen/lower/pack.c - constants rearranged at compile time.  Each step is one
 * more link of the constant's chain (ir/const.h): nothing is copied until the
 * weights are written, and they are read once then.  Weights f32[N,K] of a product
 * become panels by pad N to a multiple of NR, reshape [N/NR, NR, K], transpose
 * [N/NR, K, NR]. */
#include "pack.h"

#include "axes.h"
#include "const.h"

/* The type of the link's result is given by the caller, who knows the shape. */
static void link(pack *p, unsigned op, const ir_attr *a, uint32_t other, int rank,
                 const ir_dim *shape)
{
    ir_dtype dt = p->m->consts.at[p->id].type->dtype;
    const ir_type *type = type_tensor(&p->m->types, dt, rank, shape);

    p->id = const_linked(p->m, p->id,
                         (ir_link){(uint16_t)op, ir_attr_intern(p->m, op, a), other, type});
}

void pack_transpose(pack *p, const int32_t *perm, int rank)
{
    const ir_type *from = p->m->consts.at[p->id].type;
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < rank; i++)
        shape[i] = from->dim[perm[i]];
    link(p, OP_TRANSPOSE, &(ir_attr){.TRANSPOSE = {.perm = {rank, perm}}}, 0, rank, shape);
}

void pack_reshape(pack *p, const int64_t *extent, int rank)
{
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < rank; i++)
        shape[i] = dim_int(&p->m->dims, extent[i]);
    link(p, OP_RESHAPE, &(ir_attr){.RESHAPE = {.shape = {rank, shape}}}, 0, rank, shape);
}

/* Zeros behind the axis up to a multiple of `step`; returns the new extent. */
int64_t pack_pad(pack *p, int axis, int64_t step)
{
    const ir_type *from = p->m->consts.at[p->id].type;
    dim_table *t = &p->m->dims;
    ir_dim shape[IR_MAX_RANK], low[IR_MAX_RANK] = {{0}}, high[IR_MAX_RANK] = {{0}};
    int rank = from->rank;
    int64_t n, wide;

    ICE_IF(!dim_const(t, from->dim[axis], &n), "a constant's extent is not constant");
    wide = (n + step - 1) / step * step;
    if (wide == n)
        return n;
    memcpy(shape, from->dim, (size_t)rank * sizeof *shape);
    shape[axis] = dim_int(t, wide);
    high[axis] = dim_int(t, wide - n);
    uint32_t zero = const_int(p->m, type_scalar(&p->m->types, from->dtype), 0);
    link(p, OP_PAD, &(ir_attr){.PAD = {.low = {rank, low}, .high = {rank, high}}}, zero, rank,
         shape);
    return wide;
}

/* The last axis times the matrix: [.., S] becomes [.., P] for a matrix [P, S]. */
void pack_dot(pack *p, uint32_t matrix)
{
    const ir_type *from = p->m->consts.at[p->id].type;
    ir_dim shape[IR_MAX_RANK];
    int32_t last = from->rank - 1, one = 1;

    memcpy(shape, from->dim, (size_t)last * sizeof *shape);
    shape[last] = p->m->consts.at[matrix].type->dim[0];
    const ir_attr a = {.DOT = {.sum_a = {1, &last}, .sum_b = {1, &one},
                               .acc = DT_F32}};
    link(p, OP_DOT, &a, matrix, from->rank, shape);
}

/* Only position 0 of these axes. */
void pack_first(pack *p, ir_ints axes)
{
    const ir_type *from = p->m->consts.at[p->id].type;
    ir_dim start[IR_MAX_RANK] = {{0}}, step[IR_MAX_RANK], shape[IR_MAX_RANK];
    int rank = from->rank;

    for (int i = 0; i < rank; i++) {
        step[i] = (ir_dim){1};
        shape[i] = ir_has_axis(axes, i) ? step[i] : from->dim[i];
    }
    const ir_attr a = {
        .SLICE = {.start = {rank, start}, .step = {rank, step}, .extent = {rank, shape}}};
    link(p, OP_SLICE, &a, 0, rank, shape);
}
