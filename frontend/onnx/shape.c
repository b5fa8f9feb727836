/* frontend/onnx/shape.c - constants, shapes, tensors made from nothing.
 *
 * A shape that a graph computes - Shape, Gather, Mul, Concat, Reshape - is data to
 * ONNX. Here it stays a list of dims: Shape yields DIM nodes, scalar ops on them
 * fold into dims (ir/build_fold.c), and onnx_dim_list reads them back, so that
 * Reshape gets [n, 4 * d] and not a list that only the run knows. */
#include "../onnx_build.h"

static const ir_dim zero = {0}, one = {1};

/* ---- constants and shapes -------------------------------------------------------- */

/* One of seven attributes has the value: a tensor, a number, a list of numbers, .. */
bool onnx_constant(onnx_op *n)
{
    const Onnx__AttributeProto *a;

    if ((a = onnx_attr(n, "value")) && a->t)
        return onnx_out(n, 0, onnx_tensor_weight(n, a->t));
    if ((a = onnx_attr(n, "value_int")))
        return onnx_out(n, 0, ir_int(n->b, DT_I64, a->i));
    if ((a = onnx_attr(n, "value_float")))
        return onnx_out(n, 0, ir_float(n->b, DT_F32, (double)a->f));
    if ((a = onnx_attr(n, "value_ints")))
        return onnx_out(n, 0, ir_const_ref(n->b, const_copy(n->b->m,
                        ir_ty(n->b, DT_I64, (ir_dim[]){{(int64_t)a->n_ints}}, 1), a->ints,
                        a->n_ints * 8)));
    if ((a = onnx_attr(n, "value_floats")))
        return onnx_out(n, 0, ir_const_ref(n->b, const_copy(n->b->m,
                        ir_ty(n->b, DT_F32, (ir_dim[]){{(int64_t)a->n_floats}}, 1), a->floats,
                        a->n_floats * 4)));
    return onnx_gap(n, "strings and sparse values");
}

/* A shape operand's dims. */
static bool shape_list(onnx_op *n, int i, ir_dim *out, int *rank)
{
    return onnx_dim_list(n, i, out, IR_MAX_RANK, rank) &&
           (*rank >= 0 || onnx_fail(n, "takes a shape"));
}

/* One element in all places.  A constant of a static shape, so that it can fold; of
 * a symbolic one a broadcast. */
bool onnx_constant_of_shape(onnx_op *n)
{
    const Onnx__AttributeProto *a = onnx_attr(n, "value");
    ir_dim shape[IR_MAX_RANK];
    int rank;

    if (!shape_list(n, 0, shape, &rank))
        return false;
    ir_ref v = a && a->t ? onnx_tensor(n, a->t) : ir_float(n->b, DT_F32, 0);
    v = ir_reshape(n->b, v, NULL, 0);
    if (v == IR_NONE)
        return false;
    const ir_node *c = ir_node_of(n->b->fn, v);
    const ir_type *t = ir_ty(n->b, onnx_dtype(n, v), shape, rank);
    uint8_t element[16];
    if (c->op != OP_CONST || !type_static(&n->b->m->types, t) ||
        !const_is_splat(n->b->m, c->attr->CONST.id, element))
        return onnx_out(n, 0, ir_broadcast(n->b, v, shape, rank, NULL));
    return onnx_out(n, 0, ir_const_ref(n->b, const_splat(n->b->m, t, element)));
}

/* Shape's start and end from the end if negative, and kept within 0 .. rank. */
static int64_t clamp_axis(int64_t a, int rank)
{
    a = a < 0 ? a + rank : a;
    return a < 0 ? 0 : a > rank ? rank : a;
}

/* From opset 15 on a part of the extents, start to end. */
bool onnx_shape(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);

    if (x == IR_NONE || onnx_type(n, x)->kind != TY_TENSOR)
        return onnx_fail(n, "takes a tensor");
    int rank = onnx_rank(n, x);
    int64_t from = clamp_axis(onnx_int(n, "start", 0), rank);
    int64_t to = clamp_axis(onnx_int(n, "end", rank), rank);
    return onnx_out(n, 0, ir_dims_ref(n->b, onnx_type(n, x)->dim + from,
                                      to > from ? (int)(to - from) : 0));
}

