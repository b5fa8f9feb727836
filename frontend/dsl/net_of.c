/* frontend/dsl/net_of.c - net a = b with patterns |> f, ..: b's layers under the name of a,
 * with b's first weights, and each parameter that matches read through f, behind what b reads it
 * through.
 *
 * What f makes lies under the parameter's path, by the kind's name, with a number from the second
 * of a kind on: tuned.head.q.w.lora.a, tuned.head.q.w.lora2.a. */
#include "check.h"

/* The net around the frame. */
static const dsl_template *net_around(const dsl_frame *f)
{
    while (f && (!f->of || !f->of->item || f->of->item->kind != AST_ITEM_NET))
        f = f->caller;
    return f ? f->of : NULL;
}

/* A path, or what is before a dot in it. */
static bool matches(dsl *cx, const char *pattern, const char *path)
{
    char *part = arena_strdup(cx->mem, path);

    for (char *dot; ; *dot = 0) {
        if (text_matches(pattern, part))
            return true;
        dot = strrchr(part, '.');
        if (!dot)
            return false;
    }
}

/* f, and the parts of a pipe, with their parameters under this block. */
static const dsl_value *under(dsl *cx, const dsl_value *f, dsl_block *b, ir_loc at)
{
    if (f->kind == DSL_PIPE) {
        dsl_value *v = arena_copy(cx->mem, f, sizeof *f);
        v->pipe.first = under(cx, f->pipe.first, b, at);
        v->pipe.then = under(cx, f->pipe.then, b, at);
        return v;
    }
    if (f->kind != DSL_FUNCTION || !f->function.of->item)
        return f;
    dsl_value *v = arena_copy(cx->mem, f, sizeof *f);
    v->function.use = dsl_use_new(cx, at);
    v->function.use->path = arena_printf(cx->mem, "%s.%s", b->path,
                                         dsl_numbered(cx, b, f->function.of->name, false));
    return v;
}

/* f's own parameters lie under the path of what it changes. */
static const dsl_value *through(dsl *cx, const dsl_template *net, const ast_hook *h,
                                dsl_block *b, const dsl_value *v)
{
    dsl_scope *outer = cx->scope;

    cx->scope = net->file->scope;
    cx->hooking = true;
    const dsl_value *f = dsl_eval(cx, h->f);
    if (!dsl_bad(f))
        v = dsl_apply(cx, under(cx, f, b, h->f->at), &v, 1, h->f->at);
    cx->hooking = false;
    cx->scope = outer;
    return dsl_bad(f) ? f : v;
}

/* The parameter of this path below its net, v so far, through what the nets on the way to this one
 * say, that of the first one first; null, as v, if no pattern matches. */
static const dsl_value *read_through(dsl *cx, dsl_memory *m, const dsl_template *net,
                                     dsl_block *b, const char *own)
{
    const dsl_value *v = net->base ? read_through(cx, m, net->base, b, own) : NULL;

    for (uint32_t i = 0; net->hooks && i < net->hooks->net_of.hooks.len; i++) {
        const ast_hook *h = &net->hooks->net_of.hooks.at[i];
        bool any = false;
        for (uint32_t k = 0; k < h->patterns.len; k++)
            any |= matches(cx, h->patterns.at[k].text, own);
        if (any)
            v = through(cx, net, h, b, v ? v : dsl_read(cx, &m->cell));
    }
    return v;
}

/* Null if no pattern matches: the parameter is read as it is.  Several hooks go
 * through each other in order. */
const dsl_value *dsl_hooked(dsl *cx, dsl_memory *m)
{
    const dsl_template *net = m->net;

    if (!net || cx->hooking || !m->trainable)
        return NULL;
    return read_through(cx, m, net, dsl_block_new(cx, m->path),
                        m->path + strlen(dsl_net_path(cx, net)) + 1);
}

void dsl_find_net(dsl *cx, dsl_memory *m)
{
    m->net = net_around(cx->frame);
}

/* The parameter that this one begins as: of the same path below the net from which
 * its own net is made, or the nearest one behind that which has it, if it is of the same type. */
dsl_memory *dsl_base_memory(dsl *cx, const dsl_memory *m)
{
    const dsl_template *net = m->net;
    const char *own = net ? m->path + strlen(dsl_net_path(cx, net)) : NULL;
    dsl_memory *b = NULL;

    while (net && net->base && !b) {
        net = net->base;
        b = dsl_memory_find(cx, arena_printf(cx->mem, "%s%s", dsl_net_path(cx, net), own));
    }
    return b && b->type == m->type ? b : NULL;
}

/* ---- copies that nothing has called ----------------------------------------- */

/* Found, or made as the declaration would make it. */
dsl_memory *dsl_copy_memory(dsl *cx, const dsl_template *t, const dsl_memory *m)
{
    const char *own = m->path + strlen(dsl_net_path(cx, t->base));
    const char *path = arena_printf(cx->mem, "%s%s", dsl_net_path(cx, t), own);
    dsl_memory *c = dsl_memory_find(cx, path);

    if (c)
        return c;
    c = arena_copy(cx->mem, m, sizeof *m);
    c->cell = (dsl_cell){.name = m->cell.name, .memory = c, .at = m->cell.at};
    c->path = path;
    c->net = t;
    dsl_memory_enter(cx, c);
    dsl_take_weight(cx, c);
    return c;
}

void dsl_copy_memories(dsl *cx, const dsl_template *t, bool trainable)
{
    if (!t->base)
        return;
    dsl_copy_memories(cx, t->base, trainable);
    for (uint32_t i = 0, n = cx->memory.len; i < n; i++) {
        const dsl_memory *m = cx->memory.at[i];
        if (m->net == t->base && m->trainable == trainable)
            dsl_copy_memory(cx, t, m);
    }
}

void dsl_follow_states(dsl *cx, const dsl_template *t, ir_loc at)
{
    dsl_copy_memories(cx, t, false);
    for (uint32_t i = 0; i < cx->memory.len; i++) {
        dsl_memory *m = cx->memory.at[i];
        dsl_memory *base = m->net == t && !m->trainable ? dsl_base_memory(cx, m) : NULL;
        if (base && !m->cell.now)
            dsl_write(cx, &m->cell, dsl_read(cx, &base->cell), at);
    }
}
