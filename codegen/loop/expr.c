/* codegen/loop/expr.c - expressions of the loop IR: hash-consing, and what is
 * known about an index: its range, its divisor, whether it is linear.  A range whose
 * end is not known ends at that of int64, where sums and products saturate. */
#include "loop.h"

#include "loop_build.h"
#include "num.h"

static const int64_t NEG_INF = INT64_MIN, POS_INF = INT64_MAX;

static int64_t sat_add(int64_t a, int64_t b)
{
    int64_t r;

    if (a == NEG_INF || b == NEG_INF)
        return NEG_INF;
    if (a == POS_INF || b == POS_INF)
        return POS_INF;
    return add_ok(a, b, &r) ? r : a < 0 ? NEG_INF : POS_INF;
}

static int64_t sat_neg(int64_t a)
{
    return a == NEG_INF ? POS_INF : a == POS_INF ? NEG_INF : -a;
}

static int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;

    if (!a || !b)
        return 0;
    bool infinite = a == NEG_INF || a == POS_INF || b == NEG_INF || b == POS_INF;
    return !infinite && mul_ok(a, b, &r) ? r
           : (a < 0) == (b < 0)          ? POS_INF
                                         : NEG_INF;
}

/* ---- interning ------------------------------------------------------------ */

static uint64_t node_hash(const lp_node *n, const lp_expr *args)
{
    uint64_t h = hash_mix(n->kind, n->op | n->dtype << 8 | n->guarded << 16);

    h = hash_mix(hash_mix(h, n->ref), n->bits);
    return hash_bytes(args, n->narg * sizeof *args, h);
}

static bool node_equal(const lp_kernel *k, const lp_node *a, const lp_node *b,
                       const lp_expr *args)
{
    return a->kind == b->kind && a->op == b->op && a->dtype == b->dtype
           && a->guarded == b->guarded && a->ref == b->ref && a->bits == b->bits
           && a->narg == b->narg
           && (!a->narg || !memcmp(k->arg.at + a->arg, args, a->narg * sizeof *args));
}

static const lp_node *arg_node(const lp_kernel *k, const lp_node *n, uint32_t i)
{
    return &k->node.at[k->arg.at[n->arg + i]];
}

/* Makes n unknown, for it may have wrapped.  Of its divisors the powers of two remain. */
static void open_range(lp_node *n)
{
    n->lo = NEG_INF;
    n->hi = POS_INF;
    n->divisor &= -n->divisor;
    n->open = LP_OPEN;
}

static bool is_bounded(const lp_node *n)
{
    return n->lo != NEG_INF && n->hi != POS_INF;
}

/* The divisor of a product is the product of divisors: (4 * i) * (2 * j) is a
 * multiple of 8. */
static void mul_range(const lp_node *a, const lp_node *b, lp_node *n)
{
    int64_t p[4] = {sat_mul(a->lo, b->lo), sat_mul(a->lo, b->hi),
                    sat_mul(a->hi, b->lo), sat_mul(a->hi, b->hi)};

    n->lo = n->hi = p[0];
    for (int i = 1; i < 4; i++) {
        n->lo = min_i64(n->lo, p[i]);
        n->hi = max_i64(n->hi, p[i]);
    }
    n->divisor = sat_mul(a->divisor, b->divisor);
    if (n->divisor == POS_INF)
        n->divisor = max_i64(a->divisor, b->divisor);
}

/* Only a divisor above 0 says anything; rounding is down. */
static void div_range(const lp_node *a, const lp_node *b, lp_node *n)
{
    n->open = a->open;
    if (b->lo <= 0) {
        n->open |= b->open ? LP_OPEN : 0;
        return;
    }
    n->lo = a->lo == NEG_INF ? NEG_INF : floor_div_i64(a->lo, a->lo < 0 ? b->lo : b->hi);
    n->hi = a->hi == POS_INF ? POS_INF : floor_div_i64(a->hi, a->hi < 0 ? b->hi : b->lo);
    if (b->lo == b->hi && a->divisor % b->lo == 0)
        n->divisor = a->divisor / b->lo;
}

