/* ir/rewrite.c - copying a function through the builder.
 *
 * A rewrite never edits: it makes the function anew, node by node, asking the
 * rule for a replacement of each.  What nobody uses is left out; a node that
 * defines a dim symbol is used where a type or attribute mentions it.  A
 * `bind` whose operand became known replaces its symbol from there on.  The same
 * copying puts a called function's nodes in place of the call. */
#include "build.h"

/* One rewrite of one function, and of the regions in it.  `to` and `given` grow as
 * symbols get values on the way; `replaced` counts them, since without any the
 * attributes need not be rebuilt. */
typedef struct rewrite {
    ir_module *m;
    diag *d;
    ir_rule *rule;              /* this or .. */
    ir_expansion *expansion;    /* .. this, or neither */
    void *cx;
    const ir_fn *callee;        /* inlined: its parameters are .. */
    const ir_ref *args;         /* .. these */
    ir_dim *to;                 /* dim substitution, by symbol */
    bool *given;
    uint32_t symbols, replaced;
    bool changed;
} rewrite;

/* ---- liveness ------------------------------------------------------------------ */

/* What of a function is needed, found backwards from its end. */
typedef struct live {
    const ir_module *m;
    const ir_fn *fn;
    bool *node;                 /* by node */
    bool *symbol;               /* by symbol: mentioned by something live */
    const ir_ref *there;        /* by value: IR_NONE, or it needs no node; null: all do */
} live;

static void mention(void *symbol, uint32_t id)
{
    ((bool *)symbol)[id] = true;
}

static void mention_node(live *l, const ir_fn *fn, const ir_node *n)
{
    ir_fn *region[2];

    ir_each_symbol(fn, n, mention, l->symbol);
    for (uint32_t r = 0, k = ir_regions(n, region); r < k; r++)
        for (uint32_t i = 0; i < region[r]->node.len; i++)
            mention_node(l, region[r], &region[r]->node.at[i]);
}

static bool defines_live(const live *l, const ir_node *n)
{
    uint32_t sym;

    for (uint32_t k = 0; (sym = ir_symbol_of(l->m, n, k)) != NAMES_NONE; k++)
        if (l->symbol[sym])
            return true;
    return false;
}

/* Marks what the nodes need that are marked. */
static void spread(live *l)
{
    const ir_fn *f = l->fn;

    for (uint32_t i = f->node.len; i-- > 0;) {
        const ir_node *n = &f->node.at[i];
        if (!l->node[i] && !defines_live(l, n))
            continue;
        l->node[i] = true;
        mention_node(l, f, n);
        for (uint32_t j = 0; j < n->narg; j++)
            if (!l->there || l->there[ir_arg(f, n, j)] == IR_NONE)
                l->node[f->value.at[ir_arg(f, n, j)].node] = true;
    }
}

/* Marks the nodes that results, updates and effects need. */
static void find_live(live *l)
{
    const ir_fn *f = l->fn;

    for (uint32_t i = 0; i < f->result.len; i++)
        l->node[f->value.at[f->result.at[i]].node] = true;
    for (uint32_t i = 0; i < f->update.len; i++)
        l->node[f->value.at[f->update.at[i].value].node] = true;
    for (uint32_t i = 0; i < f->node.len; i++)
        l->node[i] |= !ir_op_pure(f->node.at[i].op);
    spread(l);
}

void ir_needed(const ir_fn *fn, const ir_ref *there, bool *take)
{
    arena mem = {0};
    live l = {fn->module, fn, take, arena_array(&mem, bool, fn->module->dims.symbol.len + 1),
              there};

    spread(&l);
    arena_reset(&mem);
}

/* What of f is live; the lists are mem's. */
static live live_in(const ir_module *m, const ir_fn *f, arena *mem)
{
    live l = {m, f, arena_array(mem, bool, f->node.len + 1),
              arena_array(mem, bool, m->dims.symbol.len + 1), NULL};

    find_live(&l);
    return l;
}

/* ---- copying ------------------------------------------------------------------- */

static ir_fn *rewrite_fn(rewrite *w, const ir_fn *fn);

static dim_subst subst(const rewrite *w)
{
    return (dim_subst){w->to, w->given, w->symbols};
}

