/* frontend/onnx/move.c - movement, padding, blocks to space.
 *
 * Operators that move elements and compute nothing.  Lists that say where may be
 * attributes (old versions), constants, or what the graph computes: onnx_dim_list
 * gives them as dims, so that x[0:n/2] stays symbolic. */
#include "../onnx_build.h"

static const ir_dim zero = {0}, one = {1};

/* ---- movement ----------------------------------------------------------------------- */

/* y[i_perm[0], i_perm[1], ..] = x[i_0, i_1, ..]; without perm the axes are turned
 * around. */
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

/* Empty operands (an optional list's missing elements) are left out. */
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

static const int64_t far = (int64_t)1 << 40;    /* steps and ends beyond it count as this far */

/* Is it a constant that means "to the end", upwards or down?  Exporters that count in
 * 32 bits write the largest of these. */
static bool is_far(const dim_table *t, ir_dim d, ir_dim extent, bool up)
{
    int64_t v, n, limit = dim_const(t, extent, &n) && n > INT32_MAX ? far : INT32_MAX;

    return dim_const(t, d, &v) && (up ? v >= limit : v <= -limit);
}

/* A start or end as the standard counts it, from the end if negative, between
 * lo and hi.  Far ones would overflow as dims. */
static ir_dim clamp_end(dim_table *t, ir_dim x, ir_dim extent, ir_dim lo, ir_dim hi)
{
    if (is_far(t, x, extent, true))
        return hi;
    if (is_far(t, x, extent, false))
        return lo;
    ir_dim from_end = dim_lt(t, x, zero);
    x = dim_select(t, from_end, dim_add(t, x, extent), x);
    return dim_min(t, dim_max(t, x, lo), hi);
}

/* Clamps a slice's ends as the standard does and takes it. */
static ir_ref slice_axis(onnx_op *n, ir_ref x, int axis, ir_dim start, ir_dim end, ir_dim step)
{
    dim_table *t = onnx_dims(n);
    ir_dim d = onnx_dim(n, x, axis), last = dim_sub(t, d, one);
    int64_t s;

    if (!dim_const(t, step, &s))
        return onnx_gap(n, "steps computed at run time"), IR_NONE;
    if (s == 0)
        return onnx_fail(n, "a step of 0"), IR_NONE;
    s = max_i64(min_i64(s, far), -far);     /* beyond the end, too */
    bool up = s > 0;
    start = clamp_end(t, start, d, zero, up ? d : last);
    end = clamp_end(t, end, d, up ? zero : dim_int(t, -1), up ? d : last);
    ir_dim span = up ? dim_sub(t, end, start) : dim_sub(t, start, end);
    ir_dim extent = dim_ceildiv(t, span, dim_int(t, up ? s : -s));
    step = dim_int(t, s);
    return ir_slice_axis(n->b, x, axis, start, step, dim_max(t, extent, zero));
}

/* One axis after the other; null steps are 1, null axes are 0, 1, 2, .. */
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

/* Before opset 10 all lists are attributes, and steps are 1. */
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

/* Operands starts, ends, and, if there, axes and steps. */
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

bool onnx_parts_fit(onnx_op *n, const ir_dim *size, int len, ir_dim extent)
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

/* Equal sizes of num_outputs parts, but of the last. */
static bool equal_sizes(onnx_op *n, ir_dim extent, ir_dim *size, int *len)
{
    dim_table *t = onnx_dims(n);
    int64_t parts = onnx_int(n, "num_outputs", n->nout);

    if (parts < 1 || parts != n->nout)
        return onnx_fail(n, "%lld parts for %d results", (long long)parts, n->nout);
    ir_dim each = dim_ceildiv(t, extent, dim_int(t, parts));
    for (int i = 0; i < parts; i++) {
        ir_dim left = dim_max(t, dim_sub(t, extent, dim_mul(t, each, dim_int(t, i))), zero);
        size[i] = dim_min(t, each, left);
    }
    *len = (int)parts;
    return true;
}

/* Sizes by attribute, by operand, or equal; null after an error. */
static ir_dim *part_sizes(onnx_op *n, ir_dim extent, int *len)
{
    const int64_t *attr = onnx_ints(n, "split", len);
    ir_dim *size = arena_array(&n->b->m->mem, ir_dim, max_i64(*len, n->nout + 1));

    for (int i = 0; i < *len; i++)
        size[i] = dim_int(onnx_dims(n), attr[i]);
    if (*len < 1 && !onnx_dim_list(n, 1, size, n->nout, len))
        return NULL;
    if (*len < 0 && !equal_sizes(n, extent, size, len))
        return NULL;
    return onnx_parts_fit(n, size, *len, extent) ? size : NULL;
}

/* Part k begins where k - 1 ended. */
bool onnx_split(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0);
    dim_table *t = onnx_dims(n);
    ir_dim start = zero;
    int axis, len;

    if (!onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    const ir_dim *size = part_sizes(n, onnx_dim(n, x, axis), &len);
    if (!size)
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

/* x read at index along one axis. */
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

/* Constant pads are a PAD node.  Reflection, edges and wrapping read x again at
 * computed places, one axis after the other, which makes the corners right. */
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

/* Before opset 11; before 2 the attribute had another name.  All low pads, then all
 * high ones. */
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

/* Operand pads has all low ones, then all high ones, of the axes that operand 3
 * lists, or of all. */
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

/* ---- blocks to space ------------------------------------------------------------------------ */

/* [N, b * b * c, h, w] -> [N, c, h * b, w * b].  DCR has the block in front of the
 * channel, CRD behind it. */
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
    ir_dim h = t->dim[2], w = t->dim[3], high = dim_mul(d, h, b), wide = dim_mul(d, w, b);
    ir_dim split[6] = {t->dim[0], dcr ? b : c, b, dcr ? c : b, h, w};
    ir_dim shape[4] = {t->dim[0], c, high, wide};
    static const int32_t order_dcr[] = {0, 3, 4, 1, 5, 2}, order_crd[] = {0, 1, 4, 2, 5, 3};
    x = ir_transpose(n->b, ir_reshape(n->b, x, split, 6), dcr ? order_dcr : order_crd);
    return onnx_out(n, 0, ir_reshape(n->b, x, shape, 4));
}

/* [N, c, h * b, w * b] -> [N, b * b * c, h, w], the inverse of DCR. */
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
