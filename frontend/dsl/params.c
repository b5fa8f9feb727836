/* frontend/dsl/params.c - paths, and nets as values: all their parameters at once.
 * net.layer.w is a parameter, `net` in arithmetic all of them, by name: net - 0.1 *
 * grad(loss, net) is a step of gradient descent. */
#include "check.h"
#include "train.h"

/* ---- paths ------------------------------------------------------------------ */

enum { MAX_PARTS = 32 };

/* a.b.c as its root and parts. */
typedef struct chain {
    const ast_expr *root;
    int n;
    const ast_part *part[MAX_PARTS];
} chain;

/* The tree of a.b.c hangs at its last part, so the parts are turned around. */
static bool chain_of(dsl *cx, const ast_expr *e, chain *c)
{
    c->n = 0;
    for (; e->kind == AST_MEMBER; e = e->member.base) {
        if (c->n == MAX_PARTS)
            return dsl_wrong(cx, e->at, "a path of more than %d parts", MAX_PARTS), false;
        c->part[c->n++] = &e->member.part;
    }
    c->root = e;
    for (int i = 0; i < c->n / 2; i++) {
        const ast_part *p = c->part[i];
        c->part[i] = c->part[c->n - 1 - i];
        c->part[c->n - 1 - i] = p;
    }
    return true;
}

/* The text of a part: `{i}` is the configuration's i. */
static const char *part_text(dsl *cx, const ast_part *p)
{
    if (p->kind != AST_PART_CONFIG)
        return p->text;
    const dsl_value *v = dsl_lookup(cx, p->text, p->at);
    return dsl_bad(v) ? "?" : dsl_describe(cx, v);
}

static const char *joined(dsl *cx, const char *root, const ast_part *const *part, int n)
{
    for (int i = 0; i < n; i++)
        root = arena_printf(cx->mem, "%s.%s", root, part_text(cx, part[i]));
    return root;
}

/* Under which path a net or layer in use has its parameters; null: it has none yet. */
static const char *path_of(dsl *cx, const dsl_value *f)
{
    if (f->kind != DSL_FUNCTION || !f->function.of->item)
        return NULL;
    if (f->function.of->item->kind == AST_ITEM_NET)
        return dsl_net_path(cx, f->function.of);
    return f->function.use ? f->function.use->path : NULL;
}

/* "there are loss, rmse": the names of several results. */
static const char *names_of(dsl *cx, const dsl_value *v)
{
    const char *all = NULL;

    for (uint32_t i = 0; v->list.name && i < v->list.n; i++)
        if (v->list.name[i])
            all = !all ? v->list.name[i] : arena_printf(cx->mem, "%s, %s", all, v->list.name[i]);
    return !all ? "they have no names"
                : arena_printf(cx->mem, v->list.n == 1 ? "there is %s" : "there are %s", all);
}

static const dsl_value *result_named(dsl *cx, const dsl_value *v, const char *name, ir_loc at)
{
    for (uint32_t i = 0; i < v->list.n; i++)
        if (v->list.name && v->list.name[i] && !strcmp(v->list.name[i], name))
            return v->list.at[i];
    return dsl_wrong(cx, at, "there is no %s: %s", name, names_of(cx, v));
}

/* The part `m.name` of an imported module. */
static const dsl_value *item_of(dsl *cx, const dsl_value *m, const ast_part *p)
{
    dsl_scope own = *m->module->scope;

    own.parent = NULL;
    const dsl_var *v = dsl_find_var(&own, p->text);
    return v ? dsl_var_value(cx, v)
             : dsl_wrong(cx, p->at, "%s has no %s", m->module->path, p->text);
}

/* By its path; parameters exist from the first use of their net on. */
static dsl_memory *memory_at(dsl *cx, const char *path, ir_loc at)
{
    dsl_memory *m = dsl_memory_find(cx, path);

    if (!m)
        dsl_wrong(cx, at, "there is no parameter or state %s; it is there behind the first use of "
                  "its net", path);
    return m;
}

/* The path is followed as far as values have members; what is left is that of a
 * parameter. */
