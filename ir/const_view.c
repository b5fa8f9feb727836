/* ir/const_view.c - views of constants, on the way down a chain.
 *
 * A view (const_view.h) maps positions of a result to elements of one level of a
 * constant's chain.  Each function here takes the view of a link's result and
 * rewrites it in place as the view of what lies below the link.  Example: the
 * transpose of f32[2,3] is viewed by dims 3, 2; below it these are axes 1 and 0
 * with steps 1, and reading the six positions is one strided copy. */
#include "const_view.h"

void view_extents(const ir_module *m, const ir_type *t, int64_t *out)
{
    for (int i = 0; i < t->rank; i++)
        ICE_IF(!dim_const(&m->dims, t->dim[i], &out[i]), "a constant of unknown extent");
}

void view_products(int rank, const int64_t *dim, int64_t *out)
{
    int64_t n = 1;

    for (int i = rank - 1; i >= 0; n *= dim[i--])
        out[i] = n;
}

void view_whole(const ir_module *m, const ir_type *t, view *v)
{
    *v = (view){.n = t->rank, .rank = t->rank};
    view_extents(m, t, v->dim);
    for (int i = 0; i < v->n; i++) {
        v->axis[i] = i;
        v->step[i] = 1;
    }
}

/* View dim i becomes two: outer, and `inner` positions. */
static bool split_dim(view *v, int i, int64_t inner)
{
    int after = v->n - i - 1;

    if (v->n == VIEW_DIMS)
        return false;
#define SHIFT(a) memmove(&(a)[i + 2], &(a)[i + 1], (size_t)after * sizeof *(a))
    SHIFT(v->dim);
    SHIFT(v->step);
    SHIFT(v->axis);
    for (int g = 0; g < v->guards; g++) {
        int64_t *s = v->guard[g].step;
        SHIFT(s);
        s[i + 1] = s[i];
        s[i] *= inner;
    }
#undef SHIFT
    v->n++;
    v->dim[i + 1] = inner;
    v->dim[i] /= inner;
    v->step[i + 1] = v->step[i];
    v->step[i] *= inner;
    v->axis[i + 1] = v->axis[i];
    return true;
}

/* ---- going below a movement ------------------------------------------------------ */

void view_below_transpose(view *v, ir_ints perm)
{
    int64_t base[IR_MAX_RANK];

    memcpy(base, v->base, sizeof base);
    for (int i = 0; i < perm.n; i++)
        v->base[perm.at[i]] = base[i];
    for (int i = 0; i < v->n && perm.n; i++)        /* a scalar has no axis to name */
        v->axis[i] = perm.at[v->axis[i]];
}

/* A repeated axis has one element below: the view dims along it get step 0. */
void view_below_broadcast(const ir_module *m, view *v, ir_ints axes, const ir_type *x)
{
    int from[IR_MAX_RANK];
    int64_t base[IR_MAX_RANK] = {0}, dim[IR_MAX_RANK];

    view_extents(m, x, dim);
    for (int i = 0; i < v->rank; i++)
        from[i] = -1;
    for (int i = 0; i < axes.n; i++)
        if (dim[i] != 1) {
            from[axes.at[i]] = i;
            base[i] = v->base[axes.at[i]];
        }
    for (int i = 0; i < v->n; i++) {
        int a = from[v->axis[i]];
        v->step[i] = a < 0 ? 0 : v->step[i];
        v->axis[i] = a < 0 ? 0 : a;
    }
    v->rank = x->rank;
    memcpy(v->base, base, sizeof base);
}

/* Element i of the slice is element start + step * i below. */
void view_below_slice(const ir_module *m, view *v, const struct ir_attr_SLICE *a)
{
    for (int j = 0; j < v->rank; j++) {
        int64_t start = 0, step = 1;
        dim_const(&m->dims, a->start.at[j], &start);
        dim_const(&m->dims, a->step.at[j], &step);
        v->base[j] = start + step * v->base[j];
        for (int i = 0; i < v->n; i++)
            if (v->axis[i] == j)
                v->step[i] *= step;
    }
}

/* Subtracts the low border; where there is one, a guard remembers which indices are
 * inside.  False if the pad has gaps between elements or too many guards are on the
 * way already: then the caller reads element by element.  A negative border crops
 * and needs no guard. */
bool view_below_pad(const ir_module *m, view *v, const struct ir_attr_PAD *a, const ir_type *x)
{
    int64_t dim[IR_MAX_RANK], low, high;

    view_extents(m, x, dim);
    for (int j = 0; j < v->rank; j++) {
        low = high = 0;
        dim_const(&m->dims, a->low.at[j], &low);
        dim_const(&m->dims, a->high.at[j], &high);
        if (a->inner.n && !dim_is(&m->dims, a->inner.at[j], 0))
            return false;
        v->base[j] -= low;
        if (low <= 0 && high <= 0)
            continue;
        if (v->guards == GUARDS)
            return false;
        guard *g = &v->guard[v->guards++];
        *g = (guard){.base = v->base[j], .lo = 0, .hi = dim[j]};
        for (int i = 0; i < v->n; i++)
            g->step[i] = v->axis[i] == j ? v->step[i] : 0;
    }
    return true;
}

