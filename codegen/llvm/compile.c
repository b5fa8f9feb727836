/* codegen/llvm/compile.c - the parts of an image, compiled over the cores.
 *
 * An image is cut into units, each of which is emitted and compiled as an LLVM
 * module in a context of its own, so that no two threads share anything of LLVM.
 * The cut follows from the kernels' texts alone: the threads take units in turn,
 * and how many threads there are changes who compiles a unit, but no byte of it. */
#include "compile.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "llvm_plan.h"

/* Some kernels, and perhaps the plan's own functions, that become one module. */
typedef struct unit {
    VEC(uint32_t) kernel;           /* by id */
    bool host;                      /* has the functions and tables of the plan */
    int64_t size;                   /* instructions, about */
    object object;
    char *error;                    /* why it could not be compiled; else null */
} unit;

typedef VEC(unit) units;

/* ---- the cut ---------------------------------------------------------------------- */

/* LLVM takes 0.1 s for so many operations of kernels, and 2 ms for a module of none.
 * MOST units keep as many cores busy. */
enum { UNIT_SIZE = 1500, MOST = 64, STEP_SIZE = 20 };

/* A kernel, for sorting by size: of equal ones the first comes first, since the cut
 * must not depend on the sort. */
typedef struct sized {
    int64_t size;
    uint32_t kernel;
} sized;

static int by_size(const void *a, const void *b)
{
    const sized *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x->kernel > y->kernel) - (x->kernel < y->kernel);
}

static int64_t host_size(const image *im)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < im->p->entry.len; i++)
        sum += STEP_SIZE * (int64_t)im->p->entry.at[i]->body->step.len;
    return sum;
}

static unit *smallest(const units *u)
{
    unit *least = &u->at[0];

    for (uint32_t i = 1; i < u->len; i++)
        if (u->at[i].size < least->size)
            least = &u->at[i];
    return least;
}

/* Kernels, the largest first, each to the unit that has least; the plan to the
 * first one, with those that are inlined into it. */
static void fill_units(units *u, const sized *kernel, uint32_t n, int64_t host, const bool *whole)
{
    u->at[0].host = true;
    u->at[0].size = host;
    for (uint32_t i = 0; i < n; i++) {
        unit *to = whole[kernel[i].kernel] ? &u->at[0] : smallest(u);
        vec_push(&to->kernel, kernel[i].kernel);
        to->size += kernel[i].size;
    }
}

/* As many units as the work is worth, whatever the number of cores. */
static units cut(const image *im)
{
    uint32_t n = im->l->kernel.len;
    sized *kernel = mem_alloc((n + 1) * sizeof *kernel);
    int64_t host = host_size(im), sum = host;
    units u = {0};

    for (uint32_t i = 0; i < n; i++) {
        kernel[i] = (sized){lp_text_size(im->l->kernel.at[i]), i};
        sum += kernel[i].size;
    }
    qsort(kernel, n, sizeof *kernel, by_size);
    for (int64_t i = 0; i < min_i64(max_i64(sum / UNIT_SIZE, 1), MOST); i++)
        vec_push(&u, (unit){0});
    fill_units(&u, kernel, n, host, im->whole);
    mem_free(kernel);
    return u;
}

static void free_units(units *u)
{
    for (uint32_t i = 0; i < u->len; i++) {
        vec_free(&u->at[i].kernel);
        mem_free(u->at[i].object.data);
        LLVMDisposeMessage(u->at[i].error);
    }
    vec_free(u);
}

/* Emission adds to the text of a kernel, so what the plan asks of kernels is asked
 * before other threads emit them. */
static void ask_kernels(image *im)
{
    uint32_t n = im->l->kernel.len;

    mem_free(im->least);
    im->least = mem_alloc((n + 1) * sizeof *im->least);
    for (uint32_t i = 0; i < n; i++)
        im->least[i] = lp_least_parallel(im->l->kernel.at[i], im->l->target->fork_ns);
    image_find_whole(im);
}

/* ---- one unit ----------------------------------------------------------------------- */

static void emit_unit(const image *im, const unit *u, LLVMModuleRef m)
{
    lines l = lines_open(m, im->lines, im->made_by);

    for (uint32_t i = 0; i < u->kernel.len; i++)
        llvm_emit_kernel(m, im->l->kernel.at[u->kernel.at[i]], im->target,
                         im->whole[u->kernel.at[i]], &l);
    lines_close(&l);
    if (u->host)
        image_emit_host(im, m);
}

