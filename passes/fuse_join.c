/* passes/fuse_join.c - groups that have values in common are one group with several results.
 *
 *   m' = b * m + (1 - b) * g        v' = c * v + (1 - c) * g * g
 *   w' = w - a * m' / sqrt(v')
 *
 * is one kernel, which reads g once and never reads what it has just made.  What a gradient
 * will read, and which is stored therefore, keeps the kernels of a step no longer apart:
 *
 *   maps        of one shape; each result reads of the others the element at hand alone
 *   epilogues   a contraction or reduction, and the maps that read its results so
 *   rows        reductions over the same rows and maps of these: each reads of the others
 *               what its own row has (template `rows`)
 *
 * The group runs where the later of the two would, or where the earlier one does if others
 * between them read that one's results.  A result that nobody else reads is stored no more.
 *
 * Where memory is short, groups are run again, and an entry's are joined only if what they
 * store lies with the caller: others would be run again with all that was joined to them. */
#include "fuse_region.h"

#include "cost.h"

enum {
    MAX_RESULTS = 8,
    WINDOW = 16,                /* groups that are looked at for one that fits */
    WIDE = 32,                  /* elements of a last axis that is not joined with others */
    LIGHT = 8,                  /* operations of a map that is computed behind sums */
    STREAMS = 4                 /* values that it and the sums' kernel read and store there */
};

/* What a group computes, and what it reads for it. */
typedef struct work {
    uint32_t n, node[GROUP_MAX_NODES];
    bool whole;                 /* all of it is listed */
    bool plain;                 /* elementwise, but for broadcasts, and what is below sums */
    bool near;                  /* or moves rows with all their neighbours */
    ir_ref read[MAX_REGION];    /* stored values in the shape of a result, some of them */
    uint32_t nread;
} work;

typedef struct join_cx {
    fuse_cx *f;
    bool apart;                 /* groups may have to run again */
    bool maps;                  /* so far maps alone */
    uint32_t *seen, look;       /* by ref: the last look that saw it read */
    ir_ref *list;               /* those that this look saw */
    uint32_t listed;
    uint32_t *walked, walk;     /* by ref: 2 * the last walk, + 1 where that reached its end */
    work a, b;
} join_cx;

static bool is_stored(const fuse_cx *f, ir_ref r)
{
    return f->out->stored[r] || ir_op_source(ir_node_of(f->fn, r)->op);
}

static bool is_result(const ir_group *g, ir_ref r)
{
    bool yes = false;

    for (uint32_t k = 0; k < g->nout; k++)
        yes |= g->out[k] == r;
    return yes;
}

static const ir_type *type_of(const fuse_cx *f, const ir_group *g)
{
    return ir_type_of(f->fn, g->out[0]);
}

/* ---- what a group does -------------------------------------------------------------- */

static void add_node(const fuse_cx *f, work *w, const ir_node *n)
{
    uint32_t node = f->fn->value.at[n->first].node, i = w->n;
    bool straight = ir_op_scalar(n->op) || n->op == OP_BROADCAST ||
                    ir_template_is(ir_op_get(n->op)->template, T_EPILOGUE);

    w->plain &= straight;
    w->near &= straight || n->op == OP_SLICE || n->op == OP_RESHAPE;
    w->whole &= w->n < GROUP_MAX_NODES;
    if (!w->whole)
        return;
    for (; i > 0 && w->node[i - 1] > node; i--)
        w->node[i] = w->node[i - 1];
    w->node[i] = node;
    w->n++;
}

/* Sees what node n of the group reads, down to what is stored. */
static void see_node(join_cx *x, work *w, const ir_group *g, const ir_node *n)
{
    const fuse_cx *f = x->f;

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref r = ir_arg(f->fn, n, i);
        if (x->seen[r] == x->look)
            continue;
        x->seen[r] = x->look;
        x->list[x->listed++] = r;
        if (is_result(g, r))
            continue;
        if (!is_stored(f, r))
            see_node(x, w, g, ir_node_of(f->fn, r));
        else if (g->nout && fuse_same_shape(ir_type_of(f->fn, r), type_of(f, g)) &&
                 w->nread < MAX_REGION)
            w->read[w->nread++] = r;
    }
    if (n->nres)
        add_node(f, w, n);
}

static void see_group(join_cx *x, const ir_group *g, work *w)
{
    const ir_fn *fn = x->f->fn;

    x->look++;
    x->listed = 0;
    w->n = w->nread = 0;
    w->whole = w->plain = w->near = true;
    if (!g->nout || g->template == TEMPLATE_NONE)
        see_node(x, w, g, &fn->node.at[g->root]);
    for (uint32_t k = 0; k < g->nout && g->template != TEMPLATE_NONE; k++)
        see_node(x, w, g, ir_node_of(fn, g->out[k]));
}

