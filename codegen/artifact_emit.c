/* codegen/artifact_emit.c - the functions of a compiled model.
 *
 * run(): the groups in order.  Every stored value has a slot of the workspace;
 * slots whose sizes are constant share memory by liveness, the others lie one
 * behind the other.  Behind all slots: temps of the group that needs most,
 * then scratch for each thread. */
#include "artifact_emit.h"

#include "const.h"

typedef LLVMValueRef value;
typedef LLVMTypeRef type;

enum { ALIGN = 64 };

typedef struct entry {
    artifact *a;
    diag *d;
    const ir_fn *fn;
    LLVMContextRef cx;
    LLVMModuleRef m;
    LLVMBuilderRef b;
    type ptr, i64, i32, i8;
    VEC(ir_dim) symbol;             /* of the inputs, in order */
    ir_dim *place;                  /* by ref: offset of its slot */
    bool *slot;                     /* by ref: has one */
    ir_dim slots;                   /* bytes of all slots */
    ir_dim temps;                   /* of the greediest group */
    ir_dim scratch;                 /* of the greediest kernel, one thread */
    value *sym;                     /* by symbol id, in the function at hand */
    value call, workspace, weights;
} entry;

/* ---- weights ------------------------------------------------------------------------ */

static uint64_t const_size(const artifact *a, uint32_t c)
{
    return (uint64_t)const_bytes_of(a->m, c);
}

