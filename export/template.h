/* export/template.h - texts with gaps: the C of libraries, which lies in files
 * (library.h.in, library.c.in) that read as the C they become.
 *
 * A file is made of parts, each begun by a line `//// name`; a word between two
 * @ is a gap.  From the part
 *   //// size
 *   size_t @PREFIX@_size(void);
 * and the word PREFIX, which is "net", comes "size_t net_size(void);". */
#ifndef INGOT_TEMPLATE_H
#define INGOT_TEMPLATE_H

#include "base.h"

typedef struct template_word {
    const char *name;               /* without the @ */
    const char *text;
} template_word;

typedef VEC(template_word) template_words;

/* Adds a part with its gaps filled.  Words that are not used do no harm; a part or
 * a word that is not there is our bug. */
void template_add(const char *file, const char *part, const template_words *words, text *out);
/* The same, of a part that only some libraries have. */
void template_add_if(bool wanted, const char *file, const char *part, const template_words *words,
                     text *out);

/* The declaration of abi.h that begins with `start`, to the line that ends it,
 * with the prefixes ingot_ and INGOT_ replaced. */
void template_add_declaration(const char *abi, const char *start, const char *prefix,
                              const char *macro, text *out);
/* All of a text with the prefixes replaced. */
void template_add_renamed(const char *s, size_t n, const char *prefix, const char *macro,
                          text *out);

#endif
