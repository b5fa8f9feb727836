/* runtime/train/source.c - parses where rows come from, as a program or --data says
 * it:
 *
 *    source := table | file | CALL '(' (file | source) {',' [NAME '='] value} ')' [selects]
 *    file   := STRING [selects]           selects := '[' select {',' select} ']'
 *    table  := '[' row {',' row} ']'      row := '[' number {',' number} ']'
 *
 * csv("a.csv", skip=1)["x".."z", "y"], "mnist.npz"["train"], windows(chars("a.txt"), 64) and
 * a bare path are sources. */
#include "source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "file_kind.h"
#include "tensor_file.h"

/* The text, and how far it is read. */
typedef struct cursor {
    const char *text, *at;
    char *error;
} cursor;

static bool wrong(const cursor *c, const char *what)
{
    return tensor_fail(c->error, "%.300s: character %d: %s is expected", c->text,
                       (int)(c->at - c->text) + 1, what);
}

static void skip_blanks(cursor *c)
{
    while (isspace((unsigned char)*c->at))
        c->at++;
}

static bool take(cursor *c, char wanted)
{
    skip_blanks(c);
    if (*c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool need(cursor *c, char wanted)
{
    const char what[] = {'\'', wanted, '\'', 0};

    return take(c, wanted) || wrong(c, what);
}

/* A string with \" \\ \n in it. */
static bool take_string(cursor *c, char **out)
{
    if (!take(c, '"'))
        return wrong(c, "a string");
    char *to = malloc(strlen(c->at) + 1);
    *out = to;
    if (!to)
        return tensor_fail(c->error, "no memory");
    while (*c->at && *c->at != '"') {
        bool escaped = *c->at == '\\' && c->at[1];
        c->at += escaped;
        *to++ = escaped && *c->at == 'n' ? '\n' : *c->at;
        c->at++;
    }
    *to = 0;
    return need(c, '"');
}

/* What strtod reads. */
static bool take_number(cursor *c, double *out)
{
    char *end;

    skip_blanks(c);
    *out = strtod(c->at, &end);
    if (end == c->at)
        return wrong(c, "a number");
    c->at = end;
    return true;
}

/* A word of letters, or none: an empty text. */
static void take_word(cursor *c, char out[16])
{
    size_t n = 0;

    skip_blanks(c);
    while (isalpha((unsigned char)*c->at) && n < 15)
        out[n++] = *c->at++;
    out[n] = 0;
}

/* ---- tables ----------------------------------------------------------------------- */

static bool add_cell(cursor *c, source *s, int64_t n)
{
    if (!(n & (n - 1))) {
        double *more = realloc(s->cell, (n ? 2 * (size_t)n : 1) * sizeof *more);
        if (!more)
            return tensor_fail(c->error, "no memory");
        s->cell = more;
    }
    return take_number(c, &s->cell[n]);
}

/* numbers = number {',' number} ']' */
static bool take_row(cursor *c, source *s, int64_t *n)
{
    int64_t begin = *n;

    do
        if (!add_cell(c, s, (*n)++))
            return false;
    while (take(c, ','));
    if (s->rows && *n - begin != s->width)
        return tensor_fail(c->error, "row %lld of the table has %lld numbers, the first has %lld",
                           (long long)s->rows + 1, (long long)(*n - begin), (long long)s->width);
    s->width = *n - begin;
    s->rows++;
    return need(c, ']');
}

/* What is behind the '[' of a table. */
static bool take_table(cursor *c, source *s)
{
    int64_t n = 0;

    s->kind = SOURCE_TABLE;
    if (!take(c, '[')) {
        if (!take_row(c, s, &n))
            return false;
        s->rows = n;
        s->width = 1;
        return true;
    }
    do
        if (!take_row(c, s, &n))
            return false;
    while (take(c, ',') && need(c, '['));
    return need(c, ']');
}

/* ---- files ------------------------------------------------------------------------ */

/* select {',' select} ']': keys of an archive or columns of a CSV file */
static bool take_selects(cursor *c, source *s)
{
    do {
        source_select *to = &s->select[s->selects];
        if (s->selects == SOURCE_SELECTS)
            return tensor_fail(c->error, "%.300s: too many columns; use \"first\":\"last\"",
                               c->text);
        s->selects++;
        if (!take_string(c, &to->first) || (take(c, ':') && !take_string(c, &to->last)))
            return false;
    } while (take(c, ','));
    return need(c, ']');
}

/* What is chosen: columns of a CSV file, or one array of an archive. */
static bool settle_selects(cursor *c, source *s)
{
    if (!s->selects || s->kind == SOURCE_CSV)
        return true;
    if (s->kind != SOURCE_FILE)
        return tensor_fail(c->error, "%.300s: a text has no parts to be chosen", c->text);
    if (s->selects > 1 || s->select[0].last)
        return tensor_fail(c->error, "%.300s: columns are chosen from a CSV file", c->text);
    s->key = s->select[0].first;
    s->selects = 0;
    return true;
}

/* A table is told from other files by its name, as text has no first bytes of its
 * own. */
static bool named_csv(const char *path)
{
    static const char *const endings[] = {".csv", ".csv.gz", ".tsv", ".tsv.gz"};
    size_t n = strlen(path);

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t k = strlen(endings[i]);
        if (n > k && !strcasecmp(path + n - k, endings[i]))
            return true;
    }
    return false;
}

static bool take_file(cursor *c, source *s)
{
    if (!take_string(c, &s->path))
        return false;
    s->kind = named_csv(s->path) ? SOURCE_CSV : SOURCE_FILE;
    return !take(c, '[') || take_selects(c, s);
}

/* ---- calls ------------------------------------------------------------------------ */

/* Names of an argument: by position, the first behind the source. */
typedef struct call_row {
    const char *name;
    source_kind kind;               /* SOURCE_FILE: windows, of any source */
    const char *argument[2];
} call_row;

static const call_row calls[] = {
    {"csv", SOURCE_CSV, {"skip", NULL}},
    {"bytes", SOURCE_BYTES, {NULL, NULL}},
    {"chars", SOURCE_CHARS, {"pad", NULL}},
    {"words", SOURCE_WORDS, {"most", NULL}},
    {"windows", SOURCE_FILE, {"n", "step"}},
};

static bool take_truth(cursor *c, bool *out)
{
    char word[16];

    take_word(c, word);
    *out = !strcmp(word, "true");
    return *out || !strcmp(word, "false") || wrong(c, "true or false");
}

/* All arguments are whole numbers but pad, which is true or false. */
static bool set_argument(cursor *c, source *s, const char *name)
{
    double v;

    if (!strcmp(name, "pad"))
        return take_truth(c, &s->pad);
    if (!take_number(c, &v))
        return false;
    if (!(v >= 0 && v < 0x1p53) || v != (double)(int64_t)v || (v < 1 && strcmp(name, "skip")))
        return wrong(c, "a whole number above 0, before this place,");
    *(!strcmp(name, "skip")   ? &s->skip
      : !strcmp(name, "most") ? &s->most
      : !strcmp(name, "n")    ? &s->window
                              : &s->step) = (int64_t)v;
    return true;
}

/* [NAME '='] value */
static bool take_argument(cursor *c, source *s, const call_row *row, int index)
{
    const char *before = c->at, *name = index < 2 ? row->argument[index] : NULL;
    char word[16];

    take_word(c, word);
    if (*word && take(c, '=')) {
        name = NULL;
        for (int i = 0; i < 2; i++)
            if (row->argument[i] && !strcmp(row->argument[i], word))
                name = row->argument[i];
    } else {
        c->at = before;
    }
    return name ? set_argument(c, s, name) : wrong(c, "no such argument");
}

static bool take_source(cursor *c, source *s);

/* The argument of windows(..): rows that lie one behind the other. */
static bool take_windowed(cursor *c, source *s)
{
    if (!take_source(c, s))
        return false;
    if (s->window)
        return tensor_fail(c->error, "%.300s: windows are cut once", c->text);
    return (s->kind != SOURCE_CSV && s->kind != SOURCE_TABLE) ||
           tensor_fail(c->error, "%.300s: windows are cut from a text or an array, not from a "
                       "table", c->text);
}

/* call := CALL '(' source {',' argument} ')' [selects] of which CALL is taken. */
static bool take_call(cursor *c, source *s, const call_row *row)
{
    const bool windows = row->kind == SOURCE_FILE;

    if (!need(c, '(') || !(windows ? take_windowed(c, s) : take_file(c, s)))
        return false;
    if (!windows)
        s->kind = row->kind;
    for (int i = 0; take(c, ','); i++)
        if (!take_argument(c, s, row, i))
            return false;
    if (!need(c, ')'))
        return false;
    if (windows && !s->window)
        return wrong(c, "windows(source, n)");
    if (windows && !s->step)
        s->step = 1;
    return !take(c, '[') || take_selects(c, s);
}

/* source := table | file | call */
static bool take_source(cursor *c, source *s)
{
    char word[16];

    if (take(c, '['))
        return take_table(c, s);
    if (*c->at == '"')
        return take_file(c, s);
    take_word(c, word);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(calls[i].name, word))
            return take_call(c, s, &calls[i]);
    return wrong(c, "a file in quotes, as \"f.npz\"[\"x\"], a table, csv(..), bytes(..), "
                    "chars(..), words(..) or windows(..)");
}

