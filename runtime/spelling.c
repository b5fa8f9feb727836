/* runtime/spelling.c - texts as numbers, and numbers as texts.
 *
 * Where all names are single characters a text is read character by character, else word by
 * word, at its blanks. */
#include "spelling.h"

#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"
#include "visible.h"

static const char blanks[] = " \t\r\n";

const char *const text_marks[TEXT_MARKS] = {"<pad>", "<start>", "<end>"};
const char text_unknown[] = "<unknown>";

bool spelling_is_marked(spelling s)
{
    for (int i = 0; i < TEXT_MARKS; i++)
        if (i >= s.n || strcmp(s.names[i], text_marks[i]))
            return false;
    return true;
}

/* Bytes of the character that begins here. */
static size_t character(const char *at)
{
    size_t n = 1;

    while (((unsigned char)at[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static bool is_of_characters(spelling s)
{
    for (int64_t i = spelling_is_marked(s) ? TEXT_MARKS : 0; i < s.n; i++)
        if (!*s.names[i] || s.names[i][character(s.names[i])])
            return false;
    return true;
}

/* -1: there is no such name. */
static int64_t place_of(spelling s, const char *text, size_t size)
{
    for (int64_t i = 0; i < s.n; i++)
        if (!strncmp(s.names[i], text, size) && !s.names[i][size])
            return i;
    return -1;
}

/* -1: there is no such name, nor one for the unknown. */
static int64_t number_of(spelling s, const char *text, size_t size)
{
    int64_t place = place_of(s, text, size);

    if (place >= 0)
        return place;
    return s.n && !strcmp(s.names[0], text_unknown) ? 0 : -1;
}

/* The quote that ends what one at `at` begins: behind a name, which may have quotes of its own, if
 * there is such, else the next; null: there is none. */
static const char *closing_quote(spelling s, const char *at)
{
    const char *first = *at == '"' ? strchr(at + 1, '"') : NULL;

    for (const char *end = first; end; end = strchr(end + 1, '"'))
        if (place_of(s, at + 1, (size_t)(end - at - 1)) >= 0)
            return end;
    return first;
}

/* The word, up to a blank, or up to a closing quote if it begins with one and is none as it stands:
 * names may have blanks.  Its number, or -1, and how many bytes it takes. */
static int64_t read_word(spelling s, const char *at, size_t *size)
{
    *size = strcspn(at, blanks);
    const char *end = closing_quote(s, at);

    if (!end || place_of(s, at, *size) >= 0)
        return *size ? number_of(s, at, *size) : 0;
    *size = (size_t)(end + 1 - at);
    return number_of(s, at + 1, *size - 2);
}

/* Names in the text, one after the other, into `to`, which has room for one for each byte; how
 * many, or -1 with a message. */
static int64_t read_names(spelling s, const char *input, const char *text, int64_t *to, char *error)
{
    bool characters = is_of_characters(s);
    int64_t n = 0;

    for (const char *at = text; *at;) {
        size_t size = character(at);
        int64_t number = characters ? number_of(s, at, size) : read_word(s, at, &size);
        if (number < 0) {
            tensor_fail(error, characters ? "%s: '%.*s' is not in the alphabet of the program"
                                          : "%s: '%.*s' is no word of the program",
                        input, (int)size, at);
            return -1;
        }
        if (size)
            to[n++] = number;
        at += size;
        at += characters ? 0 : strspn(at, blanks);
    }
    return n;
}

static bool read_text(spelling s, const char *input, const char *text, tensor *t, char *error)
{
    bool marked = spelling_is_marked(s);

    if (!tensor_init(t, TENSOR_I64, 1, (int64_t[]){(int64_t)strlen(text) + 2}))
        return tensor_init_failed(t, "input", input, error);
    int64_t *to = t->data, n = read_names(s, input, text, to + marked, error);
    if (n < 0)
        return false;
    if (marked) {
        to[0] = TEXT_START;
        to[n + 1] = TEXT_END;
        n += 2;
    }
    t->dims[0] = t->count = n;
    return true;
}

bool spelling_read(spelling s, const char *input, int32_t rank, const char *text, tensor *t,
                   char *error)
{
    int64_t number = rank ? 0 : number_of(s, text, strlen(text));

    if (rank)
        return read_text(s, input, text, t, error);
    if (number < 0)
        return tensor_fail(error, "%s: '%s' is none of the program's words", input, text);
    if (!tensor_init(t, TENSOR_I64, 0, NULL))
        return tensor_init_failed(t, "input", input, error);
    *(int64_t *)t->data = number;
    return true;
}

/* The names of these numbers; null without memory. */
static char *text_of(spelling s, const tensor *t)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    bool marked = spelling_is_marked(s), characters = is_of_characters(s);
    const char *between = "";

    for (int64_t i = 0; f && i < t->count; i++) {
        int64_t number = (int64_t)tensor_element(t, i);
        if (marked && number == TEXT_END)
            break;
        if (number < (marked ? TEXT_MARKS : 0) || number >= s.n)
            continue;
        const char *name = s.names[number];
        const char *quote = !characters && t->rank && strpbrk(name, blanks) ? "\"" : "";
        fprintf(f, "%s%s%s%s", between, quote, name, quote);
        between = characters ? "" : " ";
    }
    return f && !fclose(f) ? text : NULL;
}

/* A name may be a part of a character, so that the whole is what is made fit to be shown. */
void spelling_print(spelling s, const tensor *t, FILE *f)
{
    char *text = text_of(s, t);

    visible_put_lines(text ? text : "(no memory for the text)", f);
    fputc('\n', f);
    free(text);
}
