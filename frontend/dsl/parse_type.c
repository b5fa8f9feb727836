/* frontend/dsl/parse_type.c - types, names, paths and patterns. */
#include "parse.h"

#include "syntax.h"

/* ---- paths and patterns */

static bool is_reserved(token_kind k) { return k >= TOKEN_IMPORT && k <= TOKEN_WITH; }

/* part = NAME | NUMBER | STRING | "{" NAME "}"; any word is a name here */
bool parse_part(parser *p, ast_part *out)
{
    const token *t = take(p);

    *out = (ast_part){.at = t->at, .text = t->text};
    if (t->kind == TOKEN_BEGIN) {
        out->kind = AST_PART_CONFIG;
        out->text = peek(p)->text;
        return expect(p, TOKEN_NAME) && expect(p, TOKEN_END);
    }
    out->kind = t->kind == TOKEN_NUMBER   ? AST_PART_NUMBER
                : t->kind == TOKEN_STRING ? AST_PART_STRING
                                          : AST_PART_NAME;
    if (out->kind != AST_PART_NAME || t->kind == TOKEN_NAME || is_reserved(t->kind))
        return true;
    return fail_at(p, t->at, "a part of a path is expected behind the dot, not %s", t->text);
}

/* path = NAME {"." part} */
bool parse_path(parser *p, ast_path *out)
{
    ast_part part = {peek(p)->at, AST_PART_NAME, peek(p)->text};

    if (!expect(p, TOKEN_NAME))
        return false;
    list_push(p, out, part);
    while (!breaks(p) && accept(p, TOKEN_DOT)) {
        if (!parse_part(p, &part))
            return false;
        list_push(p, out, part);
    }
    return true;
}

/* What a pattern is written with. */
static bool in_pattern(const token *t)
{
    return t->kind == TOKEN_MUL || t->kind == TOKEN_DOT || t->kind == TOKEN_NAME ||
           t->kind == TOKEN_NUMBER || t->kind == TOKEN_BEGIN || is_reserved(t->kind);
}

/* One piece of a pattern: its text as written. */
static bool piece(parser *p, text *out)
{
    const token *t = take(p);

    text_add(out, "%s", t->text);
    if (t->kind != TOKEN_BEGIN)
        return true;
    text_add(out, "%s}", peek(p)->text);
    return expect(p, TOKEN_NAME) && expect(p, TOKEN_END);
}

/* pattern = path whose parts may have * | STRING; no blanks in it */
static bool pattern(parser *p, ast_pattern *out)
{
    text t = {0};
    bool ok = true;

    *out = (ast_pattern){.at = peek(p)->at, .text = peek(p)->text, .quoted = is(p, TOKEN_STRING)};
    if (accept(p, TOKEN_STRING))
        return true;
    if (!is(p, TOKEN_MUL) && !is(p, TOKEN_NAME))
        return fail(p, "the path of parameters");
    do
        ok = piece(p, &t);
    while (ok && peek(p)->glued && in_pattern(peek(p)));
    out->text = ast_name(p->pool, t.at, t.len);
    text_free(&t);
    return ok;
}

/* pats = pattern {"," pattern} */
bool parse_patterns(parser *p, ast_patterns *out)
{
    ast_pattern one;

    do {
        if (!pattern(p, &one))
            return false;
        list_push(p, out, one);
    } while (accept(p, TOKEN_COMMA));
    return true;
}

bool parse_name(parser *p, const char *what, ast_word *out)
{
    *out = (ast_word){peek(p)->at, peek(p)->text};
    if (is_reserved(peek(p)->kind))
        return fail_at(p, out->at, "%s is a word of the language: choose another name", out->text);
    return accept(p, TOKEN_NAME) || fail(p, what);
}

/* ---- types */

/* extent = ".." | sum */
static ast_expr *extent(parser *p)
{
    return is(p, TOKEN_REST) ? ast_new(p, AST_REST, take(p)->at) : parse_sum(p);
}

/* "[" [extent {"," extent}] "]" */
static bool extents(parser *p, ast_exprs *out)
{
    if (peek_behind(p)->kind != TOKEN_END_LIST)
        return parse_brackets(p, extent, out);
    take(p);
    take(p);
    return true;
}

/* ">" behind the bound of int; `>=` closes it and assigns */
static bool close_bound(parser *p)
{
    token *t = &p->tokens.at[p->next];

    if (t->kind != TOKEN_GE)
        return expect(p, TOKEN_GT);
    t->kind = TOKEN_ASSIGN;
    t->text = token_text(TOKEN_ASSIGN);
    t->at.col++;
    return true;
}

/* What other languages call the elements. */
static const struct {
    const char *theirs, *ours;
} foreign[] = {{"float", "real"}, {"float32", "f32"}, {"float64", "f64"},
               {"double", "f64"}, {"half", "f16"},    {"int32", "i32"},
               {"int64", "int"},  {"uint8", "u8"},    {"boolean", "bool"}};

/* The element of this name; AST_ELEM_COUNT, and what comes near, if there is none. */
static ast_elem find_elem(const char *name, nearest *near)
{
    *near = nearest_to(name);
    for (int i = 0; i < AST_ELEM_COUNT; i++) {
        if (!strcmp(ast_elem_text[i], name))
            return (ast_elem)i;
        nearest_try(near, ast_elem_text[i]);
    }
    for (size_t i = 0; i < COUNT(foreign); i++)
        if (!strcmp(foreign[i].theirs, name))
            near->best = foreign[i].ours;
    return AST_ELEM_COUNT;
}

/* elem = "real" | "int" ["<" sum ">"] | "bool" | "_" | "u8" .. */
static bool elem(parser *p, ast_type *type)
{
    const token *t = peek(p);
    nearest near;

    if (t->kind != TOKEN_NAME)
        return fail(p, "a type");
    type->elem = find_elem(t->text, &near);
    if (type->elem == AST_ELEM_COUNT) {
        p->lost = true;
        return syntax_unknown(p->d, t->at, "type", &near);
    }
    take(p);
    if (type->elem != AST_ELEM_INT || !accept(p, TOKEN_LT))
        return true;
    return (type->bound = parse_sum(p)) && close_bound(p);
}

/* type = elem ["[" [extents] "]"] | "[" [extents] "]" */
ast_type *parse_type(parser *p)
{
    ast_type *type = arena_new(&p->pool->mem, ast_type);

    type->at = peek(p)->at;
    if (!is(p, TOKEN_BEGIN_LIST) && !elem(p, type))
        return NULL;
    type->shaped = is(p, TOKEN_BEGIN_LIST) && !breaks(p);
    return !type->shaped || extents(p, &type->extents) ? type : NULL;
}
