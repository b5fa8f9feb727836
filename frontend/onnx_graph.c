/* frontend/onnx_graph.c - graphs: scopes of names, order of nodes, dispatch to
 * the operators' builders, model-local functions, regions. */
#include "onnx_model.h"

/* Nodes, besides one for each byte of the file: functions that call functions
 * can expand to more than any memory holds. */
enum { MAX_DEPTH = 48, MAX_NODES = 200000 };

/* "node 3 'conv1'"; many nodes have no name. */
static const char *node_text(arena *mem, uint32_t index, const Onnx__NodeProto *p)
{
    return *text_or(p->name) ? arena_printf(mem, "node %u '%s'", index, p->name)
                             : arena_printf(mem, "node %u", index);
}

/* ---- scopes --------------------------------------------------------------------- */

void scope_set(onnx_scope *s, const char *name, ir_ref r)
{
    uint32_t id = names_add(&s->names, name);

    if (id >= s->ref.len)
        vec_resize(&s->ref, id + 1);
    s->ref.at[id] = r;
}

bool scope_find(onnx_scope *s, const char *name, ir_ref *r)
{
    for (; s; s = s->parent) {
        uint32_t id = names_find(&s->names, name);
        if (id != NAMES_NONE) {
            *r = s->ref.at[id];
            return true;
        }
        if (s->around && scope_find(s->around, name, r)) {
            *r = ir_capture(s->captures, s->region, name, *r);
            scope_set(s, name, *r);
            return true;
        }
    }
    return false;
}

void scope_free(onnx_scope *s)
{
    names_free(&s->names);
    vec_free(&s->ref);
}

/* The scope of the model-local function that s is in; null in the main graph. */
static const onnx_scope *function_scope(const onnx_scope *s)
{
    while (s && !s->function)
        s = s->parent ? s->parent : s->around;
    return s;
}

static bool same_domain(const char *a, const char *b)
{
    a = !strcmp(text_or(a), "ai.onnx") ? "" : text_or(a);
    b = !strcmp(text_or(b), "ai.onnx") ? "" : text_or(b);
    return !strcmp(a, b);
}

int64_t scope_version(const onnx_scope *s, const char *domain)
{
    const onnx_scope *in = function_scope(s);
    const Onnx__FunctionProto *f = in ? in->function : NULL;
    size_t n = f ? f->n_opset_import : s->model->proto->n_opset_import;
    Onnx__OperatorSetIdProto **o = f ? f->opset_import : s->model->proto->opset_import;

    for (size_t i = 0; i < n; i++)
        if (same_domain(o[i]->domain, domain))
            return o[i]->version;
    return 0;
}

/* ---- order of nodes -------------------------------------------------------------- */

/* ONNX asks for nodes in topological order, and some files do not have it.
 * Depth-first search with a stack of its own: chains of nodes may be as long as the
 * file. */
typedef struct sorter {
    const Onnx__GraphProto *g;
    names made;             /* by name: an output of node maker[id] */
    VEC(uint32_t) maker;
    VEC(uint32_t) stack;
    uint8_t *state;         /* 0 new, 1 open, 2 done */
    uint32_t *next;         /* operand to look at */
    uint32_t *order, len;
} sorter;

/* The node that makes operand i of `node`, or UINT32_MAX. */
static uint32_t maker_of(const sorter *s, const Onnx__NodeProto *node, uint32_t i)
{
    uint32_t id = *node->input[i] ? names_find(&s->made, node->input[i]) : NAMES_NONE;

    return id == NAMES_NONE ? UINT32_MAX : s->maker.at[id];
}

/* Depth first from node i, without recursion; false on a cycle. */
static bool visit(sorter *s, uint32_t i)
{
    vec_push(&s->stack, i);
    s->state[i] = 1;
    while (s->stack.len) {
        uint32_t at = s->stack.at[s->stack.len - 1];
        const Onnx__NodeProto *n = s->g->node[at];
        if (s->next[at] == n->n_input) {
            s->state[at] = 2;
            s->order[s->len++] = at;
            s->stack.len--;
            continue;
        }
        uint32_t from = maker_of(s, n, s->next[at]++);
        if (from == UINT32_MAX || s->state[from] == 2)
            continue;
        if (s->state[from] == 1)
            return false;
        s->state[from] = 1;
        vec_push(&s->stack, from);
    }
    return true;
}

