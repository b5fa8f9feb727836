/* frontend/dsl/contract.c - sums of products become contractions.
 *
 * Factors without a summed axis move out.  Two are left in most programs: a convolution,
 * if one of them is read in windows; a DOT whose batch axes are those that both have; or a
 * product and a REDUCE, if neither has an axis for itself.  More are taken two at a time,
 * those first whose product is smallest. */
#include "check.h"

/* The visible axes of factors are carried meanwhile, as the same axes in all of them. */
static bool hide_visible(dsl *cx, dsl_view *factor, int n, dsl_axes *hidden)
{
    int visible[IR_MAX_RANK];

    for (int i = 0; i < n; i++) {
        dsl_axis *axis[IR_MAX_RANK];
        int k = 0;
        const dsl_value *v = factor[i].v;
        for (int a = 0; a < v->tensor.rank; a++)
            if (!v->tensor.axis[a] && !factor[i].form[a].n)
                visible[k++] = a;
        if (!k)
            continue;
        if (hidden->n && hidden->n != k)
            return false;
        for (int a = 0; a < k; a++) {
            ir_dim d = dsl_extent(v, visible[a]);
            if (hidden->n <= a)
                dsl_add_axis(hidden, dsl_axis_new(cx, ":", d));
            if (!dsl_same(hidden->at[a]->extent, d))
                return false;
        }
        for (int a = 0; a < v->tensor.rank; a++)
            axis[a] = v->tensor.axis[a];
        for (int a = 0; a < k; a++)
            axis[visible[a]] = hidden->at[a];
        factor[i].v = dsl_array_like(cx, v, dsl_ref(cx, v), v->tensor.rank, axis);
    }
    return true;
}

static const dsl_value *product(dsl *cx, const dsl_value *a, const dsl_value *b)
{
    return dsl_scalar2(cx, OP_MUL, a, b, cx->at, "*");
}

/* Axes of a that are summed and that b has not: they are summed before the product. */
static const dsl_value *sum_own(dsl *cx, const dsl_value *a, const dsl_value *b,
                                const dsl_axes *over)
{
    dsl_axes own = {0};

    for (int i = 0; i < a->tensor.rank; i++) {
        dsl_axis *x = a->tensor.axis[i];
        if (x && dsl_has_axis(over, x) && dsl_find(b, x) < 0)
            dsl_add_axis(&own, x);
    }
    return own.n ? dsl_reduce(cx, a, RED_SUM, &own) : a;
}

/* ---- two factors ------------------------------------------------------------ */

/* Which axes of two factors pair up, as a DOT wants them: batch axes both have and
 * keep, summed axes both have and lose, and how many are free.  sum[k] a[i, k] *
 * b[k, j] has no batch, one sum, and one free axis each. */
typedef struct pairing {
    int32_t batch_a[IR_MAX_RANK], batch_b[IR_MAX_RANK], sum_a[IR_MAX_RANK], sum_b[IR_MAX_RANK];
    int batch, sum, free_a, free_b;
    dsl_axis *axis[2 * IR_MAX_RANK];    /* of the result */
    int rank;
} pairing;

/* Axes of the result are in the order of DOT: batch, free of a, free of b. */
static void pair_axes(const dsl_value *a, const dsl_value *b, const dsl_axes *over, pairing *p)
{
    *p = (pairing){0};
    for (int i = 0; i < a->tensor.rank; i++) {
        dsl_axis *x = a->tensor.axis[i];
        int j = dsl_find(b, x);
        if (j < 0)
            p->free_a++;
        else if (dsl_has_axis(over, x)) {
            p->sum_a[p->sum] = i;
            p->sum_b[p->sum++] = j;
        } else {
            p->batch_a[p->batch] = i;
            p->batch_b[p->batch++] = j;
            p->axis[p->rank++] = x;
        }
    }
    for (int i = 0; i < a->tensor.rank; i++)
        if (dsl_find(b, a->tensor.axis[i]) < 0)
            p->axis[p->rank++] = a->tensor.axis[i];
    for (int i = 0; i < b->tensor.rank; i++)
        if (dsl_find(a, b->tensor.axis[i]) < 0) {
            p->axis[p->rank++] = b->tensor.axis[i];
            p->free_b++;
        }
}

/* The sum over those of the axes that both have; a and b have no others of them. */
static const dsl_value *dot(dsl *cx, const dsl_value *a, const dsl_value *b, const dsl_axes *over)
{
    pairing p;

    pair_axes(a, b, over, &p);
    if (!p.sum)
        return product(cx, a, b);
    if (!p.free_a && !p.free_b)
        return dsl_reduce(cx, product(cx, a, b), RED_SUM, over);
    if (p.rank > IR_MAX_RANK)
        return dsl_wrong(cx, cx->at, "more than %d axes", IR_MAX_RANK);
    if (!p.batch && p.sum == 1) {
        const dsl_value *v = dsl_convolve_points(cx, a, p.sum_a[0], b, p.sum_b[0]);
        v = v ? v : dsl_convolve_points(cx, b, p.sum_b[0], a, p.sum_a[0]);
        if (v)
            return v;
    }
    if (p.batch == 1 && p.sum == 1) {
        const dsl_value *v = dsl_convolve_groups(cx, a, p.sum_a[0], b, p.sum_b[0], p.batch_b[0]);
        v = v ? v : dsl_convolve_groups(cx, b, p.sum_b[0], a, p.sum_a[0], p.batch_a[0]);
        if (v)
            return v;
    }
    ir_ref x = ir_dot(dsl_b(cx), dsl_ref(cx, a), dsl_ref(cx, b), (ir_ints){p.batch, p.batch_a},
                      (ir_ints){p.batch, p.batch_b}, (ir_ints){p.sum, p.sum_a},
                      (ir_ints){p.sum, p.sum_b});
    return dsl_array_like(cx, a, x, p.rank, p.axis);
}

