/* codegen/lower/dot.c - matrix products: where the operands are read from.
 *
 * out[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n], where m, n
 * and k may each be several axes.  B is read in panels of NR columns: packed
 * at compile time when it is constant, into a temp when its columns are not
 * the last axis in memory or when many tiles of rows read them, else in place;
 * with panels enough to share out, each by the thread that multiplies it.
 * A is read by broadcast, and copied only if finding an element takes a
 * division. */
#include "bytes.h"
#include "const.h"
#include "dot.h"
#include "pack.h"
#include "panel.h"

static ir_dim product(dim_table *t, const ir_type *x, const int32_t *at, int n)
{
    ir_dim p = {1};

    for (int i = 0; i < n; i++)
        p = dim_mul(t, p, x->dim[at[i]]);
    return p;
}

/* -1 where only the run knows it. */
static int64_t extent_or_unknown(const dot *d, ir_dim e)
{
    int64_t v;

    return dim_const(&d->j->l->m->dims, e, &v) ? v : -1;
}

/* A's extents as a matrix of rows of k. */
static void a_dims(const dot *d, body *b, ir_dim k, lp_expr dims[3])
{
    dims[0] = body_dim(b, d->batch);
    dims[1] = body_dim(b, d->m);
    dims[2] = body_dim(b, k);
}

/* The temp with A. */
static lp_buf a_temp(const dot *d, body *b, ir_dtype dt, ir_dim k, bool written)
{
    lp_expr dims[3];

    a_dims(d, b, k, dims);
    return body_temp(b, d->a_temp, dt, 3, dims, written);
}

lp_buf dot_a_buffer(const dot *d, body *b)
{
    lp_expr dims[3];

    if (d->copied)
        return a_temp(d, b, d->together ? DT_I32 : d->ta->dtype, d->steps, false);
    if (!d->together)
        return 0;
    a_dims(d, b, d->steps, dims);
    return body_source_as(b, d->a, DT_I32, 3, dims);
}

lp_buf dot_panels(const dot *d, body *b, ir_dim panels)
{
    ir_dtype dt = d->together ? bytes_second(d->together) : d->tb->dtype;
    lp_expr dims[4];

    dims[0] = body_dim(b, d->batch);
    dims[1] = body_dim(b, panels);
    dims[2] = body_dim(b, d->steps);
    dims[3] = lp_int(b->k, schedule_panel(&d->s));
    if (d->source == DOT_PACKED && !d->together)
        return body_const(b, d->packed);
    return d->source == DOT_PACKED ? body_const_as(b, d->packed, dt, 3, dims + 1)
                                   : body_temp(b, d->packed, dt, 4, dims, false);
}

lp_expr dot_a(const dot *d, body *b, lp_expr batch, lp_expr row, lp_expr k)
{
    lp_expr idx[IR_MAX_RANK];

    body_split(b, batch, d->ta, d->at->batch_a.at, d->at->batch_a.n, idx);
    body_split(b, k, d->ta, d->at->sum_a.at, d->at->sum_a.n, idx);
    body_split(b, row, d->ta, d->fa.at, d->fa.n, idx);
    return body_at(b, d->a, idx);
}

/* B's element: batch, k and column are numbers that are split into its axes again. */
lp_expr dot_b(const dot *d, body *b, lp_expr batch, lp_expr k, lp_expr column)
{
    lp_expr idx[IR_MAX_RANK];

    body_split(b, batch, d->tb, d->at->batch_b.at, d->at->batch_b.n, idx);
    body_split(b, k, d->tb, d->at->sum_b.at, d->at->sum_b.n, idx);
    body_split(b, column, d->tb, d->fb.at, d->fb.n, idx);
    return body_at(b, d->b, idx);
}

/* ---- B packed at compile time -------------------------------------------------------- */

/* Constant c with B's axes, whose sums run over k, as [N/NR, K, NR], or where four k lie
 * together as [N/NR, K/4, NR, 4]; zeros behind the last column and k.  A chain of its own. */
