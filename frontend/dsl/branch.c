/* frontend/dsl/branch.c - if { } else { }.
 *
 * A condition that is known when compiling chooses: the branch is part of the body around.
 * Else both become regions; cells that one of them writes are results, and so is what both
 * define under one name, and the value of the block. */
#include "check.h"

/* One branch: its region, the names that it defines, and its value. */
typedef struct side {
    dsl_region region;
    dsl_scope *scope;
    const dsl_value *value;
} side;

/* Both branches, and what the node gives: cells that one of them writes, names that
 * both define, their value. */
typedef struct branching {
    ir_branches f;
    side side[2];
    VEC(const dsl_value *) result;      /* like the one of side 0 */
} branching;

/* Evaluates one branch into its region.  What it wrote is put back, for the other
 * to begin as it did. */
static void run_side(dsl *cx, branching *k, const ast_block *b, int i)
{
    side *s = &k->side[i];
    dsl_scope *outer = cx->scope;

    s->region = (dsl_region){.b = &k->f.side[i], .outer = cx->region, .captured = &k->f.captured,
                             .side = i};
    k->f.side[i].checks = dsl_b(cx)->checks;
    cx->region = &s->region;
    cx->scope = s->scope = dsl_scope_new(cx, outer);
    s->scope->body = "branch";
    s->value = b ? dsl_run_here(cx, b) : &dsl_nothing;
    cx->scope = outer;
    cx->region = s->region.outer;
    for (uint32_t w = 0; w < s->region.written.len; w++) {      /* the other side sees none of it */
        dsl_written *x = &s->region.written.at[w];
        const dsl_value *now = x->cell->now;
        x->cell->now = x->before;
        x->before = now;
    }
}

/* Axes of both: those of a, in front of them what b has beside. */
static bool axes_of_both(dsl *cx, const dsl_value *a, const dsl_value *b, dsl_shape *s)
{
    for (int i = 0; i < b->tensor.rank; i++)
        if (b->tensor.axis[i] && dsl_find(a, b->tensor.axis[i]) < 0 &&
            !dsl_add_to_shape(cx, s, b->tensor.axis[i], dsl_extent(b, i)))
            return false;
    return dsl_add_axes(cx, s, a);
}

/* May one name mean either?  Carried axes may differ, they are spread; what is
 * visible, and the element, must be the same. */
static bool alike(const dsl_value *a, const dsl_value *b)
{
    int x[IR_MAX_RANK], y[IR_MAX_RANK], n = dsl_visible(a, x);

    if (!dsl_is_tensor(a) || !dsl_is_tensor(b) || dsl_dtype(a) != dsl_dtype(b) ||
        a->tensor.elem != b->tensor.elem || dsl_visible(b, y) != n)
        return false;
    for (int i = 0; i < n; i++)
        if (!dsl_same(dsl_extent(a, x[i]), dsl_extent(b, y[i])))
            return false;
    return true;
}

/* A result of the node: a where the condition holds, else b. */
static bool yield(dsl *cx, branching *k, const char *name, const dsl_value *a, const dsl_value *b)
{
    const dsl_value *v[2] = {a, b};
    dsl_region *outer = cx->region;
    dsl_shape s = {0};

    if (!alike(a, b) || !axes_of_both(cx, a, b, &s))
        return false;
    for (int i = 0; i < 2; i++) {
        cx->region = &k->side[i].region;
        v[i] = dsl_arrange_as(cx, v[i], &s);
        ir_if_yield(&k->f, i, name, dsl_bad(v[i]) ? IR_NONE : dsl_ref(cx, v[i]));
    }
    cx->region = outer;
    vec_push(&k->result, dsl_join_bounds(cx, v[0], v[1]));
    return true;
}

/* The cell behind side i. */
static const dsl_value *cell_behind(dsl *cx, branching *k, int i, dsl_cell *c)
{
    const dsl_written *w = dsl_find_written(&k->side[i].region, c);

    return w ? w->before : dsl_read(cx, c);
}

/* What a result of the node is for, in the body around. */
typedef struct given {
    dsl_cell *cell;
    const char *name;           /* of a definition; both null: the value of the block */
    ir_loc at;
} given;
typedef VEC(given) givens;

