/* passes/plan_control.c - branches and loops.
 *
 * The regions are planned as blocks over the same values.  A branch writes its
 * results to where the `if`'s are; a loop's carries live in the loop's results
 * and are replaced at the end of an iteration; slices and stacks along the
 * outermost axis are aliases at an offset of the iteration's number.  A carry that is
 * stacked lives in the stack: an iteration reads one row and makes the next. */
#include "planner.h"

enum {
    MAX_REGIONS = 100,
    MOST_RUNS = 65536           /* of a loop for all of which memory is kept */
};

static bool is_size(const ir_dims *syms, uint32_t k, uint32_t n)
{
    return k + (uint32_t)syms->n >= n;
}

/* Captures: the last `n` operands are the last parameters. */
static void pass_captures(scope *s, const ir_node *n, scope *in, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ir_ref r = ir_arg(s->fn, n, n->narg - count + i);
        in->value[in->fn->param.at[in->fn->param.len - count + i]] = plan_value_of(s, r);
    }
}

static bool too_deep(scope *s, const ir_node *n)
{
    return s->pl->depth >= MAX_REGIONS && !plan_gap(s, n, "nested too deeply");
}

/* ---- if ------------------------------------------------------------------------- */

/* A size is a symbol outside of the branch.  The side that is taken gives it its
 * value by a LET, all sizes at once. */
static void branch_sizes(scope *in, const ir_attr *a, uint32_t nres)
{
    dim_table *dt = &in->pl->m->dims;
    uint32_t n = (uint32_t)a->IF.syms.n;
    uint32_t *sym = arena_array(&in->pl->scratch, uint32_t, n);
    ir_dim *dim = arena_array(&in->pl->scratch, ir_dim, n);
    uint32_t known = 0;

    for (uint32_t k = 0; k < n; k++) {
        const ir_dim *elem = in->fn->value.at[in->fn->result.at[nres - n + k]].elem;
        if (!elem)
            continue;
        sym[known] = dim_symbol_id(dt, a->IF.syms.at[k]);
        dim[known++] = *elem;
    }
    plan_let(in, sym, dim, known);
}

/* Plans one region into block b.  Results are computed in the memory of target[k] where
 * that can be, else copied there at the end; sizes have no target, their symbols are set. */
static void plan_branch(scope *s, const ir_node *n, const ir_fn *fn, plan_block *b,
                        const uint32_t *target)
{
    scope in;
    uint32_t sizes = (uint32_t)n->attr->IF.syms.n;

    plan_scope_init(&in, s->pl, fn, b);
    pass_captures(s, n, &in, n->narg - 1);
    for (uint32_t k = 0; k + sizes < n->nres; k++)
        if (target[k] != PLAN_NONE)
            plan_want(&in, fn->result.at[k], target[k]);
    plan_scope_run(&in);
    for (uint32_t k = 0; k + sizes < n->nres && !diag_failed(s->pl->d); k++)
        if (target[k] != PLAN_NONE && ir_type_of(fn, fn->result.at[k])->kind == TY_TENSOR)
            plan_settle(&in, fn->result.at[k], target[k]);
    branch_sizes(&in, n->attr, n->nres);
    plan_scope_free(&in);
}

/* The larger of both branches' sizes bounds a size. */
static void bound_sizes(scope *s, const ir_node *n)
{
    const ir_dims *syms = &n->attr->IF.syms;
    const ir_fn *yes = n->attr->IF.yes, *no = n->attr->IF.no;
    dim_table *dt = &s->pl->m->dims;

    for (uint32_t k = 0; k < (uint32_t)syms->n; k++) {
        uint32_t i = n->nres - (uint32_t)syms->n + k;
        const ir_dim *a = yes->value.at[yes->result.at[i]].elem;
        const ir_dim *b = no->value.at[no->result.at[i]].elem;
        ir_dim x, y;
        if (a && b && plan_upper(s->pl, *a, &x) && plan_upper(s->pl, *b, &y))
            plan_bound_set(s->pl, dim_symbol_id(dt, syms->at[k]), dim_max(dt, x, y));
    }
}

