/* frontend/dsl/define.c - names get values: y = e, y[o, :] = e, a, b = f(..), x ~ d, h <- e. */
#include "check.h"

enum { MAX_PLACES = IR_MAX_RANK };

/* What stands between the brackets on the left. */
typedef struct left {
    int n;                      /* places, without that of a loop's index */
    struct {
        bool visible;           /* `:` */
        bool rest;              /* `..` */
        const ast_expr *e;
        dsl_affine form;
        bool affine;
    } at[MAX_PLACES];
    int stack;                  /* position of a loop's index; -1: none */
    bool update;
    dsl_scan *scan;
    dsl_rounds *rounds;
} left;

/* ---- scopes ----------------------------------------------------------------- */

static bool ends_with(dsl *cx, const char *name, const char *body, ir_loc at)
{
    bool round = !strcmp(body, "round");

    return dsl_wrong(cx, at, round ? "%s = .. ends with this %s; carry it: with %s = .."
                                   : "%s = .. ends with this %s; write %s = if .. then .. else ..",
                     name, body, name), false;
}

/* May `=` name this here?  In the body of a loop or branch it must not hide a value of the
 * body around, for that would end with the round. */
static bool may_define(dsl *cx, const char *name, ir_loc at)
{
    const char *body = NULL;
    const dsl_var *old = dsl_find_var(cx->scope, name);

    if (old && old->cell) {
        const dsl_memory *m = old->cell->memory;
        const char *what = !m ? "carried" : m->trainable ? "a parameter" : "a state";
        if (m && m->data)
            return dsl_wrong(cx, at, "%s is data, which nothing changes; take another name", name),
                   false;
        return dsl_wrong(cx, at, "%s is %s; change it with <-", name, what), false;
    }
    for (const dsl_scope *s = cx->scope; s && s->parent && !s->file; s = s->parent) {
        for (const dsl_var *v = s->vars; v; v = v->next)
            if (v->name == name && body)
                return ends_with(cx, name, body, at);
        body = body ? body : s->body;
    }
    return true;
}

/* name = v: binds the name, to a layer too, which then has its parameters under it. */
static const dsl_value *define(dsl *cx, const ast_target *t, const dsl_value *v)
{
    const char *name = t->path.at[0].text;

    if (t->path.len != 1)
        return dsl_wrong(cx, t->at, "a path is changed with <-");
    if (!strcmp(name, "_") || dsl_bad(v)) {
        dsl_define(cx, cx->scope, name, v, t->at);
        return v;
    }
    if (v->kind == DSL_NOTHING || v->kind == DSL_RESULTS)
        return dsl_one_name(cx, t->at, name, v);
    if (!may_define(cx, name, t->at))
        return &dsl_poison;
    if (t->type)
        v = dsl_fill_type(cx, t->type, v, name, t->at);
    v = dsl_bind_name(cx, v, name);
    dsl_define(cx, cx->scope, name, v, t->at);
    return v;
}

/* ---- places ----------------------------------------------------------------- */

/* Names in a position that mean nothing yet are new indices. */
static void new_indices(dsl *cx, const ast_expr *e)
{
    if (e->kind == AST_NAME && !dsl_find_var(cx->scope, e->name)) {
        dsl_axis *a = arena_new(cx->mem, dsl_axis);
        a->name = e->name;
        a->at = e->at;
        dsl_define_index(cx, cx->scope, e->name, a, e->at);
    } else if (e->kind == AST_BINARY) {
        new_indices(cx, e->binary.left);
        new_indices(cx, e->binary.right);
    } else if (e->kind == AST_UNARY)
        new_indices(cx, e->unary.x);
    else if (e->kind == AST_SUBSCRIPT)
        for (uint32_t i = 0; i < e->subscript.positions.len; i++)
            new_indices(cx, e->subscript.positions.at[i]);
}

