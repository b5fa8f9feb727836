/* frontend/dsl/range.c - extents of indices, found from the subscripts they stand in.
 *
 * (1) A position that is one index has the axis' extent, and two must agree; `in` gives it.
 * (2) Then an affine position with one index that has none yet gives it: as many as fit,
 *     y[p] = max[i in 3] x[2 * p + i] runs p to (D - 1 - 2) // 2.
 * (3) On the left r * i + j gives j the range r.
 * What is then still unknown is found while calls that are subscripted are evaluated. */
#include "train.h"

/* A subscript's position on an axis of known extent. */
typedef struct position {
    dsl_affine form;
    ir_dim extent;
    ir_loc at;
    const char *where;          /* the array's name */
    bool first;                 /* is it the first axis there? */
} position;
typedef VEC(position) positions;

/* A walk over an expression that notes the positions in it. */
typedef struct finder {
    dsl *cx;
    dsl_ranges *out;
    positions found;
} finder;

static void walk(finder *f, const ast_expr *e);

/* ---- shapes of what is subscripted ------------------------------------------ */

/* Visible extents. */
typedef struct shape {
    int n;
    ir_dim at[IR_MAX_RANK];
} shape;

static bool shape_of(dsl *cx, const ast_expr *e, shape *out);

static void add_extent(shape *s, ir_dim d)
{
    if (s->n < IR_MAX_RANK)
        s->at[s->n++] = d;
}

/* What a subscript of v would count: its visible extents, of a list its length. */
static void shape_of_value(dsl *cx, const dsl_value *v, shape *out)
{
    int axis[IR_MAX_RANK], n = dsl_visible(v, axis);

    for (int i = 0; i < n; i++)
        add_extent(out, dsl_extent(v, axis[i]));
    if (v->kind == DSL_LIST)
        add_extent(out, dim_int(cx->dims, v->list.n));
}

/* The axes that a position leaves of one of this extent. */
static bool left_of(dsl *cx, const ast_expr *p, ir_dim extent, shape *out)
{
    ir_dim low = {0}, high = extent;
    const dsl_var *v;

    if (p && p->kind == AST_SLICE) {
        const ast_expr *a = p->slice.low, *b = p->slice.high;
        if ((a && (!dsl_is_static(cx, a) || !dsl_dim(cx, dsl_eval(cx, a), &low))) ||
            (b && (!dsl_is_static(cx, b) || !dsl_dim(cx, dsl_eval(cx, b), &high))))
            return false;
        if (dim_hi(cx->dims, low) < 0)
            low = dim_add(cx->dims, extent, low);
        if (dim_hi(cx->dims, high) < 0)
            high = dim_add(cx->dims, extent, high);
        add_extent(out, dim_sub(cx->dims, high, low));
    } else if (!p)
        add_extent(out, extent);
    else if (p->kind == AST_NAME && (v = dsl_find_var(cx->scope, p->name)) && !v->index)
        shape_of_value(cx, dsl_var_value(cx, v), out);
    return true;
}

/* x[2] of [3, 4] has [4], x[:, i] has [3]. */
static bool shape_of_subscript(dsl *cx, const ast_expr *e, shape *out)
{
    const ast_expr *at[IR_MAX_RANK];
    shape base = {0};

    if (!shape_of(cx, e->subscript.base, &base) ||
        !dsl_positions(&e->subscript.positions, base.n, at))
        return false;
    for (int i = 0; i < base.n; i++)
        if (!left_of(cx, at[i], base.at[i], out))
            return false;
    return true;
}

/* Visible extents of a name, a path, or a subscript of one. */
static bool shape_of(dsl *cx, const ast_expr *e, shape *out)
{
    const dsl_var *v = e->kind == AST_NAME ? dsl_find_var(cx->scope, e->name) : NULL;

    if (e->kind == AST_SUBSCRIPT)
        return shape_of_subscript(cx, e, out);
    if (e->kind == AST_MEMBER)
        shape_of_value(cx, dsl_eval(cx, e), out);
    else if (v && !v->index)
        shape_of_value(cx, dsl_var_value(cx, v), out);
    return out->n > 0;
}

/* ---- finding positions ------------------------------------------------------ */

static const char *base_name(const ast_expr *e)
{
    while (e->kind == AST_SUBSCRIPT)
        e = e->subscript.base;
    return e->kind == AST_NAME ? e->name : "it";
}

