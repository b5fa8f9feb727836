/* frontend/dsl/format.c - programs as they should look.
 *
 * Lines are the writer's.  Each token has a role, from what stands before it and the bracket
 * around it; the roles of two neighbours say what stands between them.  Nothing can be lost:
 * comments are tokens, too. */
#include "format.h"

#include "token.h"
#include "visible.h"

enum { INDENT = 4, MAX_OPEN = 1000 };

/* How a token stands to its neighbours. */
typedef enum role {
    OPERAND,     /* a name, a number, `..` */
    WORD,        /* if, in, minimize */
    BINARY,      /* + = |> -> */
    PREFIX,      /* - of -x: nothing behind it */
    SUFFIX,      /* * of conv*: nothing before it */
    TIGHT,       /* . ^ and : of a slice: nothing on either side */
    OPEN,        /* ( of an expression, [ of a list */
    OPEN_TIGHT,  /* ( of a call, [ of a subscript, < of int<V>, { of a path */
    CLOSE,       /* of the four */
    INDICES_END, /* ] of sum[i] */
    COMMA,
    COLON, /* of a type */
    SEMICOLON,
    BEGIN, /* { } of blocks */
    END,
    COMMENT,
} role;

/* The tokens of a program, with the role of each that was written, and the brackets
 * that are open at the one at hand.  In `sum[i] x[i] * -w` the roles are WORD,
 * OPEN_TIGHT, OPERAND, INDICES_END, and so on to BINARY and PREFIX. */
typedef struct formatter {
    const char *source;
    tokens tokens;
    VEC(role) role;
    token_kind open[MAX_OPEN]; /* brackets: ( [ {, MOD for { of a path, LT for < of int<V>,
                                 * MAX_OPEN is over what the parser takes */
    bool indices[MAX_OPEN];    /* it is the [ of a reduction */
    int depth, blocks;
    const token *head; /* first of the statement */
    text *out;
    size_t line; /* of `out`, where its last line begins */
} formatter;

/* ---- roles ------------------------------------------------------------------------------ */

static bool is_one_of(const token *t, const char *const *word, size_t n)
{
    for (size_t i = 0; i < n && t->kind == TOKEN_NAME; i++)
        if (!strcmp(t->text, word[i]))
            return true;
    return false;
}

/* Words such as `using` are words only behind a statement; see words.def. */
static bool is_clause(const token *t)
{
    static const char *const word[] = {
#define CLAUSE(text) text,
#include "words.def"
    };

    return is_one_of(t, word, COUNT(word));
}

static bool is_head(const token *t)
{
    static const char *const word[] = {
#define HEAD(text)     text,
#define KNOB(id, text) text,
#include "words.def"
    };

    return is_one_of(t, word, COUNT(word));
}

/* Does a value end before token i, so that ( calls it, [ takes an element, - subtracts?  Words
 * that are special in their places are so where the writer left a blank: `show (x)`. */
static bool behind_value(const formatter *f, uint32_t i)
{
    const token *last = i ? &f->tokens.at[i - 1] : NULL;

    if (!last || (f->role.at[i - 1] != OPERAND && f->role.at[i - 1] != CLOSE))
        return false;
    return f->tokens.at[i].glued || !(is_clause(last) || is_head(last));
}

/* `*` of a pattern: `*.b`, `head.*`, `conv*`, or alone. */
static bool is_star(const formatter *f, uint32_t i)
{
    const token *next = &f->tokens.at[i + 1];

    return !behind_value(f, i) || next->kind == TOKEN_DOT || next->kind == TOKEN_COMMA ||
           next->kind == TOKEN_PIPE || next->kind == TOKEN_EOF || next->kind == TOKEN_SEMICOLON ||
           next->kind == TOKEN_COMMENT || next->kind == TOKEN_END || next->first ||
           (is_clause(next) && f->tokens.at[i].glued);
}

static role star_role(const formatter *f, uint32_t i)
{
    if (!is_star(f, i))
        return BINARY;
    if (f->tokens.at[i].glued)
        return SUFFIX;
    return f->tokens.at[i + 1].glued && f->tokens.at[i + 1].kind == TOKEN_NAME ? PREFIX : OPERAND;
}

static void open_bracket(formatter *f, token_kind kind, bool indices)
{
    ICE_IF(f->depth == MAX_OPEN, "brackets deeper than the parser takes");
    f->indices[f->depth] = indices;
    f->open[f->depth++] = kind;
    f->blocks += kind == TOKEN_BEGIN;
}

static role close_bracket(formatter *f)
{
    token_kind kind = f->open[--f->depth];

    f->blocks -= kind == TOKEN_BEGIN;
    return kind == TOKEN_BEGIN ? END : f->indices[f->depth] ? INDICES_END : CLOSE;
}

static token_kind around(const formatter *f)
{
    return f->depth ? f->open[f->depth - 1] : TOKEN_EOF;
}

