/* tests/unit/test_train_resume.c - a training that was interrupted, killed or spoilt ends
 * where an undisturbed one does. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "hash.h"
#include "train_model.h"

/* Of data of any length; signs of two numbers, the highest bits of words, do not make up for
 * each other. */
static void hashes_see_bits(void **state)
{
    uint8_t data[200] = {0};

    (void)state;
    for (size_t size = 0; size < 100; size++) {
        uint64_t was = hash_bulk(INGOT_HASH_START, data, size);
        assert_true(was != hash_bulk(INGOT_HASH_START, data, size + 1));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_true(was != hash_bulk(INGOT_HASH_START, data, size));
            data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
    uint64_t was = hash_bulk(INGOT_HASH_START, data, sizeof data);
    for (size_t i = 15; i < sizeof data; i += 8) {
        data[7] = data[i] = 0x80;
        assert_true(was != hash_bulk(INGOT_HASH_START, data, sizeof data));
        data[i] = 0;
    }
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
    char *args[] = {"--time=20s", arg("--save=", "e"), NULL};
    int status;
    pid_t child = fork();

    (void)state;
    if (!child) {
        freopen(path_of("e.said"), "w", stderr);
        status = train_here(&endless, 2, args);
        fflush(stderr);
        _exit(status);
    }
    for (int i = 0; i < 1000 && access(path_of("e.lock"), F_OK); i++)
        usleep(10000);
    usleep(100000);
    assert_int_equal(TRAIN(&endless, "--time=20s", arg("--save=", "e"), "--resume"), CLI_FAILED);
    assert_said("another trainer is writing to it");
    kill(child, SIGINT);
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), TRAINER_INTERRUPTED + SIGINT);
    read_file("e.said", said, sizeof said);
    assert_said("interrupted; saved ");
    assert_said("; --resume goes on");
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

/* With more epochs a training that was done goes on, and ends as one that had them from the
 * beginning; its test counts at the end alone. */
static void more_epochs_go_on(void **state)
{
    static char test[] = "--test=x,t=[[1, 0, 2], [2, 0, 4]]";
    char log[2][4000];

    (void)state;
    assert_int_equal(TRAIN(&endless, "--epochs=5", arg("--save=", "m5"), arg("--log=", "m5.csv"),
                           test), CLI_OK);
    assert_int_equal(TRAIN(&endless, "--epochs=2", arg("--save=", "m"), arg("--log=", "m.csv"),
                           test), CLI_OK);
    assert_int_equal(TRAIN(&endless, "--epochs=2", arg("--save=", "m"), "--resume"), CLI_OK);
    assert_said("the training is finished");
    assert_int_equal(TRAIN(&endless, "--epochs=5", arg("--save=", "m"), arg("--log=", "m.csv"),
                           test, "--resume"), CLI_OK);
    assert_same_states("m5", "m");
    read_log("m5.csv", log[0], sizeof log[0]);
    read_log("m.csv", log[1], sizeof log[1]);
    assert_non_null(strstr(log[0], "\n15,5,test,"));
    assert_string_equal(log[0], log[1]);
}

/* Two blocks; the second one is fitted. */
static const int32_t first_column[] = {0};
static const struct ingot_train_call fits[] = {CALL("fit", 1, first_column)};
static const struct ingot_train_block pair_blocks[] = {
    BLOCK("head", step_feed, .epochs = 2),
    BLOCK("whole", step_feed, .epochs = 2, .fit_count = 1, .fits = fits)};
static const struct ingot_trainer pair = TRAINER(pair_blocks);

static void blocks_are_found_by_name(void **state)
{
    (void)state;
    assert_int_equal(TRAIN(&pair, arg("--save=", "p"), "--quiet"), CLI_OK);
    assert_int_equal(TRAIN_BLOCK(&pair, "head", arg("--save=", "q"), "--quiet"), CLI_OK);
    assert_int_equal(TRAIN_BLOCK(&pair, "whole", arg("--save=", "q"), "--quiet", "--resume"),
                     CLI_OK);
    assert_same_states("p", "q");
    assert_int_equal(TRAIN_BLOCK(&pair, "head", arg("--save=", "r"), "--quiet"), CLI_OK);
    assert_int_equal(TRAIN(&pair, arg("--save=", "r"), "--quiet", "--resume"), CLI_OK);
    assert_same_states("p", "r");
    assert_int_equal(TRAIN_BLOCK(&pair, "whole", "--steps=1", arg("--save=", "u"), "--quiet"),
                     CLI_OK);
    assert_int_equal(TRAIN_BLOCK(&pair, "head", arg("--save=", "u"), "--resume"), CLI_FAILED);
    assert_said("stands in block 'whole', at step 1; name that, too");
}

