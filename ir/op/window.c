/* ir/op/window.c - window and windowarg: reductions over a sliding box (pooling).
 *
 * Every list has one entry per axis.  Positions outside of the operand are
 * left out, not counted as zeros. */
#include "op/reduce.h"

typedef struct ir_attr_WINDOW window_attr;
_Static_assert(sizeof(struct ir_attr_WINDOW) == sizeof(struct ir_attr_WINDOWARG) &&
               offsetof(struct ir_attr_WINDOW, op) == offsetof(struct ir_attr_WINDOWARG, op),
               "both have the same fields");

static const window_attr *attr_of(const ir_attr *a, unsigned op)
{
    return op == OP_WINDOW ? &a->WINDOW : (const window_attr *)(const void *)&a->WINDOWARG;
}

/* floor((d + low + high - ((size - 1) * dil + 1)) / stride) + 1 */
static ir_dim windows(dim_table *t, const window_attr *a, int i, ir_dim d)
{
    ir_dim one = dim_int(t, 1);
    ir_dim reach = dim_mul(t, dim_sub(t, a->size.at[i], one), a->dil.at[i]);
    ir_dim padded = dim_add(t, dim_add(t, d, a->low.at[i]), a->high.at[i]);
    ir_dim room = dim_sub(t, padded, dim_add(t, reach, one));

    return dim_add(t, dim_div(t, room, a->stride.at[i]), one);
}

/* Both ops: `result` is the dtype, DT_NONE that of x. */
static bool infer(ir_infer *in, ir_dtype result, const window_attr *a)
{
    ir_dim dim[IR_MAX_RANK];
    int64_t v;

    if (!in_tensor(in, 0) || !red_accepts_number(in, a->op))
        return false;
    const ir_type *x = in_type(in, 0);
    if (!in_dims(in, "size", a->size, x->rank) || !in_dims(in, "stride", a->stride, x->rank) ||
        !in_dims(in, "dil", a->dil, x->rank) || !in_dims(in, "low", a->low, x->rank) ||
        !in_dims(in, "high", a->high, x->rank))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if ((dim_const(in_table(in), a->stride.at[i], &v) && v < 1) ||
            (dim_const(in_table(in), a->dil.at[i], &v) && v < 1) ||
            (dim_const(in_table(in), a->size.at[i], &v) && v < 1))
            return in_fail(in, "stride", "or size or dil is less than 1");
        dim[i] = windows(in_table(in), a, i, x->dim[i]);
    }
    return in_result(in, result == DT_NONE ? x->dtype : result, x->rank, dim);
}

bool ir_infer_window(ir_infer *in)
{
    return infer(in, DT_NONE, attr_of(in->attr, in->op));
}

bool ir_infer_windowarg(ir_infer *in)
{
    const window_attr *a = attr_of(in->attr, in->op);

    if (a->op != RED_MIN && a->op != RED_MAX)
        return in_fail(in, "op", "is neither min nor max");
    return infer(in, DT_I64, a);
}

typedef struct box {
    int rank;
    int64_t size[IR_MAX_RANK], stride[IR_MAX_RANK], dil[IR_MAX_RANK], low[IR_MAX_RANK];
    int64_t out[IR_MAX_RANK], own[IR_MAX_RANK];
} box;

/* The numbers of this run: windows, and the extents of the result. */
static bool box_of(ir_call *c, const window_attr *a, box *b)
{
    const ir_val *x = c->in[0];
    int64_t high[IR_MAX_RANK], reach, room;

    b->rank = x->rank;
    if (!eval_dims(c->e, a->size, b->size) || !eval_dims(c->e, a->stride, b->stride) ||
        !eval_dims(c->e, a->dil, b->dil) || !eval_dims(c->e, a->low, b->low) ||
        !eval_dims(c->e, a->high, high))
        return false;
    for (int i = 0; i < b->rank; i++) {
        if (b->size[i] < 1 || b->stride[i] < 1 || b->dil[i] < 1 ||
            !mul_ok(b->size[i] - 1, b->dil[i], &reach) ||
            !add_ok(x->dim[i], b->low[i], &room) || !add_ok(room, high[i], &room) ||
            __builtin_sub_overflow(room, reach, &room))
            return eval_fail(c->e, "window: size, stride or padding is out of bounds");
        room--;
        b->out[i] = room < 0 ? -((-room - 1) / b->stride[i] + 1) + 1 : room / b->stride[i] + 1;
    }
    strides_of(x->rank, x->dim, b->own);
    return true;
}