/* The number of elements, i64. */
bool onnx_size(onnx_op *n)
{
    return onnx_out(n, 0,
                    ir_dim_ref(n->b, type_count(&n->b->m->types, onnx_type(n, onnx_in(n, 0)))));
}

/* The extent that stands for -1: all elements over the product of the rest. */
static ir_dim infer_extent(onnx_op *n, ir_ref x, const ir_dim *shape, int rank, int skip)
{
    ir_dim rest = one;

    for (int i = 0; i < rank; i++)
        if (i != skip)
            rest = dim_mul(onnx_dims(n), rest, shape[i]);
    return dim_div(onnx_dims(n), type_count(&n->b->m->types, onnx_type(n, x)), rest);
}

/* What extent i of the list is once 0 stands for the operand's own.  Data may be 0 as
 * well; what comes from extents, and so is not negative, is meant as it is. */
static ir_dim copied_extent(onnx_op *n, ir_ref x, ir_dim given, int i)
{
    dim_table *t = onnx_dims(n);

    if (i >= onnx_rank(n, x) || (dim_lo(t, given) >= 0 && !dim_is(t, given, 0)))
        return given;
    return dim_select(t, dim_eq(t, given, zero), onnx_dim(n, x, i), given);
}

/* Are the extents that are known legal ones?  *infer: the one that is -1, or -1. */
static bool check_extents(onnx_op *n, ir_ref x, const ir_dim *shape, int rank, bool zero_copies,
                          int *infer)
{
    int64_t v;

    *infer = -1;
    for (int i = 0; i < rank; i++) {
        if (!dim_const(onnx_dims(n), shape[i], &v))
            continue;
        if (v == 0 && zero_copies && i >= onnx_rank(n, x))
            return onnx_fail(n, "0 at axis %d, which the operand does not have", i);
        if (v < -1)
            return onnx_fail(n, "extent %lld at axis %d", (long long)v, i);
        if (v == -1 && *infer >= 0)
            return onnx_fail(n, "more than one extent is -1");
        if (v == -1)
            *infer = i;
    }
    return true;
}

/* In a file whose rows may be any, a first extent that is a number is a number of rows, or of
 * parts of rows: it follows from the operand's, [1, -1] of [N, 2, 3] as [N, -1]. */
static void free_rows(onnx_op *n, ir_ref x, ir_dim *shape, int rank, int infer)
{
    const dim_table *t = onnx_dims(n);
    ir_dim rows;
    int64_t fixed, v;
    bool known = true;

    if (!rank || !onnx_any_rows(n, &rows, &fixed) ||
        type_static(&n->b->m->types, onnx_type(n, x)) || !dim_const(t, shape[0], &v))
        return;
    for (int i = 1; i < rank; i++)
        known &= dim_const(t, shape[i], &v);
    if (infer < 0 && known)
        shape[0] = infer_extent(n, x, shape, rank, 0);
    else if (infer > 0 && dim_is(t, shape[0], fixed) && onnx_rank(n, x) &&
             dim_same(onnx_dim(n, x, 0), rows))
        shape[0] = rows;
}

/* Reshape as ONNX has it: an extent of -1 is what is left, and if `zero_copies` one of 0 is
 * the operand's.  Extents that only the run knows may be -1, too. */
static bool reshape_to(onnx_op *n, ir_ref x, ir_dim *shape, int rank, bool zero_copies)
{
    dim_table *t = onnx_dims(n);
    int infer;

    if (!check_extents(n, x, shape, rank, zero_copies, &infer))
        return false;
    for (int i = 0; i < rank && zero_copies; i++)
        shape[i] = copied_extent(n, x, shape[i], i);
    free_rows(n, x, shape, rank, infer);
    if (infer >= 0)
        shape[infer] = infer_extent(n, x, shape, rank, infer);
    for (int i = 0; i < rank; i++)      /* a run-time extent may be -1 as well */
        if (dim_lo(t, shape[i]) < 0) {
            ir_dim all = infer_extent(n, x, shape, rank, i);
            ir_dim d = dim_select(t, dim_eq(t, shape[i], dim_int(t, -1)), all, shape[i]);
            shape[i] = dim_max(t, d, zero);
        }
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, rank));
}

bool onnx_reshape_1(onnx_op *n)
{
    int len;
    const int64_t *list = onnx_ints(n, "shape", &len);
    ir_dim shape[IR_MAX_RANK];

    if (len < 0 || len > IR_MAX_RANK)
        return onnx_fail(n, "takes a shape");
    for (int i = 0; i < len; i++)
        shape[i] = dim_int(onnx_dims(n), list[i]);
    return reshape_to(n, onnx_in(n, 0), shape, len, true);
}

