/* passes/fuse_join.c - maps of one shape that have values in common are one group.
 *
 *   m' = b * m + (1 - b) * g        v' = c * v + (1 - c) * g * g
 *   w' = w - a * m' / sqrt(v')
 *
 * is one kernel with three results, which reads g once and never reads what it has just
 * made.  Each result reads of the others, and of what they have in common, the element at
 * hand alone.
 *
 * In an entry only what lies with the caller is joined, results and new values of states:
 * other values would live longer than they need to, and be computed again, where memory is
 * short, with all that was joined to them. */
#include "fuse_region.h"

enum {
    MAX_RESULTS = 8,
    WINDOW = 16                 /* groups that are looked at for one that fits */
};

/* What one result reads. */
typedef struct reads {
    const fuse_cx *f;
    uint32_t *seen, look;       /* by ref: the last look that saw it */
    bool plain;                 /* elementwise, down to what is stored, but for broadcasts */
    ir_ref at[MAX_REGION];      /* stored values in the result's shape */
    uint32_t n;
} reads;

static bool is_stored(const fuse_cx *f, ir_ref r)
{
    return f->out->stored[r] || ir_op_source(ir_node_of(f->fn, r)->op);
}

/* Sees what node n reads, down to what is stored. */
static void see_operands(reads *x, const ir_node *n, const ir_type *shape)
{
    const fuse_cx *f = x->f;

    x->plain &= ir_op_scalar(n->op) || n->op == OP_BROADCAST;
    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref r = ir_arg(f->fn, n, i);
        if (x->seen[r] == x->look)
            continue;
        x->seen[r] = x->look;
        if (!is_stored(f, r))
            see_operands(x, ir_node_of(f->fn, r), shape);
        else if (fuse_same_shape(ir_type_of(f->fn, r), shape) && x->n < MAX_REGION)
            x->at[x->n++] = r;
    }
}

static void see_group(reads *x, const ir_group *g)
{
    const ir_fn *fn = x->f->fn;
    const ir_node *root = &fn->node.at[g->root];

    x->look++;
    x->n = 0;
    x->plain = true;
    if (!g->nout)
        see_operands(x, root, type_never(&fn->module->types));
    for (uint32_t k = 0; k < g->nout; k++)
        see_operands(x, ir_node_of(fn, g->out[k]), ir_type_of(fn, g->out[k]));
}

/* Does the group that was seen read r? */
static bool has_read(const reads *x, ir_ref r)
{
    return x->seen[r] == x->look;
}

static bool may_join(const fuse_cx *f, const ir_group *g)
{
    const ir_type *t = g->nout ? ir_type_of(f->fn, g->out[0]) : NULL;

    if (g->template != TEMPLATE_MAP || g->nnode != 1 || t->kind != TY_TENSOR || !t->rank ||
        !dt_is_float(t->dtype))
        return false;
    for (uint32_t k = 0; k < g->nout; k++)
        if (f->fn->entry && !f->result[g->out[k]])
            return false;
    return true;
}

static bool same_kind(const fuse_cx *f, const ir_group *a, const ir_group *b)
{
    const ir_type *x = ir_type_of(f->fn, a->out[0]), *y = ir_type_of(f->fn, b->out[0]);

    return a->nout + b->nout <= MAX_RESULTS && x->dtype == y->dtype && fuse_same_shape(x, y);
}

static bool reads_result(const reads *seen, const ir_group *a)
{
    bool yes = false;

    for (uint32_t k = 0; k < a->nout; k++)
        yes |= has_read(seen, a->out[k]);
    return yes;
}

/* Has the group that was seen something in common with `a`: a result of it, or a value in
 * its shape that both read? */
static bool shares(const reads *seen, reads *of_a, const ir_group *a)
{
    bool yes = reads_result(seen, a);

    see_group(of_a, a);
    for (uint32_t i = 0; !yes && i < of_a->n; i++)
        yes = has_read(seen, of_a->at[i]);
    return yes && of_a->plain;
}

/* Moves group `a` into group `b`, which runs later. */
static void join(fuse_cx *f, ir_group *a, ir_group *b)
{
    ir_ref *out = arena_array(&f->out->mem, ir_ref, a->nout + b->nout);

    memcpy(out, a->out, a->nout * sizeof *out);
    memcpy(out + a->nout, b->out, b->nout * sizeof *out);
    b->out = out;
    b->nout += a->nout;
    b->over = fuse_no_states(f->out, b->nout);
    a->nnode = 0;
}

/* Joins group i to the next one that it fits; none between them may read its results. */
static void join_one(fuse_cx *f, uint32_t i, reads *x, reads *of_a)
{
    ir_group *a = &f->out->group.at[i];
    uint32_t end = i + 1 + WINDOW < f->out->group.len ? i + 1 + WINDOW : f->out->group.len;

    for (uint32_t j = i + 1; j < end && a->nnode; j++) {
        ir_group *b = &f->out->group.at[j];
        see_group(x, b);
        if (may_join(f, b) && same_kind(f, a, b) && x->plain && shares(x, of_a, a))
            join(f, a, b);
        else if (reads_result(x, a))
            break;
    }
}

void fuse_join(fuse_cx *f)
{
    arena mem = {0};
    ir_groups *g = f->out;
    uint32_t refs = f->fn->value.len + 1, kept = 0;
    reads x = {.f = f, .seen = arena_array(&mem, uint32_t, refs)};
    reads of_a = {.f = f, .seen = arena_array(&mem, uint32_t, refs)};

    for (uint32_t i = 0; i < g->group.len; i++)
        if (may_join(f, &g->group.at[i]))
            join_one(f, i, &x, &of_a);
    for (uint32_t i = 0; i < g->group.len; i++)
        if (g->group.at[i].nnode)
            g->group.at[kept++] = g->group.at[i];
    g->group.len = kept;
    arena_reset(&mem);
}
