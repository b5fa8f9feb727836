/* passes/lift.c - a node of a loop's body for all iterations at once: axes move by one, and
 * the first is that of the iterations. */
#include "lift.h"

#include "axes.h"

/* Axes as they are with one more in front; `first` puts that one among them. */
static ir_ints behind(ir_ints axes, bool first, int32_t *room)
{
    int n = 0;

    if (first)
        room[n++] = 0;
    for (int i = 0; i < axes.n; i++)
        room[n++] = axes.at[i] + 1;
    return (ir_ints){n, room};
}

static ir_dims in_front(ir_dim d, ir_dims dims, ir_dim *room)
{
    room[0] = d;
    if (dims.n)
        memcpy(room + 1, dims.at, (size_t)dims.n * sizeof *room);
    return (ir_dims){dims.n + 1, room};
}

/* A broadcast along the new axis; no memory is taken where readers can follow it. */
ir_ref lift_varying(ir_build *b, lifted arg, ir_dim trip)
{
    const ir_type *t = ir_type_of(b->fn, arg.x);
    ir_dim shape[IR_MAX_RANK + 1];
    int32_t axes[IR_MAX_RANK];

    if (arg.varies)
        return arg.x;
    for (int i = 0; i < t->rank; i++)
        axes[i] = i + 1;
    in_front(trip, (ir_dims){t->rank, t->dim}, shape);
    return ir_broadcast(b, arg.x, shape, t->rank + 1, axes);
}

/* A product: iterations are a batch axis where both operands vary, else a free axis of the
 * one that does, which the result has behind its batch axes and those of a. */
static ir_ref lift_dot(ir_build *b, const ir_node *n, const lifted *arg)
{
    struct ir_attr_DOT d = n->attr->DOT;
    int32_t room[4][IR_MAX_RANK + 1];
    bool both = arg[0].varies && arg[1].varies;
    int free_a = ir_type_of(b->fn, arg[0].x)->rank - d.batch_a.n - d.sum_a.n, batch = d.batch_a.n;
    const ir_ref x[2] = {arg[0].x, arg[1].x};

    if (arg[0].varies) {
        d.batch_a = behind(d.batch_a, both, room[0]);
        d.sum_a = behind(d.sum_a, false, room[1]);
    }
    if (arg[1].varies) {
        d.batch_b = behind(d.batch_b, both, room[2]);
        d.sum_b = behind(d.sum_b, false, room[3]);
    }
    ir_ref y = ir_make(b, OP_DOT, x, 2, &(ir_attr){.DOT = d});
    if (y == IR_NONE || both)
        return y;
    return ir_axis_first(b, y, arg[0].varies ? batch : batch + free_a);
}

bool lift_can(const ir_node *n)
{
    switch (n->op) {
    case OP_TRANSPOSE: case OP_RESHAPE: case OP_BROADCAST: case OP_SLICE: case OP_PAD:
    case OP_CONCAT: case OP_REDUCE: case OP_DOT: return true;
    default: return ir_op_scalar(n->op);
    }
}

/* The attributes of a node that moves or reduces, with the axis in front. */
static ir_attr shifted(const ir_node *n, ir_dim trip, ir_dim (*dims)[IR_MAX_RANK + 1],
                       int32_t *axes)
{
    const ir_dim zero = {0}, one = {1};
    ir_attr a = *n->attr;

    switch (n->op) {
    case OP_TRANSPOSE:
        a.TRANSPOSE.perm = behind(a.TRANSPOSE.perm, true, axes);
        break;
    case OP_RESHAPE:
        a.RESHAPE.shape = in_front(trip, a.RESHAPE.shape, dims[0]);
        break;
    case OP_BROADCAST:
        a.BROADCAST.shape = in_front(trip, a.BROADCAST.shape, dims[0]);
        a.BROADCAST.axes = behind(a.BROADCAST.axes, true, axes);
        break;
    case OP_SLICE:
        a.SLICE.start = in_front(zero, a.SLICE.start, dims[0]);
        a.SLICE.step = in_front(one, a.SLICE.step, dims[1]);
        a.SLICE.extent = in_front(trip, a.SLICE.extent, dims[2]);
        break;
    case OP_PAD:
        a.PAD.low = in_front(zero, a.PAD.low, dims[0]);
        a.PAD.high = in_front(zero, a.PAD.high, dims[1]);
        if (a.PAD.inner.n)
            a.PAD.inner = in_front(zero, a.PAD.inner, dims[2]);
        break;
    case OP_CONCAT:
        a.CONCAT.axis++;
        break;
    default:
        a.REDUCE.axes = behind(a.REDUCE.axes, false, axes);
    }
    return a;
}

/* The value around a pad is one scalar: lift_can has seen to it that it does not
 * vary. */
ir_ref lift_node(ir_build *b, const ir_node *n, const lifted *arg, ir_dim trip)
{
    ir_dim dims[3][IR_MAX_RANK + 1];
    int32_t axes[IR_MAX_RANK + 1];
    VEC(ir_ref) x = {0};

    if (n->op == OP_DOT)
        return lift_dot(b, n, arg);
    for (uint32_t i = 0; i < n->narg; i++)
        vec_push(&x, n->op == OP_PAD && i == 1 ? arg[i].x : lift_varying(b, arg[i], trip));
    const ir_attr a = ir_op_scalar(n->op) ? (ir_attr){0} : shifted(n, trip, dims, axes);
    ir_ref y = ir_make(b, n->op, x.at, x.len, ir_op_scalar(n->op) ? n->attr : &a);
    vec_free(&x);
    return y;
}

static ir_ref sum_first(ir_build *b, ir_ref x)
{
    return ir_reduce(b, x, RED_SUM, (const int32_t[]){0}, 1);
}

/* Where one operand is the same in all iterations, the other is summed before. */
static ir_ref sum_of_dots(ir_build *b, const ir_node *n, const lifted *arg)
{
    struct ir_attr_DOT d = n->attr->DOT;
    int32_t room[4][IR_MAX_RANK + 1];
    ir_ref x[2] = {arg[0].x, arg[1].x};

    if (arg[0].varies && arg[1].varies) {
        d.batch_a = behind(d.batch_a, false, room[0]);
        d.batch_b = behind(d.batch_b, false, room[1]);
        d.sum_a = behind(d.sum_a, true, room[2]);
        d.sum_b = behind(d.sum_b, true, room[3]);
    } else {
        int k = arg[1].varies;
        x[k] = sum_first(b, x[k]);
    }
    return ir_make(b, OP_DOT, x, 2, &(ir_attr){.DOT = d});
}

ir_ref lift_sum(ir_build *b, const ir_node *n, const lifted *arg)
{
    struct ir_attr_REDUCE r;
    int32_t room[IR_MAX_RANK + 1];

    if (n->op == OP_DOT)
        return sum_of_dots(b, n, arg);
    r = n->attr->REDUCE;
    r.axes = behind(r.axes, true, room);
    return ir_make(b, OP_REDUCE, &arg[0].x, 1, &(ir_attr){.REDUCE = r});
}
