/* codegen/llvm/stmt.c - statements, but for stores, and whole kernels. */
#include "llvm_emit.h"

LLVMBasicBlockRef emit_new_block(emit *e)
{
    return LLVMAppendBasicBlockInContext(e->v.cx, e->v.fn, "");
}

bool emit_differs(emit *e, lp_expr x)
{
    return e->lanes > 1 && lp_differs(&e->differs, x);
}

static value i64_op(emit *e, LLVMValueRef (*op)(LLVMBuilderRef, value, value, const char *),
                    value a, value b)
{
    return op(e->v.b, a, b, "");
}

/* ---- loops ---------------------------------------------------------------------------- */

/* A loop being emitted: its test, body and what follows, and the counter. */
typedef struct counted { LLVMBasicBlockRef head, body, done; value phi; int64_t step; } counted;

/* for (i = lo; i < hi; i += step), tested at the top. */
static counted count_begin(emit *e, value lo, value hi, int64_t step)
{
    counted c = {.step = step};
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->v.b);

    c.head = emit_new_block(e);
    c.body = emit_new_block(e);
    c.done = emit_new_block(e);
    LLVMBuildBr(e->v.b, c.head);
    LLVMPositionBuilderAtEnd(e->v.b, c.head);
    c.phi = LLVMBuildPhi(e->v.b, LLVMInt64TypeInContext(e->v.cx), "");
    LLVMAddIncoming(c.phi, &lo, &from, 1);
    LLVMBuildCondBr(e->v.b, LLVMBuildICmp(e->v.b, LLVMIntSLT, c.phi, hi, ""), c.body, c.done);
    LLVMPositionBuilderAtEnd(e->v.b, c.body);
    return c;
}

static void count_end(emit *e, counted c)
{
    value next = LLVMBuildNSWAdd(e->v.b, c.phi, v_i64(&e->v, c.step), "");
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->v.b);

    LLVMBuildBr(e->v.b, c.head);
    LLVMAddIncoming(c.phi, &next, &from, 1);
    LLVMPositionBuilderAtEnd(e->v.b, c.done);
}

static void serial_loop(emit *e, const lp_stmt *s)
{
    emit_new_statement(e);
    value lo = emit_scalar(e, s->lo[0]), hi = emit_scalar(e, s->hi[0]);

    counted c = count_begin(e, lo, hi, s->step[0]);
    e->var[s->var[0]].scalar = c.phi;
    emit_block(e, s->body);
    count_end(e, c);
}

/* The body is emitted for each turn, with a constant for its variable. */
static void unrolled_loop(emit *e, const lp_stmt *s)
{
    int64_t lo, hi;
    bool known = lp_is_int(e->k, s->lo[0], &lo) && lp_is_int(e->k, s->hi[0], &hi);

    ICE_IF(!known, "an unrolled loop without constant bounds");
    for (int64_t i = lo; i < hi; i += s->step[0]) {
        e->var[s->var[0]].scalar = v_i64(&e->v, i);
        emit_block(e, s->body);
    }
}

/* Sets the extents of a parallel loop, at least 1, and where its variables begin. */
static void parallel_extents(emit *e, const lp_stmt *s, value *extent, value *lo)
{
    value one = v_i64(&e->v, 1);

    for (uint32_t i = 0; i < s->nvar; i++) {
        value step = v_i64(&e->v, s->step ? s->step[i] : 1);
        lo[i] = emit_scalar(e, s->lo[i]);
        value span = i64_op(e, LLVMBuildSub, emit_scalar(e, s->hi[i]), lo[i]);
        span = i64_op(e, LLVMBuildAdd, span, i64_op(e, LLVMBuildSub, step, one));
        extent[i] = s->step && s->step[i] != 1 ? LLVMBuildSDiv(e->v.b, span, step, "") : span;
        value empty = LLVMBuildICmp(e->v.b, LLVMIntSLT, extent[i], one, "");
        extent[i] = LLVMBuildSelect(e->v.b, empty, one, extent[i], "");
    }
}

