/* passes/fuse.c - which values are stored, and what is computed together.
 *
 * Stored: results and updates, every reduction, contraction and opaque node,
 * what these read if it is more than movement, and maps that would otherwise
 * be computed more than once an element.  Everything else is inlined where it
 * is read.  Elementwise nodes behind a reduction or contraction that meet again
 * in one, with no other reader of what lies between, are computed where that
 * result is stored (its epilogue): the group stores the last one's value.
 * Reductions over the rows of one shape with what is elementwise between them
 * (a softmax, a layer normalization) are one group that does a row at a time. */
#include "fuse.h"

#include "build.h"
#include "schedule.h"

typedef struct fuse_cx {
    const ir_fn *fn;
    int64_t longest_row;        /* elements of a row that stay in the cache */
    ir_groups *out;
    uint32_t *uses;
    uint32_t *reader;           /* nodes that read each ref, in order, .. */
    uint32_t *reader_at;        /* .. by ref: from here to the next one's */
    uint32_t *owner;            /* by node: 1 + root of the epilogue it is part of */
    const char **why;           /* by ref */
    bool *result;               /* by ref: a result or an update */
    ir_group *rows;             /* by node: what add_group needs of its rows */
} fuse_cx;

enum { MAX_INLINED = 40, MAX_REGION = 64 };

static char kind_of(const ir_node *n)
{
    return ir_op_scalar(n->op) ? 'M' : ir_op_get(n->op)->kind;
}

/* At most one cheap scalar operation an element. */
static bool is_cheap(const ir_node *n)
{
    switch (n->op) {
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_NEG: case OP_ABS: case OP_MIN: case OP_MAX:
    case OP_CAST: case OP_BITCAST: case OP_NOT: case OP_AND: case OP_OR: case OP_XOR: case OP_EQ:
    case OP_NE: case OP_LT: case OP_LE: case OP_SELECT:
        return true;
    default:
        return ir_op_moves(n->op) || ir_op_source(n->op);
    }
}

static void store(fuse_cx *f, ir_ref r, const char *why)
{
    if (kind_of(ir_node_of(f->fn, r)) == 'K')
        return;
    if (!f->out->stored[r])
        f->why[r] = why;
    f->out->stored[r] = true;
}

static void store_result(fuse_cx *f, ir_ref r)
{
    f->result[r] = true;
    store(f, r, "a result");
}

/* Stores what an operand of a contraction, window or opaque node needs: the
 * value itself, or, below movement, what is moved. */
static void store_below(fuse_cx *f, ir_ref r, const char *why)
{
    const ir_node *n = ir_node_of(f->fn, r);

    while (ir_op_moves(n->op)) {
        r = ir_arg(f->fn, n, 0);
        n = ir_node_of(f->fn, r);
    }
    if (!ir_op_source(n->op))
        store(f, r, why);
}

/* Does movement between r and what is stored take the last axis elsewhere?
 * Then neighbours are no neighbours in memory. */
static bool scatters(const fuse_cx *f, ir_ref r)
{
    for (const ir_node *n = ir_node_of(f->fn, r); ir_op_moves(n->op);
         n = ir_node_of(f->fn, ir_arg(f->fn, n, 0)))
        if (n->op == OP_TRANSPOSE) {
            ir_ints perm = n->attr->TRANSPOSE.perm;
            if (perm.at[perm.n - 1] != perm.n - 1)
                return true;
        }
    return false;
}

/* Reads vectors along the operand's last axis, each several times. */
static bool reads_vectors(const fuse_cx *f, const ir_node *n, uint32_t operand)
{
    if (n->op == OP_CONV && operand == 0) {
        ir_ints g = n->attr->CONV.xg;
        return g.n && g.at[g.n - 1] == ir_type_of(f->fn, ir_arg(f->fn, n, 0))->rank - 1;
    }
    return n->op == OP_WINDOW;
}

/* ---- regions ------------------------------------------------------------------------ */

static bool same_shape(const ir_type *a, const ir_type *b)
{
    bool same = a->kind == b->kind && a->rank == b->rank;

    for (int i = 0; same && i < a->rank; i++)
        same = dim_same(a->dim[i], b->dim[i]);
    return same;
}

/* Nodes in order, each once. */
typedef struct node_set {
    uint32_t n, at[MAX_REGION];
} node_set;

/* False: the set is full. */
static bool set_add(node_set *s, uint32_t node)
{
    uint32_t i = s->n;

    while (i > 0 && s->at[i - 1] > node)
        i--;
    if (i > 0 && s->at[i - 1] == node)
        return true;
    if (s->n == MAX_REGION)
        return false;
    memmove(&s->at[i + 1], &s->at[i], (s->n++ - i) * sizeof s->at[0]);
    s->at[i] = node;
    return true;
}

