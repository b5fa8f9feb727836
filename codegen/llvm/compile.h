/* codegen/llvm/compile.h - an image becomes object code: it is emitted as several
 * LLVM modules, and all cores compile them. */
#ifndef INGOT_COMPILE_H
#define INGOT_COMPILE_H

#include "image.h"

/* An object file in memory. */
typedef struct object {
    uint8_t *data;
    size_t size;
} object;

/* The object files that an image is made of. */
typedef struct objects {
    object *at;
    uint32_t len;
} objects;

/* Compiles a placed image with so many threads, at least 1.  Bytes and order of the
 * objects are the same for any number of them; the first one has the model's table.
 * Symbols by which they refer to each other are hidden.  False with an error;
 * objects_free in any case. */
bool image_compile(image *im, int threads, objects *out, diag *d);
void objects_free(objects *o);

/* Adds the kernels' loop IR, in their order, and notes the lines for the tables of
 * image_compile and image_print, which must come after it. */
void image_print_kernels(image *im, text *out);
/* Adds the whole image to `out` as one readable text: LLVM IR, or assembly.  False
 * with an error. */
bool image_print(image *im, bool assembly, text *out, diag *d);

#endif
