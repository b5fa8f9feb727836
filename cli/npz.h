/* cli/npz.h - writes .npz files: zip archives of .npy files, stored as they are, which a reader
 * can map.  Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.16. */
#ifndef INGOT_NPZ_H
#define INGOT_NPZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { NPZ_MEMBERS = 8 };

typedef struct npz_member {
    char name[40];
    uint32_t at, size, hash;        /* bytes: of its header in the file, of its data */
} npz_member;

/* An archive that is being written.  Zero but for `file` is an empty one. */
typedef struct npz {
    FILE *file;
    npz_member member[NPZ_MEMBERS];
    int members;
    uint64_t at;                    /* bytes so far */
} npz;

/* Begins a member: an array whose elements follow by npz_add, its type as NumPy writes it
 * ("|u1", "<i8"), or, with a null type, plain bytes. */
void npz_begin(npz *z, const char *name, const char *type, int rank, const int64_t *dims);
void npz_add(npz *z, const void *data, size_t size);
/* Ends the archive; the file stays open, and knows whether all was written.  False if it is
 * larger than a zip file of 4 GB. */
bool npz_end(npz *z);

#endif
