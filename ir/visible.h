/* ir/visible.h - text from files, made fit for a terminal.
 *
 * Names of nodes, tensors and files are whatever bytes somebody chose.  A message
 * shows them such that a terminal obeys none: control characters, bytes that are
 * no UTF-8, and characters that turn the direction of writing become \xHH.
 * "a\x1b[2J" is shown as a\x1b[2J, and "Größe" as it is. */
#ifndef INGOT_VISIBLE_H
#define INGOT_VISIBLE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The most bytes that visible_next writes. */
enum { VISIBLE_MOST = 4 };

/* Bytes of a character by its first one; 0 if none begins so. */
static inline int visible_width(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3
         : first < 0xf5 ? 4 : 0;
}

/* Is it no character, or spelled with more bytes than it needs? */
static inline int visible_is_wrong(uint32_t c, int width)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || c < least[width];
}

/* Does a character do something else than stand there?  Those are C0 and C1, the
 * separators of lines and paragraphs, and the marks of direction. */
static inline int visible_is_odd(uint32_t c)
{
    return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The character of UTF-8 at `s`, of which n bytes are there: its bytes, and in *c its
 * number; 0 if there is none. */
static inline int visible_character(const char *s, size_t n, uint32_t *c)
{
    const unsigned char *b = (const unsigned char *)s;
    int width = n ? visible_width(*b) : 0;

    if ((size_t)width > n)
        return 0;
    *c = width > 1 ? *b & (0xffu >> (width + 1)) : *b;
    for (int i = 1; i < width; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (b[i] & 0x3f);
    }
    return visible_is_wrong(*c, width) ? 0 : width;
}

/* Bytes of the character there if it may be shown as it is, else 0. */
static inline int visible_length(const char *s, size_t n)
{
    uint32_t c = 0;
    int width = visible_character(s, n, &c);

    return width && !visible_is_odd(c) ? width : 0;
}

/* Writes the character at *s, which is not the terminating zero, as it is shown, and
 * steps over it.  The bytes written; `to` has room for VISIBLE_MOST and a zero. */
static inline int visible_next(const char **s, char *to)
{
    int n = visible_length(*s, strnlen(*s, VISIBLE_MOST));

    if (!n)
        return snprintf(to, VISIBLE_MOST + 1, "\\x%02x", (unsigned char)*(*s)++);
    memcpy(to, *s, (size_t)n);
    *s += n;
    return n;
}

/* The bytes that `s` takes as it is shown. */
static inline size_t visible_size(const char *s)
{
    char shown[VISIBLE_MOST + 1];
    size_t n = 0;

    while (*s)
        n += (size_t)visible_next(&s, shown);
    return n;
}

/* Writes `s` as it is shown to `to`, which has room for visible_size bytes and a zero. */
static inline void visible_copy(char *to, const char *s)
{
    char shown[VISIBLE_MOST + 1];

    while (*s) {
        int n = visible_next(&s, shown);
        memcpy(to, shown, (size_t)n);
        to += n;
    }
    *to = 0;
}

/* Prints `s` as it is shown. */
static inline void visible_put(const char *s, FILE *f)
{
    char shown[VISIBLE_MOST + 1];

    while (*s)
        fwrite(shown, 1, (size_t)visible_next(&s, shown), f);
}

/* The same of a text that may have lines: their ends and tabs stand as they are. */
static inline void visible_put_lines(const char *s, FILE *f)
{
    char shown[VISIBLE_MOST + 1];

    while (*s)
        if (*s == '\n' || *s == '\t')
            fputc(*s++, f);
        else
            fwrite(shown, 1, (size_t)visible_next(&s, shown), f);
}

#endif
