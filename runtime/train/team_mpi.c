/* runtime/train/team_mpi.c - a training in the processes that `mpirun` has started.
 *
 * `ingot train --mpi` compiles this file, with the mpicc that is there.  Only bytes are moved:
 * sums are made by shard.c, so that their bits do not depend on the library.  Where a process
 * dies, mpirun ends the others, by SIGTERM and a second later by force.  In between the first
 * process gives up what it waits for, and has the time to write a checkpoint; the others have
 * nothing to save, and wait on. */
#include <mpi.h>
#include <sched.h>
#include <time.h>

#include "team.h"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for a request; the status of what began it. */
static bool wait_for(team *t, int status, MPI_Request *r)
{
    const double patience = 0.3;
    double stopped = 0;
    int done = 0;

    while (status == MPI_SUCCESS && !done) {
        status = MPI_Test(r, &done, MPI_STATUS_IGNORE);
        if (done)
            break;
        if (*t->stop && !t->rank && !stopped)
            stopped = now();
        if (stopped && now() - stopped > patience)
            status = MPI_ERR_OTHER;
        sched_yield();
    }
    t->lost = status != MPI_SUCCESS;
    return !t->lost;
}

bool team_open(team *t, const volatile sig_atomic_t *stop)
{
    int provided;

    *t = (team){.count = 1, .stop = stop};
    return MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) == MPI_SUCCESS &&
           MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN) == MPI_SUCCESS &&
           MPI_Comm_rank(MPI_COMM_WORLD, &t->rank) == MPI_SUCCESS &&
           MPI_Comm_size(MPI_COMM_WORLD, &t->count) == MPI_SUCCESS;
}

const char *team_hint(void)
{
    return "";
}

void team_close(team *t)
{
    if (!t->lost)
        MPI_Finalize();
}

/* MPI counts in int. */
enum { PART = 1 << 30, TAG = 0 };

static int part(size_t left)
{
    return left < PART ? (int)left : PART;
}

bool team_send(team *t, int to, const void *data, size_t size)
{
    for (size_t at = 0; at < size && !t->lost; at += PART) {
        MPI_Request r;
        int begun = MPI_Isend((const char *)data + at, part(size - at), MPI_BYTE, to, TAG,
                              MPI_COMM_WORLD, &r);
        wait_for(t, begun, &r);
    }
    return !t->lost;
}

bool team_receive(team *t, int from, void *data, size_t size)
{
    for (size_t at = 0; at < size && !t->lost; at += PART) {
        MPI_Request r;
        int begun = MPI_Irecv((char *)data + at, part(size - at), MPI_BYTE, from, TAG,
                              MPI_COMM_WORLD, &r);
        wait_for(t, begun, &r);
    }
    return !t->lost;
}

bool team_share(team *t, void *data, size_t size)
{
    for (size_t at = 0; at < size && !t->lost; at += PART) {
        MPI_Request r;
        int begun = MPI_Ibcast((char *)data + at, part(size - at), MPI_BYTE, 0, MPI_COMM_WORLD,
                               &r);
        wait_for(t, begun, &r);
    }
    return !t->lost;
}

bool team_join(team *t, unsigned *bits)
{
    MPI_Request r;
    unsigned own = *bits;

    if (t->lost)
        return false;
    int begun = MPI_Iallreduce(&own, bits, 1, MPI_UNSIGNED, MPI_BOR, MPI_COMM_WORLD, &r);
    return wait_for(t, begun, &r);
}
