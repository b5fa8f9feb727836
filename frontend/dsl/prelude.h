/* frontend/dsl/prelude.h - the library of the language, written in it: the files of
 * frontend/prelude/, which the build puts into the compiler. */
#ifndef INGOT_DSL_PRELUDE_H
#define INGOT_DSL_PRELUDE_H

typedef struct prelude_file {
    const char *name;       /* "prelude/layers.ingot", for messages */
    const char *text;
} prelude_file;

enum { PRELUDE_FILES = 9 };
extern const prelude_file prelude[PRELUDE_FILES];

#endif
