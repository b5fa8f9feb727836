/* runtime/train/journal.h - what a training tells: a line of progress, a log as CSV, a
 * plot of its curves.
 *
 * A record is a row of numbers at one place of the training: after some steps those of
 * the last one, after an epoch the metrics of a part.  Steps count from 1 in each block: those
 * of a block stand behind those of the blocks before it. */
#ifndef INGOT_TRAIN_JOURNAL_H
#define INGOT_TRAIN_JOURNAL_H

#include <stdio.h>

#include "place.h"
#include "session.h"
#include "train_abi.h"

/* JOURNAL_STEP: a part of its own, behind those of the data. */
enum { JOURNAL_NAMES = 64, JOURNAL_STEP = 3, JOURNAL_PARTS };
extern const char *const journal_part[JOURNAL_PARTS];   /* their names */

typedef struct journal_record {
    int64_t step, epoch;
    int64_t before;                 /* steps of the blocks before it; set when it is kept */
    int32_t block;                  /* of the program */
    int32_t part;                   /* enum ingot_part, or JOURNAL_STEP */
    float value[JOURNAL_NAMES];     /* NaN where there is none */
    bool given[JOURNAL_NAMES];      /* .. which a number that was computed may be, too */
} journal_record;

/* What is kept of a part's records: of each block every 2^thinned-th that was made, and the
 * last; `made` are those of the block at hand. */
typedef struct journal_curve {
    int64_t made, kept;
    int thinned;
} journal_curve;

/* The log of a training and the records for its curves.  Example: names loss, accuracy; a
 * record of part VALID at step 400 has their values on the validation's rows. */
typedef struct journal {
    const struct ingot_trainer *t;
    const char *log_path, *plot_path;
    FILE *log;
    place_log written, kept;        /* of the log: all, and what surely is in the file */
    bool log_blocks;                /* it has a column for the name of the block */
    double seconds;                 /* of the training, by what the log had as it was opened */
    int log_lost;                   /* why it could not be written any more: errno */
    const char *name[JOURNAL_NAMES]; /* of all numbers; the first is the loss */
    int32_t names;
    int32_t block;                  /* whose numbers come */
    journal_record *record;         /* for plot and page, those of a part in their order */
    int64_t records;
    int64_t before, newest;         /* steps of the blocks before that of the newest one; its own */
    journal_curve curve[JOURNAL_PARTS];
    bool keeps;                     /* records, for a plot or a page */
    bool quiet, terminal, drawn;    /* drawn: a line of progress stands on the terminal */
    double begun, told;             /* seconds of the clock */
} journal;

/* Opens the log: anew, or, when a training goes on, cut back to where it was in `at`; a file
 * of another training is refused.  Null paths for what is not wanted.  `keeps`: records are
 * kept for the caller, those of the log too, as they are for a plot.  False with a message. */
bool journal_open(journal *j, const struct ingot_trainer *t, const struct ingot_model *m,
                  const char *log, const char *plot, bool keeps, const place_log *at,
                  char error[TENSOR_ERROR_SIZE]);
/* The log so far, all of it on the disk, as the checkpoint will be that names it; without a
 * log, what it was as the journal was opened.  A log that cannot be written is told, and ends
 * where it is. */
place_log journal_written(journal *j);
/* The log so far, wherever it is. */
place_log journal_mark(const journal *j);
/* The index of a number's name; -1 if the program has none such. */
int32_t journal_index(const journal *j, const char *name);
/* Gives the record a number, if the journal has its name. */
void journal_put(const journal *j, journal_record *r, const char *name, double value);
/* A row of numbers of the block j->block; `seconds` of training so far. */
void journal_add(journal *j, const journal_record *r, double seconds);
/* The last record of a part among those that are kept; null: there is none. */
journal_record *journal_last(const journal *j, int32_t part);
/* The next record behind r of its part; null: there is none. */
const journal_record *journal_next(const journal *j, const journal_record *r);
/* Empty numbers. */
journal_record journal_blank(int64_t step, int64_t epoch, int32_t part);

/* Tells how far the training is, from time to time: `share` of the epoch, 0 to 1, with
 * `epochs` in all, or 0 where nobody knows; `rate` rows (or steps) a second. */
void journal_progress(journal *j, const journal_record *r, int64_t epochs, double share,
                      double rate, const char *unit);
/* A line of words. */
void journal_say(journal *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line that stays: the numbers of a part at the end of an epoch. */
void journal_line(journal *j, const char *what, const journal_record *r);
/* Closes the log and draws the plot.  False with a message. */
bool journal_close(journal *j, char error[TENSOR_ERROR_SIZE]);

/* Draws the curves as SVG: one diagram for each number, a line for each part. */
bool plot_write(const journal *j, FILE *f);

#endif
