/* tests/unit/test_train_loop.c - the loop of a training program: what it learns, where it
 * stops and what it tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "choice.h"
#include "journal.h"
#include "order.h"
#include "train_model.h"

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

/* A checkpoint of any version goes on in the order that it began in. */
static void orders_stay(void **state)
{
    static const int64_t known[] = {636, 57, 306, 340, 877, 359};
    order o = order_of(1000, 3, 2);

    (void)state;
    for (int64_t i = 0; i < 6; i++)
        assert_int_equal(order_at(&o, i), known[i]);
}

/* Whatever number of threads gathers them, and also where some rows are kept apart. */
static void rows_are_gathered(void **state)
{
    enum { ROWS = 1000, WIDTH = 30, BATCH = 700, BEGIN = 100 };
    static float x[ROWS][WIDTH], to[BATCH][WIDTH];
    array a = {.dtype = TENSOR_F32, .rank = 1, .dims = {WIDTH}, .rows = ROWS, .stride = WIDTH,
               .data = x};
    const struct ingot_train_block b = {.column_count = 1};
    const rows r = {.block = &b, .column = &a, .count = ROWS};
    const choice c = {.from = &r, .first = 200, .count = 800, .apart = true,
                      .split = order_of(ROWS, 5, ORDER_SPLIT)};
    order o = order_of(c.count, 5, 1);
    void *const columns[] = {to};
    char error[TENSOR_ERROR_SIZE];

    (void)state;
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i / WIDTH][i % WIDTH] = (float)i;
    for (int threads = 0; threads < 4; threads++) {
        thread_pool *p = threads ? thread_pool_open(threads) : NULL;
        memset(to, 0, sizeof to);
        assert_true(choice_gather(&c, &o, BEGIN, BATCH, columns, thread_pool_of(p), error));
        for (int64_t i = 0; i < BATCH; i++)
            assert_memory_equal(to[i], x[choice_row(&c, &o, BEGIN + i)], sizeof *to);
        thread_pool_close(p);
    }
}

/* ---- tests ------------------------------------------------------------------------ */