/* A bracket behind a value is a call or a subscript, and stands tight. */
static role opening_role(formatter *f, uint32_t i)
{
    const token *last = i ? &f->tokens.at[i - 1] : NULL;
    token_kind kind = f->tokens.at[i].kind;
    bool tight = behind_value(f, i) && !(kind == TOKEN_OPEN && last->kind == TOKEN_STRING);

    if (kind == TOKEN_BEGIN && last && last->kind == TOKEN_DOT) {
        open_bracket(f, TOKEN_MOD, false);
        return OPEN_TIGHT;
    }
    open_bracket(f, kind,
                 kind == TOKEN_BEGIN_LIST && last &&
                     is_one_of(last, ast_reduction_text, AST_REDUCTION_COUNT));
    return kind == TOKEN_BEGIN ? BEGIN : tight ? OPEN_TIGHT : OPEN;
}

/* < > and >= of int<V>=, which becomes two tokens. */
static role angle_role(formatter *f, uint32_t i)
{
    token *t = &f->tokens.at[i];

    if (t->kind == TOKEN_LT && i && f->tokens.at[i - 1].kind == TOKEN_NAME &&
        !strcmp(f->tokens.at[i - 1].text, "int")) {
        open_bracket(f, TOKEN_LT, false);
        return OPEN_TIGHT;
    }
    if (t->kind == TOKEN_LT || around(f) != TOKEN_LT)
        return BINARY;
    if (t->kind == TOKEN_GE) {
        token assign = *t;
        assign.kind = TOKEN_ASSIGN;
        assign.start++;
        assign.size = t->size = 1;
        vec_push(&f->tokens, assign);
        for (uint32_t k = f->tokens.len - 1; k > i + 1; k--)
            f->tokens.at[k] = f->tokens.at[k - 1];
        f->tokens.at[i + 1] = assign;
    }
    return close_bracket(f);
}

/* `-x` or `a - x`: glued to what follows and not to what stands before is a prefix
 * behind a word such as `minimize`; else a value in front decides. */
static role minus_role(const formatter *f, uint32_t i)
{
    const token *t = &f->tokens.at[i];

    bool word = i && (is_clause(t - 1) || is_head(t - 1));

    if (word && !t->glued && f->role.at[i - 1] == OPERAND)
        return t[1].glued ? PREFIX : BINARY;    /* `batch - 1` is a difference */
    if (word && t[1].glued && !t->glued)
        return PREFIX;
    if (t->first && (around(f) == TOKEN_BEGIN || around(f) == TOKEN_EOF))
        return PREFIX; /* a line does not go on with a minus */
    return behind_value(f, i) ? BINARY : PREFIX;
}

static role name_role(const formatter *f, uint32_t i)
{
    bool part = i && f->tokens.at[i - 1].kind == TOKEN_DOT;

    return f->tokens.at[i].kind == TOKEN_NAME || part ? OPERAND : WORD;
}

/* By the kind of token; what has several meanings asks for what is around it. */
static role role_of(formatter *f, uint32_t i)
{
    switch (f->tokens.at[i].kind) {
    case TOKEN_COMMENT: return COMMENT;
    case TOKEN_EOF:
    case TOKEN_NUMBER:
    case TOKEN_STRING:
    case TOKEN_REST:
    case TOKEN_TRUE:
    case TOKEN_FALSE: return OPERAND;
    case TOKEN_OPEN:
    case TOKEN_BEGIN_LIST:
    case TOKEN_BEGIN: return opening_role(f, i);
    case TOKEN_CLOSE:
    case TOKEN_END_LIST:
    case TOKEN_END: return close_bracket(f);
    case TOKEN_LT:
    case TOKEN_GT:
    case TOKEN_GE: return angle_role(f, i);
    case TOKEN_SUB: return minus_role(f, i);
    case TOKEN_MUL: return star_role(f, i);
    case TOKEN_COLON: return around(f) == TOKEN_BEGIN_LIST ? TIGHT : COLON;
    case TOKEN_COMMA: return COMMA;
    case TOKEN_SEMICOLON: return SEMICOLON;
    case TOKEN_DOT:
    case TOKEN_POW: return TIGHT;
    default: return f->tokens.at[i].kind < TOKEN_PIPE ? name_role(f, i) : BINARY;
    }
}

/* ---- blanks ----------------------------------------------------------------------------- */

/* Blanks between two tokens of a line. */
static int between(role a, role b)
{
    if (a == SEMICOLON)
        return 2;
    if (b == COMMA || b == COLON || b == SEMICOLON || b == CLOSE || b == INDICES_END)
        return 0;
    if (a == COMMA || a == COLON)
        return 1;
    if (a == OPEN || a == OPEN_TIGHT || a == PREFIX || a == TIGHT)
        return 0;
    if (b == OPEN_TIGHT || b == SUFFIX || b == TIGHT || (a == BEGIN && b == END))
        return 0;
    return 1;
}