bool onnx_reshape(onnx_op *n)
{
    ir_dim shape[IR_MAX_RANK];
    int rank;

    return shape_list(n, 1, shape, &rank) &&
           reshape_to(n, onnx_in(n, 0), shape, rank, !onnx_int(n, "allowzero", 0));
}

/* [product of the axes before `axis`, product of the rest]; either is 1 if there
 * are none. */
bool onnx_flatten(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    const ir_type *t = onnx_type(n, x);
    int64_t axis = onnx_int(n, "axis", 1);

    if (axis < -t->rank || axis > t->rank)
        return onnx_fail(n, "axis %lld is out of range", (long long)axis);
    int a = (int)(axis < 0 ? axis + t->rank : axis);
    ir_dim shape[2];
    shape[0] = dim_product(onnx_dims(n), t->dim, a);
    shape[1] = dim_product(onnx_dims(n), t->dim + a, t->rank - a);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, 2));
}

/* Which axes go where no list names them: those of extent 1.  One that only the run knows
 * stays, as other nodes need to know a rank: [n,3,1] becomes [n,3], and a run with n = 1
 * stops.  It goes on where the result is one of the model: then n is left out of it. */
static void squeezed_axes(onnx_op *n, ir_ref x, bool *drop)
{
    dim_table *t = onnx_dims(n);
    uint32_t open = 0;
    int rank = 0;

    for (int i = 0; i < onnx_rank(n, x); i++) {
        drop[i] = dim_is(t, onnx_dim(n, x, i), 1);
        if (!drop[i] && !dim_differ(t, onnx_dim(n, x, i), one))
            open |= 1u << rank;
        rank += !drop[i];
    }
    if (!open || onnx_loose(n, 0, open))
        return;
    for (int i = 0; i < onnx_rank(n, x); i++)
        if (!drop[i])
            ir_check_dims(n->b, dim_eq(t, dim_eq(t, onnx_dim(n, x, i), one), zero),
                          "Squeeze without axes: an extent is 1 that the model leaves open; "
                          "bind it with --dim or --shape");
}

/* An axis that is named has extent 1, or the reshape has another number of
 * elements, which is an error or a check of the run. */
bool onnx_squeeze(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int64_t list[IR_MAX_RANK];
    int len, axis, rank = onnx_rank(n, x), k = 0;
    bool drop[IR_MAX_RANK] = {false};
    ir_dim shape[IR_MAX_RANK];

    if (!onnx_int_list(n, "axes", 1, list, IR_MAX_RANK, &len))
        return false;
    for (int i = 0; i < len; i++) {
        if (!onnx_axis(n, list[i], rank, &axis))
            return false;
        drop[axis] = true;
    }
    if (len < 0)
        squeezed_axes(n, x, drop);
    for (int i = 0; i < rank; i++)
        if (!drop[i])
            shape[k++] = onnx_dim(n, x, i);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, k));
}

/* Axes count in the result, where they have extent 1. */
bool onnx_unsqueeze(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int64_t list[IR_MAX_RANK];
    int len, axis, k = 0;
    bool fresh[IR_MAX_RANK] = {false};
    ir_dim shape[IR_MAX_RANK];

    if (!onnx_int_list(n, "axes", 1, list, IR_MAX_RANK, &len))
        return false;
    if (len < 0 || onnx_rank(n, x) + len > IR_MAX_RANK)
        return onnx_fail(n, "takes axes, at most %d in all", IR_MAX_RANK);
    int rank = onnx_rank(n, x) + len;
    for (int i = 0; i < len; i++) {
        if (!onnx_axis(n, list[i], rank, &axis))
            return false;
        if (fresh[axis])
            return onnx_fail(n, "axis %d is given twice", axis);
        fresh[axis] = true;
    }
    for (int i = 0; i < rank; i++)
        shape[i] = fresh[i] ? one : onnx_dim(n, x, k++);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, rank));
}

