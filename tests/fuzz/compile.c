/* tests/fuzz/compile.c - what imports goes through passes, kernels and plan, or
 * is refused. */
#include "lower.h"
#include "onnx.h"
#include "pass.h"
#include "plan_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compile(ir_module *m, diag *d)
{
    lower l;
    target t;
    plan_options o = {.lower = lower_group, .lower_cx = &l, .target = &t};

    ICE_IF(!target_find("x86-64-v3", &t), "no such target");
    lower_init(&l, m, o.target, "fuzz", d);
    plan *p = pass_pipeline(m, o.target, NULL) ? plan_build(m, &o, d) : NULL;
    ICE_IF(!p && !diag_failed(d), "no plan and no reason");
    plan_free(p);
    lower_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;

    diag_init(&d);
    ir_module *m = onnx_import_memory(data, size, "input", NULL, &d);
    if (m)
        compile(m, &d);
    ir_module_free(m);
    diag_free(&d);
    return 0;
}
