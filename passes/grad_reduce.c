/* passes/grad_reduce.c - gradients of reductions and of running ones.
 *
 * Products are where zeros matter: of y = a * b * c, dy/da is b * c, not y / a.  With the
 * product P of what is not 0, the number of zeros and their sum S, which is 0 but has a
 * gradient, it is P / a without zeros and P if a is the only one.  In between it is S * P / a,
 * which is 0, too, and is there for the second derivative. */
#include "axes.h"
#include "grad.h"

static const ir_type *type_of(ir_build *b, ir_ref r)
{
    return ir_type_of(b->fn, r);
}

static ir_ref number(ir_build *b, ir_ref like, double v)
{
    return ir_splat(b, type_of(b, like), v);
}

static ir_ref equals(ir_build *b, ir_ref x, double v)
{
    return ir_2(b, OP_EQ, x, number(b, x, v));
}

ir_ref grad_spread(ir_build *b, const ir_type *t, ir_ints axes, ir_ref r)
{
    int32_t kept[IR_MAX_RANK];

    for (int i = 0, k = 0; i < t->rank; i++)
        if (!ir_has_axis(axes, i))
            kept[k++] = i;
    return ir_broadcast(b, r, t->dim, t->rank, kept);
}

/* ---- products ---------------------------------------------------------------------- */

ir_ref grad_not_zero(ir_build *b, ir_ref x)
{
    return ir_select(b, equals(b, x, 0), number(b, x, 1), x);
}

ir_ref grad_is_zero(ir_build *b, ir_ref x)
{
    return ir_cast(b, equals(b, x, 0), type_of(b, x)->dtype);
}

ir_ref grad_zeros(ir_build *b, ir_ref x)
{
    return ir_select(b, equals(b, x, 0), x, number(b, x, 0));
}

grad_factors grad_factors_of(ir_build *b, ir_ref product, ir_ref zeros, ir_ref sum)
{
    ir_ref none = number(b, product, 0), one = number(b, product, 1);
    ir_ref is_one = equals(b, zeros, 1);
    ir_ref part = ir_select(b, equals(b, zeros, 0), one, ir_select(b, is_one, sum, none));

    return (grad_factors){ir_2(b, OP_MUL, product, part), ir_select(b, is_one, product, none),
                          ir_select(b, equals(b, zeros, 2), product, none), sum};
}

ir_ref grad_without(ir_build *b, ir_ref x, const grad_factors *f)
{
    ir_ref other = ir_2(b, OP_MUL, f->two, ir_2(b, OP_SUB, f->sum, x));

    return ir_select(b, equals(b, x, 0), ir_2(b, OP_ADD, f->one, other),
                     ir_2(b, OP_DIV, f->rest, grad_not_zero(b, x)));
}

/* Three reductions of the whole (rest, number and sum of zeros), then elementwise. */
ir_ref grad_of_product(ir_build *b, ir_ref x, ir_ints axes, ir_ref g)
{
    const ir_type *t = type_of(b, x);
    grad_factors f = grad_factors_of(
        b, ir_reduce(b, grad_not_zero(b, x), RED_PROD, axes.at, axes.n),
        ir_reduce(b, grad_is_zero(b, x), RED_SUM, axes.at, axes.n),
        ir_reduce(b, grad_zeros(b, x), RED_SUM, axes.at, axes.n));

    f = (grad_factors){grad_spread(b, t, axes, f.rest), grad_spread(b, t, axes, f.one),
                       grad_spread(b, t, axes, f.two), grad_spread(b, t, axes, f.sum)};
    return ir_2(b, OP_MUL, grad_spread(b, t, axes, g), grad_without(b, x, &f));
}

/* max and min: shared evenly among the elements that reach them. */
static ir_ref of_extremum(ir_build *b, ir_ref x, ir_ints axes, ir_ref y, ir_ref g)
{
    const ir_type *t = type_of(b, x);
    ir_ref hit = ir_2(b, OP_EQ, x, grad_spread(b, t, axes, y));
    ir_ref count = ir_reduce(b, ir_cast(b, hit, t->dtype), RED_SUM, axes.at, axes.n);

    return grad_mask(b, hit, grad_spread(b, t, axes, ir_2(b, OP_DIV, g, count)));
}

/* The reduction may be of a wider dtype than the operand; grad_add casts the share
 * back. */
