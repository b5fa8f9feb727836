/* frontend/dsl/axes.c - arrays with carried axes are brought to one shape.
 *
 * A value has visible axes, which the program counts, and carried ones, which have
 * names that the program does not write: rows (`..`) of what calls the function,
 * and indices in scope.  Two values meet by carried axes of the same identity,
 * whatever their order in memory, and by visible ones in order; nothing else is
 * ever stretched. */
#include "check.h"

/* ---- shapes in the making ---------------------------------------------------- */

bool dsl_add_to_shape(dsl *cx, dsl_shape *s, dsl_axis *a, ir_dim extent)
{
    if (s->rank == IR_MAX_RANK)
        return dsl_wrong(cx, cx->at, "this has more than %d axes", IR_MAX_RANK), false;
    s->axis[s->rank] = a;
    s->extent[s->rank++] = extent;
    return true;
}

bool dsl_add_axes(dsl *cx, dsl_shape *s, const dsl_value *v)
{
    for (int i = 0; i < v->tensor.rank; i++)
        if (!dsl_add_to_shape(cx, s, v->tensor.axis[i], dsl_extent(v, i)))
            return false;
    return true;
}

static bool shape_has(const dsl_shape *s, const dsl_axis *a)
{
    for (int i = 0; i < s->rank; i++)
        if (s->axis[i] == a)
            return true;
    return false;
}

/* Carried axes of v that s has not, behind those that it has. */
bool dsl_add_missing(dsl *cx, dsl_shape *s, const dsl_value *v)
{
    for (int i = 0; i < v->tensor.rank; i++) {
        dsl_axis *a = v->tensor.axis[i];
        if (a && !shape_has(s, a) && !dsl_add_to_shape(cx, s, a, a->extent))
            return false;
    }
    return true;
}

const dsl_value *dsl_arrange_as(dsl *cx, const dsl_value *v, const dsl_shape *s)
{
    return dsl_arrange(cx, v, s->axis, s->extent, s->rank);
}

/* Values of one shape along a new visible axis at `at`. */
const dsl_value *dsl_stacked(dsl *cx, const dsl_value *const *v, uint32_t n, int at)
{
    ir_ref *x = arena_array(cx->mem, ir_ref, n);
    dsl_shape s = {0};

    for (int i = 0; i <= v[0]->tensor.rank; i++) {
        int from = i - (i > at);
        if (!(i == at ? dsl_add_to_shape(cx, &s, NULL, dim_int(cx->dims, n))
                      : dsl_add_to_shape(cx, &s, v[0]->tensor.axis[from], dsl_extent(v[0], from))))
            return &dsl_poison;
    }
    for (uint32_t i = 0; i < n; i++)
        x[i] = ir_unsqueeze(dsl_b(cx), dsl_ref(cx, v[i]), at);
    return dsl_array_like(cx, v[0], ir_concat(dsl_b(cx), x, (int)n, at), s.rank, s.axis);
}

/* ---- several arrays ----------------------------------------------------------- */

/* The one with the most visible, then the most axes. */
static int widest(const dsl_value *const *v, int n)
{
    int best = 0, skip[IR_MAX_RANK];

    for (int i = 1; i < n; i++) {
        int a = dsl_visible(v[i], skip), b = dsl_visible(v[best], skip);
        if (a > b || (a == b && v[i]->tensor.rank > v[best]->tensor.rank))
            best = i;
    }
    return best;
}

/* True after a message that says what would make them agree. */
static bool shapes_differ(dsl *cx, const dsl_value *a, const dsl_value *b, ir_loc at,
                          const char *what)
{
    int x[IR_MAX_RANK], y[IR_MAX_RANK], n = dsl_visible(a, x), k = dsl_visible(b, y);

    if (n != k)
        return dsl_wrong(cx, at, "%s: shapes %s and %s differ; name the axes, or write y[n] - p[n]",
                         what, dsl_describe(cx, a), dsl_describe(cx, b)), true;
    for (int i = 0; i < n; i++) {
        ir_dim d = dsl_extent(a, x[i]), e = dsl_extent(b, y[i]);
        if (dsl_same(d, e))
            continue;
        if (dim_is(cx->dims, d, 1) || dim_is(cx->dims, e, 1))
            dsl_wrong(cx, at, "%s: shapes %s and %s differ; axes of extent 1 do not stretch: "
                      "write y[n] - p[n, 0], or p |> scalar",
                      what, dsl_describe(cx, a), dsl_describe(cx, b));
        else if (!dsl_apart(cx, d, e))
            dsl_wrong(cx, at, "%s: %s and %s are not known to be equal; %s", what,
                      dsl_dim_text(cx, d), dsl_dim_text(cx, e),
                      dsl_equal_text(cx, d, e, NULL, NULL));
        else
            dsl_wrong(cx, at, "%s: shapes %s and %s differ in axis %d, %s and %s", what,
                      dsl_describe(cx, a), dsl_describe(cx, b), i, dsl_dim_text(cx, d),
                      dsl_dim_text(cx, e));
        return true;
    }
    return false;
}

