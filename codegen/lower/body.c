/* codegen/lower/body.c - the expression of a value at an index.
 *
 * All elementwise and movement fusion happens here: what is not stored is
 * computed where it is read.  Movement ops only change the index; pad reads
 * under a guard.  Expressions are shared by the kernel and remembered per
 * (value, index), so that a diamond of maps stays linear. */
#include "body.h"

#include "const.h"
#include "num.h"

void body_init(body *b, lower *l, const ir_groups *in, const char *name)
{
    *b = (body){.l = l, .in = in, .fn = in->fn, .k = lp_kernel_new(name)};
}

void body_free(body *b)
{
    vec_free(&b->arg);
    vec_free(&b->buf);
    vec_free(&b->dim);
    vec_free(&b->dim_expr);
    vec_free(&b->bound);
    map_free(&b->memo);
    vec_free(&b->memo_expr);
    if (b->k)
        lp_kernel_free(b->k);
}

/* ---- bindings ---------------------------------------------------------------------- */

static uint64_t state(const body *b)
{
    return b->bound.len ? b->bound.at[b->bound.len - 1].state : 0;
}

void body_bind(body *b, body_binding how)
{
    uint64_t h = hash_mix(hash_mix(state(b), how.ref), how.how);

    how.state = hash_mix(hash_mix(hash_mix(h, how.expr), how.row), (uint64_t)how.skip);
    vec_push(&b->bound, how);
}

void body_unbind(body *b)
{
    ICE_IF(!b->bound.len, "no binding to take off");
    b->bound.len--;
}

/* The last binding of a value; null if it has none. */
static const body_binding *binding_of(const body *b, ir_ref ref)
{
    for (uint32_t i = b->bound.len; i-- > 0;)
        if (b->bound.at[i].how != BODY_GUARD && b->bound.at[i].ref == ref)
            return &b->bound.at[i];
    return NULL;
}

/* Where loads are made at present; 0: always. */
static lp_expr guard(const body *b)
{
    for (uint32_t i = b->bound.len; i-- > 0;)
        if (b->bound.at[i].how == BODY_GUARD)
            return b->bound.at[i].expr;
    return 0;
}

/* ---- parameters -------------------------------------------------------------------- */

static lp_buf find_arg(const body *b, group_arg_kind kind, uint32_t id)
{
    for (uint32_t i = 0; i < b->arg.len; i++)
        if (b->arg.at[i].kind == kind && b->arg.at[i].id == id)
            return b->buf.at[i];
    return 0;
}

static lp_buf add_param(body *b, group_arg_kind kind, uint32_t id, ir_dtype dt, int rank,
                        const lp_expr *dims, lp_space space)
{
    static const char *const word[] = {"in", "const", "temp"};
    char name[32];

    bool written = kind == ARG_VALUE && space == LP_OUT;
    snprintf(name, sizeof name, "%s%u", written ? "out" : word[kind], b->arg.len);
    lp_buf buf = lp_param(b->k, name, dt, rank, dims, space);
    vec_push(&b->arg, (group_arg){kind, id});
    vec_push(&b->buf, buf);
    return buf;
}

static lp_buf add_typed(body *b, group_arg_kind kind, uint32_t id, const ir_type *t, lp_space space)
{
    lp_expr dims[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++)
        dims[i] = body_dim(b, t->dim[i]);
    return add_param(b, kind, id, t->dtype, t->rank, dims, space);
}

static lp_buf bound_buffer(const body *b, body_how how)
{
    for (uint32_t i = 0; i < b->bound.len; i++)
        if (b->bound.at[i].how == how)
            return find_arg(b, ARG_VALUE, b->bound.at[i].ref);
    return 0;
}

/* The parameter of a stored value.  What is taken over and what takes it over
 * meet when the second of them is asked for. */
static lp_buf value_buffer(body *b, ir_ref ref, lp_space space)
{
    lp_buf buf = find_arg(b, ARG_VALUE, ref);

    if (buf)
        return buf;
    buf = add_typed(b, ARG_VALUE, ref, ir_type_of(b->fn, ref), space);
    lp_buf made = bound_buffer(b, BODY_MADE), taken = bound_buffer(b, BODY_TAKEN);
    if (made && taken && (buf == made || buf == taken))
        lp_set_alias(b->k, buf, buf == made ? taken : made);
    return buf;
}