/* Memory of a control node's result, without an ALLOC yet. */
static uint32_t result_place(scope *s, ir_ref r)
{
    planner *pl = s->pl;
    const ir_type *t = ir_type_of(s->fn, r);
    ir_dim size;

    if (t->kind != TY_TENSOR)
        return plan_value_add(pl, "", t, PLACE_NONE, 0, (ir_dim){0});
    if (s->want[r] != PLAN_NONE)
        return plan_value_add(pl, "", t, PLACE_ALIAS, s->want[r], dim_int(&pl->m->dims, 0));
    if (plan_reserve(pl, t, &size))
        return plan_value_add(pl, "", t, PLACE_SLOT, PLAN_NONE, (ir_dim){0});
    return plan_value_add(pl, "", t, PLACE_LATE, pl->e->lates++, (ir_dim){0});
}

/* Captures get their memory before the branch, so that both sides find it. */
void plan_if(scope *s, const ir_node *n)
{
    planner *pl = s->pl;
    plan_cond cond = plan_cond_of(s, ir_arg(s->fn, n, 0));
    plan_block *yes = plan_block_new(pl->p), *no = plan_block_new(pl->p);
    uint32_t *target = arena_array(&pl->scratch, uint32_t, n->nres);

    if (too_deep(s, n))
        return;
    bound_sizes(s, n);
    for (uint32_t i = 1; i < n->narg; i++)
        plan_value_of(s, ir_arg(s->fn, n, i));
    for (uint32_t k = 0; k < n->nres; k++) {
        bool size = is_size(&n->attr->IF.syms, k, n->nres);
        target[k] = size ? PLAN_NONE : result_place(s, n->first + k);
        s->value[n->first + k] = target[k];
    }
    pl->depth++;
    plan_branch(s, n, n->attr->IF.yes, yes, target);
    plan_branch(s, n, n->attr->IF.no, no, target);
    pl->depth--;
    plan_step *step = plan_emit(s, STEP_IF);
    step->u.branch.cond = cond;
    step->u.branch.yes = yes;
    step->u.branch.no = no;
}

/* ---- loop ------------------------------------------------------------------------ */

/* A loop being planned, with the numbers of its parts: operands are condition,
 * carries (the last `sizes` of them are symbols, not memory), slices, captures.
 * Example: h' = f(h, x_t) over x f32[T,N], stacked, has 1 carry, 1 slice, 1 stack;
 * `at` is the iteration, or T - 1 minus it in a loop that runs backward. */
typedef struct loop_plan {
    scope *s, in;
    const ir_node *n;
    const struct ir_attr_LOOP *a;
    uint32_t carries, sizes, slices, stacks, captures;
    uint32_t *carry;            /* the loop's result by carry; PLAN_NONE: a size */
    uint32_t *history;          /* by carry: all its values; PLAN_NONE: only the last is kept */
    uint32_t *next;             /* by carry: where an iteration leaves it */
    uint32_t *stack;            /* values of the stacked results */
    bool *kept;                 /* by stack: it lies in a history */
    ir_dim at;                  /* row of slices and stacks in this iteration */
    uint32_t index, trips;      /* symbols; trips may be PLAN_NONE */
} loop_plan;

/* A size that grows by at most so much an iteration: of a trip that is no mere "for ever". */
static bool bound_of_growth(loop_plan *l, ir_dim first, ir_dim growth, ir_dim *out)
{
    dim_table *dt = &l->s->pl->m->dims;
    ir_dim trip, step, zero = dim_int(dt, 0);
    int64_t runs;

    if (l->a->infinite || !plan_upper(l->s->pl, l->a->trip, &trip) ||
        (dim_const(dt, trip, &runs) && runs > MOST_RUNS) ||
        !plan_upper(l->s->pl, growth, &step))
        return false;
    *out = dim_add(dt, first, dim_mul(dt, dim_max(dt, trip, zero), dim_max(dt, step, zero)));
    return true;
}

/* A size that stays or becomes one of others, as where what is carried is broadcast. */
static bool bound_of_choice(loop_plan *l, ir_dim first, ir_dim size, ir_dim next, ir_dim *out)
{
    dim_table *dt = &l->s->pl->m->dims;
    const dim_expr *e = dim_get(dt, next);
    ir_dim arm[2], upper;

    if (!e || (e->op != DIM_SELECT && e->op != DIM_MAX))
        return false;
    arm[0] = e->arg[e->op == DIM_SELECT];
    arm[1] = e->arg[e->op == DIM_SELECT ? 2 : 1];
    *out = first;
    for (int i = 0; i < 2; i++) {
        if (dim_same(arm[i], size))
            continue;
        if (!plan_upper(l->s->pl, arm[i], &upper))
            return false;
        *out = dim_max(dt, *out, upper);
    }
    return true;
}