/* A convolution if one factor is read in windows of the other's indices; else a
 * product of matrices. */
static const dsl_value *two(dsl *cx, dsl_view *f, const dsl_axes *over)
{
    const dsl_value *v = dsl_convolve(cx, &f[0], &f[1], over);

    v = v ? v : dsl_convolve(cx, &f[1], &f[0], over);
    if (v)
        return v;
    const dsl_value *a = dsl_view_plain(cx, &f[0]), *b = dsl_view_plain(cx, &f[1]);
    if (dsl_bad(a) || dsl_bad(b))
        return &dsl_poison;
    a = sum_own(cx, a, b, over);
    return dot(cx, a, sum_own(cx, b, a, over), over);
}

/* ---- more ------------------------------------------------------------------- */

/* Elements of a product of both, about. */
static double size_of_both(dsl *cx, const dsl_value *a, const dsl_value *b)
{
    double n = 1;

    for (int i = 0; i < a->tensor.rank; i++)
        n *= (double)dim_hint(cx->dims, dsl_extent(a, i));
    for (int i = 0; i < b->tensor.rank; i++)
        if (dsl_find(a, b->tensor.axis[i]) < 0)
            n *= (double)dim_hint(cx->dims, dsl_extent(b, i));
    return n;
}

/* The axes of `over` that none of the other factors has. */
static dsl_axes only_here(const dsl_value *const *v, int n, int i, int j, const dsl_axes *over)
{
    dsl_axes own = {0};

    for (int a = 0; a < over->n; a++) {
        bool other = false;
        for (int k = 0; k < n; k++)
            other |= k != i && k != j && dsl_find(v[k], over->at[a]) >= 0;
        if (!other)
            dsl_add_axis(&own, over->at[a]);
    }
    return own;
}

/* Greedily, the smallest product first: no search, as programs have three factors
 * at most. */
static const dsl_value *many(dsl *cx, const dsl_value **v, int n, const dsl_axes *over)
{
    while (n > 1) {
        int bi = 0, bj = 1;
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                if (size_of_both(cx, v[i], v[j]) < size_of_both(cx, v[bi], v[bj]))
                    bi = i, bj = j;
        dsl_axes own = only_here(v, n, bi, bj, over);
        const dsl_value *a = sum_own(cx, v[bi], v[bj], &own);
        v[bi] = dot(cx, a, sum_own(cx, v[bj], a, &own), &own);
        if (dsl_bad(v[bi]))
            return &dsl_poison;
        v[bj] = v[--n];
    }
    return dsl_reduce(cx, v[0], RED_SUM, over);
}

static const dsl_value *one(dsl *cx, const dsl_view *f, const dsl_axes *over)
{
    const dsl_value *v = dsl_reduce_window(cx, f, RED_SUM, over);

    return v ? v : dsl_reduce(cx, dsl_view_plain(cx, f), RED_SUM, over);
}

/* Does the factor have any index that is summed?  If not, it goes outside of the
 * sum. */
static bool is_summed(const dsl_view *f, const dsl_axes *over)
{
    for (int i = 0; i < f->v->tensor.rank; i++) {
        if (f->v->tensor.axis[i] && dsl_has_axis(over, f->v->tensor.axis[i]))
            return true;
        for (int k = 0; k < f->form[i].n; k++)
            if (dsl_has_axis(over, f->form[i].term[k].axis))
                return true;
    }
    return false;
}

/* By the number of factors that have a summed axis. */
static const dsl_value *contract(dsl *cx, dsl_view *factor, int n, const dsl_axes *over)
{
    const dsl_value *plain[IR_MAX_RANK];

    if (n == 1)
        return one(cx, factor, over);
    if (n == 2)
        return two(cx, factor, over);
    for (int i = 0; i < n; i++)
        if (dsl_bad(plain[i] = dsl_view_plain(cx, &factor[i])))
            return &dsl_poison;
    return many(cx, plain, n, over);
}

/* Factors without a summed axis are multiplied to the sum afterwards: sum[i] a *
 * x[i] is a * sum[i] x[i]. */
const dsl_value *dsl_contract(dsl *cx, dsl_view *factor, int n, const dsl_axes *over)
{
    dsl_axes hidden = {0};
    dsl_view inner[IR_MAX_RANK];
    const dsl_value *v = NULL;
    int k = 0;

    if (!hide_visible(cx, factor, n, &hidden))
        return dsl_wrong(cx, cx->at, "*: shapes of the factors differ; name their axes");
    for (int i = 0; i < n; i++)
        if (is_summed(&factor[i], over))
            inner[k++] = factor[i];
    if (k)
        v = contract(cx, inner, k, over);
    for (int i = 0; i < n; i++)
        if (!is_summed(&factor[i], over)) {
            const dsl_value *x = dsl_view_plain(cx, &factor[i]);
            v = v && !dsl_bad(v) && !dsl_bad(x) ? product(cx, v, x) : v ? &dsl_poison : x;
        }
    return dsl_bad(v) ? v : dsl_show(cx, v, &hidden);
}
