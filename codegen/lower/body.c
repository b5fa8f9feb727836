/* codegen/lower/body.c - the expression of a value at an index.
 *
 * All elementwise and movement fusion happens here: what is not stored is
 * computed where it is read.  Movement ops only change the index; pad reads
 * under a guard.  Expressions are shared by the kernel and remembered per
 * (value, index), so that a diamond of maps stays linear. */
#include "body.h"

#include "const.h"
#include "num.h"

/* The kernel is the body's until body_call hands it to the lowering. */
void body_init(body *b, lower *l, const ir_groups *in, const char *name)
{
    *b = (body){.l = l, .in = in, .fn = in->fn, .k = lp_kernel_new(name)};
}

void body_free(body *b)
{
    vec_free(&b->arg);
    vec_free(&b->buf);
    vec_free(&b->view);
    vec_free(&b->dim);
    vec_free(&b->dim_expr);
    vec_free(&b->bound);
    map_free(&b->memo);
    vec_free(&b->memo_expr);
    if (b->k)
        lp_kernel_free(b->k);
}

/* ---- bindings ---------------------------------------------------------------------- */

/* What a value's expression depends on besides its index: bindings.  Those of
 * another state are no help and stay in the memo, unfound, until they come back. */
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

static bool is_of_value(body_how how)
{
    return how != BODY_GUARD && how != BODY_SPREAD;
}

/* The last binding of a value; null if it has none. */
static const body_binding *binding_of(const body *b, ir_ref ref)
{
    for (uint32_t i = b->bound.len; i-- > 0;)
        if (is_of_value(b->bound.at[i].how) && b->bound.at[i].ref == ref)
            return &b->bound.at[i];
    return NULL;
}

bool body_knows(const body *b, ir_ref ref)
{
    const body_binding *v = binding_of(b, ref);

    return v && (v->how == BODY_IS || v->how == BODY_ROW);
}

void body_spread(body *b)
{
    b->repeats = 0;
    body_bind(b, (body_binding){.how = BODY_SPREAD});
}

bool body_is_spread(const body *b)
{
    for (uint32_t i = b->bound.len; i-- > 0;)
        if (b->bound.at[i].how == BODY_SPREAD)
            return true;
    return false;
}

lp_expr body_guard(const body *b)
{
    for (uint32_t i = b->bound.len; i-- > 0;)
        if (b->bound.at[i].how == BODY_GUARD)
            return b->bound.at[i].expr;
    return 0;
}

/* ---- parameters -------------------------------------------------------------------- */

/* The parameter with elements as they are: bytes may be read several together, too, through a
 * parameter of its own. */
static lp_buf find_arg(const body *b, group_arg_kind kind, uint32_t id)
{
    for (uint32_t i = 0; i < b->arg.len; i++)
        if (b->arg.at[i].kind == kind && b->arg.at[i].id == id && !b->view.at[i])
            return b->buf.at[i];
    return 0;
}

static lp_buf find_value(const body *b, ir_ref ref)
{
    return find_arg(b, ARG_VALUE, ref);
}

/* One list for what the call passes, one for the kernel's own name of it, at the
 * same place. */
static lp_buf add_param(body *b, group_arg_kind kind, uint32_t id, ir_dtype dt, int rank,
                        const lp_expr *dims, lp_space space)
{
    static const char *const word[] = {
        [ARG_VALUE] = "in", [ARG_CONST] = "const", [ARG_TEMP] = "temp"};
    char name[32];

    bool written = space == LP_OUT;
    snprintf(name, sizeof name, "%s%u", written && kind == ARG_VALUE ? "out" : word[kind],
             b->arg.len);
    lp_buf buf = lp_param(b->k, name, dt, rank, dims, space);
    vec_push(&b->arg, (group_arg){kind, id, written});
    vec_push(&b->buf, buf);
    vec_push(&b->view, false);
    return buf;
}

static lp_buf add_view(body *b, group_arg_kind kind, uint32_t id, ir_dtype dt, int rank,
                       const lp_expr *dims, lp_space space)
{
    lp_buf buf = add_param(b, kind, id, dt, rank, dims, space);

    b->view.at[b->view.len - 1] = true;
    return buf;
}

static lp_buf add_typed(body *b, group_arg_kind kind, uint32_t id, const ir_type *t, lp_space space)
{
    lp_expr dims[IR_MAX_RANK];

    if (b->line && t->rank)
        return add_param(b, kind, id, t->dtype, 1, &b->line, space);
    for (int i = 0; i < t->rank; i++)
        dims[i] = body_dim(b, t->dim[i]);
    return add_param(b, kind, id, t->dtype, t->rank, dims, space);
}

void body_line(body *b, lp_expr count)
{
    b->line = count;
}

/* What is taken over and what takes it over meet when the second of them is asked for. */
static void meet(body *b, lp_buf buf)
{
    for (uint32_t i = 0; i < b->bound.len; i++) {
        const body_binding *v = &b->bound.at[i];
        if (v->how != BODY_TAKEN)
            continue;
        lp_buf made = find_value(b, v->by), taken = find_value(b, v->ref);
        if (made && taken && (buf == made || buf == taken))
            lp_set_alias(b->k, buf, buf == made ? taken : made);
    }
}

