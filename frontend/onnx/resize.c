/* frontend/onnx/resize.c - resampling.
 *
 * Each resized axis is a gather along it: for nearest one index per output
 * element, for linear and cubic a few indices with weights.  Coordinates are
 * ordinary scalar IR over an iota, so constant sizes fold to tables.  An axis whose
 * elements are only repeated is a broadcast. */
#include "../onnx_build.h"

/* An axis that gets another extent.  For [1, 3, 4, 4] to [1, 3, 8, 8]: `at` is 2
 * and 3, in 4, out 8, scale 2. */
typedef struct axis {
    int at;
    ir_dim in, out;
    ir_ref scale;           /* f32 scalar: out / in as the operator defines it */
    bool scale_given;
    bool exact;             /* the scale is what in and out make */
} axis;

/* How: mode nearest, linear or cubic; `coordinate` is how an output's place is
 * computed (half_pixel: (o + 1/2) / scale - 1/2), `nearest` how it is rounded,
 * `cubic` the kernel's coefficient, -3/4 as usual; `exclude` leaves taps outside
 * the image out of the weights; `antialias` widens the kernel where the image
 * becomes smaller, so that each of its elements counts. */
typedef struct resize {
    const char *mode, *coordinate, *nearest;
    double cubic;
    bool exclude, antialias;
    ir_dtype real;          /* what coordinates are computed in */
} resize;

/* A scalar for each of d places. */
static ir_ref spread(onnx_op *n, ir_ref scalar, ir_dim d)
{
    return ir_broadcast(n->b, scalar, &d, 1, NULL);
}

static ir_ref real(onnx_op *n, const resize *r, double v, ir_dim d)
{
    return spread(n, ir_float(n->b, r->real, v), d);
}

static ir_ref number(onnx_op *n, double v, ir_dim d)
{
    return spread(n, ir_float(n->b, DT_F32, v), d);
}

static ir_ref extent(onnx_op *n, const resize *r, ir_dim e, ir_dim len)
{
    return spread(n, ir_cast(n->b, ir_dim_ref(n->b, e), r->real), len);
}

/* Where output element o lies in the input, real[out]. */
static ir_ref source(onnx_op *n, const resize *r, const axis *a)
{
    ir_build *b = n->b;
    ir_dim d = a->out;
    ir_ref o = ir_cast(b, ir_iota(b, DT_I64, &d, 1, 0), r->real);
    ir_ref scale = spread(n, ir_cast(b, a->scale, r->real), d), half = real(n, r, 0.5, d);

    if (!strcmp(r->coordinate, "asymmetric"))
        return ir_2(b, OP_DIV, o, scale);
    if (!strcmp(r->coordinate, "align_corners")) {
        ir_ref one = real(n, r, 1, d);
        ir_ref last_in = ir_2(b, OP_SUB, extent(n, r, a->in, d), one);
        /* the length before it was rounded down */
        ir_ref len = a->scale_given ? ir_2(b, OP_MUL, extent(n, r, a->in, d), scale)
                                    : extent(n, r, a->out, d);
        ir_ref last = ir_2(b, OP_SUB, len, one);
        ir_ref single = ir_2(b, OP_EQ, last, real(n, r, 0, d));
        ir_ref x = ir_2(b, OP_MUL, o, last_in);
        x = ir_2(b, OP_DIV, x, ir_select(b, single, one, last));
        return ir_select(b, single, real(n, r, 0, d), x);
    }
    ir_ref x = ir_2(b, OP_SUB, ir_2(b, OP_DIV, ir_2(b, OP_ADD, o, half), scale), half);
    if (!strcmp(r->coordinate, "pytorch_half_pixel")) {
        ir_ref one = real(n, r, 1, d), many = ir_2(b, OP_LT, one, extent(n, r, a->out, d));
        return ir_select(b, many, x, real(n, r, 0, d));
    }
    if (!strcmp(r->coordinate, "half_pixel_symmetric")) {
        ir_ref in = extent(n, r, a->in, d), out = extent(n, r, a->out, d);
        ir_ref adjust = ir_2(b, OP_DIV, out, ir_2(b, OP_MUL, scale, in));
        ir_ref middle = ir_2(b, OP_MUL, in, half);
        ir_ref offset = ir_2(b, OP_MUL, middle, ir_2(b, OP_SUB, real(n, r, 1, d), adjust));
        return ir_2(b, OP_ADD, offset, x);
    }
    return x;
}

