/* passes/chunk.c - the batch in chunks, where values between are larger than the caches.
 *
 *   y = conv x, w : [64,..];  z = window y        loop 16 times {
 *                                            ->     y = conv x_i, w : [4,..];  z_i = window y }
 *   dw = conv x, g                           ->     dw += conv x_i, g_i
 *
 * y is never there whole: a step takes less memory, and finds y in the cache.  How many rows a
 * chunk has depends on extents alone, so results are the same bits for any threads.  Which
 * values are worth it: chunk_find.c; how nodes are made for some rows: chunk_rows.c. */
#include "chunk.h"

#include "control.h"
#include "pass.h"

/* A function in the making, whose regions become loops. */
typedef struct chunks {
    const ir_fn *fn;
    ir_build *b;
    const chunk_region *region;
    uint32_t n;
    uint32_t *region_of;        /* by node: 1 + its region; copied nodes have none */
    bool *made;                 /* by node */
    bool *done;                 /* by region */
    bool *take;                 /* by node: to be made next */
    ir_ref *map;                /* by value: in the new function */
} chunks;

/* ---- one region ------------------------------------------------------------------------ */

/* A loop in the making. */
typedef struct chunk_loop {
    chunks *c;
    const chunk_region *r;
    ir_loop l;
    ir_dim rows;                /* of a chunk */
    ir_ref *map, *whole;        /* by value of the function, in the body: rows, or all of it */
    bool *in;                   /* by node of the function */
} chunk_loop;

static const ir_node *node_at(const chunk_loop *x, uint32_t i)
{
    return &x->c->fn->node.at[x->r->node[i]];
}

/* [rows, ..] as [chunks, rows of a chunk, ..]. */
static ir_ref cut(chunk_loop *x, ir_ref v)
{
    ir_build *b = x->c->b;
    const ir_type *t = ir_type_of(b->fn, v);
    ir_dim shape[IR_MAX_RANK] = {dim_int(&b->m->dims, x->r->chunks), x->rows};

    memcpy(shape + 2, t->dim + 1, (size_t)(t->rank - 1) * sizeof *shape);
    return ir_reshape(b, v, shape, t->rank + 1);
}

/* Carries of sums, then what is read by rows, then what is read whole: the order that a loop
 * wants. */
static void enter(chunk_loop *x)
{
    const ir_fn *fn = x->c->fn;
    chunk_way w;

    for (uint32_t i = 0; i < x->r->n; i++) {
        const ir_node *n = node_at(x, i);
        chunk_find_way(fn, n, &w);
        if (w.sums)
            x->map[n->first] = ir_loop_carry(
                &x->l, "sum", ir_splat(x->c->b, ir_type_of(fn, n->first), 0), NULL);
    }
    for (int whole = 0; whole < 2; whole++)
        for (uint32_t i = 0; i < x->r->n; i++) {
            const ir_node *n = node_at(x, i);
            chunk_find_way(fn, n, &w);
            for (uint32_t k = 0; k < n->narg; k++) {
                ir_ref a = ir_arg(fn, n, k), now = x->c->map[a];
                ir_ref *in = whole ? &x->whole[a] : &x->map[a];
                if (x->in[fn->value.at[a].node] || w.rows[k] == whole || *in != IR_NONE)
                    continue;
                *in = whole ? ir_loop_capture(&x->l, "whole", now)
                            : ir_loop_slice(&x->l, "rows", cut(x, now), 0);
            }
        }
}

static void make_body(chunk_loop *x)
{
    const ir_fn *fn = x->c->fn;
    ir_ref args[COUNT(((chunk_way *)0)->rows)];
    chunk_way w;

    for (uint32_t i = 0; i < x->r->n; i++) {
        const ir_node *n = node_at(x, i);
        chunk_find_way(fn, n, &w);
        for (uint32_t k = 0; k < n->narg; k++)
            args[k] = (w.rows[k] ? x->map : x->whole)[ir_arg(fn, n, k)];
        x->l.body.loc = n->loc;
        x->l.body.copy = n->copy;
        ir_ref y = chunk_make(&x->l.body, n, args, x->rows);
        if (w.sums)
            ir_loop_next(&x->l, ir_2(&x->l.body, OP_ADD, x->map[n->first], y));
        else
            x->map[n->first] = y;
    }
}

/* Is the value read outside of the region, or a result? */
static void find_leaving(const chunk_loop *x, bool *leaves)
{
    const ir_fn *fn = x->c->fn;

    for (uint32_t i = 0; i < fn->node.len; i++)
        for (uint32_t k = 0; !x->in[i] && k < fn->node.at[i].narg; k++)
            leaves[ir_arg(fn, &fn->node.at[i], k)] = true;
    for (uint32_t i = 0; i < fn->result.len; i++)
        leaves[fn->result.at[i]] = true;
    for (uint32_t i = 0; i < fn->update.len; i++)
        leaves[fn->update.at[i].value] = true;
}

