/* passes/grad_window.c - gradients of reductions over sliding boxes.
 *
 * sum: a sum over boxes of the gradient, whose elements lie `stride` apart.
 * max, min: an element gets the gradient of each box whose best it is.  Few boxes reach an
 *   element, so it asks them all: a map over the operand, which compares places in a small box
 *   (a byte each), else positions in the operand.  Of many, boxes add to elements.
 * prod: a product over the last axes of all boxes, gathered. */
#include "grad.h"

enum { FEW = 16 };              /* boxes that an element asks */

/* A node while its gradient is made: its attributes, types, and the gradient. */
typedef struct boxes {
    grad_cx *cx;
    const struct ir_attr_WINDOW *a;
    ir_ref x, g;
    const ir_type *t, *to;      /* of x, of g */
} boxes;

static dim_table *dims_of(const boxes *w)
{
    return &w->cx->b->m->dims;
}

/* Elements from the first to the last of a box, both included. */
static ir_dim span_of(const boxes *w, int i)
{
    dim_table *d = dims_of(w);
    ir_dim one = {1};

    return dim_add(d, dim_mul(d, dim_sub(d, w->a->size.at[i], one), w->a->dil.at[i]), one);
}

static ir_ref zero_of(const boxes *w)
{
    return ir_float(w->cx->b, w->to->dtype, 0);
}

/* ---- sum --------------------------------------------------------------------------- */

/* Extent of axis i of g where its elements lie stride apart, as pad makes it. */
static ir_dim wide_extent(const boxes *w, int i)
{
    dim_table *d = dims_of(w);
    ir_dim one = {1}, gaps = dim_sub(d, w->to->dim[i], one);

    gaps = dim_lo(d, w->to->dim[i]) >= 1 ? gaps : dim_max(d, gaps, (ir_dim){0});
    return dim_add(d, w->to->dim[i], dim_mul(d, gaps, dim_sub(d, w->a->stride.at[i], one)));
}

/* Each element was in the boxes that begin up to a box's reach before it: spread
 * out by the stride, padded by the reach, and summed over boxes of the same size. */
static ir_ref of_sum(const boxes *w)
{
    dim_table *d = dims_of(w);
    ir_build *b = w->cx->b;
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK], inner[IR_MAX_RANK], none[IR_MAX_RANK] = {{0}};
    ir_dim one[IR_MAX_RANK];
    int n = w->t->rank;

    for (int i = 0; i < n; i++) {
        ir_dim reach = dim_sub(d, span_of(w, i), (ir_dim){1});
        one[i] = (ir_dim){1};
        inner[i] = dim_sub(d, w->a->stride.at[i], one[i]);
        low[i] = dim_sub(d, reach, w->a->low.at[i]);
        high[i] = dim_sub(d, dim_add(d, w->t->dim[i], reach),
                          dim_add(d, low[i], wide_extent(w, i)));
    }
    ir_ref g = ir_pad(b, w->g, zero_of(w), low, high, inner);
    ir_attr a = {.WINDOW = {w->a->size, {n, one}, w->a->dil, {n, none}, {n, none}, RED_SUM}};
    return ir_make(b, OP_WINDOW, &g, 1, &a);
}

/* ---- max and min ------------------------------------------------------------------- */

static ir_ref best_positions(const boxes *w)
{
    const struct ir_attr_WINDOW *o = w->a;
    ir_attr a = {.WINDOWARG = {o->size, o->stride, o->dil, o->low, o->high, o->op}};

    return ir_make(w->cx->b, OP_WINDOWARG, &w->x, 1, &a);
}

/* The most boxes along axis i that reach an element; 0 if that is not known. */
static int64_t reaching(const boxes *w, int i)
{
    dim_table *d = dims_of(w);
    int64_t most, all;

    if (!dim_const(d, dim_ceildiv(d, span_of(w, i), w->a->stride.at[i]), &most))
        return 0;
    return dim_const(d, w->to->dim[i], &all) ? max_i64(min_i64(most, all), 1) : most;
}

/* The elements from each box to the next: an axis of g and, where it is not 1, the stride. */
typedef struct steps {
    ir_dim dim[2 * IR_MAX_RANK];
    int32_t box[IR_MAX_RANK];   /* the axes of g, and, of `strides` axes, the strides */
    int32_t stride[IR_MAX_RANK];
    int rank, strides;
} steps;

