/* runtime/thread.c - fork and join.
 *
 * A job is cut into shares, some for each thread, which begin with its own and go on with
 * those of others that nobody has begun: a thread that wakes late, or shares its CPU with
 * another program, holds up no share but the one that it is in.  `turn` counts the jobs.
 * The place of thread t counts, beside the turn, how many of its shares have begun; a
 * count of an older turn means none, so that a new job resets nothing.
 *
 * A job's description may be overwritten while a thread that missed the job still reads
 * it.  There are two, used in turns: the one of turn T is overwritten when the turn is
 * T + 1 already, so that a thread that finds the turn unchanged behind its reads has read
 * what belongs to it.
 *
 * Sleeping and waking is Dekker's pattern: the sleeper announces itself, then looks at the
 * counter again; the waker changes the counter, then looks for sleepers.  All of these are
 * sequentially consistent, so one of the two sees the other. */
#include "thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"

/* Looks at a counter before a thread sleeps, some 400 us in all, longer than most kernels
 * that run on one thread: to be woken takes 20 us. The first microsecond goes without
 * pauses, which are longer than kernels are apart.  Who waits some 80 us for a share asks
 * why. */
enum { SPINS = 20000, EAGER = 1000, PATIENCE = 4000, MAX_THREADS = 1024, LINE = 64 };

/* Shares of a thread where there are iterations enough; more than a thread ever has. */
enum { SHARES = 4, EACH = 256 };

/* Seconds that a pool goes on with fewer threads after it has lost a CPU: at first, at
 * most; a wait of less than LOSS is none.  Who loses one again within TRIAL is disturbed
 * still.  PERIOD is longer than two turns of programs that take turns on a CPU. */
static const double REST = 0.01, LONGEST_REST = 1, LOSS = 2e-4, TRIAL = 0.05, PERIOD = 0.01;

/* Periods in a row after which the caller's CPU is one that it shares; jobs, which may take two
 * microseconds each, between two questions to the clock whether a period is over; periods that
 * so many of the longest may take, behind which a look is old. */
enum { STRIKES = 2, JOBS = 8, OLD = 10 };

typedef struct job {
    _Atomic(ingot_body *) body;
    _Atomic(void *) arg;
    atomic_int_least64_t n;
} job;

/* What a thread knows of a job: a copy. */
typedef struct task {
    ingot_body *body;
    void *arg;
    int64_t n;
    int threads, each;          /* of which each has that many shares */
    uint32_t turn;
} task;

/* A worker and what it needs of its own, in cache lines of its own: others write
 * `begun` when they take its shares over. */
typedef struct place {
    _Alignas(LINE) atomic_uint_least64_t begun;     /* turn << 32 | shares begun in it */
    atomic_bool busy;
    int32_t index;
    thread_pool *pool;
    pthread_t thread;
    double cpu_before;          /* seconds it had run when the caller began to wait */
} place;

/* What the caller found when it last looked whether it is alone on its CPU. */
typedef struct caller {
    pthread_t thread;
    double looked, ran;         /* seconds that it had run by then */
    long switches;              /* so often the system had taken the CPU from it */
    int strikes;                /* periods up to now in which it did */
    unsigned jobs;              /* up to now */
} caller;

/* What all threads write stands in different lines, or each write would take the
 * line away from those that read its neighbour.  `face` is what compiled code sees. */
struct thread_pool {
    struct ingot_pool face;
    int spins;
    double rest, resume;        /* how long it goes on with fewer threads, until when */
    caller caller;
    _Alignas(LINE) atomic_uint turn;        /* with what a worker reads of a job: one line */
    atomic_uint parts[2];       /* by turn: EACH * threads + shares of each */
    job job[2];                 /* by turn */
    _Alignas(LINE) atomic_int_least64_t done;       /* shares that workers have finished */
    _Alignas(LINE) atomic_int sleepers;
    atomic_int active;          /* threads that jobs are cut for */
    atomic_int joining;
    atomic_bool closing;
    pthread_mutex_t lock;
    pthread_cond_t start, ended;
    place *place;
};

_Static_assert(offsetof(thread_pool, done) - offsetof(thread_pool, turn) == LINE, "one line");

/* Tells the processor that this thread only waits: it gives its pipes to the other
 * thread of the core, and leaves the loop at once when the line changes. */
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

