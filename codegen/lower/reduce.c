/* codegen/lower/reduce.c - reductions, arg reductions, windows, running sums,
 * scatters.  Where the last axis of the result is also the operand's last, the
 * result is vectorized along it and the reduced axes are loops; where the last
 * axis is reduced, W partial results run along it and are folded at the end. */
#include "axes.h"
#include "templates.h"

/* Index of the operand: kept axes from `out` in order, reduced ones from red. */
static void merge(int rank, ir_ints axes, const lp_expr *out, const lp_expr *red, lp_expr *idx)
{
    for (int i = 0, o = 0, r = 0; i < rank; i++)
        idx[i] = ir_has_axis(axes, i) ? red[r++] : out[o++];
}

static int reduced_dims(const ir_type *t, ir_ints axes, ir_dim *out)
{
    int n = 0;

    for (int i = 0; i < t->rank; i++)
        if (ir_has_axis(axes, i))
            out[n++] = t->dim[i];
    return n;
}


static void serial(body *b, const ir_dim *dims, int n, lp_expr *idx)
{
    static const char *const letter[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7",
                                         "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    lp_expr zero = lp_int(b->k, 0);

    for (int i = 0; i < n; i++)
        idx[i] = lp_for(b->k, letter[i], zero, body_dim(b, dims[i]));
}

static void close_loops(lp_kernel *k, int n)
{
    while (n-- > 0)
        lp_end(k);
}

/* A reduction along columns: the last axis is kept. */
typedef struct columns {
    job *j;
    body *b;
    ir_ref x;
    ir_ints axes;
    ir_redop op;
    ir_dtype acc;
    int w;                      /* lanes */
    lp_expr out[IR_MAX_RANK];
} columns;

/* Adds up what lies under the result's elements out[..., column], for `n`
 * vectors of them in unrolled loops or, for 0, one with a mask. */
static void sum_columns(columns *c, lp_expr first, int n)
{
    const ir_type *t = ir_type_of(c->b->fn, c->x), *yt = ir_type_of(c->b->fn, c->j->root->first);
    lp_kernel *k = c->b->k;
    lp_expr red[IR_MAX_RANK], idx[IR_MAX_RANK], zero = lp_int(k, 0), w = lp_int(k, c->w);
    ir_dim dims[IR_MAX_RANK];
    int count = reduced_dims(t, c->axes, dims), last = yt->rank - 1;

    const lp_expr extents[2] = {n ? lp_int(k, n) : 0, w};
    lp_buf a = lp_local(k, "acc", c->acc, n ? 2 : 0, extents, LP_REG,
                        redop_start(k, c->op, c->acc));
    serial(c->b, dims, count, red);
    lp_expr at[2] = {0};
    if (n) {
        at[0] = lp_unroll(k, "u", n);
        at[1] = lp_vec(k, "v", zero, w, c->w, LP_EXACT);
        c->out[last] = lp_add(k, first, lp_add(k, lp_mul(k, at[0], w), at[1]));
    }
    merge(t->rank, c->axes, c->out, red, idx);
    lp_update(k, redop_scalar(c->op), a, at, lp_cast(k, c->acc, body_at(c->b, c->x, idx)));
    close_loops(k, count + (n ? 2 : 0));
    if (n) {
        at[0] = lp_unroll(k, "u", n);
        at[1] = lp_vec(k, "v", zero, w, c->w, LP_EXACT);
        c->out[last] = lp_add(k, first, lp_add(k, lp_mul(k, at[0], w), at[1]));
    }
    job_store(c->j, c->b, c->out, lp_load(k, a, at));
    close_loops(k, n ? 2 : 0);
}

/* Strips of several vectors: a row's part is then whole cache lines, and its
 * sums do not wait for each other.  The rest goes by single vectors. */
static void reduce_columns(columns *c)
{
    enum { VECTORS = 8 };
    const ir_type *yt = ir_type_of(c->b->fn, c->j->root->first);
    dim_table *t = &c->j->l->m->dims;
    lp_kernel *k = c->b->k;
    int last = yt->rank - 1, width = VECTORS * c->w, open = 0;
    ir_dim outer[IR_MAX_RANK];
    lp_expr columns = last >= 0 ? body_dim(c->b, yt->dim[last]) : 0, zero = lp_int(k, 0);
    int64_t n;

    if (last < 0) {
        sum_columns(c, 0, 0);
        return;
    }
    bool narrow = dim_const(t, yt->dim[last], &n) && n < width;
    if (!narrow) {
        memcpy(outer, yt->dim, (size_t)last * sizeof *outer);
        outer[last] = dim_ceildiv(t, yt->dim[last], dim_int(t, width));
    }
    open =
        last + !narrow > 0 ? body_loops(c->b, narrow ? yt->dim : outer, last + !narrow, c->out) : 0;
    lp_expr first = narrow ? zero : lp_mul(k, c->out[last], lp_int(k, width));
    lp_expr end = lp_add(k, first, lp_int(k, width));
    if (!narrow) {
        lp_if(k, lp_le(k, end, columns));
        sum_columns(c, first, VECTORS);
        lp_else(k);
    }
    c->out[last] =
        lp_vec(k, "v", first, narrow ? columns : lp_min(k, end, columns), c->w, LP_MASKED);
    sum_columns(c, first, 0);
    close_loops(k, open + 1 + !narrow);
}

/* Last axis reduced. */
static void reduce_rows(job *j, body *b, ir_ref x, ir_ints axes, ir_redop op, ir_dtype acc)
{
    const ir_type *t = ir_type_of(b->fn, x), *yt = ir_type_of(b->fn, j->root->first);
    lp_kernel *k = b->k;
    lp_expr out[IR_MAX_RANK], red[IR_MAX_RANK], idx[IR_MAX_RANK], zero = lp_int(k, 0);
    ir_dim dims[IR_MAX_RANK];
    int n = reduced_dims(t, axes, dims), w = lanes_of(j->l, acc) * 2;
    int open = yt->rank ? body_loops(b, yt->dim, yt->rank, out) : 0;

    lp_expr lanes = lp_int(k, w), start = redop_start(k, op, acc);
    lp_buf a = lp_local(k, "acc", acc, 1, &lanes, LP_REG, start);
    serial(b, dims, n - 1, red);
    red[n - 1] = lp_vec(k, "v", zero, body_dim(b, dims[n - 1]), w, LP_MASKED);
    merge(t->rank, axes, out, red, idx);
    lp_expr lane = lp_mod(k, red[n - 1], lanes);
    lp_update(k, redop_scalar(op), a, &lane, lp_cast(k, acc, body_at(b, x, idx)));
    close_loops(k, n);
    job_store(j, b, out, lp_fold(k, "sum", redop_scalar(op), a));
    close_loops(k, open);
}

bool template_reduce(job *j)
{
    const struct ir_attr_REDUCE *at = &j->root->attr->REDUCE;
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x);
    body b;

    job_kernel(j, &b, "reduce");
    if (ir_has_axis(at->axes, t->rank - 1))
        reduce_rows(j, &b, x, at->axes, at->op, acc_dtype(t->dtype));
    else
        reduce_columns(&(columns){.j = j, .b = &b, .x = x, .axes = at->axes, .op = at->op,
            .acc = acc_dtype(t->dtype), .w = lanes_of(j->l, acc_dtype(t->dtype))});
    return job_end(j, &b);
}

