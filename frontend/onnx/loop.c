/* frontend/onnx/loop.c - Loop, Scan.
 *
 * A value that a Loop carries may be of another extent in each iteration, as a list that
 * grows.  What the body makes of it tells: where an extent that it yields is not the one
 * that it got, the body is made again with a symbol there, whose size is carried, too. */
#include "../onnx_model.h"

/* Carries and stacked results of a node, so that its lists need no allocation. */
enum { MAX_RESULTS = 64 };

/* An axis of a carry that may have another extent in each iteration: this size. */
typedef struct free_axis {
    int carry, axis;
    ir_dim size;
} free_axis;

typedef VEC(free_axis) free_axes;

/* A loop node that is being made. */
typedef struct looping {
    onnx_op *n;
    const Onnx__GraphProto *g;          /* the body */
    ir_loop l;
    onnx_scope *scope;                  /* of the body */
    ir_ref in[MAX_RESULTS + 2];         /* the body's inputs as its graph has them */
    ir_ref out[MAX_RESULTS + 2];        /* the results of its graph */
    uint32_t ni;
    int carries;                        /* of the ONNX node: sizes follow them */
    free_axes *free;                    /* null: no extent may change */
} looping;

/* A scope of the body's own, whose parent is the graph that the node stands in. */
static void loop_open(looping *x)
{
    ir_loop_begin(&x->l, x->n->b, "body");
    x->scope = onnx_region_scope(x->n, &x->l.captured, 0);
}

/* The type in the body of carry k, which begins as `init`: with symbols for its free axes. */
static const ir_type *carry_type(const looping *x, int k, ir_ref init)
{
    const ir_type *t = onnx_type(x->n, init);
    ir_dim dim[IR_MAX_RANK];

    if (!x->free || t->kind != TY_TENSOR)
        return t;
    for (int i = 0; i < t->rank; i++)
        dim[i] = t->dim[i];
    for (uint32_t i = 0; i < x->free->len; i++)
        if (x->free->at[i].carry == k)
            dim[x->free->at[i].axis] = x->free->at[i].size;
    return ir_ty(x->n->b, t->dtype, dim, t->rank);
}

/* Carries, from the ONNX node's operand `first` on, then the sizes of their free axes. */
static bool loop_carries(looping *x, int first, int count)
{
    uint32_t sizes = x->free ? x->free->len : 0;
    ir_dim *syms = arena_array(&x->n->b->m->mem, ir_dim, sizes + 1);

    x->carries = count;
    for (int i = first; i < first + count; i++) {
        ir_ref init = onnx_in(x->n, i);
        if (init == IR_NONE)
            return onnx_fail(x->n, "operand %d is missing", i);
        x->in[x->ni++] = ir_loop_carry(&x->l, "carry", init, carry_type(x, i - first, init));
    }
    for (uint32_t i = 0; i < sizes; i++) {
        const free_axis *f = &x->free->at[i];
        ir_dim size = onnx_dim(x->n, onnx_in(x->n, first + f->carry), f->axis);
        ir_loop_carry(&x->l, "size", ir_dim_ref(x->n->b, size), NULL);
        syms[i] = f->size;
    }
    x->l.at.syms = (ir_dims){(int32_t)sizes, syms};
    return true;
}

static bool is_free(const free_axes *f, int carry, int axis)
{
    for (uint32_t i = 0; i < f->len; i++)
        if (f->at[i].carry == carry && f->at[i].axis == axis)
            return true;
    return false;
}

/* Carry k, of type t in the body, is `next` in the next iteration.  Extents that differ
 * become free: *again says that the body is to be made with them. */
static bool next_fits(looping *x, int k, const ir_type *t, const ir_type *next, bool *again)
{
    if (t == next)
        return true;
    if (t->kind != TY_TENSOR || next->kind != TY_TENSOR || t->rank != next->rank ||
        t->dtype != next->dtype)
        return onnx_gap(x->n, t->kind == TY_TENSOR
                        ? "a value carried around the loop changes its rank or type"
                        : "a sequence carried around the loop changes its type");
    if (!x->free)
        return onnx_gap(x->n, "a value carried around the loop changes its shape");
    for (int i = 0; i < t->rank; i++) {
        if (dim_same(t->dim[i], next->dim[i]) || is_free(x->free, k, i))
            continue;
        ir_dim size = dim_symbol_new(onnx_dims(x->n), "size", 0, INT64_MAX);
        vec_push(x->free, ((free_axis){k, i, size}));
        *again = true;
    }
    return true;
}

