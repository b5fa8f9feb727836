/* runtime/train/team.h - the processes that train together.
 *
 * All of them do the same with the same numbers but for the shards of a step, of which each
 * has its own, and for files, which the first writes alone.  A trainer is linked with
 * team_alone.c, which knows one process, or with team_mpi.c. */
#ifndef INGOT_TRAIN_TEAM_H
#define INGOT_TRAIN_TEAM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct team {
    int rank, count;                    /* this process, from 0 on; of so many */
    const volatile sig_atomic_t *stop;  /* nonzero: nobody waits long any more */
    bool lost;                          /* another process is: nothing is exchanged again */
} team;

/* Joins the others.  False where that cannot be. */
bool team_open(team *t, const volatile sig_atomic_t *stop);
/* What to say where another process is in the way: it may be one of this training, which
 * mpirun has started; "": nothing. */
const char *team_hint(void);
/* Waits for all of them, unless some are lost. */
void team_close(team *t);

/* Each is false if a process is lost, from then on at once. */
bool team_send(team *t, int to, const void *data, size_t size);
bool team_receive(team *t, int from, void *data, size_t size);
/* What the first process has becomes everybody's. */
bool team_share(team *t, void *data, size_t size);
/* Bits that any process has become everybody's. */
bool team_join(team *t, unsigned *bits);

/* ---- what is made of these (team.c) */

/* Have all processes got here, and are all well?  If not, the error is empty where another
 * process tells it. */
bool team_all_well(team *t, bool ok, char *error);
/* What the first process wants, all do.  False with a message. */
bool team_obey(team *t, bool *what, char *error);
/* False with the message that a process is lost. */
bool team_misses(char *error);

#endif
