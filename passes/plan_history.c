/* passes/plan_history.c - what a loop carries and stacks is stored once.
 *
 * A loop for training keeps what its gradient reads: the carries as each iteration finds
 * them, and as it leaves them.  These are the same values one row apart.  So a carry that is
 * stacked has a history, T + 1 rows: an iteration reads one and makes the next, nothing is
 * copied, and each stack is all rows but one.  Example: h' = f(h, x_t), forward
 *   row        0    1    2 ..  T
 *   of h       h_0  h_1  h_2   h_T      h_0: the first value, h_T: the loop's result
 *   stack of h   [0, T),  of h'   [1, T + 1)
 * A loop that runs backward begins at the last row. */
#include "planner.h"

/* What r shows, whole, under other shapes. */
static ir_ref under(const ir_fn *fn, ir_ref r)
{
    ir_ref x;

    while ((x = plan_same_bytes(fn, ir_node_of(fn, r))) != IR_NONE)
        r = x;
    return r;
}

/* Does the k-th stack keep carry c: as an iteration finds it, or (`left`) leaves it? */
static bool stack_keeps(const struct ir_attr_LOOP *a, uint32_t k, uint32_t c, bool left)
{
    const ir_fn *fn = a->body;
    ir_ref carry = left ? fn->result.at[1 + c] : fn->param.at[1 + c];

    return under(fn, fn->result.at[1 + (uint32_t)a->carries + k]) == under(fn, carry);
}

/* Do the rows that an iteration finds and leaves have a type, and are they two values? */
static bool is_carried(const struct ir_attr_LOOP *a, uint32_t c)
{
    const ir_fn *fn = a->body;
    ir_ref found = fn->param.at[1 + c], left = fn->result.at[1 + c];

    return ir_type_of(fn, found) == ir_type_of(fn, left) && under(fn, left) != found;
}

/* Type of the history of which stack k would be all rows but one; null: it is none.  Rows
 * follow each other, in a slot of the planner's choice. */
static const ir_type *history_type(const scope *s, const ir_node *n, uint32_t k, uint32_t c)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    type_table *types = &s->pl->m->types;
    ir_ref r = n->first + (uint32_t)a->carries + k;
    const ir_type *t = ir_type_of(s->fn, r);
    ir_dim dim[IR_MAX_RANK], size;

    if (t->kind != TY_TENSOR || a->stack_axes.at[k] || !dim_same(t->dim[0], a->trip) ||
        s->want[r] != PLAN_NONE || s->want[n->first + c] != PLAN_NONE || !is_carried(a, c) ||
        (!stack_keeps(a, k, c, false) && !stack_keeps(a, k, c, true)))
        return NULL;
    for (int i = 0; i < t->rank; i++)
        dim[i] = t->dim[i];
    dim[0] = dim_add(&s->pl->m->dims, t->dim[0], dim_int(&s->pl->m->dims, 1));
    t = type_tensor(types, t->dtype, t->rank, dim);
    return plan_reserve(s->pl, t, &size) ? t : NULL;
}

static bool is_true(const scope *s, const ir_fn *fn, ir_ref r)
{
    const ir_dim *elem = fn->value.at[r].elem;

    return elem && dim_is(&s->pl->m->dims, *elem, 1);
}

void plan_histories(scope *s, const ir_node *n, uint32_t *history)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    bool all = is_true(s, s->fn, ir_arg(s->fn, n, 0)) && is_true(s, a->body, a->body->result.at[0]);
    uint32_t stacks = all ? (uint32_t)a->stack_axes.n : 0;

    for (uint32_t c = 0; c < (uint32_t)a->carries; c++) {
        bool size = c + (uint32_t)a->syms.n >= (uint32_t)a->carries;
        history[c] = PLAN_NONE;
        for (uint32_t k = 0; !size && k < stacks && history[c] == PLAN_NONE; k++) {
            const ir_type *t = history_type(s, n, k, c);
            if (t)
                history[c] = plan_value_add(s->pl, "history", t, PLACE_SLOT, PLAN_NONE,
                                            (ir_dim){0});
        }
    }
}

uint32_t plan_history_row(planner *pl, uint32_t history, ir_dim row, const ir_type *t)
{
    return plan_value_add(pl, "carry", t, PLACE_ALIAS, history,
                          dim_mul(&pl->m->dims, row, plan_bytes(pl->m, t)));
}

uint32_t plan_history_stack(scope *s, const ir_node *n, uint32_t k, const uint32_t *history)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    dim_table *dt = &s->pl->m->dims;
    const ir_type *t = ir_type_of(s->fn, n->first + (uint32_t)a->carries + k);

    for (uint32_t c = 0; c < (uint32_t)a->carries; c++) {
        if (history[c] == PLAN_NONE || !history_type(s, n, k, c))
            continue;
        bool left = !stack_keeps(a, k, c, false);
        ir_dim row = plan_bytes(s->pl->m, ir_type_of(a->body, a->body->param.at[1 + c]));
        return plan_value_add(s->pl, "stack", t, PLACE_ALIAS, history[c],
                              left != (bool)a->reverse ? row : dim_int(dt, 0));
    }
    return PLAN_NONE;
}
