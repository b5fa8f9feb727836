/* passes/phases.c - transposed convolutions with many taps, as convolutions of phases.
 *
 * Outputs of a transposed convolution with stride S that are equal modulo S, a phase, read
 * the same taps: each S-th of them.  All phases together are a convolution of the image
 * itself with K/S taps, whose channels are the outputs' times the phases; with the phases
 * beside the positions its result is the image in order:
 *
 *   y[o, S*a + p] = sum of x[f, a + j] * w[o, f, S*j + S-1-p] over f, j
 *
 *   conv x[n,514,q], w[1,514,1024] {ldil=256}  ->  conv x, w'[256,514,4] : [n,256,q+3]
 *   reshape [n,1,256,q+3], transpose [n,1,q+3,256], reshape [n,1,256*q+768], slice
 *
 * The convolution template finds phases of its own where taps are few enough to be written
 * out, and stores them in place: those stay as they are, but for few channels, which would
 * leave most lanes of a vector idle. */
#include "rule.h"

enum { WRITTEN_OUT = 16, FEW_CHANNELS = 8, MAX_SPATIAL = 3 };

/* An axis of the image: its stride and kernel, pads, and what they become: taps of a phase,
 * pads of the image itself, and the first output among those that are made. */
typedef struct spread {
    int64_t step, size, low, high;
    int64_t taps, before, behind, first;
} spread;

/* A convolution whose axes are batch, group (if `groups`), channel, then those of the image. */
typedef struct phases {
    ir_build *b;
    const struct ir_attr_CONV *a;
    const ir_type *wt, *yt;
    int n, groups;
    spread axis[MAX_SPATIAL];
} phases;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* What the axis becomes.  Outputs S*a + p lie low - (S-1) places before the image's. */
static void find_phases(spread *s)
{
    int64_t ahead = s->step - 1 - s->low, start = floor_div(ahead, s->step);

    s->taps = (s->size + s->step - 1) / s->step;
    s->before = -start;
    s->behind = floor_div(s->high - s->size + s->step, s->step) + s->taps - 1;
    s->first = ahead - s->step * start;
}

/* False if its numbers are not all known, or the kernel is dilated or has strides,
 * too. */
static bool find_axis(phases *x, int i)
{
    const dim_table *t = &x->b->m->dims;
    const struct ir_attr_CONV *a = x->a;
    spread *s = &x->axis[i];

    if (!dim_const(t, x->wt->dim[a->ws.at[i]], &s->size) ||
        !dim_const(t, a->ldil.at[i], &s->step) || !dim_const(t, a->low.at[i], &s->low) ||
        !dim_const(t, a->high.at[i], &s->high) || !dim_is(t, a->stride.at[i], 1) ||
        !dim_is(t, a->rdil.at[i], 1))
        return false;
    if (s->size < 1 || s->low < 0 || s->high < 0)
        return false;
    find_phases(s);
    return true;
}

static bool is_only(ir_ints axes, int32_t axis)
{
    return axes.n == 1 && axes.at[0] == axis;
}

static bool trailing(ir_ints axes, int32_t from)
{
    for (int i = 0; i < axes.n; i++)
        if (axes.at[i] != from + i)
            return false;
    return true;
}

/* Are the axes as an importer has them? */
static bool in_order(const struct ir_attr_CONV *a)
{
    int g = a->yg.n;

    return g <= 1 && a->ys.n <= MAX_SPATIAL && is_only(a->xb, 0) && is_only(a->yb, 0) &&
           (!g || (is_only(a->xg, 1) && is_only(a->yg, 1) && is_only(a->wg, 0))) &&
           is_only(a->xf, 1 + g) && is_only(a->yo, 1 + g) && is_only(a->wo, g) &&
           is_only(a->wf, 1 + g) && trailing(a->xs, 2 + g) && trailing(a->ys, 2 + g) &&
           trailing(a->ws, 2 + g);
}

static bool has_few_channels(const phases *x)
{
    int64_t n;

    return dim_const(&x->b->m->dims, x->yt->dim[x->groups + 1], &n) && n < FEW_CHANNELS;
}

/* Is it a transposed convolution that the template computes badly? */
static bool find(phases *x)
{
    x->n = x->a->ys.n;
    x->groups = x->a->yg.n;
    if (!x->n || !in_order(x->a))
        return false;
    for (int i = 0; i < x->n; i++)
        if (!find_axis(x, i))
            return false;
    const spread *last = &x->axis[x->n - 1];
    return last->step > 1 && (last->size > WRITTEN_OUT || has_few_channels(x));
}

static ir_dim number(phases *x, int64_t v)
{
    return dim_int(&x->b->m->dims, v);
}

