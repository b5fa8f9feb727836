/* passes/fuse_order.c - groups that take no memory run as soon as they can.
 *
 * What a group stores as a result or as the new value of a state lies with the
 * caller.  Run early, it frees what it reads: of a training step with its
 * updates at the end, each weight's gradient and update then follow the
 * gradient of the layer's result, which need not be kept till the end.  Single numbers,
 * such as an optimizer's rate of the step, run early, too, since updates wait for them.
 *
 * An update waits for all that read its state, since only then it can be made
 * in the state's own memory.  Nothing passes a group outside kernels: those
 * define dims, check and may fail. */
#include "fuse_region.h"

/* All that is known of the groups while they are put in order.  Where no group can
 * be moved, the order stays the function's. */
typedef struct order_cx {
    const ir_groups *g;
    const ir_fn *fn;
    uint32_t *maker;            /* by ref: 1 + the group that stores it; 0: none does */
    uint32_t *update, *next;    /* by group: 1 + the first update whose new value it stores;
                                 * by update: 1 + the next one of the same group */
    bool *outside;              /* by group: what it stores lies with the caller, or takes next
                                 * to nothing */
    bool *done;                 /* by group */
    uint32_t *readers;          /* by state: groups to come that read it */
    uint32_t *seen, look;       /* by ref: the last look that saw it */
    VEC(ir_group) order;
} order_cx;

/* ---- what groups read ----------------------------------------------------------------- */

/* Sees a stored value or source that a group reads; false ends the visit. */
typedef bool order_visit(order_cx *cx, ir_ref r);

/* Through everything that is computed in the group itself, down to what is stored
 * or a source. */
static bool visit_below(order_cx *cx, ir_ref r, order_visit *visit)
{
    const ir_node *n = ir_node_of(cx->fn, r);
    bool ok = true;

    for (uint32_t i = 0; ok && i < n->narg; i++) {
        ir_ref a = ir_arg(cx->fn, n, i);
        if (cx->seen[a] == cx->look)
            continue;
        cx->seen[a] = cx->look;
        bool end = cx->g->stored[a] || ir_op_source(ir_node_of(cx->fn, a)->op);
        ok = end ? visit(cx, a) : visit_below(cx, a, visit);
    }
    return ok;
}

/* All that the group reads, each once; false if a visit said so. */
static bool visit_reads(order_cx *cx, uint32_t group, order_visit *visit)
{
    const ir_group *x = &cx->g->group.at[group];
    bool ok = true;

    cx->look++;
    for (uint32_t i = 0; i < x->nout; i++)
        cx->seen[x->out[i]] = cx->look;     /* results of its own that others are made of */
    for (uint32_t i = 0; ok && i < x->nout; i++)
        ok = visit_below(cx, x->out[i], visit);
    return ok;
}

static bool is_there(order_cx *cx, ir_ref r)
{
    return !cx->maker[r] || cx->done[cx->maker[r] - 1];
}

static uint32_t *readers_of(order_cx *cx, ir_ref r)
{
    const ir_node *n = ir_node_of(cx->fn, r);

    return n->op == OP_STATE ? &cx->readers[n->attr->STATE.id] : NULL;
}

static bool add_reader(order_cx *cx, ir_ref r)
{
    uint32_t *n = readers_of(cx, r);

    if (n)
        ++*n;
    return true;
}

static bool drop_reader(order_cx *cx, ir_ref r)
{
    uint32_t *n = readers_of(cx, r);

    if (n)
        --*n;
    return true;
}

/* Does it store single numbers, which take next to no memory? */
static bool is_number(const order_cx *cx, const ir_group *g)
{
    bool yes = g->nout && g->template == TEMPLATE_MAP;

    for (uint32_t k = 0; k < g->nout; k++)
        yes &= ir_type_of(cx->fn, g->out[k])->rank == 0;
    return yes;
}

/* ---- the order ---------------------------------------------------------------------------- */