const dsl_value *dsl_member(dsl *cx, const ast_expr *e)
{
    chain c;

    if (dsl_is_onnx_name(cx, e))
        return dsl_onnx_uncalled(cx, e);
    if (!chain_of(cx, e, &c))
        return &dsl_poison;
    const dsl_value *v = dsl_eval(cx, c.root);
    for (int i = 0; i < c.n && !dsl_bad(v); i++) {
        if (v->kind == DSL_MODULE) {
            v = item_of(cx, v, c.part[i]);
            continue;
        }
        if (v->kind == DSL_PARAMS)      /* the names of parameters have dots */
            return result_named(cx, v, joined(cx, part_text(cx, c.part[i]), c.part + i + 1,
                                              c.n - i - 1), c.part[i]->at);
        if (v->kind == DSL_RESULTS) {
            v = result_named(cx, v, part_text(cx, c.part[i]), c.part[i]->at);
            continue;
        }
        const char *path = path_of(cx, v);
        if (!path)
            return dsl_wrong(cx, c.part[i]->at, "%s has no .%s%s", dsl_describe(cx, v),
                             c.part[i]->text,
                             dsl_habit_text(cx, SYNTAX_MEMBER, c.part[i]->text));
        dsl_memory *m = memory_at(cx, joined(cx, path, c.part + i, c.n - i), c.part[i]->at);
        return m ? dsl_read(cx, &m->cell) : &dsl_poison;
    }
    return v;
}

/* The cell of a path on the left of <-; null after a message. */
dsl_cell *dsl_path_cell(dsl *cx, const ast_path *path, ir_loc at)
{
    const ast_part *part[MAX_PARTS];
    int n = (int)path->len;

    if (n > MAX_PARTS)
        return dsl_wrong(cx, at, "a path of more than %d parts", MAX_PARTS), NULL;
    for (int i = 0; i < n; i++)
        part[i] = &path->at[i];
    const dsl_value *v = dsl_lookup(cx, part[0]->text, at);
    int from = 1;
    while (v->kind == DSL_MODULE && from < n)
        v = item_of(cx, v, part[from++]);
    const char *root = path_of(cx, v);
    if (!root && !dsl_bad(v))
        dsl_wrong(cx, at, "%s has no parameters here", dsl_describe(cx, v));
    dsl_memory *m = root ? memory_at(cx, joined(cx, root, part + from, n - from), at) : NULL;
    return m ? &m->cell : NULL;
}

/* ---- all parameters of a net ------------------------------------------------ */

static bool is_net(const dsl_value *v)
{
    return v->kind == DSL_FUNCTION && v->function.of->item &&
           v->function.of->item->kind == AST_ITEM_NET;
}

bool dsl_is_params(const dsl_value *v)
{
    return v->kind == DSL_PARAMS || is_net(v);
}

/* The parameters under a path, named without it. */
static const dsl_value *params_under(dsl *cx, const char *path)
{
    size_t n = strlen(path);
    const dsl_value **at = arena_array(cx->mem, const dsl_value *, cx->memory.len + 1);
    const char **name = arena_array(cx->mem, const char *, cx->memory.len + 1);
    uint32_t count = 0;

    for (uint32_t i = 0; i < cx->memory.len; i++) {
        dsl_memory *m = cx->memory.at[i];
        if (strncmp(m->path, path, n) || m->path[n] != '.' || !m->trainable)
            continue;
        name[count] = m->path + n + 1;
        at[count++] = dsl_read(cx, &m->cell);
    }
    return dsl_list(cx, DSL_PARAMS, count, at, name);
}

/* All parameters of a net; other values are themselves.  A net that nothing has used so far has
 * none, unless it is net a = b and b has: without a message, what is done to all of none would
 * be nothing. */
static const dsl_value *params_of(dsl *cx, const dsl_value *v, ir_loc at)
{
    if (!is_net(v))
        return v;
    const char *path = dsl_net_path(cx, v->function.of);
    const dsl_value *p = params_under(cx, path);
    if (!p->list.n) {
        dsl_copy_memories(cx, v->function.of, true);
        p = params_under(cx, path);
    }
    if (!p->list.n && diag_failed(cx->d))
        return &dsl_poison;             /* a use above may have failed */
    if (!p->list.n)
        return dsl_wrong(cx, at, "%s has no parameters here: a net gets them where it is first "
                         "used, and no use stands above", v->function.of->name);
    return p;
}

