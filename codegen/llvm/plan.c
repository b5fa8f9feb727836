/* codegen/llvm/plan.c - the steps of a plan as the function run(call). */
#include "llvm_plan.h"

#include "abi.h"

static void steps(emitter *e, const plan_block *b);

/* ---- memory ---------------------------------------------------------------------- */

static value late_pointer(emitter *e, uint32_t late)
{
    return pe_at(e, e->late, pe_int(e, 8 * (int64_t)late));
}

static value late_room(emitter *e, uint32_t late)
{
    return pe_at(e, e->room, pe_int(e, 8 * (int64_t)late));
}

static value call_member(emitter *e, size_t offset)
{
    return pe_load(e, e->call, (int64_t)offset, e->ptr);
}

static value slot_offset(emitter *e, uint32_t slot)
{
    const plan_slot *s = &e->e->slot.at[slot];

    return s->fixed ? pe_int(e, s->offset) : pe_load(e, e->slots, 8 * (int64_t)slot, e->i64);
}

static value address_at(emitter *e, uint32_t id, ir_dim offset);

value pe_address(emitter *e, uint32_t id)
{
    const plan_value *v = &e->e->value.at[id];
    int64_t of = v->of;

    switch (v->place) {
    case PLACE_INPUT:
        return pe_load(e, call_member(e, offsetof(struct ingot_call, inputs)), 8 * of, e->ptr);
    case PLACE_OUTPUT:
        return pe_load(e, call_member(e, offsetof(struct ingot_call, outputs)),
                       (int64_t)sizeof(struct ingot_buffer) * of, e->ptr);
    case PLACE_STATE:
        return pe_at(e, call_member(e, offsetof(struct ingot_call, states)),
                     pe_int(e, (int64_t)e->image->state_offset[of]));
    case PLACE_CONST:
        return pe_at(e, e->weights, pe_int(e, (int64_t)e->image->offset[of]));
    case PLACE_SLOT:
        return pe_at(e, e->workspace, slot_offset(e, v->of));
    case PLACE_LATE:
        return LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, v->of), "");
    case PLACE_ALIAS:
        return address_at(e, v->of, v->offset);
    default:
        return LLVMConstNull(e->ptr);
    }
}

static value address_at(emitter *e, uint32_t id, ir_dim offset)
{
    value base = pe_address(e, id);

    return pe_at(e, base, pe_dim(e, offset));
}

/* ---- ways out ------------------------------------------------------------------- */

static value string(emitter *e, const char *s)
{
    return LLVMBuildGlobalStringPtr(e->b, s, "");
}

void pe_demand(emitter *e, value good, value status, value message)
{
    LLVMBasicBlockRef bad = pe_block(e), next = pe_block(e);

    LLVMBuildCondBr(e->b, good, next, bad);
    LLVMPositionBuilderAtEnd(e->b, bad);
    LLVMBuildStore(e->b, message,
                   pe_at(e, e->call, pe_int(e, offsetof(struct ingot_call, message))));
    LLVMBuildStore(e->b, status, e->status);
    LLVMBuildBr(e->b, e->leave);
    LLVMPositionBuilderAtEnd(e->b, next);
}

static void demand(emitter *e, value good, int status, const char *message)
{
    pe_demand(e, good, LLVMConstInt(e->i32, (unsigned)status, false),
              string(e, message ? message : ""));
}

static value condition(emitter *e, plan_cond c)
{
    if (c.value == PLAN_NONE)
        return LLVMBuildICmp(e->b, LLVMIntNE, pe_dim(e, c.dim), pe_int(e, 0), "");
    return LLVMBuildICmp(e->b, LLVMIntNE, pe_load(e, pe_address(e, c.value), 0, e->i8),
                         LLVMConstInt(e->i8, 0, false), "");
}

/* ---- late memory ------------------------------------------------------------------ */

/* allocator->take(context, memory) if there is memory. */
static void take(emitter *e, value memory)
{
    LLVMBasicBlockRef some = pe_block(e), next = pe_block(e);
    type arg[2] = {e->ptr, e->ptr};

    LLVMBuildCondBr(e->b, LLVMBuildIsNotNull(e->b, memory, ""), some, next);
    LLVMPositionBuilderAtEnd(e->b, some);
    value a = call_member(e, offsetof(struct ingot_call, allocator));
    value f = pe_load(e, a, offsetof(struct ingot_allocator, take), e->ptr);
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, arg, 2, false), f,
                   (value[]){pe_load(e, a, 0, e->ptr), memory}, 2, "");
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

