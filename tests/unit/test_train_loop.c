/* tests/unit/test_train_loop.c - the loop of a training program, on a model written by
 * hand: what it learns, where it stops, and that a training which was interrupted ends
 * where an undisturbed one does. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "choice.h"
#include "engine.h"
#include "folder.h"
#include "order.h"
#include "trainer.h"

/* ---- orders ----------------------------------------------------------------------- */

static void orders_are_permutations(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 300; n += n < 20 ? 1 : 37) {
        char seen[300] = "";
        order a = order_of(n, 7, 1), b = order_of(n, 7, 2);
        int64_t same = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = order_at(&a, i);
            assert_true(at >= 0 && at < n && !seen[at]++);
            same += at == order_at(&b, i);
        }
        assert_true(n < 20 || same < n / 4);
    }
}

/* Rows spread evenly: the first tenth of an order has a tenth of each part. */
static void orders_are_even(void **state)
{
    enum { ROWS = 60000 };
    order o = order_of(ROWS, 0, 1);
    int count[10] = {0};

    (void)state;
    for (int64_t i = 0; i < ROWS / 10; i++)
        count[order_at(&o, i) * 10 / ROWS]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(count[i], 520, 680);
}

/* ---- the model -------------------------------------------------------------------- */

/* y = w x by least squares: each step goes down the gradient of the mean square. */
static const char module[] =
    "const @tenth = f32[] [0.1]\n"
    "state @net.w : f32[2] trainable\n"
    "state @rate : f32[] = @tenth\n"
    "state @sum.loss : f32[]\n"
    "state @sum.rows : f32[]\n"
    "entry init(%seed: i64[]) {\n"
    "  %1 = cast %seed {to=f32} : f32[]\n"
    "  %2 = broadcast %1 {shape=[2]} : f32[2]\n"
    "  return update @net.w=%2\n}\n"
#define LOSS(dims)                                                             \
    "  %1 = state @net.w : f32[2]\n"                                           \
    "  %2 = dot %x, %1 {sum_a=[1], sum_b=[0]} : f32[" dims "]\n"               \
    "  %3 = sub %2, %t : f32[" dims "]\n"                                      \
    "  %4 = mul %3, %3 : f32[" dims "]\n"                                      \
    "  %5 = reduce %4 {axes=[0], op=sum} : f32[]\n"                            \
    "  %6 = dimval {dim=" dims "} : i64[]\n"                                   \
    "  %7 = cast %6 {to=f32} : f32[]\n"                                        \
    "  %8 = div %5, %7 : f32[]\n"                                              \
    "  %9 = state @sum.loss : f32[]\n"                                         \
    "  %10 = add %9, %5 : f32[]\n"                                             \
    "  %11 = state @sum.rows : f32[]\n"                                        \
    "  %12 = add %11, %7 : f32[]\n"
    "entry step(%x: f32[b,2], %t: f32[b]) {\n" LOSS("b")
    "  %13 = grad %8, %1 : f32[2]\n"
    "  %14 = state @rate : f32[]\n"
    "  %15 = broadcast %14 {shape=[2]} : f32[2]\n"
    "  %16 = mul %13, %15 : f32[2]\n"
    "  %17 = sub %1, %16 : f32[2]\n"
    "  return loss=%8 update @net.w=%17, @sum.loss=%10, @sum.rows=%12\n}\n"
    "entry eval(%x: f32[b,2], %t: f32[b]) {\n" LOSS("b")
    "  return update @sum.loss=%10, @sum.rows=%12\n}\n"
    "entry metrics(%change: f32[]) {\n"
    "  %1 = state @sum.loss : f32[]\n"
    "  %2 = state @sum.rows : f32[]\n"
    "  %3 = div %1, %2 : f32[]\n"
    "  %4 = const 1e-5 : f32[]\n"
    "  %5 = lt %change, %4 : bool[]\n"
    "  return loss=%3, stop=%5\n}\n";

static const char table[] =
    "[[1, 0, 2], [0, 1, -1], [1, 1, 1], [2, 1, 3], [1, 2, 0], [3, 0, 6], [1, -1, 3], [0, 2, -2], "
    "[2, 2, 2], [1, 3, -1]]";
static const int64_t two[] = {2};
static const struct ingot_train_column columns[] = {
    {.name = "x", .dtype = TENSOR_F32, .rank = 1, .dims = two}, {.name = "t", .dtype = TENSOR_F32}};
