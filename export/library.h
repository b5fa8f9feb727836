/* export/library.h - the C side of `--emit lib` and `--emit shared`: a readable
 * header, and the typed functions it declares, as C that is compiled at build. */
#ifndef INGOT_LIBRARY_H
#define INGOT_LIBRARY_H

#include "image.h"

/* Adds the header.  The image's name is a C identifier; the names of entries, tensors,
 * states and dims are made identifiers, and of two equal ones the second gets _2. */
void library_header(const image *im, text *out);
/* Adds the functions that the header declares; the header must stand before them. */
void library_source(const image *im, text *out);

/* Is it a reserved word of C or C++, or a macro that may stand for something? */
bool library_keyword(const char *s);

#endif
