/* passes/fuse.c - which values are stored, and what is computed together.
 *
 * Stored: results and updates, every reduction, contraction and opaque node,
 * what these read if it is more than movement, and maps that would otherwise
 * be computed more than once an element.  Everything else is inlined where it
 * is read.  Elementwise nodes behind a reduction or contraction that meet again
 * in one, with no other reader of what lies between, are computed where that
 * result is stored (its epilogue): the group stores the last one's value.
 * Regions that a template does at once, such as a softmax, are one group.
 *
 * What this asks of ops and templates are columns of ops.def, scalar.def and
 * templates.def. */
#include "fuse_region.h"

#include "cost.h"
#include "schedule.h"

enum {
    MAX_INLINED = 40,           /* nodes in one chain: a kernel's text is no longer */
    MAX_PATHS = 4096            /* and ways through them: a kernel's text writes out each */
};

static ir_template template_of(const ir_node *n)
{
    return ir_op_get(n->op)->template;
}

bool fuse_is_cheap(const ir_node *n)
{
    return cost_of_node(n) <= 1;
}

static void store(fuse_cx *f, ir_ref r, const char *why)
{
    if (template_of(ir_node_of(f->fn, r)) == TEMPLATE_SOURCE)
        return;
    if (!f->out->stored[r])
        f->why[r] = why;
    f->out->stored[r] = true;
}

/* Does it take the last axis elsewhere?  Then neighbours are no neighbours in memory. */
static bool moves_last(const ir_node *n)
{
    if (n->op != OP_TRANSPOSE)
        return false;
    ir_ints perm = n->attr->TRANSPOSE.perm;
    return perm.at[perm.n - 1] != perm.n - 1;
}

/* Does movement between r and what is stored do so? */
static bool scatters(const fuse_cx *f, ir_ref r)
{
    for (const ir_node *n = ir_node_of(f->fn, r); ir_op_moves(n->op);
         n = ir_node_of(f->fn, ir_arg(f->fn, n, 0)))
        if (moves_last(n))
            return true;
    return false;
}

/* The transposition that does so of which r is made by reshapes alone; IR_NONE: none.
 * Stored, it is r in memory, too. */
static ir_ref moved_apart(const fuse_cx *f, ir_ref r)
{
    const ir_node *n = ir_node_of(f->fn, r);

    while (n->op == OP_RESHAPE) {
        r = ir_arg(f->fn, n, 0);
        n = ir_node_of(f->fn, r);
    }
    return moves_last(n) ? r : IR_NONE;
}

/* Neighbours of what was moved apart, behind reshapes that join its last axis with others,
 * would be found by divisions: these are views then. */
static void store_result(fuse_cx *f, ir_ref r)
{
    ir_ref moved = moved_apart(f, r);
    const ir_type *t = ir_type_of(f->fn, r), *from = t;

    if (moved != IR_NONE)
        from = ir_type_of(f->fn, moved);
    bool joins = t->rank && !dim_same(t->dim[t->rank - 1], from->dim[from->rank - 1]);
    f->result[r] = true;
    store(f, joins ? moved : r, "a result");
}

/* Stores what an operand of a contraction, window or opaque node needs: the value itself,
 * or, below movement that is not stored, what is moved.  A pad of neighbours that were moved
 * apart reads them stored, too: it has a guard for each vector then, not each element. */
static void store_below(fuse_cx *f, ir_ref r, const char *why)
{
    const ir_node *n = ir_node_of(f->fn, r);

    while (ir_op_moves(n->op) && !f->out->stored[r]) {
        r = ir_arg(f->fn, n, 0);
        n = ir_node_of(f->fn, r);
    }
    if (!ir_op_source(n->op))
        store(f, r, why);
    if (n->op == OP_PAD && scatters(f, ir_arg(f->fn, n, 0)))
        store(f, ir_arg(f->fn, n, 0), "moved before it is padded");
}

/* Stores an operand that a contraction or window reads more than once.  Behind a reshape a
 * product does not see in which order its columns lie, to copy them into panels: they are
 * moved first, and read as they lie then. */
static void store_often(fuse_cx *f, const ir_node *n, uint32_t operand)
{
    ir_ref r = ir_arg(f->fn, n, operand), moved = moved_apart(f, r);

    if (n->op == OP_DOT && operand && moved != IR_NONE && moved != r)
        store(f, moved, "moved once, before it is reshaped");
    store_below(f, r, "read more than once by a contraction or window");
}

