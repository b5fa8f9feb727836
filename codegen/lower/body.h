/* codegen/lower/body.h - one kernel in the making: its parameters, and the scalar
 * expression of any value of the group at any index. */
#ifndef INGOT_BODY_H
#define INGOT_BODY_H

#include "lower.h"

/* How a template answers for a value in place of body_at's own rule, by which a
 * stored value is loaded and any other is computed from its operands. */
typedef enum body_how {
    BODY_MADE,                  /* this kernel stores it: it is computed, not loaded */
    BODY_TAKEN,                 /* loaded, from memory that the output `by` may take over */
    BODY_IS,                    /* `expr`, whatever the index */
    BODY_ROW,                   /* an element of the local buffer `row`, whose first
                                 * axis is the value's axis `skip` */
    BODY_GUARD,                 /* of no value: loads are made where `expr` holds */
    BODY_SPREAD,                /* of no value: no element is repeated along an axis that the
                                 * run alone knows to be 1; body.repeats tells where that
                                 * would be wrong */
} body_how;

/* What templates know lies on a stack of bindings, of which the last one of a
 * value counts.  Softmax, e = exp(x - max(x)) and y = e / sum(e), is a kernel
 * with y as BODY_MADE; then, for each row i:
 *
 *   a pass that folds x into m        max(x) BODY_IS m       for the rest of the row
 *   a pass that folds e into s:
 *     v = let exp(x[i, j] - m)        e BODY_IS v            while its loop is open
 *     row[j] = v                      e BODY_ROW row, skip 1 for the rest of the row
 *                                     sum(e) BODY_IS s       for the rest of the row
 *   a pass that stores y[i, j], for which body_at finds row[j] / s
 *
 * A binding is taken off before the block closes in which its expression or
 * buffer was defined. */
typedef struct body_binding {
    ir_ref ref;
    body_how how;
    lp_expr expr;
    lp_buf row;
    int skip;
    ir_ref by;
    uint64_t state;             /* hash of this one and all below it */
} body_binding;

/* A kernel in the making.  Buffers and dims become parameters when they are first
 * asked for.  Parameter i of the kernel is buffer buf.at[i], for which the call
 * passes arg.at[i]; its i64 parameter i is the dim dim.at[i], which
 * dim_expr.at[i] reads.  Values are remembered by index and by the bindings under
 * which they were found: an entry holds when the stack is as it was then. */
typedef struct body {
    lower *l;
    const ir_groups *in;
    const ir_fn *fn;
    lp_kernel *k;
    VEC(group_arg) arg;
    VEC(lp_buf) buf;
    VEC(bool) view;             /* is arg.at[i] read as another type, or in another shape? */
    VEC(ir_dim) dim;
    VEC(lp_expr) dim_expr;
    bool shared;                /* it serves for all numbers of elements, and all factors */
    bool apart;                 /* quotients, minima.. of symbols are parameters, too */
    lp_expr line;               /* elements of all values that have axes, which are parameters
                                 * of one axis then, the last index counting; 0: as they are */
    VEC(body_binding) bound;
    lp_expr repeats;            /* do elements repeat after all?  0: for certain not */
    map memo;                   /* (value, index, bindings) to position in memo_expr */
    VEC(lp_expr) memo_expr;
    const char *failed;         /* why the group cannot be lowered */
} body;

void body_init(body *b, lower *l, const ir_groups *in, const char *name);
void body_free(body *b);

/* Binds how.ref until the body_unbind that belongs to it; how.state is not read. */
void body_bind(body *b, body_binding how);
void body_unbind(body *b);

/* Is the value bound to an expression or a row, so that nothing is computed for it? */
bool body_knows(const body *b, ir_ref ref);
/* Begins BODY_SPREAD, until a body_unbind. */
void body_spread(body *b);
bool body_is_spread(const body *b);
/* The condition under which loads are made at present; 0: always. */
lp_expr body_guard(const body *b);

/* The parameter with a stored value to be written; its dims are the type's. */
lp_buf body_output(body *b, ir_ref ref);
lp_buf body_temp(body *b, uint32_t temp, ir_dtype dt, int rank, const lp_expr *dims, bool write);
lp_buf body_const(body *b, uint32_t constant);
/* A stored value's bytes as elements of this type, in this shape, for reading. */
lp_buf body_source_as(body *b, ir_ref ref, ir_dtype dt, int rank, const lp_expr *dims);
/* The constant's bytes as elements of another type, in this shape. */
lp_buf body_const_as(body *b, uint32_t constant, ir_dtype dt, int rank, const lp_expr *dims);
/* The parameter that holds the value; 0 if the value is computed on the way. */
lp_buf body_source(body *b, ir_ref ref);

/* A dim as an index expression. */
lp_expr body_dim(body *b, ir_dim d);
/* The same of a number that a call passes, so that kernels which differ in it are one. */
lp_expr body_count(body *b, ir_dim d);
/* From now on, values with axes that were not asked for yet are one axis of so many elements. */
void body_line(body *b, lp_expr count);
/* The indices that `linear` counts over n axes of t, listed in `at`. */
void body_split(body *b, lp_expr linear, const ir_type *t, const int32_t *at, int n, lp_expr *idx);
/* The value's element at idx; b->failed is set if that has no expression. */
lp_expr body_at(body *b, ir_ref ref, const lp_expr *idx);
/* The element where `inside`, else `other`: the index may be out of bounds
 * there, and nothing is read. */
lp_expr body_at_if(body *b, ir_ref ref, const lp_expr *idx, lp_expr inside, lp_expr other);
/* The element of the result of the movement op `n`; 0 if `n` is no movement op. */
lp_expr body_move(body *b, const ir_node *n, const lp_expr *idx);
/* Stores element idx of n values that the kernel makes, which is the element `to` of their
 * parameters, past the caches if `stream`: then neighbours must be stored one after the other.
 * Each is computed before the first is stored, which may be where another's operand lies; they
 * read it of each other. */
void body_store_all(body *b, const ir_ref *out, uint32_t n, const lp_expr *idx, const lp_expr *to,
                    bool stream);

/* Finishes: the kernel goes to the table, the call is described. */
bool body_call(body *b, group_call *out);

/* Opens n loops, each over [0, dims[i]): outer ones parallel, until they have enough
 * iterations to be shared out, the rest serial; idx gets the variables.  Returns how
 * many lp_end close them. */
int body_loops(body *b, const ir_dim *dims, int n, lp_expr *idx);

#endif
