/* codegen/loop/loop_build.h - entries of a kernel's tables just as they are given:
 * what the builder makes behind its checks, and the parser without them. */
#ifndef INGOT_LOOP_BUILD_H
#define INGOT_LOOP_BUILD_H

#include "loop.h"

/* The node with these operands (n.narg of them), new or the one there is; its
 * facts are derived, nothing is simplified. */
lp_expr lp_node_add(lp_kernel *k, lp_node n, const lp_expr *args);
/* op(a, b) of indices in a simpler form; 0 if it has none. */
lp_expr lp_index(lp_kernel *k, sc_op op, lp_expr a, lp_expr b);
/* Names are made unique; v.name is not looked at. */
lp_var lp_var_add(lp_kernel *k, const char *name, lp_variable v);
lp_var lp_dim_add(lp_kernel *k, const char *name, int64_t lo, int64_t hi, int64_t divisor);
/* The variable of a loop over lo..hi by step > 0. */
lp_var lp_loop_var_add(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo,
                       lp_expr hi, int64_t step);
/* The variable of a let of `value`, or of a fold (value 0). */
lp_var lp_let_var_add(lp_kernel *k, const char *name, ir_dtype dtype, lp_expr value);
/* The list `dims` of b is copied; strides, align and alias come after. */
lp_buf lp_buffer_add(lp_kernel *k, const char *name, lp_buffer b);

#endif
