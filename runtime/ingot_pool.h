/* ingot_pool.h - threads for compiled models: one pool serves all of them.
 *
 * A model's run takes a `const struct ingot_pool *` (ingot/abi.h), or NULL, and then
 * works in the calling thread.  Results do not depend on the pool.  For example
 *
 *   const struct ingot_pool *pool = ingot_pool_open(0);
 *   status = net_run(&in, &out, workspace, pool);
 *   ingot_pool_close(pool);
 *
 * Link with libingot_pool.a and -lpthread.  ingot_pool_openmp needs neither. */
#ifndef INGOT_POOL_H
#define INGOT_POOL_H

#include "ingot/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A pool of `threads` threads, the caller of a run being one of them; 0: as many as
 * CPUs that this process may use.  Fewer if the system gives no more.  One run at a
 * time.  NULL without memory. */
const struct ingot_pool *ingot_pool_open(int threads);
/* Ends the threads.  `pool` may be NULL. */
void ingot_pool_close(const struct ingot_pool *pool);

#ifdef _OPENMP
/* Runs a piece for each thread of a team; `context` is their number. */
static inline void ingot_pool_openmp_run(void *context, ingot_body *body, void *arg, int64_t n)
{
    int64_t most = (int64_t)(intptr_t)context, parts = n < most ? n : most;

#pragma omp parallel for num_threads((int)parts) schedule(static, 1) if (parts > 1)
    for (int64_t i = 0; i < parts; i++) {
        int64_t each = n / parts, more = n % parts;
        int64_t begin = each * i + (i < more ? i : more);
        body(arg, begin, begin + each + (i < more), (int32_t)i);
    }
}

/* A pool that uses the threads of OpenMP, `threads` of them, at least 1. */
static inline struct ingot_pool ingot_pool_openmp(int threads)
{
    struct ingot_pool pool;

    pool.context = (void *)(intptr_t)threads;
    pool.threads = threads;
    pool.run = ingot_pool_openmp_run;
    return pool;
}
#endif

#ifdef __cplusplus
}
#endif
#endif