static uint32_t pack_const(const dot *d, uint32_t c, int64_t n, int64_t k, int nr)
{
    static const int32_t last[3] = {1, 0, 2}, last_together[4] = {2, 0, 3, 1};
    pack p = {d->j->l->m, c};
    int32_t perm[IR_MAX_RANK];
    int r = 0;

    for (int i = 0; i < d->at->sum_b.n; i++)
        perm[r++] = d->at->sum_b.at[i];
    for (int i = 0; i < d->fb.n; i++)
        perm[r++] = d->fb.at[i];
    pack_transpose(&p, perm, r);
    pack_reshape(&p, (int64_t[]){k, n}, 2);
    int64_t wide = pack_pad(&p, 1, nr);
    if (d->together) {
        int64_t deep = pack_pad(&p, 0, d->together);
        pack_reshape(&p, (int64_t[]){deep / d->together, d->together, wide / nr, nr}, 4);
        pack_transpose(&p, last_together, 4);
    } else {
        pack_reshape(&p, (int64_t[]){k, wide / nr, nr}, 3);
        pack_transpose(&p, last, 3);
    }
    return p.id;
}

/* Does constant c, with B's axes, repeat along all axes that are summed? */
static bool is_of_columns(const dot *d, uint32_t c)
{
    const ir_module *m = d->j->l->m;
    const ir_const *k = &m->consts.at[c];

    if (!k->links || k->link[k->links - 1].op != OP_BROADCAST)
        return k->source == SRC_SPLAT && !k->links;
    const ir_type *from = k->links > 1 ? k->link[k->links - 2].type : k->source_type;
    ir_ints axes = k->link[k->links - 1].attr->BROADCAST.axes;
    for (int i = 0; i < axes.n; i++)
        if (ir_has_axis(d->at->sum_b, axes.at[i]) && !dim_is(&m->dims, from->dim[i], 1))
            return false;
    return true;
}

/* Constant c at the first position of all axes that are summed. */
static uint32_t columns_of(const dot *d, uint32_t c)
{
    pack p = {d->j->l->m, c};

    pack_first(&p, d->at->sum_b);
    return p.id;
}

/* Is constant c a cast of narrow integers times factors of its columns?  Then
 * the integers and the product of the factors: B takes a quarter of the memory
 * and bandwidth, for a conversion that runs beside the multiply-adds. */
static bool split_scale(const dot *d, uint32_t c, uint32_t *narrow, uint32_t *scale)
{
    ir_module *m = d->j->l->m;
    bool any = false;       /* a factor was seen */

    for (ir_const k = m->consts.at[c]; k.links; k = m->consts.at[c]) {
        const ir_link *l = &k.link[k.links - 1];
        c = const_below(m, c);
        if (l->op == OP_CAST) {
            ir_dtype dt = m->consts.at[c].type->dtype;
            *narrow = c;
            return any && (dt == DT_I8 || dt == DT_U8) && dt_is_float(l->type->dtype);
        }
        if (l->op != OP_MUL || !is_of_columns(d, l->other))
            return false;
        uint32_t s = columns_of(d, l->other);
        *scale =
            any ? const_linked(m, s, (ir_link){OP_MUL, l->attr, *scale, m->consts.at[s].type}) : s;
        any = true;
    }
    return false;
}

/* Scales of columns are taken out of the chain (split_scale) and applied to the
 * sums. */
static void place_const(dot *d)
{
    int nr = schedule_panel(&d->s);
    int64_t n = extent_or_unknown(d, d->n), k = extent_or_unknown(d, d->k);
    uint32_t narrow = 0, scale = 0, c = ir_node_of(d->j->in->fn, d->b)->attr->CONST.id;

    d->source = DOT_PACKED;
    d->scaled = split_scale(d, c, &narrow, &scale);
    d->packed = pack_const(d, d->scaled ? narrow : c, n, k, nr);
    if (d->scaled)
        d->scale = pack_const(d, scale, n, 1, nr);
}

