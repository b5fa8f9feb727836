/* tests/unit/test_thread.c - shares of a job: who does them, and what a pool does whose
 * workers are held up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <unistd.h>

#include "thread.h"

enum { N = 64 };

/* A job that holds its worker up: the caller waits until the worker has begun, which then
 * sleeps without using a CPU. */
typedef struct held {
    atomic_int by[N];           /* the thread that did it, and 1 */
    atomic_int ranges, asleep;
    int microseconds;
} held;

static void wait_for_worker(held *h)
{
    for (int i = 0; i < 10000 && !atomic_load(&h->asleep); i++)
        usleep(1000);
}

static void hold(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    held *h = arg;

    atomic_fetch_add(&h->ranges, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&h->by[i], thread + 1);
    if (thread == 0) {
        wait_for_worker(h);
    } else if (!atomic_exchange(&h->asleep, 1)) {
        usleep((unsigned)h->microseconds);
    }
}

static void count(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    (void)begin, (void)end, (void)thread;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int ranges_of(const struct ingot_pool *p)
{
    atomic_int ranges = 0;

    p->run(p->context, count, &ranges, N);
    return atomic_load(&ranges);
}

static void run_held(const struct ingot_pool *p, held *h, int n)
{
    p->run(p->context, hold, h, n);
    for (int i = 0; i < n; i++)
        assert_in_range(h->by[i], 1, 2);
    assert_true(h->asleep);
}

/* The caller does what a worker that is held up has not begun: also where a share is one
 * iteration. */
static void late_shares_are_taken_over(void **state)
{
    (void)state;
    for (int n = 8; n <= N; n *= 8) {
        thread_pool *pool = thread_pool_open(2);
        held h = {.microseconds = 50000};
        int by_worker = 0;
        run_held(thread_pool_of(pool), &h, n);
        for (int i = 0; i < n; i++)
            by_worker += h.by[i] == 2;
        assert_true(by_worker > 0 && by_worker < n / 2);
        assert_true(h.ranges > 2);
        thread_pool_close(pool);
    }
}

/* A worker that does not run costs its pool one wait; a while later it is tried again.  On
 * a busy machine that while may be over before the next job: then the test tries again. */
static void lost_cpu_is_given_up(void **state)
{
    thread_pool *pool = thread_pool_open(2);
    const struct ingot_pool *p = thread_pool_of(pool);
    bool given_up = false;

    (void)state;
    if (thread_cpus() < 2)
        skip();
    for (int i = 0; i < 20 && !given_up; i++) {
        held h = {.microseconds = 20000};
        run_held(p, &h, N);
        given_up = ranges_of(p) == 1;
    }
    assert_true(given_up);
    usleep(1200000);
    assert_true(ranges_of(p) > 1);
    thread_pool_close(pool);
}

/* Jobs much shorter than it takes to wake a worker: none is done twice, none left out. */
static void short_jobs_are_done_once(void **state)
{
    thread_pool *pool = thread_pool_open(3);
    const struct ingot_pool *p = thread_pool_of(pool);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        held h = {.asleep = 1};
        int64_t n = i % N + 1;
        p->run(p->context, hold, &h, n);
        for (int64_t k = 0; k < n; k++)
            assert_in_range(h.by[k], 1, 3);
    }
    thread_pool_close(pool);
}

static void note_begin(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    (void)end, (void)thread;
    atomic_store((atomic_int *)arg + begin, 1);
}

/* However many shares there are, each of three threads begins with a third.  A new pool
 * has not yet given up a CPU. */
static void threads_begin_with_equal_parts(void **state)
{
    (void)state;
    for (int n = 3; n <= N; n++) {
        thread_pool *pool = thread_pool_open(3);
        const struct ingot_pool *p = thread_pool_of(pool);
        atomic_int begins[N] = {0};
        p->run(p->context, note_begin, begins, n);
        int first = n / 3 + (n % 3 > 0), second = n / 3 + (n % 3 > 1);
        assert_true(begins[0] && begins[first] && begins[first + second]);
        thread_pool_close(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(late_shares_are_taken_over),
                                       cmocka_unit_test(threads_begin_with_equal_parts),
                                       cmocka_unit_test(lost_cpu_is_given_up),
                                       cmocka_unit_test(short_jobs_are_done_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