/* From here on the symbol reads as `by`, in all nodes that are copied. */
static void replace_symbol(rewrite *w, uint32_t sym, ir_dim by)
{
    const dim_table *t = &w->m->dims;

    if (sym >= w->symbols) {            /* made after the rewrite began */
        uint32_t n = t->symbol.len;
        w->to = mem_resize(w->to, n * sizeof *w->to);
        w->given = mem_resize(w->given, n * sizeof *w->given);
        memset(w->given + w->symbols, 0, (n - w->symbols) * sizeof *w->given);
        w->symbols = n;
    }
    w->to[sym] = by;
    w->given[sym] = true;
    w->replaced++;
    w->changed = true;
}

/* The attributes with symbols replaced and regions rewritten. */
static const ir_attr *new_attr(rewrite *w, const ir_node *n)
{
    dim_subst s = subst(w);
    const ir_attr *a = n->attr;

    if (w->replaced && a)
        a = ir_attr_apply(w->m, n->op, a, &s);
    if (n->op == OP_IF) {
        ir_attr c = {.IF = a->IF};
        c.IF.yes = rewrite_fn(w, a->IF.yes);
        c.IF.no = rewrite_fn(w, a->IF.no);
        return ir_attr_intern(w->m, n->op, &c);
    }
    if (n->op == OP_LOOP) {
        ir_attr c = {.LOOP = a->LOOP};
        c.LOOP.body = rewrite_fn(w, a->LOOP.body);
        return ir_attr_intern(w->m, n->op, &c);
    }
    return a;
}

/* The parameter again; its default and its known elements are carried over, too. */
static ir_ref copy_input(rewrite *w, ir_build *b, const ir_fn *old, const ir_node *n)
{
    const ir_type *t = ir_type_of(old, n->first);
    int64_t at = n->attr->INPUT.index;
    dim_subst s = subst(w);
    ir_ref r = ir_input(b, old->param_name.at[at],
                        w->replaced ? type_apply(&w->m->types, &s, t) : t);
    const ir_value *v = &old->value.at[n->first];

    b->fn->param_default.at[b->fn->param.len - 1] = old->param_default.at[at];
    if (v->elem) {
        int64_t count = type_count_const(&w->m->types, t);
        ir_dim *elem = arena_array(&w->m->mem, ir_dim, count);
        for (int64_t i = 0; i < count; i++)
            elem[i] = dim_apply(&w->m->dims, &s, v->elem[i]);
        b->fn->value.at[r].elem = elem;
    }
    return r;
}

/* True if the bind vanished: its symbol has a value now. */
static bool bind_known(rewrite *w, ir_build *b, const ir_node *n, const ir_ref *args)
{
    const ir_dim *elem;
    int64_t count;
    uint32_t sym = n->attr->BIND.sym;

    if (!ir_known(b, args[0], &elem, &count) || count != 1 ||
        dim_same(elem[0], w->m->dims.symbol.at[sym].self))
        return false;
    replace_symbol(w, sym, elem[0]);
    return true;
}

/* What stands for node n in the new function: the rule's answer, else n itself, made anew so
 * that it is folded and shared on what its operands became. */
static ir_ref copy_node(rewrite *w, ir_build *b, const ir_fn *old,
                        const ir_node *n, const ir_ref *args)
{
    b->loc = n->loc;
    b->copy = n->copy;
    if (n->op == OP_INPUT)
        return w->callee == old ? w->args[n->attr->INPUT.index] : copy_input(w, b, old, n);
    if (n->op == OP_BIND && bind_known(w, b, n, args))
        return args[0];
    ir_node now = *n;
    now.attr = new_attr(w, n);
    ir_ref r = w->rule ? w->rule(w->cx, b, old, &now, args) : IR_NONE;
    if (r != IR_NONE) {
        w->changed = true;
        return r;
    }
    return ir_make(b, n->op, args, n->narg, now.attr);
}

/* Refs of node n's results, to `out`. */
static void copy(rewrite *w, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *args,
                 ir_ref *out)
{
    if (w->expansion && w->expansion(w->cx, b, old, n, args, out)) {
        w->changed = true;
        return;
    }
    ir_ref r = copy_node(w, b, old, n, args);
    for (uint32_t i = 0; i < n->nres; i++)
        out[i] = r == IR_NONE ? r : r + i;
}

