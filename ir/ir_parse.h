/* ir/ir_parse.h - what the files that read the text form share.
 *
 * A function ir_want_X takes an X off the text, or says that it was expected: false
 * then, and the parse ends. */
#ifndef INGOT_IR_PARSE_H
#define INGOT_IR_PARSE_H

#include "ir.h"
#include "lex.h"

/* A text being read into the module m, at s.  Constants and states are found by name;
 * a constant without one goes by the digits that its text has. */
typedef struct ir_parser {
    ir_module *m;
    diag *d;
    const char *s;
    const char *line;               /* start of the line that s was last seen in */
    ir_loc loc;
    names consts;                   /* name to position in const_id */
    VEC(uint32_t) const_id;
    names states;
} ir_parser;

/* The place where the next word begins; white space and comments are skipped. */
ir_loc ir_here(ir_parser *p);
/* Says that `what` was expected instead of the next word: false. */
bool ir_expected(ir_parser *p, const char *what);

bool ir_want_char(ir_parser *p, char c);
bool ir_want_int(ir_parser *p, int64_t *v);
/* A word or quoted text; `what` says what it names. */
bool ir_want_name(ir_parser *p, const char *what, char **out);
bool ir_want_type(ir_parser *p, const ir_type **out);

/* global := '@' NAME | '@' DIGITS, without the '@'.  Digits stand for no name. */
bool ir_want_global(ir_parser *p, char **key);
/* A global that is a constant, or a state, defined before: its number. */
bool ir_want_const(ir_parser *p, uint32_t *id);
bool ir_want_state(ir_parser *p, uint32_t *id);

/* Items of a module, behind the word that they begin with. */
bool ir_parse_dim(ir_parser *p);
bool ir_parse_const(ir_parser *p);
bool ir_parse_names(ir_parser *p);
bool ir_parse_state(ir_parser *p);

#endif