/* Carried axes of v that neither the shape nor `main` has. */
static bool add_lacking(dsl *cx, dsl_shape *s, const dsl_value *main, const dsl_value *v)
{
    for (int i = 0; i < v->tensor.rank; i++) {
        dsl_axis *a = v->tensor.axis[i];
        if (a && dsl_find(main, a) < 0 && !shape_has(s, a) &&
            !dsl_add_to_shape(cx, s, a, a->extent))
            return false;
    }
    return true;
}

/* All carried axes that `main` lacks, then its own. */
static bool add_all_axes(dsl *cx, dsl_shape *s, const dsl_value *main, const dsl_value *const *v,
                         int n)
{
    for (int i = 0; i < n; i++)
        if (!add_lacking(cx, s, main, v[i]))
            return false;
    return dsl_add_axes(cx, s, main);
}

/* Rows of a call before indices, for the rest as they are. */
static dsl_shape rows_first(const dsl_shape *s)
{
    dsl_shape to = {0};

    for (int rows = 1; rows >= 0; rows--)
        for (int i = 0; i < s->rank; i++)
            if (dsl_is_rows(s->axis[i]) == rows) {
                to.axis[to.rank] = s->axis[i];
                to.extent[to.rank++] = s->extent[i];
            }
    return to;
}

/* All of v have the same axes in the same order afterwards: those of the one with
 * most visible axes, behind the carried ones that it lacks; if there are such, but no visible
 * ones, rows come first, so that sums over an index run along neighbours. */
bool dsl_align(dsl *cx, const dsl_value **v, int n, ir_loc at, const char *what)
{
    int main = widest(v, n), skip[IR_MAX_RANK];
    dsl_shape s = {0};

    for (int i = 0; i < n; i++)
        if (dsl_visible(v[i], skip) && shapes_differ(cx, v[main], v[i], at, what))
            return false;
    if (!add_all_axes(cx, &s, v[main], v, n))
        return false;
    if (!dsl_visible(v[main], skip) && s.rank > v[main]->tensor.rank)
        s = rows_first(&s);
    for (int i = 0; i < n; i++)
        v[i] = dsl_arrange_as(cx, v[i], &s);
    return true;
}

/* Where axis i of the wanted ones is in v; the visible ones in order.  A value without
 * visible axes has none of them. */
static void match_axes(const dsl_value *v, dsl_axis *const *axis, int rank, int32_t *from)
{
    int visible[IR_MAX_RANK], n = dsl_visible(v, visible), next = 0;

    for (int i = 0; i < rank; i++)
        if (axis[i])
            from[i] = dsl_find(v, axis[i]);
        else
            from[i] = next < n ? visible[next++] : -1;
}

/* v with exactly these axes: transposed if they lie otherwise, repeated along those
 * that it lacks. */
const dsl_value *dsl_arrange(dsl *cx, const dsl_value *v, dsl_axis *const *axis,
                             const ir_dim *extent, int rank)
{
    int32_t from[IR_MAX_RANK], perm[IR_MAX_RANK], to[IR_MAX_RANK];
    int n = 0;
    bool moved = false;
    ir_ref x = dsl_ref(cx, v);

    match_axes(v, axis, rank, from);
    for (int i = 0; i < rank; i++)
        if (from[i] >= 0) {
            moved |= n && perm[n - 1] > from[i];
            to[n] = i;
            perm[n++] = from[i];
        }
    ICE_IF(n != v->tensor.rank, "an axis is lost");
    if (moved)
        x = ir_transpose(dsl_b(cx), x, perm);
    if (n < rank)
        x = ir_broadcast(dsl_b(cx), x, extent, rank, to);
    return dsl_array_like(cx, v, x, rank, axis);
}

/* v arranged as `s`, with its axes becoming visible where `l` has them. */
static const dsl_value *reveal(dsl *cx, const dsl_value *v, const dsl_shape *s,
                               const dsl_axes *l)
{
    dsl_axis *axis[IR_MAX_RANK];
    const dsl_value *x = dsl_arrange_as(cx, v, s);

    if (dsl_bad(x))
        return x;
    for (int i = 0; i < s->rank; i++)
        axis[i] = dsl_has_axis(l, s->axis[i]) ? NULL : s->axis[i];
    return dsl_array_like(cx, x, dsl_ref(cx, x), s->rank, axis);
}

/* Do the axes of l stand in v in this order, all, and before the visible ones? */
static bool in_order(const dsl_value *v, const dsl_axes *l)
{
    int last = -1, visible[IR_MAX_RANK], n = dsl_visible(v, visible);

    for (int i = 0; i < l->n; i++) {
        int at = dsl_find(v, l->at[i]);
        if (at <= last)
            return false;
        last = at;
    }
    return !n || last < visible[0];
}