static void set_parallel(emit *e, const lp_stmt *s, uint32_t i, value turn, const value *lo)
{
    value v = i64_op(e, LLVMBuildMul, turn, v_i64(&e->v, s->step ? s->step[i] : 1));

    e->var[s->var[i]].scalar = i64_op(e, LLVMBuildAdd, v, lo[i]);
}

/* Recovers the first n variables from the iteration's number among theirs. */
static void split_parallel(emit *e, const lp_stmt *s, uint32_t n, value rest, const value *extent,
                           const value *lo)
{
    for (uint32_t i = n; i-- > 0;) {
        value v = i ? LLVMBuildURem(e->v.b, rest, extent[i], "") : rest;
        if (i)
            rest = LLVMBuildUDiv(e->v.b, rest, extent[i], "");
        set_parallel(e, s, i, v, lo);
    }
}

/* Is it done in a few steps, so that the divisions that recover variables would be felt? */
static bool is_short(const emit *e, const lp_stmt *s)
{
    int64_t lo, hi;

    for (; s; s = s->next) {
        bool once = s->op != LP_LOOP || s->kind == LP_UNROLL ||
                    (s->kind == LP_VEC && lp_is_int(e->k, s->lo[0], &lo) &&
                     lp_is_int(e->k, s->hi[0], &hi) && hi - lo <= s->step[0]);
        if (!once || !is_short(e, s->body) || !is_short(e, s->other))
            return false;
    }
    return true;
}

/* Turns [e->begin, e->end) as rows of the last variable, each as far as it is asked for.  For
 * 3 by 10, turns 8 to 25 are 8..10 of row 0, 0..10 of row 1 and 0..5 of row 2.  Variables
 * behind the last one have a single turn. */
static void parallel_rows(emit *e, const lp_stmt *s, uint32_t last, const value *extent,
                          const value *lo)
{
    value one = v_i64(&e->v, 1), width = extent[last];
    value rows = LLVMBuildUDiv(e->v.b, i64_op(e, LLVMBuildAdd, e->end,
                                            i64_op(e, LLVMBuildSub, width, one)), width, "");
    counted r = count_begin(e, LLVMBuildUDiv(e->v.b, e->begin, width, ""), rows, 1);

    split_parallel(e, s, last, r.phi, extent, lo);
    value first = i64_op(e, LLVMBuildMul, r.phi, width);
    value from = i64_op(e, LLVMBuildSub, e->begin, first);
    value to = i64_op(e, LLVMBuildSub, e->end, first), zero = v_i64(&e->v, 0);
    value above = LLVMBuildICmp(e->v.b, LLVMIntSGT, from, zero, "");
    from = LLVMBuildSelect(e->v.b, above, from, zero, "");
    to = LLVMBuildSelect(e->v.b, LLVMBuildICmp(e->v.b, LLVMIntSLT, to, width, ""), to, width, "");
    counted c = count_begin(e, from, to, 1);
    set_parallel(e, s, last, c.phi, lo);
    for (uint32_t i = last + 1; i < s->nvar; i++)
        set_parallel(e, s, i, zero, lo);
    emit_block(e, s->body);
    count_end(e, c);
    count_end(e, r);
}

/* Flattened: the variables are recovered from the iteration's number, where that would be
 * felt only once for a row of the last one. */
static void parallel_loop(emit *e, const lp_stmt *s)
{
    value extent[LP_MAX_PAR], lo[LP_MAX_PAR];

    emit_new_statement(e);
    parallel_extents(e, s, extent, lo);
    uint32_t last = s->nvar - 1;
    while (last && extent[last] == v_i64(&e->v, 1))
        last--;
    if (last && is_short(e, s->body)) {
        parallel_rows(e, s, last, extent, lo);
        return;
    }
    counted c = count_begin(e, e->begin, e->end, 1);
    split_parallel(e, s, s->nvar, c.phi, extent, lo);
    emit_block(e, s->body);
    count_end(e, c);
}

static value lane_numbers(emit *e, int lanes)
{
    value n[LP_MAX_LANES];

    for (int i = 0; i < lanes; i++)
        n[i] = v_i64(&e->v, i);
    return LLVMConstVector(n, (unsigned)lanes);
}