/* real[out] rounded down to i64 and kept inside the input. */
static ir_ref inside(onnx_op *n, ir_ref x, const axis *a)
{
    ir_build *b = n->b;
    ir_dim d = a->out;
    ir_ref i = ir_cast(b, x, DT_I64), zero = spread(n, ir_int(b, DT_I64, 0), d);
    ir_ref last = spread(n, ir_dim_ref(b, dim_sub(onnx_dims(n), a->in, (ir_dim){1})), d);

    return ir_2(b, OP_MIN, ir_2(b, OP_MAX, i, zero), last);
}

/* x read at index along axis `at`. */
static ir_ref take(onnx_op *n, ir_ref x, int at, ir_ref index)
{
    int32_t axes[1] = {at}, perm[IR_MAX_RANK];
    ir_ref y = ir_gather(n->b, x, &index, axes, 1, false);

    if (y == IR_NONE)
        return y;
    for (int i = 0; i < onnx_rank(n, y); i++)
        perm[i] = i == at ? 0 : i < at ? i + 1 : i;
    return ir_transpose(n->b, y, perm);
}

/* Where output element o lies in the input: (o * times + plus) / over. */
typedef struct fraction {
    ir_dim times, plus, over;
} fraction;

/* By integers: floats would round (o + 0.5) * 3 / 7 up or down by chance, and the
 * neighbour would be another one than that of the reference. */
static fraction fraction_of(onnx_op *n, const resize *r, const axis *a)
{
    dim_table *t = onnx_dims(n);
    ir_dim zero = {0}, one = {1}, two = {2}, in = a->in, out = a->out;

    if (!strcmp(r->coordinate, "asymmetric"))
        return (fraction){in, zero, out};
    if (!strcmp(r->coordinate, "align_corners"))
        return (fraction){dim_sub(t, in, one), zero, dim_max(t, dim_sub(t, out, one), one)};
    ir_dim plus = dim_sub(t, in, out);
    if (!strcmp(r->coordinate, "pytorch_half_pixel"))
        plus = dim_select(t, dim_lt(t, one, out), plus, zero);
    return (fraction){dim_mul(t, two, in), plus, dim_mul(t, two, out)};
}

/* What rounds x / 2y to an integer, by the mode, once it is added to x and the quotient is
 * cut: half of 2y for the nearest one, one less where ties go down. */
static ir_dim rounding(onnx_op *n, const resize *r, ir_dim y)
{
    dim_table *t = onnx_dims(n);
    ir_dim one = {1};

    if (!strcmp(r->nearest, "floor"))
        return (ir_dim){0};
    if (!strcmp(r->nearest, "ceil"))
        return dim_sub(t, dim_mul(t, (ir_dim){2}, y), one);
    return !strcmp(r->nearest, "round_prefer_ceil") ? y : dim_sub(t, y, one);
}

/* The neighbour of each output element by integers, i64[out]: no coordinate is rounded
 * before it is compared.  What is below 0 is cut to something that is not above it. */
static ir_ref exact_neighbours(onnx_op *n, const resize *r, const axis *a)
{
    ir_build *b = n->b;
    dim_table *t = onnx_dims(n);
    ir_dim d = a->out, two = {2};
    fraction f = fraction_of(n, r, a);
    ir_dim plus = dim_add(t, dim_mul(t, two, f.plus), rounding(n, r, f.over));
    ir_ref times = spread(n, ir_dim_ref(b, dim_mul(t, two, f.times)), d);
    ir_ref x = ir_2(b, OP_MUL, ir_iota(b, DT_I64, &d, 1, 0), times);

    x = ir_2(b, OP_ADD, x, spread(n, ir_dim_ref(b, plus), d));
    return ir_2(b, OP_DIV, x, spread(n, ir_dim_ref(b, dim_mul(t, two, f.over)), d));
}

/* The same by coordinates, where the scale is a number of its own. */
static ir_ref neighbours(onnx_op *n, const resize *r, const axis *a)
{
    ir_build *b = n->b;
    ir_ref at = source(n, r, a), half = real(n, r, 0.5, a->out);

    if (!strcmp(r->nearest, "floor"))
        return ir_1(b, OP_FLOOR, at);
    if (!strcmp(r->nearest, "ceil"))
        return ir_1(b, OP_CEIL, at);
    if (!strcmp(r->nearest, "round_prefer_ceil"))
        return ir_1(b, OP_FLOOR, ir_2(b, OP_ADD, at, half));
    return ir_1(b, OP_CEIL, ir_2(b, OP_SUB, at, half));
}

