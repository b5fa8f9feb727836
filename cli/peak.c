/* cli/peak.c - measuring the machine's peak: twelve independent chains of
 * multiply-adds, which is more than latency times pipes on the processors of
 * today, on the widest vectors there are.  CMake lets the compiler fuse them. */
#include "peak.h"

#include <stdint.h>
#include <string.h>

#include "clock.h"
#include "host.h"
#include "thread.h"

enum { CHAINS = 12 };

#define EACH_CHAIN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BEGIN(k) vector a##k = zero + (float)(k + 2);  /* 1 would stay 1 */
#define STEP(k) a##k = a##k * x + y;
#define SUM(k) x += a##k;

/* Returns an element of the sum, so that the compiler can leave nothing out. */
#define DEFINE_CHAINS(name, bytes, features)                                          \
    features static float name(int64_t steps)                                         \
    {                                                                                 \
        typedef float vector __attribute__((vector_size(bytes)));                     \
        vector zero = {0}, x = zero + 0.9f, y = zero + 0.1f;                          \
                                                                                      \
        EACH_CHAIN(BEGIN)                                                             \
        while (steps-- > 0) {                                                         \
            EACH_CHAIN(STEP)                                                          \
        }                                                                             \
        EACH_CHAIN(SUM)                                                               \
        return x[0];                                                                  \
    }

DEFINE_CHAINS(chains_16, 16, )
#if defined(__x86_64__)
DEFINE_CHAINS(chains_32, 32, __attribute__((target("avx2,fma"))))
DEFINE_CHAINS(chains_64, 64, __attribute__((target("avx512f"))))
#endif

/* What a thread does: `steps` rounds of the chains; sums are kept, so that nothing
 * is optimized away. */
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

/* By the processor that runs this, not by what the compiler was told. */
static work widest(void)
{
    enum { STEPS = 1000000 };
    work w = {chains_16, 4, STEPS, {0}};
    target t;

    host_target(&t);
#if defined(__x86_64__)
    if (t.vector_bytes >= 32)
        w = (work){t.vector_bytes >= 64 ? chains_64 : chains_32, t.vector_bytes / 4, STEPS, {0}};
#endif
    return w;
}

/* The best of many tries: clocks rise under load, and neighbours take time away. */
double peak_gflops(int threads)
{
    enum { TIMES = 30 };
    work w = widest();
    thread_pool *pool = thread_pool_open(threads);
    const struct ingot_pool *p = pool ? thread_pool_of(pool) : NULL;
    double best = 0;

    for (int i = 0; p && i < TIMES; i++) {
        double start = clock_now();
        p->run(p->context, body, &w, p->threads);
        double operations = 2.0 * CHAINS * w.lanes * (double)w.steps * p->threads;
        double rate = operations / (clock_now() - start) / 1e9;
        best = rate > best ? rate : best;
    }
    if (pool)
        thread_pool_close(pool);
    return best;
}

/* Copying within the second cache, both directions counted: kernels work there
 * mostly. */
double peak_gbytes(void)
{
    enum { TIMES = 200, SIZE = 1 << 18 };
    static char from[SIZE], to[SIZE];
    double best = 0;

    for (int i = 0; i < TIMES; i++) {
        double start = clock_now();
        from[i] = (char)i;
        memcpy(to, from, SIZE);
        __asm__ volatile("" : : "r"(to) : "memory");
        double rate = 2.0 * SIZE / (clock_now() - start) / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}