static const int32_t both[] = {0, 1}, seed_feed[] = {INGOT_FEED_SEED},
                     change_feed[] = {INGOT_FEED_CHANGE},
                     roles[] = {INGOT_ROLE_PARAM, INGOT_ROLE_KNOB, INGOT_ROLE_SUM, INGOT_ROLE_SUM};
static const struct ingot_train_source sources[] = {
    {.column_count = 2, .columns = both, .text = table}};
static const struct ingot_train_block blocks[] = {
    {.name = "fit", .column_count = 2, .columns = columns, .source_count = 1, .sources = sources,
     .objective_count = 1, .step_any = {"step", 2, both}, .eval = {"eval", 2, both},
     .metrics = {"metrics", 1, change_feed}, .batch = 4, .epochs = 0}};
static const struct ingot_trainer trainer = {
    .version = INGOT_TRAIN_VERSION, .program = "line", .hash = 77, .state_count = 4,
    .roles = roles,
    .init = {"init", 1, seed_feed}, .block_count = 1, .blocks = blocks};

/* The same, but `change` is a number that never gets small: it does not stop. */
static const int32_t step_feed[] = {INGOT_FEED_STEP};
static const struct ingot_train_block endless_blocks[] = {
    {.name = "fit", .column_count = 2, .columns = columns, .source_count = 1, .sources = sources,
     .objective_count = 1, .step_any = {"step", 2, both}, .eval = {"eval", 2, both},
     .metrics = {"metrics", 1, step_feed}, .batch = 4, .epochs = 0}};
static const struct ingot_trainer endless = {
    .version = INGOT_TRAIN_VERSION, .program = "line", .hash = 77, .state_count = 4,
    .roles = roles,
    .init = {"init", 1, seed_feed}, .block_count = 1, .blocks = endless_blocks};

static ingot_engine *engine;
static float weights[2];

static void parse(trainer_options *o, int argc, char **argv)
{
    static const cli_option rows[] = {{.more = trainer_rows}, {.more = trainer_own_rows}, {0}};

    *o = trainer_defaults;
    assert_int_equal(cli_parse(argc, argv, "", "", rows, o), CLI_OK);
}

/* Trains in this process, from new states. */
static int train_here(const struct ingot_trainer *t, int argc, char **argv)
{
    session *s = ingot_engine_session(engine);
    trainer_options o;

    parse(&o, argc, argv);
    s->model->init_states(s->states, s->weights);
    int status = trainer_run(&o, s, t);
    memcpy(weights, s->states, sizeof weights);
    return status;
}

struct training {
    const struct ingot_trainer *t;
    int argc;
    char **argv;
};

static int train_one(void *cx)
{
    struct training *k = cx;

    return train_here(k->t, k->argc, k->argv);
}

/* Trains in a child; its words are in `said`. */
static int train_args(const struct ingot_trainer *t, int argc, char **argv)
{
    return run_child(train_one, &(struct training){t, argc, argv});
}

#define COUNT_OF(...) (int)(sizeof(char *[]){__VA_ARGS__} / sizeof(char *))
#define TRAIN(t, ...) train_args(t, COUNT_OF(__VA_ARGS__), (char *[]){__VA_ARGS__, NULL})
#define HERE(t, ...) train_here(t, COUNT_OF(__VA_ARGS__), (char *[]){__VA_ARGS__, NULL})

/* ---- tests ------------------------------------------------------------------------ */

static void it_learns_and_stops(void **state)
{
    (void)state;
    assert_int_equal(HERE(&trainer, "--quiet", "--seed=3"), CLI_OK);
    assert_true(weights[0] > 1.99F && weights[0] < 2.01F);
    assert_true(weights[1] > -1.01F && weights[1] < -0.99F);
}

static void metrics_are_logged(void **state)
{
    char log[4000];

    (void)state;
    assert_int_equal(TRAIN(&trainer, "--epochs=2", arg("--log=", "m.csv"), "--valid=0.2",
                           arg("--plot=", "m.svg")), CLI_OK);
    assert_said("epoch 1  loss ");
    assert_said("valid  loss ");
    read_file("m.csv", log, sizeof log);
    assert_int_equal(strncmp(log, "step,epoch,part,loss,seconds\n2,1,train,", 39), 0);
    assert_non_null(strstr(log, "\n4,2,valid,"));
    read_file("m.svg", log, sizeof log);
    assert_int_equal(strncmp(log, "<svg ", 5), 0);
    assert_non_null(strstr(log, "</svg>"));
}

