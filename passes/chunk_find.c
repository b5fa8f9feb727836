/* passes/chunk_find.c - what is worth being computed for some rows of the batch at a time.
 *
 * A region grows from a large value that would be stored: its maker and all that reads it,
 * what of that would be stored and is large, too, with its readers, and what is computed on the
 * way.  Rows of values that are read elsewhere, too, are put together behind the region.  It
 * is taken if the value that it began with is read in it alone, and if nothing between its
 * nodes has to run between them. */
#include "chunk.h"

#include <stdlib.h>

#include "fuse.h"

enum {
    LARGE = 4 << 20,            /* bytes of a value that is not to be there whole */
    CHUNK = 1 << 20,            /* and of its part that is */
    NEAR = 1024,                /* nodes from the first to the last of a region */
    MOST_REGIONS = 64
};

/* How a node belongs to the region at hand. */
typedef enum member { OUT, IN, COPIED } member;

/* A function while regions are looked for, and the region at hand: `in` its nodes, `member`
 * how each node belongs to it, `rows` the extent of the batch. */
typedef struct finder {
    ir_module *m;
    const ir_fn *fn;
    const ir_groups *groups;
    arena *mem;
    ir_readers readers;
    bool *result;               /* by value: of the function, or of an update */
    bool *taken;                /* by node: it is in an earlier region */
    uint8_t *member;            /* by node */
    VEC(uint32_t) in;           /* nodes of the region at hand, as they were found */
    int64_t rows;
    uint32_t seed;              /* the node that it began with */
} finder;

static int64_t bytes_of(const finder *f, ir_ref r)
{
    const ir_type *t = ir_type_of(f->fn, r);
    int64_t n;

    return t->kind == TY_TENSOR && (n = type_count_const(&f->m->types, t)) > 0 &&
                   mul_ok(n, dt_size(t->dtype), &n)
               ? n
               : 0;
}

static bool is_large(const finder *f, ir_ref r)
{
    return f->groups->stored[r] && !f->result[r] && bytes_of(f, r) >= LARGE;
}

static bool is_cheap(const ir_node *n)
{
    return ir_op_scalar(n->op) || ir_op_moves(n->op);
}

/* Can its rows be cut in chunks, which takes an axis more? */
static bool has_rows(const finder *f, ir_ref r)
{
    return chunk_rows(f->fn, r) == f->rows && ir_type_of(f->fn, r)->rank < IR_MAX_RANK;
}

/* Has the node's result the rows, if it is not summed over them, and what it takes by rows? */
static bool fits(const finder *f, uint32_t node, chunk_way *w)
{
    const ir_node *n = &f->fn->node.at[node];

    if (f->taken[node] || !chunk_find_way(f->fn, n, w) || (!w->sums && !has_rows(f, n->first)))
        return false;
    for (uint32_t i = 0; i < n->narg; i++)
        if (w->rows[i] && !has_rows(f, ir_arg(f->fn, n, i)))
            return false;
    return true;
}

static bool is_near(const finder *f, uint32_t node)
{
    return node < f->seed + NEAR && f->seed < node + NEAR;
}

static bool add(finder *f, uint32_t node)
{
    chunk_way w;

    if (f->member[node] == IN)
        return true;
    if (!is_near(f, node) || !fits(f, node, &w))
        return false;
    if (!f->member[node])
        vec_push(&f->in, node);
    f->member[node] = IN;
    return true;
}

static bool has_readers_in(const finder *f, ir_ref r)
{
    bool all = !f->result[r];

    for (uint32_t i = f->readers.at[r]; all && i < f->readers.at[r + 1]; i++)
        all = f->member[f->readers.reader[i]] == IN;
    return all;
}

