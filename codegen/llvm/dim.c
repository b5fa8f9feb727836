/* codegen/llvm/dim.c - dims as code, and the pieces that all emitted functions of a
 * plan are made of.  A symbol is an i64 in the frame of the function; an expression
 * is computed where it is needed, since LLVM shares what is equal. */
#include "llvm_plan.h"
#include "value.h"

value pemit_int(pemit *e, int64_t v)
{
    return LLVMConstInt(e->i64, (unsigned long long)v, true);
}

value pemit_at(pemit *e, value base, value offset)
{
    return LLVMBuildGEP2(e->b, e->i8, base, &offset, 1, "");
}

value pemit_load(pemit *e, value base, int64_t offset, type t)
{
    return LLVMBuildLoad2(e->b, t, offset ? pemit_at(e, base, pemit_int(e, offset)) : base, "");
}

value pemit_symbol(pemit *e, uint32_t id)
{
    return pemit_at(e, e->sym, pemit_int(e, 8 * (int64_t)id));
}

LLVMBasicBlockRef pemit_block(pemit *e)
{
    return LLVMAppendBasicBlockInContext(e->cx, e->f, "");
}

void pemit_break(pemit *e, uint32_t line)
{
    enum { LINES = 64 };

    if (line % LINES != LINES - 1)
        return;
    LLVMBasicBlockRef next = pemit_block(e);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
}

/* In the function's first block: in a loop it would take memory in every turn. */
static value counter(pemit *e)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    value first = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(e->f));

    if (first)
        LLVMPositionBuilderBefore(e->b, first);
    value c = LLVMBuildAlloca(e->b, e->i64, "");
    LLVMPositionBuilderAtEnd(e->b, here);
    return c;
}

/* for (index = 0; index < n; index++). What is emitted until pemit_loop_close is
 * its body. */
pemit_loop pemit_loop_open(pemit *e, value n)
{
    pemit_loop l = {.counter = counter(e)};
    l.test = pemit_block(e);
    LLVMBasicBlockRef body = pemit_block(e);

    l.next = pemit_block(e);
    LLVMBuildStore(e->b, pemit_int(e, 0), l.counter);
    LLVMBuildBr(e->b, l.test);
    LLVMPositionBuilderAtEnd(e->b, l.test);
    l.index = LLVMBuildLoad2(e->b, e->i64, l.counter, "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, l.index, n, ""), body, l.next);
    LLVMPositionBuilderAtEnd(e->b, body);
    return l;
}

void pemit_loop_close(pemit *e, const pemit_loop *l)
{
    LLVMBuildStore(e->b, LLVMBuildAdd(e->b, l->index, pemit_int(e, 1), ""), l->counter);
    LLVMBuildBr(e->b, l->test);
    LLVMPositionBuilderAtEnd(e->b, l->next);
}

value pemit_constant(pemit *e, type t, value init)
{
    value g = LLVMAddGlobal(e->m, t, "");

    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    return g;
}

value pemit_table(pemit *e, type t, value *v, uint32_t n)
{
    return n ? pemit_constant(e, LLVMArrayType2(t, n), LLVMConstArray2(t, v, n))
             : LLVMConstNull(e->ptr);
}

/* A function of thousands of lines is better compiled without optimization,
 * which would make one block of all. */
static void compile_fast(pemit *e)
{
    static const char *const names[] = {"noinline", "optnone"};

    for (size_t i = 0; i < COUNT(names); i++) {
        unsigned kind = LLVMGetEnumAttributeKindForName(names[i], strlen(names[i]));
        LLVMAddAttributeAtIndex(e->f, LLVMAttributeFunctionIndex,
                                LLVMCreateEnumAttribute(e->cx, kind, 0));
    }
}

/* An internal function NAME_what of the model; the builder stands at its beginning. */
void pemit_function(pemit *e, const char *what, type result, type *arg, unsigned n)
{
    enum { MANY_STEPS = 600, MANY_OUTPUTS = 100 };
    char name[400];

    snprintf(name, sizeof name, "%s_%s", e->image->name, what);
    e->f = LLVMAddFunction(e->m, name, LLVMFunctionType(result, arg, n, false));
    LLVMSetLinkage(e->f, LLVMInternalLinkage);
    if (e->entry && (e->entry->body->step.len > MANY_STEPS || e->entry->output.len > MANY_OUTPUTS))
        compile_fast(e);
    LLVMPositionBuilderAtEnd(e->b, pemit_block(e));
}

void pemit_symbols(pemit *e, value dims)
{
    type all = LLVMArrayType2(e->i64, e->dims->symbol.len + 1);

    e->sym = LLVMBuildAlloca(e->b, all, "symbols");
    for (uint32_t i = 0; i < e->entry->symbol.len; i++) {
        value extent = pemit_load(e, dims, 8 * (int64_t)i, e->i64);
        LLVMBuildStore(e->b, extent, pemit_symbol(e, e->entry->symbol.at[i]));
    }
}

typedef struct knowing {
    const pemit *e;
    bool all;
} knowing;

static void see_known(void *cx, uint32_t symbol)
{
    knowing *k = cx;
    bool known = false;

    for (uint32_t i = 0; i < k->e->entry->symbol.len; i++)
        known |= k->e->entry->symbol.at[i] == symbol;
    k->all &= known;
}

/* Do the input dims decide d, so that a caller can be told before the run? */
bool pemit_known_before(const pemit *e, ir_dim d)
{
    knowing k = {e, true};

    dim_each_symbol(e->dims, d, see_known, &k);
    return k.all;
}

/* ---- arithmetic ------------------------------------------------------------------ */

/* `op` is smul or sadd, as in LLVM's intrinsics.  Inside of pemit_check_sizes an
 * overflow is remembered in e->overflow: sizes that wrap would make a small buffer
 * of a huge one. */
value pemit_arithmetic(pemit *e, const char *op, value a, value b)
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

void pemit_check_sizes(pemit *e)
{
    e->overflow = LLVMConstInt(LLVMInt1TypeInContext(e->cx), 0, false);
}

value pemit_checked(pemit *e, value v, int64_t otherwise)
{
    v = LLVMBuildSelect(e->b, e->overflow, pemit_int(e, otherwise), v, "");
    e->overflow = NULL;
    return v;
}

static value choose(pemit *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, p, a, b, ""), a, b, "");
}

