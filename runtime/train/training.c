/* runtime/train/training.c - blocks in their order: where each begins, and where one goes
 * on. */
#include "training.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "csv.h"
#include "interrupt.h"
#include "knobs.h"
#include "loop.h"
#include "tensor_file.h"
#include "weights.h"

/* ---- blocks ----------------------------------------------------------------------- */

int32_t training_block(const struct ingot_trainer *t, const char *name)
{
    for (int32_t i = 0; i < t->block_count; i++)
        if (!strcmp(t->blocks[i].name, name))
            return i;
    return -1;
}

/* The block of a turn: they come in the order of the command line, or all; -1 behind the
 * last. */
static int32_t chosen(const loop *l, int64_t turn)
{
    if (!l->o->blocks)
        return turn < l->t->block_count ? (int32_t)turn : -1;
    return turn < l->o->blocks ? training_block(l->t, l->o->block[turn]) : -1;
}

/* The class that all training rows have in a column; -1: they differ, or it has no
 * classes. */
static int64_t only_class(const choice *rows, int32_t column)
{
    const struct ingot_train_column *c = &rows->from->block->columns[column];
    const array *a = &rows->from->column[column];
    const tensor t = {.dtype = a->dtype, .data = (void *)(uintptr_t)a->data};

    if (c->rank || !c->bound || rows->count < 2)
        return -1;
    double first = tensor_element(&t, choice_row(rows, NULL, 0) * a->stride);
    for (int64_t i = 1; i < rows->count; i++)
        if (tensor_element(&t, choice_row(rows, NULL, i) * a->stride) != first)
            return -1;
    return (int64_t)first;
}

/* It may be wanted, but more often data are sorted, or the wrong file was given. */
static void warn_of_one_class(const loop *l)
{
    const choice *rows = &l->k.part[INGOT_PART_TRAIN];

    for (int32_t i = 0; !l->o->quiet && i < l->k.b->column_count; i++) {
        int64_t class = only_class(rows, i);
        if (class >= 0)
            fprintf(stderr, "warning: block '%s': all %" PRId64 " training rows have %" PRId64
                    " as '%s': there is nothing to tell apart\n", l->k.b->name, rows->count, class,
                    l->k.b->columns[i].name);
    }
}

static bool open_block(loop *l, int32_t index, char *error)
{
    const trainer_options *o = l->o;
    const block_options options = {.roles = l->t->roles, .team = &l->team, .data = o->data,
                                   .test = o->test, .datas = o->datas, .tests = o->tests,
                                   .batch = o->batch, .seed = l->at.seed, .valid = o->valid};

    bool ok = block_open(&l->k, &l->t->blocks[index], l->s, &options, error);
    if (ok)
        warn_of_one_class(l);
    return ok;
}

/* Between epochs the steps may get another size, if --batch says so. */
static bool same_batch(loop *l, int64_t batch, char *error)
{
    if (l->at.batch == batch)
        return true;
    if (!l->o->batch)
        return tensor_fail(error, "%s: was made in steps of %" PRId64 " rows, now they have %"
                           PRId64 ": give --batch", l->file.path, l->at.batch, batch);
    journal_say(&l->j, "%s: goes on in steps of %" PRId64 " rows, not %" PRId64, l->file.path,
                batch, l->at.batch);
    return true;
}

/* A place in mid-epoch is one of these rows and these batches; what follows is that of an
 * undisturbed training with the same data alone. */
static bool same_rows(loop *l, char *error)
{
    int64_t rows = l->k.part[INGOT_PART_TRAIN].count, batch = block_step_rows(&l->k);

    if (l->at.step && l->at.rows == rows &&
        l->at.data != block_fingerprint(&l->k, l->at.bytewise ? hash_more : hash_bulk))
        return tensor_fail(error, "%s: was made with other training data; --init takes its "
                           "weights, --fresh begins anew", l->file.path);
    if (!l->at.step || (l->at.rows == rows && l->at.batch == batch))
        return true;
    if (l->at.rows == rows && !l->at.position)
        return same_batch(l, batch, error);
    return tensor_fail(error, "%s: was made with %" PRId64 " training rows in steps of %" PRId64
                       ", now there are %" PRId64 " in steps of %" PRId64 "; --fresh begins anew",
                       l->file.path, l->at.rows, l->at.batch, rows, batch);
}