/* Have two files of weights the same data?  What stands in front tells times, too. */
static void assert_same_states(const char *a, const char *b)
{
    char one[8000], other[8000];
    size_t n = read_file(a, one, sizeof one), m = read_file(b, other, sizeof other);
    size_t at = 8 + *(uint64_t *)(void *)one, there = 8 + *(uint64_t *)(void *)other;

    assert_true(at < n && n - at == m - there);
    assert_memory_equal(one + at, other + there, n - at);
}

/* A log without its last column, which is the time. */
static void read_log(const char *name, char *to, size_t room)
{
    char *out = to, *comma = NULL;
    size_t n = read_file(name, to, room);

    for (size_t i = 0; i < n; i++) {
        comma = to[i] == ',' ? out : comma;
        if (to[i] == '\n' && comma)
            out = comma;
        *out++ = to[i];
    }
    *out = 0;
}

/* Steps, stop, steps again: the file and the log are those of one run. */
static void it_goes_on_exactly(void **state)
{
    char log[2][4000];

    (void)state;
    assert_int_equal(TRAIN(&trainer, "--steps=29", arg("--save=", "a"), arg("--log=", "a.csv")),
                     CLI_OK);
    assert_int_equal(TRAIN(&trainer, "--steps=10", arg("--save=", "b"), arg("--log=", "b.csv"),
                           "--resume"), CLI_OK);
    assert_int_equal(TRAIN(&trainer, "--steps=17", arg("--save=", "b"), arg("--log=", "b.csv"),
                           "--resume"), CLI_OK);
    assert_int_equal(TRAIN(&trainer, "--steps=29", arg("--save=", "b"), arg("--log=", "b.csv")),
                     CLI_FAILED);
    assert_said("exists; --resume goes on from it, --fresh begins anew");
    assert_int_equal(TRAIN(&trainer, "--steps=29", arg("--save=", "b"), arg("--log=", "b.csv"),
                           "--resume"), CLI_OK);
    assert_same_states("a", "b");
    read_log("a.csv", log[0], sizeof log[0]);
    read_log("b.csv", log[1], sizeof log[1]);
    assert_non_null(strstr(log[0], "\n27,9,train,"));
    assert_string_equal(log[0], log[1]);
}

/* Killed at any moment, again and again, it ends where the undisturbed one does. */
static void it_survives_being_killed(void **state)
{
    enum { KILLS = 12 };

    (void)state;
    assert_int_equal(TRAIN(&endless, "--steps=200000", arg("--save=", "c"), "--fresh", "--quiet"),
                     CLI_OK);
    for (int i = 0; i < KILLS; i++) {
        char *args[] = {"--steps=200000", arg("--save=", "d"), "--resume", "--quiet",
                        "--every=5000", NULL};
        pid_t child = fork();
        if (!child)
            _exit(train_here(&endless, 5, args));
        usleep((useconds_t)(1000 + 1700 * i));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    assert_int_equal(
        TRAIN(&endless, "--steps=200000", arg("--save=", "d"), "--resume", "--quiet"), CLI_OK);
    assert_same_states("c", "d");
}

static void interrupts_leave_a_checkpoint(void **state)
{
    char *args[] = {"--time=20s", arg("--save=", "e"), "--quiet", NULL};
    int status;
    pid_t child = fork();

    (void)state;
    if (!child)
        _exit(train_here(&endless, 3, args));
    usleep(100000);
    assert_int_equal(TRAIN(&endless, arg("--save=", "e"), "--resume"), CLI_FAILED);
    assert_said("another trainer is writing to it");
    kill(child, SIGINT);
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), TRAINER_INTERRUPTED);
    assert_int_equal(access(path_of("e"), F_OK), 0);
    assert_int_equal(access(path_of("e.lock"), F_OK), -1);
}

static void spoil(const char *name, off_t at)
{
    int fd = open(path_of(name), O_RDWR);

    assert_int_equal(pwrite(fd, "\x55", 1, at), 1);
    close(fd);
}

