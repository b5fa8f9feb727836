/* passes/plan_state.c - the new values of states, and of what a loop carries.
 *
 * An update happens when the entry ends: its value is copied to the state.  A
 * value is made in the state's own memory instead where nothing can tell: no
 * later step reads the old value, and no later step can fail, so that a run
 * which fails leaves all states as they were.  The step itself may read the
 * old value if it reads of each element's place that element alone.
 *
 * What a loop carries is replaced at the end of an iteration in the same way, but that
 * nobody sees it after a failure.  Made in place it stays in the caches of the threads that
 * made it and will read it; a copy brings it to the caller's. */
#include "planner.h"

/* How a group reads one state, or one parameter.  In w' = w - 0.1 * g the state w is read as an
 * element, so w' may overwrite it; in w' = transpose(w) it is not, since other
 * elements are still to be read. */
typedef struct reading {
    const scope *s;
    uint32_t state;             /* or PLAN_NONE */
    ir_ref param;               /* or IR_NONE */
    uint32_t *seen, look;       /* by ref: 4 * the last look, + 1 as an element, + 2 otherwise */
    uint32_t *read_end, end;    /* by state, if there: becomes `end` where one is read */
    ir_ref ref;                 /* that gives it; or IR_NONE */
    bool element;               /* only the element that is being computed */
} reading;

static reading open_reading(const scope *s)
{
    return (reading){
        .s = s, .seen = arena_array(&s->pl->scratch, uint32_t, s->fn->value.len + 1)};
}

static void read_args(reading *x, const ir_node *n, bool element);

static bool is_read(const reading *x, ir_ref r)
{
    const ir_node *n = ir_node_of(x->s->fn, r);

    return r == x->param || (n->op == OP_STATE && (uint32_t)n->attr->STATE.id == x->state);
}

/* Looks for it in what r is made of inside the group.  `element`: on the way down
 * only the element at the index at hand was read.  Each value is looked at once a way. */
static void read_ref(reading *x, ir_ref r, bool element)
{
    const ir_fn *fn = x->s->fn;
    const ir_node *n = ir_node_of(fn, r);
    uint32_t bit = element ? 1 : 2;

    if (x->seen[r] < 4 * x->look)
        x->seen[r] = 4 * x->look;
    if (x->seen[r] & bit)
        return;
    x->seen[r] |= bit;
    if (x->read_end && n->op == OP_STATE)
        x->read_end[n->attr->STATE.id] = x->end;
    if (is_read(x, r)) {
        x->element &= element && (x->ref == IR_NONE || x->ref == r);
        x->ref = r;
    } else if (!x->s->groups.stored[r] || plan_same_bytes(fn, n) != IR_NONE) {
        read_args(x, n, element);
    }
}

static void read_args(reading *x, const ir_node *n, bool element)
{
    const ir_fn *fn = x->s->fn;

    for (uint32_t i = 0; i < n->narg; i++)
        read_ref(x, ir_arg(fn, n, i), element && ir_op_keeps_index(n->op));
}

/* Finds how the group reads the state or parameter: x->ref is IR_NONE if it does not. */
static void read_group(reading *x, const ir_group *g, uint32_t state, ir_ref param)
{
    const ir_fn *fn = x->s->fn;

    x->state = state, x->param = param, x->ref = IR_NONE, x->element = true;
    x->look++;
    if (!g->nout)
        read_args(x, &fn->node.at[g->root], true);
    for (uint32_t k = 0; k < g->nout; k++)
        read_args(x, ir_node_of(fn, g->out[k]), true);
}

/* Does r show the old value of a state, whole?  PLAN_NONE if not. */
static uint32_t old_state(const ir_fn *fn, ir_ref r)
{
    const ir_node *n = ir_node_of(fn, r);
    ir_ref under = plan_same_bytes(fn, n);

    if (under != IR_NONE)
        return old_state(fn, under);
    return n->op == OP_STATE ? (uint32_t)n->attr->STATE.id : PLAN_NONE;
}

static bool has_constant_size(const ir_fn *fn, ir_ref r)
{
    const ir_type *t = ir_type_of(fn, r);

    return t->kind == TY_TENSOR && type_count_const(&fn->module->types, t) >= 0;
}

/* Does the node do nothing but run kernels, on memory that is there, perhaps in a loop?  A
 * body that has a state of its own, not as an operand of the loop, is not looked into for
 * which it is. */
static bool is_sure(const ir_fn *fn, const ir_node *n)
{
    const ir_fn *body = n->op == OP_LOOP ? n->attr->LOOP.body : NULL;
    bool sure = body || ir_op_get(n->op)->template != TEMPLATE_NONE;

    for (uint32_t r = n->first; sure && r < n->first + n->nres; r++)
        sure = has_constant_size(fn, r);
    for (uint32_t i = 0; sure && body && i < body->node.len; i++)
        sure = body->node.at[i].op != OP_STATE && is_sure(body, &body->node.at[i]);
    return sure;
}

/* May the group end the run?  Those outside kernels may, but for loops over kernels, and those
 * that need memory from the caller's allocator. */
static bool may_fail(const scope *s, const ir_group *g)
{
    ir_dim size;

    if (g->template == TEMPLATE_NONE)
        return !is_sure(s->fn, &s->fn->node.at[g->root]);
    for (uint32_t k = 0; k < g->nout; k++) {
        const ir_type *t = ir_type_of(s->fn, g->out[k]);
        if (t->kind != TY_TENSOR || !plan_reserve(s->pl, t, &size))
            return true;
    }
    return false;
}

/* Who can tell that states have their new values already. */
typedef struct witnesses {
    uint32_t *read_end;         /* by state: 1 + the last group that reads it; 0: none does */
    bool *shown;                /* by state: its old value is copied when the entry ends */
    uint32_t fail_end;          /* 1 + the last group that may end the run */
    bool late;                  /* an output needs memory when all groups have run */
} witnesses;

