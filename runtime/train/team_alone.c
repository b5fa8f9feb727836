/* runtime/train/team_alone.c - a training in one process. */
#include "team.h"

#include <stdlib.h>

bool team_open(team *t, const volatile sig_atomic_t *stop)
{
    *t = (team){.count = 1, .stop = stop};
    return true;
}

/* Of a trainer for one process, each that mpirun starts is a training of its own. */
const char *team_hint(void)
{
    const char *started = getenv("OMPI_COMM_WORLD_SIZE");

    return started && atoi(started) > 1 ? "; mpirun starts trainers that `ingot train --shards N "
                                          "--mpi` has made"
                                        : "";
}

void team_close(team *t)
{
    (void)t;
}

bool team_send(team *t, int to, const void *data, size_t size)
{
    (void)t, (void)to, (void)data, (void)size;
    return false;
}

bool team_receive(team *t, int from, void *data, size_t size)
{
    (void)t, (void)from, (void)data, (void)size;
    return false;
}

bool team_share(team *t, void *data, size_t size)
{
    (void)t, (void)data, (void)size;
    return true;
}

bool team_join(team *t, unsigned *bits)
{
    (void)t, (void)bits;
    return true;
}
