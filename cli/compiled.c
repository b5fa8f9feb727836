/* cli/compiled.c - running a module as native code in this process: kernels
 * are compiled in memory and called group by group. */
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <stdlib.h>
#include <time.h>

#include "abi.h"
#include "const.h"
#include "engine.h"
#include "fuse.h"
#include "llvm_module.h"
#include "lower.h"
#include "thread.h"

typedef struct compiled {
    ir_groups groups;
    lower l;
    VEC(group_code) code;           /* by group */
    LLVMOrcLLJITRef jit;
    VEC(ingot_body *) kernel;       /* by kernel id */
    uint8_t **consts;               /* by constant: elements in memory, or null */
    uint8_t **mem;                  /* by ref: kept from run to run */
    size_t *size;                   /* of each */
    int64_t *symbol;
    thread_pool *pool;
} compiled;

static bool is_param(const ir_fn *fn, ir_ref r)
{
    return ir_node_of(fn, r)->op == OP_INPUT;
}

/* ---- compiling -------------------------------------------------------------------- */

static bool jit_failed(diag *d, LLVMErrorRef e)
{
    char *text = LLVMGetErrorMessage(e);

    diag_error(d, (ir_loc){0}, D_IO, "LLVM", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

static bool load_object(compiled *c, const uint8_t *data, size_t size, diag *d)
{
    LLVMErrorRef e = LLVMOrcCreateLLJIT(&c->jit, NULL);
    LLVMOrcDefinitionGeneratorRef process;

    if (e)
        return jit_failed(d, e);
    char prefix = LLVMOrcLLJITGetGlobalPrefix(c->jit);
    e = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, prefix, NULL, NULL);
    if (e)
        return jit_failed(d, e);
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(c->jit);
    LLVMOrcJITDylibAddGenerator(lib, process);
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)data, size, "kernels");
    e = LLVMOrcLLJITAddObjectFile(c->jit, lib, buffer);
    if (e)
        return jit_failed(d, e);
    for (uint32_t i = 0; i < c->l.kernel.len; i++) {
        LLVMOrcExecutorAddress a;
        e = LLVMOrcLLJITLookup(c->jit, &a, c->l.kernel.at[i]->name);
        if (e)
            return jit_failed(d, e);
        vec_push(&c->kernel, (ingot_body *)(uintptr_t)a);
    }
    return true;
}

static bool compile_kernels(compiled *c, const target *t, diag *d)
{
    LLVMTargetMachineRef tm = llvm_machine(t, d);
    LLVMContextRef cx = LLVMContextCreate();
    LLVMModuleRef m = LLVMModuleCreateWithNameInContext("kernels", cx);
    uint8_t *data = NULL;
    size_t size = 0;

    for (uint32_t i = 0; i < c->l.kernel.len; i++)
        llvm_emit_kernel(m, c->l.kernel.at[i], t);
    if (getenv("INGOT_DUMP_LLVM"))
        LLVMDumpModule(m);
    bool ok = tm && llvm_optimize(m, tm, d) && llvm_object(m, tm, false, &data, &size, d) &&
              load_object(c, data, size, d);
    mem_free(data);
    LLVMDisposeModule(m);
    LLVMContextDispose(cx);
    return ok;
}

static bool lower_all(ingot_engine *e, compiled *c)
{
    bool ok = true;

    for (uint32_t i = 0; i < c->groups.group.len; i++) {
        const ir_group *g = &c->groups.group.at[i];
        const ir_node *n = &e->fn->node.at[g->root];
        group_code code = {0};
        if (g->kind == 'X' && n->op != OP_BIND && n->op != OP_CHECK)
            ok = diag_unsupported(e->m->diag, ir_op_get(n->op)->text, "", "", "it is not compiled yet");
        else if (g->kind != 'X' && n->op != OP_RESHAPE)
            ok &= lower_group(&c->l, &c->groups, g, &code);
        else if (g->kind != 'X')
            ok &= lower_group(&c->l, &c->groups, g, &code);
        vec_push(&c->code, code);
    }
    return ok;
}

static void read_consts(ingot_engine *e, compiled *c)
{
    ir_module *m = e->m;

    c->consts = mem_alloc((m->consts.len + 1) * sizeof *c->consts);
    for (uint32_t i = 0; i < c->code.len; i++)
        for (uint32_t k = 0; k < c->code.at[i].ncall; k++)
            for (uint32_t a = 0; a < c->code.at[i].call[k].narg; a++) {
                group_arg arg = c->code.at[i].call[k].arg[a];
                if (arg.kind != ARG_CONST || c->consts[arg.id])
                    continue;
                int64_t n = type_count_const(&m->types, m->consts.at[arg.id].type);
                size_t size = (size_t)n * (size_t)dt_size(m->consts.at[arg.id].type->dtype);
                c->consts[arg.id] = aligned_alloc(64, (size + 64) & ~(size_t)63);
                const_read(m, arg.id, 0, n, c->consts[arg.id]);
            }
}