/* The result has the sign of b: 0 to b - 1. */
static void mod_range(const lp_node *a, const lp_node *b, lp_node *n)
{
    n->open = a->open | b->open;
    if (b->lo <= 0)
        return;
    n->open = b->open;
    n->lo = 0;
    n->hi = b->hi == POS_INF ? POS_INF : b->hi - 1;
    if (a->lo >= 0)
        n->hi = min_i64(n->hi, a->hi);
    n->divisor = gcd_i64(a->divisor, b->divisor);
}

/* Is every value of n beyond what an extent or an offset may be? */
static bool is_huge(const lp_node *n)
{
    enum { BITS = 40 };

    return n->lo > 1ll << BITS || n->hi < -(1ll << BITS);
}

/* Opens the sum or product n of a and b, of which n has the facts that hold if it does
 * not wrap, unless it cannot: an index without a bound in numbers has one in memory. */
static void close_sum(const lp_node *a, const lp_node *b, lp_node *n)
{
    bool bounded = is_bounded(a) && is_bounded(b);

    if (a->open || b->open || (bounded ? !is_bounded(n) : is_huge(a) || is_huge(b)))
        open_range(n);
}

/* An open end means that the true value may have wrapped there; a minimum is safe
 * below only if both are, above if either is. */
static void minmax_range(const lp_node *a, const lp_node *b, lp_node *n)
{
    bool min = n->op == SC_MIN;
    int any = a->open | b->open, both = a->open & b->open;

    n->lo = min ? min_i64(a->lo, b->lo) : max_i64(a->lo, b->lo);
    n->hi = min ? min_i64(a->hi, b->hi) : max_i64(a->hi, b->hi);
    n->divisor = gcd_i64(a->divisor, b->divisor);
    n->open = (uint8_t)((any & (min ? LP_OPEN_BELOW : LP_OPEN_ABOVE)) |
                        (both & (min ? LP_OPEN_ABOVE : LP_OPEN_BELOW)));
}

/* Facts of index arithmetic.  Functions of other types have none. */
static void scalar_range(const lp_kernel *k, lp_node *n)
{
    const lp_node *a = arg_node(k, n, 0);
    const lp_node *b = n->narg > 1 ? arg_node(k, n, 1) : a;
    const lp_node *c = n->narg > 2 ? arg_node(k, n, 2) : b;

    if (n->dtype != DT_I64)
        return;
    n->open = LP_OPEN;
    switch ((sc_op)n->op) {
    case SC_SELECT:
        n->lo = min_i64(b->lo, c->lo);
        n->hi = max_i64(b->hi, c->hi);
        n->divisor = gcd_i64(b->divisor, c->divisor);
        n->open = b->open | c->open;
        break;
    case SC_ADD:
    case SC_SUB: {
        int64_t lo = n->op == SC_ADD ? b->lo : sat_neg(b->hi);
        int64_t hi = n->op == SC_ADD ? b->hi : sat_neg(b->lo);
        n->open = 0;
        n->lo = sat_add(a->lo, lo);
        n->hi = sat_add(a->hi, hi);
        n->divisor = gcd_i64(a->divisor, b->divisor);
        close_sum(a, b, n);
        break;
    }
    case SC_MUL:
        n->open = 0;
        mul_range(a, b, n);
        close_sum(a, b, n);
        break;
    case SC_MIN:
    case SC_MAX: minmax_range(a, b, n); break;
    case SC_MOD: mod_range(a, b, n); break;
    default: break;
    }
    if (n->lo != NEG_INF)
        n->open &= (uint8_t)~LP_OPEN_BELOW;
    if (n->hi != POS_INF)
        n->open &= (uint8_t)~LP_OPEN_ABOVE;
}

