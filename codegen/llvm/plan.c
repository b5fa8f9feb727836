/* codegen/llvm/plan.c - the steps of a plan: where their values are, which kernels they
 * start, and in what order. */
#include "abi.h"
#include "llvm_plan.h"

/* ---- memory ---------------------------------------------------------------------- */

value pemit_call_member(pemit *e, size_t offset)
{
    return pemit_load(e, e->call, (int64_t)offset, e->ptr);
}

static value slot_offset(pemit *e, uint32_t slot)
{
    const plan_slot *s = &e->entry->slot.at[slot];

    return s->fixed ? pemit_int(e, s->offset) : pemit_load(e, e->slots, 8 * (int64_t)slot, e->i64);
}

static value address_at(pemit *e, uint32_t id, ir_dim offset);

static value const_address(pemit *e, uint32_t id)
{
    return pemit_at(e, e->weights, pemit_int(e, (int64_t)e->image->offset[id]));
}

/* What the caller gives, or the default where that is null. */
static value input_address(pemit *e, uint32_t input)
{
    value inputs = pemit_call_member(e, offsetof(struct ingot_call, inputs));
    value given = pemit_load(e, inputs, 8 * (int64_t)input, e->ptr);
    uint32_t preset = e->entry->input.at[input].preset;

    if (preset == PLAN_NONE)
        return given;
    return LLVMBuildSelect(e->b, LLVMBuildIsNull(e->b, given, ""), const_address(e, preset), given,
                           "");
}

/* Pointer to a value's bytes.  What a place is made of is known when the function
 * begins, so LLVM hoists it. */
value pemit_address(pemit *e, uint32_t id)
{
    const plan_value *v = &e->entry->value.at[id];
    int64_t of = v->of;

    switch (v->place) {
    case PLACE_INPUT:
        return input_address(e, v->of);
    case PLACE_OUTPUT:
        return pemit_load(e, pemit_call_member(e, offsetof(struct ingot_call, outputs)),
                          (int64_t)sizeof(struct ingot_buffer) * of, e->ptr);
    case PLACE_STATE:
        return pemit_at(e, pemit_call_member(e, offsetof(struct ingot_call, states)),
                        pemit_int(e, (int64_t)e->image->state_offset[of]));
    case PLACE_CONST:
        return const_address(e, v->of);
    case PLACE_SLOT:
        return pemit_at(e, e->workspace, slot_offset(e, v->of));
    case PLACE_LATE:
        return LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, v->of), "");
    case PLACE_ALIAS:
        return address_at(e, v->of, v->offset);
    default:
        return LLVMConstNull(e->ptr);
    }
}

static value address_at(pemit *e, uint32_t id, ir_dim offset)
{
    value base = pemit_address(e, id);

    return pemit_at(e, base, pemit_dim(e, offset));
}

/* ---- ways out ------------------------------------------------------------------- */

value pemit_string(pemit *e, const char *s)
{
    return LLVMBuildGlobalStringPtr(e->b, s, "");
}

/* Every way out goes through e->leave, which takes late memory back. */
void pemit_leave_unless(pemit *e, value good, value status, value message)
{
    LLVMBasicBlockRef bad = pemit_block(e), next = pemit_block(e);

    LLVMBuildCondBr(e->b, good, next, bad);
    LLVMPositionBuilderAtEnd(e->b, bad);
    LLVMBuildStore(e->b, message,
                   pemit_at(e, e->call, pemit_int(e, offsetof(struct ingot_call, message))));
    LLVMBuildStore(e->b, status, e->status);
    LLVMBuildBr(e->b, e->leave);
    LLVMPositionBuilderAtEnd(e->b, next);
}

void pemit_demand(pemit *e, value good, int status, const char *message)
{
    pemit_leave_unless(e, good, LLVMConstInt(e->i32, (unsigned)status, false),
                       pemit_string(e, message ? message : ""));
}