/* What stays carried, then the axes of l, then the visible ones. */
static bool shown_shape(dsl *cx, const dsl_value *v, const dsl_axes *l, dsl_shape *s)
{
    bool ok = true;

    if (in_order(v, l))
        return dsl_add_axes(cx, s, v);
    for (int i = 0; ok && i < v->tensor.rank; i++)
        if (v->tensor.axis[i] && !dsl_has_axis(l, v->tensor.axis[i]))
            ok = dsl_add_to_shape(cx, s, v->tensor.axis[i], dsl_extent(v, i));
    for (int i = 0; ok && i < l->n; i++)
        ok = dsl_add_to_shape(cx, s, l->at[i], l->at[i]->extent);
    for (int i = 0; ok && i < v->tensor.rank; i++)
        if (!v->tensor.axis[i])
            ok = dsl_add_to_shape(cx, s, NULL, dsl_extent(v, i));
    return ok;
}

const dsl_value *dsl_show(dsl *cx, const dsl_value *v, const dsl_axes *l)
{
    dsl_shape s = {0};

    if (!dsl_is_tensor(v) || !l->n)
        return v;
    return shown_shape(cx, v, l, &s) ? reveal(cx, v, &s, l) : &dsl_poison;
}

/* The first n visible axes become carried, under these identities; nothing moves in
 * memory. */
const dsl_value *dsl_carry(dsl *cx, const dsl_value *v, dsl_axis *const *axis, int n)
{
    dsl_axis *all[IR_MAX_RANK];
    int next = 0;

    if (!n)
        return v;
    for (int i = 0; i < v->tensor.rank; i++) {
        all[i] = v->tensor.axis[i];
        if (!all[i] && next < n)
            all[i] = axis[next++];
    }
    return dsl_array_like(cx, v, dsl_ref(cx, v), v->tensor.rank, all);
}

/* Takes axes of extent 1 away. */
const dsl_value *dsl_squeeze(dsl *cx, const dsl_value *v, const dsl_axes *ones)
{
    ir_dim shape[IR_MAX_RANK];
    dsl_axis *axis[IR_MAX_RANK];
    int rank = 0;

    for (int i = 0; i < v->tensor.rank; i++)
        if (!v->tensor.axis[i] || !dsl_has_axis(ones, v->tensor.axis[i])) {
            shape[rank] = dsl_extent(v, i);
            axis[rank++] = v->tensor.axis[i];
        }
    if (rank == v->tensor.rank)
        return v;
    return dsl_array_like(cx, v, ir_reshape(dsl_b(cx), dsl_ref(cx, v), shape, rank), rank, axis);
}

/* ---- reductions ------------------------------------------------------------- */

/* What is left of v after a reduction over the axes in memory that `gone` names. */
static const dsl_value *reduce_at(dsl *cx, const dsl_value *v, ir_redop op, const bool *gone)
{
    int32_t axes[IR_MAX_RANK];
    dsl_axis *left[IR_MAX_RANK];
    int n = 0, rank = 0;

    for (int i = 0; i < v->tensor.rank; i++)
        if (gone[i])
            axes[n++] = i;
        else
            left[rank++] = v->tensor.axis[i];
    if (!n)
        return v;
    ir_ref x = ir_reduce(dsl_b(cx), dsl_ref(cx, v), op, axes, n);
    const dsl_value *y = dsl_array_like(cx, v, x, rank, left);
    if (dsl_bad(y) || op == RED_MAX || op == RED_MIN)
        return y;
    dsl_value *w = arena_copy(cx->mem, y, sizeof *y);
    w->tensor.bounded = false;
    return w;
}

const dsl_value *dsl_reduce(dsl *cx, const dsl_value *v, ir_redop op, const dsl_axes *over)
{
    bool gone[IR_MAX_RANK] = {false};

    for (int i = 0; i < v->tensor.rank; i++)
        gone[i] = v->tensor.axis[i] && dsl_has_axis(over, v->tensor.axis[i]);
    return reduce_at(cx, v, op, gone);
}

const dsl_value *dsl_reduce_visible(dsl *cx, const dsl_value *v, ir_redop op)
{
    bool gone[IR_MAX_RANK] = {false};

    for (int i = 0; i < v->tensor.rank; i++)
        gone[i] = !v->tensor.axis[i];
    return reduce_at(cx, v, op, gone);
}

/* v where axes of extent `from`, which is known to be `to`, have that. */
const dsl_value *dsl_with_extent(dsl *cx, const dsl_value *v, ir_dim from, ir_dim to)
{
    ir_dim shape[IR_MAX_RANK];
    bool any = false;

    if (v->kind == DSL_NUMBER && v->number.whole && dsl_same(v->number.dim, from))
        return dsl_whole(cx, to);
    for (int i = 0; dsl_is_tensor(v) && i < v->tensor.rank; i++) {
        bool same = !v->tensor.axis[i] && dsl_same(dsl_extent(v, i), from);
        shape[i] = same ? to : dsl_extent(v, i);
        any |= same;
    }
    if (!any)
        return v;
    return dsl_array_like(cx, v, ir_reshape(dsl_b(cx), dsl_ref(cx, v), shape, v->tensor.rank),
                          v->tensor.rank, v->tensor.axis);
}