/* Range, divisor and variables of a node, from its operands'. `vars` has a bit for
 * each variable modulo 64, so a clear bit proves that the variable is not in it. */
static void node_facts(const lp_kernel *k, lp_node *n)
{
    n->lo = NEG_INF;
    n->hi = POS_INF;
    n->divisor = 1;
    n->open = n->kind == LX_LOAD ? LP_OPEN : 0;
    for (uint32_t i = 0; i < n->narg; i++)
        n->vars |= arg_node(k, n, i)->vars;
    if (n->kind == LX_VAR) {
        const lp_variable *v = &k->var.at[n->ref];

        n->lo = v->lo;
        n->hi = v->hi;
        n->divisor = v->divisor;
        n->open = v->open;
        n->vars = 1ull << n->ref % 64;
    } else if (n->kind == LX_LITERAL && n->dtype == DT_I64) {
        n->lo = n->hi = (int64_t)n->bits;
        n->divisor = n->lo == INT64_MIN ? 1 : n->lo < 0 ? -n->lo : n->lo;
        if (!is_bounded(n))             /* the ends stand for "unknown" */
            open_range(n);
    } else if (n->kind == LX_FLOORDIV) {
        div_range(arg_node(k, n, 0), arg_node(k, n, 1), n);
    } else if (n->kind == LX_SCALAR) {
        scalar_range(k, n);
    }
}

/* What a sum of a few products reads are bytes side by side. */
static void mark_bytes(lp_kernel *k, const lp_node *dot)
{
    for (uint32_t i = 1; i < dot->narg; i++) {
        const lp_node *a = arg_node(k, dot, i);
        if (a->kind == LX_LOAD)
            k->buf.at[a->ref].bytes = true;
    }
}

/* Equal expressions are one node, so that comparing them is comparing numbers, and
 * an operand always has a smaller number than what it is an operand of. */
lp_expr lp_node_add(lp_kernel *k, lp_node n, const lp_expr *args)
{
    uint64_t h = node_hash(&n, args);

    for (uint32_t p = map_find(&k->exprs, h); p != MAP_NONE; p = map_next(&k->exprs, h, p))
        if (node_equal(k, &k->node.at[map_id(&k->exprs, p)], &n, args))
            return map_id(&k->exprs, p);
    n.arg = k->arg.len;
    for (uint32_t i = 0; i < n.narg; i++) {
        ICE_IF(!args[i] || args[i] >= k->node.len, "operand %u of an expression", i);
        vec_push(&k->arg, args[i]);
    }
    node_facts(k, &n);
    if (n.kind == LX_DOT4 || n.kind == LX_DOT2)
        mark_bytes(k, &n);
    vec_push(&k->node, n);
    map_add(&k->exprs, h, k->node.len - 1);
    return k->node.len - 1;
}

lp_expr lp_const_bits(lp_kernel *k, ir_dtype d, uint64_t bits)
{
    return lp_node_add(k, (lp_node){.kind = LX_LITERAL, .dtype = d, .bits = bits}, NULL);
}

lp_expr lp_int(lp_kernel *k, int64_t v)
{
    return lp_const_bits(k, DT_I64, (uint64_t)v);
}

lp_expr lp_const_int(lp_kernel *k, ir_dtype d, int64_t v)
{
    if (dt_is_float(d))
        return lp_const_flt(k, d, (double)v);
    return lp_const_bits(k, d, (uint64_t)sc_wrap(d, v));
}

lp_expr lp_const_flt(lp_kernel *k, ir_dtype d, double v)
{
    if (!dt_is_float(d))
        return lp_const_bits(k, d, (uint64_t)sc_int_from_flt(d, v));
    uint64_t bits = 0;
    num_store_flt(d, &bits, v);
    return lp_const_bits(k, d, bits);
}