/* Nodes in an order that makes every value before its use; null on a cycle. */
static const uint32_t *sort_nodes(onnx_scope *sc, const Onnx__GraphProto *g)
{
    arena *mem = &sc->model->m->mem;
    sorter s = {.g = g, .state = arena_array(mem, uint8_t, g->n_node + 1),
                .next = arena_array(mem, uint32_t, g->n_node + 1),
                .order = arena_array(mem, uint32_t, g->n_node + 1)};
    bool ok = true;

    for (uint32_t i = 0; i < g->n_node; i++)
        for (size_t j = 0; j < g->node[i]->n_output; j++) {
            if (!*g->node[i]->output[j])
                continue;
            uint32_t before = s.made.text.len, id = names_add(&s.made, g->node[i]->output[j]);
            if (id < before)
                ok = diag_error(
                    sc->model->d, sc->b->loc, D_GENERAL,
                    arena_printf(mem, "the value '%s' is made twice", g->node[i]->output[j]));
            else
                vec_push(&s.maker, i);
        }
    for (uint32_t i = 0; ok && i < g->n_node; i++)
        if (!s.state[i] && !visit(&s, i))
            ok = diag_error(sc->model->d, sc->b->loc, D_GENERAL,
                            arena_printf(mem, "%s (%s) is part of a cycle",
                                         node_text(mem, i, g->node[i]),
                                         text_or(g->node[i]->op_type)));
    names_free(&s.made);
    vec_free(&s.maker);
    vec_free(&s.stack);
    return ok ? s.order : NULL;
}

/* ---- dispatch ----------------------------------------------------------------------- */

/* A row of onnx_ops.def: which builder makes an operator from which version on. */
typedef struct row {
    onnx_version at;
    onnx_builder *build;
} row;

static const row rows[] = {
#define ONNX(domain, op, since, build) {{domain, #op, since}, onnx_##build},
#include "onnx_ops.def"
};

void onnx_each_operator(onnx_see *see, void *cx)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        see(cx, rows[i].at.domain, rows[i].at.op, rows[i].at.since);
}

/* What a function is known by. */
static const char *function_key(onnx_model *x, const char *domain, const char *name,
                                const char *overload)
{
    domain = same_domain(domain, "") ? "" : text_or(domain);
    return arena_printf(&x->m->mem, "%s\n%s\n%s", domain, text_or(name), text_or(overload));
}

void onnx_list_functions(onnx_model *x)
{
    for (size_t i = 0; i < x->proto->n_functions; i++) {
        const Onnx__FunctionProto *f = x->proto->functions[i];
        uint32_t before = x->functions.text.len;
        if (names_add(&x->functions, function_key(x, f->domain, f->name, f->overload)) == before)
            vec_push(&x->function, f);
    }
}

static const Onnx__FunctionProto *find_function(onnx_model *x, const Onnx__NodeProto *p)
{
    uint32_t id = x->function.len ? names_find(&x->functions,
                                               function_key(x, p->domain, p->op_type, p->overload))
                                  : NAMES_NONE;

    return id == NAMES_NONE ? NULL : x->function.at[id];
}

static const char *version_text(onnx_model *x, const Onnx__NodeProto *p, int64_t version)
{
    return arena_printf(&x->m->mem, "%s%s%lld",
                        same_domain(p->domain, "") ? "" : text_or(p->domain),
                        same_domain(p->domain, "") ? "" : " ", (long long)version);
}

bool onnx_gap(onnx_op *n, const char *reason)
{
    onnx_model *x = n->scope->model;

    if (x->in_program)
        return onnx_fail(n, "not supported: %s", reason);
    return diag_unsupported(x->d, text_or(n->p->op_type), version_text(x, n->p, n->version),
                            n->place, reason);
}

bool onnx_fail(onnx_op *n, const char *fmt, ...)
{
    va_list ap;
    text t = {0};

    va_start(ap, fmt);
    if (n->scope->model->in_program)
        text_add(&t, "onnx.%s: ", n->p->op_type);
    text_addv(&t, fmt, ap);
    va_end(ap);
    diag_error(n->b->d, n->b->loc, D_GENERAL, t.at);
    text_free(&t);
    return false;
}

/* Is it a parameter of the function that s is in, which the call leaves out? */
static bool is_left_out(const onnx_scope *s, const char *name)
{
    const onnx_scope *in = function_scope(s);

    for (size_t i = 0; in && i < in->function->n_input; i++)
        if (!strcmp(in->function->input[i], name)) {
            const onnx_op *call = in->call;
            return (int)i >= call->nin || !*call->p->input[i] ||
                   is_left_out(call->scope, call->p->input[i]);
        }
    return false;
}

