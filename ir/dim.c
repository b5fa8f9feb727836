/* ir/dim.c - canonical dims.
 *
 * Sums and products are kept as polynomials over atoms, so that equal
 * expressions meet in one table entry; the other operators are interned after
 * a few local rules.  An expression's size as a tree is bounded: shape
 * arithmetic of a hostile file would double it with every node.  What goes
 * over a bound, or over 64 bits, sets `overflow` and gives 0. */
#include "dim_poly.h"

void dim_init(dim_table *t, arena *mem)
{
    *t = (dim_table){.mem = mem};
}

void dim_free(dim_table *t)
{
    vec_free(&t->expr);
    vec_free(&t->symbol);
    map_free(&t->map);
    names_free(&t->names);
}

/* Sets the table's flag; gives the dim 0. */
static ir_dim overflow(dim_table *t)
{
    t->overflow = true;
    return (ir_dim){0};
}

const dim_expr *dim_get(const dim_table *t, ir_dim d)
{
    return d.v < 0 ? &t->expr.at[~d.v] : NULL;
}

bool dim_const(const dim_table *t, ir_dim d, int64_t *value)
{
    const dim_expr *e = dim_get(t, d);

    if (e && e->op != DIM_CONST)
        return false;
    *value = e ? e->value : d.v;
    return true;
}

bool dim_is(const dim_table *t, ir_dim d, int64_t value)
{
    int64_t v;

    return dim_const(t, d, &v) && v == value;
}

int64_t dim_lo(const dim_table *t, ir_dim d)
{
    return d.v < 0 ? dim_get(t, d)->lo : d.v;
}

int64_t dim_hi(const dim_table *t, ir_dim d)
{
    return d.v < 0 ? dim_get(t, d)->hi : d.v;
}

/* ---- interning ------------------------------------------------------------ */

static uint64_t hash_expr(const dim_expr *e)
{
    uint64_t h = hash_mix(e->op, (uint64_t)e->value);

    for (int i = 0; i < 3; i++)
        h = hash_mix(h, (uint64_t)e->arg[i].v);
    for (uint32_t i = 0; i < e->n; i++) {
        h = hash_mix(h, (uint64_t)e->term[i].coef);
        for (uint32_t j = 0; j < e->term[i].n; j++)
            h = hash_mix(h, (uint64_t)e->term[i].atom[j].v);
    }
    return h;
}

static bool same_terms(const dim_term *a, const dim_term *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (a[i].coef != b[i].coef || a[i].n != b[i].n ||
            (a[i].n && memcmp(a[i].atom, b[i].atom, a[i].n * sizeof(ir_dim))))
            return false;
    return true;
}

static bool same_expr(const dim_expr *a, const dim_expr *b)
{
    return a->op == b->op && a->value == b->value && a->n == b->n &&
           a->arg[0].v == b->arg[0].v && a->arg[1].v == b->arg[1].v &&
           a->arg[2].v == b->arg[2].v && same_terms(a->term, b->term, a->n);
}

static dim_term *copy_terms(dim_table *t, const dim_expr *e)
{
    dim_term *term = arena_array(t->mem, dim_term, e->n);

    for (uint32_t i = 0; i < e->n; i++) {
        term[i] = e->term[i];
        term[i].atom = arena_copy(t->mem, e->term[i].atom,
                                  e->term[i].n * sizeof(ir_dim));
    }
    return term;
}

ir_dim dim_intern(dim_table *t, dim_expr e)
{
    uint64_t h = hash_expr(&e);

    for (uint32_t p = map_find(&t->map, h); p != MAP_NONE; p = map_next(&t->map, h, p))
        if (same_expr(&t->expr.at[map_id(&t->map, p)], &e))
            return (ir_dim){~(int64_t)map_id(&t->map, p)};
    if (e.size > MAX_SIZE)
        return overflow(t);
    if (e.n)
        e.term = copy_terms(t, &e);
    vec_push(&t->expr, e);
    map_add(&t->map, h, t->expr.len - 1);
    return (ir_dim){~(int64_t)(t->expr.len - 1)};
}

