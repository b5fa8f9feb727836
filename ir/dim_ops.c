/* ir/dim_ops.c - quotients, remainders, comparisons, choices of dims: the
 * local rules before one is interned. */
#include "dim_poly.h"

/* ---- division ------------------------------------------------------------- */

/* Is coef*atoms a multiple of the monomial m?  The quotient goes to *qc, q. */
static bool term_divides(const poly *m, int64_t coef, const ir_dim *atom,
                         uint32_t n, int64_t *qc, ir_dim *q, uint32_t *qn)
{
    uint32_t j = 0;

    if (!m->term[0].coef || floor_mod_i64(coef, m->term[0].coef))
        return false;
    *qc = floor_div_i64(coef, m->term[0].coef);
    *qn = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (j < m->term[0].n && atom[i].v == m->term[0].atom[j].v)
            j++;
        else
            q[(*qn)++] = atom[i];
    }
    return j == m->term[0].n;
}

/* a = q * b + r where b is a monomial: the terms that b divides, and the rest;
 * a constant term is split so that 0 <= its rest < b for constant b. */
static bool split(const poly *a, const poly *b, poly *q, poly *r)
{
    ir_dim atom[MAX_ATOMS];
    int64_t c;
    uint32_t n;

    q->n = r->n = 0;
    for (int i = 0; i < a->n; i++) {
        int64_t coef = a->term[i].coef;
        if (term_divides(b, coef, a->term[i].atom, a->term[i].n, &c, atom, &n)) {
            if (!poly_add(q, c, atom, n))
                return false;
            continue;
        }
        if (b->term[0].n == 0) {        /* constant divisor: part of the coef */
            int64_t d = b->term[0].coef, whole = floor_div_i64(coef, d);
            if (a->term[i].n == 0 && whole &&
                !poly_add(q, whole, NULL, 0))
                return false;
            if (a->term[i].n == 0)
                coef -= whole * d;
        }
        if (!poly_add(r, coef, a->term[i].atom, a->term[i].n))
            return false;
    }
    return true;
}

static ir_dim atom2(dim_table *t, dim_op op, ir_dim a, ir_dim b, dim_range r)
{
    return dim_intern(t, (dim_expr){.op = op, .arg = {a, b}, .lo = r.lo, .hi = r.hi,
                                .size = 1 + dim_size(t, a) + dim_size(t, b)});
}

/* Bounds of floor(x / y) for y >= 1: the sign of x decides which end of y makes it
 * smallest. */
static dim_range range_div(const dim_table *t, ir_dim a, ir_dim b)
{
    dim_range x = dim_range_of(t, a), y = dim_range_of(t, b), r = {INT64_MIN, INT64_MAX};

    if (y.lo < 1)
        return x.lo >= 0 && y.lo >= 0 ? (dim_range){0, x.hi} : r;
    if (x.lo != INT64_MIN)
        r.lo = x.lo >= 0 ? (y.hi == INT64_MAX ? 0 : floor_div_i64(x.lo, y.hi))
                         : floor_div_i64(x.lo, y.lo);
    if (x.hi != INT64_MAX)
        r.hi = x.hi >= 0 ? floor_div_i64(x.hi, y.lo)
                         : (y.hi == INT64_MAX ? -1 : floor_div_i64(x.hi, y.hi));
    return r;
}

/* a == c * b for a constant c? */
static bool multiple_of(const poly *a, const poly *b, int64_t *c)
{
    if (!a->n || a->n != b->n || floor_mod_i64(a->term[0].coef, b->term[0].coef))
        return false;
    *c = floor_div_i64(a->term[0].coef, b->term[0].coef);
    for (int i = 0; i < a->n; i++) {
        int64_t want;
        if (!mul_ok(b->term[i].coef, *c, &want) || a->term[i].coef != want ||
            poly_compare(a->term[i].atom, a->term[i].n, b->term[i].atom, b->term[i].n))
            return false;
    }
    return true;
}

