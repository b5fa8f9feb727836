/* cli/test.c - `ingot test`: folders in the form of the ONNX backend tests.
 *
 * A case is a folder with model.onnx (or --model) and test_data_set_*; a
 * folder of such folders stands for all of them.  Each case runs in a child
 * process, so that a crash or a hang is one failed case. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

typedef enum outcome { PASSED, FAILED, SKIPPED } outcome;

typedef struct test_case {
    char *folder;
    outcome result;
    char *reason;
    double seconds;
} test_case;

typedef struct test_options {
    model_options model;
    const char *file;           /* --model */
    ingot_engine_kind engine;
    bool bind, verbose;
    double rtol, atol;          /* < 0: as the case says */
    long long timeout, jobs, threads;
    const char *json;
    VEC(test_case) cases;
} test_options;

/* ---- finding cases ----------------------------------------------------------------- */

static bool exists(const char *folder, const char *name)
{
    char *path;
    bool found = asprintf(&path, "%s/%s", folder, name) > 0 && !access(path, R_OK);

    free(path);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder, sorted; those of a prefix. */
static char **list(const char *folder, const char *prefix, int *count)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    VEC(char *) names = {0};

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && !strncmp(e->d_name, prefix, strlen(prefix)))
            vec_push(&names, strdup(e->d_name));
    if (d)
        closedir(d);
    *count = (int)names.len;
    if (names.len)
        qsort(names.at, names.len, sizeof *names.at, by_name);
    return names.at;
}

static void free_list(char **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    mem_free(names);
}

static bool has_data(const char *folder)
{
    int count;
    char **names = list(folder, "test_data_set_", &count);

    free_list(names, count);
    return count > 0;
}

static bool add_cases(test_options *o, const char *folder, int depth)
{
    int count;
    struct stat st;

    if (stat(folder, &st) || !S_ISDIR(st.st_mode))
        return cli_wrong("%s: %s", folder, errno == ENOENT ? "no such folder" : "is not a folder");
    if (has_data(folder) && (o->file || exists(folder, "model.onnx"))) {
        vec_push(&o->cases, (test_case){.folder = strdup(folder)});
        return true;
    }
    char **names = list(folder, "", &count);
    for (int i = 0; i < count && depth < 3; i++) {
        char *inner;
        if (asprintf(&inner, "%s/%s", folder, names[i]) > 0 && !stat(inner, &st) && S_ISDIR(st.st_mode))
            add_cases(o, inner, depth + 1);
        free(inner);
    }
    free_list(names, count);
    return true;
}

/* ---- one case, in the child -------------------------------------------------------------- */

/* A number behind "key" in a small JSON file of the case. */
static bool json_number(const char *folder, const char *file, const char *key, double *out)
{
    char *path, buffer[8192], quoted[64];
    bool found = false;

    if (asprintf(&path, "%s/%s", folder, file) < 0)
        return false;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(buffer, 1, sizeof buffer - 1, f) : 0;
    buffer[n] = 0;
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *p = strstr(buffer, quoted);
    if (p && (p = strchr(p + strlen(quoted), ':')))
        found = sscanf(p + 1, "%lf", out) == 1;
    if (f)
        fclose(f);
    free(path);
    return found;
}

static double tolerance(const char *folder, const char *key, double given, double usual)
{
    double v;

    if (given >= 0)
        return given;
    if (json_number(folder, "data.json", key, &v) || json_number(folder, "about.json", key, &v))
        return v;
    return usual;
}

/* Files `prefix`0.pb, 1.pb ..: as many as there are. */
static bool load_values(const char *folder, const char *set, const char *prefix, const ir_fn *fn,
                        bool inputs, tensor_value **out, uint32_t *count, char *error)
{
    uint32_t want = inputs ? fn->param.len : fn->result.len;

    *out = calloc(want + 1u, sizeof **out);
    for (*count = 0; *count < want; ++*count) {
        char *path;
        const ir_type *t = ir_type_of(fn, inputs ? fn->param.at[*count] : fn->result.at[*count]);
        if (asprintf(&path, "%s/%s/%s%u.pb", folder, set, prefix, *count) < 0)
            return false;
        bool there = !access(path, R_OK);
        bool ok = !there || tensor_read(path, ingot_kind_of(t), &(*out)[*count], error);
        free(path);
        if (!ok)
            return false;
        if (!there)
            return true;
    }
    return true;
}

static bool compare_all(const char *folder, const test_options *o, const ir_fn *fn,
                        const tensor_value *got, const tensor_value *want, uint32_t count, text *why)
{
    double rtol = tolerance(folder, "rtol", o->rtol, 1e-3);
    double atol = tolerance(folder, "atol", o->atol, 1e-7);
    bool ok = true;

    for (uint32_t i = 0; i < count; i++) {
        tensor_diff d = tensor_compare(&got[i], &want[i], rtol, atol);
        if (d.equal)
            continue;
        text_add(why, "%soutput %u '%s': %s", ok ? "" : "; ", i, fn->result_name.at[i], d.text);
        if (d.max_abs > 0)
            text_add(why, ", largest error %.3g absolute, %.3g relative", d.max_abs, d.max_rel);
        ok = false;
    }
    return ok;
}

