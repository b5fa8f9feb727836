/* An output whose size is an input's value: memory of the caller's. */
#include "late.h"

#include "check.h"

#ifdef DYNAMIC
#include <dlfcn.h>
#endif

/* How much there is, and how many pieces are out. */
struct budget {
    size_t left;
    int out;
};

static void *give(void *context, size_t size)
{
    struct budget *b = (struct budget *)context;

    if (size > b->left)
        return NULL;
    b->out++;
    return aligned_alloc(64, size / 64 * 64 + 64);
}

static void take(void *context, void *memory)
{
    ((struct budget *)context)->out--;
    free(memory);
}

int main(void)
{
    int (*run)(const struct late_inputs *, struct late_outputs *, void *,
               const struct late_allocator *, const struct late_pool *) = NULL;
    static unsigned char workspace[LATE_WORKSPACE_SIZE(1) + 64];
    struct budget budget = {1 << 20, 0};
    struct late_allocator memory = {&budget, give, take};
    struct late_inputs in;
    struct late_outputs out;
    int64_t count = 5;

#ifdef DYNAMIC
    void *library = dlopen(PLACE, RTLD_NOW);
    CHECK(library);
    *(void **)&run = dlsym(library, "late_run");
#else
    run = late_run;
#endif
    CHECK(run);
    in.count = &count;
    void *aligned = workspace + (64 - (size_t)workspace % 64) % 64;
    CHECK(run(&in, &out, aligned, &memory, NULL) == LATE_OK);
    CHECK(out.y_dims[0] == 5 && out.y[0] == 0 && out.y[4] == 20 && budget.out == 1);
    take(&budget, out.y);
    budget.left = 8;
    CHECK(run(&in, &out, aligned, &memory, NULL) == LATE_MEMORY);
    CHECK(out.y == NULL && out.message && budget.out == 0);
    CHECK(run(&in, &out, aligned, NULL, NULL) == LATE_MEMORY);
    budget.left = 1 << 20;
    count = -3;
    CHECK(run(&in, &out, aligned, &memory, NULL) == LATE_CHECK && budget.out == 0);
    return 0;
}