static value condition(pemit *e, plan_cond c)
{
    if (c.value == PLAN_NONE)
        return LLVMBuildICmp(e->b, LLVMIntNE, pemit_dim(e, c.dim), pemit_int(e, 0), "");
    return LLVMBuildICmp(e->b, LLVMIntNE, pemit_load(e, pemit_address(e, c.value), 0, e->i8),
                         LLVMConstInt(e->i8, 0, false), "");
}

/* ---- kernels --------------------------------------------------------------------- */

void pemit_set_word(pemit *e, uint32_t i, value v)
{
    LLVMBuildStore(e->b, v, pemit_at(e, e->args, pemit_int(e, 8 * (int64_t)i)));
}

/* 1 without a pool. */
static value threads(pemit *e)
{
    value pool = pemit_call_member(e, offsetof(struct ingot_call, pool));
    value one[1] = {pemit_int(e, 1)};
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), some = pemit_block(e), next = pemit_block(e);

    LLVMBuildCondBr(e->b, LLVMBuildIsNotNull(e->b, pool, ""), some, next);
    LLVMPositionBuilderAtEnd(e->b, some);
    value n = pemit_load(e, pool, offsetof(struct ingot_pool, threads), e->i32);
    n = LLVMBuildSExt(e->b, n, e->i64, "");
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    value phi = LLVMBuildPhi(e->b, e->i64, "");
    LLVMAddIncoming(phi, one, &from, 1);
    LLVMAddIncoming(phi, &n, &some, 1);
    return phi;
}

/* Scratch of all threads in memory of its own, for the next kernel. */
static void late_scratch(pemit *e, const plan_step *s)
{
    value n = threads(e);

    pemit_check_sizes(e);
    value bytes = pemit_arithmetic(e, "smul", pemit_dim(e, s->u.run.scratch), n);
    pemit_late_renew(e, s->u.run.late, pemit_checked(e, bytes, -1));
    pemit_set_word(e, 0, LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, s->u.run.late), ""));
}

/* The function of a kernel, which may be in another module. */
static value kernel_of(pemit *e, uint32_t id)
{
    const char *name = e->image->l->kernel.at[id]->name;
    type arg[4] = {e->ptr, e->i64, e->i64, e->i32};
    value f = LLVMGetNamedFunction(e->m, name);

    if (!f) {
        f = LLVMAddFunction(e->m, name, LLVMFunctionType(e->none, arg, 4, false));
        LLVMSetVisibility(f, LLVMHiddenVisibility);
    }
    return f;
}

/* All its iterations, at once or, if they may be worth it, by threads. */
static void call_kernel(pemit *e, const plan_step *s)
{
    type word[5] = {e->ptr, e->ptr, e->ptr, e->i64, e->i64};
    type own[4] = {e->ptr, e->i64, e->i64, e->i32};
    value kernel = kernel_of(e, s->u.run.kernel), n = pemit_dim(e, s->u.run.trip);
    int64_t few, least = s->u.run.cost
                             ? lp_least_of(s->u.run.cost, e->image->l->target->fork_ns)
                             : e->image->least[s->u.run.kernel];

    if (dim_const(e->dims, s->u.run.trip, &few) && few < least) {
        value all[4] = {e->args, pemit_int(e, 0), n, LLVMConstInt(e->i32, 0, false)};
        LLVMBuildCall2(e->b, LLVMFunctionType(e->none, own, 4, false), kernel, all, 4, "");
    } else {
        value all[5] = {e->call, kernel, e->args, n, pemit_int(e, least)};
        LLVMBuildCall2(e->b, LLVMFunctionType(e->none, word, 5, false), e->start, all, 5, "");
    }
}

/* The words of a kernel's argument: workspace, scratch bytes of a thread if it has scratch,
 * buffers, dims. */
