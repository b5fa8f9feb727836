/* codegen/llvm/extern.c - calls of the runtime's kernels (ir/kernels.def).
 *
 * The kernel gets a struct ingot_extern in the frame of the function that calls it:
 * tensors with their extents, integers, the call's threads, and room for the extents that it
 * finds. */
#include "llvm_plan.h"

#include "abi.h"

/* Bytes of the frame of the function, once in each call of it. */
static value in_frame(pemit *e, size_t bytes)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), entry = LLVMGetEntryBasicBlock(e->f);
    value first = LLVMGetFirstInstruction(entry);

    if (first)
        LLVMPositionBuilderBefore(e->b, first);
    else
        LLVMPositionBuilderAtEnd(e->b, entry);
    value p = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, (bytes + 7) / 8), "extern");
    LLVMPositionBuilderAtEnd(e->b, here);
    return p;
}

static void put(pemit *e, value base, size_t offset, value v)
{
    LLVMBuildStore(e->b, v, pemit_at(e, base, pemit_int(e, (int64_t)offset)));
}

static void put_i32(pemit *e, value base, size_t offset, int v)
{
    put(e, base, offset, LLVMConstInt(e->i32, (unsigned)v, true));
}

/* Are t's extents known before the step?  Those that it finds out are not, and no
 * kernel reads them. */
static bool extents_known(const pemit *e, const plan_step *s, const ir_type *t)
{
    for (int i = 0; i < t->rank; i++)
        for (uint32_t k = 0; k < s->u.ext.nsym; k++)
            if (dim_same(t->dim[i], e->dims->symbol.at[s->u.ext.sym[k]].self))
                return false;
    return true;
}

/* A struct ingot_tensor at `at`, whose extents lie at `dims`. */
static void put_tensor(pemit *e, const plan_step *s, value at, value dims, uint32_t v)
{
    const ir_type *t = e->entry->value.at[v].type;

    put(e, at, offsetof(struct ingot_tensor, data), pemit_address(e, v));
    put(e, at, offsetof(struct ingot_tensor, dims), dims);
    put_i32(e, at, offsetof(struct ingot_tensor, dtype), dt_of(t->dtype)->onnx);
    put_i32(e, at, offsetof(struct ingot_tensor, rank), t->rank);
    for (int i = 0; i < t->rank && extents_known(e, s, t); i++)
        put(e, dims, 8 * (size_t)i, pemit_dim(e, t->dim[i]));
}

/* Tensors of all arguments, and behind them their extents. */
static value tensors(pemit *e, const plan_step *s)
{
    size_t at = s->u.ext.narg * sizeof(struct ingot_tensor), bytes = at;

    for (uint32_t i = 0; i < s->u.ext.narg; i++)
        bytes += 8 * (size_t)e->entry->value.at[s->u.ext.arg[i]].type->rank;
    value p = in_frame(e, bytes);
    for (uint32_t i = 0; i < s->u.ext.narg; i++) {
        uint32_t v = s->u.ext.arg[i];
        put_tensor(e, s, pemit_at(e, p, pemit_int(e, (int64_t)(i * sizeof(struct ingot_tensor)))),
                   pemit_at(e, p, pemit_int(e, (int64_t)at)), v);
        at += 8 * (size_t)e->entry->value.at[v].type->rank;
    }
    return p;
}

static value numbers(pemit *e, const plan_step *s)
{
    value p = in_frame(e, 8 * (size_t)s->u.ext.nnum);

    for (uint32_t i = 0; i < s->u.ext.nnum; i++)
        put(e, p, 8 * (size_t)i, pemit_int(e, s->u.ext.num[i]));
    return p;
}

static value function(pemit *e, const char *kernel, type *t)
{
    char name[64];

    snprintf(name, sizeof name, "ingot_kernel_%s", kernel);
    *t = LLVMFunctionType(e->i32, &e->ptr, 1, false);
    value f = LLVMGetNamedFunction(e->m, name);
    return f ? f : LLVMAddFunction(e->m, name, *t);
}

/* The kernel's symbols are written only if it gave no error. */
void pemit_extern(pemit *e, const plan_step *s)
{
    value call = in_frame(e, sizeof(struct ingot_extern));
    value found = in_frame(e, 8 * (size_t)s->u.ext.nsym);
    type t;

    ICE_IF(!plan_extern_fits(s), "a step that does not fit the kernel %s", s->note);
    put(e, call, offsetof(struct ingot_extern, arg), tensors(e, s));
    put_i32(e, call, offsetof(struct ingot_extern, arg_count), (int)s->u.ext.narg);
    put_i32(e, call, offsetof(struct ingot_extern, result_count), (int)s->u.ext.nres);
    put(e, call, offsetof(struct ingot_extern, num), numbers(e, s));
    put(e, call, offsetof(struct ingot_extern, sym), found);
    put(e, call, offsetof(struct ingot_extern, message),
        s->u.ext.title ? pemit_string(e, s->u.ext.title) : LLVMConstNull(e->ptr));
    put(e, call, offsetof(struct ingot_extern, pool),
        pemit_call_member(e, offsetof(struct ingot_call, pool)));
    value f = function(e, s->note, &t);
    value status = LLVMBuildCall2(e->b, t, f, &call, 1, "");
    value ok = LLVMConstInt(e->i32, INGOT_OK, false);
    pemit_leave_unless(e, LLVMBuildICmp(e->b, LLVMIntEQ, status, ok, ""),
                       status, pemit_load(e, call, offsetof(struct ingot_extern, message), e->ptr));
    for (uint32_t i = 0; i < s->u.ext.nsym; i++)
        LLVMBuildStore(e->b, pemit_load(e, found, 8 * (int64_t)i, e->i64),
                       pemit_symbol(e, s->u.ext.sym[i]));
}