bool compiles_values(const ir_fn *fn, diag *d)
{
    bool ok = true;

    for (uint32_t i = 0; i < fn->param.len; i++)
        ok &= ir_type_of(fn, fn->param.at[i])->kind == TY_TENSOR;
    for (uint32_t i = 0; i < fn->result.len; i++)
        ok &= ir_type_of(fn, fn->result.at[i])->kind == TY_TENSOR;
    return ok || diag_unsupported(d, "compiled code", "", "", "sequences and optionals as inputs and outputs");
}

bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d)
{
    const target *t = o && o->target ? o->target : target_host();
    compiled *c = mem_alloc(sizeof *c);

    e->compiled = c;
    if (!pass_pipeline(e->m, t, NULL))
        return false;
    e->fn = e->m->fn.at[0];
    if (!compiles_values(e->fn, d))
        return false;
    fuse(e->m, e->fn, t, &c->groups);
    lower_init(&c->l, e->m, t, "model", d);
    if (!lower_all(e, c) || diag_failed(d))
        return false;
    read_consts(e, c);
    c->mem = mem_alloc((e->fn->value.len + 1) * sizeof *c->mem);
    c->size = mem_alloc((e->fn->value.len + 1) * sizeof *c->size);
    c->symbol = mem_alloc((e->m->dims.symbol.len + 1) * sizeof *c->symbol);
    c->pool = thread_pool_open(e->threads ? e->threads : thread_cpus());
    return compile_kernels(c, t, d);
}

void engine_release(ingot_engine *e)
{
    compiled *c = e->compiled;

    if (!c)
        return;
    thread_pool_close(c->pool);
    if (c->jit)
        LLVMOrcDisposeLLJIT(c->jit);
    for (uint32_t i = 0; c->consts && i < e->m->consts.len; i++)
        free(c->consts[i]);
    mem_free(c->consts);
    for (uint32_t r = 0; c->mem && r < e->fn->value.len; r++)
        if (!is_param(e->fn, r))
            free(c->mem[r]);
    mem_free(c->mem);
    mem_free(c->size);
    mem_free(c->symbol);
    vec_free(&c->code);
    vec_free(&c->kernel);
    lower_free(&c->l);
    fuse_free(&c->groups);
    mem_free(c);
}

/* ---- running ------------------------------------------------------------------------ */

static bool bind_inputs(ingot_engine *e, compiled *c, const tensor_value *in, char *error)
{
    dim_table *t = &e->m->dims;
    bool *known = mem_alloc((t->symbol.len + 1) * sizeof *known);
    bool ok = true;

    for (uint32_t i = 0; i < e->fn->param.len && ok; i++) {
        const ir_type *ty = ir_type_of(e->fn, e->fn->param.at[i]);
        for (int a = 0; a < ty->rank && ok; a++) {
            uint32_t s = dim_symbol_id(t, ty->dim[a]);
            if (s == NAMES_NONE)
                continue;
            if (known[s] && c->symbol[s] != in[i].t.dims[a]) {
                ok = false;
                snprintf(error, TENSOR_ERROR_SIZE, "input '%s': extent %lld at axis %d, where %s is %lld",
                         e->fn->param_name.at[i], (long long)in[i].t.dims[a], a, t->symbol.at[s].name,
                         (long long)c->symbol[s]);
            }
            known[s] = true;
            c->symbol[s] = in[i].t.dims[a];
        }
        c->mem[e->fn->param.at[i]] = in[i].t.data;
    }
    mem_free(known);
    return ok;
}

static bool bytes_of(const ingot_engine *e, const compiled *c, ir_ref r, size_t *bytes)
{
    const ir_type *t = ir_type_of(e->fn, r);
    int64_t n = dt_size(t->dtype), d;

    for (int i = 0; i < t->rank; i++)
        if (!dim_eval(&e->m->dims, t->dim[i], c->symbol, &d) || d < 0 || !mul_ok(n, d, &n))
            return false;
    *bytes = (size_t)n;
    return n < (int64_t)1 << 40;
}

static uint8_t *memory_of(ingot_engine *e, compiled *c, ir_ref r)
{
    size_t bytes;

    if (is_param(e->fn, r))
        return c->mem[r];
    if (!bytes_of(e, c, r, &bytes))
        return NULL;
    if (!c->mem[r] || c->size[r] < bytes) {
        free(c->mem[r]);
        c->mem[r] = aligned_alloc(64, (bytes + 127) & ~(size_t)63);
        c->size[r] = bytes;
    }
    return c->mem[r];
}

