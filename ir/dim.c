/* ir/dim.c - canonical dims: their table, substitution and evaluation.
 *
 * Sums and products are kept as polynomials over atoms (dim_poly.c), so that equal
 * expressions meet in one table entry; the other operators are interned after
 * a few local rules (dim_ops.c).  An expression's size as a tree is bounded: shape
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

ir_dim dim_overflow(dim_table *t)
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

/* Operands are interned, so their handles stand for their content. */
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

/* A handle >= 0 is the number itself; others are ~index of the table, so negative.
 * Numbers below zero need an entry for that reason.  Terms are copied only if the
 * expression is new. */
ir_dim dim_intern(dim_table *t, dim_expr e)
{
    uint64_t h = hash_expr(&e);

    for (uint32_t p = map_find(&t->map, h); p != MAP_NONE; p = map_next(&t->map, h, p))
        if (same_expr(&t->expr.at[map_id(&t->map, p)], &e))
            return (ir_dim){~(int64_t)map_id(&t->map, p)};
    if (e.size > MAX_SIZE)
        return dim_overflow(t);
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

/* A name that is taken gets a number: N, N_2, N_3. `copies` of the first one
 * remembers how far that got, so that a thousand symbols of one name do not search
 * a thousand times each. */
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

/* A symbol that occurs twice is visited twice. */
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

/* Built again through the constructors, so that what became known is computed and
 * what became equal meets. */
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

/* value[s] is symbol s.  False if the number does not fit 64 bits. */
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

/* A guess for costs only, never for correctness: symbols count as their hint, else
 * 16 within their bounds.  What overflows counts as huge. */
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
