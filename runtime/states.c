/* runtime/states.c - states in a safetensors file. */
#include "states.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tensor_file.h"
#include "tensor_types.h"

enum { MOST_HEADER = 100 << 20 };       /* bytes, as the format's own readers have it */

/* Elements; -1 when they are more than a number holds. */
static int64_t elements(int32_t rank, const int64_t *dims)
{
    int64_t n = 1;

    for (int32_t a = 0; a < rank; a++)
        if (dims[a] < 0 || __builtin_mul_overflow(n, dims[a], &n))
            return -1;
    return n;
}

static uint64_t state_bytes(const struct ingot_value_info *v)
{
    return (uint64_t)elements(v->rank, v->dims) * tensor_elem_size(v->dtype);
}

static const char *stored_name(int32_t dtype)
{
    return *tensor_type_name(dtype) == '?' ? NULL : tensor_types[dtype].safetensors;
}

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

/* "name":{"dtype":"F32","shape":[3,5],"data_offsets":[0,60]} */
static void write_entry(FILE *f, const struct ingot_value_info *v, uint64_t at)
{
    write_quoted(f, v->name);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", stored_name(v->dtype));
    for (int32_t a = 0; a < v->rank; a++)
        fprintf(f, "%s%" PRId64, a ? "," : "", v->dims[a]);
    fprintf(f, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + state_bytes(v));
}

static void write_header(FILE *f, const struct ingot_model *m)
{
    uint64_t at = 0;

    fputc('{', f);
    for (int32_t i = 0; i < m->state_count; at += state_bytes(&m->states[i++])) {
        fputs(i ? "," : "", f);
        write_entry(f, &m->states[i], at);
    }
    fputc('}', f);
}

/* The JSON text.  Blanks behind it bring the data to a multiple of 8 bytes.  Null
 * without memory. */
static char *header_text(const struct ingot_model *m, size_t *size)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, size);

    if (!f)
        return NULL;
    write_header(f, m);
    for (long n = ftell(f); n % 8; n++)
        fputc(' ', f);
    if (!fclose(f))
        return text;
    free(text);
    return NULL;
}

bool states_storable(const struct ingot_model *m, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; i < m->state_count; i++)
        if (!stored_name(m->states[i].dtype))
            return tensor_fail(error, "state '%s' has type %s, which a file of states cannot hold",
                               m->states[i].name, tensor_type_name(m->states[i].dtype));
    return true;
}

bool states_write(const session *s, FILE *f)
{
    const struct ingot_model *m = s->model;
    size_t size = 0;
    char *text = header_text(m, &size);
    const uint64_t length = size;

    if (!text)
        return false;
    fwrite(&length, sizeof length, 1, f);
    fwrite(text, 1, size, f);
    for (int32_t i = 0; i < m->state_count; i++)
        fwrite((const char *)s->states + m->states[i].offset, 1, state_bytes(&m->states[i]), f);
    free(text);
    return true;
}

/* ---- the header's text ---------------------------------------------------------------- */

/* What is left of a text, which ends with a zero. */
typedef struct cursor {
    const char *at;
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

/* string = '"' (character | escape)* '"'.  `out` has room for what is left. */
static bool take_string(cursor *c, char *out)
{
    if (!take_char(c, '"'))
        return false;
    while (*c->at && *c->at != '"')
        if (*c->at != '\\')
            *out++ = *c->at++;
        else if (c->at++, !take_escape(c, &out))
            return false;
    *out = 0;
    return *c->at++ == '"';
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
        char *end;
        while (isspace((unsigned char)*c->at))
            c->at++;
        errno = 0;
        if (*n == most || !isdigit((unsigned char)*c->at))
            return false;
        out[(*n)++] = strtoll(c->at, &end, 10);
        if (errno)
            return false;
        c->at = end;
    } while (take_char(c, ','));
    return take_char(c, ']');
}

