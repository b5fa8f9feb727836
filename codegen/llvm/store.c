/* codegen/llvm/store.c - buffers of a kernel's own, and stores to all buffers. */
#include "llvm_emit.h"

/* Memory of the call's scratch, in whole cache lines, until the block closes. */
static void row_local(emit *e, const lp_stmt *s)
{
    const lp_buffer *b = &e->k->buf.at[s->buf];
    value bytes = v_i64(&e->v, dt_size(b->dtype));

    emit_new_statement(e);
    for (int i = 0; i < b->rank; i++)
        bytes = LLVMBuildMul(e->v.b, bytes, emit_scalar(e, b->dims[i]), "");
    bytes = LLVMBuildAdd(e->v.b, bytes, v_i64(&e->v, 63), "");
    bytes = LLVMBuildAnd(e->v.b, bytes, v_i64(&e->v, -64), "");
    e->base[s->buf] = e->row_top;
    e->row_top = LLVMBuildGEP2(e->v.b, LLVMInt8TypeInContext(e->v.cx), e->row_top, &bytes, 1, "");
}

/* Registers are allocas in the entry block, where sroa finds them.  In a vec loop
 * each element is a vector, as wide as the loop. */
void emit_local(emit *e, const lp_stmt *s)
{
    const lp_buffer *b = &e->k->buf.at[s->buf];
    int64_t count = 1, extent;

    if (b->space == LP_ROW) {
        row_local(e, s);
        ICE_IF(s->value, "a filled row buffer");
        return;
    }
    for (int i = 0; i < b->rank; i++) {
        bool ok = lp_is_int(e->k, b->dims[i], &extent);
        ICE_IF(!ok, "a register buffer without constant extents");
        count *= extent;
    }
    e->wide[s->buf] = (uint32_t)e->lanes;
    type t = emit_wide(emit_type(&e->v, b->dtype), e->lanes);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->v.b);
    LLVMPositionBuilderBefore(e->v.b, LLVMGetFirstInstruction(e->entry));
    e->base[s->buf] = LLVMBuildAlloca(e->v.b, LLVMArrayType2(t, (uint64_t)count), "");
    LLVMPositionBuilderAtEnd(e->v.b, here);
    if (!s->value)
        return;
    emit_new_statement(e);
    value v = emit_vector(e, s->value);
    int64_t row =
        b->rank && e->lanes == 1 && lp_is_int(e->k, b->dims[b->rank - 1], &extent) ? extent : 1;
    row = row <= 64 ? row : 1;
    if (row > 1) {                  /* whole rows, as the loop will read them */
        int lanes = e->lanes;
        e->lanes = (int)row;
        v = emit_splat(e, v);
        e->lanes = lanes;
    }
    /* Elements have a byte at least each, vectors of bool a bit for each lane. */
    for (int64_t i = 0; i < count; i += row) {
        value at = v_i64(&e->v, i);
        value st = LLVMBuildStore(e->v.b, v, LLVMBuildGEP2(e->v.b, t, e->base[s->buf], &at, 1, ""));
        LLVMSetAlignment(st, 4);
    }
}

/* In a register buffer; lanes that the mask leaves out keep what they had. */
static void store_reg(emit *e, const lp_stmt *s)
{
    int lanes;
    ir_dtype d = e->k->buf.at[s->buf].dtype;
    value p = emit_reg_address(e, s->buf, s->idx, &lanes);
    type t = emit_wide(emit_type(&e->v, d), lanes);
    value v = lanes > 1 ? emit_vector(e, s->value) : emit_scalar(e, s->value);
    bool old_needed = s->accum || (e->mask && lanes > 1);
    value old = old_needed ? LLVMBuildLoad2(e->v.b, t, p, "") : NULL;

    if (old)
        LLVMSetAlignment(old, 4);
    if (s->accum)
        v = emit_op(&e->v, s->accum, d, d, (value[]){old, v}, lanes);
    if (e->mask && lanes > 1)
        v = LLVMBuildSelect(e->v.b, e->mask, v, old, "");
    LLVMSetAlignment(LLVMBuildStore(e->v.b, v, p), 4);
}

