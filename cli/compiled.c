/* cli/compiled.c - running a module as native code in this process: the very
 * object that `ingot build` would link is loaded, and called through the
 * interface of ir/abi.h. */
#include <errno.h>
#include <stdlib.h>

#include "check_cpu.h"
#include "cleanup.h"
#include "code.h"
#include "engine.h"
#include "host.h"
#include "jit.h"
#include "kernels.h"
#include "memory.h"
#include "progress.h"

/* A module as code in this process, with all that must live as long as the code is
 * called. */
typedef struct compiled {
    target target;
    ingot_code code;
    jit *jit;
    const struct ingot_model *model;
    uint8_t *weights;
    size_t filled;
    uint64_t code_size;
} compiled;

/* ---- compiling -------------------------------------------------------------------- */

/* Where a build would write to a file. */
static bool put_memory(void *cx, const void *data, size_t size)
{
    compiled *c = cx;

    if (size)
        memcpy(c->weights + c->filled, data, size);
    c->filled += size;
    return true;
}

/* In the layout and at the alignment that kernels expect of a weights' file: 64
 * bytes, a line of the cache. */
static bool pack_weights(compiled *c, diag *d)
{
    progress_step("packing %.1f MB of weights", (double)c->code.image.weights_size / 1e6);
    c->weights = memory_get(c->code.image.weights_size + 64);
    return c->weights ? image_write_weights(&c->code.image, put_memory, c)
                      : diag_error(d, (ir_loc){0}, D_GENERAL, "no memory for the weights");
}

/* The runtime's kernels, which this program has. */
static const jit_symbol kernels[] = {
#define KERNEL(name, ...) {"ingot_kernel_" #name, (void (*)(void))ingot_kernel_##name},
#include "kernels.def"
    {0}};

/* The text that line tables refer to, if there shall be any. */
static bool write_kernels(compiled *c, const char *path, diag *d)
{
    text kernels = {0};

    if (!path)
        return true;
    image_print_kernels(&c->code.image, &kernels);
    bool ok = partial_write(path, kernels.at, kernels.len) ||
              diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
    text_free(&kernels);
    return ok;
}

/* Compiles with all CPUs and links in memory; the objects themselves are needed for
 * their size only, afterwards. */
static bool load(compiled *c, const ingot_options *options, diag *d)
{
    objects o = {0};
    bool dumped = options->perf_dump;

    if (!pack_weights(c, d) || !write_kernels(c, options->perf_dump, d))
        return false;
    progress_step("generating code");
    if (image_compile(&c->code.image, thread_cpus(), &o, d))
        c->jit = jit_load(&c->code.image, &o, c->weights, kernels, dumped, d);
    if (c->jit && options->perf_map && !jit_write_map(c->jit, &o))
        diag_error(d, (ir_loc){0}, D_IO, "the map for perf", strerror(errno));
    c->model = c->jit ? jit_model(c->jit) : NULL;
    c->code_size = objects_code_size(&o);
    objects_free(&o);
    return c->jit && !diag_failed(d);
}

/* Can this machine run code for `t`?  If not, none is made. */
static bool runs_here(const target *t, diag *d)
{
    char missing[256];

    if (check_cpu(t->name, missing, sizeof missing))
        return true;
    return diag_error(d, (ir_loc){0}, D_GENERAL,
                      arena_printf(&d->mem, "this CPU cannot run code for %s: it lacks %s", t->name,
                                   missing));
}

/* Without a target the code is for this machine. */
bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d)
{
    compiled *c = mem_alloc(sizeof *c);
    ingot_code_options co = {.name = "model", .target = &c->target,
                             .max_weights = import_max_weights(&o->import),
                             .schedules = o->schedules, .memory_budget = o->memory_budget,
                             .watch = o->watch, .lines = o->perf_dump};

    if (o->kernels)
        co.kernels = *o->kernels;
    e->compiled = c;
    if (o->target)
        c->target = *o->target;
    else
        host_target(&c->target);
    bool ok = runs_here(co.target, d) && code_make(&c->code, e->m, &co, d);
    return ok && load(c, o, d);
}

const struct ingot_model *engine_model(const ingot_engine *e, const uint8_t **weights)
{
    const compiled *c = e->compiled;

    *weights = c->weights;
    return c->model;
}

/* Code first: nothing may run into weights that are gone. */
void engine_release(ingot_engine *e)
{
    compiled *c = e->compiled;

    if (!c)
        return;
    jit_close(c->jit);
    free(c->weights);
    code_free(&c->code);
    mem_free(c);
}

void ingot_engine_sizes(const ingot_engine *e, uint64_t *code, uint64_t *weights)
{
    const compiled *c = e->compiled;

    *code = c ? c->code_size : 0;
    *weights = c ? c->code.image.weights_size : 0;
}

const plan *ingot_engine_plan(const ingot_engine *e)
{
    const compiled *c = e->compiled;

    return c ? c->code.p : NULL;
}

/* A kernel's name in the object file, for profiles. */
const char *ingot_engine_kernel(const ingot_engine *e, uint32_t id)
{
    const compiled *c = e->compiled;

    return c->code.l.kernel.at[id]->name;
}