lp_buf body_output(body *b, ir_ref ref)
{
    return value_buffer(b, ref, LP_OUT);
}

lp_buf body_source(body *b, ir_ref ref)
{
    const body_binding *v = binding_of(b, ref);

    if (ir_node_of(b->fn, ref)->op == OP_CONST || !lower_is_stored(b->in, ref) ||
        (v && v->how != BODY_TAKEN))
        return 0;
    return value_buffer(b, ref, LP_IN);
}

lp_buf body_temp(body *b, uint32_t temp, ir_dtype dt, int rank, const lp_expr *dims, bool write)
{
    return add_param(b, ARG_TEMP, temp, dt, rank, dims, write ? LP_OUT : LP_IN);
}

lp_buf body_const(body *b, uint32_t constant)
{
    lp_buf buf = find_arg(b, ARG_CONST, constant);

    return buf ? buf
               : add_typed(b, ARG_CONST, constant, b->l->m->consts.at[constant].type, LP_CONST);
}

/* Is the constant's last step computed where it is read?  A big one that was
 * widened from narrow integers stays narrow in memory; what else a chain holds
 * is laid out when the artifact is written. */
static bool is_widened(const body *b, uint32_t id)
{
    enum { BIG = 1 << 18 };
    const ir_const *k = &b->l->m->consts.at[id];
    int64_t bytes = const_bytes_of(b->l->m, id);

    if (!k->links || bytes < BIG || !dt_is_float(k->type->dtype) || (int64_t)k->size > bytes / 2)
        return false;
    for (uint32_t i = k->links; i-- > 0;) {
        ir_dtype from = i ? k->link[i - 1].type->dtype : k->source_type->dtype;
        unsigned op = k->link[i].op;
        if (op == OP_CAST)
            return dt_is_int(from) && dt_size(from) * 2 <= dt_size(k->type->dtype) &&
                   lp_computes(from);
        if (!ir_op_scalar(op))
            return false;
    }
    return false;
}

/* Is it repeated along axes?  Then what is repeated is read. */
static bool is_repeated(const body *b, uint32_t id)
{
    const ir_const *k = &b->l->m->consts.at[id];

    return k->links && k->link[k->links - 1].op == OP_BROADCAST;
}

static lp_expr literal(body *b, ir_dtype dt, const uint8_t element[16])
{
    uint64_t bits = 0;

    if (!dt_is_float(dt))
        return lp_const_int(b->k, dt, num_load_int(dt, element));
    memcpy(&bits, element, (size_t)dt_size(dt));
    return lp_const_bits(b->k, dt, bits);
}

static lp_expr load(body *b, lp_buf buf, const lp_expr *idx)
{
    return guard(b) ? lp_load_if(b->k, buf, idx, guard(b)) : lp_load(b->k, buf, idx);
}

static lp_expr const_at(body *b, uint32_t id, const lp_expr *idx)
{
    ir_module *m = b->l->m;
    const ir_const k = m->consts.at[id];
    uint8_t element[16] = {0};
    lp_expr in[IR_MAX_RANK];

    if (dt_size(k.type->dtype) <= 8 && const_is_splat(m, id, element))
        return literal(b, k.type->dtype, element);
    if (is_repeated(b, id)) {
        uint32_t below = const_below(m, id);
        const ir_type *from = m->consts.at[below].type;
        for (int i = 0; i < from->rank; i++)
            in[i] = dim_is(&m->dims, from->dim[i], 1)
                        ? lp_int(b->k, 0)
                        : idx[k.link[k.links - 1].attr->BROADCAST.axes.at[i]];
        return const_at(b, below, in);
    }
    if (!is_widened(b, id))
        return load(b, body_const(b, id), idx);
    const ir_link *l = &k.link[k.links - 1];
    lp_expr x = const_at(b, const_below(m, id), idx);
    return l->op == OP_CAST ? lp_cast(b->k, l->type->dtype, x)
                            : lp_2(b->k, (sc_op)l->op, x, const_at(b, l->other, idx));
}

/* ---- movement ------------------------------------------------------------------------ */

/* A zero of the value's type stands in; the kernel is thrown away. */
static lp_expr fail(body *b, ir_ref ref, const char *why)
{
    b->failed = why;
    return lp_const_int(b->k, ir_type_of(b->fn, ref)->dtype, 0);
}

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