/* (x/d + c) / y = (x + c*d) / (d*y) for numbers d, y > 0 and c. */
static bool quotient_of(dim_table *t, ir_dim a, int64_t y, ir_dim *whole, ir_dim *by)
{
    poly p;
    const dim_expr *e = NULL;
    int64_t c = 0, d, shift, product;

    poly_of(t, a, &p);
    for (int i = 0; i < p.n; i++) {
        if (!p.term[i].n)
            c = p.term[i].coef;
        else if (e || p.term[i].n != 1 || p.term[i].coef != 1)
            return false;
        else
            e = dim_get(t, p.term[i].atom[0]);
    }
    if (!e || e->op != DIM_DIV || !dim_const(t, e->arg[1], &d) || d <= 0 ||
        !mul_ok(c, d, &shift) || !mul_ok(d, y, &product))
        return false;
    ir_dim x = e->arg[0];       /* the table moves as dims are made */
    *whole = dim_add(t, x, dim_int(t, shift));
    *by = dim_int(t, product);
    return true;
}

/* Rounds down.  In this order: numbers; nested divisions by numbers become one;
 * multiples; the part of a sum that b divides is taken out, so (4*N + 3) / 4 is N;
 * what is below b is 0. A division by 0 gives 0, as generated code does. */
ir_dim dim_div(dim_table *t, ir_dim a, ir_dim b)
{
    poly p, d, q, r;
    int64_t x, y;

    if (dim_const(t, b, &y)) {
        if (dim_const(t, a, &x))
            return dim_int(t, floor_div_i64(x, y));
        if (y == 0 || y == 1)
            return y ? a : (ir_dim){0};
        ir_dim whole, by;
        if (y > 0 && quotient_of(t, a, y, &whole, &by))
            return dim_div(t, whole, by);
    }
    if (dim_is(t, a, 0))
        return a;
    poly_of(t, a, &p);
    poly_of(t, b, &d);
    if (multiple_of(&p, &d, &x))
        return dim_int(t, x);
    if (d.n == 1 && d.term[0].coef > 0 && split(&p, &d, &q, &r) && q.n) {
        ir_dim whole = poly_dim(t, &q), rest = poly_dim(t, &r);
        return r.n ? dim_add(t, whole, dim_div(t, rest, b)) : whole;
    }
    if (dim_lo(t, a) >= 0 && dim_hi(t, a) < dim_lo(t, b))
        return (ir_dim){0};
    return atom2(t, DIM_DIV, a, b, range_div(t, a, b));
}

ir_dim dim_ceildiv(dim_table *t, ir_dim a, ir_dim b)
{
    return dim_div(t, dim_add(t, a, dim_sub(t, b, (ir_dim){1})), b);
}

/* Result has the sign of b.  The same rules as for dim_div, so that x / b * b + x %
 * b meets in one form (dim.c, rejoin). */
ir_dim dim_mod(dim_table *t, ir_dim a, ir_dim b)
{
    poly p, d, q, r;
    int64_t x, y;

    if (dim_const(t, b, &y) && (y == 0 || y == 1))
        return (ir_dim){0};
    if (dim_const(t, a, &x) && dim_const(t, b, &y))
        return dim_int(t, floor_mod_i64(x, y));
    poly_of(t, a, &p);
    poly_of(t, b, &d);
    if (!p.n || multiple_of(&p, &d, &x))
        return (ir_dim){0};
    if (d.n == 1 && d.term[0].coef > 0 && split(&p, &d, &q, &r) && q.n)
        return dim_mod(t, poly_dim(t, &r), b);
    if (dim_lo(t, a) >= 0 && dim_hi(t, a) < dim_lo(t, b))
        return a;
    dim_range out = {INT64_MIN, INT64_MAX};
    if (dim_lo(t, b) >= 0) {
        out.lo = 0;
        out.hi = max_i64(dim_sat_add(dim_hi(t, b), -1), 0);
        if (dim_lo(t, a) >= 0)
            out.hi = min_i64(out.hi, dim_hi(t, a));
    }
    return atom2(t, DIM_MOD, a, b, out);
}

