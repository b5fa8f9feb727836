/* codegen/lower/body.h - one kernel in the making: its parameters, and the scalar
 * expression of any value of the group at any index. */
#ifndef INGOT_BODY_H
#define INGOT_BODY_H

#include "lower.h"

/* A value that the template computed: one expression for all indices, or held
 * in a local buffer whose first axis is the value's axis `skip`. */
typedef struct body_known {
    ir_ref ref;
    lp_expr expr;               /* 0: in `row` */
    lp_buf row;
    int skip;
} body_known;

typedef struct body {
    lower *l;
    const ir_groups *in;
    const ir_fn *fn;
    lp_kernel *k;
    /* parameters in order */
    VEC(group_arg) arg;
    VEC(lp_buf) buf;            /* by parameter */
    VEC(ir_dim) dim;            /* by i64 parameter */
    VEC(lp_expr) dim_expr;
    map memo;                   /* (value, index) to position in memo_expr */
    VEC(lp_expr) memo_expr;
    ir_ref made;                /* stored value that this kernel computes, or IR_NONE */
    ir_ref over;                /* source that the output may overlap, or IR_NONE */
    ir_ref given;               /* a value computed by the template .. */
    lp_expr given_expr;         /* .. at the index at hand */
    VEC(body_known) known;      /* more of these; the last of a value counts */
    lp_expr guard;              /* loads are made where it holds; 0: always */
    const char *failed;         /* why the group cannot be lowered */
} body;

void body_init(body *b, lower *l, const ir_groups *in, const char *name);
void body_free(body *b);

/* Declares as parameters every stored value and constant that `ref` needs
 * (itself, too, if it is stored), and the dims of all that is in between. */
void body_needs(body *b, ir_ref ref);
/* The parameter of a stored value to be written; its dims are the type's. */
lp_buf body_output(body *b, ir_ref ref);
lp_buf body_temp(body *b, uint32_t temp, ir_dtype dt, int rank, const lp_expr *dims, bool write);
lp_buf body_const(body *b, uint32_t constant);
void body_dims(body *b, ir_dim d);          /* declares d's symbols */

/* A dim as an index expression; its symbols are declared. */
lp_expr body_dim(body *b, ir_dim d);
/* The indices that `linear` counts over n axes of t, listed in `at`. */
void body_split(body *b, lp_expr linear, const ir_type *t, const int32_t *at, int n, lp_expr *idx);
/* The value's element at idx; 0 and b->failed if that has no expression. */
lp_expr body_at(body *b, ir_ref ref, const lp_expr *idx);
/* The parameter that holds the value; 0 if the value is computed on the way. */
lp_buf body_source(const body *b, ir_ref ref);
/* The element where `inside`, else `other`: the index may be out of bounds
 * there, and nothing is read. */
lp_expr body_at_if(body *b, ir_ref ref, const lp_expr *idx, lp_expr inside, lp_expr other);
/* Forgets expressions: call when a block closes over which let's or loop
 * variables were used. */
void body_forget(body *b);

/* Finishes: the kernel goes to the table, the call is described. */
bool body_call(body *b, group_call *out);

/* Loops over par axes [0, n) of `extent`: outer ones parallel, the rest serial;
 * idx gets the variables.  Returns how many lp_end close them. */
int body_loops(body *b, const ir_dim *dims, int n, lp_expr *idx);

#endif
