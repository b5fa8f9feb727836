/* runtime/kernel_sort.c - the least of unsigned keys, in order, with their places.
 * Where few are wanted, each is inserted in its place.  Else keys are collected until
 * memory for about twice as many as are wanted is full; these are sorted, and from then
 * on only keys below the last one wanted are collected, which are few.  The sort is a
 * stable merge sort: runs of a few elements are sorted by insertion, then merged
 * bottom-up between two halves of the scratch memory.  Threads take shares of the rows. */
#include <string.h>

#include "kernels.h"

/* Elements of a run; keys that are worth it that threads share the rows. */
enum { RUN = 16, WORTH = 4096 };

#define SORT(K)                                                                        \
    static void insert_##K(K *key, int64_t *place, int64_t n)                          \
    {                                                                                  \
        for (int64_t i = 1; i < n; i++) {                                              \
            K k = key[i];                                                              \
            int64_t p = place[i], j = i;                                               \
            for (; j > 0 && key[j - 1] > k; j--) {                                     \
                key[j] = key[j - 1];                                                   \
                place[j] = place[j - 1];                                               \
            }                                                                          \
            key[j] = k;                                                                \
            place[j] = p;                                                              \
        }                                                                              \
    }                                                                                  \
                                                                                       \
    /* [a,b) and [b,c) of one buffer to the other. */                                  \
    static void merge_##K(const K *key, const int64_t *place, K *to_key,               \
                          int64_t *to_place, int64_t a, int64_t b, int64_t c)          \
    {                                                                                  \
        for (int64_t i = a, j = b, k = a; k < c; k++) {                                \
            int64_t from = j >= c || (i < b && key[i] <= key[j]) ? i++ : j++;          \
            to_key[k] = key[from];                                                     \
            to_place[k] = place[from];                                                 \
        }                                                                              \
    }                                                                                  \
                                                                                       \
    static void sort_row_##K(K *key, int64_t *place, K *spare, int64_t *spare_place,   \
                             int64_t n)                                                \
    {                                                                                  \
        K *from = key, *to = spare;                                                    \
        int64_t *from_place = place, *to_place = spare_place;                          \
        for (int64_t a = 0; a < n; a += RUN)                                           \
            insert_##K(key + a, place + a, n - a < RUN ? n - a : RUN);                 \
        for (int64_t w = RUN; w < n; w *= 2) {                                         \
            for (int64_t a = 0; a < n; a += 2 * w) {                                   \
                int64_t b = n - a < w ? n : a + w, c = n - a < 2 * w ? n : a + 2 * w;  \
                merge_##K(from, from_place, to, to_place, a, b, c);                    \
            }                                                                          \
            K *k = from;                                                               \
            int64_t *p = from_place;                                                   \
            from = to, from_place = to_place;                                          \
            to = k, to_place = p;                                                      \
        }                                                                              \
        if (from != key) {                                                             \
            memcpy(key, from, (size_t)n * sizeof *key);                                \
            memcpy(place, from_place, (size_t)n * sizeof *place);                      \
        }                                                                              \
    }                                                                                  \
                                                                                       \
    /* The first place from i on whose key is at most `bound`, or n. */                \
    static int64_t next_##K(const K *key, int64_t i, int64_t n, K bound)               \
    {                                                                                  \
        while (i < n && key[i] > bound) {                                              \
            int some = 0;                                                              \
            if (n - i < RUN) {                                                         \
                i++;                                                                   \
                continue;                                                              \
            }                                                                          \
            for (int64_t j = 0; j < RUN; j++)                                          \
                some |= key[i + j] <= bound;                                           \
            if (!some)                                                                 \
                i += RUN;                                                              \
            else                                                                       \
                while (key[i] > bound)                                                 \
                    i++;                                                               \
        }                                                                              \
        return i;                                                                      \
    }                                                                                  \
                                                                                       \
    /* The k least of n keys, in order, to `own`, which has room for k: each is inserted. */\
    static void insert_least_##K(const K *key, int64_t n, int64_t k, K *own, int64_t *place)\
    {                                                                                  \
        K bound = (K)-1;                                                               \
        int64_t m = 0;                                                                 \
        for (int64_t i = next_##K(key, 0, n, bound); i < n; i = next_##K(key, i + 1, n, bound)) {\
            int64_t j = m < k ? m++ : k - 1;                                           \
            for (; j > 0 && own[j - 1] > key[i]; j--) {                                \
                own[j] = own[j - 1];                                                   \
                place[j] = place[j - 1];                                               \
            }                                                                          \
            own[j] = key[i];                                                           \
            place[j] = i;                                                              \
            if (m == k && !own[k - 1])                                                 \
                return;                                                                \
            if (m == k)                                                                \
                bound = own[k - 1] - 1;                                                \
        }                                                                              \
    }                                                                                  \
                                                                                       \
    /* The k least of n keys come to stand first in `own`, which has `room` for more than\
     * k of them or for all, and as much room behind that.  Of equal keys the first stay:\
     * those collected earlier stand before those that come later. */                  \
    static void select_##K(const K *key, int64_t n, int64_t k, K *own, int64_t *place, \
                           int64_t room)                                               \
    {                                                                                  \
        K bound = (K)-1;                                                               \
        int64_t m = 0;                                                                 \
        for (int64_t i = next_##K(key, 0, n, bound); i < n;                            \
             i = next_##K(key, i + 1, n, bound)) {                                     \
            own[m] = key[i];                                                           \
            place[m++] = i;                                                            \
            if (m < room || i + 1 == n)                                                \
                continue;                                                              \
            sort_row_##K(own, place, own + room, place + room, m);                     \
            m = k;                                                                     \
            if (!own[k - 1])                                                           \
                return;                                                                \
            bound = own[k - 1] - 1;                                                    \
        }                                                                              \
        sort_row_##K(own, place, own + room, place + room, m);                         \
    }                                                                                  \
                                                                                       \
    /* Rows of a share, with scratch of its own. */                                    \
    static void sort_share_##K(const struct ingot_extern *x, int64_t share)            \
    {                                                                                  \
        int64_t rows = x->arg[4].dims[0], n = x->arg[4].dims[1], k = x->arg[0].dims[1];\
        int64_t room = x->arg[2].dims[1], shares = x->arg[2].dims[0] / 2;              \
        int64_t *place = x->arg[1].data, *own_place = x->arg[3].data;                  \
        const K *in = x->arg[4].data;                                                  \
        K *key = x->arg[0].data, *own = x->arg[2].data;                                \
        own += 2 * room * share;                                                       \
        own_place += 2 * room * share;                                                 \
        for (int64_t r = rows * share / shares; r < rows * (share + 1) / shares; r++) {\
            if (k <= RUN)                                                              \
                insert_least_##K(in + r * n, n, k, own, own_place);                    \
            else                                                                       \
                select_##K(in + r * n, n, k, own, own_place, room);                    \
            memmove(key + r * k, own, (size_t)k * sizeof *own);                        \
            memcpy(place + r * k, own_place, (size_t)k * sizeof *own_place);           \
        }                                                                              \
    }                                                                                  \
                                                                                       \
    static void sort_shares_##K(void *arg, int64_t begin, int64_t end, int32_t thread) \
    {                                                                                  \
        (void)thread;                                                                  \
        for (int64_t i = begin; i < end; i++)                                          \
            sort_share_##K(arg, i);                                                    \
    }                                                                                  \
                                                                                       \
    static int32_t sort_##K(struct ingot_extern *x)                                    \
    {                                                                                  \
        int64_t rows = x->arg[4].dims[0], n = x->arg[4].dims[1], k = x->arg[0].dims[1];\
        int64_t shares = x->arg[2].dims[0] / 2;                                        \
        const struct ingot_pool *pool = x->pool;                                       \
        if (rows <= 0 || k <= 0)                                                       \
            return INGOT_OK;                                                           \
        if (k > n)                                                                     \
            return INGOT_CHECK;                                                        \
        if (pool && shares > 1 && rows > WORTH / n)                                    \
            pool->run(pool->context, sort_shares_##K, x, shares);                      \
        else                                                                           \
            sort_shares_##K(x, 0, shares, 0);                                          \
        return INGOT_OK;                                                               \
    }

SORT(uint32_t)
SORT(uint64_t)

KERNEL_SHARED int32_t ingot_kernel_sort_u32(struct ingot_extern *x)
{
    return sort_uint32_t(x);
}

KERNEL_SHARED int32_t ingot_kernel_sort_u64(struct ingot_extern *x)
{
    return sort_uint64_t(x);
}
