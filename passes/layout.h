/* passes/layout.h - the forms in blocks of channels that the layout pass keeps beside values. */
#ifndef INGOT_LAYOUT_H
#define INGOT_LAYOUT_H

#include "rule.h"
#include "target.h"

/* Twins are of one function: refs of another, as of a region, would mean other
 * values. */
typedef struct twin {
    const ir_fn *fn;
    ir_ref plain, blocked;
} twin;

/* What a run of the pass knows. */
typedef struct layout_cx {
    const target *target;
    map by_value;
    VEC(twin) twins;
    const ir_type *plain;       /* of the node at hand */
} layout_cx;

/* The blocked twin of a plain value; IR_NONE if it has none. */
ir_ref layout_twin_of(const layout_cx *cx, const ir_build *b, ir_ref x);
/* The block of a value of this type; 0: it stays plain. */
int layout_block_for(const layout_cx *cx, const ir_build *b, const ir_type *t);
/* The plain value of a twin, recorded as such. */
ir_ref layout_unpack(layout_cx *cx, ir_build *b, ir_ref y, const ir_type *plain);
/* The form of x in this block, made if need be. */
ir_ref layout_want(layout_cx *cx, ir_build *b, ir_ref x, int block);
/* The block of the first operand that has a twin and is no broadcast; 0: none. */
int layout_twin_block(const layout_cx *cx, const ir_build *b, const ir_ref *a, uint32_t n);
/* The block in which x is had without packing it anew. */
int layout_block_at_hand(const layout_cx *cx, const ir_build *b, ir_ref x);
/* The shape of a plain value's twin, [N,C,S..] -> [N,C/B,S..,B], and its rank. */
int layout_blocked_shape(ir_build *b, const ir_type *t, int block, ir_dim *out);

#endif
