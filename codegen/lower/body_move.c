/* codegen/lower/body_move.c - the element of a moved value: each movement op turns
 * the index into one of its operand.
 *
 * Pads and gathers may ask for an element that is not there; then nothing is
 * read.  A load is guarded itself; in front of an expression the index is clamped,
 * so that whatever stands there is computed of elements that exist. */
#include "axes.h"
#include "body.h"

/* Both conditions; a condition of 0 always holds. */
static lp_expr both(lp_kernel *k, lp_expr a, lp_expr c)
{
    return a ? lp_and(k, a, c) : c;
}

static lp_expr at_transpose(body *b, const ir_node *n, ir_ref x, const lp_expr *idx)
{
    ir_ints perm = n->attr->TRANSPOSE.perm;
    lp_expr in[IR_MAX_RANK];

    for (int i = 0; i < perm.n; i++)
        in[perm.at[i]] = idx[i];
    return body_at(b, x, in);
}

/* ---- reshape --------------------------------------------------------------------- */

/* Does the run of axes that ends with product p in one shape and q in the other
 * go on in the first?  It has `left` more axes there. */
static bool grows_first(dim_table *t, ir_dim p, int left, ir_dim q, int other_left)
{
    int64_t a, c;
    ir_dim quotient;

    if (left <= 0 || other_left <= 0)
        return left > 0;
    if (dim_const(t, p, &a) && dim_const(t, q, &c))
        return a < c;
    return dim_divides(t, p, q, &quotient);
}

/* The first axes of the shortest runs with equal products that end at axes *i of
 * `from` and *j of `to`; -1 where a shape has no axis left. */
static void find_run(dim_table *t, const ir_type *from, int *i, const ir_type *to, int *j)
{
    ir_dim p = *i >= 0 ? from->dim[*i] : (ir_dim){1}, q = *j >= 0 ? to->dim[*j] : (ir_dim){1};

    while (!dim_same(p, q) && (*i > 0 || *j > 0)) {
        if (grows_first(t, p, *i, q, *j))
            p = dim_mul(t, p, from->dim[--*i]);
        else
            q = dim_mul(t, q, to->dim[--*j]);
    }
}

/* The place of idx[first..last] among all elements of these axes of t. */
static lp_expr join_index(body *b, const ir_type *t, int first, int last, const lp_expr *idx)
{
    lp_expr linear = first <= last ? idx[first] : lp_int(b->k, 0);

    for (int i = first + 1; i <= last; i++) {
        linear = lp_mul(b->k, linear, body_dim(b, t->dim[i]));
        linear = lp_add(b->k, linear, idx[i]);
    }
    return linear;
}

/* The indices of axes first to last of t, of which `linear` is the position: for
 * extents (3, 4) and linear 7 they are (1, 3). */
static void split_index(body *b, const ir_type *t, int first, int last, lp_expr linear,
                        lp_expr *idx)
{
    int32_t axes[IR_MAX_RANK];
    int n = 0;

    for (int i = first; i <= last; i++)
        axes[n++] = i;
    body_split(b, linear, t, axes, n, idx);
}

/* Runs of axes with equal products, from the last: within a run the index is
 * joined and split again.  What lies in memory needs no split, for its last axis
 * reaches over the others: with x: f32[4, 6] element 9 of reshape(x): f32[24] is
 * x[0, 9]. */
static lp_expr at_reshape(body *b, ir_ref x, const ir_type *to, const lp_expr *idx)
{
    const ir_type *from = ir_type_of(b->fn, x);
    dim_table *t = &b->l->m->dims;
    lp_expr in[IR_MAX_RANK] = {0};
    bool in_memory = body_source(b, x) != 0;

    for (int i = from->rank - 1, j = to->rank - 1; i >= 0 || j >= 0;) {
        int last = i, end = j;
        if (i >= 0 && dim_is(t, from->dim[i], 1)) {
            in[i--] = lp_int(b->k, 0);
            continue;
        }
        if (j >= 0 && dim_is(t, to->dim[j], 1)) {
            j--;
            continue;
        }
        find_run(t, from, &i, to, &j);
        lp_expr linear = join_index(b, to, (int)max_i64(j, 0), end, idx);
        for (int a = i; in_memory && a < last; a++)
            in[a] = lp_int(b->k, 0);
        split_index(b, from, (int)max_i64(in_memory ? last : i, 0), last, linear, in);
        i--, j--;
    }
    return body_at(b, x, in);
}

/* ---- broadcast, slice ------------------------------------------------------------ */

/* The index along an axis of extent `from` that is read for `at` along one of
 * extent `to`.  Whether an unknown extent is 1, and repeated, the run decides. */
