/* runtime/train/team.c - what processes tell each other on their way. */
#include "team.h"

#include "tensor_file.h"

bool team_misses(char *error)
{
    return tensor_fail(error, "another process of the training was lost");
}

bool team_all_well(team *t, bool ok, char *error)
{
    enum { FIRST = 1, OTHER = 2, ELSEWHERE = 4 };       /* who has a message */
    unsigned bits = ok ? 0 : !*error ? ELSEWHERE : t->rank ? OTHER : FIRST;

    if (t->count == 1 || t->lost)
        return ok;
    if (!team_join(t, &bits))
        return team_misses(error);
    if (bits && (ok || (t->rank && bits & FIRST)))
        *error = 0;
    return !bits;
}

bool team_obey(team *t, bool *what, char *error)
{
    return team_share(t, what, sizeof *what) || team_misses(error);
}
