/* frontend/onnx/control.c - If, Loop, Scan.
 *
 * An If whose condition is known is its branch.  If the branches yield values
 * of different rank, the rest of the graph moves into both: see sink(). */
#include "../onnx_model.h"

enum { MAX_COPIES = 8, MAX_RESULTS = 64, MAX_SIZES = 64 };

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
static bool must_not_be_reached(onnx_op *n, onnx_region *r, const mark *m, ir_ref *out,
                                size_t count)
{
    onnx_model *x = n->scope->model;
    diag *d = x->d;

    if (d->gap.len > m->gaps)
        return false;
    const char *why = d->message.len > m->messages ? d->message.at[m->messages].text : "ill-typed";
    d->errors = m->errors;
    x->depth = m->depth;
    ir_check(&r->b, ir_int(&r->b, DT_BOOL, 0), why);
    for (size_t i = 0; i < count; i++)
        out[i] = ir_never(&r->b);
    return true;
}

static void forgive(onnx_op *n, const mark *m)
{
    n->scope->model->d->message.len = m->messages;
}

static bool name_results(onnx_region *r, const Onnx__GraphProto *g, const ir_ref *out)
{
    for (size_t i = 0; i < g->n_output; i++)
        if (out[i] == IR_NONE)
            return false;
    for (size_t i = 0; i < g->n_output; i++)
        ir_result(&r->b, g->output[i]->name ? g->output[i]->name : "", out[i]);
    return true;
}

/* One branch as a region; its results become the region's. */
static bool branch(onnx_op *n, onnx_region *r, const Onnx__GraphProto *g, const onnx_captures *c,
                   const char *name, bool *dead)
{
    ir_ref out[MAX_RESULTS];
    mark m = mark_here(n);

    onnx_region_begin(n, r, name);
    onnx_region_captures(r, c);
    *dead = !onnx_region_graph(n, r, g, NULL, out);
    return (!*dead || must_not_be_reached(n, r, &m, out, g->n_output)) && name_results(r, g, out);
}

static bool same_ranks(const ir_fn *a, const ir_fn *b)
{
    for (uint32_t i = 0; i < a->result.len; i++) {
        const ir_type *x = ir_type_of(a, a->result.at[i]), *y = ir_type_of(b, b->result.at[i]);
        if (x->kind == TY_NEVER || y->kind == TY_NEVER)
            continue;
        if (x->kind != y->kind || x->rank != y->rank || x->dtype != y->dtype)
            return false;
    }
    return true;
}

/* The nodes after this one, and the graph's outputs, inside a region where the
 * node's results are `out`. */
static bool rest_of_graph(onnx_op *n, onnx_region *r, const ir_ref *out)
{
    onnx_scope s = {.model = n->scope->model, .parent = r->scope, .b = &r->b,
                    .graph = n->scope->graph, .order = n->scope->order, .next = n->scope->next};
    const Onnx__GraphProto *g = s.graph;
    ir_ref y[MAX_RESULTS];

    for (int i = 0; i < n->nout; i++)
        if (onnx_wants(n, i))
            scope_set(&s, n->p->output[i], out[i]);
    mark m = mark_here(n);
    bool ok = onnx_run_rest(&s, y);
    if (!ok) {
        ok = must_not_be_reached(n, r, &m, y, g->n_output);
        if (ok)
            forgive(n, &m);
    }
    scope_free(&s);
    return ok && name_results(r, g, y);
}

/* Everything that the rest of the graph may read. */
static void capture_rest(onnx_op *n, onnx_captures *c)
{
    Onnx__GraphProto rest = ONNX__GRAPH_PROTO__INIT;
    const onnx_scope *s = n->scope;
    Onnx__NodeProto **node = arena_array(&n->b->m->mem, Onnx__NodeProto *, s->graph->n_node + 1);

    for (uint32_t i = s->next; i < s->graph->n_node; i++)
        node[rest.n_node++] = s->graph->node[s->order[i]];
    rest.node = node;
    rest.n_output = s->graph->n_output;
    rest.output = s->graph->output;
    onnx_find_captures(n, &rest, c);
}

