/* passes/plan_early.c - what an iteration would prepare again is prepared once, in front of its
 * loop.
 *
 * A group's calls but the last prepare: they pack an operand, say, into a temp.  In the body of a
 * loop that is in vain where the operand comes from outside, as the matrix of a recurrent net
 * does.  Such a temp lives through the loop. */
#include "planner.h"

/* Is r the same in every iteration, and has it memory outside? */
static bool is_same(const scope *s, ir_ref r)
{
    const ir_node *n = ir_node_of(s->fn, r);
    ir_ref under = plan_same_bytes(s->fn, n);

    if (s->fn->value.at[r].elem)
        return false;
    if (n->op == OP_CONST || n->op == OP_STATE)
        return true;
    for (uint32_t i = 0; i < s->captures; i++)
        if (s->fn->param.at[s->fn->param.len - 1 - i] == r)
            return true;
    return under != IR_NONE && !s->groups.stored[r] && is_same(s, under);
}

/* Does the call do the same work in every iteration? */
static bool is_steady(const scope *s, const group_call *c)
{
    const dim_table *t = &s->pl->m->dims;
    int64_t n;

    for (uint32_t i = 0; i < c->ndim; i++)
        if (!dim_const(t, c->dim[i], &n))
            return false;
    return dim_const(t, c->trip, &n) && dim_const(t, c->scratch, &n);
}

/* Calls of the group that write this temp: with several, none alone has filled it. */
static uint32_t writers(const group_code *code, uint32_t temp)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < code->ncall; i++)
        for (uint32_t k = 0; k < code->call[i].narg; k++) {
            const group_arg *a = &code->call[i].arg[k];
            n += a->kind == ARG_TEMP && a->id == temp && a->written;
        }
    return n;
}

/* `early` says which temps are filled in front of the loop so far. */
static bool is_early_arg(const scope *s, const group_code *code, const group_arg *a,
                         const bool *early)
{
    switch (a->kind) {
    case ARG_VALUE: return !a->written && is_same(s, a->id);
    case ARG_TEMP: return a->written ? writers(code, a->id) == 1 : early[a->id];
    default: return true;
    }
}

void plan_find_early(const scope *s, const group_code *code, bool *call, bool *temp)
{
    for (uint32_t i = 0; s->before && i + 1 < code->ncall; i++) {
        const group_call *c = &code->call[i];
        call[i] = is_steady(s, c);
        for (uint32_t k = 0; call[i] && k < c->narg; k++)
            call[i] = is_early_arg(s, code, &c->arg[k], temp);
        for (uint32_t k = 0; call[i] && k < c->narg; k++)
            if (c->arg[k].kind == ARG_TEMP)
                temp[c->arg[k].id] = true;
    }
}

void plan_go_out(scope *s)
{
    s->block = s->before;
    s->pl->loop = s->outside;
}

void plan_come_in(scope *s, plan_block *body, uint32_t loop)
{
    s->block = body;
    s->pl->loop = loop;
}