ir_dim dim_int(dim_table *t, int64_t value)
{
    if (value >= 0)
        return (ir_dim){value};
    return dim_intern(t, (dim_expr){.op = DIM_CONST, .value = value, .lo = value,
                                .hi = value, .size = 1});
}

ir_dim dim_symbol_new(dim_table *t, const char *name, int64_t lo, int64_t hi)
{
    char *unique = arena_strdup(t->mem, name);
    uint32_t first = names_find(&t->names, name);

    while (names_find(&t->names, unique) != NAMES_NONE)
        unique = arena_printf(t->mem, "%s_%u", name, ++t->symbol.at[first].copies + 1);
    uint32_t id = names_add(&t->names, unique);
    ir_dim d = dim_intern(t, (dim_expr){.op = DIM_SYM, .value = id, .lo = lo,
                                    .hi = hi, .size = 1});
    vec_push(&t->symbol, (dim_symbol){.name = unique, .lo = lo, .hi = hi, .self = d});
    return d;
}

void dim_symbol_bound(dim_table *t, uint32_t id, int64_t lo, int64_t hi, int64_t hint)
{
    dim_symbol *s = &t->symbol.at[id];
    dim_expr *e = &t->expr.at[~s->self.v];

    e->lo = s->lo = lo;
    e->hi = s->hi = hi;
    s->hint = hint;
}

uint32_t dim_symbol_id(const dim_table *t, ir_dim d)
{
    const dim_expr *e = dim_get(t, d);

    return e && e->op == DIM_SYM ? (uint32_t)e->value : NAMES_NONE;
}

ir_dim dim_symbol_named(const dim_table *t, const char *name, bool *found)
{
    uint32_t id = names_find(&t->names, name);

    *found = id != NAMES_NONE;
    return *found ? t->symbol.at[id].self : (ir_dim){0};
}

/* ---- ranges: INT64_MIN and INT64_MAX stand for unbounded ------------------ */

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
    return ok ? sum(t, &p) : overflow(t);
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
        return add_ok(x, y, &x) ? dim_int(t, x) : overflow(t);
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

static uint32_t merge_atoms(const ir_dim *a, uint32_t na, const ir_dim *b,
                            uint32_t nb, ir_dim *out)
{
    uint32_t i = 0, j = 0, n = 0;

    while (i < na || j < nb)
        out[n++] = j == nb || (i < na && a[i].v > b[j].v) ? a[i++] : b[j++];
    return n;
}

