/* tests/unit/test_kernels.c - what compiled code calls beside its own: the pool of
 * threads, and the kernels out of line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels.h"
#include "tensor_io.h"
#include "thread.h"

/* ---- threads ------------------------------------------------------------------------------ */

enum { MARKS = 1000 };

typedef struct marks {
    int32_t threads;
    atomic_int seen[MARKS];
    atomic_int busy[16], wrong;
} marks;

static void mark(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    marks *m = arg;

    if (thread < 0 || thread >= m->threads || atomic_fetch_add(&m->busy[thread], 1))
        atomic_fetch_add(&m->wrong, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&m->seen[i], 1);
    atomic_fetch_sub(&m->busy[thread], 1);
}

static void every_element_runs_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        thread_pool *pool = thread_pool_open(threads);
        const struct ingot_pool *p = thread_pool_of(pool);
        marks *m = calloc(1, sizeof *m);
        m->threads = p->threads;
        for (int64_t n = 0; n <= MARKS; n += 1 + n / 3)
            p->run(p->context, mark, m, n);
        int rounds = 0;
        for (int64_t n = 0; n <= MARKS; n += 1 + n / 3)
            rounds += n > 0;
        assert_int_equal(m->seen[0], rounds);
        assert_int_equal(m->wrong, 0);
        if (threads == 2)
            usleep(20000);      /* its worker sleeps, then is woken */
        p->run(p->context, mark, m, MARKS);
        assert_int_equal(m->seen[0], rounds + 1);
        assert_true(m->seen[MARKS - 1] >= 1);
        thread_pool_close(pool);
        free(m);
    }
    assert_true(thread_cpus() >= 1);
    thread_pool_close(NULL);
}

/* ---- kernels ------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 20;
}

/* The first k of each row of n keys, of which `kinds` differ, that rise, fall or are
 * drawn: beside their count of smaller keys and of equal ones before them. */
static void check_order(int64_t n, int64_t k, int64_t room, uint64_t kinds, int how)
{
    enum { ROWS = 3, MOST = 600 };
    static uint32_t in[ROWS * MOST], keys[ROWS * MOST], own[2 * MOST];
    static int64_t places[ROWS * MOST], own_places[2 * MOST];
    int64_t dims[] = {ROWS, n}, first[] = {ROWS, k}, scratch[] = {2, room};
    uint64_t seed = 7;

    for (int64_t i = 0; i < ROWS * n; i++) {
        uint64_t v = how ? (uint64_t)i * kinds / (uint64_t)(ROWS * n) : next_random(&seed) % kinds;
        in[i] = how > 0 ? UINT32_MAX - (uint32_t)v : (uint32_t)v;
    }
    struct ingot_tensor t[] = {{keys, first, TENSOR_U32, 2}, {places, first, TENSOR_I64, 2},
                               {own, scratch, TENSOR_U32, 2}, {own_places, scratch, TENSOR_I64, 2},
                               {in, dims, TENSOR_U32, 2}};
    struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4};
    assert_int_equal(ingot_kernel_sort_u32(&x), INGOT_OK);
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t i = 0; i < k; i++) {
            int64_t place = places[r * k + i], before = 0;
            const uint32_t *row = in + r * n;
            assert_true(place >= 0 && place < n);
            assert_int_equal(keys[r * k + i], row[place]);
            for (int64_t j = 0; j < n; j++)
                before += row[j] < row[place] || (row[j] == row[place] && j < place);
            assert_int_equal(before, i);
        }
}

static void order_is_stable(void **state)
{
    static const uint64_t kinds[] = {1, 2, 50, 1000000};

    (void)state;
    for (int64_t n = 0; n <= 600; n = n * 2 + 1)
        for (int64_t k = 0; k <= n; k = k * 3 + 1)
            for (int how = -1; how <= 1; how++)
                for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                    check_order(n, k, n, kinds[i], how);
                    check_order(n, k, k + 1 < n ? k + 1 : n, kinds[i], how);
                    check_order(n, k, 2 * k + 32 < n ? 2 * k + 32 : n, kinds[i], how);
                }
}