/* The most that carry c, a size, can be, if that is known before the loop: then values of
 * that extent have slots, not memory of the allocator's. */
static void bound_size(loop_plan *l, uint32_t c, ir_dim size)
{
    planner *pl = l->s->pl;
    dim_table *dt = &pl->m->dims;
    const ir_dim *init = l->s->fn->value.at[ir_arg(l->s->fn, l->n, 1 + c)].elem;
    const ir_dim *next = l->a->body->value.at[l->a->body->result.at[1 + c]].elem;
    ir_dim first, bound;

    if (!next || !plan_upper(pl, *init, &first))
        return;
    if (bound_of_growth(l, first, dim_sub(dt, *next, size), &bound) ||
        bound_of_choice(l, first, size, *next, &bound))
        plan_bound_set(pl, dim_symbol_id(dt, size), bound);
}

static uint32_t history_row(const loop_plan *l, uint32_t c, ir_dim row)
{
    const ir_type *t = ir_type_of(l->a->body, l->a->body->param.at[1 + c]);

    return plan_history_row(l->s->pl, l->history[c], row, t);
}

/* Before the loop: results get their memory, which holds the carries while it runs, and
 * the first values are copied there.  A history begins with the first value, and where the
 * loop runs backward ends with it; the result is at its other end.  A size is a symbol, not
 * memory. */
static void copy_carries_in(loop_plan *l)
{
    scope *s = l->s;
    uint32_t *sym = arena_array(&s->pl->scratch, uint32_t, l->sizes);
    ir_dim *dim = arena_array(&s->pl->scratch, ir_dim, l->sizes);

    for (uint32_t k = 0; k < l->sizes; k++) {
        uint32_t c = l->carries - l->sizes + k;
        const ir_dim *elem = s->fn->value.at[ir_arg(s->fn, l->n, 1 + c)].elem;
        ICE_IF(!elem, "the size of a carry is not known");
        sym[k] = dim_symbol_id(&s->pl->m->dims, l->a->syms.at[k]);
        dim[k] = *elem;
        bound_size(l, c, l->a->syms.at[k]);
    }
    for (uint32_t c = 0; c < l->carries; c++) {
        bool size = is_size(&l->a->syms, c, l->carries), kept = l->history[c] != PLAN_NONE;
        ir_dim zero = dim_int(&s->pl->m->dims, 0), trip = l->a->trip;
        l->carry[c] = size ? PLAN_NONE : !kept ? result_place(s, l->n->first + c) :
            history_row(l, c, l->a->reverse ? zero : trip);
        s->value[l->n->first + c] = l->carry[c];
        if (!size)
            plan_copy(s, kept ? history_row(l, c, l->a->reverse ? trip : zero) : l->carry[c],
                      plan_value_of(s, ir_arg(s->fn, l->n, 1 + c)));
    }
    plan_let(s, sym, dim, l->sizes);
}

/* Bytes behind an axis, and pieces before it. */
static void around_axis(planner *pl, const ir_type *t, int axis, ir_dim *outer, ir_dim *inner)
{
    dim_table *dt = &pl->m->dims;

    *outer = dim_product(dt, t->dim, axis);
    *inner = dim_mul(dt, dim_product(dt, t->dim + axis + 1, t->rank - axis - 1),
                     dim_int(dt, dt_size(t->dtype)));
}

/* Copies piece `at` along the axis of a value of type `whole`: out of it (`in`), to a dense
 * slice, or from a dense slice into it. */
static void emit_strided(scope *s, uint32_t to, uint32_t from, const ir_type *whole, int axis,
                         ir_dim at, bool in)
{
    dim_table *dt = &s->pl->m->dims;
    ir_dim outer, inner;

    around_axis(s->pl, whole, axis, &outer, &inner);
    ir_dim offset = dim_mul(dt, at, inner), stride = dim_mul(dt, whole->dim[axis], inner);
    plan_step *step = plan_emit(s, STEP_COPY);
    step->u.copy.to = to;
    step->u.copy.from = from;
    step->u.copy.rows = outer;
    step->u.copy.bytes = inner;
    step->u.copy.from_offset = in ? offset : dim_int(dt, 0);
    step->u.copy.from_stride = in ? stride : inner;
    step->u.copy.to_offset = in ? dim_int(dt, 0) : offset;
    step->u.copy.to_stride = in ? inner : stride;
}

