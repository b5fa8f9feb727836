/* Weights in a file, a maximum of threads, a processor that may not do. */
#include "limits.h"

#include <string.h>

#include "check.h"

static void one_thread(void *context, void (*body)(void *arg, int64_t begin, int64_t end,
                                                   int32_t thread), void *arg, int64_t n)
{
    (void)context;
    body(arg, 0, n, 0);
}

int main(int argc, char **argv)
{
    static _Alignas(64) unsigned char workspace[1 << 20], weights[1 << 20];
    struct limits_pool pool = {NULL, 2, one_thread};
    struct limits_inputs in;
    struct limits_outputs out;
    float x[2][3] = {{1, 2, 3}, {4, 5, 6}}, y[2][2];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;

    in.x = x[0];
    out.y = y[0];
    CHECK(f && fread(weights, 1, sizeof weights, f) == LIMITS_WEIGHTS_SIZE);
    fclose(f);
    CHECK(limits_weights_fit(weights, LIMITS_WEIGHTS_SIZE));
    CHECK(!limits_weights_fit(weights, LIMITS_WEIGHTS_SIZE - 8));
    if (argc > 2) {         /* the processor will not do */
        CHECK(limits_workspace_size(1) == SIZE_MAX);
        CHECK(limits_run(&in, &out, weights, workspace, NULL) == LIMITS_CPU);
        CHECK(strstr(out.message, "avx512"));
        return 0;
    }
    CHECK(limits_workspace_size(2) <= sizeof workspace && LIMITS_MAX_THREADS == 2);
    CHECK(limits_workspace_size(3) == SIZE_MAX);
    CHECK(limits_run(&in, &out, weights, workspace, &pool) == LIMITS_OK);
    CHECK(y[0][0] == 14 && y[0][1] == 0 && y[1][0] == 32 && y[1][1] == -3);
    pool.threads = 3;
    CHECK(limits_run(&in, &out, weights, workspace, &pool) == LIMITS_SHAPE && out.message);
    weights[0] ^= 1;
    CHECK(!limits_weights_fit(weights, LIMITS_WEIGHTS_SIZE));
    return 0;
}