/* What is carried on, from out[first] on, and its sizes. */
static bool loop_next(looping *x, int first, bool *again)
{
    const ir_fn *body = x->l.body.fn;
    uint32_t sizes = x->free ? x->free->len : 0;

    for (int i = 0; i < x->carries; i++) {
        const ir_type *t = ir_type_of(body, body->param.at[i + 1]);
        if (!next_fits(x, i, t, ir_type_of(body, x->out[first + i]), again))
            return false;
        ir_loop_next(&x->l, x->out[first + i]);
    }
    for (uint32_t i = 0; i < sizes && !*again; i++) {
        const free_axis *f = &x->free->at[i];
        ir_dim size = ir_type_of(body, x->out[first + f->carry])->dim[f->axis];
        ir_loop_next(&x->l, ir_dim_ref(&x->l.body, size));
    }
    return true;
}

/* The body's nodes, and what its carries are in the next iteration, from out[first] on. */
static bool loop_body(looping *x, int first, bool *again)
{
    if (!onnx_region_graph(x->n, x->scope, x->g, x->in, x->out))
        return false;
    for (size_t i = 0; i < x->g->n_output; i++)
        if (x->out[i] == IR_NONE)
            return false;
    return loop_next(x, first, again);
}

/* The node, if all went well; its first result. */
static ir_ref loop_close(looping *x, bool ok)
{
    uint32_t sizes = x->free ? x->free->len : 0;

    x->l.failed |= !ok;
    scope_free(x->scope);
    ir_ref y = ir_loop_end(&x->l);
    for (int i = 0; i < x->n->nout && y != IR_NONE; i++)
        x->n->out[i] = y + (ir_ref)i + (i < x->carries ? 0 : sizes);
    return y;
}

/* A run-time count of iterations. */
static ir_dim trip_count(onnx_op *n, ir_ref x)
{
    ir_ref scalar = ir_cast(n->b, ir_reshape(n->b, x, NULL, 0), DT_I64);

    return dim_max(onnx_dims(n), ir_bind(n->b, scalar, "trip"), (ir_dim){0});
}

/* A condition that is left out, or known to hold: then only the trip count ends the
 * loop. */
static bool is_true(const ir_build *b, ir_ref x)
{
    bool v;

    return x == IR_NONE || (onnx_known_bool(b, x, &v) && v);
}

/* The iterations run may be fewer than the trip count: stacks have a symbol then. */
static void name_trips(looping *x)
{
    dim_table *t = onnx_dims(x->n);

    if (!is_true(&x->l.body, x->l.again) || !is_true(x->n->b, x->l.first))
        x->l.at.trips = dim_symbol_id(t, dim_symbol_new(t, "trips", 0, INT64_MAX));
}

/* For dim_each_symbol: wanted[0] is the symbol that is looked for, wanted[1]
 * becomes true where it occurs. */
static void see_symbol(void *cx, uint32_t symbol)
{
    uint32_t *wanted = cx;

    if (symbol == wanted[0])
        wanted[1] = true;
}

/* Stacks result i, whose extents must be the same in all iterations. */
static bool stack_result(looping *x, int i)
{
    const ir_type *t = ir_type_of(x->l.body.fn, x->out[i]);
    dim_table *d = onnx_dims(x->n);

    for (uint32_t k = 0; k < x->free->len; k++) {
        uint32_t wanted[2] = {dim_symbol_id(d, x->free->at[k].size), false};
        for (int axis = 0; t->kind == TY_TENSOR && axis < t->rank; axis++)
            dim_each_symbol(d, t->dim[axis], see_symbol, wanted);
        if (wanted[1])
            return onnx_gap(x->n, "what the loop stacks changes its shape");
    }
    ir_loop_stack(&x->l, x->out[i], 0);
    return true;
}

/* Body inputs: iteration, condition, carries; outputs: condition, carries,
 * scanned.  The condition that the body sees is true: it runs. */
static bool make_loop(onnx_op *n, looping *x, bool *again)
{
    int carries = n->nin - 2, results = (int)x->g->n_output;

    x->l.at.infinite = !onnx_has(n, 0);
    if (onnx_has(n, 0))
        x->l.at.trip = trip_count(n, onnx_in(n, 0));
    if (onnx_has(n, 1))
        x->l.first = ir_reshape(n->b, onnx_in(n, 1), NULL, 0);
    x->in[x->ni++] = x->l.i;
    x->in[x->ni++] = ir_int(&x->l.body, DT_BOOL, 1);
    if (!loop_carries(x, 2, carries) || !loop_body(x, 1, again) || *again)
        return false;
    x->l.again = ir_reshape(&x->l.body, x->out[0], NULL, 0);
    for (int i = carries + 1; i < results; i++)
        if (!stack_result(x, i))
            return false;
    if (results > carries + 1)
        name_trips(x);
    return true;
}

/* Each time that extents turn out to change the body is made with them free: an axis is
 * freed once, so that this ends. */