/* Results of the loop become the values that are read behind it. */
static void leave(chunk_loop *x, arena *mem)
{
    chunks *c = x->c;
    const ir_fn *fn = c->fn;
    bool *leaves = arena_array(mem, bool, fn->value.len + 1);
    VEC(ir_ref) sum = {0}, row = {0};
    chunk_way w;

    find_leaving(x, leaves);
    for (uint32_t i = 0; i < x->r->n; i++) {
        const ir_node *n = node_at(x, i);
        chunk_find_way(fn, n, &w);
        if (w.sums) {
            vec_push(&sum, n->first);
        } else if (leaves[n->first] && c->region_of[x->r->node[i]]) {
            ir_loop_stack(&x->l, x->map[n->first], 0);
            vec_push(&row, n->first);
        }
    }
    ir_ref y = ir_loop_end(&x->l);
    for (uint32_t i = 0; i < sum.len; i++)
        c->map[sum.at[i]] = y == IR_NONE ? y : y + i;
    for (uint32_t i = 0; i < row.len; i++) {
        const ir_type *t = ir_type_of(fn, row.at[i]);
        ir_ref whole = y == IR_NONE ? y : y + sum.len + i;
        c->map[row.at[i]] = ir_reshape(c->b, whole, t->dim, t->rank);
    }
    vec_free(&sum);
    vec_free(&row);
}

static void make_region(chunks *c, const chunk_region *r)
{
    arena mem = {0};
    dim_table *d = &c->b->m->dims;
    chunk_loop x = {.c = c, .r = r, .rows = dim_int(d, r->rows / r->chunks),
                    .map = arena_array(&mem, ir_ref, c->fn->value.len + 1),
                    .whole = arena_array(&mem, ir_ref, c->fn->value.len + 1),
                    .in = arena_array(&mem, bool, c->fn->node.len + 1)};

    for (uint32_t i = 0; i < c->fn->value.len; i++)
        x.map[i] = x.whole[i] = IR_NONE;
    for (uint32_t i = 0; i < r->n; i++)
        x.in[r->node[i]] = true;
    ir_loop_begin(&x.l, c->b, "chunk");
    x.l.at.trip = dim_int(d, r->chunks);
    enter(&x);
    make_body(&x);
    leave(&x, &mem);
    for (uint32_t i = 0; i < r->n; i++)
        c->made[r->node[i]] |= c->region_of[r->node[i]] != 0;
    arena_reset(&mem);
}

/* ---- the function ---------------------------------------------------------------------- */

/* Marks all nodes that wait for no region that is to come; gives the first of these regions
 * that waits for no other, or none: n.  What has an effect waits for effects before it. */
static uint32_t find_next(chunks *c)
{
    const ir_fn *fn = c->fn;
    bool *waits = mem_alloc(fn->node.len + 1), *late = mem_alloc(c->n + 1);
    bool effect_waits = false;
    uint32_t next = 0;

    memset(late, 0, c->n + 1);
    for (uint32_t i = 0; i < fn->node.len; i++) {
        const ir_node *n = &fn->node.at[i];
        uint32_t own = c->region_of[i];
        bool effect = !ir_op_pure(n->op) && n->op != OP_INPUT;
        waits[i] = effect && effect_waits;
        for (uint32_t k = 0; k < n->narg && !c->made[i]; k++) {
            uint32_t maker = fn->value.at[ir_arg(fn, n, k)].node, by = c->region_of[maker];
            if (!c->made[maker])
                waits[i] |= by ? by != own : waits[maker];
        }
        effect_waits |= effect && waits[i];
        if (own && waits[i])
            late[own - 1] = true;
        c->take[i] = !c->made[i] && !own && !waits[i];
    }
    while (next < c->n && (late[next] || c->done[next]))
        next++;
    mem_free(waits);
    mem_free(late);
    return next;
}

static bool make_plain(chunks *c)
{
    bool ok = ir_copy(c->b, c->fn, c->take, c->map);

    for (uint32_t i = 0; i < c->fn->node.len; i++)
        c->made[i] |= c->take[i];
    return ok;
}

/* False where regions wait for one another. */
static bool make_all(chunks *c)
{
    bool ok = true;
    uint32_t left = c->n;

    for (; ok; left--) {
        uint32_t next = find_next(c);
        ok = make_plain(c) && (next < c->n || !left);
        if (!ok || !left)
            break;
        make_region(c, &c->region[next]);
        c->done[next] = true;
    }
    return ok;
}

/* Symbols that nodes define would be others in the copy. */
static bool defines_symbols(const ir_fn *fn)
{
    for (uint32_t i = 0; i < fn->node.len; i++)
        if (ir_symbol_of(fn->module, &fn->node.at[i], 0) != NAMES_NONE)
            return true;
    return false;
}

bool pass_chunk(pass_ctx *cx, ir_fn *fn)
{
    arena *mem = &cx->scratch;
    ir_build b;
    chunks c = {.fn = fn, .b = &b};
    chunk_region *region;

    if (!fn->entry || !cx->target || defines_symbols(fn))
        return false;
    c.n = chunk_find(cx->m, fn, cx->target, mem, &region);
    if (!c.n)
        return false;
    c.region = region;
    c.region_of = arena_array(mem, uint32_t, fn->node.len + 1);
    c.made = arena_array(mem, bool, fn->node.len + 1);
    c.done = arena_array(mem, bool, c.n + 1);
    c.take = arena_array(mem, bool, fn->node.len + 1);
    c.map = arena_array(mem, ir_ref, fn->value.len + 1);
    for (uint32_t i = 0; i < c.n; i++)
        for (uint32_t k = 0; k < region[i].n; k++)
            if (!region[i].copied[k])
                c.region_of[region[i].node[k]] = i + 1;
    ir_build_init(&b, cx->m, ir_fn_region(cx->m, fn->name), cx->d);
    b.fn->entry = true;
    bool ok = make_all(&c) && !diag_failed(cx->d);
    if (ok) {
        ir_copy_results(&b, fn, c.map);
        ir_fn_replace(fn, b.fn);
    }
    ir_build_free(&b);
    return ok;
}
