/* frontend/dsl/parse_stmt.c - statements. */
#include "parse.h"

#include "syntax.h"

ast_stmt *stmt_new(parser *p, ast_stmt_kind kind, ir_loc at)
{
    ast_stmt *s = arena_new(&p->pool->mem, ast_stmt);

    s->kind = kind;
    s->at = at;
    return s;
}

/* ---- declarations */

/* decl = NAME [":" type] ("=" | "~") expr1 */
bool parse_decl(parser *p, ast_decl *out)
{
    *out = (ast_decl){0};
    if (!parse_name(p, "a name", &out->name))
        return false;
    if (accept(p, TOKEN_COLON) && !(out->type = parse_type(p)))
        return false;
    out->op = is(p, TOKEN_DRAW) ? AST_DRAW : AST_ASSIGN;
    if (!accept(p, TOKEN_ASSIGN) && !accept(p, TOKEN_DRAW))
        return fail(p, "= or ~ and the first value");
    if (out->op == AST_DRAW)
        list_push(p, &p->program->draws, out->name.at);
    out->value = parse_expr1(p);
    return out->value;
}

/* decl {"," decl} */
bool parse_decls(parser *p, ast_decls *out)
{
    ast_decl d;

    do {
        if (!parse_decl(p, &d))
            return false;
        list_push(p, out, d);
    } while (accept(p, TOKEN_COMMA));
    return true;
}

/* ---- definitions and values */

/* target = path ["[" place {"," place} "]"] [":" type] */
static bool target(parser *p, ast_target *out)
{
    *out = (ast_target){.at = peek(p)->at};
    if (!parse_path(p, &out->path))
        return false;
    out->subscripted = is(p, TOKEN_BEGIN_LIST);
    if (out->subscripted && !parse_places(p, &out->places))
        return false;
    return !accept(p, TOKEN_COLON) || (out->type = parse_type(p));
}

/* op = "=" | "+=" | "~" | "<-" */
static bool assign(parser *p, ast_assign *out)
{
    if (accept(p, TOKEN_ASSIGN))
        return *out = AST_ASSIGN, true;
    if (accept(p, TOKEN_SCATTER))
        return *out = AST_SCATTER, true;
    if (accept(p, TOKEN_DRAW))
        return *out = AST_DRAW, true;
    if (accept(p, TOKEN_UPDATE))
        return *out = AST_UPDATE, true;
    if (peek_behind(p)->kind == TOKEN_ASSIGN && peek_behind(p)->glued)
        return fail_at(p, peek(p)->at, "there is no %s=: write x = x %s ..", peek(p)->text,
                       peek(p)->text);
    return fail(p, "=, +=, ~ or <-");
}

/* target op expr | target {"," target} op expr1 */
static ast_stmt *definition(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_DEFINE, peek(p)->at);
    ast_target t;

    do {
        if (!target(p, &t))
            return NULL;
        list_push(p, &s->define.targets, t);
    } while (accept(p, TOKEN_COMMA));
    if (!assign(p, &s->define.op))
        return NULL;
    if (s->define.op == AST_DRAW)
        list_push(p, &p->program->draws, s->at);
    s->define.value = s->define.targets.len > 1 ? parse_expr1(p) : parse_expr(p);
    return s->define.value ? s : NULL;
}

/* expr {"," expr}, the first of which may have been taken */
static ast_stmt *values(parser *p, ast_stmt *s, ast_expr *first)
{
    ast_expr *e = first ? first : parse_expr(p);

    while (e) {
        list_push(p, &s->values, e);
        if (!accept(p, TOKEN_COMMA))
            return s;
        e = parse_expr(p);
    }
    return NULL;
}

/* Does the token assign, where no bracket is open? */
static bool assigns(token_kind k)
{
    return k == TOKEN_ASSIGN || k == TOKEN_SCATTER || k == TOKEN_DRAW || k == TOKEN_UPDATE ||
           k == TOKEN_GE;
}

/* Is the next statement a definition?  It is if it assigns before its line ends, outside of
 * brackets; `>=` does so only behind the colon of a type. */
