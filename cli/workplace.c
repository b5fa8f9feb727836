/* cli/workplace.c - where a build works. */
#include "workplace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "options.h"

static const char *const names[WORK_FILES] = {
    [WORK_KERNELS] = "kernels.o",     [WORK_WEIGHTS] = "weights.bin",
    [WORK_BLOB] = "weights.s",        [WORK_BLOB_OBJECT] = "weights.o",
    [WORK_SOURCE] = "library.c",      [WORK_SOURCE_OBJECT] = "library.o",
    [WORK_WHOLE] = "model.o",         [WORK_HEADER] = "model.h",
    [WORK_OUT] = "out",
};

bool workplace_open(workplace *w, const char *out)
{
    const char *refused = partial_refused(out);

    *w = (workplace){0};
    if (refused)
        return cli_wrong("%s: %s", out, refused);
    if (asprintf(&w->folder, "%s%s.XXXXXX", *out == '-' ? "./" : "", out) < 0)
        return cli_wrong("no memory");
    if (!mkdtemp(w->folder)) {
        int why = errno;
        free(w->folder);
        w->folder = NULL;
        return cli_wrong("%s: cannot be written: %s", out, strerror(why));
    }
    w->slot[WORK_FILES] = cleanup_path(w->folder);
    for (int i = 0; i < WORK_FILES; i++) {
        if (asprintf(&w->file[i], "%s/%s", w->folder, names[i]) < 0)
            return cli_wrong("no memory");
        w->slot[i] = cleanup_path(w->file[i]);
    }
    return true;
}

void workplace_close(workplace *w)
{
    for (int i = 0; i < WORK_FILES; i++) {
        if (!w->file[i])
            continue;
        unlink(w->file[i]);
        cleanup_done(w->slot[i]);
        free(w->file[i]);
    }
    if (w->folder) {
        rmdir(w->folder);
        cleanup_done(w->slot[WORK_FILES]);
    }
    free(w->folder);
    *w = (workplace){0};
}

static void say_command(char *const *argv)
{
    for (int i = 0; argv[i]; i++)
        fprintf(stderr, "%s%s", i ? " " : "", argv[i]);
    fputc('\n', stderr);
}

bool workplace_run(const workplace *w, char *const *argv)
{
    enum { NO_PROGRAM = 127 };
    int status;

    if (w->verbose)
        say_command(argv);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);          /* so that an interruption ends its children too */
        cleanup_forget();
        execvp(argv[0], argv);
        _exit(NO_PROGRAM);
    }
    if (pid < 0)
        return cli_wrong("%s: %s", argv[0], strerror(errno));
    setpgid(pid, pid);
    int slot = cleanup_group(pid);
    pid_t ended = waitpid(pid, &status, 0);
    cleanup_done(slot);
    if (ended < 0)
        return cli_wrong("%s: %s", argv[0], strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM)
        return cli_wrong("the program '%s', which is needed, cannot be run", argv[0]);
    return (WIFEXITED(status) && !WEXITSTATUS(status)) || cli_wrong("%s failed", argv[0]);
}

bool workplace_publish(const workplace *w, workplace_file f, const char *path)
{
    return !rename(w->file[f], path) ||
           cli_wrong("%s: cannot be written: %s", path, strerror(errno));
}
