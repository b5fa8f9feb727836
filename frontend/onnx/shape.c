/* frontend/onnx/shape.c - shapes, movement, indexing. */
#include "../onnx_build.h"

static const ir_dim zero = {0}, one = {1};

/* ---- constants and shapes -------------------------------------------------------- */

bool onnx_constant(onnx_op *n)
{
    const Onnx__AttributeProto *a;

    if ((a = onnx_attr(n, "value")) && a->t)
        return onnx_out(n, 0, onnx_tensor(n, a->t));
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

static int64_t clamp_axis(int64_t a, int rank)
{
    a = a < 0 ? a + rank : a;
    return a < 0 ? 0 : a > rank ? rank : a;
}

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

static bool reshape_to(onnx_op *n, ir_ref x, ir_dim *shape, int rank, bool zero_copies)
{
    dim_table *t = onnx_dims(n);
    int infer = -1;

    for (int i = 0; i < rank; i++) {
        int64_t v;
        bool known = dim_const(t, shape[i], &v);
        if (known && v == 0 && zero_copies) {
            if (i >= onnx_rank(n, x))
                return onnx_fail(n, "0 at axis %d, which the operand does not have", i);
            shape[i] = onnx_dim(n, x, i);
        } else if (known && v == -1) {
            if (infer >= 0)
                return onnx_fail(n, "more than one extent is -1");
            infer = i;
        } else if (known && v < 0) {
            return onnx_fail(n, "extent %lld at axis %d", (long long)v, i);
        }
    }
    if (infer >= 0)
        shape[infer] = infer_extent(n, x, shape, rank, infer);
    /* A run-time extent may be 0 or -1 as well. */
    for (int i = 0; i < rank; i++)
        if (dim_lo(t, shape[i]) < 0) {
            ir_dim copy = i < onnx_rank(n, x) && zero_copies ? onnx_dim(n, x, i) : zero;
            ir_dim all = infer_extent(n, x, shape, rank, i);
            ir_dim d = dim_select(t, dim_eq(t, shape[i], dim_int(t, -1)), all, shape[i]);
            shape[i] = dim_max(t, dim_select(t, dim_eq(t, shape[i], zero), copy, d), zero);
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

bool onnx_flatten(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    const ir_type *t = onnx_type(n, x);
    int64_t axis = onnx_int(n, "axis", 1);

    if (axis < -t->rank || axis > t->rank)
        return onnx_fail(n, "axis %lld is out of range", (long long)axis);
    int a = (int)(axis < 0 ? axis + t->rank : axis);
    ir_dim shape[2] = {dim_product(onnx_dims(n), t->dim, a),
                       dim_product(onnx_dims(n), t->dim + a, t->rank - a)};
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, 2));
}

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
    for (int i = 0; len < 0 && i < rank; i++)
        drop[i] = dim_is(onnx_dims(n), onnx_dim(n, x, i), 1);
    for (int i = 0; i < rank; i++)
        if (!drop[i])
            shape[k++] = onnx_dim(n, x, i);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, k));
}

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

/* ---- movement ----------------------------------------------------------------------- */

bool onnx_transpose(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int len, rank = onnx_rank(n, x), axis;
    const int64_t *list = onnx_ints(n, "perm", &len);
    int32_t perm[IR_MAX_RANK];
    bool seen[IR_MAX_RANK] = {false};

    if (len >= 0 && len != rank)
        return onnx_fail(n, "perm has %d axes, the operand %d", len, rank);
    for (int i = 0; i < rank; i++) {
        if (!onnx_axis(n, len >= 0 ? list[i] : rank - 1 - i, rank, &axis))
            return false;
        if (seen[axis])
            return onnx_fail(n, "perm names axis %d twice", axis);
        seen[axis] = true;
        perm[i] = axis;
    }
    return onnx_out(n, 0, ir_transpose(n->b, x, perm));
}

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