/* The parameter of a stored value. */
static lp_buf value_buffer(body *b, ir_ref ref, lp_space space)
{
    lp_buf buf = find_value(b, ref);

    if (buf)
        return buf;
    buf = add_typed(b, ARG_VALUE, ref, ir_type_of(b->fn, ref), space);
    meet(b, buf);
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

lp_buf body_source_as(body *b, ir_ref ref, ir_dtype dt, int rank, const lp_expr *dims)
{
    return add_view(b, ARG_VALUE, ref, dt, rank, dims, LP_IN);
}

lp_buf body_const_as(body *b, uint32_t constant, ir_dtype dt, int rank, const lp_expr *dims)
{
    return add_view(b, ARG_CONST, constant, dt, rank, dims, LP_CONST);
}

lp_buf body_const(body *b, uint32_t constant)
{
    lp_buf buf = find_arg(b, ARG_CONST, constant);

    return buf ? buf : add_typed(b, ARG_CONST, constant, b->l->m->consts.at[constant].type,
                                 LP_CONST);
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

/* A value's element at idx, of the parameter that holds it. */
static lp_expr load(body *b, lp_buf buf, const ir_type *t, const lp_expr *idx)
{
    if (b->line && t->rank)
        idx += t->rank - 1;
    return body_guard(b) ? lp_load_if(b->k, buf, idx, body_guard(b)) : lp_load(b->k, buf, idx);
}

/* One number is a literal.  What is repeated or was widened is taken apart to the
 * small constant below; everything else is memory that the artifact's weights hold. */
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
        return load(b, body_const(b, id), k.type, idx);
    const ir_link *l = &k.link[k.links - 1];
    lp_expr x = const_at(b, const_below(m, id), idx);
    return l->op == OP_CAST ? lp_cast(b->k, l->type->dtype, x)
                            : lp_2(b->k, (sc_op)l->op, x, const_at(b, l->other, idx));
}

/* ---- elements ---------------------------------------------------------------------------- */

/* A float factor that is one number, of a kernel that is to serve for others: it is read.
 * 0: it is none. */
static lp_expr read_factor(body *b, const ir_node *n, ir_ref ref)
{
    const ir_node *x = ir_node_of(b->fn, ref);

    if (!b->shared || n->op != OP_MUL || !dt_is_float(ir_type_of(b->fn, ref)->dtype))
        return 0;
    if (x->op == OP_BROADCAST)
        x = ir_node_of(b->fn, ir_arg(b->fn, x, 0));
    if (x->op != OP_CONST || ir_type_of(b->fn, x->first)->rank)
        return 0;
    return lp_load(b->k, body_const(b, x->attr->CONST.id), NULL);
}

/* Operands at the same index: elementwise is all that scalar functions are. */
static lp_expr at_scalar(body *b, const ir_node *n, const lp_expr *idx)
{
    lp_expr a[3] = {0};

    for (uint32_t i = 0; i < n->narg; i++) {
        lp_expr factor = read_factor(b, n, ir_arg(b->fn, n, i));
        a[i] = factor ? factor : body_at(b, ir_arg(b->fn, n, i), idx);
    }
    if (n->op == OP_CAST)
        return lp_cast(b->k, n->attr->CAST.to, a[0]);
    if (n->op == OP_BITCAST)
        return lp_bitcast(b->k, n->attr->BITCAST.to, a[0]);
    return n->narg == 1   ? lp_1(b->k, (sc_op)n->op, a[0])
           : n->narg == 2 ? lp_2(b->k, (sc_op)n->op, a[0], a[1])
                          : lp_3(b->k, (sc_op)n->op, a[0], a[1], a[2]);
}

/* The kernel is thrown away; until then a zero of the value's type stands in. */
static lp_expr fail(body *b, ir_ref ref, const char *why)
{
    b->failed = why;
    return lp_const_int(b->k, ir_type_of(b->fn, ref)->dtype, 0);
}

/* By the kind of node; movement is body_move's, and what neither has is a gap of
 * the template. */
static lp_expr compute(body *b, const ir_node *n, const lp_expr *idx)
{
    const ir_type *t = ir_type_of(b->fn, n->first);

    if (ir_op_scalar(n->op))
        return at_scalar(b, n, idx);
    switch (n->op) {
    case OP_CONST: return const_at(b, n->attr->CONST.id, idx);
    case OP_DIMVAL: return body_dim(b, n->attr->DIMVAL.dim);
    case OP_IOTA: return lp_cast(b->k, t->dtype, idx[n->attr->IOTA.axis]);
    default: break;
    }
    lp_expr moved = body_move(b, n, idx);
    return moved ? moved : fail(b, n->first, "it has no expression inside a kernel");
}

/* In this order: what the template has bound (a value that it computes itself);
 * what was asked for before; what lies in memory; what is computed.  Example: for y
 * = exp(transpose(x)), body_at(y, [i, j]) asks for transpose(x) at [i, j], that for
 * x at [j, i], and the kernel loads x[j, i]. */
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
    lp_expr e = buf ? load(b, buf, t, idx) : compute(b, ir_node_of(b->fn, ref), idx);
    vec_push(&b->memo_expr, e);
    map_add(&b->memo, h, b->memo_expr.len - 1);
    return e;
}

void body_store_all(body *b, const ir_ref *out, uint32_t n, const lp_expr *idx, const lp_expr *to,
                    bool stream)
{
    for (uint32_t i = 0; n > 1 && i < n; i++) {
        lp_expr v = lp_let(b->k, "y", body_at(b, out[i], idx));
        body_bind(b, (body_binding){.ref = out[i], .how = BODY_IS, .expr = v});
    }
    for (uint32_t i = 0; i < n; i++) {
        lp_expr v = body_at(b, out[i], idx);
        (stream ? lp_stream : lp_store)(b->k, body_output(b, out[i]), to, v);
    }
    for (uint32_t i = 0; n > 1 && i < n; i++)
        body_unbind(b);
}

/* ---- loops, calls ------------------------------------------------------------------------- */

/* The parallel loop takes as many axes as give ENOUGH iterations to share out, and
 * at least one; the others are loops inside.  Returns how many loops are open. */
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

/* Extents and sizes of the call are dims again, over the entry's symbols. */
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