/* However rows are shared out, and on however many threads, they come out alike. */
static void rows_are_shared(void **state)
{
    enum { ROWS = 41, N = 600, SHARES = 7 };
    static uint32_t in[ROWS * N], keys[2][ROWS * N], own[2 * SHARES * N];
    static int64_t places[2][ROWS * N], own_places[2 * SHARES * N];
    thread_pool *pool = thread_pool_open(3);
    uint64_t seed = 7;

    (void)state;
    for (int64_t i = 0; i < ROWS * N; i++)
        in[i] = (uint32_t)(next_random(&seed) % 1000);
    for (int64_t k = 1; k <= N; k += 199) {
        for (int i = 0; i < 2; i++) {
            int64_t dims[] = {ROWS, N}, first[] = {ROWS, k}, scratch[] = {i ? 2 * SHARES : 2, N};
            struct ingot_tensor t[] = {{keys[i], first, TENSOR_U32, 2},
                                       {places[i], first, TENSOR_I64, 2},
                                       {own, scratch, TENSOR_U32, 2},
                                       {own_places, scratch, TENSOR_I64, 2},
                                       {in, dims, TENSOR_U32, 2}};
            struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4,
                                     .pool = i ? thread_pool_of(pool) : NULL};
            assert_int_equal(ingot_kernel_sort_u32(&x), INGOT_OK);
        }
        assert_memory_equal(keys[0], keys[1], (size_t)(ROWS * k) * sizeof keys[0][0]);
        assert_memory_equal(places[0], places[1], (size_t)(ROWS * k) * sizeof places[0][0]);
    }
    thread_pool_close(pool);
}

static void order_of_wide_keys(void **state)
{
    uint64_t in[] = {UINT64_MAX, 0, 5, 1ull << 40, 5}, keys[5], own[10];
    int64_t places[5], more[10], dims[] = {1, 5}, scratch[] = {2, 5}, six[] = {1, 6};
    struct ingot_tensor t[] = {{keys, dims, TENSOR_U64, 2}, {places, dims, TENSOR_I64, 2},
                               {own, scratch, TENSOR_U64, 2}, {more, scratch, TENSOR_I64, 2},
                               {in, dims, TENSOR_U64, 2}};
    struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4};

    (void)state;
    assert_int_equal(ingot_kernel_sort_u64(&x), INGOT_OK);
    assert_memory_equal(places, ((int64_t[]){1, 2, 4, 3, 0}), sizeof places);
    t[0].dims = six;
    assert_int_equal(ingot_kernel_sort_u64(&x), INGOT_CHECK);
}

static void places_of_what_is_not_zero(void **state)
{
    float in[6] = {0, -0.0f, 3, 0, -1, 0};
    int64_t out[12], dims[] = {2, 3}, n = -1;
    struct ingot_tensor t[] = {{out, NULL, TENSOR_I64, 2}, {in, dims, TENSOR_F32, 2}};
    struct ingot_extern x = {.arg = t, .arg_count = 2, .result_count = 1, .sym = &n};

    (void)state;
    assert_int_equal(ingot_kernel_nonzero(&x), INGOT_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(out, ((int64_t[]){0, 1, 2, 1}), 32);
    t[1].dtype = TENSOR_STRING;
    assert_int_equal(ingot_kernel_nonzero(&x), INGOT_CHECK);
}

static void suppression(void **state)
{
    float boxes[] = {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11}, scores[] = {0.8f, 0.9f, 0.5f};
    float overlap = 0.5f, least = 0;
    int64_t most = 3, out[9], found = -1, center = 0;
    int64_t dims_b[] = {1, 3, 4}, dims_s[] = {1, 1, 3};
    uint8_t gone[3];
    struct ingot_tensor t[] = {
        {out, NULL, TENSOR_I64, 2},        {gone, NULL, TENSOR_U8, 1},
        {boxes, dims_b, TENSOR_F32, 3},    {scores, dims_s, TENSOR_F32, 3},
        {&most, NULL, TENSOR_I64, 0},      {&overlap, NULL, TENSOR_F32, 0},
        {&least, NULL, TENSOR_F32, 0}};
    struct ingot_extern x = {.arg = t, .arg_count = 7, .result_count = 2, .num = &center,
                             .sym = &found};

    (void)state;
    assert_int_equal(ingot_kernel_nms(&x), INGOT_OK);
    assert_int_equal(found, 2);
    assert_memory_equal(out, ((int64_t[]){0, 0, 1, 0, 0, 2}), 48);
    most = -5;
    assert_int_equal(ingot_kernel_nms(&x), INGOT_OK);
    assert_int_equal(found, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_runs_once),
        cmocka_unit_test(order_is_stable),
        cmocka_unit_test(rows_are_shared),
        cmocka_unit_test(order_of_wide_keys),
        cmocka_unit_test(places_of_what_is_not_zero),
        cmocka_unit_test(suppression),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
