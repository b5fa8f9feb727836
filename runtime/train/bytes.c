/* runtime/train/bytes.c - files of data as bytes. */
#include "bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "mapped.h"
#include "tensor_file.h"

void bytes_free(bytes *b)
{
    if (b->mapped) {
        mapped_forget(b->mapped);
        munmap(b->mapped, b->mapped_size);
    }
    free(b->owned);
    *b = (bytes){0};
}

/* ---- inflating -------------------------------------------------------------------- */

/* Twice the room, at least `least` bytes; false without memory. */
static bool grow(bytes *out, size_t *room, size_t least)
{
    size_t more = *room ? 2 * *room : least + 4096;
    void *at = realloc(out->owned, more);

    if (!at)
        return false;
    out->owned = at;
    *room = more;
    return true;
}

/* zlib counts bytes in 32 bits. */
static uInt portion(size_t left)
{
    return left < 1u << 30 ? (uInt)left : 1u << 30;
}

/* A small file may hold zeros that fill the memory.  Data are packed to a hundredth of their size
 * at best; what is more than that, and more than LEAST_MOST, is no data. */
static size_t most_of(size_t packed)
{
    enum { LEAST_MOST = 1 << 30, RATIO = 100 };

    return packed < LEAST_MOST / RATIO ? LEAST_MOST : packed * RATIO;
}

/* Inflates until the input ends or is bad, member by member: a file of gzip may have
 * several.  The result of zlib; Z_STREAM_END is success. */
static int inflate_all(z_stream *z, size_t size, bytes *out)
{
    size_t room = 0, left = size, most = most_of(size);
    int r = Z_OK;

    while (r == Z_OK && out->size <= most) {
        if (out->size == room && !grow(out, &room, 2 * size))
            return Z_MEM_ERROR;
        uInt in = portion(left), space = portion((room <= most ? room : most + 1) - out->size);
        z->avail_in = in;
        z->avail_out = space;
        z->next_out = (Bytef *)out->owned + out->size;
        r = inflate(z, Z_NO_FLUSH);
        left -= in - z->avail_in;
        out->size += space - z->avail_out;
        if (r == Z_STREAM_END && left >= 2 && z->next_in[0] == 0x1f && z->next_in[1] == 0x8b)
            r = inflateReset(z);
    }
    return r;
}

/* `window` is zlib's: 15 + 16 for gzip, negative for what stands in a ZIP. A
 * damaged file is told apart from one that is cut off. */
bool bytes_inflate(const char *path, const uint8_t *from, size_t size, int window, bytes *out,
                   char error[TENSOR_ERROR_SIZE])
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from};

    *out = (bytes){0};
    if (inflateInit2(&z, window) != Z_OK)
        return tensor_fail(error, "%s: no memory", path);
    int r = inflate_all(&z, size, out);
    inflateEnd(&z);
    out->data = out->owned;
    if (r == Z_STREAM_END)
        return true;
    size_t found = out->size;
    bytes_free(out);
    if (r == Z_MEM_ERROR)
        return tensor_fail(error, "%s: no memory for what is compressed in it", path);
    if (r == Z_OK)
        return tensor_fail(error, "%s: is %zu bytes that inflate to more than %zu; if they are "
                           "meant to, unpack the file first", path, size, most_of(size));
    return tensor_fail(error, r == Z_BUF_ERROR ? "%s: cut off, after %zu bytes were inflated"
                                               : "%s: damaged, after %zu bytes were inflated",
                       path, found);
}

/* ---- files ------------------------------------------------------------------------ */

/* An empty file cannot be mapped, and is no data anyway. */
static bool map_file(bytes *b, const char *path, int fd, char *error)
{
    struct stat st;

    if (fstat(fd, &st))
        return tensor_fail(error, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return tensor_fail(error, "%s: is %s", path,
                           S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    if (!st.st_size)
        return tensor_fail(error, "%s: is empty", path);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return tensor_fail(error, "%s: cannot be read: %s", path, strerror(errno));
    *b = (bytes){.data = p, .size = (size_t)st.st_size, .mapped = p,
                 .mapped_size = (size_t)st.st_size};
    mapped_note(p, b->size, path, fd);
    return true;
}

/* The file, or, where there is none, PATH.gz; the reason that is told is that of the file. */
static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), why = errno;
    char *packed = NULL;

    if (fd < 0 && why == ENOENT && asprintf(&packed, "%s.gz", path) > 0)
        fd = open(packed, O_RDONLY | O_CLOEXEC);
    free(packed);
    errno = why;
    return fd;
}

bool bytes_are_in_memory(const bytes *b)
{
    enum { PAGE = 4096, PAGES = 4096, PART = PAGE * PAGES };
    unsigned char there[PAGES];

    if (sysconf(_SC_PAGESIZE) != PAGE)
        return false;
    for (size_t at = 0; at < b->mapped_size; at += PART) {
        size_t left = b->mapped_size - at, size = left < PART ? left : PART;
        if (mincore((char *)b->mapped + at, size, there))
            return false;
        for (size_t i = 0; i < (size + PAGE - 1) / PAGE; i++)
            if (!(there[i] & 1))
                return false;
    }
    return b->mapped != NULL;
}

bool bytes_are_packed(const bytes *b)
{
    return b->size >= 2 && b->data[0] == 0x1f && b->data[1] == 0x8b;
}

bool bytes_read(bytes *b, const char *path, char error[TENSOR_ERROR_SIZE])
{
    int fd = open_file(path);

    *b = (bytes){0};
    if (fd < 0)
        return tensor_fail(error, "%s: %s", path, strerror(errno));
    bool ok = map_file(b, path, fd, error);
    close(fd);
    if (!ok || !bytes_are_packed(b))
        return ok;
    bytes packed = *b;
    ok = bytes_inflate(path, packed.data, packed.size, 15 + 16, b, error);
    bytes_free(&packed);
    return ok;
}
