/* codegen/lower/templates.h - the templates: a group becomes one or more kernels.
 * Each returns false with l->failed (a reason) if it does not fit. */
#ifndef INGOT_TEMPLATES_H
#define INGOT_TEMPLATES_H

#include "body.h"

typedef struct job {
    lower *l;
    const ir_groups *in;
    const ir_group *g;
    const ir_node *root;
    ir_ref out;                 /* the value stored */
    VEC(group_call) call;
    VEC(ir_dim) temp;
    const char *failed;
} job;

typedef bool template_fn(job *j);
template_fn template_map, template_reduce, template_rows, template_argreduce, template_window,
    template_dot, template_conv, template_cumul, template_scatter;

/* The axis of the result along which neighbours are read, where that is not the
 * last; -1: none.  And the template for it. */
int turned_axis(job *j);
bool template_turn(job *j, int axis);

/* Begins a kernel of the job. */
void job_kernel(job *j, body *b, const char *what);
/* Stores the job's value at idx, where its root has the value v of any dtype. */
void job_store(job *j, body *b, const lp_expr *idx, lp_expr v);
/* Ends it; the call is recorded. */
bool job_end(job *j, body *b);
uint32_t job_temp(job *j, ir_dim bytes);

/* The type that sums of this one are kept in. */
ir_dtype acc_dtype(ir_dtype dt);
sc_op redop_scalar(ir_redop op);
/* Value that leaves a reduction unchanged. */
lp_expr redop_start(lp_kernel *k, ir_redop op, ir_dtype dt);
static inline int lanes_of(const lower *l, ir_dtype dt)
{
    return target_lanes(l->target, dt);
}

#endif