/* Does the group that was seen last read a result of `a`? */
static bool reads_result(const join_cx *x, const ir_group *a)
{
    bool yes = false;

    for (uint32_t k = 0; k < a->nout; k++)
        yes |= x->seen[a->out[k]] == x->look;
    return yes;
}

/* Is value r of group b made of results of `a`?  *fit is taken away if a node on the way
 * does not fit. */
static bool is_made_of(join_cx *x, const ir_group *a, const ir_group *b, ir_ref r,
                       fuse_fits *fits, const void *cx, bool *fit)
{
    const ir_fn *fn = x->f->fn;
    const ir_node *n = ir_node_of(fn, r);
    bool yes = false;

    if (x->walked[r] / 2 == x->walk)
        return x->walked[r] % 2;
    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref v = ir_arg(fn, n, i);
        bool inside = !is_stored(x->f, v) || is_result(b, v);
        yes |= is_result(a, v) || (inside && is_made_of(x, a, b, v, fits, cx, fit));
    }
    *fit &= !yes || fits(x->f, cx, n);
    x->walked[r] = 2 * x->walk + yes;
    return yes;
}

/* Are all ways from results of `a` to those of b such that fit? */
static bool is_made_fit(join_cx *x, const ir_group *a, const ir_group *b, fuse_fits *fits,
                        const void *cx)
{
    bool fit = true;

    x->walk++;
    for (uint32_t k = 0; k < b->nout; k++)
        is_made_of(x, a, b, b->out[k], fits, cx, &fit);
    return fit;
}

/* ---- which fit ----------------------------------------------------------------------- */

/* A map of floats that is more than movement, as a reshape that takes no time. */
static bool is_map(const fuse_cx *f, const ir_group *g)
{
    bool yes = g->template == TEMPLATE_MAP && g->nnode == 1 && g->nout;

    for (uint32_t k = 0; yes && k < g->nout; k++) {
        const ir_type *t = ir_type_of(f->fn, g->out[k]);
        yes = t->kind == TY_TENSOR && t->rank && dt_is_float(t->dtype) &&
              ir_op_scalar(ir_node_of(f->fn, g->out[k])->op);
    }
    return yes;
}

/* Of floats, with one result that others read or several? */
static bool is_joined(const fuse_cx *f, const ir_group *g)
{
    const ir_type *t = g->nout ? type_of(f, g) : NULL;

    return t && t->kind == TY_TENSOR && t->rank && dt_is_float(t->dtype) &&
           (is_map(f, g) || g->template == TEMPLATE_ROWS ||
            ir_template_is(g->template, T_EPILOGUE));
}

static bool lies_outside(const fuse_cx *f, const ir_group *g)
{
    bool yes = true;

    for (uint32_t k = 0; k < g->nout; k++)
        yes &= f->result[g->out[k]];
    return yes;
}

/* Do both read a value in their shape? */
static bool shares(const join_cx *x)
{
    bool yes = false;

    for (uint32_t i = 0; i < x->a.nread; i++)
        for (uint32_t k = 0; k < x->b.nread && !yes; k++)
            yes = x->a.read[i] == x->b.read[k];
    return yes;
}

/* Rows of few elements are one long one, where nothing else is computed. */
static bool is_wide(const fuse_cx *f, const ir_type *t)
{
    return dim_hint(&f->fn->module->dims, t->dim[t->rank - 1]) >= WIDE;
}

/* May two maps be one? */
static bool fit_maps(join_cx *x, const ir_group *a, const ir_group *b, bool reads)
{
    const fuse_cx *f = x->f;
    const ir_type *t = type_of(f, b);
    bool inside = !f->fn->entry || (lies_outside(f, a) && lies_outside(f, b));

    if (!is_map(f, a) || !is_map(f, b) || !fuse_same_shape(type_of(f, a), t))
        return false;
    bool plain = x->a.plain && x->b.plain;
    return (plain || (x->a.near && x->b.near && is_wide(f, t))) &&
           (inside ? reads || shares(x) : reads && !x->apart) &&
           is_made_fit(x, a, b, fuse_is_elementwise, t);
}

/* Has map b little to do behind the sums of a tile?  Functions take the registers, and rows of
 * a tile lie apart in each value: a map of its own reads and stores them in order, and is one
 * kernel for all shapes if it is long. */
static bool is_light(const join_cx *x, const ir_group *a, const ir_group *b)
{
    const ir_fn *fn = x->f->fn;
    uint32_t streams = a->nout + b->nout;
    cost all = {0};

    for (uint32_t i = 0; i < x->b.n; i++)
        cost_add(&all, &(cost){.ops = cost_of_node(&fn->node.at[x->b.node[i]])}, 1);
    for (uint32_t i = 0; i < x->b.nread; i++)
        streams += !is_result(a, x->b.read[i]);
    return all.ops <= LIGHT && streams <= STREAMS;
}

