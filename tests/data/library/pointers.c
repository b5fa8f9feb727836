/* Pointers that are missing or lie at a wrong place, and sizes of outputs. */
#include <string.h>

#include "check.h"
#include "counter.h"
#include "limits.h"
#include "sums.h"

static void sizes(void)
{
    struct sums_dims dims;

    dims.n = 5;
    CHECK(sums_size_of_y(&dims) == 20 && SUMS_SIZE_OF_Y == 16 && LIMITS_SIZE_OF_Y == 16);
    CHECK(COUNTER_READ_SIZE_OF_W == 12 && COUNTER_READ_SIZE_OF_INT == 8);
    dims.n = INT64_MAX;
    CHECK(sums_size_of_y(&dims) == SIZE_MAX && sums_size_of_y(NULL) == SIZE_MAX);
    CHECK(sums_workspace_size(NULL, 1) == SIZE_MAX);
    sums_output_dims(NULL, NULL);
}

static void missing(void)
{
    float x[2 * 64] = {0}, z[4] = {0}, y[2], minus[4];
    struct sums_inputs in, no_x;
    struct sums_outputs out, no_y;
    struct sums_dims dims;
    char *workspace = (char *)aligned_alloc(64, 1 << 20);

    in.x = x, in.z = z, out.y = y, out.Y = minus, dims.n = 2;
    no_x = in, no_x.x = NULL, no_y = out, no_y.y = NULL;
    CHECK(sums_run(&in, &out, &dims, workspace, NULL) == SUMS_OK && y[1] == 64);
    CHECK(sums_run(&no_x, &out, &dims, workspace, NULL) == SUMS_POINTER);
    CHECK(strstr(out.message, "input x is NULL"));
    CHECK(sums_run(&in, &no_y, &dims, workspace, NULL) == SUMS_POINTER);
    CHECK(strstr(no_y.message, "output y is NULL"));
    CHECK(sums_run(NULL, &out, &dims, workspace, NULL) == SUMS_POINTER);
    CHECK(sums_run(&in, NULL, &dims, workspace, NULL) == SUMS_POINTER);
    CHECK(sums_run(&in, &out, NULL, workspace, NULL) == SUMS_POINTER);
    CHECK(strstr(out.message, "dims"));
    if (sums_workspace_size(&dims, 1))
        CHECK(sums_run(&in, &out, &dims, NULL, NULL) == SUMS_POINTER);
    CHECK(sums_run(&in, &out, &dims, workspace + 8, NULL) == SUMS_POINTER);
    CHECK(strstr(out.message, "64-byte aligned"));
    free(workspace);
}

static void states_and_weights(void)
{
    float x[6] = {0}, y[4], w[3];
    int64_t count;
    struct counter_read_inputs none;
    struct counter_read_outputs read;
    struct limits_inputs in;
    struct limits_outputs out;
    void *workspace = aligned_alloc(64, 1 << 20);

    none.none = 0, read.w = w, read._int = &count, in.x = x, out.y = y;
    CHECK(counter_read_run(&none, &read, NULL, workspace, NULL) == COUNTER_POINTER);
    CHECK(strstr(read.message, "states"));
    CHECK(limits_run(&in, &out, NULL, workspace, NULL) == LIMITS_POINTER);
    CHECK(strstr(out.message, "weights"));
    counter_init(NULL);
    CHECK(!limits_weights_fit(NULL, LIMITS_WEIGHTS_SIZE));
    free(workspace);
}

int main(void)
{
    sizes();
    missing();
    states_and_weights();
    return 0;
}
