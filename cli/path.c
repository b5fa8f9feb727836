/* cli/path.c - names of files, compared as files: links and ./ do not hide that two
 * are one. */
#include "path.h"

#include <stdlib.h>
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

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

bool path_same_folder(const char *a, const char *b)
{
    char *x = folder_of(a), *y = folder_of(b);
    bool same = x && y && path_same(x, y);

    free(x);
    free(y);
    return same;
}

/* Asked before a model is compiled into the file that it is read from. */
bool path_apart(const char *out, const char *in)
{
    return !out || !in || !path_same(out, in) ||
           cli_wrong("%s: would be written over what is read", out);
}
