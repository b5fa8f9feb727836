/* Fuzz target: the text form of kernels.  Input is an error, or a kernel that
 * prints and reads back the same; a kernel that verifies can be asked about. */
#include "loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lp_kernel *parse(const char *s, diag *d)
{
    ir_loc loc = {.line = 1};

    return lp_parse(&s, &loc, d);
}

static void print_twice(const lp_kernel *k, diag *d)
{
    text out = {0}, again = {0};

    lp_print(k, &out);
    lp_kernel *copy = parse(out.at, d);
    ICE_IF(!copy, "the printed kernel does not parse");
    lp_print(copy, &again);
    ICE_IF(strcmp(out.at, again.at) != 0, "the printed kernel reads back as another");
    lp_kernel_free(copy);
    text_free(&out);
    text_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;

    diag_init(&d);
    lp_kernel *k = parse(arena_strndup(&d.mem, (const char *)data, size), &d);
    if (k)
        print_twice(k, &d);
    if (k && lp_verify(k, &d)) {
        lp_disjoint(k, &d);
        lp_kernel_trip(k);
        lp_kernel_scratch(k);
    }
    lp_kernel_free(k);
    diag_free(&d);
    return 0;
}
