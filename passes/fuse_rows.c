/* passes/fuse_rows.c - the regions of template `rows`: reductions over the rows of
 * one shape with what is elementwise between and behind them, done a row at a
 * time.
 *   softmax:  max, broadcast, sub, exp, sum, broadcast, div
 *   layer normalization:  mean, sub, square, mean, add, rsqrt, mul, .. */
#include "fuse_region.h"

static bool same_leading(const ir_type *a, const ir_type *b, int n)
{
    bool same = a->kind == b->kind && a->rank >= n && b->rank >= n;

    for (int i = 0; same && i < n; i++)
        same = dim_same(a->dim[i], b->dim[i]);
    return same;
}

bool fuse_one_a_row(const fuse_cx *f, const row_shape *w, const ir_type *t)
{
    bool one = same_leading(w->full, t, w->kept);

    for (int i = w->kept; one && i < t->rank; i++)
        one = dim_is(&f->fn->module->dims, t->dim[i], 1);
    return one;
}

static bool reduces_rows(const fuse_cx *f, const row_shape *w, const ir_node *n)
{
    ir_ints axes = n->attr->REDUCE.axes;
    bool last = fuse_same_shape(ir_type_of(f->fn, ir_arg(f->fn, n, 0)), w->full) &&
                axes.n == w->full->rank - w->kept;

    for (int i = 0; last && i < axes.n; i++)
        last = axes.at[i] >= w->kept;
    return last;
}

bool fuse_stays_in_row(const fuse_cx *f, const void *cx, const ir_node *n)
{
    const row_shape *w = cx;

    if (n->nres != 1)
        return false;
    if (n->op == OP_REDUCE)
        return reduces_rows(f, w, n);
    const ir_type *t = ir_type_of(f->fn, n->first);
    bool one = fuse_one_a_row(f, w, t);
    if (!one && !fuse_same_shape(t, w->full))
        return false;
    if (ir_op_scalar(n->op))
        return true;
    if ((n->op != OP_RESHAPE || !one) && n->op != OP_BROADCAST)
        return false;
    bool ok = fuse_one_a_row(f, w, ir_type_of(f->fn, ir_arg(f->fn, n, 0)));
    for (int i = 0; ok && n->op == OP_BROADCAST && i < n->attr->BROADCAST.axes.n; i++)
        ok = n->attr->BROADCAST.axes.at[i] == i;
    return ok;
}

/* A chain of nodes in the making. */
typedef struct chain {
    uint32_t n, node[GROUP_MAX_NODES];
    uint32_t reductions;
    bool spread;                /* goes back from rows to their elements */
} chain;

static void add_node(const fuse_cx *f, chain *g, uint32_t node)
{
    unsigned op = f->fn->node.at[node].op;

    g->node[g->n++] = node;
    g->reductions += op == OP_REDUCE;
    g->spread |= op == OP_BROADCAST;
}

/* All that is computed from reduction `root` in its rows, up to the last
 * arithmetic that everything goes through. */
static chain find_chain(const fuse_cx *f, uint32_t root, const row_shape *w)
{
    chain g = {0}, best = {0};
    small_set inner;
    ir_ref r = f->fn->node.at[root].first;

    add_node(f, &g, root);
    for (uint32_t u; (u = fuse_meeting(f, r, fuse_stays_in_row, w, &inner)) != UINT32_MAX;) {
        if (g.n + inner.n + 1 > GROUP_MAX_NODES)
            break;
        for (uint32_t i = 0; i < inner.n; i++)
            add_node(f, &g, inner.at[i]);
        add_node(f, &g, u);
        r = f->fn->node.at[u].first;
        if (!ir_op_moves(f->fn->node.at[u].op))
            best = g;
    }
    return best;
}

/* Does the element of the region's node i take costly work that no held value
 * has done?  `costly` says so of the nodes before it; held ones are not. */
static bool costly_in_row(const fuse_cx *f, const fuse_region *g, const bool *costly, uint32_t i)
{
    const ir_node *n = &f->fn->node.at[g->node[i]];
    bool work = !fuse_is_cheap(n);

    if (n->op == OP_REDUCE || n->op == OP_BROADCAST)
        return false;
    for (uint32_t k = 0; k < n->narg; k++)
        for (uint32_t j = 0; j < i && !work; j++)
            work = costly[j] && g->node[j] == f->fn->value.at[ir_arg(f->fn, n, k)].node;
    return work;
}

/* Values of a whole row that several nodes read are held, if computing them again
 * is costly or if they would have been stored without the region. */
static void choose_held(const fuse_cx *f, const row_shape *w, fuse_region *g)
{
    bool costly[GROUP_MAX_NODES];

    for (uint32_t i = 0; i < g->n; i++) {
        const ir_node *n = &f->fn->node.at[g->node[i]];
        ir_ref r = n->first;
        bool stored = f->out->stored[r] && n->op != OP_REDUCE;
        costly[i] = costly_in_row(f, g, costly, i);
        if ((costly[i] || stored) && f->uses[r] > 1 &&
            fuse_same_shape(ir_type_of(f->fn, r), w->full)) {
            g->private[g->nprivate++] = r;
            costly[i] = false;
        }
    }
}

/* Rows too long for the cache would be read from memory again, and one kernel
 * for all then has less to share out among threads. */
static bool fits_cache(const fuse_cx *f, const row_shape *w)
{
    dim_table *t = &f->fn->module->dims;

    return dim_hint(t, dim_product(t, w->full->dim + w->kept, w->full->rank - w->kept)) <=
           f->longest_row;
}

bool fuse_row_shape(const fuse_cx *f, const ir_node *n, row_shape *w)
{
    const ir_type *t = ir_type_of(f->fn, ir_arg(f->fn, n, 0));

    *w = (row_shape){t, t->rank - n->attr->REDUCE.axes.n};
    return w->kept < t->rank && reduces_rows(f, w, n) && fits_cache(f, w);
}

/* Worth it are several reductions, or one whose result each element of the row
 * reads again. */
bool region_rows(const fuse_cx *f, uint32_t root, fuse_region *out)
{
    const ir_node *n = &f->fn->node.at[root];

    row_shape w;

    if (n->op != OP_REDUCE || !fuse_row_shape(f, n, &w))
        return false;
    chain g = find_chain(f, root, &w);
    if (!g.spread && g.reductions < 2)
        return false;
    out->n = g.n;
    memcpy(out->node, g.node, g.n * sizeof *g.node);
    choose_held(f, &w, out);
    return true;
}