/* The parameter of this name, or v itself where it is a number for all of them. */
static const dsl_value *part_of(const dsl_value *v, const char *name)
{
    if (v->kind != DSL_PARAMS)
        return v;
    for (uint32_t i = 0; i < v->list.n; i++)
        if (!strcmp(v->list.name[i], name))
            return v->list.at[i];
    return NULL;
}

/* Parameters of a net as one value: -p is a value of the same names. */
const dsl_value *dsl_params_unary(dsl *cx, unsigned op, const dsl_value *x, ir_loc at)
{
    const dsl_value *p = params_of(cx, x, at);
    if (dsl_bad(p))
        return p;
    const dsl_value **out = arena_array(cx->mem, const dsl_value *, p->list.n + 1);

    for (uint32_t i = 0; i < p->list.n; i++)
        if (dsl_bad(out[i] = dsl_unary(cx, op, p->list.at[i], at)))
            return &dsl_poison;
    return dsl_list(cx, DSL_PARAMS, p->list.n, out, p->list.name);
}

/* An operator of the language, or, with a name, a scalar function. */
static const dsl_value *of_two(dsl *cx, unsigned op, const char *name, const dsl_value *a,
                               const dsl_value *b, ir_loc at)
{
    return name ? dsl_scalar2(cx, op, a, b, at, name) : dsl_binary(cx, (ast_op)op, a, b, at);
}

/* Part by part, a number or array meeting each. */
static const dsl_value *pairwise(dsl *cx, unsigned op, const char *function, const dsl_value *a,
                                 const dsl_value *b, ir_loc at)
{
    if (dsl_bad(a) || dsl_bad(b))
        return &dsl_poison;
    a = params_of(cx, a, at);
    b = params_of(cx, b, at);
    if (dsl_bad(a) || dsl_bad(b))
        return &dsl_poison;
    const dsl_value *main = a->kind == DSL_PARAMS ? a : b;
    const dsl_value **out = arena_array(cx->mem, const dsl_value *, main->list.n + 1);
    for (uint32_t i = 0; i < main->list.n; i++) {
        const char *name = main->list.name[i];
        const dsl_value *x = part_of(a, name), *y = part_of(b, name);
        if (!x || !y)
            return dsl_wrong(cx, at, "%s is a parameter of one net only", name);
        if (dsl_bad(out[i] = of_two(cx, op, function, x, y, at)))
            return &dsl_poison;
    }
    return dsl_list(cx, DSL_PARAMS, main->list.n, out, main->list.name);
}

const dsl_value *dsl_params_binary(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b,
                                   ir_loc at)
{
    return pairwise(cx, op, NULL, a, b, at);
}

const dsl_value *dsl_params_scalar2(dsl *cx, unsigned op, const char *name, const dsl_value *a,
                                    const dsl_value *b, ir_loc at)
{
    return pairwise(cx, op, name, a, b, at);
}

const dsl_value *dsl_params_sum(dsl *cx, const dsl_value *x, ir_loc at)
{
    const dsl_value *p = params_of(cx, x, at), *sum = dsl_int(cx, 0);

    if (dsl_bad(p))
        return p;
    for (uint32_t i = 0; i < p->list.n; i++)
        sum = dsl_binary(cx, AST_ADD, sum, dsl_reduce_visible(cx, p->list.at[i], RED_SUM), at);
    return sum;
}

/* Writes every parameter of a net from those of `from`. */
static void write_all(dsl *cx, const char *path, const dsl_value *from, ir_loc at)
{
    for (uint32_t i = 0; i < from->list.n; i++) {
        dsl_memory *m = memory_at(cx, arena_printf(cx->mem, "%s.%s", path, from->list.name[i]), at);
        if (m)
            dsl_write(cx, &m->cell, from->list.at[i], at);
    }
}