static bool call(ingot_engine *e, compiled *c, const group_code *g, uint8_t **temp, const group_call *k, char *error)
{
    void **arg = mem_alloc((2 + k->narg + k->ndim) * sizeof *arg);
    int64_t trip = 0, scratch = 0;
    bool ok = dim_eval(&e->m->dims, k->trip, c->symbol, &trip) &&
              dim_eval(&e->m->dims, k->scratch, c->symbol, &scratch);

    (void)g;
    const struct ingot_pool *pool = thread_pool_of(c->pool);
    int64_t room = 0;
    ok = ok && pool && mul_ok(scratch, pool->threads, &room);
    arg[0] = ok ? malloc((size_t)room + 64) : NULL;
    ok = arg[0] != NULL;
    arg[1] = (void *)(intptr_t)scratch;
    for (uint32_t i = 0; i < k->narg && ok; i++) {
        group_arg a = k->arg[i];
        arg[2 + i] = a.kind == ARG_CONST ? c->consts[a.id] : a.kind == ARG_TEMP ? temp[a.id] : memory_of(e, c, a.id);
        ok = arg[2 + i] != NULL;
    }
    for (uint32_t i = 0; i < k->ndim && ok; i++) {
        int64_t v;
        ok = dim_eval(&e->m->dims, k->dim[i], c->symbol, &v);
        arg[2 + k->narg + i] = (void *)(intptr_t)v;
    }
    if (ok)
        pool->run(pool->context, c->kernel.at[k->kernel], arg, trip);
    else
        snprintf(error, TENSOR_ERROR_SIZE, "a size overflows or there is no memory");
    free(arg[0]);
    mem_free(arg);
    return ok;
}

static bool run_group(ingot_engine *e, compiled *c, uint32_t i, char *error)
{
    const ir_group *g = &c->groups.group.at[i];
    const ir_node *n = &e->fn->node.at[g->root];
    const group_code *code = &c->code.at[i];
    uint8_t *temp[8] = {0};
    bool ok = true;

    if (n->op == OP_BIND || n->op == OP_CHECK) {
        ir_ref x = ir_arg(e->fn, n, 0);
        const ir_node *p = ir_node_of(e->fn, x);
        int64_t v = 0;
        if (p->op == OP_CONST)
            const_read(e->m, p->attr->CONST.id, 0, 1, &v);
        else
            memcpy(&v, c->mem[x], (size_t)dt_size(ir_type_of(e->fn, x)->dtype));
        if (n->op == OP_BIND)
            c->symbol[n->attr->BIND.sym] = v;
        else if (!v)
            return snprintf(error, TENSOR_ERROR_SIZE, "%s", n->attr->CHECK.message), false;
        return true;
    }
    for (uint32_t k = 0; k < code->ntemp && k < 8; k++) {
        int64_t bytes;
        if (!dim_eval(&e->m->dims, code->temp[k], c->symbol, &bytes))
            return false;
        temp[k] = aligned_alloc(64, ((size_t)bytes + 127) & ~(size_t)63);
    }
    for (uint32_t k = 0; k < code->ncall && ok; k++)
        ok = call(e, c, code, temp, &code->call[k], error);
    for (int k = 0; k < 8; k++)
        free(temp[k]);
    return ok;
}

static bool copy_output(ingot_engine *e, compiled *c, uint32_t i, tensor_value *out)
{
    ir_ref r = e->fn->result.at[i];
    const ir_type *t = ir_type_of(e->fn, r);
    const ir_node *n = ir_node_of(e->fn, r);
    int64_t dims[IR_MAX_RANK];

    *out = (tensor_value){0};
    for (int a = 0; a < t->rank; a++)
        if (!dim_eval(&e->m->dims, t->dim[a], c->symbol, &dims[a]))
            return false;
    if (!tensor_init(&out->t, dt_of(t->dtype)->onnx, t->rank, dims))
        return false;
    size_t bytes = (size_t)out->t.count * (size_t)dt_size(t->dtype);
    if (n->op == OP_CONST)
        const_read(e->m, n->attr->CONST.id, 0, out->t.count, out->t.data);
    else if (bytes)
        memcpy(out->t.data, c->mem[r], bytes);
    return true;
}

bool engine_run_compiled(ingot_engine *e, const tensor_value *in, tensor_value *out, char *error)
{
    compiled *c = e->compiled;
    bool ok;

    ok = bind_inputs(e, c, in, error);
    for (uint32_t i = 0; i < c->groups.group.len && ok; i++)
        ok = run_group(e, c, i, error);
    for (uint32_t i = 0; i < e->fn->result.len && ok; i++)
        ok = copy_output(e, c, i, &out[i]);
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

bool ingot_engine_time(ingot_engine *e, const tensor_value *in, int runs, double *min,
                       double *median, char error[TENSOR_ERROR_SIZE])
{
    double *s = mem_alloc((size_t)runs * sizeof *s);
    tensor_value *out = mem_alloc((e->fn->result.len + 1) * sizeof *out);
    bool ok = true;

    for (int i = 0; i < runs && ok; i++) {
        double start = now();
        ok = ingot_engine_run(e, in, out, error);
        s[i] = now() - start;
        for (uint32_t k = 0; k < e->fn->result.len; k++)
            tensor_value_free(&out[k]);
    }
    qsort(s, (size_t)runs, sizeof *s, by_value);
    *min = s[0];
    *median = s[runs / 2];
    mem_free(s);
    mem_free(out);
    return ok;
}
