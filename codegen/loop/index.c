/* codegen/loop/index.c - simplification of index arithmetic: sums with their
 * constant outermost, quotients and remainders of what is known to divide, and
 * comparisons that the operands' ranges decide. */
#include "loop.h"

#include "loop_build.h"

static lp_expr raw2(lp_kernel *k, sc_op op, lp_expr a, lp_expr b)
{
    return lp_node_add(k, (lp_node){.kind = LX_SCALAR, .op = op, .dtype = DT_I64, .narg = 2},
                  LP(a, b));
}

/* Is e of the shape op(x, y)?  Only index nodes. */
static bool is_op(const lp_kernel *k, lp_expr e, sc_op op, lp_expr *x, lp_expr *y)
{
    const lp_node *n = lp_at(k, e);

    if (n->kind != LX_SCALAR || n->op != op || n->dtype != DT_I64)
        return false;
    *x = k->arg.at[n->arg];
    *y = k->arg.at[n->arg + 1];
    return true;
}

/* Is e op(x, literal)? */
static bool is_op_int(const lp_kernel *k, lp_expr e, sc_op op, lp_expr *x, int64_t *c)
{
    lp_expr y;

    return is_op(k, e, op, x, &y) && lp_is_int(k, y, c);
}

/* Is e what its text says, for it cannot wrap? */
static bool is_exact(const lp_kernel *k, lp_expr e)
{
    return !lp_at(k, e)->open;
}

static lp_expr index_add(lp_kernel *k, lp_expr a, lp_expr b);

/* Is e x / d, or x / d % n?  n is 0 without a remainder. */
static bool is_quotient(const lp_kernel *k, lp_expr e, lp_expr x, lp_expr d, lp_expr *n)
{
    lp_expr q = e;

    *n = 0;
    if (is_op(k, e, SC_MOD, &q, n) && lp_at(k, *n)->lo <= 0)
        return false;
    const lp_node *div = lp_at(k, q);
    return div->kind == LX_FLOORDIV && k->arg.at[div->arg] == x && k->arg.at[div->arg + 1] == d;
}

/* The sum of a and b if they are places of x in rows of d elements and within the row:
 * x / d * d + x % d is x, x / d % n * d + x % d is x % (n * d).  Else 0. */
static lp_expr join_places(lp_kernel *k, lp_expr a, lp_expr b)
{
    lp_expr quotient, d, x, by, n;

    if (!is_op(k, a, SC_MUL, &quotient, &d) || !is_op(k, b, SC_MOD, &x, &by) || by != d ||
        lp_at(k, d)->lo <= 0 || !is_quotient(k, quotient, x, d, &n))
        return 0;
    if (!n)
        return x;
    lp_expr all = lp_mul(k, n, d);
    return is_exact(k, all) ? lp_mod(k, x, all) : 0;
}

/* The same of rows whose elements lie c apart: x / d * (d * c) + x % d * c is x * c. */
static lp_expr join_scaled(lp_kernel *k, lp_expr a, lp_expr b)
{
    lp_expr quotient, rest, x, d, n;
    int64_t row, extent, c;

    if (!is_op_int(k, a, SC_MUL, &quotient, &row) || !is_op_int(k, b, SC_MUL, &rest, &c) ||
        !is_op(k, rest, SC_MOD, &x, &d) || !lp_is_int(k, d, &extent) || extent <= 0 ||
        !is_quotient(k, quotient, x, d, &n) || n || !mul_ok(extent, c, &extent) || extent != row)
        return 0;
    return lp_mul(k, x, lp_int(k, c));
}

static lp_expr add_int(lp_kernel *k, lp_expr a, int64_t c)
{
    return index_add(k, a, lp_int(k, c));
}

/* x + (-x + y), (x - y) + y and the like are x; a quotient and remainder are put
 * together again; the constant stands outermost, where the emitter makes it a
 * displacement. */