/* w[g,o,f,K..] as [g,o,f,J,S,..]: K with zeros behind it, the last phase first. */
static ir_ref split_weights(phases *x, ir_ref w)
{
    ir_build *b = x->b;
    ir_dim zero[IR_MAX_RANK] = {{0}}, high[IR_MAX_RANK] = {{0}}, shape[IR_MAX_RANK],
           start[IR_MAX_RANK] = {{0}}, step[IR_MAX_RANK];
    int outer = x->groups + 2, rank = outer + 2 * x->n;
    ir_dtype dt = x->wt->dtype;

    memcpy(shape, x->wt->dim, (size_t)outer * sizeof *shape);
    for (int i = 0; i < rank; i++)
        step[i] = number(x, 1);
    for (int i = 0; i < x->n; i++) {
        const spread *s = &x->axis[i];
        int at = outer + 2 * i;
        high[outer + i] = number(x, s->taps * s->step - s->size);
        shape[at] = number(x, s->taps);
        shape[at + 1] = number(x, s->step);
        start[at + 1] = number(x, s->step - 1);
        step[at + 1] = number(x, -1);
    }
    ir_ref nothing = dt_is_float(dt) ? ir_float(b, dt, 0) : ir_int(b, dt, 0);
    w = ir_pad(b, w, nothing, zero, high, NULL);
    return ir_slice(b, ir_reshape(b, w, shape, rank), start, step, shape);
}

/* [g,o,f,J,S,..] as [g,o*S..,f,J..] */
static ir_ref phase_weights(phases *x, ir_ref w)
{
    ir_build *b = x->b;
    int g = x->groups, rank = g + 2 + x->n;
    int32_t perm[IR_MAX_RANK] = {0, g};
    ir_dim shape[IR_MAX_RANK];

    memcpy(shape, x->wt->dim, (size_t)(g + 2) * sizeof *shape);
    perm[g + 1 + x->n] = g + 1;
    for (int i = 0; i < x->n; i++) {
        shape[g] = dim_mul(&b->m->dims, shape[g], number(x, x->axis[i].step));
        shape[g + 2 + i] = number(x, x->axis[i].taps);
        perm[g + 1 + i] = g + 3 + 2 * i;
        perm[g + 2 + x->n + i] = g + 2 + 2 * i;
    }
    w = ir_transpose(b, split_weights(x, w), perm);
    return ir_reshape(b, w, shape, rank);
}

/* The convolution of the image itself: [b,g,o*S..,Q..]. */
static ir_ref all_phases(phases *x, ir_ref image, ir_ref w)
{
    ir_dim low[MAX_SPATIAL], high[MAX_SPATIAL], one[MAX_SPATIAL];
    ir_attr a = {.CONV = *x->a};

    for (int i = 0; i < x->n; i++) {
        low[i] = number(x, x->axis[i].before);
        high[i] = number(x, x->axis[i].behind);
        one[i] = number(x, 1);
    }
    a.CONV.low = (ir_dims){x->n, low}, a.CONV.high = (ir_dims){x->n, high};
    a.CONV.ldil = (ir_dims){x->n, one};
    return ir_make(x->b, OP_CONV, (ir_ref[]){image, w}, 2, &a);
}

/* [b,g,o*S..,Q..] as [b,g,o,Q,S,..] */
static ir_ref beside_positions(phases *x, ir_ref y)
{
    const ir_type *t = ir_type_of(x->b->fn, y);
    int outer = x->groups + 2;
    int32_t perm[IR_MAX_RANK] = {0, 1, 2};
    ir_dim shape[IR_MAX_RANK];

    memcpy(shape, x->yt->dim, (size_t)outer * sizeof *shape);
    for (int i = 0; i < x->n; i++) {
        shape[outer + i] = number(x, x->axis[i].step);
        shape[outer + x->n + i] = t->dim[outer + i];
        perm[outer + 2 * i] = outer + x->n + i;
        perm[outer + 2 * i + 1] = outer + i;
    }
    return ir_transpose(x->b, ir_reshape(x->b, y, shape, outer + 2 * x->n), perm);
}

/* [b,g,o,Q,S,..] as [b,g,o,Q*S..], and of that the outputs. */
static ir_ref outputs(phases *x, ir_ref y)
{
    const ir_type *t = ir_type_of(x->b->fn, y);
    ir_dim shape[IR_MAX_RANK], start[IR_MAX_RANK] = {{0}}, step[IR_MAX_RANK];
    int outer = x->groups + 2, rank = outer + x->n;

    memcpy(shape, x->yt->dim, (size_t)outer * sizeof *shape);
    for (int i = 0; i < x->n; i++) {
        shape[outer + i] = dim_mul(&x->b->m->dims, t->dim[outer + 2 * i],
                                   t->dim[outer + 2 * i + 1]);
        start[outer + i] = number(x, x->axis[i].first);
    }
    for (int i = 0; i < rank; i++)
        step[i] = number(x, 1);
    return ir_slice(x->b, ir_reshape(x->b, y, shape, rank), start, step, x->yt->dim);
}

static ir_ref rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *a)
{
    phases x = {.b = b};

    (void)cx, (void)old;
    if (n->op != OP_CONV)
        return IR_NONE;
    x.a = &n->attr->CONV;
    x.wt = ir_type_of(b->fn, a[1]);
    x.yt = ir_type_of(old, n->first);
    if (!find(&x))
        return IR_NONE;
    ir_ref y = all_phases(&x, a[0], phase_weights(&x, a[1]));
    return y == IR_NONE ? y : outputs(&x, beside_positions(&x, y));
}

bool pass_phases(pass_ctx *cx, ir_fn *fn)
{
    return ir_rewrite(cx->m, fn, cx->d, rule, cx);
}