/* False if the statement is none of this kind. */
bool dsl_update_net(dsl *cx, const ast_stmt *s)
{
    const ast_target *t = &s->define.targets.at[0];
    const dsl_var *var = t->path.len == 1 ? dsl_find_var(cx->scope, t->path.at[0].text) : NULL;

    if (!var || !var->value || !is_net(var->value) || t->subscripted)
        return false;
    const dsl_value *v = params_of(cx, dsl_eval_top(cx, s->define.value), s->at);
    if (dsl_bad(v) || dsl_bad(params_of(cx, var->value, s->at)))
        return true;
    if (v->kind != DSL_PARAMS) {
        dsl_wrong(cx, s->at, "a net is changed by a net's parameters, this is %s",
                  dsl_describe(cx, v));
        return true;
    }
    write_all(cx, dsl_net_path(cx, var->value->function.of), v, s->at);
    dsl_follow_states(cx, var->value->function.of, s->at);
    return true;
}

/* ---- gradients -------------------------------------------------------------- */

/* The first axis of y that is one of an index or of rows, and none of x's; null: there is none. */
static const dsl_axis *missing_axis(const dsl_value *y, const dsl_value *x)
{
    for (int i = 0; i < y->tensor.rank; i++)
        if (y->tensor.axis[i] && (!dsl_is_tensor(x) || dsl_find(x, y->tensor.axis[i]) < 0))
            return y->tensor.axis[i];
    return NULL;
}

/* y as one number.  It may be one for each i where x is one for each i, too: those of one i
 * are taken to be made of those of the same, so that their sum has all gradients. */
static const dsl_value *total(dsl *cx, const dsl_value *y, const dsl_value *x, ir_loc at)
{
    dsl_axes all = {0};
    int visible[IR_MAX_RANK];

    y = dsl_as(cx, y, DSL_REAL, at, "what is differentiated");
    if (dsl_bad(y) || dsl_bad(x))
        return &dsl_poison;
    if (dsl_visible(y, visible))
        return dsl_wrong(cx, at, "grad takes a number, this is %s; sum it", dsl_describe(cx, y));
    const dsl_axis *each = missing_axis(y, x);
    if (each)
        return dsl_wrong(cx, at, "grad of a number for each %s, by what is the same for all: "
                         "sum[%s] makes it one number%s", dsl_is_rows(each) ? "row" : each->name,
                         each->name, dsl_is_rows(each) ? "" : "; for a gradient of each, compute "
                         "it and grad in a scan");
    dsl_add_carried(&all, y);
    return dsl_reduce(cx, y, RED_SUM, &all);
}

/* Is what has these ancestors in the region made of x outside of it?  Gradients go no farther than
 * the region. */
static bool made_outside(dsl *cx, dsl_region *r, const bool *marks, const dsl_value *x);

/* Is it so by way of what the region has as `inner`, and the function around it as `outer`? */
static bool made_by_way(dsl *cx, dsl_region *r, const bool *marks, ir_ref inner, ir_ref outer,
                        const dsl_value *x)
{
    const ir_fn *f = r->outer->b->fn;

    if (inner == IR_NONE || !marks[r->b->fn->value.at[inner].node])
        return false;
    const bool *around = train_ancestors(cx, f, outer);
    return r->outer == x->tensor.home ? around[f->value.at[x->tensor.ref].node]
                                      : made_outside(cx, r->outer, around, x);
}

static bool made_outside(dsl *cx, dsl_region *r, const bool *marks, const dsl_value *x)
{
    if (r == x->tensor.home)
        return false;
    const ir_captures *c = r->captured;
    for (uint32_t i = 0, n = (uint32_t)c->regions; i < c->ref.len; i++)
        if (c->ref.at[i] != x->tensor.ref || r->outer != x->tensor.home)
            if (made_by_way(cx, r, marks, c->inner.at[i * n + (uint32_t)r->side], c->ref.at[i], x))
                return true;
    for (uint32_t i = 0; r->scan && i < r->scan->slices.len; i++) {
        const dsl_slice *s = &r->scan->slices.at[i];
        dsl_region *now = cx->region;
        cx->region = r->outer;
        ir_ref outer = dsl_ref(cx, s->base);
        cx->region = now;
        if (made_by_way(cx, r, marks, s->part->tensor.ref, outer, x))
            return true;
    }
    return false;
}