static steps steps_of(const boxes *w)
{
    steps s = {.rank = 0};

    for (int i = 0; i < w->to->rank; i++) {
        s.box[i] = s.rank;
        s.dim[s.rank++] = w->to->dim[i];
        if (dim_is(dims_of(w), w->a->stride.at[i], 1))
            continue;
        s.stride[s.strides++] = s.rank;
        s.dim[s.rank++] = w->a->stride.at[i];
    }
    return s;
}

/* v, of the steps, with each axis and its stride as one axis. */
static ir_ref joined(const boxes *w, ir_ref v)
{
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < w->to->rank; i++)
        shape[i] = dim_mul(dims_of(w), w->to->dim[i], w->a->stride.at[i]);
    return ir_reshape(w->cx->b, v, shape, w->to->rank);
}

/* v with each element at all steps from its box to the next. */
static ir_ref stepped(const boxes *w, const steps *s, ir_ref v)
{
    return ir_broadcast(w->cx->b, v, s->dim, s->rank, s->box);
}

/* v with each element `stride` times along each axis. */
static ir_ref repeated(const boxes *w, ir_ref v)
{
    const steps s = steps_of(w);

    return joined(w, stepped(w, &s, v));
}

/* For each element of x the value of the box at[i] before the last that begins at or before
 * it, `other` where there is none: element p of an axis has (p + low) / stride - at. */
static ir_ref of_box(const boxes *w, ir_ref repeated, const int64_t *at, ir_ref other)
{
    dim_table *d = dims_of(w);
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK];

    for (int i = 0; i < w->t->rank; i++) {
        ir_dim stride = w->a->stride.at[i];
        low[i] = dim_sub(d, dim_mul(d, dim_int(d, at[i]), stride), w->a->low.at[i]);
        ir_dim end = dim_add(d, low[i], dim_mul(d, w->to->dim[i], stride));
        high[i] = dim_sub(d, w->t->dim[i], end);
    }
    return ir_pad(w->cx->b, repeated, other, low, high, NULL);
}

/* The number of each element of x, in row-major order. */
static ir_ref numbers(const boxes *w)
{
    ir_dim count = dim_product(dims_of(w), w->t->dim, w->t->rank);

    return ir_reshape(w->cx->b, ir_iota(w->cx->b, DT_I64, &count, 1, 0), w->t->dim, w->t->rank);
}

/* The next of all combinations of at[i] < most[i]; false behind the last. */
static bool next(const boxes *w, const int64_t *most, int64_t *at)
{
    for (int i = w->t->rank; i-- > 0;) {
        if (++at[i] < most[i])
            return true;
        at[i] = 0;
    }
    return false;
}

/* FEW boxes at most can reach an element: for each of them it compares the position
 * of the box's best with its own number. */
static ir_ref asked(const boxes *w, const int64_t *most)
{
    ir_build *b = w->cx->b;
    ir_ref own = numbers(w), best = repeated(w, best_positions(w)), g = repeated(w, w->g);
    ir_ref nobody = ir_int(b, DT_I64, -1), sum = IR_NONE;
    int64_t at[IR_MAX_RANK] = {0};

    do {
        ir_ref mine = ir_2(b, OP_EQ, of_box(w, best, at, nobody), own);
        ir_ref share = grad_mask(b, mine, of_box(w, g, at, zero_of(w)));
        sum = sum == IR_NONE ? share : ir_2(b, OP_ADD, sum, share);
    } while (next(w, most, at));
    return sum;
}

/* ---- max and min of small boxes ------------------------------------------------------ */

/* A box as numbers; places in it count in row-major order. */
typedef struct small {
    int64_t size[IR_MAX_RANK], stride[IR_MAX_RANK], dil[IR_MAX_RANK];
    int64_t places, strides;    /* products; `places` is no place */
} small;

/* Of boxes of FEW places at most; else false. */
static bool small_of(const boxes *w, small *s)
{
    const dim_table *d = dims_of(w);

    *s = (small){.places = 1, .strides = 1};
    for (int i = 0; i < w->t->rank; i++) {
        if (!dim_const(d, w->a->size.at[i], &s->size[i]) ||
            !dim_const(d, w->a->stride.at[i], &s->stride[i]) ||
            !dim_const(d, w->a->dil.at[i], &s->dil[i]) || s->size[i] > FEW || s->stride[i] > FEW)
            return false;
        s->places *= s->size[i];
        s->strides *= s->stride[i];
        if (s->places > FEW || s->strides > FEW)
            return false;
    }
    return true;
}