/* One element at a time along the axis: NaN wins, ties by `last`. */
bool template_argreduce(job *j)
{
    const struct ir_attr_ARGREDUCE *at = &j->root->attr->ARGREDUCE;
    const int32_t axis[1] = {(int32_t)at->axis};
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x), *yt = ir_type_of(j->in->fn, j->root->first);
    lp_expr out[IR_MAX_RANK], red[1], idx[IR_MAX_RANK];
    body b;

    job_kernel(j, &b, "argreduce");
    lp_kernel *k = b.k;
    int open = yt->rank ? body_loops(&b, yt->dim, yt->rank, out) : 0;
    lp_expr zero = lp_int(k, 0);
    merge(t->rank, (ir_ints){1, axis}, out, &zero, idx);
    lp_buf best = lp_local(k, "best", t->dtype, 0, NULL, LP_REG, body_at(&b, x, idx));
    lp_buf where = lp_local(k, "where", DT_I64, 0, NULL, LP_REG, zero);
    lp_expr one = lp_int(k, 1);
    red[0] = lp_for(k, "r", one, body_dim(&b, t->dim[axis[0]]));
    merge(t->rank, (ir_ints){1, axis}, out, red, idx);
    lp_expr v = lp_let(k, "v", body_at(&b, x, idx)), o = lp_let(k, "o", lp_load(k, best, NULL));
    lp_expr p = at->op == RED_MAX ? o : v, q = at->op == RED_MAX ? v : o;
    lp_expr better = at->last ? lp_le(k, p, q) : lp_lt(k, p, q);
    if (dt_is_float(t->dtype)) {
        lp_expr vn = lp_1(k, SC_ISNAN, v), on = lp_1(k, SC_ISNAN, o);
        lp_expr fresh = at->last ? vn : lp_and(k, vn, lp_1(k, SC_NOT, on));
        better = lp_2(k, SC_OR, fresh, lp_and(k, better, lp_1(k, SC_NOT, on)));
    }
    better = lp_let(k, "better", better);
    lp_store(k, best, NULL, lp_select(k, better, v, o));
    lp_store(k, where, NULL, lp_select(k, better, red[0], lp_load(k, where, NULL)));
    lp_end(k);
    job_store(j, &b, out, lp_load(k, where, NULL));
    close_loops(k, open);
    return job_end(j, &b);
}

