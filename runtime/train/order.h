/* runtime/train/order.h - the order of rows in an epoch: a bijection that is computed,
 * so that a training which goes on in mid-epoch needs no memory of it. */
#ifndef INGOT_TRAIN_ORDER_H
#define INGOT_TRAIN_ORDER_H

#include <stdint.h>

typedef struct order {
    uint64_t n, key;
    int bits;                   /* of each half; 2^(2 bits) is at least n */
} order;

/* The epoch whose order says which rows are kept from training. */
enum { ORDER_SPLIT = -1 };

/* A permutation of [0, n), another one for each seed and epoch. */
order order_of(int64_t n, int64_t seed, int64_t epoch);
/* What stands at place i, below n. */
int64_t order_at(const order *o, int64_t i);
/* Replaces each of n places by what stands there: faster than one by one. */
void order_map(const order *o, int64_t *at, int64_t n);

#endif