bool lp_is_int(const lp_kernel *k, lp_expr e, int64_t *v)
{
    const lp_node *n = lp_at(k, e);

    if (n->kind != LX_LITERAL || n->dtype != DT_I64)
        return false;
    *v = (int64_t)n->bits;
    return true;
}

lp_var lp_var_of(const lp_kernel *k, lp_expr e)
{
    ICE_IF(lp_at(k, e)->kind != LX_VAR, "not a variable");
    return lp_at(k, e)->ref;
}

/* ---- any expression ---------------------------------------------------------- */

/* `and` or `or` of bools in a simpler form; 0 if it has none. */
static lp_expr bool_simplify(lp_kernel *k, sc_op op, lp_expr a, lp_expr b)
{
    const lp_node *x = lp_at(k, a), *y = lp_at(k, b);

    if (op != SC_AND && op != SC_OR)
        return 0;
    if (a == b)
        return a;
    if (x->kind == LX_LITERAL)
        return (op == SC_AND) == (x->bits != 0) ? b : a;
    if (y->kind == LX_LITERAL)
        return (op == SC_AND) == (y->bits != 0) ? a : b;
    return 0;
}

static lp_expr scalar_node(lp_kernel *k, sc_op op, ir_dtype result, int n, const lp_expr *args)
{
    return lp_node_add(k, (lp_node){.kind = LX_SCALAR, .op = op, .dtype = result,
                               .narg = (uint32_t)n}, args);
}

static ir_dtype result_of(sc_op op, ir_dtype d)
{
    ICE_IF(!sc_accepts(op, d), "%s of %s", sc_text(op), dt_text(d));
    ICE_IF(sc_of(op)->result == SC_ATTR, "%s needs a dtype", sc_text(op));
    return sc_of(op)->result == SC_BOOL ? DT_BOOL : d;
}

/* The builder's functions simplify as they make: index arithmetic by index.c,
 * conditions by what is known of them. */
lp_expr lp_1(lp_kernel *k, sc_op op, lp_expr a)
{
    ICE_IF(sc_of(op)->args != 1, "%s of one operand", sc_text(op));
    const lp_node *n = lp_at(k, a);

    if (op == SC_NOT && n->dtype == DT_BOOL && n->kind == LX_LITERAL)
        return lp_bool(k, !n->bits);
    if (op == SC_NEG && n->dtype == DT_I64)
        return lp_index(k, SC_SUB, lp_int(k, 0), a);
    return scalar_node(k, op, result_of(op, lp_dtype(k, a)), 1, LP(a));
}

lp_expr lp_2(lp_kernel *k, sc_op op, lp_expr a, lp_expr b)
{
    ir_dtype d = lp_dtype(k, a);
    lp_expr e = 0;

    ICE_IF(sc_of(op)->args != 2, "%s of two operands", sc_text(op));
    ICE_IF(lp_dtype(k, b) != d, "%s of %s and %s", sc_text(op), dt_text(d),
           dt_text(lp_dtype(k, b)));
    if (d == DT_I64)
        e = lp_index(k, op, a, b);
    else if (d == DT_BOOL)
        e = bool_simplify(k, op, a, b);
    return e ? e : scalar_node(k, op, result_of(op, d), 2, LP(a, b));
}

/* A selection whose sides are equal, or whose condition is known, is one of them. */
lp_expr lp_3(lp_kernel *k, sc_op op, lp_expr a, lp_expr b, lp_expr c)
{
    const lp_node *n = lp_at(k, a);

    ICE_IF(sc_of(op)->args != 3, "%s of three operands", sc_text(op));
    ICE_IF(lp_dtype(k, b) != lp_dtype(k, c), "%s of %s and %s", sc_text(op),
           dt_text(lp_dtype(k, b)), dt_text(lp_dtype(k, c)));
    ICE_IF(n->dtype != (op == SC_SELECT ? DT_BOOL : lp_dtype(k, b)),
           "%s with a first operand of %s", sc_text(op), dt_text(n->dtype));
    if (op == SC_SELECT && (b == c || n->kind == LX_LITERAL))
        return n->kind == LX_LITERAL && !n->bits ? c : b;
    return scalar_node(k, op, result_of(op, lp_dtype(k, b)), 3, LP(a, b, c));
}