/* What the block waits for must be there. */
static bool check_waits(const block *k, char *error)
{
    const struct ingot_train_block *b = k->b;

    if (b->patience_count > PLACE_WAITS)
        return tensor_fail(error, "block '%s': has more than %d `stop after`", b->name,
                           PLACE_WAITS);
    for (int32_t i = 0; i < b->patience_count; i++)
        if (b->patience[i].part == INGOT_PART_VALID && !k->part[INGOT_PART_VALID].count)
            return tensor_fail(error, "block '%s': waits for valid.%s, but no rows are kept for "
                               "validation; --valid 0.1 keeps a tenth", b->name,
                               b->patience[i].metric);
    return true;
}

/* .. and what it looks at to stop. */
static bool check_stops(const block *k, char *error)
{
    const struct ingot_entry *e = k->metrics.entry;

    for (int32_t i = 0; e && i < e->output_count; i++)
        if (!strcmp(e->outputs[i].name, "stop.valid") && !k->part[INGOT_PART_VALID].count)
            return tensor_fail(error, "block '%s': stops when numbers of valid say so, but no rows "
                               "are kept for validation; --valid 0.1 keeps a tenth", k->b->name);
    return true;
}

/* Each process reads its data itself. */
static bool same_everywhere(loop *l, char *error)
{
    int64_t firsts[] = {l->at.rows, l->at.data};

    if (!team_share(&l->team, firsts, sizeof firsts))
        return team_misses(error);
    return (firsts[0] == l->at.rows && firsts[1] == l->at.data) ||
           tensor_fail(error, "has other training data than process 0");
}

/* What is fitted is drawn by the seed, and before the first step, whatever block ran before. */
static bool fit_states(loop *l, char *error)
{
    l->feeds = (use_feeds){.value = {[-1 - INGOT_FEED_SEED] = (double)l->at.seed,
                                     [-1 - INGOT_FEED_ROWS] = (double)l->at.rows}};
    l->at.fit = PLACE_FITTED;
    return block_fit(&l->k, &l->feeds, error);
}

/* Rows are read, entries prepared, states fitted. */
static bool begin_block(loop *l, char *error)
{
    l->j.block = (int32_t)l->at.block;
    bool ok = open_block(l, (int32_t)l->at.block, error) && check_waits(&l->k, error) &&
              same_rows(l, error) && block_prepare(&l->k, error) && check_stops(&l->k, error);

    if (!team_all_well(&l->team, ok, error))
        return false;
    l->at.rows = l->k.part[INGOT_PART_TRAIN].count;
    l->at.batch = block_step_rows(&l->k);
    l->at.data = block_fingerprint(&l->k, hash_bulk);
    l->at.bytewise = false;
    if (!team_all_well(&l->team, same_everywhere(l, error), error))
        return false;
    return l->at.fit != PLACE_NOT_FITTED || fit_states(l, error);
}

/* The block of a turn begins with its first step.  False: there is none. */
static bool begin_turn(loop *l, int64_t turn)
{
    const place was = l->at;
    place_fit fit = was.fit == PLACE_FIT_GIVEN ? PLACE_FIT_GIVEN : PLACE_NOT_FITTED;

    if (chosen(l, turn) < 0)
        return false;
    l->at = place_begin(chosen(l, turn), turn, was.seed, fit);
    l->tried_step = 0;
    l->at.log = was.log;
    l->at.seconds = was.seconds;
    return true;
}

/* Runs the block at hand.  It is saved before the page tells of it: nothing that happens
 * there can lose what was trained. */
static loop_end run_block(loop *l, char *error)
{
    loop_end end = begin_block(l, error) ? loop_run(l, error) : LOOP_FAILED;

    if (end == LOOP_DONE && !loop_save(l, error))
        end = LOOP_FAILED;
    if (!team_all_well(&l->team, end != LOOP_FAILED, error))
        end = LOOP_FAILED;
    if (end != LOOP_FAILED)
        page_add_block(&l->report, l->t, &l->k, &l->at);
    block_close(&l->k);
    return end;
}

/* A message, unless another process has it. */
static int tell_failure(const loop *l, const char *error)
{
    if (l->team.rank && *error && !l->team.lost)
        cli_wrong("process %d: %s", l->team.rank, error);
    else if (!l->team.rank && *error)
        cli_wrong("%s", error);
    return CLI_FAILED;
}

