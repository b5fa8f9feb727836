/* ir/op/elements.c - known elements: small integer tensors as lists of dims.
 *
 * Exporters compute shapes with ordinary nodes; lifting their elements to dims
 * makes that arithmetic vanish.  Movement is lifted by moving numbers of
 * elements through the evaluator.  i32 arithmetic on dims is taken not to
 * overflow, as extents stay below 2^31 there. */
#include "eval_op.h"

enum {
    STEPS = 1 << 14, MOST_OPERANDS = 64,
    LARGE = 256         /* dims of more nodes are better bound at run time */
};

static const ir_dim *elem_of(const ir_infer *in, uint32_t i)
{
    return in->b->fn->value.at[in->args[i]].elem;
}

/* Number of elements of a small integer or bool tensor, else -1. */
static int64_t small_count(const ir_infer *in, const ir_type *t)
{
    int64_t n = t->kind == TY_TENSOR && (t->dtype == DT_I64 || t->dtype == DT_I32 ||
                                         t->dtype == DT_BOOL)
                    ? type_count_const(&in->b->m->types, t) : -1;

    return n > IR_MAX_KNOWN ? -1 : n;
}

static bool fits(const dim_table *t, ir_dtype d, ir_dim x)
{
    const dim_expr *e = dim_get(t, x);
    int64_t v;

    if (e && e->size > LARGE)
        return false;
    if (d == DT_BOOL)
        return dim_lo(t, x) >= 0 && dim_hi(t, x) <= 1;
    if (d == DT_I64)
        return true;
    return dim_const(t, x, &v) ? v >= INT32_MIN && v <= INT32_MAX : dim_lo(t, x) >= INT32_MIN;
}

/* ---- sources ------------------------------------------------------------------------ */

static bool lift_const(const ir_infer *in, int64_t n, ir_dim *out)
{
    uint32_t id = in->attr->CONST.id;
    ir_dtype d = in->b->m->consts.at[id].type->dtype;
    uint8_t data[IR_MAX_KNOWN * 8];

    const_read(in->b->m, id, 0, n, data);
    for (int64_t i = 0; i < n; i++)
        out[i] = dim_int(in_table(in), num_load_int(d, data + i * dt_size(d)));
    return true;
}

/* Positions along the axis: for the shape [2,3] and axis 1 they are 0, 1, 2, 0, 1, 2. */
static bool lift_iota(const ir_infer *in, int64_t n, ir_dim *out)
{
    const struct ir_attr_IOTA *a = &in->attr->IOTA;
    int64_t inner = 1, extent;

    for (int i = a->shape.n - 1; i > a->axis; i--)
        inner *= dim_const(in_table(in), a->shape.at[i], &extent) ? extent : 0;
    if (!dim_const(in_table(in), a->shape.at[a->axis], &extent))
        return false;
    for (int64_t i = 0; i < n; i++)
        out[i] = dim_int(in_table(in), i / inner % extent);
    return true;
}

/* ---- scalar functions ------------------------------------------------------------------ */

static ir_dim sign(dim_table *t, ir_dim a)
{
    ir_dim zero = dim_int(t, 0), above = dim_lt(t, zero, a);

    return dim_select(t, above, dim_int(t, 1), dim_neg(t, dim_lt(t, a, zero)));
}

/* Logic on dims that are 0 or 1. */
static bool lift_logic(dim_table *t, sc_op op, ir_dim a, ir_dim b, ir_dim *r)
{
    ir_dim one = dim_int(t, 1);

    switch (op) {
    case SC_AND: *r = dim_mul(t, a, b); return true;
    case SC_OR: *r = dim_max(t, a, b); return true;
    case SC_XOR: *r = dim_sub(t, one, dim_eq(t, a, b)); return true;
    case SC_NOT: *r = dim_sub(t, one, a); return true;
    default: return false;
    }
}

/* A scalar function on dims; false if dims cannot express it.  Quotients of integers round
 * toward zero, those of dims down: they agree on operands that are not negative. */
static bool lift_scalar(dim_table *t, sc_op op, ir_dtype d, const ir_dim *x, ir_dim *r)
{
    ir_dim a = x[0], b = x[1];
    bool natural = dim_lo(t, a) >= 0 && dim_lo(t, b) >= 0;

    switch (op) {
    case SC_ADD: *r = dim_add(t, a, b); return true;
    case SC_SUB: *r = dim_sub(t, a, b); return true;
    case SC_MUL: *r = dim_mul(t, a, b); return true;
    case SC_DIV: *r = natural ? dim_div(t, a, b) : a; return natural;
    case SC_REM: *r = natural ? dim_mod(t, a, b) : a; return natural;
    case SC_MOD: *r = dim_mod(t, a, b); return true;
    case SC_NEG: *r = dim_neg(t, a); return true;
    case SC_ABS: *r = dim_lo(t, a) >= 0 ? a : dim_max(t, a, dim_neg(t, a)); return true;
    case SC_SIGN: *r = sign(t, a); return true;
    case SC_MIN: *r = dim_min(t, a, b); return true;
    case SC_MAX: *r = dim_max(t, a, b); return true;
    case SC_EQ: *r = dim_eq(t, a, b); return true;
    case SC_NE: *r = dim_sub(t, dim_int(t, 1), dim_eq(t, a, b)); return true;
    case SC_LT: *r = dim_lt(t, a, b); return true;
    case SC_LE: *r = dim_le(t, a, b); return true;
    case SC_SELECT: *r = dim_select(t, a, b, x[2]); return true;
    default: return d == DT_BOOL && lift_logic(t, op, a, b, r);
    }
}

