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
