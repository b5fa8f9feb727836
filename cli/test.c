/* cli/test.c - `ingot test`: cases in the form of the ONNX backend tests, each
 * in a child, so that a crash or a hang is one failed case. */
#include <errno.h>
#include <float.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "command.h"
#include "json.h"
#include "progress.h"
#include "report.h"
#include "test_case.h"
#include "thread.h"
#include "visible.h"

/* A folder and what came of it. */
typedef struct test_case {
    char *folder;
    test_outcome result;
    char *reason;
    double seconds;
} test_case;

/* The command line, and the cases that were found. */
typedef struct test_options {
    model_options model;
    test_settings s;
    long long timeout, jobs, threads;
    const char *json;
    VEC(const char *) folders;
    VEC(test_case) cases;
} test_options;

static const char *const outcome[OUTCOMES] = {
    [PASSED] = "passed", [FAILED] = "failed", [SKIPPED] = "skipped", [MISUSED] = "failed"};

static bool is_failure(const test_case *c)
{
    return c->result == FAILED || c->result == MISUSED;
}

/* Adds a folder that is a case, or the cases in it, no deeper than the suites have
 * them.  Half a case is added too: it must fail, and not be passed over. */
static bool add_cases(test_options *o, const char *folder, int depth)
{
    enum { DEEPEST = 3 };
    int count;
    uint32_t before = o->cases.len;
    struct stat st;

    if (stat(folder, &st) || !S_ISDIR(st.st_mode))
        return cli_wrong("%s: %s", folder,
                         errno == ENOENT ? "no such folder" : "is no folder that can be read");
    if (test_is_case(folder, o->s.file != NULL)) {
        vec_push(&o->cases, (test_case){.folder = strdup(folder)});
        return true;
    }
    char **names = test_list(folder, "", &count);
    for (int i = 0; i < count && depth < DEEPEST; i++) {
        char *inner;
        if (asprintf(&inner, "%s/%s", folder, names[i]) > 0 && !stat(inner, &st) &&
            S_ISDIR(st.st_mode))
            add_cases(o, inner, depth + 1);
        free(inner);
    }
    test_list_free(names, count);
    if (o->cases.len == before && !o->s.file && test_is_half(folder))
        vec_push(&o->cases, (test_case){.folder = strdup(folder)});
    return true;
}

/* ---- children -------------------------------------------------------------------------------- */

/* A child that runs a case. */
typedef struct worker {
    pid_t pid;
    int fd;
    uint32_t index;
    int slot;               /* of cleanup.h */
    double start;
    text said;
} worker;

/* Runs a case and says on fd why it fails.  What ends the process speaks on stderr,
 * which is led to fd too. */
static _Noreturn void child(const test_options *o, const char *folder, int fd,
                            const sigset_t *before)
{
    enum { MOST = 4000 };
    text why = {0};

    cleanup_forget();
    setpgid(0, 0);
    cleanup_release(before);
    if (!o->model.verbose)
        dup2(fd, STDERR_FILENO);
    test_outcome r = test_case_run(&o->s, folder, &why);
    if (why.len && write(fd, why.at, why.len > MOST ? MOST : why.len) < 0)
        _exit(FAILED);
    _exit(r);
}

/* The child is the head of a group of its own, so that an interruption or a timeout
 * ends what it has started, too. */
static bool start(test_options *o, uint32_t index, worker *w)
{
    int fd[2];
    sigset_t before;

    if (pipe(fd))
        return false;
    fflush(NULL);
    cleanup_hold(&before);
    *w = (worker){.pid = fork(), .fd = fd[0], .index = index, .start = clock_now(), .slot = -1};
    if (w->pid == 0) {
        close(fd[0]);
        child(o, o->cases.at[index].folder, fd[1], &before);
    }
    int why = errno;
    if (w->pid > 0) {
        setpgid(w->pid, w->pid);
        w->slot = cleanup_group(w->pid);
    }
    cleanup_release(&before);
    close(fd[1]);
    if (w->pid > 0)
        return true;
    close(fd[0]);
    w->pid = 0;
    errno = why;
    return false;
}

/* "skipped FOLDER: why (2 cases)", if there is more than one. */
static void say_case(const char *word, const test_case *c, int cases)
{
    printf("%s ", word);
    visible_put(c->folder, stdout);
    fputs(*c->reason ? ": " : "", stdout);
    visible_put(c->reason, stdout);
    if (cases > 1)
        printf(" (%d cases)", cases);
    puts("");
}

static void report(const test_options *o, const test_case *c)
{
    if (is_failure(c) || o->model.verbose)
        say_case(is_failure(c) ? "FAILED" : outcome[c->result], c, 1);
}