static void place_const(artifact *a, uint32_t c)
{
    if (a->offset[c] != UINT64_MAX)
        return;
    a->offset[c] = a->weights_size;
    a->weights_size += (const_size(a, c) + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

void artifact_place(artifact *a)
{
    const ir_fn *fn = a->groups->fn;

    a->offset = arena_array(&a->l->mem, uint64_t, a->m->consts.len + 1);
    memset(a->offset, 0xff, (a->m->consts.len + 1) * sizeof *a->offset);
    for (uint32_t g = 0; g < a->groups->group.len; g++)
        for (uint32_t k = 0; k < a->code[g].ncall; k++)
            for (uint32_t i = 0; i < a->code[g].call[k].narg; i++)
                if (a->code[g].call[k].arg[i].kind == ARG_CONST)
                    place_const(a, a->code[g].call[k].arg[i].id);
    for (uint32_t i = 0; i < fn->result.len; i++) {
        const ir_node *n = ir_node_of(fn, fn->result.at[i]);
        if (n->op == OP_CONST)
            place_const(a, n->attr->CONST.id);
    }
}

static bool write_const(const artifact *a, uint32_t c, FILE *f)
{
    enum { CHUNK = 1 << 18 };
    const ir_type *t = a->m->consts.at[c].type;
    int64_t n = type_count_const(&a->m->types, t), size = dt_size(t->dtype);
    uint8_t *buffer = mem_alloc((size_t)(CHUNK * size));
    bool ok = true;

    for (int64_t i = 0; i < n && ok; i += CHUNK) {
        int64_t part = min_i64(CHUNK, n - i);
        const_read(a->m, c, i, part, buffer);
        ok = fwrite(buffer, (size_t)size, (size_t)part, f) == (size_t)part;
    }
    mem_free(buffer);
    for (uint64_t at = const_size(a, c); at % ALIGN && ok; at++)
        ok = putc(0, f) != EOF;
    return ok;
}

bool artifact_write_weights(const artifact *a, FILE *f)
{
    /* In the order of their offsets, which is the order of placing. */
    uint64_t at = 0;
    bool ok = true;

    while (ok && at < a->weights_size)
        for (uint32_t c = 0; c < a->m->consts.len; c++)
            if (a->offset[c] == at) {
                ok = write_const(a, c, f);
                at += (const_size(a, c) + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
                break;
            }
    return ok;
}

/* ---- slots --------------------------------------------------------------------------- */

static ir_dim bytes_of(entry *e, ir_ref r)
{
    dim_table *t = &e->a->m->dims;
    const ir_type *ty = ir_type_of(e->fn, r);
    ir_dim n = dim_mul(t, dim_product(t, ty->dim, ty->rank), dim_int(t, dt_size(ty->dtype)));

    n = dim_add(t, dim_max(t, n, (ir_dim){0}), dim_int(t, ALIGN - 1));
    return dim_mul(t, dim_div(t, n, dim_int(t, ALIGN)), dim_int(t, ALIGN));
}

/* Which result a ref is, -1: none. */
static int result_of(const ir_fn *fn, ir_ref r)
{
    for (uint32_t i = 0; i < fn->result.len; i++)
        if (fn->result.at[i] == r)
            return (int)i;
    return -1;
}

/* Last group that reads each ref. */
static uint32_t *last_use(entry *e, arena *mem)
{
    uint32_t *last = arena_array(mem, uint32_t, e->fn->value.len + 1);
    const artifact *a = e->a;

    for (uint32_t g = 0; g < a->groups->group.len; g++) {
        const ir_group *x = &a->groups->group.at[g];
        const ir_node *n = &e->fn->node.at[x->root];
        for (uint32_t k = 0; k < a->code[g].ncall; k++)
            for (uint32_t i = 0; i < a->code[g].call[k].narg; i++)
                if (a->code[g].call[k].arg[i].kind == ARG_VALUE)
                    last[a->code[g].call[k].arg[i].id] = g;
        for (uint32_t i = 0; x->kind == 'X' && i < n->narg; i++)
            last[ir_arg(e->fn, n, i)] = g;
    }
    for (uint32_t i = 0; i < e->fn->result.len; i++)
        last[e->fn->result.at[i]] = UINT32_MAX;
    return last;
}

typedef struct hole { int64_t at, size; uint32_t until; } hole;

/* Best fit among the slots that are free: constant sizes only. */
typedef struct pool { VEC(hole) live; int64_t top; } pool;

static int64_t fit(pool *p, int64_t size, uint32_t now, uint32_t until)
{
    int64_t at = 0;
    bool moved = true;

    while (moved) {                 /* lowest gap between live slots */
        moved = false;
        for (uint32_t i = 0; i < p->live.len; i++) {
            const hole *h = &p->live.at[i];
            if (h->until >= now && at < h->at + h->size && h->at < at + size) {
                at = h->at + h->size;
                moved = true;
            }
        }
    }
    vec_push(&p->live, (hole){at, size, until});
    p->top = max_i64(p->top, at + size);
    return at;
}

static void place_slots(entry *e, arena *mem)
{
    const artifact *a = e->a;
    dim_table *t = &a->m->dims;
    uint32_t *last = last_use(e, mem);
    pool p = {0};
    ir_dim moving = {0};
    bool *fixed = arena_array(mem, bool, e->fn->value.len + 1);

    e->place = arena_array(mem, ir_dim, e->fn->value.len + 1);
    e->slot = arena_array(mem, bool, e->fn->value.len + 1);
    for (uint32_t g = 0; g < a->groups->group.len; g++) {
        const ir_group *x = &a->groups->group.at[g];
        ir_dim temps = {0};
        for (uint32_t i = 0; i < x->nout && x->kind != 'X'; i++) {
            ir_ref r = x->out[i];
            int64_t size;
            if (result_of(e->fn, r) >= 0)
                continue;
            e->slot[r] = true;
            ir_dim bytes = bytes_of(e, r);
            if (dim_const(t, bytes, &size)) {
                fixed[r] = true;
                e->place[r] = dim_int(t, fit(&p, size, g, last[r]));
            } else {
                e->place[r] = moving;
                moving = dim_add(t, moving, bytes);
            }
        }
        for (uint32_t i = 0; i < a->code[g].ntemp; i++)
            temps = dim_add(t, temps, dim_add(t, a->code[g].temp[i], dim_int(t, ALIGN)));
        e->temps = dim_max(t, e->temps, temps);
        for (uint32_t k = 0; k < a->code[g].ncall; k++)
            e->scratch = dim_max(t, e->scratch, a->code[g].call[k].scratch);
    }
    ir_dim top = dim_int(t, p.top);
    for (ir_ref r = 0; r < e->fn->value.len; r++)
        if (e->slot[r] && !fixed[r])
            e->place[r] = dim_add(t, e->place[r], top);
    e->slots = dim_add(t, top, moving);
    vec_free(&p.live);
}

/* ---- dims as code ------------------------------------------------------------------------ */

static value constant(entry *e, int64_t v)
{
    return LLVMConstInt(e->i64, (unsigned long long)v, true);
}

static value floor_div(entry *e, value a, value b, bool mod)
{
    value zero = constant(e, 0), by0 = LLVMBuildICmp(e->b, LLVMIntEQ, b, zero, "");
    value safe = LLVMBuildSelect(e->b, by0, constant(e, 1), b, "");
    value q = LLVMBuildSDiv(e->b, a, safe, ""), r = LLVMBuildSRem(e->b, a, safe, "");
    value off = LLVMBuildXor(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, r, zero, ""),
                             LLVMBuildICmp(e->b, LLVMIntSLT, safe, zero, ""), "");
    off = LLVMBuildAnd(e->b, off, LLVMBuildICmp(e->b, LLVMIntNE, r, zero, ""), "");
    value m = LLVMBuildSelect(e->b, off, LLVMBuildAdd(e->b, r, safe, ""), r, "");
    q = LLVMBuildSub(e->b, q, LLVMBuildZExt(e->b, off, e->i64, ""), "");
    return LLVMBuildSelect(e->b, by0, zero, mod ? m : q, "");
}

static value choose(entry *e, LLVMIntPredicate p, value a, value b)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, p, a, b, ""), a, b, "");
}