/* The group that stores the value whose bytes r has, as its number + 1; 0: none. */
static uint32_t maker_under(const order_cx *cx, ir_ref r)
{
    const ir_node *n = ir_node_of(cx->fn, r);

    while (!cx->maker[r] && ir_op_same_bytes(n->op)) {
        r = ir_arg(cx->fn, n, 0);
        n = ir_node_of(cx->fn, r);
    }
    return cx->maker[r];
}

/* A result that is a reshape of a stored value lies with the caller, too: its maker
 * counts. */
static void find_makers(order_cx *cx)
{
    const ir_fn *fn = cx->fn;

    for (uint32_t i = 0; i < cx->g->group.len; i++) {
        const ir_group *x = &cx->g->group.at[i];
        for (uint32_t k = 0; k < x->nout; k++)
            cx->maker[x->out[k]] = i + 1;
        cx->outside[i] = is_number(cx, x);
        visit_reads(cx, i, add_reader);
    }
    for (uint32_t i = 0; i < fn->result.len; i++) {
        uint32_t group = maker_under(cx, fn->result.at[i]);
        if (group)
            cx->outside[group - 1] = true;
    }
    for (uint32_t i = 0; i < fn->update.len; i++) {
        uint32_t group = maker_under(cx, fn->update.at[i].value);
        if (group) {
            cx->next[i] = cx->update[group - 1];
            cx->update[group - 1] = i + 1;
        }
    }
}

/* Will nobody but the group itself read the states that it changes? */
static bool is_last_reader(order_cx *cx, uint32_t group)
{
    const ir_fn *fn = cx->fn;
    bool last = true;

    visit_reads(cx, group, drop_reader);
    for (uint32_t u = cx->update[group]; u && last; u = cx->next[u - 1])
        last = !cx->readers[fn->update.at[u - 1].state];
    visit_reads(cx, group, add_reader);
    return last;
}

static bool can_run(order_cx *cx, uint32_t group)
{
    return !cx->done[group] && (cx->outside[group] || cx->update[group]) &&
           visit_reads(cx, group, is_there) && is_last_reader(cx, group);
}

static void run_group(order_cx *cx, uint32_t group)
{
    cx->done[group] = true;
    visit_reads(cx, group, drop_reader);
    vec_push(&cx->order, cx->g->group.at[group]);
}

/* Runs what can run early, up to the first group outside kernels that is to come. */
static void run_early(order_cx *cx, uint32_t from)
{
    const ir_groups *g = cx->g;

    for (uint32_t i = from; i < g->group.len; i++) {
        if (g->group.at[i].template == TEMPLATE_NONE && !cx->done[i])
            break;
        if (can_run(cx, i)) {
            run_group(cx, i);
            i = from - 1;       /* others may wait for it */
        }
    }
}

static void run_all(order_cx *cx)
{
    for (uint32_t i = 0; i < cx->g->group.len; i++)
        if (!cx->done[i]) {
            run_group(cx, i);
            run_early(cx, i + 1);
        }
}

void fuse_order(ir_groups *g)
{
    uint32_t refs = g->fn->value.len + 1, groups = g->group.len + 1;
    arena mem = {0};
    order_cx cx = {.g = g, .fn = g->fn,
                   .maker = arena_array(&mem, uint32_t, refs),
                   .update = arena_array(&mem, uint32_t, groups),
                   .next = arena_array(&mem, uint32_t, g->fn->update.len + 1),
                   .outside = arena_array(&mem, bool, groups),
                   .done = arena_array(&mem, bool, groups),
                   .readers = arena_array(&mem, uint32_t, g->fn->module->state.len + 1),
                   .seen = arena_array(&mem, uint32_t, refs)};

    if (g->fn->entry) {
        find_makers(&cx);
        run_all(&cx);
        if (cx.order.len)
            memcpy(g->group.at, cx.order.at, cx.order.len * sizeof *cx.order.at);
    }
    vec_free(&cx.order);
    arena_reset(&mem);
}
