/* passes/plan_build.c - values and steps of one function at a time.
 *
 * The groups of a function become steps in their order.  Results are placed
 * before the steps are made: a step that computes a result writes to the
 * output itself.  Values with known elements need no kernel, reshapes of
 * stored values are aliases, constants and states are where they are. */
#include "planner.h"

/* ---- values ------------------------------------------------------------------ */

uint32_t plan_value_add(planner *pl, const char *name, const ir_type *t,
                        plan_place place, uint32_t of, ir_dim offset)
{
    plan_value v = {.name = name ? name : "", .type = t, .place = place, .of = of,
                    .offset = offset};

    vec_push(&pl->e->value, v);
    vec_push(&pl->home, pl->loop);
    return pl->e->value.len - 1;
}

plan_step *plan_emit(scope *s, plan_op op)
{
    vec_push(&s->block->step, (plan_step){.op = op});
    return &s->block->step.at[s->block->step.len - 1];
}

bool plan_gap(scope *s, const ir_node *n, const char *reason)
{
    diag *d = s->pl->d;
    const char *place = n->loc.file < d->place.len ? d->place.at[n->loc.file] : "";

    return diag_unsupported(d, ir_op_get(n->op)->text, "", place, reason);
}

bool plan_begins_late(const planner *pl, uint32_t v)
{
    const plan_value *x = &pl->e->value.at[v];

    for (; x->place == PLACE_ALIAS; x = &pl->e->value.at[x->of])
        if (!dim_is(&pl->m->dims, x->offset, 0))
            return false;
    return x->place == PLACE_LATE;
}

static uint32_t alias_of(planner *pl, const char *name, const ir_type *t, uint32_t of)
{
    return plan_value_add(pl, name, t, PLACE_ALIAS, of, dim_int(&pl->m->dims, 0));
}

/* An ALLOC where v, which is to be written, is late. */
static void alloc_late(scope *s, uint32_t v, const ir_type *t)
{
    planner *pl = s->pl;

    if (!plan_begins_late(pl, v))
        return;
    ir_dim bytes = plan_bytes(pl->m, t);
    plan_step *step = plan_emit(s, STEP_ALLOC);
    step->u.late.late = pl->e->value.at[plan_root(pl->e, v)].of;
    step->u.late.bytes = bytes;
}

/* In this order: the place that is wanted; a slot, if the size has a bound before
 * the run; else late memory, which the caller's allocator gives while it runs. */
uint32_t plan_place_new(scope *s, const char *name, const ir_type *t, uint32_t want)
{
    planner *pl = s->pl;
    uint32_t v;
    ir_dim size;

    if (t->kind == TY_NEVER)
        return plan_value_add(pl, name, t, PLACE_NONE, 0, (ir_dim){0});
    if (want != PLAN_NONE)
        v = alias_of(pl, name, t, want);
    else if (plan_reserve(pl, t, &size))
        return plan_value_add(pl, name, t, PLACE_SLOT, PLAN_NONE, (ir_dim){0});
    else
        v = plan_value_add(pl, name, t, PLACE_LATE, pl->e->lates++, (ir_dim){0});
    alloc_late(s, v, t);
    return v;
}

static bool small_known(const ir_value *v)
{
    return v->elem && v->type->kind == TY_TENSOR;
}

/* Memory with the elements of a value that are known as dims, for kernels that read it. */
static uint32_t store_known(scope *s, const ir_value *v)
{
    uint32_t to = plan_place_new(s, "dims", v->type, PLAN_NONE);
    int64_t n = type_count_const(&s->pl->m->types, v->type);
    const ir_dim *dim = arena_copy(s->pl->mem, v->elem, (size_t)n * sizeof *dim);
    plan_step *step = plan_emit(s, STEP_STORE);

    step->u.store.to = to;
    step->u.store.dim = dim;
    step->u.store.n = (uint32_t)n;
    return to;
}

