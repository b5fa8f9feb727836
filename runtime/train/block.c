/* runtime/train/block.c - rows of a block and its entries: what a `train` block of
 * a program is while it runs.  Its rows are read once and split into parts; a step
 * gathers a batch of them into the inputs of an entry and runs it.  A batch at the
 * end of an epoch may be smaller: an entry for it is prepared beside the full one. */
#include "block.h"

#include <stdlib.h>

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
    if (!rows_read(&k->read, b, INGOT_PART_TRAIN, NULL, o->data, o->datas, error) ||
        !rows_read(&k->read_valid, b, INGOT_PART_VALID, &k->read, NULL, 0, error) ||
        !rows_read(&k->read_test, b, INGOT_PART_TEST, &k->read, o->test, o->tests, error) ||
        !split(k, o, error))
        return false;
    int64_t n = k->part[INGOT_PART_TRAIN].count;
    k->batch = o->batch ? o->batch : b->batch;
    k->batch = n && k->batch > n ? n : k->batch;
    k->shards = (shards){.s = s, .roles = o->roles, .team = o->team,
                         .count = b->gather && b->shards > 1 ? b->shards : 1};
    return true;
}

/* A hash of some rows, one in every so many that about a megabyte is read: enough
 * to tell that a checkpoint is gone on with on other data. */
int64_t block_fingerprint(const block *k, hash_fn *more)
{
    const rows *r = &k->read;
    uint64_t hash = INGOT_HASH_START, size = 0;

    for (int32_t c = 0; c < k->b->column_count; c++)
        size += array_row_bytes(&r->column[c]);
    int64_t every = 1 + (int64_t)(size * (uint64_t)r->count >> 20);
    for (int64_t row = 0; row < r->count; row += every)
        for (int32_t c = 0; c < k->b->column_count; c++) {
            const array *a = &r->column[c];
            size_t at = (size_t)(row * a->stride) * tensor_elem_size(a->dtype);
            hash = more(hash, (const char *)a->data + at, array_row_bytes(a));
        }
    return (int64_t)hash;
}

/* ---- calls ------------------------------------------------------------------------ */

/* Is a step several pieces, whose gradients are gathered and then applied? */
static bool gathers(const block *k)
{
    return k->b->gather != NULL;
}

/* Shards of so many rows. */
static int64_t shards_of(const block *k, int64_t rows)
{
    return k->shards.count < rows ? k->shards.count : rows;
}

/* The most rows that a call gets at once: a shard's part of a batch. */
static int64_t piece_rows(const block *k)
{
    return (k->batch + k->shards.count - 1) / k->shards.count;
}

static use *call_for(const block_call *c, int64_t rows)
{
    for (int32_t i = 0; i < c->count; i++)
        if (c->of[i].rows == rows)
            return &c->of[i];
    return NULL;
}

static bool prepare_rows(block *k, block_call *c, const struct ingot_train_call *call, int64_t rows,
                         char *error)
{
    if (call_for(c, rows))
        return true;
    use *more = realloc(c->of, (size_t)(c->count + 1) * sizeof *more);
    if (!more)
        return tensor_fail(error, "no memory");
    c->of = more;
    return use_prepare(&c->of[c->count++], k->s, call, k->b, rows, error);
}

/* The next piece of what is left of a shard's rows. */
static int64_t next_piece(const block *k, int64_t left)
{
    int64_t most = piece_rows(k);

    return left < most ? left : most;
}

/* For each piece of each shard of so many rows. */
static bool prepare_pieces(block *k, block_call *c, const struct ingot_train_call *call,
                           int64_t rows, char *error)
{
    int64_t shards = shards_of(k, rows), n;

    for (int64_t i = 0; i < shards; i++) {
        int64_t at = shard_begin(rows, shards, i), end = shard_begin(rows, shards, i + 1);
        for (; at < end; at += n) {
            n = next_piece(k, end - at);
            if (!prepare_rows(k, c, call, n, error))
                return false;
        }
    }
    return true;
}

