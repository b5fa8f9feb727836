/* runtime/train/loop.c - the loop of a training: steps, the end of an epoch, and
 * all that is looked after in between (checkpoints, limits, interrupts).
 *
 * `at` is the place: it says all that the next step depends on beside the states,
 * so a checkpoint of both goes on bit for bit as if nothing had happened.  Whatever
 * moves on - counters, order of rows, random numbers - follows from it and is kept
 * nowhere else. */
#include "loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "interrupt.h"
#include "mapped.h"
#include "states.h"
#include "tensor_file.h"

/* ---- several processes ------------------------------------------------------------- */

/* What one process has seen, an interrupt or that the time is up, all do. */
static bool agree(loop *l, char *error)
{
    enum { CHECKED = 1, INTERRUPTED = 2 };
    unsigned bits = (l->checked ? CHECKED : 0) | (interrupt_seen() ? INTERRUPTED : 0);

    if (!team_join(&l->team, &bits))
        return team_misses(error);
    l->checked = bits;
    if (bits & INTERRUPTED)
        interrupt_join();
    return true;
}

/* A process that is lost in a step takes its part of that along. */
static void keep_step(loop *l)
{
    if (!l->step_states)
        return;
    memcpy(l->step_states, l->s->states, (size_t)l->s->model->state_size);
    l->step_at = l->at;
    l->step_at.log = journal_mark(&l->j);
}

/* ---- counters --------------------------------------------------------------------- */

static void feed(loop *l, enum ingot_feed which, double value)
{
    l->feeds.value[-1 - (int)which] = value;
}

/* 0: something else ends the training.  --steps stands for epochs; --time is one limit
 * more. */
static int64_t epochs(const loop *l)
{
    return l->o->epochs || l->o->steps ? l->o->epochs : l->k.b->epochs;
}

bool loop_at_epochs(const loop *l)
{
    return epochs(l) && l->at.epoch > epochs(l);
}

/* Steps of the whole block; 0 where nobody knows.  --epochs may be as many as never end. */
static int64_t steps(const loop *l)
{
    int64_t n;

    if (l->o->steps)
        return l->o->steps;
    return __builtin_mul_overflow(epochs(l), block_steps(&l->k), &n) ? INT64_MAX : n;
}

static double seconds(const loop *l)
{
    return l->at.seconds + clock_now() - l->begun;
}

/* ---- states ----------------------------------------------------------------------- */

bool loop_find_sums(loop *l, char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_model *m = l->s->model;

    l->sum = calloc((size_t)m->state_count + 1, sizeof *l->sum);
    for (int32_t i = 0; l->sum && i < m->state_count; i++)
        if (l->t->roles[i] == INGOT_ROLE_SUM)
            l->sum[l->sums++] = (loop_sum){(char *)l->s->states + m->states[i].offset,
                                           (size_t)state_bytes(&m->states[i])};
    return l->sum || tensor_fail(error, "no memory");
}

static void clear_sums(loop *l)
{
    for (int32_t i = 0; i < l->sums; i++)
        memset(l->sum[i].at, 0, l->sum[i].bytes);
}

/* The largest change of an element of a parameter since the epoch began. */
static double change(const loop *l)
{
    const struct ingot_model *m = l->s->model;
    double most = 0;

    for (int32_t i = 0; i < m->state_count; i++) {
        const struct ingot_value_info *v = &m->states[i];
        tensor was = {.dtype = v->dtype, .data = (char *)l->past[PAST_START].states + v->offset};
        tensor is = {.dtype = v->dtype, .data = (char *)l->s->states + v->offset};
        int64_t n = (int64_t)state_elements(v);
        for (int64_t e = 0; l->t->roles[i] == INGOT_ROLE_PARAM && e < n; e++)
            most = fmax(most, fabs(tensor_element(&is, e) - tensor_element(&was, e)));
    }
    return most;
}

/* Keeps the states of now as those of an earlier moment. */
static void keep_states(loop *l, int past)
{
    memcpy(l->past[past].states, l->s->states, (size_t)l->s->model->state_size);
}

/* What training changes of nets becomes what it was at that moment. */
static void restore_states(loop *l, int past)
{
    const struct ingot_model *m = l->s->model;

    for (int32_t i = 0; i < m->state_count; i++)
        if (l->t->roles[i] <= INGOT_ROLE_STATE)
            memcpy((char *)l->s->states + m->states[i].offset,
                   (char *)l->past[past].states + m->states[i].offset, state_bytes(&m->states[i]));
}

/* ---- checkpoints ------------------------------------------------------------------ */

