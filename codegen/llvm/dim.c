/* codegen/llvm/dim.c - dims as code, and the pieces that all emitted functions
 * are made of. */
#include "llvm_plan.h"

value pe_int(emitter *e, int64_t v)
{
    return LLVMConstInt(e->i64, (unsigned long long)v, true);
}

value pe_at(emitter *e, value base, value offset)
{
    return LLVMBuildGEP2(e->b, e->i8, base, &offset, 1, "");
}

value pe_load(emitter *e, value base, int64_t offset, type t)
{
    return LLVMBuildLoad2(e->b, t, offset ? pe_at(e, base, pe_int(e, offset)) : base, "");
}

value pe_symbol(emitter *e, uint32_t id)
{
    return pe_at(e, e->sym, pe_int(e, 8 * (int64_t)id));
}

LLVMBasicBlockRef pe_block(emitter *e)
{
    return LLVMAppendBasicBlockInContext(e->cx, e->f, "");
}

void pe_break(emitter *e, uint32_t line)
{
    enum { LINES = 64 };

    if (line % LINES != LINES - 1)
        return;
    LLVMBasicBlockRef next = pe_block(e);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

/* In the function's first block: in a loop it would take memory in every turn. */
static value counter(emitter *e)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    value first = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(e->f));

    if (first)
        LLVMPositionBuilderBefore(e->b, first);
    value c = LLVMBuildAlloca(e->b, e->i64, "");
    LLVMPositionBuilderAtEnd(e->b, here);
    return c;
}

pe_loop pe_loop_open(emitter *e, value n)
{
    pe_loop l = {.counter = counter(e)};
    l.test = pe_block(e);
    LLVMBasicBlockRef body = pe_block(e);

    l.next = pe_block(e);
    LLVMBuildStore(e->b, pe_int(e, 0), l.counter);
    LLVMBuildBr(e->b, l.test);
    LLVMPositionBuilderAtEnd(e->b, l.test);
    l.index = LLVMBuildLoad2(e->b, e->i64, l.counter, "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, l.index, n, ""), body, l.next);
    LLVMPositionBuilderAtEnd(e->b, body);
    return l;
}

void pe_loop_close(emitter *e, const pe_loop *l)
{
    LLVMBuildStore(e->b, LLVMBuildAdd(e->b, l->index, pe_int(e, 1), ""), l->counter);
    LLVMBuildBr(e->b, l->test);
    LLVMPositionBuilderAtEnd(e->b, l->next);
}

value pe_constant(emitter *e, type t, value init)
{
    value g = LLVMAddGlobal(e->m, t, "");

    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    return g;
}

value pe_table(emitter *e, type t, value *v, uint32_t n)
{
    return n ? pe_constant(e, LLVMArrayType2(t, n), LLVMConstArray2(t, v, n))
             : LLVMConstNull(e->ptr);
}

/* A function of thousands of lines is better compiled without optimization,
 * which would make one block of all. */
static void compile_fast(emitter *e)
{
    static const char *const names[] = {"noinline", "optnone"};

    for (size_t i = 0; i < COUNT(names); i++) {
        unsigned kind = LLVMGetEnumAttributeKindForName(names[i], strlen(names[i]));
        LLVMAddAttributeAtIndex(e->f, LLVMAttributeFunctionIndex,
                                LLVMCreateEnumAttribute(e->cx, kind, 0));
    }
}

void pe_function(emitter *e, const char *what, type result, type *arg, unsigned n)
{
    enum { MANY_STEPS = 600, MANY_OUTPUTS = 100 };
    char name[400];

    snprintf(name, sizeof name, "%s_%s", e->image->name, what);
    e->f = LLVMAddFunction(e->m, name, LLVMFunctionType(result, arg, n, false));
    LLVMSetLinkage(e->f, LLVMInternalLinkage);
    if (e->e && (e->e->body->step.len > MANY_STEPS || e->e->output.len > MANY_OUTPUTS))
        compile_fast(e);
    LLVMPositionBuilderAtEnd(e->b, pe_block(e));
}

void pe_symbols(emitter *e, value dims)
{
    type all = LLVMArrayType2(e->i64, e->dims->symbol.len + 1);

    e->sym = LLVMBuildAlloca(e->b, all, "symbols");
    for (uint32_t i = 0; i < e->e->symbol.len; i++) {
        value extent = pe_load(e, dims, 8 * (int64_t)i, e->i64);
        LLVMBuildStore(e->b, extent, pe_symbol(e, e->e->symbol.at[i]));
    }
}

bool pe_known_before(const emitter *e, ir_dim d)
{
    const dim_expr *x = dim_get(e->dims, d);
    bool ok = true;

    if (!x || x->op == DIM_CONST)
        return true;
    if (x->op == DIM_SYM) {
        for (uint32_t i = 0; i < e->e->symbol.len; i++)
            if (e->e->symbol.at[i] == (uint32_t)x->value)
                return true;
        return false;
    }
    for (uint32_t i = 0; x->op == DIM_POLY && i < x->n; i++)
        for (uint32_t j = 0; j < x->term[i].n; j++)
            ok &= pe_known_before(e, x->term[i].atom[j]);
    for (int i = 0; x->op != DIM_POLY && i < (x->op == DIM_SELECT ? 3 : 2); i++)
        ok &= pe_known_before(e, x->arg[i]);
    return ok;
}

/* ---- arithmetic ------------------------------------------------------------------ */

value pe_arithmetic(emitter *e, const char *op, value a, value b)
{
    bool mul = !strcmp(op, "smul");

    if (!e->overflow)
        return mul ? LLVMBuildMul(e->b, a, b, "") : LLVMBuildAdd(e->b, a, b, "");
    char name[64];
    snprintf(name, sizeof name, "llvm.%s.with.overflow", op);
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    value f = LLVMGetIntrinsicDeclaration(e->m, id, &e->i64, 1);
    value pair = LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, &e->i64, 1), f,
                                (value[]){a, b}, 2, "");
    e->overflow = LLVMBuildOr(e->b, e->overflow, LLVMBuildExtractValue(e->b, pair, 1, ""), "");
    return LLVMBuildExtractValue(e->b, pair, 0, "");
}

