/* codegen/lower/best.c - the least or greatest element so far, and its position.
 * NaN is better than any number, and of equal elements the position decides, so the
 * result does not depend on the order in which elements are taken: lanes and parts
 * of a row can be compared in any. */
#include "best.h"

lp_expr best_worst(lp_kernel *k, const best *x)
{
    return redop_start(k, x->op, x->dtype);
}

lp_expr best_nowhere(lp_kernel *k, const best *x)
{
    int64_t most = x->place == DT_I32 ? INT32_MAX : INT64_MAX;

    return lp_const_int(k, x->place, x->last ? -1 : most);
}

/* Nothing was taken yet: the worst value there is, at a position behind all. */
void best_begin(lp_kernel *k, best *x, int lanes)
{
    lp_expr extent = lp_int(k, lanes);
    int rank = lanes > 0;

    x->value = lp_local(k, "best", x->dtype, rank, &extent, LP_REG, best_worst(k, x));
    x->where = lp_local(k, "where", x->place, rank, &extent, LP_REG, best_nowhere(k, x));
}

/* A new element is better, or equal and sooner (later, if the last one is asked
 * for). */
void best_take(lp_kernel *k, const best *x, const lp_expr *lane, lp_expr v, lp_expr p)
{
    v = lp_let(k, "x", v);
    p = lp_let(k, "p", lp_cast(k, x->place, p));
    lp_expr o = lp_let(k, "o", lp_load(k, x->value, lane));
    lp_expr old = lp_let(k, "old", lp_load(k, x->where, lane));
    lp_expr better = x->op == RED_MAX ? lp_lt(k, o, v) : lp_lt(k, v, o);
    lp_expr same = lp_eq(k, v, o), sooner = x->last ? lp_lt(k, old, p) : lp_lt(k, p, old);
    if (dt_is_float(x->dtype)) {
        lp_expr vn = lp_1(k, SC_ISNAN, v), on = lp_1(k, SC_ISNAN, o);
        better = lp_2(k, SC_OR, better, lp_and(k, vn, lp_1(k, SC_NOT, on)));
        same = lp_2(k, SC_OR, same, lp_and(k, vn, on));
    }
    lp_expr fresh = lp_let(k, "fresh", lp_2(k, SC_OR, better, lp_and(k, same, sooner)));
    lp_store(k, x->value, lane, lp_select(k, fresh, v, o));
    lp_store(k, x->where, lane, lp_select(k, fresh, p, old));
}

void best_fold(lp_kernel *k, best *x, int lanes)
{
    const best each = *x;

    best_begin(k, x, 0);
    lp_expr u = lp_unroll(k, "u", lanes);
    best_take(k, x, NULL, lp_load(k, each.value, &u), lp_load(k, each.where, &u));
    lp_end(k);
}

lp_expr best_position(lp_kernel *k, const best *x)
{
    lp_expr p = lp_load(k, x->where, NULL), none = lp_eq(k, p, best_nowhere(k, x));

    return lp_select(k, none, lp_int(k, 0), lp_cast(k, DT_I64, p));
}
