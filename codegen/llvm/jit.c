/* codegen/llvm/jit.c - the very objects that `ingot build` would link, linked in
 * memory: what tests run is what is shipped.  Symbols that an executable would find
 * in the runtime are given by the caller, and the weights are where the caller has
 * put them. */
#include <llvm-c/Core.h>
#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include <llvm-c/OrcEE.h>

#include "jit_parts.h"

/* The name of a symbol of the image, behind the prefix of all its symbols. */
static void symbol_name(char name[400], const image *im, const char *what)
{
    snprintf(name, 400, "%s_%s", im->name, what);
}

static LLVMErrorRef define(jit *j, LLVMOrcJITDylibRef lib, const char *name, uintptr_t address)
{
    LLVMOrcCSymbolMapPair pair = {
        LLVMOrcLLJITMangleAndIntern(j->orc, name),
        {(LLVMOrcExecutorAddress)address, {LLVMJITSymbolGenericFlagsExported, 0}}};
    return LLVMOrcJITDylibDefine(lib, LLVMOrcAbsoluteSymbols(&pair, 1));
}

static LLVMErrorRef define_all(jit *j, LLVMOrcJITDylibRef lib, const image *im,
                               const uint8_t *weights, const jit_symbol *symbols)
{
    char name[400];

    symbol_name(name, im, "weights");
    LLVMErrorRef e = define(j, lib, name, (uintptr_t)weights);
    for (; !e && symbols->name; symbols++)
        e = define(j, lib, symbols->name, (uintptr_t)symbols->function);
    return e;
}

/* The C library's memcpy, memmove and memset are this process's. */
static LLVMErrorRef define_process(jit *j, LLVMOrcJITDylibRef lib)
{
    char prefix = LLVMOrcLLJITGetGlobalPrefix(j->orc);
    LLVMOrcDefinitionGeneratorRef process;
    LLVMErrorRef e =
        LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, prefix, NULL, NULL);

    if (!e)
        LLVMOrcJITDylibAddGenerator(lib, process);
    return e;
}

/* Copies, as the linker changes what it links. */
static LLVMErrorRef add_objects(jit *j, const objects *o, LLVMOrcJITDylibRef lib)
{
    LLVMErrorRef e = NULL;

    for (uint32_t i = 0; i < o->len && !e; i++) {
        const char *data = (const char *)o->at[i].data;
        LLVMMemoryBufferRef buffer =
            LLVMCreateMemoryBufferWithMemoryRangeCopy(data, o->at[i].size, "");
        e = LLVMOrcLLJITAddObjectFile(j->orc, lib, buffer);
    }
    return e;
}

/* The older of LLVM's linkers, which tells a listener what it has loaded. */
static LLVMOrcObjectLayerRef listened_layer(void *cx, LLVMOrcExecutionSessionRef session,
                                            const char *triple)
{
    LLVMOrcObjectLayerRef layer =
        LLVMOrcCreateRTDyldObjectLinkingLayerWithSectionMemoryManager(session);

    (void)triple;
    LLVMOrcRTDyldObjectLinkingLayerRegisterJITEventListener(layer, cx);
    return layer;
}

/* A linker that dumps what it links in the format of perf's jitdump. */
static LLVMErrorRef open_dumping(jit *j)
{
    LLVMJITEventListenerRef listener = LLVMCreatePerfJITEventListener();

    if (!listener)
        return LLVMCreateStringError("this LLVM was built without perf's format");
    LLVMOrcLLJITBuilderRef b = LLVMOrcCreateLLJITBuilder();
    LLVMOrcLLJITBuilderSetObjectLinkingLayerCreator(b, listened_layer, listener);
    return LLVMOrcCreateLLJIT(&j->orc, b);
}

/* Errors of LLVM are objects that the caller must take. */
static LLVMErrorRef link_objects(jit *j, const image *im, const objects *o, const uint8_t *weights,
                                 const jit_symbol *symbols, bool dumped)
{
    LLVMOrcExecutorAddress model;
    char name[400];
    LLVMErrorRef e = dumped ? open_dumping(j) : LLVMOrcCreateLLJIT(&j->orc, NULL);

    if (e)
        return e;
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(j->orc);
    symbol_name(name, im, "model");
    if ((e = define_process(j, lib)) || (e = define_all(j, lib, im, weights, symbols)) ||
        (e = add_objects(j, o, lib)) || (e = LLVMOrcLLJITLookup(j->orc, &model, name)))
        return e;
    j->model = (const struct ingot_model *)(uintptr_t)model;
    return NULL;
}

/* Null after an error. */
jit *jit_load(const image *im, const objects *o, const uint8_t *weights, const jit_symbol *symbols,
              bool dumped, diag *d)
{
    jit *j = mem_alloc(sizeof *j);
    LLVMErrorRef e = link_objects(j, im, o, weights, symbols, dumped);

    if (!e)
        return j;
    char *why = LLVMGetErrorMessage(e);
    diag_error(d, (ir_loc){0}, D_IO, "LLVM", why);
    LLVMDisposeErrorMessage(why);
    jit_close(j);
    return NULL;
}

void jit_close(jit *j)
{
    if (j && j->orc)
        LLVMOrcDisposeLLJIT(j->orc);
    mem_free(j);
}

const struct ingot_model *jit_model(const jit *j)
{
    return j->model;
}

/* Bytes of all sections of code. */
static uint64_t code_size(const object *o)
{
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRange((const char *)o->data, o->size, "", false);
    char *error = NULL;
    LLVMBinaryRef object = LLVMCreateBinary(buffer, NULL, &error);
    uint64_t sum = 0;

    if (object) {
        LLVMSectionIteratorRef at = LLVMObjectFileCopySectionIterator(object);
        for (; !LLVMObjectFileIsSectionIteratorAtEnd(object, at); LLVMMoveToNextSection(at)) {
            const char *name = LLVMGetSectionName(at);
            sum += name && !strncmp(name, ".text", 5) ? LLVMGetSectionSize(at) : 0;
        }
        LLVMDisposeSectionIterator(at);
        LLVMDisposeBinary(object);
    }
    LLVMDisposeMessage(error);
    LLVMDisposeMemoryBuffer(buffer);
    return sum;
}

uint64_t objects_code_size(const objects *o)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < o->len; i++)
        sum += code_size(&o->at[i]);
    return sum;
}
