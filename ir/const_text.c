/* ir/const_text.c - constants as text.
 *
 * Numbers are written so that they read back to the same bits; what has no
 * such form (rare element types, NaN payloads, long data) is written in
 * hexadecimal, in the order of the bytes.  Strings are quoted. */
#include "const_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "abi.h"
#include "lex.h"

/* Elements that stand in a node's own line, and that are written as numbers at all:
 * longer data is hexadecimal, which is smaller and exact. */
enum { SHORT = 16, LIST = 64 };

static bool has_numbers(ir_dtype d)
{
    return d == DT_F32 || d == DT_F64 || d == DT_BOOL ||
           (dt_is_int(d) && dt_bits(d) >= 8);
}

static int64_t int_at(ir_dtype d, const uint8_t *p)
{
    uint64_t v = 0;
    int shift = 64 - dt_bits(d);

    memcpy(&v, p, (size_t)dt_size(d));
    return dt_is_signed(d) ? (int64_t)(v << shift) >> shift : (int64_t)v;
}

/* ---- printing ---------------------------------------------------------------- */

/* The fewest digits that give v again: of a float, or of a double. */
static void print_float(double v, bool single, text *out)
{
    char s[40];

    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (isnan(v) || (single ? strtof(s, NULL) == (float)v : strtod(s, NULL) == v))
            break;
    }
    text_add(out, "%s", isnan(v) ? "nan" : s);
}

/* Floats with the fewest digits that read back to the same bits. */
static void print_number(ir_dtype d, const uint8_t *p, text *out)
{
    float f;
    double v;

    if (d == DT_F32) {
        memcpy(&f, p, sizeof f);
        print_float(f, true, out);
    } else if (d == DT_F64) {
        memcpy(&v, p, sizeof v);
        print_float(v, false, out);
    } else if (d == DT_U64) {
        text_add(out, "%llu", (unsigned long long)int_at(d, p));
    } else {
        text_add(out, "%lld", (long long)int_at(d, p));
    }
}

/* Is the element a NaN other than the one that `nan` reads as? */
static bool odd_nan(ir_dtype d, const uint8_t *p)
{
    static const float usual = NAN;
    static const double usual_wide = (double)NAN;
    float f;
    double v;

    if (d == DT_F32) {
        memcpy(&f, p, sizeof f);
        return isnan(f) && memcmp(&f, &usual, sizeof f);
    }
    if (d != DT_F64)
        return false;
    memcpy(&v, p, sizeof v);
    return isnan(v) && memcmp(&v, &usual_wide, sizeof v);
}

static size_t count_of(const ir_const *c)
{
    return c->size / (size_t)dt_size(c->source_type->dtype);
}

/* Can the data be written as numbers, so that the parser makes the same bits of
 * them? */
static bool plain(const ir_const *c, size_t most)
{
    ir_dtype d = c->source_type->dtype;

    if (!has_numbers(d) || count_of(c) > most)
        return false;
    for (size_t i = 0; i < count_of(c); i++)
        if (odd_nan(d, c->data + i * (size_t)dt_size(d)))
            return false;
    return true;
}

static bool all_equal(const ir_const *c)
{
    size_t size = (size_t)dt_size(c->source_type->dtype);

    for (size_t i = 1; i < count_of(c); i++)
        if (memcmp(c->data, c->data + i * size, size))
            return false;
    return count_of(c) > 0;
}

bool const_is_short(const ir_const *c)
{
    if (c->name || c->links)
        return false;
    return plain(c, SHORT) || (plain(c, LIST) && all_equal(c)); /* one element */
}

/* Elements that `brief` text leaves out. */
static bool too_many(const ir_const *c, bool brief)
{
    return brief && count_of(c) > LIST;
}

static void print_hex(const ir_const *c, bool brief, text *out)
{
    static const char digit[] = "0123456789abcdef";
    bool cut = too_many(c, brief);

    text_add(out, c->source == SRC_SPLAT ? "splat x\"" : "x\"");
    for (size_t i = 0; i < (cut ? 4 : c->size); i++)
        text_addn(out, (char[]){digit[c->data[i] >> 4], digit[c->data[i] & 15]}, 2);
    text_add(out, cut ? "..\" %zu bytes" : "\"", c->size);
}