void pe_check_sizes(emitter *e)
{
    e->overflow = LLVMConstInt(LLVMInt1TypeInContext(e->cx), 0, false);
}

value pe_checked(emitter *e, value v, int64_t otherwise)
{
    v = LLVMBuildSelect(e->b, e->overflow, pe_int(e, otherwise), v, "");
    e->overflow = NULL;
    return v;
}

static value floor_div(emitter *e, value a, value b, bool mod)
{
    value zero = pe_int(e, 0), by0 = LLVMBuildICmp(e->b, LLVMIntEQ, b, zero, "");
    value least = LLVMBuildICmp(e->b, LLVMIntEQ, a, pe_int(e, INT64_MIN), "");
    value minus1 = LLVMBuildICmp(e->b, LLVMIntEQ, b, pe_int(e, -1), "");
    least = LLVMBuildAnd(e->b, least, minus1, "");
    value trap = LLVMBuildOr(e->b, by0, least, "");
    value safe = LLVMBuildSelect(e->b, trap, pe_int(e, 1), b, "");
    value q = LLVMBuildSDiv(e->b, a, safe, ""), r = LLVMBuildSRem(e->b, a, safe, "");
    value off = LLVMBuildICmp(e->b, LLVMIntSLT, r, zero, "");
    off = LLVMBuildXor(e->b, off, LLVMBuildICmp(e->b, LLVMIntSLT, safe, zero, ""), "");
    off = LLVMBuildAnd(e->b, off, LLVMBuildICmp(e->b, LLVMIntNE, r, zero, ""), "");
    value m = LLVMBuildSelect(e->b, off, LLVMBuildAdd(e->b, r, safe, ""), r, "");
    q = LLVMBuildSub(e->b, q, LLVMBuildZExt(e->b, off, e->i64, ""), "");
    return LLVMBuildSelect(e->b, by0, zero, mod ? m : q, "");
}

static value choose(emitter *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, p, a, b, ""), a, b, "");
}

static value compare(emitter *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildZExt(e->b, LLVMBuildICmp(e->b, p, a, b, ""), e->i64, "");
}

static value polynomial(emitter *e, const dim_expr *x)
{
    value sum = NULL;

    for (uint32_t i = 0; i < x->n; i++) {
        const dim_term *t = &x->term[i];
        value p = t->coef == 1 && t->n ? pe_dim(e, t->atom[0]) : pe_int(e, t->coef);
        for (uint32_t j = t->coef == 1 && t->n; j < t->n; j++)
            p = pe_arithmetic(e, "smul", p, pe_dim(e, t->atom[j]));
        sum = sum ? pe_arithmetic(e, "sadd", sum, p) : p;
    }
    return sum ? sum : pe_int(e, 0);
}

static value operation(emitter *e, const dim_expr *x)
{
    value a[3];

    for (int i = 0; i < (x->op == DIM_SELECT ? 3 : 2); i++)
        a[i] = pe_dim(e, x->arg[i]);
    switch (x->op) {
    case DIM_DIV: return floor_div(e, a[0], a[1], false);
    case DIM_MOD: return floor_div(e, a[0], a[1], true);
    case DIM_MIN: return choose(e, LLVMIntSLT, a[0], a[1]);
    case DIM_MAX: return choose(e, LLVMIntSGT, a[0], a[1]);
    case DIM_EQ: return compare(e, LLVMIntEQ, a[0], a[1]);
    case DIM_LT: return compare(e, LLVMIntSLT, a[0], a[1]);
    case DIM_LE: return compare(e, LLVMIntSLE, a[0], a[1]);
    default:
        return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntNE, a[0], pe_int(e, 0), ""),
                               a[1], a[2], "");
    }
}

value pe_dim(emitter *e, ir_dim d)
{
    const dim_expr *x = dim_get(e->dims, d);

    if (!x || x->op == DIM_CONST)
        return pe_int(e, x ? x->value : d.v);
    if (x->op == DIM_SYM)
        return LLVMBuildLoad2(e->b, e->i64, pe_symbol(e, (uint32_t)x->value), "");
    return x->op == DIM_POLY ? polynomial(e, x) : operation(e, x);
}

value pe_slot_size(emitter *e, const plan_slot *s)
{
    value size = pe_int(e, 0);

    for (int i = 0; i < s->size.n; i++)
        size = choose(e, LLVMIntSGT, pe_dim(e, s->size.at[i]), size);
    size = pe_arithmetic(e, "sadd", size, pe_int(e, 63));
    return LLVMBuildAnd(e->b, size, pe_int(e, -64), "");
}