bool onnx_concat(onnx_op *n)
{
    ir_ref x[1024];
    int axis, used = 0;

    if (n->nin > (int)COUNT(x))
        return onnx_gap(n, "more than 1024 operands");
    for (int i = 0; i < n->nin; i++)
        if (onnx_in(n, i) != IR_NONE)
            x[used++] = onnx_in(n, i);
    if (!used)
        return onnx_fail(n, "takes operands");
    if (!onnx_axis(n, onnx_int(n, "axis", 1), onnx_rank(n, x[0]), &axis))
        return false;
    return onnx_out(n, 0, ir_concat(n->b, x, used, axis));
}

enum { FAR = 40 };              /* ends beyond 2^FAR mean "to the end" */

/* Is it a constant that far up, or down? */
static bool is_far(const dim_table *t, ir_dim d, bool up)
{
    int64_t v;

    return dim_const(t, d, &v) && (up ? v >= (int64_t)1 << FAR : v <= -((int64_t)1 << FAR));
}

/* A start or end as the standard counts it, from the end if negative, between
 * lo and hi.  Far ones would overflow as dims. */
static ir_dim clamp_end(dim_table *t, ir_dim x, ir_dim extent, ir_dim lo, ir_dim hi)
{
    if (is_far(t, x, true))
        return hi;
    if (is_far(t, x, false))
        return lo;
    x = dim_select(t, dim_lt(t, x, zero), dim_add(t, x, extent), x);
    return dim_min(t, dim_max(t, x, lo), hi);
}

/* Clamps a slice's ends as the standard does and takes it. */
static ir_ref slice_axis(onnx_op *n, ir_ref x, int axis, ir_dim start, ir_dim end, ir_dim step)
{
    dim_table *t = onnx_dims(n);
    ir_dim d = onnx_dim(n, x, axis), last = dim_sub(t, d, one);
    int64_t s;

    if (!dim_const(t, step, &s) || s == 0) {
        onnx_gap(n, s == 0 ? "a step of 0" : "steps computed at run time");
        return IR_NONE;
    }
    bool up = s > 0;
    start = clamp_end(t, start, d, zero, up ? d : last);
    end = clamp_end(t, end, d, up ? zero : dim_int(t, -1), up ? d : last);
    ir_dim span = up ? dim_sub(t, end, start) : dim_sub(t, start, end);
    ir_dim extent = dim_ceildiv(t, span, dim_int(t, up ? s : -s));
    return ir_slice_axis(n->b, x, axis, start, step, dim_max(t, extent, zero));
}

static bool slice_all(onnx_op *n, const ir_dim *start, const ir_dim *end, const ir_dim *step,
                      const int64_t *axes, int len)
{
    ir_ref x = onnx_in(n, 0);

    for (int i = 0; i < len && x != IR_NONE; i++) {
        int axis;
        if (!onnx_axis(n, axes ? axes[i] : i, onnx_rank(n, x), &axis))
            return false;
        x = slice_axis(n, x, axis, start[i], end[i], step ? step[i] : one);
    }
    return onnx_out(n, 0, x);
}

bool onnx_slice_1(onnx_op *n)
{
    int len, ends, naxes;
    const int64_t *s = onnx_ints(n, "starts", &len), *e = onnx_ints(n, "ends", &ends);
    const int64_t *axes = onnx_ints(n, "axes", &naxes);
    ir_dim start[IR_MAX_RANK], end[IR_MAX_RANK];

    if (len < 0 || len != ends || len > IR_MAX_RANK || (naxes >= 0 && naxes != len))
        return onnx_fail(n, "starts, ends and axes differ in length");
    for (int i = 0; i < len; i++) {
        start[i] = dim_int(onnx_dims(n), s[i]);
        end[i] = dim_int(onnx_dims(n), e[i]);
    }
    return slice_all(n, start, end, NULL, axes, len);
}

