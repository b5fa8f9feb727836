/* passes/plan_size.c - bounds of sizes that must be known before the run.
 *
 * A symbol of an input is known; one that a node defines may have an upper
 * bound over input symbols (nonzero: the element count).  A size is bounded by
 * replacing what makes it larger by its bound and what makes it smaller by its
 * constant lower bound. */
#include "planner.h"

/* A symbol's own range counts as its bound only below this. */
enum { SMALL_BOUND = 65536 };

void plan_bound_set(planner *pl, uint32_t symbol, ir_dim bound)
{
    while (pl->bound.len <= symbol) {
        vec_push(&pl->bound, (ir_dim){0});
        vec_push(&pl->bounded, false);
    }
    pl->bound.at[symbol] = bound;
    pl->bounded.at[symbol] = true;
}

/* The bound that the symbol's maker gave, else the end of its range where that is small:
 * memory for a wide range would mostly lie idle. */
static bool upper_symbol(planner *pl, ir_dim d, ir_dim *out)
{
    uint32_t id = dim_symbol_id(&pl->m->dims, d);

    if (id < pl->bounded.len && pl->bounded.at[id]) {
        *out = pl->bound.at[id];
        return true;
    }
    if (dim_lo(&pl->m->dims, d) >= 0 && dim_hi(&pl->m->dims, d) <= SMALL_BOUND) {
        *out = dim_int(&pl->m->dims, dim_hi(&pl->m->dims, d));
        return true;
    }
    return false;
}

/* A term with a negative coefficient counts with its least value. */
static bool lower_term(planner *pl, const dim_term *t, ir_dim *out)
{
    dim_table *dt = &pl->m->dims;
    ir_dim product = dim_int(dt, t->coef);

    for (uint32_t i = 0; i < t->n; i++) {
        int64_t lo = dim_lo(dt, t->atom[i]);
        if (lo < 0)
            return false;
        product = dim_mul(dt, product, dim_int(dt, lo));
    }
    *out = product;
    return true;
}

/* coef * product of atoms: each is replaced by its bound, which is right only if none of
 * several is negative. */
static bool upper_term(planner *pl, const dim_term *t, ir_dim *out)
{
    dim_table *dt = &pl->m->dims;
    ir_dim product = dim_int(dt, t->coef), x;

    if (t->coef < 0)
        return lower_term(pl, t, out);
    for (uint32_t i = 0; i < t->n; i++) {
        if ((t->n > 1 && dim_lo(dt, t->atom[i]) < 0) || !plan_upper(pl, t->atom[i], &x))
            return false;
        product = dim_mul(dt, product, x);
    }
    *out = product;
    return true;
}

/* The sum of the bounds of its terms. */
static bool upper_poly(planner *pl, ir_dim d, ir_dim *out)
{
    uint32_t n = dim_get(&pl->m->dims, d)->n;
    ir_dim sum = dim_int(&pl->m->dims, 0), x;

    for (uint32_t i = 0; i < n; i++) {
        dim_term t = dim_get(&pl->m->dims, d)->term[i];
        if (!upper_term(pl, &t, &x))
            return false;
        sum = dim_add(&pl->m->dims, sum, x);
    }
    *out = sum;
    return true;
}

/* The bound of a quotient, remainder, minimum, maximum or choice; of a comparison it is 1. */
static bool upper_op(planner *pl, const dim_expr *x, ir_dim *out)
{
    dim_table *dt = &pl->m->dims;
    ir_dim a, b;

    switch (x->op) {
    case DIM_DIV:
        if (dim_lo(dt, x->arg[1]) < 1 || !plan_upper(pl, x->arg[0], &a))
            return false;
        *out = dim_div(dt, dim_max(dt, a, dim_int(dt, 0)), dim_int(dt, dim_lo(dt, x->arg[1])));
        return true;
    case DIM_MOD:
        return dim_lo(dt, x->arg[1]) >= 0 && plan_upper(pl, x->arg[1], out);
    case DIM_MIN:
        if (plan_upper(pl, x->arg[0], &a)) {
            *out = plan_upper(pl, x->arg[1], &b) ? dim_min(dt, a, b) : a;
            return true;
        }
        return plan_upper(pl, x->arg[1], out);
    case DIM_MAX:
    case DIM_SELECT:
        if (!plan_upper(pl, x->arg[x->op == DIM_SELECT], &a) ||
            !plan_upper(pl, x->arg[x->op == DIM_SELECT ? 2 : 1], &b))
            return false;
        *out = dim_max(dt, a, b);
        return true;
    default:
        *out = dim_int(dt, 1);
        return true;
    }
}

typedef struct inputs_only {
    planner *pl;
    bool yes;
} inputs_only;

static void see_symbol(void *cx, uint32_t symbol)
{
    inputs_only *in = cx;
    const planner *pl = in->pl;

    in->yes &= symbol < pl->bounded.len && pl->bounded.at[symbol] &&
               dim_same(pl->bound.at[symbol], pl->m->dims.symbol.at[symbol].self);
}

/* What is made of input symbols alone is its own bound.  False: only the run knows. */
bool plan_upper(planner *pl, ir_dim d, ir_dim *out)
{
    const dim_expr *e = dim_get(&pl->m->dims, d);
    inputs_only in = {pl, true};

    *out = d;
    if (!e || e->op == DIM_CONST)
        return true;
    dim_each_symbol(&pl->m->dims, d, see_symbol, &in);
    if (in.yes)
        return true;
    if (e->op == DIM_SYM)
        return upper_symbol(pl, d, out);
    dim_expr copy = *e;         /* the table may grow */
    return e->op == DIM_POLY ? upper_poly(pl, d, out) : upper_op(pl, &copy, out);
}

/* Each extent by itself, then their product. */
bool plan_reserve(planner *pl, const ir_type *t, ir_dim *out)
{
    dim_table *dt = &pl->m->dims;
    ir_dim size = dim_int(dt, dt_size(t->dtype)), x;

    for (int i = 0; i < t->rank; i++) {
        if (!plan_upper(pl, t->dim[i], &x))
            return false;
        size = dim_mul(dt, size, x);
    }
    *out = size;
    return true;
}
