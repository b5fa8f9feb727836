/* passes/chunk_rows.c - which nodes can be computed for some rows of a batch alone. */
#include "chunk.h"

#include "axes.h"

static bool is_axis(ir_ints axes, int32_t axis)
{
    return axes.n == 1 && axes.at[0] == axis;
}

static bool is_first(const dim_table *d, ir_dims list, int64_t value)
{
    return !list.n || dim_is(d, list.at[0], value);
}

int64_t chunk_rows(const ir_fn *fn, ir_ref r)
{
    const ir_type *t = ir_type_of(fn, r);
    int64_t n;

    return t->kind == TY_TENSOR && t->rank && dim_const(&fn->module->dims, t->dim[0], &n) ? n : 0;
}

/* Can the node's result be a sum of sums?  Each is rounded to its type: floats of less than
 * 32 bits, which are summed in f32, would be rounded once for each chunk. */
static bool adds_up(const ir_fn *fn, const ir_node *n)
{
    ir_dtype d = ir_type_of(fn, n->first)->dtype;

    return !dt_is_float(d) || dt_size(d) >= dt_size(DT_F32);
}

/* Of an image by rows; or of both operands, which are summed over them, as a filter's gradient
 * is. */
static bool of_conv(const ir_fn *fn, const ir_node *n, chunk_way *w)
{
    const struct ir_attr_CONV *a = &n->attr->CONV;

    w->rows[0] = true;
    w->rows[1] = w->sums = is_axis(a->xf, 0) && is_axis(a->wf, 0);
    return w->sums ? adds_up(fn, n) : is_axis(a->xb, 0) && is_axis(a->yb, 0);
}

static bool of_reduce(const ir_fn *fn, const ir_node *n, chunk_way *w)
{
    const struct ir_attr_REDUCE *a = &n->attr->REDUCE;

    w->rows[0] = true;
    w->sums = ir_has_axis(a->axes, 0);
    return !w->sums || (a->op == RED_SUM && adds_up(fn, n));
}

/* An operand that has no place on the first axis is the same for all rows. */
static bool of_broadcast(const ir_fn *fn, const ir_node *n, chunk_way *w)
{
    ir_ints axes = n->attr->BROADCAST.axes;
    ir_ref x = ir_arg(fn, n, 0);

    w->rows[0] = ir_has_axis(axes, 0) && chunk_rows(fn, x) == chunk_rows(fn, n->first);
    return w->rows[0] || !ir_has_axis(axes, 0) || chunk_rows(fn, x) == 1;
}

static bool of_window(const dim_table *d, const ir_node *n)
{
    const struct ir_attr_WINDOW *a = &n->attr->WINDOW;

    return is_first(d, a->size, 1) && is_first(d, a->stride, 1) && is_first(d, a->low, 0) &&
           is_first(d, a->high, 0);
}

static bool of_slice(const ir_fn *fn, const ir_node *n)
{
    const struct ir_attr_SLICE *a = &n->attr->SLICE;
    const dim_table *d = &fn->module->dims;

    return is_first(d, a->start, 0) && is_first(d, a->step, 1) &&
           chunk_rows(fn, ir_arg(fn, n, 0)) == chunk_rows(fn, n->first);
}

static bool of_pad(const dim_table *d, const ir_node *n)
{
    const struct ir_attr_PAD *a = &n->attr->PAD;

    return is_first(d, a->low, 0) && is_first(d, a->high, 0) && is_first(d, a->inner, 0);
}

bool chunk_find_way(const ir_fn *fn, const ir_node *n, chunk_way *w)
{
    const dim_table *d = &fn->module->dims;

    *w = (chunk_way){0};
    if (n->nres != 1 || n->narg > COUNT(w->rows) || ir_op_source(n->op))
        return false;
    switch (n->op) {
    case OP_CONV: return of_conv(fn, n, w);
    case OP_REDUCE: return of_reduce(fn, n, w);
    case OP_BROADCAST: return of_broadcast(fn, n, w);
    default: break;
    }
    for (uint32_t i = 0; i < n->narg; i++)
        w->rows[i] = n->op != OP_PAD || !i;
    if (!ir_type_of(fn, n->first)->rank)
        return false;
    switch (n->op) {
    case OP_RESHAPE: return chunk_rows(fn, ir_arg(fn, n, 0)) == chunk_rows(fn, n->first);
    case OP_TRANSPOSE: return n->attr->TRANSPOSE.perm.at[0] == 0;
    case OP_WINDOW: return of_window(d, n);
    case OP_SLICE: return of_slice(fn, n);
    case OP_PAD: return of_pad(d, n);
    case OP_CONCAT: return n->attr->CONCAT.axis != 0;
    default: return ir_op_scalar(n->op);
    }
}

static ir_dims with_rows(ir_dims shape, ir_dim rows, ir_dim *room)
{
    memcpy(room, shape.at, (size_t)shape.n * sizeof *room);
    room[0] = rows;
    return (ir_dims){shape.n, room};
}

ir_ref chunk_make(ir_build *b, const ir_node *n, const ir_ref *args, ir_dim rows)
{
    ir_dim room[IR_MAX_RANK];
    ir_attr a;

    if (n->op != OP_RESHAPE && n->op != OP_BROADCAST && n->op != OP_SLICE)
        return ir_make(b, n->op, args, n->narg, n->attr);
    a = *n->attr;
    if (n->op == OP_RESHAPE)
        a.RESHAPE.shape = with_rows(a.RESHAPE.shape, rows, room);
    else if (n->op == OP_BROADCAST)
        a.BROADCAST.shape = with_rows(a.BROADCAST.shape, rows, room);
    else
        a.SLICE.extent = with_rows(a.SLICE.extent, rows, room);
    return ir_make(b, n->op, args, n->narg, &a);
}
