/* codegen/lower_dot.c - matrix products.
 *
 * out[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n], where m, n
 * and k may each be several axes.  B is read in panels of NR columns: packed
 * at compile time when it is constant, into a temp when its columns are not
 * the last axis in memory, else in place.  A register tile of MR x NR runs over
 * all of k; A is read by broadcast and never packed. */
#include "const.h"
#include "templates.h"

typedef struct axes {
    int n;
    int32_t at[IR_MAX_RANK];
} axes;

static bool in_list(ir_ints l, int v)
{
    for (int i = 0; i < l.n; i++)
        if (l.at[i] == v)
            return true;
    return false;
}

static axes free_axes(int rank, ir_ints batch, ir_ints sum)
{
    axes f = {0};

    for (int i = 0; i < rank; i++)
        if (!in_list(batch, i) && !in_list(sum, i))
            f.at[f.n++] = i;
    return f;
}

typedef struct dot {
    job *j;
    const struct ir_attr_DOT *at;
    ir_ref a, b;
    const ir_type *ta, *tb, *ty;
    axes fa, fb;
    int mr, nv, lanes;          /* rows, vectors of columns, elements of one */
    ir_dim n, k;                /* extents of all columns, of the sum */
    ir_dtype acc;
} dot;

static ir_dim product(dim_table *t, const ir_type *x, const int32_t *at, int n)
{
    ir_dim p = {1};

    for (int i = 0; i < n; i++)
        p = dim_mul(t, p, x->dim[at[i]]);
    return p;
}

/* Splits a linear index over the axes listed. */
static void split(body *b, lp_expr linear, const ir_type *t, const int32_t *at, int n, lp_expr *idx)
{
    for (int i = n - 1; i >= 0; i--) {
        lp_expr e = body_dim(b, t->dim[at[i]]);
        idx[at[i]] = i ? lp_mod(b->k, linear, e) : linear;
        if (i)
            linear = lp_div(b->k, linear, e);
    }
}

/* Constant B as [N/NR, K, NR], zeros behind the last column: a chain of its own. */
static uint32_t pack_const(dot *d, uint32_t c, int64_t n, int64_t k, int nr)
{
    ir_module *m = d->j->l->m;
    dim_table *t = &m->dims;
    int32_t perm[IR_MAX_RANK], swap[3] = {1, 0, 2};
    int r = 0;
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < d->at->sum_b.n; i++)
        perm[r++] = d->at->sum_b.at[i];
    for (int i = 0; i < d->fb.n; i++)
        perm[r++] = d->fb.at[i];
    for (int i = 0; i < r; i++)
        shape[i] = d->tb->dim[perm[i]];
    ir_dtype dt = d->tb->dtype;
    ir_attr a = {.TRANSPOSE = {.perm = {r, perm}}};
    c = const_linked(m, c, (ir_link){OP_TRANSPOSE, ir_attr_intern(m, OP_TRANSPOSE, &a), 0,
                                     type_tensor(&m->types, dt, r, shape)});
    ir_dim flat[2] = {dim_int(t, k), dim_int(t, n)};
    a = (ir_attr){.RESHAPE = {.shape = {2, flat}}};
    c = const_linked(m, c, (ir_link){OP_RESHAPE, ir_attr_intern(m, OP_RESHAPE, &a), 0,
                                     type_tensor(&m->types, dt, 2, flat)});
    int64_t wide = (n + nr - 1) / nr * nr;
    ir_dim low[2] = {{0}, {0}}, high[2] = {{0}, dim_int(t, wide - n)}, padded[2] = {flat[0], dim_int(t, wide)};
    a = (ir_attr){.PAD = {.low = {2, low}, .high = {2, high}}};
    uint32_t zero = const_int(m, type_scalar(&m->types, dt), 0);
    if (wide != n)
        c = const_linked(m, c, (ir_link){OP_PAD, ir_attr_intern(m, OP_PAD, &a), zero,
                                         type_tensor(&m->types, dt, 2, padded)});
    ir_dim three[3] = {flat[0], dim_int(t, wide / nr), dim_int(t, nr)};
    a = (ir_attr){.RESHAPE = {.shape = {3, three}}};
    c = const_linked(m, c, (ir_link){OP_RESHAPE, ir_attr_intern(m, OP_RESHAPE, &a), 0,
                                     type_tensor(&m->types, dt, 3, three)});
    ir_dim last[3] = {three[1], three[0], three[2]};
    a = (ir_attr){.TRANSPOSE = {.perm = {3, swap}}};
    return const_linked(m, c, (ir_link){OP_TRANSPOSE, ir_attr_intern(m, OP_TRANSPOSE, &a), 0,
                                        type_tensor(&m->types, dt, 3, last)});
}

