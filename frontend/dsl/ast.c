/* frontend/dsl/ast.c - names of the syntax tree. */
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

static bool any_mentions(const ast_exprs *l, const char *name)
{
    bool any = false;

    for (uint32_t i = 0; i < l->len; i++)
        any |= ast_mentions(l->at[i], name);
    return any;
}

static bool call_mentions(const ast_expr *e, const char *name)
{
    bool any = ast_mentions(e->call.callee, name);

    for (uint32_t i = 0; i < e->call.args.len; i++)
        any |= ast_mentions(e->call.args.at[i].value, name);
    return any;
}

static bool indices_mention(const ast_indices *l, const char *name)
{
    bool any = false;

    for (uint32_t i = 0; i < l->len; i++)
        any |= ast_mentions(l->at[i].extent, name);
    return any;
}

bool ast_mentions(const ast_expr *e, const char *name)
{
    if (!e)
        return false;
    switch (e->kind) {
    case AST_NAME: return !strcmp(e->name, name);
    case AST_ARRAY: return any_mentions(&e->items, name);
    case AST_CALL: return call_mentions(e, name);
    case AST_SUBSCRIPT:
        return ast_mentions(e->subscript.base, name) ||
               any_mentions(&e->subscript.positions, name);
    case AST_MEMBER: return ast_mentions(e->member.base, name);
    case AST_UNARY: return ast_mentions(e->unary.x, name);
    case AST_BINARY:
    case AST_PIPE:
        return ast_mentions(e->binary.left, name) || ast_mentions(e->binary.right, name);
    case AST_SELECT:
        return ast_mentions(e->select.cond, name) || ast_mentions(e->select.yes, name) ||
               ast_mentions(e->select.no, name);
    case AST_REDUCE:
        return indices_mention(&e->reduce.indices, name) || ast_mentions(e->reduce.body, name);
    case AST_FOR:
        return indices_mention(&e->each.indices, name) || ast_mentions(e->each.body, name);
    case AST_SLICE: return ast_mentions(e->slice.low, name) || ast_mentions(e->slice.high, name);
    default: return false;
    }
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
