/* frontend/dsl/token.c - the tokens of a program.
 *
 *    token   = name | number | string | sign | comment
 *    name    = letter {letter | digit} {"'"}          reserved words are names first
 *    number  = digits ["." digits] ["e" ["+" | "-"] digits] | "0x" hexdigits
 *    string  = '"' {character | escape} '"'           on one line
 *    escape  = "\n" | '\"' | "\\" | "\u{" hexdigits "}"
 *    comment = "#" to the end of the line
 *
 * Every token knows whether it is the first of its line: the parser takes ends of
 * lines for ends of statements from that.  Characters that look like others, and
 * invisible ones, are errors with an advice, so that two programs that look the
 * same are the same. */
#include "token.h"

#include "syntax.h"
#include "visible.h"

#include <ctype.h>

#define BAD UINT32_MAX /* no character */

/* What is being read.  `s` runs over `source`, which ends with a 0 that no token
 * passes; `at` is the place of `s`, and moves with it. */
typedef struct lexer {
    ast_pool *pool;
    diag *d;
    const char *source, *s; /* all, and what comes next */
    ir_loc at;
    tokens *out;
    bool first; /* no token yet on this line */
} lexer;

static const struct {
    token_kind kind;
    const char *text;
} word[] =
    {
#define RESERVED(id, text) {TOKEN_##id, text},
#include "words.def"
},
  sign[] = {
#define SIGN(id, text) {TOKEN_##id, text},
#include "words.def"
};

/* How a message calls it: `'then' is expected here, not a number`. */
const char *token_text(token_kind kind)
{
    static const char *const text[TOKEN_COUNT] = {
        [TOKEN_EOF] = "the end of the file", [TOKEN_BAD] = "a bad character",
        [TOKEN_COMMENT] = "a comment",       [TOKEN_NAME] = "a name",
        [TOKEN_NUMBER] = "a number",         [TOKEN_STRING] = "a string",
#define RESERVED(id, text) [TOKEN_##id] = text,
#define SIGN(id, text)     [TOKEN_##id] = text,
#include "words.def"
    };

    return text[kind];
}

bool token_is_named(token_kind behind)
{
    return behind == TOKEN_ASSIGN || behind == TOKEN_BEGIN_LIST || behind == TOKEN_DOT ||
           behind == TOKEN_UPDATE || behind == TOKEN_DRAW || behind == TOKEN_COMMA ||
           behind == TOKEN_COLON || behind == TOKEN_SCATTER;
}

/* Letters of names beyond ASCII: scripts and signs whose letters stand alone, without
 * combining marks, and are written from left to right. */
static const struct {
    uint32_t first, last;
} letters[] = {
    {0xC0, 0xD6},       {0xD8, 0xF6},       {0xF8, 0x2C1},      {0x370, 0x373},
    {0x376, 0x377},     {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},
    {0x388, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},     {0x531, 0x556},
    {0x561, 0x587},     {0x10A0, 0x10C5},   {0x10D0, 0x10FA},   {0x10FD, 0x10FF},
    {0x13A0, 0x13F5},   {0x1D00, 0x1DBF},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},
    {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F7D},
    {0x1F80, 0x1FBC},   {0x1FC2, 0x1FCC},   {0x1FD0, 0x1FDB},   {0x1FE0, 0x1FEC},
    {0x1FF2, 0x1FFC},   {0x2090, 0x209C},   {0x2102, 0x2102},   {0x210A, 0x2113},
    {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x212C, 0x212D},
    {0x212F, 0x2139},   {0x3041, 0x3096},   {0x30A1, 0x30FA},   {0x3105, 0x312F},
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xAC00, 0xD7A3},   {0x1D400, 0x1D6C0},
    {0x1D6C2, 0x1D6DA}, {0x1D6DC, 0x1D6FA}, {0x1D6FC, 0x1D714}, {0x1D716, 0x1D734},
    {0x1D736, 0x1D74E}, {0x1D750, 0x1D76E}, {0x1D770, 0x1D788}, {0x1D78A, 0x1D7A8},
    {0x1D7AA, 0x1D7C2}, {0x1D7C4, 0x1D7CB}, {0x20000, 0x2A6DF},
};

/* The ranges are sorted, so that the search ends early; names are ASCII nearly
 * always. */
static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return isalpha((int)c) || c == '_';
    for (size_t i = 0; i < COUNT(letters) && letters[i].first <= c; i++)
        if (c <= letters[i].last)
            return true;
    return false;
}