lp_expr lp_cast(lp_kernel *k, ir_dtype d, lp_expr a)
{
    const lp_node *n = lp_at(k, a);

    if (n->dtype == d)
        return a;
    if (n->kind == LX_LITERAL && n->dtype == DT_I64)
        return d == DT_BOOL ? lp_bool(k, n->bits != 0) : lp_const_int(k, d, (int64_t)n->bits);
    return scalar_node(k, SC_CAST, d, 1, LP(a));
}

lp_expr lp_bitcast(lp_kernel *k, ir_dtype d, lp_expr a)
{
    ICE_IF(dt_size(d) != dt_size(lp_dtype(k, a)), "bitcast of %s to %s",
           dt_text(lp_dtype(k, a)), dt_text(d));
    return lp_dtype(k, a) == d ? a : scalar_node(k, SC_BITCAST, d, 1, LP(a));
}

lp_expr lp_dot4(lp_kernel *k, lp_expr acc, lp_expr u8x4, lp_expr s8x4)
{
    ICE_IF(lp_dtype(k, acc) != DT_I32 || lp_dtype(k, u8x4) != DT_I32
               || lp_dtype(k, s8x4) != DT_I32, "dot4 of other than i32");
    return lp_node_add(k, (lp_node){.kind = LX_DOT4, .dtype = DT_I32, .narg = 3},
                  LP(acc, u8x4, s8x4));
}

lp_expr lp_dot2(lp_kernel *k, lp_expr acc, lp_expr s16x2, lp_expr s8x2)
{
    ICE_IF(lp_dtype(k, acc) != DT_I32 || lp_dtype(k, s16x2) != DT_I32
               || lp_dtype(k, s8x2) != DT_I16, "dot2 of other than i32, i32 and i16");
    return lp_node_add(k, (lp_node){.kind = LX_DOT2, .dtype = DT_I32, .narg = 3},
                       LP(acc, s16x2, s8x2));
}

/* `cond`, if any, is one argument more: where it is false nothing is read and the
 * value is 0. */
static lp_expr load(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr cond)
{
    lp_expr args[LP_MAX_RANK + 1] = {0};
    const lp_buffer *buf = &k->buf.at[b];

    ICE_IF(!b || b >= k->buf.len, "load from no buffer");
    for (int i = 0; i < buf->rank; i++) {
        ICE_IF(lp_dtype(k, idx[i]) != DT_I64, "an index of %s", dt_text(lp_dtype(k, idx[i])));
        args[i] = idx[i];
    }
    args[buf->rank] = cond;
    return lp_node_add(k, (lp_node){.kind = LX_LOAD, .dtype = buf->dtype, .ref = b,
                               .guarded = cond != 0,
                               .narg = (uint32_t)(buf->rank + (cond != 0))}, args);
}

lp_expr lp_load(lp_kernel *k, lp_buf b, const lp_expr *idx)
{
    return load(k, b, idx, 0);
}

lp_expr lp_load_if(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr cond)
{
    const lp_node *n = lp_at(k, cond);

    ICE_IF(n->dtype != DT_BOOL, "a condition of %s", dt_text(n->dtype));
    if (n->kind == LX_LITERAL)
        return n->bits ? load(k, b, idx, 0) : lp_const_bits(k, k->buf.at[b].dtype, 0);
    return load(k, b, idx, cond);
}

lp_expr lp_var_expr(lp_kernel *k, lp_var v)
{
    return lp_node_add(k, (lp_node){.kind = LX_VAR, .dtype = k->var.at[v].dtype, .ref = v}, NULL);
}

/* ---- questions ------------------------------------------------------------------ */