/* Reads vectors along the operand's last axis, each several times: a conv only
 * where that axis holds the channels of its groups, or features of which several are
 * multiplied at a time. */
static bool reads_vectors(const fuse_cx *f, const ir_node *n, uint32_t operand)
{
    if (operand || !ir_template_is(template_of(n), T_VECTORS))
        return false;
    if (n->op != OP_CONV)
        return true;
    const struct ir_attr_CONV *a = &n->attr->CONV;
    ir_ints along = a->acc == DT_NONE ? a->xg : a->xf;
    return along.n && along.at[along.n - 1] == ir_type_of(f->fn, ir_arg(f->fn, n, 0))->rank - 1;
}


/* ---- where readers meet --------------------------------------------------------- */

bool fuse_same_shape(const ir_type *a, const ir_type *b)
{
    bool same = a->kind == b->kind && a->rank == b->rank;

    for (int i = 0; same && i < a->rank; i++)
        same = dim_same(a->dim[i], b->dim[i]);
    return same;
}

/* Adds the readers of r; false if something else reads it, too. */
static bool add_readers(const fuse_cx *f, ir_ref r, small_set *s)
{
    uint32_t from = f->readers.at[r], to = f->readers.at[r + 1];
    bool ok = from < to && to - from == f->uses[r];

    for (uint32_t i = from; ok && i < to; i++)
        ok = small_set_add(s, f->readers.reader[i]);
    return ok;
}

/* A front of nodes that still wait, taken in order: since readers stand behind what
 * they read, the first one waiting can be reached by no other.  When it is the only
 * one, everything has come through it. */
uint32_t fuse_meeting(const fuse_cx *f, ir_ref r, fuse_fits *fits, const void *cx,
                      small_set *inner)
{
    small_set open = {0};
    bool ok = add_readers(f, r, &open);

    inner->n = 0;
    while (ok) {
        uint32_t u = open.at[0];
        const ir_node *n = &f->fn->node.at[u];
        if (f->owner[u] || !fits(f, cx, n))
            break;
        if (open.n == 1)
            return u;
        memmove(&open.at[0], &open.at[1], --open.n * sizeof open.at[0]);
        ok = small_set_add(inner, u) && add_readers(f, n->first, &open);
    }
    return UINT32_MAX;
}

bool fuse_is_elementwise(const fuse_cx *f, const void *cx, const ir_node *n)
{
    return ir_op_scalar(n->op) && fuse_same_shape(ir_type_of(f->fn, n->first), cx);
}

/* ---- what is stored -------------------------------------------------------------------- */

/* Adds the nodes that compute node i of the function, itself too, as far back as
 * what is stored; false when there are more than the set holds. */
static bool add_work(const fuse_cx *f, uint32_t i, small_set *work)
{
    const ir_node *n = &f->fn->node.at[i];
    uint32_t before = work->n;

    if (!small_set_add(work, i))
        return false;
    for (uint32_t a = 0; work->n > before && a < n->narg; a++) {
        ir_ref r = ir_arg(f->fn, n, a);
        if (!f->out->stored[r] && !add_work(f, f->fn->value.at[r].node, work))
            return false;
    }
    return true;
}

/* What an element of a node takes where it is inlined: nodes that compute something, and
 * their operations.  What several of them read counts once. */
typedef struct weight {
    uint32_t nodes;
    int64_t ops;
} weight;

/* Past the bound the weight is larger than any that is allowed, so the value is
 * stored. */
static weight weight_of(const fuse_cx *f, uint32_t i)
{
    small_set work = {0};
    weight w = {0};
    cost all = {0};

    if (!add_work(f, i, &work))
        return (weight){MAX_INLINED + 1, INT64_MAX};
    for (uint32_t k = 0; k < work.n; k++) {
        const ir_node *n = &f->fn->node.at[work.at[k]];
        w.nodes += !ir_op_moves(n->op);
        cost_add(&all, &(cost){.ops = cost_of_node(n)}, 1);
    }
    w.ops = all.ops;
    return w;
}

/* Does this broadcast repeat elements?  One to extents that only the run knows to be equal,
 * as in a sum of such values, hardly ever does. */
