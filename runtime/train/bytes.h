/* runtime/train/bytes.h - the bytes of a file of data, mapped or, if it is
 * compressed, inflated. */
#ifndef INGOT_TRAIN_BYTES_H
#define INGOT_TRAIN_BYTES_H

#include "tensor_io.h"

/* All zero is an empty one. */
typedef struct bytes {
    const uint8_t *data;
    size_t size;
    void *mapped, *owned;           /* what bytes_free gives back */
    size_t mapped_size;
} bytes;

/* All of a file, or of PATH.gz where there is no such file; of what is compressed, which is
 * known by its first bytes, what is in it.  False with a message. */
bool bytes_read(bytes *b, const char *path, char error[TENSOR_ERROR_SIZE]);
/* The member `key`.npy of a .npz file's bytes, or `key` itself; a null key means the only
 * member.  `out` may refer to `archive`, which must outlive it.  False with a message. */
bool bytes_member(const bytes *archive, const char *path, const char *key, bytes *out,
                  char error[TENSOR_ERROR_SIZE]);
void bytes_free(bytes *b);

/* Is all of a mapped file in memory, as far as the system says, so that no order of reading is
 * faster than another? */
bool bytes_are_in_memory(const bytes *b);
/* Is it a file of gzip, by its first two bytes? */
bool bytes_are_packed(const bytes *b);
/* Inflates a stream, with zlib's header, gzip's, or none, by zlib's `window`: 15, 31 or
 * -15.  False with a message that names `path`. */
bool bytes_inflate(const char *path, const uint8_t *from, size_t size, int window, bytes *out,
                   char error[TENSOR_ERROR_SIZE]);

#endif