/* The integer that the axis is longer by, as a scale or extents tell, or 0. */
static int64_t factor_of(onnx_op *n, const axis *a)
{
    dim_table *t = onnx_dims(n);
    const ir_node *c = ir_node_of(n->b->fn, a->scale);
    int64_t in, out, f = 0;
    float s;

    if (a->exact) {
        if (dim_const(t, a->in, &in) && dim_const(t, a->out, &out) && in > 0)
            f = out / in;
    } else if (c->op == OP_CONST) {
        const_read(n->b->m, c->attr->CONST.id, 0, 1, &s);
        f = s >= 1 && s < 1e6f && s == (float)(int64_t)s ? (int64_t)s : 0;
    }
    return f && dim_same(a->out, dim_mul(t, a->in, dim_int(t, f))) ? f : 0;
}

/* Is element o / f, rounded down, the nearest one of each output element o, for an axis
 * that is f times as long?  Element o < f lies at x / 2f, for x from `first` to `last`,
 * and what lies from `low` on, for a length of 1, is rounded to 0. */
static bool is_repetition(const resize *r, int64_t f)
{
    bool left = !strcmp(r->coordinate, "asymmetric");
    int64_t first = left ? 0 : 1 - f, last = left ? 2 * f - 2 : f - 1;
    int64_t low = !strcmp(r->nearest, "floor")               ? 0
                  : !strcmp(r->nearest, "ceil")              ? 1 - 2 * f
                  : !strcmp(r->nearest, "round_prefer_ceil") ? -f
                                                             : 1 - f;

    return strcmp(r->coordinate, "align_corners") && first >= low && last < low + 2 * f;
}

/* Each element along an axis f times in turn. */
static ir_ref repeated(onnx_op *n, ir_ref x, const axis *a, int64_t f)
{
    const ir_type *t = onnx_type(n, x);
    ir_dim each[IR_MAX_RANK], all[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++) {
        axes[i] = i <= a->at ? i : i + 1;
        each[axes[i]] = all[i] = t->dim[i];
    }
    each[a->at + 1] = dim_int(onnx_dims(n), f);
    all[a->at] = a->out;
    x = ir_broadcast(n->b, x, each, t->rank + 1, axes);
    return ir_reshape(n->b, x, all, t->rank);
}

static ir_ref nearest(onnx_op *n, const resize *r, const axis *a, ir_ref x)
{
    int64_t f = factor_of(n, a);

    if (f && onnx_rank(n, x) < IR_MAX_RANK && is_repetition(r, f))
        return repeated(n, x, a, f);
    ir_ref at = a->exact ? exact_neighbours(n, r, a) : neighbours(n, r, a);

    return take(n, x, a->at, inside(n, at, a));
}

static ir_ref times(onnx_op *n, double v, ir_ref x, ir_dim d)
{
    return ir_2(n->b, OP_MUL, number(n, v, d), x);
}

/* Weight of the tap at distance t of the cubic kernel with coefficient c. */
static ir_ref cubic_weight(onnx_op *n, ir_ref t, double c, ir_dim d)
{
    ir_build *b = n->b;
    ir_ref x = ir_1(b, OP_ABS, t), x2 = ir_2(b, OP_MUL, x, x), x3 = ir_2(b, OP_MUL, x2, x);
    ir_ref near = times(n, c + 2, x3, d);
    near = ir_2(b, OP_SUB, near, times(n, c + 3, x2, d));
    near = ir_2(b, OP_ADD, near, number(n, 1, d));
    ir_ref far = times(n, c, x3, d);
    far = ir_2(b, OP_SUB, far, times(n, 5 * c, x2, d));
    far = ir_2(b, OP_ADD, far, times(n, 8 * c, x, d));
    far = ir_2(b, OP_SUB, far, number(n, 4 * c, d));
    ir_ref within = ir_2(b, OP_LT, x, number(n, 2, d));
    ir_ref y = ir_select(b, within, far, number(n, 0, d));
    return ir_select(b, ir_2(b, OP_LE, x, number(n, 1, d)), near, y);
}