static bool repeats(const fuse_cx *f, const ir_node *n)
{
    const ir_type *from = ir_type_of(f->fn, ir_arg(f->fn, n, 0)), *to = ir_type_of(f->fn, n->first);
    dim_table *t = &f->fn->module->dims;

    ir_dim before = dim_product(t, from->dim, from->rank);
    return dim_hint(t, before) != dim_hint(t, dim_product(t, to->dim, to->rank));
}

/* Is something dear computed between r and what is stored?  A chain that is too deep to
 * follow counts as dear. */
static bool costly_below(const fuse_cx *f, ir_ref r, int depth)
{
    const ir_node *n = ir_node_of(f->fn, r);

    if (f->out->stored[r] || ir_op_source(n->op))
        return false;
    if (depth > 8 || !fuse_is_cheap(n))
        return true;
    for (uint32_t i = 0; i < n->narg; i++)
        if (costly_below(f, ir_arg(f->fn, n, i), depth + 1))
            return true;
    return false;
}

/* Does an element take a byte, and more than a byte of work?  Such a value, as the place of
 * the best in a box, is read at next to no cost wherever it is repeated. */
static bool is_small_work(const fuse_cx *f, ir_ref r)
{
    const ir_node *n = ir_node_of(f->fn, r);

    while (n->op == OP_RESHAPE) {
        r = ir_arg(f->fn, n, 0);
        n = ir_node_of(f->fn, r);
    }
    return !f->out->stored[r] && ir_op_scalar(n->op) && dt_size(ir_type_of(f->fn, r)->dtype) == 1 &&
           cost_is_stored(weight_of(f, f->fn->value.at[r].node).ops);
}

/* Does it choose what to read by a condition or an index that is computed, for
 * every element?  (Of few joined values the conditions are cheap.) */
static bool picks_often(const ir_node *n)
{
    return ir_op_get(n->op)->moves == MOVES_PICK && (n->op != OP_CONCAT || n->narg > 4);
}

/* Stores the operands that n must read from memory: those that it would compute too often,
 * and those that no kernel can compute on the way. */
static void mark_operands(fuse_cx *f, const ir_node *n)
{
    ir_template t = template_of(n);

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref a = ir_arg(f->fn, n, i);
        if (t == TEMPLATE_NONE)
            store(f, a, "read by a node outside kernels");
        else if (reads_vectors(f, n, i) && scatters(f, a))
            store(f, a, "moved once instead of with every reading");
        else if (ir_template_is(t, T_OFTEN))
            store_often(f, n, i);
        else if (n->op == OP_BROADCAST && repeats(f, n) && costly_below(f, a, 0))
            store(f, a, "costly, and repeated by a broadcast");
        else if (n->op == OP_BROADCAST && repeats(f, n) && moved_apart(f, a) != IR_NONE)
            store(f, moved_apart(f, a), "moved apart, and repeated by a broadcast");
        else if (n->op == OP_BROADCAST && repeats(f, n) && is_small_work(f, a))
            store_below(f, a, "bytes that are repeated by a broadcast");
        else if (picks_often(n))
            store_below(f, a, "read under a guard or by computed indices");
    }
}

/* Ways from the node to what is stored; more than MAX_PATHS count as one more. */
static uint32_t paths_of(const fuse_cx *f, const ir_node *n)
{
    uint32_t paths = 0;

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref a = ir_arg(f->fn, n, i);
        paths += f->out->stored[a] ? 1 : max_i64(f->paths[a], 1);
        paths = min_i64(paths, MAX_PATHS + 1);
    }
    return paths;
}

/* Do the readers of r meet again in one elementwise node, before the chain is too
 * long?  A kernel that computes that node computes r once an element.
 *   select(less(x, 0), mul(x, 0.1), x)    reads x three times, in one place */
static bool is_met_again(const fuse_cx *f, ir_ref r, uint32_t nodes)
{
    small_set inner;

    uint32_t u = fuse_meeting(f, r, fuse_is_elementwise, ir_type_of(f->fn, r), &inner);
    return u != UINT32_MAX && nodes + inner.n <= MAX_INLINED;
}

/* Stores the results of node i that are not to be computed where they are read, with the
 * reason for the dump. */