/* The entry for so many rows: the one compiled for them, or that for any number. */
static const struct ingot_train_call *step_for(const block *k, int64_t n)
{
    const struct ingot_train_block *b = k->b;
    bool own = use_exists(&b->step) && (n == b->batch || !b->column_count);

    return own || !use_exists(&b->step_any) ? &b->step : &b->step_any;
}

static bool prepare_step(block *k, char *error)
{
    int64_t n = k->part[INGOT_PART_TRAIN].count, first = n < k->batch ? n : k->batch;
    int64_t last = first ? n % first : 0;

    return prepare_rows(k, &k->step, step_for(k, first), first, error) &&
           (!last || prepare_rows(k, &k->step, step_for(k, last), last, error));
}

/* With several pieces a step, gradients are gathered, then applied. */
static bool prepare_objectives(block *k, char *error)
{
    const struct ingot_train_block *b = k->b;
    int64_t n = k->part[INGOT_PART_TRAIN].count, rows = block_step_rows(k);

    k->gather = calloc((size_t)b->objective_count + 1, sizeof *k->gather);
    k->apply = calloc((size_t)b->objective_count + 1, sizeof *k->apply);
    if (!k->gather || !k->apply)
        return tensor_fail(error, "no memory");
    for (int32_t i = 0; i < b->objective_count; i++)
        if (!prepare_pieces(k, &k->gather[i], &b->gather[i], n < rows ? n : rows, error) ||
            !prepare_pieces(k, &k->gather[i], &b->gather[i], n % rows, error) ||
            !shards_room(&k->shards, &b->gather[i], error) ||
            !use_prepare(&k->apply[i], k->s, &b->apply[i], b, 0, error))
            return false;
    return true;
}

bool block_prepare(block *k, char error[TENSOR_ERROR_SIZE])
{
    return (gathers(k) ? prepare_objectives(k, error) : prepare_step(k, error)) &&
           shards_room(&k->shards, &k->b->eval, error) &&
           (!use_exists(&k->b->metrics) ||
            use_prepare(&k->metrics, k->s, &k->b->metrics, k->b, 0, error));
}

static void free_call(block_call *c)
{
    for (int32_t i = 0; i < c->count; i++)
        use_free(&c->of[i]);
    free(c->of);
    *c = (block_call){0};
}

/* Also after a block_open or block_prepare that failed half-way. */
void block_close(block *k)
{
    for (int32_t i = 0; k->gather && k->apply && i < k->b->objective_count; i++) {
        free_call(&k->gather[i]);
        use_free(&k->apply[i]);
    }
    free(k->gather);
    free(k->apply);
    free_call(&k->step);
    free_call(&k->eval);
    use_free(&k->metrics);
    shards_free(&k->shards);
    rows_free(&k->read);
    rows_free(&k->read_valid);
    rows_free(&k->read_test);
    *k = (block){0};
}

/* ---- steps ------------------------------------------------------------------------ */

int64_t block_step_rows(const block *k)
{
    return k->batch * (gathers(k) ? k->b->accumulate : 1);
}

int64_t block_steps(const block *k)
{
    int64_t n = k->part[INGOT_PART_TRAIN].count, rows = block_step_rows(k);

    return n ? (n + rows - 1) / rows : 1;
}

/* Runs one piece of a choice's rows, for whose number the call is prepared. */
static bool run_piece(const block_call *c, const choice *from, const order *o, int64_t begin,
                      int64_t n, const use_feeds *f, char *error)
{
    use *u = call_for(c, n);

    return choice_gather(from, o, begin, n, u->column, u->v.call.pool, error) &&
           use_run(u, f, error);
}

/* Rows, in an order or as they stand, that a call gets shard by shard. */
typedef struct pass {
    block *k;
    const struct ingot_train_call *call;
    block_call *prepared;
    const choice *from;
    const order *o;
    int64_t begin, rows;
    use_feeds feeds;
} pass;

