/* ir/dim_poly.c - sums and products of dims, as polynomials.
 *
 * 2*N*M + N + 3 is three terms: coefficient 2 with the atoms N and M, 1 with N, 3 with
 * none.  An atom is whatever is no sum or product: a symbol, a quotient, a minimum.  A
 * product of sums is multiplied out and equal terms are merged, so two expressions that
 * are equal as polynomials are one entry of the table, whoever wrote them how. */
#include "dim_poly.h"

/* ---- ranges: INT64_MIN and INT64_MAX stand for unbounded ------------------ */

/* An unbounded operand keeps the sum unbounded, and so does an overflow: ranges may
 * only become wider than the truth. */
int64_t dim_sat_add(int64_t a, int64_t b)
{
    int64_t r;

    if (a == INT64_MIN || b == INT64_MIN)
        return INT64_MIN;
    if (a == INT64_MAX || b == INT64_MAX)
        return INT64_MAX;
    if (add_ok(a, b, &r))
        return r;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

/* 0 times unbounded is 0: an extent of 0 times anything has no elements. */
static int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;

    if (a == 0 || b == 0)
        return 0;
    bool negative = (a < 0) != (b < 0);
    if (a == INT64_MIN || a == INT64_MAX || b == INT64_MIN || b == INT64_MAX ||
        !mul_ok(a, b, &r))
        return negative ? INT64_MIN : INT64_MAX;
    return r;
}

/* The extremes of a product of intervals lie at their corners. */
static dim_range range_mul(dim_range a, dim_range b)
{
    int64_t p[4] = {sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi),
                    sat_mul(a.hi, b.lo), sat_mul(a.hi, b.hi)};
    dim_range r = {p[0], p[0]};

    for (int i = 1; i < 4; i++) {
        r.lo = min_i64(r.lo, p[i]);
        r.hi = max_i64(r.hi, p[i]);
    }
    return r;
}

/* Terms are taken as independent, so N - N + .. would be too wide; poly_add has
 * cancelled such terms before. */
static dim_range range_poly(const dim_table *t, const poly *p)
{
    dim_range sum = {0, 0};

    for (int i = 0; i < p->n; i++) {
        dim_range r = {p->term[i].coef, p->term[i].coef};
        for (uint32_t j = 0; j < p->term[i].n; j++)
            r = range_mul(r, dim_range_of(t, p->term[i].atom[j]));
        sum.lo = dim_sat_add(sum.lo, r.lo);
        sum.hi = dim_sat_add(sum.hi, r.hi);
    }
    return sum;
}

/* ---- polynomials ---------------------------------------------------------- */

/* A number is a term without atoms, an expression that is no sum is one atom with
 * coefficient 1: then a sum of any two dims is a sum of polynomials. */
void poly_of(const dim_table *t, ir_dim d, poly *p)
{
    const dim_expr *e = dim_get(t, d);
    int64_t v;

    p->n = 0;
    if (dim_const(t, d, &v)) {
        p->n = v != 0;
        p->term[0].coef = v;
        p->term[0].n = 0;
    } else if (e->op == DIM_POLY) {
        p->n = (int)e->n;
        for (uint32_t i = 0; i < e->n; i++) {
            p->term[i].coef = e->term[i].coef;
            p->term[i].n = e->term[i].n;
            memcpy(p->term[i].atom, e->term[i].atom, e->term[i].n * sizeof(ir_dim));
        }
    } else {
        p->n = 1;
        p->term[0].coef = 1;
        p->term[0].n = 1;
        p->term[0].atom[0] = d;
    }
}

int poly_compare(const ir_dim *a, uint32_t na, const ir_dim *b, uint32_t nb)
{
    if (na != nb)
        return na < nb ? -1 : 1;
    for (uint32_t i = 0; i < na; i++)
        if (a[i].v != b[i].v)           /* older entries first */
            return a[i].v > b[i].v ? -1 : 1;
    return 0;
}

/* Adds one term and keeps terms in the order of poly_compare, equal ones merged and
 * those of coefficient 0 gone: this makes the form canonical.  False if a
 * coefficient leaves 64 bits or the polynomial its room. */
