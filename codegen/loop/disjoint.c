/* codegen/loop/disjoint.c - do parallel iterations store different elements?
 *
 * An index of a store is split into a base, which parallel variables alone
 * decide, and a width: how far inner loops move it from there.  A variable p
 * is *told* by an axis whose base grows with each step of p by more than the width and
 * what the other variables that are not told yet move it by: that of g * 4 + m, m of 0 to
 * 3, tells g, and then m.  When all variables are told, no two iterations meet.
 *
 * Quotient and remainder of one number by one divisor count as that number, and q * 4 + r,
 * with r of 0 to 3, as q where all stores to the buffer have such an index.  All stores to a
 * buffer are taken together: their bases may differ by constants, which widen the range.  A
 * loop over the p-th part of a range, from p * a / n to (p + 1) * a / n, tells p as well.
 *
 * Not covered: a store whose index does not hold a variable, under a condition
 * that does (the rows at the end, in the last iteration only) is believed. */
#include "loop.h"

/* Where a variable gets its values: from a loop other than the parallel one, or from
 * the value of a let. */
typedef struct place {
    const lp_stmt *loop;
    lp_expr value;
} place;

/* All integers from base to base + width. */
typedef struct range {
    lp_expr base;
    int64_t width;
} range;

/* A store to a parameter.  An index of 0 was joined to that of another axis. */
typedef struct store {
    lp_buf buf;
    lp_expr idx[LP_MAX_RANK];
    ir_loc loc;
} store;

/* For `par i, j in 0..4, 0..8 { for r in 0..16 { y[i, j * 16 + r] = .. } }` there is one
 * store.  Axis 0 covers i + [0, 0] and tells i, bit 0 of `told`; axis 1 covers
 * j * 16 + [0, 15], which a step of j leaves, and tells j, bit 1. */
typedef struct checker {
    lp_kernel *k;
    const lp_stmt *par;
    place *at;                      /* by lp_var */
    uint32_t nvar;                  /* variables that `at` covers: those of the text */
    VEC(store) store;
    uint32_t told;                  /* of the buffer at hand */
} checker;

/* ---- ranges ------------------------------------------------------------------ */

/* Is it a function of parallel variables and dims, lets aside? */
static bool is_base(const checker *c, lp_expr e)
{
    const lp_node *n = lp_at(c->k, e);

    if (n->kind == LX_LOAD)
        return false;
    if (n->kind == LX_VAR && c->k->var.at[n->ref].kind == LP_LETVAR)
        return false;
    if (n->kind == LX_VAR && n->ref < c->nvar && c->at[n->ref].loop)
        return false;
    for (uint32_t i = 0; i < n->narg; i++)
        if (!is_base(c, c->k->arg.at[n->arg + i]))
            return false;
    return true;
}

/* The operands of e if it is op of two i64. */
static bool is_op(const lp_kernel *k, lp_expr e, sc_op op, lp_expr *a, lp_expr *b)
{
    const lp_node *n = lp_at(k, e);

    if (n->kind != LX_SCALAR || n->op != op || n->dtype != DT_I64)
        return false;
    *a = k->arg.at[n->arg];
    *b = k->arg.at[n->arg + 1];
    return true;
}

/* The most that hi - lo can be; INT64_MAX if unknown. */
static int64_t most(lp_kernel *k, lp_expr lo, lp_expr hi)
{
    lp_expr a, b;

    if (is_op(k, hi, SC_MIN, &a, &b)) {
        int64_t first = most(k, lo, a);
        return min_i64(first, most(k, lo, b));
    }
    return lp_at(k, lp_sub(k, hi, lo))->hi;
}

static bool split(checker *c, lp_expr e, int64_t coef, range *r);

/* The values of a loop's variable: from lo on, below hi. */
static bool split_loop(checker *c, const lp_stmt *loop, int64_t coef, range *r)
{
    int64_t n = most(c->k, loop->lo[0], loop->hi[0]), width;

    if (n == INT64_MAX || coef < 0)
        return false;
    return mul_ok(max_i64(n - 1, 0), coef, &width) && add_ok(r->width, width, &r->width) &&
           split(c, loop->lo[0], coef, r);
}