/* `i in n` of a new index. */
static bool given_index(dsl *cx, const ast_expr *e)
{
    ir_dim n;

    if (!dsl_eval_dim(cx, e->in.extent, &n, "the extent of an index"))
        return false;
    new_indices(cx, e->in.place);
    const dsl_var *v = e->in.place->kind == AST_NAME
                           ? dsl_find_var(cx->scope, e->in.place->name) : NULL;
    if (v && v->index && !v->index->known) {
        v->index->extent = n;
        v->index->known = true;
    }
    return true;
}

/* Is it the index of a loop around, whose rounds are stacked? */
static bool is_stacked(dsl *cx, const ast_expr *e, left *l)
{
    const dsl_var *v = e->kind == AST_NAME ? dsl_find_var(cx->scope, e->name) : NULL;

    if (!v || !v->value)
        return false;
    for (dsl_rounds *r = cx->rounds; r; r = r->outer)
        if (r->index == v->value)
            return l->rounds = r, true;
    if (cx->region->scan && cx->region->scan->index == v->value)
        return l->scan = cx->region->scan, true;
    return false;
}

/* Reads one place; false after a message. */
static bool read_place(dsl *cx, const ast_expr *e, left *l)
{
    const dsl_var *v = e->kind == AST_NAME ? dsl_find_var(cx->scope, e->name) : NULL;

    if (l->stack < 0 && is_stacked(cx, e, l)) {
        l->stack = l->n;
        return true;
    }
    if (v && v->value && v->value->kind != DSL_NUMBER && !l->update) {
        const char *where = v->at.line ? arena_printf(cx->mem, "a value (line %u)", v->at.line)
                                       : "a function of the language";
        return dsl_wrong(cx, e->at, "%s is %s, so this defines one element; choose another name "
                         "for the index", e->name, where), false;
    }
    if (l->n == MAX_PLACES)
        return dsl_wrong(cx, e->at, "more than %d axes", IR_MAX_RANK), false;
    int k = l->n++;
    l->at[k].e = e;
    l->at[k].rest = e->kind == AST_REST;
    l->at[k].visible = e->kind == AST_SLICE && !e->slice.low && !e->slice.high;
    if (e->kind == AST_IN)
        return given_index(cx, e);
    if (e->kind != AST_REST && e->kind != AST_SLICE)
        new_indices(cx, e);
    return true;
}

static bool read_left(dsl *cx, const ast_target *t, left *l, bool update)
{
    *l = (left){.stack = -1, .update = update};
    for (uint32_t i = 0; i < t->places.len; i++)
        if (!read_place(cx, t->places.at[i], l))
            return false;
    return true;
}

/* Positions of the places, now that the right side has given their extents. */
static bool settle_left(dsl *cx, left *l)
{
    for (int i = 0; i < l->n; i++) {
        const ast_expr *e = l->at[i].e;
        if (l->at[i].visible || l->at[i].rest || e->kind == AST_SLICE)
            continue;
        l->at[i].affine = dsl_affine_of(cx, e->kind == AST_IN ? e->in.place : e, &l->at[i].form);
        for (int k = 0; k < l->at[i].form.n; k++)
            if (!l->at[i].form.term[k].axis->known) {
                const char *name = l->at[i].form.term[k].axis->name;
                dsl_wrong(cx, e->at, "%s does not occur on the right; give its extent, %s in 10",
                          name, name);
                return false;
            }
    }
    return true;
}

/* ---- y[o, :] = e ------------------------------------------------------------ */

/* The axes of an array in the making: carried ones that stay, then those of the places. */
typedef struct made {
    int rank;
    dsl_axis *axis[IR_MAX_RANK], *from[IR_MAX_RANK];    /* of the result; of the value */
    ir_dim extent[IR_MAX_RANK];
    int joined[IR_MAX_RANK];    /* how many of `from` become this one; 0: the next one's */
} made;

/* One more axis of the result, by default from one index alone (joined: 1). */
static bool push(dsl *cx, made *m, dsl_axis *a, ir_dim extent, bool stays)
{
    if (m->rank == IR_MAX_RANK)
        return dsl_wrong(cx, cx->at, "more than %d axes", IR_MAX_RANK), false;
    m->from[m->rank] = a;
    m->axis[m->rank] = stays ? a : NULL;
    m->joined[m->rank] = 1;
    m->extent[m->rank++] = extent;
    return true;
}