/* The slices that an iteration reads: along the outermost axis an alias of the sliced
 * operand, since its bytes lie together, else a copy. */
static void pass_slices(loop_plan *l)
{
    planner *pl = l->s->pl;

    for (uint32_t k = 0; k < l->slices; k++) {
        uint32_t xs = plan_value_of(l->s, ir_arg(l->s->fn, l->n, 1 + l->carries + k));
        ir_ref param = l->in.fn->param.at[1 + l->carries + k];
        const ir_type *whole = pl->e->value.at[xs].type, *t = ir_type_of(l->in.fn, param);
        int axis = l->a->slice_axes.at[k];
        ir_dim outer, inner;
        around_axis(pl, whole, axis, &outer, &inner);
        if (dim_is(&pl->m->dims, outer, 1)) {
            l->in.value[param] = plan_value_add(pl, "slice", t, PLACE_ALIAS, xs,
                                                dim_mul(&pl->m->dims, l->at, inner));
            continue;
        }
        l->in.value[param] = plan_place_new(&l->in, "slice", t, PLAN_NONE);
        emit_strided(&l->in, l->in.value[param], xs, whole, axis, l->at, true);
    }
}

/* The number of the iteration as a value, for bodies that read it from memory. */
static void pass_index(loop_plan *l)
{
    ir_ref i = l->in.fn->param.at[0];
    const ir_value *v = &l->in.fn->value.at[i];
    ir_dim *dim = arena_new(l->s->pl->mem, ir_dim);

    if (!l->in.uses[i] || v->elem)
        return;
    *dim = l->s->pl->m->dims.symbol.at[l->index].self;
    uint32_t to = plan_place_new(&l->in, "index", v->type, PLAN_NONE);
    l->in.value[i] = to;
    plan_step *step = plan_emit(&l->in, STEP_STORE);
    step->u.store.to = to;
    step->u.store.dim = dim;
    step->u.store.n = 1;
}

/* Where the k-th stacked result of this iteration goes. */
static void place_stack(loop_plan *l, uint32_t k)
{
    planner *pl = l->s->pl;
    dim_table *dt = &pl->m->dims;
    uint32_t whole = l->stack[k];
    const ir_type *t = pl->e->value.at[whole].type;
    int axis = l->a->stack_axes.at[k];
    ir_ref made = l->in.fn->result.at[1 + l->carries + k];
    ir_dim outer, inner;

    if (t->kind != TY_TENSOR)
        return;
    around_axis(pl, t, axis, &outer, &inner);
    if (plan_begins_late(pl, whole)) {
        plan_step *step = plan_emit(&l->in, STEP_GROW);
        step->u.late.late = pl->e->value.at[plan_root(pl->e, whole)].of;
        step->u.late.bytes = dim_mul(dt, dim_add(dt, l->at, dim_int(dt, 1)), inner);
    }
    if (dim_is(dt, outer, 1)) {
        uint32_t row = plan_value_add(pl, "row", ir_type_of(l->in.fn, made), PLACE_ALIAS, whole,
                                      dim_mul(dt, l->at, inner));
        plan_want(&l->in, made, row);
    }
}

/* Copies the k-th result of the iteration into the stack, unless it was computed there, or is
 * a carry's that settle_carries puts there. */
static void settle_stack(loop_plan *l, uint32_t k, uint32_t whole)
{
    planner *pl = l->s->pl;
    uint32_t v = plan_value_of(&l->in, l->in.fn->result.at[1 + l->carries + k]);
    const ir_type *t = pl->e->value.at[whole].type;

    if (t->kind != TY_TENSOR || pl->e->value.at[v].place == PLACE_NONE || l->kept[k] ||
        plan_root(pl->e, v) == plan_root(pl->e, whole))
        return;
    emit_strided(&l->in, whole, v, t, l->a->stack_axes.at[k], l->at, false);
}

/* Yielded values that lie in another carry's memory are saved, then all take
 * their places. */