static lp_expr index_add(lp_kernel *k, lp_expr a, lp_expr b)
{
    int64_t p, q;
    lp_expr x, y;

    if (lp_is_int(k, a, &p)) {
        if (lp_is_int(k, b, &q))
            return lp_int(k, sc_eval_int(SC_ADD, DT_I64, p, q, 0));
        return index_add(k, b, a);
    }
    if (lp_is_int(k, b, &q)) {
        if (q == 0)
            return a;
        if (is_op_int(k, a, SC_ADD, &x, &p))
            return add_int(k, x, sc_eval_int(SC_ADD, DT_I64, p, q, 0));
        return raw2(k, SC_ADD, a, b);
    }
    if (is_op_int(k, a, SC_ADD, &x, &p))        /* constants outermost */
        return add_int(k, index_add(k, x, b), p);
    if (is_op_int(k, b, SC_ADD, &x, &p))
        return add_int(k, index_add(k, a, x), p);
    if (is_op(k, a, SC_SUB, &x, &y) && y == b)
        return x;
    if (is_op(k, b, SC_SUB, &x, &y) && y == a)
        return x;
    if ((x = join_places(k, a, b)) != 0 || (x = join_places(k, b, a)) != 0)
        return x;
    if ((x = join_scaled(k, a, b)) != 0 || (x = join_scaled(k, b, a)) != 0)
        return x;
    return raw2(k, SC_ADD, a, b);
}

/* The difference of a constant is a sum with its negative. */
static lp_expr index_sub(lp_kernel *k, lp_expr a, lp_expr b)
{
    int64_t p;
    lp_expr x, y;

    if (a == b)
        return lp_int(k, 0);
    if (lp_is_int(k, b, &p) && p != INT64_MIN)
        return add_int(k, a, -p);
    if (is_op_int(k, b, SC_ADD, &x, &p) && p != INT64_MIN)
        return add_int(k, index_sub(k, a, x), -p);
    if (is_op_int(k, a, SC_ADD, &x, &p))
        return add_int(k, index_sub(k, x, b), p);
    if (is_op(k, a, SC_ADD, &x, &y) && (x == b || y == b))
        return x == b ? y : x;
    return raw2(k, SC_SUB, a, b);
}

/* Multiplied out over constants only: (i + 3) * 4 is i * 4 + 12, so that loads of
 * neighbours share i * 4. */
static lp_expr index_mul(lp_kernel *k, lp_expr a, lp_expr b)
{
    int64_t p, q;
    lp_expr x;

    if (lp_is_int(k, a, &p)) {
        if (lp_is_int(k, b, &q))
            return lp_int(k, sc_eval_int(SC_MUL, DT_I64, p, q, 0));
        return index_mul(k, b, a);
    }
    if (!lp_is_int(k, b, &q))
        return raw2(k, SC_MUL, a, b);
    if (q == 0 || q == 1)
        return q ? a : b;
    if (is_op_int(k, a, SC_MUL, &x, &p))
        return index_mul(k, x, lp_int(k, sc_eval_int(SC_MUL, DT_I64, p, q, 0)));
    if (is_op_int(k, a, SC_ADD, &x, &p))
        return add_int(k, index_mul(k, x, b), sc_eval_int(SC_MUL, DT_I64, p, q, 0));
    return raw2(k, SC_MUL, a, b);
}

/* Is `end` all - x, or at most that? */
static bool is_left(const lp_kernel *k, lp_expr end, lp_expr all, lp_expr x)
{
    lp_expr a, b;

    if (is_op(k, end, SC_SUB, &a, &b))
        return a == all && b == x;
    return is_op(k, end, SC_MIN, &a, &b) && (is_left(k, a, all, x) || is_left(k, b, all, x));
}

/* Is v the variable of a loop that ends at all - x, or before? */
static bool has_left(const lp_kernel *k, lp_expr v, lp_expr all, lp_expr x)
{
    const lp_node *n = lp_at(k, v);

    return n->kind == LX_VAR && k->var.at[n->ref].limit &&
           is_left(k, k->var.at[n->ref].limit, all, x);
}

/* 0 <= e < limit, known from the loop that defines e?  Or that of a tile's part of e: with
 * r in 0..min(16, 200 - tile * 16), tile * 16 + r is below 200. */
static bool below(const lp_kernel *k, lp_expr e, lp_expr limit)
{
    const lp_node *n = lp_at(k, e), *l = lp_at(k, limit);
    lp_expr x, y;

    if (n->lo < 0)
        return false;
    return n->hi < l->lo || (n->kind == LX_VAR && k->var.at[n->ref].limit == limit) ||
           (is_exact(k, e) && is_op(k, e, SC_ADD, &x, &y) &&
            (has_left(k, y, limit, x) || has_left(k, x, limit, y)));
}

