/* frontend/dsl/parse_train.c - the clauses of train blocks. */
#include "parse.h"

#include <string.h>

#include "syntax.h"

bool accept_clause(parser *p, const char *word)
{
    if (breaks(p) && token_is_named(peek_behind(p)->kind))
        return false;
    return accept_word(p, word);
}

/* "using" pipe ["on" pats] behind `using` */
static bool using(parser *p, ast_stmt *s)
{
    ast_using u = {.optimizer = parse_pipe(p)};

    if (!u.optimizer || (accept_clause(p, "on") && !parse_patterns(p, &u.on)))
        return false;
    list_push(p, &s->minimize.updates, u);
    return true;
}

/* `minimize e with adam(1e-3)`: the word is another. */
static bool is_with(parser *p)
{
    return is(p, TOKEN_WITH) && !breaks(p) &&
           !fail_at(p, peek(p)->at, "the optimizer stands behind using, not with: "
                    "using adam(1e-3)");
}

/* {"over" pats | "using" pipe ["on" pats] | "weight" pipe | "clip" pipe} */
static bool objective_clauses(parser *p, ast_stmt *s)
{
    for (;;) {
        bool ok = true;
        if (accept_clause(p, "over"))
            ok = parse_patterns(p, &s->minimize.over);
        else if (accept_clause(p, "using"))
            ok = using(p, s);
        else if (accept_clause(p, "weight"))
            ok = (s->minimize.weight = parse_pipe(p));
        else if (accept_clause(p, "clip"))
            list_push(p, &s->minimize.clips, parse_pipe(p));
        else
            return !is_with(p) && !p->lost;
        if (!ok)
            return false;
    }
}

/* "minimize" expr {..} */
static ast_stmt *minimize(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_MINIMIZE, take(p)->at);

    s->minimize.objective = parse_expr(p);
    return s->minimize.objective && objective_clauses(p, s) ? s : NULL;
}

/* sum "without" ("lower" | "higher") NAME ["." NAME] behind `after` */
static bool stop_after(parser *p, ast_stmt *s)
{
    ast_word word;

    if (!(s->stop_after.epochs = parse_sum(p)))
        return false;
    if (!accept_word(p, "without"))
        return fail(p, "without lower or without higher");
    s->stop_after.higher = is_word(p, "higher");
    if (!accept_word(p, "higher") && !accept_word(p, "lower"))
        return fail(p, "lower or higher");
    do {
        if (!parse_name(p, "a metric", &word))
            return false;
        list_push(p, &s->stop_after.metric, word);
    } while (s->stop_after.metric.len < 2 && accept(p, TOKEN_DOT));
    return true;
}

/* "stop" ("when" expr | "after" sum "without" ("lower" | "higher") NAME ["." NAME]) */
static ast_stmt *stop(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_STOP_WHEN, take(p)->at);

    if (accept_word(p, "when")) {
        s->stop_when.cond = parse_expr(p);
        return s->stop_when.cond ? s : NULL;
    }
    s->kind = AST_STOP_AFTER;
    if (!accept_word(p, "after"))
        return fail(p, "when or after");
    return stop_after(p, s) ? s : NULL;
}

/* NAME {"," NAME} "=" expr1 */
static bool source(parser *p, ast_source *out)
{
    ast_word word;

    *out = (ast_source){0};
    do {
        if (!parse_name(p, "a column", &word))
            return false;
        list_push(p, &out->columns, word);
    } while (accept(p, TOKEN_COMMA));
    return expect(p, TOKEN_ASSIGN) && (out->value = parse_expr1(p));
}

/* ("data" | "valid" | "test") source {"," source} */
static ast_stmt *sources(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_DATA, peek(p)->at);
    ast_source one;

    s->data.rows = is_word(p, "data")    ? AST_ROWS_TRAIN
                   : is_word(p, "valid") ? AST_ROWS_VALID
                                         : AST_ROWS_TEST;
    take(p);
    do {
        if (!source(p, &one))
            return NULL;
        list_push(p, &s->data.sources, one);
    } while (accept(p, TOKEN_COMMA));
    return s;
}