bool onnx_slice(onnx_op *n)
{
    ir_dim start[IR_MAX_RANK], end[IR_MAX_RANK], step[IR_MAX_RANK];
    int64_t axes[IR_MAX_RANK];
    int len, ends, naxes, steps;

    if (!onnx_dim_list(n, 1, start, IR_MAX_RANK, &len) ||
        !onnx_dim_list(n, 2, end, IR_MAX_RANK, &ends) ||
        !onnx_int_list(n, NULL, 3, axes, IR_MAX_RANK, &naxes) ||
        !onnx_dim_list(n, 4, step, IR_MAX_RANK, &steps))
        return false;
    if (len < 0 || len != ends || (naxes >= 0 && naxes != len) || (steps >= 0 && steps != len))
        return onnx_fail(n, "starts, ends, axes and steps differ in length");
    return slice_all(n, start, end, steps < 0 ? NULL : step, naxes < 0 ? NULL : axes, len);
}

/* Are the sizes of parts not negative, and their sum the extent?  Checked by
 * the run where only that knows. */
static bool sizes_fit(onnx_op *n, const ir_dim *size, int len, ir_dim extent)
{
    dim_table *t = onnx_dims(n);
    ir_dim sum = zero, ok = one;
    int64_t v;

    for (int i = 0; i < len; i++) {
        sum = dim_add(t, sum, size[i]);
        ok = dim_min(t, ok, dim_le(t, zero, size[i]));
    }
    ok = dim_min(t, ok, dim_eq(t, sum, extent));
    if (dim_const(t, ok, &v) && !v)
        return onnx_fail(n, "the sizes of the parts do not make up the extent");
    ir_check_dims(n->b, ok, "the sizes of the parts do not make up the extent");
    return true;
}

bool onnx_split(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    dim_table *t = onnx_dims(n);
    ir_dim size[256], start = zero;
    int axis, len;

    if (!onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    int parts = (int)onnx_int(n, "num_outputs", n->nout);
    const int64_t *attr = onnx_ints(n, "split", &len);
    if (attr && len <= (int)COUNT(size)) {
        for (int i = 0; i < len; i++)
            size[i] = dim_int(t, attr[i]);
    } else if (!attr && !onnx_dim_list(n, 1, size, COUNT(size), &len)) {
        return false;
    }
    if (len < 0) {
        ir_dim d = onnx_dim(n, x, axis), each = dim_ceildiv(t, d, dim_int(t, parts));
        if (parts < 1 || parts > (int)COUNT(size))
            return onnx_fail(n, "%d parts", parts);
        for (int i = 0; i < parts; i++) {
            ir_dim left = dim_max(t, dim_sub(t, d, dim_mul(t, each, dim_int(t, i))), zero);
            size[i] = dim_min(t, each, left);
        }
        len = parts;
    }
    if (!sizes_fit(n, size, len, onnx_dim(n, x, axis)))
        return false;
    for (int i = 0; i < n->nout && i < len; i++) {
        ir_ref y = ir_slice_axis(n->b, x, axis, start, one, size[i]);
        if (!onnx_out(n, i, y))
            return false;
        start = dim_add(t, start, size[i]);
    }
    return n->nout <= len || onnx_fail(n, "%d sizes for %d results", len, n->nout);
}

/* Repetition: [d] -> [r, d] -> [r * d] on every axis. */
bool onnx_tile(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    ir_dim repeat[IR_MAX_RANK], wide[2 * IR_MAX_RANK], shape[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int len, rank = onnx_rank(n, x);

    if (!onnx_dim_list(n, 1, repeat, IR_MAX_RANK, &len))
        return false;
    if (len != rank || 2 * rank > IR_MAX_RANK)
        return len != rank ? onnx_fail(n, "%d repeats for rank %d", len, rank)
                           : onnx_gap(n, "operands of rank over 8");
    for (int i = 0; i < rank; i++) {
        wide[2 * i] = dim_max(onnx_dims(n), repeat[i], zero);
        wide[2 * i + 1] = onnx_dim(n, x, i);
        axes[i] = 2 * i + 1;
        shape[i] = dim_mul(onnx_dims(n), wide[2 * i], wide[2 * i + 1]);
    }
    x = ir_broadcast(n->b, x, wide, 2 * rank, axes);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, rank));
}