/* What of the past is of use: in mid-epoch how it began, and the best of what is waited
 * for. */
static void choose_past(const loop *l, checkpoint_past of_use[CHECKPOINT_PASTS])
{
    memcpy(of_use, l->past, sizeof l->past);
    if (!l->at.position)
        of_use[PAST_START].states = NULL;
    for (int i = 0; i < PLACE_WAITS; i++)
        if (isnan(l->at.wait[i].best) || l->at.end == PLACE_AT_STOP)
            of_use[PAST_BEST + i].states = NULL;
}

static bool save_place(loop *l, char *error)
{
    checkpoint_past past[CHECKPOINT_PASTS];

    mapped_check();
    choose_past(l, past);
    place p = l->at;
    p.seconds = l->o->time > 0 ? seconds(l) : 0;    /* else equal trainings make equal files */
    l->saved = clock_now();
    l->tried_step = l->at.step;
    l->save_failed = !checkpoint_write(&l->file, l->s, past, CHECKPOINT_PASTS, &p, error);
    if (!l->save_failed)
        l->saved_step = l->at.step;
    return !l->save_failed;
}

/* The log is flushed first, and its length noted: whoever goes on cuts off what
 * came later. */
bool loop_save(loop *l, char error[TENSOR_ERROR_SIZE])
{
    if (!l->file.path)
        return true;
    l->at.log = journal_written(&l->j);
    return save_place(l, error);
}

bool loop_save_step(loop *l, char error[TENSOR_ERROR_SIZE])
{
    if (!l->file.path || !l->step_states || !l->step_at.step)
        return true;
    journal_written(&l->j);
    memcpy(l->s->states, l->step_states, (size_t)l->s->model->state_size);
    l->at = l->step_at;
    return save_place(l, error);
}

static bool steps_are_due(const loop *l)
{
    return l->o->every_steps && l->at.step - l->tried_step >= l->o->every_steps;
}

/* A checkpoint that fails is told, once until one succeeds, and the training goes on: a disk
 * that is full now may have room at the end. */
static void save_now_and_then(loop *l)
{
    char error[TENSOR_ERROR_SIZE];
    bool due = l->o->every_steps ? steps_are_due(l) : clock_now() - l->saved >= l->o->every;
    bool told = l->save_failed;

    if (due && l->file.path && !loop_save(l, error) && !told)
        fprintf(stderr, "warning: %s; it is tried again each --every\n", error);
}

/* ---- numbers ---------------------------------------------------------------------- */

static void take_numbers(const loop *l, const use *u, journal_record *r)
{
    for (int32_t i = 0; i < use_results(u); i++)
        journal_put(&l->j, r, use_result_name(u, i), use_result(u, i));
}

/* Those of the last step. */
static void take_step_numbers(const loop *l, journal_record *r)
{
    for (int32_t i = 0; i < l->k.lasts; i++)
        take_numbers(l, &l->k.last[i], r);
}

/* A parameter that is no number, or else the largest one. */
static const char *worst_parameter(const loop *l, double *size)
{
    const struct ingot_model *m = l->s->model;
    const char *worst = "none";

    *size = -1;
    for (int32_t i = 0; i < m->state_count; i++) {
        const struct ingot_value_info *v = &m->states[i];
        tensor t = {.dtype = v->dtype, .data = (char *)l->s->states + v->offset};
        int64_t n = (int64_t)state_elements(v);
        for (int64_t e = 0; l->t->roles[i] == INGOT_ROLE_PARAM && e < n; e++) {
            double x = fabs(tensor_element(&t, e));
            if (x > *size || !isfinite(x)) {
                *size = x;
                worst = v->name;
            }
            if (!isfinite(x))
                return worst;
        }
    }
    return worst;
}

/* Says where the training was lost, and what is left of it. */
static bool lost(const loop *l, const char *what, double value, int64_t begin, char *error)
{
    const choice *c = &l->k.part[INGOT_PART_TRAIN];
    double size;
    const char *worst = worst_parameter(l, &size);
    int64_t row = choice_row(c, !l->k.held && c->count ? &l->rows : NULL, begin) + 1;
    char good[300] = "there is no checkpoint";

    if (l->saved_step)
        snprintf(good, sizeof good, "the last good checkpoint is %.200s, of step %" PRId64,
                 l->file.path, l->saved_step);
    return tensor_fail(error, "step %" PRId64 " (epoch %" PRId64 ", first row %" PRId64
                       "): %s is %g; %s %s is %g; %s", l->at.step, l->at.epoch, row, what,
                       value, isfinite(size) ? "the largest element of a parameter, in"
                                             : "an element of", worst, size, good);
}

