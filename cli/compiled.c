/* cli/compiled.c - running a module as native code in this process: the very
 * object that `ingot build` would link is loaded, and called through the
 * interface of ir/abi.h. */
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include <stdlib.h>
#include <time.h>

#include "check_cpu.h"
#include "code.h"
#include "engine.h"
#include "invoke.h"
#include "progress.h"
#include "thread.h"

typedef struct compiled {
    ingot_code code;
    LLVMOrcLLJITRef jit;
    const struct ingot_model *model;
    uint8_t *weights;
    size_t filled;
    uint64_t code_size;
    thread_pool *pool;
} compiled;

/* ---- compiling -------------------------------------------------------------------- */

static bool jit_failed(diag *d, LLVMErrorRef e)
{
    char *text = LLVMGetErrorMessage(e);

    diag_error(d, (ir_loc){0}, D_IO, "LLVM", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

/* The symbol `model_weights` is our copy of the weights. */
static LLVMErrorRef define_weights(compiled *c, LLVMOrcJITDylibRef lib)
{
    LLVMOrcCSymbolMapPair pair = {
        LLVMOrcLLJITMangleAndIntern(c->jit, "model_weights"),
        {(LLVMOrcExecutorAddress)(uintptr_t)c->weights, {LLVMJITSymbolGenericFlagsExported, 0}}};

    return LLVMOrcJITDylibDefine(lib, LLVMOrcAbsoluteSymbols(&pair, 1));
}

static bool load_object(compiled *c, const uint8_t *data, size_t size, diag *d)
{
    LLVMErrorRef e = LLVMOrcCreateLLJIT(&c->jit, NULL);
    LLVMOrcDefinitionGeneratorRef process;
    LLVMOrcExecutorAddress model;

    if (e)
        return jit_failed(d, e);
    char prefix = LLVMOrcLLJITGetGlobalPrefix(c->jit);
    e = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, prefix, NULL, NULL);
    if (e)
        return jit_failed(d, e);
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(c->jit);
    LLVMOrcJITDylibAddGenerator(lib, process);
    e = define_weights(c, lib);
    if (e)
        return jit_failed(d, e);
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)data, size, "model");
    e = LLVMOrcLLJITAddObjectFile(c->jit, lib, buffer);
    if (!e)
        e = LLVMOrcLLJITLookup(c->jit, &model, "model_model");
    if (e)
        return jit_failed(d, e);
    c->model = (const struct ingot_model *)(uintptr_t)model;
    return true;
}

/* Bytes of the sections of machine code in an object file. */
static uint64_t code_size(const uint8_t *data, size_t size)
{
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRange((const char *)data, size, "", false);
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

static bool put_memory(void *cx, const void *data, size_t size)
{
    compiled *c = cx;

    if (size)
        memcpy(c->weights + c->filled, data, size);
    c->filled += size;
    return true;
}

static bool load(compiled *c, diag *d)
{
    uint8_t *data = NULL;
    size_t size = 0;

    progress_step("packing %.1f MB of weights", (double)c->code.image.weights_size / 1e6);
    c->weights = aligned_alloc(64, c->code.image.weights_size + 64);
    if (!c->weights)
        return diag_error(d, (ir_loc){0}, D_GENERAL, "no memory for the weights");
    image_write_weights(&c->code.image, put_memory, c);
    progress_step("generating code");
    bool ok = llvm_object(c->code.llvm, c->code.machine, false, &data, &size, d) &&
              load_object(c, data, size, d);
    c->code_size = ok ? code_size(data, size) : 0;
    mem_free(data);
    return ok;
}

/* Code for more than this machine has is not made to be run here. */
static bool runs_here(const target *t, diag *d)
{
    char missing[256];

    if (check_cpu(t->name, missing, sizeof missing))
        return true;
    return diag_error(d, (ir_loc){0}, D_GENERAL,
                      arena_printf(&d->mem, "this CPU cannot run code for %s: it lacks %s", t->name,
                                   missing));
}

bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d)
{
    static const ingot_options usual;
    const ingot_options *given = o ? o : &usual;
    ingot_code_options co = {.name = "model",
                             .target = given->target ? given->target : target_host(),
                             .max_weights = import_max_weights(&given->import),
                             .watch = given->watch};
    compiled *c = mem_alloc(sizeof *c);

    e->compiled = c;
    bool ok = runs_here(co.target, d) && code_make(&c->code, e->m, &co, d);
    e->fn = e->m->fn.at[0];
    c->pool = thread_pool_open(e->threads ? e->threads : thread_cpus());
    return ok && load(c, d);
}