/* ---- padding -------------------------------------------------------------------------- */

/* Index that reads back into [0, d): by reflection, the edge, or around. */
static ir_ref pad_index(onnx_op *n, ir_dim d, ir_dim low, ir_dim high, char mode)
{
    dim_table *t = onnx_dims(n);
    ir_dim extent = dim_add(t, d, dim_add(t, low, high));
    ir_ref i = ir_iota(n->b, DT_I64, &extent, 1, 0);
    const ir_type *ty = onnx_type(n, i);
    ir_build *b = n->b;

    i = ir_2(b, OP_SUB, i, ir_broadcast(b, ir_dim_ref(b, low), ty->dim, 1, NULL));
    ir_ref last = ir_broadcast(b, ir_dim_ref(b, dim_sub(t, d, one)), ty->dim, 1, NULL);
    ir_ref z = ir_broadcast(b, ir_int(b, DT_I64, 0), ty->dim, 1, NULL);
    if (mode == 'e')
        return ir_2(b, OP_MIN, ir_2(b, OP_MAX, i, z), last);
    if (mode == 'w')
        return ir_2(b, OP_MOD, i, ir_broadcast(b, ir_dim_ref(b, d), ty->dim, 1, NULL));
    /* reflect: period 2(d-1), then |.| folded back */
    ir_ref period = ir_2(b, OP_MUL, last, ir_broadcast(b, ir_int(b, DT_I64, 2), ty->dim, 1, NULL));
    period = ir_2(b, OP_MAX, period, ir_broadcast(b, ir_int(b, DT_I64, 1), ty->dim, 1, NULL));
    ir_ref m = ir_2(b, OP_MOD, i, period);
    return ir_2(b, OP_MIN, m, ir_2(b, OP_SUB, period, m));
}

static ir_ref take_axis(onnx_op *n, ir_ref x, int axis, ir_ref index)
{
    int32_t axes[1] = {axis}, perm[IR_MAX_RANK];
    ir_ref y = ir_gather(n->b, x, &index, axes, 1, false);

    if (y == IR_NONE)
        return y;
    for (int i = 0; i < onnx_rank(n, y); i++)  /* the index axis went first */
        perm[i] = i == axis ? 0 : i < axis ? i + 1 : i;
    return ir_transpose(n->b, y, perm);
}

static bool pad(onnx_op *n, const ir_dim *low, const ir_dim *high, ir_ref value)
{
    const char *mode = onnx_choice(
        n, "mode", n->version < 19 ? "constant reflect edge" : "constant reflect edge wrap");
    ir_ref x = onnx_in(n, 0);

    if (!strcmp(mode, "constant"))
        return onnx_out(n, 0, ir_pad(n->b, x, value, low, high, NULL));
    for (int i = 0; i < onnx_rank(n, x) && x != IR_NONE; i++)
        if (!dim_is(onnx_dims(n), low[i], 0) || !dim_is(onnx_dims(n), high[i], 0))
            x = take_axis(n, x, i, pad_index(n, onnx_dim(n, x, i), low[i], high[i], *mode));
    return onnx_out(n, 0, x);
}

bool onnx_pad_attr(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    int len, rank = onnx_rank(n, x);
    const int64_t *p = onnx_ints(n, n->since < 2 ? "paddings" : "pads", &len);
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK];

    if (len != 2 * rank)
        return onnx_fail(n, "%d pads for rank %d", len, rank);
    for (int i = 0; i < rank; i++) {
        low[i] = dim_int(onnx_dims(n), p[i]);
        high[i] = dim_int(onnx_dims(n), p[i + rank]);
    }
    return pad(n, low, high, onnx_like(n, x, onnx_float(n, "value", 0)));
}

