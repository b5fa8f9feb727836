/* ir/lex.c - the words that the text forms of the tensor IR are made of.
 *
 * All functions read at *s, skip blanks and comments before the word, and step over
 * it only if it is what was asked for; else *s stays at the word (behind the
 * blanks), where the message points. */
#include "lex.h"

#include <ctype.h>

#include "visible.h"

void lex_space(const char **s)
{
    for (;; ++*s) {
        if (**s == '#')
            *s += strcspn(*s, "\n");
        if (!isspace((unsigned char)**s))
            return;
    }
}

/* `line` and `at` remember the line that was reached last: a file is counted
 * through once, not from its start for each place. */
ir_loc lex_place(const char **s, const char **line, ir_loc *at)
{
    lex_space(s);
    for (const char *q = *line; q < *s; q++)
        if (*q == '\n') {
            at->line++;
            *line = q + 1;
        }
    at->col = (uint32_t)(*s - *line) + 1;
    return *at;
}

bool lex_expected(const char *s, ir_loc at, const char *what, diag *d)
{
    char near[24];
    size_t n;

    for (n = 0; n < sizeof near - 1 && isgraph((unsigned char)s[n]); n++)
        near[n] = s[n];
    near[n] = 0;
    return diag_error(d, at, D_PARSE, n ? near : "end of text", what);
}

char lex_peek(const char **s)
{
    lex_space(s);
    return **s;
}

bool lex_char(const char **s, char c)
{
    if (lex_peek(s) != c)
        return false;
    ++*s;
    return true;
}

static bool starts(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool goes_on(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static size_t word_length(const char *s)
{
    size_t n = 0;

    if (starts(*s))
        while (goes_on(s[n]))
            n++;
    return n;
}

bool lex_word(const char **s, const char *word)
{
    lex_space(s);
    size_t n = word_length(*s);
    if (n != strlen(word) || memcmp(*s, word, n))
        return false;
    *s += n;
    return true;
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character behind a backslash at *s; false if it is no escape. */
static bool unescape(const char **s, text *out)
{
    char c = **s;
    int taken = 1;

    if (c == 'x') {
        int high = hex_digit((*s)[1]), low = high < 0 ? -1 : hex_digit((*s)[2]);
        if (low < 0)
            return false;
        taken = 3;
        c = (char)(high * 16 + low);
    } else if (c != '"' && c != '\\') {
        return false;
    }
    *s += taken;
    text_addn(out, &c, 1);
    return true;
}

/* '"' {character | escape} '"' on one line.  Null if it is none or does not end.
 * len: the text may hold zeros, by \x00. */
char *lex_quoted(const char **s, arena *mem, size_t *len)
{
    if (lex_peek(s) != '"')
        return NULL;
    text t = {0};
    const char *p = *s + 1;
    char *name = NULL;
    bool ok = true;

    text_add(&t, "%s", "");
    while (ok && *p && *p != '\n' && *p != '"')
        if (*p == '\\')
            p++, ok = unescape(&p, &t);
        else
            text_addn(&t, p++, 1);
    if (ok && *p == '"') {
        name = arena_strndup(mem, t.at, t.len);
        *len = t.len;
        *s = p + 1;
    }
    text_free(&t);
    return name;
}

/* NAME := word | text in quotes, for names of models that are no words:
 * "conv1/weights:0". */
char *lex_name(const char **s, arena *mem)
{
    const char *start = *s;
    size_t n;

    if (lex_peek(s) == '"') {
        char *name = lex_quoted(s, mem, &n);
        if (name && strlen(name) == n)
            return name;
        *s = start;         /* a zero is no part of a name */
        return NULL;
    }
    n = word_length(*s);
    *s += n;
    return n ? arena_strndup(mem, *s - n, n) : NULL;
}

bool lex_int(const char **s, int64_t *v)
{
    bool minus = lex_char(s, '-');

    if (!isdigit((unsigned char)**s))
        return false;
    for (*v = 0; isdigit((unsigned char)**s); ++*s)
        if (!mul_ok(*v, 10, v) || !add_ok(*v, minus ? '0' - **s : **s - '0', v))
            return false;
    return true;
}

bool text_is_word(const char *name)
{
    return *name && word_length(name) == strlen(name);
}

/* For .ir and .plan text: bytes that a terminal or editor would not show as they
 * are become \x.., and lex_quoted reads them back. */
void text_add_quotedn(text *t, const char *at, size_t len)
{
    text_add(t, "\"");
    for (const char *p = at; p < at + len;) {
        int n = visible_length(p, (size_t)(at + len - p));
        if (*p == '"' || *p == '\\')
            text_add(t, "\\%c", *p);
        else if (!n)
            text_add(t, "\\x%02x", (unsigned char)*p);
        else
            text_addn(t, p, (size_t)n);
        p += n ? n : 1;
    }
    text_add(t, "\"");
}

void text_add_quoted(text *t, const char *name)
{
    text_add_quotedn(t, name, strlen(name));
}

/* For .ingot programs, whose strings are UTF-8: odd characters become \u{..}, and
 * what is no UTF-8 the replacement character. */
void text_add_string(text *t, const char *s)
{
    text_add(t, "\"");
    while (*s) {
        uint32_t c = 0xFFFD;
        int n = visible_character(s, strnlen(s, VISIBLE_MOST), &c);
        if (*s == '"' || *s == '\\')
            text_add(t, "\\%c", *s);
        else if (*s == '\n')
            text_add(t, "\\n");
        else if (!n || visible_is_odd(c))
            text_add(t, "\\u{%X}", n ? c : 0xFFFD);
        else
            text_addn(t, s, (size_t)n);
        s += n ? n : 1;
    }
    text_add(t, "\"");
}

void text_add_name(text *t, const char *name)
{
    if (text_is_word(name))
        text_add(t, "%s", name);
    else
        text_add_quoted(t, name);
}
