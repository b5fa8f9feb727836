/* frontend/onnx/control.c - If, Loop, Scan.
 *
 * An If whose condition is known is its branch.  If the branches yield values
 * of different rank, the rest of the graph moves into both: see sink(). */
#include "../onnx_model.h"

enum { MAX_COPIES = 8, MAX_RESULTS = 64 };

static bool known_bool(const ir_build *b, ir_ref c, bool *v)
{
    const ir_dim *elem;
    int64_t count, k;

    if (!ir_known(b, c, &elem, &count) || count != 1 || !dim_const(&b->m->dims, elem[0], &k))
        return false;
    *v = k != 0;
    return true;
}

/* ---- parts that do not type-check ----------------------------------------------- */

/* Where the errors stood before a part that may turn out to be ill-typed. */
typedef struct mark {
    uint32_t errors, messages, gaps;
    int depth;
} mark;

static mark mark_here(const onnx_op *n)
{
    const diag *d = n->scope->model->d;

    return (mark){d->errors, d->message.len, d->gap.len, n->scope->model->depth};
}

/* Bound dims can leave a branch that no data reaches ill-typed: it becomes a
 * check that fails, and results that join with any type.  False if something is
 * not supported, which no message may hide.  The messages stay: see forgive. */
static bool must_not_be_reached(onnx_op *n, ir_build *b, const mark *m, ir_ref *out, size_t count)
{
    onnx_model *x = n->scope->model;
    diag *d = x->d;

    if (d->gap.len > m->gaps)
        return false;
    const char *why = d->message.len > m->messages ? d->message.at[m->messages].text : "ill-typed";
    d->errors = m->errors;
    x->depth = m->depth;
    ir_check(b, ir_int(b, DT_BOOL, 0), why);
    for (size_t i = 0; i < count; i++)
        out[i] = ir_never(b);
    return true;
}

static void forgive(onnx_op *n, const mark *m)
{
    n->scope->model->d->message.len = m->messages;
}

/* Gives the graph's results to side k. */
static bool yield(ir_branches *f, int k, const Onnx__GraphProto *g, const ir_ref *out)
{
    for (size_t i = 0; i < g->n_output; i++)
        ir_if_yield(f, k, g->output[i]->name ? g->output[i]->name : "", out[i]);
    return !f->failed;
}

/* One branch as side k; its results become the side's. */
static bool branch(onnx_op *n, ir_branches *f, int k, const Onnx__GraphProto *g, bool *dead)
{
    onnx_scope *s = onnx_region_scope(n, &f->captured, k);
    ir_ref out[MAX_RESULTS];
    mark m = mark_here(n);

    *dead = !onnx_region_graph(n, s, g, NULL, out);
    scope_free(s);
    return (!*dead || must_not_be_reached(n, &f->side[k], &m, out, g->n_output)) &&
           yield(f, k, g, out);
}

static bool same_ranks(const ir_branches *f)
{
    const ir_fn *a = f->side[0].fn, *b = f->side[1].fn;

    for (uint32_t i = 0; i < a->result.len; i++) {
        const ir_type *x = ir_type_of(a, a->result.at[i]), *y = ir_type_of(b, b->result.at[i]);
        if (x->kind == TY_NEVER || y->kind == TY_NEVER)
            continue;
        if (x->kind != y->kind || x->rank != y->rank || x->dtype != y->dtype)
            return false;
    }
    return true;
}

/* The nodes after this one, and the graph's outputs, as side k, in whose scope
 * `in` the node's results are `out`. */
static bool rest_of_graph(onnx_op *n, ir_branches *f, int k, onnx_scope *in, const ir_ref *out)
{
    onnx_scope s = {.model = n->scope->model, .parent = in, .b = &f->side[k],
                    .graph = n->scope->graph, .order = n->scope->order, .next = n->scope->next};
    const Onnx__GraphProto *g = s.graph;
    ir_ref y[MAX_RESULTS];

    for (int i = 0; i < n->nout; i++)
        if (onnx_wants(n, i))
            scope_set(&s, n->p->output[i], out[i]);
    mark m = mark_here(n);
    bool ok = onnx_run_rest(&s, y);
    if (!ok) {
        ok = must_not_be_reached(n, s.b, &m, y, g->n_output);
        if (ok)
            forgive(n, &m);
    }
    scope_free(&s);
    return ok && yield(f, k, g, y);
}

/* The node, if all went well; out gets its first results. */
static bool finish_if(ir_branches *f, bool ok, ir_ref *out, size_t count)
{
    f->failed |= !ok;
    ir_ref r = ir_if_end(f);
    for (size_t i = 0; i < count && r != IR_NONE; i++)
        out[i] = r + (ir_ref)i;
    return r != IR_NONE;
}