bool onnx_pad(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), value = onnx_in(n, 2);
    ir_dim pads[2 * IR_MAX_RANK], low[IR_MAX_RANK], high[IR_MAX_RANK];
    int64_t axes[IR_MAX_RANK];
    int len, naxes, axis, rank = onnx_rank(n, x);

    if (!onnx_dim_list(n, 1, pads, 2 * IR_MAX_RANK, &len) ||
        !onnx_int_list(n, NULL, 3, axes, IR_MAX_RANK, &naxes))
        return false;
    int given = naxes < 0 ? rank : naxes;
    if (len != 2 * given)
        return onnx_fail(n, "%d pads for %d axes", len, given);
    for (int i = 0; i < rank; i++)
        low[i] = high[i] = zero;
    for (int i = 0; i < given; i++) {
        if (!onnx_axis(n, naxes < 0 ? i : axes[i], rank, &axis))
            return false;
        low[axis] = pads[i];
        high[axis] = pads[i + given];
    }
    value = value == IR_NONE ? onnx_like(n, x, 0) : ir_reshape(n->b, value, NULL, 0);
    return pad(n, low, high, value);
}

/* ---- indexing ---------------------------------------------------------------------------- */

/* Negative indices count from the end of the axis. */
static ir_ref wrap_index(onnx_op *n, ir_ref i, ir_dim extent)
{
    const ir_dim *elem;
    int64_t count, v;
    bool plain = true;

    i = ir_cast(n->b, i, DT_I64);
    if (i == IR_NONE)
        return i;
    if (ir_known(n->b, i, &elem, &count)) {
        for (int64_t k = 0; k < count; k++)
            plain = plain && dim_const(onnx_dims(n), elem[k], &v) && v >= 0;
        if (plain)
            return i;
    }
    const ir_type *t = onnx_type(n, i);
    ir_ref d = ir_broadcast(n->b, ir_dim_ref(n->b, extent), t->dim, t->rank, NULL);
    ir_ref below = ir_2(n->b, OP_LT, i, onnx_splat_like(n, i, 0));
    return ir_select(n->b, below, ir_2(n->b, OP_ADD, i, d), i);
}

/* The index axes stand where the axis was. */
bool onnx_gather(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1);
    int axis;
    int32_t axes[1], perm[IR_MAX_RANK];

    if (x == IR_NONE || i == IR_NONE)
        return onnx_fail(n, "takes two operands");
    if (!onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    int ri = onnx_rank(n, i);
    axes[0] = axis;
    i = wrap_index(n, i, onnx_dim(n, x, axis));
    ir_ref y = ir_gather(n->b, x, &i, axes, 1, false);
    if (y == IR_NONE)
        return false;
    int rank = onnx_rank(n, y);
    for (int k = 0; k < rank; k++)
        perm[k] = k < axis ? ri + k : k < axis + ri ? k - axis : k;
    return onnx_out(n, 0, ir_transpose(n->b, y, perm));
}

/* y[..i..] = x with axis replaced by index[..i..]: one index tensor per axis */
bool onnx_gather_elements(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), index[IR_MAX_RANK];
    int axis, rank;
    int32_t axes[IR_MAX_RANK];

    if (x == IR_NONE || i == IR_NONE)
        return onnx_fail(n, "takes two operands");
    rank = onnx_rank(n, x);
    if (!onnx_axis(n, onnx_int(n, "axis", 0), rank, &axis))
        return false;
    const ir_type *t = onnx_type(n, i);
    for (int k = 0; k < rank; k++) {
        axes[k] = k;
        index[k] = k == axis ? wrap_index(n, i, onnx_dim(n, x, axis))
                             : ir_iota(n->b, DT_I64, t->dim, t->rank, k);
    }
    return onnx_out(n, 0, ir_gather(n->b, x, index, axes, rank, false));
}

