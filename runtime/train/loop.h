/* runtime/train/loop.h - epochs and steps of a block, and what happens between them. */
#ifndef INGOT_TRAIN_LOOP_H
#define INGOT_TRAIN_LOOP_H

#include "block.h"
#include "checkpoint.h"
#include "journal.h"
#include "page.h"
#include "trainer.h"

/* PAST_START: for `change`.  PAST_BEST + i: of wait i. */
enum { PAST_START, PAST_BEST, CHECKPOINT_PASTS = PAST_BEST + PLACE_WAITS };

/* A state that begins at zero with each epoch. */
typedef struct loop_sum {
    void *at;
    size_t bytes;
} loop_sum;

/* A training at work. */
typedef struct loop {
    const trainer_options *o;
    const struct ingot_trainer *t;
    session *s;
    checkpoint file;                /* no path: nothing is saved */
    place at;
    journal j;
    page report;
    block k;                        /* the block at hand */
    order rows;                     /* of the epoch */
    checkpoint_past past[CHECKPOINT_PASTS]; /* as the epoch began; best for each `stop after` */
    use_feeds feeds;
    loop_sum *sum;                  /* all states of that role */
    int32_t sums;
    team team;
    void *step_states;              /* of several processes, the first's, as the step began */
    place step_at;
    double begun, saved, looked;    /* clock, seconds: `at.seconds` before begun are done */
    int64_t saved_step, tried_step; /* of the last checkpoint; of the last try, in this block */
    bool save_failed;               /* the last try did, which was told */
    int64_t pause, until_look;      /* steps from look to look, and to the next */
    int32_t trial;                  /* steps by which it is found out whether threads help */
    double together, alone;         /* seconds of the fastest step with and without */
    bool checked;                   /* the time is up, or an interrupt came */
    bool whole;                     /* the epoch began in this process */
    bool measures, telling;         /* every epoch's numbers are wanted; those of the next */
} loop;

/* Why a block ended; LOOP_DONE: l->at.end says how. */
typedef enum loop_end { LOOP_DONE, LOOP_STOPPED, LOOP_INTERRUPTED, LOOP_FAILED } loop_end;

/* An epoch may be a step of a microsecond: what it begins with is found once. */
bool loop_find_sums(loop *l, char error[TENSOR_ERROR_SIZE]);
/* Trains the block that l->k has open, from the place l->at.  LOOP_STOPPED: --steps or
 * --time ended it.  LOOP_FAILED after a message in `error`. */
loop_end loop_run(loop *l, char error[TENSOR_ERROR_SIZE]);
/* Has the block that is open all its epochs behind it? */
bool loop_at_epochs(const loop *l);
/* Writes a checkpoint of the place at hand, if there is a file for it. */
bool loop_save(loop *l, char error[TENSOR_ERROR_SIZE]);
/* Writes one of the place where the step began in which another process was lost. */
bool loop_save_step(loop *l, char error[TENSOR_ERROR_SIZE]);

#endif