/* Where the branches' extents of a result differ, both give theirs as a result
 * of its own, and a symbol names it outside: each pair of extents once.  Returns
 * the number of symbols. */
static int name_extents(onnx_op *n, onnx_region *yes, onnx_region *no, ir_dim *sym)
{
    ir_dim a[MAX_SIZES], b[MAX_SIZES];
    uint32_t results = yes->fn->result.len;
    int count = 0;

    for (uint32_t i = 0; i < results; i++) {
        const ir_type *x = ir_type_of(yes->fn, yes->fn->result.at[i]);
        const ir_type *y = ir_type_of(no->fn, no->fn->result.at[i]);
        bool tensors = x->kind == TY_TENSOR && y->kind == TY_TENSOR;
        for (int k = 0; tensors && k < x->rank; k++) {
            int same = 0;
            while (same < count && !(dim_same(a[same], x->dim[k]) && dim_same(b[same], y->dim[k])))
                same++;
            if (dim_same(x->dim[k], y->dim[k]) || same < count || count == MAX_SIZES)
                continue;
            a[count] = x->dim[k];
            b[count] = y->dim[k];
            sym[count++] = dim_symbol_new(onnx_dims(n), "extent", 0, INT64_MAX);
        }
    }
    for (int k = 0; k < count; k++) {
        ir_result(&yes->b, "extent", ir_dim_ref(&yes->b, a[k]));
        ir_result(&no->b, "extent", ir_dim_ref(&no->b, b[k]));
    }
    return count;
}

static bool finish_if(onnx_op *n, ir_ref cond, const onnx_captures *c, onnx_region *yes,
                      onnx_region *no, ir_ref *out, uint32_t count)
{
    ir_ref *args = arena_array(&n->b->m->mem, ir_ref, c->outer.len + 1);
    uint32_t k = onnx_capture_args(n, c, args + 1);
    ir_dim sym[MAX_SIZES];
    int syms = name_extents(n, yes, no, sym);
    ir_attr a = {.IF = {.syms = {syms, sym}, .yes = yes->fn, .no = no->fn}};

    args[0] = cond;
    ir_ref r = ir_make(n->b, OP_IF, args, k + 1, &a);
    for (uint32_t i = 0; i < count && r != IR_NONE; i++)
        out[i] = r + i;
    return r != IR_NONE;
}

/* Branch, then all that follows: as both regions of one `if` that yields the
 * graph's outputs.  Later conditions mostly test the very rank that made this
 * necessary, so that they are known in each copy. */
static bool sink(onnx_op *n, ir_ref cond, const Onnx__GraphProto *g[2], onnx_captures *c)
{
    onnx_region r[2] = {0};
    ir_ref out[MAX_RESULTS];
    bool ok = true;

    if (++n->scope->model->copies > MAX_COPIES)
        return onnx_gap(n, "too many branches of different rank: bind dims with --dim or --shape");
    if (n->scope->graph->n_output > MAX_RESULTS)
        return onnx_gap(n, "branches of different rank in a graph of more than 64 results");
    if (n->scope->parent && n->scope->parent->b == n->b)
        return onnx_gap(n, "branches of different rank inside a function or an inlined branch");
    capture_rest(n, c);
    for (int k = 0; k < 2 && ok; k++) {
        onnx_region_begin(n, &r[k], k ? "else" : "then");
        onnx_region_captures(&r[k], c);
        ok = onnx_region_graph(n, &r[k], g[k], NULL, out) && rest_of_graph(n, &r[k], out);
    }
    ir_ref *results = arena_array(&n->b->m->mem, ir_ref, n->scope->graph->n_output + 1);
    if (ok && !same_ranks(r[0].fn, r[1].fn))
        ok = onnx_gap(n, "an output whose rank depends on the run");
    ok = ok && finish_if(n, cond, c, &r[0], &r[1], results, (uint32_t)n->scope->graph->n_output);
    if (ok)
        n->scope->sunk = results;
    onnx_region_end(&r[0]);
    onnx_region_end(&r[1]);
    return ok;
}