/* Adds the readers of r; false if something else reads it, too. */
static bool add_readers(const fuse_cx *f, ir_ref r, node_set *s)
{
    uint32_t from = f->reader_at[r], to = f->reader_at[r + 1];
    bool ok = from < to && to - from == f->uses[r];

    for (uint32_t i = from; ok && i < to; i++)
        ok = set_add(s, f->reader[i]);
    return ok;
}

/* The rows of a reduction: the axes from `kept` on of `full`. */
typedef struct row_shape {
    const ir_type *full;
    int kept;
} row_shape;

static bool same_leading(const ir_type *a, const ir_type *b, int n)
{
    bool same = a->kind == b->kind && a->rank >= n && b->rank >= n;

    for (int i = 0; same && i < n; i++)
        same = dim_same(a->dim[i], b->dim[i]);
    return same;
}

/* One element a row: the kept axes, perhaps with 1s behind. */
static bool one_a_row(const fuse_cx *f, const row_shape *w, const ir_type *t)
{
    bool one = same_leading(w->full, t, w->kept);

    for (int i = w->kept; one && i < t->rank; i++)
        one = dim_is(&f->fn->module->dims, t->dim[i], 1);
    return one;
}

static bool reduces_rows(const fuse_cx *f, const row_shape *w, const ir_node *n)
{
    ir_ints axes = n->attr->REDUCE.axes;
    bool last = same_shape(ir_type_of(f->fn, ir_arg(f->fn, n, 0)), w->full) &&
                axes.n == w->full->rank - w->kept;

    for (int i = 0; last && i < axes.n; i++)
        last = axes.at[i] >= w->kept;
    return last;
}

/* Is node n's element in a row made of values of that row? */
static bool stays_in_row(const fuse_cx *f, const row_shape *w, const ir_node *n)
{
    if (n->nres != 1)
        return false;
    if (n->op == OP_REDUCE)
        return reduces_rows(f, w, n);
    const ir_type *t = ir_type_of(f->fn, n->first);
    bool one = one_a_row(f, w, t);
    if (!one && !same_shape(t, w->full))
        return false;
    if (ir_op_scalar(n->op))
        return true;
    if ((n->op != OP_RESHAPE || !one) && n->op != OP_BROADCAST)
        return false;
    bool ok = one_a_row(f, w, ir_type_of(f->fn, ir_arg(f->fn, n, 0)));
    for (int i = 0; ok && n->op == OP_BROADCAST && i < n->attr->BROADCAST.axes.n; i++)
        ok = n->attr->BROADCAST.axes.at[i] == i;
    return ok;
}

/* The first node that all that is computed from r goes through, if it and what
 * lies between (`inner`) are elementwise, or stay in the rows w; else
 * UINT32_MAX. */
static uint32_t meeting_node(const fuse_cx *f, ir_ref r, const row_shape *w, node_set *inner)
{
    node_set open = {0};
    bool ok = add_readers(f, r, &open);

    inner->n = 0;
    while (ok) {
        uint32_t u = open.at[0];
        const ir_node *n = &f->fn->node.at[u];
        bool fits = w ? stays_in_row(f, w, n)
                      : ir_op_scalar(n->op) &&
                            same_shape(ir_type_of(f->fn, n->first), ir_type_of(f->fn, r));
        if (f->owner[u] || !fits)
            break;
        if (open.n == 1)
            return u;
        memmove(&open.at[0], &open.at[1], --open.n * sizeof open.at[0]);
        ok = set_add(inner, u) && add_readers(f, n->first, &open);
    }
    return UINT32_MAX;
}

/* ---- what is stored -------------------------------------------------------------------- */

/* Adds the nodes that compute node i of the function, itself too, as far back as
 * what is stored; false when there are more than the set holds. */
static bool add_work(const fuse_cx *f, uint32_t i, node_set *work)
{
    const ir_node *n = &f->fn->node.at[i];
    uint32_t before = work->n;

    if (!set_add(work, i))
        return false;
    for (uint32_t a = 0; work->n > before && a < n->narg; a++) {
        ir_ref r = ir_arg(f->fn, n, a);
        if (!f->out->stored[r] && !add_work(f, f->fn->value.at[r].node, work))
            return false;
    }
    return true;
}

/* Operations an element of node i takes where it is inlined; what several of
 * them read counts once. */
