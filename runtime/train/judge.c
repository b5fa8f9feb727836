/* runtime/train/judge.c - answers of an entry on rows whose answers are known.  The
 * entry is found by what it takes and gives: all its inputs are columns of the
 * block, and its result can be compared with a column that it does not see.  Else what the
 * objective compares is shown; a training that has neither has a page without answers. */
#include "judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "tensor_file.h"

enum { BATCH = 256 };

/* ---- the entry -------------------------------------------------------------------- */

/* Does an input take any number of the column's rows?  x: [.., 28, 28] and x: [N, H, W] take
 * rows of 28 x 28, x: [1, 28, 28] and x: [.., 32, 32] do not. */
static bool takes_rows(const struct ingot_value_info *in, const struct ingot_train_column *c)
{
    if (in->dtype != c->dtype || in->rank != c->rank + 1 || in->dims[0] >= 0)
        return false;
    for (int32_t a = 0; a < c->rank; a++)
        if (in->dims[a + 1] >= 0 && in->dims[a + 1] != c->dims[a])
            return false;
    return true;
}

/* The column that an input is; -1: none. */
static int32_t column_of(const struct ingot_train_block *b, const struct ingot_value_info *in)
{
    for (int32_t c = 0; c < b->column_count; c++)
        if (!strcmp(b->columns[c].name, in->name) && takes_rows(in, &b->columns[c]))
            return c;
    return -1;
}

/* Has the result a row for each row of the inputs?  x: [N, 4] -> [4] has not. */
static bool keeps_rows(const struct ingot_entry *e)
{
    const struct ingot_value_info *out = &e->outputs[0];

    for (int32_t i = 0; i < e->input_count; i++)
        if (!out->rank || out->dims[0] != e->inputs[i].dims[0])
            return false;
    return true;
}

static bool is_real(int32_t dtype)
{
    return dtype == TENSOR_F32 || dtype == TENSOR_F64;
}

/* Can a result be what the column has: a number, a class, or a score for each class? */
static bool answers(const struct ingot_value_info *out, const struct ingot_train_column *c)
{
    if (c->rank)
        return false;
    if (is_real(c->dtype))
        return is_real(out->dtype) && out->rank == 1;
    if (c->bound < 2)
        return false;
    return out->rank == 1 ? out->dtype == TENSOR_I64 || (is_real(out->dtype) && c->bound == 2)
                          : out->rank == 2 && is_real(out->dtype) && out->dims[1] == c->bound;
}

/* A column that the entry does not see and its result can be; -1: none. */
static int32_t target_of(const struct ingot_train_block *b, const struct ingot_entry *e,
                         const int32_t *feeds)
{
    for (int32_t c = 0; c < b->column_count; c++) {
        bool seen = false;
        for (int32_t i = 0; i < e->input_count; i++)
            seen |= feeds[i] == c;
        if (!seen && answers(&e->outputs[0], &b->columns[c]))
            return c;
    }
    return -1;
}

static bool serves(judge *j, const struct ingot_entry *e)
{
    if (!e->input_count || e->input_count > j->b->column_count || e->output_count != 1)
        return false;
    for (int32_t i = 0; i < e->input_count; i++)
        if ((j->feeds[i] = column_of(j->b, &e->inputs[i])) < 0)
            return false;
    j->target = target_of(j->b, e, j->feeds);
    return j->target >= 0 && keeps_rows(e);
}

static void find_entry(judge *j, const struct ingot_trainer *t, const struct ingot_model *m)
{
    for (int32_t i = 0; i < m->entry_count && !j->call.entry; i++) {
        const struct ingot_entry *e = &m->entries[i];
        const struct ingot_train_entry *written = entry_named(t, e->name);
        if (written && !written->net && serves(j, e))
            j->call = (struct ingot_train_call){e->name, e->input_count, j->feeds, 0, NULL};
    }
    if (j->call.entry && !is_real(j->b->columns[j->target].dtype))
        j->classes = j->b->columns[j->target].bound;
}

/* Scores for each class, whether it is so, or a number. */
static void take_objective(judge *j, const struct ingot_model *m)
{
    const struct ingot_entry *e = j->b->judge.entry ? session_entry(m, j->b->judge.entry) : NULL;

    if (!e || j->call.entry)
        return;
    j->call = j->b->judge;
    j->compares = true;
    j->target = j->b->judged;
    j->classes = e->outputs[0].rank == 2             ? e->outputs[0].dims[1]
                 : e->outputs[0].dtype == TENSOR_BOOL ? 2
                                                      : 0;
}