/* Masked, lanes that are off have the last index that exists: their addresses are
 * computed, too. */
static void vector_body(emit *e, const lp_stmt *s, value first, value mask, value last)
{
    slot *v = &e->var[s->var[0]];

    e->mask = mask;
    v->scalar = first;
    v->vec = LLVMBuildAdd(e->v.b, emit_splat(e, first), lane_numbers(e, e->lanes), "");
    if (mask) {                 /* lanes that are off stand on the last element */
        value l = emit_splat(e, last);
        v->vec = LLVMBuildSelect(e->v.b, mask, v->vec, l, "");
    }
    emit_block(e, s->body);
    e->mask = NULL;
    v->vec = NULL;
}

/* Whole vectors in a loop without a mask; what is left in one turn with one, if the
 * tail is not known to be empty. */
static void vector_loop(emit *e, const lp_stmt *s)
{
    int lanes = (int)s->step[0];
    int64_t lo, hi;

    ICE_IF(e->lanes != 1, "a vec loop in a vec loop");
    emit_new_statement(e);
    value first = emit_scalar(e, s->lo[0]), end = emit_scalar(e, s->hi[0]);
    e->vec_var = s->var[0];
    e->vec_divisor = gcd_i64(lp_at(e->k, s->lo[0])->divisor, lanes);
    if (lanes == 1) {
        serial_loop(e, s);
        return;
    }
    e->lanes = lanes;
    if (s->tail == LP_EXACT && lp_is_int(e->k, s->lo[0], &lo) && lp_is_int(e->k, s->hi[0], &hi) &&
        hi - lo == lanes) {
        vector_body(e, s, first, NULL, NULL);
        e->lanes = 1;
        return;
    }
    value span = i64_op(e, LLVMBuildSub, end, first), whole = end;
    if (s->tail != LP_EXACT) {
        value rest = LLVMBuildSRem(e->v.b, span, v_i64(&e->v, lanes), "");
        whole = i64_op(e, LLVMBuildSub, end, rest);
    }
    counted c = count_begin(e, first, whole, lanes);
    vector_body(e, s, c.phi, NULL, NULL);
    count_end(e, c);
    if (s->tail != LP_EXACT) {
        value start = LLVMBuildSelect(e->v.b, LLVMBuildICmp(e->v.b, LLVMIntSGT, whole, first, ""),
                                      whole, first, "");
        LLVMBasicBlockRef tail = emit_new_block(e), done = emit_new_block(e);
        LLVMBuildCondBr(e->v.b, LLVMBuildICmp(e->v.b, LLVMIntSLT, start, end, ""), tail, done);
        LLVMPositionBuilderAtEnd(e->v.b, tail);
        value left = i64_op(e, LLVMBuildSub, end, start);
        value mask =
            LLVMBuildICmp(e->v.b, LLVMIntSLT, lane_numbers(e, lanes), emit_splat(e, left), "");
        vector_body(e, s, start, mask, i64_op(e, LLVMBuildSub, end, v_i64(&e->v, 1)));
        LLVMBuildBr(e->v.b, done);
        LLVMPositionBuilderAtEnd(e->v.b, done);
    }
    e->lanes = 1;
}

/* ---- the rest ----------------------------------------------------------------------- */

/* A value that all lanes share stays scalar. */
static void let(emit *e, const lp_stmt *s)
{
    emit_new_statement(e);
    slot *v = &e->var[s->var[0]];

    if (emit_differs(e, s->value)) {
        value x = emit_vector(e, s->value);
        v->vec = x;
        v->scalar = NULL;
    } else {
        value x = emit_scalar(e, s->value);
        v->scalar = x;
        v->vec = NULL;
    }
}

