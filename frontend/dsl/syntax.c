/* frontend/dsl/syntax.c - messages about programs. */
#include "syntax.h"

#include <string.h>

bool syntax_error(diag *d, ir_loc at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    diag_verror(d, at, D_PROGRAM, fmt, ap);
    va_end(ap);
    return false;
}

bool syntax_unknown(diag *d, ir_loc at, const char *what, const nearest *search)
{
    if (!search->best)
        return syntax_error(d, at, "unknown %s %s", what, search->name);
    return syntax_error(d, at, "unknown %s %s; did you mean %s?", what, search->name, search->best);
}

static const struct {
    syntax_habit_kind kind;
    const char *word, *text;
} habits[] = {
#define HABIT(kind, word, text) {SYNTAX_##kind, word, text},
#include "habits.def"
};

const char *syntax_habit(syntax_habit_kind kind, const char *word)
{
    for (size_t i = 0; i < COUNT(habits); i++)
        if (habits[i].kind == kind && !strcmp(habits[i].word, word))
            return habits[i].text;
    return NULL;
}