/* The part of the window at `at` that lies in x: extents, strides; its start. */
static int64_t clip(const box *b, const ir_val *x, const int64_t *at, walk *w)
{
    int64_t dim[IR_MAX_RANK], from[IR_MAX_RANK], start = 0;

    for (int i = 0; i < b->rank; i++) {
        int64_t p = at[i] * b->stride[i] - b->low[i];
        int64_t first = p >= 0 ? 0 : (-p - 1) / b->dil[i] + 1;
        int64_t last = p >= x->dim[i] ? 0 : (x->dim[i] - 1 - p) / b->dil[i] + 1;
        dim[i] = max_i64(min_i64(last, b->size[i]) - first, 0);
        from[i] = dim[i] ? p + first * b->dil[i] : 0;
    }
    walk_init(w, b->rank, dim);
    for (int i = 0; i < b->rank; i++) {
        w->stride[0][i] = dim[i] > 1 ? b->dil[i] * b->own[i] : 0;
        start += from[i] * b->own[i];
    }
    return start;
}

/* Reduces the elements that the walk meets from `start` on, wide, and stores the result. */
static void reduce_box(ir_redop op, const ir_val *x, int64_t start, walk *w, uint8_t *out)
{
    ir_dtype d = x->dtype;

    if (dt_is_float(d)) {
        double acc = red_start_flt(op);
        for (; w->left > 0; walk_next(w))
            acc = red_flt(op, acc, num_load_flt(d, val_at(x, start + w->off[0])));
        num_store_flt(d, out, acc);
    } else {
        int64_t acc = red_start_int(op, d);
        for (; w->left > 0; walk_next(w))
            acc = red_int(op, d, acc, val_int(x, start + w->off[0]));
        num_store_int(d, out, acc);
    }
}

/* Row-major index into x of the first best element; 0 for an empty window. */
static int64_t best_of(ir_redop op, const ir_val *x, int64_t start, walk *w)
{
    int64_t best = w->left > 0 ? start : 0;

    for (; w->left > 0; walk_next(w))
        if (red_better(op, false, x->dtype, val_at(x, start + w->off[0]), val_at(x, best)))
            best = start + w->off[0];
    return best;
}

/* Both ops; the cost is charged before the first window is looked at. */
static bool eval(ir_call *c, const window_attr *a, bool arg)
{
    const ir_val *x = c->in[0];
    int64_t each = 1;
    walk out, in;
    box b;

    if (!box_of(c, a, &b))
        return false;
    ir_val *r = c->out[0] = eval_new(c->e, arg ? DT_I64 : x->dtype, x->rank, b.out);
    if (!r)
        return false;
    for (int i = 0; i < b.rank; i++)
        each *= min_i64(b.size[i], max_i64(x->dim[i], 1));
    walk_init(&out, b.rank, b.out);
    if (!eval_charge(c->e, out.left > INT64_MAX / each ? INT64_MAX : out.left * each))
        return false;
    for (int64_t i = 0; out.left > 0; walk_next(&out), i++) {
        int64_t start = clip(&b, x, out.at, &in);
        if (arg)
            num_store_int(DT_I64, val_at(r, i), best_of(a->op, x, start, &in));
        else
            reduce_box(a->op, x, start, &in, val_at(r, i));
    }
    return true;
}

bool ir_eval_window(ir_call *c)
{
    return eval(c, attr_of(c->attr, c->n->op), false);
}

bool ir_eval_windowarg(ir_call *c)
{
    return eval(c, attr_of(c->attr, c->n->op), true);
}
