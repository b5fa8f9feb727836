/* frontend/dsl/scalar.c - operators and scalar functions, of numbers and of arrays.
 * Whole numbers are dims of the IR, so arithmetic on extents stays exact and
 * canonical; ints carry an interval as far as it is known, which lets positions be
 * proved to lie within an axis. */
#include <math.h>

#include "check.h"

static const char *const op_text[AST_OP_COUNT] = {
    [AST_ADD] = "+", [AST_SUB] = "-", [AST_MUL] = "*", [AST_DIV] = "/", [AST_FLOORDIV] = "//",
    [AST_MOD] = "%", [AST_POW] = "^", [AST_EQ] = "==", [AST_NE] = "!=", [AST_LT] = "<",
    [AST_LE] = "<=", [AST_GT] = ">", [AST_GE] = ">=", [AST_AND] = "and", [AST_OR] = "or",
    [AST_NEG] = "-", [AST_NOT] = "not"};

/* ---- numbers ---------------------------------------------------------------- */

/* Of whole numbers, as dims; false if it has no such result. */
static bool whole_binary(dsl *cx, ast_op op, ir_dim a, ir_dim b, ir_dim *out)
{
    dim_table *t = cx->dims;
    int64_t x, y;

    switch (op) {
    case AST_ADD: *out = dim_add(t, a, b); return true;
    case AST_SUB: *out = dim_sub(t, a, b); return true;
    case AST_MUL: *out = dim_mul(t, a, b); return true;
    case AST_DIV: return !dim_is(t, b, 0) && dim_divides(t, b, a, out);
    case AST_FLOORDIV: *out = dim_div(t, a, b); return true;
    case AST_MOD: *out = dim_mod(t, a, b); return true;
    case AST_POW:
        if (!dim_const(t, b, &y) || y < 0 || y > 64)
            return false;
        for (*out = dim_int(t, 1), x = 0; x < y; x++)
            *out = dim_mul(t, *out, a);
        return true;
    default: return false;
    }
}

/* As the run would compute it: // rounds down, % has the sign of the divisor. */
static double real_binary(ast_op op, double a, double b)
{
    switch (op) {
    case AST_ADD: return a + b;
    case AST_SUB: return a - b;
    case AST_MUL: return a * b;
    case AST_DIV: return a / b;
    case AST_FLOORDIV: return floor(a / b);
    case AST_MOD: return a - b * floor(a / b);
    default: return pow(a, b);
    }
}

_Static_assert(AST_GE - AST_EQ == 5, "comparisons stand in one row");
static bool is_comparison(ast_op op) { return op >= AST_EQ && op <= AST_GE; }

static bool compare(ast_op op, double a, double b)
{
    switch (op) {
    case AST_EQ: return a == b;
    case AST_NE: return a != b;
    case AST_LT: return a < b;
    case AST_LE: return a <= b;
    case AST_GT: return a > b;
    default: return a >= b;
    }
}

/* A comparison of extents, where their canonical forms decide it; else null. */
static const dsl_value *compare_dims(dsl *cx, ast_op op, ir_dim a, ir_dim b)
{
    dim_table *t = cx->dims;
    bool swapped = op == AST_GT || op == AST_GE;
    ir_dim x = swapped ? b : a, y = swapped ? a : b;
    bool less = op == AST_LT || op == AST_GT;

    if (op == AST_EQ || op == AST_NE) {
        if (dsl_same(a, b))
            return dsl_truth(cx, op == AST_EQ);
        return dim_differ(t, a, b) ? dsl_truth(cx, op == AST_NE) : NULL;
    }
    ir_dim one = dim_int(t, 1);
    if (dsl_at_most(cx, less ? dim_add(t, x, one) : x, y))
        return dsl_truth(cx, true);
    return dsl_at_most(cx, less ? y : dim_add(t, y, one), x) ? dsl_truth(cx, false) : NULL;
}

/* Did what was computed since the flag was cleared fit a dim?  What does not is left to the
 * run, whose integers wrap. */
