/* frontend/dsl/parse_item.c - items and programs. */
#include <stdlib.h>

#include "parse.h"

#include "syntax.h"

static ast_item *item_new(parser *p, ast_item_kind kind, ir_loc at)
{
    ast_item *i = arena_new(&p->pool->mem, ast_item);

    i->kind = kind;
    i->at = at;
    return i;
}

/* ---- parameters and results */

/* NAME [":" type] ["=" expr1] */
static bool param(parser *p, ast_param *out)
{
    *out = (ast_param){0};
    if (!parse_name(p, "a parameter", &out->name))
        return false;
    if (accept(p, TOKEN_COLON) && !(out->type = parse_type(p)))
        return false;
    return !accept(p, TOKEN_ASSIGN) || (out->value = parse_expr1(p));
}

/* Is the name new among the parameters so far? */
static bool is_new(parser *p, const ast_params *list, const ast_word *name)
{
    for (uint32_t i = 0; i < list->len; i++)
        if (list->at[i].name.text == name->text && strcmp(name->text, "_"))
            return fail_at(p, name->at, "%s is a parameter already", name->text);
    return true;
}

/* params = "(" [param {"," param}] ")" */
static bool params(parser *p, ast_params *out)
{
    ir_loc open = peek(p)->at;
    ast_param one;
    bool ok = expect(p, TOKEN_OPEN);

    p->open++;
    while (ok && !is(p, TOKEN_CLOSE)) {
        ok = param(p, &one) && is_new(p, out, &one.name);
        list_push(p, out, one);
        if (!accept(p, TOKEN_COMMA))
            break;
    }
    ok = ok && expect_close(p, TOKEN_CLOSE, open);
    p->open--;
    return ok;
}

/* "(" NAME ":" type {"," NAME ":" type} ")" */
static bool named_results(parser *p, ast_results *out)
{
    ir_loc open = take(p)->at;
    ast_result r;
    bool ok;

    p->open++;
    do {
        ok = parse_name(p, "a result's name", &r.name) && expect(p, TOKEN_COLON) &&
             (r.type = parse_type(p));
        list_push(p, out, r);
    } while (ok && accept(p, TOKEN_COMMA));
    ok = ok && expect_close(p, TOKEN_CLOSE, open);
    p->open--;
    return ok;
}

/* ["->" result]     result = type | "(" NAME ":" type {"," NAME ":" type} ")" */
static bool results(parser *p, ast_results *out)
{
    ast_result r = {.name.at = peek(p)->at};

    if (!accept(p, TOKEN_ARROW))
        return true;
    if (is(p, TOKEN_OPEN))
        return named_results(p, out);
    r.type = parse_type(p);
    list_push(p, out, r);
    return r.type;
}

/* ---- callables */

/* body = "=" expr | block */
static bool body(parser *p, bool train, ast_block *out)
{
    if (is(p, TOKEN_BEGIN))
        return parse_block(p, train, out);
    *out = (ast_block){.at = peek(p)->at};
    if (!accept(p, TOKEN_ASSIGN))
        return fail(p, "= or {");
    ast_stmt *s = stmt_new(p, AST_VALUE, peek(p)->at);
    list_push(p, &s->values, parse_expr(p));
    list_push(p, &out->stmts, s);
    return !p->lost;
}

/* ["onnx" NAME ["(" [arg {"," arg}] ")"]] */
static bool operator_of(parser *p, ast_item *i)
{
    if (!accept_word(p, "onnx"))
        return true;
    i->callable.onnx = true;
    if (!parse_name(p, "an ONNX operator", &i->callable.onnx_name))
        return false;
    return !is(p, TOKEN_OPEN) || parse_args(p, &i->callable.onnx_args);
}

/* params [params]: of two lists the first is configuration. */
static bool param_lists(parser *p, bool two, ast_item *i)
{
    if (!params(p, &i->callable.params))
        return false;
    if (!two || !is(p, TOKEN_OPEN))
        return true;
    i->callable.configured = true;
    i->callable.config = i->callable.params;
    i->callable.params = (ast_params){0};
    return params(p, &i->callable.params);
}

/* behind the word and name of
 *   "layer" NAME params [params] ["->" result] body
 *   "fn" NAME params [params] ["->" result] ["onnx" NAME ["(" [arg {"," arg}] ")"]] body
 *   "net" NAME params ["->" result] body            "entry" likewise
 *   "optimizer" NAME params params block
 *   "train" NAME params "{" {stmt | clause} "}"     "load" NAME params block */
