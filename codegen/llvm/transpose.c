/* codegen/llvm/transpose.c - a square tile of elements turned in registers: log2 W rounds, in
 * each of which pairs of rows are shuffled.
 *
 * With lanes of L elements, first squares of L rows are turned in each lane, then the lanes
 * are turned as elements were.  Both take shuffles that an instruction does by itself: one that
 * needs a vector of indices needs a register for that, which LLVM keeps filled across the loops
 * that follow, tiles of products among them. */
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

/* The w elements of a and b with these places among their 2 w. */
static value shuffle(emit *e, value a, value b, const unsigned *place, int w)
{
    value at[LP_MAX_LANES];

    for (int i = 0; i < w; i++)
        at[i] = LLVMConstInt(LLVMInt32TypeInContext(e->v.cx), place[i], false);
    return LLVMBuildShuffleVector(e->v.b, a, b, LLVMConstVector(at, (unsigned)w), "");
}

/* In each lane of n elements, those of the first or second half of a and of b by turns:
 * a0 b0 a1 b1 or a2 b2 a3 b3. */
static value by_turns(emit *e, value a, value b, int w, int n, int half)
{
    unsigned place[LP_MAX_LANES];

    for (int i = 0; i < w; i++)
        place[i] = (unsigned)(i % 2 * w + i / n * n + half * n / 2 + i % n / 2);
    return shuffle(e, a, b, place, w);
}

/* The even or the odd lanes of n elements of a and then of b: a0 a2 b0 b2 or a1 a3 b1 b3. */
static value every_other(emit *e, value a, value b, int w, int n, int odd)
{
    unsigned place[LP_MAX_LANES];

    for (int i = 0; i < w; i++)
        place[i] = (unsigned)((i / n * 2 + odd) * n + i % n);
    return shuffle(e, a, b, place, w);
}

/* The square of n rows in each lane. */
static void turn_in_lanes(emit *e, value *row, int w, int n)
{
    value old[LP_MAX_LANES];

    for (int round = 1; round < n; round *= 2) {
        memcpy(old, row, (size_t)n * sizeof *row);
        for (int i = 0; i < n; i++)
            row[i] = by_turns(e, old[i / 2], old[i / 2 + n / 2], w, n, i % 2);
    }
}

/* The square of w / n lanes that are in every n-th row. */
static void turn_lanes(emit *e, value *row, int w, int n)
{
    value old[LP_MAX_LANES];
    int half = w / n / 2;

    for (int round = n; round < w; round *= 2) {
        for (int i = 0; i < 2 * half; i++)
            old[i * n] = row[i * n];
        for (int i = 0; i < 2 * half; i++)
            row[i * n] = every_other(e, old[i % half * 2 * n], old[(i % half * 2 + 1) * n], w, n,
                                     i / half);
    }
}

/* Loads and stores whole rows of the square tile, which may lie anywhere. */
void emit_transpose(emit *e, const lp_stmt *s)
{
    enum { LANE = 16 };         /* bytes */
    value row[LP_MAX_LANES];
    unsigned size = (unsigned)dt_size(e->k->buf.at[s->buf].dtype);
    int w = s->size, n = (int)min_i64(w, LANE / size);
    type t = LLVMVectorType(LLVMIntTypeInContext(e->v.cx, 8 * size), (unsigned)w);

    for (int i = 0; i < w; i++) {
        row[i] = LLVMBuildLoad2(e->v.b, t, row_address(e, s->from, s->from_idx, i), "");
        LLVMSetAlignment(row[i], size);
    }
    for (int i = 0; i < w; i += n)
        turn_in_lanes(e, row + i, w, n);
    for (int i = 0; i < n; i++)
        turn_lanes(e, row + i, w, n);
    for (int i = 0; i < w; i++) {
        value p = row_address(e, s->buf, s->idx, i);
        LLVMSetAlignment(LLVMBuildStore(e->v.b, row[i], p), size);
    }
}