/* ---- windows ----------------------------------------------------------------------- */

typedef struct win {
    ir_dims size, stride, dil, low, high;
    ir_redop op;
} win;

static win win_of(const ir_node *n)
{
    const struct ir_attr_WINDOW *w = &n->attr->WINDOW;
    const struct ir_attr_WINDOWARG *a = &n->attr->WINDOWARG;

    return n->op == OP_WINDOW ? (win){w->size, w->stride, w->dil, w->low, w->high, w->op}
                              : (win){a->size, a->stride, a->dil, a->low, a->high, a->op};
}

/* Position i of the operand for output o and tap r; `inside` gets its bounds. */
static lp_expr tap(body *b, const win *w, int axis, lp_expr o, lp_expr r, lp_expr extent,
                   lp_expr *inside)
{
    lp_kernel *k = b->k;
    lp_expr p = lp_mul(k, o, body_dim(b, w->stride.at[axis]));
    lp_expr zero = lp_int(k, 0);

    p = lp_add(k, p, lp_mul(k, r, w->dil.n ? body_dim(b, w->dil.at[axis]) : lp_int(k, 1)));
    p = lp_sub(k, p, body_dim(b, w->low.at[axis]));
    lp_expr in = lp_le(k, zero, p);
    in = lp_and(k, in, lp_lt(k, p, extent));
    *inside = *inside ? lp_and(k, *inside, in) : in;
    return p;
}

static bool trivial_axis(const dim_table *d, const win *w, int i)
{
    return dim_is(d, w->size.at[i], 1) && dim_is(d, w->stride.at[i], 1) &&
           dim_is(d, w->low.at[i], 0) && dim_is(d, w->high.at[i], 0);
}

/* The best element so far and its place in the whole operand; NaN wins, and of
 * equals the first. */