static bool callable(parser *p, ast_item *i)
{
    bool fn = i->kind == AST_ITEM_FN, optimizer = i->kind == AST_ITEM_OPTIMIZER;
    bool plain = optimizer || i->kind == AST_ITEM_TRAIN || i->kind == AST_ITEM_LOAD;

    if (!param_lists(p, fn || optimizer || i->kind == AST_ITEM_LAYER, i))
        return false;
    if (optimizer && !i->callable.configured)
        return fail(p, "a second list of parameters, (w: [..], g: [..]),");
    if (!plain && !results(p, &i->callable.results))
        return false;
    if (fn && !operator_of(p, i))
        return false;
    if (plain && !is(p, TOKEN_BEGIN))
        return fail(p, "{");
    return body(p, i->kind == AST_ITEM_TRAIN, &i->callable.body);
}

/* ---- nets of nets */

/* hook = pats "|>" pipes */
static bool hook(parser *p, ast_hook *out)
{
    *out = (ast_hook){0};
    return parse_patterns(p, &out->patterns) && expect(p, TOKEN_PIPE) && (out->f = parse_pipes(p));
}

/* path ["(" STRING ")"] ["with" hook {"," hook}] behind "net" NAME "=" */
static bool net_of(parser *p, ast_item *i)
{
    ast_hook one;

    if (!parse_path(p, &i->net_of.base))
        return false;
    if (!breaks(p) && accept(p, TOKEN_OPEN)) {
        i->net_of.until = peek(p)->text;
        if (!expect(p, TOKEN_STRING) || !expect(p, TOKEN_CLOSE))
            return false;
    }
    if (!accept(p, TOKEN_WITH))
        return true;
    do {
        if (!hook(p, &one))
            return false;
        list_push(p, &i->net_of.hooks, one);
    } while (accept(p, TOKEN_COMMA));
    return true;
}

/* ---- the other items */

/* NAME {"," NAME} */
static bool name_list(parser *p, ast_words *out)
{
    ast_word word;

    do {
        if (!parse_name(p, "a name", &word))
            return false;
        list_push(p, out, word);
    } while (accept(p, TOKEN_COMMA));
    return true;
}

/* NAME {"," NAME}, or NAME "=" "[" STRING {"," STRING} "]", behind "dim" */
static bool dim(parser *p, ast_item *i)
{
    ir_loc open;

    if (!name_list(p, &i->dims))
        return false;
    if (i->dims.len > 1 || !accept(p, TOKEN_ASSIGN))
        return true;
    open = peek(p)->at;
    if (!expect(p, TOKEN_BEGIN_LIST))
        return false;
    p->open++;
    bool ok;
    do {
        ast_word word = {peek(p)->at, peek(p)->text};
        if ((ok = expect(p, TOKEN_STRING)))
            list_push(p, &i->names, word);
    } while (ok && accept(p, TOKEN_COMMA));
    ok = ok && expect_close(p, TOKEN_END_LIST, open);
    p->open--;
    return ok;
}

/* STRING ["as" NAME] ["(" NAME {"," NAME} ")"] behind "import" */
static bool import(parser *p, ast_item *i)
{
    ir_loc open;

    i->import.file = (ast_word){peek(p)->at, peek(p)->text};
    if (!accept(p, TOKEN_STRING))
        return fail(p, "the file in double quotes");
    if (accept_word(p, "as") && !parse_name(p, "a name", &i->import.alias))
        return false;
    open = peek(p)->at;
    if (breaks(p) || !accept(p, TOKEN_OPEN))
        return true;
    p->open++;
    bool ok = name_list(p, &i->import.names) && expect_close(p, TOKEN_CLOSE, open);
    p->open--;
    return ok;
}

/* NAME "=" expr1 {"," NAME "=" expr1} behind "config" */
static bool config(parser *p, ast_item *i)
{
    ast_decl d = {0};

    do {
        if (!parse_name(p, "a name", &d.name) || !expect(p, TOKEN_ASSIGN) ||
            !(d.value = parse_expr1(p)))
            return false;
        list_push(p, &i->decls, d);
    } while (accept(p, TOKEN_COMMA));
    return true;
}

/* NAME ":" type "=" expr1 {"," NAME ":" type "=" expr1} behind "data" */
static bool data(parser *p, ast_item *i)
{
    ast_decl d = {0};

    do {
        if (!parse_name(p, "a name", &d.name) || !expect(p, TOKEN_COLON) ||
            !(d.type = parse_type(p)) || !expect(p, TOKEN_ASSIGN) || !(d.value = parse_expr1(p)))
            return false;
        list_push(p, &i->decls, d);
    } while (accept(p, TOKEN_COMMA));
    return true;
}

/* What stands behind the word of the item. */
static bool rest_of(parser *p, ast_item *i)
{
    switch (i->kind) {
    case AST_ITEM_IMPORT: return import(p, i);
    case AST_ITEM_CONFIG: return config(p, i);
    case AST_ITEM_DIM: return dim(p, i);
    case AST_ITEM_STATE: return parse_decls(p, &i->decls);
    case AST_ITEM_DATA: return data(p, i);
    default: break;
    }
    if (!parse_name(p, "a name", &i->name))
        return false;
    if (i->kind != AST_ITEM_NET || !accept(p, TOKEN_ASSIGN))
        return callable(p, i);
    i->kind = AST_ITEM_NET_OF;
    return net_of(p, i);
}

