/* runtime/train/picture.c - PNG: a signature, and chunks of length, name, data and checksum.
 * The pixels are stored as they are: zlib's compressor is as large as a small net's kernels.
 * Sources: W3C, Portable Network Graphics, sections 5 and 9 to 11; RFC 1950; RFC 1951, 3.2.4. */
#include "picture.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Bytes that are written as base64, three by three. */
typedef struct base64 {
    FILE *f;
    uint8_t held[3];
    int n;
} base64;

static void put_three(base64 *b)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t v = (uint32_t)b->held[0] << 16 | (uint32_t)b->held[1] << 8 | b->held[2];

    for (int i = 0; i < 4; i++)
        fputc(i <= b->n ? digits[v >> (18 - 6 * i) & 63] : '=', b->f);
    *b = (base64){.f = b->f};
}

static void put_bytes(base64 *b, const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        b->held[b->n++] = ((const uint8_t *)data)[i];
        if (b->n == 3)
            put_three(b);
    }
}

static void put_word(base64 *b, uint32_t v)
{
    put_bytes(b, (uint8_t[]){v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255}, 4);
}

static void put_chunk(base64 *b, const char name[4], const uint8_t *data, uint32_t n)
{
    uLong sum = crc32(crc32(0, (const Bytef *)name, 4), data, n);

    put_word(b, n);
    put_bytes(b, name, 4);
    put_bytes(b, data, n);
    put_word(b, (uint32_t)sum);
}

/* Rows of pixels, each behind a zero, which says that it is not filtered. */
static uint8_t *lines_of(const uint8_t *at, int64_t planes, int64_t high, int64_t wide)
{
    uint8_t *lines = malloc((size_t)(high * (1 + planes * wide)) + 1), *to = lines;

    for (int64_t y = 0; lines && y < high; y++) {
        *to++ = 0;
        for (int64_t x = 0; x < wide; x++)
            for (int64_t c = 0; c < planes; c++)
                *to++ = at[(c * high + y) * wide + x];
    }
    return lines;
}

enum { MOST_STORED = 65535 };       /* bytes of a stored block */

static size_t stored_size(size_t n)
{
    return 2 + n + 5 * (n / MOST_STORED + 1) + 4;
}

/* A zlib stream of stored blocks with these bytes: stored_size of them.  Each block says
 * whether it is the last one, and twice how long it is. */
static void store(const uint8_t *from, size_t n, uint8_t *to)
{
    uLong sum = adler32(1, from, (uInt)n);
    size_t left = n;

    *to++ = 0x78, *to++ = 0x01;
    for (size_t i = 0; i <= n / MOST_STORED; i++) {
        size_t part = left < MOST_STORED ? left : MOST_STORED;
        *to++ = i == n / MOST_STORED;
        *to++ = part & 255, *to++ = part >> 8 & 255;
        *to++ = ~part & 255, *to++ = ~part >> 8 & 255;
        memcpy(to, from + (n - left), part);
        to += part;
        left -= part;
    }
    for (int i = 3; i >= 0; i--)
        *to++ = sum >> 8 * i & 255;
}

/* planes: 1 grey, 3 colours, one plane behind the other.  False without memory. */
bool picture_write(FILE *f, const uint8_t *at, int64_t planes, int64_t high, int64_t wide)
{
    const uint8_t head[13] = {0, 0, wide >> 8 & 255, wide & 255, 0, 0, high >> 8 & 255, high & 255,
                              8, planes == 3 ? 2 : 0};
    size_t size = (size_t)(high * (1 + planes * wide));
    uint8_t *lines = lines_of(at, planes, high, wide), *stored = malloc(stored_size(size));
    bool ok = lines && stored;
    base64 b = {.f = f};

    if (ok) {
        store(lines, size, stored);
        fputs("data:image/png;base64,", f);
        put_bytes(&b, "\x89PNG\r\n\x1a\n", 8);
        put_chunk(&b, "IHDR", head, sizeof head);
        put_chunk(&b, "IDAT", stored, (uint32_t)stored_size(size));
        put_chunk(&b, "IEND", head, 0);
        if (b.n)
            put_three(&b);
    }
    free(lines);
    free(stored);
    return ok;
}
