/* cli/path.h - names of files. */
#ifndef INGOT_PATH_H
#define INGOT_PATH_H

#include <stdbool.h>

/* Do both paths name one file?  Those of files that are not there yet are compared as they
 * are spelled. */
bool path_same(const char *a, const char *b);
/* Do the files lie in one folder? */
bool path_same_folder(const char *a, const char *b);
/* False, after a message, if writing the output would replace the input; either may be null. */
bool path_apart(const char *out, const char *in);

#endif
