/* cli/compiled.c - running a module as native code in this process: the very
 * object that `ingot build` would link is loaded, and called through the
 * interface of ir/abi.h. */
#include <stdlib.h>
#include <time.h>

#include "check_cpu.h"
#include "code.h"
#include "engine.h"
#include "host.h"
#include "invoke.h"
#include "jit.h"
#include "progress.h"
#include "thread.h"

typedef struct compiled {
    target target;
    ingot_code code;
    jit *jit;
    const struct ingot_model *model;
    uint8_t *weights;
    size_t filled;
    uint64_t code_size;
    thread_pool *pool;
} compiled;

/* ---- compiling -------------------------------------------------------------------- */

static bool put_memory(void *cx, const void *data, size_t size)
{
    compiled *c = cx;

    if (size)
        memcpy(c->weights + c->filled, data, size);
    c->filled += size;
    return true;
}

static bool pack_weights(compiled *c, diag *d)
{
    progress_step("packing %.1f MB of weights", (double)c->code.image.weights_size / 1e6);
    c->weights = aligned_alloc(64, c->code.image.weights_size + 64);
    return c->weights ? image_write_weights(&c->code.image, put_memory, c)
                      : diag_error(d, (ir_loc){0}, D_GENERAL, "no memory for the weights");
}

static bool load(compiled *c, diag *d)
{
    objects o = {0};

    if (!pack_weights(c, d))
        return false;
    progress_step("generating code");
    if (image_compile(&c->code.image, thread_cpus(), &o, d))
        c->jit = jit_load(&c->code.image, &o, c->weights, d);
    c->model = c->jit ? jit_model(c->jit) : NULL;
    c->code_size = objects_code_size(&o);
    objects_free(&o);
    return c->jit;
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
    compiled *c = mem_alloc(sizeof *c);
    ingot_code_options co = {.name = "model", .target = &c->target,
                             .max_weights = import_max_weights(&given->import),
                             .schedules = given->schedules,
                             .watch = given->watch};

    e->compiled = c;
    if (given->target)
        c->target = *given->target;
    else
        host_target(&c->target);
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
    jit_close(c->jit);
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