static bool fits(dsl *cx, bool before)
{
    bool fit = !cx->dims->overflow;

    cx->dims->overflow = before;
    return fit;
}

/* As whole_binary, where the result and all on the way to it are dims. */
static bool whole_result(dsl *cx, ast_op op, ir_dim a, ir_dim b, ir_dim *out)
{
    bool before = cx->dims->overflow;

    cx->dims->overflow = false;
    bool found = whole_binary(cx, op, a, b, out);
    return fits(cx, before) && found;
}

/* ---- conditions of extents that only the run knows ----------------------------- */

/* The truth r, an array of the run, as the dim that it is: then it may choose an extent. */
static const dsl_value *decided_by(dsl *cx, const dsl_value *r, ir_dim holds, bool before)
{
    if (!fits(cx, before) || !dsl_is_tensor(r))
        return r;
    dsl_value *y = arena_copy(cx->mem, r, sizeof *r);
    y->tensor.decides = true;
    y->tensor.holds = holds;
    return y;
}

static bool decides(const dsl_value *v) { return dsl_is_tensor(v) && v->tensor.decides; }

/* r, which is op of the numbers or conditions a and b. */
static const dsl_value *with_condition(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b,
                                       const dsl_value *r)
{
    dim_table *t = cx->dims;
    bool numbers = is_comparison(op) && a->kind == DSL_NUMBER && b->kind == DSL_NUMBER &&
                   a->number.whole && b->number.whole;
    bool before = t->overflow;

    if (!numbers && !(decides(a) && decides(b) && (op == AST_AND || op == AST_OR)))
        return r;
    t->overflow = false;
    ir_dim x = numbers ? a->number.dim : a->tensor.holds;
    ir_dim y = numbers ? b->number.dim : b->tensor.holds;
    switch (op) {
    case AST_EQ: return decided_by(cx, r, dim_eq(t, x, y), before);
    case AST_NE: return decided_by(cx, r, dim_sub(t, dim_int(t, 1), dim_eq(t, x, y)), before);
    case AST_LT: return decided_by(cx, r, dim_lt(t, x, y), before);
    case AST_LE: return decided_by(cx, r, dim_le(t, x, y), before);
    case AST_GT: return decided_by(cx, r, dim_lt(t, y, x), before);
    case AST_GE: return decided_by(cx, r, dim_le(t, y, x), before);
    case AST_AND: return decided_by(cx, r, dim_min(t, x, y), before);
    default: return decided_by(cx, r, dim_max(t, x, y), before);
    }
}

/* Extent a where c holds, else b; null if one of them is no extent. */
static const dsl_value *choose_extent(dsl *cx, const dsl_value *c, const dsl_value *a,
                                      const dsl_value *b)
{
    bool before = cx->dims->overflow;

    if (!decides(c) || a->kind != DSL_NUMBER || b->kind != DSL_NUMBER || !a->number.whole ||
        !b->number.whole)
        return NULL;
    cx->dims->overflow = false;
    ir_dim d = dim_select(cx->dims, c->tensor.holds, a->number.dim, b->number.dim);
    return fits(cx, before) ? dsl_whole(cx, d) : NULL;
}

/* Of two numbers; null if only the run knows. */
static const dsl_value *number_binary(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b)
{
    ir_dim d;
    double x, y;

    if (a->number.whole && b->number.whole && is_comparison(op))
        return compare_dims(cx, op, a->number.dim, b->number.dim);
    if (a->number.whole && b->number.whole &&
        whole_result(cx, op, a->number.dim, b->number.dim, &d))
        return a->number.run || b->number.run ? dsl_run_number(cx, d) : dsl_whole(cx, d);
    if (!dsl_number(cx, a, &x) || !dsl_number(cx, b, &y))
        return NULL;
    return is_comparison(op) ? dsl_truth(cx, compare(op, x, y))
                             : dsl_fraction(cx, real_binary(op, x, y));
}

/* ---- arrays ----------------------------------------------------------------- */