static value emit_dim(entry *e, ir_dim d)
{
    const dim_expr *x = dim_get(&e->a->m->dims, d);
    value a[3], sum;

    if (!x || x->op == DIM_CONST)
        return constant(e, x ? x->value : d.v);
    if (x->op == DIM_SYM) {
        ICE_IF(!e->sym[x->value], "dim symbol without a value");
        return e->sym[x->value];
    }
    if (x->op == DIM_POLY) {
        sum = constant(e, 0);
        for (uint32_t i = 0; i < x->n; i++) {
            value p = constant(e, x->term[i].coef);
            for (uint32_t j = 0; j < x->term[i].n; j++)
                p = LLVMBuildMul(e->b, p, emit_dim(e, x->term[i].atom[j]), "");
            sum = LLVMBuildAdd(e->b, sum, p, "");
        }
        return sum;
    }
    for (int i = 0; i < (x->op == DIM_SELECT ? 3 : 2); i++)
        a[i] = emit_dim(e, x->arg[i]);
    switch (x->op) {
    case DIM_DIV: return floor_div(e, a[0], a[1], false);
    case DIM_MOD: return floor_div(e, a[0], a[1], true);
    case DIM_MIN: return choose(e, LLVMIntSLT, a[0], a[1]);
    case DIM_MAX: return choose(e, LLVMIntSGT, a[0], a[1]);
    case DIM_EQ: return LLVMBuildZExt(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, a[0], a[1], ""), e->i64, "");
    case DIM_LT: return LLVMBuildZExt(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, a[0], a[1], ""), e->i64, "");
    case DIM_LE: return LLVMBuildZExt(e->b, LLVMBuildICmp(e->b, LLVMIntSLE, a[0], a[1], ""), e->i64, "");
    default:
        return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntNE, a[0], constant(e, 0), ""), a[1], a[2], "");
    }
}

/* Are all symbols of d inputs' dims? */
static bool from_inputs(entry *e, ir_dim d)
{
    const dim_expr *x = dim_get(&e->a->m->dims, d);
    bool ok = true;

    if (!x || x->op == DIM_CONST)
        return true;
    if (x->op == DIM_SYM) {
        for (uint32_t i = 0; i < e->symbol.len; i++)
            if (dim_same(e->symbol.at[i], d))
                return true;
        return false;
    }
    for (uint32_t i = 0; i < x->n; i++)
        for (uint32_t j = 0; j < x->term[i].n; j++)
            ok &= from_inputs(e, x->term[i].atom[j]);
    for (int i = 0; x->op != DIM_POLY && i < 3; i++)
        ok &= from_inputs(e, x->arg[i]);
    return ok;
}

/* ---- functions ------------------------------------------------------------------------------ */

static value member(entry *e, value base, int64_t offset, type t)
{
    value at = constant(e, offset);

    return LLVMBuildLoad2(e->b, t, LLVMBuildGEP2(e->b, e->i8, base, &at, 1, ""), "");
}

static value advance(entry *e, value base, value offset)
{
    return LLVMBuildGEP2(e->b, e->i8, base, &offset, 1, "");
}

static value function(entry *e, const char *what, type result, type *arg, unsigned n)
{
    char name[300];

    snprintf(name, sizeof name, "%s_%s", e->a->name, what);
    value f = LLVMAddFunction(e->m, name, LLVMFunctionType(result, arg, n, false));
    LLVMSetLinkage(f, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->cx, f, ""));
    return f;
}

