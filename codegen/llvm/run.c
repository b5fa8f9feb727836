/* codegen/llvm/run.c - run(call), the function of an entry: it checks the call, lays the
 * workspace out and does the steps, the parts of a long list as functions. */
#include "abi.h"
#include "llvm_plan.h"

/* ---- parts of long blocks ----------------------------------------------------------- */

/* LLVM's time and memory grow with the square of a function's calls. */
enum { LONG = 512, PART = 128 };

static bool has_parts(const plan_block *b)
{
    bool parts = b->step.len > LONG;

    for (uint32_t i = 0; i < b->step.len && !parts; i++) {
        const plan_step *s = &b->step.at[i];
        if (s->op == STEP_LOOP)
            parts = has_parts(s->u.loop.body);
        if (s->op == STEP_IF)
            parts = has_parts(s->u.branch.yes) || has_parts(s->u.branch.no);
    }
    return parts;
}

/* What the entry's function hands its parts: pointers, in this order. */
static value *frame_word(pemit *e, int i)
{
    value *const word[FRAME_WORDS] = {&e->args,   &e->late, &e->room,
                                      &e->status, &e->sym,  &e->slots};

    return word[i];
}

/* Only where there are parts: symbols and offsets that no other function sees are
 * values to LLVM, so that what steps compute from them is computed once. */
static void write_frame(pemit *e)
{
    if (!has_parts(e->entry->body))
        return;
    e->frame = LLVMBuildAlloca(e->b, LLVMArrayType2(e->ptr, FRAME_WORDS), "frame");
    for (int i = 0; i < FRAME_WORDS; i++)
        LLVMBuildStore(e->b, *frame_word(e, i), pemit_at(e, e->frame, pemit_int(e, 8 * i)));
}

static void read_frame(pemit *e)
{
    e->call = LLVMGetParam(e->f, 0);
    e->frame = LLVMGetParam(e->f, 1);
    for (int i = 0; i < FRAME_WORDS; i++)
        *frame_word(e, i) = pemit_load(e, e->frame, 8 * i, e->ptr);
    e->weights = pemit_call_member(e, offsetof(struct ingot_call, weights));
    e->workspace = pemit_call_member(e, offsetof(struct ingot_call, workspace));
    e->leave = pemit_block(e);
}

static void return_status(pemit *e)
{
    LLVMBuildRet(e->b, LLVMBuildLoad2(e->b, e->i32, e->status, ""));
}

/* Some steps as a function of (call, frame), which returns the status. */
static value part(pemit *e, const plan_step *s, uint32_t n)
{
    pemit outer = *e;
    LLVMBasicBlockRef at = LLVMGetInsertBlock(e->b);
    type arg[2] = {e->ptr, e->ptr};

    pemit_function(e, "part", e->i32, arg, 2);
    value f = e->f;
    read_frame(e);
    for (uint32_t i = 0; i < n; i++)
        pemit_step(e, &s[i]);
    LLVMBuildBr(e->b, e->leave);
    LLVMPositionBuilderAtEnd(e->b, e->leave);
    return_status(e);
    *e = outer;
    LLVMPositionBuilderAtEnd(e->b, at);
    return f;
}

void pemit_steps(pemit *e, const plan_block *b)
{
    uint32_t many = b->step.len;

    for (uint32_t i = 0; i < many && many <= LONG; i++)
        pemit_step(e, &b->step.at[i]);
    for (uint32_t i = 0; i < many && many > LONG; i += PART) {
        value f = part(e, &b->step.at[i], many - i < PART ? many - i : PART);
        value status = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f,
                                      (value[]){e->call, e->frame}, 2, "");
        LLVMBasicBlockRef next = pemit_block(e);
        value ok = LLVMConstInt(e->i32, INGOT_OK, false);
        LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, status, ok, ""), next, e->leave);
        LLVMPositionBuilderAtEnd(e->b, next);
    }
}

/* ---- starting kernels ------------------------------------------------------------- */

/* start(call, kernel, arg, n, least): pool->run(pool->context, kernel, arg, n), or
 * kernel(arg, 0, n, 0) without a pool and for less than `least` iterations. */
value pemit_starter(pemit *e)
{
    type arg[5] = {e->ptr, e->ptr, e->ptr, e->i64, e->i64};
    type body[4] = {e->ptr, e->i64, e->i64, e->i32};

    pemit_function(e, "start", e->none, arg, 5);
    value f = e->f,
          pool = pemit_load(e, LLVMGetParam(f, 0), offsetof(struct ingot_call, pool), e->ptr);
    value kernel = LLVMGetParam(f, 1), data = LLVMGetParam(f, 2), n = LLVMGetParam(f, 3);
    LLVMBasicBlockRef many = pemit_block(e), one = pemit_block(e);
    value parallel = LLVMBuildIsNotNull(e->b, pool, "");
    value enough = LLVMBuildICmp(e->b, LLVMIntSGE, n, LLVMGetParam(f, 4), "");
    parallel = LLVMBuildAnd(e->b, parallel, enough, "");

    LLVMBuildCondBr(e->b, parallel, many, one);
    LLVMPositionBuilderAtEnd(e->b, many);
    value run = pemit_load(e, pool, offsetof(struct ingot_pool, run), e->ptr);
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, arg, 4, false), run,
                   (value[]){pemit_load(e, pool, 0, e->ptr), kernel, data, n}, 4, "");
    LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, one);
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, body, 4, false), kernel,
                   (value[]){data, pemit_int(e, 0), n, LLVMConstInt(e->i32, 0, false)}, 4, "");
    LLVMBuildRetVoid(e->b);
    return f;
}