/* Is y, which has these ancestors, not made of x, but of a number that x is made of? */
static bool made_beside(dsl *cx, const bool *marks, ir_ref y, ir_ref x)
{
    const ir_fn *f = dsl_b(cx)->fn;
    uint32_t nx = f->value.at[x].node, ny = f->value.at[y].node;

    if (marks[nx])
        return false;
    const bool *of_x = train_ancestors(cx, f, x);
    for (uint32_t i = 0; i <= nx && i <= ny; i++)
        if (marks[i] && of_x[i] && f->node.at[i].op != OP_CONST && f->node.at[i].nres &&
            dt_is_float(ir_type_of(f, f->node.at[i].first)->dtype))
            return true;
    return false;
}

/* Does the gradient see all ways from x to y, which has these ancestors? */
static bool sees(dsl *cx, const bool *marks, ir_ref y, const dsl_value *x, ir_loc at)
{
    if (made_outside(cx, cx->region, marks, x))
        return dsl_wrong(cx, at, "grad in a loop or branch, of what is computed outside of it: "
                         "compute that inside, too"), false;
    if (made_beside(cx, marks, y, dsl_ref(cx, x)))
        return dsl_wrong(cx, at, "grad by what the number is not computed from: name it, "
                         "h = .., and compute the number from h"), false;
    return true;
}

/* A parameter by which an entry differentiates is a state, also where a file has its weights: what
 * is computed of constants is computed when compiling, and has no gradient. */
static void keep_state(dsl *cx, const dsl_value *part)
{
    if (!cx->o || !cx->o->weights || cx->known)
        return;
    for (uint32_t i = 0; i < cx->memory.len; i++) {
        dsl_memory *m = cx->memory.at[i];
        m->updated |= m->trainable &&
                      dsl_ref(cx, dsl_first_read(cx, &m->cell)) == dsl_ref(cx, part);
    }
}

static bool is_constant(const ir_fn *f, ir_ref x)
{
    const ir_node *n = ir_node_of(f, x);

    if (n->op == OP_BROADCAST)
        n = ir_node_of(f, ir_arg(f, n, 0));
    return n->op == OP_CONST;
}

/* Is it an array of reals that the run knows? */
static bool can_be_by(dsl *cx, const dsl_value *v, ir_loc at)
{
    bool real = dsl_is_tensor(v) && v->tensor.elem == DSL_REAL;

    if (v->kind == DSL_NUMBER || (real && is_constant(dsl_b(cx)->fn, dsl_ref(cx, v))))
        return dsl_wrong(cx, at, "grad by a constant: what is made of it is computed when "
                         "compiling; with an x of the run, 0 * x + 2 is not"), false;
    if (!real)
        dsl_wrong(cx, at, "grad by %s", dsl_describe(cx, v));
    return real;
}

/* grad(y, x): a request node, which the pass `grad` expands. */
const dsl_value *dsl_grad(dsl *cx, const dsl_value *y, const dsl_value *x, ir_loc at)
{
    const dsl_value *by = params_of(cx, x, at);
    const dsl_value *const *part = by->kind == DSL_PARAMS ? by->list.at : &by;
    uint32_t n = by->kind == DSL_PARAMS ? by->list.n : 1;
    ir_ref *in = arena_array(cx->mem, ir_ref, n + 1);
    const dsl_value **out = arena_array(cx->mem, const dsl_value *, n);

    y = total(cx, y, by, at);
    if (dsl_bad(y))
        return &dsl_poison;
    in[0] = dsl_ref(cx, y);
    for (uint32_t i = 0; i < n; i++) {      /* reading may add nodes: all at first */
        if (!can_be_by(cx, part[i], at))
            return &dsl_poison;
        keep_state(cx, part[i]);
        in[i + 1] = dsl_ref(cx, part[i]);
    }
    const bool *marks = train_ancestors(cx, dsl_b(cx)->fn, in[0]);
    for (uint32_t i = 0; i < n; i++)
        if (!sees(cx, marks, in[0], part[i], at))
            return &dsl_poison;
    ir_ref g = ir_make(dsl_b(cx), OP_GRAD, in, n + 1, NULL);
    for (uint32_t i = 0; i < n; i++)
        out[i] = dsl_array_like(cx, part[i], g == IR_NONE ? g : g + i, part[i]->tensor.rank,
                                part[i]->tensor.axis);
    return by->kind == DSL_PARAMS ? dsl_list(cx, DSL_PARAMS, n, out, by->list.name) : out[0];
}