/* Halves, until one is left. */
static void fold(emit *e, const lp_stmt *s)
{
    const lp_buffer *b = &e->k->buf.at[s->from];
    int64_t n;
    bool known = b->rank == 1 && lp_is_int(e->k, b->dims[0], &n);

    ICE_IF(!known, "fold of an odd buffer");
    type all = emit_wide(emit_type(&e->v, b->dtype), (int)n);
    value v = LLVMBuildLoad2(e->v.b, all, e->base[s->from], "");
    LLVMSetAlignment(v, 4);
    for (int64_t half = n / 2; half >= 1; half /= 2) {
        value lo[LP_MAX_LANES / 2], hi[LP_MAX_LANES / 2], undef = LLVMGetPoison(LLVMTypeOf(v));
        for (int64_t i = 0; i < half; i++) {
            lo[i] = LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), (unsigned)i, false);
            hi[i] = LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), (unsigned)(i + half), false);
        }
        value a = LLVMBuildShuffleVector(e->v.b, v, undef, LLVMConstVector(lo, (unsigned)half), "");
        value c = LLVMBuildShuffleVector(e->v.b, v, undef, LLVMConstVector(hi, (unsigned)half), "");
        v = emit_op(&e->v, s->accum, b->dtype, b->dtype, (value[]){a, c}, (int)half);
    }
    slot *x = &e->var[s->var[0]];
    x->scalar = LLVMBuildExtractElement(e->v.b, v, v_i64(&e->v, 0), "");
    x->vec = NULL;
}

/* Both sides run, under masks that exclude each other. */
static void masked_if(emit *e, const lp_stmt *s)
{
    value old = e->mask, c = emit_vector(e, s->value);

    e->mask = old ? LLVMBuildAnd(e->v.b, old, c, "") : c;
    emit_block(e, s->body);
    if (s->other) {
        value not = LLVMBuildNot(e->v.b, c, "");
        e->mask = old ? LLVMBuildAnd(e->v.b, old, not, "") : not;
        emit_block(e, s->other);
    }
    e->mask = old;
}

/* A branch only where all lanes go the same way. */
static void branch(emit *e, const lp_stmt *s)
{
    emit_new_statement(e);
    if (emit_differs(e, s->value)) {
        masked_if(e, s);
        return;
    }
    LLVMBasicBlockRef then = emit_new_block(e), other = s->other ? emit_new_block(e) : NULL,
                      done = emit_new_block(e);
    LLVMBuildCondBr(e->v.b, emit_scalar(e, s->value), then, other ? other : done);
    LLVMPositionBuilderAtEnd(e->v.b, then);
    emit_block(e, s->body);
    LLVMBuildBr(e->v.b, done);
    if (other) {
        LLVMPositionBuilderAtEnd(e->v.b, other);
        emit_block(e, s->other);
        LLVMBuildBr(e->v.b, done);
    }
    LLVMPositionBuilderAtEnd(e->v.b, done);
}

/* To all caches, or all but the first, for reading; the address need not be in the buffer. */
static void prefetch(emit *e, const lp_stmt *s)
{
    emit_new_statement(e);
    enum { FAR = 2, NEAR = 3 };
    type i32 = LLVMInt32TypeInContext(e->v.cx), p = LLVMPointerTypeInContext(e->v.cx, 0);
    unsigned id = LLVMLookupIntrinsicID("llvm.prefetch", 13);
    value f = LLVMGetIntrinsicDeclaration(e->v.m, id, &p, 1);
    value offset = emit_scalar(e, lp_offset(e->k, s->buf, s->idx));
    value a[4] = {emit_element(e, s->buf, offset), LLVMConstInt(i32, 0, false),
                  LLVMConstInt(i32, s->far ? FAR : NEAR, false), LLVMConstInt(i32, 1, false)};

    LLVMBuildCall2(e->v.b, LLVMIntrinsicGetType(e->v.cx, id, &p, 1), f, a, 4, "");
}

static void loop(emit *e, const lp_stmt *s)
{
    if (emit_written_out(e, s))
        return;
    switch (s->kind) {
    case LP_PAR: parallel_loop(e, s); break;
    case LP_VEC: vector_loop(e, s); break;
    case LP_UNROLL: unrolled_loop(e, s); break;
    case LP_FOR: serial_loop(e, s); break;
    }
}

