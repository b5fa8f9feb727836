/* runtime/train/mapped.c - what becomes of a read behind the end of a mapped file.  A page that
 * the file no longer has cannot be read, the step that wanted it cannot go on, and the handler of
 * a signal can do little: it says which file it was, and removes what the program leaves behind
 * (cleanup.h).  The last checkpoint stays. */
#include "mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

/* Global because a signal handler has no context; a slot without a path is free. */
enum { SLOTS = 256 };
static struct slot {
    _Atomic(char *) path;
    const char *at;
    size_t size;
    int fd;                         /* of the file, whatever has its name by now; -1: unknown */
} slots[SLOTS];

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Only calls that a signal handler may make. */
static _Noreturn void end_for(const char *path)
{
    say(program_invocation_short_name);
    say(": ");
    say(path);
    say(": was cut off, or cannot be read any more, while it was trained on\n");
    cleanup_now();
    _exit(1);
}

/* Another address is a fault of the program: it ends as without a handler. */
static void on_fault(int number, siginfo_t *why, void *context)
{
    const char *at = why->si_addr;

    (void)context;
    for (int i = 0; i < SLOTS; i++) {
        const char *path = atomic_load(&slots[i].path);
        if (path && at >= slots[i].at && (size_t)(at - slots[i].at) < slots[i].size)
            end_for(path);
    }
    signal(number, SIG_DFL);
}

void mapped_note(const void *at, size_t size, const char *path, int fd)
{
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    char *copy = strdup(path);

    for (int i = 0; copy && i < SLOTS; i++)
        if (!atomic_load(&slots[i].path)) {
            slots[i].at = at;
            slots[i].size = size;
            slots[i].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
            atomic_store(&slots[i].path, copy);
            sigaction(SIGBUS, &act, NULL);
            return;
        }
    free(copy);
}

void mapped_forget(const void *at)
{
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].at == at && atomic_load(&slots[i].path)) {
            if (slots[i].fd >= 0)
                close(slots[i].fd);
            free(atomic_exchange(&slots[i].path, NULL));
            return;
        }
}

void mapped_check(void)
{
    struct stat st;

    for (int i = 0; i < SLOTS; i++) {
        const char *path = atomic_load(&slots[i].path);
        if (path && slots[i].fd >= 0 && !fstat(slots[i].fd, &st) &&
            (size_t)st.st_size < slots[i].size)
            end_for(path);
    }
}