/* Bounds that hold whatever the variables are. */
static bool split_bounded(checker *c, const lp_node *n, int64_t coef, range *r)
{
    int64_t width, lo;

    if (n->lo == INT64_MIN || n->hi == INT64_MAX || coef < 0 || !mul_ok(n->lo, coef, &lo))
        return false;
    r->base = lp_add(c->k, r->base, lp_int(c->k, lo));
    return !__builtin_sub_overflow(n->hi, n->lo, &width) && mul_ok(width, coef, &width) &&
           add_ok(r->width, width, &r->width);
}

/* Adds coef * e to the range. */
static bool split(checker *c, lp_expr e, int64_t coef, range *r)
{
    const lp_node n = *lp_at(c->k, e);
    lp_expr a, b;
    int64_t by;

    if (is_base(c, e)) {
        r->base = lp_add(c->k, r->base, lp_mul(c->k, e, lp_int(c->k, coef)));
        return true;
    }
    if (n.kind == LX_VAR && n.ref < c->nvar && c->at[n.ref].value)
        return split(c, c->at[n.ref].value, coef, r);
    range before = *r;
    if (n.kind == LX_VAR && n.ref < c->nvar && c->at[n.ref].loop &&
        split_loop(c, c->at[n.ref].loop, coef, r))
        return true;
    *r = before;
    if (is_op(c->k, e, SC_ADD, &a, &b) && split(c, a, coef, r) && split(c, b, coef, r))
        return true;
    *r = before;
    if (is_op(c->k, e, SC_MUL, &a, &b) && lp_is_int(c->k, b, &by) && mul_ok(coef, by, &by) &&
        split(c, a, by, r))
        return true;
    *r = before;
    return split_bounded(c, &n, coef, r);
}

/* ---- axes -------------------------------------------------------------------- */

/* Is some index the quotient of y by b, the one at `but` left out?  Its axis. */
static int quotient_axis(checker *c, const store *s, int rank, int but, lp_expr y, lp_expr b)
{
    lp_expr q = lp_div(c->k, y, b);

    for (int i = 0; i < rank; i++)
        if (i != but && s->idx[i] == q)
            return i;
    return -1;
}

/* (.., y / b, .., y % b, ..) tells as much as y. */
static void join_axes(checker *c, store *s)
{
    int rank = c->k->buf.at[s->buf].rank;
    lp_expr y, b;

    for (int i = 0; i < rank; i++) {
        if (!s->idx[i] || !is_op(c->k, s->idx[i], SC_MOD, &y, &b))
            continue;
        int q = quotient_axis(c, s, rank, i, y, b);
        if (q < 0)
            continue;
        s->idx[q] = y;
        s->idx[i] = 0;
        i = -1;
    }
}

/* Does e hold a variable of the parallel loop? */
static bool is_parallel(const checker *c, lp_expr e)
{
    for (uint32_t v = 0; v < c->par->nvar; v++)
        if (lp_depends(c->k, e, c->par->var[v]))
            return true;
    return false;
}

/* Is r, of inner loops, one of 0 to s - 1? */
static bool is_below(const checker *c, lp_expr r, lp_expr s)
{
    const lp_node *n = lp_at(c->k, r);
    int64_t most_of;

    if (is_parallel(c, r))
        return false;
    if (n->kind == LX_VAR && n->lo >= 0 && c->k->var.at[n->ref].limit == s)
        return true;
    return n->lo >= 0 && lp_is_int(c->k, s, &most_of) && n->hi < most_of;
}

/* The s of e = q * s + r with r of 0 to s - 1, and q; 0: e is no such sum. */
static lp_expr scale_of(checker *c, lp_expr e, lp_expr *q)
{
    lp_expr a[2], s;

    if (!is_op(c->k, e, SC_ADD, &a[0], &a[1]))
        return 0;
    for (int i = 0; i < 2; i++)
        if (is_op(c->k, a[i], SC_MUL, q, &s) && is_below(c, a[!i], s))
            return s;
    return 0;
}

/* What all stores to first's buffer scale this axis by; 0: there is none. */
static lp_expr common_scale(checker *c, const store *first, int axis)
{
    lp_expr q, s = scale_of(c, first->idx[axis], &q);

    for (uint32_t i = 0; s && i < c->store.len; i++) {
        const store *other = &c->store.at[i];
        if (other->buf == first->buf && scale_of(c, other->idx[axis], &q) != s)
            return 0;
    }
    return s;
}

