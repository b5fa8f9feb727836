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

static void copy_row(const array *a, int64_t row, void *to, int64_t i)
{
    size_t elem = tensor_elem_size(a->dtype), size = (size_t)array_row(a) * elem;

    memcpy((char *)to + (size_t)i * size,
           (const char *)a->data + (size_t)row * (size_t)a->stride * elem, size);
}

void choice_gather(const choice *c, const order *o, int64_t begin, int64_t n, void *const *to)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t row = choice_row(c, o, begin + i);
        for (int32_t k = 0; k < c->from->block->column_count; k++)
            if (to[k])
                copy_row(&c->from->column[k], row, to[k], i);
    }
}
