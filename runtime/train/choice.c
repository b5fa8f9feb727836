/* runtime/train/choice.c - batches of the rows that serve a part.  Neither a choice
 * nor an order of rows is a list: which row comes at a place is computed (order.c),
 * so an epoch over a million rows costs no memory. */
#include "choice.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

int64_t choice_kept(double kept, int64_t n)
{
    double rows = kept < 1 ? floor(kept * (double)n + 0.5) : floor(kept);

    return rows < (double)n ? (int64_t)rows : n;
}

/* The rows at places begin .. begin + n. */
static void find_rows(const choice *c, const order *o, int64_t begin, int64_t n, int64_t *row)
{
    for (int64_t i = 0; i < n; i++)
        row[i] = begin + i;
    if (o)
        order_map(o, row, n);
    for (int64_t i = 0; i < n; i++)
        row[i] += c->first;
    if (c->apart)
        order_map(&c->split, row, n);
}

int64_t choice_row(const choice *c, const order *o, int64_t i)
{
    int64_t row;

    find_rows(c, o, i, 1, &row);
    return row;
}

/* Asks for a row's first lines; those behind them the processor sees coming. */
static void fetch_row(const char *row, size_t size)
{
    enum { LINE = 64, MOST = 4096 };

    for (size_t at = 0; at < size && at < MOST; at += LINE)
        __builtin_prefetch(row + at, 0, 2);
}

/* Rows from all over memory are read no faster than they are asked for: some are on their
 * way while those before them are copied.  True if all are to be taken. */
static bool copy_rows(const array *a, const int64_t *row, int64_t n, char *to, bool checked)
{
    enum { AHEAD = 8 };
    size_t size = array_row_bytes(a), stride = (size_t)a->stride * tensor_elem_size(a->dtype);
    const char *from = a->data;
    bool good = true;

    for (int64_t i = 0; i < AHEAD && i < n; i++)
        fetch_row(from + (size_t)row[i] * stride, size);
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            fetch_row(from + (size_t)row[i + AHEAD] * stride, size);
        memcpy(to + (size_t)i * size, from + (size_t)row[i] * stride, size);
        good &= checked || rows_take(a, to + (size_t)i * size, array_row(a));
    }
    return good;
}

/* What the threads of a gathering are told. */
typedef struct gathering {
    const choice *c;
    const order *o;
    int64_t begin;
    void *const *to;
    atomic_bool bad;
} gathering;

/* The rows begin .. end of the batch. */
static void gather_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    enum { BLOCK = 256 };
    gathering *g = arg;
    int64_t row[BLOCK];

    (void)thread;
    for (int64_t at = begin; at < end; at += BLOCK) {
        int64_t count = end - at < BLOCK ? end - at : BLOCK;
        find_rows(g->c, g->o, g->begin + at, count, row);
        for (int32_t k = 0; k < g->c->from->block->column_count; k++) {
            const array *a = &g->c->from->column[k];
            size_t done = (size_t)at * array_row_bytes(a);
            if (g->to[k] && !copy_rows(a, row, count, (char *)g->to[k] + done, g->c->checked))
                atomic_store(&g->bad, true);
        }
    }
}

/* Bytes of a batch. */
static size_t batch_size(const choice *c, int64_t n, void *const *to)
{
    size_t row = 0;

    for (int32_t k = 0; k < c->from->block->column_count; k++)
        if (to[k])
            row += array_row_bytes(&c->from->column[k]);
    return row * (size_t)n;
}

/* A few kB are copied before another thread has heard of them. */
bool choice_gather(const choice *c, const order *o, int64_t begin, int64_t n, void *const *to,
                   const struct ingot_pool *pool, char error[TENSOR_ERROR_SIZE])
{
    enum { ALONE = 1 << 15 };
    gathering g = {c, o, begin, to, false};

    if (pool && batch_size(c, n, to) > ALONE)
        pool->run(pool->context, gather_rows, &g, n);
    else
        gather_rows(&g, 0, n, 0);
    return !atomic_load(&g.bad) || rows_check(c->from, error);
}