/* What B is, or is a reshape of, that is in memory; IR_NONE: nothing. */
static ir_ref stored_b(const dot *d)
{
    ir_ref r = d->b;

    while (!lower_is_stored(d->j->in, r)) {
        const ir_node *n = ir_node_of(d->j->in->fn, r);
        if (n->op != OP_RESHAPE)
            return IR_NONE;
        r = ir_arg(d->j->in->fn, n, 0);
    }
    return r;
}

/* Is B stored, and its one column axis the last in memory? */
static bool in_place(const dot *d)
{
    return stored_b(d) != IR_NONE && d->fb.n == 1 && d->fb.at[0] == d->tb->rank - 1;
}

/* B where it lies: as itself, or as what it is a reshape of, under B's own extents. */
lp_buf dot_b_buffer(const dot *d, body *b)
{
    ir_ref r = stored_b(d);
    lp_expr dims[IR_MAX_RANK];

    if (r == d->b)
        return body_source(b, r);
    for (int i = 0; i < d->tb->rank; i++)
        dims[i] = body_dim(b, d->tb->dim[i]);
    return body_source_as(b, r, d->tb->dtype, d->tb->rank, dims);
}

/* ---- operands copied at run time ------------------------------------------------------- */

static lp_expr b_element(const void *d, body *b, lp_expr batch, lp_expr k, lp_expr column)
{
    return dot_b(d, b, batch, k, column);
}

/* Byte k of a column, or zero behind the last. */
static lp_expr b_byte(const dot *d, body *b, lp_expr batch, lp_expr k, lp_expr column)
{
    dim_table *t = &d->j->l->m->dims;
    lp_kernel *p = b->k;
    lp_expr all = body_dim(b, d->k), last = lp_sub(p, all, lp_int(p, 1));

    if (dim_is(t, dim_mod(t, d->k, dim_int(t, d->together)), 0))
        return lp_cast(p, DT_U8, dot_b(d, b, batch, k, column));
    lp_expr byte = lp_cast(p, DT_U8, dot_b(d, b, batch, lp_min(p, k, last), column));
    lp_expr inside = lp_lt(p, k, all), zero = lp_const_int(p, DT_U8, 0);
    return lp_select(p, inside, byte, zero);
}

/* The bytes of a column that are multiplied together in a step. */
static lp_expr b_bytes(const void *cx, body *b, lp_expr batch, lp_expr step, lp_expr column)
{
    const dot *d = cx;
    lp_kernel *p = b->k;
    lp_expr first = lp_mul(p, step, lp_int(p, d->together)), all = 0;

    for (int i = 0; i < d->together; i++)
        all = bytes_add(p, all, i, b_byte(d, b, batch, lp_add(p, first, lp_int(p, i)), column));
    return lp_cast(p, bytes_second(d->together), all);
}

static panels panels_of(const dot *d)
{
    return (panels){.j = d->j, .s = &d->s,
                    .dtype = d->together ? bytes_second(d->together) : d->tb->dtype,
                    .outer = d->batch, .columns = d->n, .rows = d->steps, .cx = d,
                    .element = d->together ? b_bytes : b_element};
}

/* Kernel that fills the temp [batch, N/NR, steps, NR] from B. */
static bool pack_b(dot *d)
{
    const panels p = panels_of(d);

    return panels_pack(&p, &d->packed);
}

lp_buf dot_own_panel(const dot *d, body *b, lp_expr batch, lp_expr panel)
{
    const panels p = panels_of(d);

    return panels_fill(&p, b, batch, panel);
}

/* Is B what a loop's body is given?  If that is the same in all iterations, its panels are
 * filled once, in front of the loop. */
static bool may_be_early(const dot *d)
{
    const ir_fn *fn = d->j->in->fn;
    const ir_node *n = ir_node_of(fn, d->b);

    while (!lower_is_stored(d->j->in, n->first) && ir_op_moves(n->op))
        n = ir_node_of(fn, ir_arg(fn, n, 0));
    return !fn->entry && n->op == OP_INPUT;
}

/* Can the thread that multiplies a panel fill it?  All blocks of rows are that thread's then:
 * there must be panels enough to share out, and the cache must hold one. */