/* Marks in `mark` (one byte per node up to e) which nodes contain v. */
static void mark_depends(const lp_kernel *k, lp_expr e, lp_var v, uint8_t *mark)
{
    for (lp_expr i = 1; i <= e; i++) {
        const lp_node *n = lp_at(k, i);

        mark[i] = n->kind == LX_VAR && n->ref == v;
        for (uint32_t j = 0; j < n->narg; j++)
            mark[i] |= mark[k->arg.at[n->arg + j]];
    }
}

bool lp_depends(const lp_kernel *k, lp_expr e, lp_var v)
{
    if (!(lp_at(k, e)->vars >> v % 64 & 1))
        return false;
    if (k->var.len <= 64)
        return true;
    uint8_t *mark = mem_alloc(e + 1);
    mark_depends(k, e, v, mark);
    bool found = mark[e];
    mem_free(mark);
    return found;
}

/* The node with other operands, simplified anew. */
lp_expr lp_rebuild(lp_kernel *k, lp_expr e, const lp_expr *args)
{
    lp_node n = *lp_at(k, e);

    switch ((lp_node_kind)n.kind) {
    case LX_SCALAR:
        if (n.op == SC_CAST)
            return lp_cast(k, n.dtype, args[0]);
        if (n.op == SC_BITCAST)
            return lp_bitcast(k, n.dtype, args[0]);
        return n.narg == 1   ? lp_1(k, n.op, args[0])
               : n.narg == 2 ? lp_2(k, n.op, args[0], args[1])
                             : lp_3(k, n.op, args[0], args[1], args[2]);
    case LX_FLOORDIV: return lp_div(k, args[0], args[1]);
    case LX_DOT4: return lp_dot4(k, args[0], args[1], args[2]);
    case LX_DOT2: return lp_dot2(k, args[0], args[1], args[2]);
    case LX_LOAD:
        return n.guarded ? lp_load_if(k, n.ref, args, args[n.narg - 1])
                         : lp_load(k, n.ref, args);
    default: return e;
    }
}

/* Sums and products of what is linear; of a product only one side may hold v. */
static bool linear_scalar(lp_kernel *k, lp_expr e, lp_var v, lp_expr *stride)
{
    lp_node n = *lp_at(k, e);
    lp_expr a = k->arg.at[n.arg], b = n.narg > 1 ? k->arg.at[n.arg + 1] : 0;
    lp_expr s, t;

    if (n.op == SC_MUL) {
        if (lp_depends(k, a, v) && lp_depends(k, b, v))
            return false;
        bool left = lp_depends(k, a, v);
        if (!lp_linear_in(k, left ? a : b, v, &s))
            return false;
        *stride = lp_mul(k, s, left ? b : a);
        return true;
    }
    if (n.op == SC_SELECT) {
        lp_expr c = k->arg.at[n.arg + 2];

        if (lp_depends(k, a, v) || !lp_linear_in(k, b, v, &s) || !lp_linear_in(k, c, v, &t))
            return false;
        *stride = lp_select(k, a, s, t);
        return true;
    }
    if ((n.op != SC_ADD && n.op != SC_SUB) || !lp_linear_in(k, a, v, &s)
        || !lp_linear_in(k, b, v, &t))
        return false;
    *stride = lp_2(k, n.op, s, t);
    return true;
}

/* e = stride * v + rest?  The stride may be an expression: how far a load moves
 * when v grows by one decides whether it is a vector. */
bool lp_linear_in(lp_kernel *k, lp_expr e, lp_var v, lp_expr *stride)
{
    const lp_node *n = lp_at(k, e);

    if (!lp_depends(k, e, v)) {
        *stride = lp_int(k, 0);
        return true;
    }
    if (n->kind == LX_VAR) {
        *stride = lp_int(k, 1);
        return true;
    }
    return n->kind == LX_SCALAR && n->dtype == DT_I64 && linear_scalar(k, e, v, stride);
}