/* Leaves out of the indices of all stores to first's buffer what does not matter. */
static void simplify(checker *c, const store *first)
{
    int rank = c->k->buf.at[first->buf].rank;
    lp_buf buf = first->buf;

    for (int axis = 0; axis < rank; axis++) {
        bool scaled = common_scale(c, first, axis);
        for (uint32_t i = 0; scaled && i < c->store.len; i++)
            if (c->store.at[i].buf == buf)
                scale_of(c, c->store.at[i].idx[axis], &c->store.at[i].idx[axis]);
    }
    for (uint32_t i = 0; i < c->store.len; i++)
        if (c->store.at[i].buf == buf)
            join_axes(c, &c->store.at[i]);
}

/* Has variable v of the parallel loop at most one value? */
static bool is_single(checker *c, uint32_t v)
{
    return most(c->k, c->par->lo[v], c->par->hi[v]) <= c->par->step[v];
}

/* Does e hold variable v, which is not told? */
static bool is_untold(const checker *c, uint32_t v, lp_expr e)
{
    return !(c->told >> v & 1) && lp_depends(c->k, e, c->par->var[v]);
}

/* The only variable not told that e holds; -1 if none or several. */
static int only_variable(const checker *c, lp_expr e)
{
    int found = -1;

    for (uint32_t v = 0; v < c->par->nvar; v++) {
        if (!is_untold(c, v, e))
            continue;
        if (found >= 0)
            return -1;
        found = (int)v;
    }
    return found;
}

/* Enlarges `all` by r: their bases must differ by a constant. */
static bool unite(lp_kernel *k, range *all, const range *r)
{
    int64_t by, end;
    range low = *all, high = *r;

    if (!lp_is_int(k, lp_sub(k, r->base, all->base), &by) || by == INT64_MIN)
        return false;
    if (by < 0)
        low = *r, high = *all, by = -by;
    if (!add_ok(by, high.width, &end))
        return false;
    *all = (range){low.base, max_i64(low.width, end)};
    return true;
}

/* What axis `axis` of all stores to the first one's buffer covers. */
static bool cover(checker *c, const store *first, int axis, range *all)
{
    bool some = false;

    for (uint32_t i = 0; i < c->store.len; i++) {
        const store *s = &c->store.at[i];
        range r = {lp_int(c->k, 0), 0};
        if (s->buf != first->buf)
            continue;
        if (!s->idx[axis] || !split(c, s->idx[axis], 1, &r) || (some && !unite(c->k, all, &r)))
            return false;
        if (!some)
            *all = r;
        some = true;
    }
    return true;
}

/* Is n above 0 wherever v has a value?  So it is if v counts up to n. */
static bool is_positive(const checker *c, lp_expr n, uint32_t v)
{
    return lp_at(c->k, n)->lo >= 1 || (c->par->hi[v] == n && lp_at(c->k, c->par->lo[v])->lo >= 0);
}

/* The variable v, not told yet, of which the loop of e takes a part: from v * a / n up
 * to (v + 1) * a / n.  No two values of v share one of e.  -1: e is no such loop's. */
static int part_variable(checker *c, lp_expr e)
{
    const lp_node *x = lp_at(c->k, e);
    const lp_stmt *loop = x->kind == LX_VAR && x->ref < c->nvar ? c->at[x->ref].loop : NULL;
    lp_expr lo = loop ? loop->lo[0] : 0, stride;

    if (!lo || lp_at(c->k, lo)->kind != LX_FLOORDIV || !is_base(c, lo))
        return -1;
    const lp_expr *arg = c->k->arg.at + lp_at(c->k, lo)->arg;
    lp_expr first = arg[0], n = arg[1];
    int v = only_variable(c, lo);
    if (v < 0 || lp_depends(c->k, n, c->par->var[v]) || !is_positive(c, n, (uint32_t)v) ||
        c->par->step[v] != 1 || !lp_linear_in(c->k, first, c->par->var[v], &stride) ||
        lp_at(c->k, stride)->lo < 0)
        return -1;
    return loop->hi[0] == lp_div(c->k, lp_add(c->k, first, stride), n) ? v : -1;
}