/* Does the node compute no more than its operand has, of nothing but what the region has? */
static bool is_step(const finder *f, const ir_node *n, ir_ref from)
{
    chunk_way w;

    if (!is_cheap(n) || bytes_of(f, n->first) > bytes_of(f, from) ||
        !chunk_find_way(f->fn, n, &w))
        return false;
    for (uint32_t i = 0; i < n->narg; i++) {
        uint32_t maker = f->fn->value.at[ir_arg(f->fn, n, i)].node;
        if (w.rows[i] && !f->member[maker] && f->fn->node.at[maker].op != OP_BROADCAST)
            return false;
    }
    return true;
}

/* Readers of what is large or computed on the way; of what is small, cheap steps. */
static void add_readers(finder *f, uint32_t node)
{
    ir_ref r = f->fn->node.at[node].first;
    bool all = is_large(f, r) || !f->groups->stored[r];
    chunk_way w;

    if (!chunk_find_way(f->fn, &f->fn->node.at[node], &w) || w.sums)
        return;
    for (uint32_t i = f->readers.at[r]; i < f->readers.at[r + 1]; i++)
        if (all || is_step(f, &f->fn->node.at[f->readers.reader[i]], r))
            add(f, f->readers.reader[i]);
}

/* What node reads and nobody else: it need not be stored whole.  What repeats elements is
 * made again. */
static void add_operands(finder *f, uint32_t node)
{
    const ir_node *n = &f->fn->node.at[node];
    chunk_way w, own;

    chunk_find_way(f->fn, n, &w);
    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref a = ir_arg(f->fn, n, i);
        uint32_t maker = f->fn->value.at[a].node;
        const ir_node *by = &f->fn->node.at[maker];
        if (!w.rows[i] || f->member[maker] || !fits(f, maker, &own))
            continue;
        bool passing = is_cheap(by) || !f->groups->stored[a] || is_large(f, a);
        if (passing && has_readers_in(f, a)) {
            add(f, maker);
        } else if (by->op == OP_BROADCAST && !own.rows[0]) {
            f->member[maker] = COPIED;
            vec_push(&f->in, maker);
        }
    }
}

static void grow(finder *f)
{
    uint32_t n = 0;

    while (n < f->in.len) {         /* the last round added some */
        n = f->in.len;
        for (uint32_t i = 0; i < f->in.len; i++)
            if (f->member[f->in.at[i]] == IN)
                add_readers(f, f->in.at[i]);
        for (uint32_t i = 0; i < f->in.len; i++)
            add_operands(f, f->in.at[i]);
    }
}

static int in_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Are operands that are taken whole from outside, and is no sum read inside? */
static bool is_sound(const finder *f, uint32_t node)
{
    const ir_node *n = &f->fn->node.at[node];
    chunk_way w, by;

    chunk_find_way(f->fn, n, &w);
    for (uint32_t i = 0; i < n->narg; i++) {
        uint32_t maker = f->fn->value.at[ir_arg(f->fn, n, i)].node;
        if (!f->member[maker])
            continue;
        if (!w.rows[i] || !chunk_find_way(f->fn, &f->fn->node.at[maker], &by) || by.sums)
            return false;
    }
    return true;
}

/* Depends no node of the region on one outside that depends on the region? */
static bool is_closed(finder *f)
{
    uint32_t first = f->in.at[0], last = f->in.at[f->in.len - 1];
    bool *behind = mem_alloc(last - first + 1), ok = true;

    memset(behind, 0, last - first + 1);
    for (uint32_t i = first; ok && i <= last; i++) {
        const ir_node *n = &f->fn->node.at[i];
        bool waits = false, in = f->member[i] == IN;
        for (uint32_t k = 0; k < n->narg; k++) {
            uint32_t maker = f->fn->value.at[ir_arg(f->fn, n, k)].node;
            bool inside = maker >= first && f->member[maker] == IN;
            waits |= (maker >= first && behind[maker - first]) || (inside && !in);
        }
        behind[i - first] = waits;
        ok = !waits || !in;
    }
    mem_free(behind);
    return ok;
}

/* Is more saved than what has to be put together behind the region, and than sums that each
 * chunk goes through? */
