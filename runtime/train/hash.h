/* runtime/train/hash.h - hashes of 64 bits: for names, logs and checkpoints, which are told
 * from others by them, not protected. */
#ifndef INGOT_TRAIN_HASH_H
#define INGOT_TRAIN_HASH_H

#include <stddef.h>
#include <stdint.h>

/* To be started with INGOT_HASH_START; one may follow another. */
typedef uint64_t hash_fn(uint64_t hash, const void *from, size_t size);

/* FNV-1a, byte by byte: pieces that follow one another have the hash of the whole. */
hash_fn hash_more;
/* Of much data, some ten times as fast, by words of this machine's order, of lanes that do not
 * wait for each other.  Pieces have not the hash of the whole.  No change of one word alone goes
 * unseen. */
hash_fn hash_bulk;

#endif
