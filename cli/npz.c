/* cli/npz.c - writes .npz files: a ZIP archive of .npy members, uncompressed, so
 * that a reader can map them.  Source: PKWARE's APPNOTE, sections 4.3 and 4.4. No
 * clock is looked at: the same data are the same bytes. */
#include "npz.h"

#include <string.h>
#include <zlib.h>

enum { LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, VERSION = 20 };

static void put(npz *z, const void *data, size_t size)
{
    fwrite(data, 1, size, z->file);
    z->at += size;
}

/* A number of `size` bytes, low ones first. */
static void number(npz *z, uint32_t v, int size)
{
    uint8_t b[4];

    for (int i = 0; i < size; i++)
        b[i] = (uint8_t)(v >> 8 * i);
    put(z, b, (size_t)size);
}

/* What the local header and the directory have in common: the date is the first one. */
static void put_facts(npz *z, const npz_member *m)
{
    number(z, VERSION, 2);
    number(z, 0, 4);                /* flags, method: stored */
    number(z, 0x00210000, 4);
    number(z, m->hash, 4);
    number(z, m->size, 4);
    number(z, m->size, 4);
    number(z, (uint32_t)strlen(m->name), 2);
    number(z, 0, 2);
}

/* Written twice: with zeros as the member begins, again as it ends and its size is
 * known. */
static void put_local(npz *z, const npz_member *m)
{
    number(z, LOCAL, 4);
    put_facts(z, m);
    put(z, m->name, strlen(m->name));
}

/* Size and hash of a member are known when it ends. */
static void end_member(npz *z)
{
    uint64_t end = z->at;

    if (!z->members)
        return;
    fseeko(z->file, (off_t)z->member[z->members - 1].at, SEEK_SET);
    put_local(z, &z->member[z->members - 1]);
    fseeko(z->file, (off_t)end, SEEK_SET);
    z->at = end;
}

/* The header of a .npy file, padded to a multiple of 64 bytes. */
static void add_npy(npz *z, const char *type, int rank, const int64_t *dims)
{
    char shape[200] = "", head[512];
    int at = 0;

    for (int i = 0; i < rank; i++)
        at += snprintf(shape + at, sizeof shape - (size_t)at, "%lld,", (long long)dims[i]);
    int n = snprintf(head + 10, sizeof head - 10,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    int size = (10 + n + 1 + 63) / 64 * 64;
    memcpy(head, "\x93NUMPY\1", 8);
    head[7] = 0;
    head[8] = (char)((size - 10) & 255);
    head[9] = (char)((size - 10) >> 8);
    memset(head + 10 + n, ' ', (size_t)(size - 10 - n));
    head[size - 1] = '\n';
    npz_add(z, head, (size_t)size);
}

/* An array `name`, or, with a null type, a member that is no array.  Its bytes
 * follow by npz_add in row-major order; their number is not checked. */
void npz_begin(npz *z, const char *name, const char *type, int rank, const int64_t *dims)
{
    end_member(z);
    npz_member *m = &z->member[z->members++];
    *m = (npz_member){.at = (uint32_t)z->at, .hash = (uint32_t)crc32(0, NULL, 0)};
    snprintf(m->name, sizeof m->name, "%s%s", name, type ? ".npy" : "");
    put_local(z, m);
    if (type)
        add_npy(z, type, rank, dims);
}

void npz_add(npz *z, const void *data, size_t size)
{
    npz_member *m = &z->member[z->members - 1];

    m->hash = (uint32_t)crc32_z(m->hash, data, size);
    m->size += (uint32_t)size;
    put(z, data, size);
}

/* Members again, with where they begin, and the end that says where the list is. */
static void put_directory(npz *z)
{
    uint64_t at = z->at;

    for (int i = 0; i < z->members; i++) {
        const npz_member *m = &z->member[i];
        number(z, CENTRAL, 4);
        number(z, VERSION, 2);
        put_facts(z, m);
        number(z, 0, 4);            /* comment, disk */
        number(z, 0, 2);
        number(z, 0, 4);
        number(z, m->at, 4);
        put(z, m->name, strlen(m->name));
    }
    uint64_t size = z->at - at;
    number(z, END, 4);
    number(z, 0, 4);
    number(z, (uint32_t)z->members, 2);
    number(z, (uint32_t)z->members, 2);
    number(z, (uint32_t)size, 4);
    number(z, (uint32_t)at, 4);
    number(z, 0, 2);
}

bool npz_end(npz *z)
{
    end_member(z);
    put_directory(z);
    return z->at < UINT32_MAX;
}