bool dim_divides(dim_table *t, ir_dim b, ir_dim a, ir_dim *quotient)
{
    *quotient = dim_div(t, a, b);
    return !dim_is(t, b, 0) && dim_same(dim_mul(t, *quotient, b), a);
}

/* ---- comparisons, min, max, select ---------------------------------------- */

/* Range of a - b; unbounded where it cannot be written, which is no error. */
static dim_range difference(dim_table *t, ir_dim a, ir_dim b)
{
    bool before = t->overflow;
    dim_range r = {INT64_MIN, INT64_MAX};

    t->overflow = false;
    ir_dim d = dim_sub(t, a, b);
    if (!t->overflow)
        r = dim_range_of(t, d);
    t->overflow = before;
    return r;
}

bool dim_differ(dim_table *t, ir_dim a, ir_dim b)
{
    dim_range d = difference(t, a, b);

    return d.lo > 0 || d.hi < 0 || dim_lo(t, a) > dim_hi(t, b) ||
           dim_hi(t, a) < dim_lo(t, b);
}

/* The difference has no constant term, and is 0 at the end of its range. */
bool dim_equal_empty(dim_table *t, ir_dim a, ir_dim b)
{
    bool before = t->overflow;

    t->overflow = false;
    ir_dim d = dim_sub(t, a, b);
    const dim_expr *e = t->overflow ? NULL : dim_get(t, d);
    t->overflow = before;
    return e && e->op == DIM_POLY && e->term[0].n && (e->lo == 0 || e->hi == 0);
}

/* -1: a <= b for certain; 1: a >= b for certain; 0: not known */
static int order(dim_table *t, ir_dim a, ir_dim b)
{
    dim_range d = difference(t, a, b);

    if (dim_hi(t, a) <= dim_lo(t, b) || d.hi <= 0)
        return -1;
    return dim_lo(t, a) >= dim_hi(t, b) || d.lo >= 0;
}

/* Is x an `op` with operand a? */
static bool has_operand(const dim_table *t, ir_dim x, dim_op op, ir_dim a)
{
    const dim_expr *e = dim_get(t, x);

    return e && e->op == op && (e->arg[0].v == a.v || e->arg[1].v == a.v);
}

/* By known order if there is one; then the rules of absorption, without which a
 * clamp that is applied twice would not be equal to the clamp.  Operands are
 * sorted, so that min(a, b) is min(b, a). */
static ir_dim min_max(dim_table *t, dim_op op, ir_dim a, ir_dim b)
{
    int o = order(t, a, b);
    bool min = op == DIM_MIN;
    dim_range x = dim_range_of(t, a), y = dim_range_of(t, b);

    if (o)
        return (o < 0) == min ? a : b;
    if (has_operand(t, b, op, a) || has_operand(t, a, min ? DIM_MAX : DIM_MIN, b))
        return b;                       /* min(a, min(a, b)), min(max(a, b), b) */
    if (has_operand(t, a, op, b) || has_operand(t, b, min ? DIM_MAX : DIM_MIN, a))
        return a;
    if (a.v < b.v) {                    /* older first */
        ir_dim swap = a;
        a = b, b = swap;
    }
    return atom2(t, op, a, b,
                 min ? (dim_range){min_i64(x.lo, y.lo), min_i64(x.hi, y.hi)}
                     : (dim_range){max_i64(x.lo, y.lo), max_i64(x.hi, y.hi)});
}

ir_dim dim_min(dim_table *t, ir_dim a, ir_dim b)
{
    return min_max(t, DIM_MIN, a, b);
}

ir_dim dim_max(dim_table *t, ir_dim a, ir_dim b)
{
    return min_max(t, DIM_MAX, a, b);
}

