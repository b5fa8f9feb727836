/* codegen/lower/templates.h - the templates: a group becomes one or more kernels.
 * A template that does not fit its group says why in j->failed and returns false. */
#ifndef INGOT_TEMPLATES_H
#define INGOT_TEMPLATES_H

#include "body.h"

/* A group that is being lowered.  `relu(dot(a, b))` has the dot as its root, which
 * chose the template, and the relu as the value `out` that it stores.  The template
 * adds a call for each kernel that it makes: perhaps one that copies b to temp 0,
 * and the one that computes. */
typedef struct job {
    lower *l;
    const ir_groups *in;
    const ir_group *g;
    const ir_node *root;
    ir_ref out;
    VEC(group_call) call;
    VEC(ir_dim) temp;           /* bytes of each temp */
    const ir_dim *flops;        /* of the contraction, if not as its node says; else null */
    const char *failed;         /* why the group cannot be lowered */
} job;

typedef bool template_fn(job *j);
#define TEMPLATE(NAME, run, ...) template_fn template_##run;
#include "templates.def"

/* The axis of the result along which neighbours in memory are read, where that is
 * not the last; -1 if there is none.  And the template for such a group. */
int turned_axis(job *j);
bool template_turn(job *j, int axis);
/* Do all loads of e stay, or move to the next element, when var grows by one? */
bool turn_is_near(lp_kernel *k, lp_expr e, lp_expr var);

/* Is e an element that is moved as it is, from places that lie apart when var grows? */
bool turn_is_apart(lp_kernel *k, lp_expr e, lp_expr var);

/* Begins a kernel of the job, in which `out` is bound as what it makes; `what` names
 * it.  job_end ends it and records the call, or false and j->failed. */
void job_kernel(job *j, body *b, const char *what);
bool job_end(job *j, body *b);
/* Stores the job's results at idx, where its root is v, of any dtype. */
void job_store(job *j, body *b, const lp_expr *idx, lp_expr v);
/* Fetches what n results from idx on, along the last axis, are made of besides the root's value,
 * as far as it has rows as they have.  Returns how many such values; n = 0 only counts them. */
int job_fetch(job *j, body *b, const lp_expr *idx, int n);
/* Is the job's value larger than the caches?  Then it is stored past them. */
bool job_streams(const job *j);
/* Stores element idx of them, which is `to` of their parameters, past the caches if job_streams
 * says so. */
void job_write(const job *j, body *b, const lp_expr *idx, const lp_expr *to);
/* A temp of the job's calls: its number. */
uint32_t job_temp(job *j, ir_dim bytes);

/* The type that sums of values of this type are kept in. */
ir_dtype acc_dtype(ir_dtype dt);
/* The function of two elements of a type that a reduction applies: the least of truths is
 * their conjunction. */
sc_op redop_scalar(ir_redop op, ir_dtype dt);
/* The value that it leaves unchanged, where a reduction starts. */
lp_expr redop_start(lp_kernel *k, ir_redop op, ir_dtype dt);
static inline int lanes_of(const lower *l, ir_dtype dt)
{
    return target_lanes(l->target, dt);
}

#endif