static value give(emitter *e, value bytes)
{
    type arg[2] = {e->ptr, e->i64};

    demand(e, LLVMBuildICmp(e->b, LLVMIntSGE, bytes, pe_int(e, 0), ""), INGOT_MEMORY,
           "a size overflows");
    value a = call_member(e, offsetof(struct ingot_call, allocator));
    demand(e, LLVMBuildIsNotNull(e->b, a, ""), INGOT_MEMORY, "an allocator is needed");
    value f = pe_load(e, a, offsetof(struct ingot_allocator, give), e->ptr);
    value p = LLVMBuildCall2(e->b, LLVMFunctionType(e->ptr, arg, 2, false), f,
                             (value[]){pe_load(e, a, 0, e->ptr), bytes}, 2, "");
    demand(e, LLVMBuildIsNotNull(e->b, p, ""), INGOT_MEMORY, "no memory");
    return p;
}

/* A size as code; what overflows is negative. */
static value checked(emitter *e, ir_dim d)
{
    pe_check_sizes(e);
    return pe_checked(e, pe_dim(e, d), -1);
}

static void set_late(emitter *e, uint32_t late, value memory, value room)
{
    LLVMBuildStore(e->b, memory, late_pointer(e, late));
    LLVMBuildStore(e->b, room, late_room(e, late));
}

/* What `late` held is gone. */
static void renew_late(emitter *e, uint32_t late, value bytes)
{
    take(e, LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, late), ""));
    set_late(e, late, LLVMConstNull(e->ptr), pe_int(e, 0));
    set_late(e, late, give(e, bytes), bytes);
}

static void emit_alloc(emitter *e, const plan_step *s)
{
    renew_late(e, s->u.late.late, checked(e, s->u.late.bytes));
}

static void emit_free(emitter *e, const plan_step *s)
{
    take(e, LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, s->u.late.late), ""));
    set_late(e, s->u.late.late, LLVMConstNull(e->ptr), pe_int(e, 0));
}

static void emit_move(emitter *e, const plan_step *s)
{
    uint32_t from = s->u.late.from;

    emit_free(e, s);
    value memory = LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, from), "");
    set_late(e, s->u.late.late, memory, LLVMBuildLoad2(e->b, e->i64, late_room(e, from), ""));
    set_late(e, from, LLVMConstNull(e->ptr), pe_int(e, 0));
}

/* Room for at least so many bytes: doubled, so that growing step by step is
 * linear in all. */
static void emit_grow(emitter *e, const plan_step *s)
{
    uint32_t late = s->u.late.late;
    value bytes = checked(e, s->u.late.bytes);
    value room = LLVMBuildLoad2(e->b, e->i64, late_room(e, late), "");
    LLVMBasicBlockRef more = pe_block(e), next = pe_block(e);

    demand(e, LLVMBuildICmp(e->b, LLVMIntSGE, bytes, pe_int(e, 0), ""), INGOT_MEMORY,
           "a size overflows");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, bytes, room, ""), more, next);
    LLVMPositionBuilderAtEnd(e->b, more);
    value size = LLVMBuildAdd(e->b, bytes, room, "");
    value to = give(e, size), old = LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, late), "");
    LLVMBuildMemCpy(e->b, to, 1, old, 1, room);
    take(e, old);
    set_late(e, late, to, size);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

static void emit_give(emitter *e, const plan_step *s)
{
    value outputs = call_member(e, offsetof(struct ingot_call, outputs));
    int64_t at = (int64_t)sizeof(struct ingot_buffer) * s->u.late.from;

    value memory = LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, s->u.late.late), "");
    LLVMBuildStore(e->b, memory, pe_at(e, outputs, pe_int(e, at)));
    set_late(e, s->u.late.late, LLVMConstNull(e->ptr), pe_int(e, 0));
}

/* ---- kernels --------------------------------------------------------------------- */

/* start(call, kernel, arg, n, least): pool->run(pool->context, kernel, arg, n), or
 * kernel(arg, 0, n, 0) without a pool and for less than `least` iterations. */