/* The opposite. */
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
        split_index(b, from, in_memory ? last : (int)max_i64(i, 0), last, linear, in);
        i--, j--;
    }
    return body_at(b, x, in);
}

static lp_expr at_broadcast(body *b, const ir_node *n, ir_ref x, const ir_type *to,
                            const lp_expr *idx)
{
    const ir_type *from = ir_type_of(b->fn, x);
    lp_expr in[IR_MAX_RANK];

    for (int i = 0; i < from->rank; i++) {
        int axis = n->attr->BROADCAST.axes.at[i];
        if (dim_same(from->dim[i], to->dim[axis]))
            in[i] = idx[axis];
        else if (dim_is(&b->l->m->dims, from->dim[i], 1))
            in[i] = lp_int(b->k, 0);
        else {
            lp_expr extent = body_dim(b, from->dim[i]);
            lp_expr one = lp_eq(b->k, extent, lp_int(b->k, 1));
            in[i] = lp_select(b->k, one, lp_int(b->k, 0), idx[axis]);
        }
    }
    return body_at(b, x, in);
}

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

static lp_expr both(lp_kernel *k, lp_expr a, lp_expr c)
{
    return a ? lp_and(k, a, c) : c;
}

/* Has a value of type t any element?  0 if it is known to. */
static lp_expr has_elements(body *b, const ir_type *t)
{
    lp_expr some = 0, zero = lp_int(b->k, 0);

    for (int i = 0; i < t->rank; i++)
        if (dim_lo(&b->l->m->dims, t->dim[i]) < 1)
            some = both(b->k, some, lp_lt(b->k, zero, body_dim(b, t->dim[i])));
    return some;
}

/* The value of x at clamped indices where `inside`, else `other`.  Guarding by
 * clamping lets any expression stand behind it; an x without elements has no
 * index to clamp to, and nothing behind it is read. */
lp_expr body_at_if(body *b, ir_ref x, const lp_expr *idx, lp_expr inside, lp_expr other)
{
    lp_expr in[IR_MAX_RANK];
    const ir_type *t = ir_type_of(b->fn, x);
    lp_kernel *k = b->k;

    if (!inside)
        return body_at(b, x, idx);
    lp_buf buf = body_source(b, x);
    if (buf) {
        lp_expr v = lp_load_if(k, buf, idx, both(k, guard(b), inside));
        const lp_node *o = lp_at(k, other);
        bool zero = o->kind == LX_LITERAL && o->bits == 0;      /* as the load gives */
        return zero ? v : lp_select(k, inside, v, other);
    }
    for (int i = 0; i < t->rank; i++) {
        lp_expr extent = body_dim(b, t->dim[i]), last = lp_sub(k, extent, lp_int(k, 1));
        lp_expr most = lp_min(k, idx[i], last);
        in[i] = lp_max(k, most, lp_int(k, 0));
    }
    lp_expr some = has_elements(b, t);
    if (some)
        body_bind(b, (body_binding){.how = BODY_GUARD, .expr = both(k, guard(b), some)});
    lp_expr v = body_at(b, x, in);
    if (some)
        body_unbind(b);
    return lp_select(k, inside, v, other);
}

static lp_expr at_pad(body *b, const ir_node *n, ir_ref x, const lp_expr *idx)
{
    const ir_type *t = ir_type_of(b->fn, x);
    const struct ir_attr_PAD *a = &n->attr->PAD;
    const dim_table *d = &b->l->m->dims;
    lp_kernel *k = b->k;
    lp_expr in[IR_MAX_RANK], inside = 0, zero = lp_int(k, 0);

    for (int i = 0; i < t->rank; i++) {
        in[i] = lp_sub(k, idx[i], body_dim(b, a->low.at[i]));
        if (!dim_is(d, a->low.at[i], 0))
            inside = both(k, inside, lp_le(k, zero, in[i]));
        if (a->inner.n && !dim_is(d, a->inner.at[i], 0)) {
            lp_expr inner = body_dim(b, a->inner.at[i]), step = lp_add(k, inner, lp_int(k, 1));
            inside = both(k, inside, lp_eq(k, lp_mod(k, in[i], step), zero));
            in[i] = lp_div(k, in[i], step);
        }
        if (!dim_is(d, a->high.at[i], 0) || (a->inner.n && !dim_is(d, a->inner.at[i], 0)))
            inside = both(k, inside, lp_lt(k, in[i], body_dim(b, t->dim[i])));
    }
    return body_at_if(b, x, in, inside, body_at(b, ir_arg(b->fn, n, 1), NULL));
}