/* The row of what a text begins as a call of; null: of nothing. */
static const call_row *row_called(const char *text)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        size_t n = strlen(calls[i].name);
        if (!strncmp(text, calls[i].name, n) && text[n + strspn(text + n, " ")] == '(')
            return &calls[i];
    }
    return NULL;
}

bool source_is_path(const char *text)
{
    return *text && *text != '[' && !strchr(text, '"') && !row_called(text);
}

/* A bare path is taken as it is; anything else is parsed to its end. */
bool source_parse(source *s, const char *text, char error[TENSOR_ERROR_SIZE])
{
    cursor c = {text, text, error};

    *s = (source){0};
    if (source_is_path(text)) {
        s->path = strdup(text);
        s->kind = named_csv(text) ? SOURCE_CSV : SOURCE_FILE;
        return s->path || tensor_fail(error, "no memory");
    }
    if (!take_source(&c, s))
        return false;
    skip_blanks(&c);
    return *c.at ? wrong(&c, "the end") : settle_selects(&c, s);
}

bool source_parse_like(source *s, const char *text, const char *like,
                       char error[TENSOR_ERROR_SIZE])
{
    static const char *const arrays[] = {".npy", ".npy.gz", ".npz", ".idx", ".idx.gz",
                                         ".safetensors", ".safetensors.gz"};
    bool taken = like && source_is_path(text) && source_parse(s, like, error) &&
                 (s->kind == SOURCE_BYTES || s->kind == SOURCE_CHARS || s->kind == SOURCE_WORDS);

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        taken = taken && !has_suffix(text, arrays[i]);
    if (!taken) {
        if (like && source_is_path(text))
            source_free(s);
        return source_parse(s, text, error);
    }
    free(s->path);
    s->path = strdup(text);
    return s->path || tensor_fail(error, "no memory");
}

void source_free(source *s)
{
    for (int32_t i = 0; i < s->selects; i++) {
        free(s->select[i].first);
        free(s->select[i].last);
    }
    free(s->path);
    free(s->key);
    free(s->cell);
    *s = (source){0};
}
