/* codegen/llvm/expr.c - expressions of a kernel as LLVM values.
 *
 * In a vec loop an expression that does not depend on the lane stays scalar;
 * a load whose offset grows by 1 with the lane is a vector load, one with a small
 * stride takes its elements from several, one that reads each element for some lanes in
 * turn spreads a shorter vector; any other that depends on it is gathered lane by lane. */
#include "llvm_emit.h"

value emit_splat(emit *e, value v)
{
    if (e->lanes == 1 || LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind)
        return v;
    type t = LLVMVectorType(LLVMTypeOf(v), (unsigned)e->lanes);
    value undef = LLVMGetPoison(t), at = v_i64(&e->v, 0);
    value one = LLVMBuildInsertElement(e->v.b, undef, v, at, "");
    type i32 = LLVMInt32TypeInContext(e->v.cx);
    value zeros = LLVMConstNull(LLVMVectorType(i32, (unsigned)e->lanes));
    return LLVMBuildShuffleVector(e->v.b, one, undef, zeros, "");
}

/* Values are remembered for one statement only: the next one may read what this one
 * stores. */
void emit_new_statement(emit *e)
{
    uint32_t n = e->k->node.len;

    if (n > e->memo_len) {
        for (int i = 0; i < 2; i++)
            e->memo[i] = mem_resize(e->memo[i], n * sizeof(value));
        e->memo_len = n;
    }
    for (int i = 0; i < 2; i++)
        if (n)
            memset(e->memo[i], 0, n * sizeof(value));
}

/* ---- what depends on the lane -------------------------------------------------------- */

static bool is_reg(const emit *e, lp_buf b)
{
    return e->k->buf.at[b].space == LP_REG;
}

/* Is every dependence on the lane through the vec variable itself? */
static bool only_through_var(emit *e, lp_expr x)
{
    const lp_node *n = lp_at(e->k, x);

    if (n->kind == LX_VAR)
        return !e->var[n->ref].vec || n->ref == e->vec_var;
    if (n->kind == LX_LOAD && emit_differs(e, x))
        return false;
    for (uint32_t i = 0; i < n->narg; i++)
        if (!only_through_var(e, e->k->arg.at[n->arg + i]))
            return false;
    return true;
}

/* ---- loads ------------------------------------------------------------------------------ */

static unsigned alignment(const emit *e, lp_buf b)
{
    const lp_buffer *buf = &e->k->buf.at[b];

    return buf->bytes ? 1 : (unsigned)dt_size(buf->dtype);
}

static value load_scalar(emit *e, lp_buf b, value offset)
{
    ir_dtype d = e->k->buf.at[b].dtype;
    value v = LLVMBuildLoad2(e->v.b, emit_memory_type(&e->v, d), emit_element(e, b, offset), "");

    LLVMSetAlignment(v, alignment(e, b));
    return emit_from_memory(&e->v, d, v, 1);
}

/* Some neighbours, as they are in memory. */
static value load_line(emit *e, lp_buf b, value offset, int count, value mask)
{
    type t = emit_wide(emit_memory_type(&e->v, e->k->buf.at[b].dtype), count);
    value p = emit_element(e, b, offset);

    if (!mask) {
        value v = LLVMBuildLoad2(e->v.b, t, p, "");
        LLVMSetAlignment(v, alignment(e, b));
        return v;
    }
    unsigned id = LLVMLookupIntrinsicID("llvm.masked.load", 16);
    type over[2] = {t, LLVMPointerTypeInContext(e->v.cx, 0)};
    value f = LLVMGetIntrinsicDeclaration(e->v.m, id, over, 2);
    value a[4] = {p, LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), alignment(e, b), false), mask,
                  LLVMConstNull(t)};
    return LLVMBuildCall2(e->v.b, LLVMIntrinsicGetType(e->v.cx, id, over, 2), f, a, 4, "");
}

static value load_vector(emit *e, lp_buf b, value offset, value mask)
{
    ir_dtype d = e->k->buf.at[b].dtype;

    return emit_from_memory(&e->v, d, load_line(e, b, offset, e->lanes, mask), e->lanes);
}

/* Elements pick[i] of a and, from `lanes` on, of b. */
static value shuffle(emit *e, value a, value b, const int *pick)
{
    value at[LP_MAX_LANES];

    for (int i = 0; i < e->lanes; i++)
        at[i] = LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), (unsigned)pick[i], false);
    return LLVMBuildShuffleVector(e->v.b, a, b, LLVMConstVector(at, (unsigned)e->lanes), "");
}