/* A cell that one side alone writes is on the other side as it was. */
static void yield_cells(dsl *cx, branching *k, givens *out)
{
    for (int i = 0; i < 2; i++)
        for (uint32_t w = 0; w < k->side[i].region.written.len; w++) {
            dsl_cell *c = k->side[i].region.written.at[w].cell;
            if (i && dsl_find_written(&k->side[0].region, c))
                continue;
            if (yield(cx, k, c->name, cell_behind(cx, k, 0, c), cell_behind(cx, k, 1, c)))
                vec_push(out, (given){.cell = c});
            else
                dsl_wrong(cx, c->at, "%s differs in type behind the branches", c->name);
        }
}

static const dsl_var *own_var(const dsl_scope *s, const char *name)
{
    for (const dsl_var *v = s->vars; v; v = v->next)
        if (v->name == name)
            return v;
    return NULL;
}

/* Is it an array, or what becomes one: a number, a truth, a list of such? */
static bool becomes_array(const dsl_value *v)
{
    for (uint32_t i = 0; v->kind == DSL_LIST && i < v->list.n; i++)
        if (!becomes_array(v->list.at[i]))
            return false;
    return v->kind == DSL_NUMBER || v->kind == DSL_TRUTH || dsl_is_tensor(v) ||
           (v->kind == DSL_LIST && v->list.n);
}

static bool is_number(const dsl_value *v)
{
    return v->kind == DSL_NUMBER || (dsl_is_tensor(v) && v->tensor.number);
}

static dsl_elem elem_of(const dsl_value *v)
{
    if (v->kind == DSL_NUMBER)
        return v->number.whole ? DSL_INT : DSL_REAL;
    return v->tensor.elem;
}

/* What both become: numbers take the element of the other side; where both are numbers, real if
 * one has a fraction.  False: none. */
static bool common_elem(const dsl_value *const v[2], dsl_elem *out)
{
    dsl_elem e[2] = {elem_of(v[0]), elem_of(v[1])};
    bool number[2] = {is_number(v[0]), is_number(v[1])};

    if (number[0] != number[1]) {
        *out = e[number[0]];            /* of the side that is no number */
        return *out == DSL_REAL || (*out == DSL_INT && e[number[1]] == DSL_INT);
    }
    *out = e[0] == DSL_REAL ? e[0] : e[1];
    return number[0] || e[0] == e[1];
}

/* Both as arrays of one element, each made in its side; what two numbers become is a number
 * still.  False, without a message, if they do not agree. */
static bool agree(dsl *cx, branching *k, const dsl_value *v[2], ir_loc at, const char *what)
{
    dsl_region *outer = cx->region;
    bool number, ok = true;
    dsl_elem elem;

    for (int i = 0; i < 2; i++) {
        cx->region = &k->side[i].region;
        if (v[i]->kind != DSL_NUMBER)
            v[i] = dsl_as_array(cx, v[i], at);
        ok &= !dsl_bad(v[i]);
    }
    number = ok && is_number(v[0]) && is_number(v[1]);
    ok = ok && common_elem(v, &elem);
    for (int i = 0; ok && i < 2; i++) {
        cx->region = &k->side[i].region;
        dsl_value *w = arena_copy(cx->mem, dsl_as(cx, v[i], elem, at, what), sizeof *w);
        w->tensor.number |= number && w->kind == DSL_TENSOR;
        v[i] = w;
        ok &= !dsl_bad(w);
    }
    cx->region = outer;
    return ok;
}

/* What the sides define differently is no name behind the if. */
static void lose_name(dsl *cx, const char *name, const dsl_value *a, const dsl_value *b)
{
    const char *one = a ? dsl_describe(cx, a) : NULL;

    dsl_lose(cx, name, !a || !b ? "is defined in one branch only; define it in both"
                                : arena_printf(cx->mem, "is %s in one branch and %s in the other",
                                               one, dsl_describe(cx, b)));
}

/* Names that both sides define are names behind the if; one that only one side
 * defines is not.  Of a name that a side defines twice the later counts. */
static void yield_names(dsl *cx, branching *k, givens *out)
{
    for (const dsl_var *v = k->side[0].scope->vars; v; v = v->next) {
        const dsl_var *w = own_var(k->side[1].scope, v->name);
        if (!v->value || own_var(k->side[0].scope, v->name) != v)
            continue;
        const dsl_value *both[2] = {v->value, w ? w->value : NULL};
        if (both[1] && becomes_array(both[0]) && becomes_array(both[1]) &&
            agree(cx, k, both, v->at, v->name) && yield(cx, k, v->name, both[0], both[1]))
            vec_push(out, (given){.name = v->name, .at = v->at});
        else
            lose_name(cx, v->name, v->value, w ? w->value : NULL);
    }
    for (const dsl_var *w = k->side[1].scope->vars; w; w = w->next)
        if (w->value && !own_var(k->side[0].scope, w->name))
            lose_name(cx, w->name, NULL, w->value);
}