static lp_expr at_concat(body *b, const ir_node *n, const lp_expr *idx)
{
    int axis = (int)n->attr->CONCAT.axis, rank = ir_type_of(b->fn, n->first)->rank;
    lp_kernel *k = b->k;
    lp_expr start[256], y = 0;

    if (n->narg > COUNT(start))
        return fail(b, n->first, "a concat of more than 256 values inside a kernel");
    start[0] = lp_int(k, 0);
    for (uint32_t i = 1; i < n->narg; i++)
        start[i] = lp_add(k, start[i - 1],
                          body_dim(b, ir_type_of(b->fn, ir_arg(b->fn, n, i - 1))->dim[axis]));
    for (uint32_t i = n->narg; i-- > 0;) {
        ir_ref x = ir_arg(b->fn, n, i);
        lp_expr in[IR_MAX_RANK];
        memcpy(in, idx, (size_t)rank * sizeof *in);
        in[axis] = lp_sub(k, idx[axis], start[i]);
        lp_expr e = body_dim(b, ir_type_of(b->fn, x)->dim[axis]);
        lp_expr inside = lp_le(k, start[i], idx[axis]);
        inside = lp_and(k, inside, lp_lt(k, in[axis], e));
        lp_expr zero = lp_const_int(k, ir_type_of(b->fn, x)->dtype, 0);
        if (n->narg == 1)
            return body_at(b, x, in);
        lp_expr v = body_at_if(b, x, in, inside, zero);
        y = y ? lp_select(k, inside, v, y) : v;
    }
    return y;
}

static lp_expr at_gather(body *b, const ir_node *n, const lp_expr *idx)
{
    ir_ref x = ir_arg(b->fn, n, 0);
    const ir_type *t = ir_type_of(b->fn, x);
    ir_ints axes = n->attr->GATHER.axes;
    int ri = axes.n ? ir_type_of(b->fn, ir_arg(b->fn, n, 1))->rank : 0, rest = ri;
    lp_kernel *k = b->k;
    lp_expr in[IR_MAX_RANK], inside = 0, zero = lp_int(k, 0);

    for (int i = 0; i < t->rank; i++) {
        int at = 0;
        while (at < axes.n && axes.at[at] != i)
            at++;
        if (at == axes.n) {
            in[i] = idx[rest++];
            continue;
        }
        lp_expr v = lp_cast(k, DT_I64, body_at(b, ir_arg(b->fn, n, (uint32_t)at + 1), idx));
        lp_expr extent = body_dim(b, t->dim[i]), last = lp_sub(k, extent, lp_int(k, 1));
        if (n->attr->GATHER.zero) {
            lp_expr from = lp_le(k, zero, v);
            inside = both(k, inside, lp_and(k, from, lp_le(k, v, last)));
        }
        in[i] = lp_max(k, lp_min(k, v, last), zero);
    }
    if (!inside)
        return body_at(b, x, in);
    return body_at_if(b, x, in, inside, lp_const_int(k, t->dtype, 0));
}

/* ---- elements ---------------------------------------------------------------------------- */

static lp_expr at_scalar(body *b, const ir_node *n, const lp_expr *idx)
{
    lp_expr a[3] = {0};

    for (uint32_t i = 0; i < n->narg; i++)
        a[i] = body_at(b, ir_arg(b->fn, n, i), idx);
    if (n->op == OP_CAST)
        return lp_cast(b->k, n->attr->CAST.to, a[0]);
    if (n->op == OP_BITCAST)
        return lp_bitcast(b->k, n->attr->BITCAST.to, a[0]);
    return n->narg == 1   ? lp_1(b->k, (sc_op)n->op, a[0])
           : n->narg == 2 ? lp_2(b->k, (sc_op)n->op, a[0], a[1])
                          : lp_3(b->k, (sc_op)n->op, a[0], a[1], a[2]);
}