bool poly_add(poly *p, int64_t coef, const ir_dim *atom, uint32_t n)
{
    int i = 0;

    while (i < p->n && poly_compare(p->term[i].atom, p->term[i].n, atom, n) < 0)
        i++;
    if (i < p->n && !poly_compare(p->term[i].atom, p->term[i].n, atom, n)) {
        if (!add_ok(p->term[i].coef, coef, &p->term[i].coef))
            return false;
        if (!p->term[i].coef)
            memmove(&p->term[i], &p->term[i + 1],
                    (size_t)(--p->n - i) * sizeof p->term[0]);
        return true;
    }
    if (p->n == MAX_TERMS || n > MAX_ATOMS)
        return false;
    memmove(&p->term[i + 1], &p->term[i], (size_t)(p->n++ - i) * sizeof p->term[0]);
    p->term[i].coef = coef;
    p->term[i].n = n;
    if (n)
        memcpy(p->term[i].atom, atom, n * sizeof *atom);
    return true;
}

/* The reverse of poly_of: a number, a bare atom, or a sum in the table. */
ir_dim poly_dim(dim_table *t, const poly *p)
{
    dim_term term[MAX_TERMS];
    dim_expr e = {.op = DIM_POLY, .n = (uint32_t)p->n, .term = term, .size = 1};
    dim_range r = range_poly(t, p);

    if (p->n == 0)
        return (ir_dim){0};
    if (p->n == 1 && p->term[0].n == 0)
        return dim_int(t, p->term[0].coef);
    if (p->n == 1 && p->term[0].n == 1 && p->term[0].coef == 1)
        return p->term[0].atom[0];
    for (int i = 0; i < p->n; i++) {
        term[i] = (dim_term){p->term[i].coef, p->term[i].n, p->term[i].atom};
        for (uint32_t j = 0; j < p->term[i].n; j++)
            e.size += dim_size(t, p->term[i].atom[j]);
    }
    e.lo = r.lo;
    e.hi = r.hi;
    return dim_intern(t, e);
}

/* Do the atoms of m and d agree but for one, a mod in m and a div of the same
 * operands in d? */
static bool mod_and_div(const dim_table *t, const ir_dim *m, const ir_dim *d,
                        uint32_t n, const dim_expr **mod, uint32_t *at)
{
    uint32_t i = 0, j = 0;
    const dim_expr *div = NULL;

    *mod = NULL;
    while (i < n || j < n) {
        if (i < n && j < n && m[i].v == d[j].v) {
            i++, j++;
        } else if (i < n && !*mod && dim_get(t, m[i])->op == DIM_MOD &&
                   (j == n || m[i].v > d[j].v || div)) {
            *at = i;
            *mod = dim_get(t, m[i++]);
        } else if (j < n && !div && dim_get(t, d[j])->op == DIM_DIV) {
            div = dim_get(t, d[j++]);
        } else {
            return false;
        }
    }
    return *mod && div && (*mod)->arg[0].v == div->arg[0].v &&
           (*mod)->arg[1].v == div->arg[1].v;
}

static ir_dim poly_mul_add(dim_table *t, const poly *p, int i, uint32_t skip, ir_dim x);

/* x / k * k + x % k -> x for a constant k, with any common factor. */
static bool rejoin(dim_table *t, poly *p, ir_dim *out)
{
    const dim_expr *mod;
    uint32_t at = 0;
    int64_t k, want;

    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->n; j++) {
            if (i == j || !p->term[i].n || p->term[i].n != p->term[j].n ||
                !mod_and_div(t, p->term[i].atom, p->term[j].atom, p->term[i].n, &mod, &at) ||
                !dim_const(t, mod->arg[1], &k) || !mul_ok(p->term[i].coef, k, &want) ||
                p->term[j].coef != want)
                continue;
            p->term[j].coef = 0;        /* dropped by poly_mul_add */
            *out = poly_mul_add(t, p, i, at, mod->arg[0]);
            return true;
        }
    return false;
}

