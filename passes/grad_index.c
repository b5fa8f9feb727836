/* passes/grad_index.c - gradients of what is read or written at computed positions: gather,
 * scatter, and values in another order. */
#include "grad.h"

static ir_ref zeros(grad_cx *cx, const ir_type *t)
{
    return ir_splat(cx->b, t, 0);
}

/* scatter(base, index.., updates), with the index operands of node n, a gather or scatter. */
static ir_ref scatter(grad_cx *cx, ir_node n, ir_ints axes, ir_redop op, ir_ref base, ir_ref update)
{
    ir_ref args[IR_MAX_RANK + 2] = {base};
    ir_attr a = {.SCATTER = {.axes = axes, .op = op}};
    uint32_t k = 1;

    for (; k <= (uint32_t)axes.n; k++)
        args[k] = grad_arg(cx, n, k);
    args[k++] = update;
    return ir_make(cx->b, OP_SCATTER, args, k, &a);
}

/* The elements of x at node n's positions; 0 for those outside. */
static ir_ref gather(grad_cx *cx, ir_node n, ir_ints axes, ir_ref x)
{
    ir_ref index[IR_MAX_RANK];

    for (int i = 0; i < axes.n; i++)
        index[i] = grad_arg(cx, n, (uint32_t)i + 1);
    return ir_gather(cx->b, x, index, axes.at, axes.n, true);
}

/* zeros of type t with g added at index `at` along the axis, each element by
 * itself; the other axes keep their place, hence an iota for each. */
ir_ref grad_scatter_along(grad_cx *cx, const ir_type *t, int axis, ir_ref at, ir_ref g)
{
    ir_ref args[IR_MAX_RANK + 2] = {zeros(cx, t)};
    int32_t all[IR_MAX_RANK];
    ir_attr a = {.SCATTER = {.axes = {t->rank, all}, .op = RED_SUM}};
    const ir_type *u = grad_type(cx, g);
    uint32_t k = 1;

    for (int i = 0; i < t->rank; i++) {
        all[i] = i;
        args[k++] = i == axis ? at : ir_iota(cx->b, DT_I64, u->dim, u->rank, i);
    }
    args[k++] = g;
    return ir_make(cx->b, OP_SCATTER, args, k, &a);
}

/* The same where `at` is a vector along the axis: whole slices are added, which
 * takes one index and not one for each element. */
ir_ref grad_scatter_slices(grad_cx *cx, const ir_type *t, int axis, ir_ref at, ir_ref g)
{
    ir_ref args[3] = {zeros(cx, t), at};
    ir_attr a = {.SCATTER = {.axes = {1, &axis}, .op = RED_SUM}};
    int32_t perm[IR_MAX_RANK] = {axis};

    for (int i = 0, k = 1; i < t->rank; i++)
        if (i != axis)
            perm[k++] = i;
    args[2] = ir_transpose(cx->b, g, perm);
    return ir_make(cx->b, OP_SCATTER, args, 3, &a);
}

/* ---- gather ------------------------------------------------------------------------ */

/* As gather reads: an index outside is the nearest one inside.  The extent may
 * be beyond the index's own type. */
static ir_ref clamped(grad_cx *cx, ir_ref index, ir_dim extent)
{
    ir_ref x = ir_cast(cx->b, index, DT_I64);
    const ir_type *t = grad_type(cx, x);
    ir_ref last = ir_dim_ref(cx->b, dim_sub(&cx->b->m->dims, extent, (ir_dim){1}));

    last = ir_broadcast(cx->b, last, t->dim, t->rank, NULL);
    return ir_2(cx->b, OP_MIN, ir_2(cx->b, OP_MAX, x, ir_splat(cx->b, t, 0)), last);
}

