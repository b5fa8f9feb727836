/* ir/op/join.h - types of values that come from several places. */
#ifndef INGOT_OP_JOIN_H
#define INGOT_OP_JOIN_H

#include "eval_op.h"

/* Is it the dim that stands in a sequence's element type for an extent that differs
 * between its elements?  Never a dim of a tensor. */
bool is_any_extent(dim_table *t, ir_dim d);
/* Least type of sequence elements that are of type a or b: extents that differ
 * become that dim, never gives way.  Null if there is none. */
const ir_type *join_elements(const ir_infer *in, const ir_type *a, const ir_type *b);
/* Could a value of type x be one of type `as`?  (Nothing known says no.) */
bool may_be(const ir_infer *in, const ir_type *x, const ir_type *as);
/* Records D_DTYPES_DIFFER of two types; false. */
bool in_types_differ(const ir_infer *in, const ir_type *a, const ir_type *b);

#endif