/* Is a = x / d, and 0 <= x < d * c? */
static bool is_part_below(lp_kernel *k, lp_expr a, int64_t c)
{
    const lp_node *n = lp_at(k, a);
    int64_t d, all;

    if (n->kind != LX_FLOORDIV || !lp_is_int(k, k->arg.at[n->arg + 1], &d) || d <= 0 ||
        !mul_ok(d, c, &all))
        return false;
    lp_expr x = k->arg.at[n->arg];
    return below(k, x, lp_int(k, all));
}

/* Does the literal or symbol `by` divide e visibly?  Gives e / by. */
static bool divides(lp_kernel *k, lp_expr e, lp_expr by, lp_expr *quotient)
{
    lp_expr x, y;
    int64_t c;

    if (lp_is_int(k, by, &c)) {
        if (lp_at(k, e)->divisor % c)
            return false;
        *quotient = lp_div(k, e, by);
        return true;
    }
    if (is_exact(k, e) && is_op(k, e, SC_MUL, &x, &y) && (x == by || y == by)) {
        *quotient = x == by ? y : x;
        return lp_at(k, by)->lo > 0;
    }
    return false;
}

/* Is a = q * s and b = f * s for positive s and f?  Then a / b is q / f, and a % b is
 * q % f * s. */
static bool have_factor(lp_kernel *k, lp_expr a, lp_expr b, lp_expr *q, lp_expr *s, lp_expr *f)
{
    return is_exact(k, a) && is_op(k, a, SC_MUL, q, s) && lp_at(k, *s)->lo > 0 &&
           divides(k, b, *s, f) && lp_at(k, *f)->lo > 0;
}

/* Is x a multiple of some s that divides b, and 0 <= y < s?  Then (x + y) / b is x / b,
 * and (x + y) % b is x % b + y.  With v < 112, (i * 112 + v) / 896 is i * 112 / 896. */
static bool is_rest(lp_kernel *k, lp_expr x, lp_expr y, lp_expr b)
{
    int64_t c;
    lp_expr q, s, f;

    if (lp_is_int(k, b, &c))
        return c > 0 && lp_at(k, y)->lo >= 0 &&
               lp_at(k, y)->hi < gcd_i64(lp_at(k, x)->divisor, c);
    return have_factor(k, x, b, &q, &s, &f) && below(k, y, s);
}

/* Division by a positive literal; 0 if nothing is known that helps. */
static lp_expr div_by_int(lp_kernel *k, lp_expr a, int64_t c)
{
    int64_t p;
    lp_expr x;
    const lp_node *n = lp_at(k, a);

    if (c == 1)
        return a;
    if (lp_is_int(k, a, &p))
        return lp_int(k, floor_div_i64(p, c));
    int64_t least = floor_div_i64(n->lo, c), most = floor_div_i64(n->hi, c);
    if (n->lo > INT64_MIN && n->hi < INT64_MAX && least == most)
        return lp_int(k, least);
    if (is_exact(k, a) && is_op_int(k, a, SC_MUL, &x, &p)) {
        if (p % c == 0)
            return index_mul(k, x, lp_int(k, p / c));
    }
    if (n->kind == LX_FLOORDIV && lp_is_int(k, k->arg.at[n->arg + 1], &p) && p > 0
        && p < INT32_MAX && c < INT32_MAX) {
        x = k->arg.at[n->arg];          /* n is gone once there is a new node */
        return lp_div(k, x, lp_int(k, p * c));
    }
    return 0;
}

/* Rounds down.  A quotient that stays is some 20 cycles in an inner loop, so
 * everything is tried: what divides, what is below, a common factor, terms one by
 * one. */
lp_expr lp_div(lp_kernel *k, lp_expr a, lp_expr b)
{
    int64_t c;
    lp_expr x, y, q, f;

    ICE_IF(lp_dtype(k, a) != DT_I64 || lp_dtype(k, b) != DT_I64, "lp_div of no index");
    bool literal = lp_is_int(k, b, &c);
    if (literal && c == 0)
        return b;
    if (literal && c > 0 && (q = div_by_int(k, a, c)) != 0)
        return q;
    if (below(k, a, b))
        return lp_int(k, 0);
    if (!literal && lp_at(k, b)->lo > 0 && a == b)
        return lp_int(k, 1);
    if (!literal && divides(k, a, b, &q))
        return q;
    if (have_factor(k, a, b, &q, &x, &f))
        return lp_div(k, q, f);
    if ((!literal || c > 0) && is_exact(k, a) && is_op(k, a, SC_ADD, &x, &y)) {
        if (divides(k, x, b, &q))
            return index_add(k, q, lp_div(k, y, b));
        if (divides(k, y, b, &q))
            return index_add(k, q, lp_div(k, x, b));
        if (is_rest(k, x, y, b))
            return lp_div(k, x, b);
        if (is_rest(k, y, x, b))
            return lp_div(k, y, b);
    }
    return lp_node_add(k, (lp_node){.kind = LX_FLOORDIV, .dtype = DT_I64, .narg = 2}, LP(a, b));
}