static void load_symbols(entry *e, value dims)
{
    memset(e->sym, 0, (e->a->m->dims.symbol.len + 1) * sizeof *e->sym);
    for (uint32_t i = 0; i < e->symbol.len; i++)
        e->sym[dim_symbol_id(&e->a->m->dims, e->symbol.at[i])] = member(e, dims, 8 * (int64_t)i, e->i64);
}

static value size_function(entry *e)
{
    type arg[2] = {e->ptr, e->i32};
    value f = function(e, "workspace_size", e->i64, arg, 2);

    load_symbols(e, LLVMGetParam(f, 0));
    value threads = LLVMBuildSExt(e->b, LLVMGetParam(f, 1), e->i64, "");
    value n = LLVMBuildAdd(e->b, emit_dim(e, e->slots), emit_dim(e, e->temps), "");
    n = LLVMBuildAdd(e->b, n, LLVMBuildMul(e->b, threads, emit_dim(e, e->scratch), ""), "");
    LLVMBuildRet(e->b, LLVMBuildAdd(e->b, n, constant(e, ALIGN), ""));
    return f;
}

static value dims_function(entry *e)
{
    type arg[2] = {e->ptr, e->ptr};
    value f = function(e, "output_dims", LLVMVoidTypeInContext(e->cx), arg, 2);
    int64_t at = 0;

    load_symbols(e, LLVMGetParam(f, 0));
    for (uint32_t i = 0; i < e->fn->result.len; i++) {
        const ir_type *t = ir_type_of(e->fn, e->fn->result.at[i]);
        for (int k = 0; k < t->rank; k++, at += 8)
            LLVMBuildStore(e->b, emit_dim(e, t->dim[k]), advance(e, LLVMGetParam(f, 1), constant(e, at)));
    }
    LLVMBuildRetVoid(e->b);
    return f;
}

static value address_of(entry *e, ir_ref r)
{
    const ir_node *n = ir_node_of(e->fn, r);
    int result = result_of(e->fn, r);

    if (n->op == OP_INPUT)
        return member(e, member(e, e->call, 0, e->ptr), 8 * n->attr->INPUT.index, e->ptr);
    if (n->op == OP_CONST)
        return advance(e, e->weights, constant(e, (int64_t)e->a->offset[n->attr->CONST.id]));
    if (result >= 0)
        return member(e, member(e, e->call, 8, e->ptr), 16 * (int64_t)result, e->ptr);
    return advance(e, e->workspace, emit_dim(e, e->place[r]));
}

static value argument(entry *e, const group_code *code, group_arg a)
{
    dim_table *t = &e->a->m->dims;
    ir_dim at = e->slots;

    if (a.kind == ARG_CONST)
        return advance(e, e->weights, constant(e, (int64_t)e->a->offset[a.id]));
    if (a.kind == ARG_VALUE)
        return address_of(e, a.id);
    for (uint32_t i = 0; i < a.id; i++) {
        ir_dim whole = dim_div(t, dim_add(t, code->temp[i], dim_int(t, ALIGN - 1)), dim_int(t, ALIGN));
        at = dim_add(t, at, dim_mul(t, whole, dim_int(t, ALIGN)));
    }
    return advance(e, e->workspace, emit_dim(e, at));
}

/* pool->run(pool->context, kernel, arg, n), or kernel(arg, 0, n, 0). */
static void start_kernel(entry *e, value f, value kernel, value arg, value n)
{
    type body[4] = {e->ptr, e->i64, e->i64, e->i32}, run[4] = {e->ptr, e->ptr, e->ptr, e->i64};
    type none = LLVMVoidTypeInContext(e->cx);
    value pool = member(e, e->call, 48, e->ptr);
    LLVMBasicBlockRef many = LLVMAppendBasicBlockInContext(e->cx, f, ""), single = LLVMAppendBasicBlockInContext(e->cx, f, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(e->cx, f, "");
    value parallel = LLVMBuildAnd(e->b, LLVMBuildIsNotNull(e->b, pool, ""),
                                  LLVMBuildICmp(e->b, LLVMIntSGT, n, constant(e, 1), ""), "");

    LLVMBuildCondBr(e->b, parallel, many, single);
    LLVMPositionBuilderAtEnd(e->b, many);
    value context = member(e, pool, 0, e->ptr), starter = member(e, pool, 16, e->ptr);
    LLVMBuildCall2(e->b, LLVMFunctionType(none, run, 4, false), starter, (value[]){context, kernel, arg, n}, 4, "");
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, single);
    value direct[4] = {arg, constant(e, 0), n, LLVMConstInt(e->i32, 0, false)};
    LLVMBuildCall2(e->b, LLVMFunctionType(none, body, 4, false), kernel, direct, 4, "");
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
}

