/* passes/plan_repeat.h - an entry's steps as units that may run again.
 *
 * A unit is a group with all its calls, or any one other step.  A piece is a
 * value in a slot of its own that a unit makes and later units read; pieces are
 * numbered like the values of the plan.  Example, y = dot(exp(x), w), z = y + y:
 * three units; exp and dot are pieces, used by units {1} and {2}. */
#ifndef INGOT_PLAN_REPEAT_H
#define INGOT_PLAN_REPEAT_H

#include "planner.h"

typedef struct piece_list {
    uint32_t n;
    uint32_t *at;
} piece_list;

/* Steps from .. to - 1.  In the example unit 1, the dot, has read = {exp's piece}, made =
 * {the dot's}, and may run again as long as the first is there. */
typedef struct plan_unit {
    uint32_t from, to;          /* its steps */
    piece_list read, made;
    piece_list own;             /* slots that no other unit touches */
    int64_t room;               /* bytes of `own` at once */
    int64_t cost;               /* of a run, in some cycles */
    bool again;                 /* may it run again? */
} plan_unit;

typedef struct plan_piece {
    int64_t size;               /* bytes */
    uint32_t maker;             /* unit; PLAN_NONE: the value is no piece */
    piece_list use;             /* units that read it, in order */
    uint32_t until;             /* last unit in front of which the maker may run again */
    bool firm;                  /* is there from its first to its last use */
} plan_piece;

typedef struct plan_units {
    arena mem;
    VEC(plan_unit) unit;
    plan_piece *piece;          /* by value */
    uint32_t values;            /* of the plan as it was */
    plan_block old;             /* the steps, in the order of the function */
} plan_units;

/* Of the steps of pl->e, whose values' lives are known.  They are the caller's to free. */
void plan_units_find(planner *pl, plan_units *out);
void plan_units_free(plan_units *u);

/* Adds to `out` an order of those steps in which at most `budget` bytes of slots are in
 * use at once: units run again in front of those that read what was given up.  False: none
 * was found. */
bool plan_repeat(planner *pl, const plan_units *u, int64_t budget, plan_block *out);

#endif