static void the_last_good_file_is_used(void **state)
{
    struct ingot_trainer other = trainer;
    char file[8000];

    (void)state;
    assert_int_equal(TRAIN(&trainer, "--steps=9", "--every=3", arg("--save=", "g")), CLI_OK);
    size_t n = read_file("g", file, sizeof file);
    assert_int_equal(access(path_of("g.2"), F_OK), 0);
    spoil("g", (off_t)n - 2);
    assert_int_equal(TRAIN(&trainer, "--steps=12", arg("--save=", "g"), "--resume"), CLI_OK);
    assert_said("is damaged: its hash differs");
    assert_said("going on from ");
    assert_int_equal(truncate(path_of("g"), 60), 0);
    assert_int_equal(unlink(path_of("g.1")), 0);
    assert_int_equal(TRAIN(&trainer, "--steps=12", arg("--save=", "g"), "--resume"), CLI_OK);
    assert_said("g.2");
    other.hash++;
    assert_int_equal(TRAIN(&other, "--steps=12", arg("--save=", "g"), "--resume"), CLI_FAILED);
    assert_said("is of another program, 'line'");
    assert_int_equal(TRAIN(&other, "--epochs=1", arg("--init=", "g"), "--quiet"), CLI_OK);
}

static void what_cannot_be_written_is_told(void **state)
{
    struct rlimit old, small = {16, 16};

    (void)state;
    assert_int_equal(TRAIN(&trainer, "--epochs=1", "--save=/no/such/folder/w"), CLI_FAILED);
    assert_said("/no/such/folder/w: cannot be written: No such file");
    assert_int_equal(TRAIN(&trainer, "--steps=3", arg("--save=", "full")), CLI_OK);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    char before[8000], after[8000];
    size_t n = read_file("full", before, sizeof before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    char *args[] = {"--steps=6", arg("--save=", "full"), "--resume", "--quiet", NULL};
    pid_t child = fork();
    if (!child) {
        freopen("/dev/null", "w", stderr);
        _exit(train_here(&trainer, 4, args));
    }
    int status;
    waitpid(child, &status, 0);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(WEXITSTATUS(status), CLI_FAILED);
    assert_int_equal(read_file("full", after, sizeof after), n);
    assert_memory_equal(before, after, n);
    assert_int_equal(access(path_of("full.tmp"), F_OK), -1);
}

static void lost_numbers_end_it(void **state)
{
    (void)state;
    assert_int_equal(TRAIN(&trainer, "--set=rate=1e20", "--steps=100"), CLI_FAILED);
    assert_said("loss is ");
    assert_said("net.w");
    assert_int_equal(TRAIN(&trainer, "--set=speed=1", "--steps=100"), CLI_FAILED);
    assert_said("the trainer has no number 'speed'");
}

static void data_and_options_are_checked(void **state)
{
    (void)state;
    assert_int_equal(TRAIN(&trainer, "--check-data", "--valid=3"), CLI_OK);
    assert_said("fit: 7 training rows, 3 for validation, 0 for a test");
    assert_int_equal(TRAIN(&trainer, "--valid=10"), CLI_FAILED);
    assert_said("none is left");
    assert_int_equal(TRAIN(&trainer, "--data=t=[1, 2]"), CLI_FAILED);
    assert_said("there are no training data for 'x'");
    assert_int_equal(TRAIN(&trainer, "--data=x,t=[[1, 2, 3]]", "--epochs=3"), CLI_OK);
    assert_int_equal(TRAIN(&trainer, "--info"), CLI_OK);
    assert_said("line: 2 parameters");
}

static int begin(void **state)
{
    static const ingot_options none;
    static diag d;

    diag_init(&d);
    ir_module *m = ir_parse(module, "line", &d);
    engine = m ? ingot_engine_open(ENGINE_COMPILED, m, &none, 1, &d) : NULL;
    if (!engine)
        diag_print(&d, stderr);
    return engine ? make_folder(state) : -1;
}

static int end(void **state)
{
    ingot_engine_close(engine);
    return remove_all(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_permutations),
        cmocka_unit_test(orders_are_even),
        cmocka_unit_test(it_learns_and_stops),
        cmocka_unit_test(metrics_are_logged),
        cmocka_unit_test(it_goes_on_exactly),
        cmocka_unit_test(it_survives_being_killed),
        cmocka_unit_test(interrupts_leave_a_checkpoint),
        cmocka_unit_test(the_last_good_file_is_used),
        cmocka_unit_test(what_cannot_be_written_is_told),
        cmocka_unit_test(lost_numbers_end_it),
        cmocka_unit_test(data_and_options_are_checked),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
