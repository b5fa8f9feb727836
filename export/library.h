/* export/library.h - the C side of `--emit lib` and `--emit shared`: a readable
 * header, and the typed functions it declares, as C that is compiled at build. */
#ifndef INGOT_LIBRARY_H
#define INGOT_LIBRARY_H

#include "image.h"
#include "train_abi.h"

/* Adds the header of a library, with functions that train if `t` is not null; `output` is the
 * name of what it belongs to, without folder, `lib` and suffix.  The image's name is a C
 * identifier; the names of entries, tensors, states and dims are made identifiers, and of two
 * equal ones the second gets _2. */
void library_header(const image *im, const struct ingot_trainer *t, const char *output,
                    text *out);
/* Adds the header of an object without typed functions. */
void library_object_header(const image *im, const char *output, text *out);
/* Adds the functions that the header declares; the header must stand before them. */
void library_source(const image *im, const struct ingot_trainer *t, text *out);

/* A name for symbols of C and C++, from n bytes: what is no letter or digit becomes _,
 * but never two of them nor one at an end, since those are reserved, as are keywords
 * and names that begin with a digit: these get x_ before them.  "3d--net" becomes
 * x_3d_net.  The caller frees it (mem_free). */
char *library_name(const char *raw, size_t n);
/* Is it a reserved word of C or C++, or a macro that may stand for something? */
bool library_keyword(const char *s);

#endif