/* Broadcast both ways: the shape's 1 keeps the operand's extent. */
bool onnx_expand(onnx_op *n)
{
    ir_dim shape[IR_MAX_RANK];
    int rank;
    ir_ref x = onnx_in(n, 0);

    if (!shape_list(n, 1, shape, &rank))
        return false;
    /* numpy's rule for both: broadcast against a value of that shape */
    ir_ref both[2] = {x, ir_broadcast(n->b, onnx_like(n, x, 0), shape, rank, NULL)};
    return ir_broadcast_all(n->b, both, 2) && onnx_out(n, 0, both[0]);
}

/* ---- made from nothing ------------------------------------------------------------------- */

/* n = max(ceil((limit - start) / delta), 0) elements start + i * delta */
bool onnx_range(onnx_op *n)
{
    ir_build *b = n->b;
    ir_ref s = onnx_in(n, 0), e = onnx_in(n, 1), d = onnx_in(n, 2);
    dim_table *t = onnx_dims(n);
    ir_dim extent;
    int64_t step;

    if (s == IR_NONE || e == IR_NONE || d == IR_NONE)
        return onnx_fail(n, "takes three operands");
    ir_dtype dt = onnx_dtype(n, s);
    s = ir_reshape(b, s, NULL, 0), e = ir_reshape(b, e, NULL, 0), d = ir_reshape(b, d, NULL, 0);
    const ir_dim *ds;
    int64_t count;
    if (dt_is_int(dt) && ir_known(b, d, &ds, &count) && dim_const(t, ds[0], &step) && step) {
        ir_dim from = ir_bind(b, s, "start"), to = ir_bind(b, e, "limit");
        bool up = step > 0;
        ir_dim span = up ? dim_sub(t, to, from) : dim_sub(t, from, to);
        ir_dim by = up ? ds[0] : dim_neg(t, ds[0]);
        extent = dim_max(t, dim_ceildiv(t, span, by), zero);
    } else {
        ir_ref q = ir_cast(b, e, DT_F64);
        q = ir_2(b, OP_SUB, q, ir_cast(b, s, DT_F64));
        q = ir_1(b, OP_CEIL, ir_2(b, OP_DIV, q, ir_cast(b, d, DT_F64)));
        q = ir_cast(b, q, DT_I64);
        q = ir_2(b, OP_MAX, q, ir_int(b, DT_I64, 0));
        extent = dim_max(t, ir_bind(b, q, "range"), zero);
    }
    ir_ref i = ir_cast(b, ir_iota(b, DT_I64, &extent, 1, 0), dt);
    i = ir_2(b, OP_MUL, i, ir_broadcast(b, d, &extent, 1, NULL));
    return onnx_out(n, 0, ir_2(b, OP_ADD, ir_broadcast(b, s, &extent, 1, NULL), i));
}

/* 1 where column = row + k */
bool onnx_eye_like(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    const ir_type *t = onnx_type(n, x);
    ir_dtype dt = dt_from_onnx(onnx_int(n, "dtype", dt_of(t->dtype)->onnx));

    if (t->rank != 2 || dt == DT_NONE)
        return onnx_fail(n, "takes a matrix");
    ir_ref row = ir_iota(n->b, DT_I64, t->dim, 2, 0), col = ir_iota(n->b, DT_I64, t->dim, 2, 1);
    row = ir_2(n->b, OP_ADD, row, onnx_splat_like(n, row, (double)onnx_int(n, "k", 0)));
    return onnx_out(n, 0, ir_cast(n->b, ir_2(n->b, OP_EQ, row, col), dt));
}

/* x where column >= row + k (upper) or column <= row + k, else 0, of the last two
 * axes. */
bool onnx_trilu(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), k = onnx_in(n, 1);
    const ir_type *t = onnx_type(n, x);

    if (t->rank < 2)
        return onnx_fail(n, "takes matrices");
    k = k == IR_NONE ? ir_int(n->b, DT_I64, 0) : ir_reshape(n->b, k, NULL, 0);
    ir_ref row = ir_iota(n->b, DT_I64, t->dim, t->rank, t->rank - 2);
    ir_ref col = ir_iota(n->b, DT_I64, t->dim, t->rank, t->rank - 1);
    row = ir_2(n->b, OP_ADD, row, ir_broadcast(n->b, k, t->dim, t->rank, NULL));
    ir_ref keep =
        onnx_int(n, "upper", 1) ? ir_2(n->b, OP_LE, row, col) : ir_2(n->b, OP_LE, col, row);
    return onnx_out(n, 0, ir_select(n->b, keep, x, onnx_splat_like(n, x, 0)));
}