/* Sum over taps of weight times the input there; taps outside the image read
 * its edge, or count nothing with exclude_outside. */
static ir_ref interpolate(onnx_op *n, const resize *r, const axis *a, ir_ref x)
{
    ir_build *b = n->b;
    ir_dim d = a->out;
    bool cubic = !strcmp(r->mode, "cubic");
    int taps = cubic ? 4 : 2, first = cubic ? -1 : 0;
    ir_ref at = source(n, r, a), base = ir_1(b, OP_FLOOR, at), t = ir_2(b, OP_SUB, at, base);
    ir_ref weight[4], index[4], total = IR_NONE, y = IR_NONE;
    ir_dtype dt = onnx_dtype(n, x);

    if (!cubic) {           /* linear: outside the image the edge itself */
        t = ir_2(b, OP_MAX, t, number(n, 0, d));
        t = ir_2(b, OP_MIN, t, number(n, 1, d));
    }
    for (int k = 0; k < taps; k++) {
        ir_ref pos = ir_2(b, OP_ADD, base, number(n, first + k, d));
        index[k] = inside(n, pos, a);
        if (cubic)
            weight[k] = cubic_weight(n, ir_2(b, OP_SUB, t, number(n, first + k, d)), r->cubic, d);
        else
            weight[k] = k ? t : ir_2(b, OP_SUB, number(n, 1, d), t);
        if (r->exclude) {
            ir_ref in = ir_2(b, OP_EQ, ir_cast(b, index[k], DT_F32), pos);
            weight[k] = ir_select(b, in, weight[k], number(n, 0, d));
        }
        total = k ? ir_2(b, OP_ADD, total, weight[k]) : weight[k];
    }
    for (int k = 0; k < taps; k++) {
        ir_ref w = r->exclude ? ir_2(b, OP_DIV, weight[k], total) : weight[k];
        ir_ref v = take(n, x, a->at, index[k]);
        if (v == IR_NONE)
            return v;
        const ir_type *ty = onnx_type(n, v);
        w = ir_cast(b, w, dt_is_float(dt) ? dt : DT_F32);
        w = ir_broadcast_axis(b, w, ty->dim, ty->rank, a->at);
        v = ir_2(b, OP_MUL, dt_is_float(dt) ? v : ir_cast(b, v, DT_F32), w);
        y = k ? ir_2(b, OP_ADD, y, v) : v;
    }
    return ir_cast(b, y, dt);
}

/* ---- with antialias ------------------------------------------------------------------- */

/* Taps of a kernel that reaches `reach` to each side and is 1 / scale times as wide. */
static ir_dim count_taps(onnx_op *n, const axis *a, ir_ref scale, int reach)
{
    ir_build *b = n->b;
    dim_table *t = onnx_dims(n);
    ir_dim side = dim_int(t, reach), one = {1};

    if (a->exact) {
        ir_dim wide = dim_mul(t, side, a->in);
        side = dim_max(t, side, dim_ceildiv(t, wide, dim_max(t, a->out, one)));
    } else {
        ir_ref wide = ir_2(b, OP_DIV, ir_float(b, DT_F32, reach), scale);
        side = dim_max(t, ir_bind(b, ir_cast(b, ir_1(b, OP_CEIL, wide), DT_I64), "taps"), side);
    }
    return dim_mul(t, dim_int(t, 2), side);
}

/* The kernel at distances `at`, f32[out,taps]. */
static ir_ref kernel_at(onnx_op *n, const resize *r, ir_ref at)
{
    ir_build *b = n->b;
    const ir_type *t = onnx_type(n, at);
    ir_dim all = dim_mul(onnx_dims(n), t->dim[0], t->dim[1]);
    const ir_dim dims[2] = {t->dim[0], t->dim[1]};
    ir_ref x = ir_reshape(b, at, &all, 1), y;

    if (!strcmp(r->mode, "cubic")) {
        y = cubic_weight(n, x, r->cubic, all);
    } else {
        y = ir_2(b, OP_SUB, number(n, 1, all), ir_1(b, OP_ABS, x));
        y = ir_2(b, OP_MAX, y, number(n, 0, all));
    }
    return ir_reshape(b, y, dims, 2);
}