static bool fills_own(const dot *d)
{
    enum { ENOUGH = 16 };
    dim_table *t = &d->j->l->m->dims;
    int nr = schedule_panel(&d->s);
    int64_t count, k = extent_or_unknown(d, d->steps);
    ir_dim panels = dim_mul(t, d->batch, dim_ceildiv(t, d->n, dim_int(t, nr)));

    return !d->together && !d->s.group && !may_be_early(d) && dim_const(t, panels, &count) &&
           count >= ENOUGH && k > 0 && k < INT32_MAX &&
           k * nr * dt_size(d->tb->dtype) <= schedule_cache(d->j->l->target);
}

/* Kernel that fills the temp [batch, M, K] from A. */
static bool copy_a(dot *d)
{
    body b;
    dim_table *t = &d->j->l->m->dims;
    lp_expr v[3];

    ir_dim elements = dim_mul(t, dim_mul(t, d->batch, d->m), d->k);
    d->a_temp = job_temp(d->j, dim_mul(t, elements, dim_int(t, dt_size(d->ta->dtype))));
    job_kernel(d->j, &b, "copy");
    lp_buf to = a_temp(d, &b, d->ta->dtype, d->k, true);
    int open = body_loops(&b, (ir_dim[]){d->batch, d->m, d->k}, 3, v);
    lp_store(b.k, to, LP(v[0], v[1], v[2]), dot_a(d, &b, v[0], v[1], v[2]));
    while (open--)
        lp_end(b.k);
    return job_end(d->j, &b);
}

/* The same for bytes: rows are whole steps.  What lies behind the last byte of a row is
 * left as it is, for it is multiplied by zeros of B. */
static bool copy_bytes(dot *d)
{
    body b;
    dim_table *t = &d->j->l->m->dims;
    ir_dim row = dim_mul(t, d->steps, dim_int(t, d->together));
    ir_dtype dt = bytes_first(d->together);
    ir_dim elements = dim_mul(t, dim_mul(t, d->batch, d->m), row);
    lp_expr v[3];

    d->a_temp = job_temp(d->j, dim_mul(t, elements, dim_int(t, dt_size(dt))));
    job_kernel(d->j, &b, "copy");
    lp_buf to = a_temp(d, &b, dt, row, true);
    int open = body_loops(&b, (ir_dim[]){d->batch, d->m}, 2, v);
    lp_expr zero = lp_int(b.k, 0), end = body_dim(&b, d->k);
    v[2] = lp_vec(b.k, "k", zero, end, target_lanes(d->j->l->target, DT_U8), LP_MASKED);
    lp_store(b.k, to, LP(v[0], v[1], v[2]), lp_cast(b.k, dt, dot_a(d, &b, v[0], v[1], v[2])));
    for (open++; open--;)
        lp_end(b.k);
    return job_end(d->j, &b);
}

/* Do A's rows lie in memory as steps read them, one after another? */
static bool has_steps(const dot *d)
{
    dim_table *t = &d->j->l->m->dims;
    int axis = 0;
    bool ordered = true;

    for (int i = 0; i < d->at->batch_a.n; i++)
        ordered &= d->at->batch_a.at[i] == axis++;
    for (int i = 0; i < d->fa.n; i++)
        ordered &= d->fa.at[i] == axis++;
    for (int i = 0; i < d->at->sum_a.n; i++)
        ordered &= d->at->sum_a.at[i] == axis++;
    return bytes_first(d->together) == d->ta->dtype && ordered && lower_is_stored(d->j->in, d->a) &&
           ir_node_of(d->j->in->fn, d->a)->op != OP_CONST &&
           dim_is(t, dim_mod(t, d->k, dim_int(t, d->together)), 0);
}

/* ---- choice ------------------------------------------------------------------------------ */