/* Lanes of the line whose first element is element `from` of the run that the lanes
 * pick one of `stride` elements from: those that some active lane picks. */
static value line_mask(emit *e, value mask, int from, int stride)
{
    int pick[LP_MAX_LANES];

    for (int i = 0; i < e->lanes; i++)
        pick[i] = (from + i) % stride ? e->lanes : (from + i) / stride;
    return shuffle(e, mask, LLVMConstNull(LLVMTypeOf(mask)), pick);
}

/* Every stride-th element of a run, by as many lines; the last one ends with the last
 * element, so that nothing behind it is read. */
static value load_strided(emit *e, lp_buf b, value offset, int stride, value mask)
{
    int lanes = e->lanes, pick[LP_MAX_LANES];
    value v = NULL;

    for (int line = 0; line < stride; line++) {
        int from = (int)min_i64(line * lanes, (lanes - 1) * stride + 1 - lanes);
        value at = LLVMBuildAdd(e->v.b, offset, v_i64(&e->v, from), "");
        value x = load_line(e, b, at, lanes, mask ? line_mask(e, mask, from, stride) : NULL);
        for (int i = 0; i < lanes; i++) {
            bool here = i * stride / lanes == line;
            pick[i] = v ? (here ? lanes + i * stride - from : i) : here ? i * stride - from : 0;
        }
        v = shuffle(e, v ? v : x, x, pick);
    }
    return emit_from_memory(&e->v, e->k->buf.at[b].dtype, v, lanes);
}

/* A line of which each element is that of `times` lanes in turn; it is read if one of
 * them is active, and those that are not get 0. */
static value load_repeated(emit *e, lp_buf b, value offset, int times, value mask)
{
    int count = e->lanes / times, pick[LP_MAX_LANES] = {0};
    value at[LP_MAX_LANES], wanted = NULL;

    for (int i = 0; mask && i < times; i++) {
        for (int j = 0; j < count; j++)
            at[j] = LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), (unsigned)(j * times + i), false);
        value some = LLVMConstVector(at, (unsigned)count);
        value part = LLVMBuildShuffleVector(e->v.b, mask, mask, some, "");
        wanted = wanted ? LLVMBuildOr(e->v.b, wanted, part, "") : part;
    }
    for (int i = 0; i < e->lanes; i++)
        pick[i] = i / times;
    value v = load_line(e, b, offset, count, wanted);
    v = shuffle(e, v, v, pick);
    if (mask)
        v = LLVMBuildSelect(e->v.b, mask, v, LLVMConstNull(LLVMTypeOf(v)), "");
    return emit_from_memory(&e->v, e->k->buf.at[b].dtype, v, e->lanes);
}

/* A branch around body where cond is false; the result is then zero. */
typedef struct guard { LLVMBasicBlockRef from, then, done; } guard;

static guard guard_begin(emit *e, value cond)
{
    guard g = {.from = LLVMGetInsertBlock(e->v.b)};

    g.then = LLVMAppendBasicBlockInContext(e->v.cx, e->v.fn, "");
    g.done = LLVMAppendBasicBlockInContext(e->v.cx, e->v.fn, "");
    LLVMBuildCondBr(e->v.b, cond, g.then, g.done);
    LLVMPositionBuilderAtEnd(e->v.b, g.then);
    return g;
}

/* `v` where the condition held, `otherwise` where not. */
static value guard_end(emit *e, guard g, value v, value otherwise)
{
    LLVMBasicBlockRef end = LLVMGetInsertBlock(e->v.b);

    LLVMBuildBr(e->v.b, g.done);
    LLVMPositionBuilderAtEnd(e->v.b, g.done);
    if (!v)
        return NULL;
    value phi = LLVMBuildPhi(e->v.b, LLVMTypeOf(v), "");
    LLVMAddIncoming(phi, (value[]){v, otherwise}, (LLVMBasicBlockRef[]){end, g.from}, 2);
    return phi;
}