/* Tells the variable of such a loop, if all stores to first's buffer are in it. */
static bool tell_by_part(checker *c, const store *first, int axis)
{
    int v = part_variable(c, first->idx[axis]);

    for (uint32_t i = 0; v >= 0 && i < c->store.len; i++) {
        const store *s = &c->store.at[i];
        if (s->buf == first->buf && s->idx[axis] != first->idx[axis])
            return false;
    }
    c->told |= v < 0 ? 0 : (uint32_t)1 << v;
    return v >= 0;
}

/* Adds how far the variables but v that are not told move a base. */
static bool add_others(const checker *c, lp_expr base, uint32_t v, int64_t *width)
{
    for (uint32_t u = 0; u < c->par->nvar; u++) {
        lp_expr stride;
        int64_t n = most(c->k, c->par->lo[u], c->par->hi[u]), s;
        if (u == v || !is_untold(c, u, base))
            continue;
        if (n == INT64_MAX || !lp_linear_in(c->k, base, c->par->var[u], &stride) ||
            !lp_is_int(c->k, stride, &s) || s < 0 || !mul_ok(s, max_i64(n - 1, 0), &s) ||
            !add_ok(*width, s, width))
            return false;
    }
    return true;
}

/* Do steps of v leave what else moves an index of that range? */
static bool leaves(const checker *c, const range *all, uint32_t v)
{
    lp_expr stride;
    int64_t s, step, width = all->width;

    if (!add_others(c, all->base, v, &width) ||
        !lp_linear_in(c->k, all->base, c->par->var[v], &stride))
        return false;
    for (uint32_t u = 0; u < c->par->nvar; u++)
        if (is_untold(c, u, stride))
            return false;
    return lp_is_int(c->k, stride, &s) ? mul_ok(s, c->par->step[v], &step) && step > width
                                       : lp_at(c->k, stride)->lo > width;
}

/* Tells a variable by this axis, if it does. */
static bool tell(checker *c, const store *first, int axis)
{
    range all = {0};

    if (!first->idx[axis])
        return false;
    if (tell_by_part(c, first, axis))
        return true;
    if (!cover(c, first, axis, &all))
        return false;
    for (uint32_t v = 0; v < c->par->nvar; v++)
        if (is_untold(c, v, all.base) && leaves(c, &all, v)) {
            c->told |= (uint32_t)1 << v;
            return true;
        }
    return false;
}

/* Telling one variable may let another axis tell the next, so the axes are gone
 * through again until none tells more. */
static bool buffer_disjoint(checker *c, const store *first)
{
    int rank = c->k->buf.at[first->buf].rank;

    simplify(c, first);
    c->told = 0;
    for (uint32_t v = 0; v < c->par->nvar; v++)
        c->told |= (uint32_t)is_single(c, v) << v;
    for (int i = 0; i < rank; i++)
        if (tell(c, first, i))
            i = -1;
    return c->told == ((uint64_t)1 << c->par->nvar) - 1;
}

/* ---- kernels ----------------------------------------------------------------- */

/* A condition under which a statement runs; `up` is that of the next branch around. */
typedef struct guard {
    lp_expr cond;
    bool not;                       /* the statement is in the else branch */
    const struct guard *up;
} guard;

/* Does g say that *x <= *c? */
static bool guard_limit(const lp_kernel *k, const guard *g, lp_expr *x, int64_t *c)
{
    const lp_node *n = lp_at(k, g->cond);
    bool strict = n->op == SC_LT;

    if (n->kind != LX_SCALAR || (n->op != SC_LT && n->op != SC_LE))
        return false;
    *x = k->arg.at[n->arg + g->not];
    strict ^= g->not;
    return lp_is_int(k, k->arg.at[n->arg + !g->not], c) &&
           !__builtin_sub_overflow(*c, (int64_t)strict, c);
}