/* One value a constant, made when it is first read. */
static uint32_t const_value(planner *pl, uint32_t id)
{
    if (id >= pl->consts) {
        uint32_t n = 2 * id + 16;
        pl->const_value = mem_resize(pl->const_value, n * sizeof *pl->const_value);
        for (uint32_t i = pl->consts; i < n; i++)
            pl->const_value[i] = PLAN_NONE;
        pl->consts = n;
    }
    if (pl->const_value[id] == PLAN_NONE)
        pl->const_value[id] = plan_value_add(pl, pl->m->consts.at[id].name,
            pl->m->consts.at[id].type, PLACE_CONST, id, (ir_dim){0});
    return pl->const_value[id];
}

uint32_t plan_state_value(planner *pl, uint32_t id)
{
    const ir_state *st = &pl->m->state.at[id];

    if (pl->state_value[id] == PLAN_NONE)
        pl->state_value[id] =
            plan_value_add(pl, st->name, st->type, PLACE_STATE, id, (ir_dim){0});
    return pl->state_value[id];
}

ir_ref plan_same_bytes(const ir_fn *fn, const ir_node *n)
{
    return ir_op_same_bytes(n->op) ? ir_arg(fn, n, 0) : IR_NONE;
}

/* Memory with a value that no group stores: a constant, a state, elements known as dims,
 * or the bytes of another value. */
static uint32_t make_value(scope *s, ir_ref r)
{
    const ir_node *n = ir_node_of(s->fn, r);
    const ir_value *v = &s->fn->value.at[r];
    ir_ref under = plan_same_bytes(s->fn, n);

    if (n->op == OP_CONST)
        return const_value(s->pl, n->attr->CONST.id);
    if (n->op == OP_STATE)
        return plan_state_value(s->pl, (uint32_t)n->attr->STATE.id);
    if (small_known(v))
        return store_known(s, v);
    if (under != IR_NONE)
        return alias_of(s->pl, "", v->type, plan_value_of(s, under));
    if (v->type->kind == TY_NEVER)
        return plan_value_add(s->pl, "", v->type, PLACE_NONE, 0, (ir_dim){0});
    if (!diag_failed(s->pl->d))
        plan_gap(s, n, "its value is used but no group stores it");
    return plan_value_add(s->pl, "", v->type, PLACE_NONE, 0, (ir_dim){0});
}

uint32_t plan_value_of(scope *s, ir_ref r)
{
    if (s->value[r] == PLAN_NONE)
        s->value[r] = make_value(s, r);
    return s->value[r];
}

/* One row of all bytes.  What was never computed, and what is no tensor, has none. */
void plan_copy(scope *s, uint32_t to, uint32_t from)
{
    planner *pl = s->pl;
    dim_table *dt = &pl->m->dims;
    const ir_type *t = pl->e->value.at[from].type;

    if (t->kind != TY_TENSOR || pl->e->value.at[from].place == PLACE_NONE)
        return;
    ir_dim bytes = plan_bytes(pl->m, t), zero = dim_int(dt, 0), one = dim_int(dt, 1);
    alloc_late(s, to, t);
    plan_step *step = plan_emit(s, STEP_COPY);
    step->u.copy.to = to;
    step->u.copy.from = from;
    step->u.copy.bytes = bytes;
    step->u.copy.rows = one;
    step->u.copy.to_offset = step->u.copy.from_offset = zero;
    step->u.copy.to_stride = step->u.copy.from_stride = zero;
}

/* ---- results that are written where they belong ---------------------------------- */

ir_ref plan_stored_under(const scope *s, ir_ref r)
{
    while (s->maker[r] == PLAN_NONE) {
        ir_ref under = plan_same_bytes(s->fn, ir_node_of(s->fn, r));
        if (under == IR_NONE || s->value[r] != PLAN_NONE || s->fn->value.at[r].elem)
            return IR_NONE;
        r = under;
    }
    return s->fn->value.at[r].elem ? IR_NONE : r;
}

