/* passes/plan_entry.c - an entry of the plan: its run-time dims, inputs, outputs,
 * and its steps between them. */
#include "planner.h"

/* Symbols of an input's type are known before the run: those that no input had before
 * are run-time dims of the entry. */
static bool entry_symbols(planner *pl, const ir_fn *fn, const ir_type *t, const char *name)
{
    dim_table *dt = &pl->m->dims;

    if (t->kind != TY_TENSOR) {
        ir_node n = *ir_node_of(fn, fn->param.at[0]);
        return diag_unsupported(pl->d, ir_op_get(n.op)->text, "", name,
                                "sequences and optionals cannot be compiled yet");
    }
    for (int i = 0; i < t->rank; i++) {
        const dim_expr *e = dim_get(dt, t->dim[i]);
        if (!e)
            continue;
        if (e->op != DIM_SYM)
            return diag_unsupported(pl->d, "input", "", name,
                                    "an extent that is neither a number nor a symbol");
        uint32_t id = (uint32_t)e->value;
        if (id < pl->bounded.len && pl->bounded.at[id])
            continue;
        vec_push(&pl->e->symbol, id);
        plan_bound_set(pl, id, t->dim[i]);
    }
    return true;
}

/* An input lies where the caller has it. */
static void entry_inputs(scope *s)
{
    for (uint32_t i = 0; i < s->fn->param.len; i++) {
        const ir_type *t = ir_type_of(s->fn, s->fn->param.at[i]);
        const char *name = s->fn->param_name.at[i];
        if (!entry_symbols(s->pl, s->fn, t, name))
            continue;
        vec_push(&s->pl->e->input, (plan_port){name, t, false, 0, s->fn->param_default.at[i]});
        s->value[s->fn->param.at[i]] =
            plan_value_add(s->pl, name, t, PLACE_INPUT, i, (ir_dim){0});
    }
}

/* An output whose size the dims of the inputs give lies where the caller
 * wants it; any other is memory from the allocator. */
static bool known_before(planner *pl, const ir_type *t)
{
    ir_dim x;

    for (int i = 0; i < t->rank; i++)
        if (!plan_upper(pl, t->dim[i], &x) || !dim_same(x, t->dim[i]))
            return false;
    return true;
}

/* Adds the entry's outputs and asks for the results to be computed in their memory, whose
 * values are returned. */
static uint32_t *entry_outputs(scope *s)
{
    planner *pl = s->pl;
    uint32_t *target = arena_array(&pl->scratch, uint32_t, s->fn->result.len);

    for (uint32_t i = 0; i < s->fn->result.len; i++) {
        const ir_type *t = ir_type_of(s->fn, s->fn->result.at[i]);
        const char *name = s->fn->result_name.at[i];
        if (t->kind != TY_TENSOR && t->kind != TY_NEVER)
            diag_unsupported(pl->d, "output", "", name,
                             "sequences and optionals cannot be compiled yet");
        bool late = t->kind != TY_TENSOR || !known_before(pl, t);
        vec_push(&pl->e->output,
                 (plan_port){name, t, late, s->fn->result_loose.at[i], PLAN_NONE});
        target[i] = late ? plan_value_add(pl, name, t, PLACE_LATE, pl->e->lates++, (ir_dim){0})
                         : plan_value_add(pl, name, t, PLACE_OUTPUT, i, (ir_dim){0});
        plan_want(s, s->fn->result.at[i], target[i]);
    }
    return target;
}

static bool is_tensor(const scope *s, uint32_t result)
{
    return ir_type_of(s->fn, s->fn->result.at[result])->kind == TY_TENSOR;
}

static void settle_outputs(scope *s, const uint32_t *target)
{
    for (uint32_t i = 0; i < s->fn->result.len; i++)
        if (is_tensor(s, i))
            plan_settle(s, s->fn->result.at[i], target[i]);
}

/* Behind all that may read what is given: an output may be a part of another. */
static void give_outputs(scope *s, const uint32_t *target)
{
    for (uint32_t i = 0; i < s->fn->result.len; i++) {
        const plan_value *v = &s->pl->e->value.at[target[i]];
        if (!is_tensor(s, i) || v->place != PLACE_LATE)
            continue;
        uint32_t late = v->of;
        plan_step *step = plan_emit(s, STEP_GIVE);
        step->u.late.late = late;
        step->u.late.from = i;
    }
}

/* What the planner knows of an earlier entry is forgotten first: values are
 * numbered anew. */
void plan_one_entry(planner *pl, const ir_fn *fn)
{
    scope s;

    pl->e = plan_entry_new(pl->p, fn->name);
    pl->loop = 0;
    pl->group.len = pl->fewer.len = pl->home.len = pl->nest.len = 0;
    pl->bound.len = pl->bounded.len = 0;
    vec_push(&pl->nest, (plan_nest){0});
    for (uint32_t i = 0; i < pl->consts; i++)
        pl->const_value[i] = PLAN_NONE;
    for (uint32_t i = 0; i < pl->m->state.len; i++)
        pl->state_value[i] = PLAN_NONE;
    plan_scope_init(&s, pl, fn, pl->e->body);
    entry_inputs(&s);
    uint32_t *target = entry_outputs(&s);
    plan_place_updates(&s);
    plan_scope_run(&s);
    if (!diag_failed(pl->d)) {
        settle_outputs(&s, target);
        plan_settle_updates(&s);
        give_outputs(&s, target);
        plan_flops(pl, fn);
        plan_fit(pl);
    }
    plan_scope_free(&s);
    arena_reset(&pl->scratch);
}
