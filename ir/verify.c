/* ir/verify.c - is a module what every pass may take it for?
 *
 * Structure (refs, parameters, results), types (inferred again and compared),
 * and dims: a symbol is defined before whatever mentions it.  A finding is
 * reported as an error that names the node; behind a pass it is that pass's
 * bug. */
#include "build.h"

/* `stack` finds functions that call themselves, which no engine can run. */
typedef struct verifier {
    ir_module *m;
    diag *d;
    const char *after;              /* name of a pass, or null */
    bool *known;                    /* by symbol: defined by now */
    VEC(const ir_fn *) stack;       /* functions being looked at */
} verifier;

static bool wrong(verifier *v, const ir_fn *f, const ir_node *n, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* "after fuse: function main, node 7 (dot): .." */
static bool wrong(verifier *v, const ir_fn *f, const ir_node *n, const char *fmt, ...)
{
    text t = {0};
    va_list ap;

    if (v->after)
        text_add(&t, "after %s: ", v->after);
    text_add(&t, "function %s", f->name);
    if (n && n->op > OP_NONE && n->op < OP_COUNT)
        text_add(&t, ", node %u (%s)", (unsigned)(n - f->node.at), ir_op_get(n->op)->text);
    text_add(&t, ": ");
    va_start(ap, fmt);
    text_addv(&t, fmt, ap);
    va_end(ap);
    diag_error(v->d, n ? n->loc : (ir_loc){0}, D_GENERAL, t.at);
    text_free(&t);
    return false;
}

/* ---- structure --------------------------------------------------------------- */

/* Numbers of operands and results are those of the op's row; -1 there is any
 * number. */
static bool check_count(verifier *v, const ir_fn *f, const ir_node *n)
{
    const ir_op_info *info = ir_op_get(n->op);

    if (info->nin >= 0 && info->nin != n->narg)
        return wrong(v, f, n, "%d operands", (int)n->narg);
    if (info->nres >= 0 && info->nres != n->nres)
        return wrong(v, f, n, "%d results", (int)n->nres);
    if (!n->attr != !ir_fields(n->op))
        return wrong(v, f, n, "attributes of another op");
    return true;
}

/* Operands stand before the node, and results are its own: no later check can leave the
 * function's lists. */
static bool check_refs(verifier *v, const ir_fn *f, const ir_node *n, uint32_t i)
{
    if (n->arg > f->args.len || n->narg > f->args.len - n->arg ||
        n->first > f->value.len || n->nres > f->value.len - n->first)
        return wrong(v, f, n, "operands or results outside the function");
    for (uint32_t j = 0; j < n->narg; j++)
        if (ir_arg(f, n, j) >= n->first)
            return wrong(v, f, n, "operand %u is not made before it", j);
    for (uint32_t j = 0; j < n->nres; j++)
        if (f->value.at[n->first + j].node != i || !ir_type_of(f, n->first + j))
            return wrong(v, f, n, "result %u is not its own", j);
    return true;
}

/* Constants, states and parameters that the node names exist. */
static bool check_ids(verifier *v, const ir_fn *f, const ir_node *n)
{
    if (n->op == OP_CONST && n->attr->CONST.id >= v->m->consts.len)
        return wrong(v, f, n, "no such constant");
    if (n->op == OP_STATE && (uint64_t)n->attr->STATE.id >= v->m->state.len)
        return wrong(v, f, n, "no such state");
    if (n->op != OP_INPUT)
        return true;
    uint64_t k = (uint64_t)n->attr->INPUT.index;
    return (k < f->param.len && f->param.at[k] == n->first) ||
           wrong(v, f, n, "not a parameter");
}

/* ---- types ------------------------------------------------------------------- */

/* Infers the result types again, as the builder did. */
static bool check_types(verifier *v, const ir_fn *f, const ir_node *n)
{
    ir_build b;
    ir_infer in = {.b = &b, .op = n->op, .args = n->narg ? f->args.at + n->arg : NULL,
                   .narg = n->narg, .attr = n->attr};

    if (n->op == OP_INPUT)
        return true;
    ir_build_init(&b, v->m, (ir_fn *)f, v->d);
    b.loc = n->loc;
    bool ok = ir_infer_types(&in);
    ir_build_free(&b);
    if (!ok || in.nres != n->nres)
        return wrong(v, f, n, "its operands or attributes are not right");
    for (uint32_t i = 0; i < n->nres; i++)
        if (in.out[i] != ir_type_of(f, n->first + i))
            return wrong(v, f, n, "result %u is not of the type that follows", i);
    return true;
}

/* ---- dims -------------------------------------------------------------------- */

static void define(void *known, uint32_t id)
{
    ((bool *)known)[id] = true;
}

typedef struct unknown {
    const bool *known;
    uint32_t id;
} unknown;

static void look_up(void *cx, uint32_t id)
{
    unknown *u = cx;

    if (!u->known[id])
        u->id = id;
}

static void define_own(verifier *v, const ir_node *n)
{
    uint32_t id;

    for (uint32_t k = 0; (id = ir_symbol_of(v->m, n, k)) != NAMES_NONE; k++)
        v->known[id] = true;
}

static bool check_dims(verifier *v, const ir_fn *f, const ir_node *n)
{
    unknown u = {v->known, NAMES_NONE};

    ir_each_symbol(f, n, look_up, &u);
    return u.id == NAMES_NONE ||
           wrong(v, f, n, "dim %s is used before it is defined", v->m->dims.symbol.at[u.id].name);
}

/* ---- functions --------------------------------------------------------------- */

static bool check_fn(verifier *v, const ir_fn *f, bool region);

/* What a region defines is not known behind it. */
static bool check_region(verifier *v, const ir_fn *f)
{
    uint32_t n = v->m->dims.symbol.len;
    bool *before = mem_alloc(n + 1);

    memcpy(before, v->known, n);
    bool ok = check_fn(v, f, true);
    memcpy(v->known, before, n);
    mem_free(before);
    return ok;
}

static bool on_stack(const verifier *v, const ir_fn *f)
{
    for (uint32_t i = 0; i < v->stack.len; i++)
        if (v->stack.at[i] == f)
            return true;
    return false;
}

/* Checks one node and its regions.  Cheap structure comes first: inference relies on it. */
static bool check_node(verifier *v, const ir_fn *f, uint32_t i)
{
    const ir_node *n = &f->node.at[i];
    ir_fn *region[2];

    if (n->op == OP_NONE || n->op >= OP_COUNT)
        return wrong(v, f, n, "op %d", (int)n->op);
    if (!check_count(v, f, n) || !check_refs(v, f, n, i) || !check_ids(v, f, n))
        return false;
    uint32_t k = ir_regions(n, region);
    if (n->op == OP_LOOP)               /* its symbols are known in the body */
        define_own(v, n);
    for (uint32_t r = 0; r < k; r++) {
        if (!region[r] || on_stack(v, region[r]))
            return wrong(v, f, n, "a region is missing or its own");
        if (!check_region(v, region[r]))
            return false;
    }
    define_own(v, n);
    return check_types(v, f, n) && (n->op == OP_INPUT || check_dims(v, f, n));
}

/* Two updates of one state would make the result depend on their order. */
static bool check_once(verifier *v, const ir_fn *f)
{
    bool *updated = mem_alloc(v->m->state.len + 1), ok = true;

    for (uint32_t i = 0; ok && i < f->update.len; i++) {
        ok = !updated[f->update.at[i].state] || wrong(v, f, NULL, "a state is updated twice");
        updated[f->update.at[i].state] = true;
    }
    mem_free(updated);
    return ok;
}

/* Updates are those of an entry, each of a state of its own and of the state's type. */
static bool check_updates(verifier *v, const ir_fn *f, bool region)
{
    if (f->update.len && (region || !f->entry))
        return wrong(v, f, NULL, "only an entry may update states");
    for (uint32_t i = 0; i < f->update.len; i++) {
        const ir_update *u = &f->update.at[i];
        if (u->state >= v->m->state.len || u->value >= f->value.len)
            return wrong(v, f, NULL, "update %u is of nothing", i);
        const ir_type *t = ir_type_of(f, u->value);
        if (t != v->m->state.at[u->state].type && t->kind != TY_NEVER)
            return wrong(v, f, NULL, "update %u is of another type than its state", i);
    }
    return check_once(v, f);
}

/* Only results of an entry have loose axes, and those are axes of theirs. */
static bool check_loose(verifier *v, const ir_fn *f)
{
    for (uint32_t i = 0; i < f->result.len; i++) {
        const ir_type *t = ir_type_of(f, f->result.at[i]);
        uint32_t axes = t->kind == TY_TENSOR ? (1u << t->rank) - 1 : 0;
        if (f->result_loose.at[i] & ~(f->entry ? axes : 0))
            return wrong(v, f, NULL, "result %u has a loose axis that it has not", i);
    }
    return true;
}

/* Only parameters of an entry have defaults, constants of their type. */
static bool check_defaults(verifier *v, const ir_fn *f)
{
    for (uint32_t i = 0; i < f->param.len; i++) {
        uint32_t id = f->param_default.at[i];
        if (id != IR_NONE &&
            (!f->entry || id >= v->m->consts.len || f->param.at[i] >= f->value.len ||
             v->m->consts.at[id].type != ir_type_of(f, f->param.at[i])))
            return wrong(v, f, NULL, "parameter %u has a default that does not fit", i);
    }
    return true;
}

/* Do parameters and results agree with the nodes, in number and reference? */
static bool check_lists(verifier *v, const ir_fn *f)
{
    uint32_t inputs = 0;

    for (uint32_t i = 0; i < f->node.len; i++)
        inputs += f->node.at[i].op == OP_INPUT;
    if (inputs != f->param.len || f->param_name.len != f->param.len ||
        f->param_default.len != f->param.len ||
        f->result_name.len != f->result.len || f->result_loose.len != f->result.len)
        return wrong(v, f, NULL, "its lists of parameters or results");
    for (uint32_t i = 0; i < f->result.len; i++)
        if (f->result.at[i] >= f->value.len)
            return wrong(v, f, NULL, "result %u is not made", i);
    return check_defaults(v, f) && check_loose(v, f);
}

/* Checks a function or region.  Symbols of its parameters are known from the start. */
static bool check_fn(verifier *v, const ir_fn *f, bool region)
{
    if (f->module != v->m)
        return wrong(v, f, NULL, "of another module");
    if (!check_lists(v, f) || !check_updates(v, f, region))
        return false;
    for (uint32_t i = 0; i < f->param.len; i++)
        if (f->param.at[i] < f->value.len)
            ir_each_symbol(f, ir_node_of(f, f->param.at[i]), define, v->known);
    vec_push(&v->stack, f);
    bool ok = true;
    for (uint32_t i = 0; ok && i < f->node.len; i++)
        ok = check_node(v, f, i);
    v->stack.len--;
    return ok;
}

static bool is_constant_type(const ir_module *m, const ir_type *t)
{
    int64_t n;

    for (int i = 0; i < t->rank; i++)
        if (!dim_const(&m->dims, t->dim[i], &n))
            return false;
    return t->kind == TY_TENSOR;
}

/* A dim that data decide has no number before, unless one is given. */
static bool open_state(verifier *v, const ir_state *s)
{
    text t = {0};

    const char *file = s->loc.file ? NULL : v->d->file;     /* the place tells it, too */

    text_add(&t, "%s%s%s is ", file ? file : "", file ? ": " : "", s->name);
    type_print(&v->m->types, s->type, &t);
    text_add(&t, "; give its extents by --dim NAME=N, or by weights that note them");
    diag_error(v->d, s->loc, D_GENERAL, t.at);
    text_free(&t);
    return false;
}

/* States have memory of their own between runs: their sizes must be numbers. */
static bool check_states(verifier *v)
{
    int64_t end = 0;

    for (uint32_t i = 0; i < v->m->state.len; i++) {
        const ir_state *s = &v->m->state.at[i];
        if (!is_constant_type(v->m, s->type))
            return open_state(v, s);
        if ((end = ir_state_end(v->m, i, end)) < 0)
            return diag_error(v->d, s->loc, D_SIZE, s->name, "the bytes of the states");
        if (s->init != IR_NONE && (s->init >= v->m->consts.len ||
                                   v->m->consts.at[s->init].type != s->type))
            return diag_error(v->d, s->loc, D_GENERAL,
                              "a state's first value is of another type");
    }
    return true;
}

/* Checks all functions.  Inference is repeated on the way, which must leave no new symbol. */
static bool check_module(verifier *v)
{
    uint32_t symbols = v->m->dims.symbol.len;
    bool ok = check_states(v);

    for (uint32_t i = 0; ok && i < v->m->fn.len; i++) {
        memset(v->known, 0, symbols);
        ok = check_fn(v, v->m->fn.at[i], false);
        ok = ok && (v->m->dims.symbol.len == symbols ||
                    wrong(v, v->m->fn.at[i], NULL, "inference makes symbols"));
    }
    return ok;
}

bool ir_verify(const ir_module *m, diag *d, const char *after)
{
    verifier v = {.m = (ir_module *)m, .d = d, .after = after};

    v.known = mem_alloc(m->dims.symbol.len + 1);
    bool ok = check_module(&v);
    mem_free(v.known);
    vec_free(&v.stack);
    return ok;
}
