/* codegen/llvm/module.c - modules to object code: the target machine, the passes,
 * and what is asked of LLVM's C API nowhere else. */
#include "llvm_module.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

/* No vectorizers and no unroller: both rewrite what templates wrote.  Kernels come
 * with their registers, vectors and unrolling chosen; what is left is to make
 * values of register buffers (sroa), to share and hoist address arithmetic, and to
 * clean up.  Where kernels were taken apart (whole.c), equal operations side by side
 * are vectors again behind that. */
static const char pipeline[] = "always-inline,function(sroa,early-cse<memssa>,"
                               "instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),early-"
                               "cse<memssa>,simplifycfg,dce)";
static const char vectors[] = "function(slp-vectorizer)";
static const char scalars[] = "ingot-scalars";      /* a function that is to have those */

/* What LLVM cannot go on from is our bug, not its user's. */
static void on_fatal_error(const char *reason)
{
    ICE_IF(true, "LLVM: %s", reason);
}

static void initialize(target_arch a)
{
    switch (a) {
#define ARCH(name, llvm, ...)                 \
    case ARCH_##name:                         \
        LLVMInitialize##llvm##TargetInfo();   \
        LLVMInitialize##llvm##Target();       \
        LLVMInitialize##llvm##TargetMC();     \
        LLVMInitialize##llvm##AsmPrinter();   \
        LLVMInitialize##llvm##AsmParser();    \
        break;
#include "targets.def"
    }
}

bool llvm_start(target_arch a, diag *d)
{
    const char *triple = target_triple(a);
    char *message = NULL;
    LLVMTargetRef backend;

    LLVMResetFatalErrorHandler();
    LLVMInstallFatalErrorHandler(on_fatal_error);
    initialize(a);
    bool ok = !LLVMGetTargetFromTriple(triple, &backend, &message) ||
              diag_error(d, (ir_loc){0}, D_IO, triple, message ? message : "failed");
    LLVMDisposeMessage(message);
    return ok;
}

/* Position independent, so that executables, archives and shared objects take the
 * same code. */
LLVMTargetMachineRef llvm_machine(const target *t)
{
    const char *triple = target_triple(t->arch);
    char *message = NULL;
    LLVMTargetRef backend;
    text features = {0};

    ICE_IF(LLVMGetTargetFromTriple(triple, &backend, &message), "LLVM was not started");
    target_llvm_features(t, &features);
    LLVMTargetMachineRef tm =
        LLVMCreateTargetMachine(backend, triple, t->cpu, features.at, LLVMCodeGenLevelAggressive,
                                LLVMRelocPIC, LLVMCodeModelDefault);
    text_free(&features);
    return tm;
}

static bool used_elsewhere(LLVMValueRef v)
{
    LLVMBasicBlockRef here = LLVMGetInstructionParent(v);

    for (LLVMUseRef u = LLVMGetFirstUse(v); u; u = LLVMGetNextUse(u))
        if (LLVMGetInstructionParent(LLVMGetUser(u)) != here)
            return true;
    return false;
}

/* An address that licm has hoisted is one value to the loops that use it.  Strength
 * reduction would else see through it, down to the task's number, and try every sum
 * of its terms as a base for each access, a third of the code generator's time. */
static void freeze_addresses(LLVMBuilderRef b, LLVMBasicBlockRef block)
{
    for (LLVMValueRef next, i = LLVMGetFirstInstruction(block); i; i = next) {
        next = LLVMGetNextInstruction(i);
        if (LLVMGetInstructionOpcode(i) != LLVMGetElementPtr || !used_elsewhere(i))
            continue;
        LLVMPositionBuilderBefore(b, next);
        LLVMValueRef frozen = LLVMBuildFreeze(b, i, "");
        LLVMReplaceAllUsesWith(i, frozen);
        LLVMSetOperand(frozen, 0, i);
    }
}

static void freeze_module(LLVMModuleRef m)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(LLVMGetModuleContext(m));

    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef k = LLVMGetFirstBasicBlock(f); k; k = LLVMGetNextBasicBlock(k))
            freeze_addresses(b, k);
    LLVMDisposeBuilder(b);
}

void llvm_mark_scalars(LLVMValueRef f)
{
    LLVMContextRef cx = LLVMGetModuleContext(LLVMGetGlobalParent(f));

    LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(cx, scalars, sizeof scalars - 1, "", 0));
}

static bool has_scalars(LLVMValueRef f)
{
    return LLVMGetStringAttributeAtIndex(f, LLVMAttributeFunctionIndex, scalars,
                                         sizeof scalars - 1) != NULL;
}

static bool run_passes(LLVMModuleRef m, const char *passes, LLVMTargetMachineRef tm, char **error)
{
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMErrorRef e = LLVMRunPasses(m, passes, tm, o);

    LLVMDisposePassBuilderOptions(o);
    if (!e)
        return true;
    char *why = LLVMGetErrorMessage(e);
    *error = LLVMCreateMessage(why);
    LLVMDisposeErrorMessage(why);
    return false;
}

/* A pass takes all functions of a module; the attribute keeps the vectorizer off the rest. */
static bool make_vectors(LLVMModuleRef m, LLVMTargetMachineRef tm, char **error)
{
    unsigned keep = LLVMGetEnumAttributeKindForName("noimplicitfloat", 15);
    LLVMAttributeRef kept = LLVMCreateEnumAttribute(LLVMGetModuleContext(m), keep, 0);
    LLVMAttributeIndex whole = LLVMAttributeFunctionIndex;
    bool any = false;

    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f))
        if (has_scalars(f))
            any = true;
        else
            LLVMAddAttributeAtIndex(f, whole, kept);
    bool ok = !any || run_passes(m, vectors, tm, error);
    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f))
        LLVMRemoveEnumAttributeAtIndex(f, whole, keep);
    return ok;
}

/* The module is verified behind the passes; *error is LLVM's message, the caller's
 * to free. */
bool llvm_optimize(LLVMModuleRef m, LLVMTargetMachineRef tm, char **error)
{
    char *message = NULL;

    if (!run_passes(m, pipeline, tm, error) || !make_vectors(m, tm, error))
        return false;
    freeze_module(m);
    if (LLVMVerifyModule(m, LLVMReturnStatusAction, &message)) {
        *error = message;
        return false;
    }
    LLVMDisposeMessage(message);
    return true;
}

/* The caller's to mem_free. */
static void copy_out(const char *from, size_t n, uint8_t **data, size_t *size)
{
    *size = n;
    *data = mem_alloc(n);
    memcpy(*data, from, n);
}

bool llvm_generate(LLVMModuleRef m, LLVMTargetMachineRef tm, bool assembly, uint8_t **data,
                   size_t *size, char **error)
{
    LLVMCodeGenFileType kind = assembly ? LLVMAssemblyFile : LLVMObjectFile;
    LLVMMemoryBufferRef buffer;

    if (LLVMTargetMachineEmitToMemoryBuffer(tm, m, kind, error, &buffer))
        return false;
    copy_out(LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), data, size);
    LLVMDisposeMemoryBuffer(buffer);
    return true;
}

void llvm_print(LLVMModuleRef m, uint8_t **data, size_t *size)
{
    char *ll = LLVMPrintModuleToString(m);

    copy_out(ll, strlen(ll), data, size);
    LLVMDisposeMessage(ll);
}