/* a > b is b < a. */
static unsigned scalar_op(ast_op op)
{
    switch (op) {
    case AST_ADD: return OP_ADD;
    case AST_SUB: return OP_SUB;
    case AST_MUL: return OP_MUL;
    case AST_DIV: return OP_DIV;
    case AST_MOD: return OP_MOD;
    case AST_POW: return OP_POW;
    case AST_EQ: return OP_EQ;
    case AST_NE: return OP_NE;
    case AST_LT:
    case AST_GT: return OP_LT;
    case AST_LE:
    case AST_GE: return OP_LE;
    case AST_AND: return OP_AND;
    default: return OP_OR;
    }
}

/* The interval of a result, from those of int operands. */
static void sum_bounds(dsl *cx, unsigned op, const dsl_value *a, const dsl_value *b, dsl_value *y)
{
    dim_table *t = cx->dims;
    const dsl_tensor *p = &a->tensor, *q = &b->tensor;

    y->tensor.bounded = p->bounded && q->bounded;
    if (op == OP_ADD) {
        y->tensor.lo = dim_add(t, p->lo, q->lo);
        y->tensor.hi = dim_add(t, p->hi, q->hi);
    } else {
        y->tensor.lo = dim_sub(t, p->lo, q->hi);
        y->tensor.hi = dim_sub(t, p->hi, q->lo);
    }
}

/* Only of what is not negative: other signs would need the least of four products. */
static void product_bounds(dsl *cx, const dsl_value *a, const dsl_value *b, dsl_value *y)
{
    dim_table *t = cx->dims;
    const dsl_tensor *p = &a->tensor, *q = &b->tensor;

    y->tensor.bounded = p->bounded && q->bounded && dim_lo(t, p->lo) >= 0 && dim_lo(t, q->lo) >= 0;
    y->tensor.lo = dim_mul(t, p->lo, q->lo);
    y->tensor.hi = dim_mul(t, p->hi, q->hi);
}

/* Bounds of an int, far away where nothing is known: min and max bring them near. */
enum { FAR = 40 };
static ir_dim least(dsl *cx, const dsl_tensor *p)
{
    return p->bounded ? p->lo : dim_int(cx->dims, -((int64_t)1 << FAR));
}

static ir_dim most(dsl *cx, const dsl_tensor *p)
{
    return p->bounded ? p->hi : dim_int(cx->dims, (int64_t)1 << FAR);
}

/* a % b, a // b of b > 0; min, max. */
static void other_bounds(dsl *cx, unsigned op, const dsl_value *a, const dsl_value *b, dsl_value *y)
{
    dim_table *t = cx->dims;
    const dsl_tensor *p = &a->tensor, *q = &b->tensor;
    bool both = p->bounded && q->bounded;

    if (op == OP_MOD && q->bounded && dim_lo(t, q->lo) > 0) {
        y->tensor.bounded = true;
        y->tensor.lo = dim_int(t, 0);
        y->tensor.hi = dim_sub(t, q->hi, dim_int(t, 1));
    } else if (op == OP_DIV && both && dim_lo(t, q->lo) > 0 && dim_lo(t, p->lo) >= 0) {
        y->tensor.bounded = true;
        y->tensor.lo = dim_div(t, p->lo, q->hi);
        y->tensor.hi = dim_div(t, p->hi, q->lo);
    } else if (op == OP_MIN || op == OP_MAX) {
        ir_dim (*f)(dim_table *, ir_dim, ir_dim) = op == OP_MIN ? dim_min : dim_max;
        y->tensor.bounded = p->bounded || q->bounded;
        y->tensor.lo = f(t, least(cx, p), least(cx, q));
        y->tensor.hi = f(t, most(cx, p), most(cx, q));
    }
}

