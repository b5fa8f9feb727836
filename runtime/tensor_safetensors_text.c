/* runtime/tensor_safetensors_text.c - the header of a safetensors file, which is a JSON
 * text of known form: read and written without a tree. */
#include "tensor_safetensors_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_types.h"

/* ---- writing ------------------------------------------------------------------------- */

static void write_quoted(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++)
        if ((unsigned char)*s < 32)
            fprintf(f, "\\u%04x", *s);
        else
            fprintf(f, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    fputc('"', f);
}

/* "__metadata__":{"format":"1","step":"40"} */
static void write_notes(FILE *f, const safetensors_note *note, int32_t notes)
{
    write_quoted(f, "__metadata__");
    for (int32_t i = 0; i < notes; i++) {
        fputs(i ? "," : ":{", f);
        write_quoted(f, note[i].key);
        fputc(':', f);
        write_quoted(f, note[i].value);
    }
    fputc('}', f);
}

/* "name":{"dtype":"F32","shape":[3,5],"data_offsets":[0,60]} */
static void write_entry(FILE *f, const safetensors_item *t, uint64_t at, uint64_t end)
{
    write_quoted(f, t->name);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", tensor_types[t->dtype].safetensors);
    for (int32_t a = 0; a < t->rank; a++)
        fprintf(f, "%s%" PRId64, a ? "," : "", t->dims[a]);
    fprintf(f, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, end);
}

/* Offsets are given in the order of the items, without gaps. */
static void write_header(FILE *f, const safetensors_item *item, int32_t n,
                         const safetensors_note *note, int32_t notes)
{
    uint64_t at = 0;

    fputc('{', f);
    if (notes)
        write_notes(f, note, notes);
    for (int32_t i = 0; i < n; i++) {
        uint64_t end = at + safetensors_bytes(item[i].dtype, item[i].rank, item[i].dims);
        fputs(i || notes ? "," : "", f);
        write_entry(f, &item[i], at, end);
        at = end;
    }
    fputc('}', f);
}

/* Blanks fill the header to a multiple of 8 bytes, so that data are aligned in a
 * mapped file. */
char *safetensors_text(const safetensors_item *item, int32_t n, const safetensors_note *note,
                       int32_t notes, size_t *size)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, size);

    if (!f)
        return NULL;
    write_header(f, item, n, note, notes);
    for (long at = ftell(f); at % 8; at++)
        fputc(' ', f);
    if (!fclose(f))
        return text;
    free(text);
    return NULL;
}

/* ---- words --------------------------------------------------------------------------- */

/* What is left of a text, which ends with a zero. */
typedef struct cursor {
    char *at;
} cursor;

