/* codegen/loop/loop_parse.h - the parser of kernels: its state, words, expressions;
 * private to loop_parse*.c. */
#ifndef INGOT_LOOP_PARSE_H
#define INGOT_LOOP_PARSE_H

#include "lex.h"
#include "loop_build.h"

typedef struct symbol {
    bool buffer;
    uint32_t id;                    /* lp_buf or lp_var */
} symbol;

typedef struct parser {
    lp_kernel *k;
    diag *d;
    const char *s;
    const char *line;               /* start of the line that s was last seen in */
    ir_loc loc;
    names names;                    /* to positions in symbol */
    VEC(symbol) symbol;
    VEC(uint16_t) height;           /* by expression: of its tree */
    int depth, blocks;              /* open brackets and calls; blocks */
} parser;

typedef struct list {
    lp_expr at[LP_MAX_RANK + 1];
    int n;
} list;

/* Each `want` gives a message and false where it does not find what it wants;
 * a `take` takes nothing then. */
ir_loc parse_here(parser *p);                   /* where the next word begins */
bool parse_expected(parser *p, const char *what);
bool want_char(parser *p, char c);
size_t word_length(parser *p);                  /* of the word that comes next */
bool take_word(parser *p, const char *word);
char *take_name(parser *p);
bool want_dtype(parser *p, ir_dtype *d);        /* that kernels compute with */
void parse_define(parser *p, const char *name, bool buffer, uint32_t id);
uint32_t parse_find(const parser *p, const char *name, bool buffer);    /* 0: none */

bool want_expr(parser *p, lp_expr *e);
/* Expressions with commas between them, up to the closing bracket. */
bool want_list(parser *p, char close, list *l);
/* Has the index list of b, which began at `at`, as many as b's rank? */
bool want_rank(parser *p, ir_loc at, lp_buf b, int rank);

#endif
