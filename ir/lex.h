/* ir/lex.h - the words that the text forms of the tensor IR are made of.
 * A reader is a pointer into text that ends with 0; every function skips white
 * space and `#` comments first, and leaves *s behind what it took. */
#ifndef INGOT_LEX_H
#define INGOT_LEX_H

#include "diag.h"

void lex_space(const char **s);
/* The place of the next word.  *at was that of some character before, on the line that
 * begins at *line; both are brought up to date. */
ir_loc lex_place(const char **s, const char **line, ir_loc *at);
/* Reports that `what` was expected instead of the word at s; false. */
bool lex_expected(const char *s, ir_loc at, const char *what, diag *d);
char lex_peek(const char **s);                   /* next character, not taken */
bool lex_char(const char **s, char c);
bool lex_word(const char **s, const char *word); /* exactly this word */
/* A word ([A-Za-z_][A-Za-z0-9_.]*), or any name in double quotes; null if
 * there is none. */
char *lex_name(const char **s, arena *mem);
/* A text in double quotes, zeros in it allowed; null if there is none. */
char *lex_quoted(const char **s, arena *mem, size_t *len);
bool lex_int(const char **s, int64_t *v);        /* false if none or over 64 bits */

bool text_is_word(const char *name);
void text_add_quoted(text *t, const char *name); /* "..", escaped */
void text_add_quotedn(text *t, const char *at, size_t len);
/* A string of the language: a line break becomes \n, what does not show
 * \u{..}; bytes that are no UTF-8, which it cannot hold, U+FFFD. */
void text_add_string(text *t, const char *s);
void text_add_name(text *t, const char *name);   /* as lex_name reads it */

#endif