value pe_starter(emitter *e)
{
    type arg[5] = {e->ptr, e->ptr, e->ptr, e->i64, e->i64};
    type body[4] = {e->ptr, e->i64, e->i64, e->i32};

    pe_function(e, "start", e->none, arg, 5);
    value f = e->f,
          pool = pe_load(e, LLVMGetParam(f, 0), offsetof(struct ingot_call, pool), e->ptr);
    value kernel = LLVMGetParam(f, 1), data = LLVMGetParam(f, 2), n = LLVMGetParam(f, 3);
    LLVMBasicBlockRef many = pe_block(e), one = pe_block(e);
    value parallel = LLVMBuildIsNotNull(e->b, pool, "");
    value enough = LLVMBuildICmp(e->b, LLVMIntSGE, n, LLVMGetParam(f, 4), "");
    parallel = LLVMBuildAnd(e->b, parallel, enough, "");

    LLVMBuildCondBr(e->b, parallel, many, one);
    LLVMPositionBuilderAtEnd(e->b, many);
    value run = pe_load(e, pool, offsetof(struct ingot_pool, run), e->ptr);
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, arg, 4, false), run,
                   (value[]){pe_load(e, pool, 0, e->ptr), kernel, data, n}, 4, "");
    LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, one);
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, body, 4, false), kernel,
                   (value[]){data, pe_int(e, 0), n, LLVMConstInt(e->i32, 0, false)}, 4, "");
    LLVMBuildRetVoid(e->b);
    return f;
}

static void set_word(emitter *e, uint32_t i, value v)
{
    LLVMBuildStore(e->b, v, pe_at(e, e->args, pe_int(e, 8 * (int64_t)i)));
}

static value threads(emitter *e)
{
    value pool = call_member(e, offsetof(struct ingot_call, pool)), one[1] = {pe_int(e, 1)};
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), some = pe_block(e), next = pe_block(e);

    LLVMBuildCondBr(e->b, LLVMBuildIsNotNull(e->b, pool, ""), some, next);
    LLVMPositionBuilderAtEnd(e->b, some);
    value n = pe_load(e, pool, offsetof(struct ingot_pool, threads), e->i32);
    n = LLVMBuildSExt(e->b, n, e->i64, "");
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    value phi = LLVMBuildPhi(e->b, e->i64, "");
    LLVMAddIncoming(phi, one, &from, 1);
    LLVMAddIncoming(phi, &n, &some, 1);
    return phi;
}

/* Scratch of all threads in memory of its own, for the next kernel. */
static void late_scratch(emitter *e, const plan_step *s)
{
    value n = threads(e);

    pe_check_sizes(e);
    value bytes = pe_arithmetic(e, "smul", pe_dim(e, s->u.run.scratch), n);
    renew_late(e, s->u.run.late, pe_checked(e, bytes, -1));
    set_word(e, 0, LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, s->u.run.late), ""));
}

/* The function of a kernel, which may be in another module. */
static value kernel_of(emitter *e, uint32_t id)
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

static void emit_run(emitter *e, const plan_step *s)
{
    value kernel = kernel_of(e, s->u.run.kernel);
    type arg[5] = {e->ptr, e->ptr, e->ptr, e->i64, e->i64};
    bool late = s->u.run.late != PLAN_NONE;
    value workspace = late ? pe_load(e, e->args, 0, e->ptr) : NULL;
    uint32_t at = 2;

    if (late)
        late_scratch(e, s);
    set_word(e, 1, pe_dim(e, s->u.run.scratch));
    for (uint32_t i = 0; i < s->u.run.narg; i++)
        set_word(e, at++, pe_address(e, s->u.run.arg[i]));
    for (uint32_t i = 0; i < s->u.run.ndim; i++)
        set_word(e, at++, pe_dim(e, s->u.run.dim[i]));
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, arg, 5, false), e->start,
                   (value[]){e->call, kernel, e->args, pe_dim(e, s->u.run.trip),
                             pe_int(e, e->image->least[s->u.run.kernel])}, 5, "");
    if (late)
        set_word(e, 0, workspace);
}

/* ---- small steps ------------------------------------------------------------------ */

static void emit_store(emitter *e, const plan_step *s)
{
    const ir_type *t = e->e->value.at[s->u.store.to].type;
    int size = dt_size(t->dtype);
    value to = pe_address(e, s->u.store.to);

    for (uint32_t i = 0; i < s->u.store.n; i++) {
        value v = pe_dim(e, s->u.store.dim[i]);
        if (size < 8)
            v = LLVMBuildTrunc(e->b, v, LLVMIntTypeInContext(e->cx, 8 * (unsigned)size), "");
        LLVMSetAlignment(LLVMBuildStore(e->b, v, pe_at(e, to, pe_int(e, (int64_t)i * size))), 1);
    }
}