/* What a child said, as one line. */
static char *one_line(const text *said)
{
    char *s = strdup(said->at ? said->at : "");
    size_t n = s ? strlen(s) : 0;

    while (n && (s[n - 1] == '\n' || s[n - 1] == ' '))
        s[--n] = 0;
    for (size_t i = 0; i < n; i++)
        s[i] = s[i] == '\n' ? ' ' : s[i];
    return s;
}

/* Exit codes 0 to 2 are outcomes; anything else, and a signal, is a failure. */
static void finish(test_options *o, worker *w, bool late)
{
    test_case *c = &o->cases.at[w->index];
    int status = 0;

    if (late)
        kill(-w->pid, SIGKILL);
    waitpid(w->pid, &status, 0);
    cleanup_done(w->slot);
    close(w->fd);
    c->seconds = clock_now() - w->start;
    c->result = WIFEXITED(status) && WEXITSTATUS(status) < OUTCOMES
                    ? (test_outcome)WEXITSTATUS(status)
                    : FAILED;
    if (late)
        text_add(&w->said, "%sno result within %lld s", w->said.len ? "; " : "", o->timeout);
    else if (WIFSIGNALED(status))
        text_add(&w->said, "%sended by signal %d (%s)", w->said.len ? "; " : "", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (c->result == FAILED && !w->said.len)
        text_add(&w->said, "ended with exit code %d", WEXITSTATUS(status));
    c->reason = one_line(&w->said);
    text_free(&w->said);
    report(o, c);
    w->pid = 0;
}

/* Reads what a child says; true when it has ended. */
static bool drain(worker *w)
{
    char buffer[1024];
    ssize_t n = read(w->fd, buffer, sizeof buffer);

    if (n > 0)
        text_addn(&w->said, buffer, (size_t)n);
    return n <= 0;
}

/* Starts cases while there is room; false if none can be started. */
static bool fill(test_options *o, worker *w, uint32_t *next, uint32_t *open)
{
    for (int i = 0; i < o->jobs && *next < o->cases.len; i++)
        if (!w[i].pid) {
            if (!start(o, *next, &w[i]))
                return *open > 0 || cli_wrong("no process can be started: %s", strerror(errno));
            ++*next, ++*open;
        }
    return true;
}

/* At most `jobs` children at once; a slot whose pid is 0 is free. */
static bool run_all(test_options *o)
{
    worker *w = mem_alloc((size_t)o->jobs * sizeof *w);
    struct pollfd *p = mem_alloc((size_t)o->jobs * sizeof *p);
    uint32_t next = 0, open = 0;
    bool ok = true;

    while (ok && (next < o->cases.len || open)) {
        ok = fill(o, w, &next, &open);
        progress_step("%u of %u cases", next - open, o->cases.len);
        for (int i = 0; i < o->jobs; i++)
            p[i] = (struct pollfd){.fd = w[i].pid ? w[i].fd : -1, .events = POLLIN};
        poll(p, (nfds_t)o->jobs, 200);
        for (int i = 0; i < o->jobs; i++) {
            if (!w[i].pid)
                continue;
            bool ended = (p[i].revents & (POLLIN | POLLHUP)) && drain(&w[i]);
            bool late = !ended && clock_now() - w[i].start > (double)o->timeout;
            if (ended || late)
                finish(o, &w[i], late), open--;
        }
    }
    mem_free(w);
    mem_free(p);
    return ok;
}

/* ---- reports ------------------------------------------------------------------------ */

/* Every case, in the order in which they were found. */
static void print_json(const test_options *o, const int count[OUTCOMES], FILE *f)
{
    fprintf(f, "{\"engine\":\"%s\",\"passed\":%d,\"failed\":%d,\"skipped\":%d,\n \"cases\":[",
            o->s.engine == ENGINE_COMPILED ? "compiled" : "interpreter", count[PASSED],
            count[FAILED] + count[MISUSED], count[SKIPPED]);
    for (uint32_t i = 0; i < o->cases.len; i++) {
        const test_case *c = &o->cases.at[i];
        fprintf(f, "%s\n {\"case\":", i ? "," : "");
        json_write_text(f, c->folder);
        fprintf(f, ",\"result\":\"%s\",\"seconds\":%.3f,\"reason\":", outcome[c->result],
                c->seconds);
        json_write_text(f, c->reason);
        fputc('}', f);
    }
    fputs("\n]}\n", f);
}

/* ---- command line -------------------------------------------------------------------------- */

/* Stores a double that is not below 0. */
static bool set_tolerance(void *to, const cli_option *o, const char *value)
{
    double *out = to;
    char *end;

    *out = strtod(value, &end);
    return (*value && !*end && *out >= 0 && *out <= DBL_MAX) ||
           cli_wrong("%s takes a number from 0 up, not '%s'", o->name, value);
}

static bool add_folder(void *to, const cli_option *o, const char *value)
{
    test_options *t = to;

    (void)o;
    vec_push(&t->folders, value);
    return true;
}

#define AT(field) offsetof(test_options, field)

static const cli_option options[] = {
    {"DIR", NULL, "a case, or a folder of cases", .set = add_folder},
    {"--model", "FILE", "the model of every case (default: model.onnx in its folder)",
     .set = model_set_file, .at = AT(s.file)},
    {"--engine", "NAME", "compiled (default) or interpreter", .set = model_set_engine,
     .at = AT(s.engine)},
    {"--bind", NULL, "take run-time dims from the data", .set = cli_set_flag, .at = AT(s.bind)},
    {"--rtol", "X", "relative tolerance (default: the case's, else 1e-3)", .set = set_tolerance,
     .at = AT(s.rtol)},
    {"--atol", "X", "absolute tolerance (default: the case's, else 1e-7)", .set = set_tolerance,
     .at = AT(s.atol)},
    {"--timeout", "SECONDS", "for each case (default 60)", .set = cli_set_number, .at = AT(timeout),
     .least = 1, .most = 86400},
    {"--jobs", "N", "cases at once (default: the CPUs)", .set = cli_set_number, .at = AT(jobs),
     .least = 1, .most = 256},
    {"--threads", "N", "threads of each case (default 1)", .set = cli_set_number, .at = AT(threads),
     .least = 1, .most = 1024},
    {"--json", "FILE", "write every case's result", .set = cli_set_output, .at = AT(json)},
    {.more = program_weights_rows, .at = AT(model)},
    {.more = code_rows, .at = AT(model)},
    {0}};

/* A folder is a case, or has cases in it, some levels deep. */
static bool find_cases(test_options *o)
{
    bool ok = true;

    for (uint32_t i = 0; i < o->folders.len; i++)
        ok &= add_cases(o, o->folders.at[i], 0);
    return ok && (o->cases.len ||
                  cli_wrong("no test cases: give folders with model.onnx and test_data_set_*"));
}

/* How many cases have the reason of case i; 0 if an earlier one has it. */
static int of_reason(const test_options *o, uint32_t i)
{
    const char *reason = o->cases.at[i].reason;
    int n = 0;

    for (uint32_t k = 0; k < o->cases.len; k++)
        if (o->cases.at[k].result == SKIPPED && !strcmp(o->cases.at[k].reason, reason)) {
            if (k < i)
                return 0;
            n++;
        }
    return n;
}

/* Says why cases were skipped, each reason once, with a case and how many have it. */
static void explain_skips(const test_options *o)
{
    enum { MOST = 20 };
    uint32_t reasons = 0;

    for (uint32_t i = 0; i < o->cases.len; i++) {
        int n = o->cases.at[i].result == SKIPPED ? of_reason(o, i) : 0;
        if (!n || ++reasons > MOST)
            continue;
        say_case("skipped", &o->cases.at[i], n);
    }
    if (reasons > MOST)
        printf("and %u more reasons (-v shows all)\n", reasons - MOST);
}

/* False if a case failed, or none could be run. */
/* CLI_USAGE if a case failed by what the command line says of its model. */
static int run_and_report(test_options *o)
{
    int count[OUTCOMES] = {0};
    partial json;

    o->s.model = o->model.o;
    o->s.threads = (int)o->threads;
    if (!report_open(&json, o->json))
        return CLI_FAILED;
    if (!o->model.verbose)
        progress_start(false);
    bool ran = run_all(o);
    progress_stop();
    for (uint32_t i = 0; i < o->cases.len; i++)
        count[o->cases.at[i].result]++;
    if (ran && o->json)
        print_json(o, count, json.file);
    bool written = report_close(&json, o->json, ran);
    if (ran && !o->model.verbose)
        explain_skips(o);
    if (ran)
        printf("%d passed, %d failed, %d skipped\n", count[PASSED],
               count[FAILED] + count[MISUSED], count[SKIPPED]);
    return count[MISUSED] ? CLI_USAGE : written && !count[FAILED] ? CLI_OK : CLI_FAILED;
}

int command_test(int argc, char **argv)
{
    test_options o = {
        .s = {.rtol = -1, .atol = -1}, .timeout = 60, .jobs = thread_cpus(), .threads = 1};
    int status = cli_parse(argc, argv, "ingot test [OPTIONS] DIR...",
                           "Runs cases in the form of the ONNX backend tests and compares.",
                           options, &o);

    if (!status && !o.folders.len) {
        cli_wrong("no folders given (see ingot test --help)");
        status = CLI_USAGE;
    }
    if (status == CLI_OK)
        status = find_cases(&o) ? run_and_report(&o) : CLI_FAILED;
    for (uint32_t i = 0; i < o.cases.len; i++) {
        free(o.cases.at[i].folder);
        free(o.cases.at[i].reason);
    }
    vec_free(&o.cases);
    vec_free(&o.folders);
    model_options_free(&o.model);
    return status;
}
