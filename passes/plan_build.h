/* passes/plan_build.h - from entry functions to a plan. */
#ifndef INGOT_PLAN_BUILD_H
#define INGOT_PLAN_BUILD_H

#include "group.h"
#include "plan.h"
#include "target.h"

typedef struct plan_options {
    group_lower *lower;         /* code of a group */
    void *lower_cx;
    const target *target;
    int64_t budget;             /* bytes that the slots of an entry may take; 0: any */
    bool *over;                 /* if given, groups are made as if there were no budget; it says
                                 * whether an entry takes more, and the plan is of no use then */
    bool no_alloc;              /* refuse values whose size only the run knows */
} plan_options;

/* Null after errors; everything unsupported was recorded. */
plan *plan_build(ir_module *m, const plan_options *o, diag *d);

#endif
