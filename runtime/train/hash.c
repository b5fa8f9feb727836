/* runtime/train/hash.c - see hash.h. */
#include "hash.h"

#include <string.h>

enum { LANES = 4, WORD = 8, STRIP = LANES * WORD };

uint64_t hash_more(uint64_t hash, const void *from, size_t size)
{
    const uint8_t *at = from;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

/* Both steps can be undone, so that other words give other hashes.  A product alone would leave
 * the highest bit, a float's sign, in the highest bit for ever. */
static uint64_t stir(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9fb21c651e98df25u;
    return hash ^ hash >> 32;
}

static void take_strip(uint64_t lane[LANES], const uint8_t *at)
{
    uint64_t word[LANES];

    memcpy(word, at, STRIP);
    for (int i = 0; i < LANES; i++)
        lane[i] = stir(lane[i], word[i]);
}

uint64_t hash_bulk(uint64_t hash, const void *from, size_t size)
{
    const uint8_t *at = from;
    uint64_t lane[LANES];
    uint8_t last[STRIP] = {0};
    size_t whole = size / STRIP * STRIP;

    for (int i = 0; i < LANES; i++)
        lane[i] = hash + (uint64_t)i;
    for (size_t i = 0; i < whole; i += STRIP)
        take_strip(lane, at + i);
    if (size > whole) {
        memcpy(last, at + whole, size - whole);
        take_strip(lane, last);
    }
    hash = stir(hash, size);
    for (int i = 0; i < LANES; i++)
        hash = stir(hash, lane[i]);
    return hash;
}