static bool take_char(cursor *c, char wanted)
{
    while (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')
        c->at++;
    if (*c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* Reads four hexadecimal digits, which stand behind \u. */
static bool take_code(cursor *c, uint32_t *code)
{
    char digits[5] = "";

    for (int i = 0; i < 4; i++)
        if (!isxdigit((unsigned char)(digits[i] = c->at[i])))
            return false;
    c->at += 4;
    *code = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

/* Reads what stands behind the \u of a character that is no zero: its code, or the two
 * halves of one of more than 16 bits, as \ud83d\ude00 for U+1F600. */
static bool take_character(cursor *c, uint32_t *code)
{
    enum { HIGH = 0xd800, LOW = 0xdc00, END = 0xe000 };
    uint32_t low;

    if (!take_code(c, code))
        return false;
    if (*code < HIGH || *code >= END)
        return *code != 0;
    if (*code >= LOW || c->at[0] != '\\' || c->at[1] != 'u')
        return false;
    c->at += 2;
    if (!take_code(c, &low) || low < LOW || low >= END)
        return false;
    *code = 0x10000 + ((*code - HIGH) << 10) + (low - LOW);
    return true;
}

/* Writes a character as UTF-8: one byte, or one that tells how many follow, with as many
 * leading ones as there are bytes, and six bits in each that follows. */
static char *put_code(char *to, uint32_t code)
{
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;

    *to++ = (char)(more ? 0xff << (7 - more) | code >> 6 * more : code);
    while (more-- > 0)
        *to++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    return to;
}

/* c stands behind the backslash. */
static bool take_escape(cursor *c, char **to)
{
    static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
    uint32_t code;

    if (*c->at == 'u') {
        c->at++;
        if (!take_character(c, &code))
            return false;
        *to = put_code(*to, code);
        return true;
    }
    const char *found = *c->at ? strchr(from, *c->at) : NULL;
    if (found)
        *(*to)++ = is[found - from];
    c->at += found != NULL;
    return found != NULL;
}

/* string = '"' (character | escape)* '"'.  It is decoded where it stands: no escape is
 * shorter than its character, and the quote behind it makes room for the zero. */
static bool take_string(cursor *c, const char **out)
{
    if (!take_char(c, '"'))
        return false;
    char *to = c->at;
    *out = to;
    while (*c->at && *c->at != '"')
        if (*c->at != '\\')
            *to++ = *c->at++;
        else if (c->at++, !take_escape(c, &to))
            return false;
    if (*c->at != '"')
        return false;
    c->at++;
    *to = 0;
    return true;
}

/* numbers = '[' (number (',' number)*)? ']', at most `most` of them. */
static bool take_numbers(cursor *c, int64_t *out, int32_t most, int32_t *n)
{
    *n = 0;
    if (!take_char(c, '['))
        return false;
    if (take_char(c, ']'))
        return true;
    do {
        while (isspace((unsigned char)*c->at))
            c->at++;
        errno = 0;
        if (*n == most || !isdigit((unsigned char)*c->at))
            return false;
        out[(*n)++] = strtoll(c->at, &c->at, 10);
        if (errno)
            return false;
    } while (take_char(c, ','));
    return take_char(c, ']');
}

/* ---- items --------------------------------------------------------------------------- */

/* The element type of the format's name for it; 0 if no type here has it. */
static int32_t type_of(const char *name)
{
    for (int32_t t = 1; t < TENSOR_TYPES; t++)
        if (tensor_types[t].safetensors && !strcmp(tensor_types[t].safetensors, name))
            return t;
    return 0;
}

/* field = '"dtype"' ':' string | '"shape"' ':' numbers | '"data_offsets"' ':' numbers */
static bool take_field(cursor *c, safetensors_entry *t)
{
    const char *word;
    int64_t place[2];
    int32_t n;

    if (!take_string(c, &word) || !take_char(c, ':'))
        return false;
    if (!strcmp(word, "dtype"))
        return take_string(c, &t->type);
    if (!strcmp(word, "shape"))
        return take_numbers(c, t->dims, TENSOR_MAX_RANK, &t->rank);
    if (strcmp(word, "data_offsets") || !take_numbers(c, place, 2, &n) || n != 2 ||
        place[1] < place[0])
        return false;
    t->at = (uint64_t)place[0];
    t->size = (uint64_t)(place[1] - place[0]);
    return true;
}

/* tensor = '{' field (',' field)* '}' */
static bool take_tensor(cursor *c, safetensors_entry *t)
{
    t->rank = -1;
    t->at = UINT64_MAX;
    if (!take_char(c, '{'))
        return false;
    do
        if (!take_field(c, t))
            return false;
    while (take_char(c, ','));
    if (!take_char(c, '}') || t->rank < 0 || t->at == UINT64_MAX || !t->type)
        return false;
    t->dtype = type_of(t->type);
    t->type = t->dtype ? tensor_type_name(t->dtype) : t->type;
    return true;
}

/* Room for one element behind n of `size` bytes each, zeroed; null without memory.  The
 * room doubles at the powers of two. */
static void *room_behind(void **at, int32_t n, size_t size)
{
    if (!(n & (n - 1))) {
        void *more = realloc(*at, (n ? 2 * (size_t)n : 1) * size);
        if (!more)
            return NULL;
        *at = more;
    }
    return memset((char *)*at + (size_t)n * size, 0, size);
}

/* metadata = '{' (string ':' string (',' string ':' string)*)? '}' */
static enum header_result take_notes(cursor *c, safetensors *s)
{
    if (!take_char(c, '{'))
        return HEADER_DAMAGED;
    if (take_char(c, '}'))
        return HEADER_READ;
    do {
        safetensors_note *note = room_behind((void **)&s->note, s->note_count, sizeof *note);
        if (!note)
            return HEADER_NO_MEMORY;
        if (!take_string(c, &note->key) || !take_char(c, ':') || !take_string(c, &note->value))
            return HEADER_DAMAGED;
        s->note_count++;
    } while (take_char(c, ','));
    return take_char(c, '}') ? HEADER_READ : HEADER_DAMAGED;
}

/* item = '"__metadata__"' ':' metadata | name ':' tensor */
static enum header_result take_item(cursor *c, safetensors *s)
{
    const char *name;

    if (!take_string(c, &name) || !take_char(c, ':'))
        return HEADER_DAMAGED;
    if (!strcmp(name, "__metadata__"))
        return take_notes(c, s);
    safetensors_entry *t = room_behind((void **)&s->tensor, s->tensor_count, sizeof *t);
    if (!t)
        return HEADER_NO_MEMORY;
    t->name = name;
    s->tensor_count++;
    return take_tensor(c, t) ? HEADER_READ : HEADER_DAMAGED;
}

/* header = '{' (item (',' item)*)? '}' */
enum header_result safetensors_parse(safetensors *s)
{
    cursor c = {s->text};

    if (!take_char(&c, '{'))
        return HEADER_DAMAGED;
    if (take_char(&c, '}'))
        return HEADER_READ;
    do {
        enum header_result r = take_item(&c, s);
        if (r != HEADER_READ)
            return r;
    } while (take_char(&c, ','));
    return take_char(&c, '}') ? HEADER_READ : HEADER_DAMAGED;
}