static bool is_placed(const left *l, const dsl_axis *a)
{
    for (int i = 0; i < l->n; i++)
        for (int k = 0; k < l->at[i].form.n; k++)
            if (l->at[i].form.term[k].axis == a)
                return true;
    return false;
}

/* r * i + j must tile: then the axes lie one in the other. */
static bool push_form(dsl *cx, made *m, const left *l, int i)
{
    dsl_affine f = l->at[i].form;
    ir_dim total;

    if (!l->at[i].affine || !f.n || !dsl_tile(cx, &f, &total)) {
        dsl_wrong(cx, l->at[i].e->at, "this place does not fill an axis: an index, r * i + j with "
                  "j below r, or : stands here");
        return false;
    }
    for (int k = 0; k < f.n; k++)
        if (!push(cx, m, f.term[k].axis, f.term[k].axis->extent, false))
            return false;
    for (int k = 1; k < f.n; k++)
        m->joined[m->rank - 1 - k] = 0;
    m->joined[m->rank - 1] = f.n;
    return true;
}

/* `:` takes the next visible axis of the value, `..` all that the other places
 * leave. */
static bool push_places(dsl *cx, made *m, const left *l, const dsl_value *v)
{
    int visible[IR_MAX_RANK], n = dsl_visible(v, visible), next = 0, after = 0;

    for (int i = 0; i < l->n; i++)
        after += l->at[i].visible;
    bool rest = false;
    for (int i = 0; i < l->n; i++) {
        if (l->at[i].rest) {
            rest = true;
            for (; next < n - after; next++)
                if (!push(cx, m, NULL, dsl_extent(v, visible[next]), false))
                    return false;
        } else if (l->at[i].visible) {
            after--;
            if (next == n)
                return dsl_wrong(cx, l->at[i].e->at, "the right side is %s, : has no axis left",
                                 dsl_describe(cx, v)), false;
            if (!push(cx, m, NULL, dsl_extent(v, visible[next++]), false))
                return false;
        } else if (!push_form(cx, m, l, i))
            return false;
    }
    if (next < n && !rest && (l->n || l->stack >= 0))
        return dsl_wrong(cx, cx->at, "the right side is %s; write : for each of its axes",
                         dsl_describe(cx, v)), false;
    for (; next < n; next++)
        if (!push(cx, m, NULL, dsl_extent(v, visible[next]), false))
            return false;
    return true;
}

/* Axes that lie one in the other become one. */
static const dsl_value *join(dsl *cx, const dsl_value *v, const made *m)
{
    ir_dim shape[IR_MAX_RANK], d = dim_int(cx->dims, 1);
    dsl_axis *axis[IR_MAX_RANK];
    int rank = 0;

    for (int i = 0; i < m->rank; i++) {
        d = dim_mul(cx->dims, d, m->extent[i]);
        if (!m->joined[i])
            continue;
        shape[rank] = d;
        axis[rank++] = m->axis[i];
        d = dim_int(cx->dims, 1);
    }
    ir_ref x = dsl_ref(cx, v);
    return dsl_array_like(cx, v, rank < m->rank ? ir_reshape(dsl_b(cx), x, shape, rank) : x, rank,
                          axis);
}

/* Does v have the axes in this order, all of them and no others, but for ones that stay? */
static bool lies_so(const dsl_value *v, const made *m, const left *l, made *out)
{
    int at = 0, visible[IR_MAX_RANK], seen = 0, n = dsl_visible(v, visible);

    *out = (made){0};
    while (at < m->rank && m->axis[at])         /* those that stay, wherever they lie */
        at++;
    for (int i = 0; i < v->tensor.rank; i++) {
        dsl_axis *a = v->tensor.axis[i];
        int k = out->rank++;
        out->from[k] = a;
        out->extent[k] = dsl_extent(v, i);
        out->joined[k] = 1;
        if (a && !is_placed(l, a)) {
            out->axis[k] = a;
            continue;
        }
        if (at == m->rank || m->from[at] != a)
            return false;
        out->joined[k] = m->joined[at];
        if (k && !out->joined[k - 1] && out->axis[k - 1])
            return false;
        at++;
        seen += !a;
    }
    for (int i = 0; i + 1 < out->rank; i++)
        if (!out->joined[i] && out->axis[i + 1])
            return false;
    return at == m->rank && seen == n;
}

