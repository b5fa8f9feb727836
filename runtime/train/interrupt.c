/* runtime/train/interrupt.c - the handler only notes a signal: the step at hand ends, and a
 * checkpoint is written. */
#include "interrupt.h"

#include <unistd.h>

#include "cleanup.h"

static volatile sig_atomic_t seen;      /* its number */

static void on_signal(int number)
{
    if (seen)
        _exit(128 + number);
    seen = number;
}

const volatile sig_atomic_t *interrupt_catch(void)
{
    struct sigaction act = {.sa_handler = on_signal};

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    cleanup_catch_hangup(&act);
    signal(SIGXFSZ, SIG_IGN);           /* a file too large is a failed write */
    return &seen;
}

int interrupt_seen(void)
{
    return seen;
}

void interrupt_join(void)
{
    if (!seen)
        seen = SIGINT;
}