/* ---- its answers ------------------------------------------------------------------ */

static double largest_of(const tensor *t, int64_t row, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (tensor_element(t, row * n + i) > tensor_element(t, row * n + best))
            best = i;
    return (double)best;
}

/* What is, by the objective. */
static void take_other_side(judge *j, const use *u, int64_t at)
{
    const tensor t = {.dtype = u->entry->outputs[1].dtype, .data = u->v.outputs[1].data};

    for (int64_t i = 0; i < u->rows; i++)
        j->is[at + i] = tensor_element(&t, i);
}

/* A row of scores becomes the number of the largest. */
static bool take_answers(judge *j, const use *u, int64_t at, char *error)
{
    const struct ingot_value_info *out = &u->entry->outputs[0];
    const struct ingot_buffer *got = &u->v.outputs[0];
    const tensor t = {.dtype = out->dtype, .data = got->data};

    if (got->dims[0] != u->rows)
        return tensor_fail(error, "%s: gives %" PRId64 " rows for %" PRId64, u->entry->name,
                           got->dims[0], u->rows);
    for (int64_t i = 0; i < u->rows; i++)
        j->said[at + i] =
            out->rank == 2 ? largest_of(&t, i, j->classes) : tensor_element(&t, i);
    if (j->compares)
        take_other_side(j, u, at);
    return true;
}

static void take_truths(judge *j)
{
    const array *a = &j->rows->from->column[j->target];
    const tensor t = {.dtype = a->dtype, .data = (void *)(uintptr_t)a->data};

    for (int64_t i = 0; i < j->rows->count; i++)
        j->is[i] = tensor_element(&t, choice_row(j->rows, NULL, i) * a->stride);
}

/* One number for two classes is a probability if all are, or else a logit. */
static void cut_in_two(judge *j, const struct ingot_entry *e)
{
    double cut = 0.5;

    if (!j->classes || e->outputs[0].rank == 2 || !is_real(e->outputs[0].dtype))
        return;
    for (int64_t i = 0; i < j->rows->count; i++)
        if (j->said[i] < 0 || j->said[i] > 1)
            cut = 0;
    for (int64_t i = 0; i < j->rows->count; i++)
        j->said[i] = j->said[i] > cut;
}

/* In batches, the last of which has an own size. */
static bool run_rows(judge *j, session *s, char *error)
{
    use u = {0};
    bool ok = true;

    for (int64_t at = 0, n; ok && at < j->rows->count; at += n) {
        n = j->rows->count - at < BATCH ? j->rows->count - at : BATCH;
        if (u.rows != n) {
            use_free(&u);
            ok = use_prepare(&u, s, &j->call, j->b, n, error);
        }
        ok = ok && choice_gather(j->rows, NULL, at, n, u.column, u.v.call.pool, error) &&
             use_run(&u, &(use_feeds){0}, error) && take_answers(j, &u, at, error);
    }
    if (ok)
        cut_in_two(j, u.entry);
    use_free(&u);
    return ok;
}

/* An entry may write states: they are afterwards what the training made of them. */
static bool run_aside(judge *j, session *s, char *error)
{
    void *states = NULL;
    bool ok = session_save(s, &states) || tensor_fail(error, "no memory for the states");

    ok = ok && run_rows(j, s, error);
    session_restore(s, states);
    return ok;
}

/* No entry, or no rows: j->call.entry is null or said is empty, which is no error. */
bool judge_open(judge *j, const struct ingot_trainer *t, const block *k, enum ingot_part part,
                char error[TENSOR_ERROR_SIZE])
{
    int64_t n = k->part[part].count;

    *j = (judge){.b = k->b, .rows = &k->part[part],
                 .feeds = calloc((size_t)k->b->column_count + 1, sizeof *j->feeds),
                 .said = calloc((size_t)n + 1, sizeof *j->said),
                 .is = calloc((size_t)n + 1, sizeof *j->is)};
    if (!j->feeds || !j->said || !j->is)
        return tensor_fail(error, "no memory");
    find_entry(j, t, k->s->model);
    take_objective(j, k->s->model);
    if (!j->call.entry || !n)
        return true;
    if (!j->compares)
        take_truths(j);
    return run_aside(j, k->s, error);
}

void judge_close(judge *j)
{
    free(j->feeds);
    free(j->said);
    free(j->is);
    *j = (judge){0};
}
