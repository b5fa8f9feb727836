/* ir/eval_walk.c - walking multi-indices and strided copies. */
#include "eval_op.h"

int64_t strides_of(int rank, const int64_t *dim, int64_t *stride)
{
    int64_t n = 1;

    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= dim[i];
    }
    return n;
}

void walk_init(walk *w, int rank, const int64_t *dim)
{
    memset(w, 0, sizeof *w);
    w->rank = rank;
    w->left = 1;
    for (int i = 0; i < rank; i++) {
        w->dim[i] = dim[i];
        w->left *= dim[i];
    }
}

/* The next multi-index in row-major order, and WALKS offsets that follow it by
 * their own strides.  An axis that is through is taken back by its whole length. */
void walk_next(walk *w)
{
    w->left--;
    for (int i = w->rank - 1; i >= 0; i--) {
        for (int k = 0; k < WALKS; k++)
            w->off[k] += w->stride[k][i];
        if (++w->at[i] < w->dim[i])
            return;
        for (int k = 0; k < WALKS; k++)
            w->off[k] -= w->dim[i] * w->stride[k][i];
        w->at[i] = 0;
    }
}

#define COPY_RUN(T)                                                            \
    for (int64_t i = 0; i < n; i++)                                            \
        memcpy(dst + i * ds, src + i * ss, sizeof(T));                         \
    break

void copy_run(int64_t n, int size, uint8_t *dst, int64_t ds, const uint8_t *src,
              int64_t ss)
{
    if (ds == size && ss == size) {
        memcpy(dst, src, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: COPY_RUN(uint8_t);
    case 2: COPY_RUN(uint16_t);
    case 4: COPY_RUN(uint32_t);
    case 8: COPY_RUN(uint64_t);
    default: COPY_RUN(uint64_t[2]);
    }
}

/* Strides in elements, 0 repeats.  The last axis is copied in runs, the others are
 * walked. */
void copy_strided(int rank, const int64_t *dim, int size, uint8_t *dst,
                  const int64_t *dst_stride, const uint8_t *src,
                  const int64_t *src_stride)
{
    int last = rank - 1;
    walk w;

    walk_init(&w, rank ? last : 0, dim);
    if (rank && dim[last] == 0)
        return;
    for (int i = 0; i < last; i++) {
        w.stride[0][i] = dst_stride[i] * size;
        w.stride[1][i] = src_stride[i] * size;
    }
    for (; w.left > 0; walk_next(&w))
        copy_run(rank ? dim[last] : 1, size, dst + w.off[0],
                 rank ? dst_stride[last] * size : size, src + w.off[1],
                 rank ? src_stride[last] * size : size);
}
