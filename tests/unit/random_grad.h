/* tests/unit/random_grad.h - a random network of any kind, differentiated: the result is the
 * gradient of a weighted sum by all its floating inputs, one behind the other. */
#ifndef RANDOM_GRAD_H
#define RANDOM_GRAD_H

#include "random_net.h"

static inline ir_ref flattened(net *t, ir_ref x)
{
    ir_dim count = type_count(&t->m->types, type_of(t, x));

    return ir_reshape(&t->b, x, &count, 1);
}

/* The sum of x, each third element of which counts threefold. */
static inline ir_ref loss_of(net *t, ir_ref x)
{
    ir_build *b = &t->b;
    ir_dtype dt = type_of(t, x)->dtype;
    ir_ref flat = flattened(t, x);
    ir_ref third = ir_iota(b, DT_I64, type_of(t, flat)->dim, 1, 0);

    third = ir_2(b, OP_MOD, third, ir_splat(b, type_of(t, third), 3));
    ir_ref weight = ir_cast(b, ir_2(b, OP_ADD, third, ir_splat(b, type_of(t, third), 1)), dt);
    return ir_reduce(b, ir_2(b, OP_MUL, flat, weight), RED_SUM, (int32_t[]){0}, 1);
}

static inline ir_ref differentiated(net *t, ir_ref y)
{
    ir_ref args[INPUTS + 1], part[INPUTS];
    uint32_t n = 1;

    if (y == IR_NONE || !dt_is_float(type_of(t, y)->dtype))
        return y;
    args[0] = loss_of(t, y);
    for (int i = 0; i < t->nin; i++)
        if (type_of(t, t->in[i])->dtype == type_of(t, y)->dtype)
            args[n++] = t->in[i];
    if (n == 1)
        return y;
    ir_ref dx = ir_make(&t->b, OP_GRAD, args, n, NULL);
    for (uint32_t i = 0; i + 1 < n; i++)
        part[i] = flattened(t, dx + i);
    return ir_concat(&t->b, part, (int)n - 1, 0);
}

/* Kinds without integers. */
static inline ir_ref make_grad(net *t)
{
    static make_fn *const kind[] = {make_map, make_reduce, make_window, make_cumul, make_scatter,
                                    make_dot, make_conv};

    return differentiated(t, kind[below(t, COUNT(kind))](t));
}

#endif