/* A process that is lost takes the step with it, but no more. */
static int end_lost(loop *l, char *error)
{
    tell_failure(l, error);
    if (!loop_save_step(l, error))
        return tell_failure(l, error);
    if (l->saved_step && !l->team.rank)
        journal_say(&l->j, "saved %s, step %" PRId64 "; --resume goes on", l->file.path,
                    l->saved_step);
    return CLI_FAILED;
}

/* Runs the block at hand and those behind it. */
static int run_blocks(loop *l, char *error)
{
    do {
        loop_end end = run_block(l, error);
        if (end == LOOP_FAILED)
            return l->team.lost ? end_lost(l, error) : tell_failure(l, error);
        if (end == LOOP_INTERRUPTED)
            return TRAINER_INTERRUPTED + interrupt_seen();
        if (end == LOOP_STOPPED && l->o->time > 0)
            return CLI_OK;
    } while (begin_turn(l, l->at.turn + 1));
    return CLI_OK;
}

/* ---- the beginning ---------------------------------------------------------------- */

/* First values: the program's, then those of a file.  Where all that `fit` would fill
 * came from it, nothing is fitted. */
static bool begin_states(loop *l, char *error)
{
    weights_taken taken = {0};
    int32_t wanted = 0;
    bool ok = use_init(l->s, l->t, l->at.seed, error);

    for (int32_t i = 0; i < l->s->model->state_count; i++)
        wanted += l->t->roles[i] == INGOT_ROLE_FITTED;
    ok = ok && (!l->o->init || weights_take(l->t, l->s, l->o->init, &taken, error));
    if (ok && taken.lacks && !l->o->quiet)
        fprintf(stderr, "warning: %s: lacks %d of the parameters, which begin as the program says: "
                "'%s'%s\n", l->o->init, taken.lacks, taken.lacking, taken.lacks > 1 ? ", .." : "");
    l->at.fit = wanted && taken.fitted == wanted ? PLACE_FIT_GIVEN : PLACE_NOT_FITTED;
    return ok;
}

/* The turn of the block that the file stands in; -1: it is not to be run. */
static int64_t turn_of_file(const loop *l)
{
    if (chosen(l, l->at.turn) == l->at.block)
        return l->at.turn;
    for (int64_t turn = 0; chosen(l, turn) >= 0; turn++)
        if (chosen(l, turn) == l->at.block)
            return turn;
    return -1;
}

/* Are there more epochs than those that the file has behind it?  Then what was logged of
 * the block's test is not yet. */
static bool has_more_epochs(loop *l)
{
    l->k = (block){.b = &l->t->blocks[l->at.block]};
    if (l->at.end != PLACE_AT_EPOCHS || loop_at_epochs(l))
        return false;
    l->at.log = l->at.untested;
    return true;
}

/* Where a file stands, the training goes on: in its block, or behind it.  *left is false if
 * nothing is left. */
static bool go_on(loop *l, bool *left, char *error)
{
    int64_t turn = turn_of_file(l);

    l->saved_step = l->tried_step = l->at.step;
    if (turn < 0 && l->at.end == PLACE_GOES_ON)
        return tensor_fail(error, "%s: stands in block '%s', at step %" PRId64 "; name that, too, "
                           "or begin anew by --fresh", l->file.path,
                           l->t->blocks[l->at.block].name, l->at.step);
    if (turn >= 0 && (l->at.end == PLACE_GOES_ON || has_more_epochs(l))) {
        l->at.turn = turn;
        l->at.end = PLACE_GOES_ON;
    } else {
        *left = begin_turn(l, turn + 1);
    }
    return true;
}

/* What decides a beginning is decided where a training goes on. */
static bool same_begin(const loop *l, char *error)
{
    if (l->o->init)
        return tensor_fail(error, "%s: --resume goes on from it, and --init is for a beginning: "
                           "leave it out, or begin anew by --fresh", l->file.path);
    return l->o->seed < 0 || l->o->seed == l->at.seed ||
           tensor_fail(error, "%s: was begun with --seed %" PRId64 ", not %lld; --fresh begins "
                       "anew", l->file.path, l->at.seed, l->o->seed);
}

/* Where the training begins: at the place of the file, or anew.  *left: is there anything
 * to be trained? */