/* The value with the places' axes visible in their order. */
static const dsl_value *assemble(dsl *cx, const left *l, const dsl_value *v)
{
    made m = {0}, as_is;

    for (int i = 0; i < v->tensor.rank; i++) {
        dsl_axis *a = v->tensor.axis[i];
        if (a && !is_placed(l, a) && !push(cx, &m, a, dsl_extent(v, i), true))
            return &dsl_poison;
    }
    if (!push_places(cx, &m, l, v))
        return &dsl_poison;
    if (lies_so(v, &m, l, &as_is))
        return join(cx, v, &as_is);
    v = dsl_arrange(cx, v, m.from, m.extent, m.rank);
    return dsl_bad(v) ? v : join(cx, v, &m);
}

/* ---- stacks of rounds ------------------------------------------------------- */

/* The rounds are put together when the loop ends. */
static const dsl_value *stack(dsl *cx, const ast_target *t, const left *l, const dsl_value *v)
{
    dsl_stack s = {t->path.at[0].text, v, l->stack, t->at};

    if (l->scan) {
        if (cx->region->scan != l->scan)
            return dsl_wrong(cx, t->at, "%s is defined in a branch: in each round, or not at all",
                             s.name);
        vec_push(&l->scan->stacks, s);
    } else
        vec_push(&l->rounds->stacks, s);
    return &dsl_nothing;
}

/* ---- statements ------------------------------------------------------------- */

typedef const dsl_value *right(dsl *cx, const ast_stmt *s, const ast_target *t);

static const dsl_value *right_value(dsl *cx, const ast_stmt *s, const ast_target *t)
{
    (void)t;
    return dsl_eval(cx, s->define.value);
}

/* The whole of y[places] += e. */
static const dsl_value *right_sum(dsl *cx, const ast_stmt *s, const ast_target *t)
{
    const dsl_value *y = dsl_accumulate_product(cx, t, s->define.value);

    if (y)
        return y;
    const dsl_value *v = dsl_as_array(cx, dsl_eval(cx, s->define.value), t->at);
    return dsl_bad(v) ? v : dsl_accumulate(cx, t, v);
}

/* It is independent along the indices of its places. */
static const dsl_value *right_draw(dsl *cx, const ast_stmt *s, const ast_target *t)
{
    const dsl_value *how = dsl_eval(cx, s->define.value);

    cx->draw_along = (dsl_axes){0};
    for (const dsl_var *v = cx->scope->vars; v; v = v->next)
        if (v->index && v->index->known)
            dsl_add_axis(&cx->draw_along, v->index);
    const dsl_value *v = dsl_draw(cx, t->type, how, s->define.value->at);
    cx->draw_along = (dsl_axes){0};
    return v;
}

/* Evaluates the right side where the places' indices are in scope; `l` is settled then. */
static const dsl_value *evaluate_right(dsl *cx, const ast_stmt *s, const ast_target *t, right *f,
                                       left *l, bool update)
{
    dsl_ranges found = {0}, *outer = cx->ranges;
    const dsl_value *v = &dsl_poison;

    if (read_left(cx, t, l, update)) {
        dsl_find_ranges(cx, s->define.value, &t->places, &found);
        cx->ranges = &found;
        v = f(cx, s, t);
        cx->ranges = outer;
        vec_free(&found);
    }
    return dsl_bad(v) || settle_left(cx, l) ? v : &dsl_poison;
}