static bool run_set(const test_options *o, const char *folder, const char *set, ingot_engine *e,
                    text *why)
{
    const ir_fn *fn = ingot_engine_entry(e);
    tensor_value *in, *want, *got = calloc(fn->result.len + 1u, sizeof *got);
    uint32_t nin, nout;
    char error[TENSOR_ERROR_SIZE] = "";

    if (!load_values(folder, set, "input_", fn, true, &in, &nin, error) ||
        !load_values(folder, set, "output_", fn, false, &want, &nout, error)) {
        text_add(why, "%s", error);
        return false;
    }
    if (nin < fn->param.len) {
        text_add(why, "%s: there are %u input files for %u inputs", set, nin, fn->param.len);
        return false;
    }
    if (!ingot_engine_run(e, in, got, error)) {
        text_add(why, "%s: %s", set, error);
        return false;
    }
    return compare_all(folder, o, fn, got, want, nout, why);
}

static void explain(const diag *d, text *why)
{
    for (uint32_t i = 0; i < d->message.len && i < 3; i++)
        text_add(why, "%s%s", i ? "; " : "", d->message.at[i].text);
    for (uint32_t i = 0; i < d->gap.len && i < 5 && !d->errors; i++) {
        const diag_gap *g = &d->gap.at[i];
        text_add(why, "%s%s%s%s: %s", i ? "; " : "", g->op, *g->version ? "-" : "", g->version, g->reason);
    }
}

static outcome run_case(const test_options *o, const char *folder, text *why)
{
    diag d;
    char *path;
    int sets;
    outcome r = PASSED;

    diag_init(&d);
    if (o->file)
        path = strdup(o->file);
    else if (asprintf(&path, "%s/model.onnx", folder) < 0)
        return FAILED;
    ir_module *m = ingot_load(path, &o->model.o, &d);
    ingot_engine *e = m ? ingot_engine_open(o->engine, m, &o->model.o, o->threads ? (int)o->threads : 1, &d) : NULL;
    if (!e) {
        explain(&d, why);
        return d.gap.len && !d.errors ? SKIPPED : FAILED;
    }
    char **names = list(folder, "test_data_set_", &sets);
    for (int i = 0; i < sets && r == PASSED; i++)
        if (!run_set(o, folder, names[i], e, why))
            r = FAILED;
    return r;
}

/* ---- children -------------------------------------------------------------------------------- */

typedef struct worker {
    pid_t pid;
    int fd;
    uint32_t index;
    double start;
    text said;
} worker;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void child(const test_options *o, const char *folder, int fd)
{
    text why = {0};
    int null = open("/dev/null", O_WRONLY);

    if (null >= 0 && !o->verbose)
        dup2(null, 2);
    outcome r = run_case(o, folder, &why);
    if (why.len && write(fd, why.at, why.len > 4000 ? 4000 : why.len) < 0)
        _exit(FAILED);
    _exit(r);
}

static bool start(test_options *o, uint32_t index, worker *w)
{
    int fd[2];

    if (pipe(fd))
        return false;
    fflush(NULL);
    *w = (worker){.pid = fork(), .fd = fd[0], .index = index, .start = now()};
    if (w->pid == 0) {
        close(fd[0]);
        child(o, o->cases.at[index].folder, fd[1]);
    }
    close(fd[1]);
    return w->pid > 0;
}

static void report(const test_options *o, const test_case *c)
{
    static const char *const word[] = {"passed", "FAILED", "skipped"};

    if (c->result == FAILED || o->verbose)
        printf("%s %s%s%s\n", word[c->result], c->folder, *c->reason ? ": " : "", c->reason);
}

