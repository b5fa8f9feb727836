/* passes/fuse_order.c - groups that take no memory, or free some, run as soon as they can.
 *
 * What a group stores as a result or as the new value of a state lies with the
 * caller.  Run early, it frees what it reads: of a training step with its
 * updates at the end, each weight's gradient and update then follow the
 * gradient of the layer's result, which need not be kept till the end.  Single numbers,
 * such as an optimizer's rate of the step, run early, too, since updates wait for them.
 *
 * So does a group that is the last to read values of more bytes than it makes, as one does
 * that notes, for the way back, which element of each box was the greatest.
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
    VEC(ir_ref) read;           /* what group i reads: read[read_at[i] .. read_at[i + 1]) */
    uint32_t *read_at;
    uint32_t *reader, *reader_at;   /* groups that read a ref, likewise */
    uint32_t *left;             /* by ref: of these, how many are to come */
    uint32_t *readers;          /* by state: groups to come that read it */
    uint32_t *seen, look;       /* by ref: the last look that saw it */
    uint32_t *updater;          /* by state: 1 + the update that gives it its new value */
    VEC(uint32_t) ready;        /* groups that can run early: a heap, the first at its root */
    VEC(ir_group) order;
    uint32_t *number;           /* what these were before */
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
        cx->updater[fn->update.at[i].state] = i + 1;
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

/* What is so stays so while other groups run. */
static bool can_run(order_cx *cx, uint32_t group)
{
    return !cx->done[group] && (cx->outside[group] || cx->update[group]) &&
           visit_reads(cx, group, is_there) && is_last_reader(cx, group);
}

/* ---- groups that free memory --------------------------------------------------------------- */

static bool add_read(order_cx *cx, ir_ref r)
{
    vec_push(&cx->read, r);
    cx->left[r]++;
    return true;
}

/* Lists what each group reads, and who reads each value. */
static void find_readers(order_cx *cx, arena *mem)
{
    uint32_t groups = cx->g->group.len, refs = cx->fn->value.len;

    cx->read_at = arena_array(mem, uint32_t, groups + 1);
    cx->reader_at = arena_array(mem, uint32_t, refs + 2);
    for (uint32_t i = 0; i < groups; i++) {
        cx->read_at[i] = cx->read.len;
        visit_reads(cx, i, add_read);
    }
    cx->read_at[groups] = cx->read.len;
    cx->reader = arena_array(mem, uint32_t, cx->read.len + 1);
    uint32_t *fill = arena_array(mem, uint32_t, refs + 1), all = 0;
    for (uint32_t r = 0; r < refs; r++) {
        cx->reader_at[r] = fill[r] = all;
        all += cx->left[r];
    }
    cx->reader_at[refs] = all;
    for (uint32_t i = 0; i < groups; i++)
        for (uint32_t k = cx->read_at[i]; k < cx->read_at[i + 1]; k++)
            cx->reader[fill[cx->read.at[k]]++] = i;
}

static int64_t bytes_of(const order_cx *cx, ir_ref r)
{
    const ir_type *t = ir_type_of(cx->fn, r);
    dim_table *d = &cx->fn->module->dims;
    int64_t bytes;

    if (t->kind != TY_TENSOR || !mul_ok(dim_hint(d, dim_product(d, t->dim, t->rank)),
                                        dt_size(t->dtype), &bytes))
        return 0;
    return bytes;
}

/* Is all there that the group reads, and does it free more bytes than it takes?  Not where
 * these are more than can be counted. */
static bool frees(const order_cx *cx, uint32_t group)
{
    const ir_group *x = &cx->g->group.at[group];
    int64_t sum = 0;

    for (uint32_t i = cx->read_at[group]; i < cx->read_at[group + 1]; i++) {
        ir_ref r = cx->read.at[i];
        uint32_t maker = cx->maker[r];
        if (maker && !cx->done[maker - 1])
            return false;
        if (maker && !cx->outside[maker - 1] && cx->left[r] == 1 &&
            !add_ok(sum, bytes_of(cx, r), &sum))
            return false;
    }
    for (uint32_t k = 0; k < x->nout; k++)
        if (!add_ok(sum, -bytes_of(cx, x->out[k]), &sum))
            return false;
    return sum > 0;
}

/* ---- groups that can run early ------------------------------------------------------------- */

static void swap_ready(order_cx *cx, uint32_t i, uint32_t k)
{
    uint32_t was = cx->ready.at[i];

    cx->ready.at[i] = cx->ready.at[k];
    cx->ready.at[k] = was;
}

static void add_ready(order_cx *cx, uint32_t group)
{
    uint32_t i = cx->ready.len;

    vec_push(&cx->ready, group);
    for (; i && cx->ready.at[i] < cx->ready.at[(i - 1) / 2]; i = (i - 1) / 2)
        swap_ready(cx, i, (i - 1) / 2);
}

