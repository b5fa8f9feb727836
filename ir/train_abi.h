/* ir/train_abi.h - the record of a training program: what `train` blocks say
 * beside the entries that they become.  It stands beside struct ingot_model: a
 * frontend fills it in, an executable has it as the constant
 * `ingot_artifact_trainer`, and the loop of runtime/train/ obeys it.  Plain C.
 *
 * All mathematics is in entries: an objective with its gradients and updates is
 * one, so is a metric.  The record says which entry to call when, and with what.
 *
 *   init                                 once, unless a checkpoint is resumed
 *   for each block
 *     fits, one after the other          on every batch of the training rows
 *     every epoch
 *       SUM states become zero
 *       step                             on every batch, in an order of the epoch's own
 *       metrics                          reads the SUM states: numbers, and `stop`
 *       the same with `eval` as step, on the rows kept for validation
 *     `eval` and metrics                 at the end, on the rows kept for a test */
#ifndef INGOT_TRAIN_ABI_H
#define INGOT_TRAIN_ABI_H

#include "abi.h"

enum { INGOT_TRAIN_VERSION = 7 };

/* What a state of the model is for. */
enum ingot_role {
    INGOT_ROLE_PARAM = 0,    /* objectives change it; `init` gives its first value   */
    INGOT_ROLE_STATE = 1,    /* of a net or a file, and read when the net is used    */
    INGOT_ROLE_FITTED = 2,   /* .. that `fit` fills, unless it came from a file       */
    INGOT_ROLE_MOMENT = 3,   /* an optimizer's, of no use to anybody else             */
    INGOT_ROLE_KNOB = 4,     /* a number that --set NAME=V changes                    */
    INGOT_ROLE_SUM = 5,      /* metrics are made of it: zeroed as above               */
    INGOT_ROLE_GRADIENT = 6  /* of a step of several pieces: never saved; `apply`
                              * leaves it zero                                        */
};

/* What an input of an entry gets: the column of this index, its rows as first
 * axis, or a scalar, which is converted to the input's element type. */
enum ingot_feed {
    INGOT_FEED_SEED = -1,    /* of the run                                            */
    INGOT_FEED_STEP = -2,    /* from 1 on, in this block; in `init` and `fits` 0      */
    INGOT_FEED_EPOCH = -3,   /* from 1 on                                             */
    INGOT_FEED_STEPS = -4,   /* of the whole block, as far as epochs or --steps tell;
                              * else 0                                                */
    INGOT_FEED_ROWS = -5,    /* rows of this part: training, validation, test         */
    INGOT_FEED_CHANGE = -6,  /* largest change of an element of a parameter in this
                              * epoch; in `metrics` alone                             */
    INGOT_FEED_PIECE = -7    /* of the rows of a step, from 0 on: draws differ from
                              * piece to piece; in `gather` alone                     */
};

/* A use of an entry; `feeds` has an element per input.  A null name: there is none. */
struct ingot_train_call {
    const char *entry;
    int32_t feed_count;
    const int32_t *feeds;
    int32_t write_count;        /* of `gather` and `eval`: the states that it changes  */
    const int32_t *writes;
};

/* One column of the rows that a block is trained on. */
struct ingot_train_column {
    const char *name;
    int32_t dtype, rank;        /* of a row, as entries take it: ONNX number; rank 0 is
                                 * a number a row                                     */
    const int64_t *dims;        /* of a row; all known                                */
    int64_t bound;              /* int<bound>: elements are below; 0: no such bound   */
    int64_t name_count;         /* what element 0, 1, .. stands for: categories of a  */
    const char *const *names;   /* CSV file, or the characters or words of a text     */
    int32_t missing;            /* nonzero: the program knows NaN, so that an empty
                                 * field may be one                                   */
};

enum ingot_part { INGOT_PART_TRAIN = 0, INGOT_PART_VALID = 1, INGOT_PART_TEST = 2 };