static void take_best(body *b, const ir_type *t, ir_redop op, lp_buf best, lp_buf where,
                      lp_expr v, const lp_expr *idx)
{
    lp_kernel *k = b->k;

    v = lp_let(k, "x", v);
    lp_expr o = lp_let(k, "o", lp_load(k, best, NULL)), linear = idx[0];
    lp_expr old = lp_load(k, where, NULL);
    lp_expr better = op == RED_MAX ? lp_lt(k, o, v) : lp_lt(k, v, o);
    lp_expr fresh = lp_2(k, SC_OR, lp_lt(k, old, lp_int(k, 0)), better);
    if (dt_is_float(t->dtype)) {
        lp_expr nan = lp_1(k, SC_ISNAN, v);
        nan = lp_and(k, nan, lp_1(k, SC_NOT, lp_1(k, SC_ISNAN, o)));
        fresh = lp_2(k, SC_OR, fresh, nan);
    }
    fresh = lp_let(k, "fresh", fresh);
    for (int i = 1; i < t->rank; i++)
        linear = lp_add(k, lp_mul(k, linear, body_dim(b, t->dim[i])), idx[i]);
    lp_store(k, best, NULL, lp_select(k, fresh, v, o));
    lp_store(k, where, NULL, lp_select(k, fresh, linear, lp_load(k, where, NULL)));
}

bool template_window(job *j)
{
    win w = win_of(j->root);
    bool arg = j->root->op == OP_WINDOWARG;
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x), *yt = ir_type_of(j->in->fn, j->root->first);
    lp_expr out[IR_MAX_RANK], idx[IR_MAX_RANK], inside = 0;
    ir_dim taps[IR_MAX_RANK];
    lp_expr red[IR_MAX_RANK];
    int n = 0, last = yt->rank - 1, open = 0;
    const dim_table *d = &j->l->m->dims;
    ir_dtype acc = arg ? t->dtype : acc_dtype(t->dtype);
    body b;

    job_kernel(j, &b, "window");
    lp_kernel *k = b.k;
    bool vec = last >= 0 && !arg && trivial_axis(d, &w, last);
    open = last + !vec > 0 ? body_loops(&b, yt->dim, last + !vec, out) : 0;
    if (vec) {
        lp_expr zero = lp_int(k, 0), end = body_dim(&b, yt->dim[last]);
        out[last] = lp_vec(k, "v", zero, end, lanes_of(j->l, acc), LP_MASKED);
        open++;
    }
    lp_expr first =
        arg && dt_is_float(acc) ? redop_start(k, RED_MAX, acc) : redop_start(k, w.op, acc);
    lp_buf a = lp_local(k, "acc", acc, 0, NULL, LP_REG, first);
    lp_buf where = arg ? lp_local(k, "where", DT_I64, 0, NULL, LP_REG, lp_int(k, -1)) : 0;
    for (int i = 0; i < t->rank; i++)
        if (!trivial_axis(d, &w, i))
            taps[n++] = w.size.at[i];
    serial(&b, taps, n, red);
    n = 0;
    for (int i = 0; i < t->rank; i++) {
        lp_expr e = body_dim(&b, t->dim[i]);
        idx[i] = trivial_axis(d, &w, i) ? out[i] : tap(&b, &w, i, out[i], red[n++], e, &inside);
    }
    if (inside)
        lp_if(k, inside);
    lp_expr v = lp_cast(k, acc, body_at(&b, x, idx));
    if (arg)
        take_best(&b, t, w.op, a, where, v, idx);
    else
        lp_update(k, redop_scalar(w.op), a, NULL, v);
    if (inside)
        lp_end(k);
    close_loops(k, n);
    lp_expr result = lp_load(k, arg ? where : a, NULL);
    if (arg)                    /* a window of padding alone: 0 */
        result = lp_max(k, result, lp_int(k, 0));
    job_store(j, &b, out, result);
    close_loops(k, open);
    return job_end(j, &b);
}

/* ---- running sums, scatter ------------------------------------------------------------ */

