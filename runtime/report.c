/* runtime/report.c - files of results. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "options.h"

static bool cannot_write(const char *path)
{
    return cli_wrong("%s: cannot be written: %s", path, strerror(errno));
}

bool report_open(partial *p, const char *path)
{
    *p = (partial){.slot = -1};
    return !path || partial_open(p, path) || cannot_write(path);
}

bool report_close(partial *p, const char *path, bool keep)
{
    if (!path)
        return keep;
    return partial_close(p, keep) || (keep && cannot_write(path));
}