/* Everything of LLVM is made and freed in the thread that uses it. */
static void compile_unit(const image *im, unit *u, LLVMTargetMachineRef tm)
{
    LLVMContextRef cx = LLVMContextCreate();
    LLVMModuleRef m = LLVMModuleCreateWithNameInContext(im->name, cx);

    emit_unit(im, u, m);
    if (llvm_optimize(m, tm, &u->error))
        llvm_generate(m, tm, false, &u->object.data, &u->object.size, &u->error);
    LLVMDisposeModule(m);
    LLVMContextDispose(cx);
}

/* ---- all of them ---------------------------------------------------------------------- */

/* What the threads share: only `next` changes. */
typedef struct work {
    const image *im;
    units *units;
    atomic_uint next;               /* the first unit that nobody has taken */
} work;

static void *compile_units(void *cx)
{
    work *w = cx;
    LLVMTargetMachineRef tm = llvm_machine(w->im->target);

    for (uint32_t i; (i = atomic_fetch_add(&w->next, 1)) < w->units->len;)
        compile_unit(w->im, &w->units->at[i], tm);
    LLVMDisposeTargetMachine(tm);
    return NULL;
}

/* Threads beside the calling one, which alone takes signals; fewer if the system
 * gives no more. */
static uint32_t start_threads(pthread_t *thread, uint32_t n, work *w)
{
    sigset_t all, before;
    uint32_t started = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (started < n && !pthread_create(&thread[started], NULL, compile_units, w))
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* The calling thread works as well. */
static void compile_all(const image *im, units *u, int threads)
{
    pthread_t thread[MOST];
    work w = {.im = im, .units = u};
    uint32_t n = (uint32_t)min_i64(max_i64(threads, 1), u->len);

    n = start_threads(thread, n - 1, &w);
    compile_units(&w);
    for (uint32_t i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
}

/* The first unit's error, if there is one; the objects are taken from the units. */
static bool take_objects(units *u, objects *out, diag *d)
{
    bool ok = true;

    *out = (objects){mem_alloc(u->len * sizeof *out->at), u->len};
    for (uint32_t i = 0; i < u->len; i++) {
        if (ok && u->at[i].error)
            ok = diag_error(d, (ir_loc){0}, D_IO, "LLVM", u->at[i].error);
        out->at[i] = u->at[i].object;
        u->at[i].object = (object){0};
    }
    return ok;
}

bool image_compile(image *im, int threads, objects *out, diag *d)
{
    *out = (objects){0};
    if (!llvm_start(im->target->arch, d))
        return false;
    ask_kernels(im);
    units u = cut(im);
    compile_all(im, &u, threads);
    bool ok = take_objects(&u, out, d);
    free_units(&u);
    return ok;
}

void objects_free(objects *o)
{
    for (uint32_t i = 0; i < o->len; i++)
        mem_free(o->at[i].data);
    mem_free(o->at);
    *o = (objects){0};
}

void image_print_kernels(image *im, text *out)
{
    uint32_t line = 1;

    for (uint32_t i = 0; i < im->l->kernel.len; i++) {
        text_add(out, i ? "\n" : "");
        line = lp_number_lines(im->l->kernel.at[i], line) + 1;
        lp_print(im->l->kernel.at[i], out);
    }
}

/* ---- text ------------------------------------------------------------------------------ */

/* One unit of everything, kernels in their order. */
static unit whole(const image *im)
{
    unit u = {.host = true};

    for (uint32_t i = 0; i < im->l->kernel.len; i++)
        vec_push(&u.kernel, i);
    return u;
}

static bool print_unit(const image *im, unit *u, bool assembly, text *out)
{
    LLVMContextRef cx = LLVMContextCreate();
    LLVMModuleRef m = LLVMModuleCreateWithNameInContext(im->name, cx);
    LLVMTargetMachineRef tm = llvm_machine(im->target);

    emit_unit(im, u, m);
    bool ok = llvm_optimize(m, tm, &u->error);
    if (ok && assembly)
        ok = llvm_generate(m, tm, true, &u->object.data, &u->object.size, &u->error);
    else if (ok)
        llvm_print(m, &u->object.data, &u->object.size);
    if (ok)
        text_addn(out, (const char *)u->object.data, u->object.size);
    LLVMDisposeTargetMachine(tm);
    LLVMDisposeModule(m);
    LLVMContextDispose(cx);
    return ok;
}

bool image_print(image *im, bool assembly, text *out, diag *d)
{
    units u = {0};

    if (!llvm_start(im->target->arch, d))
        return false;
    ask_kernels(im);
    vec_push(&u, whole(im));
    bool ok = print_unit(im, &u.at[0], assembly, out) ||
              diag_error(d, (ir_loc){0}, D_IO, "LLVM", u.at[0].error);
    free_units(&u);
    return ok;
}