/* Copies the live nodes in order; map[r] becomes the new ref of the value r. */
static bool copy_nodes(rewrite *w, ir_build *b, const ir_fn *fn, const live *l, ir_ref *map)
{
    VEC(ir_ref) args = {0};
    bool ok = true;

    for (uint32_t i = 0; ok && i < fn->node.len; i++) {
        const ir_node *n = &fn->node.at[i];
        if (!l->node[i]) {
            w->changed = true;
            continue;
        }
        vec_resize(&args, n->narg + 1u);
        for (uint32_t j = 0; j < n->narg; j++)
            args.at[j] = map[ir_arg(fn, n, j)];
        copy(w, b, fn, n, args.at, map + n->first);
        ok = !w->d->errors;             /* gaps are for the expansion to tell, all of them */
    }
    vec_free(&args);
    return ok;
}

void ir_copy_results(ir_build *b, const ir_fn *fn, const ir_ref *map)
{
    for (uint32_t i = 0; i < fn->result.len; i++)
        ir_loose_result(b, fn->result_name.at[i], map[fn->result.at[i]], fn->result_loose.at[i]);
    for (uint32_t i = 0; i < fn->update.len; i++)
        ir_update_state(b, fn->update.at[i].state, map[fn->update.at[i].value]);
}

/* Leaves out what the rules left without use. */
static void sweep(rewrite *w, ir_fn *f)
{
    arena mem = {0};
    live l = live_in(w->m, f, &mem);
    ir_ref *map = arena_array(&mem, ir_ref, f->value.len + 1);
    uint32_t nodes = 0, values = 0, args = 0;

    for (uint32_t i = 0; i < f->node.len; i++) {
        ir_node n = f->node.at[i];
        if (!l.node[i])
            continue;
        for (uint32_t j = 0; j < n.narg; j++)
            f->args.at[args + j] = map[f->args.at[n.arg + j]];
        for (uint32_t j = 0; j < n.nres; j++) {
            map[n.first + j] = values + j;
            f->value.at[values + j] = f->value.at[n.first + j];
            f->value.at[values + j].node = nodes;
        }
        n.arg = args;
        n.first = values;
        args += n.narg;
        values += n.nres;
        f->node.at[nodes++] = n;
    }
    f->node.len = nodes, f->value.len = values, f->args.len = args;
    for (uint32_t i = 0; i < f->param.len; i++)
        f->param.at[i] = map[f->param.at[i]];
    for (uint32_t i = 0; i < f->result.len; i++)
        f->result.at[i] = map[f->result.at[i]];
    for (uint32_t i = 0; i < f->update.len; i++)
        f->update.at[i].value = map[f->update.at[i].value];
    arena_reset(&mem);
}

/* The copy; the old function is left as it was. */
static ir_fn *rewrite_fn(rewrite *w, const ir_fn *fn)
{
    arena mem = {0};
    ir_build b;
    live l = live_in(w->m, fn, &mem);
    ir_ref *map = arena_array(&mem, ir_ref, fn->value.len + 1);

    ir_build_init(&b, w->m, ir_fn_region(w->m, fn->name), w->d);
    b.fn->entry = fn->entry;
    if (copy_nodes(w, &b, fn, &l, map)) {
        ir_copy_results(&b, fn, map);
        sweep(w, b.fn);
    }
    ir_build_free(&b);
    arena_reset(&mem);
    return b.fn;
}

/* The copy takes the old function's place, under its name and pointer, unless an
 * error was reported: then the module is as it was.  Returns whether anything
 * changed. */
static bool run(rewrite *w, ir_fn *fn)
{
    ir_fn *copy = rewrite_fn(w, fn);
    bool same = copy->node.len == fn->node.len;

    if (!diag_failed(w->d))
        ir_fn_replace(fn, copy);
    mem_free(w->to);
    mem_free(w->given);
    return w->changed || !same;
}

bool ir_rewrite(ir_module *m, ir_fn *fn, diag *d, ir_rule *rule, void *cx)
{
    rewrite w = {.m = m, .d = d, .rule = rule, .cx = cx};

    return run(&w, fn);
}

