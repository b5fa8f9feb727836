/* runtime/train/text.c - a text as numbers: of its bytes, characters or words.  The
 * alphabet is that of the program if it has one, else found in the text and put in
 * order; the numbers given on the way are then mapped to those of the order, so the
 * text is read once.  With `pad` a line is a row: <start>, its characters, <end>,
 * and <pad> up to the longest. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "spelling.h"
#include "tensor_file.h"

/* A text being read. */
typedef struct reading {
    const source *s;
    const char *at, *begin, *end;
    array *a;
    int32_t *id;                    /* of the text, or of rows of `width` */
    int64_t n;
    bool given;                     /* the alphabet is known */
    char *error;
} reading;

/* ---- pieces ----------------------------------------------------------------------- */

static long line_of(const reading *r)
{
    long line = 1;

    for (const char *p = r->begin; p < r->at; p++)
        line += *p == '\n';
    return line;
}

static bool bad_character(const reading *r)
{
    return tensor_fail(r->error, "%s:%ld: byte %02x is no UTF-8; save the file as UTF-8, or use "
                       "bytes(..)", r->s->path, line_of(r), (unsigned char)*r->at);
}

static bool no_memory(const reading *r)
{
    return tensor_fail(r->error, "%s: no memory", r->s->path);
}

/* Reads a piece of the text as its number, to id[n++]. */
static bool put(reading *r, size_t size)
{
    int64_t number = words_number(&r->a->names, r->at, size);

    if (number == -2)
        return no_memory(r);
    if (number < 0 && r->s->kind == SOURCE_WORDS)
        number = 0;
    if (number < 0)
        return tensor_fail(r->error, "%s:%ld: '%.*s' is not in the alphabet of the program",
                           r->s->path, line_of(r), (int)size, r->at);
    r->id[r->n++] = (int32_t)number;
    r->at += size;
    return true;
}

static bool put_character(reading *r)
{
    size_t size = words_character(r->at, r->end);

    return size && *r->at ? put(r, size) : bad_character(r);
}

/* ---- a text of one row ------------------------------------------------------------ */

static bool read_characters(reading *r)
{
    while (r->at < r->end)
        if (!put_character(r))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Words are what stands between blanks. */
static bool read_words(reading *r)
{
    while (r->at < r->end) {
        size_t size = 0;
        while (r->at + size < r->end && !is_blank(r->at[size]))
            size++;
        const char *zero = size ? memchr(r->at, 0, size) : NULL;
        if (zero) {
            r->at = zero;
            return bad_character(r);
        }
        if (size && !put(r, size))
            return false;
        r->at += r->at < r->end;
    }
    return true;
}

/* ---- a line a row ----------------------------------------------------------------- */

/* Characters of the line that begins here, and where the next one begins. */
static int64_t line_width(const char *at, const char *end, const char **next)
{
    int64_t n = 0;

    for (; at < end && *at != '\n'; at++)
        n += ((unsigned char)*at & 0xc0) != 0x80 && *at != '\r';
    *next = at + (at < end);
    return n;
}

/* Rows have room for the longest line between its start and its end. */
static bool measure_lines(reading *r, int64_t *width)
{
    *width = 0;
    r->a->rows = 0;
    for (const char *at = r->begin; at < r->end; r->a->rows++) {
        int64_t n = line_width(at, r->end, &at);
        *width = n > *width ? n : *width;
    }
    *width += 2;
    free(r->id);
    r->id = calloc((size_t)r->a->rows * (size_t)*width + 1, sizeof *r->id);
    return r->id || no_memory(r);
}

/* Returns before line ends are left out, as files of other systems have them. */
static bool read_lines(reading *r)
{
    int64_t width;

    if (!measure_lines(r, &width))
        return false;
    for (int64_t row = 0; row < r->a->rows; row++) {
        r->n = row * width;
        r->id[r->n++] = TEXT_START;
        while (r->at < r->end && *r->at != '\n')
            if (*r->at == '\r')
                r->at++;
            else if (!put_character(r))
                return false;
        r->at += r->at < r->end;
        r->id[r->n++] = TEXT_END;
    }
    r->n = r->a->rows * width;
    r->a->rank = 1;
    r->a->dims[0] = r->a->stride = width;
    return true;
}

/* ---- alphabets -------------------------------------------------------------------- */

/* Numbers that do not come from the text stand in front. */
static bool begin_alphabet(reading *r)
{
    words *w = &r->a->names;
    bool ok = true;

    if (r->given)
        return true;
    for (int i = 0; i < TEXT_MARKS && r->s->pad; i++)
        ok = ok && words_number(w, text_marks[i], strlen(text_marks[i])) >= 0;
    if (r->s->kind == SOURCE_WORDS)
        ok = ok && words_number(w, text_unknown, strlen(text_unknown)) >= 0;
    return ok || no_memory(r);
}

/* Characters in their order, words by how often they are used, at most `most` of them; the
 * numbers in the text follow. */
static bool end_alphabet(reading *r)
{
    words *w = &r->a->names;
    bool by_word = r->s->kind == SOURCE_WORDS;
    int64_t *to = malloc((size_t)(w->n + 1) * sizeof *to);

    if (r->given)
        return free(to), true;
    if (!to || !words_sort(w, by_word ? 1 : r->s->pad ? TEXT_MARKS : 0, by_word, to))
        return free(to), no_memory(r);
    int64_t most = by_word && r->s->most && r->s->most < w->n ? r->s->most : w->n;
    for (int64_t i = 0; i < r->n; i++)
        r->id[i] = to[r->id[i]] < most ? (int32_t)to[r->id[i]] : 0;
    for (; w->n > most; w->n--)
        free(w->text[w->n - 1]);
    free(to);
    return true;
}

static bool read_numbers(reading *r)
{
    if (r->s->pad)
        return read_lines(r);
    if (r->s->kind == SOURCE_WORDS ? !read_words(r) : !read_characters(r))
        return false;
    r->a->rows = r->n;
    r->a->stride = 1;
    return true;
}

/* The bytes of the file are the elements. */
static bool take_bytes(const bytes *b, array *a)
{
    a->dtype = TENSOR_U8;
    a->rows = (int64_t)b->size;
    a->stride = 1;
    a->data = b->data;
    a->held = *b;
    return true;
}

/* The mark of UTF-8 that some editors write first is no character. */
static bool read_text(const source *s, const bytes *b, array *a, char *error)
{
    const char *text = (const char *)b->data;
    size_t mark = b->size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    reading r = {.s = s, .at = text + mark, .begin = text + mark,
                 .end = text + b->size, .a = a, .given = a->names.fixed, .error = error};

    if (r.at == r.end)
        return tensor_fail(error, "%s: is empty", s->path);
    r.id = malloc((b->size + 1) * sizeof *r.id);
    bool ok = r.id ? begin_alphabet(&r) && read_numbers(&r) && end_alphabet(&r) : no_memory(&r);
    a->dtype = TENSOR_I32;
    a->data = a->held.owned = r.id;
    return ok;
}

/* On failure the array is empty. */
bool array_read_text(const source *s, array *a, char error[TENSOR_ERROR_SIZE])
{
    bytes b;

    if (!bytes_read(&b, s->path, error))
        return false;
    bool ok = s->kind == SOURCE_BYTES ? take_bytes(&b, a) : read_text(s, &b, a, error);
    if (s->kind != SOURCE_BYTES)
        bytes_free(&b);
    ok = ok && array_cut_windows(s, a, error);
    if (!ok)
        array_free(a);
    return ok;
}