/* Where the inner loop finds B. */
typedef enum source { PACKED, TEMP, PLACE } source;

static bool const_of(const dot *d, uint32_t *id)
{
    const ir_node *n = ir_node_of(d->j->in->fn, d->b);

    if (n->op == OP_CONST)
        *id = n->attr->CONST.id;
    return n->op == OP_CONST;
}

/* Is B stored, and its one column axis the last in memory? */
static bool in_place(const dot *d)
{
    const ir_node *n = ir_node_of(d->j->in->fn, d->b);

    return (d->j->in->stored[d->b] || n->op == OP_INPUT || n->op == OP_STATE) && d->fb.n >= 1 &&
           d->fb.at[d->fb.n - 1] == d->tb->rank - 1 && d->fb.n == 1;
}

/* Kernel that fills the temp [batch, N/NR, K, NR] from B. */
static bool pack_kernel(dot *d, uint32_t temp, int nr)
{
    body b;
    dim_table *t = &d->j->l->m->dims;
    ir_dim panels = dim_ceildiv(t, d->n, dim_int(t, nr));
    ir_dim batch = product(t, d->tb, d->at->batch_b.at, d->at->batch_b.n);
    ir_dim outer[2] = {batch, panels};
    lp_expr v[2], idx[IR_MAX_RANK], dims[4];

    job_kernel(d->j, &b, "pack");
    b.given = IR_NONE;
    body_needs(&b, d->b);
    body_dims(&b, d->n);
    body_dims(&b, d->k);
    body_dims(&b, batch);
    lp_kernel *k = b.k;
    dims[0] = body_dim(&b, batch), dims[1] = body_dim(&b, panels);
    dims[2] = body_dim(&b, d->k), dims[3] = lp_int(k, nr);
    lp_buf to = body_temp(&b, temp, d->tb->dtype, 4, dims, true);
    body_forget(&b);
    int open = body_loops(&b, outer, 2, v);
    lp_expr kk = lp_for(k, "k", lp_int(k, 0), body_dim(&b, d->k));
    lp_expr c = lp_for(k, "c", lp_int(k, 0), lp_int(k, nr));
    lp_expr n = lp_min(k, lp_add(k, lp_mul(k, v[1], lp_int(k, nr)), c),
                       lp_sub(k, body_dim(&b, d->n), lp_int(k, 1)));
    split(&b, v[0], d->tb, d->at->batch_b.at, d->at->batch_b.n, idx);
    split(&b, kk, d->tb, d->at->sum_b.at, d->at->sum_b.n, idx);
    split(&b, n, d->tb, d->fb.at, d->fb.n, idx);
    lp_store(k, to, LP(v[0], v[1], kk, c), body_at(&b, d->b, idx));
    for (open += 2; open--;)
        lp_end(k);
    return job_end(d->j, &b);
}

