/* runtime/train/training.c - blocks in their order: where each begins, and where one goes
 * on. */
#include "training.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "csv.h"
#include "loop.h"
#include "tensor_file.h"

/* ---- blocks ----------------------------------------------------------------------- */

int32_t training_block(const struct ingot_trainer *t, const char *name)
{
    for (int32_t i = 0; i < t->block_count; i++)
        if (!strcmp(t->blocks[i].name, name))
            return i;
    return -1;
}

/* The blocks to be run, in the order of the command line, or all. */
static int32_t chosen(const loop *l, int64_t i)
{
    if (!l->o->blocks)
        return i < l->t->block_count ? (int32_t)i : -1;
    return i < l->o->blocks ? training_block(l->t, l->o->block[i]) : -1;
}

static bool open_block(loop *l, int32_t index, char *error)
{
    const trainer_options *o = l->o;
    const block_options options = {.data = o->data, .test = o->test, .datas = o->datas,
                                   .tests = o->tests, .batch = o->batch, .seed = l->at.seed,
                                   .valid = o->valid};

    return block_open(&l->k, &l->t->blocks[index], l->s, &options, error);
}

/* A place in mid-epoch is one of these rows and these batches. */
static bool same_rows(const loop *l, char *error)
{
    int64_t rows = l->k.part[INGOT_PART_TRAIN].count, batch = block_step_rows(&l->k);

    if (!l->at.step || (l->at.rows == rows && (l->at.batch == batch || !l->at.position)))
        return true;
    return tensor_fail(error, "%s: was made with %" PRId64 " training rows in steps of %" PRId64
                       ", now there are %" PRId64 " in steps of %" PRId64 "; --fresh begins anew",
                       l->file.path, l->at.rows, l->at.batch, rows, batch);
}

/* Rows are read, entries prepared, states fitted. */
static bool begin_block(loop *l, int32_t index, bool fitted, char *error)
{
    if (!open_block(l, index, error) || !same_rows(l, error) || !block_prepare(&l->k, error))
        return false;
    l->at.rows = l->k.part[INGOT_PART_TRAIN].count;
    l->at.batch = block_step_rows(&l->k);
    if (l->at.step || fitted)
        return true;
    l->feeds.value[-1 - INGOT_FEED_ROWS] = (double)l->at.rows;
    return block_fit(&l->k, &l->feeds, error);
}

/* The next block begins with its first step. */
static void advance(loop *l)
{
    l->at.block++;
    l->at.step = l->at.position = l->at.waited = 0;
    l->at.epoch = 1;
    l->at.finished = chosen(l, l->at.block) < 0;
}

/* Runs the blocks that are left. */
static int run_blocks(loop *l, bool fitted, char *error)
{
    for (int32_t index; (index = chosen(l, l->at.block)) >= 0;) {
        bool ready = begin_block(l, index, fitted, error);
        loop_end end = ready ? loop_run(l, error) : LOOP_FAILED;
        block_close(&l->k);
        if (end == LOOP_FAILED)
            return cli_wrong("%s", error), CLI_FAILED;
        if (end == LOOP_INTERRUPTED)
            return TRAINER_INTERRUPTED;
        if (end == LOOP_STOPPED && (l->o->time > 0 || chosen(l, l->at.block + 1) < 0))
            return CLI_OK;
        advance(l);
        if (!loop_save(l, error))
            return cli_wrong("%s", error), CLI_FAILED;
    }
    return CLI_OK;
}

/* ---- the beginning ---------------------------------------------------------------- */

/* --set NAME=V: a state of that name whose role is a knob. */
static bool set_knobs(loop *l, char *error)
{
    const struct ingot_model *m = l->s->model;

    for (int32_t k = 0; k < l->o->sets; k++) {
        const trainer_setting *set = &l->o->set[k];
        int32_t i = 0;
        while (i < m->state_count && (l->t->roles[i] != INGOT_ROLE_KNOB ||
                                      strcmp(m->states[i].name, set->name)))
            i++;
        if (i == m->state_count)
            return tensor_fail(error, "--set: the trainer has no number '%s'; one that decides "
                               "shapes or branches is given to `ingot train`", set->name);
        if (!tensor_put_number(m->states[i].dtype, (char *)l->s->states + m->states[i].offset, 0,
                       set->value))
            return tensor_fail(error, "--set: %s is no whole number", set->name);
    }
    return true;
}