static void mark_node(fuse_cx *f, uint32_t i)
{
    const ir_node *n = &f->fn->node.at[i];
    const char *always = ir_template_get(template_of(n))->stored;

    mark_operands(f, n);
    weight w = weight_of(f, i);
    for (uint32_t r = n->first; r < n->first + n->nres; r++) {
        f->paths[r] = paths_of(f, n);
        if (*always)
            store(f, r, always);
        else if (n->op == OP_CONCAT)
            store(f, r, "joins values");
        else if (f->uses[r] > 1 && moved_apart(f, r) != IR_NONE)
            store(f, moved_apart(f, r), "moved once for several readers");
        else if (w.nodes > MAX_INLINED || f->paths[r] > MAX_PATHS)
            store(f, r, "a long chain");
        else if (f->uses[r] > 1 && cost_is_stored(w.ops) && !is_met_again(f, r, w.nodes))
            store(f, r, fuse_is_cheap(n) ? "with several readers" : "costly, with several readers");
    }
}

/* ---- epilogues ---------------------------------------------------------------------- */

/* Inlines r and what lies between it and node u; false, and nothing is changed, if that makes
 * too many ways through them. */
static bool take_inner(fuse_cx *f, ir_ref r, const small_set *inner, uint32_t u)
{
    const ir_node *node = f->fn->node.at;
    bool was[MAX_REGION];

    f->out->stored[r] = false;
    for (uint32_t i = 0; i < inner->n; i++) {
        const ir_node *n = &node[inner->at[i]];
        was[i] = f->out->stored[n->first];
        f->out->stored[n->first] = false;
        f->paths[n->first] = paths_of(f, n);
    }
    f->paths[node[u].first] = paths_of(f, &node[u]);
    if (f->paths[node[u].first] <= MAX_PATHS)
        return true;
    f->out->stored[r] = true;
    for (uint32_t i = 0; i < inner->n; i++)
        f->out->stored[node[inner->at[i]].first] = was[i];
    return false;
}

/* Follows what is computed from root's value; the last value is stored. */
static void take_epilogue(fuse_cx *f, uint32_t root)
{
    ir_ref r = f->fn->node.at[root].first;
    const ir_type *t = ir_type_of(f->fn, r);
    small_set inner;

    f->paths[r] = 1;
    for (uint32_t u; !f->result[r] &&
                     (u = fuse_meeting(f, r, fuse_is_elementwise, t, &inner)) != UINT32_MAX &&
                     take_inner(f, r, &inner, u);) {
        for (uint32_t i = 0; i < inner.n; i++)
            f->owner[inner.at[i]] = root + 1;
        f->owner[u] = root + 1;
        r = f->fn->node.at[u].first;
        store(f, r, f->result[r] ? "a result" : "end of an epilogue");
    }
}

/* ---- regions ---------------------------------------------------------------------------- */

/* The column `region` of templates.def. */
static fuse_finder *const finder[] = {
#define region_none NULL
#define TEMPLATE(NAME, run, kind, region, facts, stored) region_##region,
#include "templates.def"
#undef region_none
};

/* Makes the region one group: of its values only the last one is stored. */
static void take_region(fuse_cx *f, ir_template t, const fuse_region *g)
{
    arena *mem = &f->out->mem;
    uint32_t root = g->node[0];
    ir_ref last = f->fn->node.at[g->node[g->n - 1]].first;

    for (uint32_t i = 0; i < g->n; i++) {
        f->owner[g->node[i]] = root + 1;
        f->out->stored[f->fn->node.at[g->node[i]].first] &= i + 1 == g->n;
    }
    store(f, last, ir_template_get(t)->stored);
    f->region[root] = (ir_group){
        .template = t, .nnode = g->n, .nprivate = g->nprivate,
        .node = arena_copy(mem, g->node, g->n * sizeof *g->node),
        .private = arena_copy(mem, g->private, g->nprivate * sizeof *g->private)};
}

static void take_regions(fuse_cx *f)
{
    for (int t = 0; t < TEMPLATE_COUNT; t++)
        for (uint32_t i = 0; finder[t] && i < f->fn->node.len; i++) {
            fuse_region g = {0};
            if (!f->owner[i] && finder[t](f, i, &g))
                take_region(f, (ir_template)t, &g);
        }
}

/* ---- groups ---------------------------------------------------------------------------- */

