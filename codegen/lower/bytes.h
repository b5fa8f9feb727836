/* codegen/lower/bytes.h - products of bytes, several of which an i32 sums at once.
 *
 * Where one instruction sums four of them (dot4) both operands are read as they lie, four
 * bytes together.  Elsewhere two products of 16 bits are the widest step that is exact
 * (dot2): the first operand, of which one element serves all lanes, is copied to i16 once;
 * the second stays bytes, two together, which are widened as they are loaded. */
#ifndef INGOT_BYTES_H
#define INGOT_BYTES_H

#include "templates.h"

/* Products that are summed together in a vector of so many i32. */
static inline int bytes_together(const lower *l, int lanes)
{
    enum { QUAD = 4, PAIR = 2 };

    return target_sums_four(l->target, lanes) ? QUAD : PAIR;
}

/* Element of the first operand; `together` of them are read as an i32. */
static inline ir_dtype bytes_first(int together)
{
    return together == 4 ? DT_U8 : DT_I16;
}

/* What the second operand's bytes are together. */
static inline ir_dtype bytes_second(int together)
{
    return together == 4 ? DT_I32 : DT_I16;
}

/* The second operand's bytes together, in i32, with byte i, a u8, added to those before. */
static inline lp_expr bytes_add(lp_kernel *k, lp_expr before, int i, lp_expr byte)
{
    byte = lp_cast(k, DT_I32, byte);
    return i ? lp_add(k, before, lp_mul(k, byte, lp_const_int(k, DT_I32, (int64_t)1 << 8 * i)))
             : byte;
}

#endif
