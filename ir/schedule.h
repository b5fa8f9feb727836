/* ir/schedule.h - how a kernel goes about its work: the numbers that templates
 * choose by the processor, in one record.
 *
 * The record is printed in the head of the kernel and reads back:
 *   kernel net_k0_dot schedule{rows=6 vectors=4 lanes=16 parts=1 pack=1}(..)
 * A tile is `rows` by `vectors` of `lanes` sums that stay in registers while the
 * products of a panel are added: with 6 rows, 4 vectors and 16 lanes 24
 * registers hold 6 rows of 64 columns. */
#ifndef INGOT_SCHEDULE_H
#define INGOT_SCHEDULE_H

#include "target.h"

enum {
    SCHEDULE_MAX_PARTS = 64,
    SCHEDULE_FETCH_ROWS = 4,    /* the fewest of a tile that gains by fetching panels ahead */
};

typedef struct schedule {
#define SCHEDULE(field, ...) int32_t field;
#include "schedule.def"
} schedule;

/* Columns of a panel. */
static inline int schedule_panel(const schedule *s)
{
    return s->vectors * s->lanes;
}

/* Where the second operand of a product lies. */
typedef enum operand_place {
    OPERAND_CONST,              /* known when the code is made: packed then */
    OPERAND_STORED,             /* its columns are neighbours in memory */
    OPERAND_APART,              /* anywhere else: copied into panels at run time */
} operand_place;

/* What a problem is, by the loops that solve it: KIND(name, readers, what).
 *   readers  names it in the last column of schedule.def
 *   what     names it in messages
 *
 *   PRODUCT    sums of products, of matrices and of what is like them
 *   IMAGE      a convolution
 *   POSITIONS  a convolution whose lanes are positions beside each other
 *   MAP        all elements as one axis, in runs that threads share
 *   NEST       elements in a nest of loops, the last one in vectors
 *   TURN       the same, read along one axis and written along another, in square tiles
 *   COLUMNS    a reduction whose lanes are results beside each other
 *   ROWS       reductions along the lanes, which are folded at the end
 *   BEST       positions of the least or greatest elements
 *   WINDOW     reductions over sliding boxes */
#define PROBLEM_TABLE(KIND, x)                                \
    KIND(PRODUCT, PRODUCTS, "products", x)                    \
    KIND(IMAGE, IMAGES, "convolutions", x)                    \
    KIND(POSITIONS, POSITIONS, "convolutions by positions", x) \
    KIND(MAP, MAPS, "maps", x)                                \
    KIND(NEST, NESTS, "nests", x)                             \
    KIND(TURN, TURNS, "transpositions", x)                    \
    KIND(COLUMNS, COLUMNS, "reductions of columns", x)        \
    KIND(ROWS, ROWS, "reductions of rows", x)                 \
    KIND(BEST, BESTS, "positions of the best", x)             \
    KIND(WINDOW, WINDOWS, "windows", x)

typedef enum problem_kind {
#define KIND(name, ...) PROBLEM_##name,
    PROBLEM_TABLE(KIND, )
#undef KIND
    PROBLEM_KINDS
} problem_kind;

/* Of a PRODUCT or an IMAGE: a sum of products over k for each of `rows` by `columns`
 * results.  Example: a 3x3 convolution of 64 features and outputs has a row of the result's
 * positions for rows, its outputs for columns, and k counts features and taps.  Of the other
 * kinds `columns` are the outputs of each of the POSITIONS, or lie beside the row of a WINDOW or
 * of a BEST, `sums` is the type of what is computed, and `many`, `stride` and `near` say what
 * else the choice depends on. */
typedef struct problem {
    problem_kind kind;
    int64_t rows, columns;      /* -1: known at run time only */
    int64_t row_bytes;          /* of the first operand for one row, in a group; -1: none */
    ir_dtype sums;              /* element type of the sums */
    int lanes;                  /* of a vector; 0: as many as leave the fewest idle */
    operand_place second;
    int64_t height;             /* rows of an image, which chunks cut; -1: known at run time
                                   only; 0: no image, whose rows are in groups */
    bool many;                  /* a row fills its partial results several times */
    int64_t stride;             /* of a window along its row; 0: no window */
    int64_t features;           /* of an image that may be made in squares; 0: it may not */
    bool near;                  /* rows of the first operand are neighbours in memory, or the
                                   tiles of a TURN along the axis that it reads */
    bool by_lanes;              /* the first operand has an element for each lane, not one
                                   for all: a tile is one vector wide */
    bool whole;                 /* sums have too few products to be in parts */
    bool turned;                /* rows of the first operand are neighbours in memory, each k a
                                   row away; more of it than the cache holds */
    bool far_ahead;             /* what a tile reads of the first operand is worth being fetched
                                   ahead */
    bool again;                 /* in a body, mostly of a loop, in which the second operand
                                   stays the same */
} problem;

/* Adds to the name of a problem what the choice depends on beside its template, extents
 * and elements: " apart", or " lanes=8 const whole" where sums are of f32. */
void problem_print(const problem *p, text *out);

/* The schedule that is chosen for it. */
schedule schedule_choose(const target *t, const problem *p);
/* Why the target cannot solve it so, or does not read a field that is set; null if it can
 * and does. */
const char *schedule_fault(const target *t, const problem *p, const schedule *s);

/* Sums of each element in a tile of so many rows: enough to keep the units busy
 * while each multiply-add waits for the one before, if the registers hold them. */
int schedule_parts(const target *t, ir_dtype sums, const schedule *s, int rows);
/* Does an axis of this extent fill the most partial results of so many lanes, in ROWS or a
 * BEST, several times? */
bool schedule_fills(problem_kind kind, int64_t extent, int lanes);
/* Squares of this side that cover an image. */
int64_t schedule_squares(int64_t height, int64_t width, int64_t square);
/* Does a tile of so many rows fetch panels ahead?  One of few rows waits for the panel in
 * any case, and does so only where the schedule has no larger ones. */
static inline bool schedule_fetches(const schedule *s, int rows)
{
    return s->ahead && (rows >= SCHEDULE_FETCH_ROWS || rows >= s->rows);
}
/* Bytes of the second cache that what is read again may fill: half, for the rest is
 * taken by what goes by meanwhile. */
static inline int64_t schedule_cache(const target *t)
{
    return t->l2_bytes / 2;
}

/* Channels that a convolution's result of so many has side by side: a vector of
 * floats where that divides them, else the least block; 0: they stay apart.  Without a
 * target, of any. */
enum { SCHEDULE_LEAST_BLOCK = 8 };
int schedule_block(const target *t, int64_t channels);
/* Does a convolution of so many outputs a group, in plain order, have positions of the last
 * axis, along which it has so many taps, for lanes?  They are neighbours in memory if its
 * stride is 1; outputs that fill half of a vector are as good, and need no more loads than
 * weights. */
bool schedule_by_positions(const target *t, ir_dtype sums, int64_t width, int64_t stride,
                           int64_t taps, int64_t outputs);
/* Elements of a row of floats that half of the second cache holds beside the operands
 * of what is computed with it. */
int64_t schedule_longest_row(const target *t);

/* Does it say nothing, as that of a kernel whose template has no choice? */
bool schedule_is_none(const schedule *s);
/* schedule{..}, its fields that are not 0. */
void schedule_print(const schedule *s, text *out);
/* Reads one at *s, which ends behind it.  Else false: *s is where it is wrong, *want
 * what is expected there. */
bool schedule_parse(const char **s, schedule *out, const char **want);

#endif