ir_ref *fuse_no_states(ir_groups *g, uint32_t n)
{
    ir_ref *over = arena_array(&g->mem, ir_ref, n);

    for (uint32_t k = 0; k < n; k++)
        over[k] = IR_NONE;
    return over;
}

/* Adds the group of `root`, which stores `out`: the region that was found for it, else the
 * node alone. */
static void add_group(fuse_cx *f, uint32_t root, const ir_ref *out, uint32_t nout)
{
    ir_groups *g = f->out;
    ir_group x = f->region[root];

    if (!x.nnode) {
        x.template = template_of(&f->fn->node.at[root]);
        x.nnode = 1;
        x.node = arena_copy(&g->mem, &root, sizeof root);
    }
    x.root = root, x.nout = nout, x.over = fuse_no_states(g, nout);
    x.out = arena_copy(&g->mem, out, nout * sizeof *out);
    x.why = nout && f->why[out[0]] ? f->why[out[0]] : "";
    vec_push(&g->group, x);
}

/* All its results, stored or not: the plan makes them. */
static void add_outside(fuse_cx *f, uint32_t root)
{
    const ir_node *n = &f->fn->node.at[root];
    VEC(ir_ref) out = {0};

    for (uint32_t k = 0; k < n->nres; k++)
        vec_push(&out, n->first + k);
    add_group(f, root, out.at, out.len);
    vec_free(&out);
}

/* One group for each stored value, at the place of its last node or ahead of it. */
static void make_groups(fuse_cx *f)
{
    for (uint32_t i = 0; i < f->fn->node.len; i++) {
        const ir_node *n = &f->fn->node.at[i];
        ir_ref r = n->first, next = f->ahead[i];
        if (template_of(n) == TEMPLATE_NONE)
            add_outside(f, i);
        else if (template_of(n) != TEMPLATE_SOURCE && f->out->stored[r] && !f->early[r])
            add_group(f, f->owner[i] ? f->owner[i] - 1 : i, &r, 1);
        if (next)
            add_group(f, f->fn->value.at[next].node, &next, 1);
    }
}

/* Results and updates first: whatever else is decided, they have memory.  Regions
 * are taken before epilogues, which must not run into one; epilogues from the last
 * node back, so that the longest one gets its nodes. */
void fuse(const ir_fn *fn, const target *t, bool apart, ir_groups *g)
{
    arena mem = {0};
    *g = (ir_groups){.fn = fn};
    fuse_cx f = {.fn = fn, .out = g, .longest_row = schedule_longest_row(t)};

    g->stored = arena_array(&g->mem, bool, fn->value.len + 1);
    f.uses = ir_use_counts(fn, &mem);
    f.readers = ir_find_readers(fn, &mem);
    f.owner = arena_array(&mem, uint32_t, fn->node.len + 1);
    f.why = arena_array(&mem, const char *, fn->value.len + 1);
    f.result = arena_array(&mem, bool, fn->value.len + 1);
    f.early = arena_array(&mem, bool, fn->value.len + 1);
    f.paths = arena_array(&mem, uint32_t, fn->value.len + 1);
    f.ahead = arena_array(&mem, ir_ref, fn->node.len + 1);
    f.region = arena_array(&mem, ir_group, fn->node.len + 1);
    for (uint32_t i = 0; i < fn->result.len; i++)
        store_result(&f, fn->result.at[i]);
    for (uint32_t i = 0; i < fn->update.len; i++)
        store_result(&f, fn->update.at[i].value);
    for (uint32_t i = 0; i < fn->node.len; i++)
        mark_node(&f, i);
    take_regions(&f);
    for (uint32_t i = fn->node.len; i-- > 0;)
        if (!f.owner[i] && ir_template_is(template_of(&fn->node.at[i]), T_EPILOGUE))
            take_epilogue(&f, i);
    if (!apart)
        fuse_ahead(&f);
    make_groups(&f);
    fuse_join(&f, apart);
    fuse_order(g);
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
        text_add(out, "group %u %c %s", i, ir_template_get(x->template)->kind,
                 ir_op_get(n->op)->text);
        for (uint32_t k = 0; k < x->nout; k++) {
            text_add(out, " %%%u : ", x->out[k]);
            type_print(&m->types, ir_type_of(g->fn, x->out[k]), out);
        }
        text_add(out, "  # %s\n", x->why);
    }
}
