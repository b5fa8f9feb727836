/* runtime/thread.h - a pool of threads for `struct ingot_pool`: fork and join.
 *
 * Each thread begins with the same part of every job, so that data stays with it from
 * kernel to kernel, and goes on with what others have not begun: a thread whose CPU another
 * program uses holds up little.  Where the caller waits for a thread that does not run, the
 * pool goes on with fewer for some time.  Results of kernels depend on none of this.
 *
 * Workers spin for some microseconds before they sleep: kernels follow each other closely.
 * With more threads than CPUs they sleep at once. */
#ifndef INGOT_THREAD_H
#define INGOT_THREAD_H

#include <stdbool.h>

#include "abi.h"

typedef struct thread_pool thread_pool;

/* CPUs in the affinity mask of this process, at least 1. */
int thread_cpus(void);
/* A pool of `threads` threads, the caller of run being one of them; fewer if
 * the system gives no more.  Null without memory. */
thread_pool *thread_pool_open(int threads);
void thread_pool_close(thread_pool *p);
/* The pool as compiled code sees it.  One run at a time. */
const struct ingot_pool *thread_pool_of(const thread_pool *p);

#endif