/* The offset without its constant part, `times` which is added to *constant; null if
 * nothing else is left.  (i + 3) * 16 + f is i * 16 + f, and 48. */
static value variable_part(emit *e, value v, int64_t times, int64_t *constant)
{
    value inst = LLVMIsAInstruction(v);
    LLVMOpcode op = inst ? LLVMGetInstructionOpcode(inst) : LLVMRet;

    if (LLVMIsAConstantInt(v)) {
        *constant += times * LLVMConstIntGetSExtValue(v);
        return NULL;
    }
    if (op != LLVMAdd && op != LLVMMul)
        return v;
    value a = LLVMGetOperand(v, 0), b = LLVMGetOperand(v, 1);
    if (op == LLVMMul && !LLVMIsAConstantInt(b))
        return v;
    value x = variable_part(e, a, op == LLVMMul ? times * LLVMConstIntGetSExtValue(b) : times,
                            constant);
    value y = op == LLVMMul ? b : variable_part(e, b, times, constant);
    if (!x || !y)
        return op == LLVMMul ? NULL : x ? x : y;
    return x == a && y == b ? v : LLVMBuildBinOp(e->v.b, op, x, y, "");
}

/* A constant distance is an address of its own: neighbours share the rest, and the
 * distance is part of the instruction.  In one sum the optimizer makes a bitwise or of
 * what has no bits in common, from which no constant can be taken out again. */
value emit_element(emit *e, lp_buf b, value offset)
{
    type t = emit_memory_type(&e->v, e->k->buf.at[b].dtype);
    int64_t constant = 0;
    value p = e->base[b], v = variable_part(e, offset, 1, &constant);

    if (v)
        p = LLVMBuildGEP2(e->v.b, t, p, &v, 1, "");
    value c = v_i64(&e->v, constant);
    return constant ? LLVMBuildGEP2(e->v.b, t, p, &c, 1, "") : p;
}

/* One element, at `offset` elements from the buffer's first. */
static void store_one(emit *e, const lp_stmt *s, value offset, value v)
{
    ir_dtype d = e->k->buf.at[s->buf].dtype;
    value p = emit_element(e, s->buf, offset);

    if (s->accum) {
        value old = LLVMBuildLoad2(e->v.b, emit_memory_type(&e->v, d), p, "");
        LLVMSetAlignment(old, (unsigned)dt_size(d));
        v = emit_op(&e->v, s->accum, d, d, (value[]){emit_from_memory(&e->v, d, old, 1), v}, 1);
    }
    value st = LLVMBuildStore(e->v.b, emit_to_memory(&e->v, d, v, 1), p);
    LLVMSetAlignment(st, (unsigned)dt_size(d));
}

/* One lane after the other, in order: offsets may be equal, and those of lanes that the
 * mask leaves out may be out of bounds. */
static void store_lanes(emit *e, const lp_stmt *s, value offsets, value v)
{
    for (int i = 0; i < e->lanes; i++) {
        value at = v_i64(&e->v, i);
        LLVMBasicBlockRef done = NULL;
        if (e->mask) {
            LLVMBasicBlockRef then = emit_new_block(e);
            done = emit_new_block(e);
            LLVMBuildCondBr(e->v.b, LLVMBuildExtractElement(e->v.b, e->mask, at, ""), then, done);
            LLVMPositionBuilderAtEnd(e->v.b, then);
        }
        value offset = LLVMBuildExtractElement(e->v.b, offsets, at, "");
        store_one(e, s, offset, LLVMBuildExtractElement(e->v.b, v, at, ""));
        if (done) {
            LLVMBuildBr(e->v.b, done);
            LLVMPositionBuilderAtEnd(e->v.b, done);
        }
    }
}

/* Past the caches, which a store does only at a multiple of its size: others are
 * plain ones. */