bool template_cumul(job *j)
{
    const struct ir_attr_CUMUL *at = &j->root->attr->CUMUL;
    ir_ref x = ir_arg(j->in->fn, j->root, 0);
    const ir_type *t = ir_type_of(j->in->fn, x);
    ir_dtype acc = acc_dtype(t->dtype);
    ir_dim outer[IR_MAX_RANK];
    lp_expr kept[IR_MAX_RANK], idx[IR_MAX_RANK];
    int n = 0, axis = (int)at->axis;
    body b;

    job_kernel(j, &b, "cumul");
    lp_kernel *k = b.k;
    for (int i = 0; i < t->rank; i++)
        if (i != axis)
            outer[n++] = t->dim[i];
    int open = n ? body_loops(&b, outer, n, kept) : 0;
    lp_buf a = lp_local(k, "acc", acc, 0, NULL, LP_REG, redop_start(k, at->op, acc));
    lp_expr e = body_dim(&b, t->dim[axis]);
    lp_expr r = lp_for(k, "r", lp_int(k, 0), e);
    lp_expr p = at->reverse ? lp_sub(k, lp_sub(k, e, lp_int(k, 1)), r) : r;
    for (int i = 0, o = 0; i < t->rank; i++)
        idx[i] = i == axis ? p : kept[o++];
    lp_expr v = lp_let(k, "x", lp_cast(k, acc, body_at(&b, x, idx)));
    lp_expr before = lp_let(k, "before", lp_load(k, a, NULL));
    lp_expr after = lp_let(k, "after", lp_2(k, redop_scalar(at->op), before, v));
    lp_store(k, a, NULL, after);
    after = lp_cast(k, t->dtype, at->exclusive ? before : after);
    lp_store(k, body_output(&b, j->out), idx, after);
    lp_end(k);
    close_loops(k, open);
    return job_end(j, &b);
}

/* Copies the base, then applies the updates in increasing order, one thread. */
static bool copy_base(job *j, ir_ref base)
{
    const ir_type *t = ir_type_of(j->in->fn, base);
    lp_expr idx[IR_MAX_RANK];
    body b;
    int open = 0, last = t->rank - 1;

    job_kernel(j, &b, "copy");
    open = last > 0 ? body_loops(&b, t->dim, last, idx) : 0;
    if (last >= 0) {
        lp_expr zero = lp_int(b.k, 0), end = body_dim(&b, t->dim[last]);
        idx[last] = lp_vec(b.k, "v", zero, end, lanes_of(j->l, t->dtype), LP_MASKED);
        open++;
    }
    lp_expr v = body_at(&b, base, idx);
    lp_store(b.k, body_output(&b, j->out), idx, v);
    close_loops(b.k, open);
    return job_end(j, &b);
}

bool template_scatter(job *j)
{
    const struct ir_attr_SCATTER *at = &j->root->attr->SCATTER;
    const ir_fn *fn = j->in->fn;
    int n = at->axes.n;
    ir_ref base = ir_arg(fn, j->root, 0), u = ir_arg(fn, j->root, (uint32_t)n + 1);
    const ir_type *t = ir_type_of(fn, base), *ut = ir_type_of(fn, u);
    int ri = n ? ir_type_of(fn, ir_arg(fn, j->root, 1))->rank : 0, rest = ri;
    lp_expr idx[IR_MAX_RANK], to[IR_MAX_RANK], inside = 0;
    body b;

    if (!copy_base(j, base))
        return false;
    job_kernel(j, &b, "scatter");
    lp_kernel *k = b.k;
    serial(&b, ut->dim, ut->rank, idx);
    for (int i = 0; i < t->rank; i++) {
        int a = ir_find_axis(at->axes, i);
        if (a < 0) {
            to[i] = idx[rest++];
            continue;
        }
        lp_expr v = lp_cast(k, DT_I64, body_at(&b, ir_arg(fn, j->root, (uint32_t)a + 1), idx));
        to[i] = lp_let(k, "at", v);
        lp_expr in = lp_le(k, lp_int(k, 0), to[i]);
        in = lp_and(k, in, lp_lt(k, to[i], body_dim(&b, t->dim[i])));
        inside = inside ? lp_and(k, inside, in) : in;
    }
    if (inside)
        lp_if(k, inside);
    lp_expr v = body_at(&b, u, idx);
    lp_buf y = body_output(&b, j->out);
    if (at->op == RED_SET)
        lp_store(k, y, to, v);
    else
        lp_update(k, redop_scalar(at->op), y, to, v);
    if (inside)
        lp_end(k);
    close_loops(k, ut->rank);
    return job_end(j, &b);
}
