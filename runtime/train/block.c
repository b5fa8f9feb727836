/* runtime/train/block.c - rows of a block and its entries: what a `train` block of
 * a program is while it runs.  Its rows are read once and split into parts; a step
 * gathers a batch of them into the inputs of an entry and runs it.  A batch at the
 * end of an epoch may be smaller: an entry for it is prepared beside the full one. */
#include "block.h"

#include <stdlib.h>

#include "hash.h"
#include "tensor_file.h"

/* ---- rows ------------------------------------------------------------------------- */

/* Keeps rows for validation and test behind those for training, in an order that depends
 * on the seed alone. */
static bool split(block *k, const block_options *o, char *error)
{
    int64_t n = k->read.count;
    int64_t valid =
        k->read_valid.count ? 0 : choice_kept(o->valid >= 0 ? o->valid : k->b->valid, n);
    int64_t test = k->read_test.count ? 0 : choice_kept(k->b->test, n);
    choice all = {.from = &k->read, .apart = valid || test,
                  .split = order_of(n, o->seed, ORDER_SPLIT)};

    if (k->b->column_count && n - valid - test < 1)
        return tensor_fail(error, "block '%s': of %lld rows, %lld are kept for validation and %lld "
                           "for a test: none is left", k->b->name, (long long)n, (long long)valid,
                           (long long)test);
    for (int p = 0; p < 3; p++)
        k->part[p] = all;
    k->part[INGOT_PART_TRAIN].count = n - valid - test;
    k->part[INGOT_PART_TEST].first = n - valid - test;
    k->part[INGOT_PART_TEST].count = test;
    k->part[INGOT_PART_VALID].first = n - valid;
    k->part[INGOT_PART_VALID].count = valid;
    if (k->read_valid.count)
        k->part[INGOT_PART_VALID] = (choice){.from = &k->read_valid, .count = k->read_valid.count};
    if (k->read_test.count)
        k->part[INGOT_PART_TEST] = (choice){.from = &k->read_test, .count = k->read_test.count};
    return true;
}

/* Rows only: entries are prepared by block_prepare, when the states that they need
 * are there.  --check-data stops in between. */
bool block_open(block *k, const struct ingot_train_block *b, session *s, const block_options *o,
                char error[TENSOR_ERROR_SIZE])
{
    *k = (block){.b = b, .s = s};
    if (!rows_read(&k->read, b, INGOT_PART_TRAIN, o->data, o->datas, error) ||
        !rows_read(&k->read_valid, b, INGOT_PART_VALID, NULL, 0, error) ||
        !rows_read(&k->read_test, b, INGOT_PART_TEST, o->test, o->tests, error) ||
        !split(k, o, error))
        return false;
    int64_t n = k->part[INGOT_PART_TRAIN].count;
    k->batch = o->batch ? o->batch : b->batch;
    k->batch = n && k->batch > n ? n : k->batch;
    return true;
}

static uint64_t row_bytes(const array *a)
{
    return (uint64_t)array_row(a) * tensor_elem_size(a->dtype);
}

/* A hash of some rows, one in every so many that about a megabyte is read: enough
 * to tell that a checkpoint is gone on with on other data. */
int64_t block_fingerprint(const block *k)
{
    const rows *r = &k->read;
    uint64_t hash = INGOT_HASH_START, size = 0;

    for (int32_t c = 0; c < k->b->column_count; c++)
        size += row_bytes(&r->column[c]);
    int64_t every = 1 + (int64_t)(size * (uint64_t)r->count >> 20);
    for (int64_t row = 0; row < r->count; row += every)
        for (int32_t c = 0; c < k->b->column_count; c++) {
            const array *a = &r->column[c];
            size_t at = (size_t)(row * a->stride) * tensor_elem_size(a->dtype);
            hash = hash_more(hash, (const char *)a->data + at, row_bytes(a));
        }
    return (int64_t)hash;
}

/* ---- calls ------------------------------------------------------------------------ */

/* The entry for so many rows: the one compiled for them, or that for any number. */
static const struct ingot_train_call *step_for(const block *k, int64_t n)
{
    const struct ingot_train_block *b = k->b;
    bool own = use_exists(&b->step) && (n == b->batch || !b->column_count);

    return own || !use_exists(&b->step_any) ? &b->step : &b->step_any;
}

static bool prepare_pair(block *k, block_call *c, const struct ingot_train_call *full,
                         const struct ingot_train_call *rest, int64_t rows, char *error)
{
    int64_t first = rows < k->batch ? rows : k->batch, last = first ? rows % first : 0;

    return use_prepare(&c->full, k->s, full, k->b, first, error) &&
           (!last || use_prepare(&c->rest, k->s, rest, k->b, last, error));
}

static bool prepare_step(block *k, char *error)
{
    int64_t n = k->part[INGOT_PART_TRAIN].count, last = k->batch ? n % k->batch : 0;

    return prepare_pair(k, &k->step, step_for(k, k->batch), step_for(k, last), n, error);
}

/* With several batches a step, gradients are gathered, then applied. */
static bool prepare_objectives(block *k, char *error)
{
    const struct ingot_train_block *b = k->b;
    int64_t n = k->part[INGOT_PART_TRAIN].count;

    k->gather = calloc((size_t)b->objective_count + 1, sizeof *k->gather);
    k->apply = calloc((size_t)b->objective_count + 1, sizeof *k->apply);
    if (!k->gather || !k->apply)
        return tensor_fail(error, "no memory");
    for (int32_t i = 0; i < b->objective_count; i++)
        if (!prepare_pair(k, &k->gather[i], &b->gather[i], &b->gather[i], n, error) ||
            !use_prepare(&k->apply[i], k->s, &b->apply[i], b, 0, error))
            return false;
    return true;
}

