/* frontend/dsl/ast.c - names of the syntax tree. */
#include "ast.h"

const char *ast_name(ast_pool *pool, const char *s, size_t n)
{
    char *copy = arena_strndup(&pool->mem, s, n);

    return pool->names.text.at[names_add(&pool->names, copy)];
}

void ast_pool_free(ast_pool *pool)
{
    names_free(&pool->names);
    arena_reset(&pool->mem);
}
