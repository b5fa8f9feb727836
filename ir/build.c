/* ir/build.c - making nodes: infer, fold, lift to dims, share.
 *
 * ir_make is the one way to a node.  In this order it infers the result types
 * (errors end here), gives back the operand if the op changes nothing, evaluates
 * what has only constants as operands, turns small integers whose elements are
 * known dims into those dims' constant, looks for an equal node, and only then adds
 * one.  With `no_fold` (the parser of .ir text) a node is always added, exactly as
 * it was asked for. */
#include "build_parts.h"

void ir_build_init(ir_build *b, ir_module *m, ir_fn *fn, diag *d)
{
    *b = (ir_build){.m = m, .fn = fn, .d = d};
}

void ir_build_free(ir_build *b)
{
    map_free(&b->shared);
    map_free(&b->bound);
    vec_free(&b->unproven);
    vec_free(&b->checked);
}

/* ---- inference --------------------------------------------------------------- */

typedef bool infer_fn(ir_infer *in);
static infer_fn *const infer_table[OP_COUNT] = {
#define SCALAR(NAME, ...) [OP_##NAME] = ir_infer_scalar,
#include "scalar.def"
#define OP(NAME, text, nin, nres, infer, ...) [OP_##NAME] = ir_infer_##infer,
#include "ops.def"
};

static bool any_never(const ir_build *b, const ir_ref *args, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ir_type_of(b->fn, args[i])->kind == TY_NEVER)
            return true;
    return false;
}

/* How many results a node on an impossible branch has.  Inference cannot say it
 * there, since the operands have no types; the op's row, or the bodies of the node,
 * can. */
static uint32_t never_results(unsigned op, const ir_attr *a)
{
    switch (op) {
    case OP_IF: return a->IF.yes->result.len;
    case OP_LOOP: return (uint32_t)(a->LOOP.carries + a->LOOP.stack_axes.n);
    case OP_CALL: return a->CALL.fn->result.len;
    default: {
        int n = ir_op_get(op)->nres;
        return n < 0 ? 1 : (uint32_t)n;
    }
    }
}

/* A value of type `never` comes from a branch that cannot be taken (its error was
 * the branch's, say a shape that does not fit): whatever is computed of it is
 * `never` too, without a message. */
bool ir_infer_types(ir_infer *in)
{
    int nin = ir_op_get(in->op)->nin;

    in->out = in->few;
    if (nin >= 0 && (uint32_t)nin != in->narg)
        return diag_error(in->b->d, in->b->loc, D_OPERANDS,
                          ir_op_get(in->op)->text, nin, (int)in->narg);
    if (any_never(in->b, in->args, in->narg)) {
        in->nres = never_results(in->op, in->attr);
        for (uint32_t i = 0; i < in->nres; i++)
            in->out[i] = type_never(&in->b->m->types);
        return true;
    }
    if (in->op == OP_CAST || in->op == OP_BITCAST)
        return ir_infer_cast(in);
    return infer_table[in->op](in);
}

/* ---- nodes ------------------------------------------------------------------- */

ir_ref build_append(ir_build *b, unsigned op, const ir_ref *args, uint32_t n,
                     const ir_attr *attr, const ir_infer *in)
{
    ir_fn *f = b->fn;
    ir_node node = {.op = (uint16_t)op, .nres = (uint16_t)in->nres,
                    .narg = (uint16_t)n, .copy = b->copy, .arg = f->args.len,
                    .first = f->value.len, .attr = attr, .loc = b->loc};

    for (uint32_t i = 0; i < n; i++)
        vec_push(&f->args, args[i]);
    for (uint32_t i = 0; i < in->nres; i++)
        vec_push(&f->value, (ir_value){in->out[i], f->node.len, NULL});
    vec_push(&f->node, node);
    return node.first;
}

void build_drop_last(ir_fn *f)
{
    ir_node n = f->node.at[--f->node.len];

    f->value.len = n.first;
    f->args.len = n.arg;
}

/* `copy` tells apart nodes that shall not be shared though they are equal, such as
 * a part that is computed again in the backward pass to save memory. */