/* Gives what the node computes to the body around; the value of the block. */
static const dsl_value *take(dsl *cx, branching *k, const givens *l, ir_ref r)
{
    const dsl_value *value = &dsl_nothing;

    for (uint32_t i = 0; i < l->len; i++) {
        const dsl_value *like = k->result.at[i];
        const dsl_value *v =
            dsl_array_like(cx, like, r + i, like->tensor.rank, like->tensor.axis);
        if (l->at[i].cell)
            dsl_set_cell(cx, l->at[i].cell, v);
        else if (l->at[i].name)
            dsl_define(cx, cx->scope, l->at[i].name, v, l->at[i].at);
        else
            value = v;
    }
    return value;
}

static bool ends_in_expression(const ast_block *b)
{
    return b->stmts.len && b->stmts.at[b->stmts.len - 1]->kind == AST_VALUE;
}

/* The value of the block: an error if expressions give it that do not agree, for they would be
 * lost; of definitions it may not be wanted. */
static bool yield_value(dsl *cx, branching *k, const ast_stmt *s)
{
    const dsl_value *a = k->side[0].value, *b = k->side[1].value, *v[2] = {a, b};

    if (becomes_array(a) && becomes_array(b) && agree(cx, k, v, s->at, "the branch") &&
        yield(cx, k, "value", v[0], v[1]))
        return true;
    if (ends_in_expression(&s->branch.yes) && ends_in_expression(&s->branch.no)) {
        const char *one = dsl_describe(cx, a);
        dsl_wrong(cx, s->at, "one branch gives %s, the other %s", one, dsl_describe(cx, b));
    }
    return false;
}

/* A condition that only the run knows: both branches are evaluated, and one node
 * chooses. */
static const dsl_value *run_time(dsl *cx, const ast_stmt *s, ir_ref cond, bool last)
{
    branching *k = arena_new(cx->mem, branching);
    givens l = {0};
    const dsl_value *v = &dsl_poison;
    uint32_t errors = cx->d->errors;
    ir_ref r = IR_NONE;

    ir_if_begin(&k->f, dsl_b(cx), cond);
    run_side(cx, k, &s->branch.yes, 0);
    run_side(cx, k, s->branch.has_no ? &s->branch.no : NULL, 1);
    bool value = last && k->side[0].value->kind != DSL_NOTHING &&
                 k->side[1].value->kind != DSL_NOTHING;
    bool ok = cx->d->errors == errors;
    if (ok) {
        yield_cells(cx, k, &l);
        yield_names(cx, k, &l);
        if (value && yield_value(cx, k, s))
            vec_push(&l, (given){0});
    }
    if (ok && l.len)
        r = ir_if_end(&k->f);
    else
        ir_if_drop(&k->f);
    if (ok)
        v = r == IR_NONE ? &dsl_nothing : take(cx, k, &l, r);
    for (int i = 0; i < 2; i++)
        vec_free(&k->side[i].region.written);
    vec_free(&k->result);
    vec_free(&l);
    return v;
}

/* `last`: its value is that of the block around. */
const dsl_value *dsl_if_stmt(dsl *cx, const ast_stmt *s, bool last)
{
    const dsl_value *c = dsl_eval_top(cx, s->branch.cond), *v = &dsl_nothing;

    if (dsl_bad(c))
        return c;
    if (c->kind == DSL_TRUTH) {
        if (c->truth)
            v = dsl_run_here(cx, &s->branch.yes);
        else if (s->branch.has_no)
            v = dsl_run_here(cx, &s->branch.no);
        return v;
    }
    c = dsl_as(cx, c, DSL_BOOL, s->branch.cond->at, "a condition");
    if (dsl_bad(c))
        return c;
    if (c->tensor.rank)
        return dsl_wrong(cx, s->branch.cond->at, "a branch needs one condition, this is %s; write "
                         "if .. then .. else ..", dsl_describe(cx, c));
    return run_time(cx, s, dsl_ref(cx, c), last);
}
