/* runtime/train/zip.c - members of a .npz file, which is a zip archive of .npy files.
 * Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.16. */
#include <string.h>
#include <zlib.h>

#include "bytes.h"
#include "tensor_file.h"

/* Little-endian, of `size` bytes. */
static uint32_t word(const uint8_t *p, int size)
{
    uint32_t v = 0;

    for (int i = 0; i < size; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

enum { END_SIZE = 22, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, STORED = 0, DEFLATED = 8 };

/* One member, as the directory at the end of the archive has it. */
typedef struct member {
    const char *name;
    size_t name_size, size, packed, local;
    uint32_t method, hash;          /* CRC-32 of what is in it */
} member;

/* The directory's place; its record stands at the end, behind at most 64 kB of comment. */
static bool find_directory(const bytes *a, size_t *at, uint32_t *members)
{
    for (size_t back = END_SIZE; back <= a->size && back < END_SIZE + 65536; back++) {
        const uint8_t *p = a->data + a->size - back;
        if (memcmp(p, "PK\5\6", 4))
            continue;
        *members = word(p + 10, 2);
        *at = word(p + 16, 4);
        return *at <= a->size;
    }
    return false;
}

/* Reads the member at *at and moves on to the next. */
static bool take_member(const bytes *a, size_t *at, member *m)
{
    const uint8_t *p = a->data + *at;

    if (a->size - *at < CENTRAL_SIZE || memcmp(p, "PK\1\2", 4))
        return false;
    *m = (member){.name = (const char *)p + CENTRAL_SIZE, .name_size = word(p + 28, 2),
                  .size = word(p + 24, 4), .packed = word(p + 20, 4), .local = word(p + 42, 4),
                  .method = word(p + 10, 2), .hash = word(p + 16, 4)};
    size_t whole = CENTRAL_SIZE + m->name_size + word(p + 30, 2) + word(p + 32, 2);
    if (a->size - *at < whole)
        return false;
    *at += whole;
    return true;
}

/* "images" names the member images.npy. */
static bool is_named(const member *m, const char *key)
{
    size_t n = strlen(key);

    return m->name_size >= n && !memcmp(m->name, key, n) &&
           (m->name_size == n || (m->name_size == n + 4 && !memcmp(m->name + n, ".npy", 4)));
}

/* Without a key the archive has one member, or it must be said which. */
static bool find_member(const bytes *a, const char *path, const char *key, member *m, char *error)
{
    size_t at;
    uint32_t members;

    if (!find_directory(a, &at, &members))
        return tensor_fail(error, "%s: is cut off: its directory is missing", path);
    if (!key && members != 1)
        return tensor_fail(error, "%s: holds %u arrays; name one: \"%s\"[\"NAME\"]", path, members,
                           path);
    for (uint32_t i = 0; i < members; i++) {
        if (!take_member(a, &at, m))
            return tensor_fail(error, "%s: its directory is damaged", path);
        if (!key || is_named(m, key))
            return true;
    }
    return tensor_fail(error, "%s: holds no array '%s'", path, key);
}

/* The directory tells where a member is; the length of what stands before its bytes
 * is in its local header, which may differ.  Every offset is checked against the
 * file's size before it is followed, since a file may lie. */
bool bytes_member(const bytes *archive, const char *path, const char *key, bytes *out,
                  char error[TENSOR_ERROR_SIZE])
{
    member m = {0};

    *out = (bytes){0};
    if (!find_member(archive, path, key, &m, error))
        return false;
    if (m.packed == UINT32_MAX || m.size == UINT32_MAX || m.local == UINT32_MAX)
        return tensor_fail(error, "%s: members of 4 GB and more are not supported", path);
    const uint8_t *local = archive->data + m.local;
    if (m.local > archive->size || archive->size - m.local < LOCAL_SIZE ||
        memcmp(local, "PK\3\4", 4))
        return tensor_fail(error, "%s: is damaged", path);
    size_t lead = LOCAL_SIZE + word(local + 26, 2) + word(local + 28, 2);
    if (archive->size - m.local < lead || archive->size - m.local - lead < m.packed)
        return tensor_fail(error, "%s: is cut off", path);
    if (m.method != DEFLATED && m.method != STORED)
        return tensor_fail(error, "%s: is packed by method %u; NumPy writes 0 or 8", path,
                           m.method);
    if (m.method == STORED)
        *out = (bytes){.data = local + lead, .size = m.packed};
    else if (!bytes_inflate(path, local + lead, m.packed, -15, out, error))
        return false;
    if (out->size == m.size && crc32_z(0, out->data, out->size) == m.hash)
        return true;
    bytes_free(out);
    return tensor_fail(error, "%s: is damaged: the check sum of '%.*s' differs", path,
                       (int)(m.name_size < 100 ? m.name_size : 100), m.name);
}