/* Every named operand is there, or left out: 1; one could not be made: 0; missing: -1. */
static int operands(onnx_scope *s, const Onnx__NodeProto *p, const char **missing)
{
    int all = 1;
    ir_ref r;

    for (size_t i = 0; i < p->n_input; i++) {
        if (!*p->input[i] || is_left_out(s, p->input[i]))
            continue;
        if (!scope_find(s, p->input[i], &r)) {
            *missing = p->input[i];
            return -1;
        }
        if (r == IR_NONE)
            all = 0;
    }
    return all;
}

static bool has_attribute(const Onnx__FunctionProto *f, const char *name)
{
    bool found = false;

    for (size_t i = 0; i < f->n_attribute; i++)
        found |= !strcmp(f->attribute[i], name);
    for (size_t i = 0; i < f->n_attribute_proto; i++)
        found |= !strcmp(text_or(f->attribute_proto[i]->name), name);
    return found;
}

/* Builds the body of a function in place of the node that calls it: names of the body are
 * its own, operands and results are bound by position. */
static bool run_function(onnx_op *n, const Onnx__FunctionProto *f)
{
    onnx_scope s = {.model = n->scope->model, .b = n->b, .function = f, .call = n};
    Onnx__GraphProto body = ONNX__GRAPH_PROTO__INIT;
    ir_ref r;
    bool ok = true;

    if (n->nin > (int)f->n_input || n->nout > (int)f->n_output)
        return onnx_fail(n, "function '%s' takes %zu operands and gives %zu results",
                         text_or(f->name), f->n_input, f->n_output);
    for (size_t i = 0; i < n->p->n_attribute; i++)
        if (!has_attribute(f, text_or(n->p->attribute[i]->name)))
            return onnx_fail(n, "function '%s' has no attribute '%s'", text_or(f->name),
                             text_or(n->p->attribute[i]->name));
    for (int i = 0; i < (int)f->n_input; i++)
        if (onnx_in(n, i) != IR_NONE)
            scope_set(&s, f->input[i], onnx_in(n, i));
    body.n_node = f->n_node;
    body.node = f->node;
    ok = onnx_run_graph(&s, &body, NULL);
    for (int i = 0; ok && i < n->nout; i++)
        if (scope_find(&s, f->output[i], &r))
            n->out[i] = r;
        else if (onnx_wants(n, i))
            ok = onnx_fail(n, "function '%s' does not make its result '%s'", text_or(f->name),
                           f->output[i]);
    scope_free(&s);
    return ok;
}

int64_t onnx_newest_version(const char *domain)
{
    return !*domain ? 27 : !strcmp(domain, "ai.onnx.ml") ? 5 : INT64_MAX;
}

static const char *why_not(arena *mem, const char *domain, const char *op, int64_t version)
{
    const char *near;

    if (!*op)
        return "the operator has no name";
    if (!version)
        return "the file does not say which operator set it uses (opset_import)";
    if (version > onnx_newest_version(domain))
        return "this version of the operator set is not known";
    if (onnx_has_operator(domain, op, &near))
        return "this version of the operator is not supported";
    return near && !onnx_is_standard(domain, op)
               ? arena_printf(mem, "the operator is not known; did you mean %s?", near)
               : "the operator is not supported";
}

/* Builds the node as a function of the file, or by the operator's row.  Where an operand
 * has a gap behind it (not `ready`) only the operator itself is looked up, so that one run
 * reports all that are missing. */
static bool dispatch(onnx_op *n, bool ready)
{
    onnx_model *x = n->scope->model;
    const Onnx__FunctionProto *f = find_function(x, n->p);
    const char *domain = same_domain(n->domain, "") ? "" : n->domain;

    if (f) {
        if (!ready)
            return true;
        if (++x->depth > MAX_DEPTH)
            return onnx_fail(n, "functions call each other too deeply");
        bool ok = run_function(n, f);
        x->depth--;
        return ok;
    }
    const row *r = ONNX_FIND(rows, domain, text_or(n->p->op_type), n->version);
    if (!r || n->version > onnx_newest_version(domain)) {
        onnx_gap(n, why_not(&x->m->mem, domain, text_or(n->p->op_type), n->version));
        return true;            /* go on: all gaps are reported at once */
    }
    if (!ready)
        return true;
    n->since = r->at.since;
    return (onnx_check_node(n, domain) && r->build(n)) || (x->d->gap.len && !x->d->errors);
}