/* The last axis of `index` split into one tensor per leading axis of x. */
static bool split_index(onnx_op *n, ir_ref x, ir_ref i, int batch, ir_ref *index, int32_t *axes,
                        int *count)
{
    const ir_type *t = onnx_type(n, i);
    int64_t depth;

    if (t->rank < 1 || !dim_const(onnx_dims(n), t->dim[t->rank - 1], &depth) || depth < 1 ||
        depth > onnx_rank(n, x) - batch)
        return onnx_fail(n, "the indices' last extent does not fit");
    for (int k = 0; k < batch; k++) {
        index[k] = ir_iota(n->b, DT_I64, t->dim, t->rank - 1, k);
        axes[k] = k;
    }
    for (int k = 0; k < depth; k++) {
        ir_ref part = ir_slice_axis(n->b, i, t->rank - 1, (ir_dim){k}, one, one);
        part = ir_squeeze(n->b, part, t->rank - 1);
        index[batch + k] = wrap_index(n, part, onnx_dim(n, x, batch + k));
        axes[batch + k] = batch + k;
    }
    *count = batch + (int)depth;
    return true;
}

bool onnx_gather_nd(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), index[IR_MAX_RANK];
    int batch = (int)onnx_int(n, "batch_dims", 0), count;
    int32_t axes[IR_MAX_RANK];

    if (x == IR_NONE || i == IR_NONE || batch < 0 || batch >= onnx_rank(n, i))
        return onnx_fail(n, "takes two operands that fit");
    return split_index(n, x, i, batch, index, axes, &count) &&
           onnx_out(n, 0, ir_gather(n->b, x, index, axes, count, false));
}

static ir_redop scatter_op(onnx_op *n)
{
    static const char *const text[] = {"none", "add", "mul", "min", "max"};
    static const ir_redop value[] = {RED_SET, RED_SUM, RED_PROD, RED_MIN, RED_MAX};
    const char *how = onnx_choice(n, "reduction", "none add mul min max");
    size_t i = 0;

    while (strcmp(how, text[i]))
        i++;
    return value[i];
}

static bool scatter(onnx_op *n, ir_ref x, const ir_ref *index, const int32_t *axes, int count,
                    ir_ref updates)
{
    ir_ref args[IR_MAX_RANK + 2] = {x};
    ir_attr a = {.SCATTER = {.axes = {count, axes}}};

    a.SCATTER.op = scatter_op(n);
    for (int i = 0; i < count; i++)
        args[i + 1] = index[i];
    args[count + 1] = updates;
    return onnx_out(n, 0, ir_make(n->b, OP_SCATTER, args, (uint32_t)count + 2, &a));
}

bool onnx_scatter_nd(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), u = onnx_in(n, 2), index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int count;

    if (x == IR_NONE || i == IR_NONE || u == IR_NONE)
        return onnx_fail(n, "takes three operands");
    return split_index(n, x, i, 0, index, axes, &count) && scatter(n, x, index, axes, count, u);
}

