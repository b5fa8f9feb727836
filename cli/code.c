/* cli/code.c - from a loaded module to one LLVM module. */
#include "code.h"

#include "pass.h"

bool code_plan(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    plan_options po = {.lower = lower_group, .lower_cx = &c->l, .target = o->target,
                       .no_alloc = o->no_alloc};

    *c = (ingot_code){0};
    lower_init(&c->l, m, o->target, o->name, d);
    if (pass_pipeline(m, o->target, NULL))
        c->p = plan_build(m, &po, d);
    return c->p != NULL;
}

bool code_make(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    if (!code_plan(c, m, o, d))
        return false;
    c->a = (artifact){.m = m, .p = c->p, .l = &c->l, .name = o->name, .target = o->target,
                      .threads = o->threads, .executable = o->executable, .library = o->library};
    artifact_place(&c->a);
    c->machine = llvm_machine(o->target, d);
    if (!c->machine)
        return false;
    c->context = LLVMContextCreate();
    c->llvm = LLVMModuleCreateWithNameInContext(o->name, c->context);
    return artifact_emit(&c->a, c->llvm, d) && llvm_optimize(c->llvm, c->machine, d);
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
