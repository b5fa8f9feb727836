/* frontend/dsl/place.c - values put at places of an array: y[p, i] += e, a[slot[e], :] <- v.
 *
 * Both are a SCATTER.  Axes of the array at which a plain index stands, and no other position
 * depends on it, are left whole. */
#include "check.h"

/* What stands on one axis of the array. */
typedef struct spot {
    dsl_axis *axis;             /* a plain index; or .. */
    const dsl_value *at;        /* a position that is computed */
    ir_dim extent;
    bool whole;                 /* the axis needs no position */
} spot;

typedef struct spots {
    int n;
    spot at[IR_MAX_RANK];
} spots;

/* ---- positions -------------------------------------------------------------- */

static bool is_plain(dsl *cx, const dsl_affine *f)
{
    return f->n == 1 && dim_is(cx->dims, f->constant, 0) && dim_is(cx->dims, f->term[0].coef, 1);
}

static bool add_spot(dsl *cx, spots *s, spot x, ir_loc at)
{
    if (s->n == IR_MAX_RANK)
        return dsl_wrong(cx, at, "more than %d axes", IR_MAX_RANK), false;
    s->at[s->n++] = x;
    return true;
}

/* The position as a value within 0 .. extent - 1. */
static const dsl_value *position(dsl *cx, const ast_expr *e, const ir_dim *extent)
{
    const dsl_value *v = dsl_as(cx, dsl_eval(cx, e), DSL_INT, e->at, "a position");
    dim_table *t = cx->dims;

    if (dsl_bad(v))
        return v;
    if (!v->tensor.bounded || dim_lo(t, v->tensor.lo) < 0)
        return dsl_wrong(cx, e->at, "the position is %s; declare int<..>, or use clamp or %%",
                         dsl_describe(cx, v));
    if (extent && !dsl_at_most(cx, v->tensor.hi, dim_sub(t, *extent, dim_int(t, 1))))
        return dsl_wrong(cx, e->at, "the position reaches %s, the axis has %s elements",
                         dsl_dim_text(cx, v->tensor.hi), dsl_dim_text(cx, *extent));
    return v;
}

/* The spot of place e on an axis of this extent; null: it has as many elements as e reaches. */
static bool read_spot(dsl *cx, const ast_expr *e, const ir_dim *extent, spot *s)
{
    dsl_affine f;
    const ast_expr *p = e->kind == AST_IN ? e->in.place : e;
    ir_dim one = dim_int(cx->dims, 1), given;

    *s = (spot){0};
    if (e->kind == AST_IN) {
        if (!dsl_eval_dim(cx, e->in.extent, &given, "the extent of an index"))
            return false;
        extent = &given;
    }
    if (dsl_affine_of(cx, p, &f) && is_plain(cx, &f) && f.term[0].axis->known &&
        (!extent || dsl_same(*extent, f.term[0].axis->extent))) {
        s->axis = f.term[0].axis;
        s->extent = s->axis->extent;
        return true;
    }
    s->at = position(cx, p, extent);
    if (dsl_bad(s->at))
        return false;
    s->extent = extent ? *extent : dim_add(cx->dims, s->at->tensor.hi, one);
    return true;
}

/* ---- the scatter ------------------------------------------------------------ */

static bool is_used(const spots *s, const dsl_axis *a)
{
    for (int i = 0; i < s->n; i++)
        if (s->at[i].at && dsl_find(s->at[i].at, a) >= 0)
            return true;
    return false;
}

/* Positions of the axes that are not whole, aligned; the axes they have. */
static int positions(dsl *cx, spots *s, const dsl_value *v, const dsl_value **index, int32_t *axes,
                     ir_loc at)
{
    dsl_axes rest = {0};
    int n = 0;

    for (int i = 0; i < s->n; i++) {
        s->at[i].whole = s->at[i].axis && !is_used(s, s->at[i].axis);
        if (s->at[i].whole)
            dsl_add_axis(&rest, s->at[i].axis);
        else {
            axes[n] = i;
            index[n++] = s->at[i].at ? s->at[i].at : dsl_index_value(cx, s->at[i].axis);
        }
    }
    for (int i = 0; i < v->tensor.rank; i++) {      /* what is added up, or repeated */
        dsl_axis *a = v->tensor.axis[i];
        if (!n || !a || dsl_has_axis(&rest, a) || dsl_find(index[0], a) >= 0)
            continue;
        const dsl_value *zero =
            dsl_binary(cx, AST_MUL, dsl_index_value(cx, a), dsl_int(cx, 0), at);
        index[0] = dsl_binary(cx, AST_ADD, index[0], zero, at);
    }
    for (int i = 0; i < n; i++)
        index[i] = dsl_as(cx, index[i], DSL_INT, at, "a position");
    return n && !dsl_align(cx, index, n, at, "positions") ? -1 : n;
}

