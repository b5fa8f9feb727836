/* passes/plan_budget.c - the slots of an entry within a budget.
 *
 * If those of the function's own order take more, units are run again
 * (plan_repeat.c).  What is in use at once may be spread over more bytes than
 * it has; then a smaller sum is tried. */
#include "plan_repeat.h"

/* Sums that are tried for one budget, and bytes to which the search narrows. */
enum { TRIES = 8, GRAIN = 1024 };

static void place(planner *pl)
{
    plan_liveness(pl);
    plan_slots(pl);
}

/* Gives the entry this order of steps, in place of that of an earlier try. */
static void take_order(planner *pl, const plan_units *u, plan_block order)
{
    if (pl->e->body->step.at != u->old.step.at)
        vec_free(&pl->e->body->step);
    *pl->e->body = order;
}

/* What was over the budget is taken off the sum that is allowed at once, and tried
 * again. */
static bool fits(planner *pl, const plan_units *u, int64_t budget)
{
    int64_t allowed = budget, over = 1;

    for (int i = 0; over > 0 && i < TRIES; i++) {
        plan_block order = {0};
        pl->e->value.len = pl->home.len = u->values;
        if (!plan_repeat(pl, u, allowed, &order)) {
            vec_free(&order.step);
            return false;
        }
        take_order(pl, u, order);
        place(pl);
        over = plan_slots_taken(pl) - budget;
        allowed -= over;
    }
    return over <= 0;
}

/* A budget that is met, `high` or less: not always the least, as one may be met and a larger
 * one not.  Searched from zero, so that it does not depend on the one that was asked for. */
static int64_t met_budget(planner *pl, const plan_units *u, int64_t high)
{
    int64_t low = 0;

    while (high - low > GRAIN) {
        int64_t middle = low + (high - low) / 2;
        if (fits(pl, u, middle))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* The order of the function is kept wherever it fits.  If the budget that was asked
 * for is met by none of the tries, the one that a search found may be; else the
 * error names it. */
void plan_fit(planner *pl)
{
    int64_t budget = pl->o->budget;
    plan_units u;

    place(pl);
    int64_t taken = plan_slots_taken(pl);
    if (!budget || taken <= budget)
        return;
    if (pl->o->over) {
        *pl->o->over = true;
        return;
    }
    plan_units_find(pl, &u);
    if (!fits(pl, &u, budget)) {
        int64_t met = met_budget(pl, &u, taken);
        if (met <= budget)
            fits(pl, &u, met);
        else
            diag_error(pl->d, (ir_loc){0}, D_MEMORY, pl->e->name, (long long)met,
                       (long long)budget);
    }
    if (pl->e->body->step.at != u.old.step.at)
        vec_free(&u.old.step);
    plan_units_free(&u);
}