void plan_want(scope *s, ir_ref r, uint32_t target)
{
    ir_ref made = plan_stored_under(s, r);

    if (made != IR_NONE && s->want[made] == PLAN_NONE && s->value[made] == PLAN_NONE &&
        ir_type_of(s->fn, made)->kind == TY_TENSOR)
        s->want[made] = target;
}

void plan_settle(scope *s, ir_ref r, uint32_t target)
{
    uint32_t v = plan_value_of(s, r);

    if (s->pl->e->value.at[v].place != PLACE_NONE &&
        plan_root(s->pl->e, v) != plan_root(s->pl->e, target))
        plan_copy(s, target, v);
}

/* ---- steps ------------------------------------------------------------------------ */

plan_cond plan_cond_of(scope *s, ir_ref r)
{
    const ir_dim *elem = s->fn->value.at[r].elem;

    if (elem)
        return (plan_cond){PLAN_NONE, elem[0]};
    return (plan_cond){plan_value_of(s, r), dim_int(&s->pl->m->dims, 1)};
}

void plan_let(scope *s, const uint32_t *sym, const ir_dim *dim, uint32_t n)
{
    if (!n)
        return;
    plan_step *step = plan_emit(s, STEP_LET);
    step->u.let.n = n;
    step->u.let.sym = arena_copy(s->pl->mem, sym, n * sizeof *sym);
    step->u.let.dim = arena_copy(s->pl->mem, dim, n * sizeof *dim);
}

/* The symbol's value at run time: an expression of dims where the operand's element is
 * known as one, else an element that is read from memory. */
static void emit_bind(scope *s, const ir_node *n)
{
    uint32_t sym = n->attr->BIND.sym;
    ir_ref x = ir_arg(s->fn, n, 0);
    const ir_dim *elem = s->fn->value.at[x].elem;
    ir_dim upper;

    if (elem) {
        plan_let(s, &sym, elem, 1);
        if (plan_upper(s->pl, *elem, &upper))
            plan_bound_set(s->pl, sym, upper);
        return;
    }
    uint32_t v = plan_value_of(s, x);
    plan_step *step = plan_emit(s, STEP_BIND);
    step->u.bind.sym = sym;
    step->u.bind.value = v;
}

/* The message of the check names its node, if the importer knows that. */
static void emit_check(scope *s, const ir_node *n)
{
    plan_cond c = plan_cond_of(s, ir_arg(s->fn, n, 0));
    plan_step *step = plan_emit(s, STEP_CHECK);
    const char *message = n->attr->CHECK.message, *node = diag_node(s->pl->d, n->loc);

    step->note = message;
    if (*node)
        step->note = arena_printf(s->pl->mem, "%s (%s)", message ? message : "", node);
    step->u.check.cond = c;
}

/* Nodes outside kernels, and sources, which need no step. */
static void emit_opaque(scope *s, const ir_node *n)
{
    switch (n->op) {
    case OP_INPUT:
    case OP_STATE:
    case OP_CONST:
    case OP_NEVER: break;
    case OP_BIND: emit_bind(s, n); break;
    case OP_CHECK: emit_check(s, n); break;
    case OP_IF: plan_if(s, n); break;
    case OP_LOOP: plan_loop(s, n); break;
    case OP_TOPK:
    case OP_NONZERO:
    case OP_SHOW:
    case OP_NMS: plan_extern(s, n); break;
    default: plan_gap(s, n, "cannot be compiled yet"); break;
    }
}

static uint32_t call_arg(scope *s, const group_arg *a, const uint32_t *temp)
{
    switch (a->kind) {
    case ARG_VALUE: return plan_value_of(s, a->id);
    case ARG_CONST: return const_value(s->pl, a->id);
    default: return temp[a->id];
    }
}