/* As many rows of other data are no place to go on. */
static void data_are_known(void **state)
{
    (void)state;
    assert_int_equal(TRAIN(&endless, "--steps=4", arg("--save=", "d2"),
                           "--data=x,t=[[1, 0, 2], [0, 1, -1]]"), CLI_OK);
    assert_int_equal(TRAIN(&endless, "--steps=5", arg("--save=", "d2"), "--resume",
                           "--data=x,t=[[1, 0, 2], [0, 1, -2]]"), CLI_FAILED);
    assert_said("d2: was made with other training data; --init takes its weights");
    assert_int_equal(TRAIN(&endless, "--steps=5", arg("--save=", "d2"), "--resume",
                           "--data=x,t=[[1, 0, 2], [0, 1, -1]]"), CLI_OK);
}

/* A log that is not this training's is left alone; where there is none, one begins. */
static void logs_are_known(void **state)
{
    char log[4000];

    (void)state;
    assert_int_equal(TRAIN(&endless, "--epochs=2", arg("--save=", "k"), arg("--log=", "k.csv")),
                     CLI_OK);
    write_file("other.csv", "step,epoch,part,loss,seconds\n1,1,train,0.5,0.1\n", 48);
    assert_int_equal(TRAIN(&endless, "--epochs=3", arg("--save=", "k"), arg("--log=", "other.csv"),
                           "--resume"), CLI_FAILED);
    assert_said("other.csv: is not the log of this training");
    assert_int_equal(read_file("other.csv", log, sizeof log), 48);
    assert_int_equal(TRAIN(&endless, "--epochs=3", arg("--save=", "k"), arg("--log=", "new.csv"),
                           "--resume"), CLI_OK);
    read_file("new.csv", log, sizeof log);
    assert_int_equal(strncmp(log, "step,epoch,part,loss,seconds\n9,3,train,", 39), 0);
    assert_int_equal(TRAIN(&endless, "--epochs=4", arg("--save=", "k"), "--resume"), CLI_OK);
    assert_int_equal(TRAIN(&endless, "--epochs=5", arg("--save=", "k"), arg("--log=", "new.csv"),
                           "--resume"), CLI_OK);
    read_file("new.csv", log, sizeof log);
    assert_non_null(strstr(log, "\n9,3,train,"));
    assert_non_null(strstr(log, "\n15,5,train,"));
}

/* Bytes of a file, replaced where they stand first. */
static void replace(const char *name, const char *from, const char *to)
{
    char file[8000];
    size_t n = read_file(name, file, sizeof file);
    char *at = memmem(file, n, from, strlen(from));

    assert_non_null(at);
    memcpy(at, to, strlen(to));
    write_file(name, file, n);
}

static void shapes_and_notes_are_checked(void **state)
{
    (void)state;
    assert_int_equal(TRAIN(&endless, "--steps=4", "--keep=0", arg("--save=", "s")), CLI_OK);
    replace("s", "[2,3]", "[3,2]");
    assert_int_equal(TRAIN(&endless, "--steps=5", "--keep=0", arg("--save=", "s"), "--resume"),
                     CLI_FAILED);
    assert_said("'net.m' is f32[3,2], the program has f32[2,3]");
    replace("s", "[3,2]", "[2,3]");
    replace("s", "\"net.m\"", "\"net.z\"");
    assert_int_equal(TRAIN(&endless, "--steps=5", "--keep=0", arg("--save=", "s"), "--resume"),
                     CLI_FAILED);
    assert_said("lacks 'net.m': it is damaged, or another version of ingot");
    replace("s", "\"net.z\"", "\"net.m\"");
    replace("s", "\"step\":\"4\"", "\"step\":\"5\"");
    assert_int_equal(TRAIN(&endless, "--steps=5", "--keep=0", arg("--save=", "s"), "--resume"),
                     CLI_FAILED);
    assert_said("is damaged: its hash differs");
    replace("s", "\"step\":\"5\"", "\"step\":\"x\"");
    assert_int_equal(TRAIN(&endless, "--steps=5", "--keep=0", arg("--save=", "s"), "--resume"),
                     CLI_FAILED);
    assert_said("a note is missing or wrong");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_see_bits),
        cmocka_unit_test(it_goes_on_exactly),
        cmocka_unit_test(more_epochs_go_on),
        cmocka_unit_test(blocks_are_found_by_name),
        cmocka_unit_test(data_are_known),
        cmocka_unit_test(logs_are_known),
        cmocka_unit_test(shapes_and_notes_are_checked),
        cmocka_unit_test(it_survives_being_killed),
        cmocka_unit_test(interrupts_leave_a_checkpoint),
        cmocka_unit_test(the_last_good_file_is_used),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };

    return cmocka_run_group_tests(tests, begin_training, end_training);
}