const struct ingot_model *engine_model(const ingot_engine *e, const uint8_t **weights)
{
    const compiled *c = e->compiled;

    *weights = c->weights;
    return c->model;
}

void engine_release(ingot_engine *e)
{
    compiled *c = e->compiled;

    if (!c)
        return;
    if (c->pool)
        thread_pool_close(c->pool);
    if (c->jit)
        LLVMOrcDisposeLLJIT(c->jit);
    free(c->weights);
    code_free(&c->code);
    mem_free(c);
}

/* ---- running ------------------------------------------------------------------------ */

static const struct ingot_pool *pool_of(const compiled *c)
{
    return c->pool ? thread_pool_of(c->pool) : NULL;
}

bool engine_run_compiled(ingot_engine *e, const tensor_value *in, tensor_value *out, char *error)
{
    compiled *c = e->compiled;
    invoke v;
    bool ok =
        invoke_prepare(&v, c->model, invoke_entry(c->model), c->weights, pool_of(c), in, error) &&
        invoke_run(&v, error) && invoke_take(&v, out, error);

    invoke_free(&v);
    return ok;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Seconds of one run; for compiled code of the call alone. */
static bool time_one(ingot_engine *e, invoke *v, const tensor_value *in, double *seconds,
                     char *error)
{
    uint32_t n = e->fn->result.len;
    tensor_value *out = mem_alloc((n + 1) * sizeof *out);
    double start = now();
    bool ok = v ? invoke_run(v, error) : ingot_engine_run(e, in, out, error);

    *seconds = now() - start;
    for (uint32_t k = 0; ok && k < n; k++)
        tensor_value_free(&out[k]);
    mem_free(out);
    return ok;
}

bool ingot_engine_time(ingot_engine *e, const tensor_value *in, int runs, ingot_times *t,
                       char error[TENSOR_ERROR_SIZE])
{
    double *s = mem_alloc((size_t)runs * sizeof *s);
    compiled *c = e->kind == ENGINE_COMPILED ? e->compiled : NULL;
    invoke v = {0};
    bool ok = !c || (invoke_prepare(&v, c->model, invoke_entry(c->model), c->weights, pool_of(c),
                                    in, error) &&
                     time_one(e, &v, in, &s[0], error));

    for (int i = 0; i < runs && ok; i++)
        ok = time_one(e, c ? &v : NULL, in, &s[i], error);
    qsort(s, (size_t)runs, sizeof *s, by_value);
    *t = (ingot_times){s[0], s[runs / 2], ok && c ? v.entry->flops(v.dims) : 0, v.workspace_size};
    invoke_free(&v);
    mem_free(s);
    return ok;
}

void ingot_engine_set_threads(ingot_engine *e, int threads)
{
    compiled *c = e->compiled;

    e->threads = threads;
    if (!c)
        return;
    thread_pool_close(c->pool);
    c->pool = thread_pool_open(threads ? threads : thread_cpus());
}

void ingot_engine_sizes(const ingot_engine *e, uint64_t *code, uint64_t *weights)
{
    const compiled *c = e->compiled;

    *code = c ? c->code_size : 0;
    *weights = c ? c->code.image.weights_size : 0;
}
