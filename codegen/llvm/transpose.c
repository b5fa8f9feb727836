/* codegen/llvm/transpose.c - a square tile of elements turned in registers: log2 W
 * rounds, in each of which pairs of rows exchange half of their elements. */
#include "llvm_emit.h"

/* Row i of the tile that begins at idx. */
static value row_address(emit *e, lp_buf b, const lp_expr *idx, int i)
{
    lp_expr stride = lp_stride(e->k, b, e->k->buf.at[b].rank - 2);
    lp_expr offset = lp_offset(e->k, b, idx);

    offset = lp_add(e->k, offset, lp_mul(e->k, stride, lp_int(e->k, i)));

    emit_new_statement(e);
    return emit_element(e, b, emit_scalar(e, offset));
}

/* Blocks of `distance` elements: the second ones of a change places with the first
 * ones of b. */
static void exchange(emit *e, value *a, value *b, int w, int distance)
{
    value low[LP_MAX_LANES], high[LP_MAX_LANES];
    type i32 = LLVMInt32TypeInContext(e->v.cx);

    for (int i = 0; i < w; i++) {
        bool second = i & distance;
        low[i] = LLVMConstInt(i32, (unsigned)(second ? w + i - distance : i), false);
        high[i] = LLVMConstInt(i32, (unsigned)(second ? w + i : i + distance), false);
    }
    value x = LLVMBuildShuffleVector(e->v.b, *a, *b, LLVMConstVector(low, (unsigned)w), "");
    *b = LLVMBuildShuffleVector(e->v.b, *a, *b, LLVMConstVector(high, (unsigned)w), "");
    *a = x;
}

/* Loads and stores whole rows of the square tile, which may lie anywhere. */
void emit_transpose(emit *e, const lp_stmt *s)
{
    value row[LP_MAX_LANES];
    int w = s->size;
    unsigned size = (unsigned)dt_size(e->k->buf.at[s->buf].dtype);
    type t = LLVMVectorType(LLVMIntTypeInContext(e->v.cx, 8 * size), (unsigned)w);

    for (int i = 0; i < w; i++) {
        row[i] = LLVMBuildLoad2(e->v.b, t, row_address(e, s->from, s->from_idx, i), "");
        LLVMSetAlignment(row[i], size);
    }
    for (int distance = 1; distance < w; distance *= 2)
        for (int i = 0; i < w; i++)
            if (!(i & distance))
                exchange(e, &row[i], &row[i + distance], w, distance);
    for (int i = 0; i < w; i++) {
        value p = row_address(e, s->buf, s->idx, i);
        LLVMSetAlignment(LLVMBuildStore(e->v.b, row[i], p), size);
    }
}
