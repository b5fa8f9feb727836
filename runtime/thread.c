/* runtime/thread.c - fork and join.
 *
 * `turn` counts the jobs; a worker waits until it changes.  Sleeping and waking
 * is Dekker's pattern: the sleeper announces itself, then looks at the counter
 * again; the waker changes the counter, then looks for sleepers.  All of these
 * are sequentially consistent, so one of the two sees the other. */
#include "thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Looks at a counter before a thread sleeps, some 400 us in all, longer than most kernels
 * that run on one thread: to be woken takes 20 us. The first microsecond goes without
 * pauses, which are longer than kernels are apart. */
enum { SPINS = 20000, EAGER = 1000, MAX_THREADS = 1024, LINE = 64 };

typedef struct worker {
    thread_pool *pool;
    int32_t index;
    pthread_t thread;
} worker;

struct thread_pool {
    struct ingot_pool face;
    int spins;
    ingot_body *body;           /* the job; null: end */
    void *arg;
    int64_t n;
    _Alignas(LINE) atomic_uint turn;
    _Alignas(LINE) atomic_int pending;
    _Alignas(LINE) atomic_int sleepers;
    atomic_int joining;
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    worker *workers;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int thread_cpus(void)
{
    cpu_set_t set;
    int n = 1;

    if (!sched_getaffinity(0, sizeof set, &set))
        n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

/* Bounds of the ranges: the first n % threads of them are one longer. */
static int64_t bound(const thread_pool *p, int32_t index)
{
    int64_t each = p->n / p->face.threads, rest = p->n % p->face.threads;

    return each * index + (index < rest ? index : rest);
}

static void do_part(const thread_pool *p, int32_t index)
{
    int64_t begin = bound(p, index), end = bound(p, index + 1);

    if (begin < end)
        p->body(p->arg, begin, end, index);
}

static void wait_turn(thread_pool *p, unsigned seen)
{
    for (int i = 0; i < p->spins; i++) {
        if (atomic_load_explicit(&p->turn, memory_order_acquire) != seen)
            return;
        if (i >= EAGER)
            relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->turn) == seen)
        pthread_cond_wait(&p->start, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void finish_part(thread_pool *p)
{
    if (atomic_fetch_sub(&p->pending, 1) != 1 || !atomic_load(&p->joining))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    worker *w = arg;
    thread_pool *p = w->pool;

    for (unsigned seen = 0;; seen++) {
        wait_turn(p, seen);
        if (!p->body)
            return NULL;
        do_part(p, w->index);
        finish_part(p);
    }
}

static void fork_job(thread_pool *p)
{
    atomic_store(&p->pending, p->face.threads - 1);
    atomic_fetch_add(&p->turn, 1);
    if (!atomic_load(&p->sleepers))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
}

static void join_job(thread_pool *p)
{
    for (int i = 0; i < p->spins; i++) {
        if (!atomic_load_explicit(&p->pending, memory_order_acquire))
            return;
        if (i >= EAGER)
            relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->joining, 1);
    while (atomic_load(&p->pending))
        pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->joining, 0);
    pthread_mutex_unlock(&p->lock);
}

static void run(void *context, ingot_body *body, void *arg, int64_t n)
{
    thread_pool *p = context;

    if (n <= 1 || p->face.threads == 1) {
        if (n > 0)
            body(arg, 0, n, 0);
        return;
    }
    p->body = body;
    p->arg = arg;
    p->n = n;
    fork_job(p);
    do_part(p, 0);
    join_job(p);
}

thread_pool *thread_pool_open(int threads)
{
    thread_pool *p = aligned_alloc(LINE, (sizeof *p + LINE - 1) / LINE * LINE);

    if (!p)
        return NULL;
    threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    *p = (thread_pool){.face = {p, 1, run}};
    p->spins = threads <= thread_cpus() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    p->workers = calloc((size_t)threads, sizeof *p->workers);
    for (int i = 1; p->workers && i < threads; i++) {
        p->workers[i] = (worker){.pool = p, .index = i};
        if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]))
            break;
        p->face.threads++;
    }
    return p;
}

void thread_pool_close(thread_pool *p)
{
    if (!p)
        return;
    p->body = NULL;
    fork_job(p);
    for (int i = 1; i < p->face.threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->start);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

const struct ingot_pool *thread_pool_of(const thread_pool *p)
{
    return p ? &p->face : NULL;
}
