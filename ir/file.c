/* ir/file.c - whole text files. */
#include "file.h"

#include <errno.h>

/* With a zero behind it.  Null with errno set if the file cannot be opened or read. */
char *file_read(arena *mem, const char *path)
{
    FILE *f = fopen(path, "rb");
    text t = {0};
    char buffer[4096];
    size_t n;

    if (!f)
        return NULL;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0)
        text_addn(&t, buffer, n);
    int wrong = ferror(f) ? errno : 0;      /* fclose may set errno again */
    fclose(f);
    char *copy = wrong ? NULL : arena_strndup(mem, t.at ? t.at : "", t.len);
    text_free(&t);
    errno = wrong;
    return copy;
}

char *file_read_told(const char *path, diag *d)
{
    char *source = file_read(&d->mem, path);

    if (!source)
        diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
    return source;
}
