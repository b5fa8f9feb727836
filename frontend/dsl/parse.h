/* frontend/dsl/parse.h - the parser's parts: a function a production.
 *
 * A production takes its tokens and returns its node, or null after an error.  The first
 * error of a statement or item is told; then the parser is `lost`, everything returns null
 * without a word, until the list around it steps to where the next one begins. */
#ifndef INGOT_DSL_PARSE_H
#define INGOT_DSL_PARSE_H

#include "token.h"

/* The tokens of a program, how far they are read, and what was made of them. */
typedef struct parser {
    ast_pool *pool;
    diag *d;
    tokens tokens;
    uint32_t next;          /* index of the token that comes next, never a comment */
    int open;               /* brackets around it, in which line ends do not count */
    int depth;              /* nested productions */
    bool lost;
    ast_program *program;   /* in the making */
} parser;

/* The next token; its kind. */
static inline const token *peek(const parser *p) { return &p->tokens.at[p->next]; }
static inline bool is(const parser *p, token_kind k) { return peek(p)->kind == k; }
/* The token behind the next one, comments apart. */
const token *peek_behind(const parser *p);
/* Does the statement end in front of the next token, if a token that may also begin one
 * is next?  At a line end outside of brackets. */
bool breaks(const parser *p);
/* Is the next token this name? */
bool is_word(const parser *p, const char *word);
/* Takes the next token. */
const token *take(parser *p);
/* Takes the next token if it is of this kind (this name); else leaves it, false. */
bool accept(parser *p, token_kind k);
bool accept_word(parser *p, const char *word);
/* Takes a token of this kind, or says that it is missing; false then. */
bool expect(parser *p, token_kind k);
/* As expect, of the bracket that closes the one at `open`. */
bool expect_close(parser *p, token_kind k, ir_loc open);
/* Says that `what` was expected instead of the next token, unless lost.  Null. */
void *fail(parser *p, const char *what);
/* Says what the format says, unless lost.  Null. */
void *fail_at(parser *p, ir_loc at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Enters a production that may contain itself; false when too deep.  leave() after it,
 * in both cases. */
bool enter(parser *p);
void leave(parser *p);

/* Adds to a list in the arena. */
#define list_push(p, l, ...)                                                   \
    ((l)->at = list_room(p, (l)->at, (l)->len, sizeof *(l)->at),               \
     (l)->at[(l)->len++] = (__VA_ARGS__))
void *list_room(parser *p, void *at, uint32_t len, size_t item);

/* parse_unused.c */
void find_unused(parser *p);            /* of the program, once it is read */
/* parse_expr.c */
ast_expr *parse_expr(parser *p);        /* expr: may end in `for i, j` */
ast_expr *parse_expr1(parser *p);       /* expr1: in lists, `for i` */
ast_expr *parse_pipe(parser *p);
ast_expr *parse_pipes(parser *p);
ast_expr *parse_or(parser *p);
ast_expr *parse_sum(parser *p);
/* As expect, of what follows a condition, where `=` is meant to compare. */
bool expect_after_condition(parser *p, token_kind k);
/* `if a then b else c` behind its condition, whose `if` stood at `at`, with what may follow. */
ast_expr *parse_select(parser *p, ir_loc at, ast_expr *cond);
bool parse_args(parser *p, ast_args *out);          /* "(" [arg {"," arg}] ")" */
bool parse_places(parser *p, ast_exprs *out);       /* "[" place {"," place} "]" */
/* "[" part {"," part} "]" */
bool parse_brackets(parser *p, ast_expr *(*part)(parser *), ast_exprs *out);
ast_expr *ast_new(parser *p, ast_expr_kind kind, ir_loc at);

/* parse_type.c */
ast_type *parse_type(parser *p);
bool parse_part(parser *p, ast_part *out);
bool parse_path(parser *p, ast_path *out);
bool parse_patterns(parser *p, ast_patterns *out);
bool parse_name(parser *p, const char *what, ast_word *out);

/* parse_stmt.c */
ast_stmt *stmt_new(parser *p, ast_stmt_kind kind, ir_loc at);
/* In the block of `train`, clauses may stand. */
bool parse_block(parser *p, bool train, ast_block *out);
bool parse_decl(parser *p, ast_decl *out);
bool parse_decls(parser *p, ast_decls *out);
/* Does the next word begin a statement of its kind (`batch 64`), or is it a value's name
 * (`batch = 64`, `batch * 2`)?  By the token behind it, which begins an operand or not. */
bool begins_operand(const parser *p);

/* parse_train.c */
bool begins_clause(const parser *p);
ast_stmt *parse_clause(parser *p);
/* `epochs = 6` in a train block, whose tokens begin at `from`, names a number that nothing
 * reads; says so, and that the clause is epochs 6. */
void check_numbers(parser *p, const ast_block *b, uint32_t from);
/* Takes the word if it goes on with the statement, which a line end may part from it. */
bool accept_clause(parser *p, const char *word);

#endif