static lp_expr repeated_index(body *b, ir_dim from, ir_dim to, lp_expr at)
{
    lp_expr zero = lp_int(b->k, 0);

    if (dim_same(from, to))
        return at;
    if (dim_is(&b->l->m->dims, from, 1))
        return zero;
    lp_expr one = lp_eq(b->k, body_dim(b, from), lp_int(b->k, 1));
    if (!body_is_spread(b))
        return lp_select(b->k, one, zero, at);
    b->repeats = b->repeats ? lp_2(b->k, SC_OR, b->repeats, one) : one;
    return at;
}

/* Axes that the operand does not have are dropped from the index. */
static lp_expr at_broadcast(body *b, const ir_node *n, ir_ref x, const ir_type *to,
                            const lp_expr *idx)
{
    const ir_type *from = ir_type_of(b->fn, x);
    lp_expr in[IR_MAX_RANK];

    for (int i = 0; i < from->rank; i++) {
        int axis = n->attr->BROADCAST.axes.at[i];
        in[i] = repeated_index(b, from->dim[i], to->dim[axis], idx[axis]);
    }
    return body_at(b, x, in);
}

/* Index i reads start + i * step. */
static lp_expr at_slice(body *b, const ir_node *n, ir_ref x, const lp_expr *idx)
{
    lp_expr in[IR_MAX_RANK];

    for (int i = 0; i < n->attr->SLICE.start.n; i++) {
        lp_expr step = body_dim(b, n->attr->SLICE.step.at[i]);
        lp_expr start = body_dim(b, n->attr->SLICE.start.at[i]);
        in[i] = lp_add(b->k, start, lp_mul(b->k, idx[i], step));
    }
    return body_at(b, x, in);
}

/* ---- elements that may not exist -------------------------------------------------- */

/* Has a value of type t any element?  0 if it is known to. */
static lp_expr has_elements(body *b, const ir_type *t)
{
    lp_expr some = 0, zero = lp_int(b->k, 0);

    for (int i = 0; i < t->rank; i++)
        if (dim_lo(&b->l->m->dims, t->dim[i]) < 1)
            some = both(b->k, some, lp_lt(b->k, zero, body_dim(b, t->dim[i])));
    return some;
}

/* The element of the source `buf` where `inside`, else `other`: a guarded load, which
 * gives 0 elsewhere. */
static lp_expr load_if(body *b, lp_buf buf, const lp_expr *idx, lp_expr inside, lp_expr other)
{
    lp_expr v = lp_load_if(b->k, buf, idx, both(b->k, body_guard(b), inside));
    const lp_node *o = lp_at(b->k, other);
    bool zero = o->kind == LX_LITERAL && o->bits == 0;

    return zero ? v : lp_select(b->k, inside, v, other);
}

/* The element of x at the index clamped to its extents.  An x without elements has
 * none to clamp to: what is behind it is read only where it has some. */
static lp_expr at_clamped(body *b, ir_ref x, const lp_expr *idx)
{
    const ir_type *t = ir_type_of(b->fn, x);
    lp_kernel *k = b->k;
    lp_expr in[IR_MAX_RANK], some = has_elements(b, t);

    for (int i = 0; i < t->rank; i++) {
        lp_expr last = lp_sub(k, body_dim(b, t->dim[i]), lp_int(k, 1));
        lp_expr most = lp_min(k, idx[i], last);
        in[i] = lp_max(k, most, lp_int(k, 0));
    }
    if (some)
        body_bind(b, (body_binding){.how = BODY_GUARD, .expr = both(k, body_guard(b), some)});
    lp_expr v = body_at(b, x, in);
    if (some)
        body_unbind(b);
    return v;
}

lp_expr body_at_if(body *b, ir_ref x, const lp_expr *idx, lp_expr inside, lp_expr other)
{
    if (!inside)
        return body_at(b, x, idx);
    lp_buf buf = body_source(b, x);
    if (buf)
        return load_if(b, buf, idx, inside, other);
    return lp_select(b->k, inside, at_clamped(b, x, idx), other);
}

/* Element i of the result is element (i - low) / (inner + 1) of x, if that is whole
 * and in range. */
static lp_expr at_pad(body *b, const ir_node *n, ir_ref x, const lp_expr *idx)
{
    const ir_type *t = ir_type_of(b->fn, x);
    const struct ir_attr_PAD *a = &n->attr->PAD;
    const dim_table *d = &b->l->m->dims;
    lp_kernel *k = b->k;
    lp_expr in[IR_MAX_RANK], inside = 0, zero = lp_int(k, 0);

    for (int i = 0; i < t->rank; i++) {
        bool spread = a->inner.n && !dim_is(d, a->inner.at[i], 0);
        in[i] = lp_sub(k, idx[i], body_dim(b, a->low.at[i]));
        if (!dim_is(d, a->low.at[i], 0))
            inside = both(k, inside, lp_le(k, zero, in[i]));
        if (spread) {
            lp_expr step = lp_add(k, body_dim(b, a->inner.at[i]), lp_int(k, 1));
            inside = both(k, inside, lp_eq(k, lp_mod(k, in[i], step), zero));
            in[i] = lp_div(k, in[i], step);
        }
        if (spread || !dim_is(d, a->high.at[i], 0))
            inside = both(k, inside, lp_lt(k, in[i], body_dim(b, t->dim[i])));
    }
    return body_at_if(b, x, in, inside, body_at(b, ir_arg(b->fn, n, 1), NULL));
}