static value compare(pemit *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildZExt(e->b, LLVMBuildICmp(e->b, p, a, b, ""), e->i64, "");
}

static value polynomial(pemit *e, const dim_expr *x)
{
    value sum = NULL;

    for (uint32_t i = 0; i < x->n; i++) {
        const dim_term *t = &x->term[i];
        value p = t->coef == 1 && t->n ? pemit_dim(e, t->atom[0]) : pemit_int(e, t->coef);
        for (uint32_t j = t->coef == 1 && t->n; j < t->n; j++)
            p = pemit_arithmetic(e, "smul", p, pemit_dim(e, t->atom[j]));
        sum = sum ? pemit_arithmetic(e, "sadd", sum, p) : p;
    }
    return sum ? sum : pemit_int(e, 0);
}

static value operation(pemit *e, const dim_expr *x)
{
    value a[3];

    for (int i = 0; i < (x->op == DIM_SELECT ? 3 : 2); i++)
        a[i] = pemit_dim(e, x->arg[i]);
    switch (x->op) {
    case DIM_DIV: return v_floor(e->b, a[0], a[1]).quotient;
    case DIM_MOD: return v_floor(e->b, a[0], a[1]).rest;
    case DIM_MIN: return choose(e, LLVMIntSLT, a[0], a[1]);
    case DIM_MAX: return choose(e, LLVMIntSGT, a[0], a[1]);
    case DIM_EQ: return compare(e, LLVMIntEQ, a[0], a[1]);
    case DIM_LT: return compare(e, LLVMIntSLT, a[0], a[1]);
    case DIM_LE: return compare(e, LLVMIntSLE, a[0], a[1]);
    default:
        return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntNE, a[0], pemit_int(e, 0), ""),
                               a[1], a[2], "");
    }
}

value pemit_dim(pemit *e, ir_dim d)
{
    const dim_expr *x = dim_get(e->dims, d);

    if (!x || x->op == DIM_CONST)
        return pemit_int(e, x ? x->value : d.v);
    if (x->op == DIM_SYM)
        return LLVMBuildLoad2(e->b, e->i64, pemit_symbol(e, (uint32_t)x->value), "");
    return x->op == DIM_POLY ? polynomial(e, x) : operation(e, x);
}

value pemit_slot_size(pemit *e, const plan_slot *s)
{
    value size = pemit_int(e, 0);

    for (int i = 0; i < s->size.n; i++)
        size = choose(e, LLVMIntSGT, pemit_dim(e, s->size.at[i]), size);
    size = pemit_arithmetic(e, "sadd", size, pemit_int(e, 63));
    return LLVMBuildAnd(e->b, size, pemit_int(e, -64), "");
}