/* The workspace holds it if its size has a bound, else late memory. */
static uint32_t place_scratch(planner *pl, ir_dim bytes)
{
    ir_dim upper;

    if (dim_is(&pl->m->dims, bytes, 0))
        return PLAN_NONE;
    if (!plan_upper(pl, bytes, &upper))
        return pl->e->lates++;
    vec_push(&pl->e->scratch, upper);
    return PLAN_NONE;
}

/* One call of a kernel: its operands, extents, how far its outermost loop runs, and
 * scratch memory. */
static void emit_call(scope *s, const group_call *c, const uint32_t *temp, const char *note,
                      const plan_reads *reads, const ir_dim *flops)
{
    planner *pl = s->pl;
    uint32_t *arg = arena_array(pl->mem, uint32_t, c->narg);
    ir_dim *bytes = arena_array(pl->mem, ir_dim, c->narg);

    for (uint32_t i = 0; i < c->narg; i++) {
        arg[i] = call_arg(s, &c->arg[i], temp);
        const ir_type *t = pl->e->value.at[arg[i]].type;
        bytes[i] = t->kind == TY_TENSOR ? plan_read_of(reads, &c->arg[i], plan_bytes(pl->m, t))
                                        : dim_int(&pl->m->dims, 0);
    }
    plan_step *step = plan_emit(s, STEP_RUN);
    step->note = note;
    step->u.run.kernel = c->kernel;
    step->u.run.narg = c->narg;
    step->u.run.arg = arg;
    step->u.run.ndim = c->ndim;
    step->u.run.dim = arena_copy(pl->mem, c->dim, c->ndim * sizeof *c->dim);
    step->u.run.trip = c->trip;
    step->u.run.scratch = c->scratch;
    step->u.run.late = place_scratch(pl, c->scratch);
    step->u.run.flops = flops;
    step->u.run.bytes = bytes;
}

/* A type whose size is this many bytes: temps are plain bytes. */
static uint32_t temp_value(scope *s, ir_dim bytes)
{
    return plan_place_new(s, "temp", type_tensor(&s->pl->m->types, DT_U8, 1, &bytes), PLAN_NONE);
}

/* The group's temps and calls, in front of the loop what may be there. */
static void emit_calls(scope *s, const group_code *code, const char *note, const plan_reads *reads,
                       const ir_dim *flops)
{
    arena *mem = &s->pl->scratch;
    uint32_t *temp = arena_array(mem, uint32_t, code->ntemp), loop = s->pl->loop;
    bool *early = arena_array(mem, bool, code->ncall);
    bool *kept = arena_array(mem, bool, code->ntemp);
    plan_block *body = s->block;

    plan_find_early(s, code, early, kept);
    for (uint32_t i = 0; i < code->ntemp; i++) {
        if (kept[i])
            plan_go_out(s);
        temp[i] = temp_value(s, code->temp[i]);
        plan_come_in(s, body, loop);
    }
    for (uint32_t i = 0; i < code->ncall; i++) {
        if (early[i])
            plan_go_out(s);
        /* The last call does the work, others prepare. */
        emit_call(s, &code->call[i], temp, note, reads,
                  i + 1 == code->ncall ? flops : NULL);
        plan_come_in(s, body, loop);
    }
}

/* Memory with what the calls of the entry itself read, so that no step of another kind comes
 * between them. */
static void prepare_args(scope *s, const group_code *code)
{
    if (s->block != s->pl->e->body)
        return;
    for (uint32_t i = 0; i < code->ncall; i++)
        for (uint32_t k = 0; k < code->call[i].narg; k++)
            if (code->call[i].arg[k].kind == ARG_VALUE)
                plan_value_of(s, code->call[i].arg[k].id);
}

static void note_calls(scope *s, uint32_t from, uint32_t result)
{
    if (s->block == s->pl->e->body)
        vec_push(&s->pl->group, (plan_calls){from, s->block->step.len, result});
}