static void emit_call(entry *e, value f, value args, const group_code *code, const group_call *k)
{
    dim_table *t = &e->a->m->dims;
    value scratch = advance(e, e->workspace, emit_dim(e, dim_add(t, e->slots, e->temps)));
    value kernel = LLVMGetNamedFunction(e->m, e->a->l->kernel.at[k->kernel]->name);
    int64_t at = 16;

    LLVMBuildStore(e->b, scratch, args);
    LLVMBuildStore(e->b, emit_dim(e, k->scratch), advance(e, args, constant(e, 8)));
    for (uint32_t i = 0; i < k->narg; i++, at += 8)
        LLVMBuildStore(e->b, argument(e, code, k->arg[i]), advance(e, args, constant(e, at)));
    for (uint32_t i = 0; i < k->ndim; i++, at += 8)
        LLVMBuildStore(e->b, emit_dim(e, k->dim[i]), advance(e, args, constant(e, at)));
    start_kernel(e, f, kernel, args, emit_dim(e, k->trip));
}

static void emit_check(entry *e, value f, const ir_node *n)
{
    LLVMBasicBlockRef bad = LLVMAppendBasicBlockInContext(e->cx, f, ""), good = LLVMAppendBasicBlockInContext(e->cx, f, "");
    value v = member(e, address_of(e, ir_arg(e->fn, n, 0)), 0, e->i8);

    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstInt(e->i8, 0, false), ""), good, bad);
    LLVMPositionBuilderAtEnd(e->b, bad);
    value text = LLVMBuildGlobalStringPtr(e->b, n->attr->CHECK.message, "");
    LLVMBuildStore(e->b, text, advance(e, e->call, constant(e, 64)));
    LLVMBuildRet(e->b, LLVMConstInt(e->i32, 1, false));
    LLVMPositionBuilderAtEnd(e->b, good);
}

static void finish_outputs(entry *e)
{
    value outputs = member(e, e->call, 8, e->ptr);

    for (uint32_t i = 0; i < e->fn->result.len; i++) {
        ir_ref r = e->fn->result.at[i];
        const ir_type *t = ir_type_of(e->fn, r);
        value to = member(e, outputs, 16 * (int64_t)i, e->ptr);
        value dims = member(e, outputs, 16 * (int64_t)i + 8, e->ptr);
        const ir_node *n = ir_node_of(e->fn, r);
        if (n->op == OP_INPUT || n->op == OP_CONST || result_of(e->fn, r) != (int)i) {
            dim_table *dt = &e->a->m->dims;
            ir_dim bytes = dim_mul(dt, dim_product(dt, t->dim, t->rank), dim_int(dt, dt_size(t->dtype)));
            LLVMBuildMemCpy(e->b, to, 1, address_of(e, r), 1, emit_dim(e, bytes));
        }
        for (int k = 0; k < t->rank; k++)
            LLVMBuildStore(e->b, emit_dim(e, t->dim[k]), advance(e, dims, constant(e, 8 * k)));
    }
}

static value run_function(entry *e)
{
    const artifact *a = e->a;
    value f = function(e, "run_entry", e->i32, &e->ptr, 1);
    uint32_t words = 2;

    for (uint32_t g = 0; g < a->groups->group.len; g++)
        for (uint32_t k = 0; k < a->code[g].ncall; k++) {
            uint32_t n = 2 + a->code[g].call[k].narg + a->code[g].call[k].ndim;
            words = n > words ? n : words;
        }
    value args = LLVMBuildArrayAlloca(e->b, e->i64, LLVMConstInt(e->i32, words, false), "");
    e->call = LLVMGetParam(f, 0);
    load_symbols(e, member(e, e->call, 16, e->ptr));
    e->weights = member(e, e->call, 32, e->ptr);
    e->workspace = member(e, e->call, 40, e->ptr);
    for (uint32_t g = 0; g < a->groups->group.len; g++) {
        const ir_node *n = &e->fn->node.at[a->groups->group.at[g].root];
        if (n->op == OP_CHECK)
            emit_check(e, f, n);
        else if (n->op == OP_BIND)
            e->sym[n->attr->BIND.sym] = member(e, address_of(e, ir_arg(e->fn, n, 0)), 0, e->i64);
        for (uint32_t k = 0; k < a->code[g].ncall; k++)
            emit_call(e, f, args, &a->code[g], &a->code[g].call[k]);
    }
    finish_outputs(e);
    LLVMBuildRet(e->b, LLVMConstInt(e->i32, 0, false));
    return f;
}

