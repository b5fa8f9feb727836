/* ir/plan.c - plans as data: making and freeing them, and walks over their steps.
 * passes/plan_*.c fill them, codegen/llvm/plan*.c emits code from them. */
#include "plan.h"

plan *plan_new(ir_module *m)
{
    plan *p = mem_alloc(sizeof *p);

    p->m = m;
    return p;
}

static void entry_free(plan_entry *e)
{
    vec_free(&e->symbol);
    vec_free(&e->input);
    vec_free(&e->output);
    vec_free(&e->value);
    vec_free(&e->slot);
    vec_free(&e->scratch);
    vec_free(&e->flops);
    mem_free(e);
}

void plan_free(plan *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->entry.len; i++)
        entry_free(p->entry.at[i]);
    for (uint32_t i = 0; i < p->block.len; i++) {
        vec_free(&p->block.at[i]->step);
        mem_free(p->block.at[i]);
    }
    vec_free(&p->entry);
    vec_free(&p->block);
    vec_free(&p->kernel);
    arena_reset(&p->mem);
    mem_free(p);
}

plan_block *plan_block_new(plan *p)
{
    vec_push(&p->block, mem_alloc(sizeof(plan_block)));
    return p->block.at[p->block.len - 1];
}

plan_entry *plan_entry_new(plan *p, const char *name)
{
    plan_entry *e = mem_alloc(sizeof *e);

    e->name = arena_strdup(&p->mem, name);
    e->body = plan_block_new(p);
    vec_push(&p->entry, e);
    return e;
}

/* ---- memory ----------------------------------------------------------------------- */

static int64_t largest(const dim_table *d, const ir_dim *of, uint32_t n, const int64_t *symbol)
{
    int64_t most = 0, x;

    for (uint32_t i = 0; i < n; i++)
        most = dim_eval(d, of[i], symbol, &x) ? max_i64(most, x) : most;
    return most;
}

/* Slots stand behind each other on lines of 64 bytes, scratch of the threads behind them. */
int64_t plan_workspace(const plan *p, const plan_entry *e, const int64_t *symbol, int64_t threads)
{
    const dim_table *d = &p->m->dims;
    int64_t sum = e->fixed;

    for (uint32_t i = 0; i < e->slot.len; i++) {
        const plan_slot *s = &e->slot.at[i];
        if (!s->fixed)
            sum += (largest(d, s->size.at, (uint32_t)s->size.n, symbol) + 63) & -64;
    }
    return sum + largest(d, e->scratch.at, e->scratch.len, symbol) * threads;
}

/* ---- kernels ---------------------------------------------------------------------- */

/* The rows of kernels.def. */
typedef struct kernel {
    const char *name;
    uint32_t results, operands, nums, syms;
} kernel;
static const kernel kernels[] = {
#define KERNEL(name, results, operands, nums, syms) {#name, results, operands, nums, syms},
#include "kernels.def"
};

bool plan_extern_fits(const plan_step *s)
{
    for (size_t i = 0; i < COUNT(kernels); i++) {
        const kernel *k = &kernels[i];
        if (!strcmp(k->name, s->note))
            return s->u.ext.nres == k->results && s->u.ext.narg == k->results + k->operands &&
                   s->u.ext.nnum == k->nums && s->u.ext.nsym == k->syms;
    }
    return false;
}

uint32_t plan_root(const plan_entry *e, uint32_t v)
{
    while (e->value.at[v].place == PLACE_ALIAS)
        v = e->value.at[v].of;
    return v;
}

ir_dim plan_bytes(ir_module *m, const ir_type *t)
{
    ICE_IF(t->kind != TY_TENSOR, "bytes of a value that is no tensor");
    return dim_mul(&m->dims, type_count(&m->types, t), dim_int(&m->dims, dt_size(t->dtype)));
}

static void visit_all(const uint32_t *v, uint32_t n, plan_visit *visit, void *cx)
{
    for (uint32_t i = 0; i < n; i++)
        if (v[i] != PLAN_NONE)
            visit(cx, v[i]);
}

/* Values that the step itself reads or writes; steps of its blocks are not visited. */
void plan_each_value(const plan_step *s, plan_visit *visit, void *cx)
{
    switch (s->op) {
    case STEP_RUN: visit_all(s->u.run.arg, s->u.run.narg, visit, cx); break;
    case STEP_EXTERN: visit_all(s->u.ext.arg, s->u.ext.narg, visit, cx); break;
    case STEP_STORE: visit_all(&s->u.store.to, 1, visit, cx); break;
    case STEP_BIND: visit_all(&s->u.bind.value, 1, visit, cx); break;
    case STEP_CHECK: visit_all(&s->u.check.cond.value, 1, visit, cx); break;
    case STEP_COPY: visit_all((uint32_t[]){s->u.copy.to, s->u.copy.from}, 2, visit, cx); break;
    case STEP_IF: visit_all(&s->u.branch.cond.value, 1, visit, cx); break;
    case STEP_LOOP: visit_all(&s->u.loop.cond.value, 1, visit, cx); break;
    default: break;
    }
}