/* Branch k, then all that follows. */
static bool sink_side(onnx_op *n, ir_branches *f, int k, const Onnx__GraphProto *g)
{
    onnx_scope *s = onnx_region_scope(n, &f->captured, k);
    ir_ref out[MAX_RESULTS];
    bool ok = onnx_region_graph(n, s, g, NULL, out) && rest_of_graph(n, f, k, s, out);

    scope_free(s);
    return ok;
}

/* Each branch with all that follows: as the sides of one `if` that yields the
 * graph's outputs.  Later conditions mostly test the very rank that made this
 * necessary, so that they are known in each copy. */
static bool sink(onnx_op *n, ir_ref cond, const Onnx__GraphProto *g[2])
{
    size_t count = n->scope->graph->n_output;
    ir_branches f;

    if (++n->scope->model->copies > MAX_COPIES)
        return onnx_gap(n, "too many branches of different rank: bind dims with --dim or --shape");
    if (count > MAX_RESULTS)
        return onnx_gap(n, "branches of different rank in a graph of more than 64 results");
    if (n->scope->parent && n->scope->parent->b == n->b)
        return onnx_gap(n, "branches of different rank inside a function or an inlined branch");
    ir_if_begin(&f, n->b, cond);
    bool ok = sink_side(n, &f, 0, g[0]) && sink_side(n, &f, 1, g[1]);
    if (ok && !same_ranks(&f))
        ok = onnx_gap(n, "an output whose rank depends on the run");
    ir_ref *results = arena_array(&n->b->m->mem, ir_ref, count + 1);
    ok = finish_if(&f, ok, results, count);
    if (ok)
        n->scope->sunk = results;
    return ok;
}

/* Both as sides; at most one of them may be ill-typed. */
static bool branches(onnx_op *n, ir_branches *f, const Onnx__GraphProto *g[2])
{
    bool dead[2] = {false, false};
    mark m = mark_here(n);

    if (!branch(n, f, 0, g[0], &dead[0]) || !branch(n, f, 1, g[1], &dead[1]))
        return false;
    if (dead[0] != dead[1])
        forgive(n, &m);
    if (!dead[0] || !dead[1])
        return true;
    n->scope->model->d->errors++;       /* whose message is still there */
    return false;
}

/* The branch alone, where the condition is known. */
static bool known_branch(onnx_op *n, const Onnx__GraphProto *g)
{
    ir_ref out[MAX_RESULTS];

    if (!onnx_inline(n, g, NULL, out))
        return false;
    for (int i = 0; i < n->nout; i++)
        onnx_out(n, i, out[i]);
    return true;
}

static bool check_branches(onnx_op *n, const Onnx__GraphProto *yes, const Onnx__GraphProto *no)
{
    if (!yes || !no || !onnx_has(n, 0) || n->nout > MAX_RESULTS || yes->n_output > MAX_RESULTS ||
        no->n_output > MAX_RESULTS)
        return onnx_fail(n, "takes a condition and two branches");
    if (yes->n_input || no->n_input)
        return onnx_fail(n, "a branch takes no inputs");
    if (yes->n_output != no->n_output)
        return onnx_fail(n, "branches give %zu and %zu results", yes->n_output, no->n_output);
    return (int)yes->n_output >= n->nout || onnx_fail(n, "the branches give too few results");
}

bool onnx_if(onnx_op *n)
{
    const Onnx__GraphProto *g[2] = {onnx_graph_attr(n, "then_branch"),
                                    onnx_graph_attr(n, "else_branch")};
    ir_branches f;
    bool v;

    if (!check_branches(n, g[0], g[1]))
        return false;
    ir_ref cond = ir_reshape(n->b, onnx_in(n, 0), NULL, 0);
    if (cond == IR_NONE)
        return false;
    if (known_bool(n->b, cond, &v))
        return known_branch(n, g[!v]);
    ir_if_begin(&f, n->b, cond);
    bool ok = branches(n, &f, g);
    if (ok && !same_ranks(&f)) {
        ir_if_drop(&f);
        return sink(n, cond, g);
    }
    return finish_if(&f, ok, n->out, (size_t)n->nout);
}

/* ---- Loop, Scan ----------------------------------------------------------------- */

/* A loop node that is being made. */
typedef struct looping {
    onnx_op *n;
    const Onnx__GraphProto *g;          /* the body */
    ir_loop l;
    onnx_scope *scope;                  /* of the body */
    ir_ref in[MAX_RESULTS + 2];         /* the body's inputs as its graph has them */
    ir_ref out[MAX_RESULTS + 2];        /* the results of its graph */
    uint32_t ni;
} looping;

