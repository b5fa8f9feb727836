/* export/workplace.c - where a build works: a folder beside the output, so that
 * publishing is a rename on one file system.  It is removed at the end, and by an
 * interruption; folders of the output's path that were made for it go, too, if
 * nothing came of them. */
#include "workplace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "file_kind.h"
#include "options.h"
#include "outputs.h"
#include "visible.h"

static const char *const file_name[WORK_FILES] = {
    [WORK_WEIGHTS] = "weights", [WORK_SOURCE] = "library.c", [WORK_SOURCE_OBJECT] = "library.o",
    [WORK_WHOLE] = "model.o",   [WORK_HEADER] = "model.h",   [WORK_LINES] = "model.lp",
    [WORK_OUT] = "out",
};

/* Signals wait: between making the folder and noting it an interruption would leave
 * it behind. */
static bool make_folder(workplace *w)
{
    sigset_t before;

    cleanup_hold(&before);
    bool made = mkdtemp(w->folder) != NULL;
    int why = errno;
    if (made)
        w->slot = cleanup_path(w->folder);
    cleanup_release(&before);
    errno = why;
    return made;
}

static void tell_nobody(const char *fmt, ...)
{
    (void)fmt;
}

char *workplace_stem(const char *out)
{
    const char *base = path_base(out);

    base += !strncmp(base, "lib", 3) && base[3] ? 3 : 0;
    char *stem = strndup(base, strcspn(base, "."));
    if (!stem)
        mem_exhausted();
    return stem;
}

/* Shortens a path to that of the folder which holds it. */
static void to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    *(slash ? slash : path) = 0;
}

/* Makes the folder that the output is to lie in, unless it is there. */
static bool make_parent(workplace *w, const char *out)
{
    char error[TENSOR_ERROR_SIZE];
    char *parent = strdup(out), *there = strdup(out);
    struct stat st;

    if (!parent || !there)
        mem_exhausted();
    to_parent(parent);
    for (to_parent(there); *there && stat(there, &st);)
        to_parent(there);
    w->there = strlen(there);
    free(there);
    w->parent = parent;
    return !parent[w->there] || outputs_make_folder(parent, error) || cli_wrong("%s", error);
}

/* Removes the folders that were made and hold nothing. */
static void drop_empty(workplace *w)
{
    while (strlen(w->parent) > w->there && (!rmdir(w->parent) || errno == ENOENT))
        to_parent(w->parent);
}

/* False after a message; workplace_close is the caller's to call all the same. */
bool workplace_open(workplace *w, const char *out)
{
    const char *refused = partial_refused(out);

    *w = (workplace){.out = out, .step = tell_nobody};
    if (refused)
        return cli_wrong("%s: %s", out, refused);
    if (!make_parent(w, out))
        return false;
    if (asprintf(&w->folder, "%s%s.XXXXXX", *out == '-' ? "./" : "", out) < 0)
        return cli_wrong("no memory");
    if (!make_folder(w)) {
        int why = errno;
        free(w->folder);
        w->folder = NULL;
        return cli_wrong("%s: cannot be written: %s", out, strerror(why));
    }
    for (int i = 0; i < WORK_FILES; i++)
        if (asprintf(&w->file[i], "%s/%s", w->folder, file_name[i]) < 0)
            return cli_wrong("no memory");
    return true;
}

/* Also after a failure: whatever is left in the folder goes, and so do folders that
 * were made for an output that never came to be. */
void workplace_close(workplace *w)
{
    if (w->folder) {
        cleanup_remove(w->folder);
        cleanup_done(w->slot);
    }
    for (int i = 0; i < WORK_FILES; i++)
        free(w->file[i]);
    for (uint32_t i = 0; i < w->object.len; i++)
        free(w->object.at[i]);
    vec_free(&w->object);
    if (w->parent)
        drop_empty(w);
    free(w->parent);
    free(w->folder);
    *w = (workplace){0};
}

/* A path for one more object.  Null after a message. */
const char *workplace_object(workplace *w)
{
    char *path;

    if (asprintf(&path, "%s/kernels.%u.o", w->folder, w->object.len) < 0) {
        cli_wrong("no memory");
        return NULL;
    }
    vec_push(&w->object, path);
    return path;
}

static void say_command(char *const *argv)
{
    for (int i = 0; argv[i]; i++)
        fputs(i ? " " : "", stderr), visible_put(argv[i], stderr);
    fputc('\n', stderr);
}

enum { NO_PROGRAM = 127 };

/* Starts a program in a group of its own, so that an interruption ends its children
 * too.  -1 if it cannot be started; *slot is that of the group in cleanup.h. */
static pid_t start(char *const *argv, int *slot)
{
    sigset_t before;

    fflush(NULL);
    cleanup_hold(&before);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        cleanup_forget();
        cleanup_release(&before);
        execvp(argv[0], argv);
        _exit(NO_PROGRAM);
    }
    if (pid > 0) {
        setpgid(pid, pid);
        *slot = cleanup_group(pid);
    }
    int why = errno;
    cleanup_release(&before);
    errno = why;
    return pid;
}

/* Waits for the program.  What it writes goes to our own output; exit code 127 is
 * what `start` gives where there is no such program. */
bool workplace_run(const workplace *w, char *const *argv)
{
    int status, slot;

    if (w->verbose)
        say_command(argv);
    pid_t pid = start(argv, &slot);
    if (pid < 0)
        return cli_wrong("%s: %s", argv[0], strerror(errno));
    pid_t ended = waitpid(pid, &status, 0);
    int why = errno;
    if (ended < 0 || !WIFEXITED(status))
        kill(-pid, SIGKILL);            /* no process of the group goes on writing */
    cleanup_done(slot);
    if (ended < 0)
        return cli_wrong("%s: %s", argv[0], strerror(why));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM)
        return cli_wrong("the program '%s', which is needed, cannot be run", argv[0]);
    return (WIFEXITED(status) && !WEXITSTATUS(status)) || cli_wrong("%s failed", argv[0]);
}

/* A rename within one file system is atomic: the output is the old one or the new
 * one. */
bool workplace_publish(const workplace *w, workplace_file f, const char *path)
{
    struct stat st;

    if (rename(w->file[f], path) || stat(path, &st))
        return cli_wrong("%s: cannot be written: %s", path, strerror(errno));
    visible_put(path, stdout);
    printf(": %.1f kB\n", (double)st.st_size / 1e3);
    return true;
}
