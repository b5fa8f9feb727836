/* runtime/train/files.c - files of a command line that are one file: what is written last
 * would replace the other, after all the hours of a training. */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "entry.h"
#include "source.h"

/* An output, by the option that names it; null: none. */
typedef struct written {
    const char *option, *path;
} written;

enum { WRITTEN = 5 };

static bool same_inode(const struct stat *x, const struct stat *y)
{
    return x->st_dev == y->st_dev && x->st_ino == y->st_ino;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool stat_folder(const char *path, struct stat *to)
{
    size_t size = (size_t)(base_of(path) - path);
    char *folder = size ? strndup(path, size) : strdup(".");
    bool ok = folder && !stat(folder, to);

    free(folder);
    return ok;
}

/* Do both name one file, or would they?  Two outputs may go to one device. */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    bool a_is = !stat(a, &x), b_is = !stat(b, &y);

    if (a_is || b_is)
        return a_is && b_is && S_ISREG(x.st_mode) && same_inode(&x, &y);
    return !strcmp(base_of(a), base_of(b)) &&
           (!strcmp(a, b) || (stat_folder(a, &x) && stat_folder(b, &y) && same_inode(&x, &y)));
}

static bool apart(const written *w, const char *what, const char *path)
{
    return !w->path || !path || !same_file(w->path, path) ||
           cli_wrong("%s and %s are one file, %s", w->option, what, w->path);
}

/* No output is this file, which is read. */
static bool all_apart(const written *w, const char *what, const char *path)
{
    for (int i = 0; i < WRITTEN; i++)
        if (!apart(&w[i], what, path))
            return false;
    return true;
}

/* The file of a source; FILE.gz is read where there is no FILE.  What is no source is told
 * when it is read. */
static bool data_apart(const written *w, const char *text)
{
    char error[TENSOR_ERROR_SIZE], *packed = NULL;
    source s;
    bool ok = true;

    if (source_parse(&s, text, error) && s.path) {
        ok = all_apart(w, "a file of the training data", s.path);
        if (ok && asprintf(&packed, "%s.gz", s.path) >= 0) {
            ok = all_apart(w, "a file of the training data", packed);
            free(packed);
        }
    }
    source_free(&s);
    return ok;
}

/* Those of the program count also where --data gives others. */
static bool all_data_apart(const written *w, const trainer_options *o,
                           const struct ingot_trainer *t)
{
    bool ok = true;

    for (int32_t i = 0; i < t->block_count; i++)
        for (int32_t k = 0; ok && k < t->blocks[i].source_count; k++)
            ok = data_apart(w, t->blocks[i].sources[k].text);
    for (int32_t i = 0; ok && i < o->datas; i++)
        ok = data_apart(w, o->data[i].text);
    for (int32_t i = 0; ok && i < o->tests; i++)
        ok = data_apart(w, o->test[i].text);
    return ok;
}

/* An entry reads weights and NAME=FILE. */
static bool result_apart(const trainer_options *o)
{
    const written result = {"-o", o->out};
    bool ok = apart(&result, "the weights", o->init ? o->init : o->save);

    for (int32_t i = 1; ok && i < o->blocks; i++) {
        const char *sign = strchr(o->block[i], '=');
        ok = !sign || apart(&result, "an input", sign + 1);
    }
    return ok;
}

/* --init may name the file of --save: it is read before, and --fresh keeps it as FILE.1. */
bool files_apart(const trainer_options *o, const struct ingot_trainer *t)
{
    const written w[WRITTEN] = {{"--save", o->save}, {"--log", o->log}, {"--plot", o->plot},
                                {"--report", o->report}, {"--save-onnx", o->save_onnx}};

    if (o->blocks && entry_named(t, o->block[0]))
        return result_apart(o);
    for (int i = 0; i < WRITTEN; i++) {
        for (int k = 0; k < i; k++)
            if (!apart(&w[i], w[k].option, w[k].path))
                return false;
        if (i && !apart(&w[i], "--init", o->init))
            return false;
    }
    return all_apart(w, "what is trained", o->program) && all_data_apart(w, o, t);
}
