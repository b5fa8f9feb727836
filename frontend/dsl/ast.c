/* frontend/dsl/ast.c - names of the syntax tree, and what stands in it. */
#include "ast.h"

const char *ast_name(ast_pool *pool, const char *s, size_t n)
{
    uint32_t id = names_add(&pool->names, arena_strndup(&pool->mem, s, n));

    return pool->names.text.at[id];
}

bool ast_is_any(const ast_expr *e)
{
    return e->kind == AST_NAME && !strcmp(e->name, "_");
}

static bool any_of(const ast_exprs *l, ast_test *test, const void *what)
{
    for (uint32_t i = 0; i < l->len; i++)
        if (ast_any(l->at[i], test, what))
            return true;
    return false;
}

static bool any_of_call(const ast_expr *e, ast_test *test, const void *what)
{
    for (uint32_t i = 0; i < e->call.args.len; i++)
        if (ast_any(e->call.args.at[i].value, test, what))
            return true;
    return ast_any(e->call.callee, test, what);
}

static bool any_of_extents(const ast_indices *l, ast_test *test, const void *what)
{
    for (uint32_t i = 0; i < l->len; i++)
        if (ast_any(l->at[i].extent, test, what))
            return true;
    return false;
}

bool ast_any(const ast_expr *e, ast_test *test, const void *what)
{
    if (!e)
        return false;
    if (test(e, what))
        return true;
    switch (e->kind) {
    case AST_ARRAY: return any_of(&e->items, test, what);
    case AST_CALL: return any_of_call(e, test, what);
    case AST_SUBSCRIPT:
        return ast_any(e->subscript.base, test, what) ||
               any_of(&e->subscript.positions, test, what);
    case AST_MEMBER: return ast_any(e->member.base, test, what);
    case AST_UNARY: return ast_any(e->unary.x, test, what);
    case AST_BINARY:
    case AST_PIPE:
        return ast_any(e->binary.left, test, what) || ast_any(e->binary.right, test, what);
    case AST_SELECT:
        return ast_any(e->select.cond, test, what) || ast_any(e->select.yes, test, what) ||
               ast_any(e->select.no, test, what);
    case AST_REDUCE:
        return any_of_extents(&e->reduce.indices, test, what) ||
               ast_any(e->reduce.body, test, what);
    case AST_FOR:
        return any_of_extents(&e->each.indices, test, what) || ast_any(e->each.body, test, what);
    case AST_SLICE:
        return ast_any(e->slice.low, test, what) || ast_any(e->slice.high, test, what);
    default: return false;
    }
}

static bool is_name(const ast_expr *e, const void *name)
{
    return e->kind == AST_NAME && !strcmp(e->name, name);
}

bool ast_mentions(const ast_expr *e, const char *name)
{
    return ast_any(e, is_name, name);
}

void ast_pool_free(ast_pool *pool)
{
    names_free(&pool->names);
    arena_reset(&pool->mem);
}

const char *const ast_elem_text[] = {
#define ELEM(id, text) text,
#include "words.def"
};

const char *const ast_reduction_text[] = {
#define REDUCTION(id, text) text,
#include "words.def"
};

const char *const ast_knob_text[] = {
#define KNOB(id, text) text,
#include "words.def"
};

const char *const ast_op_text[] = {
    "+", "-", "*", "/", "//", "%", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or", "-", "not"};