/* `data x, t = ..`: where columns come from.  The text is what the language has
 * there, with all configuration replaced by its value:
 *   "images.idx.gz"   "f.csv"["a":"c", "e"]   csv("f.csv", skip = 1)   "f.npz"["key"]
 *   bytes("f")   chars("f", pad = true)   words("f", 5000)
 *   windows(chars("f"), 65, step = 64)   [[0, 0, 0], [0, 1, 1]]
 * A path is relative to the folder of the program when it was compiled, and to the
 * current one when it runs.  A table deals its numbers out to the columns from the left. */
struct ingot_train_source {
    int32_t part, column_count;
    const int32_t *columns;
    const char *text;
};

/* `stop after PATIENCE without lower PART.METRIC`. */
struct ingot_train_patience {
    const char *metric;         /* an output of the block's metrics                   */
    int32_t part, higher;
    int64_t patience;           /* epochs                                             */
};

struct ingot_train_block {
    const char *name;
    int32_t column_count, source_count, patience_count, fit_count, objective_count;
    const struct ingot_train_column *columns;
    const struct ingot_train_source *sources;
    const struct ingot_train_patience *patience;
    const struct ingot_train_call *fits;
    /* Takes a batch, makes all updates of a step and adds to SUM states.  `step` is
     * compiled for `batch` rows, `step_any` for any number; one of them may be missing.
     * Results are numbers for the log: the loss of each objective, then others, such as
     * `lr` and `grad_norm`.  One that is no number ends the training. */
    struct ingot_train_call step, step_any;
    /* With `accumulate` or `shards` above 1, in place of these: for each objective, gather
     * on each piece of the rows, then apply, without columns. */
    const struct ingot_train_call *gather, *apply;
    /* Takes any number of rows, adds to SUM states and changes nothing else. */
    struct ingot_train_call eval;
    /* No columns; results are numbers made of SUM states, the loss first, and of type bool
     * `stop` where the block has `stop when`, `stop.valid` where that has valid.NAME. */
    struct ingot_train_call metrics;
    /* Takes any number of rows, changes nothing: `said`, a number for each row, or a score for
     * each class, or whether it is so, beside `is`.  `judged`: the column that this is made of,
     * or -1. */
    struct ingot_train_call judge;
    int32_t judged;
    int64_t batch, epochs, accumulate;  /* epochs 0: until a stop                     */
    int64_t shards;             /* above 1, where there is `gather`: so many neighbouring
                                 * parts of a step's rows are summed alone, and their
                                 * sums in a fixed tree                               */
    double valid, test;         /* kept from the training rows: a share below 1, or a
                                 * number of rows; 0: none                            */
};

/* An input or output of an entry: what its elements stand for, as in a column; an input of
 * one number may have a value to be taken where none is given. */
struct ingot_train_value {
    int64_t name_count;
    const char *const *names;
    int32_t has_default;
    double value;
};

/* What the program does with the weights, beside training them: `entry`, and each net. */
struct ingot_train_entry {
    const char *entry;
    int32_t net;                /* nonzero: it is one                                 */
    int32_t input_count, output_count;
    const struct ingot_train_value *inputs, *outputs;
    int32_t need_count;         /* states without whose values from a file it computes    */
    const int32_t *needs;       /* nothing: parameters that are drawn, and what is fitted */
};

/* What a checkpoint notes beside the training: `dim.V` is the number that data gave a dim,
 * `names.V` a list of texts, what numbers below it stand for, `"a", "b"`. */
struct ingot_train_note {
    const char *key, *value;
};

struct ingot_trainer {
    uint32_t version;           /* INGOT_TRAIN_VERSION                                */
    const char *program;        /* its name in messages and checkpoints               */
    uint64_t hash;              /* of its text without comments and spaces            */
    int32_t state_count;
    const int32_t *roles;       /* enum ingot_role of each state; a state's name is its
                                 * path, an optimizer's `learn.adam.m/PATH`           */
    struct ingot_train_call init;
    int32_t block_count, entry_count, note_count;
    const struct ingot_train_block *blocks;
    const struct ingot_train_entry *entries;
    const struct ingot_train_note *notes;
    int32_t fixed_count;        /* configs that are compiled in: no --set changes them    */
    const char *const *fixed;
};

#endif