/* y[places] = e, y[places] ~ d. */
static const dsl_value *define_places(dsl *cx, const ast_stmt *s, const ast_target *t, right *f)
{
    left l;
    dsl_scope *outer = cx->scope;
    const dsl_value *v;

    cx->scope = dsl_scope_new(cx, outer);
    v = evaluate_right(cx, s, t, f, &l, false);
    v = dsl_as_array(cx, v, t->at);
    if (!dsl_bad(v) && s->define.op != AST_SCATTER)
        v = assemble(cx, &l, v);
    cx->scope = outer;
    if (!dsl_bad(v) && l.stack >= 0)
        return stack(cx, t, &l, v);
    ast_target plain = {.at = t->at, .path = t->path,
                        .type = s->define.op == AST_DRAW ? NULL : t->type};
    return define(cx, &plain, v);
}

/* a, b = f(..), x, v = s. */
static const dsl_value *take_apart(dsl *cx, const dsl_value *v, uint32_t i, uint32_t n, ir_loc at)
{
    int visible[IR_MAX_RANK];
    dim_table *t = cx->dims;

    if (v->kind == DSL_RESULTS || v->kind == DSL_LIST)
        return v->list.n == n ? v->list.at[i]
                              : dsl_wrong(cx, at, "%u names for %u values", n, v->list.n);
    if (!dsl_is_tensor(v) || !dsl_visible(v, visible) ||
        !dim_is(t, dsl_extent(v, visible[0]), n))
        return dsl_wrong(cx, at, "%u names for %s", n, dsl_describe(cx, v));
    ir_dim one = dim_int(t, 1), shape[IR_MAX_RANK];
    dsl_axis *axis[IR_MAX_RANK];
    int rank = 0;
    for (int k = 0; k < v->tensor.rank; k++)
        if (k != visible[0]) {
            shape[rank] = dsl_extent(v, k);
            axis[rank++] = v->tensor.axis[k];
        }
    ir_ref x = ir_slice_axis(dsl_b(cx), dsl_ref(cx, v), visible[0], dim_int(t, i), one, one);
    return dsl_array_like(cx, v, ir_reshape(dsl_b(cx), x, shape, rank), rank, axis);
}

/* The right side of a statement with several targets. */
static const dsl_value *eval_several(dsl *cx, const ast_stmt *s)
{
    if (dsl_is_onnx_op(cx, s->define.value))
        cx->wanted = s->define.targets.len;
    return dsl_eval_top(cx, s->define.value);
}

/* a, b = f(x): the values are all made before the first name is defined, so that a,
 * b = b, a swaps. */
static const dsl_value *define_several(dsl *cx, const ast_stmt *s)
{
    const dsl_value *v = eval_several(cx, s);
    uint32_t n = s->define.targets.len;

    for (uint32_t i = 0; i < n; i++) {
        const ast_target *t = &s->define.targets.at[i];
        define(cx, t, dsl_bad(v) ? v : take_apart(cx, v, i, n, s->at));
    }
    return dsl_bad(v) ? v : &dsl_nothing;
}

/* ---- h <- e ----------------------------------------------------------------- */

/* net.layer.w <- .. by its path, s <- .. by its name; null if that is no cell. */
static dsl_cell *cell_of(dsl *cx, const ast_target *t)
{
    const dsl_var *v;

    if (t->path.len > 1)
        return dsl_path_cell(cx, &t->path, t->at);
    v = dsl_find_var(cx->scope, t->path.at[0].text);
    return v ? v->cell : NULL;
}

/* What h[places] <- v makes of h. */
static const dsl_value *updated(dsl *cx, const ast_stmt *s, const ast_target *t, dsl_cell *c)
{
    left l;
    dsl_scope *outer = cx->scope;
    bool whole = true;

    cx->scope = dsl_scope_new(cx, outer);
    const dsl_value *v = evaluate_right(cx, s, t, right_value, &l, true);
    for (int i = 0; i < l.n; i++)
        whole &= l.at[i].visible || l.at[i].rest ||
                 (l.at[i].affine && l.at[i].form.n == 1 &&
                  dim_is(cx->dims, l.at[i].form.constant, 0) &&
                  dim_is(cx->dims, l.at[i].form.term[0].coef, 1));
    v = dsl_bad(v) ? v : dsl_as_array(cx, v, t->at);
    if (!dsl_bad(v))
        v = whole ? assemble(cx, &l, v) : dsl_place(cx, t, dsl_read(cx, c), v);
    cx->scope = outer;
    return v;
}