/* r with the interval of op on a and b. */
static const dsl_value *with_bounds(dsl *cx, unsigned op, const dsl_value *a, const dsl_value *b,
                                    const dsl_value *r)
{
    if (dsl_bad(r) || r->tensor.elem != DSL_INT)
        return r;
    dsl_value *y = arena_copy(cx->mem, r, sizeof *r);
    bool before = cx->dims->overflow;
    cx->dims->overflow = y->tensor.bounded = false;
    if (op == OP_ADD || op == OP_SUB)
        sum_bounds(cx, op, a, b, y);
    else if (op == OP_MUL)
        product_bounds(cx, a, b, y);
    else
        other_bounds(cx, op, a, b, y);
    y->tensor.bounded &= fits(cx, before);
    return y;
}

/* What a function of n aligned operands gives. */
static const dsl_value *result(dsl *cx, ir_ref x, const dsl_value *like, bool truth)
{
    dsl_value l = {.tensor = {.elem = truth ? DSL_BOOL : like->tensor.elem,
                              .number = !truth && like->tensor.number}};

    return dsl_array_like(cx, &l, x, like->tensor.rank, like->tensor.axis);
}

static bool is_literal(const dsl_value *v)
{
    return v->tensor.number && !v->tensor.rank;
}

/* An op of the IR on two values, after elements and axes agree.  Intervals are
 * those of the operands before they were spread. */
const dsl_value *dsl_scalar2(dsl *cx, unsigned op, const dsl_value *a, const dsl_value *b,
                             ir_loc at, const char *what)
{
    const dsl_value *v[2] = {a, b};

    if (dsl_bad(a) || dsl_bad(b) || !dsl_agree(cx, v, 2, at, what))
        return &dsl_poison;
    bool truth = op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE;
    if (!truth && v[0]->tensor.elem == DSL_OTHER)
        return dsl_wrong(cx, at, "%s: %s is not computed with; write real(..) or int(..)", what,
                         dsl_describe(cx, v[0]));
    if ((op == OP_AND || op == OP_OR) != (v[0]->tensor.elem == DSL_BOOL) && !truth)
        return dsl_wrong(cx, at, "%s does not take %s", what, dsl_describe(cx, v[0]));
    const dsl_value *p = v[0], *q = v[1];
    dsl_meet_rows(cx, p, q, at);
    if (!dsl_align(cx, v, 2, at, what))
        return &dsl_poison;
    ir_ref x = ir_2(dsl_b(cx), op, dsl_ref(cx, v[0]), dsl_ref(cx, v[1]));
    const dsl_value *y = with_bounds(cx, op, p, q, result(cx, x, v[0], truth));
    if (is_literal(p) || is_literal(q))
        dsl_still_rowless(cx, is_literal(q) ? p : q, y);
    return y;
}

/* A whole number that meets a real stays a number, which takes the type of its
 * partner. */
static const dsl_value *as_real(dsl *cx, const dsl_value *v, ir_loc at)
{
    const dsl_value *x = dsl_as_array(cx, v, at);
    bool number = dsl_is_tensor(x) && x->tensor.number;

    if (!dsl_is_tensor(x) || x->tensor.elem != DSL_INT)
        return x;
    dsl_value *y = arena_copy(cx->mem, dsl_cast(cx, x, DSL_REAL), sizeof *x);
    y->tensor.number = number;
    return y;
}

/* a // b of arrays: rounded down. */
static const dsl_value *floor_divide(dsl *cx, const dsl_value *a, const dsl_value *b, ir_loc at)
{
    const dsl_value *v[2] = {a, b};

    if (!dsl_agree(cx, v, 2, at, "//"))
        return &dsl_poison;
    if (v[0]->tensor.elem == DSL_REAL)
        return dsl_unary(cx, OP_FLOOR, dsl_scalar2(cx, OP_DIV, v[0], v[1], at, "//"), at);
    const dsl_tensor *p = &v[0]->tensor, *q = &v[1]->tensor;
    if (p->bounded && q->bounded && dim_lo(cx->dims, p->lo) >= 0 && dim_lo(cx->dims, q->lo) > 0)
        return dsl_scalar2(cx, OP_DIV, v[0], v[1], at, "//");
    const dsl_value *rest = dsl_scalar2(cx, OP_MOD, v[0], v[1], at, "//");
    const dsl_value *whole = dsl_scalar2(cx, OP_SUB, v[0], rest, at, "//");
    return dsl_scalar2(cx, OP_DIV, whole, v[1], at, "//");
}