/* Lane by lane; lanes that are off read nothing. */
static value load_gathered(emit *e, lp_buf b, value offsets, value mask)
{
    ir_dtype d = e->k->buf.at[b].dtype;
    value out = LLVMConstNull(emit_wide(emit_type(&e->v, d), e->lanes));

    for (int i = 0; i < e->lanes; i++) {
        value at = v_i64(&e->v, i), o = LLVMBuildExtractElement(e->v.b, offsets, at, "");
        value v;
        if (mask) {
            guard g = guard_begin(e, LLVMBuildExtractElement(e->v.b, mask, at, ""));
            v = guard_end(e, g, load_scalar(e, b, o), LLVMConstNull(emit_type(&e->v, d)));
        } else {
            v = load_scalar(e, b, o);
        }
        out = LLVMBuildInsertElement(e->v.b, out, v, at, "");
    }
    return out;
}

static value both(emit *e, value a, value b)
{
    return !a ? b : !b ? a : LLVMBuildAnd(e->v.b, a, b, "");
}

/* A scalar load under a condition: a branch, so that nothing is read. */
static value guarded_scalar(emit *e, lp_buf b, lp_expr offset, lp_expr cond)
{
    ir_dtype d = e->k->buf.at[b].dtype;
    value c = emit_scalar(e, cond);
    value o = emit_scalar(e, offset);
    value safe = LLVMBuildSelect(e->v.b, c, o, v_i64(&e->v, 0), "");
    guard g = guard_begin(e, c);

    return guard_end(e, g, load_scalar(e, b, safe), LLVMConstNull(emit_type(&e->v, d)));
}

/* Stride of the offset between lanes: 0, up to that of which lines are loaded, or -1
 * for anything else. */
static int lane_stride(emit *e, lp_expr offset)
{
    enum { MOST = 4 };
    lp_expr stride;
    int64_t s;

    if (!emit_differs(e, offset))
        return 0;
    if (only_through_var(e, offset) && lp_linear_in(e->k, offset, e->vec_var, &stride) &&
        lp_is_int(e->k, stride, &s) && s >= 1 && s <= MOST)
        return (int)s;
    return -1;
}

/* What divides x in the first lane. */
static int64_t first_divisor(emit *e, lp_expr x)
{
    const lp_node *n = lp_at(e->k, x);
    const lp_expr *a = &e->k->arg.at[n->arg];

    if (!emit_differs(e, x))
        return n->divisor;
    if (n->kind == LX_VAR && n->ref == e->vec_var)
        return e->vec_divisor;
    return n->kind == LX_SCALAR && n->op == SC_ADD
               ? gcd_i64(first_divisor(e, a[0]), first_divisor(e, a[1])) : 1;
}

/* For how many lanes in turn, from the first one on, the offset stays the same before it
 * grows by one: 4 for x + v / 4.  0: it is not like that. */
static int lane_repeats(emit *e, lp_expr offset)
{
    const lp_node *n = lp_at(e->k, offset);
    int64_t times, stride;
    lp_expr by;

    while (n->kind == LX_SCALAR && n->op == SC_ADD) {
        lp_expr x = e->k->arg.at[n->arg], y = e->k->arg.at[n->arg + 1];
        bool here = emit_differs(e, x);
        if (here && emit_differs(e, y))
            return 0;
        n = lp_at(e->k, here ? x : y);
    }
    if (n->kind != LX_FLOORDIV || !lp_is_int(e->k, e->k->arg.at[n->arg + 1], &times) ||
        times < 2 || times >= e->lanes || e->lanes % times)
        return 0;
    lp_expr a = e->k->arg.at[n->arg];
    return only_through_var(e, a) && first_divisor(e, a) % times == 0 &&
                   lp_linear_in(e->k, a, e->vec_var, &by) && lp_is_int(e->k, by, &stride) &&
                   stride == 1 ? (int)times : 0;
}

/* The elements at the lanes' offsets. */
static value load_lanes(emit *e, lp_buf b, lp_expr offset, int stride, value mask)
{
    int times = stride < 0 ? lane_repeats(e, offset) : 0;

    if (times)
        return load_repeated(e, b, emit_scalar(e, offset), times, mask);
    if (stride == 1)
        return load_vector(e, b, emit_scalar(e, offset), mask);
    if (stride > 1)
        return load_strided(e, b, emit_scalar(e, offset), stride, mask);
    return load_gathered(e, b, emit_vector(e, offset), mask);
}

/* The kinds of loads of the file's head, told apart by how the offset and the
 * condition depend on the lane. */
