/* frontend/dsl/scope.c - names and what they mean.
 *
 * A scope is a list of variables with a parent.  Names are interned by the pool of
 * the syntax tree, so that comparing pointers compares texts.  A variable means a
 * value, an index (an axis), or a cell whose value changes as statements write it. */
#include "check.h"

dsl_scope *dsl_scope_new(dsl *cx, dsl_scope *parent)
{
    dsl_scope *s = arena_new(cx->mem, dsl_scope);

    s->parent = parent;
    return s;
}

/* From the inside outwards.  A scope's list begins with what was defined last: `x =
 * f(x)` gives the name a new meaning from there on. */
dsl_var *dsl_find_var(const dsl_scope *s, const char *name)
{
    for (; s; s = s->parent)
        for (dsl_var *v = s->vars; v; v = v->next)
            if (v->name == name && !v->block)
                return v;
    return NULL;
}

dsl_var *dsl_find_own(const dsl_scope *s, const char *name)
{
    dsl_var *v = s->vars;

    while (v && v->name != name)
        v = v->next;
    return v;
}

static dsl_var *add_var(dsl *cx, dsl_scope *s, const char *name, ir_loc at)
{
    dsl_var *v = arena_new(cx->mem, dsl_var);

    v->name = name;
    v->at = at;
    v->next = s->vars;
    s->vars = v;
    return v;
}

dsl_var *dsl_define(dsl *cx, dsl_scope *s, const char *name, const dsl_value *v, ir_loc at)
{
    dsl_var *x = add_var(cx, s, name, at);

    x->value = v;
    return x;
}

dsl_var *dsl_define_index(dsl *cx, dsl_scope *s, const char *name, dsl_axis *a, ir_loc at)
{
    dsl_var *x = add_var(cx, s, name, at);

    x->index = a;
    return x;
}

dsl_var *dsl_define_cell(dsl *cx, dsl_scope *s, dsl_cell *cell)
{
    dsl_var *x = add_var(cx, s, cell->name, cell->at);

    x->cell = cell;
    return x;
}

/* An index as a value: i in `x[i] * i` counts 0, 1, .. along its axis, which it
 * carries. */
const dsl_value *dsl_index_value(dsl *cx, dsl_axis *a)
{
    dsl_value like = {.tensor = {.elem = DSL_INT, .number = true, .bounded = true}};

    if (!a->known)
        return dsl_wrong(cx, cx->at, "%s has no extent, it never stands alone in a subscript; "
                         "write %s in N with its extent", a->name, a->name);
    like.tensor.lo = dim_int(cx->dims, 0);
    like.tensor.hi = dim_sub(cx->dims, a->extent, dim_int(cx->dims, 1));
    return dsl_array_like(cx, &like, ir_iota(dsl_b(cx), DT_I64, &a->extent, 1, 0), 1, &a);
}

const dsl_value *dsl_var_value(dsl *cx, const dsl_var *v)
{
    if (v->index)
        return dsl_index_value(cx, v->index);
    return v->cell ? dsl_read(cx, v->cell) : v->value;
}

void dsl_lose(dsl *cx, const char *name, const char *why)
{
    dsl_lost *l = arena_new(cx->mem, dsl_lost);

    *l = (dsl_lost){.name = name, .why = why, .home = cx->scope, .next = cx->lost};
    cx->lost = l;
}

/* Why a name of a body means nothing behind it; null: no body in sight had it. */
static const char *why_lost(const dsl *cx, const char *name)
{
    for (const dsl_lost *l = cx->lost; l; l = l->next)
        for (const dsl_scope *s = cx->scope; l->name == name && s; s = s->parent)
            if (s == l->home)
                return l->why;
    return NULL;
}

/* A message about a name of a body that has ended says so; one about an unknown name what other
 * languages' name it is (`np`, `len`, ..), then which known name is nearest. */
const dsl_value *dsl_lookup(dsl *cx, const char *name, ir_loc at)
{
    const dsl_var *v = dsl_find_var(cx->scope, name);

    if (v)
        return dsl_var_value(cx, v);
    for (const dsl_scope *s = cx->scope; s; s = s->parent)
        if (dsl_find_own(s, name))
            return dsl_wrong(cx, at, "%s is a train block, which nothing calls", name);
    const char *why = why_lost(cx, name);
    if (why)
        return dsl_wrong(cx, at, "%s %s", name, why);
    const char *habit = dsl_habit_text(cx, SYNTAX_NAME, name);
    if (*habit)
        return dsl_wrong(cx, at, "unknown name %s%s", name, habit);
    const char *near = dsl_nearest(cx, name);
    return dsl_wrong(cx, at, near ? "unknown name %s; did you mean %s?" : "unknown name %s", name,
                     near);
}
