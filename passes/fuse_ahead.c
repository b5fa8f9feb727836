/* passes/fuse_ahead.c - operands of an epilogue that are made ahead of it.
 *
 *   y = 1 + erf(z / sqrt(2))    h = z * y / 2             on the way there
 *   dz = (dh W) * s             s = y / 2 + z * exp(..)   on the way back
 *
 * Inlined, s is computed where the product's sums are, from z and y, which are stored for that
 * alone.  As a value of its own it is made with h by one kernel, which has z and y at hand, and
 * is all that is kept of them. */
#include "fuse_region.h"

/* What an operand is made of: nodes, and stored values. */
typedef struct making {
    small_set nodes, read;       /* of the values: the nodes that make them */
    bool whole;                 /* the sets hold all of it */
    bool costly;                /* more than cheap scalars */
} making;

/* Many paths may lead to one node, which is seen once. */
static void see(const fuse_cx *f, ir_ref r, making *m)
{
    uint32_t i = f->fn->value.at[r].node, before = m->nodes.n;
    const ir_node *n = &f->fn->node.at[i];

    if (ir_op_source(n->op))
        return;
    if (f->out->stored[r]) {
        m->whole &= n->nres == 1 && small_set_add(&m->read, i);
        return;
    }
    m->whole &= !f->owner[i] && small_set_add(&m->nodes, i);
    m->costly |= ir_op_scalar(n->op) && !fuse_is_cheap(n);
    for (uint32_t k = 0; k < n->narg && m->whole && m->nodes.n > before; k++)
        see(f, ir_arg(f->fn, n, k), m);
}

static bool has(const small_set *s, uint32_t node)
{
    bool yes = false;

    for (uint32_t i = 0; i < s->n; i++)
        yes |= s->at[i] == node;
    return yes;
}

/* Is the value of node i read by nothing behind node `last` but what m is made of? */
static bool is_let_go(const fuse_cx *f, const making *m, uint32_t i, uint32_t last)
{
    ir_ref r = f->fn->node.at[i].first;
    uint32_t from = f->readers.at[r], to = f->readers.at[r + 1];
    bool yes = !f->result[r] && to - from == f->uses[r];

    for (uint32_t k = from; yes && k < to; k++)
        yes = f->readers.reader[k] < last || has(&m->nodes, f->readers.reader[k]);
    return yes;
}

/* Values of r's shape that are kept for node `root` alone while r is not stored. */
static uint32_t let_go(const fuse_cx *f, const making *m, ir_ref r, uint32_t root)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < m->read.n; i++) {
        const ir_node *n = &f->fn->node.at[m->read.at[i]];
        count += fuse_same_shape(ir_type_of(f->fn, n->first), ir_type_of(f->fn, r)) &&
                 is_let_go(f, m, m->read.at[i], root);
    }
    return count;
}

/* Of several values one is left. */
static void try_operand(fuse_cx *f, ir_ref r, uint32_t root)
{
    making m = {.whole = true};

    if (f->out->stored[r] || f->owner[f->fn->value.at[r].node])
        return;
    see(f, r, &m);
    if (!m.whole || !m.costly || let_go(f, &m, r, root) < 2)
        return;
    uint32_t behind = m.read.at[m.read.n - 1];
    if (f->ahead[behind])
        return;
    f->out->stored[r] = true;
    f->why[r] = "made ahead of an epilogue";
    f->ahead[behind] = r;
    f->early[r] = true;
}

void fuse_ahead(fuse_cx *f)
{
    for (uint32_t i = 0; i < f->fn->node.len; i++) {
        const ir_node *n = &f->fn->node.at[i];
        uint32_t root = f->owner[i];
        bool behind = root && ir_template_is(ir_op_get(f->fn->node.at[root - 1].op)->template,
                                             T_EPILOGUE | T_OFTEN);
        for (uint32_t k = 0; behind && k < n->narg; k++)
            try_operand(f, ir_arg(f->fn, n, k), root - 1);
    }
}