static value load_memory(emit *e, const lp_node *n, bool vector)
{
    lp_expr idx[LP_MAX_RANK + 1];   /* with the condition; a copy: the list grows */
    memcpy(idx, &e->k->arg.at[n->arg], n->narg * sizeof *idx);
    lp_expr offset = lp_offset(e->k, n->ref, idx);
    lp_expr cond = n->guarded ? e->k->arg.at[n->arg + n->narg - 1] : 0;
    lp_buf b = n->ref;

    if (e->k->node.len > e->memo_len) {     /* lp_offset made new expressions */
        uint32_t old = e->memo_len, len = e->k->node.len;
        for (int i = 0; i < 2; i++) {
            e->memo[i] = mem_resize(e->memo[i], len * sizeof(value));
            memset(e->memo[i] + old, 0, (len - old) * sizeof(value));
        }
        e->memo_len = len;
    }
    if (!vector)
        return cond ? guarded_scalar(e, b, offset, cond)
                    : load_scalar(e, b, emit_scalar(e, offset));
    bool cond_varies = cond && emit_differs(e, cond);
    int stride = lane_stride(e, offset);
    if (stride == 0 && !cond_varies)
        return emit_splat(e, cond ? guarded_scalar(e, b, offset, cond)
                                  : load_scalar(e, b, emit_scalar(e, offset)));
    value mask = e->mask;
    if (cond && !cond_varies) {             /* one branch for all lanes */
        guard g = guard_begin(e, emit_scalar(e, cond));
        memset(e->memo[0], 0, e->memo_len * sizeof(value));
        memset(e->memo[1], 0, e->memo_len * sizeof(value));
        value v = load_lanes(e, b, offset, stride, mask);
        v = guard_end(e, g, v, LLVMConstNull(LLVMTypeOf(v)));
        memset(e->memo[0], 0, e->memo_len * sizeof(value));
        memset(e->memo[1], 0, e->memo_len * sizeof(value));
        return v;
    }
    if (cond)
        mask = both(e, mask, emit_vector(e, cond));
    return load_lanes(e, b, offset, stride, mask);
}

/* ---- registers ---------------------------------------------------------------------------- */

/* Address in a reg local; *lanes: how many elements stand there at once. */
value emit_reg_address(emit *e, lp_buf b, const lp_expr *idx, int *lanes)
{
    const lp_buffer *buf = &e->k->buf.at[b];
    type t = emit_type(&e->v, buf->dtype);
    value offset = v_i64(&e->v, 0);
    int64_t extent;

    *lanes = (int)e->wide[b];
    for (int i = 0; i < buf->rank; i++) {
        bool ok = lp_is_int(e->k, buf->dims[i], &extent);
        ICE_IF(!ok, "extent of a register buffer");
        value at;
        if (i == buf->rank - 1 && *lanes == 1 && emit_differs(e, idx[i])) {
            ICE_IF(extent < e->lanes, "register row of %lld in a loop of %d lanes",
                   (long long)extent, e->lanes);
            *lanes = e->lanes;
            at = extent > e->lanes ? emit_scalar(e, idx[i]) : v_i64(&e->v, 0);
        } else {
            at = emit_scalar(e, idx[i]);
        }
        offset = LLVMBuildMul(e->v.b, offset, v_i64(&e->v, extent), "");
        offset = LLVMBuildAdd(e->v.b, offset, at, "");
    }
    if (e->wide[b] > 1)
        t = emit_wide(t, (int)e->wide[b]);
    return LLVMBuildGEP2(e->v.b, t, e->base[b], &offset, 1, "");
}

/* Alignment of 4: registers are memory here, until LLVM's sroa pass makes values of
 * them. */
static value load_reg(emit *e, const lp_node *n, bool vector)
{
    int lanes;
    value p = emit_reg_address(e, n->ref, &e->k->arg.at[n->arg], &lanes);
    type t = emit_wide(emit_type(&e->v, e->k->buf.at[n->ref].dtype), lanes);
    value v = LLVMBuildLoad2(e->v.b, t, p, "");

    LLVMSetAlignment(v, 4);
    if (vector && lanes == 1)
        return emit_splat(e, v);
    ICE_IF(!vector && lanes > 1, "a vector where a scalar is wanted");
    return v;
}

/* ---- expressions ----------------------------------------------------------------------------- */

