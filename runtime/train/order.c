/* runtime/train/order.c - a Feistel network over [0, 2^(2 bits)), walked until the value
 * is below n: each value has one place, and at most every fourth is below n. */
#include "order.h"

enum { ROUNDS = 4, ORDER_BLOCK = 128 };

/* The finalizer of splitmix64: every bit of the result depends on all of x. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* `bits` is the least with which two halves cover n; the key is of seed and epoch. */
order order_of(int64_t n, int64_t seed, int64_t epoch)
{
    order o = {.n = (uint64_t)n, .key = mix(mix((uint64_t)seed + 1) + (uint64_t)epoch), .bits = 1};

    while (o.bits < 31 && (uint64_t)1 << 2 * o.bits < o.n)
        o.bits++;
    return o;
}

/* A Feistel network: each round is undone by itself, so that the whole is a
 * permutation of 0 .. 2^(2 bits) - 1 whatever mix() does. */
static uint64_t scramble(const order *o, uint64_t x)
{
    uint64_t mask = ((uint64_t)1 << o->bits) - 1, left = x >> o->bits, right = x & mask;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t next = left ^ (mix(o->key + (round << 56) + right) & mask);
        left = right;
        right = next;
    }
    return left << o->bits | right;
}

/* Walks along the cycle until it is back below n ("cycle walking", Black and
 * Rogaway 2002): at most four times as many numbers as rows, so few steps on
 * average. */
int64_t order_at(const order *o, int64_t i)
{
    order_map(o, &i, 1);
    return i;
}

/* Rounds of one walk wait for each other, those of many do not; which walk ends is no branch. */
static void map_block(const order *o, int64_t *at, uint8_t n)
{
    uint8_t walks[ORDER_BLOCK], going = n;

    for (uint8_t i = 0; i < n; i++)
        walks[i] = i;
    while (going) {
        uint8_t left = 0;
        for (uint8_t i = 0; i < going; i++) {
            uint8_t walk = walks[i];
            uint64_t x = scramble(o, (uint64_t)at[walk]);
            at[walk] = (int64_t)x;
            walks[left] = walk;
            left = (uint8_t)(left + (x >= o->n));
        }
        going = left;
    }
}

void order_map(const order *o, int64_t *at, int64_t n)
{
    for (int64_t i = 0; i < n; i += ORDER_BLOCK)
        map_block(o, at + i, (uint8_t)(n - i < ORDER_BLOCK ? n - i : ORDER_BLOCK));
}