bool grad_reduce(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0), wide = ir_cast(cx->b, x, grad_type(cx, n.first)->dtype);
    ir_ints axes = n.attr->REDUCE.axes;

    switch (n.attr->REDUCE.op) {
    case RED_SUM:
        grad_add(cx, x, grad_spread(cx->b, grad_type(cx, x), axes, gy[0]));
        return true;
    case RED_MIN:
    case RED_MAX:
        grad_add(cx, x, of_extremum(cx->b, wide, axes, n.first, gy[0]));
        return true;
    case RED_PROD:
        grad_add(cx, x, grad_of_product(cx->b, wide, axes, gy[0]));
        return true;
    default:
        return false;
    }
}

/* ---- running reductions ------------------------------------------------------------ */

static ir_ref cumul(ir_build *b, ir_ref x, struct ir_attr_CUMUL how, ir_redop op, bool back)
{
    ir_attr a = {.CUMUL = how};

    a.CUMUL.op = op;
    a.CUMUL.reverse ^= back;
    return ir_make(b, OP_CUMUL, &x, 1, &a);
}

/* y[i] is the product Y[i] of the elements up to i, with 1 for the first that is 0, times
 * Z[i]: 1 before that one, and it behind.  The share of an element that is not 0 is the sum
 * of g * Y * Z from there on, divided by it; that of the first 0 is the sum of g * Y. */
static ir_ref of_products(ir_build *b, ir_ref x, struct ir_attr_CUMUL how, ir_ref g)
{
    struct ir_attr_CUMUL whole = how;
    ir_ref zero = equals(b, x, 0), none = number(b, x, 0), one = number(b, x, 1);

    whole.exclusive = false;
    ir_ref count = cumul(b, grad_is_zero(b, x), whole, RED_SUM, false);
    ir_ref first = ir_2(b, OP_AND, zero, equals(b, count, 1));
    ir_ref product = cumul(b, ir_select(b, first, one, x), how, RED_PROD, false);
    ir_ref mark = ir_cast(b, first, type_of(b, x)->dtype);
    ir_ref before = equals(b, cumul(b, mark, how, RED_SUM, false), 0);
    ir_ref its = cumul(b, ir_select(b, first, x, none), how, RED_SUM, false);
    ir_ref of_first = ir_2(b, OP_MUL, g, product);
    ir_ref of_rest = ir_2(b, OP_MUL, of_first, ir_select(b, before, one, its));
    ir_ref share = ir_2(b, OP_DIV, cumul(b, of_rest, how, RED_SUM, true), grad_not_zero(b, x));
    ir_ref at_zero = ir_select(b, first, cumul(b, of_first, how, RED_SUM, true), none);

    return ir_select(b, zero, at_zero, share);
}

/* Each result goes to the last element so far that is the best one: a running position. */
static ir_ref of_best(grad_cx *cx, ir_ref x, struct ir_attr_CUMUL how, ir_ref g)
{
    ir_build *b = cx->b;
    const ir_type *t = type_of(b, x);
    struct ir_attr_CUMUL whole = how;

    whole.exclusive = false;
    ir_ref hit = ir_2(b, OP_EQ, x, cumul(b, x, whole, how.op, false));
    ir_ref at = ir_iota(b, DT_I64, t->dim, t->rank, (int)how.axis);
    ir_ref end = ir_dim_ref(b, t->dim[how.axis]);
    ir_ref outside = how.reverse ? ir_broadcast(b, end, t->dim, t->rank, NULL)
                                 : number(b, at, -1);
    at = ir_select(b, hit, at, outside);
    at = cumul(b, at, how, how.reverse ? RED_MIN : RED_MAX, false);
    return grad_scatter_along(cx, t, (int)how.axis, at, g);
}

/* A running sum goes back as the running sum from the other end. */
bool grad_cumul(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const struct ir_attr_CUMUL *a = &n.attr->CUMUL;

    switch (a->op) {
    case RED_SUM: grad_add(cx, x, cumul(cx->b, gy[0], *a, RED_SUM, true)); return true;
    case RED_PROD: grad_add(cx, x, of_products(cx->b, x, *a, gy[0])); return true;
    case RED_MIN:
    case RED_MAX: grad_add(cx, x, of_best(cx, x, *a, gy[0])); return true;
    default: return false;
    }
}
