/* ir/plan.c - plans as data. */
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