/* Of v, padded, what the place at[] of each box reads. */
static ir_ref at_place(const boxes *w, ir_ref v, const small *s, const int64_t *at)
{
    dim_table *d = dims_of(w);
    ir_dim start[IR_MAX_RANK];

    for (int i = 0; i < w->t->rank; i++)
        start[i] = dim_int(d, at[i] * s->dil[i]);
    return ir_slice(w->cx->b, v, start, w->a->stride.at, w->to->dim);
}

static ir_ref padded(const boxes *w, ir_ref v, ir_ref other)
{
    return ir_pad(w->cx->b, v, other, w->a->low.at, w->a->high.at, NULL);
}

static bool is_padded(const boxes *w)
{
    for (int i = 0; i < w->t->rank; i++)
        if (!dim_is(dims_of(w), w->a->low.at[i], 0) || !dim_is(dims_of(w), w->a->high.at[i], 0))
            return true;
    return false;
}

/* The place in each box of its first best element, u8: as windowarg has it, NaN is best. */
static ir_ref best_places(const boxes *w, ir_ref y, const small *s)
{
    ir_build *b = w->cx->b;
    ir_ref x = padded(w, w->x, ir_float(b, w->t->dtype, 0)), there = IR_NONE, best = IR_NONE;
    int64_t at[IR_MAX_RANK] = {0}, all[FEW][IR_MAX_RANK];

    if (is_padded(w))
        there = padded(w, ir_splat(b, ir_ty(b, DT_BOOL, w->t->dim, w->t->rank), 1),
                       ir_int(b, DT_BOOL, 0));
    for (int64_t k = 0; k < s->places; k++, next(w, s->size, at))
        memcpy(all[k], at, sizeof at);
    const ir_type *places = ir_ty(b, DT_U8, w->to->dim, w->to->rank);
    for (int64_t k = s->places; k-- > 0;) {
        ir_ref v = at_place(w, x, s, all[k]);
        ir_ref is = ir_2(b, OP_OR, ir_2(b, OP_EQ, v, y), ir_1(b, OP_ISNAN, v));
        if (there != IR_NONE)
            is = ir_2(b, OP_AND, is, at_place(w, there, s, all[k]));
        ir_ref own = ir_splat(b, places, (double)k);
        best = best == IR_NONE ? ir_select(b, is, own, ir_splat(b, places, (double)s->places))
                               : ir_select(b, is, own, best);
    }
    return best;
}

/* The place in the box at[] before the last that an element has, for each of `strides` steps
 * from a box to the next. */
static ir_ref places_of(const boxes *w, const steps *to, const small *s, const int64_t *at)
{
    ir_build *b = w->cx->b;
    int64_t own[FEW], step[IR_MAX_RANK] = {0};
    ir_dim shape[IR_MAX_RANK];

    for (int64_t k = 0; k < s->strides; k++, next(w, s->stride, step)) {
        own[k] = 0;
        for (int i = 0; i < w->t->rank; i++) {
            int64_t p = at[i] * s->stride[i] + step[i];
            bool in = p % s->dil[i] == 0 && p / s->dil[i] < s->size[i] && own[k] < s->places;
            own[k] = in ? own[k] * s->size[i] + p / s->dil[i] : s->places;
        }
    }
    for (int i = 0; i < to->strides; i++)
        shape[i] = to->dim[to->stride[i]];
    ir_ref v = ir_cast(b, ir_i64s(b, own, (int)s->strides), DT_U8);
    v = ir_reshape(b, v, shape, to->strides);
    return ir_broadcast(b, v, to->dim, to->rank, to->stride);
}

/* The same as asked, of small boxes. */
static ir_ref asked_small(const boxes *w, ir_ref y, const small *s, const int64_t *most)
{
    ir_build *b = w->cx->b;
    const steps to = steps_of(w);
    ir_ref best = stepped(w, &to, best_places(w, y, s)), g = stepped(w, &to, w->g);
    ir_ref sum = IR_NONE;
    int64_t at[IR_MAX_RANK] = {0};

    do {
        ir_ref mine = ir_2(b, OP_EQ, best, places_of(w, &to, s, at));
        ir_ref share = of_box(w, joined(w, grad_mask(b, mine, g)), at, zero_of(w));
        sum = sum == IR_NONE ? share : ir_2(b, OP_ADD, sum, share);
    } while (next(w, most, at));
    return sum;
}

/* ---- max and min --------------------------------------------------------------------- */

/* Each box adds to its best element. */
static ir_ref added(const boxes *w)
{
    dim_table *d = dims_of(w);
    ir_build *b = w->cx->b;
    ir_dim all = dim_product(d, w->t->dim, w->t->rank), n = dim_product(d, w->to->dim, w->to->rank);
    ir_ref at = ir_reshape(b, best_positions(w), &n, 1), g = ir_reshape(b, w->g, &n, 1);
    ir_ref sum = grad_scatter_along(w->cx, ir_ty(b, w->to->dtype, &all, 1), 0, at, g);

    return ir_reshape(b, sum, w->t->dim, w->t->rank);
}

