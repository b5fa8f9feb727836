/* codegen/loop/loop_parse.h - the parser of kernels: its state, words, expressions;
 * private to loop_parse*.c. */
#ifndef INGOT_LOOP_PARSE_H
#define INGOT_LOOP_PARSE_H

#include "lex.h"
#include "loop_build.h"

/* What a name of the text stands for. */
typedef struct symbol {
    bool buffer;                    /* id is an lp_buf, not an lp_var */
    uint32_t id;
} symbol;

/* A kernel being read: `s` stands at the next character, and `loc` was the place of a
 * character on the line that begins at `line`; parse_here brings it up to date.  Name
 * i of `names` is symbol.at[i].  The limits on depths and heights keep hostile text
 * from overflowing the stack of whoever recurses over the kernel. */
typedef struct parser {
    lp_kernel *k;
    diag *d;
    const char *s;
    const char *line;
    ir_loc loc;
    names names;
    VEC(symbol) symbol;
    VEC(uint16_t) height;           /* by expression: of its tree */
    int depth, blocks;              /* open brackets and calls; open blocks */
} parser;

/* A list of expressions, and room for the condition of a load. */
typedef struct list {
    lp_expr at[LP_MAX_RANK + 1];
    int n;
} list;

/* A `want` that does not find what it wants reports it and gives false; a `take`
 * then leaves the text as it is. */
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
/* Expressions with commas between them, and the closing bracket. */
bool want_list(parser *p, char close, list *l);
/* Does an index list of `rank` expressions, which began at `at`, fit b's rank? */
bool want_rank(parser *p, ir_loc at, lp_buf b, int rank);

#endif