static void emit_bind(emitter *e, const plan_step *s)
{
    const dim_symbol *d = &e->dims->symbol.at[s->u.bind.sym];
    value v = pe_load(e, pe_address(e, s->u.bind.value), 0, e->i64);
    value low = LLVMBuildICmp(e->b, LLVMIntSGE, v, pe_int(e, d->lo), "");
    value high = LLVMBuildICmp(e->b, LLVMIntSLE, v, pe_int(e, d->hi), "");

    if (d->lo != INT64_MIN || d->hi != INT64_MAX)
        demand(e, LLVMBuildAnd(e->b, low, high, ""), INGOT_CHECK,
               "a run-time extent is out of range");
    LLVMBuildStore(e->b, v, pe_symbol(e, s->u.bind.sym));
}

static void emit_let(emitter *e, const plan_step *s)
{
    value *v = mem_alloc((s->u.let.n + 1) * sizeof *v);

    for (uint32_t i = 0; i < s->u.let.n; i++)
        v[i] = pe_dim(e, s->u.let.dim[i]);
    for (uint32_t i = 0; i < s->u.let.n; i++)
        LLVMBuildStore(e->b, v[i], pe_symbol(e, s->u.let.sym[i]));
    mem_free(v);
}

static value not_negative(emitter *e, value v)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, v, pe_int(e, 0), ""), v,
                           pe_int(e, 0), "");
}

static void emit_copy(emitter *e, const plan_step *s)
{
    value to = address_at(e, s->u.copy.to, s->u.copy.to_offset);
    value from = address_at(e, s->u.copy.from, s->u.copy.from_offset);
    value bytes = not_negative(e, pe_dim(e, s->u.copy.bytes));

    if (dim_is(e->dims, s->u.copy.rows, 1)) {
        LLVMBuildMemCpy(e->b, to, 1, from, 1, bytes);
        return;
    }
    value to_stride = pe_dim(e, s->u.copy.to_stride),
          from_stride = pe_dim(e, s->u.copy.from_stride);
    pe_loop l = pe_loop_open(e, pe_dim(e, s->u.copy.rows));
    to = pe_at(e, to, LLVMBuildMul(e->b, l.index, to_stride, ""));
    from = pe_at(e, from, LLVMBuildMul(e->b, l.index, from_stride, ""));
    LLVMBuildMemCpy(e->b, to, 1, from, 1, bytes);
    pe_loop_close(e, &l);
}

/* ---- control ---------------------------------------------------------------------- */

static void emit_if(emitter *e, const plan_step *s)
{
    LLVMBasicBlockRef yes = pe_block(e), no = pe_block(e), next = pe_block(e);

    LLVMBuildCondBr(e->b, condition(e, s->u.branch.cond), yes, no);
    LLVMPositionBuilderAtEnd(e->b, yes);
    steps(e, s->u.branch.yes);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, no);
    steps(e, s->u.branch.no);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