/* Gives memory to what the group stores and to its temps, and emits its calls. */
static void emit_group(scope *s, const ir_group *g)
{
    const ir_node *root = &s->fn->node.at[g->root];
    diag *d = s->pl->d;
    group_code code = {0};

    if (!s->pl->o->lower(s->pl->o->lower_cx, &s->groups, g, &code))
        return;
    for (uint32_t i = 0; i < g->nout; i++)
        s->value[g->out[i]] = plan_place_new(s, ir_op_get(root->op)->text,
            ir_type_of(s->fn, g->out[i]), s->want[g->out[i]]);
    const char *place = root->loc.file < d->place.len ? d->place.at[root->loc.file] : "";
    text note = {0};
    text_add(&note, "%s%s%s", ir_op_get(root->op)->text, *place ? " " : "", place);
    prepare_args(s, &code);
    uint32_t from = s->block->step.len;
    plan_reads reads = {0};
    plan_group_reads(s, g, &reads);
    emit_calls(s, &code, arena_strdup(s->pl->mem, note.at), &reads,
               plan_group_flops(s->pl, s->fn, g, code.flops));
    note_calls(s, from, g->nout == 1 ? s->value[g->out[0]] : PLAN_NONE);
    vec_free(&reads);
    text_free(&note);
}

/* Nothing to run: elements known, or never reached. */
static bool needs_no_kernel(const scope *s, const ir_group *g)
{
    for (uint32_t i = 0; i < g->nout; i++) {
        const ir_value *v = &s->fn->value.at[g->out[i]];
        if (!small_known(v) && v->type->kind != TY_NEVER)
            return false;
    }
    return g->nout > 0;
}

/* Is there memory for r without another step: its own, or what it shows? */
static bool has_bytes(const scope *s, ir_ref r)
{
    const ir_node *n = ir_node_of(s->fn, r);
    ir_ref under = plan_same_bytes(s->fn, n);

    return ir_op_get(n->op)->template == TEMPLATE_SOURCE || s->groups.stored[r] ||
           s->fn->value.at[r].elem || (under != IR_NONE && has_bytes(s, under));
}

/* A reshape of what has memory is an alias, not a step. */
static bool only_shows(const scope *s, const ir_group *g)
{
    ir_ref under = plan_same_bytes(s->fn, &s->fn->node.at[g->root]);

    return under != IR_NONE && g->nout == 1 && has_bytes(s, under);
}

static bool holds_sequence(const scope *s, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nres; i++) {
        ir_kind k = ir_type_of(s->fn, n->first + i)->kind;
        if (k == TY_SEQ || k == TY_OPT)
            return true;
    }
    return false;
}

void plan_scope_run(scope *s)
{
    for (uint32_t i = 0; i < s->groups.group.len; i++) {
        const ir_group *g = &s->groups.group.at[i];
        const ir_node *root = &s->fn->node.at[g->root];
        if (holds_sequence(s, root))
            plan_gap(s, root, "sequences and optionals cannot be compiled yet");
        else if (g->template == TEMPLATE_NONE)
            emit_opaque(s, root);
        else if (!needs_no_kernel(s, g) && !only_shows(s, g))
            emit_group(s, g);
    }
}

/* ---- scopes ------------------------------------------------------------------------ */

static uint32_t *none_by_ref(const ir_fn *fn)
{
    uint32_t *a = mem_alloc((fn->value.len + 1) * sizeof *a);

    for (uint32_t i = 0; i < fn->value.len; i++)
        a[i] = PLAN_NONE;
    return a;
}

/* Notes the group that stores each value.  Groups that only show another's bytes make none. */
static void note_makers(scope *s)
{
    for (uint32_t i = 0; i < s->groups.group.len; i++) {
        const ir_group *g = &s->groups.group.at[i];
        const ir_node *n = &s->fn->node.at[g->root];
        for (uint32_t k = 0; k < g->nout && !only_shows(s, g); k++)
            s->maker[g->out[k]] = i;
        if (n->op == OP_IF || n->op == OP_LOOP)
            for (uint32_t k = 0; k < n->nres; k++)
                s->maker[n->first + k] = i;
    }
}