static void it_learns_and_stops(void **state)
{
    (void)state;
    assert_int_equal(HERE(&trainer, "--quiet", "--seed=3"), CLI_OK);
    assert_true(weights[0] > 1.99F && weights[0] < 2.01F);
    assert_true(weights[1] > -1.01F && weights[1] < -0.99F);
    assert_int_equal(HERE(&trainer, "--quiet", "--epochs=9223372036854775807"), CLI_OK);
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

/* Of any number of records as many are kept as there is room for: of the parts alike, and
 * of each the last; none of a test. */
static void curves_keep_their_parts(void **state)
{
    enum { EPOCHS = 20001 };
    char error[TENSOR_ERROR_SIZE];
    int64_t kept[JOURNAL_PARTS] = {0};
    journal j;

    (void)state;
    assert_true(journal_open(&j, &trainer, ingot_engine_session(engine)->model, NULL, NULL, true,
                             &(place_log){0}, error));
    for (int64_t epoch = 1; epoch <= EPOCHS; epoch++)
        for (int32_t part = 0; part < JOURNAL_PARTS; part++)
            if (part != INGOT_PART_TEST || epoch == EPOCHS / 2) {
                journal_record r = journal_blank(epoch, epoch, part);
                journal_add(&j, &r, 0);
            }
    for (int64_t i = 0, was[JOURNAL_PARTS] = {0}; i < j.records; i++) {
        const journal_record *r = &j.record[i];
        assert_true(r->step > was[r->part]);
        was[r->part] = r->step;
        kept[r->part]++;
    }
    assert_int_equal(kept[INGOT_PART_TEST], 1);
    for (int32_t part = 0; part < JOURNAL_PARTS; part++)
        assert_true(part == INGOT_PART_TEST || (kept[part] > 500 && kept[part] < 3000 &&
                                                journal_last(&j, part)->step == EPOCHS));
    assert_true(journal_close(&j, error));
}

/* A page alone asks for the numbers of every epoch, as a log does. */
static void a_page_has_every_epoch(void **state)
{
    char page[20000];
    int points = 1;

    (void)state;
    assert_int_equal(HERE(&endless, "--quiet", "--epochs=50", arg("--report=", "p.html")), CLI_OK);
    read_file("p.html", page, sizeof page);
    const char *at = strstr(page, "points=\"");
    assert_non_null(at);
    for (at += 8; *at != '"'; at++)
        points += *at == ' ';
    assert_int_equal(points, 50);
}

/* Two `stop after`: the training loss grows, as the first one likes it, the validation's is
 * best after the first epoch. */
static const struct ingot_train_patience waits[] = {
    {"loss", INGOT_PART_TRAIN, .higher = 1, .patience = 2},
    {"loss", INGOT_PART_VALID, .higher = 0, .patience = 3}};
static const struct ingot_train_block waiting_blocks[] = {
    BLOCK("fit", step_feed, .epochs = 9, .patience_count = 2, .patience = waits)};
static const struct ingot_trainer waiting = TRAINER(waiting_blocks);

static void it_stops_at_its_best(void **state)
{
    float best[2];
    char log[4000];

    (void)state;
    assert_int_equal(HERE(&endless, "--quiet", "--seed=3", "--set=rate=0.5", "--valid=0.2",
                          "--epochs=1"), CLI_OK);
    memcpy(best, weights, sizeof best);
    assert_int_equal(HERE(&waiting, "--quiet", "--seed=3", "--set=rate=0.5", "--valid=0.2",
                          arg("--log=", "w.csv")), CLI_OK);
    assert_memory_equal(best, weights, sizeof best);
    read_file("w.csv", log, sizeof log);
    assert_non_null(strstr(log, "\n8,4,valid,"));
    assert_null(strstr(log, "\n10,5,"));
    assert_int_equal(TRAIN(&waiting, "--set=rate=0.5", "--seed=3", "--valid=0.2"), CLI_OK);
    assert_said("valid.loss was not lower for 3 epochs: the weights are those of epoch 1, with ");
    assert_int_equal(TRAIN(&waiting, "--quiet"), CLI_FAILED);
    assert_said("waits for valid.loss, but no rows are kept for validation");
}

/* Each objective's numbers are logged and looked at where gradients are accumulated. */
static const struct ingot_train_call gathers[] = {CALL("eval", 2, both), CALL("eval", 2, both)},
                                     applies[] = {CALL("apply1", 0, NULL), CALL("apply2", 0, NULL)};
static const struct ingot_train_block large_blocks[] = {
    BLOCK("fit", step_feed, .epochs = 2, .accumulate = 2, .gather = gathers, .apply = applies,
          .objective_count = 2)};
static const struct ingot_trainer large = TRAINER(large_blocks);

static void all_objectives_are_watched(void **state)
{
    char log[4000];

    (void)state;
    assert_int_equal(TRAIN(&large, "--set=rate=0.75", arg("--log=", "l.csv")), CLI_OK);
    assert_said("loss2 0.75");
    read_file("l.csv", log, sizeof log);
    assert_int_equal(strncmp(log, "step,epoch,part,loss,loss2,seconds\n2,1,train,", 45), 0);
    assert_non_null(strstr(log, ",0.75,"));
    assert_int_equal(TRAIN(&large, "--set=rate=nan"), CLI_FAILED);
    assert_said("step 1 (epoch 1, first row 7): loss2 is nan");
}

static const struct ingot_train_block short_blocks[] = {BLOCK("fit", step_feed, .epochs = 3)};
static const struct ingot_trainer brief = TRAINER(short_blocks);

/* A limit of time leaves the program's epochs as they are, and a test is of the last one. */
static void limits_add_up(void **state)
{
    char log[4000];

    (void)state;
    assert_int_equal(TRAIN(&brief, "--time=100s", arg("--log=", "t.csv"),
                           "--test=x,t=[[1, 0, 2], [2, 0, 4]]", arg("--save=", "t")), CLI_OK);
    assert_said("saved ");
    assert_said("/t, step 9\n");
    read_file("t.csv", log, sizeof log);
    assert_non_null(strstr(log, "\n9,3,test,"));
    assert_null(strstr(log, ",4,"));
    assert_int_equal(TRAIN(&brief, "--steps=5", "--test=x,t=[[1, 0, 2], [2, 0, 4]]",
                           arg("--log=", "t.csv")), CLI_OK);
    read_file("t.csv", log, sizeof log);
    assert_non_null(strstr(log, "\n5,2,test,"));
}

static void lost_numbers_end_it(void **state)
{
    (void)state;
    assert_int_equal(TRAIN(&trainer, "--set=rate=1e20", "--steps=100"), CLI_FAILED);
    assert_said("loss is ");
    assert_said("net.w");
    assert_int_equal(TRAIN(&trainer, "--set=speed=1", "--steps=100"), CLI_FAILED);
    assert_said("the program has no config 'speed'");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_permutations),
        cmocka_unit_test(orders_are_even),
        cmocka_unit_test(orders_stay),
        cmocka_unit_test(rows_are_gathered),
        cmocka_unit_test(it_learns_and_stops),
        cmocka_unit_test(metrics_are_logged),
        cmocka_unit_test(curves_keep_their_parts),
        cmocka_unit_test(a_page_has_every_epoch),
        cmocka_unit_test(it_stops_at_its_best),
        cmocka_unit_test(all_objectives_are_watched),
        cmocka_unit_test(limits_add_up),
        cmocka_unit_test(lost_numbers_end_it),
        cmocka_unit_test(data_and_options_are_checked),
    };

    return cmocka_run_group_tests(tests, begin_training, end_training);
}