bool onnx_loop(onnx_op *n)
{
    const Onnx__GraphProto *g = onnx_graph_attr(n, "body");
    int carries = n->nin - 2, results = g ? (int)g->n_output : 0;
    free_axes free = {0};
    bool again = true, ok = false;

    if (!g || carries < 0 || (int)g->n_input != carries + 2 || carries > MAX_RESULTS ||
        results > MAX_RESULTS || results < carries + 1 || n->nout > results - 1)
        return onnx_fail(n, "takes a body that fits its operands");
    while (again) {
        looping x = {.n = n, .g = g, .free = &free};
        again = false;
        loop_open(&x);
        ok = make_loop(n, &x, &again);
        ok = loop_close(&x, ok) != IR_NONE;
    }
    vec_free(&free);
    return ok;
}

/* An optional list attribute of `count` integers, zeros if it is absent. */
static bool list_or(onnx_op *n, const char *name, int count, int64_t *out)
{
    int len;
    const int64_t *v = onnx_ints(n, name, &len);

    if (len >= 0 && len != count)
        return onnx_fail(n, "%s has %d elements, expected %d", name, len, count);
    for (int i = 0; i < count; i++)
        out[i] = len < 0 ? 0 : v[i];
    return true;
}

/* x with its axis turned around */
static ir_ref turned(onnx_op *n, ir_ref x, int axis)
{
    ir_dim d = onnx_dim(n, x, axis), last = dim_sub(onnx_dims(n), d, (ir_dim){1});
    ir_dim back = dim_int(onnx_dims(n), -1);

    return ir_slice_axis(n->b, x, axis, last, back, d);
}

/* Axes and directions of what is scanned and of what is stacked. */
typedef struct scan_lists {
    int64_t axes[MAX_RESULTS], ways[MAX_RESULTS], out_axes[MAX_RESULTS], out_ways[MAX_RESULTS];
} scan_lists;

/* Operand y, of which the body gets slices k. */
static bool scan_input(looping *x, const scan_lists *s, int k, ir_ref y)
{
    onnx_op *n = x->n;
    int axis;

    if (y == IR_NONE || !onnx_axis(n, s->axes[k], onnx_rank(n, y), &axis))
        return false;
    if (k == 0)
        x->l.at.trip = onnx_dim(n, y, axis);
    ir_check_dims(n->b, dim_eq(onnx_dims(n), onnx_dim(n, y, axis), x->l.at.trip),
                  "scanned inputs differ in length");
    y = s->ways[k] ? turned(n, y, axis) : y;
    x->in[x->ni++] = ir_loop_slice(&x->l, "x", y, axis);
    return true;
}

/* Stacks the results behind the carries, each along the axis that is listed, which
 * becomes one counted from the front. */
static bool scan_outputs(looping *x, scan_lists *s, int stacked)
{
    for (int i = 0; i < stacked; i++) {
        ir_ref y = x->out[x->l.at.carries + i];
        int axis;
        if (!onnx_axis(x->n, s->out_axes[i], ir_type_of(x->l.body.fn, y)->rank + 1, &axis))
            return false;
        s->out_axes[i] = axis;
        ir_loop_stack(&x->l, y, axis);
    }
    return true;
}

/* A loop over slices: operands are first the carries, then what is scanned; results
 * are first the carries, then what is stacked.  Axes and directions are attributes. */
bool onnx_scan_9(onnx_op *n)
{
    looping x = {.n = n, .g = onnx_graph_attr(n, "body")};
    scan_lists s;
    bool again = false;
    int64_t given = onnx_int(n, "num_scan_inputs", 0);

    if (!x.g || given < 1 || given > n->nin || n->nin > MAX_RESULTS ||
        (int)x.g->n_input != n->nin || x.g->n_output > MAX_RESULTS)
        return onnx_fail(n, "takes a body that fits its operands");
    int scans = (int)given, carries = n->nin - scans;
    int results = (int)x.g->n_output, stacked = results - carries;
    if (stacked < 0 || n->nout > results)
        return onnx_fail(n, "takes a body that fits its operands");
    if (!list_or(n, "scan_input_axes", scans, s.axes) ||
        !list_or(n, "scan_input_directions", scans, s.ways) ||
        !list_or(n, "scan_output_axes", stacked, s.out_axes) ||
        !list_or(n, "scan_output_directions", stacked, s.out_ways))
        return false;
    loop_open(&x);
    bool ok = loop_carries(&x, 0, carries);
    for (int i = 0; i < scans && ok; i++)
        ok = scan_input(&x, &s, i, onnx_in(n, carries + i));
    ok = ok && loop_body(&x, 0, &again) && scan_outputs(&x, &s, stacked);
    if (loop_close(&x, ok) == IR_NONE)
        return false;
    for (int i = carries; i < n->nout; i++)
        if (s.out_ways[i - carries])
            n->out[i] = turned(n, n->out[i], (int)s.out_axes[i - carries]);
    return true;
}