static bool begin(loop *l, bool *left, char *error)
{
    int64_t newest = l->file.path ? checkpoint_newest(&l->file) : -1;
    bool there = newest >= 0;

    if (there && !l->o->resume && !l->o->fresh) {
        char n[24] = "";
        if (newest)
            snprintf(n, sizeof n, ".%" PRId64, newest);
        return tensor_fail(error, "%s%s: exists; --resume goes on from it, --fresh begins anew",
                           l->file.path, n);
    }
    if (there && l->o->resume)
        return checkpoint_read(&l->file, l->s, l->past, CHECKPOINT_PASTS, &l->at, error) &&
               same_begin(l, error) && go_on(l, left, error);
    l->at = place_begin(0, 0, trainer_seed(l->o), PLACE_NOT_FITTED);
    *left = begin_turn(l, 0);
    return begin_states(l, error);
}

/* Room for earlier states: `change` compares with those as the epoch began, `stop after`
 * takes the best. */
static bool make_room(loop *l, char *error)
{
    static const char *const names[CHECKPOINT_PASTS] = {
        "epoch_start", "best1", "best2", "best3", "best4", "best5", "best6", "best7", "best8"};
    bool wanted[CHECKPOINT_PASTS] = {false};

    for (int32_t i = 0; i < l->t->block_count; i++) {
        const struct ingot_train_block *b = &l->t->blocks[i];
        wanted[PAST_START] |= use_wants(l->s, &b->metrics, INGOT_FEED_CHANGE);
        for (int32_t k = 0; k < b->patience_count && k < PLACE_WAITS; k++)
            wanted[PAST_BEST + k] = true;
    }
    for (int i = 0; i < CHECKPOINT_PASTS; i++) {
        l->past[i].name = names[i];
        l->past[i].states = wanted[i] ? calloc(1, (size_t)l->s->model->state_size + 1) : NULL;
        if (wanted[i] && !l->past[i].states)
            return tensor_fail(error, "no memory");
    }
    return true;
}

static bool open_file(loop *l, char *error)
{
    return !l->o->save ||
           checkpoint_open(&l->file, l->o->save, l->t, l->o->keep, error);
}

/* What the first process begins with is what all do. */
static bool share_begin(loop *l, bool *left)
{
    uint64_t size = l->s->model->state_size;
    bool ok = team_share(&l->team, l->s->states, size) &&
              team_share(&l->team, &l->at, sizeof l->at) &&
              team_share(&l->team, left, sizeof *left);

    for (int i = 0; ok && i < CHECKPOINT_PASTS; i++)
        ok = !l->past[i].states || team_share(&l->team, l->past[i].states, size);
    return ok;
}

/* The first process has the files. */
static bool begin_everywhere(loop *l, bool *left, char *error)
{
    if (!team_all_well(&l->team, l->team.rank || begin(l, left, error), error))
        return false;
    if (!share_begin(l, left))
        return team_misses(error);
    if (l->team.count == 1 || !l->file.path)
        return true;
    l->step_states = malloc((size_t)l->s->model->state_size + 1);
    return l->step_states || tensor_fail(error, "no memory");
}

/* Where the weights are now, and how far. */
static void tell_file(loop *l, int status)
{
    const struct ingot_train_block *b = &l->t->blocks[l->at.block];
    bool interrupted = status > TRAINER_INTERRUPTED;

    if (!l->file.path || (status != CLI_OK && !interrupted))
        return;
    journal_say(&l->j, "%s %s, step %" PRId64 "%s%s%s",
                interrupted ? "interrupted; saved" : "saved", l->file.path, l->saved_step,
                l->t->block_count > 1 ? " of " : "", l->t->block_count > 1 ? b->name : "",
                interrupted ? "; --resume goes on" : "");
}

static int write_report(loop *l, char *error)
{
    if (l->report.body && !page_write(&l->report, l->o->report, l->t, l->s, &l->j, error))
        return cli_wrong("%s", error), CLI_FAILED;
    return CLI_OK;
}

/* Nothing is left to be trained; a page tells of the block in which the file stands. */
static int show_finished(loop *l, char *error)
{
    journal_say(&l->j, "%s: the training is finished", l->file.path);
    if (!l->report.body)
        return CLI_OK;
    bool ok = open_block(l, (int32_t)l->at.block, error);
    if (ok)
        page_add_block(&l->report, l->t, &l->k, &l->at);
    block_close(&l->k);
    return ok ? write_report(l, error) : (cli_wrong("%s", error), CLI_FAILED);
}