static void emit_loop(emitter *e, const plan_step *s)
{
    LLVMBasicBlockRef test = pe_block(e), body = pe_block(e), next = pe_block(e);
    value index = pe_symbol(e, s->u.loop.index), trip = pe_dim(e, s->u.loop.trip);

    LLVMBuildStore(e->b, pe_int(e, 0), index);
    LLVMBuildCondBr(e->b, condition(e, s->u.loop.cond), test, next);
    LLVMPositionBuilderAtEnd(e->b, test);
    value i = LLVMBuildLoad2(e->b, e->i64, index, "");
    value more = LLVMBuildICmp(e->b, LLVMIntSLT, i, trip, "");
    if (s->u.loop.infinite)
        LLVMBuildBr(e->b, body);
    else
        LLVMBuildCondBr(e->b, more, body, next);
    LLVMPositionBuilderAtEnd(e->b, body);
    steps(e, s->u.loop.body);
    value again = condition(e, s->u.loop.again);
    value now = LLVMBuildLoad2(e->b, e->i64, index, "");
    LLVMBuildStore(e->b, LLVMBuildAdd(e->b, now, pe_int(e, 1), ""), index);
    LLVMBuildCondBr(e->b, again, test, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    if (s->u.loop.trips != PLAN_NONE) {
        value trips = LLVMBuildLoad2(e->b, e->i64, index, "");
        LLVMBuildStore(e->b, trips, pe_symbol(e, s->u.loop.trips));
    }
}

static void step(emitter *e, const plan_step *s)
{
    switch (s->op) {
    case STEP_RUN: emit_run(e, s); break;
    case STEP_STORE: emit_store(e, s); break;
    case STEP_BIND: emit_bind(e, s); break;
    case STEP_LET: emit_let(e, s); break;
    case STEP_CHECK: demand(e, condition(e, s->u.check.cond), INGOT_CHECK, s->note); break;
    case STEP_COPY: emit_copy(e, s); break;
    case STEP_ALLOC: emit_alloc(e, s); break;
    case STEP_FREE: emit_free(e, s); break;
    case STEP_MOVE: emit_move(e, s); break;
    case STEP_GROW: emit_grow(e, s); break;
    case STEP_GIVE: emit_give(e, s); break;
    case STEP_IF: emit_if(e, s); break;
    case STEP_LOOP: emit_loop(e, s); break;
    case STEP_EXTERN: pe_extern(e, s); break;
    }
}

/* ---- parts of long blocks ----------------------------------------------------------- */

/* What the entry's function hands its parts: pointers, in this order. */
static value *frame_word(emitter *e, int i)
{
    value *const word[FRAME_WORDS] = {&e->args,   &e->late, &e->room,
                                      &e->status, &e->sym,  &e->slots};

    return word[i];
}

static void write_frame(emitter *e)
{
    e->frame = LLVMBuildAlloca(e->b, LLVMArrayType2(e->ptr, FRAME_WORDS), "frame");
    for (int i = 0; i < FRAME_WORDS; i++)
        LLVMBuildStore(e->b, *frame_word(e, i), pe_at(e, e->frame, pe_int(e, 8 * i)));
}

static void read_frame(emitter *e)
{
    e->call = LLVMGetParam(e->f, 0);
    e->frame = LLVMGetParam(e->f, 1);
    for (int i = 0; i < FRAME_WORDS; i++)
        *frame_word(e, i) = pe_load(e, e->frame, 8 * i, e->ptr);
    e->weights = call_member(e, offsetof(struct ingot_call, weights));
    e->workspace = call_member(e, offsetof(struct ingot_call, workspace));
    e->leave = pe_block(e);
}

static void return_status(emitter *e)
{
    LLVMBuildRet(e->b, LLVMBuildLoad2(e->b, e->i32, e->status, ""));
}

/* Some steps as a function of (call, frame), which returns the status. */
static value part(emitter *e, const plan_step *s, uint32_t n)
{
    emitter outer = *e;
    LLVMBasicBlockRef at = LLVMGetInsertBlock(e->b);
    type arg[2] = {e->ptr, e->ptr};

    pe_function(e, "part", e->i32, arg, 2);
    value f = e->f;
    read_frame(e);
    for (uint32_t i = 0; i < n; i++)
        step(e, &s[i]);
    LLVMBuildBr(e->b, e->leave);
    LLVMPositionBuilderAtEnd(e->b, e->leave);
    return_status(e);
    *e = outer;
    LLVMPositionBuilderAtEnd(e->b, at);
    return f;
}

/* LLVM's time and memory grow with the square of a function's calls. */
static void steps(emitter *e, const plan_block *b)
{
    enum { LONG = 512, PART = 128 };
    uint32_t many = b->step.len;

    for (uint32_t i = 0; i < many && many <= LONG; i++)
        step(e, &b->step.at[i]);
    for (uint32_t i = 0; i < many && many > LONG; i += PART) {
        value f = part(e, &b->step.at[i], many - i < PART ? many - i : PART);
        value status = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f,
                                      (value[]){e->call, e->frame}, 2, "");
        LLVMBasicBlockRef next = pe_block(e);
        value ok = LLVMConstInt(e->i32, INGOT_OK, false);
        LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, status, ok, ""), next, e->leave);
        LLVMPositionBuilderAtEnd(e->b, next);
    }
}

/* ---- the function ------------------------------------------------------------------- */