/* Texts may hold any byte, zeros too, so their length counts and not an end. */
static void print_strings(const ir_const *c, bool brief, text *out)
{
    const struct ingot_string *s = (const struct ingot_string *)c->data;

    if (too_many(c, brief)) {
        text_add(out, ".. %zu strings", count_of(c));
        return;
    }
    text_add(out, c->source == SRC_SPLAT ? "splat [" : "[");
    for (size_t i = 0; i < count_of(c); i++) {
        text_add(out, i ? "," : "");
        text_add_quotedn(out, s[i].at, s[i].len);
    }
    text_add(out, "]");
}

/* Four forms, of which the first that fits is taken: `["a","b"]`, x"00c0..", `splat
 * 1` or `1`, and `[1,2,3]`. */
void const_print_data(const ir_const *c, bool brief, text *out)
{
    ir_dtype d = c->source_type->dtype;
    bool scalar = c->source_type->rank == 0;

    if (d == DT_STR) {
        print_strings(c, brief, out);
        return;
    }
    if (!plain(c, LIST)) {
        print_hex(c, brief, out);
        return;
    }
    if (c->source == SRC_SPLAT || all_equal(c)) {
        text_add(out, scalar ? "" : "splat ");
        print_number(d, c->data, out);
        return;
    }
    text_add(out, "[");
    for (size_t i = 0; i < count_of(c); i++) {
        text_add(out, i ? "," : "");
        print_number(d, c->data + i * (size_t)dt_size(d), out);
    }
    text_add(out, "]");
}

const char *const_number_text(const ir_module *m, uint32_t id, arena *mem)
{
    const ir_const *c = &m->consts.at[id];
    text t = {0};

    if (c->type->rank || !const_is_short(c) || !has_numbers(c->type->dtype))
        return NULL;
    const_print_data(c, true, &t);
    const char *copy = arena_strdup(mem, t.at);
    text_free(&t);
    return copy;
}

/* ---- parsing ----------------------------------------------------------------- */

/* f32 is not read as f64 and rounded again: twice rounded is not always once rounded. */
static bool parse_float(const char **s, ir_dtype d, uint8_t *out)
{
    char *end;

    lex_space(s);
    float f = strtof(*s, &end);
    double v = strtod(*s, &end);
    if (end == *s)
        return false;
    *s = end;
    if (d == DT_F32)
        memcpy(out, &f, sizeof f);
    else
        memcpy(out, &v, sizeof v);
    return true;
}

/* lex_int reads 64 bits with a sign; the upper half of u64 has no room there. */
static bool parse_u64(const char **s, uint8_t *out)
{
    char *end;

    if (lex_peek(s) < '0' || **s > '9')
        return false;
    errno = 0;
    unsigned long long v = strtoull(*s, &end, 10);
    *s = end;
    memcpy(out, &v, sizeof v);
    return errno == 0;
}