/* Does map b give a state its new value by the old one?  Whoever else reads the old one must run
 * first, and sums that waited for that would live while what is made there does. */
static bool is_update(const join_cx *x, const ir_group *b)
{
    bool reads = false;

    for (uint32_t i = 0; i < x->b.nread; i++)
        reads |= ir_node_of(x->f->fn, x->b.read[i])->op == OP_STATE;
    return reads && lies_outside(x->f, b);
}

/* May map b be computed where the results of `a` are stored?  Windows and convolutions gain
 * nothing by a second result: they write boxes and blocks, of which the caches have few. */
static bool fit_epilogue(join_cx *x, const ir_group *a, const ir_group *b)
{
    const fuse_cx *f = x->f;
    const ir_type *t = type_of(f, b);

    return ir_template_is(a->template, T_EPILOGUE | T_ONCE) && is_map(f, b) && x->b.plain &&
           fuse_same_shape(type_of(f, a), t) && is_light(x, a, b) && !is_update(x, b) &&
           is_made_fit(x, a, b, fuse_is_elementwise, t);
}

/* The rows of a group of reductions; false if it is none, or all it has is one row. */
static bool find_rows(const fuse_cx *f, const ir_group *g, row_shape *w)
{
    const ir_node *n = &f->fn->node.at[g->root];

    return n->op == OP_REDUCE && fuse_row_shape(f, n, w) && w->kept > 0;
}

/* Are all results of g values of a row, or a number for each? */
static bool lies_in_rows(const fuse_cx *f, const ir_group *g, const row_shape *w)
{
    bool yes = true;

    for (uint32_t k = 0; k < g->nout; k++) {
        const ir_type *t = ir_type_of(f->fn, g->out[k]);
        yes &= fuse_same_shape(t, w->full) || fuse_one_a_row(f, w, t);
    }
    return yes;
}

/* May both be done row by row?  A map alone is none of rows. */
static bool fit_rows(join_cx *x, const ir_group *a, const ir_group *b)
{
    const fuse_cx *f = x->f;
    row_shape w, other;
    bool first = find_rows(f, a, &w), second = find_rows(f, b, &other);

    if (!first)
        w = other;
    return (first || second) && x->a.plain && x->b.plain &&
           (!first || !second || (fuse_same_shape(w.full, other.full) && w.kept == other.kept)) &&
           (first || is_map(f, a)) && (second || is_map(f, b)) && lies_in_rows(f, a, &w) &&
           lies_in_rows(f, b, &w) && is_made_fit(x, a, b, fuse_stays_in_row, &w);
}

/* The template of both together; TEMPLATE_NONE: they stay apart. */
static ir_template find_template(join_cx *x, const ir_group *a, const ir_group *b)
{
    const fuse_cx *f = x->f;
    bool reads = reads_result(x, a), makes = reads && !x->maps && !(x->apart && f->fn->entry);

    if (a->nout + b->nout > MAX_RESULTS || !is_joined(f, b) ||
        type_of(f, a)->dtype != type_of(f, b)->dtype)
        return TEMPLATE_NONE;
    if (fit_maps(x, a, b, reads))
        return TEMPLATE_MAP;
    if (makes && fit_epilogue(x, a, b))
        return a->template;
    return makes && x->a.n + x->b.n <= GROUP_MAX_NODES && fit_rows(x, a, b) ? TEMPLATE_ROWS
                                                                            : TEMPLATE_NONE;
}

/* ---- joining -------------------------------------------------------------------------- */

static const ir_ref *both(fuse_cx *f, const ir_ref *a, uint32_t na, const ir_ref *b, uint32_t nb)
{
    ir_ref *all = arena_array(&f->out->mem, ir_ref, na + nb);

    if (na)
        memcpy(all, a, na * sizeof *all);
    if (nb)
        memcpy(all + na, b, nb * sizeof *all);
    return all;
}

/* Of both, in order; their root is the first reduction. */
static void take_nodes(join_cx *x, ir_group *g)
{
    const fuse_cx *f = x->f;
    work w = x->a;

    for (uint32_t i = 0; i < x->b.n; i++) {
        bool there = false;
        for (uint32_t k = 0; k < w.n; k++)
            there |= w.node[k] == x->b.node[i];
        if (!there)
            add_node(f, &w, &f->fn->node.at[x->b.node[i]]);
    }
    g->nnode = w.n;
    g->node = arena_copy(&f->out->mem, w.node, w.n * sizeof *w.node);
    for (uint32_t i = w.n; i-- > 0;)
        if (f->fn->node.at[w.node[i]].op == OP_REDUCE)
            g->root = w.node[i];
}