/* ---- tables ------------------------------------------------------------------------------------ */

static value global(entry *e, type t, value init)
{
    value g = LLVMAddGlobal(e->m, t, "");

    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    return g;
}

static value string(entry *e, const char *s)
{
    value v = LLVMConstStringInContext(e->cx, s, (unsigned)strlen(s), false);

    return global(e, LLVMTypeOf(v), v);
}

static value array(entry *e, type t, value *v, uint32_t n)
{
    return n ? global(e, LLVMArrayType2(t, n), LLVMConstArray2(t, v, n)) : LLVMConstNull(e->ptr);
}

static value i32_const(entry *e, int64_t v)
{
    return LLVMConstInt(e->i32, (unsigned long long)v, true);
}

static value value_info(entry *e, const char *name, const ir_type *t)
{
    value dim[IR_MAX_RANK], text_of[IR_MAX_RANK];
    const dim_table *d = &e->a->m->dims;

    for (int i = 0; i < t->rank; i++) {
        int64_t v;
        text s = {0};
        if (!dim_const(d, t->dim[i], &v)) {
            v = INT64_MIN;
            for (uint32_t k = 0; k < e->symbol.len; k++)
                if (dim_same(e->symbol.at[k], t->dim[i]))
                    v = -1 - (int64_t)k;
        }
        dim_print(d, t->dim[i], &s);
        dim[i] = constant(e, v);
        text_of[i] = string(e, s.at);
        text_free(&s);
    }
    value field[7] = {string(e, name), i32_const(e, dt_of(t->dtype)->onnx), i32_const(e, t->rank),
                      array(e, e->i64, dim, (uint32_t)t->rank), array(e, e->ptr, text_of, (uint32_t)t->rank),
                      i32_const(e, 0), constant(e, 0)};
    return LLVMConstStructInContext(e->cx, field, 7, false);
}

static value infos(entry *e, const ir_ref *r, const char *const *name, uint32_t n)
{
    value *v = mem_alloc((n + 1) * sizeof *v), out = LLVMConstNull(e->ptr);

    for (uint32_t i = 0; i < n; i++)
        v[i] = value_info(e, name[i], ir_type_of(e->fn, r[i]));
    if (n)
        out = array(e, LLVMTypeOf(v[0]), v, n);
    mem_free(v);
    return out;
}

static void model_table(entry *e, value size, value dims, value run)
{
    const artifact *a = e->a;
    const ir_fn *fn = e->fn;
    value *name = mem_alloc((e->symbol.len + 1) * sizeof *name);
    char symbol[300];

    for (uint32_t i = 0; i < e->symbol.len; i++)
        name[i] = string(e, a->m->dims.symbol.at[dim_symbol_id(&a->m->dims, e->symbol.at[i])].name);
    value entry_field[] = {
        string(e, fn->name), i32_const(e, fn->param.len), i32_const(e, fn->result.len), i32_const(e, e->symbol.len),
        infos(e, fn->param.at, fn->param_name.at, fn->param.len),
        infos(e, fn->result.at, fn->result_name.at, fn->result.len),
        array(e, e->ptr, name, e->symbol.len), size, dims, run, constant(e, 0)};
    value one = LLVMConstStructInContext(e->cx, entry_field, COUNT(entry_field), false);
    snprintf(symbol, sizeof symbol, "%s_weights", a->name);
    value weights = LLVMConstNull(e->ptr);
    if (a->weights_size) {
        weights = LLVMAddGlobal(e->m, e->i8, symbol);
        LLVMSetVisibility(weights, LLVMHiddenVisibility);
    }
    value field[] = {
        i32_const(e, 1), string(e, a->name), i32_const(e, 1), i32_const(e, 0), array(e, LLVMTypeOf(one), &one, 1),
        LLVMConstNull(e->ptr), constant(e, 0), LLVMConstNull(e->ptr), weights, constant(e, (int64_t)a->weights_size),
        constant(e, 0), string(e, a->target->name), i32_const(e, a->threads)};
    value init = LLVMConstStructInContext(e->cx, field, COUNT(field), false);
    snprintf(symbol, sizeof symbol, "%s_model", a->name);
    value model = LLVMAddGlobal(e->m, LLVMTypeOf(init), a->executable ? "ingot_artifact_model" : symbol);
    LLVMSetInitializer(model, init);
    LLVMSetGlobalConstant(model, true);
    mem_free(name);
}