ir_dim dim_eq(dim_table *t, ir_dim a, ir_dim b)
{
    if (dim_same(a, b))
        return (ir_dim){1};
    if (dim_differ(t, a, b))
        return (ir_dim){0};
    return a.v > b.v ? atom2(t, DIM_EQ, a, b, (dim_range){0, 1})
                     : atom2(t, DIM_EQ, b, a, (dim_range){0, 1});
}

ir_dim dim_lt(dim_table *t, ir_dim a, ir_dim b)
{
    dim_range d = difference(t, a, b);

    if (dim_hi(t, a) < dim_lo(t, b) || d.hi < 0)
        return (ir_dim){1};
    if (dim_lo(t, a) >= dim_hi(t, b) || d.lo >= 0)  /* order: not for equal ones */
        return (ir_dim){0};
    return atom2(t, DIM_LT, a, b, (dim_range){0, 1});
}

ir_dim dim_le(dim_table *t, ir_dim a, ir_dim b)
{
    if (order(t, a, b) < 0)
        return (ir_dim){1};
    if (dim_lo(t, a) > dim_hi(t, b) || difference(t, a, b).lo > 0)
        return (ir_dim){0};
    return atom2(t, DIM_LE, a, b, (dim_range){0, 1});
}

/* c is `symbol == constant`: are a and b the same where it holds? */
static bool same_where(dim_table *t, const dim_expr *c, ir_dim a, ir_dim b)
{
    int64_t value;
    int symbol = dim_const(t, c->arg[0], &value) ? 1 : 0;
    const dim_expr *x = dim_get(t, c->arg[symbol]);

    if (!x || x->op != DIM_SYM || !dim_const(t, c->arg[!symbol], &value) ||
        dim_size(t, a) + dim_size(t, b) > MAX_BRANCHES)
        return false;
    bool *given = mem_alloc(t->symbol.len * sizeof *given), overflow = t->overflow;
    ir_dim *to = mem_alloc(t->symbol.len * sizeof *to);
    memset(given, 0, t->symbol.len * sizeof *given);
    given[x->value] = true;
    to[x->value] = c->arg[!symbol];
    dim_subst s = {to, given, t->symbol.len};
    ir_dim with_a = dim_apply(t, &s, a), with_b = dim_apply(t, &s, b);
    bool same = dim_same(with_a, with_b) && t->overflow == overflow;
    t->overflow = overflow;
    mem_free(given);
    mem_free(to);
    return same;
}

/* c ? a : b.  Where c is `x == 3`, sides that only differ elsewhere are one:
 * select(N == 1, 1, N) is N, which numpy's broadcasting produces often. */
ir_dim dim_select(dim_table *t, ir_dim c, ir_dim a, ir_dim b)
{
    if (dim_same(a, b) || dim_lo(t, c) > 0 || dim_hi(t, c) < 0)
        return a;
    if (dim_is(t, c, 0))
        return b;
    if (dim_is(t, a, 1) && dim_is(t, b, 0) && dim_lo(t, c) >= 0 && dim_hi(t, c) <= 1)
        return c;
    const dim_expr *e = dim_get(t, c);  /* select(eq(a, b), a, b) -> b */
    if (e->op == DIM_EQ && ((e->arg[0].v == a.v && e->arg[1].v == b.v) ||
                            (e->arg[0].v == b.v && e->arg[1].v == a.v)))
        return b;
    dim_expr copy = *e;                 /* the table may grow */
    if (copy.op == DIM_EQ && same_where(t, &copy, a, b))
        return b;
    dim_range x = dim_range_of(t, a), y = dim_range_of(t, b);
    return dim_intern(t, (dim_expr){.op = DIM_SELECT, .arg = {c, a, b},
                                .lo = min_i64(x.lo, y.lo), .hi = max_i64(x.hi, y.hi),
                                .size = 1 + dim_size(t, a) + dim_size(t, b) + dim_size(t, c)});
}
