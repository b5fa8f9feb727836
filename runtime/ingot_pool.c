/* runtime/ingot_pool.c - the pool of executables, for programs with models of their own. */
#include "ingot_pool.h"

#include "thread.h"

const struct ingot_pool *ingot_pool_open(int threads)
{
    return thread_pool_of(thread_pool_open(threads ? threads : thread_cpus()));
}

void ingot_pool_close(const struct ingot_pool *pool)
{
    if (pool)
        thread_pool_close((thread_pool *)pool->context);
}
