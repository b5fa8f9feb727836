/* codegen/llvm/module.c - modules to object code. */
#include "llvm_module.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

/* No vectorizers and no unroller: both rewrite what templates wrote. */
static const char pipeline[] = "always-inline,function(sroa,early-cse<memssa>,"
                               "instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),early-"
                               "cse<memssa>,simplifycfg,dce)";

static bool failed(diag *d, const char *what, char *message)
{
    diag_error(d, (ir_loc){0}, D_IO, what, message ? message : "failed");
    LLVMDisposeMessage(message);
    return false;
}

/* What LLVM cannot go on from is our bug, not its user's. */
static void on_fatal_error(const char *reason)
{
    ICE_IF(true, "LLVM: %s", reason);
}

LLVMTargetMachineRef llvm_machine(const target *t, diag *d)
{
    LLVMTargetRef target;
    char *message = NULL, *triple;

    LLVMResetFatalErrorHandler();
    LLVMInstallFatalErrorHandler(on_fatal_error);
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    triple = LLVMGetDefaultTargetTriple();
    if (LLVMGetTargetFromTriple(triple, &target, &message)) {
        failed(d, triple, message);
        return NULL;
    }
    LLVMTargetMachineRef tm =
        LLVMCreateTargetMachine(target, triple, t->name, t->features, LLVMCodeGenLevelAggressive,
                                LLVMRelocPIC, LLVMCodeModelDefault);
    LLVMDisposeMessage(triple);
    return tm;
}

bool llvm_optimize(LLVMModuleRef m, LLVMTargetMachineRef tm, diag *d)
{
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMErrorRef e = LLVMRunPasses(m, pipeline, tm, o);
    char *message = NULL;

    LLVMDisposePassBuilderOptions(o);
    if (e) {
        char *text = LLVMGetErrorMessage(e);
        diag_error(d, (ir_loc){0}, D_IO, "LLVM", text);
        LLVMDisposeErrorMessage(text);
        return false;
    }
    if (LLVMVerifyModule(m, LLVMReturnStatusAction, &message))
        return failed(d, "LLVM verifier", message);
    LLVMDisposeMessage(message);
    return true;
}

bool llvm_object(LLVMModuleRef m, LLVMTargetMachineRef tm, bool assembly, uint8_t **data,
                 size_t *size, diag *d)
{
    LLVMMemoryBufferRef buffer;
    char *message = NULL;

    if (LLVMTargetMachineEmitToMemoryBuffer(tm, m, assembly ? LLVMAssemblyFile : LLVMObjectFile,
                                            &message, &buffer))
        return failed(d, "LLVM", message);
    *size = LLVMGetBufferSize(buffer);
    *data = mem_alloc(*size);
    memcpy(*data, LLVMGetBufferStart(buffer), *size);
    LLVMDisposeMemoryBuffer(buffer);
    return true;
}