/* What the C functions of a library call: they see no table. */
static void library_functions(entry *e, value size, value run)
{
    char name[300];
    const artifact *a = e->a;

    LLVMSetLinkage(size, LLVMExternalLinkage);
    LLVMSetLinkage(run, LLVMExternalLinkage);
    snprintf(name, sizeof name, "%s_entry_size", a->name);
    LLVMSetValueName2(size, name, strlen(name));
    snprintf(name, sizeof name, "%s_entry_run", a->name);
    LLVMSetValueName2(run, name, strlen(name));
    value f = function(e, "entry_weights", e->ptr, NULL, 0);
    LLVMSetLinkage(f, LLVMExternalLinkage);
    snprintf(name, sizeof name, "%s_weights", a->name);
    value w = LLVMConstNull(e->ptr);
    if (a->weights_size) {
        w = LLVMAddGlobal(e->m, e->i8, name);
        LLVMSetVisibility(w, LLVMHiddenVisibility);
    }
    LLVMBuildRet(e->b, w);
    LLVMSetVisibility(size, LLVMHiddenVisibility);
    LLVMSetVisibility(run, LLVMHiddenVisibility);
    LLVMSetVisibility(f, LLVMHiddenVisibility);
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static void find_symbols(entry *e)
{
    for (uint32_t i = 0; i < e->fn->param.len; i++) {
        const ir_type *t = ir_type_of(e->fn, e->fn->param.at[i]);
        for (int k = 0; k < t->rank; k++)
            if (dim_symbol_id(&e->a->m->dims, t->dim[k]) != NAMES_NONE && !from_inputs(e, t->dim[k]))
                vec_push(&e->symbol, t->dim[k]);
    }
}

/* Sizes that a run finds out need memory of the caller: not done yet. */
static bool check_sizes(entry *e)
{
    bool ok = from_inputs(e, e->slots) && from_inputs(e, e->temps) && from_inputs(e, e->scratch);

    for (uint32_t i = 0; i < e->fn->result.len; i++) {
        const ir_type *t = ir_type_of(e->fn, e->fn->result.at[i]);
        for (int k = 0; k < t->rank; k++)
            ok &= from_inputs(e, t->dim[k]);
    }
    return ok || diag_unsupported(e->d, "artifact", "", "", "values whose size depends on data");
}

bool artifact_emit(artifact *a, LLVMModuleRef m, diag *d)
{
    entry e = {.a = a, .d = d, .fn = a->groups->fn, .cx = LLVMGetModuleContext(m), .m = m};
    arena mem = {0};

    e.b = LLVMCreateBuilderInContext(e.cx);
    e.ptr = LLVMPointerTypeInContext(e.cx, 0);
    e.i64 = LLVMInt64TypeInContext(e.cx);
    e.i32 = LLVMInt32TypeInContext(e.cx);
    e.i8 = LLVMInt8TypeInContext(e.cx);
    e.sym = arena_array(&mem, value, a->m->dims.symbol.len + 1);
    find_symbols(&e);
    place_slots(&e, &mem);
    bool ok = check_sizes(&e);
    if (ok) {
        for (uint32_t i = 0; i < a->l->kernel.len; i++)
            LLVMSetLinkage(llvm_emit_kernel(m, a->l->kernel.at[i], a->target), LLVMInternalLinkage);
        value size = size_function(&e), dims = dims_function(&e), run = run_function(&e);
        if (a->library)
            library_functions(&e, size, run);
        else
            model_table(&e, size, dims, run);
    }
    LLVMDisposeBuilder(e.b);
    vec_free(&e.symbol);
    arena_reset(&mem);
    return ok;
}