static void settle_carries(loop_plan *l)
{
    planner *pl = l->s->pl;
    uint32_t n = l->carries - l->sizes;
    uint32_t *from = arena_array(&pl->scratch, uint32_t, n);

    for (uint32_t k = 0; k < n; k++) {
        from[k] = plan_value_of(&l->in, l->in.fn->result.at[1 + k]);
        uint32_t root = plan_root(pl->e, from[k]);
        bool other = false;
        for (uint32_t c = 0; c < n; c++)
            other |= c != k && plan_root(pl->e, l->next[c]) == root && l->history[c] == PLAN_NONE;
        if (!other)
            continue;
        uint32_t saved = plan_place_new(&l->in, "saved", pl->e->value.at[from[k]].type, PLAN_NONE);
        plan_copy(&l->in, saved, from[k]);
        from[k] = saved;
    }
    for (uint32_t k = 0; k < n; k++)
        if (plan_root(pl->e, from[k]) != plan_root(pl->e, l->next[k]))
            plan_copy(&l->in, l->next[k], from[k]);
}

/* The symbols of sizes take the values that the iteration yields. */
static void settle_sizes(loop_plan *l)
{
    planner *pl = l->s->pl;
    uint32_t *sym = arena_array(&pl->scratch, uint32_t, l->sizes);
    ir_dim *dim = arena_array(&pl->scratch, ir_dim, l->sizes);

    for (uint32_t k = 0; k < l->sizes; k++) {
        ir_ref r = l->in.fn->result.at[1 + l->carries - l->sizes + k];
        const ir_dim *elem = l->in.fn->value.at[r].elem;
        ICE_IF(!elem, "the size of a carry is not known");
        sym[k] = dim_symbol_id(&pl->m->dims, l->a->syms.at[k]);
        dim[k] = *elem;
    }
    plan_let(&l->in, sym, dim, l->sizes);
}

/* Rows of a stack lie apart by its extent: where that is the number of iterations,
 * it must be known before the first is stored, unless rows follow each other. */
static void refuse_inner_stack(loop_plan *l, uint32_t k)
{
    planner *pl = l->s->pl;
    const ir_type *t = pl->e->value.at[l->stack[k]].type;
    bool late = plan_begins_late(pl, l->stack[k]);
    ir_dim outer, inner;

    if (t->kind != TY_TENSOR || (!late && l->trips == PLAN_NONE))
        return;
    around_axis(pl, t, l->a->stack_axes.at[k], &outer, &inner);
    if (!dim_is(&pl->m->dims, outer, 1))
        plan_gap(l->s, l->n, "stacks an inner axis whose extent only the run knows");
}

/* Memory for the stacked results before the loop.  One whose size has no bound begins
 * empty and grows by a row an iteration. */
static void place_stacks(loop_plan *l)
{
    planner *pl = l->s->pl;
    ir_dim upper;

    if (l->trips != PLAN_NONE && !l->a->infinite && plan_upper(pl, l->a->trip, &upper))
        plan_bound_set(pl, l->trips, upper);
    for (uint32_t k = 0; k < l->stacks; k++) {
        ir_ref r = l->n->first + l->carries + k;
        l->stack[k] = plan_history_stack(l->s, l->n, k, l->history);
        l->kept[k] = l->stack[k] != PLAN_NONE;
        if (!l->kept[k])
            l->stack[k] = result_place(l->s, r);
        l->s->value[r] = l->stack[k];
        refuse_inner_stack(l, k);
        if (!plan_begins_late(pl, l->stack[k]))
            continue;
        plan_step *step = plan_emit(l->s, STEP_ALLOC);
        step->u.late.late = pl->e->value.at[plan_root(pl->e, l->stack[k])].of;
        step->u.late.bytes = dim_int(&pl->m->dims, 0);
    }
}

/* What an iteration finds of the carries, and where it leaves them for the next. */
static void pass_carries(loop_plan *l)
{
    planner *pl = l->s->pl;
    dim_table *dt = &pl->m->dims;
    const ir_fn *fn = l->a->body;
    ir_dim behind = dim_add(dt, l->at, dim_int(dt, 1));

    for (uint32_t c = 0; c < l->carries; c++) {
        ir_ref param = fn->param.at[1 + c];
        l->next[c] = l->in.value[param] = l->carry[c];
        if (l->history[c] != PLAN_NONE) {
            l->in.value[param] = history_row(l, c, l->a->reverse ? behind : l->at);
            l->next[c] = history_row(l, c, l->a->reverse ? l->at : behind);
        } else if (l->carry[c] != PLAN_NONE) {
            l->in.value[param] = plan_value_add(pl, "carry", ir_type_of(fn, param), PLACE_ALIAS,
                                                l->carry[c], dim_int(dt, 0));
        }
    }
}

