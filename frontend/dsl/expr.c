/* frontend/dsl/expr.c - expressions: the evaluator of the language.  It runs when a
 * program is compiled and builds nodes of the IR as it goes; what is known then
 * (configuration, extents, choices by them) is computed and leaves no node.  A
 * value that is wrong is the poison, about which nobody complains a second time. */
#include "train.h"

/* ---- what is known when compiling ------------------------------------------- */

static bool static_value(const dsl_value *v)
{
    return v && (v->kind == DSL_NUMBER || v->kind == DSL_TRUTH || v->kind == DSL_TEXT);
}

static bool static_name(dsl *cx, const char *name)
{
    const dsl_var *v = dsl_find_var(cx->scope, name);

    if (!v)
        return !strcmp(name, "training");
    return static_value(v->value) || (v->value && v->value->kind == DSL_LIST);
}

/* A call of something without layers, of known values. */
static bool static_call(dsl *cx, const ast_expr *e)
{
    const dsl_var *f = e->call.callee->kind == AST_NAME
                           ? dsl_find_var(cx->scope, e->call.callee->name) : NULL;

    if (!f || !f->value || f->value->kind != DSL_FUNCTION || f->value->function.of->base)
        return false;
    const dsl_template *t = f->value->function.of;
    if (t->item && t->item->kind != AST_ITEM_FN)
        return false;
    for (uint32_t i = 0; i < e->call.args.len; i++)
        if (!dsl_is_static(cx, e->call.args.at[i].value))
            return false;
    return t->item || dsl_builtin_static(t->builtin);
}

/* Is e known without evaluating it, which would build nodes? */
bool dsl_is_static(dsl *cx, const ast_expr *e)
{
    switch (e->kind) {
    case AST_NUMBER:
    case AST_STRING:
    case AST_BOOL: return true;
    case AST_NAME: return static_name(cx, e->name);
    case AST_UNARY: return dsl_is_static(cx, e->unary.x);
    case AST_BINARY: return dsl_is_static(cx, e->binary.left) && dsl_is_static(cx, e->binary.right);
    case AST_SELECT:
        return dsl_is_static(cx, e->select.cond) && dsl_is_static(cx, e->select.yes) &&
               dsl_is_static(cx, e->select.no);
    case AST_CALL: return static_call(cx, e);
    case AST_SUBSCRIPT:
        return e->subscript.positions.len == 1 && dsl_is_static(cx, e->subscript.base) &&
               dsl_is_static(cx, e->subscript.positions.at[0]);
    default: return false;
    }
}

/* e as an extent; false after a message, which calls it `what`. */
bool dsl_eval_dim(dsl *cx, const ast_expr *e, ir_dim *out, const char *what)
{
    const dsl_value *v = dsl_eval(cx, e);

    if (dsl_bad(v) || dsl_dim(cx, v, out))
        return !dsl_bad(v);
    if (v->kind == DSL_NUMBER)
        dsl_wrong(cx, e->at, "%s is %s, which is not whole", what, dsl_describe(cx, v));
    else
        dsl_wrong(cx, e->at, "%s is a number known when compiling, this is %s", what,
                  dsl_describe(cx, v));
    return false;
}

bool dsl_eval_bound(dsl *cx, const ast_expr *e, ir_dim *out)
{
    int64_t n;

    if (!dsl_eval_dim(cx, e, out, "the bound of an index"))
        return false;
    if (!dim_const(cx->dims, *out, &n) || n > 0)
        return true;
    dsl_wrong(cx, e->at, "no index is below %lld: a bound is 1 or more", (long long)n);
    return false;
}

/* ---- by kind ---------------------------------------------------------------- */

/* `training` and counters of train blocks are known only where no name hides them. */
static const dsl_value *eval_name(dsl *cx, const ast_expr *e)
{
    if (!dsl_find_var(cx->scope, e->name) && !strcmp(e->name, "training"))
        return dsl_truth(cx, cx->frame->training);
    const dsl_value *counter = dsl_find_var(cx->scope, e->name) ? NULL : train_counter(cx, e->name);
    if (counter)
        return counter;
    return dsl_lookup(cx, e->name, e->at);
}

/* [a, b]: a list of the configuration, or an array if something in it is one. */
static const dsl_value *eval_array(dsl *cx, const ast_expr *e)
{
    uint32_t n = e->items.len;
    const dsl_value **at = arena_array(cx->mem, const dsl_value *, n + 1);
    bool arrays = false;

    for (uint32_t i = 0; i < n; i++) {
        at[i] = dsl_eval(cx, e->items.at[i]);
        if (dsl_bad(at[i]))
            return &dsl_poison;
        arrays |= dsl_is_tensor(at[i]);
    }
    const dsl_value *v = dsl_list(cx, DSL_LIST, n, at, NULL);
    return arrays ? dsl_as_array(cx, v, e->at) : v;
}

