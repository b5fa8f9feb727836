/* cli/artifact.c - names of what is built.  -o libnet.a is a model called net: its
 * functions are net_run and so on, and its header net.h lies beside it. */
#include <stdlib.h>

#include "command.h"
#include "file_kind.h"
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

/* Programs are written against the name, so it is not changed but refused. */
bool artifact_set_name(void *to, const cli_option *o, const char *value)
{
    char *name = artifact_name(value, NULL);
    bool fits = !strcmp(name, value) ||
                cli_wrong("%s '%s' cannot begin names of C; '%s' can", o->name, value, name);

    mem_free(name);
    return fits && cli_set_once(to, o, value);
}

/* Beside the output: out/libnet.a and net give out/net.h.  The caller frees. */
char *artifact_header(const char *out, const char *name)
{
    const char *slash = strrchr(out, '/');
    int folder = slash ? (int)(slash - out + 1) : 0;
    char *path = NULL;

    return asprintf(&path, "%.*s%s.h", folder, out, name) < 0 ? NULL : path;
}

bool artifact_kind_fits(const char *emit, const char *out)
{
    if (!strcmp(emit, "lib") && has_suffix(out, ".so"))
        return cli_wrong("%s: --emit lib makes an archive (.a); --emit shared makes a .so", out);
    return strcmp(emit, "shared") || !has_suffix(out, ".a") ||
           cli_wrong("%s: --emit shared makes a .so; --emit lib makes an archive (.a)", out);
}