/* Characters of the last line. */
static uint32_t column(const formatter *f)
{
    uint32_t n = 0;

    for (const char *s = f->out->at + f->line; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

static void add_blanks(formatter *f, int n) { text_add(f->out, "%*s", n, ""); }

/* A comment behind a token: in its column where there is room, two blanks off at least. */
static void add_comment_blanks(formatter *f, const token *t)
{
    uint32_t here = column(f), there = t->at.col - 1;

    add_blanks(f, there > here + 2 ? (int)(there - here) : 2);
}

/* ---- lines ------------------------------------------------------------------------------ */

/* The last token before i that is no comment; null if there is none. */
static const token *before(const formatter *f, uint32_t i)
{
    while (i && f->tokens.at[i - 1].kind == TOKEN_COMMENT)
        i--;
    return i ? &f->tokens.at[i - 1] : NULL;
}

/* Is more to come behind a line that ends in this token? */
static bool wants_more(const formatter *f, const token *last)
{
    role r = f->role.at[last - f->tokens.at];

    return r == BINARY || r == COMMA || r == PREFIX || r == COLON || r == WORD;
}

/* Does token i begin what goes on with the line before: an operator but a sign, `then` .., a
 * clause of an objective? */
static bool adds_more(const formatter *f, uint32_t i)
{
    const token *t = &f->tokens.at[i];

    if (f->head && is_clause(t) && !token_is_named(t[1].kind))
        return !strcmp(f->head->text, "minimize") || !strcmp(f->head->text, "track");
    if (t->kind == TOKEN_ELSE)
        return before(f, i)->kind != TOKEN_END;
    return f->role.at[i] == BINARY || t->kind == TOKEN_THEN || t->kind == TOKEN_AND ||
           t->kind == TOKEN_OR || t->kind == TOKEN_FOR;
}

/* Does token i, first of its line and with `bracket` around it, go on with a statement? */
static bool goes_on(const formatter *f, uint32_t i, token_kind bracket)
{
    const token *last = before(f, i);

    role r = f->role.at[i];

    if (!last || r == CLOSE || r == INDICES_END || r == BEGIN || r == END)
        return false;
    if (bracket != TOKEN_EOF && bracket != TOKEN_BEGIN)
        return true;
    return r != COMMENT && (wants_more(f, last) || adds_more(f, i));
}

/* Line ends and indentation before token i, which is the first of its line. */
static void begin_line(formatter *f, uint32_t i, token_kind bracket, int blocks)
{
    const token *t = &f->tokens.at[i];
    int level = (blocks < f->blocks ? blocks : f->blocks) + goes_on(f, i, bracket);

    if (i)
        text_add(f->out, t->at.line > t[-1].at.line + 1 ? "\n\n" : "\n");
    f->line = f->out->len;
    add_blanks(f, INDENT * level);
}

/* Is token i a semicolon that parts nothing? */
static bool is_idle(const formatter *f, uint32_t i)
{
    const token *last = before(f, i), *next = &f->tokens.at[i + 1];

    return f->tokens.at[i].kind == TOKEN_SEMICOLON &&
           (!last || last->kind == TOKEN_SEMICOLON || last->kind == TOKEN_BEGIN ||
            f->tokens.at[i].first || next->first || next->kind == TOKEN_EOF ||
            next->kind == TOKEN_END || next->kind == TOKEN_COMMENT);
}

/* Token i: its role, what stands before it, and its text. */
static void add_token(formatter *f, uint32_t i)
{
    token_kind bracket = around(f);
    int blocks = f->blocks;

    vec_push(&f->role, role_of(f, i));      /* may split a token */
    const token *last = before(f, i), *t = &f->tokens.at[i];
    if (!last || last->kind == TOKEN_SEMICOLON || f->role.at[last - f->tokens.at] == BEGIN ||
        (t->first && !goes_on(f, i, bracket)))
        f->head = t;
    if (t->first || !i)
        begin_line(f, i, bracket, blocks);
    else if (t->kind == TOKEN_COMMENT)
        add_comment_blanks(f, t);
    else
        add_blanks(f, between(f->role.at[i - 1], f->role.at[i]));
    size_t n = t->size;
    while (t->kind == TOKEN_COMMENT && n && strchr(" \t", f->source[t->start + n - 1]))
        n--;
    text_addn(f->out, f->source + t->start, n);
}

/* Its line's beginning goes over to the next one. */
static void drop_token(formatter *f, uint32_t i)
{
    token *next = &f->tokens.at[i + 1];

    next->first |= f->tokens.at[i].first;
    for (uint32_t k = i + 1; k < f->tokens.len; k++)
        f->tokens.at[k - 1] = f->tokens.at[k];
    f->tokens.len--;
}

/* False, with messages, where the program does not parse: nothing is formatted
 * then. */
bool dsl_format(const char *source, const char *name, diag *d, text *out)
{
    formatter f = {.source = source, .out = out};
    ast_pool pool = {0};
    uint32_t file = diag_source(d, name, source);

    ast_parse(&pool, source, file, d);
    if (!diag_failed(d)) {
        token_read(&pool, source, file, d, &f.tokens);
        text_add(out, "%s", "");
        for (uint32_t i = 0; f.tokens.at[i].kind != TOKEN_EOF;)
            if (is_idle(&f, i))
                drop_token(&f, i);
            else
                add_token(&f, i++);
        text_add(out, out->len ? "\n" : "");
    }
    vec_free(&f.tokens);
    vec_free(&f.role);
    ast_pool_free(&pool);
    return !diag_failed(d);
}