lp_expr lp_ceildiv(lp_kernel *k, lp_expr a, int64_t b)
{
    lp_expr up = lp_add(k, a, lp_int(k, b - 1));

    return lp_div(k, up, lp_int(k, b));
}

/* The same for the remainder. */
static lp_expr index_mod(lp_kernel *k, lp_expr a, lp_expr b)
{
    int64_t p, c;
    lp_expr x, y, q, f;
    bool literal = lp_is_int(k, b, &c);

    if (literal && c <= 0)
        return c == 0 ? b : raw2(k, SC_MOD, a, b);
    if (literal && c == 1)
        return lp_int(k, 0);
    if (literal && lp_is_int(k, a, &p))
        return lp_int(k, sc_eval_int(SC_MOD, DT_I64, p, c, 0));
    if (below(k, a, b) || (literal && is_part_below(k, a, c)))
        return a;
    if (divides(k, a, b, &q))
        return lp_int(k, 0);
    if (have_factor(k, a, b, &q, &x, &f))
        return index_mul(k, index_mod(k, q, f), x);
    if (is_exact(k, a) && is_op(k, a, SC_ADD, &x, &y)) {
        if (divides(k, x, b, &q))
            return index_mod(k, y, b);
        if (divides(k, y, b, &q))
            return index_mod(k, x, b);
        if (is_rest(k, x, y, b))
            return index_add(k, index_mod(k, x, b), y);
        if (is_rest(k, y, x, b))
            return index_add(k, index_mod(k, y, b), x);
    }
    if (literal && is_op_int(k, a, SC_MOD, &x, &p) && p > 0 && p % c == 0)
        return index_mod(k, x, b);
    return raw2(k, SC_MOD, a, b);
}

/* Ranges that do not overlap decide. */
static lp_expr index_minmax(lp_kernel *k, sc_op op, lp_expr a, lp_expr b)
{
    const lp_node *x = lp_at(k, a), *y = lp_at(k, b);

    if (a == b)
        return a;
    if (x->hi <= y->lo)
        return op == SC_MIN ? a : b;
    if (y->hi <= x->lo)
        return op == SC_MIN ? b : a;
    return raw2(k, op, a, b);
}

/* Comparisons that ranges decide: 0, 1, or -1 for unknown. */
static int index_compare(const lp_kernel *k, sc_op op, lp_expr a, lp_expr b)
{
    const lp_node *x = lp_at(k, a), *y = lp_at(k, b);

    if (op == SC_LT && (a == b || x->lo >= y->hi))
        return 0;
    if (op == SC_LT)
        return x->hi < y->lo || below(k, a, b) ? 1 : -1;
    if (op == SC_LE && (a == b || x->hi <= y->lo))
        return 1;
    if (op == SC_LE)
        return x->lo > y->hi ? 0 : -1;
    bool apart = x->hi < y->lo || y->hi < x->lo;
    bool same = a == b || (x->lo == x->hi && y->lo == y->hi && x->lo == y->lo);
    if (!apart && !same)
        return -1;
    return op == SC_EQ ? same : apart;
}

/* 0: the operator has no simplification, and the caller makes the node. */
lp_expr lp_index(lp_kernel *k, sc_op op, lp_expr a, lp_expr b)
{
    switch (op) {
    case SC_ADD: return index_add(k, a, b);
    case SC_SUB: return index_sub(k, a, b);
    case SC_MUL: return index_mul(k, a, b);
    case SC_MOD: return index_mod(k, a, b);
    case SC_MIN:
    case SC_MAX: return index_minmax(k, op, a, b);
    case SC_LT:
    case SC_LE:
    case SC_EQ:
    case SC_NE: {
        int known = index_compare(k, op, a, b);
        return known < 0 ? 0 : lp_bool(k, known);
    }
    default: return 0;
    }
}