/* Does e divide by a number of the run, in a way that changes with v? */
static bool divides(const lp_kernel *k, lp_expr e, lp_var v)
{
    const lp_node *n = lp_at(k, e);
    int64_t d;

    if (!lp_depends(k, e, v))
        return false;
    if ((n->kind == LX_FLOORDIV ||
         (n->kind == LX_SCALAR && n->op == SC_MOD && n->dtype == DT_I64)) &&
        !lp_is_int(k, k->arg.at[n->arg + 1], &d))
        return true;
    for (uint32_t i = 0; i < n->narg; i++)
        if (divides(k, k->arg.at[n->arg + i], v))
            return true;
    return false;
}

/* Would the inner loop divide by a run-time number to find A's elements?  Told
 * by the text of a trial kernel. */
static bool a_divides(dot *d)
{
    body b;

    job_kernel(d->j, &b, "trial");
    lp_expr zero = lp_int(b.k, 0);
    lp_expr row = lp_for(b.k, "m", zero, body_dim(&b, d->m));
    lp_expr k = lp_for(b.k, "k", zero, body_dim(&b, d->k));
    lp_expr x = dot_a(d, &b, zero, row, k);
    bool yes = x && divides(b.k, x, lp_var_of(b.k, k));
    lp_end(b.k);
    lp_end(b.k);
    body_free(&b);
    return yes;
}

/* Is e an element that lies equally far from that of the next k, for all k? */
static bool is_even(lp_kernel *p, lp_expr e, lp_expr k)
{
    lp_expr idx[LP_MAX_RANK], stride;
    lp_buf buf;

    return lp_load_of(p, e, &buf, idx) &&
           lp_linear_in(p, lp_offset(p, buf, idx), lp_var_of(p, k), &stride);
}

/* Are A's rows neighbours in memory, and its k are not?  Told by the text of a trial kernel, of
 * the first two rows, for an axis of them may be several in memory.  *even: are all k equally far
 * apart?  Else where a later one lies takes as long to find as it is worth to be fetched. */
static bool rows_are_near(const dot *d, bool *even)
{
    body b;

    job_kernel(d->j, &b, "trial");
    lp_expr zero = lp_int(b.k, 0);
    lp_expr row = lp_for(b.k, "m", zero, lp_int(b.k, 2));
    lp_expr k = lp_for(b.k, "k", zero, body_dim(&b, d->k));
    lp_expr x = dot_a(d, &b, zero, row, k);
    bool near = turn_is_near(b.k, x, row) && !turn_is_near(b.k, x, k);
    *even = is_even(b.k, dot_a(d, &b, zero, zero, k), k);
    lp_end(b.k);
    lp_end(b.k);
    body_free(&b);
    return near;
}

/* Is A the first operand of a gradient of weights, out[m, n] = sum over the rows k of a batch of
 * x[k, m] * dy[k, n]?  A tile reads a few elements of the lines of all k.  If A is larger than
 * the cache, it has lost them before the next tile reads what else is in them, the more so where
 * lines a power of two apart take each other's place: A is turned.  If it is larger than the first
 * cache, they have left that, and k are too far apart for the processor to foresee the next. */
static void look_at_rows(dot *d)
{
    enum { FIRST_CACHE = 1 << 15 };
    dim_table *t = &d->j->l->m->dims;
    int64_t rows, cache = schedule_cache(d->j->l->target);
    int64_t bytes = dim_hint(t, dim_mul(t, d->m, d->k)) * dt_size(d->ta->dtype);
    bool even;

    if (d->together || !dim_const(t, d->m, &rows) || rows < 2 ||
        bytes <= min_i64(cache, FIRST_CACHE) || !rows_are_near(d, &even))
        return;
    d->turned = bytes > cache;
    d->far = even;
}

/* Can B be packed when the code is made? */
static bool is_packable(const dot *d)
{
    return ir_node_of(d->j->in->fn, d->b)->op == OP_CONST && !d->at->batch_b.n &&
           extent_or_unknown(d, d->n) > 0 && extent_or_unknown(d, d->k) > 0;
}