/* ---- the function ------------------------------------------------------------------- */

/* Words that the largest call of a kernel needs: one array in the frame serves all. */
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

static void place_slots(pemit *e)
{
    value at = pemit_int(e, e->entry->fixed);
    for (uint32_t i = 0; i < e->entry->slot.len; i++) {
        const plan_slot *s = &e->entry->slot.at[i];
        if (s->fixed)
            continue;
        LLVMBuildStore(e->b, at, pemit_at(e, e->slots, pemit_int(e, 8 * (int64_t)i)));
        at = LLVMBuildAdd(e->b, at, pemit_slot_size(e, s), "");
    }
    pemit_set_word(e, 0, pemit_at(e, e->workspace, at));     /* scratch, the same for all kernels */
}

/* Late outputs too: the caller must find null after an error. */
static void clear_late(pemit *e)
{
    value outputs = pemit_call_member(e, offsetof(struct ingot_call, outputs));

    for (uint32_t i = 0; i < e->entry->lates; i++)
        pemit_late_set(e, i, LLVMConstNull(e->ptr), pemit_int(e, 0));
    for (uint32_t i = 0; i < e->entry->output.len; i++) {
        value at = pemit_int(e, (int64_t)sizeof(struct ingot_buffer) * i);
        if (e->entry->output.at[i].late)
            LLVMBuildStore(e->b, LLVMConstNull(e->ptr), pemit_at(e, outputs, at));
    }
}

/* Which dim is out of its bounds, and an input that has it as an axis: "input 'x', axis 0: 'N'
 * must be from 1 to 64". */
static value bounds_message(pemit *e, const dim_symbol *d)
{
    char where[160] = "";
    text t = {0};

    for (uint32_t i = 0; i < e->entry->input.len && !*where; i++) {
        const plan_port *in = &e->entry->input.at[i];
        for (int a = 0; in->type->kind == TY_TENSOR && a < in->type->rank && !*where; a++)
            if (dim_same(in->type->dim[a], d->self))
                snprintf(where, sizeof where, "input '%.100s', axis %d: ", in->name, a);
    }
    text_add(&t, "%s", where);
    dim_print_bounds(d, &t);
    value message = pemit_string(e, t.at);
    text_free(&t);
    return message;
}

/* Dims that a caller gives are within the bounds that code was made for. */
static void check_symbols(pemit *e)
{
    for (uint32_t i = 0; i < e->entry->symbol.len; i++) {
        const dim_symbol *d = &e->dims->symbol.at[e->entry->symbol.at[i]];
        value v = pemit_dim(e, d->self);
        value low = LLVMBuildICmp(e->b, LLVMIntSGE, v, pemit_int(e, max_i64(d->lo, 0)), "");
        value high = LLVMBuildICmp(e->b, LLVMIntSLE, v, pemit_int(e, d->hi), "");
        pemit_leave_unless(e, LLVMBuildAnd(e->b, low, high, ""),
                           LLVMConstInt(e->i32, INGOT_SHAPE, false), bounds_message(e, d));
    }
}

/* The bytes of the outputs that the caller gives must not overflow. */
static void check_outputs(pemit *e)
{
    value good = LLVMBuildNot(e->b, pemit_output_overflow(e), "");

    if (!LLVMIsConstant(good))
        pemit_demand(e, good, INGOT_SHAPE, "an output is too large");
}

static void leave(pemit *e)
{
    LLVMPositionBuilderAtEnd(e->b, e->leave);
    for (uint32_t i = 0; i < e->entry->lates; i++)
        pemit_late_take(e, LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, i), ""));
    return_status(e);
}

/* Slots as a variable, of which LLVM makes registers. */
static value own_workspace(pemit *e)
{
    type bytes = LLVMArrayType2(e->i8, (uint64_t)e->entry->fixed);
    value v = LLVMBuildAlloca(e->b, bytes, "workspace");

    LLVMSetAlignment(v, IMAGE_LINE);
    return v;
}

/* What all steps share, in the function's first block. */
static void open_frame(pemit *e)
{
    uint32_t lates = e->entry->lates + 1;

    e->call = LLVMGetParam(e->f, 0);
    e->status = LLVMBuildAlloca(e->b, e->i32, "status");
    e->args = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, most_words(e->entry->body)), "args");
    e->late = LLVMBuildAlloca(e->b, LLVMArrayType2(e->ptr, lates), "late");
    e->room = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, lates), "room");
    e->slots = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, e->entry->slot.len + 1), "slots");
    LLVMBuildStore(e->b, LLVMConstInt(e->i32, INGOT_OK, false), e->status);
    pemit_symbols(e, pemit_call_member(e, offsetof(struct ingot_call, dims)));
    e->weights = pemit_call_member(e, offsetof(struct ingot_call, weights));
    e->workspace = e->whole ? own_workspace(e)
                            : pemit_call_member(e, offsetof(struct ingot_call, workspace));
    e->leave = pemit_block(e);
}

/* i32 NAME_entry(struct ingot_call *): checks, steps, extents of the outputs,
 * status. */
value pemit_run(pemit *e)
{
    char name[300];

    snprintf(name, sizeof name, "%s_entry", e->entry->name);
    pemit_function(e, name, e->i32, &e->ptr, 1);
    if (e->whole)
        llvm_mark_scalars(e->f);
    open_frame(e);
    clear_late(e);
    check_symbols(e);
    check_outputs(e);
    place_slots(e);
    write_frame(e);
    pemit_steps(e, e->entry->body);
    pemit_write_extents(e);
    LLVMBuildBr(e->b, e->leave);
    leave(e);
    return e->f;
}