/* x[.., in, ..] read at index[out, taps], times the weights, summed over the taps. */
static ir_ref weighted_sum(onnx_op *n, ir_ref x, int at, ir_ref index, ir_ref weight)
{
    ir_build *b = n->b;
    ir_dtype dt = onnx_dtype(n, x), sum = dt == DT_F64 ? DT_F64 : DT_F32;
    int32_t axes[1] = {at}, both[2] = {0, 1}, taps[1] = {1}, perm[IR_MAX_RANK];
    ir_ref v = ir_gather(b, x, &index, axes, 1, false);

    if (v == IR_NONE)
        return v;
    const ir_type *t = onnx_type(n, v);
    weight = ir_broadcast(b, ir_cast(b, weight, sum), t->dim, t->rank, both);
    ir_ref y = ir_reduce(b, ir_2(b, OP_MUL, ir_cast(b, v, sum), weight), RED_SUM, taps, 1);
    for (int i = 0; i < onnx_rank(n, x); i++)
        perm[i] = i == at ? 0 : i < at ? i + 1 : i;
    return ir_cast(b, ir_transpose(b, y, perm), dt);
}

/* Each output element is the sum of all that a kernel covers, which is as wide as the
 * outputs are apart, weights making 1 in all.  A place that is an element's own counts as
 * right of the one before, so that as many taps are on each side. */
static ir_ref smooth(onnx_op *n, const resize *r, const axis *a, ir_ref x)
{
    ir_build *b = n->b;
    dim_table *t = onnx_dims(n);
    int32_t axes[1] = {1};
    ir_ref scale = ir_2(b, OP_MIN, a->scale, ir_float(b, DT_F32, 1));
    ir_dim taps = count_taps(n, a, scale, !strcmp(r->mode, "cubic") ? 2 : 1);
    ir_dim dims[2] = {a->out, taps}, first = dim_sub(t, (ir_dim){0}, dim_div(t, taps, (ir_dim){2}));
    ir_ref at = source(n, r, a), base = ir_cast(b, ir_1(b, OP_CEIL, at), DT_I64);

    if (onnx_rank(n, x) + 1 > IR_MAX_RANK)
        return onnx_gap(n, "antialias of so many axes"), IR_NONE;
    base = ir_2(b, OP_ADD, base, spread(n, ir_dim_ref(b, first), a->out));
    ir_ref place = ir_2(b, OP_ADD, ir_broadcast_axis(b, base, dims, 2, 0),
                        ir_iota(b, DT_I64, dims, 2, 1));
    ir_ref apart = ir_2(b, OP_SUB, ir_cast(b, place, DT_F32), ir_broadcast_axis(b, at, dims, 2, 0));
    ir_ref weight = kernel_at(n, r, ir_2(b, OP_MUL, apart, ir_broadcast(b, scale, dims, 2, NULL)));
    ir_ref zero = ir_broadcast(b, ir_int(b, DT_I64, 0), dims, 2, NULL);
    ir_ref last = ir_broadcast(b, ir_dim_ref(b, dim_sub(t, a->in, (ir_dim){1})), dims, 2, NULL);
    ir_ref index = ir_2(b, OP_MIN, ir_2(b, OP_MAX, place, zero), last);
    if (r->exclude)
        weight = ir_select(b, ir_2(b, OP_EQ, index, place), weight, ir_cast(b, zero, DT_F32));
    ir_ref total = ir_reduce(b, weight, RED_SUM, axes, 1);
    weight = ir_2(b, OP_DIV, weight, ir_broadcast_axis(b, total, dims, 2, 0));
    return weighted_sum(n, x, a->at, index, weight);
}

static bool resample(onnx_op *n, const resize *r, const axis *axes, int count)
{
    ir_ref x = onnx_in(n, 0);
    bool whole = !strcmp(r->mode, "nearest");

    for (int i = 0; i < count && x != IR_NONE; i++) {
        if (dim_same(axes[i].in, axes[i].out) && !axes[i].scale_given)
            continue;
        x = whole ? nearest(n, r, &axes[i], x)
            : r->antialias ? smooth(n, r, &axes[i], x) : interpolate(n, r, &axes[i], x);
    }
    return onnx_out(n, 0, x);
}

/* floor(in * scale) in f32; a constant scale on a symbolic extent that is a whole
 * number stays a product. */