/* Only positions on axes of known extent say anything. */
static void note_positions(finder *f, const ast_expr *e)
{
    const ast_expr *at[IR_MAX_RANK];
    shape base = {0};

    if (!shape_of(f->cx, e->subscript.base, &base) ||
        !dsl_positions(&e->subscript.positions, base.n, at))
        return;
    for (int i = 0; i < base.n; i++) {
        position p = {.extent = base.at[i], .where = base_name(e), .first = !i};
        if (!at[i] || at[i]->kind == AST_SLICE || !dsl_affine_of(f->cx, at[i], &p.form))
            continue;
        p.at = at[i]->at;
        if (p.form.n)
            vec_push(&f->found, p);
    }
}

/* `i in 3` brings its extent along, `i` waits for a subscript. */
static dsl_axis *new_index(dsl *cx, const ast_index *i)
{
    dsl_axis *a = arena_new(cx->mem, dsl_axis);

    a->name = i->name;
    a->at = i->at;
    a->known = i->extent && dsl_eval_dim(cx, i->extent, &a->extent, "the extent of an index");
    return a;
}

/* Walks a body with new indices in scope. */
static void walk_indexed(finder *f, const ast_indices *l, const ast_expr *body)
{
    dsl *cx = f->cx;
    dsl_scope *outer = cx->scope;

    cx->scope = dsl_scope_new(cx, outer);
    for (uint32_t i = 0; i < l->len; i++) {
        const ast_index *x = &l->at[i];
        if (!x->name)
            continue;
        dsl_range r = {x, new_index(cx, x)};
        vec_push(f->out, r);
        dsl_define_index(cx, cx->scope, x->name, r.axis, x->at);
    }
    walk(f, body);
    cx->scope = outer;
}

static void walk_list(finder *f, const ast_exprs *l)
{
    for (uint32_t i = 0; i < l->len; i++)
        walk(f, l->at[i]);
}

static void walk_call(finder *f, const ast_expr *e)
{
    walk(f, e->call.callee);
    for (uint32_t i = 0; i < e->call.args.len; i++)
        walk(f, e->call.args.at[i].value);
}

/* All subscripts within, those of the bases too. */
static void walk(finder *f, const ast_expr *e)
{
    if (!e)
        return;
    switch (e->kind) {
    case AST_ARRAY: walk_list(f, &e->items); break;
    case AST_CALL: walk_call(f, e); break;
    case AST_SUBSCRIPT:
        walk(f, e->subscript.base);
        walk_list(f, &e->subscript.positions);
        note_positions(f, e);
        break;
    case AST_MEMBER: walk(f, e->member.base); break;
    case AST_UNARY: walk(f, e->unary.x); break;
    case AST_BINARY:
    case AST_PIPE: walk(f, e->binary.left), walk(f, e->binary.right); break;
    case AST_SELECT: walk(f, e->select.cond), walk(f, e->select.yes), walk(f, e->select.no); break;
    case AST_REDUCE:
        if (!train_part_extents(f->cx, e))
            walk_indexed(f, &e->reduce.indices, e->reduce.body);
        break;
    case AST_FOR: walk_indexed(f, &e->each.indices, e->each.body); break;
    case AST_SLICE: walk(f, e->slice.low), walk(f, e->slice.high); break;
    default: break;
    }
}

/* ---- solving ---------------------------------------------------------------- */

static bool is_index(dsl *cx, const dsl_affine *f)
{
    return f->n == 1 && dim_is(cx->dims, f->constant, 0) && dim_is(cx->dims, f->term[0].coef, 1);
}

/* An index has one extent: two axes that give it another one must be known to be
 * equal. */
static void agree(dsl *cx, const dsl_axis *a, const position *p)
{
    if (!a->where || dsl_same(a->extent, p->extent))
        return;
    if (dsl_apart(cx, a->extent, p->extent))
        dsl_wrong(cx, p->at, "%s runs over %s in %s but over %s in %s", a->name,
                  dsl_dim_text(cx, a->extent), a->where, dsl_dim_text(cx, p->extent), p->where);
    else
        dsl_wrong(cx, p->at, "%s runs over %s in %s and over %s in %s, which are not known to be "
                  "equal; %s", a->name, dsl_dim_text(cx, a->extent), a->where,
                  dsl_dim_text(cx, p->extent), p->where,
                  dsl_equal_text(cx, a->extent, p->extent, NULL, p->first ? p->where : NULL));
}