/* a ^ b of arrays: products for small whole exponents. */
static const dsl_value *power(dsl *cx, const dsl_value *a, const dsl_value *b, ir_loc at)
{
    double n;

    if (dsl_number(cx, b, &n) && (n == 1 || n == 2 || n == 3)) {
        const dsl_value *x = dsl_as_array(cx, a, at), *y = x;
        for (int i = 1; i < (int)n; i++)
            y = dsl_scalar2(cx, OP_MUL, y, x, at, "^");
        return y;
    }
    if (b->kind == DSL_NUMBER && !b->number.whole)
        a = as_real(cx, a, at);
    return dsl_scalar2(cx, OP_POW, a, b, at, "^");
}

/* With one side known the result is the other side or the known one; no node is
 * made. */
static const dsl_value *truth_binary(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b,
                                     ir_loc at)
{
    if (a->kind == DSL_TRUTH && b->kind == DSL_TRUTH)
        return dsl_truth(cx, op == AST_AND ? a->truth && b->truth : a->truth || b->truth);
    if (b->kind == DSL_TRUTH) {
        const dsl_value *swap = a;
        a = b, b = swap;
    }
    if (a->kind == DSL_TRUTH)
        return a->truth == (op == AST_AND) ? dsl_as_array(cx, b, at) : a;
    return dsl_scalar2(cx, scalar_op(op), a, b, at, op_text[op]);
}

static bool equal_texts(const dsl_value *a, const dsl_value *b)
{
    return a->kind == DSL_TEXT ? !strcmp(a->text, b->text) : a->truth == b->truth;
}

/* Numbers are computed now where they can be; else by op. */
const dsl_value *dsl_binary(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b, ir_loc at)
{
    if (dsl_bad(a) || dsl_bad(b))
        return &dsl_poison;
    if (op == AST_AND || op == AST_OR)
        return with_condition(cx, op, a, b, truth_binary(cx, op, a, b, at));
    if (a->kind == b->kind && (a->kind == DSL_TEXT || a->kind == DSL_TRUTH) &&
        (op == AST_EQ || op == AST_NE))
        return dsl_truth(cx, equal_texts(a, b) == (op == AST_EQ));
    if (a->kind == DSL_NUMBER && b->kind == DSL_NUMBER) {
        const dsl_value *r = number_binary(cx, op, a, b);
        if (r)
            return r;
    }
    switch (op) {
    case AST_DIV: return dsl_scalar2(cx, OP_DIV, as_real(cx, a, at), as_real(cx, b, at), at, "/");
    case AST_FLOORDIV: return floor_divide(cx, a, b, at);
    case AST_POW: return power(cx, a, b, at);
    case AST_GT:
    case AST_GE: return with_condition(cx, op, a, b, dsl_scalar2(cx, scalar_op(op), b, a, at,
                                                                 op_text[op]));
    default: return with_condition(cx, op, a, b, dsl_scalar2(cx, scalar_op(op), a, b, at,
                                                             op_text[op]));
    }
}

/* ---- one operand ------------------------------------------------------------ */

/* Null: no number, but a node. */
static const dsl_value *number_unary(dsl *cx, unsigned op, const dsl_value *x)
{
    double r;

    if (op == OP_NEG && x->number.whole) {
        ir_dim d = dim_neg(cx->dims, x->number.dim);
        return x->number.run ? dsl_run_number(cx, d) : dsl_whole(cx, d);
    }
    if (!dsl_number(cx, x, &r))
        return NULL;
    switch (op) {
    case OP_NEG: return dsl_fraction(cx, -r);
    case OP_SQRT: return dsl_fraction(cx, sqrt(r));
    case OP_EXP: return dsl_fraction(cx, exp(r));
    case OP_LOG: return dsl_fraction(cx, log(r));
    case OP_SIN: return dsl_fraction(cx, sin(r));
    case OP_COS: return dsl_fraction(cx, cos(r));
    case OP_ABS: return x->number.whole && r >= 0 ? x : dsl_fraction(cx, fabs(r));
    case OP_FLOOR: return dsl_fraction(cx, floor(r));
    case OP_CEIL: return dsl_fraction(cx, ceil(r));
    default: return NULL;
    }
}

