/* The command line's parts: options in any order and form, suggestions,
 * numbers and sizes, what is given about a model, files under construction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "command.h"
#include "workplace.h"

/* ---- options ----------------------------------------------------------------------- */

/* What was seen, as one text. */
static bool see(void *to, const cli_option *o, const char *value)
{
    text_add(to, "%s:%s ", o->name, value ? value : "none");
    return !value || strcmp(value, "refused");
}

static const cli_option inner[] = {{"--name", "NAME", "", .set = see}, {0}};
static const cli_option options[] = {{"X", NULL, "", .set = see},
                                     {"-o", "FILE", "", .set = see},
                                     {.more = inner},
                                     {"--flag", NULL, "", .set = see},
                                     {"--seed", "[=N]", "", .set = see},
                                     {0}};

/* Arguments are separated by blanks. */
static int parse(const char *line, text *seen)
{
    char *copy = strdup(line), *rest = copy, *argv[16], *word;
    int argc = 0;

    while ((word = strsep(&rest, " ")))
        if (*word)
            argv[argc++] = word;
    int status = cli_parse(argc, argv, "test", "", options, seen);
    free(copy);
    return status;
}

static void expect_seen(const char *line, int status, const char *want)
{
    text seen = {0};

    assert_int_equal(parse(line, &seen), status);
    assert_string_equal(seen.at ? seen.at : "", want);
    text_free(&seen);
}

static void test_forms_of_options(void **state)
{
    (void)state;

    expect_seen("a -o out --name n b", CLI_OK, "X:a -o:out --name:n X:b ");
    expect_seen("-o=out --name=a=b:c/d", CLI_OK, "-o:out --name:a=b:c/d ");
    expect_seen("--seed a --seed=7", CLI_OK, "--seed:none X:a --seed:7 ");
    expect_seen("--flag -- --flag -", CLI_OK, "--flag:none X:--flag X:- ");
    expect_seen("- --name -o", CLI_OK, "X:- --name:-o ");
    expect_seen("--name= --flag", CLI_OK, "--name: --flag:none ");
}

static void test_wrong_usage(void **state)
{
    (void)state;

    expect_seen("--falg", CLI_USAGE, "");
    expect_seen("--flag=1", CLI_USAGE, "");
    expect_seen("a --name", CLI_USAGE, "X:a ");
    expect_seen("a refused b", CLI_USAGE, "X:a X:refused ");
    expect_seen("a --help b", CLI_HELP, "X:a ");
}