/* To bool an element is whether it differs from 0; between integers it stays what it is. */
static bool lift_cast(const ir_infer *in, int64_t n, ir_dim *out)
{
    dim_table *t = in_table(in);
    const ir_dim *x = elem_of(in, 0);
    bool truth = in->out[0]->dtype == DT_BOOL && in_type(in, 0)->dtype != DT_BOOL;

    for (int64_t i = 0; x && i < n; i++)
        out[i] = truth ? dim_sub(t, dim_int(t, 1), dim_eq(t, x[i], dim_int(t, 0))) : x[i];
    return x != NULL;
}

/* Each element by the op on dims, as n + 1 for the elements of add([n], [1]).
 * False where there is no such dim. */
static bool lift_map(const ir_infer *in, int64_t n, ir_dim *out)
{
    ir_dtype d = in_type(in, in->op == OP_SELECT)->dtype;
    const ir_dim *x[3] = {NULL};

    if (in->op == OP_CAST)
        return lift_cast(in, n, out);
    if (in->op == OP_BITCAST || in->narg > 3)
        return false;
    for (uint32_t k = 0; k < in->narg; k++)
        if (!(x[k] = elem_of(in, k)))
            return false;
    for (int64_t i = 0; i < n; i++) {
        ir_dim v[3] = {{0}, {0}, {0}};
        for (uint32_t k = 0; k < in->narg; k++)
            v[k] = x[k][i];
        if (!lift_scalar(in_table(in), (sc_op)in->op, d, v, &out[i]))
            return false;
    }
    return true;
}

/* ---- movement ----------------------------------------------------------------------------- */

/* Are the result's elements the operands' elsewhere, and no other name for them? */
static bool lifts_move(unsigned op)
{
    ir_moves moves = ir_op_get(op)->moves;

    return moves != MOVES_NO && moves != MOVES_SAME;
}

/* The operands with numbers of elements instead of elements: 1 + position in
 * `pool`, so that 0 is a zero.  Index operands keep their values. */
static bool numbered(const ir_infer *in, arena *mem, ir_val **v, ir_dim *pool)
{
    int64_t next = 0, dim[IR_MAX_RANK], index;

    for (uint32_t i = 0; i < in->narg; i++) {
        const ir_type *t = in_type(in, i);
        const ir_dim *elem = elem_of(in, i);
        int64_t n = type_count_const(&in->b->m->types, t);
        if (!elem || n < 0 || n > IR_MAX_KNOWN)
            return false;
        for (int k = 0; k < t->rank; k++)
            if (!dim_const(in_table(in), t->dim[k], &dim[k]))
                return false;
        v[i] = val_tensor(mem, DT_I64, t->rank, dim);
        for (int64_t k = 0; v[i] && k < n; k++) {
            bool position = in->op == OP_GATHER && i > 0;
            if (position && !dim_const(in_table(in), elem[k], &index))
                return false;
            if (!position)
                pool[next] = elem[k];
            num_store_int(DT_I64, val_at(v[i], k), position ? index : ++next);
        }
    }
    return true;
}

/* Evaluates the movement op on numbers of elements, and looks up whose number came where:
 * so no op's rule is written twice. */
static bool lift_move(const ir_infer *in, int64_t n, ir_dim *out)
{
    arena mem = {0};
    ir_val *v[MOST_OPERANDS] = {NULL}, *r = NULL;
    ir_node node = {.op = (uint16_t)in->op, .nres = 1, .narg = (uint16_t)in->narg,
                    .attr = in->attr};
    ir_eval e;

    if (in->narg > MOST_OPERANDS)
        return false;
    for (uint32_t i = 0; i < in->narg; i++)
        if (!elem_of(in, i))
            return false;
    ir_eval_init(&e, in->b->m, &mem);
    e.steps = STEPS;
    ir_dim *pool = arena_array(&mem, ir_dim, IR_MAX_KNOWN * MOST_OPERANDS);
    bool ok = numbered(in, &mem, v, pool) && ir_eval_node(&e, in->b->fn, &node, v, &r) &&
              val_count(r) == n;
    for (int64_t i = 0; ok && i < n; i++) {
        int64_t from = val_int(r, i);
        out[i] = from ? pool[from - 1] : dim_int(in_table(in), 0);
    }
    ir_eval_free(&e);
    arena_reset(&mem);
    return ok;
}