/* Numbers of a step that are none end the training: its weights are lost. */
static bool check_numbers(const loop *l, int64_t begin, char *error)
{
    for (const use *u = l->k.last; u < l->k.last + l->k.lasts; u++)
        for (int32_t i = 0; i < use_results(u); i++)
            if (!isfinite(use_result(u, i)))
                return lost(l, use_result_name(u, i), use_result(u, i), begin, error);
    return true;
}

/* ---- steps ------------------------------------------------------------------------ */

/* Numbers of single steps are logged some twenty times an epoch, if it is long. */
static bool is_logged(const loop *l)
{
    int64_t n = block_steps(&l->k), every = n / 20;

    return n >= 40 && l->at.step % every == 0;
}

/* The counter moves before the step: the first one is number 1 in the program, too. */
static bool step(loop *l, char *error)
{
    int64_t begin = l->at.position, rows = block_step_rows(&l->k);
    int64_t left = l->k.part[INGOT_PART_TRAIN].count - begin;

    keep_step(l);
    l->at.step++;
    feed(l, INGOT_FEED_STEP, (double)l->at.step);
    if (!block_step(&l->k, &l->rows, begin, &l->feeds, error) || !check_numbers(l, begin, error))
        return false;
    l->at.position += rows < left ? rows : left;
    if (is_logged(l)) {
        journal_record r = journal_blank(l->at.step, l->at.epoch, JOURNAL_STEP);
        take_step_numbers(l, &r);
        journal_add(&l->j, &r, seconds(l));
    }
    return true;
}

/* Now and then: is something due?  The next time is in about a millisecond. */
static void look_around(loop *l)
{
    const double pause = 1e-3, most = 4096;
    int64_t n = l->k.part[INGOT_PART_TRAIN].count;
    double now = clock_now(), pace = (now - l->looked) / (double)l->pause;
    double share = n ? (double)l->at.position / (double)n : 0;
    double rate = (n ? (double)block_step_rows(&l->k) : 1) / pace;
    journal_record r = journal_blank(l->at.step, l->at.epoch, JOURNAL_STEP);

    take_step_numbers(l, &r);
    journal_progress(&l->j, &r, epochs(l), share, rate, n ? "rows" : "steps");
    save_now_and_then(l);
    l->telling = now - (l->j.told ? l->j.told : l->j.begun) >= 1;
    l->checked = interrupt_seen() || (l->o->time > 0 && seconds(l) >= l->o->time);
    l->looked = clock_now();
    l->pause = l->until_look = (int64_t)fmax(1, fmin(most, pause / pace));
}

static bool step_limit(const loop *l)
{
    return l->o->steps && l->at.step >= l->o->steps;
}

/* ---- epochs ----------------------------------------------------------------------- */

/* At the beginning of an epoch; in its middle, after a checkpoint, all but the order is
 * in the states.  Rows that stay in their batch have none. */
static void begin_epoch(loop *l)
{
    if (!l->k.held)
        l->rows = order_of(l->k.part[INGOT_PART_TRAIN].count, l->at.seed, l->at.epoch);
    feed(l, INGOT_FEED_EPOCH, (double)l->at.epoch);
    feed(l, INGOT_FEED_ROWS, (double)l->k.part[INGOT_PART_TRAIN].count);
    if (!(l->whole = !l->at.position))
        return;
    clear_sums(l);
    if (l->past[PAST_START].states)
        keep_states(l, PAST_START);
}

/* Adds the metrics of a part to the record; *stop is set where `stop when` says so. */
static bool add_metrics(loop *l, enum ingot_part part, journal_record *r, bool *stop, char *error)
{
    const use *u = &l->k.metrics;

    if (!u->entry)
        return true;
    if (l->past[PAST_START].states && part == INGOT_PART_TRAIN)
        feed(l, INGOT_FEED_CHANGE, change(l));
    feed(l, INGOT_FEED_ROWS, (double)l->k.part[part].count);
    if (!use_run(&l->k.metrics, &l->feeds, error))
        return false;
    take_numbers(l, u, r);
    for (int32_t i = 0; i < use_results(u); i++)
        if (u->entry->outputs[i].dtype == TENSOR_BOOL && use_result(u, i) != 0)
            *stop |= part == (strcmp(u->entry->outputs[i].name, "stop") ? INGOT_PART_VALID
                                                                        : INGOT_PART_TRAIN);
    return true;
}

