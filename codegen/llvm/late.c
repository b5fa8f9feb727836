/* codegen/llvm/late.c - memory whose size is known only while a model runs: it is
 * the allocator's, and is taken back when its values are dead or the run leaves.
 * Each late memory of an entry has two words in the frame, address and room, both 0
 * at first; so leaving can take back whatever is there, on every way out. */
#include "abi.h"
#include "llvm_plan.h"

value pemit_late(pemit *e, uint32_t late)
{
    return pemit_at(e, e->late, pemit_int(e, 8 * (int64_t)late));
}

/* Where its size is. */
static value late_room(pemit *e, uint32_t late)
{
    return pemit_at(e, e->room, pemit_int(e, 8 * (int64_t)late));
}

/* Null has nothing to take back. */
void pemit_late_take(pemit *e, value memory)
{
    LLVMBasicBlockRef some = pemit_block(e), next = pemit_block(e);
    type arg[2] = {e->ptr, e->ptr};

    LLVMBuildCondBr(e->b, LLVMBuildIsNotNull(e->b, memory, ""), some, next);
    LLVMPositionBuilderAtEnd(e->b, some);
    value a = pemit_call_member(e, offsetof(struct ingot_call, allocator));
    value f = pemit_load(e, a, offsetof(struct ingot_allocator, take), e->ptr);
    LLVMBuildCall2(e->b, LLVMFunctionType(e->none, arg, 2, false), f,
                   (value[]){pemit_load(e, a, 0, e->ptr), memory}, 2, "");
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

/* The run leaves with INGOT_MEMORY if there is no allocator or it has none. */
static value give(pemit *e, value bytes)
{
    type arg[2] = {e->ptr, e->i64};

    pemit_demand(e, LLVMBuildICmp(e->b, LLVMIntSGE, bytes, pemit_int(e, 0), ""), INGOT_MEMORY,
                 "a size overflows");
    value a = pemit_call_member(e, offsetof(struct ingot_call, allocator));
    pemit_demand(e, LLVMBuildIsNotNull(e->b, a, ""), INGOT_MEMORY, "an allocator is needed");
    value f = pemit_load(e, a, offsetof(struct ingot_allocator, give), e->ptr);
    value p = LLVMBuildCall2(e->b, LLVMFunctionType(e->ptr, arg, 2, false), f,
                             (value[]){pemit_load(e, a, 0, e->ptr), bytes}, 2, "");
    pemit_demand(e, LLVMBuildIsNotNull(e->b, p, ""), INGOT_MEMORY, "no memory");
    return p;
}

/* A size as code; what overflows is negative. */
static value checked(pemit *e, ir_dim d)
{
    pemit_check_sizes(e);
    return pemit_checked(e, pemit_dim(e, d), -1);
}

void pemit_late_set(pemit *e, uint32_t late, value memory, value room)
{
    LLVMBuildStore(e->b, memory, pemit_late(e, late));
    LLVMBuildStore(e->b, room, late_room(e, late));
}

void pemit_late_renew(pemit *e, uint32_t late, value bytes)
{
    pemit_late_take(e, LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, late), ""));
    pemit_late_set(e, late, LLVMConstNull(e->ptr), pemit_int(e, 0));
    pemit_late_set(e, late, give(e, bytes), bytes);
}

void pemit_late_alloc(pemit *e, const plan_step *s)
{
    pemit_late_renew(e, s->u.late.late, checked(e, s->u.late.bytes));
}

void pemit_late_free(pemit *e, const plan_step *s)
{
    pemit_late_take(e, LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, s->u.late.late), ""));
    pemit_late_set(e, s->u.late.late, LLVMConstNull(e->ptr), pemit_int(e, 0));
}

void pemit_late_move(pemit *e, const plan_step *s)
{
    uint32_t from = s->u.late.from;

    pemit_late_free(e, s);
    value memory = LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, from), "");
    pemit_late_set(e, s->u.late.late, memory, LLVMBuildLoad2(e->b, e->i64, late_room(e, from), ""));
    pemit_late_set(e, from, LLVMConstNull(e->ptr), pemit_int(e, 0));
}

/* Room for at least so many bytes: doubled, so that growing step by step is
 * linear in all. */
void pemit_late_grow(pemit *e, const plan_step *s)
{
    uint32_t late = s->u.late.late;
    value bytes = checked(e, s->u.late.bytes);
    value room = LLVMBuildLoad2(e->b, e->i64, late_room(e, late), "");
    LLVMBasicBlockRef more = pemit_block(e), next = pemit_block(e);

    pemit_demand(e, LLVMBuildICmp(e->b, LLVMIntSGE, bytes, pemit_int(e, 0), ""), INGOT_MEMORY,
                 "a size overflows");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, bytes, room, ""), more, next);
    LLVMPositionBuilderAtEnd(e->b, more);
    value size = LLVMBuildAdd(e->b, bytes, room, "");
    value to = give(e, size), old = LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, late), "");
    LLVMBuildMemCpy(e->b, to, 1, old, 1, room);
    pemit_late_take(e, old);
    pemit_late_set(e, late, to, size);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

void pemit_late_give(pemit *e, const plan_step *s)
{
    value outputs = pemit_call_member(e, offsetof(struct ingot_call, outputs));
    int64_t at = (int64_t)sizeof(struct ingot_buffer) * s->u.late.from;

    value memory = LLVMBuildLoad2(e->b, e->ptr, pemit_late(e, s->u.late.late), "");
    LLVMBuildStore(e->b, memory, pemit_at(e, outputs, pemit_int(e, at)));
    pemit_late_set(e, s->u.late.late, LLVMConstNull(e->ptr), pemit_int(e, 0));
}
