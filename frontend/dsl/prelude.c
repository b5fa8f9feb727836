/* frontend/dsl/prelude.c - the files of the prelude, and the words that have a meaning. */
#include "prelude.h"

#include <string.h>

#include "dsl.h"

#define FILES(FILE)                                                            \
    FILE(layers) FILE(norms) FILE(recurrent) FILE(attention) FILE(blocks)      \
    FILE(activations) FILE(losses) FILE(optimizers) FILE(prepare)

#define DECLARE(name) extern const char prelude_##name[];
FILES(DECLARE)

#define ROW(name) {"prelude/" #name ".ingot", prelude_##name},
const prelude_file prelude[PRELUDE_FILES] = {FILES(ROW)};

/* Does a line of the text begin with `head` and this name? */
static bool defines(const char *text, const char *head, const char *name)
{
    size_t n = strlen(head), k = strlen(name);

    for (const char *p = strstr(text, head); p; p = strstr(p + n, head))
        if ((p == text || p[-1] == '\n') && !strncmp(p + n, name, k) && p[n + k] == '(')
            return true;
    return false;
}

void dsl_library_names(const char *file, const char *head, arena *mem, names *out)
{
    size_t n = strlen(head);

    for (int i = 0; i < PRELUDE_FILES; i++)
        for (const char *p = prelude[i].text; p && strstr(prelude[i].name, file);) {
            if (!strncmp(p, head, n))
                names_add(out, arena_strndup(mem, p + n, strcspn(p + n, "(")));
            p = strchr(p, '\n');
            p = p ? p + 1 : NULL;
        }
}

/* Has this name a meaning already, so that a generated program must not use it? */
bool dsl_is_word(const char *s)
{
    static const char *const words[] = {
#define RESERVED(id, text) text,
#define REDUCTION(id, text) text,
#define ELEM(id, text) text,
#include "words.def"
#define BUILTIN(name, ...) #name,
#include "builtin.def"
        "pi", "inf", "training", "step", "epoch", "steps", "rows"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (!strcmp(words[i], s))
            return true;
    for (int i = 0; i < PRELUDE_FILES; i++)
        if (defines(prelude[i].text, "fn ", s) || defines(prelude[i].text, "layer ", s) ||
            defines(prelude[i].text, "optimizer ", s))
            return true;
    return false;
}