/* The tile of rows m0 .. m0 + rows, columns of panel p. */
static void tile(dot *d, body *b, lp_buf y, lp_buf bbuf, source src, lp_expr batch, lp_expr m0,
                 lp_expr panel, int rows, bool clamp)
{
    lp_kernel *k = b->k;
    int nr = d->nv * d->lanes;
    lp_expr zero = lp_int(k, 0), idx[IR_MAX_RANK];
    dim_table *t = &d->j->l->m->dims;
    ir_dim m = product(t, d->ta, d->fa.at, d->fa.n);
    lp_expr acc0 = dt_is_float(d->acc) ? lp_const_flt(k, d->acc, 0) : lp_const_int(k, d->acc, 0);
    lp_buf acc = lp_local(k, "acc", d->acc, 3, LP(lp_int(k, rows), lp_int(k, d->nv), lp_int(k, d->lanes)),
                          LP_REG, acc0);
    lp_expr kk = lp_for(k, "k", zero, body_dim(b, d->k));
    lp_expr col0 = lp_mul(k, panel, lp_int(k, nr));
    split(b, batch, d->ta, d->at->batch_a.at, d->at->batch_a.n, idx);
    split(b, kk, d->ta, d->at->sum_a.at, d->at->sum_a.n, idx);
    /* Rows outside, columns inside: one broadcast is live at a time. */
    lp_expr r = lp_unroll(k, "r", rows);
    lp_expr q = lp_unroll(k, "q", d->nv);
    lp_expr v = lp_vec(k, "v", zero, lp_int(k, d->lanes), d->lanes, LP_EXACT);
    lp_expr row = lp_add(k, m0, r);
    if (clamp)
        row = lp_min(k, row, lp_sub(k, body_dim(b, m), lp_int(k, 1)));
    split(b, row, d->ta, d->fa.at, d->fa.n, idx);
    body_forget(b);
    lp_expr x = lp_cast(k, d->acc, body_at(b, d->a, idx)), w;
    lp_expr c = lp_add(k, lp_mul(k, q, lp_int(k, d->lanes)), v);
    if (src == PLACE) {
        lp_expr bi[IR_MAX_RANK];
        split(b, batch, d->tb, d->at->batch_b.at, d->at->batch_b.n, bi);
        split(b, kk, d->tb, d->at->sum_b.at, d->at->sum_b.n, bi);
        bi[d->fb.at[0]] = lp_add(k, col0, c);
        lp_expr in = lp_lt(k, bi[d->fb.at[0]], body_dim(b, d->n));
        int64_t n;
        w = dim_const(t, d->n, &n) && n % nr == 0 ? lp_load(k, bbuf, bi) : lp_load_if(k, bbuf, bi, in);
    } else if (src == PACKED) {
        w = lp_load(k, bbuf, LP(panel, kk, c));
    } else {
        w = lp_load(k, bbuf, LP(batch, panel, kk, c));
    }
    w = lp_cast(k, d->acc, w);
    lp_expr old = lp_load(k, acc, LP(r, q, v));
    lp_expr next = dt_is_float(d->acc) ? lp_fma(k, x, w, old) : lp_add(k, old, lp_mul(k, x, w));
    lp_store(k, acc, LP(r, q, v), next);
    for (int i = 0; i < 4; i++)
        lp_end(k);
    /* The epilogue, column by column of the tile. */
    r = lp_unroll(k, "r", rows);
    row = lp_add(k, m0, r);
    if (clamp)
        lp_if(k, lp_lt(k, row, body_dim(b, m)));
    q = lp_unroll(k, "q", d->nv);
    lp_expr first = lp_add(k, col0, lp_mul(k, q, lp_int(k, d->lanes)));
    lp_expr left = lp_max(k, lp_min(k, lp_sub(k, body_dim(b, d->n), first), lp_int(k, d->lanes)), zero);
    int64_t n;
    bool exact = dim_const(t, d->n, &n) && n % nr == 0;
    v = lp_vec(k, "v", zero, exact ? lp_int(k, d->lanes) : left, d->lanes, exact ? LP_EXACT : LP_MASKED);
    lp_expr out[IR_MAX_RANK];
    int o = 0;
    lp_expr by[IR_MAX_RANK], ay[IR_MAX_RANK], ny[IR_MAX_RANK];
    split(b, batch, d->ta, d->at->batch_a.at, d->at->batch_a.n, by);
    for (int i = 0; i < d->at->batch_a.n; i++)
        out[o++] = by[d->at->batch_a.at[i]];
    split(b, row, d->ta, d->fa.at, d->fa.n, ay);
    for (int i = 0; i < d->fa.n; i++)
        out[o++] = ay[d->fa.at[i]];
    split(b, lp_add(k, first, v), d->tb, d->fb.at, d->fb.n, ny);
    for (int i = 0; i < d->fb.n; i++)
        out[o++] = ny[d->fb.at[i]];
    body_forget(b);
    b->given_expr = lp_cast(k, d->ty->dtype, lp_load(k, acc, LP(r, q, v)));
    lp_store(k, y, out, body_at(b, d->j->out, out));
    body_forget(b);
    lp_end(k);
    lp_end(k);
    if (clamp)
        lp_end(k);
    lp_end(k);
}