/* ---- reductions ---------------------------------------------------------------------------- */

/* Takes one more element b into the reduction a; false where dims cannot say it, as for a
 * sum of bools (`truth`). */
static bool step_of(dim_table *t, ir_redop op, bool truth, ir_dim a, ir_dim b, ir_dim *r)
{
    switch (op) {
    case RED_SUM: *r = dim_add(t, a, b); return !truth;
    case RED_PROD: *r = dim_mul(t, a, b); return true;
    case RED_MIN: *r = dim_min(t, a, b); return true;
    case RED_MAX: *r = dim_max(t, a, b); return true;
    case RED_AND: *r = dim_mul(t, a, b); return truth;
    case RED_OR: *r = dim_max(t, a, b); return truth;
    case RED_SET: break;
    }
    return false;
}

/* Elements are taken in order, each into that of the result which the walk's offset says:
 * axes that vanish have stride 0. */
static bool lift_reduce(const ir_infer *in, int64_t n, ir_dim *out)
{
    const struct ir_attr_REDUCE *a = &in->attr->REDUCE;
    const ir_type *x = in_type(in, 0);
    const ir_dim *elem = elem_of(in, 0);
    int64_t dim[IR_MAX_RANK], own[IR_MAX_RANK], stride = 1;
    bool seen[IR_MAX_KNOWN] = {false};
    walk w;

    for (int i = 0; i < x->rank; i++)
        if (!dim_const(in_table(in), x->dim[i], &dim[i]))
            return false;
    if (!elem || !n || strides_of(x->rank, dim, own) < n)
        return false;
    walk_init(&w, x->rank, dim);
    for (int i = x->rank - 1; i >= 0; i--) {
        bool gone = false;
        for (int k = 0; k < a->axes.n; k++)
            gone |= a->axes.at[k] == i;
        w.stride[0][i] = gone ? 0 : stride;
        stride *= gone ? 1 : dim[i];
    }
    for (int64_t i = 0; w.left > 0; walk_next(&w), i++) {
        ir_dim *r = &out[w.off[0]];
        if (!seen[w.off[0]])
            *r = elem[i];
        else if (!step_of(in_table(in), a->op, x->dtype == DT_BOOL, *r, elem[i], r))
            return false;
        seen[w.off[0]] = true;
    }
    return true;
}

/* Sizes that a control node yields beside values of those sizes. */
static bool lift_size(const ir_infer *in, uint32_t result, ir_dim *out)
{
    ir_dims syms = in->op == OP_IF ? in->attr->IF.syms : in->attr->LOOP.syms;
    int64_t end = in->op == OP_IF ? in->nres : in->attr->LOOP.carries;
    int64_t k = (int64_t)result - (end - syms.n);

    if (k < 0 || k >= syms.n || in->out[result]->rank)
        return false;
    *out = syms.at[k];
    return true;
}

/* The elements of a result as dims: n of them to `out`, or false if one is not known. */
static bool lift(const ir_infer *in, uint32_t result, int64_t n, ir_dim *out)
{
    if (ir_op_scalar(in->op))
        return lift_map(in, n, out);
    if (lifts_move(in->op))
        return lift_move(in, n, out);
    switch (in->op) {
    case OP_CONST: return lift_const(in, n, out);
    case OP_IOTA: return lift_iota(in, n, out);
    case OP_DIMVAL: *out = in->attr->DIMVAL.dim; return true;
    case OP_BIND: *out = in_table(in)->symbol.at[in->attr->BIND.sym].self; return true;
    case OP_REDUCE: return lift_reduce(in, n, out);
    case OP_IF:
    case OP_LOOP: return lift_size(in, result, out);
    case OP_DETACH:
        if (elem_of(in, 0))
            memcpy(out, elem_of(in, 0), (size_t)n * sizeof *out);
        return elem_of(in, 0) != NULL;
    default: return false;
    }
}

/* What the elements of a small integer result are as dims, null if that is not
 * known.  A failed attempt must not leave the table's mark of an overflow behind. */
const ir_dim *ir_infer_elements(ir_infer *in, uint32_t result)
{
    int64_t n = small_count(in, in->out[result]);
    dim_table *t = in_table(in);
    bool overflow = t->overflow;
    ir_dim out[IR_MAX_KNOWN];

    if (n < 0)
        return NULL;
    bool ok = lift(in, result, n, out) && t->overflow == overflow;
    t->overflow = overflow;
    for (int64_t i = 0; ok && i < n; i++)
        ok = fits(t, in->out[result]->dtype, out[i]);
    return ok ? arena_copy(&in->b->m->mem, out, (size_t)n * sizeof *out) : NULL;
}