static void finish(test_options *o, worker *w, bool late)
{
    test_case *c = &o->cases.at[w->index];
    int status = 0;

    if (late)
        kill(w->pid, SIGKILL);
    waitpid(w->pid, &status, 0);
    close(w->fd);
    c->seconds = now() - w->start;
    c->result = WIFEXITED(status) && WEXITSTATUS(status) <= SKIPPED ? (outcome)WEXITSTATUS(status) : FAILED;
    if (late)
        text_add(&w->said, "no result within %lld s", o->timeout);
    else if (WIFSIGNALED(status))
        text_add(&w->said, "%sended by signal %d (%s)", w->said.len ? "; " : "", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    c->reason = strdup(w->said.at ? w->said.at : "");
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

static void run_all(test_options *o)
{
    worker *w = mem_alloc((size_t)o->jobs * sizeof *w);
    struct pollfd *p = mem_alloc((size_t)o->jobs * sizeof *p);
    uint32_t next = 0, open = 0;

    while (next < o->cases.len || open) {
        for (int i = 0; i < o->jobs; i++)
            if (!w[i].pid && next < o->cases.len && start(o, next, &w[i]))
                next++, open++;
        for (int i = 0; i < o->jobs; i++)
            p[i] = (struct pollfd){.fd = w[i].pid ? w[i].fd : -1, .events = POLLIN};
        poll(p, (nfds_t)o->jobs, 200);
        for (int i = 0; i < o->jobs; i++) {
            if (!w[i].pid)
                continue;
            bool ended = (p[i].revents & (POLLIN | POLLHUP)) && drain(&w[i]);
            bool late = !ended && now() - w[i].start > (double)o->timeout;
            if (ended || late)
                finish(o, &w[i], late), open--;
        }
    }
    mem_free(w);
    mem_free(p);
}

/* ---- reports ---------------------------------------------------------------------------------- */

static void json_text(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fputc('\\', f);
        if ((unsigned char)*s < 32)
            fprintf(f, "\\u%04x", *s);
        else
            fputc(*s, f);
    }
    fputc('"', f);
}

static bool write_json(const test_options *o)
{
    static const char *const word[] = {"passed", "failed", "skipped"};
    FILE *f = fopen(o->json, "w");

    if (!f)
        return cli_wrong("%s: %s", o->json, strerror(errno));
    fputs("{\"cases\":[", f);
    for (uint32_t i = 0; i < o->cases.len; i++) {
        const test_case *c = &o->cases.at[i];
        fprintf(f, "%s\n {\"case\":", i ? "," : "");
        json_text(f, c->folder);
        fprintf(f, ",\"result\":\"%s\",\"seconds\":%.3f,\"reason\":", word[c->result], c->seconds);
        json_text(f, c->reason);
        fputc('}', f);
    }
    fputs("\n]}\n", f);
    return !fclose(f) || cli_wrong("%s: %s", o->json, strerror(errno));
}

static bool see(void *cx, int index, const char *value)
{
    test_options *o = cx;
    char *end;

    switch (index) {
    case 0: o->file = value; return true;
    case 1:
        if (strcmp(value, "compiled") && strcmp(value, "interpreter"))
            return cli_wrong("--engine is compiled or interpreter, not '%s'", value);
        o->engine = *value == 'c' ? ENGINE_COMPILED : ENGINE_INTERPRETER;
        return true;
    case 2: o->bind = true; return true;
    case 3:
    case 4: {
        double v = strtod(value, &end);
        if (*end || !(v >= 0))
            return cli_wrong("%s takes a number, not '%s'", index == 3 ? "--rtol" : "--atol", value);
        *(index == 3 ? &o->rtol : &o->atol) = v;
        return true;
    }
    case 5: return cli_number("--timeout", value, 1, 86400, &o->timeout);
    case 6: return cli_number("--jobs", value, 1, 256, &o->jobs);
    case 7: return cli_number("--threads", value, 1, 1024, &o->threads);
    case 8: o->json = value; return true;
    case 9: o->verbose = true; return true;
    case 10: return model_option_dim(&o->model, value);
    case 11: return model_option_shape(&o->model, value);
    default: return add_cases(o, value, 0);
    }
}

int command_test(int argc, char **argv)
{
    static const cli_option options[] = {
        {"--model", "FILE", "the model of every case (default: model.onnx in its folder)"},
        {"--engine", "NAME", "compiled (default) or interpreter"},
        {"--bind", NULL, "take run-time dims from the data"},
        {"--rtol", "X", "relative tolerance (default: the case's, else 1e-3)"},
        {"--atol", "X", "absolute tolerance (default: the case's, else 1e-7)"},
        {"--timeout", "SECONDS", "for each case (default 60)"},
        {"--jobs", "N", "cases at once (default: the CPUs)"},
        {"--threads", "N", "threads of each case (default 1)"},
        {"--json", "FILE", "write every case's result"},
        {"-v", NULL, "name every case, not only those that fail"},
        {"--dim", "NAME=N", "bind a run-time dim"},
        {"--shape", "INPUT=1x3x8", "bind an input's extents"},
        {NULL, NULL, NULL}};
    test_options o = {.engine = ENGINE_COMPILED, .rtol = -1, .atol = -1, .timeout = 60,
                      .jobs = sysconf(_SC_NPROCESSORS_ONLN), .threads = 1};
    int count[3] = {0};

    int status = cli_parse(argc, argv, "ingot test [OPTIONS] DIR...",
                           "Runs cases in the form of the ONNX backend tests and compares.",
                           options, see, &o);
    if (status)
        return status == CLI_HELP ? CLI_OK : status;
    if (!o.cases.len) {
        cli_wrong("no test cases: give folders with model.onnx and test_data_set_*");
        return CLI_USAGE;
    }
    run_all(&o);
    for (uint32_t i = 0; i < o.cases.len; i++)
        count[o.cases.at[i].result]++;
    bool written = !o.json || write_json(&o);
    printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
    return count[FAILED] || !written ? CLI_FAILED : CLI_OK;
}
