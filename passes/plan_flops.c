/* passes/plan_flops.c - the arithmetic of an entry's contractions, for people:
 * a multiplication and an addition an element and step of the sum, or as many as
 * the code says that has another way to it (squares of Winograd's).
 *
 * Padding counts as if it were data, as is usual; the zeros between the
 * elements of a dilated image do not.  Of two branches the larger counts, by
 * the hints of its dims; a loop counts as often as its trip allows.  What only
 * the run knows is left out. */
#include "cost.h"
#include "planner.h"

typedef VEC(ir_dim) dim_list;

/* Null: as many as it says. */
static const ir_dim *fewer_of(const planner *pl, const ir_fn *fn, uint32_t node)
{
    for (uint32_t i = 0; i < pl->fewer.len; i++)
        if (pl->fewer.at[i].fn == fn && pl->fewer.at[i].node == node)
            return pl->fewer.at[i].flops;
    return NULL;
}

/* 2 * elements of the result * steps of the sum, or what the code says, * times. */
static void add_work(planner *pl, const ir_fn *fn, uint32_t node, ir_dim times, dim_list *out)
{
    dim_table *dt = &pl->m->dims;
    const ir_node *n = &fn->node.at[node];
    const ir_type *y = ir_type_of(fn, n->first);
    const ir_dim *fewer = fewer_of(pl, fn, node);

    if (y->kind != TY_TENSOR)
        return;
    ir_dim work = fewer ? *fewer : dim_mul(dt, dim_mul(dt, type_count(&pl->m->types, y),
                                                       cost_sum_steps(dt, fn, n)), dim_int(dt, 2));
    work = dim_mul(dt, work, times);
    if (!dt->overflow && plan_upper(pl, work, &work) && !dt->overflow)
        vec_push(out, work);
    dt->overflow = false;
}

static int64_t hint_of(const planner *pl, const dim_list *l, uint32_t from, uint32_t to)
{
    double sum = 0;

    for (uint32_t i = from; i < to; i++)
        sum += (double)dim_hint(&pl->m->dims, l->at[i]);
    return sum < 1e18 ? (int64_t)sum : INT64_MAX;
}

static void count(planner *pl, const ir_fn *fn, ir_dim times, dim_list *out);

/* Both are counted at the end of the list, and the smaller one taken away again. */
static void count_branches(planner *pl, const ir_node *n, ir_dim times, dim_list *out)
{
    uint32_t first = out->len;

    count(pl, n->attr->IF.yes, times, out);
    uint32_t middle = out->len;
    count(pl, n->attr->IF.no, times, out);
    if (hint_of(pl, out, first, middle) < hint_of(pl, out, middle, out->len)) {
        memmove(&out->at[first], &out->at[middle], (out->len - middle) * sizeof *out->at);
        out->len -= middle - first;
    } else {
        out->len = middle;
    }
}

static void count(planner *pl, const ir_fn *fn, ir_dim times, dim_list *out)
{
    for (uint32_t i = 0; i < fn->node.len; i++) {
        const ir_node *n = &fn->node.at[i];
        ir_dim trip;
        if (n->op == OP_DOT || n->op == OP_CONV)
            add_work(pl, fn, i, times, out);
        else if (n->op == OP_IF)
            count_branches(pl, n, times, out);
        else if (n->op == OP_LOOP && !n->attr->LOOP.infinite &&
                 plan_upper(pl, n->attr->LOOP.trip, &trip))
            count(pl, n->attr->LOOP.body, dim_mul(&pl->m->dims, times, trip), out);
    }
}

/* What depends on no dim is one number; the rest stays expressions that the run
 * evaluates. */
void plan_flops(planner *pl, const ir_fn *fn)
{
    dim_list all = {0};
    int64_t n, fixed = 0;

    count(pl, fn, dim_int(&pl->m->dims, 1), &all);
    for (uint32_t i = 0; i < all.len; i++)
        if (!dim_const(&pl->m->dims, all.at[i], &n))
            vec_push(&pl->e->flops, all.at[i]);
        else if (__builtin_add_overflow(fixed, n, &fixed))
            fixed = INT64_MAX;
    if (fixed)
        vec_push(&pl->e->flops, dim_int(&pl->m->dims, fixed));
    vec_free(&all);
}

/* Two for each multiply-add, as a dim. */
const ir_dim *plan_group_flops(planner *pl, const ir_fn *fn, const ir_group *g, const ir_dim *own)
{
    dim_list all = {0};
    ir_dim *sum = NULL;

    if (own)
        vec_push(&pl->fewer, (plan_fewer){fn, g->root, own});
    for (uint32_t i = 0; i < g->nnode; i++) {
        const ir_node *n = &fn->node.at[g->node[i]];
        if (n->op == OP_DOT || n->op == OP_CONV)
            add_work(pl, fn, g->node[i], dim_int(&pl->m->dims, 1), &all);
    }
    if (all.len) {
        sum = arena_array(pl->mem, ir_dim, 1);
        *sum = dim_int(&pl->m->dims, 0);
        for (uint32_t i = 0; i < all.len; i++)
            *sum = dim_add(&pl->m->dims, *sum, all.at[i]);
    }
    vec_free(&all);
    return sum;
}
