/* frontend/dsl/token.h - the tokens of a program. */
#ifndef INGOT_DSL_TOKEN_H
#define INGOT_DSL_TOKEN_H

#include "ast.h"

typedef enum token_kind {
    TOKEN_EOF,
    TOKEN_BAD,              /* was reported: the parser says no more */
    TOKEN_COMMENT,          /* from # to the end of the line */
    TOKEN_NAME,             /* also the words that are special in their places only */
    TOKEN_NUMBER,
    TOKEN_STRING,
#define RESERVED(id, text) TOKEN_##id,
#define SIGN(id, text) TOKEN_##id,
#include "words.def"
    TOKEN_COUNT
} token_kind;

/* In `y = f(x)` the bracket is glued, `=` is not, and y is first. */
typedef struct token {
    token_kind kind;
    bool first;             /* no token but comments stands before it on its line */
    bool glued;             /* nothing stands between it and the token before */
    ir_loc at;
    const char *text;       /* as written, of the pool; of a string: what it says */
    uint32_t start, size;   /* bytes of the source */
} token;
typedef VEC(token) tokens;

/* Adds the tokens of `source` to *out, the last being TOKEN_EOF.  Messages go to d. */
void token_read(ast_pool *pool, const char *source, uint32_t file, diag *d, tokens *out);
/* Does this behind a word show that the word is a name there, and begins no clause? */
bool token_is_named(token_kind behind);
/* "|>", "if"; "a name", "a number" .. of kinds with many texts. */
const char *token_text(token_kind kind);

#endif