bool onnx_scatter_elements(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), i = onnx_in(n, 1), u = onnx_in(n, 2), index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int axis;

    if (x == IR_NONE || i == IR_NONE || u == IR_NONE)
        return onnx_fail(n, "takes three operands");
    int rank = onnx_rank(n, x);
    if (!onnx_axis(n, onnx_int(n, "axis", 0), rank, &axis))
        return false;
    const ir_type *t = onnx_type(n, i);
    for (int k = 0; k < rank; k++) {
        axes[k] = k;
        index[k] = k == axis ? wrap_index(n, i, onnx_dim(n, x, axis))
                             : ir_iota(n->b, DT_I64, t->dim, t->rank, k);
    }
    return scatter(n, x, index, axes, rank, u);
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
        ir_dim span = step > 0 ? dim_sub(t, to, from) : dim_sub(t, from, to);
        extent = dim_max(t, dim_ceildiv(t, span, dim_int(t, step > 0 ? step : -step)), zero);
    } else {
        ir_ref q = ir_2(b, OP_SUB, ir_cast(b, e, DT_F64), ir_cast(b, s, DT_F64));
        q = ir_1(b, OP_CEIL, ir_2(b, OP_DIV, q, ir_cast(b, d, DT_F64)));
        q = ir_2(b, OP_MAX, ir_cast(b, q, DT_I64), ir_int(b, DT_I64, 0));
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

/* [.., depth, ..] with `on` where the index along the new axis fits */
bool onnx_one_hot(onnx_op *n)
{
    ir_build *b = n->b;
    ir_ref i = onnx_in(n, 0), depth = onnx_in(n, 1), values = onnx_in(n, 2);
    ir_dim shape[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int axis, rank = onnx_rank(n, i) + 1;

    if (rank > IR_MAX_RANK || !onnx_axis(n, onnx_int(n, "axis", -1), rank, &axis))
        return false;
    ir_dim d = dim_max(
        onnx_dims(n), ir_bind(b, ir_cast(b, ir_reshape(b, depth, NULL, 0), DT_I64), "depth"), zero);
    i = wrap_index(n, i, d);
    for (int k = 0, j = 0; k < rank; k++) {
        shape[k] = k == axis ? d : onnx_dim(n, i, j);
        if (k != axis)
            axes[j++] = k;
    }
    ir_ref at = ir_iota(b, DT_I64, shape, rank, axis);
    ir_ref hit = ir_2(b, OP_EQ, at, ir_broadcast(b, i, shape, rank, axes));
    ir_ref off = ir_squeeze(b, ir_slice_axis(b, values, 0, zero, one, one), 0);
    ir_ref on = ir_squeeze(b, ir_slice_axis(b, values, 0, one, one, one), 0);
    return onnx_out(n, 0, ir_select(b, hit, ir_broadcast(b, on, shape, rank, NULL),
                                    ir_broadcast(b, off, shape, rank, NULL)));
}

/* ---- blocks to space ------------------------------------------------------------------------ */

bool onnx_depth_to_space(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    const ir_type *t = onnx_type(n, x);
    dim_table *d = onnx_dims(n);
    int64_t s = onnx_int(n, "blocksize", 0);
    bool dcr = !strcmp(onnx_choice(n, "mode", "DCR CRD"), "DCR");

    if (t->rank != 4 || s < 1 || s > 1 << 20)
        return onnx_fail(n, "takes an image and a positive blocksize");
    ir_dim b = dim_int(d, s), c = dim_div(d, t->dim[1], dim_int(d, s * s));
    ir_dim h = t->dim[2], w = t->dim[3];
    ir_dim split[6] = {t->dim[0], dcr ? b : c, b, dcr ? c : b, h, w};
    ir_dim shape[4] = {t->dim[0], c, dim_mul(d, h, b), dim_mul(d, w, b)};
    static const int32_t order_dcr[] = {0, 3, 4, 1, 5, 2}, order_crd[] = {0, 1, 4, 2, 5, 3};
    x = ir_transpose(n->b, ir_reshape(n->b, x, split, 6), dcr ? order_dcr : order_crd);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, 4));
}

bool onnx_space_to_depth(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    const ir_type *t = onnx_type(n, x);
    dim_table *d = onnx_dims(n);
    int64_t s = onnx_int(n, "blocksize", 0);

    if (t->rank != 4 || s < 1 || s > 1 << 20)
        return onnx_fail(n, "takes an image and a positive blocksize");
    ir_dim b = dim_int(d, s), h = dim_div(d, t->dim[2], b), w = dim_div(d, t->dim[3], b);
    ir_dim split[6] = {t->dim[0], t->dim[1], h, b, w, b};
    ir_dim shape[4] = {t->dim[0], dim_mul(d, t->dim[1], dim_int(d, s * s)), h, w};
    static const int32_t order[] = {0, 3, 5, 1, 2, 4};
    x = ir_transpose(n->b, ir_reshape(n->b, x, split, 6), order);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, 4));
}