static ir_dim scaled(onnx_op *n, ir_dim in, ir_ref scale)
{
    ir_build *b = n->b;
    const ir_node *c = ir_node_of(b->fn, scale);
    float s = 0;

    if (c->op == OP_CONST) {
        const_read(b->m, c->attr->CONST.id, 0, 1, &s);
        int64_t v;
        if (s >= 1 && s < 1e6 && s == (float)(int64_t)s)
            return dim_mul(onnx_dims(n), in, dim_int(onnx_dims(n), (int64_t)s));
        if (dim_const(onnx_dims(n), in, &v) && s > 0 && (float)v * s < 1e9f)
            return dim_int(onnx_dims(n), (int64_t)((float)v * s));
    }
    ir_ref d = ir_cast(b, ir_dim_ref(b, in), DT_F32);
    d = ir_cast(b, ir_1(b, OP_FLOOR, ir_2(b, OP_MUL, d, scale)), DT_I64);
    return dim_max(onnx_dims(n), ir_bind(b, d, "resized"), (ir_dim){0});
}

static ir_ref ratio(onnx_op *n, ir_dim out, ir_dim in)
{
    ir_ref x = ir_cast(n->b, ir_dim_ref(n->b, out), DT_F32);

    return ir_2(n->b, OP_DIV, x, ir_cast(n->b, ir_dim_ref(n->b, in), DT_F32));
}

/* Element i of an operand that lists a scale for each axis. */
static ir_ref scalar_at(onnx_op *n, ir_ref list, int i)
{
    return ir_squeeze(n->b, ir_slice_axis(n->b, list, 0, (ir_dim){i}, (ir_dim){1}, (ir_dim){1}), 0);
}

/* Scales that are exactly 1 leave their axis alone. */
static bool is_one(onnx_op *n, ir_ref scale)
{
    const ir_node *c = ir_node_of(n->b->fn, scale);
    float s = 0;

    if (c->op == OP_CONST)
        const_read(n->b->m, c->attr->CONST.id, 0, 1, &s);
    return s == 1;
}

/* Axes by their scales.  A scale of 1 that is known leaves the extent what it is, not a
 * rounded product. */
static bool from_scales(onnx_op *n, ir_ref scales, const int64_t *list, int len, axis *axes)
{
    ir_ref x = onnx_in(n, 0);

    for (int i = 0; i < len; i++) {
        if (!onnx_axis(n, list ? list[i] : i, onnx_rank(n, x), &axes[i].at))
            return false;
        axes[i].in = onnx_dim(n, x, axes[i].at);
        axes[i].scale = ir_cast(n->b, scalar_at(n, scales, i), DT_F32);
        if (axes[i].scale == IR_NONE)
            return false;
        bool same = is_one(n, axes[i].scale);
        axes[i].out = same ? axes[i].in : scaled(n, axes[i].in, axes[i].scale);
        axes[i].scale_given = !same;
    }
    return true;
}

/* One scale for all axes: the least that covers the sizes (not_smaller), or the
 * greatest that stays within them. */
static bool keep_ratio(onnx_op *n, axis *axes, int len, bool smaller)
{
    int64_t in, out;
    double best = 0;

    for (int i = 0; i < len; i++) {
        if (!dim_const(onnx_dims(n), axes[i].in, &in) ||
            !dim_const(onnx_dims(n), axes[i].out, &out) || !in)
            return onnx_gap(n, "keep_aspect_ratio_policy with run-time sizes");
        double s = (double)out / (double)in;
        best = i == 0 || (smaller ? s < best : s > best) ? s : best;
    }
    for (int i = 0; i < len; i++) {
        dim_const(onnx_dims(n), axes[i].in, &in);
        double extent = (double)in * best + 0.5;
        if (extent < 0 || extent >= 0x1p53)
            return onnx_fail(n, "keep_aspect_ratio_policy gives an extent of %g", extent);
        axes[i].out = dim_int(onnx_dims(n), (int64_t)extent);
        axes[i].scale = ir_float(n->b, DT_F32, best);
    }
    return true;
}