static uint32_t weight_of(const fuse_cx *f, uint32_t i)
{
    node_set work = {0};
    uint32_t w = 0;

    if (!add_work(f, i, &work))
        return MAX_INLINED + 1;
    for (uint32_t k = 0; k < work.n; k++)
        w += !ir_op_moves(f->fn->node.at[work.at[k]].op);
    return w;
}

/* Does this broadcast repeat elements? */
static bool repeats(const fuse_cx *f, const ir_node *n)
{
    const ir_type *from = ir_type_of(f->fn, ir_arg(f->fn, n, 0)), *to = ir_type_of(f->fn, n->first);
    dim_table *t = &f->fn->module->dims;

    ir_dim before = dim_product(t, from->dim, from->rank);
    return !dim_same(before, dim_product(t, to->dim, to->rank));
}

static bool costly_below(const fuse_cx *f, ir_ref r, int depth)
{
    const ir_node *n = ir_node_of(f->fn, r);

    if (f->out->stored[r] || ir_op_source(n->op))
        return false;
    if (depth > 8 || !is_cheap(n))
        return true;
    for (uint32_t i = 0; i < n->narg; i++)
        if (costly_below(f, ir_arg(f->fn, n, i), depth + 1))
            return true;
    return false;
}

/* Does it choose what to read by a condition or an index that is computed, for
 * every element?  (Of few joined values the conditions are cheap.) */
static bool picks_often(const ir_node *n)
{
    return ir_op_get(n->op)->moves == MOVES_PICK && (n->op != OP_CONCAT || n->narg > 4);
}

static void mark_operands(fuse_cx *f, const ir_node *n)
{
    char kind = kind_of(n);

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref a = ir_arg(f->fn, n, i);
        if (kind == 'X' && n->op != OP_SCATTER)
            store(f, a, "read by a node outside kernels");
        else if (reads_vectors(f, n, i) && scatters(f, a))
            store(f, a, "moved once instead of with every reading");
        else if (kind == 'C' || n->op == OP_WINDOW || n->op == OP_WINDOWARG || kind == 'S' ||
                 n->op == OP_SCATTER || n->op == OP_ARGREDUCE)
            store_below(f, a, "read more than once by a contraction or window");
        else if (n->op == OP_BROADCAST && repeats(f, n) && costly_below(f, a, 0))
            store(f, a, "costly, and repeated by a broadcast");
        else if (picks_often(n))
            store_below(f, a, "read under a guard or by computed indices");
    }
}

/* Do the readers of r meet again in one elementwise node, before the chain is too
 * long?  A kernel that computes that node computes r once an element.
 *   select(less(x, 0), mul(x, 0.1), x)    reads x three times, in one place */
static bool is_met_again(const fuse_cx *f, ir_ref r, uint32_t weight)
{
    node_set inner;

    return meeting_node(f, r, NULL, &inner) != UINT32_MAX && weight + inner.n <= MAX_INLINED;
}

static void mark_node(fuse_cx *f, uint32_t i)
{
    const ir_node *n = &f->fn->node.at[i];
    char kind = kind_of(n);

    mark_operands(f, n);
    uint32_t weight = weight_of(f, i);
    for (uint32_t r = n->first; r < n->first + n->nres; r++) {
        if (kind == 'R' || kind == 'C' || kind == 'S')
            store(f, r, kind == 'C' ? "contraction" : kind == 'R' ? "reduction" : "running");
        else if (kind == 'X')
            store(f, r, "made outside kernels, or by a kernel of its own");
        else if (n->op == OP_CONCAT)
            store(f, r, "joins values");
        else if (weight > MAX_INLINED)
            store(f, r, "a long chain");
        else if (f->uses[r] > 1 && (weight > 3 || !is_cheap(n)) && !is_met_again(f, r, weight))
            store(f, r, is_cheap(n) ? "with several readers" : "costly, with several readers");
    }
}

/* ---- epilogues ---------------------------------------------------------------------- */

/* Follows what is computed from root's value; the last value is stored. */
static void take_epilogue(fuse_cx *f, uint32_t root)
{
    ir_ref r = f->fn->node.at[root].first;
    node_set inner;

    for (uint32_t u; !f->result[r] && (u = meeting_node(f, r, NULL, &inner)) != UINT32_MAX;) {
        for (uint32_t i = 0; i < inner.n; i++) {
            f->owner[inner.at[i]] = root + 1;
            f->out->stored[f->fn->node.at[inner.at[i]].first] = false;
        }
        f->owner[u] = root + 1;
        f->out->stored[r] = false;
        r = f->fn->node.at[u].first;
        store(f, r, f->result[r] ? "a result" : "end of an epilogue");
    }
}