/* What the header says of one tensor. */
typedef struct stored {
    char *dtype;                        /* room for any string of the header */
    int32_t rank;
    int64_t dims[TENSOR_MAX_RANK], place[2];    /* place: first byte, and the one behind */
} stored;

/* field = '"dtype"' ':' string | '"shape"' ':' numbers | '"data_offsets"' ':' numbers */
static bool take_field(cursor *c, stored *t, char *word)
{
    int32_t n;

    if (!take_string(c, word) || !take_char(c, ':'))
        return false;
    if (!strcmp(word, "dtype"))
        return take_string(c, t->dtype);
    if (!strcmp(word, "shape"))
        return take_numbers(c, t->dims, TENSOR_MAX_RANK, &t->rank);
    return !strcmp(word, "data_offsets") && take_numbers(c, t->place, 2, &n) && n == 2;
}

/* tensor = '{' field (',' field)* '}' */
static bool take_tensor(cursor *c, stored *t, char *word)
{
    t->rank = -1;
    t->place[0] = -1;
    *t->dtype = 0;
    if (!take_char(c, '{'))
        return false;
    do
        if (!take_field(c, t, word))
            return false;
    while (take_char(c, ','));
    return take_char(c, '}') && t->rank >= 0 && t->place[0] >= 0 && *t->dtype;
}

/* metadata = '{' (string ':' string (',' string ':' string)*)? '}', of no interest. */
static bool skip_metadata(cursor *c, char *word)
{
    if (!take_char(c, '{'))
        return false;
    if (take_char(c, '}'))
        return true;
    do
        if (!take_string(c, word) || !take_char(c, ':') || !take_string(c, word))
            return false;
    while (take_char(c, ','));
    return take_char(c, '}');
}

/* ---- reading ------------------------------------------------------------------------- */

/* A file that is read into a session.  `name` and `word` are rooms for strings of the
 * header, each as large as the header, so that no string can be too long. */
typedef struct reading {
    session *s;
    const char *path;
    FILE *f;
    uint64_t data, size;                /* where its data begin, bytes of them */
    char *text, *name, *word;           /* the header, and rooms for its strings */
    stored tensor;
    bool *seen;                         /* by state */
    char *error;
} reading;

static bool broken(const reading *r)
{
    return tensor_fail(r->error, "%s: is no safetensors file, or is damaged", r->path);
}

/* "f32[3,5]" */
static const char *shape_text(const char *type, int32_t rank, const int64_t *dims, char out[400])
{
    int n = snprintf(out, 400, "%.20s[", type);

    for (int32_t a = 0; a < rank; a++)
        n += snprintf(out + n, 400 - (size_t)n, "%s%" PRId64, a ? "," : "", dims[a]);
    snprintf(out + n, 400 - (size_t)n, "]");
    return out;
}

/* The element type as the model writes it, if it knows the file's name for it. */
static const char *type_of(const char *name)
{
    for (int32_t t = 1; t < TENSOR_TYPES; t++)
        if (stored_name(t) && !strcmp(stored_name(t), name))
            return tensor_type_name(t);
    return name;
}

static bool same_shape(const stored *t, const struct ingot_value_info *v)
{
    return stored_name(v->dtype) && !strcmp(t->dtype, stored_name(v->dtype)) &&
           t->rank == v->rank &&
           (!t->rank || !memcmp(t->dims, v->dims, (size_t)t->rank * sizeof *t->dims));
}

static bool other_shape(const reading *r, const struct ingot_value_info *v)
{
    const stored *t = &r->tensor;
    char has[400], wanted[400];

    return tensor_fail(r->error, "%s: state '%s' is %.150s there, in the model it is %.150s",
                       r->path, v->name, shape_text(type_of(t->dtype), t->rank, t->dims, has),
                       shape_text(tensor_type_name(v->dtype), v->rank, v->dims, wanted));
}

