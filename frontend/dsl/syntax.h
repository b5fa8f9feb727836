/* frontend/dsl/syntax.h - messages about programs.  Their texts stand where the fault is
 * found; notes (diag_note) name the other place. */
#ifndef INGOT_DSL_SYNTAX_H
#define INGOT_DSL_SYNTAX_H

#include "diag.h"
#include "nearest.h"

/* Records an error of the row PROGRAM.  Always returns false. */
bool syntax_error(diag *d, ir_loc at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Records that there is no `what` called `name`: "unknown WHAT NAME; did you mean BEST?",
 * best being what a search among the names in sight has found, or null.  Always false. */
bool syntax_unknown(diag *d, ir_loc at, const char *what, const nearest *search);

/* What those who know another library write here (habits.def); null for other words. */
typedef enum syntax_habit_kind {
    SYNTAX_NAME, SYNTAX_ARGUMENT, SYNTAX_MEMBER, SYNTAX_VALUE, SYNTAX_EXTRA, SYNTAX_HEAD
} syntax_habit_kind;
const char *syntax_habit(syntax_habit_kind kind, const char *word);

#endif