/* Both as regions; at most one of them may be ill-typed. */
static bool branches(onnx_op *n, onnx_region r[2], const Onnx__GraphProto *g[2],
                     const onnx_captures *c)
{
    bool dead[2] = {false, false};
    mark m = mark_here(n);

    if (!branch(n, &r[0], g[0], c, "then", &dead[0]) ||
        !branch(n, &r[1], g[1], c, "else", &dead[1]))
        return false;
    if (dead[0] != dead[1])
        forgive(n, &m);
    if (!dead[0] || !dead[1])
        return true;
    n->scope->model->d->errors++;       /* whose message is still there */
    return false;
}

bool onnx_if(onnx_op *n)
{
    const Onnx__GraphProto *g[2] = {onnx_graph_attr(n, "then_branch"),
                                    onnx_graph_attr(n, "else_branch")};
    ir_ref cond = onnx_in(n, 0);
    onnx_captures c = {0};
    onnx_region r[2] = {0};
    bool v;

    if (!g[0] || !g[1] || cond == IR_NONE || n->nout > MAX_RESULTS ||
        g[0]->n_output > MAX_RESULTS || g[1]->n_output > MAX_RESULTS)
        return onnx_fail(n, "takes a condition and two branches");
    if (g[0]->n_input || g[1]->n_input)
        return onnx_fail(n, "a branch takes no inputs");
    if (g[0]->n_output != g[1]->n_output)
        return onnx_fail(n, "branches give %zu and %zu results", g[0]->n_output, g[1]->n_output);
    if ((int)g[0]->n_output < n->nout)
        return onnx_fail(n, "the branches give too few results");
    cond = ir_reshape(n->b, cond, NULL, 0);
    if (cond == IR_NONE)
        return false;
    if (known_bool(n->b, cond, &v)) {
        ir_ref out[MAX_RESULTS];
        if (!onnx_inline(n, g[!v], NULL, out))
            return false;
        for (int i = 0; i < n->nout; i++)
            onnx_out(n, i, out[i]);
        return true;
    }
    onnx_find_captures(n, g[0], &c);
    onnx_find_captures(n, g[1], &c);
    bool ok = branches(n, r, g, &c);
    if (ok && same_ranks(r[0].fn, r[1].fn))
        ok = finish_if(n, cond, &c, &r[0], &r[1], n->out, (uint32_t)n->nout);
    else if (ok)
        ok = sink(n, cond, g, &c);
    onnx_region_end(&r[0]);
    onnx_region_end(&r[1]);
    onnx_captures_free(&c);
    return ok;
}

/* ---- Loop, Scan ----------------------------------------------------------------- */

/* A loop node that is being made. */
typedef struct looping {
    onnx_op *n;
    const Onnx__GraphProto *g;          /* the body */
    onnx_captures captures;
    onnx_region r;
    ir_attr a;
    int32_t slice[MAX_RESULTS], stack[MAX_RESULTS];
    ir_ref *args;                       /* of the node: condition, carries, sliced, captures */
    ir_ref init[MAX_RESULTS];           /* of the carries */
    ir_ref in[MAX_RESULTS + 2];         /* the body's inputs as its graph has them */
    ir_ref out[MAX_RESULTS + 2];        /* the body's results: condition, carries, stacked */
    uint32_t na, ni;
} looping;

/* Opens the region; its first parameter is the number of the iteration. */
static ir_ref loop_open(looping *l, ir_ref go, int carries, int sliced, int stacked)
{
    onnx_op *n = l->n;

    onnx_find_captures(n, l->g, &l->captures);
    l->args = arena_array(&n->b->m->mem, ir_ref, l->captures.outer.len + (uint32_t)n->nin + 4);
    l->args[l->na++] = go;
    l->a.LOOP.carries = carries;
    l->a.LOOP.trips = NAMES_NONE;
    l->a.LOOP.slice_axes = (ir_ints){sliced, l->slice};
    l->a.LOOP.stack_axes = (ir_ints){stacked, l->stack};
    onnx_region_begin(n, &l->r, "body");
    return ir_input(&l->r.b, "i", type_scalar(&n->b->m->types, DT_I64));
}

