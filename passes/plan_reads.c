/* passes/plan_reads.c - how many bytes of what it is given a group's code reads, for people.
 *
 * All of an operand, but where elements are only moved: of a table no more than there are
 * in what is gathered from it, of an image no more than in the slice. */
#include "const.h"
#include "planner.h"

typedef struct reading {
    scope *s;
    plan_reads *out;
    map seen;                   /* nodes whose operands were followed */
} reading;

static bool is_source(const ir_node *n)
{
    return n->op == OP_INPUT || n->op == OP_STATE || n->op == OP_CONST;
}

/* Adds so many elements to what is read of a value or constant: several nodes may read it. */
static void add_to(reading *r, group_arg_kind kind, uint32_t id, const ir_type *t, ir_dim elements)
{
    ir_module *m = r->s->pl->m;
    dim_table *dt = &m->dims;
    ir_dim bytes = dim_mul(dt, elements, dim_int(dt, dt_size(t->dtype)));
    uint32_t i = 0;

    while (i < r->out->len && (r->out->at[i].kind != kind || r->out->at[i].id != id))
        i++;
    if (i == r->out->len)
        vec_push(r->out, (plan_read){kind, id, dim_int(dt, 0)});
    plan_read *read = &r->out->at[i];
    read->bytes = dim_min(dt, dim_add(dt, read->bytes, bytes), plan_bytes(m, t));
}

/* Is a link computed where the constant is read? */
static bool may_be_inline(const ir_link *l)
{
    return l->op == OP_CAST || l->op == OP_BROADCAST || ir_op_scalar(l->op);
}

/* A table of small numbers is widened and scaled where it is read, so that it is what lies
 * below it, and the scale, that are read. */
static void add_const(reading *r, uint32_t id, ir_dim elements)
{
    ir_module *m = r->s->pl->m;
    const ir_const k = m->consts.at[id];
    const ir_link *last = k.links ? &k.link[k.links - 1] : NULL;

    ir_dim all = type_count(&m->types, k.type);
    elements = dim_min(&m->dims, elements, all);
    add_to(r, ARG_CONST, id, k.type, elements);
    if (!last || !may_be_inline(last) || dim_same(elements, all))
        return;
    if (ir_op_scalar(last->op))
        add_const(r, last->other, elements);
    add_const(r, const_below(m, id), elements);
}

static void add(reading *r, ir_ref v, ir_dim elements)
{
    const ir_node *n = ir_node_of(r->s->fn, v);

    if (n->op == OP_CONST)
        add_const(r, n->attr->CONST.id, elements);
    else
        add_to(r, ARG_VALUE, v, ir_type_of(r->s->fn, v), elements);
}

/* Elements of operand v that node n reads. */
static ir_dim read_by(const reading *r, const ir_node *n, ir_ref v)
{
    ir_module *m = r->s->pl->m;
    const ir_type *y = ir_type_of(r->s->fn, n->first);
    ir_dim all = type_count(&m->types, ir_type_of(r->s->fn, v));

    if (ir_op_get(n->op)->moves == MOVES_NO || y->kind != TY_TENSOR)
        return all;
    return dim_min(&m->dims, all, type_count(&m->types, y));
}

static bool is_new(reading *r, const ir_node *n)
{
    if (map_find(&r->seen, n->first) != MAP_NONE)
        return false;
    map_add(&r->seen, n->first, 0);
    return true;
}

/* What is computed inline belongs to the reader. */
static void follow(reading *r, const ir_node *n)
{
    const ir_fn *fn = r->s->fn;

    for (uint32_t j = 0; j < n->narg; j++) {
        ir_ref v = ir_arg(fn, n, j);
        const ir_node *from = ir_node_of(fn, v);
        if (ir_type_of(fn, v)->kind != TY_TENSOR)
            continue;
        if (is_source(from) || r->s->maker[v] != PLAN_NONE)
            add(r, v, read_by(r, n, v));
        else if (is_new(r, from))
            follow(r, from);
    }
}

void plan_group_reads(scope *s, const ir_group *g, plan_reads *out)
{
    dim_table *dt = &s->pl->m->dims;
    reading r = {s, out, {0}};
    bool before = dt->overflow;

    for (uint32_t i = 0; i < g->nnode; i++)
        follow(&r, &s->fn->node.at[g->node[i]]);
    for (uint32_t i = 0; i < g->nout; i++)      /* the end of an epilogue */
        follow(&r, ir_node_of(s->fn, g->out[i]));
    map_free(&r.seen);
    /* An expression that grew too large says nothing. */
    if (dt->overflow)
        out->len = 0;
    dt->overflow = before;
}

ir_dim plan_read_of(const plan_reads *reads, const group_arg *a, ir_dim whole)
{
    for (uint32_t i = 0; !a->written && i < reads->len; i++)
        if (reads->at[i].kind == a->kind && reads->at[i].id == a->id)
            return reads->at[i].bytes;
    return whole;
}