/* `base`, whose axes are the spots, with v put there. */
static const dsl_value *scatter(dsl *cx, const dsl_value *base, spots *s, const dsl_value *v,
                                ir_redop op, ir_loc at)
{
    const dsl_value *index[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    ir_ref in[IR_MAX_RANK + 2];
    dsl_shape shape = {0};
    int n = positions(cx, s, v, index, axes, at);

    if (n < 0 || (n && !dsl_add_axes(cx, &shape, index[0])))
        return &dsl_poison;
    for (int i = 0; i < s->n; i++)
        if (s->at[i].whole && !dsl_add_to_shape(cx, &shape, s->at[i].axis, s->at[i].extent))
            return &dsl_poison;
    v = dsl_arrange_as(cx, v, &shape);
    if (dsl_bad(v) || !n)
        return v;
    in[0] = dsl_ref(cx, base);
    for (int i = 0; i < n; i++)
        in[i + 1] = dsl_ref(cx, index[i]);
    in[n + 1] = dsl_ref(cx, v);
    ir_attr a = {.SCATTER = {.axes = {n, axes}, .op = op}};
    ir_ref x = ir_make(dsl_b(cx), OP_SCATTER, in, (uint32_t)n + 2, &a);
    const dsl_value *like = op == RED_SET ? dsl_join_bounds(cx, base, v) : base;
    return dsl_array_like(cx, like, x, base->tensor.rank, base->tensor.axis);
}

/* ---- += --------------------------------------------------------------------- */

static bool is_place(const dsl_scope *s, const dsl_axis *a)
{
    for (const dsl_var *v = s->vars; v; v = v->next)
        if (v->index == a)
            return true;
    return false;
}

/* Zeros with the spots as axes; those that v carries from outside stay carried. */
static const dsl_value *zeros(dsl *cx, const spots *s, int outside, const dsl_value *like)
{
    ir_dim extent[IR_MAX_RANK];
    dsl_axis *axis[IR_MAX_RANK];

    for (int i = 0; i < s->n; i++) {
        extent[i] = s->at[i].extent;
        axis[i] = i < outside ? s->at[i].axis : NULL;
    }
    const ir_type *t = ir_ty(dsl_b(cx), dsl_dtype(like), extent, s->n);
    return dsl_array_like(cx, like, ir_splat(dsl_b(cx), t, 0), s->n, axis);
}

/* Positions of all places, if each is an index or a sum of two. */
static bool affine_places(dsl *cx, const ast_target *t, dsl_affine *f)
{
    bool two = false;

    if (t->places.len > IR_MAX_RANK)
        return false;
    for (uint32_t i = 0; i < t->places.len; i++) {
        if (!dsl_affine_of(cx, t->places.at[i], &f[i]))
            return false;
        for (int k = 0; k < f[i].n; k++)
            if (!f[i].term[k].axis->known)
                return false;
        if (!is_plain(cx, &f[i]) && f[i].n != 2)
            return false;
        two |= f[i].n == 2;
    }
    return two;
}

/* Has any of them visible axes? */
static bool shows_axes(const dsl_value *const *v)
{
    int skip[IR_MAX_RANK];

    return dsl_visible(v[0], skip) || dsl_visible(v[1], skip);
}

/* y[p + i] += x[p] * w[i] is a convolution and not a scatter of products: null if
 * it is not so. */
const dsl_value *dsl_accumulate_product(dsl *cx, const ast_target *t, const ast_expr *e)
{
    dsl_affine place[IR_MAX_RANK];
    const dsl_value *v[2], *y;
    dsl_axes over, out;
    int n = (int)t->places.len;

    if (!affine_places(cx, t, place) || !dsl_two_factors(cx, e, v, &over) || dsl_bad(v[0]) ||
        dsl_bad(v[1]) || shows_axes(v) || !dsl_agree(cx, v, 2, t->at, "*"))
        return NULL;
    y = dsl_spread(cx, v[0], v[1], &over, place, n, &out);
    if (!y)
        y = dsl_spread(cx, v[1], v[0], &over, place, n, &out);
    return y && !dsl_bad(y) ? dsl_show(cx, y, &out) : y;
}

/* Zeros with the places as axes, and v added there. */
const dsl_value *dsl_accumulate(dsl *cx, const ast_target *t, const dsl_value *v)
{
    spots l = {0};
    int outside;

    if (v->tensor.elem == DSL_BOOL)
        v = dsl_cast(cx, v, DSL_INT);
    if (v->tensor.number)
        v = dsl_as(cx, v, DSL_REAL, t->at, "+=");
    if (dsl_bad(v))
        return v;
    dsl_value *w = arena_copy(cx->mem, v, sizeof *v);
    w->tensor.bounded = false;
    v = w;
    for (int i = 0; i < v->tensor.rank; i++) {
        dsl_axis *a = v->tensor.axis[i];
        if (!a)
            return dsl_wrong(cx, t->at, "+= names all axes; the right side is %s",
                             dsl_describe(cx, v));
        if (!is_place(cx->scope, a) &&
            !add_spot(cx, &l, (spot){.axis = a, .extent = a->extent}, t->at))
            return &dsl_poison;
    }
    outside = l.n;
    for (uint32_t i = 0; i < t->places.len; i++) {
        spot x;
        if (!read_spot(cx, t->places.at[i], NULL, &x) || !add_spot(cx, &l, x, t->at))
            return &dsl_poison;
    }
    return scatter(cx, zeros(cx, &l, outside, v), &l, v, RED_SUM, t->at);
}

/* ---- a[places] <- v --------------------------------------------------------- */

/* a:b on the left: the next visible axis of v at start + i. */
static bool slice_spot(dsl *cx, const ast_expr *e, dsl_axis *a, ir_dim extent, spot *s)
{
    ir_dim low = dim_int(cx->dims, 0), high = extent, one = dim_int(cx->dims, 1);
    dim_table *t = cx->dims;

    *s = (spot){.axis = a, .extent = extent};
    if ((e->slice.low && !dsl_eval_dim(cx, e->slice.low, &low, "a slice")) ||
        (e->slice.high && !dsl_eval_dim(cx, e->slice.high, &high, "a slice")))
        return false;
    if (dim_hi(t, low) < 0)
        low = dim_add(t, extent, low);
    if (dim_hi(t, high) < 0)
        high = dim_add(t, extent, high);
    if (!dsl_same(dim_sub(t, high, low), a->extent))
        return dsl_wrong(cx, e->at, "the slice has %s elements, the right side %s",
                         dsl_dim_text(cx, dim_sub(t, high, low)),
                         dsl_dim_text(cx, a->extent)), false;
    if (!dsl_at_most(cx, dim_int(t, 0), low) || !dsl_at_most(cx, high, extent))
        return dsl_wrong(cx, e->at, "the slice is not in 0:%s", dsl_dim_text(cx, extent)), false;
    if (dsl_same(a->extent, extent))
        return true;
    s->axis = NULL;
    s->at = dsl_binary(cx, AST_ADD, dsl_index_value(cx, a), dsl_whole(cx, low), e->at);
    s->at = dsl_bounded(cx, s->at, low, dim_sub(t, high, one));
    return !dsl_bad(s->at);
}

/* base with v at these places.  Its visible axes are carried meanwhile, so that
 * they meet those of the slices. */
const dsl_value *dsl_place(dsl *cx, const ast_target *t, const dsl_value *base,
                           const dsl_value *v)
{
    const ast_expr *at[IR_MAX_RANK];
    int visible[IR_MAX_RANK], shown[IR_MAX_RANK], n = dsl_visible(base, visible);
    int k = dsl_visible(v, shown), next = 0;
    dsl_axis *fresh[IR_MAX_RANK];
    spots l = {0};

    for (int i = 0; i < k; i++)
        fresh[i] = dsl_axis_new(cx, ":", dsl_extent(v, shown[i]));
    v = dsl_carry(cx, v, fresh, k);
    v = dsl_as(cx, v, base->tensor.elem, t->at, "the right side");
    if (dsl_bad(v))
        return v;
    if (!dsl_positions(&t->places, n, at))
        return dsl_wrong(cx, t->at, "%s has %d axes", dsl_describe(cx, base), n);
    for (int i = 0, m = 0; i < base->tensor.rank; i++) {
        spot x = {.axis = base->tensor.axis[i], .extent = dsl_extent(base, i)};
        const ast_expr *e = x.axis ? NULL : at[m++];
        bool slice = !x.axis && (!e || e->kind == AST_SLICE);
        if (slice && next == k)
            return dsl_wrong(cx, t->at, "the right side has no axis for :");
        if (slice && e && !slice_spot(cx, e, fresh[next++], x.extent, &x))
            return &dsl_poison;
        if (slice && !e)
            x.axis = fresh[next++];
        const ir_dim extent = x.extent;
        if (!x.axis && !slice && !read_spot(cx, e, &extent, &x))
            return &dsl_poison;
        if (x.axis && !x.at && !dsl_same(x.axis->extent, dsl_extent(base, i)))
            return dsl_wrong(cx, t->at, "an axis of %s elements for one of %s",
                             dsl_dim_text(cx, x.axis->extent), dsl_dim_text(cx, x.extent));
        if (!add_spot(cx, &l, x, t->at))
            return &dsl_poison;
    }
    if (next < k)
        return dsl_wrong(cx, t->at, "the right side is %s; write : for each of its axes",
                         dsl_describe(cx, v));
    return scatter(cx, base, &l, v, RED_SET, t->at);
}