/* Signs that other languages have, and mathematics: what to write here. */
static const struct {
    const char *sign, *advice;
} foreign[] = {
    {"@", "no operator @: write sum[k] a[i, k] * b[k, j]"},
    {"&&", "no operator &&: write and"},
    {"||", "no operator ||: write or"},
    {"|", "no operator |: write or, or |> to hand a value on"},
    {"&", "no operator &: write and"},
    {"!", "no operator !: write not"},
    {"?", "no operator ?: write if a then b else c"},
    {"'", "strings stand in double quotes; a ' may end a name"},
    {"`", "strings stand in double quotes"},
    {"\\", "no operator \\: a line goes on where it ends in an operator or a comma"},
    {"\u2212", "write - (U+002D), not U+2212"},
    {"\u2013", "write - (U+002D), not U+2013"},
    {"\u00D7", "write * for a product"},
    {"\u00B7", "write * for a product"},
    {"\u2264", "write <="},
    {"\u2265", "write >="},
    {"\u2260", "write !="},
    {"\u2190", "write <-"},
    {"\u2192", "write ->"},
    {"\u2026", "write .. (two dots)"},
    {"\u201C", "strings stand in \" quotes (U+0022)"},
    {"\u201D", "strings stand in \" quotes (U+0022)"},
    {"\u03A3", "write sum[i] .. for a sum"},
    {"\u2211", "write sum[i] .. for a sum"},
    {"\u220F", "write prod[i] .. for a product"},
    {"\u00A0", "a no-break space: write a blank"},
};

/* Takes the character of UTF-8 at *s; BAD, and a byte, if there is none. */
static uint32_t next_char(const char **s)
{
    uint32_t c = BAD;
    int width = visible_character(*s, strnlen(*s, VISIBLE_MOST), &c);

    *s += width ? width : 1;
    return width ? c : BAD;
}

/* Columns count characters, not bytes: editors do, too. */
static ir_loc place(const lexer *l, const char *s)
{
    ir_loc at = l->at;

    for (const char *p = l->s; p < s; at.col++)
        next_char(&p);
    return at;
}

/* Adds the token from l->s to `end`, and steps over it. */
static void add(lexer *l, token_kind kind, const char *end, const char *text)
{
    const token *last = l->out->len ? &l->out->at[l->out->len - 1] : NULL;
    token t = {.kind = kind,
               .first = l->first,
               .at = l->at,
               .text = text,
               .start = (uint32_t)(l->s - l->source),
               .size = (uint32_t)(end - l->s)};

    t.glued = last && last->start + last->size == t.start;
    vec_push(l->out, t);
    l->at = place(l, end);
    l->s = end;
    l->first = false;
}

/* A token whose text is what stands in the program. */
static void add_written(lexer *l, token_kind kind, const char *end)
{
    add(l, kind, end, ast_name(l->pool, l->s, (size_t)(end - l->s)));
}

/* Blanks and line ends.  A return is one only before a line end. */
static void skip_space(lexer *l)
{
    for (;; l->s++) {
        if (*l->s == '\n') {
            l->at.line++;
            l->at.col = 1;
            l->first = true;
        } else if (*l->s == ' ' || *l->s == '\t' || (*l->s == '\r' && l->s[1] == '\n')) {
            l->at.col++;
        } else {
            return;
        }
    }
}

/* Behind the last character of the name at s: letters, digits, then primes; s if none. */
static const char *name_end(const char *s)
{
    const char *end = s;

    for (const char *next = s; *next;) {
        uint32_t c = next_char(&next);
        if (!is_letter(c) && (end == s || !(c < 0x80 && isdigit((int)c))))
            break;
        end = next;
    }
    while (end > s && *end == '\'')
        end++;
    return end;
}

/* Reserved words get their kind here, so that the parser compares kinds and no
 * texts. */
static void read_name(lexer *l, const char *end)
{
    size_t n = (size_t)(end - l->s);

    for (size_t i = 0; i < COUNT(word); i++)
        if (strlen(word[i].text) == n && !memcmp(word[i].text, l->s, n)) {
            add(l, word[i].kind, end, word[i].text);
            return;
        }
    add_written(l, TOKEN_NAME, end);
}

/* An underscore may stand between digits, for the reader: 1_000_000. */
static const char *digits_end(const char *s, int (*is_digit)(int))
{
    while (is_digit((unsigned char)*s) || (*s == '_' && is_digit((unsigned char)s[1])))
        s++;
    return s;
}

/* 12, 1_000, 0x1F, 0.5, 1e-3.  Behind a dot of a path only digits: `conv.2.5.w`. */
static const char *number_end(const char *s, bool part)
{
    if (*s == '0' && s[1] == 'x' && isxdigit((unsigned char)s[2]))
        return digits_end(s + 2, isxdigit);
    s = digits_end(s, isdigit);
    if (part)
        return s;
    if (*s == '.' && isdigit((unsigned char)s[1]))
        s = digits_end(s + 1, isdigit);
    const char *power = s + 1 + (*s && (s[1] == '-' || s[1] == '+'));
    if ((*s == 'e' || *s == 'E') && isdigit((unsigned char)*power))
        s = digits_end(power, isdigit);
    return s;
}

/* 2x is a mistake for 2 * x, rather than a number and a name. */
static void read_number(lexer *l)
{
    const token *last = l->out->len ? &l->out->at[l->out->len - 1] : NULL;
    const char *end = number_end(l->s, last && last->kind == TOKEN_DOT), *behind = name_end(end);

    if (behind == end) {
        add_written(l, TOKEN_NUMBER, end);
        return;
    }
    syntax_error(l->d, l->at, "%.*s is neither a number nor a name; a product needs its *",
                 (int)(behind - l->s), l->s);
    add(l, TOKEN_BAD, behind, "");
}