static bool repays(const finder *f, int64_t chunks)
{
    int64_t saved = 0, whole = 0;
    chunk_way w;

    for (uint32_t i = 0; i < f->in.len; i++) {
        ir_ref r = f->fn->node.at[f->in.at[i]].first;
        if (f->member[f->in.at[i]] != IN)
            continue;
        if (chunk_find_way(f->fn, &f->fn->node.at[f->in.at[i]], &w) && w.sums)
            whole += bytes_of(f, r) * chunks;
        else if (has_readers_in(f, r))
            saved += is_large(f, r) ? bytes_of(f, r) : 0;
        else
            whole += f->groups->stored[r] ? 0 : bytes_of(f, r);
    }
    return saved > whole;
}

/* The fewest equal chunks that are small enough: at least two rows each. */
static int64_t chunks_of(const finder *f, int64_t bytes)
{
    int64_t n = (bytes - 1) / CHUNK + 1;

    while (n < f->rows && f->rows % n)
        n++;
    return n < f->rows ? n : 0;
}

static void keep(finder *f, int64_t chunks, chunk_region *out)
{
    *out = (chunk_region){f->in.len, arena_copy(f->mem, f->in.at, f->in.len * sizeof *out->node),
                          arena_array(f->mem, bool, f->in.len), f->rows, chunks};
    for (uint32_t i = 0; i < f->in.len; i++) {
        out->copied[i] = f->member[f->in.at[i]] == COPIED;
        f->taken[f->in.at[i]] |= !out->copied[i];
    }
}

static bool find_one(finder *f, uint32_t seed, chunk_region *out)
{
    ir_ref r = f->fn->node.at[seed].first;

    f->seed = seed;
    f->rows = chunk_rows(f->fn, r);
    f->in.len = 0;
    int64_t chunks = chunks_of(f, bytes_of(f, r));
    bool ok = chunks > 1 && add(f, seed);
    if (ok) {
        grow(f);
        qsort(f->in.at, f->in.len, sizeof *f->in.at, in_order);
        ok = has_readers_in(f, r) && is_closed(f) && repays(f, chunks);
        for (uint32_t i = 0; ok && i < f->in.len; i++)
            ok = is_sound(f, f->in.at[i]);
    }
    if (ok)
        keep(f, chunks, out);
    for (uint32_t i = 0; i < f->in.len; i++)
        f->member[f->in.at[i]] = OUT;
    return ok;
}

/* Is any value large and of several rows?  Most functions have none, and need no more. */
static bool has_any(const finder *f)
{
    for (uint32_t r = 0; r < f->fn->value.len; r++)
        if (chunk_rows(f->fn, r) > 2 && bytes_of(f, r) >= LARGE)
            return true;
    return false;
}

uint32_t chunk_find(ir_module *m, const ir_fn *fn, const target *t, arena *mem,
                    chunk_region **out)
{
    ir_groups g;
    finder f = {.m = m, .fn = fn, .mem = mem, .groups = &g};
    uint32_t n = 0;

    if (!has_any(&f))
        return 0;
    fuse(fn, t, false, &g);
    f.readers = ir_find_readers(fn, mem);
    f.result = arena_array(mem, bool, fn->value.len + 1);
    f.taken = arena_array(mem, bool, fn->node.len + 1);
    f.member = arena_array(mem, uint8_t, fn->node.len + 1);
    for (uint32_t i = 0; i < fn->result.len; i++)
        f.result[fn->result.at[i]] = true;
    for (uint32_t i = 0; i < fn->update.len; i++)
        f.result[fn->update.at[i].value] = true;
    *out = arena_array(mem, chunk_region, MOST_REGIONS);
    for (uint32_t i = 0; i < fn->node.len && n < MOST_REGIONS; i++) {
        const ir_node *node = &fn->node.at[i];
        if (node->nres == 1 && !f.taken[i] && is_large(&f, node->first))
            n += find_one(&f, i, &(*out)[n]);
    }
    vec_free(&f.in);
    fuse_free(&g);
    return n;
}
