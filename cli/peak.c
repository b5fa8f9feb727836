/* cli/peak.c - measuring the machine's peak: twelve independent chains of fused
 * multiply-adds, which is more than latency times pipes on the processors of
 * today, on the widest vectors there are. */
#include "peak.h"

#include <immintrin.h>
#include <stdint.h>
#include <time.h>

#include "thread.h"

enum { CHAINS = 12 };

#define EACH_CHAIN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BEGIN(k) vector a##k = set((float)k);
#define STEP(k) a##k = fma(a##k, x, y);
#define SUM(k) x = add(x, a##k);

/* One element of the sum, so that nothing can be left out. */
#define DEFINE_CHAINS(name, features)                                                 \
    __attribute__((target(features))) static float name(int64_t steps)                \
    {                                                                                 \
        vector x = set(0.9f), y = set(0.1f);                                          \
                                                                                      \
        EACH_CHAIN(BEGIN)                                                             \
        while (steps-- > 0) {                                                         \
            EACH_CHAIN(STEP)                                                          \
        }                                                                             \
        EACH_CHAIN(SUM)                                                               \
        return first(x);                                                              \
    }

#define vector __m512
#define set _mm512_set1_ps
#define fma _mm512_fmadd_ps
#define add _mm512_add_ps
#define first _mm512_cvtss_f32
DEFINE_CHAINS(chains_512, "avx512f")
#undef vector
#undef set
#undef fma
#undef add
#undef first

#define vector __m256
#define set _mm256_set1_ps
#define fma _mm256_fmadd_ps
#define add _mm256_add_ps
#define first _mm256_cvtss_f32
DEFINE_CHAINS(chains_256, "avx2,fma")
#undef vector
#undef set
#undef fma
#undef add
#undef first

#define vector __m128
#define set _mm_set1_ps
#define fma(a, x, y) _mm_add_ps(_mm_mul_ps(a, x), y)
#define add _mm_add_ps
#define first _mm_cvtss_f32
DEFINE_CHAINS(chains_128, "sse2")

typedef struct work {
    float (*chains)(int64_t steps);
    int lanes;
    int64_t steps;
    float sum[1024];                /* by thread */
} work;

static void body(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    work *w = arg;

    w->sum[thread % 1024] = w->chains((end - begin) * w->steps);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double peak_gflops(int threads)
{
    enum { TIMES = 30, STEPS = 1000000 };
    work w = {chains_128, 4, STEPS, {0}};
    thread_pool *pool = thread_pool_open(threads);
    const struct ingot_pool *p = pool ? thread_pool_of(pool) : NULL;
    double best = 0;

    if (__builtin_cpu_supports("avx512f"))
        w = (work){chains_512, 16, STEPS, {0}};
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        w = (work){chains_256, 8, STEPS, {0}};
    for (int i = 0; p && i < TIMES; i++) {
        double start = now();
        p->run(p->context, body, &w, p->threads);
        double rate = 2.0 * CHAINS * w.lanes * STEPS * p->threads / (now() - start) / 1e9;
        best = rate > best ? rate : best;
    }
    if (pool)
        thread_pool_close(pool);
    return best;
}