/* The node's operand and the body's parameter for it, of this type. */
static void loop_pass(looping *l, const char *name, ir_ref outer, const ir_type *type)
{
    l->args[l->na++] = outer;
    l->in[l->ni++] = ir_input(&l->r.b, name, type);
}

/* Carries, from the ONNX node's operand `first` on. */
static bool loop_carries(looping *l, int first)
{
    onnx_op *n = l->n;

    for (int i = 0; i < l->a.LOOP.carries; i++) {
        l->init[i] = onnx_in(n, first + i);
        if (l->init[i] == IR_NONE)
            return onnx_fail(n, "operand %d is missing", first + i);
        loop_pass(l, "carry", l->init[i], onnx_type(n, l->init[i]));
    }
    return true;
}

/* The body's nodes; its graph's results go to out[first] and on. */
static bool loop_body(looping *l, int first)
{
    onnx_region_captures(&l->r, &l->captures);
    return onnx_region_graph(l->n, &l->r, l->g, l->in, l->out + first);
}

/* Gives the results to the region; a carry must keep its type. */
static bool loop_results(looping *l, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (l->out[i] == IR_NONE)
            return false;
    for (int i = 0; i < l->a.LOOP.carries; i++) {
        const ir_type *was = ir_type_of(l->n->b->fn, l->init[i]);
        if (was != ir_type_of(l->r.fn, l->out[i + 1]))
            return onnx_gap(l->n, "a value carried around the loop changes its shape or type");
    }
    for (size_t i = 0; i < count; i++)
        ir_result(&l->r.b, "", l->out[i]);
    return true;
}

/* The node, if all went well; its first result. */
static ir_ref loop_close(looping *l, bool ok)
{
    ir_ref y = IR_NONE;

    l->a.LOOP.body = l->r.fn;
    onnx_region_end(&l->r);
    if (ok) {
        l->na += onnx_capture_args(l->n, &l->captures, l->args + l->na);
        y = ir_make(l->n->b, OP_LOOP, l->args, l->na, &l->a);
    }
    onnx_captures_free(&l->captures);
    for (int i = 0; i < l->n->nout && y != IR_NONE; i++)
        l->n->out[i] = y + (ir_ref)i;
    return y;
}

static bool is_true(const ir_build *b, ir_ref x)
{
    bool v;

    return known_bool(b, x, &v) && v;
}

/* A run-time count of iterations. */
static ir_dim trip_count(onnx_op *n, ir_ref x)
{
    ir_ref scalar = ir_cast(n->b, ir_reshape(n->b, x, NULL, 0), DT_I64);

    return dim_max(onnx_dims(n), ir_bind(n->b, scalar, "trip"), (ir_dim){0});
}

/* Body inputs: iteration, condition, carries; outputs: condition, carries,
 * scanned.  The condition that the body sees is true: it runs. */