/* The pieces of a shard, each with a number of its own: a shard has at most as many as batches
 * are accumulated, unless rows are only looked at, for which calls may not be prepared yet. */
static bool run_shard(void *cx, int64_t shard, char error[TENSOR_ERROR_SIZE])
{
    pass *p = cx;
    int64_t shards = shards_of(p->k, p->rows), n;
    int64_t at = shard_begin(p->rows, shards, shard), end = shard_begin(p->rows, shards, shard + 1);
    double *piece = &p->feeds.value[-1 - INGOT_FEED_PIECE];

    *piece = (double)(shard * p->k->b->accumulate);
    for (; at < end; at += n, ++*piece) {
        n = next_piece(p->k, end - at);
        if (!prepare_rows(p->k, p->prepared, p->call, n, error) ||
            !run_piece(p->prepared, p->from, p->o, p->begin + at, n, &p->feeds, error))
            return false;
    }
    return true;
}

static bool run_pass(pass *p, char *error)
{
    return shard_sum(&p->k->shards, p->call, shards_of(p->k, p->rows), run_shard, p, error);
}

/* Each objective sees all rows of the step before the next one does. */
static bool step_objectives(block *k, const order *o, int64_t begin, const use_feeds *f,
                            char *error)
{
    const choice *from = &k->part[INGOT_PART_TRAIN];
    int64_t left = from->count - begin, all = block_step_rows(k), rows = left < all ? left : all;

    for (int32_t i = 0; i < k->b->objective_count; i++) {
        pass p = {k, &k->b->gather[i], &k->gather[i], from, o, begin, rows, *f};
        if (!run_pass(&p, error) || !use_run(&k->apply[i], f, error))
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

    if (gathers(k))
        return step_objectives(k, o, begin, f, error);
    k->last = call_for(&k->step, n);
    k->lasts = 1;
    if (k->held == from)
        return use_run(&k->step.of[0], f, error);
    if (n == from->count) {
        k->held = from;
        return run_piece(&k->step, from, NULL, 0, n, f, error);
    }
    return run_piece(&k->step, from, o, begin, n, f, error);
}

bool block_eval(block *k, enum ingot_part part, const use_feeds *f, char error[TENSOR_ERROR_SIZE])
{
    const choice *from = &k->part[part];
    pass p = {k, &k->b->eval, &k->eval, from, NULL, 0, from->count, *f};

    bool ok = run_pass(&p, error);
    k->part[part].checked |= ok;
    return ok;
}

bool block_check_data(const block *k, char error[TENSOR_ERROR_SIZE])
{
    return rows_check(&k->read, error) && rows_check(&k->read_valid, error) &&
           rows_check(&k->read_test, error);
}

static void set_threads(block_call *c, bool all)
{
    for (int32_t i = 0; i < c->count; i++)
        use_set_threads(&c->of[i], all);
}

void block_set_threads(block *k, bool all)
{
    set_threads(&k->step, all);
    for (int32_t i = 0; k->gather && i < k->b->objective_count; i++)
        set_threads(&k->gather[i], all);
}

/* Entries of `fit` see all training rows once, before the first step: each process all. */
bool block_fit(block *k, const use_feeds *f, char error[TENSOR_ERROR_SIZE])
{
    const choice *from = &k->part[INGOT_PART_TRAIN];
    bool ok = true;

    for (int32_t i = 0; ok && i < k->b->fit_count; i++) {
        block_call c = {0};
        for (int64_t at = 0, n; ok && at < from->count; at += n) {
            n = from->count - at < k->batch ? from->count - at : k->batch;
            ok = prepare_rows(k, &c, &k->b->fits[i], n, error) &&
                 run_piece(&c, from, NULL, at, n, f, error);
        }
        free_call(&c);
    }
    return ok;
}
