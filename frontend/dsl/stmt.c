/* frontend/dsl/stmt.c - statements and blocks.
 *
 * The value of a block is that of its last statement.  After a faulty statement the
 * names that it would have defined are poison, so that one mistake makes one
 * message: what reads poison is poison and says nothing. */
#include "train.h"

/* Several expressions are several results. */
static const dsl_value *values(dsl *cx, const ast_stmt *s)
{
    uint32_t n = s->values.len;
    const dsl_value **at = arena_array(cx->mem, const dsl_value *, n + 1);
    const char **name = arena_array(cx->mem, const char *, n + 1);

    if (n == 1)
        return dsl_eval_top(cx, s->values.at[0]);
    for (uint32_t i = 0; i < n; i++)
        if (dsl_bad(at[i] = dsl_eval_top(cx, s->values.at[i])))
            return &dsl_poison;
    return dsl_list(cx, DSL_RESULTS, n, at, name);
}

/* show h, x |> f: a name is shown by it, anything else by its line. */
static void show(dsl *cx, const ast_stmt *s)
{
    for (uint32_t i = 0; i < s->values.len; i++) {
        const ast_expr *e = s->values.at[i];
        const dsl_value *v = dsl_eval_top(cx, e);
        v = dsl_bad(v) ? v : dsl_as_array(cx, v, e->at);
        if (dsl_bad(v) || (cx->o && cx->o->silent))
            continue;
        ir_show(dsl_b(cx), dsl_ref(cx, v),
                e->kind == AST_NAME ? arena_strdup(&cx->m->mem, e->name)
                                    : arena_printf(&cx->m->mem, "line %u", e->at.line));
    }
}

/* The extents of check N == M; false if it is no such check. */
static bool equal_extents(dsl *cx, const ast_expr *e, ir_dim *a, ir_dim *b)
{
    if (e->kind != AST_BINARY || e->binary.op != AST_EQ || !dsl_is_static(cx, e))
        return false;
    return dsl_dim(cx, dsl_eval(cx, e->binary.left), a) &&
           dsl_dim(cx, dsl_eval(cx, e->binary.right), b) && !dsl_same(*a, *b) &&
           !dim_differ(cx->dims, *a, *b);
}

/* One stands for the other from here on: arrays in sight get the other extent. */
static void equate(dsl *cx, ir_dim a, ir_dim b, const char *message)
{
    ir_check_dims(dsl_b(cx), dim_eq(cx->dims, a, b), message);
    for (dsl_scope *s = cx->scope; s && !s->file; s = s->parent)
        for (dsl_var *v = s->vars; v; v = v->next)
            if (v->value)
                v->value = dsl_with_extent(cx, v->value, a, b);
}

/* check cond, "message".  Equal extents are a fact from here on for whoever
 * compares them; a condition that is known now is decided now; any other becomes a
 * CHECK of the run. */
static void check(dsl *cx, const ast_stmt *s)
{
    ir_dim a, b;
    const char *message = s->check.message ? s->check.message
                                           : dsl_of_line(cx, s->at, "a check failed");
    const dsl_value *v;

    if (equal_extents(cx, s->check.cond, &a, &b)) {
        equate(cx, b, a, message);
        return;
    }
    v = dsl_eval_top(cx, s->check.cond);
    if (v->kind == DSL_TRUTH && !v->truth)
        dsl_wrong(cx, s->at, "%s", message);
    if (dsl_bad(v) || v->kind == DSL_TRUTH)
        return;
    v = dsl_as(cx, v, DSL_BOOL, s->at, "a check");
    if (dsl_bad(v))
        return;
    dsl_axes all = {0};
    dsl_add_carried(&all, v);
    v = dsl_reduce_visible(cx, dsl_reduce(cx, v, RED_AND, &all), RED_AND);
    if (!dsl_bad(v))
        ir_check(dsl_b(cx), dsl_ref(cx, v), message);
}

/* print(x) is another language's `show x`. */
static const dsl_value *lost(dsl *cx, const ast_stmt *s)
{
    const ast_expr *e = s->values.at[0];
    bool named = e->kind == AST_CALL && e->call.callee->kind == AST_NAME;

    return dsl_wrong(cx, s->at, "the value of this expression is lost%s",
                     named ? dsl_habit_text(cx, SYNTAX_NAME, e->call.callee->name) : "");
}