static bool takes_epilogue(const ir_node *n)
{
    return n->nres == 1 &&
           (n->op == OP_REDUCE || n->op == OP_WINDOW || n->op == OP_DOT || n->op == OP_CONV);
}

/* ---- rows ------------------------------------------------------------------------------- */

typedef struct row_region {
    uint32_t n, node[GROUP_MAX_ROWS]; /* in order, from the first reduction to the end */
    uint32_t reductions;
    bool spread;                /* goes back from rows to their elements */
} row_region;

static void add_to_region(const fuse_cx *f, row_region *g, uint32_t node)
{
    unsigned op = f->fn->node.at[node].op;

    g->node[g->n++] = node;
    g->reductions += op == OP_REDUCE;
    g->spread |= op == OP_BROADCAST;
}

/* All that is computed from reduction `root` in its rows, up to the last
 * arithmetic that everything goes through. */
static row_region find_rows(const fuse_cx *f, uint32_t root, const row_shape *w)
{
    row_region g = {0}, best = {0};
    node_set inner;
    ir_ref r = f->fn->node.at[root].first;

    add_to_region(f, &g, root);
    for (uint32_t u; (u = meeting_node(f, r, w, &inner)) != UINT32_MAX;) {
        if (g.n + inner.n + 1 > GROUP_MAX_ROWS)
            break;
        for (uint32_t i = 0; i < inner.n; i++)
            add_to_region(f, &g, inner.at[i]);
        add_to_region(f, &g, u);
        r = f->fn->node.at[u].first;
        if (!ir_op_moves(f->fn->node.at[u].op))
            best = g;
    }
    return best;
}

/* Does the element of the region's node i take costly work that no held value
 * has done?  `costly` says so of the nodes before it; held ones are not. */
static bool costly_in_row(const fuse_cx *f, const row_region *g, const bool *costly, uint32_t i)
{
    const ir_node *n = &f->fn->node.at[g->node[i]];
    bool work = !is_cheap(n);

    if (n->op == OP_REDUCE || n->op == OP_BROADCAST)
        return false;
    for (uint32_t k = 0; k < n->narg; k++)
        for (uint32_t j = 0; j < i && !work; j++)
            work = costly[j] && g->node[j] == f->fn->value.at[ir_arg(f->fn, n, k)].node;
    return work;
}

/* Makes the reduction and what follows in its rows one group.  Rows too long
 * for the cache would be read from memory again, and one kernel for all then
 * has less to share out among threads. */
static void take_rows(fuse_cx *f, uint32_t root)
{
    const ir_node *n = &f->fn->node.at[root];
    const ir_type *t = ir_type_of(f->fn, ir_arg(f->fn, n, 0));
    row_shape w = {t, t->rank - n->attr->REDUCE.axes.n};
    dim_table *dims = &f->fn->module->dims;
    ir_ref held[GROUP_MAX_ROWS];
    bool costly[GROUP_MAX_ROWS];
    uint32_t nheld = 0;

    if (f->owner[root] || w.kept == t->rank || !reduces_rows(f, &w, n) ||
        dim_hint(dims, dim_product(dims, t->dim + w.kept, t->rank - w.kept)) > f->longest_row)
        return;
    row_region g = find_rows(f, root, &w);
    if (!g.spread && g.reductions < 2)
        return;
    for (uint32_t i = 0; i < g.n; i++) {
        ir_ref r = f->fn->node.at[g.node[i]].first;
        bool often = f->out->stored[r] && f->fn->node.at[g.node[i]].op != OP_REDUCE;
        f->owner[g.node[i]] = root + 1;
        f->out->stored[r] = f->out->stored[r] && i + 1 == g.n;
        costly[i] = costly_in_row(f, &g, costly, i);
        if ((costly[i] || often) && f->uses[r] > 1 && same_shape(ir_type_of(f->fn, r), t)) {
            held[nheld++] = r;
            costly[i] = false;
        }
    }
    store(f, f->fn->node.at[g.node[g.n - 1]].first, "end of a row");
    f->rows[root] = (ir_group){.nnode = g.n, .nrow = nheld,
        .node = arena_copy(&f->out->mem, g.node, g.n * sizeof g.node[0]),
        .row = arena_copy(&f->out->mem, held, nheld * sizeof held[0])};
}

/* ---- groups ---------------------------------------------------------------------------- */