static uint64_t hash_node(unsigned op, uint16_t copy, const ir_ref *args,
                          uint32_t n, const ir_attr *attr)
{
    uint64_t h = hash_mix(hash_mix(op, copy), (uint64_t)(uintptr_t)attr);

    return hash_bytes(args, n * sizeof *args, h);
}

static ir_ref find_shared(const ir_build *b, uint64_t h, unsigned op,
                          const ir_ref *args, uint32_t n, const ir_attr *attr)
{
    for (uint32_t p = map_find(&b->shared, h); p != MAP_NONE; p = map_next(&b->shared, h, p)) {
        const ir_node *x = &b->fn->node.at[map_id(&b->shared, p)];
        if (x->op == op && x->copy == b->copy && x->attr == attr && x->narg == n &&
            (!n || !memcmp(&b->fn->args.at[x->arg], args, n * sizeof *args)))
            return x->first;
    }
    return IR_NONE;
}

/* The node that is there already, if the op is pure and an equal one exists, else a
 * new one.  What only has an effect (a check, a show) keeps its place and is never
 * shared. */
static ir_ref add_node(ir_build *b, unsigned op, const ir_ref *args, uint32_t n,
                       const ir_attr *attr, const ir_infer *in)
{
    bool pure = ir_op_pure(op) && !b->no_fold;
    uint64_t h = hash_node(op, b->copy, args, n, attr);
    ir_ref r = pure ? find_shared(b, h, op, args, n, attr) : IR_NONE;

    if (r != IR_NONE)
        return r;
    r = build_append(b, op, args, n, attr, in);
    if (pure)
        map_add(&b->shared, h, b->fn->node.len - 1);
    return r;
}

/* ---- identities ---------------------------------------------------------------- */

static bool all_dims(const ir_build *b, ir_dims l, int64_t v)
{
    for (int i = 0; i < l.n; i++)
        if (!dim_is(&b->m->dims, l.at[i], v))
            return false;
    return true;
}

/* Does the op give its operand, of type x, back as the result of type y? */
static bool is_identity(const ir_build *b, unsigned op, const ir_attr *a,
                        const ir_type *x, const ir_type *y)
{
    switch (op) {
    case OP_RESHAPE:
    case OP_CAST:
        return x == y;
    case OP_BROADCAST:
        for (int i = 0; i < a->BROADCAST.axes.n; i++)
            if (a->BROADCAST.axes.at[i] != i)
                return false;
        return x == y;
    case OP_TRANSPOSE:
        for (int i = 0; i < a->TRANSPOSE.perm.n; i++)
            if (a->TRANSPOSE.perm.at[i] != i)
                return false;
        return true;
    case OP_SLICE:
        return x == y && all_dims(b, a->SLICE.start, 0) && all_dims(b, a->SLICE.step, 1);
    case OP_PAD:
        return x == y && all_dims(b, a->PAD.low, 0) && all_dims(b, a->PAD.high, 0) &&
               all_dims(b, a->PAD.inner, 0);
    default:
        return false;
    }
}

/* ---- known elements ------------------------------------------------------------ */

/* A constant with these elements, all known numbers; IR_NONE if not.  Memory is
 * little-endian on every target. */
static ir_ref from_elements(ir_build *b, const ir_type *t, const ir_dim *elem)
{
    int64_t n = type_count_const(&b->m->types, t), v;
    uint8_t data[IR_MAX_KNOWN * 8];

    if (n < 0 || n > IR_MAX_KNOWN || dt_size(t->dtype) > 8)
        return IR_NONE;
    for (int64_t i = 0; i < n; i++) {
        if (!dim_const(&b->m->dims, elem[i], &v))
            return IR_NONE;
        memcpy(data + i * dt_size(t->dtype), &v, (size_t)dt_size(t->dtype));
    }
    return ir_const_ref(b, const_copy_val(b->m, t, data));
}

static bool wants_elements(const ir_build *b, const ir_type *t)
{
    int64_t n = t->kind == TY_TENSOR ? type_count_const(&b->m->types, t) : -1;

    return n >= 0 && n <= IR_MAX_KNOWN && (dt_is_int(t->dtype) || t->dtype == DT_BOOL);
}