/* One number of the element type, to its bytes in memory; false if it has no such value. */
static bool parse_number(const char **s, ir_dtype d, uint8_t *out)
{
    int64_t v;

    if (d == DT_F32 || d == DT_F64)
        return parse_float(s, d, out);
    if (d == DT_U64)
        return parse_u64(s, out);
    if (!lex_int(s, &v))
        return false;
    memcpy(out, &v, (size_t)dt_size(d));        /* little-endian on every target */
    return int_at(d, out) == v && (d != DT_BOOL || (v | 1) == 1);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits up to the closing quote, two a byte; null if malformed. */
static uint8_t *parse_hex(arena *mem, const char **s, size_t *size)
{
    size_t n = strspn(*s, "0123456789abcdef");

    if (n % 2 || (*s)[n] != '"')
        return NULL;
    uint8_t *data = arena_alloc(mem, n / 2 + 1);
    for (size_t i = 0; i < n / 2; i++)
        data[i] = (uint8_t)(nibble((*s)[2 * i]) << 4 | nibble((*s)[2 * i + 1]));
    *s += n + 1;
    *size = n / 2;
    return data;
}

/* Bytes of `count` elements as in a file. */
static bool file_size(const ir_type *t, int64_t count, size_t *size)
{
    int64_t bits;

    if (count < 0 || !mul_ok(count, dt_bits(t->dtype), &bits))
        return false;
    *size = (size_t)(bits / 8 + (bits % 8 != 0));
    return true;
}

/* ['splat'] 'x"' hex digits '"' of which all to the first quote is taken: one element if
 * `splat`, else all.  Null, or what was expected. */
static const char *parse_bytes(ir_module *m, const char **s, const ir_type *type,
                               bool splat, uint32_t *id)
{
    size_t want, size = 0;
    uint8_t *data = parse_hex(&m->mem, s, &size);

    if (!data)
        return "pairs of hexadecimal digits in quotes";
    if (splat)
        want = (size_t)dt_size(type->dtype);
    else if (!file_size(type, type_count_const(&m->types, type), &want))
        return "a type of constant size";
    if (want != size)
        return "as many bytes as the type has";
    *id = splat ? const_splat(m, type, data) : const_bytes(m, type, data, size);
    return NULL;
}

/* '[' NUMBER {',' NUMBER} ']' of which '[' is taken.  Null, or what was expected. */
static const char *parse_list(ir_module *m, const char **s, const ir_type *type, uint32_t *id)
{
    int64_t count = type_count_const(&m->types, type), n = 0;
    size_t size = (size_t)dt_size(type->dtype);
    uint8_t data[LIST * 8];

    if (count < 0 || count > LIST)
        return "a type of at most 64 elements";
    for (; n < count; n++)
        if ((n && !lex_char(s, ',')) || !parse_number(s, type->dtype, data + (size_t)n * size))
            return "as many numbers as the type has elements";
    if (!lex_char(s, ']'))
        return "']'";
    *id = const_copy(m, type, data, (size_t)count * size);
    return NULL;
}

/* '[' TEXT {',' TEXT} ']' with texts in quotes: one if `splat`, else one an element. */
static const char *parse_strings(ir_module *m, const char **s, const ir_type *type, bool splat,
                                 uint32_t *id)
{
    int64_t count = splat ? 1 : type_count_const(&m->types, type);
    VEC(struct ingot_string) list = {0};
    bool ok = lex_char(s, '[');
    size_t len = 0;

    while (ok && list.len < count) {
        ok = !list.len || lex_char(s, ',');
        const char *at = ok ? lex_quoted(s, &m->mem, &len) : NULL;
        ok = at != NULL;
        vec_push(&list, ((struct ingot_string){at, len}));
    }
    ok = ok && lex_char(s, ']');
    if (ok)
        *id = splat ? const_splat(m, type, list.at)
                    : const_copy(m, type, list.at, list.len * sizeof *list.at);
    vec_free(&list);
    return ok ? NULL : "as many texts in quotes as the type has elements, in [ ]";
}

/* data := ['splat'] NUMBER | '[' NUMBER {',' NUMBER} ']' | ['splat'] x"HEX" |
 * ['splat'] '[' TEXT {',' TEXT} ']'
 *
 * The type stands before the data in the text, and says which form is meant.
 * Returns null, or what was expected at *s. */
const char *const_parse_data(ir_module *m, const char **s, const ir_type *type, uint32_t *id)
{
    uint8_t element[8];
    bool splat = lex_word(s, "splat");

    if (type->kind != TY_TENSOR || !type_static(&m->types, type))
        return "a type of constant size";
    if (type->dtype == DT_STR)
        return parse_strings(m, s, type, splat, id);
    if (lex_peek(s) == 'x' && (*s)[1] == '"') {
        *s += 2;
        return parse_bytes(m, s, type, splat, id);
    }
    if (!has_numbers(type->dtype))
        return "x\"..\": this element type has no numbers";
    if (!splat && lex_char(s, '['))
        return parse_list(m, s, type, id);
    if (!splat && type->rank)
        return "'splat', '[' or x\"..\"";
    if (!parse_number(s, type->dtype, element))
        return "a number of the element type";
    *id = const_splat(m, type, element);
    return NULL;
}