bool onnx_dispatch(onnx_op *n)
{
    return dispatch(n, true);
}

/* Builds one node of the graph and names its results.  Errors say its place and operator. */
static bool run_node(onnx_scope *s, uint32_t index)
{
    const Onnx__NodeProto *p = s->graph->node[index];
    onnx_model *x = s->model;
    const char *missing = NULL;
    ir_ref *out = arena_array(&x->m->mem, ir_ref, p->n_output + 1);
    onnx_op n = {.b = s->b, .scope = s, .p = p, .domain = text_or(p->domain),
                 .version = scope_version(s, text_or(p->domain)), .nin = (int)p->n_input,
                 .nout = (int)p->n_output, .out = out};

    n.place = node_text(&x->m->mem, index, p);
    char *place = arena_printf(&x->m->mem, "%s: %s (%s-%lld)", x->name, n.place,
                               text_or(p->op_type), (long long)n.version);
    s->b->loc = (ir_loc){.file = diag_place(x->d, place), .line = index + 1};
    if (x->nodes++ == MAX_NODES + x->size)
        return diag_error(x->d, s->b->loc, D_BUDGET, "the model",
                          "the number of nodes, functions expanded,",
                          (long long)(MAX_NODES + x->size));
    for (size_t i = 0; i < p->n_output; i++)
        out[i] = IR_NONE;
    int ready = operands(s, p, &missing);
    if (ready < 0)
        return onnx_fail(&n, "operand '%s' is made by no node and is no input", missing);
    uint32_t gaps = x->d->gap.len;
    if (!dispatch(&n, ready))
        return diag_failed(x->d) ? false : onnx_fail(&n, "could not be built");
    for (size_t i = 0; !s->sunk && i < p->n_output; i++) {
        if (!*p->output[i])
            continue;
        if (out[i] == IR_NONE && ready && x->d->gap.len == gaps && !x->d->gap.len)
            return onnx_fail(&n, "does not make its result %zu '%s'", i, p->output[i]);
        scope_set(s, p->output[i], out[i]);
    }
    return x->d->errors == 0;
}

/* ---- results of open rank ---------------------------------------------------------- */

/* Does the node read the value, or may it in a subgraph? */
static bool may_read(const Onnx__NodeProto *p, const char *value)
{
    bool reads = false;

    for (size_t i = 0; i < p->n_input; i++)
        reads |= !strcmp(p->input[i], value);
    for (size_t i = 0; i < p->n_attribute; i++)
        reads |= p->attribute[i]->g || p->attribute[i]->n_graphs;
    return reads;
}

/* A result whose rank depends on data (Squeeze without axes) may be an output of
 * the model, from which axes of extent 1 are then left out; elsewhere its rank must
 * be known.  True if this one is such an output and nothing else reads it. */
bool onnx_loose(onnx_op *n, int i, uint32_t loose)
{
    const onnx_scope *s = n->scope;
    const char *name = n->p->output[i];
    bool result = false;

    if (s->parent || s->around || s->function)
        return false;
    for (size_t k = 0; k < s->graph->n_output; k++)
        result |= !strcmp(text_or(s->graph->output[k]->name), name);
    for (size_t k = 0; k < s->graph->n_node; k++)
        result &= !may_read(s->graph->node[k], name);
    if (result && names_add(&s->model->loose, name) == s->model->loose_axes.len)
        vec_push(&s->model->loose_axes, loose);
    return result;
}

/* ---- graphs ---------------------------------------------------------------------------- */

/* Constants of the graph, but for those that are inputs of it. */
static bool load_initializers(onnx_scope *s, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (names_find(&s->names, text_or(g->initializer[i]->name)) != NAMES_NONE)
            continue;
        uint32_t id = onnx_load_tensor(s->model, g->initializer[i], s->b->loc);
        if (id == IR_NONE)
            return false;
        const char *name = text_or(g->initializer[i]->name);
        scope_set(s, name, onnx_weight(s, name, id));
    }
    return true;
}

bool onnx_run_rest(onnx_scope *s, ir_ref *out)
{
    const Onnx__GraphProto *g = s->graph;

    while (s->next < g->n_node && !s->sunk)
        if (!run_node(s, s->order[s->next++]))
            return false;
    for (size_t i = 0; out && i < g->n_output; i++) {
        const char *name = text_or(g->output[i]->name);
        if (s->sunk)
            out[i] = s->sunk[i];
        else if (!scope_find(s, name, &out[i]))
            return diag_error(
                s->model->d, s->b->loc, D_GENERAL,
                arena_printf(&s->model->m->mem, "output '%s' is made by no node", name));
    }
    return true;
}

