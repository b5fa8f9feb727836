/* frontend/dsl/parse.c - what all productions stand on: tokens, messages, lists.  A
 * production returns null or false after an error; `lost` is set then and nothing
 * more is reported until the parser has found the next statement or item, so that
 * one mistake is one message and all mistakes of a file are told. */
#include "parse.h"

#include "syntax.h"

enum { MAX_DEPTH = 200 }; /* of nested productions: a few hundred bytes of stack each */

static uint32_t skip_comments(const parser *p, uint32_t i)
{
    while (p->tokens.at[i].kind == TOKEN_COMMENT)
        i++;
    return i;
}

const token *peek_behind(const parser *p)
{
    return is(p, TOKEN_EOF) ? peek(p) : &p->tokens.at[skip_comments(p, p->next + 1)];
}

bool breaks(const parser *p) { return peek(p)->first && !p->open; }

bool is_word(const parser *p, const char *word)
{
    return is(p, TOKEN_NAME) && !strcmp(peek(p)->text, word);
}

const token *take(parser *p)
{
    const token *t = peek(p);

    if (t->kind != TOKEN_EOF)
        p->next = skip_comments(p, p->next + 1);
    return t;
}

bool accept(parser *p, token_kind k)
{
    if (p->lost || !is(p, k))
        return false;
    take(p);
    return true;
}

bool accept_word(parser *p, const char *word)
{
    if (p->lost || !is_word(p, word))
        return false;
    take(p);
    return true;
}

/* Null, for productions that return a node. */
void *fail_at(parser *p, ir_loc at, const char *fmt, ...)
{
    va_list ap;

    if (p->lost)
        return NULL;
    p->lost = true;
    va_start(ap, fmt);
    diag_verror(p->d, at, D_PROGRAM, fmt, ap);
    va_end(ap);
    return NULL;
}

/* Null, for whatever was to be parsed.  A bad token was told by the lexer. */
void *fail(parser *p, const char *what)
{
    const token *t = peek(p);

    if (t->kind == TOKEN_BAD) /* was told */
        p->lost = true;
    if (t->kind == TOKEN_EOF)
        return fail_at(p, t->at, "the file ends where %s is expected", what);
    return fail_at(p, t->at, "%s is expected here, not %s", what,
                   t->kind == TOKEN_STRING ? "a string" : t->text);
}

bool expect(parser *p, token_kind k) { return accept(p, k) || fail(p, token_text(k)); }

/* A bracket that does not close is noted with the place where it opens. */
bool expect_close(parser *p, token_kind k, ir_loc open)
{
    bool was_lost = p->lost;
    text what = {0};

    if (accept(p, k))
        return true;
    text_add(&what, "%s or a comma", token_text(k));
    fail(p, what.at);
    text_free(&what);
    if (!was_lost && !is(p, TOKEN_BAD))
        diag_note(p->d, open, "of the bracket that opens here");
    return false;
}

bool enter(parser *p)
{
    if (++p->depth > MAX_DEPTH)
        fail_at(p, peek(p)->at, "this is nested over %d deep", MAX_DEPTH);
    return !p->lost;
}

void leave(parser *p) { p->depth--; }

/* Doubles the room whenever the length is a power of two. */
void *list_room(parser *p, void *at, uint32_t len, size_t item)
{
    if (len & (len - 1))
        return at;
    void *room = arena_alloc(&p->pool->mem, item * (len ? 2 * (size_t)len : 1));
    if (len)
        memcpy(room, at, item * len);
    return room;
}