static bool is_definition(const parser *p)
{
    int open = 0;
    bool typed = false, goes_on = true;

    for (uint32_t i = p->next;; i++) {
        const token *t = &p->tokens.at[i];
        if (t->kind == TOKEN_COMMENT)
            continue;
        if (t->kind == TOKEN_EOF ||
            (!open && (t->kind == TOKEN_SEMICOLON || (t->first && !goes_on && i > p->next))))
            return false;
        open += t->kind == TOKEN_OPEN || t->kind == TOKEN_BEGIN_LIST || t->kind == TOKEN_BEGIN;
        open -= t->kind == TOKEN_CLOSE || t->kind == TOKEN_END_LIST || t->kind == TOKEN_END;
        if (open < 0)
            return false;
        typed |= t->kind == TOKEN_COLON;
        if (!open && assigns(t->kind) && (t->kind != TOKEN_GE || typed))
            return true;
        goes_on = t->kind == TOKEN_COMMA;
    }
}

/* ---- control */

/* Loops and branches hold blocks; `depth` bounds how deep. */
static bool block_in(parser *p, ast_block *out)
{
    bool ok = enter(p) && parse_block(p, false, out);

    leave(p);
    return ok;
}

/* "else" (block | if) behind the first branch */
static bool else_branch(parser *p, ast_stmt *s);

/* block ["else" (block | if)] behind the condition */
static ast_stmt *branch(parser *p, ir_loc at, ast_expr *cond)
{
    ast_stmt *s = stmt_new(p, AST_IF, at);

    s->branch.cond = cond;
    if (!block_in(p, &s->branch.yes))
        return NULL;
    s->branch.has_no = accept(p, TOKEN_ELSE);
    return !s->branch.has_no || else_branch(p, s) ? s : NULL;
}

/* "else" (if | block): `else if` is an else whose block is an if.  `enter` counts the
 * depth, as a chain of a million would overflow the stack. */
static bool else_branch(parser *p, ast_stmt *s)
{
    ir_loc at = peek(p)->at;

    if (!is(p, TOKEN_IF))
        return block_in(p, &s->branch.no);
    take(p);
    ast_expr *cond = parse_or(p);
    s->branch.no.at = at;
    ast_stmt *inner = cond && enter(p) ? branch(p, at, cond) : NULL;
    leave(p);
    list_push(p, &s->branch.no.stmts, inner);
    return inner;
}

/* "if" or block ["else" (block | if)], or the expression `if a then b else c` */
static ast_stmt *if_stmt(parser *p)
{
    ir_loc at = take(p)->at;
    ast_expr *cond = parse_or(p);

    if (!cond)
        return NULL;
    if (is(p, TOKEN_BEGIN))
        return branch(p, at, cond);
    ast_expr *e = parse_select(p, at, cond);
    return e ? values(p, stmt_new(p, AST_VALUE, at), e) : NULL;
}

/* "scan" NAME "in" sum ["down"] ["with" decl {"," decl}] block */
static ast_stmt *scan(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_SCAN, take(p)->at);

    if (!parse_name(p, "the index of the rounds", &s->loop.name) || !expect(p, TOKEN_IN) ||
        !(s->loop.count = parse_sum(p)))
        return NULL;
    s->loop.down = accept_word(p, "down");
    if (accept(p, TOKEN_WITH) && !parse_decls(p, &s->loop.carried))
        return NULL;
    return block_in(p, &s->loop.body) ? s : NULL;
}

/* "repeat" NAME "in" expr block */
static ast_stmt *repeat(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_REPEAT, take(p)->at);

    if (!parse_name(p, "the name of the round", &s->loop.name) || !expect(p, TOKEN_IN) ||
        !(s->loop.count = parse_expr(p)))
        return NULL;
    return block_in(p, &s->loop.body) ? s : NULL;
}

/* "limit" [NAME "in"] sum */
static bool limit(parser *p, ast_stmt *s)
{
    if (is(p, TOKEN_NAME) && peek_behind(p)->kind == TOKEN_IN) {
        parse_name(p, "an index", &s->loop.name);
        take(p);
    }
    s->loop.count = parse_sum(p);
    return s->loop.count;
}

