/* runtime/labels.c - a label from each line of a file. */
#include "labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"

/* All of a file, a zero behind it; null with the reason in errno. */
static char *read_text(const char *path)
{
    enum { MOST = 64 << 20 };
    FILE *f = fopen(path, "rb"), *copy;
    char *text = NULL, piece[4096];
    size_t size, n, all = 0;

    if (!f)
        return NULL;
    copy = open_memstream(&text, &size);
    while (copy && all < MOST && (n = fread(piece, 1, sizeof piece, f)) > 0)
        all += fwrite(piece, 1, n, copy);
    bool ok = copy && !ferror(f) && !fclose(copy);
    fclose(f);
    if (ok)
        return text;
    free(text);
    errno = errno ? errno : EIO;
    return NULL;
}

/* Cuts off the first line of *rest, which is not empty; it has no end of line then. */
static const char *cut_line(char **rest)
{
    char *line = *rest;
    size_t n = strcspn(line, "\n");

    *rest = line + n + (line[n] == '\n');
    line[n] = 0;
    line[strcspn(line, "\r")] = 0;
    return line;
}

/* One label a line; the text is kept, and cut into lines where it stands. */
bool labels_read(labels *l, const char *path, char *error)
{
    *l = (labels){.text = read_text(path)};
    if (!l->text)
        return tensor_fail(error, "%s: %s", path, strerror(errno));
    l->at = calloc(strlen(l->text) + 1, sizeof *l->at);
    if (!l->at) {
        labels_free(l);
        return tensor_fail(error, "no memory for the labels");
    }
    for (char *rest = l->text; *rest;)
        l->at[l->n++] = cut_line(&rest);
    return true;
}

void labels_free(labels *l)
{
    free(l->text);
    free(l->at);
    *l = (labels){0};
}