static void add_group(fuse_cx *f, char kind, uint32_t root, const ir_ref *out, uint32_t nout)
{
    ir_groups *g = f->out;
    ir_group x = f->rows[root];

    x.kind = kind, x.root = root, x.nout = nout, x.over = IR_NONE;
    if (!x.nnode) {
        x.nnode = 1;
        x.node = arena_copy(&g->mem, &root, sizeof root);
    }
    x.out = arena_copy(&g->mem, out, nout * sizeof *out);
    x.why = nout && f->why[out[0]] ? f->why[out[0]] : "";
    vec_push(&g->group, x);
}

/* One group for each stored value, at the place of its last node. */
static void make_groups(fuse_cx *f)
{
    for (uint32_t i = 0; i < f->fn->node.len; i++) {
        const ir_node *n = &f->fn->node.at[i];
        char kind = kind_of(n);
        ir_ref r = n->first;
        if (kind == 'K')
            continue;
        if (f->owner[i]) {
            uint32_t root = f->owner[i] - 1;
            if (f->out->stored[r])
                add_group(f, kind_of(&f->fn->node.at[root]), root, &r, 1);
        } else if (kind == 'X' && n->op != OP_SCATTER) {
            VEC(ir_ref) out = {0};
            for (uint32_t k = 0; k < n->nres; k++)
                vec_push(&out, r + k);
            add_group(f, 'X', i, out.at, out.len);
            vec_free(&out);
        } else if (f->out->stored[r]) {
            add_group(f, n->op == OP_SCATTER ? 'S' : kind, i, &r, 1);
        }
    }
}

static void find_readers(fuse_cx *f, arena *mem)
{
    const ir_fn *fn = f->fn;
    uint32_t refs = fn->value.len, *fill = arena_array(mem, uint32_t, refs + 2), total = 0;

    for (uint32_t i = 0; i < fn->node.len; i++)
        for (uint32_t j = 0; j < fn->node.at[i].narg; j++, total++)
            fill[ir_arg(fn, &fn->node.at[i], j) + 1]++;
    for (uint32_t r = 0; r <= refs; r++)
        fill[r + 1] += fill[r];
    f->reader_at = arena_copy(mem, fill, (refs + 2) * sizeof *fill);
    f->reader = arena_array(mem, uint32_t, total + 1);
    for (uint32_t i = 0; i < fn->node.len; i++)
        for (uint32_t j = 0; j < fn->node.at[i].narg; j++)
            f->reader[fill[ir_arg(fn, &fn->node.at[i], j)]++] = i;
}

void fuse(const ir_module *m, const ir_fn *fn, const target *t, ir_groups *g)
{
    arena mem = {0};
    *g = (ir_groups){.fn = fn};
    fuse_cx f = {.fn = fn, .out = g, .longest_row = schedule_longest_row(t)};

    (void)m;
    g->stored = arena_array(&g->mem, bool, fn->value.len + 1);
    f.uses = ir_use_counts(fn, &mem);
    find_readers(&f, &mem);
    f.owner = arena_array(&mem, uint32_t, fn->node.len + 1);
    f.why = arena_array(&mem, const char *, fn->value.len + 1);
    f.result = arena_array(&mem, bool, fn->value.len + 1);
    f.rows = arena_array(&mem, ir_group, fn->node.len + 1);
    for (uint32_t i = 0; i < fn->result.len; i++)
        store_result(&f, fn->result.at[i]);
    for (uint32_t i = 0; i < fn->update.len; i++)
        store_result(&f, fn->update.at[i].value);
    for (uint32_t i = 0; i < fn->node.len; i++)
        mark_node(&f, i);
    for (uint32_t i = 0; i < fn->node.len; i++)
        if (fn->node.at[i].op == OP_REDUCE)
            take_rows(&f, i);
    for (uint32_t i = fn->node.len; i-- > 0;)
        if (!f.owner[i] && takes_epilogue(&fn->node.at[i]))
            take_epilogue(&f, i);
    make_groups(&f);
    arena_reset(&mem);
}

void fuse_free(ir_groups *g)
{
    vec_free(&g->group);
    arena_reset(&g->mem);
}

void fuse_print(const ir_module *m, const ir_groups *g, text *out)
{
    for (uint32_t i = 0; i < g->group.len; i++) {
        const ir_group *x = &g->group.at[i];
        const ir_node *n = &g->fn->node.at[x->root];
        text_add(out, "group %u %c %s", i, x->kind, ir_op_get(n->op)->text);
        for (uint32_t k = 0; k < x->nout; k++) {
            text_add(out, " %%%u : ", x->out[k]);
            type_print(&m->types, ir_type_of(g->fn, x->out[k]), out);
        }
        text_add(out, "  # %s\n", x->why);
    }
}
