/* One pool for two models, of threads and of OpenMP: the same bits. */
#include <string.h>

#include "check.h"
#include "ingot_pool.h"
#include "more.h"
#include "sums.h"

enum { ROWS = 1000 };

static float x[ROWS * 64], alone[ROWS], y[ROWS];

static void run_both(const struct ingot_pool *pool, float *to)
{
    float z[4] = {0}, minus[4];
    struct sums_inputs in = {x, z};
    struct sums_outputs out = {to, {0}, minus, NULL};
    struct more_inputs more_in = {x, z};
    struct more_outputs more_out = {to, {0}, minus, NULL};
    struct sums_dims dims = {ROWS};
    struct more_dims more_dims = {ROWS};
    void *workspace = aligned_alloc(64, 1 << 20);

    CHECK(sums_workspace_size(&dims, pool ? pool->threads : 1) <= 1 << 20);
    CHECK(sums_run(&in, &out, &dims, workspace, pool) == SUMS_OK);
    CHECK(more_run(&more_in, &more_out, &more_dims, workspace, pool) == MORE_OK);
    free(workspace);
}

int main(void)
{
    const struct ingot_pool *pool = ingot_pool_open(3);
    struct ingot_pool teams = ingot_pool_openmp(2);

    for (int i = 0; i < ROWS * 64; i++)
        x[i] = (float)(i % 97) / 97;
    run_both(NULL, alone);
    CHECK(pool && pool->threads >= 1);
    run_both(pool, y);
    CHECK(!memcmp(alone, y, sizeof y));
    ingot_pool_close(pool);
    memset(y, 0, sizeof y);
    run_both(&teams, y);
    CHECK(!memcmp(alone, y, sizeof y));
    ingot_pool_close(ingot_pool_open(0));
    ingot_pool_close(NULL);
    return 0;
}
