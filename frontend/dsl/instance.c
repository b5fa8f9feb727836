/* frontend/dsl/instance.c - layers in use, and the paths of their parameters.
 *
 * A layer lies under the block that it is used in, by the name it is bound to, else by its
 * kind and its number among its kind, in the order of application: mlp.dense2.w. */
#include <ctype.h>

#include "check.h"

dsl_block *dsl_block_new(dsl *cx, const char *path)
{
    dsl_block *b = arena_new(cx->mem, dsl_block);

    b->path = path;
    return b;
}

/* An instance of a layer belongs to the block in which it is bound.  One bound in a
 * loop has no path, since each round would need parameters of its own. */
dsl_use *dsl_use_new(dsl *cx, ir_loc at)
{
    dsl_use *u = arena_new(cx->mem, dsl_use);

    u->home = cx->frame->block;
    u->loop = cx->frame->loop;
    u->number = dsl_call_number(cx, at);
    u->at = at;
    return u;
}

/* f as used in one place: a function that is in use already is that one. */
const dsl_value *dsl_with_use(dsl *cx, const dsl_value *f, ir_loc at)
{
    if (f->kind != DSL_FUNCTION || f->function.use || !f->function.of->item)
        return f;
    dsl_value *v = arena_copy(cx->mem, f, sizeof *f);
    v->function.use = dsl_use_new(cx, at);
    return v;
}

/* d = dense(3) names the layer d.  A name that it got before stays. */
const dsl_value *dsl_bind_name(dsl *cx, const dsl_value *f, const char *name)
{
    if (f->kind != DSL_FUNCTION || !f->function.of->item)
        return f;
    const ast_item *item = f->function.of->item;
    bool ready = f->function.config || !item->callable.configured;
    if (item->kind != AST_ITEM_LAYER || !ready)
        return f;
    const dsl_value *v = dsl_with_use(cx, f, cx->at);
    if (!v->function.use->path && !v->function.use->name)
        v->function.use->name = name;
    return v;
}

/* The layers of one kind in a block. */
typedef struct dsl_tally {
    const char *name;
    uint32_t count;
    struct dsl_tally *next;
} dsl_tally;

/* How often a layer was used in this block: dense1, dense2, .. */
static dsl_tally *kind_of(dsl *cx, dsl_block *b, const char *name)
{
    dsl_tally *k = b->kinds;

    while (k && strcmp(k->name, name))
        k = k->next;
    if (k)
        return k;
    k = arena_new(cx->mem, dsl_tally);
    *k = (dsl_tally){.name = name, .next = b->kinds};
    return b->kinds = k;
}

const char *dsl_numbered(dsl *cx, dsl_block *b, const char *kind, bool first)
{
    bool digit = isdigit((unsigned char)kind[strlen(kind) - 1]);
    uint32_t n = ++kind_of(cx, b, kind)->count;

    return n == 1 && !first ? kind : arena_printf(cx->mem, "%s%s%u", kind, digit ? "_" : "", n);
}

/* Null until it is certain where it lives.  "net.dense2": the block's path, then
 * the name that the program gave it, or the layer's with a number. */
const char *dsl_use_path(dsl *cx, const dsl_function *f)
{
    dsl_use *u = f->use;

    if (u->path || !u->home || !u->home->path || u->loop.line)
        return u->path;
    const char *own = u->name ? u->name : dsl_numbered(cx, u->home, f->of->name, true);
    u->path = arena_printf(cx->mem, "%s.%s", u->home->path, own);
    return u->path;
}

const char *dsl_net_path(dsl *cx, const dsl_template *t)
{
    return t->file->prefix && *t->file->prefix
               ? arena_printf(cx->mem, "%s.%s", t->file->prefix, t->name) : t->name;
}
