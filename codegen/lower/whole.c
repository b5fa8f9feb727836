/* codegen/lower/whole.c - which entries are little work: llvm/whole.c writes these out, as one
 * piece of code without a loop. */
#include "lower.h"

/* Operations of a kernel on average: more take longer one by one than the call of a kernel that
 * computes in vectors.  Bytes of workspace that a function may have on the stack. */
enum { WHOLE_KERNEL = 512, WHOLE_STACK = 4096 };

static bool has_whole_slots(const plan_entry *x)
{
    bool fixed = x->fixed <= WHOLE_STACK && !x->lates;

    for (uint32_t i = 0; i < x->slot.len; i++)
        fixed &= x->slot.at[i].fixed;
    return fixed;
}

/* Operations of a step that runs a kernel of constant extents without scratch; those of any
 * other are as many as no entry may have. */
static int64_t step_size(const lower *l, const plan_step *s)
{
    if (s->op != STEP_RUN || s->u.run.ndim || s->u.run.late != PLAN_NONE ||
        !dim_is(&l->m->dims, s->u.run.scratch, 0))
        return LOWER_WHOLE + 1;
    return lp_whole_size(l->kernel.at[s->u.run.kernel], LOWER_WHOLE + 1);
}

bool lower_is_whole(const lower *l, const plan_entry *x)
{
    int64_t size = 0, most = min_i64(LOWER_WHOLE, (int64_t)x->body->step.len * WHOLE_KERNEL);

    for (uint32_t i = 0; i < x->body->step.len && size <= most; i++)
        size += step_size(l, &x->body->step.at[i]);
    return size <= most && has_whole_slots(x);
}