bool onnx_loop(onnx_op *n)
{
    looping l = {.n = n, .g = onnx_graph_attr(n, "body")};
    ir_build *b = n->b;
    int carries = n->nin - 2, results = l.g ? (int)l.g->n_output : 0;

    if (!l.g || carries < 0 || (int)l.g->n_input != carries + 2 || carries > MAX_RESULTS ||
        results > MAX_RESULTS || results < carries + 1 || n->nout > results - 1)
        return onnx_fail(n, "takes a body that fits its operands");
    int stacked = results - 1 - carries;
    ir_ref go = onnx_in(n, 1);
    l.a.LOOP.infinite = !onnx_has(n, 0);
    if (onnx_has(n, 0))
        l.a.LOOP.trip = trip_count(n, onnx_in(n, 0));
    go = go == IR_NONE ? ir_int(b, DT_BOOL, 1) : ir_reshape(b, go, NULL, 0);
    l.in[l.ni++] = loop_open(&l, go, carries, 0, stacked);
    l.in[l.ni++] = ir_int(&l.r.b, DT_BOOL, 1);
    bool ok = loop_carries(&l, 2) && loop_body(&l, 0);
    if (ok && l.out[0] != IR_NONE && ir_type_of(l.r.fn, l.out[0])->rank)
        l.out[0] = ir_reshape(&l.r.b, l.out[0], NULL, 0);
    ok = ok && loop_results(&l, (size_t)results);
    bool only_counted = ok && is_true(&l.r.b, l.out[0]) && is_true(b, go);
    if (ok && stacked && !only_counted) {
        ir_dim trips = dim_symbol_new(onnx_dims(n), "trips", 0, INT64_MAX);
        l.a.LOOP.trips = dim_symbol_id(onnx_dims(n), trips);
    }
    return loop_close(&l, ok) != IR_NONE;
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

/* Operand x, of which the body gets slices k. */
static bool scan_input(looping *l, const scan_lists *s, int k, ir_ref x)
{
    onnx_op *n = l->n;
    ir_dim shape[IR_MAX_RANK];
    int axis, rank = 0;

    if (x == IR_NONE || !onnx_axis(n, s->axes[k], onnx_rank(n, x), &axis))
        return false;
    l->slice[k] = axis;
    if (k == 0)
        l->a.LOOP.trip = onnx_dim(n, x, axis);
    ir_check_dims(n->b, dim_eq(onnx_dims(n), onnx_dim(n, x, axis), l->a.LOOP.trip),
                  "scanned inputs differ in length");
    x = s->ways[k] ? turned(n, x, axis) : x;
    for (int i = 0; i < onnx_rank(n, x); i++)
        if (i != axis)
            shape[rank++] = onnx_dim(n, x, i);
    loop_pass(l, "x", x, ir_ty(n->b, onnx_dtype(n, x), shape, rank));
    return true;
}

/* Which axis of the stacked results has the iterations. */
static bool scan_outputs(looping *l, const scan_lists *s)
{
    for (int i = 0; i < l->a.LOOP.stack_axes.n; i++) {
        ir_ref y = l->out[1 + l->a.LOOP.carries + i];
        int axis;
        if (y == IR_NONE ||
            !onnx_axis(l->n, s->out_axes[i], ir_type_of(l->r.fn, y)->rank + 1, &axis))
            return false;
        l->stack[i] = axis;
    }
    return true;
}

bool onnx_scan_9(onnx_op *n)
{
    looping l = {.n = n, .g = onnx_graph_attr(n, "body")};
    scan_lists s;
    int64_t given = onnx_int(n, "num_scan_inputs", 0);

    if (!l.g || given < 1 || given > n->nin || n->nin > MAX_RESULTS ||
        (int)l.g->n_input != n->nin || l.g->n_output > MAX_RESULTS)
        return onnx_fail(n, "takes a body that fits its operands");
    int scans = (int)given, carries = n->nin - scans;
    int results = (int)l.g->n_output, stacked = results - carries;
    if (stacked < 0 || n->nout > results)
        return onnx_fail(n, "takes a body that fits its operands");
    if (!list_or(n, "scan_input_axes", scans, s.axes) ||
        !list_or(n, "scan_input_directions", scans, s.ways) ||
        !list_or(n, "scan_output_axes", stacked, s.out_axes) ||
        !list_or(n, "scan_output_directions", stacked, s.out_ways))
        return false;
    loop_open(&l, ir_int(n->b, DT_BOOL, 1), carries, scans, stacked);
    bool ok = loop_carries(&l, 0);
    for (int i = 0; i < scans && ok; i++)
        ok = scan_input(&l, &s, i, onnx_in(n, carries + i));
    l.out[0] = ir_int(&l.r.b, DT_BOOL, 1);
    ok = ok && loop_body(&l, 1) && scan_outputs(&l, &s) && loop_results(&l, (size_t)results + 1);
    if (loop_close(&l, ok) == IR_NONE)
        return false;
    for (int i = carries; i < n->nout; i++)
        if (s.out_ways[i - carries])
            n->out[i] = turned(n, n->out[i], l.stack[i - carries]);
    return true;
}
