/* cli/artifact.c - names of what is built.  -o libnet.a is a model called net: its
 * functions are net_run and so on, and its header net.h lies beside it. */
#include <stdlib.h>

#include "command.h"
#include "library.h"
#include "workplace.h"

/* A C identifier: what is given, or the output's name without folder, `lib` and
 * suffix, with what C does not allow replaced.  The caller frees. */
char *artifact_name(const char *given, const char *out)
{
    char *stem = given ? strdup(given) : workplace_stem(out);
    char *name = library_name(stem, strlen(stem));

    free(stem);
    return name;
}

/* Beside the output: out/libnet.a and net give out/net.h.  The caller frees. */
char *artifact_header(const char *out, const char *name)
{
    const char *slash = strrchr(out, '/');
    int folder = slash ? (int)(slash - out + 1) : 0;
    char *path = NULL;

    return asprintf(&path, "%.*s%s.h", folder, out, name) < 0 ? NULL : path;
}