/* Which number of a train block the next word is; AST_KNOB_COUNT if none. */
static ast_knob knob_of(const parser *p)
{
    int i = 0;

    while (i < AST_KNOB_COUNT && !is_word(p, ast_knob_text[i]))
        i++;
    return (ast_knob)i;
}

/* ("valid" | "test" | "batch" | "epochs" | "accumulate") sum */
static ast_stmt *knob(parser *p)
{
    ast_stmt *s = stmt_new(p, AST_KNOB, peek(p)->at);

    s->knob.which = knob_of(p);
    take(p);
    s->knob.value = parse_sum(p);
    return s->knob.value ? s : NULL;
}

/* How often the name stands in the block, whose first token is at `from`. */
static int count_name(const parser *p, uint32_t from, const char *name)
{
    int n = 0;

    for (uint32_t i = from; i < p->next; i++)
        n += p->tokens.at[i].kind == TOKEN_NAME && !strcmp(p->tokens.at[i].text, name);
    return n;
}

/* Of a number that nothing reads under this name: says how one of the training is written. */
static void say_meant(parser *p, const char *name, const ast_stmt *s)
{
    const char *number = s->define.value->number.text;

    if (!strcmp(name, "lr"))
        syntax_error(p->d, s->at, "nothing reads lr; write using adam(%s)", number);
    if (!strcmp(name, "seed"))
        syntax_error(p->d, s->at, "nothing reads seed; give --seed %s to the training", number);
    bool rows = s->define.value->number.value >= 1 &&
                (!strcmp(name, ast_knob_text[AST_KNOB_VALID]) ||
                 !strcmp(name, ast_knob_text[AST_KNOB_TEST]));
    if (rows)
        syntax_error(p->d, s->at, "%s is a share of the rows, %s 0.1, or a file of its own, "
                     "%s x = \"f.npy\"", name, name, name);
    for (int i = 0; i < AST_KNOB_COUNT && !rows; i++)
        if (!strcmp(name, ast_knob_text[i]))
            syntax_error(p->d, s->at, "nothing reads %s; write %s %s", name, name, number);
}

/* What a block defines and nothing reads is lost: a name that occurs once only.  A number
 * such as `epochs = 10` was meant as a clause, `epochs 10`. */
void check_numbers(parser *p, const ast_block *b, uint32_t from)
{
    for (uint32_t i = 0; i < b->stmts.len; i++) {
        const ast_stmt *s = b->stmts.at[i];
        if (s->kind != AST_DEFINE || s->define.targets.len != 1 || s->define.op != AST_ASSIGN)
            continue;
        const char *name = s->define.targets.at[0].path.at[0].text;
        if (count_name(p, from, name) != 1)
            continue;
        if (s->define.value->kind == AST_NUMBER)
            say_meant(p, name, s);
        else
            diag_warning(p->d, s->at, "nothing reads %s; track %s = .. reports it", name, name);
    }
}

/* Do columns and their source stand behind `data`, `valid` or `test`? */
static bool names_columns(const parser *p)
{
    const token *t = peek_behind(p);

    if (t->kind != TOKEN_NAME || t->first)
        return false;
    return t[1].kind == TOKEN_ASSIGN || t[1].kind == TOKEN_COMMA;
}

bool begins_clause(const parser *p)
{
    if (is_word(p, "data"))
        return names_columns(p);
    return (is_word(p, "minimize") || is_word(p, "stop") || knob_of(p) != AST_KNOB_COUNT) &&
           begins_operand(p);
}

/* clause */
ast_stmt *parse_clause(parser *p)
{
    if (is_word(p, "minimize"))
        return minimize(p);
    if (is_word(p, "stop"))
        return stop(p);
    return is_word(p, "data") || names_columns(p) ? sources(p) : knob(p);
}
