/* Fuzz target: the text form of plans.  Input is an error, or a plan that
 * prints and reads back to the same text. */
#include <string.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The plan of a text, printed; false if it is no plan. */
static bool printed(const char *source, diag *d, text *out)
{
    ir_module *m = ir_module_new(d);
    plan *p = plan_parse(m, source, "fuzz", d);

    if (p)
        plan_print(p, out);
    plan_free(p);
    ir_module_free(m);
    return p != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;
    text first = {0}, second = {0};

    diag_init(&d);
    if (printed(arena_strndup(&d.mem, (const char *)data, size), &d, &first)) {
        const char *source = first.at ? first.at : "";
        bool again = printed(source, &d, &second);
        ICE_IF(!again, "the printed plan does not parse");
        ICE_IF(strcmp(source, second.at ? second.at : ""), "the printed plan changed");
    }
    text_free(&first);
    text_free(&second);
    diag_free(&d);
    return 0;
}
