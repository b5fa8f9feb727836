/* frontend/onnx/control.c - If, Loop, Scan.
 *
 * An If whose condition is known is its branch.  If the branches yield values
 * of different rank, the rest of the graph moves into both: see sink(). */
#include "../onnx_model.h"

enum { MAX_COPIES = 8, MAX_RESULTS = 64 };

static bool known_bool(onnx_op *n, ir_ref c, bool *v)
{
    const ir_dim *elem;
    int64_t count, k;

    if (!ir_known(n->b, c, &elem, &count) || count != 1 || !dim_const(onnx_dims(n), elem[0], &k))
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
    for (size_t i = 0; ok && i < g->n_output; i++)
        ir_result(&r->b, g->output[i]->name ? g->output[i]->name : "", y[i]);
    scope_free(&s);
    return ok;
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

static bool finish_if(onnx_op *n, ir_ref cond, const onnx_captures *c, onnx_region *yes,
                      onnx_region *no, ir_ref *out, uint32_t count)
{
    ir_ref *args = arena_array(&n->b->m->mem, ir_ref, c->outer.len + 1);
    uint32_t k = onnx_capture_args(n, c, args + 1);
    ir_attr a = {.IF = {.yes = yes->fn, .no = no->fn}};

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
    if ((int)g[0]->n_output < n->nout || (int)g[1]->n_output < n->nout)
        return onnx_fail(n, "a branch gives too few results");
    cond = ir_reshape(n->b, cond, NULL, 0);
    if (cond == IR_NONE)
        return false;
    if (known_bool(n, cond, &v)) {
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

static bool add_input(ir_ref *args, uint32_t *na, onnx_region *r, ir_build *b, ir_ref *in,
                      uint32_t *ni, const char *name, ir_ref outer)
{
    if (outer == IR_NONE)
        return false;
    args[(*na)++] = outer;
    in[(*ni)++] = ir_input(&r->b, name, ir_type_of(b->fn, outer));
    return true;
}

/* Results cond, carries, stacked; a carry must keep its type. */
static bool close_body(onnx_op *n, onnx_region *r, const ir_ref *out, size_t count, int carries,
                       const ir_ref *init)
{
    for (size_t i = 0; i < count; i++)
        if (out[i] == IR_NONE)
            return false;
    for (int i = 0; i < carries; i++) {
        const ir_type *was = ir_type_of(n->b->fn, init[i]), *now = ir_type_of(r->fn, out[i + 1]);
        if (was != now)
            return onnx_gap(n, "a value carried around the loop changes its shape or type");
    }
    for (size_t i = 0; i < count; i++)
        ir_result(&r->b, "", out[i]);
    return true;
}

/* Body inputs: iteration, condition, carries; outputs: condition, carries,
 * scanned.  The condition that the body sees is true: it runs. */
bool onnx_loop(onnx_op *n)
{
    const Onnx__GraphProto *g = onnx_graph_attr(n, "body");
    ir_build *b = n->b;
    int carries = n->nin - 2;
    onnx_captures c = {0};
    onnx_region r;
    ir_ref in[MAX_RESULTS + 2], out[MAX_RESULTS + 2], init[MAX_RESULTS];
    uint32_t ni = 0, na = 0;

    if (!g || carries < 0 || (int)g->n_input != carries + 2 || carries > MAX_RESULTS ||
        g->n_output > MAX_RESULTS || (int)g->n_output < carries + 1 ||
        n->nout > (int)g->n_output - 1)
        return onnx_fail(n, "takes a body that fits its operands");
    onnx_find_captures(n, g, &c);
    ir_ref *args = arena_array(&b->m->mem, ir_ref, c.outer.len + (uint32_t)carries + 4);
    int stacked = (int)g->n_output - 1 - carries;
    int32_t axes[MAX_RESULTS] = {0};
    ir_attr a = {.LOOP = {.infinite = !onnx_has(n, 0), .carries = carries, .trips = NAMES_NONE,
                          .stack_axes = {stacked, axes}}};
    ir_ref go = onnx_in(n, 1);

    if (onnx_has(n, 0))
        a.LOOP.trip =
            dim_max(onnx_dims(n),
                    ir_bind(b, ir_cast(b, ir_reshape(b, onnx_in(n, 0), NULL, 0), DT_I64), "trip"),
                    (ir_dim){0});
    args[na++] = go == IR_NONE ? ir_int(b, DT_BOOL, 1) : ir_reshape(b, go, NULL, 0);
    onnx_region_begin(n, &r, "body");
    in[ni++] = ir_input(&r.b, "i", type_scalar(&b->m->types, DT_I64));
    in[ni++] = ir_int(&r.b, DT_BOOL, 1);
    bool ok = true;
    for (int i = 0; i < carries && ok; i++) {
        init[i] = onnx_in(n, i + 2);
        ok = add_input(args, &na, &r, b, in, &ni, "carry", init[i]) ||
             onnx_fail(n, "operand %d is missing", i + 2);
    }
    onnx_region_captures(&r, &c);
    ok = ok && onnx_region_graph(n, &r, g, in, out);
    if (ok && out[0] != IR_NONE && ir_type_of(r.fn, out[0])->rank)
        out[0] = ir_reshape(&r.b, out[0], NULL, 0);
    ok = ok && close_body(n, &r, out, g->n_output, carries, init);
    a.LOOP.body = r.fn;
    bool endless = false;
    const ir_dim *elem;
    int64_t count;
    if (ok && ir_known(&r.b, out[0], &elem, &count) && dim_is(onnx_dims(n), elem[0], 1) &&
        ir_known(b, args[0], &elem, &count) && dim_is(onnx_dims(n), elem[0], 1))
        endless = true;                 /* only the trip count ends it */
    onnx_region_end(&r);
    if (ok && stacked && !endless) {
        ir_dim trips = dim_symbol_new(onnx_dims(n), "trips", 0, INT64_MAX);
        a.LOOP.trips = dim_symbol_id(onnx_dims(n), trips);
    }
    na += ok ? onnx_capture_args(n, &c, args + na) : 0;
    ir_ref y = ok ? ir_make(b, OP_LOOP, args, na, &a) : IR_NONE;
    for (int i = 0; i < n->nout && y != IR_NONE; i++)
        n->out[i] = y + (ir_ref)i;
    onnx_captures_free(&c);
    return y != IR_NONE;
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
    ir_dim d = onnx_dim(n, x, axis);

    return ir_slice_axis(n->b, x, axis, dim_sub(onnx_dims(n), d, (ir_dim){1}),
                         dim_int(onnx_dims(n), -1), d);
}

bool onnx_scan_9(onnx_op *n)
{
    const Onnx__GraphProto *g = onnx_graph_attr(n, "body");
    ir_build *b = n->b;
    int scans = (int)onnx_int(n, "num_scan_inputs", 0), carries = n->nin - scans;
    onnx_captures c = {0};
    onnx_region r;
    ir_ref in[MAX_RESULTS], out[MAX_RESULTS + 1], init[MAX_RESULTS];
    int64_t axes[MAX_RESULTS], ways[MAX_RESULTS], out_axes[MAX_RESULTS], out_ways[MAX_RESULTS];
    int32_t slice[MAX_RESULTS], stack[MAX_RESULTS];
    uint32_t ni = 0, na = 0;
    int axis;

    if (!g || scans < 1 || carries < 0 || n->nin > MAX_RESULTS || (int)g->n_input != n->nin ||
        g->n_output > MAX_RESULTS || (int)g->n_output < carries || n->nout > (int)g->n_output)
        return onnx_fail(n, "takes a body that fits its operands");
    int stacked = (int)g->n_output - carries;
    if (!list_or(n, "scan_input_axes", scans, axes) ||
        !list_or(n, "scan_input_directions", scans, ways) ||
        !list_or(n, "scan_output_axes", stacked, out_axes) ||
        !list_or(n, "scan_output_directions", stacked, out_ways))
        return false;
    onnx_find_captures(n, g, &c);
    ir_ref *args = arena_array(&b->m->mem, ir_ref, c.outer.len + (uint32_t)n->nin + 4);
    ir_attr a = {.LOOP = {.carries = carries, .trips = NAMES_NONE, .slice_axes = {scans, slice},
                          .stack_axes = {stacked, stack}}};
    args[na++] = ir_int(b, DT_BOOL, 1);
    onnx_region_begin(n, &r, "body");
    ir_input(&r.b, "i", type_scalar(&b->m->types, DT_I64));
    bool ok = true;
    for (int i = 0; i < carries && ok; i++)
        ok = add_input(args, &na, &r, b, in, &ni, "carry", init[i] = onnx_in(n, i)) ||
             onnx_fail(n, "operand %d is missing", i);
    for (int i = 0; i < scans && ok; i++) {
        ir_ref x = onnx_in(n, carries + i);
        ok = x != IR_NONE && onnx_axis(n, axes[i], onnx_rank(n, x), &axis);
        if (!ok)
            break;
        slice[i] = axis;
        if (i == 0)
            a.LOOP.trip = onnx_dim(n, x, axis);
        ir_check_dims(b, dim_eq(onnx_dims(n), onnx_dim(n, x, axis), a.LOOP.trip),
                      "scanned inputs differ in length");
        x = ways[i] ? turned(n, x, axis) : x;
        args[na++] = x;
        ir_dim shape[IR_MAX_RANK];
        int k = 0;
        for (int j = 0; j < onnx_rank(n, x); j++)
            if (j != axis)
                shape[k++] = onnx_dim(n, x, j);
        in[ni++] = ir_input(&r.b, "x", ir_ty(b, onnx_dtype(n, x), shape, k));
    }
    if (ok) {
        onnx_region_captures(&r, &c);
        out[0] = ir_int(&r.b, DT_BOOL, 1);
        ok = onnx_region_graph(n, &r, g, in, out + 1);
    }
    for (int i = 0; i < stacked && ok; i++) {
        if (out[1 + carries + i] == IR_NONE) {
            ok = false;
            break;
        }
        int rank = ir_type_of(r.fn, out[1 + carries + i])->rank + 1;
        ok = onnx_axis(n, out_axes[i], rank, &axis);
        stack[i] = axis;
    }
    ok = ok && close_body(n, &r, out, g->n_output + 1, carries, init);
    a.LOOP.body = r.fn;
    onnx_region_end(&r);
    na += ok ? onnx_capture_args(n, &c, args + na) : 0;
    ir_ref y = ok ? ir_make(b, OP_LOOP, args, na, &a) : IR_NONE;
    for (int i = 0; i < n->nout && y != IR_NONE; i++) {
        n->out[i] = y + (ir_ref)i;
        if (i >= carries && out_ways[i - carries])
            n->out[i] = turned(n, n->out[i], stack[i - carries]);
    }
    onnx_captures_free(&c);
    return y != IR_NONE;
}