static ir_dim sum(dim_table *t, poly *p)
{
    ir_dim d;
    bool maybe = false;

    for (int i = 0; i < p->n && !maybe; i++)
        for (uint32_t j = 0; j < p->term[i].n; j++)
            maybe |= dim_get(t, p->term[i].atom[j])->op == DIM_MOD;
    return maybe && rejoin(t, p, &d) ? d : poly_dim(t, p);
}

/* p with term i's atom `skip` replaced by x; terms of coefficient 0 vanish. */
static ir_dim poly_mul_add(dim_table *t, const poly *p, int i, uint32_t skip, ir_dim x)
{
    poly rest = {.n = 0};
    ir_dim factor = dim_int(t, p->term[i].coef);

    for (int j = 0; j < p->n; j++)
        if (j != i && p->term[j].coef)
            rest.term[rest.n++] = p->term[j];
    for (uint32_t j = 0; j < p->term[i].n; j++)
        factor = dim_mul(t, factor, j == skip ? x : p->term[i].atom[j]);
    return dim_add(t, poly_dim(t, &rest), factor);
}

/* a + scale * b */
static ir_dim add_scaled(dim_table *t, ir_dim a, ir_dim b, int64_t scale)
{
    poly p, q;
    bool ok = true;

    poly_of(t, a, &p);
    poly_of(t, b, &q);
    for (int i = 0; i < q.n; i++) {
        int64_t c;
        ok = ok && mul_ok(q.term[i].coef, scale, &c) &&
             poly_add(&p, c, q.term[i].atom, q.term[i].n);
    }
    return ok ? sum(t, &p) : dim_overflow(t);
}

/* Both constants, which most are: their sum or product at once. */
static bool both_const(const dim_table *t, ir_dim a, ir_dim b, int64_t *x, int64_t *y)
{
    return dim_const(t, a, x) && dim_const(t, b, y);
}

ir_dim dim_add(dim_table *t, ir_dim a, ir_dim b)
{
    int64_t x, y;

    if (both_const(t, a, b, &x, &y))
        return add_ok(x, y, &x) ? dim_int(t, x) : dim_overflow(t);
    return add_scaled(t, a, b, 1);
}

ir_dim dim_sub(dim_table *t, ir_dim a, ir_dim b)
{
    return a.v == b.v ? (ir_dim){0} : add_scaled(t, a, b, -1);
}

ir_dim dim_neg(dim_table *t, ir_dim a)
{
    return add_scaled(t, (ir_dim){0}, a, -1);
}

/* Atoms of a product, sorted: N*M and M*N are one monomial. */
static uint32_t merge_atoms(const ir_dim *a, uint32_t na, const ir_dim *b,
                            uint32_t nb, ir_dim *out)
{
    uint32_t i = 0, j = 0, n = 0;

    while (i < na || j < nb)
        out[n++] = j == nb || (i < na && a[i].v > b[j].v) ? a[i++] : b[j++];
    return n;
}

/* Every term by every term.  Products of sums are multiplied out, so (N+1)*2 and
 * 2*N+2 are equal; MAX_TERMS bounds what that may cost. */
ir_dim dim_mul(dim_table *t, ir_dim a, ir_dim b)
{
    poly p, q, r;
    ir_dim atom[2 * MAX_ATOMS];
    int64_t x, y;

    if (both_const(t, a, b, &x, &y))
        return mul_ok(x, y, &x) ? dim_int(t, x) : dim_overflow(t);
    if (dim_is(t, a, 1) || dim_is(t, b, 1))
        return dim_is(t, a, 1) ? b : a;
    r.n = 0;
    poly_of(t, a, &p);
    poly_of(t, b, &q);
    for (int i = 0; i < p.n; i++)
        for (int j = 0; j < q.n; j++) {
            int64_t c;
            uint32_t n = merge_atoms(p.term[i].atom, p.term[i].n, q.term[j].atom,
                                     q.term[j].n, atom);
            if (!mul_ok(p.term[i].coef, q.term[j].coef, &c) ||
                !poly_add(&r, c, atom, n))
                return dim_overflow(t);
        }
    return sum(t, &r);
}

ir_dim dim_product(dim_table *t, const ir_dim *d, int n)
{
    ir_dim p = {1};

    for (int i = 0; i < n; i++)
        p = dim_mul(t, p, d[i]);
    return p;
}
