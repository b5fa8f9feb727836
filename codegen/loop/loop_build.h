/* codegen/loop/loop_build.h - adds entries to a kernel's tables just as they are given.
 * The builder does so after its checks; the parser does without them, for lp_verify
 * follows. */
#ifndef INGOT_LOOP_BUILD_H
#define INGOT_LOOP_BUILD_H

#include "loop.h"

/* The node n with these n.narg operands: the one that there is, or a new one whose
 * bounds, divisor and variables are derived.  Nothing is simplified. */
lp_expr lp_node_add(lp_kernel *k, lp_node n, const lp_expr *args);
/* op(a, b) of two i64 in a simpler form; 0 if it has none. */
lp_expr lp_index(lp_kernel *k, sc_op op, lp_expr a, lp_expr b);
/* An extent that only the run knows; a variable's name is made unique. */
lp_var lp_dim_add(lp_kernel *k, const char *name, int64_t lo, int64_t hi, int64_t divisor);
/* The variable of a loop over lo..hi by step > 0. */
lp_var lp_loop_var_add(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo,
                       lp_expr hi, int64_t step);
/* The variable of a let of `value`, or of a fold (value 0). */
lp_var lp_let_var_add(lp_kernel *k, const char *name, ir_dtype dtype, lp_expr value);
/* Adds the buffer b under a unique name and copies its list of dims.  alias is set
 * later. */
lp_buf lp_buffer_add(lp_kernel *k, const char *name, lp_buffer b);

#endif
