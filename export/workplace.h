/* export/workplace.h - the folder beside the output in which a build works, and
 * the programs that it runs there.  Both vanish when the build is interrupted,
 * the folder with the files that those programs left in it. */
#ifndef INGOT_WORKPLACE_H
#define INGOT_WORKPLACE_H

#include <stdbool.h>

#include "base.h"

typedef enum workplace_file {
    WORK_WEIGHTS,               /* their bytes, where they stay apart */
    WORK_SOURCE,                /* typed functions of a library */
    WORK_SOURCE_OBJECT,
    WORK_WHOLE,                 /* all of a library in one object */
    WORK_HEADER,
    WORK_LINES,                 /* the kernels' text, where line tables refer to it */
    WORK_OUT,                   /* what gets the output's name */
    WORK_FILES
} workplace_file;

/* A temporary folder beside the output, and the files that are made there.  For -o
 * out/net the folder is out/net.Ab12Cd, `file` are its files by their use, and none
 * is seen under its own name until it is published. */
typedef struct workplace {
    const char *out;            /* the output, as it was given */
    char *folder, *file[WORK_FILES];
    char *parent;               /* the output's folder */
    size_t there;               /* of its path, what was there before: so many bytes */
    VEC(char *) object;         /* object files of the model's code */
    int slot;
    bool verbose;               /* say which programs are run */
    void (*step)(const char *fmt, ...); /* told what begins; the caller may set it */
} workplace;

/* The name of an output without folder, `lib` and suffix, which the caller frees:
 * "out/libface-net.a" gives "face-net". */
char *workplace_stem(const char *out);
/* Makes the folder, and the one that `out` is to lie in.  False after a message, when
 * `out` cannot be written or is there and no regular file.  workplace_close in any
 * case; it leaves no folder that holds nothing. */
bool workplace_open(workplace *w, const char *out);
void workplace_close(workplace *w);
/* The path of another object file; null after a message. */
const char *workplace_object(workplace *w);
/* Runs a program to its end; false after a message unless it succeeds. */
bool workplace_run(const workplace *w, char *const *argv);
/* Gives one of the files its final name, and says so on stdout.  False after a
 * message. */
bool workplace_publish(const workplace *w, workplace_file f, const char *path);

#endif