/* ---- going below a reshape ---------------------------------------------------------- */

/* Axes [u0,u1) of the upper shape hold the elements of [l0,l1) of the lower. */
typedef struct group {
    int u0, u1, l0, l1;
} group;

enum { MARKED = IR_MAX_RANK };  /* + group: the dim has a linear step in the group */

/* The shortest runs of axes with equal products, from the first axis on; returns how many.
 * [2,3,4] over [6,4] has two: axes 0 and 1 over axis 0, axis 2 over axis 1. */
static int find_groups(int nu, const int64_t *up, int nl, const int64_t *low, group *out)
{
    int n = 0, u = 0, l = 0;

    while (u < nu || l < nl) {
        group *g = &out[n++];
        *g = (group){.u0 = u, .l0 = l};
        int64_t pu = u < nu ? up[u++] : 1, pl = l < nl ? low[l++] : 1;
        while (pu != pl)
            if (pu < pl)
                pu *= up[u++];
            else
                pl *= low[l++];
        g->u1 = u;
        g->l1 = l;
    }
    return n;
}

/* Gives marked dim i an axis of the group, or splits it in two marked ones. */
static bool place_dim(view *v, int i, const group *g, const int64_t *low)
{
    int64_t s = v->step[i], t = 1;
    int j = g->l1 - 1;

    if (v->dim[i] == 1 || s == 0) {
        v->step[i] = 0;
        v->axis[i] = g->l0 < g->l1 ? g->l0 : 0;
        return true;
    }
    while (j > g->l0 && s >= t * low[j])
        t *= low[j--];
    if (s < 0 || s % t)
        return false;
    int64_t q = s / t, inner = low[j] / q;
    if (j > g->l0 && q * (v->dim[i] - 1) >= low[j])
        return low[j] % q == 0 && v->dim[i] % inner == 0 && split_dim(v, i, inner);
    v->step[i] = q;
    v->axis[i] = j;
    return true;
}

/* No position leaves its axis (steps are positive). */
static bool in_bounds(const view *v, const int64_t *base, const group *g, const int64_t *low)
{
    for (int j = g->l0; j < g->l1; j++) {
        int64_t last = base[j];
        for (int i = 0; i < v->n; i++)
            if (v->axis[i] == j)
                last += v->step[i] * (v->dim[i] - 1);
        if (base[j] < 0 || last >= low[j])
            return false;
    }
    return true;
}

/* Gives axes of the lower shape to the view dims that are marked as of this group, where
 * `linear` is the position in the group that the view begins at; base gets its indices. */
static bool place_group(view *v, int mark, const group *g, const int64_t *low, int64_t linear,
                        int64_t *base)
{
    bool one = g->l1 - g->l0 == 1;

    for (int i = 0; i < v->n; i++)
        while (v->axis[i] == mark)
            if (one)
                v->axis[i] = g->l0;
            else if (!place_dim(v, i, g, low))
                return false;
    if (one) {                  /* a guard may hold what is out of bounds */
        base[g->l0] = linear;
        return true;
    }
    if (linear < 0)
        return false;
    for (int j = g->l1 - 1; j >= g->l0; linear /= low[j--])
        base[j] = linear % low[j];
    return in_bounds(v, base, g, low);
}

/* Below is a scalar: every position reads it, but for what guards keep out. */
static void view_scalar(view *v)
{
    for (int i = 0; i < v->n; i++)
        v->step[i] = v->axis[i] = 0;
    memset(v->base, 0, sizeof v->base);
    v->rank = 0;
}

/* Axes are taken in the shortest groups that hold the same elements above and
 * below, and in each a view dim is turned into its linear step in the group, then
 * laid onto the lower axes.  False if a dim would have to carry from one lower axis
 * to the next in the middle of a run; then v is spoilt, and the caller has kept a
 * copy. */
bool view_below_reshape(const ir_module *m, view *v, const ir_type *upper, const ir_type *lower)
{
    int64_t up[IR_MAX_RANK], low[IR_MAX_RANK], base[IR_MAX_RANK] = {0}, linear[2 * IR_MAX_RANK];
    group g[2 * IR_MAX_RANK];
    int which[IR_MAX_RANK];
    int64_t times[IR_MAX_RANK];

    if (!lower->rank) {
        view_scalar(v);
        return true;
    }
    view_extents(m, upper, up);
    view_extents(m, lower, low);
    int n = find_groups(upper->rank, up, lower->rank, low, g);
    for (int k = 0; k < n; k++) {
        int64_t t = 1;
        linear[k] = 0;
        for (int u = g[k].u1 - 1; u >= g[k].u0; t *= up[u--]) {
            which[u] = k;
            times[u] = t;
            linear[k] += v->base[u] * t;
        }
    }
    for (int i = 0; i < v->n && upper->rank; i++) {
        v->step[i] *= times[v->axis[i]];
        v->axis[i] = MARKED + which[v->axis[i]];
    }
    for (int k = 0; k < n; k++)
        if (!place_group(v, MARKED + k, &g[k], low, linear[k], base))
            return false;
    v->rank = lower->rank;
    memcpy(v->base, base, sizeof base);
    return true;
}