static bool main_kernel(dot *d, source src, uint32_t id)
{
    body b;
    dim_table *t = &d->j->l->m->dims;
    int nr = d->nv * d->lanes;
    ir_dim m = product(t, d->ta, d->fa.at, d->fa.n);
    ir_dim batch = product(t, d->ta, d->at->batch_a.at, d->at->batch_a.n);
    ir_dim panels = dim_ceildiv(t, d->n, dim_int(t, nr)), blocks = dim_ceildiv(t, m, dim_int(t, d->mr));
    lp_expr v[3], dims[4];
    lp_buf bbuf = 0;
    int64_t mc;

    job_kernel(d->j, &b, "dot");
    body_needs(&b, d->j->out);
    body_needs(&b, d->a);
    if (src == PLACE)
        body_needs(&b, d->b);
    for (int i = 0; i < d->tb->rank; i++)
        body_dims(&b, d->tb->dim[i]);
    for (int i = 0; i < d->ta->rank; i++)
        body_dims(&b, d->ta->dim[i]);
    lp_kernel *k = b.k;
    if (src == PACKED) {
        bbuf = body_const(&b, id);
    } else if (src == TEMP) {
        dims[0] = body_dim(&b, batch), dims[1] = body_dim(&b, panels);
        dims[2] = body_dim(&b, d->k), dims[3] = lp_int(k, nr);
        bbuf = body_temp(&b, id, d->tb->dtype, 4, dims, false);
    } else {
        for (uint32_t i = 0; i < b.arg.len; i++)
            if (b.arg.at[i].kind == ARG_VALUE && b.arg.at[i].id == d->b)
                bbuf = b.buf.at[i];
    }
    lp_buf y = body_output(&b, d->j->out);
    body_forget(&b);
    bool known = dim_const(t, m, &mc);
    const lp_expr zero = lp_int(k, 0);
    lp_par(k, 3, (const char *[]){"b", "p", "m"}, LP(zero, zero, zero),
           LP(body_dim(&b, batch), body_dim(&b, panels), body_dim(&b, blocks)), NULL, v);
    lp_expr m0 = lp_mul(k, v[2], lp_int(k, d->mr));
    if (known && mc % d->mr == 0) {
        tile(d, &b, y, bbuf, src, v[0], m0, v[1], d->mr, false);
    } else if (known && mc > d->mr) {
        lp_if(k, lp_lt(k, v[2], lp_int(k, mc / d->mr)));
        tile(d, &b, y, bbuf, src, v[0], m0, v[1], d->mr, false);
        lp_else(k);
        tile(d, &b, y, bbuf, src, v[0], m0, v[1], (int)(mc % d->mr), false);
        lp_end(k);
    } else {
        tile(d, &b, y, bbuf, src, v[0], m0, v[1], d->mr, !known);
    }
    lp_end(k);
    return job_end(d->j, &b);
}

bool template_dot(job *j)
{
    dot d = {.j = j, .at = &j->root->attr->DOT};
    const ir_fn *fn = j->in->fn;
    dim_table *t = &j->l->m->dims;
    int64_t n, k, m;
    uint32_t id;

    d.a = ir_arg(fn, j->root, 0), d.b = ir_arg(fn, j->root, 1);
    d.ta = ir_type_of(fn, d.a), d.tb = ir_type_of(fn, d.b), d.ty = ir_type_of(fn, j->root->first);
    d.fa = free_axes(d.ta->rank, d.at->batch_a, d.at->sum_a);
    d.fb = free_axes(d.tb->rank, d.at->batch_b, d.at->sum_b);
    d.acc = acc_dtype(d.ty->dtype);
    d.lanes = lanes_of(j->l, d.acc);
    d.n = product(t, d.tb, d.fb.at, d.fb.n);
    d.k = product(t, d.tb, d.at->sum_b.at, d.at->sum_b.n);
    /* MR * NV accumulators, NV columns of B and one element of A in registers */
    bool many = j->l->target->vector_regs >= 32;
    d.nv = 2, d.mr = many ? 12 : 6;
    if (dim_const(t, d.n, &n) && n <= d.lanes)
        d.nv = 1;
    if (dim_const(t, product(t, d.ta, d.fa.at, d.fa.n), &m)) {
        if (m < d.mr)
            d.mr = m > 0 ? (int)m : 1;
        if (m == 1)
            d.nv = dim_const(t, d.n, &n) && n >= 4 * d.lanes ? 4 : d.nv;
    }
    bool *stored = &((ir_groups *)j->in)->stored[j->out];
    *stored = false;
    bool ok;
    if (const_of(&d, &id) && !d.at->batch_b.n && dim_const(t, d.n, &n) && dim_const(t, d.k, &k) && n * k > 0) {
        ok = main_kernel(&d, PACKED, pack_const(&d, id, n, k, d.nv * d.lanes));
    } else if (in_place(&d)) {
        ok = main_kernel(&d, PLACE, 0);
    } else {
        ir_dim nr = dim_int(t, d.nv * d.lanes), size = dim_int(t, dt_size(d.tb->dtype));
        ir_dim bytes = dim_mul(t, dim_mul(t, dim_ceildiv(t, d.n, nr), nr), dim_mul(t, d.k, size));
        bytes = dim_mul(t, bytes, product(t, d.tb, d.at->batch_b.at, d.at->batch_b.n));
        uint32_t temp = job_temp(j, bytes);
        ok = pack_kernel(&d, temp, d.nv * d.lanes) && main_kernel(&d, TEMP, temp);
    }
    *stored = true;
    return ok;
}
