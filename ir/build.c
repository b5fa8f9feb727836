/* ir/build.c - making nodes: infer, fold, lift to dims, share. */
#include "build.h"

#include "eval.h"

enum {
    FOLD_BYTES = 64 * 1024,     /* larger results stay chains */
    MAX_FOLDED = 16             /* operands of a node that is evaluated */
};

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

bool ir_infer_types(ir_infer *in)
{
    int nin = ir_op_get(in->op)->nin;

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

/* Adds a node with the results that inference found; returns the first. */
static ir_ref append(ir_build *b, unsigned op, const ir_ref *args, uint32_t n,
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

static void drop_last(ir_fn *f)
{
    ir_node n = f->node.at[--f->node.len];

    f->value.len = n.first;
    f->args.len = n.arg;
}

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

static ir_ref add_node(ir_build *b, unsigned op, const ir_ref *args, uint32_t n,
                       const ir_attr *attr, const ir_infer *in)
{
    bool pure = ir_op_pure(op) && !b->no_fold;
    uint64_t h = hash_node(op, b->copy, args, n, attr);
    ir_ref r = pure ? find_shared(b, h, op, args, n, attr) : IR_NONE;

    if (r != IR_NONE)
        return r;
    r = append(b, op, args, n, attr, in);
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

/* ---- constants ----------------------------------------------------------------- */

static bool const_id(const ir_build *b, ir_ref x, uint32_t *id)
{
    const ir_node *n = ir_node_of(b->fn, x);

    if (n->op == OP_CONST)
        *id = n->attr->CONST.id;
    return n->op == OP_CONST;
}

/* A constant, or a broadcast of one as a constant of its own. */
static bool spread_const(const ir_build *b, ir_ref x, uint32_t *id)
{
    const ir_node *n = ir_node_of(b->fn, x);

    if (n->op != OP_BROADCAST)
        return const_id(b, x, id);
    if (!const_id(b, ir_arg(b->fn, n, 0), id))
        return false;
    *id = const_linked(b->m, *id, (ir_link){.op = OP_BROADCAST, .attr = n->attr,
                                            .type = ir_type_of(b->fn, x)});
    return true;
}

static ir_ref linked(ir_build *b, uint32_t id, ir_link link)
{
    return const_can_link(b->m, id, link) ? ir_const_ref(b, const_linked(b->m, id, link)) : IR_NONE;
}

/* The big constant's chain made longer; IR_NONE if this op is no link, or one
 * too many. */
static ir_ref fold_link(ir_build *b, const ir_infer *in)
{
    uint32_t id, other = 0;
    const ir_ref *a = in->args;

    if (!ir_op_links(in->op) || in->narg < 1)
        return IR_NONE;
    if (in->narg == 1)
        return const_id(b, a[0], &id)
                   ? linked(b, id, (ir_link){in->op, in->attr, 0, in->out[0]})
                   : IR_NONE;
    bool swap = (in->op == OP_ADD || in->op == OP_MUL) && !const_id(b, a[0], &id);
    if (!const_id(b, a[swap], &id) || !spread_const(b, a[!swap], &other))
        return IR_NONE;
    return linked(b, id, (ir_link){in->op, in->attr, other, in->out[0]});
}

/* Big constants joined: the sum of all, each padded to the whole with what
 * leaves every number as it is when added (-0 for floats, since 0 + -0 is 0). */
static ir_ref fold_concat(ir_build *b, const ir_infer *in)
{
    const ir_type *t = in->out[0];
    dim_table *dt = &b->m->dims;
    int axis = in->attr->CONCAT.axis;
    uint32_t id, whole = 0;
    ir_dim none[IR_MAX_RANK], low[IR_MAX_RANK], high[IR_MAX_RANK], at = {0};

    if (!dt_is_float(t->dtype) && (!dt_is_int(t->dtype) || t->dtype == DT_BOOL))
        return IR_NONE;
    const ir_type *one = type_scalar(&b->m->types, t->dtype);
    uint32_t neutral =
        dt_is_float(t->dtype) ? const_float(b->m, one, -0.0) : const_int(b->m, one, 0);
    for (int i = 0; i < t->rank; i++)
        none[i] = low[i] = high[i] = dim_int(dt, 0);
    for (uint32_t i = 0; i < in->narg; i++) {
        if (!spread_const(b, in->args[i], &id))
            return IR_NONE;
        ir_dim end = dim_add(dt, at, ir_type_of(b->fn, in->args[i])->dim[axis]);
        low[axis] = at;
        high[axis] = dim_sub(dt, t->dim[axis], end);
        ir_attr a = {.PAD = {{t->rank, low}, {t->rank, high}, {t->rank, none}}};
        ir_link pad = {OP_PAD, ir_attr_intern(b->m, OP_PAD, &a), neutral, t};
        if (!const_can_link(b->m, id, pad))
            return IR_NONE;
        id = const_linked(b->m, id, pad);
        ir_link add = {OP_ADD, NULL, id, t};
        if (i && !const_can_link(b->m, whole, add))
            return IR_NONE;
        whole = i ? const_linked(b->m, whole, add) : id;
        at = end;
    }
    return ir_const_ref(b, whole);
}

static ir_val *const_val(ir_build *b, uint32_t id, arena *mem)
{
    const ir_type *t = b->m->consts.at[id].type;
    int64_t dim[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++)
        dim_const(&b->m->dims, t->dim[i], &dim[i]);
    ir_val *v = val_tensor(mem, t->dtype, t->rank, dim);
    if (v)
        const_read(b->m, id, 0, val_count(v), v->data);
    return v;
}

static bool small(const ir_build *b, const ir_type *t)
{
    int64_t n = t->kind == TY_TENSOR ? type_count_const(&b->m->types, t) : -1;

    return n >= 0 && n <= FOLD_BYTES && n * dt_size(t->dtype) <= FOLD_BYTES &&
           t->dtype != DT_STR;
}

/* May the operand be made whole to be evaluated?  A big one of whose elements a
 * reduction leaves few, too, while that takes a small part of the budget: the sums of
 * the columns of weights, say. */
static bool may_read(const ir_build *b, const ir_infer *in, const ir_type *t)
{
    enum { PART = 8 };
    int64_t n = type_count_const(&b->m->types, t);

    return small(b, t) ||
           (in->op == OP_REDUCE && n >= 0 && n <= b->m->fold_budget / PART);
}

static bool operand_vals(ir_build *b, const ir_infer *in, arena *mem, ir_val **v)
{
    for (uint32_t i = 0; i < in->narg; i++) {
        uint32_t id;
        if (!spread_const(b, in->args[i], &id) || !may_read(b, in, b->m->consts.at[id].type))
            return false;
        v[i] = const_val(b, id, mem);
        if (!v[i])
            return false;
    }
    return true;
}

/* Evaluates the node just appended, on constants. */
static bool evaluate(ir_build *b, ir_val *const *args, arena *mem, ir_val **out)
{
    ir_eval e;

    ir_eval_init(&e, b->m, mem);
    e.steps = b->m->fold_budget;
    bool ok = ir_eval_node(&e, b->fn, &b->fn->node.at[b->fn->node.len - 1], args, out);
    b->m->fold_budget = max_i64(e.steps, 0);
    ir_eval_free(&e);
    return ok;
}

/* May the node be evaluated now?  All operands are constants or repeated constants, not all
 * of them the latter: what is a broadcast only stays one, which takes no memory. */
static bool foldable(const ir_build *b, const ir_infer *in)
{
    if (b->no_fold || b->m->fold_budget <= 0 || !in->narg || in->nres != 1 ||
        in->narg > MAX_FOLDED || ir_op_get(in->op)->fold != FOLD_VALUE)
        return false;
    bool real = false;
    uint32_t id;
    for (uint32_t i = 0; i < in->narg; i++) {
        const ir_node *n = ir_node_of(b->fn, in->args[i]);
        real |= n->op == OP_CONST;
        if (!const_id(b, in->args[i], &id) && n->op != OP_BROADCAST)
            return false;
    }
    return real && type_static(&b->m->types, in->out[0]);
}

/* The node as a constant: evaluated where the result is small, else one more link on a
 * constant operand; IR_NONE if neither is right. */
static ir_ref fold(ir_build *b, const ir_infer *in)
{
    ir_val *args[MAX_FOLDED], *out[1] = {NULL};
    arena mem = {0};
    ir_ref r = IR_NONE;

    if (!foldable(b, in))
        return IR_NONE;
    if (!small(b, in->out[0]))
        return in->op == OP_CONCAT ? fold_concat(b, in) : fold_link(b, in);
    if (operand_vals(b, in, &mem, args)) {
        append(b, in->op, in->args, in->narg, in->attr, in);
        bool ok = evaluate(b, args, &mem, out);
        drop_last(b->fn);
        if (ok && out[0]->kind == TY_TENSOR)
            r = ir_const_ref(b, const_copy_val(b->m, in->out[0], out[0]->data));
    } else {
        r = fold_link(b, in);
    }
    arena_reset(&mem);
    return r;
}

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
        ir_ref r = fold(b, &in);
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

ir_ref ir_input(ir_build *b, const char *name, const ir_type *type)
{
    ir_attr a = {.INPUT = {.index = b->fn->param.len}};
    ir_infer in = {.out = {type}, .nres = 1};
    ir_ref r = append(b, OP_INPUT, NULL, 0, ir_attr_intern(b->m, OP_INPUT, &a), &in);

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
