/* frontend/dsl/syntax.c - messages about programs. */
#include "syntax.h"

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
