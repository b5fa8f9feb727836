/* export/template.c - texts with gaps.  A template is a file of parts, each behind
 * a line `//// NAME`; in a part @WORD@ is a gap.  So the C that a library is made
 * of stands in files that read as C, and not in strings of ours.  A part, a word or
 * an end that is missing is our bug. */
#include "template.h"

#include <ctype.h>
#include <string.h>

static const char mark[] = "//// ";

/* ---- parts -------------------------------------------------------------------------- */

/* The text of a part; *end: where it ends. */
static const char *find_part(const char *file, const char *name, const char **end)
{
    size_t n = strlen(name);

    for (const char *at = strstr(file, mark); at; at = strstr(at, mark)) {
        at += strlen(mark);
        if (!strncmp(at, name, n) && at[n] == '\n') {
            const char *next = strstr(at, mark);
            *end = next ? next : at + strlen(at);
            return at + n + 1;
        }
    }
    return NULL;
}

static const char *find_word(const template_words *words, const char *name, size_t n)
{
    for (uint32_t i = 0; i < words->len; i++)
        if (strlen(words->at[i].name) == n && !memcmp(words->at[i].name, name, n))
            return words->at[i].text;
    return NULL;
}

/* Gaps are not looked for in what fills a gap. */
void template_add(const char *file, const char *part, const template_words *words, text *out)
{
    const char *end = NULL, *at = find_part(file, part, &end), *gap;

    ICE_IF(!at, "no part of a template has this name");
    while ((gap = memchr(at, '@', (size_t)(end - at)))) {
        const char *close = strchr(gap + 1, '@');
        ICE_IF(!close || close >= end, "a gap in a template does not end");
        const char *word = find_word(words, gap + 1, (size_t)(close - gap - 1));
        ICE_IF(!word, "no word fits a gap of a template");
        text_addn(out, at, (size_t)(gap - at));
        text_addn(out, word, strlen(word));
        at = close + 1;
    }
    text_addn(out, at, (size_t)(end - at));
}

void template_add_if(bool wanted, const char *file, const char *part, const template_words *words,
                     text *out)
{
    if (wanted)
        template_add(file, part, words, out);
}

/* ---- the binary interface ----------------------------------------------------------- */

/* Is `at` the beginning of a word that begins with `begin`? */
static bool begins(const char *text, const char *at, const char *end, const char *begin)
{
    size_t n = strlen(begin);

    return (size_t)(end - at) >= n && !memcmp(at, begin, n) &&
           (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_'));
}

/* ingot_x becomes PREFIX_x and INGOT_X MACRO_X, at the beginning of words alone:
 * declarations of ir/abi.h in the names of a model. */
void template_add_renamed(const char *s, size_t n, const char *prefix, const char *macro,
                          text *out)
{
    const char *end = s + n;

    for (const char *at = s; at < end;) {
        bool lower = begins(s, at, end, "ingot_"), upper = begins(s, at, end, "INGOT_");
        if (lower || upper) {
            text_add(out, "%s_", lower ? prefix : macro);
            at += strlen("ingot_");
        } else {
            text_addn(out, at++, 1);
        }
    }
}

/* Declarations end at a line that begins with `}`, or with its first `;` if they
 * have no braces. */
static const char *declaration_end(const char *at)
{
    const char *brace = strchr(at, '{'), *semicolon = strchr(at, ';');

    return brace && brace < semicolon ? strstr(at, "\n};") + strlen("\n};") : semicolon + 1;
}

void template_add_declaration(const char *abi, const char *start, const char *prefix,
                              const char *macro, text *out)
{
    const char *at = strstr(abi, start);

    ICE_IF(!at, "abi.h has no such declaration");
    template_add_renamed(at, (size_t)(declaration_end(at) - at), prefix, macro, out);
}