/* Lets the iteration make the next values where they are to be, if that is right. */
static void place_carries(loop_plan *l)
{
    const ir_fn *fn = l->a->body;

    for (uint32_t c = 0; c < l->carries; c++)
        if (l->history[c] != PLAN_NONE)
            plan_want(&l->in, fn->result.at[1 + c], l->next[c]);
        else if (l->carry[c] != PLAN_NONE)
            plan_place_carry(&l->in, fn->param.at[1 + c], fn->result.at[1 + c], l->carry[c]);
}

/* Plans one iteration into `body`; returns the condition on which another follows. */
static plan_cond plan_body(loop_plan *l, plan_block *body)
{
    planner *pl = l->s->pl;
    const ir_fn *fn = l->a->body;

    plan_scope_init(&l->in, pl, fn, body);
    l->in.before = l->s->block;
    l->in.outside = pl->nest.at[pl->loop].parent;
    l->in.captures = l->captures;
    pass_captures(l->s, l->n, &l->in, l->captures);
    pass_carries(l);
    pass_index(l);
    pass_slices(l);
    for (uint32_t k = 0; k < l->stacks; k++)
        place_stack(l, k);
    place_carries(l);
    plan_scope_run(&l->in);
    plan_cond again = {PLAN_NONE, dim_int(&pl->m->dims, 1)};
    if (!diag_failed(pl->d)) {
        again = plan_cond_of(&l->in, fn->result.at[0]);
        for (uint32_t k = 0; k < l->stacks; k++)
            settle_stack(l, k, l->stack[k]);
        settle_carries(l);
        settle_sizes(l);
    }
    plan_scope_free(&l->in);
    return again;
}

static void count_parts(loop_plan *l)
{
    l->carries = (uint32_t)l->a->carries;
    l->sizes = (uint32_t)l->a->syms.n;
    l->slices = (uint32_t)l->a->slice_axes.n;
    l->stacks = (uint32_t)l->a->stack_axes.n;
    l->captures = l->n->narg - 1 - l->carries - l->slices;
    bool counts = l->stacks && l->a->trips < l->s->pl->m->dims.symbol.len;
    l->trips = counts ? l->a->trips : PLAN_NONE;
}

static void prepare_index(loop_plan *l)
{
    dim_table *dt = &l->s->pl->m->dims;
    ir_dim i = dim_symbol_new(dt, "i", 0, INT64_MAX);

    l->index = dim_symbol_id(dt, i);
    l->at = l->a->reverse ? dim_sub(dt, dim_sub(dt, l->a->trip, i), dim_int(dt, 1)) : i;
}

/* Before the loop: memory of stacks and carries, operands.  Then the body as a
 * block of its own, one loop deeper. */
void plan_loop(scope *s, const ir_node *n)
{
    planner *pl = s->pl;
    loop_plan l = {.s = s, .n = n, .a = &n->attr->LOOP};

    if (too_deep(s, n))
        return;
    count_parts(&l);
    l.carry = arena_array(&pl->scratch, uint32_t, l.carries);
    l.history = arena_array(&pl->scratch, uint32_t, l.carries);
    l.next = arena_array(&pl->scratch, uint32_t, l.carries);
    l.stack = arena_array(&pl->scratch, uint32_t, l.stacks);
    l.kept = arena_array(&pl->scratch, bool, l.stacks);
    plan_cond cond = plan_cond_of(s, ir_arg(s->fn, n, 0));
    for (uint32_t i = 1; i < n->narg; i++)
        if (i < 1 + l.carries - l.sizes || i >= 1 + l.carries)
            plan_value_of(s, ir_arg(s->fn, n, i));
    plan_histories(s, n, l.history);
    place_stacks(&l);
    copy_carries_in(&l);
    prepare_index(&l);
    uint32_t outer = pl->loop;
    vec_push(&pl->nest, (plan_nest){.parent = outer});
    pl->loop = pl->nest.len - 1;
    pl->depth++;
    plan_block *body = plan_block_new(pl->p);
    plan_cond again = plan_body(&l, body);
    pl->depth--;
    plan_step *step = plan_emit(s, STEP_LOOP);
    step->u.loop.index = l.index;
    step->u.loop.trips = l.trips;
    step->u.loop.infinite = l.a->infinite;
    step->u.loop.trip = l.a->trip;
    step->u.loop.cond = cond;
    step->u.loop.again = again;
    step->u.loop.body = body;
    pl->loop = outer;
}