static lp_expr compute(body *b, const ir_node *n, const lp_expr *idx)
{
    const ir_type *t = ir_type_of(b->fn, n->first);
    ir_ref x = n->narg ? ir_arg(b->fn, n, 0) : IR_NONE;
    lp_expr in[IR_MAX_RANK];

    if (ir_op_scalar(n->op))
        return at_scalar(b, n, idx);
    switch (n->op) {
    case OP_CONST: return const_at(b, n->attr->CONST.id, idx);
    case OP_DIMVAL: return body_dim(b, n->attr->DIMVAL.dim);
    case OP_IOTA: return lp_cast(b->k, t->dtype, idx[n->attr->IOTA.axis]);
    case OP_KEEP:
    case OP_DETACH: return body_at(b, x, idx);
    case OP_TRANSPOSE:
        for (int i = 0; i < t->rank; i++)
            in[n->attr->TRANSPOSE.perm.at[i]] = idx[i];
        return body_at(b, x, in);
    case OP_RESHAPE: return at_reshape(b, x, t, idx);
    case OP_BROADCAST: return at_broadcast(b, n, x, t, idx);
    case OP_SLICE: return at_slice(b, n, x, idx);
    case OP_PAD: return at_pad(b, n, x, idx);
    case OP_CONCAT: return at_concat(b, n, idx);
    case OP_GATHER: return at_gather(b, n, idx);
    default: return fail(b, n->first, "it has no expression inside a kernel");
    }
}

lp_expr body_at(body *b, ir_ref ref, const lp_expr *idx)
{
    const ir_type *t = ir_type_of(b->fn, ref);
    const body_binding *v = binding_of(b, ref);
    uint64_t h = hash_mix(state(b), ref);

    if (v && v->how == BODY_IS)
        return v->expr;
    if (v && v->how == BODY_ROW)
        return lp_load(b->k, v->row, idx + v->skip);
    for (int i = 0; i < t->rank; i++)
        h = hash_mix(h, idx[i]);
    uint32_t p = map_find(&b->memo, h);     /* 64-bit hashes: taken as exact */
    if (p != MAP_NONE)
        return b->memo_expr.at[map_id(&b->memo, p)];
    lp_buf buf = body_source(b, ref);
    lp_expr e = buf ? load(b, buf, idx) : compute(b, ir_node_of(b->fn, ref), idx);
    vec_push(&b->memo_expr, e);
    map_add(&b->memo, h, b->memo_expr.len - 1);
    return e;
}

void body_store(body *b, ir_ref ref, const lp_expr *idx)
{
    lp_expr v = body_at(b, ref, idx);

    lp_store(b->k, body_output(b, ref), idx, v);
}

/* ---- loops, calls ------------------------------------------------------------------------- */

int body_loops(body *b, const ir_dim *dims, int n, lp_expr *idx)
{
    enum { ENOUGH = 64 };
    const dim_table *t = &b->l->m->dims;
    int64_t trips = 1;
    const char *names[IR_MAX_RANK];
    static const char *const letter[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8",
                                         "i9", "i10", "i11", "i12", "i13", "i14", "i15"};
    lp_expr lo[IR_MAX_RANK], hi[IR_MAX_RANK], zero = lp_int(b->k, 0);
    int par = 0;

    while (par < n && (trips < ENOUGH || par == 0))
        trips *= max_i64(dim_hint(t, dims[par++]), 1);
    for (int i = 0; i < par; i++) {
        names[i] = letter[i];
        lo[i] = zero;
        hi[i] = body_dim(b, dims[i]);
    }
    if (par)
        lp_par(b->k, par, names, lo, hi, NULL, idx);
    for (int i = par; i < n; i++)
        idx[i] = lp_for(b->k, letter[i], zero, body_dim(b, dims[i]));
    return (par ? 1 : 0) + n - par;
}

bool body_call(body *b, group_call *out)
{
    arena *mem = &b->l->mem;
    ir_dim *dim = arena_copy(mem, b->dim.at, b->dim.len * sizeof *dim);

    if (b->failed)
        return false;
    *out = (group_call){.narg = b->arg.len,
                        .ndim = b->dim.len,
                        .arg = arena_copy(mem, b->arg.at, b->arg.len * sizeof *b->arg.at),
                        .dim = dim};
    out->trip = lower_dim(b->l, b->k, lp_kernel_trip(b->k), dim);
    out->scratch = lower_dim(b->l, b->k, lp_kernel_scratch(b->k), dim);
    out->kernel = lower_add(b->l, b->k);
    b->k = NULL;
    return true;
}