static ir_ref of_extremum(const boxes *w, ir_ref y)
{
    int64_t most[IR_MAX_RANK], all = 1;
    small s;

    for (int i = 0; i < w->t->rank && all; i++) {
        most[i] = reaching(w, i);
        all = most[i] > FEW ? 0 : all * most[i];
    }
    if (!all || all > FEW)
        return added(w);
    return small_of(w, &s) ? asked_small(w, y, &s, most) : asked(w, most);
}

/* ---- prod -------------------------------------------------------------------------- */

/* Index along axis i of x, for element k of box s: s * stride + k * dil - low. */
static ir_ref index_of(const boxes *w, int i, const ir_dim *shape)
{
    dim_table *d = dims_of(w);
    ir_build *b = w->cx->b;
    int n = w->t->rank;
    ir_ref s = ir_iota(b, DT_I64, shape, 2 * n, i), k = ir_iota(b, DT_I64, shape, 2 * n, n + i);
    ir_dim factor[3] = {w->a->stride.at[i], w->a->dil.at[i], dim_neg(d, w->a->low.at[i])};
    ir_ref v[3];

    for (int j = 0; j < 3; j++)
        v[j] = ir_broadcast(b, ir_dim_ref(b, factor[j]), shape, 2 * n, NULL);
    ir_ref sum = ir_2(b, OP_ADD, ir_2(b, OP_MUL, s, v[0]), ir_2(b, OP_MUL, k, v[1]));
    return ir_2(b, OP_ADD, sum, v[2]);
}

/* Does the index lie in x? */
static ir_ref inside(const boxes *w, int i, ir_ref index)
{
    ir_build *b = w->cx->b;
    const ir_type *t = ir_type_of(b->fn, index);
    ir_ref end = ir_broadcast(b, ir_dim_ref(b, w->t->dim[i]), t->dim, t->rank, NULL);
    ir_ref from = ir_2(b, OP_LE, ir_splat(b, t, 0), index);

    return ir_2(b, OP_AND, from, ir_2(b, OP_LT, index, end));
}

/* All boxes, [their extents, sizes], with 1 outside of x; the gradient of the product over
 * the sizes is added where they came from. */
static ir_ref of_product(const boxes *w)
{
    ir_build *b = w->cx->b;
    int n = w->t->rank;
    ir_dim shape[2 * IR_MAX_RANK];
    ir_ref index[IR_MAX_RANK], there = IR_NONE;
    int32_t axes[IR_MAX_RANK], sizes[IR_MAX_RANK];

    memcpy(shape, w->to->dim, (size_t)n * sizeof *shape);
    memcpy(shape + n, w->a->size.at, (size_t)n * sizeof *shape);
    for (int i = 0; i < n; i++) {
        axes[i] = i;
        sizes[i] = n + i;
        index[i] = index_of(w, i, shape);
        ir_ref in = inside(w, i, index[i]);
        there = there == IR_NONE ? in : ir_2(b, OP_AND, there, in);
    }
    ir_ref boxed = ir_gather(b, w->x, index, axes, n, true);
    boxed = ir_select(b, there, boxed, ir_splat(b, ir_type_of(b->fn, boxed), 1));
    ir_ref g = grad_of_product(b, boxed, (ir_ints){n, sizes}, w->g);
    ir_ref args[IR_MAX_RANK + 2] = {ir_splat(b, w->t, 0)};
    memcpy(args + 1, index, (size_t)n * sizeof *args);
    args[n + 1] = g;
    ir_attr a = {.SCATTER = {.axes = {n, axes}, .op = RED_SUM}};
    return ir_make(b, OP_SCATTER, args, (uint32_t)n + 2, &a);
}

bool grad_window(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const boxes w = {cx, &n.attr->WINDOW, x, gy[0], grad_type(cx, x), grad_type(cx, n.first)};

    switch (n.attr->WINDOW.op) {
    case RED_SUM: grad_add(cx, x, of_sum(&w)); return true;
    case RED_MIN:
    case RED_MAX: grad_add(cx, x, of_extremum(&w, n.first)); return true;
    case RED_PROD:
        if (2 * w.t->rank > IR_MAX_RANK)
            return false;
        grad_add(cx, x, of_product(&w));
        return true;
    default: return false;
    }
}