/* `last` says that the statement's value is the block's: only there may an
 * expression stand alone.  cx->at is where messages without a place of their own
 * point. */
static const dsl_value *statement(dsl *cx, const ast_stmt *s, bool last)
{
    const dsl_value *v = &dsl_nothing;

    dsl_stand(cx, s->at);
    switch (s->kind) {
    case AST_PARAM:
        if (!cx->frame->parameters)
            dsl_wrong(cx, s->at, "parameters stand in layers and nets");
        else
            dsl_declare(cx, &s->decls, true, s->at);
        return v;
    case AST_STATE: dsl_declare(cx, &s->decls, false, s->at); return v;
    case AST_DEFINE: return dsl_define_stmt(cx, s);
    case AST_VALUE:
        if (!last)
            return lost(cx, s);
        return values(cx, s);
    case AST_IF: return dsl_if_stmt(cx, s, last);
    case AST_SCAN: dsl_scan_stmt(cx, s); return v;
    case AST_WHILE: dsl_while_stmt(cx, s); return v;
    case AST_REPEAT: dsl_repeat_stmt(cx, s); return v;
    case AST_FIT: train_fit_block(cx, s); return v;
    case AST_CHECK: check(cx, s); return v;
    case AST_SHOW: show(cx, s); return v;
    case AST_TRACK: train_track(cx, s); return v;
    default: return dsl_wrong(cx, s->at, "this stands in train blocks only");
    }
}

/* What a faulty statement would have defined is poison, which says no more. */
static void poison_names(dsl *cx, const ast_stmt *s);

static void poison_block(dsl *cx, const ast_block *b)
{
    for (uint32_t i = 0; i < b->stmts.len; i++)
        poison_names(cx, b->stmts.at[i]);
}

/* A name that already means something keeps its meaning; only what is missing is
 * filled in. */
static void poison_name(dsl *cx, const char *name, ir_loc at)
{
    if (!dsl_find_var(cx->scope, name))
        dsl_define(cx, cx->scope, name, &dsl_poison, at);
}

/* Both sides of an if: whichever would have run might have defined the name. */
static void poison_names(dsl *cx, const ast_stmt *s)
{
    switch (s->kind) {
    case AST_DEFINE:
        for (uint32_t i = 0; i < s->define.targets.len; i++)
            if (s->define.targets.at[i].path.len == 1)
                poison_name(cx, s->define.targets.at[i].path.at[0].text, s->at);
        break;
    case AST_IF:
        poison_block(cx, &s->branch.yes);
        poison_block(cx, &s->branch.no);
        break;
    case AST_SCAN:
    case AST_REPEAT:
    case AST_WHILE:
        for (uint32_t i = 0; i < s->loop.carried.len; i++)
            poison_name(cx, s->loop.carried.at[i].name.text, s->at);
        poison_block(cx, &s->loop.body);
        break;
    default: break;
    }
}

const dsl_value *dsl_statement(dsl *cx, const ast_stmt *s, bool last)
{
    uint32_t before = cx->d->errors;
    const dsl_value *v = statement(cx, s, last);

    if (cx->d->errors > before)
        poison_names(cx, s);
    return v;
}

/* In the scope that there is, so that its names live on behind the block: bodies of
 * loops and branches that define what follows. */
const dsl_value *dsl_run_here(dsl *cx, const ast_block *b)
{
    const dsl_value *v = &dsl_nothing;
    bool poison = false;

    for (uint32_t i = 0; i < b->stmts.len; i++) {
        v = dsl_statement(cx, b->stmts.at[i], i + 1 == b->stmts.len);
        poison |= dsl_bad(v);
    }
    return poison ? &dsl_poison : v;
}

const dsl_value *dsl_run(dsl *cx, const ast_block *b)
{
    dsl_scope *outer = cx->scope;

    cx->scope = dsl_scope_new(cx, outer);
    const dsl_value *v = dsl_run_here(cx, b);
    cx->scope = outer;
    return v;
}
