/* runtime/kernel_sort.c - stable merge sort of unsigned keys with their places.
 * Runs of a few elements are sorted by insertion, then merged bottom-up between
 * the result and the scratch memory. */
#include <string.h>

#include "kernels.h"

enum { RUN = 16 };

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
    static int32_t sort_##K(struct ingot_extern *x)                                    \
    {                                                                                  \
        int64_t rows = x->arg[0].dims[0], n = x->arg[0].dims[1];                       \
        K *key = x->arg[0].data, *spare = x->arg[2].data;                              \
        int64_t *place = x->arg[1].data, *spare_place = x->arg[3].data;                \
        if (rows <= 0 || n <= 0)                                                       \
            return INGOT_OK;                                                           \
        memmove(key, x->arg[4].data, (size_t)(rows * n) * sizeof *key);                \
        for (int64_t r = 0; r < rows; r++, key += n, place += n) {                     \
            for (int64_t i = 0; i < n; i++)                                            \
                place[i] = i;                                                          \
            sort_row_##K(key, place, spare, spare_place, n);                           \
        }                                                                              \
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
