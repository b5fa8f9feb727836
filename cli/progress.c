/* cli/progress.c - one line on stderr, shown by a timer: what takes less than a
 * second says nothing.  The handler only writes the line that lies ready, so no
 * lock is needed; with -v each step is a line of its own, with its time. */
#include "progress.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* The line is global because a signal handler has no context. */
static char line[256];
static volatile sig_atomic_t length, shown;
static bool on, verbose;
static double begun;

static const char clear[] = "\r\033[K";

/* Only async-signal-safe calls, as the handler runs it. */
static void show(void)
{
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        shown = 0;
}

/* errno must look untouched to whatever was interrupted. */
static void on_alarm(int number)
{
    int before = errno;

    (void)number;
    shown = 1;
    show();
    errno = before;
}

/* A terminal alone gets a line that is drawn over. */
void progress_start(bool say_all)
{
    struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

    on = true;
    verbose = say_all;
    length = 0;
    if (verbose || !isatty(STDERR_FILENO))
        return;
    sigemptyset(&act.sa_mask);
    sigaction(SIGALRM, &act, NULL);
    alarm(1);
}

static void end_step(void)
{
    if (verbose && length)
        fprintf(stderr, "%-40s %8.3f s\n", line + strlen(clear), clock_now() - begun);
    length = 0;
}

/* Ends the step before it. */
void progress_step(const char *fmt, ...)
{
    va_list ap;

    if (!on)
        return;
    end_step();
    strcpy(line, clear);
    va_start(ap, fmt);
    int n = vsnprintf(line + strlen(clear), sizeof line - strlen(clear) - 1, fmt, ap);
    va_end(ap);
    begun = clock_now();
    if (n < 0)
        return;
    if (!verbose)
        strcat(line, "\r");         /* a message that follows covers the line */
    length = (sig_atomic_t)strlen(line);
    if (shown)
        show();
}

/* Before anything else is printed: the line must not stay behind it. */
void progress_stop(void)
{
    end_step();
    alarm(0);
    if (shown && write(STDERR_FILENO, clear, strlen(clear)) < 0)
        shown = 0;
    shown = 0;
    on = false;
}