/* ---- shares ---------------------------------------------------------------------- */

/* The first of the iterations [begin, end) that belongs to part i of `parts`: the first
 * ones are one longer. */
static int64_t cut(int64_t begin, int64_t end, int64_t parts, int64_t i)
{
    int64_t length = (end - begin) / parts, rest = (end - begin) % parts;

    return begin + length * i + (i < rest ? i : rest);
}

/* Does a share.  Threads get as many iterations as they would without shares, and cut
 * these: were all iterations cut at once, the shares that are longer would all be those
 * of the first threads. */
static void do_share(const task *t, int32_t of, int share, int32_t self)
{
    int64_t begin = cut(0, t->n, t->threads, of), end = cut(0, t->n, t->threads, of + 1);

    t->body(t->arg, cut(begin, end, t->each, share), cut(begin, end, t->each, share + 1), self);
}

/* The number of a share of this thread that now begins; -1: all have, or the job is over. */
static int claim(place *p, const task *t)
{
    uint64_t seen = atomic_load_explicit(&p->begun, memory_order_relaxed);

    for (;;) {
        uint32_t turn = (uint32_t)(seen >> 32), begun = turn == t->turn ? (uint32_t)seen : 0;
        if ((int32_t)(turn - t->turn) > 0 || begun == (uint32_t)t->each)
            return -1;
        if (atomic_compare_exchange_weak(&p->begun, &seen, (uint64_t)t->turn << 32 | (begun + 1)))
            return (int)begun;
    }
}

/* Does the shares of thread `of` that have not begun; returns how many. */
static int64_t do_shares(thread_pool *p, const task *t, int32_t of, int32_t self)
{
    int64_t done = 0;

    for (int i; (i = claim(&p->place[of], t)) >= 0; done++)
        do_share(t, of, i, self);
    return done;
}

/* The same for all other threads. */
static int64_t take_over(thread_pool *p, const task *t, int32_t self)
{
    int64_t done = 0;

    for (int k = 1; k < t->threads; k++)
        done += do_shares(p, t, (self + k) % t->threads, self);
    return done;
}

/* ---- workers --------------------------------------------------------------------- */

static bool may_go_on(thread_pool *p, uint32_t seen, int32_t index)
{
    return (atomic_load(&p->turn) != seen && index < atomic_load(&p->active)) ||
           atomic_load(&p->closing);
}

/* Waits for a job behind turn `seen`; gives the turn. */
static uint32_t wait_turn(thread_pool *p, uint32_t seen, int32_t index)
{
    for (int i = 0; i < p->spins; i++) {
        if (atomic_load_explicit(&p->turn, memory_order_acquire) != seen &&
            index < atomic_load_explicit(&p->active, memory_order_relaxed))
            return atomic_load(&p->turn);
        if (i >= EAGER)
            relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!may_go_on(p, seen, index)) {
        bool counted = index < atomic_load(&p->active);
        atomic_fetch_sub(&p->sleepers, !counted);
        pthread_cond_wait(&p->start, &p->lock);
        atomic_fetch_add(&p->sleepers, !counted);
    }
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return atomic_load(&p->turn);
}

/* The job of this turn; false if it is over. */
static bool read_job(thread_pool *p, uint32_t turn, task *t)
{
    job *j = &p->job[turn & 1];
    unsigned parts = atomic_load_explicit(&p->parts[turn & 1], memory_order_relaxed);

    *t = (task){.body = atomic_load_explicit(&j->body, memory_order_relaxed),
                .arg = atomic_load_explicit(&j->arg, memory_order_relaxed),
                .n = atomic_load_explicit(&j->n, memory_order_relaxed),
                .threads = (int)(parts / EACH), .each = (int)(parts % EACH), .turn = turn};
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&p->turn, memory_order_relaxed) == turn;
}

/* The caller sleeps only where `joining` is set; else nobody needs a signal. */
static void add_done(thread_pool *p, int64_t shares)
{
    if (!shares)
        return;
    atomic_fetch_add(&p->done, shares);
    if (!atomic_load(&p->joining))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->lock);
}

/* Its own shares are told of before it looks for others: mostly there are none, and the caller
 * waits.  Where each thread has one share, the caller takes over what is late: to look after
 * that would cost each worker more than most of these jobs are long. */