/* Functions of reals make a real of a whole number first. */
const dsl_value *dsl_unary(dsl *cx, unsigned op, const dsl_value *x, ir_loc at)
{
    const char *what = ir_op_get(op)->text;

    if (x->kind == DSL_TRUTH && op == OP_NOT)
        return dsl_truth(cx, !x->truth);
    if (x->kind == DSL_NUMBER) {
        const dsl_value *r = number_unary(cx, op, x);
        if (r)
            return r;
    }
    x = dsl_as_array(cx, x, at);
    if (dsl_bad(x))
        return x;
    bool any = op == OP_NEG || op == OP_ABS || op == OP_SIGN;
    if (x->tensor.number && x->tensor.elem == DSL_INT && !any && op != OP_NOT)
        x = dsl_cast(cx, x, DSL_REAL);
    dsl_elem elem = x->tensor.elem;
    if (op == OP_NOT ? elem != DSL_BOOL : !(elem == DSL_REAL || (any && elem == DSL_INT)))
        return dsl_wrong(cx, at, "%s does not take %s%s", what, dsl_describe(cx, x),
                         elem == DSL_INT || elem == DSL_OTHER ? "; write real(..)" : "");
    const dsl_value *y = result(cx, ir_1(dsl_b(cx), op, dsl_ref(cx, x)), x,
                                op == OP_ISNAN || op == OP_ISINF);
    dsl_still_rowless(cx, x, y);
    bool before = cx->dims->overflow;
    if (op != OP_NOT || !decides(x))
        return y;
    cx->dims->overflow = false;
    return decided_by(cx, y, dim_sub(cx->dims, dim_int(cx->dims, 1), x->tensor.holds), before);
}

/* ---- choices ---------------------------------------------------------------- */

static const dsl_value *choose(dsl *cx, const dsl_value *c, const dsl_value **v, ir_loc at)
{
    const dsl_value *all[3] = {c, v[0], v[1]};

    for (int i = 0; i < 3; i++)
        dsl_meet_rows(cx, all[i], all[(i + 1) % 3], at);
    if (!dsl_align(cx, all, 3, at, "if"))
        return &dsl_poison;
    ir_ref x = ir_select(dsl_b(cx), dsl_ref(cx, all[0]), dsl_ref(cx, all[1]), dsl_ref(cx, all[2]));
    return result(cx, x, all[1], false);
}

/* if c then a else b with a condition that the run knows: both sides are computed.  Extents
 * chosen by extents are an extent. */
const dsl_value *dsl_select(dsl *cx, const dsl_value *c, const dsl_value *a, const dsl_value *b,
                            ir_loc at)
{
    const dsl_value *v[2] = {a, b};

    if (dsl_bad(c) || dsl_bad(a) || dsl_bad(b))
        return &dsl_poison;
    if (!dsl_is_tensor(c) || c->tensor.elem != DSL_BOOL)
        return dsl_wrong(cx, at, "a condition is a bool, this is %s", dsl_describe(cx, c));
    const dsl_value *extent = choose_extent(cx, c, a, b);
    if (extent)
        return extent;
    if (!dsl_agree(cx, v, 2, at, "if"))
        return &dsl_poison;
    const dsl_value *p = v[0], *q = v[1], *r = choose(cx, c, v, at);
    if (dsl_bad(r) || r->tensor.elem != DSL_INT || !p->tensor.bounded || !q->tensor.bounded)
        return r;
    return dsl_bounded(cx, r, dim_min(cx->dims, p->tensor.lo, q->tensor.lo),
                       dim_max(cx->dims, p->tensor.hi, q->tensor.hi));
}