/* Group `to`, a or b, is both of them; the other is no more. */
static void join(join_cx *x, ir_group *a, ir_group *b, ir_template t, ir_group *to)
{
    fuse_cx *f = x->f;
    ir_group g = t == TEMPLATE_MAP ? *b : *a;

    g.template = t;
    g.why = to->why;
    g.out = both(f, a->out, a->nout, b->out, b->nout);
    g.private = both(f, a->private, a->nprivate, b->private, b->nprivate);
    g.nout = a->nout + b->nout, g.nprivate = a->nprivate + b->nprivate;
    g.over = fuse_no_states(f->out, g.nout);
    if (t == TEMPLATE_ROWS)
        take_nodes(x, &g);
    a->nnode = b->nnode = 0;
    *to = g;
}

/* Does group j read nothing that groups between i and itself make?  Nothing passes what may
 * end the run. */
static bool may_run_at(join_cx *x, uint32_t i, uint32_t j)
{
    const ir_group *g = x->f->out->group.at;
    bool may = x->f->fn->entry;

    for (uint32_t k = i + 1; may && k < j; k++)
        may = !g[k].nnode || (g[k].template != TEMPLATE_NONE && !reads_result(x, &g[k]));
    return may;
}

/* Joins group i to the next one that it fits.  True: that one came to its place, and others
 * may fit both. */
static bool join_one(join_cx *x, uint32_t i)
{
    ir_groups *g = x->f->out;
    ir_group *a = &g->group.at[i];
    uint32_t end = i + 1 + WINDOW < g->group.len ? i + 1 + WINDOW : g->group.len;
    bool read = false;          /* by groups between */

    see_group(x, a, &x->a);
    for (uint32_t j = i + 1; j < end && x->a.whole; j++) {
        ir_group *b = &g->group.at[j];
        if (!b->nnode)
            continue;
        see_group(x, b, &x->b);
        ir_template t = x->b.whole ? find_template(x, a, b) : TEMPLATE_NONE;
        if (t != TEMPLATE_NONE && (!read || may_run_at(x, i, j))) {
            join(x, a, b, t, read ? a : b);
            return read;
        }
        read |= reads_result(x, a);
    }
    return false;
}

/* ---- what need not be stored ------------------------------------------------------------ */

/* Drops result k of g, which its own kernel may need again: a whole row of it is held. */
static void drop(fuse_cx *f, ir_group *g, uint32_t k)
{
    ir_ref r = g->out[k];
    row_shape w;
    ir_ref *out = arena_array(&f->out->mem, ir_ref, g->nout);

    f->out->stored[r] = false;
    if (g->template == TEMPLATE_ROWS && find_rows(f, g, &w) &&
        fuse_same_shape(ir_type_of(f->fn, r), w.full))
        g->private = both(f, g->private, g->nprivate++, &r, 1);
    memcpy(out, g->out, g->nout * sizeof *out);
    memmove(out + k, out + k + 1, (--g->nout - k) * sizeof *out);
    g->out = out;
}

/* Results of joined groups that no other group reads. */
static void drop_unread(join_cx *x, arena *mem)
{
    fuse_cx *f = x->f;
    ir_groups *g = f->out;
    bool *read = arena_array(mem, bool, f->fn->value.len + 1);

    for (uint32_t i = 0; i < g->group.len; i++) {
        see_group(x, &g->group.at[i], &x->a);
        for (uint32_t k = 0; k < x->listed; k++)
            read[x->list[k]] |= !is_result(&g->group.at[i], x->list[k]);
    }
    for (uint32_t i = 0; i < g->group.len; i++) {
        ir_group *a = &g->group.at[i];
        for (uint32_t k = a->nout; k-- > 0 && a->template != TEMPLATE_NONE;)
            if (a->nout > 1 && !f->result[a->out[k]] && !read[a->out[k]])
                drop(f, a, k);
    }
}

static void join_all(join_cx *x, bool maps)
{
    ir_groups *g = x->f->out;
    uint32_t kept = 0;

    x->maps = maps;
    for (uint32_t i = 0; i < g->group.len; i++)
        while (g->group.at[i].nnode && is_joined(x->f, &g->group.at[i]) && join_one(x, i))
            continue;
    for (uint32_t i = 0; i < g->group.len; i++)
        if (g->group.at[i].nnode)
            g->group.at[kept++] = g->group.at[i];
    g->group.len = kept;
}

/* Maps first: those of an update belong together, with its product or without. */
void fuse_join(fuse_cx *f, bool apart)
{
    arena mem = {0};
    uint32_t refs = f->fn->value.len + 1;
    join_cx x = {.f = f, .apart = apart, .seen = arena_array(&mem, uint32_t, refs),
                 .list = arena_array(&mem, ir_ref, refs),
                 .walked = arena_array(&mem, uint32_t, refs)};

    join_all(&x, true);
    join_all(&x, false);
    drop_unread(&x, &mem);
    arena_reset(&mem);
}