/* dot [b=BATCH] m=ROWS n=COLUMNS k=SUMMED DTYPE [DTYPE of B] */
static void name_problem(const dot *d, text *out)
{
    const lower *l = d->j->l;

    text_add(out, "dot");
    if (!dim_is(&l->m->dims, d->batch, 1))
        lower_name_extents(l, "b", &d->batch, 1, out);
    lower_name_extents(l, "m", &d->m, 1, out);
    lower_name_extents(l, "n", &d->n, 1, out);
    lower_name_extents(l, "k", &d->k, 1, out);
    text_add(out, " %s", dt_text(d->ta->dtype));
    if (d->tb->dtype != d->ta->dtype)
        text_add(out, " %s", dt_text(d->tb->dtype));
}

/* Where B lies decides as much as its extents: a constant can be packed for
 * nothing, a stored one may be read in place, anything else must be copied first. */
static schedule choose_schedule(const dot *d)
{
    int64_t k = min_i64(extent_or_unknown(d, d->k), INT32_MAX);
    problem p = {.rows = extent_or_unknown(d, d->m), .columns = extent_or_unknown(d, d->n),
                 .row_bytes = k < 0 ? -1 : k * dt_size(d->together ? bytes_first(d->together)
                                                         : d->ta->dtype),
                 .sums = d->acc, .turned = d->turned, .far_ahead = d->far,
                 .again = !d->j->in->fn->entry && (is_packable(d) || may_be_early(d)) &&
                          lower_is_stored(d->j->in, d->a)};
    text name = {0};

    p.second = is_packable(d)                ? OPERAND_CONST
               : in_place(d) && !d->together ? OPERAND_STORED
                                          : OPERAND_APART;
    name_problem(d, &name);
    schedule s = lower_schedule(d->j->l, &name, &p);
    text_free(&name);
    return s;
}

/* m, n and k are products of all free and summed axes: f32[2,3,4] by f32[4,5]
 * summed over 4 has m = 6. Products of u8 by i8 in i32 go several at a time (bytes.h). */
static void dot_init(dot *d, job *j)
{
    const ir_fn *fn = j->in->fn;
    dim_table *t = &j->l->m->dims;

    *d = (dot){.j = j, .at = &j->root->attr->DOT};
    d->a = ir_arg(fn, j->root, 0), d->b = ir_arg(fn, j->root, 1);
    d->ta = ir_type_of(fn, d->a), d->tb = ir_type_of(fn, d->b),
    d->ty = ir_type_of(fn, j->root->first);
    d->fa = ir_free_axes(d->ta->rank, d->at->batch_a, d->at->sum_a);
    d->fb = ir_free_axes(d->tb->rank, d->at->batch_b, d->at->sum_b);
    d->acc = acc_dtype(d->ty->dtype);
    d->batch = product(t, d->ta, d->at->batch_a.at, d->at->batch_a.n);
    d->m = product(t, d->ta, d->fa.at, d->fa.n);
    d->n = product(t, d->tb, d->fb.at, d->fb.n);
    d->k = product(t, d->tb, d->at->sum_b.at, d->at->sum_b.n);
    if (d->ta->dtype == DT_U8 && d->tb->dtype == DT_I8 && d->acc == DT_I32)
        d->together = bytes_together(j->l, lanes_of(j->l, d->acc));
    d->steps = d->together ? dim_ceildiv(t, d->k, dim_int(t, d->together)) : d->k;
    look_at_rows(d);
    d->s = choose_schedule(d);
}

/* Kernels that prepare come before the product's own. */
static bool place_operands(dot *d)
{
    bool ok = true;

    if (is_packable(d)) {
        place_const(d);
    } else if (!d->s.pack) {
        d->source = DOT_PLACE;
    } else if (fills_own(d)) {
        d->source = DOT_OWN;
    } else {
        d->source = DOT_TEMP;
        ok = pack_b(d);
    }
    if (ok && d->together) {
        d->copied = !has_steps(d);
        ok = !d->copied || copy_bytes(d);
    } else if (ok && a_divides(d)) {
        d->copied = true;
        ok = copy_a(d);
    }
    return ok;
}

bool template_dot(job *j)
{
    dot d;

    dot_init(&d, j);
    return place_operands(&d) && dot_kernel(&d);
}