/* "while" or ["with" decl {"," decl}] ["limit" [NAME "in"] sum] block */
static ast_stmt *while_loop(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_WHILE, take(p)->at);

    if (!(s->loop.cond = parse_or(p)))
        return NULL;
    if (accept(p, TOKEN_WITH) && !parse_decls(p, &s->loop.carried))
        return NULL;
    if (accept_word(p, "limit") && !limit(p, s))
        return NULL;
    return block_in(p, &s->loop.body) ? s : NULL;
}

/* ("param" | "state") decl {"," decl} */
static ast_stmt *memory(parser *p)
{
    const token *t = take(p);
    ast_stmt *s = stmt_new(p, t->kind == TOKEN_PARAM ? AST_PARAM : AST_STATE, t->at);

    if (!is(p, TOKEN_NAME))
        return fail_at(p, t->at, "%s is a word of the language: it declares, and names nothing",
                       t->text);
    return parse_decls(p, &s->decls) ? s : NULL;
}

/* ---- statements with a word of their own */

/* Words such as `show` are names unless an operand stands behind them on the same
 * line. */
bool begins_operand(const parser *p)
{
    const token *t = peek_behind(p);

    if (t->first)
        return false;
    switch (t->kind) {
    case TOKEN_NAME:
    case TOKEN_NUMBER:
    case TOKEN_STRING:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
    case TOKEN_NOT:
    case TOKEN_IF:
    case TOKEN_OPEN: return true;
    case TOKEN_SUB: return !t->glued && t[1].glued; /* `minimize -x`, not `minimize - x` */
    default: return false;
    }
}

/* "fit" block */
static ast_stmt *fit(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_FIT, take(p)->at);

    return block_in(p, &s->fit) ? s : NULL;
}

/* "check" expr1 ["," STRING] */
static ast_stmt *check(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_CHECK, take(p)->at);

    if (!(s->check.cond = parse_expr1(p)))
        return NULL;
    if (!accept(p, TOKEN_COMMA))
        return s;
    s->check.message = peek(p)->text;
    return expect(p, TOKEN_STRING) ? s : NULL;
}

/* "show" expr1 {"," expr1} */
static ast_stmt *show(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_SHOW, take(p)->at);

    do
        list_push(p, &s->values, parse_expr1(p));
    while (accept(p, TOKEN_COMMA));
    return p->lost ? NULL : s;
}

/* "track" NAME "=" expr ["weight" expr] */
static ast_stmt *track(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_TRACK, take(p)->at);

    if (!parse_name(p, "the metric's name", &s->track.name) || !expect(p, TOKEN_ASSIGN) ||
        !(s->track.value = parse_expr(p)))
        return NULL;
    if (accept_clause(p, "weight") && !(s->track.weight = parse_expr(p)))
        return NULL;
    return s;
}

static ast_stmt *misplaced_clause(parser *p)
{
    const char *hint = is_word(p, "minimize")
                           ? "; one of some steps only has a rate of 0 in the others: using "
                             "sgd(if step % 5 == 0 then 0.1 else 0)"
                           : "";

    return fail_at(p, peek(p)->at, "%s stands in a train block, outside of loops and branches%s",
                   peek(p)->text, hint);
}

/* A statement that begins with a name: with a word of its own, a definition or a value. */
static ast_stmt *named(parser *p, bool train)
{
    const char *habit = peek_behind(p)->kind == TOKEN_NAME
                            ? syntax_habit(SYNTAX_HEAD, peek(p)->text) : NULL;

    if (habit)
        return fail_at(p, peek(p)->at, "there is no statement %s; %s", peek(p)->text, habit);
    if (is_word(p, "fit") && peek_behind(p)->kind == TOKEN_BEGIN)
        return fit(p);
    if (is_word(p, "check") && begins_operand(p))
        return check(p);
    if (is_word(p, "show") && begins_operand(p))
        return show(p);
    if (is_word(p, "track") && begins_operand(p))
        return track(p);
    if (begins_clause(p)) {
        if (train)
            return parse_clause(p);
        return misplaced_clause(p);
    }
    return is_definition(p) ? definition(p) : values(p, stmt_new(p, AST_VALUE, peek(p)->at), NULL);
}

