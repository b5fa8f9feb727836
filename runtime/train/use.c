/* runtime/train/use.c - entries as the loop calls them: prepared once, with memory
 * for their inputs, then fed and run again and again.  What feeds an input is the
 * entry's record (train_abi.h): a column of the batch, or a number of the loop as
 * the step or the epoch. */
#include "use.h"

#include <stdlib.h>

#include "csv.h"
#include "tensor_file.h"

/* Memory of an input: a column's rows, or a scalar. */
static bool make_input(use *u, int32_t i, const struct ingot_train_block *b, char *error)
{
    const struct ingot_value_info *info = &u->entry->inputs[i];
    int32_t feed = u->call->feeds[i];
    int64_t dims[TENSOR_MAX_RANK] = {u->rows};

    if (feed < 0) {
        if (!tensor_init(&u->in[i].t, info->dtype, 0, NULL))
            return tensor_init_failed(&u->in[i].t, "input", info->name, error);
        return true;
    }
    const struct ingot_train_column *c = &b->columns[feed];
    for (int32_t a = 0; a < c->rank; a++)
        dims[a + 1] = c->dims[a];
    if (!tensor_init(&u->in[i].t, c->dtype, c->rank + 1, dims))
        return tensor_init_failed(&u->in[i].t, "column", c->name, error);
    u->column[feed] = u->in[i].t.data;
    return true;
}

/* Everything that can fail for its sizes fails here, before the first step.  `rows`
 * is how many a batch has; null `b` is an entry that reads no columns. */
bool use_prepare(use *u, session *s, const struct ingot_train_call *c,
                 const struct ingot_train_block *b, int64_t rows, char error[TENSOR_ERROR_SIZE])
{
    size_t columns = b ? (size_t)b->column_count : 0;

    *u = (use){.call = c, .entry = session_entry(s->model, c->entry), .rows = rows};
    if (!u->entry)
        return tensor_fail(error, "the program has no entry '%s'", c->entry);
    if (u->entry->input_count != c->feed_count)
        return tensor_fail(error, "entry '%s' has %d inputs, its record %d", c->entry,
                           u->entry->input_count, c->feed_count);
    u->in = calloc((size_t)u->entry->input_count + 1, sizeof *u->in);
    u->column = calloc(columns + 1, sizeof *u->column);
    if (!u->in || !u->column)
        return tensor_fail(error, "no memory");
    for (int32_t i = 0; i < u->entry->input_count; i++)
        if (!make_input(u, i, b, error))
            return false;
    return invoke_prepare(&u->v, s, u->entry, u->in, error);
}

/* Columns lie in the inputs' memory already; numbers of the loop are put there now.
 * Feed -1 is the first of INGOT_FEED_*, and so on. */
bool use_run(use *u, const use_feeds *f, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; i < u->entry->input_count; i++)
        if (u->call->feeds[i] < 0)
            tensor_put_number(u->entry->inputs[i].dtype, u->in[i].t.data, 0,
                              f->value[-1 - u->call->feeds[i]]);
    return invoke_run(&u->v, error);
}

void use_set_threads(use *u, bool all)
{
    u->v.call.pool = all && u->v.s ? session_pool(u->v.s) : NULL;
}

int32_t use_results(const use *u)
{
    return u->entry->output_count;
}

const char *use_result_name(const use *u, int32_t i)
{
    return u->entry->outputs[i].name;
}

double use_result(const use *u, int32_t i)
{
    tensor t = {.dtype = u->entry->outputs[i].dtype, .count = 1, .data = u->v.outputs[i].data};

    return tensor_element(&t, 0);
}

void use_free(use *u)
{
    invoke_free(&u->v);
    for (int32_t i = 0; u->in && i < u->entry->input_count; i++)
        tensor_value_free(&u->in[i]);
    free(u->in);
    free(u->column);
    *u = (use){0};
}

bool use_init(session *s, const struct ingot_trainer *t, int64_t seed,
              char error[TENSOR_ERROR_SIZE])
{
    use_feeds f = {.value = {[-1 - INGOT_FEED_SEED] = (double)seed}};
    use u = {0};
    bool ok = !use_exists(&t->init) ||
              (use_prepare(&u, s, &t->init, NULL, 0, error) && use_run(&u, &f, error));

    use_free(&u);
    return ok;
}

/* Does the entry read this number at all, the epoch say? */
bool use_wants(const session *s, const struct ingot_train_call *c, int32_t feed)
{
    const struct ingot_entry *e = c->entry ? session_entry(s->model, c->entry) : NULL;

    for (int32_t i = 0; e && i < e->input_count; i++)
        if (c->feeds[i] == feed)
            return true;
    return false;
}