/* \u{..} behind its u: adds the character in UTF-8; false if it is none. */
static bool unescape_code(const char **s, text *out)
{
    uint32_t c = 0;
    int n = 0;

    if (*(*s)++ != '{')
        return false;
    for (; isxdigit((unsigned char)**s) && n < 6; n++, ++*s)
        c = c * 16 + (uint32_t)(isdigit((unsigned char)**s) ? **s - '0' : (**s | 32) - 'a' + 10);
    if (!n || *(*s)++ != '}' || !c || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return false;
    if (c < 0x80)
        return text_add(out, "%c", (char)c), true;
    int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    text_add(out, "%c", (char)((0xF00u >> extra) | c >> 6 * extra));
    while (extra--)
        text_add(out, "%c", (char)(0x80 | (c >> 6 * extra & 0x3F)));
    return true;
}

/* The escape behind a backslash at *s; false if there is none. */
static bool unescape(const char **s, text *out)
{
    char c = *(*s)++;

    if (c == 'u')
        return unescape_code(s, out);
    if (c != '"' && c != '\\' && c != 'n')
        return false;
    text_add(out, "%c", c == 'n' ? '\n' : c);
    return true;
}

/* Steps over a character of a string or comment; false after a message about a hidden one. */
static bool take_visible(lexer *l, const char **s)
{
    const char *from = *s;
    uint32_t c = next_char(s);

    if (c == '\t' || (c != BAD && !visible_is_odd(c)))
        return true;
    if (c == BAD)
        return syntax_error(l->d, place(l, from), "this is no text in UTF-8");
    return syntax_error(l->d, place(l, from), "control character U+%04X; in a string write \\u{%X}",
                        c, c);
}

/* One character or escape of a string; false after a message. */
static bool take_quoted(lexer *l, const char **s, text *out)
{
    const char *from = *s;

    if (*from == '\\') {
        ++*s;
        if (unescape(s, out))
            return true;
        *s = from + 1;
        return syntax_error(l->d, place(l, from), "escapes are \\\" \\\\ \\n \\u{..}");
    }
    if (!take_visible(l, s))
        return false;
    text_addn(out, from, (size_t)(*s - from));
    return true;
}

/* A faulty string is one BAD token up to its end, so that the rest of the line is
 * read as it was meant. */
static void read_string(lexer *l)
{
    const char *s = l->s + 1;
    bool ok = true;
    text t = {0};

    text_add(&t, "%s", "");
    while (*s && *s != '"' && *s != '\n')
        ok &= take_quoted(l, &s, &t);
    if (*s == '"')
        s++;
    else if (ok)
        ok = syntax_error(l->d, l->at, "this string has no end on its line");
    add(l, ok ? TOKEN_STRING : TOKEN_BAD, s, ast_name(l->pool, t.at, t.len));
    text_free(&t);
}

/* Comments are tokens: the formatter keeps them, the parser steps over them. */
static void read_comment(lexer *l)
{
    const char *s = l->s;

    while (*s && *s != '\n' && !(*s == '\r' && s[1] == '\n'))
        take_visible(l, &s);
    add_written(l, TOKEN_COMMENT, s);
}

/* The longest that fits: `<=` before `<`, since words.def lists it so. */
static bool read_sign(lexer *l)
{
    for (size_t i = 0; i < COUNT(sign); i++)
        if (!strncmp(l->s, sign[i].text, strlen(sign[i].text))) {
            add(l, sign[i].kind, l->s + strlen(sign[i].text), sign[i].text);
            return true;
        }
    return false;
}

/* What begins no token: a message, with advice where the sign is known. */
static void read_bad(lexer *l)
{
    const char *end = l->s, *again = l->s;

    for (size_t i = 0; i < COUNT(foreign); i++)
        if (!strncmp(l->s, foreign[i].sign, strlen(foreign[i].sign))) {
            syntax_error(l->d, l->at, "%s", foreign[i].advice);
            add(l, TOKEN_BAD, l->s + strlen(foreign[i].sign), "");
            return;
        }
    if (take_visible(l, &end))
        syntax_error(l->d, l->at, "%.*s (U+%04X) means nothing here", (int)(end - l->s), l->s,
                     next_char(&again));
    add(l, TOKEN_BAD, end, "");
}

/* By the first character.  What begins with a digit is a number even if it turns
 * out to be a wrong one. */
static void read_token(lexer *l)
{
    const char *end = name_end(l->s);

    if (end > l->s)
        read_name(l, end);
    else if (isdigit((unsigned char)*l->s))
        read_number(l);
    else if (*l->s == '"')
        read_string(l);
    else if (*l->s == '#')
        read_comment(l);
    else if (!read_sign(l))
        read_bad(l);
}

void token_read(ast_pool *pool, const char *source, uint32_t file, diag *d, tokens *out)
{
    lexer l = {pool, d, source, source, {file, 1, 1}, out, true};

    if (!strncmp(source, "\xEF\xBB\xBF", 3)) /* a byte order mark is no character */
        l.s += 3;
    for (skip_space(&l); *l.s; skip_space(&l))
        read_token(&l);
    add(&l, TOKEN_EOF, l.s, "");
}
