/* codegen/lower/body_dim.c - dims as index expressions.  The symbols that a dim is made
 * of, or what is no sum of products, become i64 parameters of the kernel. */
#include "body.h"

/* The parameter that is d in a call. */
static lp_expr ranged(body *b, ir_dim d, int64_t lo, int64_t hi)
{
    char name[32];

    for (uint32_t i = 0; i < b->dim.len; i++)
        if (dim_same(b->dim.at[i], d))
            return b->dim_expr.at[i];
    snprintf(name, sizeof name, "d%u", b->dim.len);
    lp_expr x = lp_dim_range(b->k, name, lo, hi, 1);
    vec_push(&b->dim, d);
    vec_push(&b->dim_expr, x);
    return x;
}

static lp_expr param(body *b, ir_dim d)
{
    const dim_table *t = &b->l->m->dims;

    return ranged(b, d, dim_lo(t, d), dim_hi(t, d));
}

lp_expr body_count(body *b, ir_dim d)
{
    return ranged(b, d, 1, INT64_MAX);
}

/* The sum of coefficients times atoms: 2 * n * m + 3. */
static lp_expr dim_poly(body *b, const dim_expr *e)
{
    lp_expr sum = 0;

    for (uint32_t i = 0; i < e->n; i++) {
        lp_expr p = lp_int(b->k, e->term[i].coef);
        for (uint32_t j = 0; j < e->term[i].n; j++)
            p = lp_mul(b->k, p, body_dim(b, e->term[i].atom[j]));
        sum = sum ? lp_add(b->k, sum, p) : p;
    }
    return sum;
}

/* The operators of dims are those of index arithmetic; comparisons give 0 or 1
 * there and bools here. */
lp_expr body_dim(body *b, ir_dim d)
{
    const dim_expr *e = dim_get(&b->l->m->dims, d);
    lp_kernel *k = b->k;

    if (!e)
        return lp_int(k, d.v);
    if (e->op == DIM_CONST)
        return lp_int(k, e->value);
    if (e->op == DIM_POLY)
        return dim_poly(b, e);
    if (e->op == DIM_SYM || b->apart)
        return param(b, d);
    lp_expr x = body_dim(b, e->arg[0]), y = body_dim(b, e->arg[1]);
    lp_expr one = lp_int(k, 1), zero = lp_int(k, 0);
    switch (e->op) {
    case DIM_DIV: return lp_div(k, x, y);
    case DIM_MOD: return lp_mod(k, x, y);
    case DIM_MIN: return lp_min(k, x, y);
    case DIM_MAX: return lp_max(k, x, y);
    case DIM_EQ: return lp_select(k, lp_eq(k, x, y), one, zero);
    case DIM_LT: return lp_select(k, lp_lt(k, x, y), one, zero);
    case DIM_LE: return lp_select(k, lp_le(k, x, y), one, zero);
    default:
        x = lp_2(k, SC_NE, x, zero);
        return lp_select(k, x, y, body_dim(b, e->arg[2]));
    }
}

void body_split(body *b, lp_expr linear, const ir_type *t, const int32_t *at, int n, lp_expr *idx)
{
    for (int i = n - 1; i >= 0; i--) {
        lp_expr e = body_dim(b, t->dim[at[i]]);
        idx[at[i]] = i ? lp_mod(b->k, linear, e) : linear;
        if (i)
            linear = lp_div(b->k, linear, e);
    }
}