/* h <- e: a state or carried name, or all parameters of a net. */
static const dsl_value *update_one(dsl *cx, const ast_stmt *s)
{
    const ast_target *t = &s->define.targets.at[0];
    dsl_cell *c = cell_of(cx, t);

    if (!c && dsl_update_net(cx, s))
        return &dsl_nothing;
    if (!c && cx->rounds && !cx->frame->loop.line)
        return dsl_wrong(cx, t->at, "%s is neither a state nor carried; a repeat is unrolled: "
                         "%s = .. goes on to its next round", t->path.at[0].text,
                         t->path.at[0].text);
    if (!c)
        return dsl_wrong(cx, t->at, "%s is neither a state nor carried; carry it (with %s = ..) or "
                         "define it with =", t->path.at[0].text, t->path.at[0].text);
    dsl_write(cx, c, t->subscripted ? updated(cx, s, t, c) : dsl_eval_top(cx, s->define.value),
              t->at);
    return &dsl_nothing;
}

/* a, b <- f(..): the right side first, then all at once; names without memory are defined. */
static const dsl_value *update_several(dsl *cx, const ast_stmt *s)
{
    const dsl_value *v = eval_several(cx, s);
    uint32_t n = s->define.targets.len;
    bool any = false;

    for (uint32_t i = 0; i < n; i++)
        any |= cell_of(cx, &s->define.targets.at[i]) != NULL;
    if (!any)
        return dsl_wrong(cx, s->at, "none of these is a state or carried; define them with =");
    for (uint32_t i = 0; i < n; i++) {
        const ast_target *t = &s->define.targets.at[i];
        dsl_cell *c = cell_of(cx, t);
        const dsl_value *part = dsl_bad(v) ? v : take_apart(cx, v, i, n, s->at);
        if (c)
            dsl_write(cx, c, part, t->at);
        else
            define(cx, t, part);
    }
    return dsl_bad(v) ? v : &dsl_nothing;
}

/* y += e of a whole y, as other languages add. */
static const dsl_value *not_added(dsl *cx, const ast_target *t)
{
    const char *name = t->path.at[t->path.len - 1].text;
    const char *sign = cell_of(cx, t) ? "<-" : "=";

    return dsl_wrong(cx, t->at, "y[p] += e makes a y of what falls on each place p; write %s %s "
                     "%s + ..", name, sign, name);
}

/* What is added up is a new array, whatever the name has stood for. */
static void warn_of_old(dsl *cx, const ast_target *t)
{
    const char *name = t->path.at[0].text;
    const dsl_var *old = dsl_find_var(cx->scope, name);

    if (old && old->value && dsl_is_tensor(old->value) && old->at.line != t->at.line)
        dsl_warn(cx, t->at, "%s[..] += makes a new %s, which has nothing of the one of line %u; "
                 "with another name it can be added to that", name, name, old->at.line);
}

/* By the operator and the form of the left side. */
const dsl_value *dsl_define_stmt(dsl *cx, const ast_stmt *s)
{
    const ast_target *t = &s->define.targets.at[0];
    bool several = s->define.targets.len > 1;

    if (s->define.op == AST_UPDATE)
        return several ? update_several(cx, s) : update_one(cx, s);
    if (s->define.op == AST_SCATTER && !t->subscripted)
        return not_added(cx, t);
    if (several)
        return define_several(cx, s);
    if (s->define.op == AST_SCATTER)
        warn_of_old(cx, t);
    if (t->subscripted)
        return define_places(cx, s, t, s->define.op == AST_DRAW ? right_draw
                                       : s->define.op == AST_SCATTER ? right_sum : right_value);
    if (s->define.op == AST_DRAW) {
        ast_target plain = {.at = t->at, .path = t->path};
        const dsl_value *how = dsl_eval_top(cx, s->define.value);
        return define(cx, &plain, dsl_draw(cx, t->type, how, t->at));
    }
    return define(cx, t, dsl_eval_top(cx, s->define.value));
}