/* By bits, so that a NaN keeps its payload where LLVM allows. */
static value literal(emit *e, const lp_node *n)
{
    type t = emit_type(&e->v, n->dtype);
    double f64;
    float f32;
    uint64_t bits = n->bits;
    uint32_t low = (uint32_t)bits;

    switch ((ir_dtype)n->dtype) {
    case DT_F64:
        memcpy(&f64, &bits, 8);
        return LLVMConstReal(t, f64);
    case DT_F32:
        return LLVMConstBitCast(LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), low, false), t);
    case DT_BF16:
        low <<= 16;
        memcpy(&f32, &low, 4);
        return LLVMConstReal(t, (double)f32);
    case DT_F16: {
        value h = LLVMConstInt(LLVMInt16TypeInContext(e->v.cx), low & 0xffff, false);
        h = LLVMConstBitCast(h, LLVMHalfTypeInContext(e->v.cx));
        return LLVMBuildFPExt(e->v.b, h, t, "");
    }
    case DT_BOOL:
        return LLVMConstInt(t, bits != 0, false);
    default:
        return LLVMConstInt(t, bits, false);
    }
}

static value floor_div(emit *e, const lp_node *n, value a, value b)
{
    const lp_node *x = lp_at(e->k, e->k->arg.at[n->arg]);
    int64_t d;

    if (lp_is_int(e->k, e->k->arg.at[n->arg + 1], &d) && d > 0 && x->lo >= 0)
        return LLVMBuildUDiv(e->v.b, a, b, "");
    return v_floor(e->v.b, a, b).quotient;
}

/* Index modulo of nonnegative numbers by a positive literal. */
static bool plain_mod(emit *e, const lp_node *n)
{
    int64_t d;

    return n->kind == LX_SCALAR && n->op == SC_MOD && n->dtype == DT_I64 &&
           lp_at(e->k, e->k->arg.at[n->arg])->lo >= 0 &&
           lp_is_int(e->k, e->k->arg.at[n->arg + 1], &d) && d > 0;
}

/* Vectors if `vector`, else the value that all lanes share. */
static value compute(emit *e, lp_expr x, bool vector)
{
    const lp_node n = *lp_at(e->k, x);      /* a copy: loads add nodes */
    int lanes = vector ? e->lanes : 1;
    value a[3];

    switch ((lp_node_kind)n.kind) {
    case LX_LITERAL:
        return literal(e, &n);
    case LX_VAR:
        if (vector)
            return e->var[n.ref].vec;
        ICE_IF(!e->var[n.ref].scalar, "variable %s has no scalar", e->k->var.at[n.ref].name);
        return e->var[n.ref].scalar;
    case LX_LOAD:
        return is_reg(e, n.ref) ? load_reg(e, &n, vector) : load_memory(e, &n, vector);
    default:
        break;
    }
    for (uint32_t i = 0; i < n.narg && i < 3; i++) {
        lp_expr arg = e->k->arg.at[n.arg + i];
        a[i] = vector ? emit_vector(e, arg) : emit_scalar(e, arg);
    }
    if (n.kind == LX_FLOORDIV)
        return floor_div(e, &n, a[0], a[1]);
    if (n.kind == LX_DOT4)
        return v_dot4(&e->v, a, lanes);
    if (n.kind == LX_DOT2)
        return v_dot2(&e->v, a, lanes);
    ICE_IF(n.kind != LX_SCALAR, "expression kind %d", n.kind);
    ir_dtype d = lp_dtype(e->k, e->k->arg.at[n.arg + (n.op == SC_SELECT)]);
    if (plain_mod(e, &n))
        return LLVMBuildURem(e->v.b, a[0], a[1], "");
    return emit_op(&e->v, (sc_op)n.op, d, n.dtype, a, lanes);
}

static value remembered(emit *e, lp_expr x, bool vector)
{
    if (x >= e->memo_len || !e->memo[vector][x]) {
        value v = compute(e, x, vector);
        if (x < e->memo_len)
            e->memo[vector][x] = v;
        return v;
    }
    return e->memo[vector][x];
}

value emit_scalar(emit *e, lp_expr x)
{
    return remembered(e, x, false);
}

value emit_vector(emit *e, lp_expr x)
{
    return emit_differs(e, x) ? remembered(e, x, true) : emit_splat(e, emit_scalar(e, x));
}
