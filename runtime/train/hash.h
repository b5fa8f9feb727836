/* runtime/train/hash.h - FNV-1a, byte by byte, of 64 bits: for names, logs and checkpoints,
 * which are told from others by it, not protected. */
#ifndef INGOT_TRAIN_HASH_H
#define INGOT_TRAIN_HASH_H

#include <stddef.h>
#include <stdint.h>

/* To be started with INGOT_HASH_START; pieces may follow one another. */
static inline uint64_t hash_more(uint64_t hash, const void *from, size_t size)
{
    const uint8_t *at = from;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

#endif