/* Bools of a file may be any byte; compiled code wants 0 or 1. */
static void settle(const struct ingot_value_info *v, uint8_t *at, uint64_t bytes)
{
    for (uint64_t i = 0; v->dtype == TENSOR_BOOL && i < bytes; i++)
        at[i] = at[i] != 0;
}

static bool load_state(reading *r, int32_t i)
{
    const struct ingot_value_info *v = &r->s->model->states[i];
    const stored *t = &r->tensor;
    uint64_t bytes = state_bytes(v), begin = (uint64_t)t->place[0], end = (uint64_t)t->place[1];
    uint8_t *to = (uint8_t *)r->s->states + v->offset;

    if (!same_shape(t, v))
        return other_shape(r, v);
    if (r->seen[i] || end < begin || end > r->size || end - begin != bytes)
        return broken(r);
    r->seen[i] = true;
    if (fseeko(r->f, (off_t)(r->data + begin), SEEK_SET) || fread(to, 1, bytes, r->f) != bytes)
        return tensor_fail(r->error, "%s: cannot be read: %s", r->path, strerror(errno));
    settle(v, to, bytes);
    return true;
}

static bool load_named(reading *r)
{
    const struct ingot_model *m = r->s->model;

    for (int32_t i = 0; i < m->state_count; i++)
        if (!strcmp(m->states[i].name, r->name))
            return load_state(r, i);
    return tensor_fail(r->error, "%s: holds '%.200s', which is no state of this model", r->path,
                       r->name);
}

/* header = '{' (item (',' item)*)? '}', item = '"__metadata__"' ':' metadata | name ':' tensor */
static bool load_all(reading *r)
{
    cursor c = {r->text};

    if (!take_char(&c, '{'))
        return broken(r);
    if (take_char(&c, '}'))
        return true;
    do {
        if (!take_string(&c, r->name) || !take_char(&c, ':'))
            return broken(r);
        bool meta = !strcmp(r->name, "__metadata__");
        if (meta ? !skip_metadata(&c, r->word) : !take_tensor(&c, &r->tensor, r->word))
            return broken(r);
        if (!meta && !load_named(r))
            return false;
    } while (take_char(&c, ','));
    return take_char(&c, '}') || broken(r);
}

static bool all_seen(const reading *r)
{
    for (int32_t i = 0; i < r->s->model->state_count; i++)
        if (!r->seen[i])
            return tensor_fail(r->error, "%s: holds no state '%s'", r->path,
                               r->s->model->states[i].name);
    return true;
}

/* Reads the header and gets room for as long a string as it can hold. */
static bool read_header(reading *r)
{
    uint64_t length;
    struct stat st;

    if (fstat(fileno(r->f), &st) || !S_ISREG(st.st_mode))
        return tensor_fail(r->error, "%s: is not a regular file", r->path);
    if (fread(&length, sizeof length, 1, r->f) != 1 || length > MOST_HEADER ||
        length > (uint64_t)st.st_size - sizeof length)
        return broken(r);
    r->data = sizeof length + length;
    r->size = (uint64_t)st.st_size - r->data;
    r->text = calloc(4, length + 1);
    r->seen = calloc((size_t)r->s->model->state_count + 1, sizeof *r->seen);
    if (!r->text || !r->seen)
        return tensor_fail(r->error, "no memory");
    r->name = r->text + length + 1;
    r->word = r->name + length + 1;
    r->tensor.dtype = r->word + length + 1;
    return fread(r->text, 1, length, r->f) == length || broken(r);
}

bool states_read(session *s, const char *path, char error[TENSOR_ERROR_SIZE])
{
    reading r = {.s = s, .path = path, .f = fopen(path, "rb"), .error = error};

    if (!r.f)
        return tensor_fail(error, "%s: %s", path, strerror(errno));
    bool ok = read_header(&r) && load_all(&r) && all_seen(&r);
    fclose(r.f);
    free(r.text);
    free(r.seen);
    return ok;
}