/* A loop goes on with its own line behind its body: what counts it comes from there. */
void emit_block(emit *e, const lp_stmt *s)
{
    value top = e->row_top;
    LLVMMetadataRef around = LLVMGetCurrentDebugLocation2(e->v.b);

    for (; s; s = s->next) {
        lines_at(e->lines, e->v.b, e->place, s->loc.line);
        switch (s->op) {
        case LP_LOOP: loop(e, s); break;
        case LP_LOCAL: emit_local(e, s); break;
        case LP_LET: let(e, s); break;
        case LP_STORE: emit_store(e, s); break;
        case LP_IF: branch(e, s); break;
        case LP_FOLD: fold(e, s); break;
        case LP_PREFETCH: prefetch(e, s); break;
        case LP_TRANSPOSE: emit_transpose(e, s); break;
        }
    }
    LLVMSetCurrentDebugLocation2(e->v.b, around);
    e->row_top = top;
}

/* ---- kernels ------------------------------------------------------------------------ */

static void add_text_attribute(emit *e, value f, const char *key, const char *v)
{
    LLVMAddAttributeAtIndex(
        f, LLVMAttributeFunctionIndex,
        LLVMCreateStringAttribute(e->v.cx, key, (unsigned)strlen(key), v, (unsigned)strlen(v)));
}

/* LLVM would else choose vectors of 256 bits on AVX-512. */
static void function_attributes(emit *e, value f)
{
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    text features = {0};

    target_llvm_features(e->v.t, &features);
    add_text_attribute(e, f, "target-cpu", e->v.t->cpu);
    add_text_attribute(e, f, "target-features", features.at);
    text_free(&features);
    add_text_attribute(e, f, "prefer-vector-width", e->v.t->vector_bytes >= 64 ? "512" : "256");
    LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(e->v.cx, nounwind, 0));
}

/* May parameter b overlap another? */
static bool overlaps(const lp_kernel *k, lp_buf b)
{
    for (uint32_t i = 0; i < k->param.len; i++)
        if (k->buf.at[k->param.at[i]].alias == b)
            return true;
    return k->buf.at[b].alias;
}

/* The body: pointers as parameters, most of which do not overlap, then the dims. */
static value body_function(emit *e, const char *name, uint32_t params, uint32_t dims)
{
    uint32_t n = 3 + params + dims;
    type ptr = LLVMPointerTypeInContext(e->v.cx, 0), i64 = LLVMInt64TypeInContext(e->v.cx);
    type *t = mem_alloc(n * sizeof *t);
    unsigned noalias = LLVMGetEnumAttributeKindForName("noalias", 7);

    t[0] = ptr, t[1] = t[2] = i64;
    for (uint32_t i = 0; i < params + dims; i++)
        t[3 + i] = i < params ? ptr : i64;
    type ft = LLVMFunctionType(LLVMVoidTypeInContext(e->v.cx), t, n, false);
    value f = LLVMAddFunction(e->v.m, name, ft);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    for (uint32_t i = 0; i <= params; i++)
        if (!i || !overlaps(e->k, e->k->param.at[i - 1]))
            LLVMAddAttributeAtIndex(f, i ? 3 + i : 1, LLVMCreateEnumAttribute(e->v.cx, noalias, 0));
    mem_free(t);
    function_attributes(e, f);
    return f;
}

/* The line of the kernel's head. */
static uint32_t first_line(const lp_kernel *k)
{
    return k->body && k->body->loc.line ? k->body->loc.line - 1 : 0;
}