bool onnx_run_graph(onnx_scope *s, const Onnx__GraphProto *g, ir_ref *out)
{
    s->graph = g;
    s->next = 0;
    s->sunk = NULL;
    s->order = sort_nodes(s, g);
    return s->order && load_initializers(s, g) && onnx_run_rest(s, out);
}

static bool bind_inputs(onnx_op *n, onnx_scope *s, const Onnx__GraphProto *g, const ir_ref *in)
{
    for (size_t i = 0; i < g->n_input; i++)
        scope_set(s, text_or(g->input[i]->name), in[i]);
    return ++n->scope->model->depth <= MAX_DEPTH ||
           onnx_fail(n, "subgraphs are nested too deeply");
}

bool onnx_inline(onnx_op *n, const Onnx__GraphProto *g, const ir_ref *in, ir_ref *out)
{
    onnx_scope s = {.model = n->scope->model, .parent = n->scope, .b = n->b};
    ir_loc loc = n->b->loc;
    bool ok = bind_inputs(n, &s, g, in) && onnx_run_graph(&s, g, out);

    n->scope->model->depth--;
    n->b->loc = loc;
    scope_free(&s);
    return ok;
}

/* Names that a node reads, those of its subgraphs among them. */
static void want_operands(names *wanted, const Onnx__NodeProto *p)
{
    for (size_t i = 0; i < p->n_input; i++)
        names_add(wanted, p->input[i]);
    for (size_t i = 0; i < p->n_attribute; i++)
        for (size_t k = 0; p->attribute[i]->g && k < p->attribute[i]->g->n_node; k++)
            want_operands(wanted, p->attribute[i]->g->node[k]);
}

static bool makes_wanted(const names *wanted, const names *bound, const Onnx__NodeProto *p)
{
    for (size_t i = 0; i < p->n_output; i++)
        if (*p->output[i] && names_find(wanted, p->output[i]) != NAMES_NONE &&
            names_find(bound, p->output[i]) == NAMES_NONE)
            return true;
    return false;
}

/* The nodes that make `name`, down to the names that s has. */
static bool *made_by(onnx_scope *s, const char *name)
{
    const Onnx__GraphProto *g = s->graph;
    bool *take = arena_array(&s->model->m->mem, bool, g->n_node + 1);
    names wanted = {0};

    names_add(&wanted, name);
    for (size_t i = g->n_node; i-- > 0;) {
        const Onnx__NodeProto *p = g->node[s->order[i]];
        take[s->order[i]] = makes_wanted(&wanted, &s->names, p);
        if (take[s->order[i]])
            want_operands(&wanted, p);
    }
    names_free(&wanted);
    return take;
}

ir_ref onnx_made_again(onnx_op *n, const char *const *bound, const ir_ref *in, int count,
                       const char *name)
{
    onnx_scope s = {.model = n->scope->model, .parent = n->scope, .b = n->b,
                    .graph = n->scope->graph, .order = n->scope->order};
    ir_loc loc = n->b->loc;
    bool ok = true;
    ir_ref r = IR_NONE;

    for (int i = 0; i < count; i++)
        scope_set(&s, bound[i], in[i]);
    bool *take = made_by(&s, name);
    for (size_t i = 0; ok && i < s.graph->n_node; i++)
        ok = !take[s.order[i]] || run_node(&s, s.order[i]);
    n->b->loc = loc;
    if (ok && !scope_find(&s, name, &r))
        onnx_fail(n, "'%s' is made by no node", name);
    scope_free(&s);
    return r;
}

/* ---- regions ----------------------------------------------------------------------------- */

onnx_scope *onnx_region_scope(onnx_op *n, ir_captures *c, int region)
{
    onnx_scope *s = arena_new(&n->b->m->mem, onnx_scope);

    *s = (onnx_scope){.model = n->scope->model, .b = c->region[region], .around = n->scope,
                      .captures = c, .region = region};
    return s;
}

bool onnx_region_graph(onnx_op *n, onnx_scope *s, const Onnx__GraphProto *g, const ir_ref *in,
                       ir_ref *out)
{
    bool ok = bind_inputs(n, s, g, in) && onnx_run_graph(s, g, out);

    n->scope->model->depth--;
    return ok;
}