static void loop_open(looping *x)
{
    ir_loop_begin(&x->l, x->n->b, "body");
    x->scope = onnx_region_scope(x->n, &x->l.captured, 0);
}

/* Carries, from the ONNX node's operand `first` on. */
static bool loop_carries(looping *x, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        ir_ref init = onnx_in(x->n, i);
        if (init == IR_NONE)
            return onnx_fail(x->n, "operand %d is missing", i);
        x->in[x->ni++] = ir_loop_carry(&x->l, "carry", init, NULL);
    }
    return true;
}

/* The body's nodes; a carry, from out[first] on, must keep its type. */
static bool loop_body(looping *x, int first)
{
    const ir_fn *body = x->l.body.fn;

    if (!onnx_region_graph(x->n, x->scope, x->g, x->in, x->out))
        return false;
    for (size_t i = 0; i < x->g->n_output; i++)
        if (x->out[i] == IR_NONE)
            return false;
    for (int i = 0; i < x->l.at.carries; i++) {
        ir_ref next = x->out[first + i];
        if (ir_type_of(body, body->param.at[i + 1]) != ir_type_of(body, next))
            return onnx_gap(x->n, "a value carried around the loop changes its shape or type");
        ir_loop_next(&x->l, next);
    }
    return true;
}

/* The node, if all went well; its first result. */
static ir_ref loop_close(looping *x, bool ok)
{
    x->l.failed |= !ok;
    scope_free(x->scope);
    ir_ref y = ir_loop_end(&x->l);
    for (int i = 0; i < x->n->nout && y != IR_NONE; i++)
        x->n->out[i] = y + (ir_ref)i;
    return y;
}

/* A run-time count of iterations. */
static ir_dim trip_count(onnx_op *n, ir_ref x)
{
    ir_ref scalar = ir_cast(n->b, ir_reshape(n->b, x, NULL, 0), DT_I64);

    return dim_max(onnx_dims(n), ir_bind(n->b, scalar, "trip"), (ir_dim){0});
}

static bool is_true(const ir_build *b, ir_ref x)
{
    bool v;

    return x == IR_NONE || (known_bool(b, x, &v) && v);
}

/* The iterations run may be fewer than the trip count: stacks have a symbol then. */
static void name_trips(looping *x)
{
    dim_table *t = onnx_dims(x->n);

    if (!is_true(&x->l.body, x->l.again) || !is_true(x->n->b, x->l.first))
        x->l.at.trips = dim_symbol_id(t, dim_symbol_new(t, "trips", 0, INT64_MAX));
}

/* Body inputs: iteration, condition, carries; outputs: condition, carries,
 * scanned.  The condition that the body sees is true: it runs. */
bool onnx_loop(onnx_op *n)
{
    looping x = {.n = n, .g = onnx_graph_attr(n, "body")};
    int carries = n->nin - 2, results = x.g ? (int)x.g->n_output : 0;

    if (!x.g || carries < 0 || (int)x.g->n_input != carries + 2 || carries > MAX_RESULTS ||
        results > MAX_RESULTS || results < carries + 1 || n->nout > results - 1)
        return onnx_fail(n, "takes a body that fits its operands");
    loop_open(&x);
    x.l.at.infinite = !onnx_has(n, 0);
    if (onnx_has(n, 0))
        x.l.at.trip = trip_count(n, onnx_in(n, 0));
    if (onnx_has(n, 1))
        x.l.first = ir_reshape(n->b, onnx_in(n, 1), NULL, 0);
    x.in[x.ni++] = x.l.i;
    x.in[x.ni++] = ir_int(&x.l.body, DT_BOOL, 1);
    bool ok = loop_carries(&x, 2, carries) && loop_body(&x, 1);
    if (ok)
        x.l.again = ir_reshape(&x.l.body, x.out[0], NULL, 0);
    for (int i = carries + 1; ok && i < results; i++)
        ir_loop_stack(&x.l, x.out[i], 0);
    if (ok && results > carries + 1)
        name_trips(&x);
    return loop_close(&x, ok) != IR_NONE;
}

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

bool onnx_scan_9(onnx_op *n)
{
    looping x = {.n = n, .g = onnx_graph_attr(n, "body")};
    scan_lists s;
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
    ok = ok && loop_body(&x, 0) && scan_outputs(&x, &s, stacked);
    if (loop_close(&x, ok) == IR_NONE)
        return false;
    for (int i = carries; i < n->nout; i++)
        if (s.out_ways[i - carries])
            n->out[i] = turned(n, n->out[i], (int)s.out_axes[i - carries]);
    return true;
}