static const dsl_value *eval_unary(dsl *cx, const ast_expr *e)
{
    const dsl_value *x = dsl_eval(cx, e->unary.x);

    if (dsl_bad(x))
        return x;
    dsl_stand(cx, e->at);
    if (x->kind == DSL_PARAMS)
        return dsl_params_unary(cx, e->unary.op == AST_NEG ? OP_NEG : OP_NOT, x, e->at);
    return dsl_unary(cx, e->unary.op == AST_NEG ? OP_NEG : OP_NOT, x, e->at);
}

/* `and` and `or` of what is known now do not look at their right side once the left
 * decides: `n > 1 and x[1] > 0` must be right for n = 1. */
static const dsl_value *eval_binary(dsl *cx, const ast_expr *e)
{
    const dsl_value *a = dsl_eval(cx, e->binary.left);

    if (a->kind == DSL_TRUTH && (e->binary.op == AST_AND || e->binary.op == AST_OR) &&
        a->truth == (e->binary.op == AST_OR))
        return a;               /* the other side may mean nothing then */
    const dsl_value *b = dsl_eval(cx, e->binary.right);
    dsl_stand(cx, e->at);
    if (dsl_is_params(a) || dsl_is_params(b))
        return dsl_params_binary(cx, e->binary.op, a, b, e->at);
    return dsl_binary(cx, e->binary.op, a, b, e->at);
}

/* A known condition evaluates one side only: the other may not even make sense. */
static const dsl_value *eval_select(dsl *cx, const ast_expr *e)
{
    const dsl_value *c = dsl_eval(cx, e->select.cond);

    if (dsl_bad(c))
        return c;
    if (c->kind == DSL_TRUTH)
        return dsl_eval(cx, c->truth ? e->select.yes : e->select.no);
    const dsl_value *a = dsl_eval(cx, e->select.yes), *b = dsl_eval(cx, e->select.no);
    if (dsl_is_function(a) || dsl_is_function(b))
        return dsl_wrong(cx, e->at, "a choice between functions needs a condition that is known "
                         "when compiling");
    dsl_stand(cx, e->at);
    return dsl_select(cx, c, a, b, e->at);
}

static const dsl_value *eval_number(dsl *cx, const ast_expr *e)
{
    return e->number.is_whole ? dsl_int(cx, e->number.whole) : dsl_fraction(cx, e->number.value);
}

/* By kind; each has a file or function of its own. */
static const dsl_value *eval(dsl *cx, const ast_expr *e)
{
    switch (e->kind) {
    case AST_NUMBER: return eval_number(cx, e);
    case AST_STRING: return dsl_text(cx, e->string.text);
    case AST_BOOL: return dsl_truth(cx, e->truth);
    case AST_NAME: return eval_name(cx, e);
    case AST_ARRAY: return eval_array(cx, e);
    case AST_CALL: return dsl_call(cx, e);
    case AST_SUBSCRIPT: return dsl_subscript(cx, e);
    case AST_MEMBER: return dsl_member(cx, e);
    case AST_UNARY: return eval_unary(cx, e);
    case AST_BINARY: return eval_binary(cx, e);
    case AST_PIPE: return dsl_pipe(cx, e);
    case AST_SELECT: return eval_select(cx, e);
    case AST_REDUCE: return dsl_eval_reduce(cx, e);
    case AST_FOR: return dsl_eval_for(cx, e);
    default: return dsl_wrong(cx, e->at, "this stands in subscripts only");
    }
}

/* Messages and nodes that are made on the way point at e. */
const dsl_value *dsl_eval(dsl *cx, const ast_expr *e)
{
    ir_loc before = cx->at;

    dsl_stand(cx, e->at);
    const dsl_value *v = eval(cx, e);
    dsl_stand(cx, before);
    return v;
}

/* An expression that stands by itself: indices get their extents from all of it
 * before any part is evaluated, as in sum[i] f(i) * a[i]. */
const dsl_value *dsl_eval_top(dsl *cx, const ast_expr *e)
{
    dsl_ranges found = {0}, *outer = cx->ranges;

    dsl_find_ranges(cx, e, NULL, &found);
    cx->ranges = &found;
    const dsl_value *v = dsl_eval(cx, e);
    cx->ranges = outer;
    vec_free(&found);
    return v;
}

/* ---- e for i, j ------------------------------------------------------------- */

/* e for i in n, j: an array whose first visible axes are the indices. */
const dsl_value *dsl_eval_for(dsl *cx, const ast_expr *e)
{
    dsl_axes shown = {0};
    dsl_scope *outer = cx->scope;

    cx->scope = dsl_scope_new(cx, outer);
    for (uint32_t i = 0; i < e->each.indices.len; i++) {
        const ast_index *x = &e->each.indices.at[i];
        dsl_axis *a = dsl_range_axis(cx, x);
        dsl_add_axis(&shown, a);
        dsl_define_index(cx, cx->scope, x->name, a, x->at);
    }
    const dsl_value *v = dsl_as_array(cx, dsl_eval(cx, e->each.body), e->at);
    cx->scope = outer;
    for (int i = 0; i < shown.n; i++)
        if (!shown.at[i]->known)
            return dsl_wrong(cx, e->at, "%s has no extent; write %s in N with its extent",
                             shown.at[i]->name, shown.at[i]->name);
    return dsl_bad(v) ? v : dsl_show(cx, v, &shown);
}