/* stmt, or a clause of a train block */
static ast_stmt *statement(parser *p, bool train)
{
    switch (peek(p)->kind) {
    case TOKEN_PARAM:
    case TOKEN_STATE: return memory(p);
    case TOKEN_IF: return if_stmt(p);
    case TOKEN_SCAN: return scan(p);
    case TOKEN_REPEAT: return repeat(p);
    case TOKEN_WHILE: return while_loop(p);
    case TOKEN_NAME: return named(p, train);
    default: return values(p, stmt_new(p, AST_VALUE, peek(p)->at), NULL);
    }
}

/* ---- blocks */

/* Does a token at the beginning of a line go on with the line before? */
static bool goes_on(token_kind k)
{
    return (k >= TOKEN_PIPE && k <= TOKEN_COLON && k != TOKEN_SUB && k != TOKEN_REST) ||
           k == TOKEN_CLOSE || k == TOKEN_END_LIST || k == TOKEN_THEN || k == TOKEN_ELSE ||
           k == TOKEN_AND || k == TOKEN_OR || k == TOKEN_FOR || k == TOKEN_IN;
}

/* Steps over what is left of a statement with an error, its blocks included. */
static void recover(parser *p)
{
    uint32_t from = p->next;

    for (int open = 0; !is(p, TOKEN_EOF); take(p)) {
        const token *t = peek(p);
        if (!open && (t->kind == TOKEN_SEMICOLON || t->kind == TOKEN_END ||
                      (t->first && p->next > from && !goes_on(t->kind))))
            break;
        open += t->kind == TOKEN_BEGIN;
        open -= t->kind == TOKEN_END;
    }
    p->lost = false;
}

/* Is an item's word next at the beginning of a line?  Then a } is missing. */
static bool begins_item(const parser *p)
{
    token_kind k = peek(p)->kind;

    return peek(p)->first && k >= TOKEN_IMPORT && k <= TOKEN_TRAIN;
}

/* What a statement goes on with that is none: perhaps a word of the language, mistyped, is
 * next (`minimize e usng adam`), or stood in front (`chek a == b`). */
static void no_end(parser *p)
{
    static const char *const clause[] =
        {
#define CLAUSE(text) text,
#include "words.def"
        },
                             *const head[] = {
#define HEAD(text)     text,
#define KNOB(id, text) text,
#include "words.def"
                             };
    nearest next = nearest_to(peek(p)->text), last = nearest_to(p->tokens.at[p->next - 1].text);

    for (size_t i = 0; i < COUNT(clause); i++)
        nearest_try(&next, clause[i]);
    for (size_t i = 0; i < COUNT(head); i++)
        nearest_try(&last, head[i]);
    if (is(p, TOKEN_NAME) && next.best && strcmp(next.best, next.name))
        syntax_unknown(p->d, peek(p)->at, "clause", &next);
    else if (p->tokens.at[p->next - 1].kind == TOKEN_NAME && last.best &&
             strcmp(last.best, last.name))
        syntax_unknown(p->d, p->tokens.at[p->next - 1].at, "statement", &last);
    else if (!strcmp(last.name, "return"))
        fail_at(p, p->tokens.at[p->next - 1].at, "there is no return: the value of a block is its "
                "last statement's");
    else
        fail(p, "the end of the statement");
    p->lost = true;
}

/* ";" | the end of a line or of the block */
static void end_of_statement(parser *p)
{
    if (!p->lost && !accept(p, TOKEN_SEMICOLON) && !is(p, TOKEN_END) && !is(p, TOKEN_EOF) &&
        !peek(p)->first)
        no_end(p);
    if (p->lost)
        recover(p);
    while (accept(p, TOKEN_SEMICOLON))
        ;
}

/* block = "{" {stmt} "}" */
bool parse_block(parser *p, bool train, ast_block *out)
{
    uint32_t from = p->next;

    *out = (ast_block){.at = peek(p)->at, .braces = true};
    if (!expect(p, TOKEN_BEGIN))
        return false;
    while (!is(p, TOKEN_END) && !is(p, TOKEN_EOF) && !begins_item(p)) {
        ast_stmt *s = statement(p, train);
        if (s && !p->lost)
            list_push(p, &out->stmts, s);
        end_of_statement(p);
    }
    if (train)
        check_numbers(p, out, from);
    if (accept(p, TOKEN_END))
        return true;
    fail(p, "}");
    diag_note(p->d, out->at, "of the block that begins here");
    return false;
}
