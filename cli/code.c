/* cli/code.c - from a loaded module to one LLVM module. */
#include "code.h"

#include "onnx.h"
#include "pass.h"
#include "progress.h"

static void print_time(void *cx, int step, const pass_info *p, const ir_module *m, bool changed,
                       double seconds)
{
    (void)cx, (void)m;
    fprintf(stderr, "%2d %-12s %9.3f ms%s\n", step, p->name, 1e3 * seconds, changed ? "" : "  (unchanged)");
}

bool code_plan(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    plan_options po = {.lower = lower_group, .lower_cx = &c->l, .target = o->target,
                       .no_alloc = o->no_alloc};
    pass_watch times = {.after = print_time};

    *c = (ingot_code){0};
    lower_init(&c->l, m, o->target, o->name, d);
    progress_step("running passes");
    if (!pass_pipeline(m, o->target, o->time_passes ? &times : NULL))
        return false;
    progress_step("choosing kernels");
    c->p = plan_build(m, &po, d);
    return c->p != NULL;
}

static bool place(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    c->a = (artifact){.m = m, .p = c->p, .l = &c->l, .name = o->name, .target = o->target,
                      .threads = o->threads, .executable = o->executable, .library = o->library,
                      .max_weights = o->max_weights ? o->max_weights : ONNX_MAX_WEIGHTS};
    return artifact_place(&c->a, d);
}

bool code_make(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    if (!code_plan(c, m, o, d) || !place(c, m, o, d))
        return false;
    c->machine = llvm_machine(o->target, d);
    if (!c->machine)
        return false;
    progress_step("writing LLVM IR");
    c->context = LLVMContextCreate();
    c->llvm = LLVMModuleCreateWithNameInContext(o->name, c->context);
    if (!artifact_emit(&c->a, c->llvm, d))
        return false;
    progress_step("optimizing LLVM IR");
    return llvm_optimize(c->llvm, c->machine, d);
}

void code_free(ingot_code *c)
{
    if (c->llvm)
        LLVMDisposeModule(c->llvm);
    if (c->context)
        LLVMContextDispose(c->context);
    if (c->machine)
        LLVMDisposeTargetMachine(c->machine);
    artifact_free(&c->a);
    plan_free(c->p);
    lower_free(&c->l);
    *c = (ingot_code){0};
}