static void worker_part(thread_pool *p, const task *t, int32_t self)
{
    add_done(p, do_shares(p, t, self, self));
    if (t->each > 1)
        add_done(p, take_over(p, t, self));
}

/* `busy` is read by the caller only to find out whose CPU was lost. */
static void *work(void *arg)
{
    place *own = arg;
    thread_pool *p = own->pool;
    uint32_t seen = 0;
    task t;

    for (;;) {
        seen = wait_turn(p, seen, own->index);
        if (atomic_load(&p->closing))
            return NULL;
        if (!read_job(p, seen, &t) || own->index >= t.threads)
            continue;
        atomic_store_explicit(&own->busy, true, memory_order_relaxed);
        worker_part(p, &t, own->index);
        atomic_store_explicit(&own->busy, false, memory_order_relaxed);
    }
}

/* ---- lost CPUs --------------------------------------------------------------------- */

/* Seconds that the thread has run; negative: the system does not say. */
static double cpu_seconds(pthread_t thread)
{
    clockid_t clock;
    struct timespec t;

    if (pthread_getcpuclockid(thread, &clock) || clock_gettime(clock, &t))
        return -1;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Notes what the workers that are being waited for have run. */
static double begin_watch(thread_pool *p)
{
    for (int i = 1; i < p->face.threads; i++)
        p->place[i].cpu_before =
            atomic_load_explicit(&p->place[i].busy, memory_order_relaxed)
                ? cpu_seconds(p->place[i].thread) : -1;
    return clock_now();
}

/* How many of them ran for less than half of the time that the caller has waited. */
static int lost_since(const thread_pool *p, double start)
{
    double waited = clock_now() - start;
    int lost = 0;

    for (int i = 1; waited > LOSS && i < p->face.threads; i++) {
        const place *w = &p->place[i];
        lost += w->cpu_before >= 0 && cpu_seconds(w->thread) - w->cpu_before < waited / 2;
    }
    return lost;
}

/* Goes on with fewer threads: twice as long as before, if it had hardly tried again. */
static void use_fewer(thread_pool *p, int lost)
{
    double now = clock_now();
    double trial = p->rest > TRIAL ? p->rest : TRIAL;
    int active = atomic_load(&p->active) - lost;

    p->rest = now - p->resume < trial ? 2 * p->rest : REST;
    p->rest = p->rest > LONGEST_REST ? LONGEST_REST : p->rest;
    p->resume = now + p->rest;
    atomic_store(&p->active, active < 1 ? 1 : active);
}

/* Is the caller's CPU one that another program uses, too?  Workers are not waited for then,
 * they wait; one of them less, and the system has a CPU to bring the caller to.  To be
 * switched from happens to any thread, and one that sleeps loses time: both together in
 * period after period are a neighbour.  A look that is old, or another thread's, tells
 * nothing. */
static bool caller_is_disturbed(thread_pool *p)
{
    caller *c = &p->caller;
    struct rusage use;

    if (c->jobs++ % JOBS)
        return false;
    double now = clock_now(), since = now - c->looked;
    if (since < PERIOD || getrusage(RUSAGE_THREAD, &use))
        return false;
    double ran = cpu_seconds(pthread_self());
    bool known = ran >= 0 && c->ran >= 0 && since < OLD * PERIOD &&
                 pthread_equal(c->thread, pthread_self());
    bool shared = known && use.ru_nivcsw != c->switches && ran - c->ran < since * 3 / 4;
    int strikes = shared ? c->strikes + 1 : 0;
    *c = (caller){pthread_self(), now, ran, use.ru_nivcsw, strikes % STRIKES, c->jobs};
    return strikes == STRIKES;
}

static void use_all_again(thread_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->active, p->face.threads);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
}

/* ---- the caller -------------------------------------------------------------------- */

/* The fence keeps the stores behind it from being seen before the turn that made
 * this description free; the store of the turn, which is sequentially consistent,
 * publishes them.  It also stands before the look at the sleepers (see the top of
 * this file). */