/* Rows that are not trained on: their metrics, after `epoch`. */
static bool evaluate(loop *l, enum ingot_part part, int64_t epoch, journal_record *r, bool *stop,
                     char *error)
{
    *r = journal_blank(l->at.step, epoch, (int32_t)part);
    clear_sums(l);
    feed(l, INGOT_FEED_ROWS, (double)l->k.part[part].count);
    return block_eval(&l->k, part, &l->feeds, error) &&
           add_metrics(l, part, r, stop, error);
}

static bool has_part(const loop *l, enum ingot_part part)
{
    return l->k.part[part].count && use_exists(&l->k.b->eval);
}

/* ---- what is waited for -------------------------------------------------------------- */

/* A value that is no number is not better than any. */
static bool is_better(double v, double best, bool higher)
{
    return !isnan(v) && (isnan(best) || (higher ? v > best : v < best));
}

/* Keeps the states where a metric was best, and counts the epochs since.  The wait that is
 * over after as many as it has patience for; -1: none. */
static int32_t wait_on(loop *l, const journal_record r[2])
{
    int32_t over = -1;

    for (int32_t i = 0; i < l->k.b->patience_count; i++) {
        const struct ingot_train_patience *p = &l->k.b->patience[i];
        place_wait *w = &l->at.wait[i];
        int32_t at = journal_index(&l->j, p->metric);
        double v = at < 0 ? NAN : r[p->part == INGOT_PART_VALID].value[at];
        if (is_better(v, w->best, p->higher)) {
            *w = (place_wait){.best = v};
            keep_states(l, PAST_BEST + i);
        } else if (++w->waited >= p->patience && over < 0) {
            over = i;
        }
    }
    return over;
}

/* A net is as good as it was at its best. */
static void take_best(loop *l, int32_t wait)
{
    const struct ingot_train_patience *p = &l->k.b->patience[wait];
    const place_wait *w = &l->at.wait[wait];
    char what[200];

    snprintf(what, sizeof what, "%s%.80s was not %s for %" PRId64 " epochs",
             p->part == INGOT_PART_VALID ? "valid." : "", p->metric,
             p->higher ? "higher" : "lower", w->waited);
    if (isnan(w->best)) {
        journal_say(&l->j, "%s: it never was a number", what);
        return;
    }
    restore_states(l, PAST_BEST + wait);
    journal_say(&l->j, "%s: the weights are those of epoch %" PRId64 ", with %.6g", what,
                l->at.epoch - w->waited, w->best);
}

/* ---- the end of an epoch ------------------------------------------------------------- */

static void tell_epoch(loop *l, const journal_record r[2])
{
    char what[80], valid[80];

    snprintf(what, sizeof what, "epoch %" PRId64, l->at.epoch);
    journal_line(&l->j, what, &r[0]);
    snprintf(valid, sizeof valid, "%*s", (int)strlen(what), "valid");
    if (has_part(l, INGOT_PART_VALID))
        journal_line(&l->j, valid, &r[1]);
}

/* Metrics of the epoch; l->at.end says whether it was the last. */
static bool measure_epoch(loop *l, bool told, char *error)
{
    journal_record r[2];
    bool stop = false;

    for (int32_t part = 0; part < 2; part++)
        r[part] = journal_blank(l->at.step, l->at.epoch, part);
    mapped_check();
    take_step_numbers(l, &r[0]);
    if (!add_metrics(l, INGOT_PART_TRAIN, &r[0], &stop, error))
        return false;
    journal_add(&l->j, &r[0], seconds(l));
    if (has_part(l, INGOT_PART_VALID)) {
        if (!evaluate(l, INGOT_PART_VALID, l->at.epoch, &r[1], &stop, error))
            return false;
        journal_add(&l->j, &r[1], seconds(l));
    }
    int32_t over = wait_on(l, r);
    if (over >= 0 || stop)
        l->at.end = PLACE_AT_STOP;
    if (told || over >= 0 || stop)
        tell_epoch(l, r);
    if (over >= 0)
        take_best(l, over);
    return true;
}

/* A line for each epoch, of a training with thousands one in a second; what neither a line
 * nor anything else asks for is not measured, for an epoch may be a step of a microsecond. */
static bool end_epoch(loop *l, char *error)
{
    bool last = epochs(l) && l->at.epoch >= epochs(l);
    bool told = last || l->at.epoch == 1 || step_limit(l) || l->telling;

    if (last)
        l->at.end = PLACE_AT_EPOCHS;
    bool measured = told || l->measures;
    if (!team_obey(&l->team, &measured, error) || (measured && !measure_epoch(l, told, error)))
        return false;
    l->k.part[INGOT_PART_TRAIN].checked |= l->whole;
    l->telling = false;
    l->at.epoch++;
    l->at.position = 0;
    return true;
}