/* Too big an expression is none: the value is then bound where it is needed. */
static const ir_dim *elements_of(ir_infer *in, uint32_t result)
{
    dim_table *t = &in->b->m->dims;

    if (result >= in->nres || !wants_elements(in->b, in->out[result]))
        return NULL;
    const ir_dim *elem = ir_infer_elements(in, result);
    bool ok = !t->overflow;
    t->overflow = false;
    return ok ? elem : NULL;
}

static void set_elements(ir_build *b, ir_ref r, const ir_dim *elem)
{
    if (elem && !b->fn->value.at[r].elem)
        b->fn->value.at[r].elem = elem;
}

static bool is_checked(const ir_build *b, ir_agreement x)
{
    for (uint32_t i = 0; i < b->checked.len; i++) {
        const ir_agreement *y = &b->checked.at[i];
        if (dim_same(x.a, y->a) && dim_same(x.b, y->b) && x.or_one >= y->or_one)
            return true;
    }
    return false;
}

/* The run checks what inference could only hope for. */
static void check_agreements(ir_build *b)
{
    while (b->unproven.len) {
        ir_agreement x = b->unproven.at[--b->unproven.len];
        if (is_checked(b, x))
            continue;
        vec_push(&b->checked, x);
        ir_ref a = ir_dim_ref(b, x.a), good = ir_2(b, OP_EQ, a, ir_dim_ref(b, x.b));
        if (x.or_one)
            good = ir_2(b, OP_OR, good, ir_2(b, OP_EQ, a, ir_int(b, DT_I64, 1)));
        ir_check(b, good, "extents of operands differ");
    }
}

/* The steps stand in the head of the file.  An operand IR_NONE comes from an error
 * that was reported: the result is IR_NONE without a second message, so importers
 * need not test each step.  dims.overflow is cleared here, because only here it is
 * known which op's extents grew too large. */
ir_ref ir_make(ir_build *b, unsigned op, const ir_ref *args, uint32_t n,
               const ir_attr *attr)
{
    ir_infer in = {.b = b, .op = op, .args = args, .narg = n};

    for (uint32_t i = 0; i < n; i++)
        if (args[i] == IR_NONE)
            return IR_NONE;
    in.attr = ir_attr_intern(b->m, op, attr);
    if (n > UINT16_MAX || !ir_infer_types(&in))
        return IR_NONE;
    if (b->m->dims.overflow) {
        b->m->dims.overflow = false;
        diag_error(b->d, b->loc, D_SIZE, ir_op_get(op)->text, "its extents");
        return IR_NONE;
    }
    check_agreements(b);
    bool alive = !in.nres || in.out[0]->kind != TY_NEVER;
    if (!b->no_fold && alive && in.nres == 1) {
        if (n && is_identity(b, op, in.attr, ir_type_of(b->fn, args[0]), in.out[0]))
            return args[0];
        ir_ref r = build_fold(b, &in);
        if (r != IR_NONE)
            return r;
    }
    const ir_dim *elem = alive ? elements_of(&in, 0) : NULL;
    if (elem && in.nres == 1 && !b->no_fold && ir_op_get(op)->fold != FOLD_NO) {
        ir_ref r = from_elements(b, in.out[0], elem);
        if (r != IR_NONE)
            return r;
    }
    ir_ref r = add_node(b, op, args, n, in.attr, &in);
    set_elements(b, r, elem);
    for (uint32_t i = 1; alive && i < in.nres; i++)
        set_elements(b, r + i, elements_of(&in, i));
    return r;
}

/* ---- sources -------------------------------------------------------------------- */

/* An input is never shared or folded, so it is appended without ir_make. */
ir_ref ir_input(ir_build *b, const char *name, const ir_type *type)
{
    ir_attr a = {.INPUT = {.index = b->fn->param.len}};
    ir_infer in = {.out = &type, .nres = 1};
    ir_ref r = build_append(b, OP_INPUT, NULL, 0, ir_attr_intern(b->m, OP_INPUT, &a), &in);

    vec_push(&b->fn->param, r);
    vec_push(&b->fn->param_name, arena_strdup(&b->m->mem, name));
    vec_push(&b->fn->param_default, IR_NONE);
    return r;
}