/* void NAME(arg, begin, end, thread): unpacks and calls the body. */
static void wrapper(emit *e, value body, uint32_t params, uint32_t dims)
{
    type ptr = LLVMPointerTypeInContext(e->v.cx, 0), i64 = LLVMInt64TypeInContext(e->v.cx);
    type t[4] = {ptr, i64, i64, LLVMInt32TypeInContext(e->v.cx)};
    value f = LLVMAddFunction(e->v.m, e->k->name,
                              LLVMFunctionType(LLVMVoidTypeInContext(e->v.cx), t, 4, false));
    value *a = mem_alloc((3 + params + dims) * sizeof *a), arg = LLVMGetParam(f, 0);

    LLVMSetVisibility(f, LLVMHiddenVisibility);
    function_attributes(e, f);
    LLVMPositionBuilderAtEnd(e->v.b, LLVMAppendBasicBlockInContext(e->v.cx, f, ""));
    lines_at(e->lines, e->v.b, lines_function(e->lines, f, e->k->name, first_line(e->k)),
             first_line(e->k));
    for (uint32_t i = 0; i < 2 + params + dims; i++) {
        value at = v_i64(&e->v, i), p = LLVMBuildGEP2(e->v.b, i64, arg, &at, 1, "");
        value v = LLVMBuildLoad2(e->v.b, i == 0 || (i >= 2 && i < 2 + params) ? ptr : i64, p, "");
        if (i == 1) {
            value thread = LLVMBuildSExt(e->v.b, LLVMGetParam(f, 3), i64, "");
            value offset = LLVMBuildMul(e->v.b, v, thread, "");
            a[0] = LLVMBuildGEP2(e->v.b, LLVMInt8TypeInContext(e->v.cx), a[0], &offset, 1, "");
        } else {
            a[i == 0 ? 0 : i + 1] = v;
        }
    }
    a[1] = LLVMGetParam(f, 1);
    a[2] = LLVMGetParam(f, 2);
    LLVMBuildCall2(e->v.b, LLVMGlobalGetValueType(body), body, a, 3 + params + dims, "");
    LLVMBuildRetVoid(e->v.b);
    mem_free(a);
}

/* Two functions: NAME.body, which takes buffers as parameters so that LLVM knows
 * that they do not overlap, and NAME, which has the signature that the pool calls. */
void llvm_emit_kernel(LLVMModuleRef m, lp_kernel *k, const target *t, bool whole, const lines *l)
{
    enum { HERE = 8 };          /* more expansions than the vectors of a loop have are a tile's */
    emit e = {.v = {.cx = LLVMGetModuleContext(m), .m = m, .t = t,
                    .here = whole ? UINT32_MAX : HERE},
              .k = k, .lines = l, .lanes = 1, .whole = whole};
    char name[300];

    lp_lanes_open(&e.differs, k);
    e.v.b = LLVMCreateBuilderInContext(e.v.cx);
    e.var = mem_alloc((k->var.len + 1) * sizeof *e.var);
    e.base = mem_alloc((k->buf.len + 1) * sizeof *e.base);
    e.wide = mem_alloc((k->buf.len + 1) * sizeof *e.wide);
    snprintf(name, sizeof name, "%s.body", k->name);
    e.v.fn = body_function(&e, name, k->param.len, k->dim.len);
    e.entry = LLVMAppendBasicBlockInContext(e.v.cx, e.v.fn, "");
    LLVMBasicBlockRef start = LLVMAppendBasicBlockInContext(e.v.cx, e.v.fn, "");
    LLVMPositionBuilderAtEnd(e.v.b, e.entry);
    e.place = lines_function(l, e.v.fn, name, first_line(k));
    lines_at(l, e.v.b, e.place, first_line(k));
    LLVMBuildBr(e.v.b, start);
    LLVMPositionBuilderAtEnd(e.v.b, start);
    e.row_top = LLVMGetParam(e.v.fn, 0);
    e.begin = LLVMGetParam(e.v.fn, 1);
    e.end = LLVMGetParam(e.v.fn, 2);
    for (uint32_t i = 0; i < k->param.len; i++)
        e.base[k->param.at[i]] = LLVMGetParam(e.v.fn, 3 + i);
    for (uint32_t i = 0; i < k->dim.len; i++)
        e.var[k->dim.at[i]].scalar = LLVMGetParam(e.v.fn, 3 + k->param.len + i);
    emit_block(&e, k->body);
    if (e.streams)              /* before another thread is told that the kernel has ended */
        LLVMBuildFence(e.v.b, LLVMAtomicOrderingSequentiallyConsistent, false, "");
    LLVMBuildRetVoid(e.v.b);
    wrapper(&e, e.v.fn, k->param.len, k->dim.len);
    LLVMDisposeBuilder(e.v.b);
    lp_lanes_close(&e.differs);
    for (int i = 0; i < 2; i++)
        mem_free(e.memo[i]);
    mem_free(e.var);
    mem_free(e.base);
    mem_free(e.wide);
}