static void run_step(pemit *e, const plan_step *s)
{
    bool late = s->u.run.late != PLAN_NONE;
    value workspace = late ? pemit_load(e, e->args, 0, e->ptr) : NULL;
    uint32_t at = 2;

    if (late)
        late_scratch(e, s);
    if (!dim_is(e->dims, s->u.run.scratch, 0))
        pemit_set_word(e, 1, pemit_dim(e, s->u.run.scratch));
    for (uint32_t i = 0; i < s->u.run.narg; i++)
        pemit_set_word(e, at++, pemit_address(e, s->u.run.arg[i]));
    for (uint32_t i = 0; i < s->u.run.ndim; i++)
        pemit_set_word(e, at++, pemit_dim(e, s->u.run.dim[i]));
    call_kernel(e, s);
    if (late)
        pemit_set_word(e, 0, workspace);
}

/* ---- small steps ------------------------------------------------------------------ */

/* Known elements, for a kernel that reads them.  Alignment 1: the target may be a
 * part of an output. */
static void store_step(pemit *e, const plan_step *s)
{
    const ir_type *t = e->entry->value.at[s->u.store.to].type;
    int size = dt_size(t->dtype);
    value to = pemit_address(e, s->u.store.to);

    for (uint32_t i = 0; i < s->u.store.n; i++) {
        value v = pemit_dim(e, s->u.store.dim[i]);
        if (size < 8)
            v = LLVMBuildTrunc(e->b, v, LLVMIntTypeInContext(e->cx, 8 * (unsigned)size), "");
        value at = pemit_at(e, to, pemit_int(e, (int64_t)i * size));
        LLVMSetAlignment(LLVMBuildStore(e->b, v, at), 1);
    }
}

/* A value that data decide must be in its symbol's range, or sizes that were
 * bounded by it are too small. */
static void bind_step(pemit *e, const plan_step *s)
{
    const dim_symbol *d = &e->dims->symbol.at[s->u.bind.sym];
    value v = pemit_load(e, pemit_address(e, s->u.bind.value), 0, e->i64);
    value low = LLVMBuildICmp(e->b, LLVMIntSGE, v, pemit_int(e, d->lo), "");
    value high = LLVMBuildICmp(e->b, LLVMIntSLE, v, pemit_int(e, d->hi), "");

    if (d->lo != INT64_MIN || d->hi != INT64_MAX)
        pemit_demand(e, LLVMBuildAnd(e->b, low, high, ""), INGOT_CHECK,
                     "a run-time extent is out of range");
    LLVMBuildStore(e->b, v, pemit_symbol(e, s->u.bind.sym));
}

static void let_step(pemit *e, const plan_step *s)
{
    value *v = mem_alloc((s->u.let.n + 1) * sizeof *v);

    for (uint32_t i = 0; i < s->u.let.n; i++)
        v[i] = pemit_dim(e, s->u.let.dim[i]);
    for (uint32_t i = 0; i < s->u.let.n; i++)
        LLVMBuildStore(e->b, v[i], pemit_symbol(e, s->u.let.sym[i]));
    mem_free(v);
}

static value not_negative(pemit *e, value v)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, v, pemit_int(e, 0), ""), v,
                           pemit_int(e, 0), "");
}

/* A loop over rows, or one memcpy. */
static void copy_step(pemit *e, const plan_step *s)
{
    value to = address_at(e, s->u.copy.to, s->u.copy.to_offset);
    value from = address_at(e, s->u.copy.from, s->u.copy.from_offset);
    value bytes = not_negative(e, pemit_dim(e, s->u.copy.bytes));

    if (dim_is(e->dims, s->u.copy.rows, 1)) {
        LLVMBuildMemCpy(e->b, to, 1, from, 1, bytes);
        return;
    }
    value to_stride = pemit_dim(e, s->u.copy.to_stride),
          from_stride = pemit_dim(e, s->u.copy.from_stride);
    pemit_loop l = pemit_loop_open(e, pemit_dim(e, s->u.copy.rows));
    to = pemit_at(e, to, LLVMBuildMul(e->b, l.index, to_stride, ""));
    from = pemit_at(e, from, LLVMBuildMul(e->b, l.index, from_stride, ""));
    LLVMBuildMemCpy(e->b, to, 1, from, 1, bytes);
    pemit_loop_close(e, &l);
}