static int train_from(loop *l, bool left, char *error)
{
    l->j.quiet = l->o->quiet;
    l->at.seconds = fmax(l->at.seconds, l->j.seconds);
    l->begun = l->saved = l->looked = clock_now();
    l->pause = 1;
    if (!left)
        return show_finished(l, error);
    int status = run_blocks(l, error);
    tell_file(l, status);
    return write_report(l, error) == CLI_OK ? status : CLI_FAILED;
}

/* What cannot be written is told before the training, not behind it. */
static bool check_writable(const char *path, char *error)
{
    return !path || partial_possible(path) ||
           tensor_fail(error, "%s: cannot be written: %s", path, strerror(errno));
}

static bool open_report(loop *l, char *error)
{
    return !l->o->report || page_open(&l->report) || tensor_fail(error, "no memory");
}

/* Everything that may fail for a reason that the user can mend comes before the
 * first step. */
static int train(loop *l, char *error)
{
    bool left = true;
    int status = CLI_FAILED;
    bool ok = check_writable(l->o->report, error) && check_writable(l->o->plot, error) &&
              check_writable(l->o->save_onnx, error) && open_file(l, error) &&
              make_room(l, error) && loop_find_sums(l, error);

    ok = team_all_well(&l->team, ok, error) && begin_everywhere(l, &left, error) &&
         knobs_set(l->o, l->t, l->s, error) && open_report(l, error) &&
         journal_open(&l->j, l->t, l->s->model, l->o->log, l->o->plot, l->o->report, &l->at.log,
                      error);
    if (team_all_well(&l->team, ok, error))
        status = train_from(l, left, error);
    else
        tell_failure(l, error);
    return journal_close(&l->j, error) || cli_wrong("%s", error) ? status : CLI_FAILED;
}

/* Opens each block and closes it again: all data are read and checked. */
int training_check_data(const trainer_options *o, session *s, const struct ingot_trainer *t)
{
    char error[TENSOR_ERROR_SIZE];
    loop opened = {.o = o, .t = t, .s = s, .at.seed = trainer_seed(o), .team.count = 1};
    loop *l = &opened;

    for (int64_t i = 0; chosen(l, i) >= 0; i++) {
        bool ok = open_block(l, chosen(l, i), error) && block_check_data(&l->k, error);
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

/* Only the first process writes, and says anything. */
static trainer_options silent(const trainer_options *o)
{
    trainer_options s = *o;

    s.save = s.log = s.plot = s.report = s.save_onnx = NULL;
    s.quiet = true;
    return s;
}

/* A message where the shards of a step cannot be dealt out. */
static bool check_team(const loop *l, char *error)
{
    int64_t shards = 1;

    for (int32_t i = 0; i < l->t->block_count; i++)
        shards = l->t->blocks[i].shards > shards ? l->t->blocks[i].shards : shards;
    return shards_fit(&l->team, shards) ||
           tensor_fail(error, "%d processes cannot share the %" PRId64 " shard%s of a step: each "
                       "takes 1, 2, 4, .. of them (ingot train --shards)", l->team.count, shards,
                       shards == 1 ? "" : "s");
}

/* The loop of this process. */
static int run(loop *l, char *error)
{
    const trainer_options quiet = silent(l->o);

    if (l->team.rank)
        l->o = &quiet;
    int status = check_team(l, error) ? train(l, error) : CLI_USAGE;
    if (status == CLI_USAGE && !l->team.rank)
        cli_wrong("%s", error);
    checkpoint_close(&l->file);
    for (int i = 0; i < CHECKPOINT_PASTS; i++)
        free(l->past[i].states);
    free(l->sum);
    free(l->step_states);
    page_free(&l->report);
    return status;
}

int training_run(const trainer_options *o, session *s, const struct ingot_trainer *t)
{
    char error[TENSOR_ERROR_SIZE] = "";
    loop l = {.o = o, .t = t, .s = s, .file = {.lock = -1}};

    if (!team_open(&l.team, interrupt_catch()))
        return cli_wrong("the processes of the training do not find each other"), CLI_FAILED;
    int status = run(&l, error);
    team_close(&l.team);
    return status;
}