/* ---- several operands ------------------------------------------------------------ */

/* The element of operand x, which begins at `start` along the axis; *inside gets the
 * condition that idx is an element of x. */
static lp_expr at_part(body *b, ir_ref x, int axis, lp_expr start, const lp_expr *idx,
                       lp_expr *inside)
{
    const ir_type *t = ir_type_of(b->fn, x);
    lp_kernel *k = b->k;
    lp_expr in[IR_MAX_RANK];

    memcpy(in, idx, (size_t)t->rank * sizeof *in);
    in[axis] = lp_sub(k, idx[axis], start);
    *inside = lp_le(k, start, idx[axis]);
    *inside = lp_and(k, *inside, lp_lt(k, in[axis], body_dim(b, t->dim[axis])));
    return body_at_if(b, x, in, *inside, lp_const_int(k, t->dtype, 0));
}

/* A chain of selections, from the last operand to the first; each part is read
 * under a guard, so only one of them touches memory. */
static lp_expr at_concat(body *b, const ir_node *n, const lp_expr *idx)
{
    int axis = (int)n->attr->CONCAT.axis;
    lp_kernel *k = b->k;
    lp_expr *start = arena_array(&b->l->mem, lp_expr, n->narg), y = 0, inside;

    if (n->narg == 1)
        return body_at(b, ir_arg(b->fn, n, 0), idx);
    start[0] = lp_int(k, 0);
    for (uint32_t i = 1; i < n->narg; i++) {
        const ir_type *before = ir_type_of(b->fn, ir_arg(b->fn, n, i - 1));
        start[i] = lp_add(k, start[i - 1], body_dim(b, before->dim[axis]));
    }
    for (uint32_t i = n->narg; i-- > 0;) {
        lp_expr v = at_part(b, ir_arg(b->fn, n, i), axis, start[i], idx, &inside);
        y = y ? lp_select(k, inside, v, y) : v;
    }
    return y;
}

/* The index that the i64 v is along an axis of this extent, clamped to it; *inside
 * takes in that v needed no clamping. */
static lp_expr gathered_index(body *b, lp_expr v, ir_dim extent, lp_expr *inside)
{
    lp_kernel *k = b->k;
    lp_expr zero = lp_int(k, 0), last = lp_sub(k, body_dim(b, extent), lp_int(k, 1));
    lp_expr from = lp_le(k, zero, v);

    *inside = both(k, *inside, lp_and(k, from, lp_le(k, v, last)));
    return lp_max(k, lp_min(k, v, last), zero);
}

/* Axes of x that are gathered along take their index from an operand, the others
 * from the end of idx.  Outside of x the result is 0 if the node says so. */
static lp_expr at_gather(body *b, const ir_node *n, const lp_expr *idx)
{
    ir_ref x = ir_arg(b->fn, n, 0);
    const ir_type *t = ir_type_of(b->fn, x);
    ir_ints axes = n->attr->GATHER.axes;
    int rest = axes.n ? ir_type_of(b->fn, ir_arg(b->fn, n, 1))->rank : 0;
    lp_expr in[IR_MAX_RANK], inside = 0;

    for (int i = 0; i < t->rank; i++) {
        int at = ir_find_axis(axes, i);
        if (at < 0) {
            in[i] = idx[rest++];
            continue;
        }
        lp_expr v = body_at(b, ir_arg(b->fn, n, (uint32_t)at + 1), idx);
        in[i] = gathered_index(b, lp_cast(b->k, DT_I64, v), t->dim[i], &inside);
    }
    if (!n->attr->GATHER.zero)
        return body_at(b, x, in);
    return body_at_if(b, x, in, inside, lp_const_int(b->k, t->dtype, 0));
}

/* ---- all of them ----------------------------------------------------------------- */

/* 0: it is no movement. */
lp_expr body_move(body *b, const ir_node *n, const lp_expr *idx)
{
    ir_ref x = n->narg ? ir_arg(b->fn, n, 0) : IR_NONE;
    const ir_type *t = ir_type_of(b->fn, n->first);

    switch (n->op) {
    case OP_KEEP:
    case OP_DETACH: return body_at(b, x, idx);
    case OP_TRANSPOSE: return at_transpose(b, n, x, idx);
    case OP_RESHAPE: return at_reshape(b, x, t, idx);
    case OP_BROADCAST: return at_broadcast(b, n, x, t, idx);
    case OP_SLICE: return at_slice(b, n, x, idx);
    case OP_PAD: return at_pad(b, n, x, idx);
    case OP_CONCAT: return at_concat(b, n, idx);
    case OP_GATHER: return at_gather(b, n, idx);
    default: return 0;
    }
}
