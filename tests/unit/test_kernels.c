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

static void sorting_is_stable(void **state)
{
    enum { ROWS = 3, N = 1000 };
    uint64_t seed = 7;
    uint32_t in[ROWS * N], keys[ROWS * N], spare[ROWS * N];
    int64_t *places = calloc(2 * ROWS * N, 8), dims[2] = {ROWS, 0};

    (void)state;
    for (int64_t n = 0; n <= N; n = n * 2 + 1) {
        dims[1] = n;
        for (int64_t i = 0; i < ROWS * n; i++)
            in[i] = (uint32_t)(next_random(&seed) % 50);
        struct ingot_tensor t[] = {{keys, dims, TENSOR_U32, 2}, {places, dims, TENSOR_I64, 2},
                                   {spare, dims, TENSOR_U32, 2},
                                   {places + ROWS * N, dims, TENSOR_I64, 2},
                                   {in, dims, TENSOR_U32, 2}};
        struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4};
        assert_int_equal(ingot_kernel_sort_u32(&x), INGOT_OK);
        for (int64_t i = 0; i < ROWS * n; i++) {
            int64_t row = i / n * n;
            assert_int_equal(keys[i], in[row + places[i]]);
            if (i > row)
                assert_true(keys[i - 1] < keys[i] ||
                            (keys[i - 1] == keys[i] && places[i - 1] < places[i]));
        }
    }
    free(places);
}

static void sorting_of_wide_keys(void **state)
{
    uint64_t in[] = {UINT64_MAX, 0, 5, 1ull << 40, 5}, keys[5], spare[5];
    int64_t places[5], more[5], dims[] = {1, 5};
    struct ingot_tensor t[] = {{keys, dims, TENSOR_U64, 2}, {places, dims, TENSOR_I64, 2},
                               {spare, dims, TENSOR_U64, 2}, {more, dims, TENSOR_I64, 2},
                               {in, dims, TENSOR_U64, 2}};
    struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4};

    (void)state;
    assert_int_equal(ingot_kernel_sort_u64(&x), INGOT_OK);
    assert_memory_equal(places, ((int64_t[]){1, 2, 4, 3, 0}), sizeof places);
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
        cmocka_unit_test(sorting_is_stable),
        cmocka_unit_test(sorting_of_wide_keys),
        cmocka_unit_test(places_of_what_is_not_zero),
        cmocka_unit_test(suppression),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
