/* frontend/dsl/syntax.c - messages about programs. */
#include "syntax.h"

bool syntax_error(diag *d, ir_loc at, const char *fmt, ...)
{
    text said = {0};
    va_list ap;

    va_start(ap, fmt);
    text_addv(&said, fmt, ap);
    va_end(ap);
    diag_error(d, at, D_PROGRAM, said.at);
    text_free(&said);
    return false;
}

bool syntax_unknown(diag *d, ir_loc at, const char *what, const nearest *search)
{
    if (!search->best)
        return syntax_error(d, at, "unknown %s %s", what, search->name);
    return syntax_error(d, at, "unknown %s %s; did you mean %s?", what, search->name, search->best);
}
