/* runtime/cleanup.c - files under construction, and interruptions.
 *
 * Whoever makes a temporary file, or starts a group of processes, puts it into a
 * slot and takes it out when it is done.  An interruption goes through the slots:
 * it ends the groups first, as they may still write, then removes the files.  A
 * file gets its name by rename only when it is whole, so nobody ever finds half of
 * one. */
#include "cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What is to be removed and ended.  It is global because a signal handler has no
 * context; a slot that holds neither is free. */
enum { SLOTS = 320 };
static _Atomic(const char *) paths[SLOTS];
static _Atomic(pid_t) groups[SLOTS];

/* Gives the leader a second to end in peace; then all of the group is killed. */
static void end_group(pid_t leader)
{
    const struct timespec tick = {.tv_nsec = 10000000};
    bool ended = false;

    for (int i = 0; i < 100 && !ended; i++) {
        ended = waitpid(leader, NULL, WNOHANG) != 0;
        if (!ended)
            nanosleep(&tick, NULL);
    }
    kill(-leader, SIGKILL);
    if (!ended)
        waitpid(leader, NULL, 0);
}

/* Uses the system's call: opendir allocates memory, which a signal handler must not
 * do. */
static void empty_folder(int fd)
{
    union {
        char bytes[4096];
        struct dirent64 aligned;
    } list;
    ssize_t n;

    while ((n = getdents64(fd, list.bytes, sizeof list)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(list.bytes + at);
            unlinkat(fd, e->d_name, 0);
            at += e->d_reclen;
        }
}

/* A file, or a folder with what is in it.  O_NOFOLLOW: a link is removed, and not
 * what it shows.  Called from a signal's handler, so that errno is put back. */
void cleanup_remove(const char *path)
{
    int why = errno, fd = -1;

    if (unlink(path))
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        empty_folder(fd);
        close(fd);
        rmdir(path);
    }
    errno = why;
}

/* Only calls that a signal handler may make. */
void cleanup_now(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&groups[i]))
            kill(-atomic_load(&groups[i]), SIGTERM);
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&groups[i]))
            end_group(atomic_load(&groups[i]));
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&paths[i]))
            cleanup_remove(atomic_load(&paths[i]));
}

/* Exit code 128 + signal is what a shell expects, 130 for an interruption. */
static void on_signal(int number)
{
    cleanup_now();
    _exit(128 + number);
}

static void interruptions(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

void cleanup_hold(sigset_t *before)
{
    sigset_t set;

    interruptions(&set);
    sigprocmask(SIG_BLOCK, &set, before);
}

void cleanup_release(const sigset_t *before)
{
    sigprocmask(SIG_SETMASK, before, NULL);
}

void cleanup_catch_hangup(const struct sigaction *act)
{
    struct sigaction was;

    if (!sigaction(SIGHUP, NULL, &was) && was.sa_handler != SIG_IGN)
        sigaction(SIGHUP, act, NULL);
}

void cleanup_catch_interrupt(void)
{
    struct sigaction act = {.sa_handler = on_signal};

    interruptions(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    cleanup_catch_hangup(&act);
    signal(SIGXFSZ, SIG_IGN);           /* a file too large is a failed write */
}

/* The slot to be given to cleanup_done; -1: all are in use, and the file would
 * stay. */
int cleanup_path(const char *path)
{
    for (int i = 0; i < SLOTS; i++)
        if (!atomic_load(&paths[i]) && !atomic_load(&groups[i])) {
            atomic_store(&paths[i], path);
            return i;
        }
    return -1;
}

int cleanup_group(pid_t leader)
{
    for (int i = 0; i < SLOTS; i++)
        if (!atomic_load(&paths[i]) && !atomic_load(&groups[i])) {
            atomic_store(&groups[i], leader);
            return i;
        }
    return -1;
}

void cleanup_done(int slot)
{
    if (slot < 0)
        return;
    atomic_store(&paths[slot], NULL);
    atomic_store(&groups[slot], 0);
}

void cleanup_forget(void)
{
    for (int i = 0; i < SLOTS; i++)
        cleanup_done(i);
}

/* ---- one file --------------------------------------------------------------------- */

/* Why nothing can be published there; null if it can. */
const char *partial_refused(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return errno == ENOENT ? NULL : strerror(errno);
    return S_ISREG(st.st_mode)   ? NULL
           : S_ISDIR(st.st_mode) ? "is a folder"
                                 : "is not a regular file";
}

static bool is_special(const char *path)
{
    struct stat st;

    return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static void set_temp(partial *p)
{
    size_t size = strlen(p->path) + 32;

    p->temp = malloc(size);
    if (!p->temp)
        return;
    snprintf(p->temp, size, "%s.%ld.part", p->path, (long)getpid());
    p->slot = cleanup_path(p->temp);
}

/* Opens PATH.PID.part beside it, so that the rename stays on one file system.  A
 * device or a pipe is written as it is; errno says what went wrong. */
bool partial_open(partial *p, const char *path)
{
    struct stat st;

    *p = (partial){.path = path, .slot = -1};
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return false;
    }
    if (is_special(path)) {
        p->file = fopen(path, "wb");
        return p->file != NULL;
    }
    set_temp(p);
    p->file = p->temp ? fopen(p->temp, "wb") : NULL;
    return p->file || partial_close(p, false);
}

/* `keep`: the file is whole and gets its name.  errno is that of the first failure. */
bool partial_close(partial *p, bool keep)
{
    bool ok = p->file && keep && !ferror(p->file);
    int why = errno;

    if (p->file && fclose(p->file)) {
        why = errno;
        ok = false;
    }
    if (ok && p->temp && rename(p->temp, p->path)) {
        why = errno;
        ok = false;
    }
    if (!ok && p->file && p->temp)
        unlink(p->temp);
    cleanup_done(p->slot);
    free(p->temp);
    *p = (partial){.slot = -1};
    errno = why;
    return ok;
}

bool partial_write(const char *path, const void *bytes, size_t size)
{
    partial p;
    bool ok = partial_open(&p, path) && fwrite(bytes, 1, size, p.file) == size;

    return partial_close(&p, ok);
}

/* Tried by opening and dropping a file: whether there is room nobody can know. */
bool partial_possible(const char *path)
{
    partial p;

    if (is_special(path))
        return true;
    bool ok = partial_open(&p, path);
    partial_close(&p, false);
    return ok;
}