bool ir_expand(ir_module *m, ir_fn *fn, diag *d, ir_expansion *expansion, void *cx)
{
    rewrite w = {.m = m, .d = d, .expansion = expansion, .cx = cx};

    return run(&w, fn);
}

bool ir_rewrite_dims(ir_module *m, ir_fn *fn, diag *d, const dim_subst *s)
{
    rewrite w = {.m = m, .d = d};

    for (uint32_t i = 0; i < s->n; i++)
        if (s->given[i])
            replace_symbol(&w, i, s->to[i]);
    return run(&w, fn);
}

/* ---- calls ---------------------------------------------------------------------- */

/* Parameter f32[N,4] against an argument f32[7,4] gives N = 7; the first mention of
 * a symbol counts. */
void ir_match_dims(const ir_fn *f, const ir_type *const *types, ir_dim *to, bool *given)
{
    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_type *p = ir_type_of(f, f->param.at[i]);
        for (int k = 0; p->kind == TY_TENSOR && k < p->rank; k++) {
            uint32_t id = dim_symbol_id(&f->module->dims, p->dim[k]);
            if (id != NAMES_NONE && !given[id]) {
                to[id] = types[i]->dim[k];
                given[id] = true;
            }
        }
    }
}

/* New symbols for those that nodes of f, all or those of `take`, and their regions define. */
static void rename_symbols(rewrite *w, const ir_fn *f, const bool *take)
{
    dim_table *t = &w->m->dims;
    ir_fn *region[2];
    uint32_t id;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        if (take && !take[i])
            continue;
        for (uint32_t k = 0; (id = ir_symbol_of(w->m, n, k)) != NAMES_NONE; k++) {
            dim_symbol old = t->symbol.at[id];
            replace_symbol(w, id, dim_symbol_new(t, old.name, old.lo, old.hi));
        }
        for (uint32_t r = 0, k = ir_regions(n, region); r < k; r++)
            rename_symbols(w, region[r], NULL);
    }
}

/* Symbols of the callee's parameters become the extents of the arguments. */
static void match_args(rewrite *w, const ir_build *b)
{
    const ir_fn *f = w->callee;
    const ir_type **types = mem_alloc((f->param.len + 1) * sizeof *types);

    w->symbols = w->m->dims.symbol.len;
    w->to = mem_alloc((w->symbols + 1) * sizeof *w->to);
    w->given = mem_alloc((w->symbols + 1) * sizeof *w->given);
    for (uint32_t i = 0; i < f->param.len; i++)
        types[i] = ir_type_of(b->fn, w->args[i]);
    ir_match_dims(f, types, w->to, w->given);
    w->replaced = 1;
    mem_free(types);
}

/* Symbols that the callee's nodes define are new ones in each copy: two calls may
 * find different numbers. */
bool ir_inline(ir_build *b, const ir_fn *callee, const ir_ref *args, ir_ref *out)
{
    rewrite w = {.m = b->m, .d = b->d, .callee = callee, .args = args};
    arena mem = {0};
    ir_loc loc = b->loc;
    uint16_t number = b->copy;

    match_args(&w, b);
    rename_symbols(&w, callee, NULL);
    live l = live_in(b->m, callee, &mem);
    ir_ref *map = arena_array(&mem, ir_ref, callee->value.len + 1);
    bool ok = copy_nodes(&w, b, callee, &l, map);
    for (uint32_t i = 0; ok && i < callee->result.len; i++)
        out[i] = map[callee->result.at[i]];
    b->loc = loc;
    b->copy = number;
    mem_free(w.to);
    mem_free(w.given);
    arena_reset(&mem);
    return ok;
}

/* `take` marks nodes whose copies are wanted; map[] has the refs of what they read,
 * and gets those of what they make. */
bool ir_copy(ir_build *b, const ir_fn *from, bool *take, ir_ref *map)
{
    rewrite w = {.m = b->m, .d = b->d};
    live l = {.m = b->m, .fn = from, .node = take};
    ir_loc loc = b->loc;
    uint16_t number = b->copy;

    rename_symbols(&w, from, take);
    bool ok = copy_nodes(&w, b, from, &l, map);
    b->loc = loc;
    b->copy = number;
    mem_free(w.to);
    mem_free(w.given);
    return ok;
}