/* ---- control ---------------------------------------------------------------------- */

/* Both sides end at `next`; values need no phi, since they lie in memory. */
static void if_step(pemit *e, const plan_step *s)
{
    LLVMBasicBlockRef yes = pemit_block(e), no = pemit_block(e), next = pemit_block(e);

    LLVMBuildCondBr(e->b, condition(e, s->u.branch.cond), yes, no);
    LLVMPositionBuilderAtEnd(e->b, yes);
    pemit_steps(e, s->u.branch.yes);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, no);
    pemit_steps(e, s->u.branch.no);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

/* The index lies in the frame, as the symbols of the body's steps do. */
static void loop_step(pemit *e, const plan_step *s)
{
    LLVMBasicBlockRef test = pemit_block(e), body = pemit_block(e), next = pemit_block(e);
    value index = pemit_symbol(e, s->u.loop.index), trip = pemit_dim(e, s->u.loop.trip);

    LLVMBuildStore(e->b, pemit_int(e, 0), index);
    LLVMBuildCondBr(e->b, condition(e, s->u.loop.cond), test, next);
    LLVMPositionBuilderAtEnd(e->b, test);
    value i = LLVMBuildLoad2(e->b, e->i64, index, "");
    value more = LLVMBuildICmp(e->b, LLVMIntSLT, i, trip, "");
    if (s->u.loop.infinite)
        LLVMBuildBr(e->b, body);
    else
        LLVMBuildCondBr(e->b, more, body, next);
    LLVMPositionBuilderAtEnd(e->b, body);
    pemit_steps(e, s->u.loop.body);
    value again = condition(e, s->u.loop.again);
    value now = LLVMBuildLoad2(e->b, e->i64, index, "");
    LLVMBuildStore(e->b, LLVMBuildAdd(e->b, now, pemit_int(e, 1), ""), index);
    LLVMBuildCondBr(e->b, again, test, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    if (s->u.loop.trips != PLAN_NONE) {
        value trips = LLVMBuildLoad2(e->b, e->i64, index, "");
        LLVMBuildStore(e->b, trips, pemit_symbol(e, s->u.loop.trips));
    }
}

/* Calls back when a kernel begins, if somebody watches. */
static void tell_begin(pemit *e, const plan_step *s)
{
    const image_watch *w = &e->image->watch;
    type arg[2] = {e->ptr, e->ptr};
    bool kernel = s->op == STEP_RUN || s->op == STEP_EXTERN;

    if (!w->begins || !kernel)
        return;
    value f = LLVMConstIntToPtr(pemit_int(e, (int64_t)(uintptr_t)w->begins), e->ptr);
    value given[2] = {LLVMConstIntToPtr(pemit_int(e, (int64_t)(uintptr_t)w->cx), e->ptr),
                      LLVMConstIntToPtr(pemit_int(e, (int64_t)(uintptr_t)s), e->ptr)};
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, arg, 2, false), f, given, 2, "");
}

void pemit_step(pemit *e, const plan_step *s)
{
    tell_begin(e, s);
    switch (s->op) {
    case STEP_RUN: (e->whole ? pemit_whole_run : run_step)(e, s); break;
    case STEP_STORE: store_step(e, s); break;
    case STEP_BIND: bind_step(e, s); break;
    case STEP_LET: let_step(e, s); break;
    case STEP_CHECK: pemit_demand(e, condition(e, s->u.check.cond), INGOT_CHECK, s->note); break;
    case STEP_COPY: copy_step(e, s); break;
    case STEP_ALLOC: pemit_late_alloc(e, s); break;
    case STEP_FREE: pemit_late_free(e, s); break;
    case STEP_MOVE: pemit_late_move(e, s); break;
    case STEP_GROW: pemit_late_grow(e, s); break;
    case STEP_GIVE: pemit_late_give(e, s); break;
    case STEP_IF: if_step(e, s); break;
    case STEP_LOOP: loop_step(e, s); break;
    case STEP_EXTERN: pemit_extern(e, s); break;
    }
}
