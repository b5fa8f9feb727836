/* ir/cost.c - what work costs. */
#include "cost.h"

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;

    return add_ok(a, b, &sum) ? sum : INT64_MAX;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;

    return mul_ok(a, b, &product) ? product : INT64_MAX;
}

void cost_add(cost *sum, const cost *c, int64_t n)
{
    sum->ops = plus(sum->ops, times(n, c->ops));
    sum->moves = plus(sum->moves, times(n, c->moves));
    sum->far = plus(sum->far, times(n, c->far));
    sum->bytes = plus(sum->bytes, times(n, c->bytes));
}

/* Operations and moves run beside each other, as many of each at a time.  One that may
 * miss the nearest cache counts half as much again, and four bytes of memory as one. */
int64_t cost_time(const cost *c)
{
    enum { BYTES = 4 };
    int64_t near = times(2, max_i64(c->ops, c->moves));

    return plus(near, plus(c->far, c->bytes / BYTES));
}

int64_t cost_of_node(const ir_node *n)
{
    if (ir_op_scalar(n->op))
        return sc_of((sc_op)n->op)->cost;
    return ir_op_moves(n->op) || ir_op_source(n->op) ? 0 : INT64_MAX;
}

static ir_dim extents(dim_table *dt, const ir_type *t, ir_ints axes)
{
    ir_dim n = dim_int(dt, 1);

    for (int i = 0; i < axes.n; i++)
        n = dim_mul(dt, n, t->dim[axes.at[i]]);
    return n;
}

ir_dim cost_sum_steps(dim_table *dt, const ir_fn *fn, const ir_node *n)
{
    if (n->op == OP_DOT)
        return extents(dt, ir_type_of(fn, ir_arg(fn, n, 0)), n->attr->DOT.sum_a);
    const struct ir_attr_CONV *a = &n->attr->CONV;
    const ir_type *w = ir_type_of(fn, ir_arg(fn, n, 1));
    ir_dim features = extents(dt, w, a->wf);
    ir_dim taps = dim_mul(dt, features, extents(dt, w, a->ws));
    return a->ldil.n ? dim_div(dt, taps, dim_product(dt, a->ldil.at, a->ldil.n)) : taps;
}
