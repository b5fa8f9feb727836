/* runtime/train/choice.c - batches of the rows that serve a part.  Neither a choice
 * nor an order of rows is a list: which row comes at a place is computed (order.c),
 * so an epoch over a million rows costs no memory. */
#include "choice.h"

#include <math.h>
#include <string.h>

int64_t choice_kept(double kept, int64_t n)
{
    double rows = kept < 1 ? floor(kept * (double)n + 0.5) : floor(kept);

    return rows < (double)n ? (int64_t)rows : n;
}

int64_t choice_row(const choice *c, const order *o, int64_t i)
{
    int64_t place = c->first + (o ? order_at(o, i) : i);

    return c->apart ? order_at(&c->split, place) : place;
}

/* Asks for a row's first lines; those behind them the processor sees coming. */
static void fetch_row(const char *row, size_t size)
{
    enum { LINE = 64, MOST = 4096 };

    for (size_t at = 0; at < size && at < MOST; at += LINE)
        __builtin_prefetch(row + at, 0, 2);
}

/* Rows from all over memory are read no faster than they are asked for: some are on their
 * way while those before them are copied. */
static void copy_rows(const array *a, const int64_t *row, int64_t n, char *to)
{
    enum { AHEAD = 8 };
    size_t elem = tensor_elem_size(a->dtype), size = (size_t)array_row(a) * elem;
    size_t stride = (size_t)a->stride * elem;
    const char *from = a->data;

    for (int64_t i = 0; i < AHEAD && i < n; i++)
        fetch_row(from + (size_t)row[i] * stride, size);
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            fetch_row(from + (size_t)row[i + AHEAD] * stride, size);
        memcpy(to + (size_t)i * size, from + (size_t)row[i] * stride, size);
    }
}

void choice_gather(const choice *c, const order *o, int64_t begin, int64_t n, void *const *to)
{
    enum { BLOCK = 256 };
    int64_t row[BLOCK];

    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t count = n - at < BLOCK ? n - at : BLOCK;
        for (int64_t i = 0; i < count; i++)
            row[i] = choice_row(c, o, begin + at + i);
        for (int32_t k = 0; k < c->from->block->column_count; k++) {
            const array *a = &c->from->column[k];
            size_t done = (size_t)at * (size_t)array_row(a) * tensor_elem_size(a->dtype);
            if (to[k])
                copy_rows(a, row, count, (char *)to[k] + done);
        }
    }
}
