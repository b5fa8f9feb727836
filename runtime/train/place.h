/* runtime/train/place.h - where a training stands between two steps, and how a checkpoint
 * notes it.  With the states it is all that a training needs to go on: the order of rows
 * and the random numbers are functions of seed, epoch and step. */
#ifndef INGOT_TRAIN_PLACE_H
#define INGOT_TRAIN_PLACE_H

#include <stdbool.h>

#include "tensor_safetensors.h"

/* So many `stop after` a block may have. */
enum { PLACE_WAITS = 8 };

/* One `stop after`: the metric it waits for, so far. */
typedef struct place_wait {
    double best;                    /* NaN: there was no value yet */
    int64_t waited;                 /* epochs since */
} place_wait;

/* The first `size` bytes of a log, and the hash of them: a log of another training, which
 * must not be cut, is known by it. */
typedef struct place_log {
    int64_t size;
    uint64_t hash;
} place_log;

typedef enum place_end {
    PLACE_GOES_ON,
    PLACE_AT_EPOCHS,                /* all epochs are done: with more of them it goes on */
    PLACE_AT_STOP                   /* a `stop` ended it */
} place_end;

/* What the states of `fit` blocks are. */
typedef enum place_fit {
    PLACE_NOT_FITTED,
    PLACE_FITTED,                   /* filled from the rows of the block at hand */
    PLACE_FIT_GIVEN                 /* of a file: no block fits them */
} place_fit;

/* Where a training stands.  Example: `step` 130, `epoch` 3 and `position` 320 of a block with
 * batches of 32: the third epoch has had ten batches. */
typedef struct place {
    int64_t block, turn;            /* index in the program; among those to be run */
    int64_t step, epoch;            /* done in this block; at hand, from 1 */
    int64_t position;               /* rows of the epoch that were used */
    int64_t seed, batch, rows;      /* what the order of rows depends on */
    int64_t data;                   /* block_fingerprint of them */
    bool bytewise;                  /* that is of hash_more */
    int64_t fit, end;               /* place_fit, place_end */
    place_wait wait[PLACE_WAITS];
    place_log log, untested;        /* so far; before the row of the block's test */
    double seconds;                 /* of training; in a file 0 unless it was limited */
} place;

/* A place at the first step of a block. */
place place_begin(int64_t block, int64_t turn, int64_t seed, place_fit fit);

/* Whole numbers are decimal and real ones hexadecimal, so that they come back as they
 * were. */
enum { PLACE_NOTES = 15, PLACE_NOTE_SIZE = 320 };
typedef struct place_notes {
    char text[PLACE_NOTES][PLACE_NOTE_SIZE];
} place_notes;

/* Writes the place to note[0 .. PLACE_NOTES); the values are in `notes`. */
void place_write(const place *p, place_notes *notes, safetensors_note *note);
/* False if a note is missing or is none. */
bool place_read(const safetensors *f, place *p);

#endif
