/* codegen/lower/schedules.h - schedules by the problem that they solve, as a text:
 *
 *   dot m=1024 n=1024 k=1024 f32 const schedule{rows=6 vectors=4 lanes=16 parts=1 pack=1}
 *
 * What stands before `schedule` names the problem, in the words of its template and of
 * problem_print; an extent that only the run knows is `?`.  `#` begins a comment.  A
 * compilation lists what it chose; the list, edited, replaces the choice of the next. */
#ifndef INGOT_SCHEDULES_H
#define INGOT_SCHEDULES_H

#include "diag.h"
#include "schedule.h"

typedef struct schedules_entry {
    const char *problem;
    schedule s;
    ir_loc at;                  /* in the text that it was read from */
    bool used;                  /* the model has such a problem */
    const char *fault;          /* why it cannot be followed, which was reported */
} schedules_entry;

typedef struct schedules {
    arena mem;
    names problems;             /* to positions in entry */
    VEC(schedules_entry) entry;
    const char *text;           /* that was parsed; null: none */
} schedules;

void schedules_free(schedules *l);
/* Reads entries of a text that outlives l; `file` is its place.  False and a message
 * on bad text, or when a problem comes twice. */
bool schedules_parse(schedules *l, const char *text, uint32_t file, diag *d);
void schedules_print(const schedules *l, text *out);

/* Null if there is none for the problem. */
schedules_entry *schedules_find(const schedules *l, const char *problem);
/* Adds one, unless the problem has one. */
void schedules_add(schedules *l, const char *problem, const schedule *s, ir_loc at);
/* Reports that an entry cannot be followed: false. */
bool schedules_error(const schedules_entry *e, const char *why, diag *d);
/* Were all entries used?  Else false, and one message with the first and the number of those
 * that were not: a list for another model has hundreds. */
bool schedules_used(const schedules *l, diag *d);

#endif