ir_ref ir_state_ref(ir_build *b, uint32_t state)
{
    ir_attr a = {.STATE = {.id = state}};

    return ir_make(b, OP_STATE, NULL, 0, &a);
}

ir_ref ir_const_ref(ir_build *b, uint32_t constant)
{
    ir_attr a = {.CONST = {.id = constant}};

    return ir_make(b, OP_CONST, NULL, 0, &a);
}

ir_ref ir_never(ir_build *b)
{
    return ir_make(b, OP_NEVER, NULL, 0, NULL);
}

/* Numbers have constants; strings, complex and no type at all have none. */
static bool is_number(ir_build *b, ir_dtype dt)
{
    if (dt != DT_NONE && dt_class(dt) != DC_S && dt_class(dt) != DC_C)
        return true;
    diag_error(b->d, b->loc, D_GENERAL, "takes numbers");
    return false;
}

ir_ref ir_int(ir_build *b, ir_dtype dt, int64_t value)
{
    if (!is_number(b, dt))
        return IR_NONE;
    return ir_const_ref(b, const_int(b->m, type_scalar(&b->m->types, dt), value));
}

ir_ref ir_float(ir_build *b, ir_dtype dt, double value)
{
    if (!is_number(b, dt))
        return IR_NONE;
    return ir_const_ref(b, const_float(b->m, type_scalar(&b->m->types, dt), value));
}

ir_ref ir_splat(ir_build *b, const ir_type *type, double value)
{
    ir_ref x = ir_float(b, type->dtype, value);

    return ir_broadcast(b, x, type->dim, type->rank, NULL);
}

ir_ref ir_i64s(ir_build *b, const int64_t *v, int n)
{
    const ir_type *t = type_tensor(&b->m->types, DT_I64, 1, (ir_dim[]){{n}});

    return ir_const_ref(b, const_copy(b->m, t, v, (size_t)n * sizeof *v));
}

ir_ref ir_dim_ref(ir_build *b, ir_dim d)
{
    ir_attr a = {.DIMVAL = {.dim = d}};

    return ir_make(b, OP_DIMVAL, NULL, 0, &a);
}

/* Numbers become one constant, whatever else is a concatenation of scalars that the
 * run computes from its dims. */
ir_ref ir_dims_ref(ir_build *b, const ir_dim *d, int n)
{
    ir_ref part[64];
    int64_t v[64];
    int known = 0;

    ICE_IF(n > 64, "%d dims", n);
    while (known < n && dim_const(&b->m->dims, d[known], &v[known]))
        known++;
    if (known == n)
        return ir_i64s(b, v, n);
    for (int i = 0; i < n; i++)
        part[i] = ir_unsqueeze(b, ir_dim_ref(b, d[i]), 0);
    return ir_concat(b, part, n, 0);
}

ir_ref ir_iota(ir_build *b, ir_dtype dt, const ir_dim *shape, int rank, int axis)
{
    ir_attr a = {.IOTA = {.shape = {rank, shape}, .axis = axis, .dtype = dt}};

    return ir_make(b, OP_IOTA, NULL, 0, &a);
}

/* ---- functions ---------------------------------------------------------------- */

void ir_update_state(ir_build *b, uint32_t state, ir_ref x)
{
    if (x != IR_NONE)
        vec_push(&b->fn->update, (ir_update){state, x});
}

ir_fn *ir_region_begin(ir_build *b, ir_build *inner, const char *name)
{
    ir_fn *f = ir_fn_region(b->m, name);

    ir_build_init(inner, b->m, f, b->d);
    inner->loc = b->loc;
    inner->no_fold = b->no_fold;
    inner->checks = b->checks;
    return f;
}

void ir_region_end(ir_build *inner)
{
    ir_build_free(inner);
}