/* Setters store where their rows say, behind the start of tables taken in too. */
static void test_setters(void **state)
{
    typedef struct inner_options { const char *file, *kind; } inner_options;
    typedef struct outer_options { bool flag; inner_options in; long long n; } outer_options;
    static const char *const kinds[] = {"round", "square", NULL};
    static const cli_option in[] = {
        {"FILE", NULL, "", .set = cli_set_once, .at = offsetof(inner_options, file)},
        {"--kind", "K", "", .set = cli_set_word, .at = offsetof(inner_options, kind),
         .words = kinds},
        {0}};
    static const cli_option out[] = {
        {"--flag", NULL, "", .set = cli_set_flag, .at = offsetof(outer_options, flag)},
        {.more = in, .at = offsetof(outer_options, in)},
        {"-n", "N", "", .set = cli_set_number, .at = offsetof(outer_options, n), .most = 9},
        {0}};
    outer_options o = {0};
    (void)state;

    char *right[] = {"--kind=square", "file", "-n", "7", "--flag"};
    assert_int_equal(cli_parse(5, right, "test", "", out, &o), CLI_OK);
    assert_true(o.flag && o.n == 7);
    assert_string_equal(o.in.file, "file");
    assert_string_equal(o.in.kind, "square");
    char *wrong[] = {"other", "--kind=oval", "-n10"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(cli_parse(1, &wrong[i], "test", "", out, &o), CLI_USAGE);
}

/* The first operand goes to the first row of operands, the last row takes the rest. */
static void test_operands(void **state)
{
    static const cli_option two[] = {{"FIRST", NULL, "", .set = see},
                                     {"--flag", NULL, "", .set = see},
                                     {"REST", NULL, "", .set = see},
                                     {0}};
    char *words[] = {"a", "--flag", "b", "c"};
    text seen = {0};
    (void)state;

    assert_int_equal(cli_parse(4, words, "test", "", two, &seen), CLI_OK);
    assert_string_equal(seen.at, "FIRST:a --flag:none REST:b REST:c ");
    text_free(&seen);
    assert_int_equal(cli_parse(1, words, "test", "", inner, &seen), CLI_USAGE);
}

static void test_suggestions(void **state)
{
    static const char *const names[] = {"build", "bench", "run", "inspect"};
    (void)state;

    assert_string_equal(cli_nearest("biuld", names, 4), "build");
    assert_string_equal(cli_nearest("bnch", names, 4), "bench");
    assert_string_equal(cli_nearest("inspet", names, 4), "inspect");
    assert_string_equal(cli_nearest("tahn", (const char *[]){"tan", "tanh"}, 2), "tanh");
    assert_null(cli_nearest("train", names, 1));
    assert_null(cli_nearest("", names, 0));
    assert_null(cli_nearest("", names, 4));
    assert_null(cli_nearest("--version", (const char *[]){"--json", "--shape"}, 2));
    assert_null(cli_nearest("N", (const char *[]){"M"}, 1));
}

static void test_numbers(void **state)
{
    static const char *const wrong[] = {"",    "x", "1x", "0", "101", "99999999999999999999",
                                        "1.5", "-1"};
    long long v;
    (void)state;

    assert_true(cli_number("n", "100", 1, 100, &v));
    assert_int_equal(v, 100);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(cli_number("n", wrong[i], 1, 100, &v));
}

/* ---- what is given about a model ----------------------------------------------------- */

/* Is this option on a model taken? */
static bool give(model_options *m, char *option, const char *value)
{
    return cli_parse(2, (char *[]){option, (char *)(uintptr_t)value}, "test", "", model_rows, m) ==
           CLI_OK;
}

static void test_dims_and_shapes(void **state)
{
    static const char *const bad_shapes[] = {
        "x", "x=1x", "x=x1", "x=-1", "x=1,2", "x=1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1"};
    model_options m = {0};
    (void)state;

    assert_true(give(&m, "--dim", "a=b:c=12"));
    assert_string_equal(m.dim_name[0], "a=b:c");
    assert_int_equal(m.dim_value[0], 12);
    assert_true(give(&m, "--shape", "in/x:0=1x3x48x192"));
    assert_string_equal(m.shape[0].input, "in/x:0");
    assert_int_equal(m.shape[0].rank, 4);
    assert_int_equal(m.shape[0].dims[3], 192);
    assert_true(give(&m, "--shape", "scalar="));
    assert_int_equal(m.shape[1].rank, 0);
    assert_false(give(&m, "--dim", "N"));
    assert_false(give(&m, "--dim", "N=x"));
    for (size_t i = 0; i < COUNT(bad_shapes); i++)
        assert_false(give(&m, "--shape", bad_shapes[i]));
    model_options_free(&m);
}

static void test_sizes(void **state)
{
    static const struct { const char *text; uint64_t bytes; } good[] = {
        {"1", 1}, {"500M", (uint64_t)500 << 20}, {"8G", (uint64_t)8 << 30}, {"16k", 16384},
        {"64MB", 64 << 20}};
    static const char *const wrong[] = {"", "0", "M", "-1", "1T", "1B", "1MBs", "99999999999G"};
    model_options m = {0};
    (void)state;

    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(give(&m, "--max-weights", good[i].text));
        assert_true(m.o.import.max_weights == good[i].bytes);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(give(&m, "--max-weights", wrong[i]));
}

/* ---- files ------------------------------------------------------------------------------ */

static char folder[] = "/tmp/ingot-cli-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void test_partial_files(void **state)
{
    char path[200];
    partial p;
    (void)state;

    strcpy(path, path_of("file"));
    assert_true(partial_open(&p, path));
    fputs("text", p.file);
    assert_false(exists("file"));
    assert_true(partial_close(&p, true));
    assert_true(exists("file"));
    assert_true(partial_open(&p, path));
    assert_false(partial_close(&p, false));     /* the old one stays */
    assert_true(exists("file"));
    unlink(path);
    assert_false(partial_open(&p, "/no/such/folder/file"));
    assert_int_equal(errno, ENOENT);
    assert_false(partial_open(&p, folder));
    assert_int_equal(errno, EISDIR);
    assert_true(partial_open(&p, "/dev/full"));
    fputs("text", p.file);
    assert_false(partial_close(&p, true));
    assert_int_equal(errno, ENOSPC);
}

static void test_what_may_be_written(void **state)
{
    (void)state;

    assert_null(partial_refused(path_of("new")));
    assert_non_null(partial_refused(folder));
    assert_non_null(partial_refused("/dev/null"));
}

/* Runs what leaves a file of a name of its own beside the workplace's. */
static bool leave_behind(const workplace *w, const char *then)
{
    char script[400];

    snprintf(script, sizeof script, "mktemp -p %s stXXXXXX >/dev/null%s", w->folder, then);
    return workplace_run(w, (char *[]){"sh", "-c", script, NULL});
}

static void test_workplace(void **state)
{
    workplace w;
    char out[200];
    (void)state;

    strcpy(out, path_of("out"));
    assert_false(workplace_open(&w, "/dev/null/folder/out"));
    workplace_close(&w);
    assert_true(workplace_open(&w, out));
    assert_true(workplace_run(&w, (char *[]){"touch", w.file[WORK_OUT], NULL}));
    assert_false(workplace_run(&w, (char *[]){"false", NULL}));
    assert_true(leave_behind(&w, ""));
    assert_false(leave_behind(&w, "; kill -KILL $$"));
    assert_false(workplace_run(&w, (char *[]){"no-such-program", NULL}));
    assert_true(workplace_publish(&w, WORK_OUT, out));
    workplace_close(&w);
    assert_true(exists("out"));
    unlink(out);
}

/* A child that is interrupted while a program of its workplace runs. */
static void test_interruption(void **state)
{
    int status;
    pid_t child = fork();
    (void)state;

    if (!child) {
        workplace w;
        char kill_parent[40];
        cleanup_catch_interrupt();
        snprintf(kill_parent, sizeof kill_parent, "; kill -INT %ld; sleep 100", (long)getpid());
        if (workplace_open(&w, path_of("out")))
            leave_behind(&w, kill_parent);
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);     /* remove_folder finds nothing left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_options), cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_setters),          cmocka_unit_test(test_operands),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_dims_and_shapes),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_partial_files),    cmocka_unit_test(test_what_may_be_written),
        cmocka_unit_test(test_workplace),        cmocka_unit_test(test_interruption),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