static bool run_test(loop *l, char *error)
{
    journal_record r;
    int64_t epoch = l->at.epoch - !l->at.position;      /* the last one with a step */

    l->at.untested = journal_written(&l->j);
    if (!has_part(l, INGOT_PART_TEST))
        return true;
    if (!evaluate(l, INGOT_PART_TEST, epoch, &r, &(bool){false}, error))
        return false;
    journal_add(&l->j, &r, seconds(l));
    journal_line(&l->j, "test", &r);
    return true;
}

/* Short steps are done before other threads are awake.  Results do not depend on threads,
 * so the first steps try both ways: some to warm up, some with all threads, some alone. */
static bool try_threads(loop *l, char *error)
{
    enum { TRIALS = 8, LAST = 3 * TRIALS };
    bool all = l->trial < 2 * TRIALS;

    if (l->trial == LAST || session_threads(l->s) == 1)
        return step(l, error);
    double begun = clock_now();
    block_set_threads(&l->k, all);
    if (!step(l, error))
        return false;
    double took = clock_now() - begun;
    if (l->trial >= TRIALS)
        *(all ? &l->together : &l->alone) = fmin(all ? l->together : l->alone, took);
    if (++l->trial == LAST)
        block_set_threads(&l->k, l->together < l->alone);
    return true;
}

/* A step and, if it was the last of its epoch, the end of that: in between there is no
 * place to go on from. */
static bool advance(loop *l, char *error)
{
    if (!l->at.position)
        begin_epoch(l);
    return try_threads(l, error) &&
           (l->at.position < l->k.part[INGOT_PART_TRAIN].count || end_epoch(l, error));
}

/* The metrics of an epoch's steps so far, where the training ends in its middle. */
static bool tell_steps(loop *l, char *error)
{
    journal_record r = journal_blank(l->at.step, l->at.epoch, JOURNAL_STEP);
    char what[80];
    bool stop = false;

    snprintf(what, sizeof what, "epoch %" PRId64 ", step %" PRId64, l->at.epoch, l->at.step);
    take_step_numbers(l, &r);
    if (!add_metrics(l, INGOT_PART_TRAIN, &r, &stop, error))
        return false;
    return journal_line(&l->j, what, &r), true;
}

/* Does a log, a plot, a page, a wait or a stop need the numbers of every epoch? */
static bool measures(const loop *l)
{
    const struct ingot_entry *e = l->k.metrics.entry;
    bool stops = false;

    for (int32_t i = 0; e && i < e->output_count; i++)
        stops |= e->outputs[i].dtype == TENSOR_BOOL;
    return l->j.log_path || l->j.keeps || l->k.b->patience_count || stops;
}

/* One block, from l->at to its end or a limit.  States are saved on every way out
 * but failure: numbers that are none would overwrite good ones. */
loop_end loop_run(loop *l, char error[TENSOR_ERROR_SIZE])
{
    feed(l, INGOT_FEED_SEED, (double)l->at.seed);
    feed(l, INGOT_FEED_STEPS, (double)steps(l));
    l->trial = 0;
    l->together = l->alone = INFINITY;
    l->measures = measures(l);
    if (loop_at_epochs(l))
        l->at.end = PLACE_AT_EPOCHS;
    begin_epoch(l);
    while (l->at.end == PLACE_GOES_ON && !l->checked && !step_limit(l)) {
        if (!advance(l, error))
            return LOOP_FAILED;
        bool goes_on = l->at.end == PLACE_GOES_ON;      /* an end is saved behind its test */
        if (goes_on && (--l->until_look <= 0 || steps_are_due(l)))
            look_around(l);
        if (!agree(l, error))
            return LOOP_FAILED;
    }
    bool done = l->at.end != PLACE_GOES_ON;
    bool saved = done || loop_save(l, error);   /* before a test uses the sums of the epoch */
    bool leaves = interrupt_seen() && !done;    /* by now a process alone may have seen it */
    if (!team_all_well(&l->team, saved, error) || !team_obey(&l->team, &leaves, error) ||
        (!done && l->k.last && l->at.position && !tell_steps(l, error)))
        return LOOP_FAILED;
    if (leaves) {
        interrupt_join();
        return LOOP_INTERRUPTED;
    }
    if (!run_test(l, error))
        return LOOP_FAILED;
    return done ? LOOP_DONE : LOOP_STOPPED;
}
