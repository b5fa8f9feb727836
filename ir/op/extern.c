/* ir/op/extern.c - runtime kernels called out of line.  What kernels.def does
 * not name is an error. */
#include "eval_op.h"

static bool is_kernel(const char *name)
{
    static const char *const names[] = {
#define KERNEL(name, ...) #name,
#include "kernels.def"
        NULL,
    };

    for (int i = 0; name && names[i]; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

bool ir_infer_extern(ir_infer *in)
{
    return in_fail(in, "kernel", is_kernel(in->attr->EXTERN.kernel) ? "has no tensor form"
                                                                    : "names no kernel");
}

bool ir_eval_extern(ir_call *c)
{
    return eval_fail(c->e, "extern %s has no tensor form", c->attr->EXTERN.kernel);
}