static const struct {
    const char *word;
    ast_item_kind kind;
} kinds[] = {
    {"import", AST_ITEM_IMPORT}, {"config", AST_ITEM_CONFIG}, {"dim", AST_ITEM_DIM},
    {"state", AST_ITEM_STATE},   {"data", AST_ITEM_DATA},     {"fn", AST_ITEM_FN},
    {"layer", AST_ITEM_LAYER},   {"net", AST_ITEM_NET},       {"entry", AST_ITEM_ENTRY},
    {"train", AST_ITEM_TRAIN},   {"load", AST_ITEM_LOAD},     {"optimizer", AST_ITEM_OPTIMIZER},
};

/* The kind's row; -1, with what comes near, if the word begins no item. */
static int find_kind(const token *t, nearest *near)
{
    *near = nearest_to(t->text);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (t->kind != TOKEN_STRING && !strcmp(kinds[i].word, t->text))
            return (int)i;
        nearest_try(near, kinds[i].word);
    }
    return -1;
}

static ast_item *no_item(parser *p, const nearest *near)
{
    const token *t = peek(p);

    if (t->kind == TOKEN_NAME && near->best)
        return fail_at(p, t->at, "no item begins with %s; did you mean %s?", t->text, near->best);
    if (t->kind == TOKEN_FLOORDIV)
        return fail_at(p, t->at, "comments begin with #");
    if (t->kind == TOKEN_PARAM)
        return fail_at(p, t->at, "a param stands in a net or layer, whose path it gets; a state or "
                       "config stands alone");
    return fail(p, "an item (net, layer, fn, entry, train, config, dim, import ..)");
}

/* The comment lines that end directly above the next token, without their `# `; or null. */
static const char *doc_above(const parser *p)
{
    uint32_t end = p->next, from = end;
    text doc = {0};
    const char *copy = NULL;

    while (from && p->tokens.at[from - 1].kind == TOKEN_COMMENT && p->tokens.at[from - 1].first &&
           p->tokens.at[from - 1].at.line + 1 == p->tokens.at[from].at.line)
        from--;
    for (uint32_t i = from; i < end; i++) {
        const char *s = p->tokens.at[i].text + 1;
        text_add(&doc, "%s%s", i > from ? "\n" : "", s + (*s == ' '));
    }
    if (doc.at)
        copy = arena_strdup(&p->pool->mem, doc.at);
    text_free(&doc);
    return copy;
}

/* item */
static ast_item *item(parser *p)
{
    const char *doc = doc_above(p);
    const token *t = peek(p);
    nearest near;
    int kind = find_kind(t, &near);

    if (kind < 0)
        return no_item(p, &near);
    take(p);
    ast_item *i = item_new(p, kinds[kind].kind, t->at);
    i->doc = doc;
    return rest_of(p, i) ? i : NULL;
}

/* Steps over what is left of an item with an error: to the next line that begins one. */
static void recover(parser *p)
{
    nearest near;

    while (!is(p, TOKEN_EOF) &&
           !(peek(p)->first && peek(p)->at.col == 1 && find_kind(peek(p), &near) >= 0))
        take(p);
    p->lost = false;
    p->open = p->depth = 0;
}

/* After a mistake everything up to the next item is skipped: one message an item. */
static void end_of_item(parser *p)
{
    if (!p->lost && !accept(p, TOKEN_SEMICOLON) && !is(p, TOKEN_EOF) && !peek(p)->first)
        fail(p, "the end of the line");
    if (p->lost)
        recover(p);
    while (accept(p, TOKEN_SEMICOLON))
        ;
}

/* program = { item } */
/* Calls are known as they end: those inside others come first. */
static int by_place(const void *a, const void *b)
{
    const ir_loc *x = a, *y = b;

    return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
                              : (x->col > y->col) - (x->col < y->col);
}

/* The program as far as it could be read; the caller asks whether errors were
 * reported. */
ast_program *ast_parse(ast_pool *pool, const char *source, uint32_t file, diag *d)
{
    ast_program *program = arena_new(&pool->mem, ast_program);
    parser p = {.pool = pool, .d = d, .program = program};

    token_read(pool, source, file, d, &p.tokens);
    while (p.tokens.at[p.next].kind == TOKEN_COMMENT)
        p.next++;
    while (!is(&p, TOKEN_EOF)) {
        ast_item *i = item(&p);
        if (i && !p.lost)
            list_push(&p, &program->items, i);
        end_of_item(&p);
    }
    find_unused(&p);
    vec_free(&p.tokens);
    if (program->calls.len)
        qsort(program->calls.at, program->calls.len, sizeof *program->calls.at, by_place);
    return program;
}