/* scatter add into zeros, in increasing order of the updates */
bool grad_gather(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    ir_ref args[IR_MAX_RANK + 2] = {zeros(cx, grad_type(cx, x))};
    union ir_attr a = {.SCATTER = {.axes = n.attr->GATHER.axes, .op = RED_SUM}};
    uint32_t k = 1;

    for (uint32_t i = 1; i < n.narg; i++) {
        ir_dim extent = grad_type(cx, x)->dim[n.attr->GATHER.axes.at[i - 1]];
        ir_ref index = grad_arg(cx, n, i);
        args[k++] = n.attr->GATHER.zero ? index : clamped(cx, index, extent);
    }
    args[k++] = gy[0];
    grad_add(cx, x, ir_make(cx->b, OP_SCATTER, args, k, &a));
    return true;
}

/* ---- scatter ----------------------------------------------------------------------- */

/* A scatter while its gradient is made. */
typedef struct scattered {
    ir_node n;
    ir_ints axes;
    ir_ref base, update, g;
} scattered;

/* Which update of those to the same place is the last one: bool, in the shape of the
 * updates.  Each writes its number, and has won if it finds it there. */
static ir_ref is_last(grad_cx *cx, const scattered *s)
{
    ir_build *b = cx->b;
    const ir_type *index = grad_type(cx, grad_arg(cx, s->n, 1)), *t = grad_type(cx, s->base);
    const ir_type *u = grad_type(cx, s->update);
    ir_dim place[IR_MAX_RANK];
    int32_t own[IR_MAX_RANK];
    ir_attr a = {.SCATTER = {.axes = {s->axes.n, own}, .op = RED_SET}};
    ir_ref args[IR_MAX_RANK + 2], index_of[IR_MAX_RANK];

    for (int i = 0; i < s->axes.n; i++) {
        place[i] = t->dim[s->axes.at[i]];
        own[i] = i;
        args[i + 1] = index_of[i] = grad_arg(cx, s->n, (uint32_t)i + 1);
    }
    ir_dim count = dim_product(&b->m->dims, index->dim, index->rank);
    ir_ref number = ir_iota(b, DT_I64, &count, 1, 0);
    number = ir_reshape(b, number, index->dim, index->rank);
    args[0] = ir_splat(b, ir_ty(b, DT_I64, place, s->axes.n), -1);
    args[s->axes.n + 1] = number;
    ir_ref found = ir_make(b, OP_SCATTER, args, (uint32_t)s->axes.n + 2, &a);
    found = ir_gather(b, found, index_of, own, s->axes.n, true);
    for (int i = 0; i < index->rank; i++)
        own[i] = i;
    return ir_broadcast(b, ir_2(b, OP_EQ, found, number), u->dim, u->rank, own);
}

static void set(grad_cx *cx, const scattered *s)
{
    ir_ref none = zeros(cx, grad_type(cx, s->update)), g = gather(cx, s->n, s->axes, s->g);

    grad_add(cx, s->base, scatter(cx, s->n, s->axes, RED_SET, s->g, none));
    grad_add(cx, s->update, ir_select(cx->b, is_last(cx, s), g, none));
}

static void sum(grad_cx *cx, const scattered *s)
{
    grad_add(cx, s->base, s->g);
    grad_add(cx, s->update, gather(cx, s->n, s->axes, s->g));
}

/* max and min: shared evenly among those that are the result. */
static void extremum(grad_cx *cx, const scattered *s)
{
    ir_build *b = cx->b;
    ir_dtype dt = grad_type(cx, s->base)->dtype;
    ir_ref in_base = ir_2(b, OP_EQ, s->base, s->n.first);
    ir_ref hit = ir_2(b, OP_EQ, s->update, gather(cx, s->n, s->axes, s->n.first));
    ir_ref count = scatter(cx, s->n, s->axes, RED_SUM, ir_cast(b, in_base, dt),
                           ir_cast(b, hit, dt));
    ir_ref share = ir_2(b, OP_DIV, s->g, count);

    grad_add(cx, s->base, grad_mask(b, in_base, share));
    grad_add(cx, s->update, grad_mask(b, hit, gather(cx, s->n, s->axes, share)));
}