/* An upper bound of e where x <= c; 0 if e does not grow with x. */
static lp_expr at_most(lp_kernel *k, lp_expr e, lp_expr x, int64_t c)
{
    const lp_node n = *lp_at(k, e);
    lp_expr args[3] = {0};
    int64_t by;
    bool same = true;

    if (e == x)
        return lp_int(k, c);
    if (n.kind != LX_FLOORDIV && (n.kind != LX_SCALAR || n.narg > 3))
        return e;
    for (uint32_t i = 0; i < n.narg; i++) {
        lp_expr arg = k->arg.at[n.arg + i];
        args[i] = at_most(k, arg, x, c);
        if (!args[i])
            return 0;
        same &= args[i] == arg;
    }
    bool scaled = (n.kind == LX_FLOORDIV || n.op == SC_MUL) && lp_is_int(k, args[1], &by) && by > 0;
    bool grows = scaled || n.op == SC_ADD || n.op == SC_MIN || n.op == SC_MAX;
    return same ? e : grows ? lp_rebuild(k, e, args) : 0;
}

/* Has variable v one value at most where g holds? */
static bool is_single_under(checker *c, uint32_t v, const guard *g)
{
    lp_expr x, hi;
    int64_t limit;

    if (!guard_limit(c->k, g, &x, &limit))
        return false;
    hi = at_most(c->k, c->par->hi[v], x, limit);
    return hi && most(c->k, c->par->lo[v], hi) <= c->par->step[v];
}

/* Is v in none of the indices of s, but in the condition g, or single there? */
static bool is_chosen_by(checker *c, const lp_stmt *s, uint32_t v, const guard *g)
{
    int rank = c->k->buf.at[s->buf].rank;

    for (int i = 0; i < rank; i++)
        if (lp_depends(c->k, s->idx[i], c->par->var[v]))
            return false;
    return lp_depends(c->k, g->cond, c->par->var[v]) || is_single_under(c, v, g);
}

static bool is_chosen(checker *c, const lp_stmt *s, const guard *g)
{
    for (; g; g = g->up)
        for (uint32_t v = 0; v < c->par->nvar; v++)
            if (is_chosen_by(c, s, v, g))
                return true;
    return false;
}

static void see_store(checker *c, const lp_stmt *s, const guard *g)
{
    const lp_buffer *b = &c->k->buf.at[s->buf];
    store st = {.buf = s->buf, .loc = s->loc};

    if (b->space == LP_ROW || b->space == LP_REG || is_chosen(c, s, g))
        return;
    memcpy(st.idx, s->idx, (size_t)b->rank * sizeof *st.idx);
    vec_push(&c->store, st);
}

/* Branches that are known not to run store nothing. */
static void see_block(checker *c, const lp_stmt *s, const guard *g)
{
    for (; s; s = s->next) {
        const guard yes = {s->value, false, g}, no = {s->value, true, g};
        if (s->op == LP_LOOP && s->kind != LP_PAR)
            c->at[s->var[0]].loop = s;
        if (s->op == LP_LET)
            c->at[s->var[0]].value = s->value;
        if (s->op == LP_STORE || s->op == LP_TRANSPOSE)
            see_store(c, s, g);
        if (s->op != LP_IF) {
            see_block(c, s->body, g);
            continue;
        }
        const lp_node *n = lp_at(c->k, s->value);
        bool known = n->kind == LX_LITERAL;
        if (!known || n->bits)
            see_block(c, s->body, &yes);
        if (!known || !n->bits)
            see_block(c, s->other, &no);
    }
}

/* Is it the first store to its buffer? */
static bool leads(const checker *c, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (c->store.at[j].buf == c->store.at[i].buf)
            return false;
    return true;
}

/* True without a parallel loop. */
bool lp_disjoint(lp_kernel *k, diag *d)
{
    checker c = {.k = k, .par = lp_find_par(k), .nvar = k->var.len};
    bool ok = true;

    if (!c.par)
        return true;
    c.at = mem_alloc(k->var.len * sizeof *c.at);
    see_block(&c, k->body, NULL);
    for (uint32_t i = 0; ok && i < c.store.len; i++) {
        const store *s = &c.store.at[i];
        if (leads(&c, i) && !buffer_disjoint(&c, s))
            ok = diag_error(d, s->loc, D_KERNEL, k->name, k->buf.at[s->buf].name,
                            "may be stored to by two iterations of the parallel loop at once");
    }
    mem_free(c.at);
    vec_free(&c.store);
    return ok;
}