static void note_shown(const scope *s, witnesses *w, ir_ref r)
{
    uint32_t state = old_state(s->fn, r);

    if (state != PLAN_NONE)
        w->shown[state] = true;
}

static witnesses find_witnesses(const scope *s)
{
    uint32_t states = s->fn->module->state.len + 1, groups = s->groups.group.len;
    witnesses w = {.read_end = arena_array(&s->pl->scratch, uint32_t, states),
                   .shown = arena_array(&s->pl->scratch, bool, states), .fail_end = groups};
    reading x = open_reading(s);

    x.read_end = w.read_end;
    for (uint32_t i = 0; i < groups; i++) {
        x.end = i + 1;
        read_group(&x, &s->groups.group.at[i], PLAN_NONE, IR_NONE);
    }
    while (w.fail_end && !may_fail(s, &s->groups.group.at[w.fail_end - 1]))
        w.fail_end--;
    for (uint32_t i = 0; i < s->pl->e->output.len; i++)
        w.late |= s->pl->e->output.at[i].late;
    for (uint32_t i = 0; i < s->fn->result.len; i++)
        note_shown(s, &w, s->fn->result.at[i]);
    for (uint32_t i = 0; i < s->fn->update.len; i++)
        note_shown(s, &w, s->fn->update.at[i].value);
    return w;
}

/* Can nothing behind the group tell that the state has its new value already? */
static bool unread_behind(const witnesses *w, uint32_t group, uint32_t state)
{
    return w->fail_end <= group + 1 && w->read_end[state] <= group + 1 && !w->late &&
           !w->shown[state];
}

/* May the group, which stores `made` for the new value, write it to where the old one is? */
static bool may_overwrite(const reading *own, const ir_group *g, ir_ref made, ir_ref value)
{
    return own->ref == IR_NONE ||
           (own->element && made == value && ir_template_is(g->template, T_ONCE));
}

static void overwrite(scope *s, ir_group *g, ir_ref made, uint32_t target, ir_ref old)
{
    plan_want(s, made, target);
    for (uint32_t k = 0; k < g->nout; k++)
        if (g->out[k] == made && s->want[made] == target)
            g->over[k] = old;
}

/* Computes the update in the state's memory where that is right; else it stays a copy at
 * the end of the entry. */
static void place_update(scope *s, const witnesses *w, reading *own, const ir_update *u)
{
    ir_ref made = plan_stored_under(s, u->value);

    if (made == IR_NONE || s->maker[made] == PLAN_NONE)
        return;
    ir_group *g = &s->groups.group.at[s->maker[made]];
    if (g->template == TEMPLATE_NONE || !unread_behind(w, s->maker[made], u->state))
        return;
    read_group(own, g, u->state, IR_NONE);
    if (may_overwrite(own, g, made, u->value))
        overwrite(s, g, made, plan_state_value(s->pl, u->state), own->ref);
}

void plan_place_updates(scope *s)
{
    if (!s->fn->update.len)
        return;
    const witnesses w = find_witnesses(s);
    reading own = open_reading(s);
    for (uint32_t i = 0; i < s->fn->update.len; i++)
        place_update(s, &w, &own, &s->fn->update.at[i]);
}

/* Is the parameter's old value read behind the group, or at the end of the iteration? */
static bool read_behind(const scope *s, reading *x, uint32_t group, ir_ref param)
{
    for (uint32_t i = group + 1; i < s->groups.group.len; i++) {
        read_group(x, &s->groups.group.at[i], PLAN_NONE, param);
        if (x->ref != IR_NONE)
            return true;
    }
    for (uint32_t i = 0; i < s->fn->result.len; i++) {
        ir_ref r = s->fn->result.at[i];
        while (r != param && plan_same_bytes(s->fn, ir_node_of(s->fn, r)) != IR_NONE)
            r = plan_same_bytes(s->fn, ir_node_of(s->fn, r));
        if (r == param)
            return true;
    }
    return false;
}

void plan_place_carry(scope *s, ir_ref param, ir_ref value, uint32_t target)
{
    ir_ref made = plan_stored_under(s, value);

    if (made == IR_NONE || s->maker[made] == PLAN_NONE || plan_begins_late(s->pl, target) ||
        ir_type_of(s->fn, param) != ir_type_of(s->fn, value))
        return;
    ir_group *g = &s->groups.group.at[s->maker[made]];
    reading own = open_reading(s);
    if (g->template == TEMPLATE_NONE || read_behind(s, &own, s->maker[made], param))
        return;
    read_group(&own, g, PLAN_NONE, param);
    if (may_overwrite(&own, g, made, value))
        overwrite(s, g, made, target, own.ref);
}

/* All new values are ready before the first state changes; one that is the
 * old value of another state is saved first. */
void plan_settle_updates(scope *s)
{
    planner *pl = s->pl;
    uint32_t n = s->fn->update.len;
    uint32_t *from = arena_array(&pl->scratch, uint32_t, n);

    for (uint32_t i = 0; i < n; i++) {
        const ir_update *u = &s->fn->update.at[i];
        uint32_t old = old_state(s->fn, u->value);
        from[i] = plan_value_of(s, u->value);
        if (old != PLAN_NONE && old != u->state) {
            uint32_t saved = plan_place_new(s, "saved", pl->e->value.at[from[i]].type, PLAN_NONE);
            plan_copy(s, saved, from[i]);
            from[i] = saved;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t to = plan_state_value(pl, s->fn->update.at[i].state);
        if (plan_root(pl->e, from[i]) != to)
            plan_copy(s, to, from[i]);
    }
}