ir_dim dim_mul(dim_table *t, ir_dim a, ir_dim b)
{
    poly p, q, r;
    ir_dim atom[2 * MAX_ATOMS];
    int64_t x, y;

    if (both_const(t, a, b, &x, &y))
        return mul_ok(x, y, &x) ? dim_int(t, x) : overflow(t);
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
                return overflow(t);
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

/* ---- substitution, evaluation --------------------------------------------- */

ir_dim dim_make(dim_table *t, dim_op op, const ir_dim *a)
{
    switch (op) {
    case DIM_DIV: return dim_div(t, a[0], a[1]);
    case DIM_MOD: return dim_mod(t, a[0], a[1]);
    case DIM_MIN: return dim_min(t, a[0], a[1]);
    case DIM_MAX: return dim_max(t, a[0], a[1]);
    case DIM_EQ: return dim_eq(t, a[0], a[1]);
    case DIM_LT: return dim_lt(t, a[0], a[1]);
    case DIM_LE: return dim_le(t, a[0], a[1]);
    case DIM_SELECT: return dim_select(t, a[0], a[1], a[2]);
    default: ice(__FILE__, __LINE__, __func__, "dim operator %d", op);
    }
}

void dim_each_symbol(const dim_table *t, ir_dim d, dim_visit *visit, void *cx)
{
    const dim_expr *e = dim_get(t, d);

    if (!e || e->op == DIM_CONST)
        return;
    if (e->op == DIM_SYM) {
        visit(cx, (uint32_t)e->value);
        return;
    }
    for (uint32_t i = 0; i < e->n; i++)
        for (uint32_t j = 0; j < e->term[i].n; j++)
            dim_each_symbol(t, e->term[i].atom[j], visit, cx);
    for (int i = 0; i < 3 && e->op != DIM_POLY; i++)
        dim_each_symbol(t, e->arg[i], visit, cx);
}

ir_dim dim_apply(dim_table *t, const dim_subst *s, ir_dim d)
{
    if (d.v >= 0)
        return d;
    dim_expr e = *dim_get(t, d);        /* a copy: the table grows */
    ir_dim a[3], sum = {0};

    switch (e.op) {
    case DIM_CONST:
        return d;
    case DIM_SYM:
        return (uint64_t)e.value < s->n && s->given[e.value] ? s->to[e.value] : d;
    case DIM_POLY:
        for (uint32_t i = 0; i < e.n; i++) {
            ir_dim p = dim_int(t, e.term[i].coef);
            for (uint32_t j = 0; j < e.term[i].n; j++)
                p = dim_mul(t, p, dim_apply(t, s, e.term[i].atom[j]));
            sum = dim_add(t, sum, p);
        }
        return sum;
    default:
        for (int i = 0; i < 3; i++)
            a[i] = dim_apply(t, s, e.arg[i]);
        return dim_make(t, e.op, a);
    }
}

static bool eval_poly(const dim_table *t, const dim_expr *e,
                      const int64_t *value, int64_t *out)
{
    *out = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        int64_t p = e->term[i].coef, x;
        for (uint32_t j = 0; j < e->term[i].n; j++)
            if (!dim_eval(t, e->term[i].atom[j], value, &x) || !mul_ok(p, x, &p))
                return false;
        if (!add_ok(*out, p, out))
            return false;
    }
    return true;
}

bool dim_eval(const dim_table *t, ir_dim d, const int64_t *value, int64_t *out)
{
    const dim_expr *e = dim_get(t, d);
    int64_t a[3];

    if (!e || e->op == DIM_CONST || e->op == DIM_SYM) {
        *out = !e ? d.v : e->op == DIM_CONST ? e->value : value[e->value];
        return true;
    }
    if (e->op == DIM_POLY)
        return eval_poly(t, e, value, out);
    for (int i = 0; i < (e->op == DIM_SELECT ? 3 : 2); i++)
        if (!dim_eval(t, e->arg[i], value, &a[i]))
            return false;
    switch (e->op) {
    case DIM_DIV: *out = floor_div_i64(a[0], a[1]); break;
    case DIM_MOD: *out = floor_mod_i64(a[0], a[1]); break;
    case DIM_MIN: *out = min_i64(a[0], a[1]); break;
    case DIM_MAX: *out = max_i64(a[0], a[1]); break;
    case DIM_EQ: *out = a[0] == a[1]; break;
    case DIM_LT: *out = a[0] < a[1]; break;
    case DIM_LE: *out = a[0] <= a[1]; break;
    default: *out = a[0] ? a[1] : a[2]; break;
    }
    return true;
}

int64_t dim_hint(const dim_table *t, ir_dim d)
{
    enum { DEFAULT_HINT = 16 };
    int64_t v = 0;

    if (dim_const(t, d, &v))
        return v;
    int64_t *value = mem_alloc((t->symbol.len + 1) * sizeof *value);
    for (uint32_t i = 0; i < t->symbol.len; i++) {
        const dim_symbol *s = &t->symbol.at[i];
        value[i] = s->hint ? s->hint : min_i64(max_i64(DEFAULT_HINT, s->lo), s->hi);
    }
    if (!dim_eval(t, d, value, &v))
        v = INT64_MAX;
    mem_free(value);
    return v;
}
