/* cli/path.c - names of files, compared as files: links and ./ do not hide that two
 * are one. */
#include "path.h"

#include <string.h>
#include <sys/stat.h>

#include "options.h"

/* A file that does not exist is only the same as one of that very name. */
bool path_same(const char *a, const char *b)
{
    struct stat x, y;

    return !strcmp(a, b) || (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
                             x.st_ino == y.st_ino);
}

/* Asked before a model is compiled into the file that it is read from. */
bool path_apart(const char *out, const char *in)
{
    return !out || !in || !path_same(out, in) ||
           cli_wrong("%s: would be written over what is read", out);
}