/* Groups are found here, by the same fuse for entries and regions. */
void plan_scope_init(scope *s, planner *pl, const ir_fn *fn, plan_block *b)
{
    *s = (scope){.pl = pl, .fn = fn, .block = b, .value = none_by_ref(fn),
                 .want = none_by_ref(fn), .maker = none_by_ref(fn)};
    fuse(fn, pl->o->target, pl->o->budget && !pl->o->over, &s->groups);
    note_makers(s);
    arena scratch = {0};
    uint32_t *uses = ir_use_counts(fn, &scratch);
    s->uses = mem_alloc((fn->value.len + 1) * sizeof *uses);
    if (fn->value.len)
        memcpy(s->uses, uses, fn->value.len * sizeof *uses);
    arena_reset(&scratch);
}

void plan_scope_free(scope *s)
{
    fuse_free(&s->groups);
    mem_free(s->value);
    mem_free(s->want);
    mem_free(s->maker);
    mem_free(s->uses);
}

/* ---- plans --------------------------------------------------------------------------- */

/* Are the bytes of the value more than a dim can hold? */
static bool overflows(ir_module *m, const ir_type *t)
{
    if (t->kind != TY_TENSOR)
        return false;
    m->dims.overflow = false;
    dim_mul(&m->dims, type_count(&m->types, t), dim_int(&m->dims, dt_size(t->dtype)));
    return m->dims.overflow;
}

/* Where the first value that is too large is made; nowhere, if only a sum is. */
static ir_loc place_of_overflow(ir_module *m, const ir_fn *f)
{
    ir_fn *region[2];
    ir_loc at = {0};

    for (uint32_t i = 0; i < f->node.len && !at.file; i++) {
        const ir_node *n = &f->node.at[i];
        for (uint32_t k = 0; k < n->nres && !at.file; k++)
            if (overflows(m, ir_type_of(f, n->first + k)))
                at = n->loc;
        for (uint32_t r = 0, k = ir_regions(n, region); r < k && !at.file; r++)
            at = place_of_overflow(m, region[r]);
    }
    return at;
}

/* A size that no dim can hold is 0 in the table: nothing may be planned on it. */
static void refuse_overflow(planner *pl, const ir_fn *f)
{
    if (pl->m->dims.overflow)
        diag_error(pl->d, place_of_overflow(pl->m, f), D_SIZE, pl->e->name, "bytes of a value");
    pl->m->dims.overflow = false;
}

static void refuse_late(planner *pl)
{
    if (pl->o->no_alloc && pl->e->lates)
        diag_error(pl->d, (ir_loc){0}, D_GENERAL,
                   arena_printf(pl->mem, "entry '%s' needs memory whose size depends on data, "
                                         "which --no-alloc forbids", pl->e->name));
}

/* Null after errors, all of which are reported: a gap in one entry does not hide
 * those of the next. */
plan *plan_build(ir_module *m, const plan_options *o, diag *d)
{
    plan *p = plan_new(m);
    planner pl = {.p = p, .m = m, .o = o, .d = d, .mem = &p->mem};

    m->dims.overflow = false;
    pl.state_value = mem_alloc((m->state.len + 1) * sizeof *pl.state_value);
    for (uint32_t i = 0; i < m->fn.len; i++)
        if (m->fn.at[i]->entry) {
            plan_one_entry(&pl, m->fn.at[i]);
            refuse_overflow(&pl, m->fn.at[i]);
            refuse_late(&pl);
        }
    mem_free(pl.const_value);
    mem_free(pl.state_value);
    vec_free(&pl.home);
    vec_free(&pl.nest);
    vec_free(&pl.group);
    vec_free(&pl.fewer);
    vec_free(&pl.bound);
    vec_free(&pl.bounded);
    if (!diag_failed(d))
        return p;
    plan_free(p);
    return NULL;
}
