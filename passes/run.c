/* passes/run.c - the table and the pipeline of passes.def, and the driver: it verifies and
 * reports, so that passes need not. */
#include "pass.h"

const pass_info pass_table[PASS_COUNT] = {
#define PASS(name, needs, gives, purpose) {#name, needs, gives, purpose, pass_##name},
#include "passes.def"
};

static const int pipeline[] = {
#define RUN(name) PASS_ID_##name,
#include "passes.def"
};

const pass_info *pass_find(const char *name)
{
    for (int i = 0; i < PASS_COUNT; i++)
        if (!strcmp(pass_table[i].name, name))
            return &pass_table[i];
    return NULL;
}

bool pass_has(const ir_fn *fn, unsigned op)
{
    for (uint32_t i = 0; i < fn->node.len; i++) {
        ir_fn *region[2];
        if (fn->node.at[i].op == op)
            return true;
        for (uint32_t k = ir_regions(&fn->node.at[i], region); k-- > 0;)
            if (pass_has(region[k], op))
                return true;
    }
    return false;
}

/* The first function that has what it should be free of; null if none has. */
static const ir_fn *not_free_of(const ir_module *m, unsigned kinds)
{
    for (uint32_t i = 0; i < m->fn.len; i++)
        if (((kinds & CALLS) && pass_has(m->fn.at[i], OP_CALL)) ||
            ((kinds & GRADS) && pass_has(m->fn.at[i], OP_GRAD)))
            return m->fn.at[i];
    return NULL;
}

/* False after an error.  A pass that breaks its own promise (`gives`) is our bug,
 * so an ICE. */
bool pass_one(pass_ctx *cx, const pass_info *p, bool *changed)
{
    const ir_fn *f = not_free_of(cx->m, p->needs);

    *changed = false;
    if (f)
        return diag_error(cx->d, (ir_loc){0}, D_PASS_NEEDS, f->name, p->name);
    for (uint32_t i = 0; i < cx->m->fn.len; i++) {
        *changed |= p->run(cx, cx->m->fn.at[i]);
        arena_reset(&cx->scratch);
        if (diag_failed(cx->d))
            return false;
    }
    f = not_free_of(cx->m, p->gives);
    ICE_IF(f, "pass %s leaves in %s what it takes away", p->name, f->name);
    return ir_verify(cx->m, cx->d, p->name);
}

/* In the order of `pipeline`; false after the first pass that failed.  w may be
 * null. */
bool pass_pipeline(ir_module *m, const struct target *t, const pass_watch *w)
{
    pass_ctx cx = {.m = m, .d = m->diag, .target = t};

    for (size_t i = 0; i < COUNT(pipeline); i++) {
        const pass_info *p = &pass_table[pipeline[i]];
        bool changed;
        if (!pass_one(&cx, p, &changed))
            return false;
        if (w && w->after)
            w->after(w->cx, (int)i + 1, p, m, changed);
        if (w && w->stop_after && !strcmp(w->stop_after, p->name))
            break;
    }
    return true;
}