bool block_prepare(block *k, char error[TENSOR_ERROR_SIZE])
{
    return (k->b->accumulate > 1 ? prepare_objectives(k, error) : prepare_step(k, error)) &&
           (!use_exists(&k->b->metrics) ||
            use_prepare(&k->metrics, k->s, &k->b->metrics, k->b, 0, error));
}

static void free_pair(block_call *c)
{
    use_free(&c->full);
    use_free(&c->rest);
}

/* Also after a block_open or block_prepare that failed half-way. */
void block_close(block *k)
{
    for (int32_t i = 0; k->gather && k->apply && i < k->b->objective_count; i++) {
        free_pair(&k->gather[i]);
        use_free(&k->apply[i]);
    }
    free(k->gather);
    free(k->apply);
    free_pair(&k->step);
    free_pair(&k->eval);
    use_free(&k->metrics);
    rows_free(&k->read);
    rows_free(&k->read_valid);
    rows_free(&k->read_test);
    *k = (block){0};
}

/* ---- steps ------------------------------------------------------------------------ */

int64_t block_step_rows(const block *k)
{
    return k->batch * (k->b->accumulate > 1 ? k->b->accumulate : 1);
}

int64_t block_steps(const block *k)
{
    int64_t n = k->part[INGOT_PART_TRAIN].count, rows = block_step_rows(k);

    return n ? (n + rows - 1) / rows : 1;
}

/* Runs one batch of a choice's rows. */
static bool run_batch(block_call *c, const choice *from, const order *o, int64_t begin, int64_t n,
                      const use_feeds *f, char *error)
{
    use *u = n == c->full.rows ? &c->full : &c->rest;

    choice_gather(from, o, begin, n, u->column);
    return use_run(u, f, error);
}

/* Each objective sees all batches of the step before the next one does. */
static bool step_objectives(block *k, const order *o, int64_t begin, const use_feeds *f,
                            char *error)
{
    const choice *from = &k->part[INGOT_PART_TRAIN];
    int64_t end = begin + block_step_rows(k);

    end = end < from->count ? end : from->count;
    for (int32_t i = 0; i < k->b->objective_count; i++) {
        for (int64_t at = begin; at < end; at += k->batch) {
            int64_t n = end - at < k->batch ? end - at : k->batch;
            if (!run_batch(&k->gather[i], from, o, at, n, f, error))
                return false;
        }
        if (!use_run(&k->apply[i], f, error))
            return false;
    }
    k->last = k->apply;
    k->lasts = k->b->objective_count;
    return true;
}

/* Where one batch is all rows, it is gathered once and stays (k->held): a net on
 * four rows would else spend its time copying them. */
bool block_step(block *k, const order *o, int64_t begin, const use_feeds *f,
                char error[TENSOR_ERROR_SIZE])
{
    const choice *from = &k->part[INGOT_PART_TRAIN];
    int64_t n = from->count - begin < k->batch ? from->count - begin : k->batch;

    if (k->b->accumulate > 1)
        return step_objectives(k, o, begin, f, error);
    k->last = n == k->step.full.rows ? &k->step.full : &k->step.rest;
    k->lasts = 1;
    if (k->held == from)
        return use_run(&k->step.full, f, error);
    if (n == from->count) {
        k->held = from;
        return run_batch(&k->step, from, NULL, 0, n, f, error);
    }
    return run_batch(&k->step, from, o, begin, n, f, error);
}

/* Runs the entry over all rows of a part, in their order; metrics are summed in
 * states of the program. */
bool block_pass(block *k, block_call *c, const struct ingot_train_call *call, enum ingot_part part,
                const use_feeds *f, char error[TENSOR_ERROR_SIZE])
{
    const choice *from = &k->part[part];
    int64_t batch = from->count < k->batch ? from->count : k->batch;

    if (c->full.rows != batch || (c->rest.entry && c->rest.rows != from->count % batch) ||
        (!c->rest.entry && from->count % batch)) {
        free_pair(c);
        if (!prepare_pair(k, c, call, call, from->count, error))
            return false;
    }
    for (int64_t at = 0; at < from->count; at += batch) {
        int64_t n = from->count - at < batch ? from->count - at : batch;
        if (!run_batch(c, from, NULL, at, n, f, error))
            return false;
    }
    return true;
}

void block_set_threads(block *k, bool all)
{
    use_set_threads(&k->step.full, all);
    use_set_threads(&k->step.rest, all);
    for (int32_t i = 0; k->gather && i < k->b->objective_count; i++) {
        use_set_threads(&k->gather[i].full, all);
        use_set_threads(&k->gather[i].rest, all);
    }
}

/* Entries of `fit` see all training rows once, before the first step. */
bool block_fit(block *k, const use_feeds *f, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; i < k->b->fit_count; i++) {
        block_call c = {0};
        bool ok = block_pass(k, &c, &k->b->fits[i], INGOT_PART_TRAIN, f, error);
        free_pair(&c);
        if (!ok)
            return false;
    }
    return true;
}