static uint32_t take_ready(order_cx *cx)
{
    uint32_t first = cx->ready.at[0], n = --cx->ready.len, i = 0;

    cx->ready.at[0] = cx->ready.at[n];
    for (uint32_t k = 1; k < n; i = k, k = 2 * k + 1) {
        k += k + 1 < n && cx->ready.at[k + 1] < cx->ready.at[k];
        if (cx->ready.at[i] <= cx->ready.at[k])
            break;
        swap_ready(cx, i, k);
    }
    return first;
}

/* A group may be found ready more than once. */
static void look_at(order_cx *cx, uint32_t group)
{
    if (can_run(cx, group))
        add_ready(cx, group);
}

/* Now that a group has run, those that read what it made may run, and those that give states
 * that it read their new value. */
static void look_around(order_cx *cx, uint32_t group)
{
    const ir_group *x = &cx->g->group.at[group];

    for (uint32_t k = 0; k < x->nout; k++)
        for (uint32_t i = cx->reader_at[x->out[k]]; i < cx->reader_at[x->out[k] + 1]; i++)
            look_at(cx, cx->reader[i]);
    for (uint32_t i = cx->read_at[group]; i < cx->read_at[group + 1]; i++) {
        const ir_node *n = ir_node_of(cx->fn, cx->read.at[i]);
        uint32_t u = n->op == OP_STATE ? cx->updater[n->attr->STATE.id] : 0;
        uint32_t maker = u ? maker_under(cx, cx->fn->update.at[u - 1].value) : 0;
        if (maker && cx->readers[n->attr->STATE.id] <= 1)
            look_at(cx, maker - 1);
    }
}

static void run_group(order_cx *cx, uint32_t group)
{
    cx->done[group] = true;
    visit_reads(cx, group, drop_reader);
    for (uint32_t i = cx->read_at[group]; i < cx->read_at[group + 1]; i++)
        cx->left[cx->read.at[i]]--;
    cx->number[cx->order.len] = group;
    vec_push(&cx->order, cx->g->group.at[group]);
    look_around(cx, group);
}

/* Runs those readers of r before group `wall` that free more than they take. */
static void run_readers(order_cx *cx, ir_ref r, uint32_t wall)
{
    for (uint32_t i = cx->reader_at[r]; i < cx->reader_at[r + 1]; i++) {
        uint32_t x = cx->reader[i];
        if (x < wall && !cx->done[x] && frees(cx, x) && is_last_reader(cx, x))
            run_group(cx, x);
    }
}

/* Lets run what the groups from `from` on of the order make possible: readers of what they
 * made, and the last one to read what they read. */
static void run_freeing(order_cx *cx, uint32_t from, uint32_t wall)
{
    for (uint32_t i = from; i < cx->order.len; i++) {
        const ir_group x = cx->order.at[i];
        uint32_t group = cx->number[i];
        for (uint32_t k = 0; k < x.nout; k++)
            run_readers(cx, x.out[k], wall);
        for (uint32_t k = cx->read_at[group]; k < cx->read_at[group + 1]; k++)
            if (cx->left[cx->read.at[k]] == 1)
                run_readers(cx, cx->read.at[k], wall);
    }
}

/* The first group outside kernels from `from` on that is to come. */
static uint32_t find_wall(const order_cx *cx, uint32_t from)
{
    const ir_groups *g = cx->g;

    while (from < g->group.len && (g->group.at[from].template != TEMPLATE_NONE || cx->done[from]))
        from++;
    return from;
}

/* Runs what can run early, before group `wall`, the first of them always next. */
static void run_early(order_cx *cx, uint32_t wall)
{
    while (cx->ready.len && cx->ready.at[0] < wall) {
        uint32_t group = take_ready(cx);
        if (!cx->done[group])
            run_group(cx, group);
    }
}

static void run_all(order_cx *cx)
{
    uint32_t wall = 0;

    for (uint32_t i = 0; i < cx->g->group.len; i++)
        look_at(cx, i);
    for (uint32_t i = 0; i < cx->g->group.len; i++)
        if (!cx->done[i]) {
            uint32_t from = cx->order.len;
            run_group(cx, i);
            wall = wall > i ? wall : find_wall(cx, i + 1);
            run_early(cx, wall);
            run_freeing(cx, from, wall);
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
                   .updater = arena_array(&mem, uint32_t, g->fn->module->state.len + 1),
                   .seen = arena_array(&mem, uint32_t, refs),
                   .left = arena_array(&mem, uint32_t, refs),
                   .number = arena_array(&mem, uint32_t, groups)};

    if (g->fn->entry) {
        find_makers(&cx);
        find_readers(&cx, &mem);
        run_all(&cx);
        if (cx.order.len)
            memcpy(g->group.at, cx.order.at, cx.order.len * sizeof *cx.order.at);
    }
    vec_free(&cx.order);
    vec_free(&cx.ready);
    vec_free(&cx.read);
    arena_reset(&mem);
}
