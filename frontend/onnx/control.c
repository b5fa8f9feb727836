/* frontend/onnx/control.c - If; loop.c has Loop and Scan.
 *
 * An If whose condition is known is its branch.  If the branches yield values
 * of different rank, the rest of the graph moves into both: see sink(). */
#include "../onnx_model.h"

/* An If that moves the rest of the graph into its branches doubles it, and the next
 * one doubles that: more than so many are refused, not compiled for hours. */
enum { MAX_COPIES = 8, MAX_RESULTS = 64 };

/* ---- parts that do not type-check ----------------------------------------------- */

/* Where the errors stood before a part that may turn out to be ill-typed. */
typedef struct mark {
    uint32_t errors, messages, gaps;
    int depth;
} mark;

/* Counters of the diagnostics, to be compared or put back. */
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

/* Drops the messages since the mark, once it is certain that the other branch is
 * well-typed. */
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

/* Extents may differ, the join makes symbols of them; kinds, ranks and types may
 * not.  A branch that never ends joins with anything. */
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

/* cond: bool of one element.  Branches take no inputs and read values of the graphs
 * around them by name. */
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
    if (onnx_known_bool(n->b, cond, &v))
        return known_branch(n, g[!v]);
    ir_if_begin(&f, n->b, cond);
    bool ok = branches(n, &f, g);
    if (ok && !same_ranks(&f)) {
        ir_if_drop(&f);
        return sink(n, cond, g);
    }
    return finish_if(&f, ok, n->out, (size_t)n->nout);
}