static uint32_t most_words(const plan_block *b)
{
    uint32_t most = 2;

    for (uint32_t i = 0; i < b->step.len; i++) {
        const plan_step *s = &b->step.at[i];
        uint32_t n = s->op == STEP_RUN ? 2 + s->u.run.narg + s->u.run.ndim : 0;
        if (s->op == STEP_LOOP)
            n = most_words(s->u.loop.body);
        if (s->op == STEP_IF) {
            uint32_t yes = most_words(s->u.branch.yes), no = most_words(s->u.branch.no);
            n = yes > no ? yes : no;
        }
        most = n > most ? n : most;
    }
    return most;
}

static void place_slots(emitter *e)
{
    value at = pe_int(e, e->e->fixed);

    e->slots = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, e->e->slot.len + 1), "slots");
    for (uint32_t i = 0; i < e->e->slot.len; i++) {
        const plan_slot *s = &e->e->slot.at[i];
        if (s->fixed)
            continue;
        LLVMBuildStore(e->b, at, pe_at(e, e->slots, pe_int(e, 8 * (int64_t)i)));
        at = LLVMBuildAdd(e->b, at, pe_slot_size(e, s), "");
    }
    set_word(e, 0, pe_at(e, e->workspace, at));     /* scratch, the same for all kernels */
}

static void clear_late(emitter *e)
{
    value outputs = call_member(e, offsetof(struct ingot_call, outputs));

    for (uint32_t i = 0; i < e->e->lates; i++)
        set_late(e, i, LLVMConstNull(e->ptr), pe_int(e, 0));
    for (uint32_t i = 0; i < e->e->output.len; i++)
        if (e->e->output.at[i].late)
            LLVMBuildStore(e->b, LLVMConstNull(e->ptr),
                           pe_at(e, outputs, pe_int(e, (int64_t)sizeof(struct ingot_buffer) * i)));
}

static void check_symbols(emitter *e)
{
    for (uint32_t i = 0; i < e->e->symbol.len; i++) {
        const dim_symbol *d = &e->dims->symbol.at[e->e->symbol.at[i]];
        value v = pe_dim(e, d->self);
        value low = LLVMBuildICmp(e->b, LLVMIntSGE, v, pe_int(e, max_i64(d->lo, 0)), "");
        value high = LLVMBuildICmp(e->b, LLVMIntSLE, v, pe_int(e, d->hi), "");
        demand(e, LLVMBuildAnd(e->b, low, high, ""), INGOT_SHAPE,
               "an input's extent is out of range");
    }
}

/* The bytes of the outputs that the caller gives must not overflow. */
static void check_outputs(emitter *e)
{
    value good = LLVMBuildNot(e->b, pe_output_overflow(e), "");

    if (!LLVMIsConstant(good))
        demand(e, good, INGOT_SHAPE, "an output is too large");
}

static void leave(emitter *e)
{
    LLVMPositionBuilderAtEnd(e->b, e->leave);
    for (uint32_t i = 0; i < e->e->lates; i++)
        take(e, LLVMBuildLoad2(e->b, e->ptr, late_pointer(e, i), ""));
    return_status(e);
}

static void open_frame(emitter *e)
{
    uint32_t lates = e->e->lates + 1;

    e->call = LLVMGetParam(e->f, 0);
    e->status = LLVMBuildAlloca(e->b, e->i32, "status");
    e->args = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, most_words(e->e->body)), "args");
    e->late = LLVMBuildAlloca(e->b, LLVMArrayType2(e->ptr, lates), "late");
    e->room = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, lates), "room");
    LLVMBuildStore(e->b, LLVMConstInt(e->i32, INGOT_OK, false), e->status);
    pe_symbols(e, call_member(e, offsetof(struct ingot_call, dims)));
    e->weights = call_member(e, offsetof(struct ingot_call, weights));
    e->workspace = call_member(e, offsetof(struct ingot_call, workspace));
    e->leave = pe_block(e);
}

value pe_run(emitter *e)
{
    char name[300];

    snprintf(name, sizeof name, "%s_entry", e->e->name);
    pe_function(e, name, e->i32, &e->ptr, 1);
    open_frame(e);
    clear_late(e);
    check_symbols(e);
    check_outputs(e);
    place_slots(e);
    write_frame(e);
    steps(e, e->e->body);
    pe_write_extents(e);
    LLVMBuildBr(e->b, e->leave);
    leave(e);
    return e->f;
}