static void store_past(emit *e, value v, value p, unsigned align, unsigned size)
{
    type i64 = LLVMInt64TypeInContext(e->v.cx);
    unsigned kind = LLVMGetMDKindIDInContext(e->v.cx, "nontemporal", 11);
    LLVMMetadataRef one =
        LLVMValueAsMetadata(LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), 1, false));
    LLVMBasicBlockRef whole = emit_new_block(e), odd = emit_new_block(e), done = emit_new_block(e);

    value low = LLVMBuildPtrToInt(e->v.b, p, i64, "");
    low = LLVMBuildAnd(e->v.b, low, v_i64(&e->v, size - 1), "");
    LLVMBuildCondBr(e->v.b, LLVMBuildICmp(e->v.b, LLVMIntEQ, low, v_i64(&e->v, 0), ""), whole, odd);
    LLVMPositionBuilderAtEnd(e->v.b, whole);
    value st = LLVMBuildStore(e->v.b, v, p);
    LLVMSetAlignment(st, size);
    LLVMSetMetadata(st, kind, LLVMMetadataAsValue(e->v.cx, LLVMMDNodeInContext2(e->v.cx, &one, 1)));
    LLVMBuildBr(e->v.b, done);
    LLVMPositionBuilderAtEnd(e->v.b, odd);
    LLVMSetAlignment(LLVMBuildStore(e->v.b, v, p), align);
    LLVMBuildBr(e->v.b, done);
    LLVMPositionBuilderAtEnd(e->v.b, done);
    e->streams = true;
}

/* All lanes at once, to neighbouring elements from `offset` on. */
static void store_vector(emit *e, const lp_stmt *s, lp_expr offset, value v)
{
    enum { LEAST = 16 };        /* bytes of a vector that can be streamed */
    ir_dtype d = e->k->buf.at[s->buf].dtype;
    value p = emit_element(e, s->buf, emit_scalar(e, offset));
    type t = emit_wide(emit_memory_type(&e->v, d), e->lanes);
    unsigned align = (unsigned)dt_size(d);

    if (s->accum && !e->mask) {
        value old = LLVMBuildLoad2(e->v.b, t, p, "");
        LLVMSetAlignment(old, align);
        old = emit_from_memory(&e->v, d, old, e->lanes);
        v = emit_op(&e->v, s->accum, d, d, (value[]){old, v}, e->lanes);
    }
    v = emit_to_memory(&e->v, d, v, e->lanes);
    if (!e->mask) {
        unsigned size = align * (unsigned)e->lanes;
        if (s->stream && size >= LEAST)
            store_past(e, v, p, align, size);
        else
            LLVMSetAlignment(LLVMBuildStore(e->v.b, v, p), align);
        return;
    }
    unsigned id = LLVMLookupIntrinsicID("llvm.masked.store", 17);
    type over[2] = {t, LLVMPointerTypeInContext(e->v.cx, 0)};
    value f = LLVMGetIntrinsicDeclaration(e->v.m, id, over, 2);
    value a[4] = {v, p, LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), align, false), e->mask};
    LLVMBuildCall2(e->v.b, LLVMIntrinsicGetType(e->v.cx, id, over, 2), f, a, 4, "");
}

/* Neighbouring lanes store at once; a combining store under a mask goes lane by
 * lane, since lanes that are off must not be read. */
void emit_store(emit *e, const lp_stmt *s)
{
    emit_new_statement(e);
    if (e->k->buf.at[s->buf].space == LP_REG) {
        store_reg(e, s);
        return;
    }
    lp_expr offset = lp_offset(e->k, s->buf, s->idx), stride;
    int64_t n;
    emit_new_statement(e);
    if (e->lanes == 1) {
        value v = emit_scalar(e, s->value);
        store_one(e, s, emit_scalar(e, offset), v);
        return;
    }
    value v = emit_vector(e, s->value);
    bool linear = emit_differs(e, offset) &&
                  lp_linear_in(e->k, offset, e->vec_var, &stride) &&
                  lp_is_int(e->k, stride, &n) && n == 1;
    emit_new_statement(e);
    if (linear && !(s->accum && e->mask))
        store_vector(e, s, offset, v);
    else
        store_lanes(e, s, emit_vector(e, offset), v);
}
