/* codegen/llvm/llvm_emit.h - one kernel being emitted; private to this folder. */
#ifndef INGOT_LLVM_EMIT_H
#define INGOT_LLVM_EMIT_H

#include "llvm_module.h"
#include "value.h"

/* What a loop or let variable stands for. */
typedef struct slot {
    value scalar;               /* of the first lane, in a vec loop */
    value vec;                  /* all lanes; null: the same in every lane */
} slot;

/* A kernel while its text is emitted, statement by statement.  In `vec v in 0..n step 8` lanes
 * is 8 and v has the slot {scalar: the first lane's, vec: <v, v + 1, ..>}; what differs
 * between lanes is emitted as a vector, all else as a scalar. */
typedef struct emit {
    value_cx v;
    lp_kernel *k;
    const lines *lines;
    LLVMMetadataRef place;      /* of the function, for its lines; null: none */
    value begin, end;           /* of the par loop, what this call does */
    LLVMBasicBlockRef entry;    /* allocas go here */
    slot *var;                  /* by lp_var */
    value *base;                /* by lp_buf: address of its first element */
    uint32_t *wide;             /* by lp_buf: lanes of a reg local of a vec loop */
    int lanes;                  /* of the vec loop around, 1 outside */
    lp_lanes differs;           /* which expressions do, in a vec loop */
    lp_var vec_var;             /* its variable */
    int64_t vec_divisor;        /* divides it in the first lane */
    value mask;                 /* <lanes x i1> of active lanes; null: all */
    value *memo[2];             /* by expression: scalar, vector; per statement */
    uint32_t memo_len;
    value row_top;              /* scratch: where the next row buffer begins */
    bool streams;               /* some store went past the caches */
    bool whole;                 /* loops are written out */
} emit;

/* Type of one element in registers (f16, bf16: float; bool: i1) or memory. */
type emit_type(value_cx *e, ir_dtype d);
type emit_memory_type(value_cx *e, ir_dtype d);
type emit_wide(type t, int lanes);

/* Has the expression several values here, one per lane? */
bool emit_differs(emit *e, lp_expr x);
/* The expression: a scalar (that of the first lane), or one value per lane. */
value emit_scalar(emit *e, lp_expr x);
value emit_vector(emit *e, lp_expr x);
value emit_splat(emit *e, value v);
void emit_new_statement(emit *e);

/* op on values of dtype `from` in registers, all of them `lanes` wide; `to`: the
 * result's dtype, where op does not tell it. */
value emit_op(value_cx *e, sc_op op, ir_dtype from, ir_dtype to, const value *a, int lanes);

/* Memory form and back. */
value emit_from_memory(value_cx *e, ir_dtype d, value v, int lanes);
value emit_to_memory(value_cx *e, ir_dtype d, value v, int lanes);

/* An empty block at the end of the function. */
LLVMBasicBlockRef emit_new_block(emit *e);

/* Statements, from s on. */
void emit_block(emit *e, const lp_stmt *s);
/* In a kernel that is emitted whole (whole.c), the loop as all its iterations; false if it
 * must be a loop. */
bool emit_written_out(emit *e, const lp_stmt *s);
/* Statements of these kinds. */
void emit_local(emit *e, const lp_stmt *s);
void emit_store(emit *e, const lp_stmt *s);
void emit_transpose(emit *e, const lp_stmt *s);
/* Address of a buffer's element at this offset. */
value emit_element(emit *e, lp_buf b, value offset);
value emit_reg_address(emit *e, lp_buf buf, const lp_expr *idx, int *lanes);

#endif
