/* cli/library.h - the C side of `--emit lib` and `--emit shared`: a readable
 * header, and the typed functions it declares, as C that is compiled at build. */
#ifndef INGOT_LIBRARY_H
#define INGOT_LIBRARY_H

#include "ir.h"

/* `name` is a C identifier; names of tensors and dims are made identifiers, a
 * second equal one gets _2. */
void library_header(const ir_fn *fn, const char *name, text *out);
/* Needs the header's text before it. */
void library_source(const ir_fn *fn, const char *name, text *out);

/* Is it a reserved word of C? */
bool library_keyword(const char *s);

#endif