/* First values: the program's, then those of a file.  *fitted: all that `fit` would fill
 * came from it. */
static bool begin_states(loop *l, bool *fitted, char *error)
{
    use u = {0};
    int32_t found = 0, wanted = 0;
    bool ok = true;

    l->at = (checkpoint_place){.epoch = 1, .seed = l->o->seed};
    l->feeds.value[-1 - INGOT_FEED_SEED] = (double)l->at.seed;
    if (use_exists(&l->t->init))
        ok = use_prepare(&u, l->s, &l->t->init, NULL, 0, error) && use_run(&u, &l->feeds, error);
    use_free(&u);
    for (int32_t i = 0; i < l->s->model->state_count; i++)
        wanted += l->t->roles[i] == INGOT_ROLE_FITTED;
    ok = ok && (!l->o->init ||
                checkpoint_take_weights(l->t, l->s, l->o->init, &found, error) >= 0);
    *fitted = wanted && found == wanted;
    return ok;
}

/* Where the training begins: at the place of the file, or anew. */
static bool begin(loop *l, bool *fitted, char *error)
{
    bool there = l->file.path && checkpoint_exists(&l->file);

    *fitted = true;
    if (there && !l->o->resume && !l->o->fresh)
        return tensor_fail(error, "%s: exists; --resume goes on from it, --fresh begins anew",
                           l->file.path);
    if (there && l->o->resume) {
        if (!checkpoint_read(&l->file, l->s, l->start, &l->at, error))
            return false;
        l->saved_step = l->at.step;
        return true;
    }
    return begin_states(l, fitted, error);
}

/* `change` compares with the states as the epoch began. */
static bool want_start(loop *l, char *error)
{
    bool wanted = false;

    for (int32_t i = 0; i < l->t->block_count; i++)
        wanted |= use_wants(l->s, &l->t->blocks[i].metrics, INGOT_FEED_CHANGE);
    if (wanted)
        l->start = calloc(1, (size_t)l->s->model->state_size + 1);
    return !wanted || l->start || tensor_fail(error, "no memory");
}

static bool open_file(loop *l, char *error)
{
    return !l->o->save ||
           checkpoint_open(&l->file, l->o->save, l->t, l->o->keep, error);
}

static int train(loop *l, char *error)
{
    bool fitted, told = true;
    int status = CLI_FAILED;

    if (!open_file(l, error) || !want_start(l, error) || !begin(l, &fitted, error) ||
        !set_knobs(l, error) ||
        !journal_open(&l->j, l->t, l->s->model, l->o->log, l->o->plot, l->at.log_size, error)) {
        cli_wrong("%s", error);
    } else {
        l->j.quiet = l->o->quiet;
        l->begun = l->saved = l->looked = clock_now();
        l->pause = 1;
        if (l->at.finished && !l->o->quiet)
            fprintf(stderr, "%s: the training is finished\n", l->file.path);
        status = run_blocks(l, fitted, error);
    }
    told = journal_close(&l->j, error) || cli_wrong("%s", error);
    return told ? status : CLI_FAILED;
}

int training_check_data(const trainer_options *o, session *s, const struct ingot_trainer *t)
{
    char error[TENSOR_ERROR_SIZE];
    loop opened = {.o = o, .t = t, .s = s, .at.seed = o->seed}, *l = &opened;

    for (int64_t i = 0; chosen(l, i) >= 0; i++) {
        bool ok = open_block(l, chosen(l, i), error);
        if (ok && !l->o->quiet)
            printf("%s: %" PRId64 " training rows, %" PRId64 " for validation, %" PRId64
                   " for a test\n", l->k.b->name, l->k.part[0].count, l->k.part[1].count,
                   l->k.part[2].count);
        block_close(&l->k);
        if (!ok)
            return cli_wrong("%s", error), CLI_FAILED;
    }
    return CLI_OK;
}

int training_run(const trainer_options *o, session *s, const struct ingot_trainer *t)
{
    char error[TENSOR_ERROR_SIZE];
    loop l = {.o = o, .t = t, .s = s, .file = {.lock = -1}, .at = {.epoch = 1, .seed = o->seed}};

    loop_catch_interrupt();
    int status = train(&l, error);
    checkpoint_close(&l.file);
    free(l.start);
    return status;
}