/* Axes by their sizes; the scale is what they make. */
static bool from_sizes(onnx_op *n, int operand, const int64_t *list, int len, axis *axes)
{
    ir_ref x = onnx_in(n, 0);
    ir_dim size[IR_MAX_RANK];
    int count;
    const char *policy =
        onnx_choice(n, "keep_aspect_ratio_policy", "stretch not_larger not_smaller");

    if (!onnx_dim_list(n, operand, size, IR_MAX_RANK, &count))
        return false;
    if (count != len)
        return onnx_fail(n, "%d sizes for %d axes", count, len);
    for (int i = 0; i < len; i++) {
        if (!onnx_axis(n, list ? list[i] : i, onnx_rank(n, x), &axes[i].at))
            return false;
        axes[i].in = onnx_dim(n, x, axes[i].at);
        axes[i].out = size[i];
        axes[i].scale = ratio(n, size[i], axes[i].in);
        axes[i].exact = !strcmp(policy, "stretch");
    }
    return !strcmp(policy, "stretch") || keep_ratio(n, axes, len, !strcmp(policy, "not_larger"));
}

/* The attributes, as the oldest versions had them fixed: before 11 there was one way to
 * take coordinates and one to round them. */
static bool load_resize(onnx_op *n, resize *r)
{
    r->mode = onnx_choice(
        n, "mode", n->since < 10 ? "nearest linear bilinear" : "nearest linear cubic");
    r->coordinate = n->since < 11 ? "asymmetric"
                                  : onnx_choice(n, "coordinate_transformation_mode",
                                                "half_pixel half_pixel_symmetric "
                                                "pytorch_half_pixel align_corners asymmetric "
                                                "tf_half_pixel_for_nn tf_crop_and_resize");
    r->nearest = n->since < 11 ? "floor"
                               : onnx_choice(n, "nearest_mode",
                                             "round_prefer_floor round_prefer_ceil floor ceil");
    r->cubic = onnx_float(n, "cubic_coeff_a", -0.75);
    r->exclude = onnx_int(n, "exclude_outside", 0);
    r->antialias = onnx_int(n, "antialias", 0);
    if (!strcmp(r->coordinate, "tf_crop_and_resize") ||
        !strcmp(r->coordinate, "tf_half_pixel_for_nn"))
        return onnx_gap(n, "this coordinate_transformation_mode");
    if (!strcmp(r->mode, "bilinear"))
        r->mode = "linear";
    r->real = !strcmp(r->mode, "nearest") ? DT_F64 : DT_F32;
    return true;
}

/* An operand that is there but has no elements counts as absent. */
static bool empty(onnx_op *n, ir_ref x)
{
    return x == IR_NONE || (onnx_rank(n, x) == 1 && dim_is(onnx_dims(n), onnx_dim(n, x, 0), 0));
}

/* scales_at, sizes_at: operands; axes from the attribute (opset 18). */
static bool run(onnx_op *n, int scales_at, int sizes_at)
{
    resize r;
    axis axes[IR_MAX_RANK] = {{0}};
    int64_t list[IR_MAX_RANK];
    int len;
    ir_ref x = onnx_in(n, 0), scales = onnx_plain(n, onnx_in(n, scales_at));

    if (x == IR_NONE || !load_resize(n, &r) ||
        !onnx_int_list(n, "axes", 99, list, IR_MAX_RANK, &len))
        return false;
    bool all = len < 0;
    if (all)
        len = onnx_rank(n, x);
    if (!empty(n, scales) ? !from_scales(n, scales, all ? NULL : list, len, axes)
                          : !from_sizes(n, sizes_at, all ? NULL : list, len, axes))
        return false;
    return resample(n, &r, axes, len);
}

bool onnx_resize_10(onnx_op *n) { return run(n, 1, 99); }
bool onnx_resize(onnx_op *n) { return run(n, 2, 3); }

/* Scales are an attribute here, operands later. */
bool onnx_upsample_7(onnx_op *n)
{
    int len;
    const float *s = onnx_floats(n, "scales", &len);
    resize r;
    axis axes[IR_MAX_RANK] = {{0}};

    if (!s || len != onnx_rank(n, onnx_in(n, 0)) || !load_resize(n, &r))
        return onnx_fail(n, "takes a scale for every axis");
    const ir_type *t = ir_ty(n->b, DT_F32, (ir_dim[]){{len}}, 1);
    ir_ref scales = ir_const_ref(n->b, const_copy(n->b->m, t, s, (size_t)len * 4));
    return from_scales(n, scales, NULL, len, axes) && resample(n, &r, axes, len);
}

bool onnx_upsample_9(onnx_op *n) { return run(n, 1, 99); }