/* Of factors that meet in one place, each gets the product of all the others
 * (grad_reduce.c says how zeros are dealt with). The statistics are gathered back
 * to where the updates came from. */
static void product(grad_cx *cx, const scattered *s)
{
    ir_build *b = cx->b;
    ir_ref base = s->base, u = s->update;
    ir_ref all = scatter(cx, s->n, s->axes, RED_PROD, grad_not_zero(b, base), grad_not_zero(b, u));
    ir_ref none = scatter(cx, s->n, s->axes, RED_SUM, grad_is_zero(b, base), grad_is_zero(b, u));
    ir_ref own = scatter(cx, s->n, s->axes, RED_SUM, grad_zeros(b, base), grad_zeros(b, u));
    grad_factors f = grad_factors_of(b, all, none, own);

    grad_add(cx, base, ir_2(b, OP_MUL, s->g, grad_without(b, base, &f)));
    f = (grad_factors){gather(cx, s->n, s->axes, f.rest), gather(cx, s->n, s->axes, f.one),
                       gather(cx, s->n, s->axes, f.two), gather(cx, s->n, s->axes, f.sum)};
    ir_ref g = gather(cx, s->n, s->axes, s->g);
    grad_add(cx, u, ir_2(b, OP_MUL, g, grad_without(b, u, &f)));
}

/* RED_AND and RED_OR are of booleans, which have no gradient. */
bool grad_scatter(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    const scattered s = {n, n.attr->SCATTER.axes, grad_arg(cx, n, 0),
                         grad_arg(cx, n, n.narg - 1u), gy[0]};

    switch (n.attr->SCATTER.op) {
    case RED_SUM: sum(cx, &s); break;
    case RED_SET: set(cx, &s); break;
    case RED_PROD: product(cx, &s); break;
    case RED_MIN:
    case RED_MAX: extremum(cx, &s); break;
    default: return false;
    }
    return true;
}

/* ---- order ------------------------------------------------------------------------- */

/* Keys and payloads go back to where they came from: positions, sorted along with them. */
bool grad_sort(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    VEC(ir_ref) args = {0};
    const ir_type *t = grad_type(cx, n.first);
    int axis = (int)n.attr->SORT.axis;

    for (uint32_t i = 0; i < n.narg; i++)
        vec_push(&args, grad_arg(cx, n, i));
    vec_push(&args, ir_iota(cx->b, DT_I64, t->dim, t->rank, axis));
    ir_ref from = ir_make(cx->b, OP_SORT, args.at, args.len, n.attr) + n.narg;
    vec_free(&args);
    for (uint32_t i = 0; i < n.narg; i++)
        if (gy[i] != IR_NONE)
            grad_add(cx, grad_arg(cx, n, i), grad_scatter_along(cx, t, axis, from, gy[i]));
    return true;
}

bool grad_topk(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);

    grad_add(cx, x, grad_scatter_along(cx, grad_type(cx, x), (int)n.attr->TOPK.axis,
                                       n.first + 1, gy[0]));
    return true;
}

/* Each value is that of its first position. */
bool grad_unique(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_ref x = grad_arg(cx, n, 0);
    const ir_type *t = grad_type(cx, x), *from = t;
    int axis = n.attr->UNIQUE.flat ? 0 : (int)n.attr->UNIQUE.axis;

    if (n.attr->UNIQUE.flat) {
        ir_dim count = dim_product(&cx->b->m->dims, t->dim, t->rank);
        from = ir_ty(cx->b, t->dtype, &count, 1);
    }
    ir_ref g = grad_scatter_slices(cx, from, axis, n.first + 1, gy[0]);
    grad_add(cx, x, ir_reshape(cx->b, g, t->dim, t->rank));
    return true;
}