/* Rule (1). */
static void solve_indices(finder *f)
{
    for (uint32_t i = 0; i < f->found.len; i++) {
        const position *p = &f->found.at[i];
        dsl_axis *a = p->form.term[0].axis;
        if (!is_index(f->cx, &p->form))
            continue;
        if (a->known)
            agree(f->cx, a, p);
        else {
            a->extent = p->extent;
            a->known = true;
            a->where = p->where;
        }
    }
}

/* The term whose index has no extent, if there is exactly one; else -1. */
static int unknown_term(const dsl_affine *f)
{
    int at = -1;

    for (int i = 0; i < f->n; i++)
        if (!f->term[i].axis->known) {
            if (at >= 0)
                return -1;
            at = i;
        }
    return at;
}

/* Rule (2): (extent - 1 - greatest rest) // coef + 1 of the index. */
static bool solve_window(dsl *cx, const position *p)
{
    dim_table *t = cx->dims;
    int k = unknown_term(&p->form);

    if (k < 0 || dim_lo(t, p->form.term[k].coef) <= 0)
        return false;
    dsl_affine rest = p->form;
    dsl_axis *a = rest.term[k].axis;
    ir_dim lo, one = dim_int(t, 1);
    a->coef = rest.term[k].coef;
    rest.term[k] = rest.term[--rest.n];
    dsl_affine_range(cx, &rest, &lo, &a->rest);
    ir_dim room = dim_sub(t, dim_sub(t, p->extent, one), a->rest);
    int64_t known;
    if (dim_const(t, room, &known) && known < 0)
        dsl_wrong(cx, cx->at, "a window of %s does not fit in an axis of %s",
                  dsl_dim_text(cx, dim_add(t, a->rest, one)), dsl_dim_text(cx, p->extent));
    a->extent = dim_max(t, dim_add(t, dim_div(t, room, a->coef), one), dim_int(t, 0));
    a->known = a->window = true;
    a->within = p->extent;
    a->where = p->where;
    return true;
}

/* r * i + j on the left: j has the range r. */
static bool solve_join(dsl *cx, const ast_expr *place)
{
    dim_table *t = cx->dims;
    dsl_affine f;
    bool any = false;

    if (!dsl_affine_of(cx, place, &f) || f.n < 2)
        return false;
    for (int i = 0; i < f.n; i++) {
        dsl_axis *a = f.term[i].axis;
        ir_dim next = {0};
        bool found = false;
        for (int j = 0; j < f.n; j++)       /* the next larger coefficient */
            if (j != i && dsl_at_most(cx, f.term[i].coef, f.term[j].coef) &&
                (!found || dsl_at_most(cx, f.term[j].coef, next))) {
                next = f.term[j].coef;
                found = true;
            }
        ir_dim r;
        if (a->known || !found || !dim_divides(t, f.term[i].coef, next, &r))
            continue;
        a->extent = r;
        a->known = any = true;
    }
    return any;
}

/* Bare subscripts first; then what follows from them, until nothing is added: a
 * window x[p + k] gives p once k is known, a join n = a * b gives b. */
static void solve(finder *f, const ast_exprs *places)
{
    solve_indices(f);
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < f->found.len; i++)
            changed |= solve_window(f->cx, &f->found.at[i]);
        for (uint32_t i = 0; !changed && places && i < places->len; i++)
            changed = places->at[i]->kind != AST_REST && places->at[i]->kind != AST_SLICE &&
                      places->at[i]->kind != AST_IN && solve_join(f->cx, places->at[i]);
    }
}

void dsl_find_ranges(dsl *cx, const ast_expr *e, const ast_exprs *places, dsl_ranges *out)
{
    finder f = {.cx = cx, .out = out};

    walk(&f, e);
    solve(&f, places);
    vec_free(&f.found);
}

dsl_axis *dsl_range_axis(dsl *cx, const ast_index *i)
{
    for (uint32_t k = 0; cx->ranges && k < cx->ranges->len; k++)
        if (cx->ranges->at[k].at == i)
            return cx->ranges->at[k].axis;
    return new_index(cx, i);
}