static void fork_job(thread_pool *p, task *t)
{
    t->turn = atomic_load_explicit(&p->turn, memory_order_relaxed) + 1;
    job *j = &p->job[t->turn & 1];

    atomic_thread_fence(memory_order_release);      /* the last turn is seen before these */
    atomic_store_explicit(&j->body, t->body, memory_order_relaxed);
    atomic_store_explicit(&j->arg, t->arg, memory_order_relaxed);
    atomic_store_explicit(&j->n, t->n, memory_order_relaxed);
    atomic_store_explicit(&p->parts[t->turn & 1], (unsigned)(EACH * t->threads + t->each),
                          memory_order_relaxed);
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_store(&p->turn, t->turn);
    if (!atomic_load(&p->sleepers))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
}

/* The caller's side of the same pattern: `joining` first, then `done` again. */
static void sleep_until(thread_pool *p, int64_t shares)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->joining, 1);
    while (atomic_load(&p->done) != shares)
        pthread_cond_wait(&p->ended, &p->lock);
    atomic_store(&p->joining, 0);
    pthread_mutex_unlock(&p->lock);
}

/* Waits until workers have finished so many shares. */
static void join_job(thread_pool *p, int64_t shares)
{
    double start = -1;

    for (int i = 0; i < p->spins; i++) {
        if (atomic_load_explicit(&p->done, memory_order_acquire) == shares)
            break;
        if (i >= EAGER)
            relax();
        if (i == PATIENCE)
            start = begin_watch(p);
    }
    if (atomic_load(&p->done) != shares)
        sleep_until(p, shares);
    int lost = start < 0 ? 0 : lost_since(p, start);
    if (lost)
        use_fewer(p, lost);
}

/* The pool's `run` of the ABI: body(arg, begin, end, thread) over [0, n), returns
 * when all is done.  One iteration, or a pool of one, goes without any of this. */
static void run(void *context, ingot_body *body, void *arg, int64_t n)
{
    thread_pool *p = context;
    int active = atomic_load_explicit(&p->active, memory_order_relaxed);

    if (n > 1 && active < p->face.threads && clock_now() > p->resume) {
        use_all_again(p);
        active = p->face.threads;
    }
    if (n <= 1 || active == 1) {
        if (n > 0)
            body(arg, 0, n, 0);
        return;
    }
    task t = {.body = body, .arg = arg, .n = n, .threads = n < active ? (int)n : active};
    t.each = n >= (int64_t)SHARES * active ? SHARES : 1;
    fork_job(p, &t);
    int64_t left = (int64_t)t.threads * t.each - do_shares(p, &t, 0, 0);
    if (atomic_load_explicit(&p->done, memory_order_acquire) != left)
        left -= take_over(p, &t, 0);
    join_job(p, left);
    if (caller_is_disturbed(p))
        use_fewer(p, 1);
}

/* ---- a pool ------------------------------------------------------------------------ */

/* If the system gives fewer threads than asked for, the pool has fewer. */
static void start_workers(thread_pool *p, int threads)
{
    for (int i = 0; i < threads; i++)
        p->place[i] = (place){.pool = p, .index = i};
    for (int i = 1; i < threads; i++) {
        if (pthread_create(&p->place[i].thread, NULL, work, &p->place[i]))
            break;
        p->face.threads++;
    }
    atomic_store(&p->active, p->face.threads);
}

/* Null without memory.  More threads than CPUs never spin: they would keep each
 * other from running. */
thread_pool *thread_pool_open(int threads)
{
    threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    thread_pool *p = aligned_alloc(LINE, (sizeof *p + LINE - 1) / LINE * LINE);
    place *places = aligned_alloc(LINE, (size_t)threads * sizeof *places);

    if (!p || !places) {
        free(p);
        free(places);
        return NULL;
    }
    *p = (thread_pool){.face = {p, 1, run}, .rest = REST, .place = places, .active = threads};
    p->spins = threads <= thread_cpus() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->ended, NULL);
    start_workers(p, threads);
    return p;
}

/* `turn` changes behind `closing`, so that threads that spin find out as well as
 * those that sleep. */
void thread_pool_close(thread_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->closing, true);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_add(&p->turn, 1);
    for (int i = 1; i < p->face.threads; i++)
        pthread_join(p->place[i].thread, NULL);
    pthread_cond_destroy(&p->ended);
    pthread_cond_destroy(&p->start);
    pthread_mutex_destroy(&p->lock);
    free(p->place);
    free(p);
}

const struct ingot_pool *thread_pool_of(const thread_pool *p)
{
    return p ? &p->face : NULL;
}
